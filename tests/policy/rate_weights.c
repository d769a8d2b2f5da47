/* Rates whose turns have a weight and are settled. */
#include "rates.h"

#include "base/clock.h"
#include "policy/rate.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static bool now(errand_rate *rate, uint64_t n)
{
    errand_future *f = errand_rate_acquire_n(rate, NULL, n);
    if (!ended(f)) errand_cancel(f);
    errand_result r = errand_await(f);
    bool given = !r.error;
    ck_assert(given || r.error == ECANCELED);
    errand_result_free(&r);
    return given;
}

static int64_t next_ms(errand_rate *rate)
{
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &s), 0);
    return s.next_ms;
}

static void settle(errand_rate *rate, uint64_t reserved, uint64_t used)
{
    ck_assert_int_eq(errand_rate_settle(rate, NULL, reserved, used), 0);
}

START_TEST(n_turns_wait_for_room_in_the_burst)
{
    errand_rate *rate = rate_of(10, 5);
    ck_assert(now(rate, 3) && !now(rate, 3) && now(rate, 2) && !now(rate, 1));
    comes_after(errand_rate_acquire_n(rate, NULL, 3), 300);
    comes_after(errand_rate_acquire(rate, NULL), 100);
    comes_after(errand_rate_acquire_n(rate, NULL, 5), 500);
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &s), 0);
    ck_assert_uint_eq(s.granted, 14);
    ck_assert_uint_eq(s.withdrawn, 4);
    end_rate(rate);
}
END_TEST

START_TEST(more_than_the_burst_waits_until_it_is_whole)
{
    errand_rate *rate = rate_of(10, 5);
    ck_assert(now(rate, 50)); /* five seconds */
    comes_after(errand_rate_acquire(rate, NULL), 4600);
    comes_after(errand_rate_acquire_n(rate, NULL, 20), 500);
    ck_assert_int_eq(next_ms(rate), 1600);
    comes_after(errand_rate_acquire_n(rate, NULL, 5), 2000);
    end_rate(rate);
}
END_TEST

START_TEST(a_large_waiter_is_not_overtaken)
{
    errand_rate *rate = rate_of(10, 10);
    ck_assert(now(rate, 5));
    errand_future *large = errand_rate_acquire_n(rate, NULL, 10),
                  *small = errand_rate_acquire(rate, NULL);
    ck_assert(!ended(small));
    comes_after(large, 500);
    comes_after(small, 100);
    end_rate(rate);
}
END_TEST

START_TEST(a_gap_goes_to_those_who_have_room_in_it)
{
    errand_rate *rate = rate_of(10, 1);
    ck_assert(now(rate, 1));
    errand_future *first = errand_rate_acquire(rate, NULL), /* at 100 ms */
        *leaves = errand_rate_acquire_n(rate, NULL, 4),     /* 200 */
            *last = errand_rate_acquire(rate, NULL);        /* 600 */
    errand_cancel(leaves);
    ENDS(leaves, ECANCELED);
    errand_future *five = errand_rate_acquire_n(rate, NULL, 5), /* 700 */
        *three = errand_rate_acquire_n(rate, NULL, 3),          /* 200 */
            *two = errand_rate_acquire_n(rate, NULL, 2),        /* 1200 */
                *one = errand_rate_acquire(rate, NULL);         /* 500 */
    comes_after(first, 100);
    comes_after(three, 100);
    comes_after(one, 300);
    comes_after(last, 100);
    comes_after(five, 100);
    comes_after(two, 500);
    end_rate(rate);
}
END_TEST

START_TEST(the_last_waiter_gives_back_all_its_turns)
{
    errand_rate *rate = rate_of(10, 4);
    ck_assert(now(rate, 4));
    errand_future *f = errand_rate_acquire_n(rate, NULL, 1000);
    ck_assert_int_eq(next_ms(rate), 100100);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    ck_assert_int_eq(next_ms(rate), 100);
    end_rate(rate);
}
END_TEST

START_TEST(what_was_not_used_brings_waiters_forward)
{
    errand_rate *rate = rate_of(10, 10);
    ck_assert(now(rate, 10));
    errand_future *f[6];
    for (int i = 0; i < 6; i++) f[i] = errand_rate_acquire_n(rate, NULL, 5); /* 500, 1000, ... */
    settle(rate, 10, 0);
    turn(&rate_clock, rate_pool, 0);
    ck_assert(ended(f[0]) && ended(f[1]) && !ended(f[2])); /* then at 500, 1000, ... */
    settle(rate, 5, 1);
    comes_after(f[2], 100);
    comes_after(f[3], 500);
    turn(&rate_clock, rate_pool, 200);
    settle(rate, 4, 0);
    turn(&rate_clock, rate_pool, 0);
    ck_assert(ended(f[4]) && !ended(f[5]));
    comes_after(f[5], 400);
    for (int i = 0; i < 5; i++) {
        if (i != 2 && i != 3) ENDS(f[i], 0);
    }
    end_rate(rate);
}
END_TEST

