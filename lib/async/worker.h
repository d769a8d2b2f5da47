/* async/worker.h -- the threads of a pool. */
#ifndef ER_WORKER_H
#define ER_WORKER_H

#include "async/pool.h"

/* pool->start_worker. EAGAIN or ENOMEM: no thread could be started, and there is none that takes
 * jobs: er_runq_give_up is to follow. */
int er_start_worker(errand_pool *pool);

/* Joins those that have exited. Without the lock. */
void er_reap(errand_pool *pool);
/* It will not be joined: it frees itself when it leaves. Under the lock, while it is in `all` and
 * its thread is known. */
static inline void er_worker_leave_behind(er_worker *w)
{
    w->left = true;
    er_thread_detach(&w->thread);
}

#endif
