/* Rates that learn from what a reply says of its quota. */
#include "rates.h"

#include "base/clock.h"
#include "policy/rate.h"

#include <errno.h>
#include <pthread.h>

static bool now(errand_rate *rate) { return errand_rate_wait(rate, NULL, 0) == 0; }

static void say(errand_rate *rate, int64_t limit, int64_t remaining, int64_t reset_ms)
{
    const errand_quota q = { limit, remaining, reset_ms, -1 };
    ck_assert_int_eq(errand_rate_quota(rate, NULL, &q), 0);
}

static errand_rate_stats stats(errand_rate *rate)
{
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &s), 0);
    return s;
}

static int turns_now(errand_rate *rate)
{
    int n = 0;
    while (n < 1000 && now(rate)) n++;
    return n;
}

START_TEST(half_a_quota_is_free_the_rest_is_spread)
{
    errand_rate *rate = rate_of(ERRAND_AUTO_PACE, 0);
    ck_assert(er_rate_learns(rate));
    for (int i = 0; i < 100; i++) ck_assert(now(rate));
    say(rate, 100, 80, 50000);
    ck_assert_int_eq(turns_now(rate), 30);
    for (int i = 0; i < 10; i++) comes_after(errand_rate_acquire(rate, NULL), 1000);
    ck_assert_int_eq(stats(rate).quota_left, 40);
    ck_assert_int_eq(stats(rate).quota_reset_ms, 40000);
    end_rate(rate);
}
END_TEST

START_TEST(a_reply_of_the_same_window_gives_nothing_back)
{
    errand_rate *rate = rate_of(ERRAND_AUTO_PACE, 0);
    say(rate, 100, 60, 50000);
    ck_assert_int_eq(turns_now(rate), 10);
    say(rate, 100, 60, 49000); /* those ten are under way */
    say(rate, 100, 58, 50000);
    ck_assert(!now(rate));
    say(rate, 100, 10, 50000); /* others use it, too */
    ck_assert_int_eq(stats(rate).quota_left, 10);
    errand_future *f[10];
    for (int i = 0; i < 10; i++) f[i] = errand_rate_acquire(rate, NULL);
    ck_assert(!ended(f[0]));
    for (int i = 0; i < 10; i++) { /* replies do not put the turns off */
        say(rate, 100, 60, 50000 - 5000 * i);
        turn(&rate_clock, rate_pool, i ? 5000 : 5001);
        ck_assert(ended(f[i]) && (i == 9 || !ended(f[i + 1])));
        ENDS(f[i], 0);
    }
    end_rate(rate);
}
END_TEST

START_TEST(with_nothing_left_all_wait_for_the_reset)
{
    errand_rate *rate = rate_of(ERRAND_AUTO_PACE, 0);
    say(rate, 100, 0, 30000);
    errand_future *f[3];
    for (int i = 0; i < 3; i++) f[i] = errand_rate_acquire(rate, NULL);
    ck_assert_int_eq(errand_rate_wait(rate, NULL, 29999), ERRAND_ELATE);
    say(rate, 100, 0, 30000);
    comes_after(f[0], 30000); /* then 100 in 30 s, until a reply says more */
    turn(&rate_clock, rate_pool, 300);
    ck_assert(!ended(f[1]));
    turn(&rate_clock, rate_pool, 5);
    ENDS(f[1], 0);
    say(rate, 100, 99, 29000);
    turn(&rate_clock, rate_pool, 1);
    ENDS(f[2], 0);
    ck_assert_int_eq(turns_now(rate), 47); /* three of the window have been given */
    end_rate(rate);
}
END_TEST

START_TEST(no_wait_exceeds_the_reset)
{
    errand_rate *rate = rate_of(ERRAND_AUTO_PACE, 0);
    say(rate, 1000, 2, 10000);
    errand_future *f[100];
    for (int i = 0; i < 100; i++) f[i] = errand_rate_acquire(rate, NULL);
    ck_assert_int_eq(stats(rate).next_ms, 10000);
    turn(&rate_clock, rate_pool, 10001);
    int came = 0;
    for (int i = 0; i < 100; i++) came += ended(f[i]);
    ck_assert_int_ge(came, 2);
    ck_assert_int_le(came, 4);
    turn(&rate_clock, rate_pool, 1000); /* as a thousand in ten seconds */
    for (int i = 0; i < 100; i++) {
        ck_assert(ended(f[i]));
        ENDS(f[i], 0);
    }
    end_rate(rate);
}
END_TEST