START_TEST(waiters_behind_one_that_leaves_come_when_they_were_settled_to)
{
    errand_rate *rate = rate_of(10, 10);
    ck_assert(now(rate, 10));
    errand_future *f[3];
    for (int i = 0; i < 3; i++) f[i] = errand_rate_acquire_n(rate, NULL, 10); /* at 1, 2, 3 s */
    settle(rate, 5, 0);
    errand_cancel(f[0]); /* was at 0.5 s; its turns are a gap */
    ENDS(f[0], ECANCELED);
    comes_after(f[1], 1500);
    comes_after(f[2], 1000);
    end_rate(rate);
}
END_TEST

START_TEST(what_was_used_beyond_delays_waiters)
{
    errand_rate *rate = rate_of(10, 2);
    ck_assert(now(rate, 2));
    errand_future *a = errand_rate_acquire(rate, NULL), *b = errand_rate_acquire(rate, NULL);
    settle(rate, 2, 7);
    comes_after(a, 600);
    comes_after(b, 100);
    turn(&rate_clock, rate_pool, 1000);
    settle(rate, 1, 4);
    comes_after(errand_rate_acquire(rate, NULL), 200);
    end_rate(rate);
}
END_TEST

START_TEST(settling_never_makes_more_than_the_burst)
{
    errand_rate *rate = rate_of(10, 3);
    ck_assert(now(rate, 1));
    settle(rate, 100, 0);
    settle(rate, 1, 1);
    ck_assert(now(rate, 3) && !now(rate, 1));
    errand_future *f = errand_rate_acquire_n(rate, NULL, 3);
    settle(rate, 1000000, 1);
    turn(&rate_clock, rate_pool, 0);
    ck_assert(ended(f) && !now(rate, 1));
    ENDS(f, 0);
    end_rate(rate);
}
END_TEST

START_TEST(settling_does_not_end_a_pause)
{
    errand_rate *rate = rate_of(10, 10);
    ck_assert(now(rate, 10));
    errand_future *a = errand_rate_acquire_n(rate, NULL, 2), *b = errand_rate_acquire(rate, NULL);
    errand_rate_pause(rate, NULL, 1000); /* at 1,200 and 1,300 ms */
    settle(rate, 10, 0);
    comes_after(a, 1000);
    ck_assert(ended(b));
    ENDS(b, 0);
    ck_assert(now(rate, 7) && !now(rate, 1));
    errand_rate_pause(rate, NULL, 100);
    settle(rate, 0, 5);
    comes_after(errand_rate_acquire(rate, NULL), 700);
    end_rate(rate);
}
END_TEST

START_TEST(a_resize_keeps_the_weight_of_waiters)
{
    errand_rate *rate = rate_of(10, 1);
    ck_assert(now(rate, 1));
    errand_future *a = errand_rate_acquire_n(rate, NULL, 5), *b = errand_rate_acquire(rate, NULL);
    ck_assert_int_eq(errand_rate_resize(rate, 100, 1), 0); /* at 10 and 60 ms */
    comes_after(a, 10);
    comes_after(b, 50);
    ck_assert_int_eq(errand_rate_resize(rate, 1, 20), 0); /* the bucket holds one */
    ck_assert(now(rate, 19) && !now(rate, 1));
    end_rate(rate);
}
END_TEST

START_TEST(without_a_pace_a_weight_is_no_matter)
{
    errand_rate *rate = rate_of(ERRAND_NO_PACE, 0);
    ck_assert(now(rate, UINT64_MAX) && now(rate, 1));
    settle(rate, 1, UINT64_MAX);
    settle(rate, UINT64_MAX, 0);
    errand_rate_pause(rate, NULL, 100);
    errand_future *f = errand_rate_acquire_n(rate, NULL, UINT64_MAX);
    settle(rate, 1, UINT64_MAX);
    settle(rate, UINT64_MAX, 0);
    comes_after(f, 100);
    end_rate(rate);
}
END_TEST

