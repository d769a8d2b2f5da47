/* async/submit.h -- tasks: a function submitted to a pool. */
#ifndef ER_SUBMIT_H
#define ER_SUBMIT_H

#include "async/task.h"

/* errand_submit_task that inherits nothing: its context is given to it, and the count with it (NULL: none; task->key is not looked
 * at); the deadline is on the pool's clock (INT64_MAX: none) and tells the task to end for that reason; urgent as in er_runq_push. */
ER_SHARED er_cell *er_task_submit(errand_pool *pool, const errand_task *task, er_context *context, int64_t deadline_ns,
                                  errand_reason reason, bool urgent, const void *site);

/* The same without deadlines; fn completes the end (er_completion). */
er_cell *er_task_submit_completed(errand_pool *pool, const errand_task *task, er_context *context, const void *site,
                                  void (*fn)(void *, errand_result *, int64_t), void *arg);

/* Copies and checks a caller's task into *own and fills in the name it inherits. NULL: all is well; else the failed
 * future to return, the task's arg freed. */
er_cell *er_task_check(errand_pool *pool, errand_task *own, const errand_task *task, size_t size);

/* In a task on a worker: if f is work of this very pool that nobody has begun, runs it right here, while stack is left. */
void er_task_run_here(er_cell *f);

#endif
