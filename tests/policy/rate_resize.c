/* Rates that are resized while turns are taken and pending. */
#include "rates.h"

#include "base/clock.h"
#include "policy/rate.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>

static bool now(errand_rate *rate) { return errand_rate_wait(rate, NULL, 0) == 0; }
static double dice(uint64_t *seed) { return er_random_fraction(seed); }

static void take(errand_rate *rate, errand_future *f[], int n)
{
    for (int i = 0; i < n; i++) f[i] = errand_rate_acquire(rate, NULL);
}

START_TEST(a_faster_rate_grants_pending_turns_earlier)
{
    errand_rate *rate = rate_of(0.001, 1); /* a turn in 1,000 s */
    errand_future *f[4];
    ck_assert(now(rate));
    take(rate, f, 3); /* at 1,000 s, 2,000 s, 3,000 s */
    turn(&rate_clock, rate_pool, 500000);
    ck_assert_int_eq(errand_rate_resize(rate, 10, 1), 0); /* half a turn is left to wait for */
    f[3] = errand_rate_acquire(rate, NULL);
    comes_after(f[0], 50);
    comes_after(f[1], 100);
    comes_after(f[2], 100);
    comes_after(f[3], 100);
    end_rate(rate);
}
END_TEST

START_TEST(a_slower_rate_delays_pending_turns)
{
    errand_rate *rate = rate_of(10, 1);
    errand_future *f[3];
    ck_assert(now(rate));
    take(rate, f, 3);
    turn(&rate_clock, rate_pool, 50);
    ck_assert_int_eq(errand_rate_resize(rate, 1, 1), 0);
    comes_after(f[0], 500);
    comes_after(f[1], 1000);
    ck_assert_int_eq(errand_rate_resize(rate, 10, 0), 0); /* and back again: a burst of 0 is 1 */
    comes_after(f[2], 100);
    ck_assert(!now(rate));
    end_rate(rate);
}
END_TEST

START_TEST(a_larger_burst_grants_pending_turns_at_once)
{
    errand_rate *rate = rate_of(10, 1);
    errand_future *f[4];
    ck_assert(now(rate));
    take(rate, f, 4);
    ck_assert_int_eq(errand_rate_resize(rate, 10, 3), 0);
    turn(&rate_clock, rate_pool, 0);
    ck_assert(ended(f[0]) && ended(f[1]) && !ended(f[2])); /* three with the earlier one */
    comes_after(f[2], 100);
    comes_after(f[3], 100);
    ENDS(f[0], 0);
    ENDS(f[1], 0);
    end_rate(rate);
}
END_TEST

START_TEST(a_smaller_burst_counts_earlier_turns)
{
    errand_rate *rate = rate_of(10, 4);
    for (int i = 0; i < 4; i++) ck_assert(now(rate));
    /* two above the burst: 200 ms, then one within it */
    ck_assert_int_eq(errand_rate_resize(rate, 10, 2), 0);
    errand_future *f;
    take(rate, &f, 1);
    comes_after(f, 300);
    turn(&rate_clock, rate_pool, 100000);
    ck_assert(now(rate) && now(rate) && !now(rate));
    ck_assert_int_eq(errand_rate_resize(rate, 10, 5), 0);
    ck_assert(now(rate) && now(rate) && now(rate) && !now(rate));
    end_rate(rate);
}
END_TEST

START_TEST(a_quiet_rate_saves_up_to_its_new_burst)
{
    errand_rate *rate = rate_of(1000, 100);
    turn(&rate_clock, rate_pool, 100000);
    ck_assert_int_eq(errand_rate_resize(rate, 1, 2), 0);
    ck_assert(now(rate) && now(rate) && !now(rate));
    end_rate(rate);
}
END_TEST

START_TEST(every_key_gets_the_new_size)
{
    errand_rate *rate = rate_of(1, 1);
    ck_assert_int_eq(errand_rate_wait(rate, "a", 0), 0);
    ck_assert_int_eq(errand_rate_wait(rate, "b", 0), 0);
    errand_future *a = errand_rate_acquire(rate, "a"), *b = errand_rate_acquire(rate, "b");
    ck_assert_int_eq(errand_rate_resize(rate, 100, 1), 0);
    turn(&rate_clock, rate_pool, 11);
    ck_assert(ended(a) && ended(b));
    ck_assert_int_eq(errand_rate_wait(rate, "c", 0), 0);
    ck_assert_int_eq(errand_rate_wait(rate, "c", 9), ERRAND_ELATE);
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, "c", &s), 0);
    ck_assert_int_eq(s.next_ms, 10);
    ENDS(a, 0);
    ENDS(b, 0);
    end_rate(rate);
}
END_TEST

