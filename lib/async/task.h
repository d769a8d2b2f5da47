/* async/task.h -- the cell that runs a function: what submitted work (submit.c) and
 * then-functions (then.c) share. */
#ifndef ER_TASK_H
#define ER_TASK_H

#include "async/context.h"

typedef struct er_timed_task { /* with a deadline, to begin or to end */
    er_task task;
    er_timer timer;
    errand_reason late; /* the reason of the cancel at its deadline */
} er_timed_task;

/* Completes the result of a task: fn is called once, however the task ends, before the result can
 * be seen, with the time that a failure took since the submit. */
typedef struct er_completion {
    void (*fn)(void *arg, errand_result *r, int64_t took_ms);
    void *arg;
    int64_t began_ns; /* task.c's and submit.c's */
} er_completion;

typedef struct er_completed_task { /* not timed */
    er_task task;
    er_completion completion;
} er_completed_task;

/* er_task.flags, beside ER_FOLLOWS: fn is an errand_into_fn; which of these it is; it
 * is part of an attempt. */
enum { ER_INTO = 2, ER_TIMED = 4, ER_COMPLETED = 8, ER_PART = 16 };

static inline er_task *er_task_of(er_cell *cell) { return er_of(cell, er_task, cell); }
static inline er_timed_task *er_timed_of(er_cell *cell)
{
    return er_of(cell, er_timed_task, task.cell);
}

/* The last steps; the caller holds a count. */
void er_task_end(er_cell *cell, errand_result r);
/* The same with what its function returned: it may follow another. */
void er_task_finish(er_cell *cell, errand_result r);

/* What it waits for; NULL: nothing any more. */
void er_task_link(er_task *task, er_cell *f);
/* Methods of both kinds: cancel of one that runs, or waits for its input; the others. */
void er_task_cancel(er_cell *cell, errand_reason reason);
bool er_task_input(er_cell *cell, size_t i, er_cell **input);
er_label er_task_label(const er_cell *cell);
errand_pool *er_task_needs(er_cell *cell);
void er_task_describe(er_cell *cell, er_description *d); /* adds what it waits for */
/* The task that runs in place on this one's stack, counted; NULL: none. */
er_cell *er_task_nested(er_task *task);
void er_task_free(er_cell *cell);

/* Around its function: the thread has the task's log fields; what the function puts in their
 * place is the thread's until it returns. */
errand_log_fields *er_task_take_fields(const er_task *task);
void er_task_put_fields_back(errand_log_fields *before);

/* errand_task.reserved, inside the library. RETRIED: it is part of an attempt that may be made
 * again; what it submits is so, too. Of a run, whatever its policy says: ALONE: no attempt
 * begins beside another; ONCE: nor after another. */
enum { ER_RETRIED = 1, ER_ALONE = 2, ER_ONCE = 4 };
/* What a task submitted here inherits of that. */
bool er_retried_here(void);
/* A loop on this thread has an attempt under way (1) or not any more (-1). */
void er_retried_enter(int more);

/* Whether r came from errand_later(). */
bool er_is_later(const errand_result *r);

/* What a blocking call in a cancelled task returns. */
errand_result er_cancel_result(errand_reason reason);

#endif
