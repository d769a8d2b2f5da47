/* async/stats.h -- what a pool counts. */
#ifndef ER_STATS_H
#define ER_STATS_H

#include "async/pool.h"

/* Counts a task that ended. */
void er_pool_count(errand_pool *pool, er_outcome outcome);

/* Adds a time to a distribution (pool->waits, pool->runs). */
void er_spread_add(uint32_t *spread, int64_t ns);

/* The median and the 99th percentile of the times added, within 19 %; 0 where none was added. */
void er_spread_percentiles(const uint32_t *spread, int64_t *p50, int64_t *p99);

#endif
