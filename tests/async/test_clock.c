#include "test_clock.h"

static int64_t read_it(void *arg) { return __atomic_load_n((int64_t *)arg, __ATOMIC_SEQ_CST); }

void test_clock_start(test_clock *t)
{
    t->now_ns = 12345678901234567;
    t->clock = (errand_clock){ read_it, &t->now_ns };
}

void turn_ns(test_clock *t, errand_pool *pool, int64_t ns)
{
    __atomic_add_fetch(&t->now_ns, ns, __ATOMIC_SEQ_CST);
    errand_pool_tick(pool);
}

void turn(test_clock *t, errand_pool *pool, int64_t ms) { turn_ns(t, pool, ms * 1000000); }
