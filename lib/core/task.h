/* core/task.h -- the cell that runs a function: submitted work, and what comes after. */
#ifndef ER_TASK_H
#define ER_TASK_H

#include "core/context.h"

/* errand_submit_task that inherits nothing: its context is given to it, and the count with it (NULL: none; task->key is not looked
 * at); the deadline is on the pool's clock (INT64_MAX: none) and tells the task to end for that reason; urgent as in er_pool_queue. */
ER_SHARED er_cell *er_task_submit(errand_pool *pool, const errand_task *task, er_context *context, int64_t deadline_ns,
                                  errand_reason reason, bool urgent, const void *site);

/* The same without deadlines, for somebody who has to complete the end: called once, whatever becomes of the task, before anybody
 * sees the result; with how long a failure took since it was submitted. */
typedef struct er_completion {
    void  (*fn)(void *arg, errand_result *r, int64_t took_ms);
    void   *arg;
    int64_t began_ns; /* work.c's */
} er_completion;
er_cell *er_task_submit_completed(errand_pool *pool, const errand_task *task, er_context *context, const void *site,
                                  void (*fn)(void *, errand_result *, int64_t), void *arg);

/* errand_task.reserved, inside the library. RETRIED: it is part of an attempt that may be made again; what it submits is so, too. Of a
 * run, whatever its policy says: ALONE: no attempt begins beside another; ONCE: nor after another. */
enum { ER_RETRIED = 1, ER_ALONE = 2, ER_ONCE = 4 };
/* What a task submitted here inherits of that. */
bool er_retried_here(void);
/* A loop on this thread has an attempt under way (1) or not any more (-1). */
void er_retried_enter(int more);

/* "Ask f" was returned. */
bool er_is_later(const errand_result *r);

/* Copies and checks a caller's task into *own and fills in the name it inherits. NULL: all is well; else the failed
 * future to return, the task's arg freed. */
er_cell *er_task_check(errand_pool *pool, errand_task *own, const errand_task *task, size_t size);

/* In a task on a worker: if f is work of this very pool that nobody has begun, runs it right here, while stack is left. */
void er_task_run_here(er_cell *f);

/* What a blocking call in a task that is told to end returns. */
errand_result er_told_result(errand_reason reason);

#endif
