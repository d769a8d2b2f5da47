/* async/stats.h -- what a pool counts. */
#ifndef ER_STATS_H
#define ER_STATS_H

#include "async/pool.h"

/* Counts a task that ended. */
void er_pool_count(errand_pool *pool, er_outcome outcome);

#endif
