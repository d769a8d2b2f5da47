/* Functions that are run under a policy, and waiting until they sleep or end. */
#ifndef RUNS_H
#define RUNS_H

#include "async/events.h"

/* Until exactly n operations of the pool's sleep (a backoff, a turn, errand_sleep) and no task of it runs or waits. */
void await_asleep(errand_pool *pool, size_t n);
/* Turns the clock on and on, whenever all is asleep, until f has ended. */
void turn_to_the_end(turned *t, errand_pool *pool, errand_future *f);

/* A function that ends as it is told, attempt by attempt, and well at last. */
typedef struct script {
    int error[40];    /* 0: well; ECANCELED and all */
    int64_t hint_ms;  /* with every failure; 0: none */
    errand_kind kind; /* of the failures, if hint_ms or may_have_run is set */
    bool may_have_run;
    unsigned calls, freed; /* atomic */
} script;
errand_result follow_script(void *arg);
void script_freed(void *arg); /* the task's free */
errand_task scripted(script *s);

/* Runs a task under such a policy, whose handle is given up at once. */
errand_policy *policy_of(errand_policy_opts opts); /* fails the test if it is refused */
errand_future *start_run(errand_pool *pool, errand_policy_opts opts, errand_task task);
errand_pool *turned_pool(turned *t); /* of one worker */

/* A task that is deaf until it is let go, and notes that its arg was freed. */
typedef struct stuck {
    hold h;
    unsigned freed;
} stuck;
errand_task sticking(stuck *s);

/* A cooperative task: sleeps until it is told, and notes by whom. */
typedef struct obedient {
    errand_pool *pool;
    event began;
    errand_reason told;
    unsigned calls, freed;
} obedient;
errand_result obey(void *arg);
void obedient_freed(void *arg);
errand_task obeying(obedient *o);

/* A log whose lines stay in memory. */
typedef struct said {
    errand_log *log;
    int fd;
} said;
void listen_to(said *s);
char *all_said(said *s); /* flushed; free it */
void stop_listening(said *s);

#endif
