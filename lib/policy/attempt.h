/* policy/attempt.h -- one attempt of a run: its way through the limits, and its function. */
#ifndef ER_ATTEMPT_H
#define ER_ATTEMPT_H

#include "async/runq.h"
#include "policy/retry.h"

/* A run; the driver's (run.c), but for events. Its attempts read the first part. */
typedef struct er_running {
    /* until it ends, cell.result is how the last attempt ended */
    er_cell cell;
    /* something about an attempt has changed; gives a count of the cell back */
    void (*look)(struct er_running *self);
    void (*fn)(void);
    er_retry retry;
    int64_t begin_by_ns; /* the first attempt; then: until when it sleeps */
    er_live live;        /* until its cell ends; its site is where the run was begun */
    bool into;           /* fn is an errand_into_fn */
    bool urgent;         /* its next task is not held up by a full queue */

    uint8_t stage;
    /* written under the cell's lock bit, for the dump: begin_by_ns and retry.number
     * stay while it is asleep */
    bool ended, asleep;
    bool armed, no_hedge;
    bool failed;     /* at its end: before a fallback */
    uint32_t events; /* atomic */
    errand_free_fn *free_arg;
    int64_t alarm_ns; /* what the timer is armed for */
    er_timer timer;
    struct er_attempt *attempts; /* in the order in which they were begun */
} er_running;

typedef enum er_attempt_stage {
    ER_ASKS,
    ER_TURN,
    ER_TOTAL_TURN,
    ER_PERMIT,
    ER_RUNS,
    ER_JUDGED,
    ER_LAST
} er_attempt_stage;

/* The hook before an attempt: while it reads the last result the driver leaves that alone. LATE:
 * the hook comes too late to read it. */
typedef enum er_hook { ER_HOOK_TO_COME, ER_HOOK_CALLED, ER_HOOK_RETURNED, ER_HOOK_LATE } er_hook;

/* One attempt, from asking its limits until its function has returned and it has been judged.
 * Also what calls the user's code at the end of a run (ER_LAST). The driver's, but for signal. */
typedef struct er_attempt {
    struct er_attempt *next; /* these two under the cell's lock bit: circles and dumps read them */
    er_cell *input;
    er_running *run;
    er_waiter waiter;
    int64_t began_ns, ended_ns;
    int64_t wait_ms; /* what was judged: these */
    er_next then;
    bool judged;
    bool hedge;
    bool returned; /* its function has, with errand_later: atomic */
    bool left;     /* the run has ended without it */
    uint32_t hook; /* er_hook: atomic; set by its caller, LATE by the driver */
    unsigned number;
    uint32_t stage;  /* er_attempt_stage: atomic, for the dump */
    uint32_t signal; /* a limit or the input has called back: atomic; error says what */
    int error;
    er_breaker_call call; /* from here on only if the policy has limits */
    er_sem_place place;
    er_turn turn;
} er_attempt;

/* Whether its hook has a result to read. A hedge's has none: the attempt before it may be under
 * way. */
static inline bool er_attempt_sees_last(const er_attempt *a) { return !a->hedge && a->number > 1; }

typedef enum er_step { ER_STEP_WAITS, ER_STEP_REFUSED, ER_STEP_ENDED } er_step;

er_attempt *er_attempt_new(er_running *run, bool hedge); /* NULL: no memory */

/* Goes on from asking its limits until it waits, is refused (*r says why; nothing is held), or
 * its task has ended (*r is how). */
er_step er_attempt_go(er_attempt *a, errand_result *r);
/* The same when something may have happened. */
er_step er_attempt_look(er_attempt *a, errand_result *r);

/* A task for it: watched as its input. */
void er_attempt_watch(er_attempt *a, er_attempt_stage stage, er_cell *input);

/* Cancels it. True: it waited for a limit and is refused now; else run->look will be called. */
bool er_attempt_cancel(er_attempt *a, errand_reason reason);

/* Its function has returned: gives back what it holds and reports the outcome to its limits. */
void er_attempt_settle(er_attempt *a, const errand_result *how);

#endif
