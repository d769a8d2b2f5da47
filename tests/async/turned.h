/* A clock that a test turns. What it gives to a pool never moves by itself. */
#ifndef TURNED_H
#define TURNED_H

#include <errand/pool.h>

typedef struct turned {
    errand_clock clock; /* for errand_pool_opts.clock */
    int64_t now_ns;
} turned;

void turned_start(turned *t);                        /* at an odd hour, so that nobody takes 0 for granted */
void turn(turned *t, errand_pool *pool, int64_t ms); /* and ticks the pool */
void turn_ns(turned *t, errand_pool *pool, int64_t ns);

#endif
