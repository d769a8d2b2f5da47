/* async/pool.c -- what a pool is made of, and making one.
 *
 *     queue: urgent | tasks --er_pick_next--> worker --job->run--> worker ...
 *            busy <= limit = workers + services
 *
 * The queue (runq.c) and the workers (worker.c) share one lock; its fields are in pool.h. Threads
 * are started when there is something to do for them, so a pool that was only made has none. */
#include "async/pool.h"
#include "async/live.h"
#include "async/runq.h"
#include "async/worker.h"

#include "base/options.h"

#include <errno.h>

static void woke(errand_pool *pool) /* no timer sleeps any more */
{
    er_pool_lock(pool);
    er_notify_watchers(pool);
    er_pool_unlock(pool);
}

static void free_pool(er_pool_ref *ref)
{
    if (ref->timers) er_timers_free(ref->timers);
    er_free(ref->live);
    er_free(ref);
}

errand_pool *errand_pool_new_sized(const errand_pool_opts *opts, size_t size)
{
    errand_pool_opts o;
    int error = er_options(&o, sizeof o, opts, size);
    if (!error &&
        (o.workers > 100000 || (o.spares > 100000 && o.spares != ERRAND_NO_SPARES) ||
         (unsigned)o.when_full > ERRAND_WHEN_FULL_CALLER_RUNS || (o.clock && !o.clock->now_ns)))
        error = EINVAL;
    errand_pool *pool = error ? NULL : er_alloc_zero(sizeof *pool);
    if (!pool) {
        errno = error ? error : ENOMEM;
        return NULL;
    }
    pool->ref.free = free_pool;
    pool->ref.clock = o.clock;
    pool->ref.log = o.log;
    pool->ref.name = o.name ? o.name : "errand";
    pool->workers = o.workers ? o.workers : 16;
    pool->spares = o.spares ? o.spares : 256;
    if (o.spares == ERRAND_NO_SPARES) pool->spares = 0;
    pool->queue_max = o.queue ? o.queue : 65536;
    pool->stack = o.stack;
    pool->when_full = o.when_full;
    pool->on_start = o.on_start;
    pool->on_stop = o.on_stop;
    pool->arg = o.arg;
    pool->start_worker = er_start_worker;
    er_list *lists[] = { &pool->urgent,     &pool->tasks,   &pool->aside,        &pool->submitters,
                         &pool->all,        &pool->exited,  &pool->service_list, &pool->closers,
                         &pool->guest_list, &pool->watchers };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) er_list_init(lists[i]);
    er_pool_ref_open(&pool->ref);
    pool->ref.timers = er_timers_new(pool, woke);
    pool->ref.live = er_live_lists_new();
    if (!pool->ref.timers || !pool->ref.live) {
        er_pool_ref_close(&pool->ref);
        errno = ENOMEM;
        return NULL;
    }
    er_left_open_add(&pool->left_open, o.log, "pool", pool->ref.name);
    return pool;
}

void errand_pool_tick(errand_pool *pool)
{
    if (!pool || er_pool_dead(pool)) return;
    er_pool_keep(pool); /* another thread may close it meanwhile */
    er_timers_tick(pool->ref.timers);
    er_pool_release(pool);
}