START_TEST(turns_returned_before_a_resize_are_used_after_it)
{
    errand_rate *rate = rate_of(1, 1);
    errand_future *f[5];
    ck_assert(now(rate));
    take(rate, f, 5);
    for (int i = 1; i < 4; i++) {
        errand_cancel(f[i]);
        ENDS(f[i], ECANCELED);
    }
    ck_assert_int_eq(errand_rate_resize(rate, 10, 1), 0); /* at 100 ms and 500 ms */
    take(rate, f + 1, 3);
    for (int i = 0; i < 5; i++) comes_after(f[i], 100);
    take(rate, f, 3); /* at 100, 200, 300 ms; the last two leave */
    ck_assert_int_eq(errand_rate_resize(rate, 3, 1), 0);
    for (int i = 2; i; i--) {
        errand_cancel(f[i]);
        ENDS(f[i], ECANCELED);
    }
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &s), 0);
    ck_assert_int_eq(s.next_ms, 667); /* nothing is left of their turns */
    errand_cancel(f[0]);
    ENDS(f[0], ECANCELED);
    end_rate(rate);
}
END_TEST

START_TEST(a_pause_keeps_its_end)
{
    errand_rate *rate = rate_of(10, 1);
    errand_future *f[2];
    ck_assert(now(rate));
    take(rate, f, 2);
    errand_rate_pause(rate, NULL, 1000); /* at 1,100 and 1,200 ms */
    turn(&rate_clock, rate_pool, 400);
    ck_assert_int_eq(errand_rate_resize(rate, 1000, 100), 0);
    comes_after(f[0], 600);
    ck_assert(ended(f[1]));
    ENDS(f[1], 0);
    end_rate(rate);
}
END_TEST

static errand_result ask(void *rate) { return errand_later(errand_rate_acquire(rate, NULL)); }

START_TEST(a_turn_delayed_beyond_the_deadline_ends_there)
{
    errand_rate *rate = rate_of(10, 1);
    ck_assert(now(rate));
    errand_future *f =
        errand_submit_task(rate_pool, &(errand_task){ .fn = ask, .arg = rate, .within_ms = 300 });
    await_asleep(rate_pool, 1);
    ck_assert_int_eq(errand_rate_resize(rate, 1, 1), 0);
    turn(&rate_clock, rate_pool, 299);
    ck_assert(!ended(f));
    turn(&rate_clock, rate_pool, 2);
    ENDS(f, ETIMEDOUT);
    end_rate(rate);
}
END_TEST

START_TEST(resizing_to_the_same_size_has_no_effect)
{
    errand_rate *rate = rate_of(3, 2);
    errand_future *f[3];
    ck_assert(now(rate) && now(rate));
    take(rate, f, 3);
    errand_rate_stats before, after;
    ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &before), 0);
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(errand_rate_resize(rate, 3, 2), 0);
    ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &after), 0);
    ck_assert_int_eq(before.next_ms, after.next_ms);
    for (int i = 0; i < 3; i++) {
        turn(&rate_clock, rate_pool, 335);
        ck_assert(ended(f[i]));
        ENDS(f[i], 0);
    }
    end_rate(rate);
}
END_TEST

START_TEST(a_wrong_size_is_refused_without_effect)
{
    errand_rate *rate = rate_of(10, 1);
    const double wrong[] = { 0, -1, (double)NAN, (double)INFINITY, 1.1e9 };
    ck_assert(now(rate));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_int_eq(errand_rate_resize(rate, wrong[i], 1), EINVAL);
    ck_assert_int_eq(errand_rate_resize(NULL, 1, 1), EINVAL);
    errand_future *f;
    take(rate, &f, 1);
    comes_after(f, 100);
    end_rate(rate);
}
END_TEST

/* Between resizes no interval exceeds the burst and its share; every turn is granted. */
typedef struct seen {
    errand_future *f;
    int64_t before, at; /* granted after `before` and by `at` */
    unsigned era;
} seen;

static void check_eras(const seen *done, unsigned n, const double *per_second,
                       const unsigned *burst)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned era = done[i].era;
        for (unsigned j = i; j < n && done[j].era == era; j++) {
            double most = burst[era] +
                          (double)(done[j].at - done[i].before) / 1e9 * per_second[era];
            if (j - i + 1 > most + 1e-6)
                ck_abort_msg("%u in era %u, at most %g", j - i + 1, era, most);
        }
    }
}

START_TEST(no_interval_between_resizes_exceeds_the_rate)
{
    enum { N = 120, ERAS = 64 };
    for (uint64_t seed = 1, seeds = 1 + scaled(60); seed < seeds; seed++) {
        uint64_t state = seed;
        double per_second[ERAS] = { 5 + 95 * dice(&state) };
        unsigned burst[ERAS] = { 1 + (unsigned)(dice(&state) * 6) }, era = 0, begun = 0, first = 0,
                 n = 0, gone = 0;
        errand_rate *rate = rate_of(per_second[0], burst[0]);
        seen waits[N] = { 0 }, done[N];
        while (n + gone < N) {
            for (unsigned more = (unsigned)(dice(&state) * 5); more && begun < N; more--)
                waits[begun++] =
                    (seen){ errand_rate_acquire(rate, NULL), rate_clock.now_ns - ER_MS, 0, 0 };
            if (dice(&state) < 0.03) errand_rate_pause(rate, NULL, 20);
            for (unsigned i = first; i < begun; i++) {
                if (!waits[i].f) continue;
                bool cancelled = !ended(waits[i].f) && dice(&state) < 0.05;
                if (cancelled) errand_cancel(waits[i].f);
                waits[i].before = rate_clock.now_ns - 2 * ER_MS;
                if (!ended(waits[i].f)) continue;
                ENDS(waits[i].f, cancelled ? ECANCELED : 0);
                waits[i] = (seen){ NULL, waits[i].before, rate_clock.now_ns, era };
                if (cancelled) gone++;
                else done[n++] = waits[i];
            }
            if (dice(&state) < 0.1 && era + 1 < ERAS) {
                era++;
                per_second[era] = 5 + 95 * dice(&state);
                burst[era] = 1 + (unsigned)(dice(&state) * 6);
                ck_assert_int_eq(errand_rate_resize(rate, per_second[era], burst[era]), 0);
            }
            turn_ns(&rate_clock, rate_pool, (int64_t)(dice(&state) * 2) * ER_MS);
        }
        check_eras(done, n, per_second, burst);
        errand_rate_stats s;
        ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &s), 0);
        ck_assert_uint_eq(s.waiting, 0);
        errand_rate_free(rate);
    }
    close_rates();
    rate_pool = NULL;
}
END_TEST

