/* async/current.h -- what the calling thread is doing: its worker, its task, the
 * stretch of code it is in. */
#ifndef ER_CURRENT_H
#define ER_CURRENT_H

#include "async/job.h"

/* A stretch of code with a deadline of its own: errand_enter to errand_leave. */
typedef struct er_frame {
    struct er_frame *outer;
    /* its own alone: on its task's pool's clock, else the machine's */
    int64_t deadline_ns;
    bool shields;  /* deadlines further out do not count */
    bool shielded; /* it or an outer one shields: a cancel of the task is ignored */
    bool expired;  /* its deadline has ended a wait */
} er_frame;

/* What the calling thread is. A worker sets its own; others find all of it empty. */
typedef struct er_here {
    struct er_worker *worker;
    er_task *task;
    er_frame *frame;
    bool working; /* its worker is in a job, be it a task or not: it counts as busy */
    bool service;
    unsigned queued;                /* tasks, by it: to take samples */
    unsigned nested;                /* tasks that run on the stacks of others */
    er_guest *guest;                /* the innermost on this stack */
    bool alone;                     /* this thread is inside er_runq_give_up */
    struct er_close_hook *shutting; /* this thread is inside its shut */
} er_here;
er_here *er_here_now(void);

ER_SHARED er_task *er_task_here(void);
errand_pool *er_pool_here(void); /* this thread is a worker of it; NULL: of none */
/* its worker, or a thread that runs one of its tasks as a guest */
bool er_pool_is_here(const errand_pool *pool);
er_frame **er_frame_here(void);
unsigned *er_nested_here(void); /* how many tasks run inside others on this stack */

/* Makes `task` and *frame the calling thread's. Returns the previous task, and the previous frame
 * in *frame; the same call with those restores both. */
er_task *er_task_change(er_task *task, er_frame **frame);

/* The thread of `task`, which is the calling one's, waits in `wait` from now on, or has a cancel
 * hook there; they nest. Returns what was there before, for er_unblock: a hook among that sees a
 * cancel that has come meanwhile. */
er_wait *er_block(er_task *task, er_wait *wait);
void er_unblock(er_task *task, er_wait *before);

/* Called after the user's code has run on a worker. Where that code forked and returned in the
 * child, the child ends here: all it could return to is the parent's. */
ER_SHARED void er_end_in_child(void);

/* Why the calling code is cancelled, and its deadline on that pool's clock (INT64_MAX: none). */
errand_reason er_cancelled_here(void);
ER_SHARED int64_t er_deadline_here(errand_pool *pool);

/* A wait has ended at the deadline of the calling code: if that is a frame's, and not the task's,
 * the frame has expired. */
void er_frame_expire(void);
/* The same, if the deadline has passed. */
void er_frame_expire_if_late(void);

#endif
