#include "rates.h"

#include "base/clock.h"

test_clock rate_clock;
errand_pool *rate_pool;

void open_rates(void) { rate_pool = test_clock_pool(&rate_clock); }

void close_rates(void)
{
    close_pool(rate_pool);
    rate_pool = NULL;
}

errand_rate *rate_of(double per_second, unsigned burst)
{
    if (!rate_pool) open_rates();
    errand_rate *rate =
        errand_rate_new(rate_pool, &(errand_rate_opts){ .per_second = per_second, .burst = burst });
    ck_assert_ptr_nonnull(rate);
    return rate;
}

void end_rate(errand_rate *rate)
{
    errand_rate_free(rate);
    close_rates();
}

bool ended(errand_future *f) { return errand_wait(f, 0) == 0; }

void comes_after(errand_future *f, int64_t ms)
{
    turn_ns(&rate_clock, rate_pool, ms * ER_MS - 1);
    ck_assert_msg(!ended(f), "its turn came too early");
    turn_ns(&rate_clock, rate_pool, 1 + TICK_MS * ER_MS);
    ck_assert_msg(ended(f), "its turn came too late");
    ENDS(f, 0);
    /* keeps sums round; the timers, which are ahead, are not affected */
    rate_clock.now_ns -= TICK_MS * ER_MS;
}
