#include "rates.h"

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>

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

/* ---- on the system clock ---- */

static const char *const storm_keys[] = { NULL, "x", "y" };

typedef struct racer {
    const rate_storm *storm;
    errand_rate *rate;
    uint64_t seed;
    unsigned came;
} racer;

static void *race(void *arg)
{
    racer *me = arg;
    for (unsigned i = 0; i < me->storm->rounds; i++) {
        storm_round round = {
            .rate = me->rate, .key = storm_keys[i % 3], .i = i, .seed = &me->seed
        };
        errand_future *f = me->storm->begin(&round);
        if (!f) continue;
        errand_result r = errand_await(f);
        if (r.error && r.error != ECANCELED) ck_abort_msg("%s", errand_result_message(&r));
        if (!r.error) me->came++;
        if (!r.error && me->storm->got) me->storm->got(&round);
        errand_result_free(&r);
    }
    return NULL;
}

void run_storm(const rate_storm *s)
{
    ck_assert_ptr_nonnull(rate_pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 }));
    errand_rate *rate = rate_of(s->per_second, s->burst);
    pthread_t threads[4];
    racer racers[4];
    for (unsigned i = 0; i < 4; i++) {
        racers[i] = (racer){ .storm = s, .rate = rate, .seed = i };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    unsigned came = 0;
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        came += racers[i].came;
    }
    ck_assert_uint_gt(came, 0);
    for (int i = 0; i < 3; i++) {
        errand_rate_stats stats;
        ck_assert_int_eq(errand_rate_stats_get(rate, storm_keys[i], &stats), 0);
        ck_assert_uint_eq(stats.waiting, 0);
    }
    end_rate(rate);
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
