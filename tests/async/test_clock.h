/* A test clock: it moves only when the test turns it. */
#ifndef TEST_CLOCK_H
#define TEST_CLOCK_H

#include <errand/pool.h>

typedef struct test_clock {
    errand_clock clock; /* for errand_pool_opts.clock */
    int64_t now_ns;
} test_clock;

void test_clock_start(test_clock *t);                    /* not at 0 */
void turn(test_clock *t, errand_pool *pool, int64_t ms); /* moves the clock and ticks the pool */
void turn_ns(test_clock *t, errand_pool *pool, int64_t ns);

#endif
