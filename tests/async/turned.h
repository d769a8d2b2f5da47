/* A test clock: it moves only when the test turns it. */
#ifndef TURNED_H
#define TURNED_H

#include <errand/pool.h>

typedef struct turned {
    errand_clock clock; /* for errand_pool_opts.clock */
    int64_t now_ns;
} turned;

void turned_start(turned *t);                        /* not at 0 */
void turn(turned *t, errand_pool *pool, int64_t ms); /* moves the clock and ticks the pool */
void turn_ns(turned *t, errand_pool *pool, int64_t ns);

#endif
