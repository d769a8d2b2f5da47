/* core/pool.c -- what a pool is made of, and making one.
 *
 *     queue: urgent | tasks --er_pick_next--> worker --job->run--> worker ...          busy <= limit = workers + residents
 *
 * The queue (queue.c) and the workers (worker.c) share one lock; its fields stand in pool_state.h. Threads are started when there
 * is something to do for them, so a pool that was only made has none. */
#include "core/pool_state.h"
#include "core/queue.h"
#include "core/worker.h"

#include "base/options.h"

#include <errno.h>

static void woke(errand_pool *pool) /* no timer sleeps any more */
{
    er_pool_lock(pool);
    er_tell_watchers(pool);
    er_pool_unlock(pool);
}

static void free_pool(er_home *home)
{
    if (home->timers) er_timers_free(home->timers);
    er_free(home);
}

errand_pool *errand_pool_new_sized(const errand_pool_opts *opts, size_t size)
{
    errand_pool_opts o;
    int error = er_options(&o, sizeof o, opts, size);
    if (!error && (o.workers > 100000 || (o.spares > 100000 && o.spares != ERRAND_NO_SPARES) ||
                   (unsigned)o.when_full > ERRAND_WHEN_FULL_DROP_OLDEST || (o.clock && !o.clock->now_ns)))
        error = EINVAL;
    errand_pool *pool = error ? NULL : er_alloc_zero(sizeof *pool);
    if (!pool) {
        errno = error ? error : ENOMEM;
        return NULL;
    }
    pool->home.free = free_pool;
    pool->home.clock = o.clock;
    pool->home.log = o.log;
    pool->home.name = o.name ? o.name : "errand";
    pool->workers = o.workers ? o.workers : 16;
    pool->spares = o.spares == ERRAND_NO_SPARES ? 0 : o.spares ? o.spares : 256;
    pool->queue_max = o.queue ? o.queue : 65536;
    pool->stack = o.stack;
    pool->when_full = o.when_full;
    pool->on_start = o.on_start;
    pool->on_stop = o.on_stop;
    pool->arg = o.arg;
    pool->start_worker = er_start_worker;
    er_list *lists[] = { &pool->urgent, &pool->tasks,  &pool->aside,         &pool->idle,    &pool->submitters,
                         &pool->all,    &pool->exited, &pool->resident_list, &pool->closers, &pool->watchers };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) er_list_init(lists[i]);
    er_home_open(&pool->home);
    pool->home.timers = er_timers_new(pool, woke);
    if (!pool->home.timers) {
        er_home_close(&pool->home);
        errno = ENOMEM;
        return NULL;
    }
    return pool;
}

void errand_pool_tick(errand_pool *pool)
{
    if (!pool || er_pool_dead(pool)) return;
    er_pool_keep(pool); /* another thread may close it meanwhile */
    er_timers_tick(pool->home.timers);
    er_pool_release(pool);
}