START_TEST(huge_weights_do_not_overflow)
{
    const double sizes[] = { 1e9, 1e-300, 3 };
    const uint64_t huge[] = { UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63, 1000000 };
    for (size_t k = 0; k < 3; k++) {
        errand_rate *rate = rate_of(sizes[k], 4000000000u);
        ck_assert(now(rate, UINT64_MAX) && !now(rate, 1));
        for (unsigned round = 0; round < 300; round++) {
            errand_future *f[4];
            for (int i = 0; i < 4; i++) {
                f[i] = errand_rate_acquire_n(rate, NULL, huge[(round + (unsigned)i) % 4]);
                settle(rate, 0, huge[i]);
                if (ended(f[i])) ck_abort_msg("given at once");
            }
            if (round % 10 == 0) errand_rate_pause(rate, NULL, ERRAND_FOREVER / 4000000);
            if (round % 10 == 5) ck_assert_int_eq(errand_rate_resize(rate, sizes[k], round), 0);
            for (int i = 0; i < 4; i++) {
                int left = (i * 3 + (int)round) % 4;
                errand_cancel(f[left]);
                ENDS(f[left], ECANCELED);
                settle(rate, huge[left], 0);
            }
        }
        settle(rate, UINT64_MAX, 0);
        errand_rate_free(rate);
    }
    close_rates();
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
    errand_rate *rate = rate_of(10, 1);
    ENDS(errand_rate_acquire_n(rate, NULL, 0), EINVAL);
    ENDS(errand_rate_acquire_n(NULL, NULL, 1), EINVAL);
    ck_assert_int_eq(errand_rate_settle(NULL, NULL, 1, 1), EINVAL);
    char longer[ERRAND_KEY_MAX + 2];
    for (size_t i = 0; i < sizeof longer; i++) longer[i] = i + 1 < sizeof longer ? 'k' : 0;
    ck_assert_int_eq(errand_rate_settle(rate, longer, 1, 1), EINVAL);
    ENDS(errand_rate_acquire_n(rate, longer, 2), EINVAL);
    ck_assert(now(rate, 1));
    end_rate(rate);
}
END_TEST

/* Random weights, cancels, pauses, settling and resizes: what is given less what is given back
 * never exceeds the bound within the time between two resizes. */
typedef struct entry {
    errand_future *f;
    int64_t before, at; /* it happened after `before` and by `at` */
    int64_t n;          /* below 0: given back */
    unsigned era;
} entry;

enum { N = 300, ERAS = 16 };

typedef struct world {
    errand_rate *rate;
    uint64_t seed;
    double per_second[ERAS];
    unsigned burst[ERAS], era, begun, done, gone;
    entry waits[N], log[2 * N];
} world;

static double dice(world *w) { return er_random_fraction(&w->seed); }

static void choose_size(world *w)
{
    w->per_second[w->era] = 5 + 95 * dice(w);
    w->burst[w->era] = 1 + (unsigned)(dice(w) * 30);
}

static void check_log(const world *w)
{
    for (unsigned i = 0; i < w->done; i++) {
        if (w->log[i].n < 0) continue;
        double given = 0, largest = w->burst[w->log[i].era];
        /* it may have come before what was given back, but been seen later */
        for (unsigned j = i; j && w->log[j - 1].at >= w->log[i].before; j--) {
            if (w->log[j - 1].n < 0) given += (double)w->log[j - 1].n;
        }
        for (unsigned j = i; j < w->done && w->log[j].era == w->log[i].era; j++) {
            given += (double)w->log[j].n;
            if (largest < (double)w->log[j].n) largest = (double)w->log[j].n;
            double most = largest + (double)(w->log[j].at - w->log[i].before) / 1e9 *
                                        w->per_second[w->log[j].era];
            if (w->log[j].n > 0 && given > most + 1e-6)
                ck_abort_msg("%g turns, at most %g", given, most);
        }
    }
}

static void settle_some(world *w, int64_t n)
{
    int64_t used = (int64_t)(dice(w) * 1.5 * (double)n);
    settle(w->rate, (uint64_t)n, (uint64_t)used);
    if (used < n)
        w->log[w->done++] = (entry){ NULL, rate_clock.now_ns, rate_clock.now_ns, used - n, w->era };
}

static void look_at_waits(world *w)
{
    for (unsigned i = 0; i < w->begun; i++) {
        entry *e = &w->waits[i];
        if (!e->f) continue;
        bool cancelled = !ended(e->f) && dice(w) < 0.02;
        if (cancelled) errand_cancel(e->f);
        if (ended(e->f)) {
            ENDS(e->f, cancelled ? ECANCELED : 0);
            if (cancelled) w->gone++;
            else w->log[w->done++] = (entry){ NULL, e->before, rate_clock.now_ns, e->n, w->era };
            e->f = NULL;
            if (!cancelled && dice(w) < 0.7) settle_some(w, e->n);
        }
        e->before = rate_clock.now_ns - 2 * ER_MS;
    }
}

