/* async/stats.h -- what a pool counts. */
#ifndef ER_STATS_H
#define ER_STATS_H

#include "async/pool.h"

/* Counts a task that ended. */
void er_pool_count(errand_pool *pool, er_outcome outcome);
/* Samples how long a task ran. */
void er_pool_count_run(errand_pool *pool, int64_t ran_ns);

#endif
