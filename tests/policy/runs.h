/* Functions to run under a policy, and waits until they sleep or end. */
#ifndef RUNS_H
#define RUNS_H

#include "async/events.h"

/* Waits until exactly n operations of the pool sleep (a backoff, a turn, errand_sleep) and no task
 * runs or waits. */
void await_asleep(errand_pool *pool, size_t n);
/* Turns the clock whenever all operations sleep, until f has ended. */
void turn_to_the_end(test_clock *t, errand_pool *pool, errand_future *f);

/* A function with a given error for each attempt; later attempts succeed. */
typedef struct script {
    int error[40];    /* 0: success; may be ECANCELED */
    int64_t hint_ms;  /* retry_after of each failure; 0: none */
    errand_kind kind; /* of the failures, if hint_ms or may_have_run is set */
    bool may_have_run;
    unsigned calls, freed; /* atomic */
} script;
errand_result follow_script(void *arg);
void script_freed(void *arg); /* the task's free */
errand_task scripted(script *s);

/* Runs a task under a policy with these options; its handle is freed at once. */
errand_policy *policy_of(errand_policy_opts opts); /* fails the test if it is refused */
errand_future *start_run(errand_pool *pool, errand_policy_opts opts, errand_task task);
errand_pool *test_clock_pool(test_clock *t); /* with one worker */

/* A task that ignores cancels until it is released, and counts the frees of its arg. */
typedef struct stuck {
    hold h;
    unsigned freed;
} stuck;
errand_task sticking(stuck *s);

/* A cooperative task: sleeps until it is cancelled, and stores the reason. */
typedef struct obedient {
    errand_pool *pool;
    event began;
    errand_reason reason;
    unsigned calls, freed;
} obedient;
errand_result obey(void *arg);
void obedient_freed(void *arg);
errand_task obeying(obedient *o);

#endif
