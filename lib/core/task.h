/* core/task.h -- the cell that runs a function: submitted work, and what comes after. */
#ifndef ER_TASK_H
#define ER_TASK_H

#include "core/pool.h"

/* errand_submit_task that inherits nothing: the deadline is on the pool's clock (INT64_MAX: none) and tells the task to end for
 * that reason; urgent as in er_pool_queue. */
er_cell *er_task_submit(errand_pool *pool, const errand_task *task, int64_t deadline_ns, errand_reason reason, bool urgent);

/* On a worker: if f is work of this very pool that nobody has begun, runs it right here. */
bool er_task_run_here(er_cell *f);

/* What a blocking call in a task that is told to end returns. */
errand_result er_told_result(errand_reason reason);
int           er_told_error(errand_reason reason);

/* The calling task's deadline on that pool's clock; INT64_MAX: none. */
ER_SHARED int64_t er_deadline_here(errand_pool *pool);

#endif
