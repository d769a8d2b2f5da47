/* async/submit.h -- tasks: a function submitted to a pool. */
#ifndef ER_SUBMIT_H
#define ER_SUBMIT_H

#include "async/task.h"

typedef struct er_terms { /* what errand_submit_task sets itself */
    er_context *context;  /* the count comes with it; NULL: none; task->key is ignored */
    int64_t deadline_ns;  /* on the pool's clock; INT64_MAX: none */
    errand_reason late;   /* the reason with which its deadline cancels it */
    bool urgent;          /* as in er_runq_push */
    const void *site;     /* where it was submitted */
    bool tries;           /* a full queue is ERRAND_EFULL, whatever the pool's options say */
} er_terms;

/* As errand_submit_task, but inherits nothing: that is in the terms. */
ER_SHARED er_cell *er_task_submit(errand_pool *pool, const errand_task *task,
                                  const er_terms *terms);

/* The same without deadlines; fn completes the end (er_completion). */
er_cell *er_task_submit_completed(errand_pool *pool, const errand_task *task, er_context *context,
                                  const void *site, void (*fn)(void *, errand_result *, int64_t),
                                  void *arg);

/* Copies and checks a caller's task into *own and fills in the name it inherits. NULL: all is
 * well; else the failed future to return, the task's arg freed. */
er_cell *er_task_check(errand_pool *pool, errand_task *own, const errand_task *task, size_t size);

/* Called in a task on a worker. Runs f in place if f is submitted work of the same pool, no
 * thread has begun it, and three quarters of the stack are left. */
void er_task_run_here(er_cell *f);

#endif
