/* core/task_state.h -- what the files of a task share: task, work, then. */
#ifndef ER_TASK_STATE_H
#define ER_TASK_STATE_H

#include "core/task.h"

typedef struct er_timed_task { /* with a deadline, to begin or to end */
    er_task       task;
    er_timer      timer;
    errand_reason late; /* why it is told to end at its deadline */
} er_timed_task;

typedef struct er_completed_task { /* somebody completes its end; not timed */
    er_task       task;
    er_completion completion;
} er_completed_task;

/* er_task.flags, beside ER_FOLLOWS: fn is an errand_into_fn; which of these it is; it is part of an attempt. */
enum { ER_INTO = 2, ER_TIMED = 4, ER_COMPLETED = 8, ER_PART = 16 };

static inline er_task *er_task_of(er_cell *cell) { return er_of(cell, er_task, cell); }
static inline er_timed_task *er_timed_of(er_cell *cell) { return er_of(cell, er_timed_task, task.cell); }

/* The last steps; the caller holds a count. */
void er_task_end(er_cell *cell, errand_result r);
/* The same with what its function returned: it may follow another. */
void er_task_finish(er_cell *cell, errand_result r);

/* What it waits for; NULL: nothing any more. */
void er_task_link(er_task *task, er_cell *f);
/* Methods of both kinds: cancel of one that runs, or waits for its input; the others. */
void er_task_tell(er_cell *cell, errand_reason reason);
bool er_task_input(er_cell *cell, size_t i, er_cell **input);
er_label er_task_label(const er_cell *cell);
errand_pool *er_task_needs(er_cell *cell);
void er_task_free(er_cell *cell);

/* Around its function: the thread has the task's log fields; what the function puts in their place is the thread's until it returns. */
errand_log_fields *er_task_take_fields(const er_task *task);
void               er_task_put_fields_back(errand_log_fields *before);

#endif