START_TEST(extreme_sizes_do_not_overflow_or_lose_turns)
{
    errand_rate *rate = rate_of(1e9, 4000000000u);
    const double sizes[] = { 1e-300, 1e9, 5e-324, 1e-9, 1e9, 1e-300, 3 };
    errand_future *f[20];
    ck_assert_int_eq(errand_rate_resize(rate, 1e-300, 1), 0);
    take(rate, f, 20);
    errand_rate_pause(rate, NULL, ERRAND_FOREVER / 4000000);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ck_assert_int_eq(errand_rate_resize(rate, sizes[i], i % 2 ? 4000000000u : 1), 0);
        errand_cancel(f[19 - i]);
        turn(&rate_clock, rate_pool, 1);
    }
    ck_assert_int_eq(errand_rate_resize(rate, 1e9, 4000000000u), 0);
    ck_assert_int_eq(errand_pool_close(rate_pool, 2), 0);
    for (int i = 0; i < 20; i++) {
        ck_assert(ended(f[i]));
        errand_drop(f[i]);
    }
    errand_rate_free(rate);
    rate_pool = NULL;
}
END_TEST

/* ---- on the system clock ---- */

START_TEST(a_faster_rate_wakes_a_long_wait)
{
    ck_assert_ptr_nonnull(rate_pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 }));
    errand_rate *rate = errand_rate_new(rate_pool, &(errand_rate_opts){ .per_second = 1.0 / 3600 });
    ck_assert(now(rate));
    errand_future *f[100];
    take(rate, f, 100);
    ck_assert_int_eq(errand_rate_resize(rate, 1000, 1), 0);
    for (int i = 0; i < 100; i++) ENDS(f[i], 0);
    end_rate(rate);
}
END_TEST

static errand_future *take_amid_resizes(storm_round *r)
{
    double d = dice(r->seed);
    errand_future *f = errand_rate_acquire(r->rate, r->key);
    if (d < 0.01) errand_rate_pause(r->rate, r->key, 1);
    if (d > 0.9)
        errand_rate_resize(r->rate, d > 0.95 ? 1e-3 : 20000 + 1e5 * dice(r->seed), r->i % 5);
    if (d < 0.5) errand_cancel(f);
    errand_rate_resize(r->rate, 20000, 1 + r->i % 5); /* the last resize of each thread */
    return f;
}

START_TEST(resizes_turns_and_cancels_race)
{
    run_storm(&(rate_storm){
        .per_second = 20000, .burst = 3, .rounds = scaled(1000), .begin = take_amid_resizes });
}
END_TEST

Suite *rate_resize_suite(void)
{
    Suite *suite = suite_create("rate resize");
    TCase *tc = case_of(suite, "test clock");
    tcase_add_test(tc, a_faster_rate_grants_pending_turns_earlier);
    tcase_add_test(tc, a_slower_rate_delays_pending_turns);
    tcase_add_test(tc, a_larger_burst_grants_pending_turns_at_once);
    tcase_add_test(tc, a_smaller_burst_counts_earlier_turns);
    tcase_add_test(tc, a_quiet_rate_saves_up_to_its_new_burst);
    tcase_add_test(tc, every_key_gets_the_new_size);
    tcase_add_test(tc, turns_returned_before_a_resize_are_used_after_it);
    tcase_add_test(tc, a_pause_keeps_its_end);
    tcase_add_test(tc, a_turn_delayed_beyond_the_deadline_ends_there);
    tcase_add_test(tc, resizing_to_the_same_size_has_no_effect);
    tcase_add_test(tc, a_wrong_size_is_refused_without_effect);
    tcase_add_test(tc, no_interval_between_resizes_exceeds_the_rate);
    tcase_add_test(tc, extreme_sizes_do_not_overflow_or_lose_turns);
    tc = case_of(suite, "storm");
    tcase_add_test(tc, a_faster_rate_wakes_a_long_wait);
    tcase_add_test(tc, resizes_turns_and_cancels_race);
    return suite;
}
