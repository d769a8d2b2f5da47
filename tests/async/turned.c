#include "turned.h"

static int64_t read_it(void *arg) { return __atomic_load_n((int64_t *)arg, __ATOMIC_SEQ_CST); }

void turned_start(turned *t)
{
    t->now_ns = 12345678901234567;
    t->clock = (errand_clock){ read_it, &t->now_ns };
}

void turn_ns(turned *t, errand_pool *pool, int64_t ns)
{
    __atomic_add_fetch(&t->now_ns, ns, __ATOMIC_SEQ_CST);
    errand_pool_tick(pool);
}

void turn(turned *t, errand_pool *pool, int64_t ms) { turn_ns(t, pool, ms * 1000000); }