START_TEST(no_interval_exceeds_the_rate_however_it_is_settled)
{
    for (uint64_t seed = 1, seeds = 1 + scaled(60); seed < seeds; seed++) {
        world *w = calloc(1, sizeof *w);
        ck_assert_ptr_nonnull(w);
        w->seed = seed;
        choose_size(w);
        w->rate = rate_of(w->per_second[0], w->burst[0]);
        unsigned left = 1;
        for (unsigned step = 0; left; step++) {
            for (unsigned more = (unsigned)(dice(w) * 4); more && w->begun < N; more--) {
                uint64_t n = 1 + (uint64_t)(dice(w) * (dice(w) < 0.1 ? 60 : 8));
                w->waits[w->begun++] = (entry){ errand_rate_acquire_n(w->rate, NULL, n),
                                                rate_clock.now_ns - ER_MS, 0, (int64_t)n, 0 };
            }
            if (dice(w) < 0.02) errand_rate_pause(w->rate, NULL, 50);
            look_at_waits(w);
            if (dice(w) < 0.03 && w->era + 1 < ERAS) {
                w->era++;
                choose_size(w);
                ck_assert_int_eq(
                    errand_rate_resize(w->rate, w->per_second[w->era], w->burst[w->era]), 0);
            }
            left = N - w->begun;
            for (unsigned i = 0; i < w->begun; i++) left += w->waits[i].f != NULL;
            turn_ns(&rate_clock, rate_pool, (int64_t)(dice(w) * 100) * ER_MS);
            ck_assert_uint_lt(step, 100000);
        }
        check_log(w);
        ck_assert_uint_gt(w->gone, 0);
        errand_rate_free(w->rate);
        free(w);
    }
    close_rates();
}
END_TEST

/* ---- on the system clock ---- */

static errand_future *take_weights(storm_round *r)
{
    double d = er_random_fraction(r->seed);
    r->n = 1 + er_random_next(r->seed) % 20;
    errand_future *f = errand_rate_acquire_n(r->rate, r->key, r->n);
    if (d < 0.01) errand_rate_pause(r->rate, r->key, 1);
    if (d > 0.9) errand_rate_resize(r->rate, 2e5 * (1 + d), 1 + r->i % 5);
    if (d < 0.5) errand_cancel(f);
    return f;
}

static void settle_round(storm_round *r)
{
    ck_assert_int_eq(errand_rate_settle(r->rate, r->key, r->n, r->i % 25), 0);
}

START_TEST(settling_turns_cancels_and_resizes_race)
{
    run_storm(&(rate_storm){ .per_second = 2e5,
                             .burst = 3,
                             .rounds = scaled(1000),
                             .begin = take_weights,
                             .got = settle_round });
}
END_TEST

Suite *rate_weights_suite(void)
{
    Suite *suite = suite_create("rate weights");
    TCase *tc = case_of(suite, "turns");
    tcase_add_test(tc, n_turns_wait_for_room_in_the_burst);
    tcase_add_test(tc, more_than_the_burst_waits_until_it_is_whole);
    tcase_add_test(tc, a_large_waiter_is_not_overtaken);
    tcase_add_test(tc, a_gap_goes_to_those_who_have_room_in_it);
    tcase_add_test(tc, the_last_waiter_gives_back_all_its_turns);
    tcase_add_test(tc, a_resize_keeps_the_weight_of_waiters);
    tc = case_of(suite, "settling");
    tcase_add_test(tc, what_was_not_used_brings_waiters_forward);
    tcase_add_test(tc, waiters_behind_one_that_leaves_come_when_they_were_settled_to);
    tcase_add_test(tc, what_was_used_beyond_delays_waiters);
    tcase_add_test(tc, settling_never_makes_more_than_the_burst);
    tcase_add_test(tc, settling_does_not_end_a_pause);
    tc = case_of(suite, "bounds");
    tcase_add_test(tc, without_a_pace_a_weight_is_no_matter);
    tcase_add_test(tc, huge_weights_do_not_overflow);
    tcase_add_test(tc, wrong_arguments_are_refused);
    tcase_add_test(tc, no_interval_exceeds_the_rate_however_it_is_settled);
    tcase_add_test(tc, settling_turns_cancels_and_resizes_race);
    return suite;
}