START_TEST(a_later_reset_is_a_new_window)
{
    errand_rate *rate = rate_of(ERRAND_AUTO_PACE, 0);
    say(rate, 100, 50, 10000);
    ck_assert_int_eq(turns_now(rate), 1);
    say(rate, 100, 90, 11900);
    ck_assert_int_eq(turns_now(rate), 0);
    say(rate, 100, 90, 60000);
    ck_assert_int_eq(turns_now(rate), 40);
    say(rate, -1, 200, 90000); /* the largest seen is the limit */
    ck_assert_int_eq(turns_now(rate), 100);
    end_rate(rate);
}
END_TEST

START_TEST(without_replies_a_quota_is_assumed_once_more)
{
    errand_rate *rate = rate_of(ERRAND_AUTO_PACE, 0);
    say(rate, 10, 10, 10000);
    ck_assert_int_eq(turns_now(rate), 5);
    turn(&rate_clock, rate_pool, 10000);
    ck_assert_int_eq(turns_now(rate), 1);
    comes_after(errand_rate_acquire(rate, NULL), 1111);
    turn(&rate_clock, rate_pool, 10000);
    ck_assert_int_eq(turns_now(rate), 1000);
    ck_assert_int_eq(stats(rate).quota_left, -1);
    end_rate(rate);
}
END_TEST

START_TEST(returned_turns_do_not_outlive_the_pace)
{
    errand_rate *rate = rate_of(ERRAND_AUTO_PACE, 0);
    say(rate, 10, 1, 10000);
    ck_assert(now(rate));
    errand_future *f[5];
    for (int i = 0; i < 5; i++) f[i] = errand_rate_acquire(rate, NULL);
    errand_cancel(f[2]);
    ENDS(f[2], ECANCELED);
    turn(&rate_clock, rate_pool, 10001);
    turn(&rate_clock, rate_pool, 10001);
    for (int i = 0; i < 5; i++) {
        if (i == 2) continue;
        ck_assert(ended(f[i]));
        ENDS(f[i], 0);
    }
    ck_assert_int_eq(turns_now(rate), 1000);
    end_rate(rate);
}
END_TEST

START_TEST(pauses_and_quotas_both_hold)
{
    errand_rate *rate = rate_of(ERRAND_AUTO_PACE, 0);
    errand_rate_pause(rate, NULL, 5000);
    say(rate, 10, 10, 10000);
    errand_future *f[7];
    for (int i = 0; i < 7; i++) f[i] = errand_rate_acquire(rate, NULL);
    comes_after(f[0], 5000);
    for (int i = 1; i < 5; i++) ENDS(f[i], 0);
    comes_after(f[5], 1000);
    errand_rate_pause(rate, NULL, 20000);
    comes_after(f[6], 20000);
    end_rate(rate);
}
END_TEST

START_TEST(a_rate_with_a_pace_keeps_the_slower_one)
{
    errand_rate *rate = rate_of(10, 5);
    say(rate, 100, 50, 50000);
    errand_future *f = errand_rate_acquire(rate, NULL);
    ENDS(f, 0);
    comes_after(errand_rate_acquire(rate, NULL), 1000);
    say(rate, 100, 99, 90000);
    say(rate, 10000, 9000, 200000); /* faster than its own */
    turn(&rate_clock, rate_pool, 10000);
    ck_assert_int_eq(turns_now(rate), 5);
    ck_assert_int_eq(errand_rate_resize(rate, 1000, 1), 0);
    ck_assert_int_eq(turns_now(rate), 0); /* 8,995 in 190 s hold again */
    turn(&rate_clock, rate_pool, 22);
    ck_assert(!er_rate_learns(rate) && turns_now(rate) <= 1);
    end_rate(rate);
}
END_TEST

START_TEST(the_first_window_that_is_used_by_half_is_the_first)
{
    errand_rate *rate = rate_of(ERRAND_AUTO_PACE, 0);
    struct {
        errand_quota q;
        uint64_t number;
    } said[] = {
        { { 100, 51, 10000, -1 }, 0 }, { { 100, 50, 10000, -1 }, 1 }, { { 100, 20, 10000, -1 }, 0 },
        { { 100, 90, 20000, -1 }, 0 }, { { 100, 10, 20000, -1 }, 2 }, { { 100, 0, 0, -1 }, 0 },
    };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        uint64_t number;
        ck_assert_int_eq(er_rate_quota(rate, NULL, &said[i].q, &number), 0);
        ck_assert_msg(number == said[i].number, "%zu: %llu", i, (unsigned long long)number);
    }
    end_rate(rate);
}
END_TEST

