/* async/stats.c -- what a pool counts: how tasks ended, how long they waited and ran.
 *
 * A worker counts its own outcomes; a reader adds them up. Times are stamped with the coarse clock,
 * and precisely for one task in 32, from which the percentiles are taken. */
#include "async/stats.h"

#include "async/current.h"

void er_pool_count(errand_pool *pool, er_outcome outcome)
{
    /* relaxed: counters; a worker's own are written by it alone */
    er_worker *w = er_here_now()->worker;
    if (w && w->pool == pool) er_store_relaxed(&w->outcomes[outcome], w->outcomes[outcome] + 1);
    else er_add_relaxed(&pool->outcomes[outcome], 1);
}

void er_pool_count_run(errand_pool *pool, int64_t ran_ns)
{
    er_histogram_add(&pool->runs, ran_ns > 0 ? (uint64_t)ran_ns : 0);
}