START_TEST(hostile_quotas_neither_stall_nor_overflow)
{
    errand_rate *rate = rate_of(ERRAND_AUTO_PACE, 0);
    const int64_t odd[] = { INT64_MAX, 0, 1, -1, INT64_MIN, 1000000007, 3, INT64_MAX - 1 };
    enum { N = sizeof odd / sizeof *odd };
    errand_future *f[20];
    say(rate, 1, 0, 1000);
    for (unsigned i = 0; i < 20; i++)
        f[i] = errand_rate_acquire_n(rate, NULL, 1 + 1000000000u * (i % 3));
    for (unsigned i = 0; i < N * N * N * N; i++) {
        const errand_quota q = { odd[i % N], odd[i / N % N], odd[i / N / N % N],
                                 odd[i / N / N / N % N] };
        int error = errand_rate_quota(rate, NULL, &q);
        ck_assert_int_eq(error, q.remaining < 0 || q.reset_ms < 0 ? EINVAL : 0);
        if (i % 7 == 0) errand_rate_pause(rate, NULL, 1);
        if (i % 64 == 0) turn(&rate_clock, rate_pool, 100);
        if (!error) ck_assert_int_le(stats(rate).next_ms, 86400000);
    }
    say(rate, INT64_MAX, 0, INT64_MAX);
    errand_future *late = errand_rate_acquire(rate, "other");
    ENDS(late, 0);
    turn(&rate_clock, rate_pool, 86400001);
    turn(&rate_clock, rate_pool, 86400001);
    turn(&rate_clock, rate_pool, 86400001);
    for (int i = 0; i < 20; i++) {
        ck_assert(ended(f[i]));
        ENDS(f[i], 0);
    }
    ck_assert_int_eq(errand_rate_quota(NULL, NULL, &(errand_quota){ 1, 1, 1, 1 }), EINVAL);
    ck_assert_int_eq(errand_rate_quota(rate, NULL, NULL), EINVAL);
    end_rate(rate);
}
END_TEST

START_TEST(five_minutes_are_the_longest_wait)
{
    errand_rate *rate = rate_of(ERRAND_AUTO_PACE, 0);
    say(rate, 100, 0, 3600000);
    comes_after(errand_rate_acquire(rate, NULL), 300000);
    end_rate(rate);
}
END_TEST

/* ---- on the system clock ---- */

static errand_future *take_amid_quotas(storm_round *r)
{
    uint64_t d = er_random_next(r->seed);
    errand_future *f = errand_rate_acquire(r->rate, r->key);
    const errand_quota q = { 100, (int64_t)(d % 100), 1 + (int64_t)(d / 128 % 5), -1 };
    if (d % 8 < 4) ck_assert_int_eq(errand_rate_quota(r->rate, r->key, &q), 0);
    if (d % 256 == 0) errand_rate_pause(r->rate, r->key, 1);
    if (d / 8 % 4 == 0) errand_cancel(f);
    return f;
}

START_TEST(quotas_turns_and_cancels_race)
{
    run_storm(&(rate_storm){
        .per_second = ERRAND_AUTO_PACE, .rounds = scaled(400), .begin = take_amid_quotas });
}
END_TEST

Suite *rate_quotas_suite(void)
{
    Suite *suite = suite_create("rate quotas");
    TCase *tc = case_of(suite, "quotas");
    tcase_add_test(tc, half_a_quota_is_free_the_rest_is_spread);
    tcase_add_test(tc, a_reply_of_the_same_window_gives_nothing_back);
    tcase_add_test(tc, with_nothing_left_all_wait_for_the_reset);
    tcase_add_test(tc, no_wait_exceeds_the_reset);
    tcase_add_test(tc, a_later_reset_is_a_new_window);
    tcase_add_test(tc, without_replies_a_quota_is_assumed_once_more);
    tcase_add_test(tc, returned_turns_do_not_outlive_the_pace);
    tcase_add_test(tc, pauses_and_quotas_both_hold);
    tcase_add_test(tc, a_rate_with_a_pace_keeps_the_slower_one);
    tcase_add_test(tc, the_first_window_that_is_used_by_half_is_the_first);
    tcase_add_test(tc, hostile_quotas_neither_stall_nor_overflow);
    tcase_add_test(tc, five_minutes_are_the_longest_wait);
    tcase_add_test(tc, quotas_turns_and_cancels_race);
    return suite;
}
