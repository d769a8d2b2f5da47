/* Rates on a test clock: when turns are granted. */
#include "rates.h"

#include "base/clock.h"
#include "policy/rate.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Whether a turn is granted now: exact to the nanosecond, without a timer. */
static bool let_through_now(errand_rate *rate)
{
    er_turn turn = { .came = NULL };
    int error = er_rate_enter(rate, NULL, rate_pool, rate_clock.now_ns, &turn);
    /* an assertion costs a file write */
    if (error && error != ERRAND_ELATE) ck_abort_msg("%s", strerror(error));
    return !error;
}

START_TEST(turns_are_granted_in_fifo_order)
{
    open_rates();
    errand_rate *rate = rate_of(10, 0);
    errand_future *a = errand_rate_acquire(rate, NULL), *b = errand_rate_acquire(rate, NULL),
                  *c = errand_rate_acquire(rate, NULL);
    ENDS(a, 0);
    ck_assert(!ended(b) && !ended(c));
    comes_after(b, 100);
    comes_after(c, 100);
    errand_rate_free(rate);
    close_rates();
}
END_TEST

START_TEST(a_burst_is_granted_after_a_quiet_time)
{
    open_rates();
    errand_rate *rate = rate_of(10, 3);
    for (int again = 0; again < 3; again++) {
        for (int i = 0; i < 3; i++) ck_assert(let_through_now(rate));
        ck_assert(!let_through_now(rate));
        turn(&rate_clock, rate_pool, 100);
        ck_assert(let_through_now(rate) && !let_through_now(rate));
        turn(&rate_clock, rate_pool, 100000); /* at most the burst is saved up */
    }
    errand_rate_free(rate);
    close_rates();
}
END_TEST

static double dice(uint64_t *seed) { return er_random_fraction(seed); }

START_TEST(no_interval_exceeds_the_burst_and_its_share)
{
    open_rates();
    for (uint64_t seed = 1, seeds = 1 + scaled(200); seed < seeds; seed++) {
        uint64_t state = seed;
        double per_second = pow(10, 9.5 * dice(&state) - 0.5), interval = 1e9 / per_second;
        unsigned burst = 1 + (unsigned)(dice(&state) * 20);
        errand_rate *rate = rate_of(per_second > 1e9 ? 1e9 : per_second, burst);
        if (per_second > 1e9) interval = 1;
        int64_t at[400];
        unsigned n = 0;
        for (unsigned step = 0; n < 400 && step < 4000; step++) {
            for (unsigned tries = (unsigned)(dice(&state) * 4); tries && n < 400; tries--) {
                if (let_through_now(rate)) at[n++] = rate_clock.now_ns;
            }
            turn_ns(&rate_clock, rate_pool, (int64_t)(dice(&state) * 3 * interval));
            if (dice(&state) < 0.02)
                turn_ns(&rate_clock, rate_pool, (int64_t)(dice(&state) * 30 * interval));
        }
        for (unsigned i = 0; i < n; i++) {
            for (unsigned j = i; j < n; j++) {
                double most = burst + (double)(at[j] - at[i]) / interval;
                if (j - i + 1 <= most + 1e-6) continue;
                ck_abort_msg("seed %llu: %u in %lld ns, at %g/s with a burst of %u",
                             (unsigned long long)seed, j - i + 1, (long long)(at[j] - at[i]),
                             per_second, burst);
            }
        }
        ck_assert_uint_gt(n, burst);
        errand_rate_free(rate);
    }
    close_rates();
}
END_TEST

START_TEST(pending_turns_keep_to_the_rate)
{
    open_rates();
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t state = seed;
        double per_second = 2 + 48 * dice(&state);
        unsigned burst = 1 + (unsigned)(dice(&state) * 5), n = 0, first = 0;
        errand_rate *rate = rate_of(per_second, burst);
        errand_future *f[100];
        int64_t before[100], at[100]; /* granted after before[i] and by at[i] */
        while (first < 100) {
            for (unsigned more = (unsigned)(dice(&state) * 4); more && n < 100; more--) {
                f[n] = errand_rate_acquire(rate, NULL);
                before[n] = rate_clock.now_ns - TICK_MS * ER_MS;
                n++;
            }
            for (; first < n && ended(f[first]); first++) {
                at[first] = rate_clock.now_ns;
                ENDS(f[first], 0);
            }
            for (unsigned i = first; i < n; i++) {
                if (ended(f[i])) ck_abort_msg("a turn was granted before an earlier one");
            }
            for (unsigned i = first; i < n; i++) before[i] = rate_clock.now_ns - TICK_MS * ER_MS;
            turn(&rate_clock, rate_pool, 1 + (int64_t)(dice(&state) * 4));
        }
        for (unsigned i = 0; i < n; i++) {
            for (unsigned j = i; j < n; j++) {
                double most = burst + (double)(at[j] - before[i]) / 1e9 * per_second;
                if (j - i + 1 > most + 1e-6)
                    ck_abort_msg("seed %llu: %u, at most %g", (unsigned long long)seed, j - i + 1,
                                 most);
            }
        }
        errand_rate_free(rate);
    }
    close_rates();
}
END_TEST

static void long_run(double per_second, int64_t ns, unsigned burst)
{
    errand_rate *rate = rate_of(per_second, burst);
    while (let_through_now(rate)) continue;
    unsigned n = 0;
    int64_t step = (int64_t)(burst / per_second * 1e9 / 2); /* too short to fill the burst */
    for (int64_t at = 0; at < ns; at += step) {
        turn_ns(&rate_clock, rate_pool, step);
        while (let_through_now(rate)) n++;
    }
    double due = (double)((ns + step - 1) / step * step) / 1e9 * per_second;
    ck_assert_msg(fabs(n - due) <= due / 1000 + 1, "%u, not %g, at %g/s", n, due, per_second);
    errand_rate_free(rate);
}

START_TEST(a_long_time_is_within_a_thousandth_of_the_rate)
{
    open_rates();
    long_run(7e8, 1000000, 100000);
    long_run(1e9, 500000, 100000);
    long_run(3, 40000 * INT64_C(1000000000), 2);
    long_run(0.7, 10000 * INT64_C(1000000000), 2);
    close_rates();
}
END_TEST

START_TEST(a_turn_is_reserved_once_and_can_be_returned)
{
    open_rates();
    errand_rate *rate = rate_of(10, 1);
    ck_assert(let_through_now(rate));
    errand_future *a = errand_rate_acquire(rate, NULL), *b = errand_rate_acquire(rate, NULL),
                  *c = errand_rate_acquire(rate, NULL);
    errand_cancel(c); /* the last: at 300 ms */
    ck_assert(ended(c));
    ENDS(c, ECANCELED);
    errand_cancel(a); /* not the last: its turn goes to the next caller */
    ENDS(a, ECANCELED);
    errand_future *d = errand_rate_acquire(rate, NULL);
    comes_after(d, 100);
    comes_after(b, 100);
    ck_assert(!let_through_now(rate));
    d = errand_rate_acquire(rate, NULL);
    comes_after(d, 100);
    errand_future *e = errand_rate_acquire(rate, NULL);
    errand_drop(e);
    errand_future *f = errand_rate_acquire(rate, NULL); /* a dropped one keeps its turn */
    comes_after(f, 200);
    errand_rate_free(rate);
    close_rates();
}
END_TEST

START_TEST(a_pause_delays_all_pending_turns)
{
    open_rates();
    errand_rate *rate = rate_of(10, 1);
    ck_assert(let_through_now(rate));
    errand_future *a = errand_rate_acquire(rate, NULL), *b = errand_rate_acquire(rate, NULL);
    turn(&rate_clock, rate_pool, 50);
    errand_rate_pause(rate, NULL, 1000);
    errand_rate_pause(rate, NULL, 300); /* shorter: no effect */
    errand_rate_pause(rate, NULL, 0);
    errand_rate_pause(rate, NULL, -5);
    errand_future *c = errand_rate_acquire(rate, NULL);
    comes_after(a, 1050);
    comes_after(b, 100);
    comes_after(c, 100);
    turn(&rate_clock, rate_pool, 10000);
    errand_rate_pause(rate, NULL, 500); /* no turn is pending: later callers wait */
    ck_assert(!let_through_now(rate));
    errand_future *d = errand_rate_acquire(rate, NULL);
    errand_rate_pause(rate, NULL, 700);
    comes_after(d, 700);
    errand_rate_free(rate);
    close_rates();
}
END_TEST

typedef struct asker {
    errand_rate *rate;
    int error;
} asker;

static errand_result ask_twice(void *arg)
{
    asker *a = arg;
    errand_result r = errand_await(errand_rate_acquire(a->rate, NULL));
    if (r.error) return r;
    r = errand_await(errand_rate_acquire(a->rate, NULL));
    a->error = r.error;
    errand_result_free(&r);
    return errand_ok(NULL, NULL);
}

START_TEST(a_turn_beyond_the_callers_deadline_is_refused_at_once)
{
    open_rates();
    errand_rate *rate = rate_of(10, 1);
    asker a = { rate, -1 };
    ENDS(errand_submit_task(rate_pool,
                            &(errand_task){ .fn = ask_twice, .arg = &a, .within_ms = 99 }),
         0);
    ck_assert_int_eq(a.error, ERRAND_ELATE);
    turn(&rate_clock, rate_pool, 100);
    ck_assert(let_through_now(rate)); /* the refused call has taken no turn */
    errand_rate_free(rate);
    close_rates();
}
END_TEST

typedef struct promised {
    er_turn turn;
    errand_promise *promise;
} promised;
static void keep_promise(er_turn *turn, int error)
{
    errand_promise_resolve(((promised *)(void *)turn)->promise, errand_fail(error));
}

START_TEST(a_deadline_counts_on_its_pools_clock)
{
    open_rates();
    errand_pool *real = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_rate *rate = rate_of(10, 1);
    ck_assert(let_through_now(rate));
    int64_t soon = er_deadline(er_now_ns(), 50), far = er_deadline(er_now_ns(), 1000000);
    errand_future *f;
    promised p = { .turn.came = keep_promise, .promise = errand_promise_new(rate_pool, &f) };
    ck_assert_int_eq(er_rate_enter(rate, NULL, real, soon, &p.turn), ERRAND_ELATE);
    ck_assert_int_eq(er_rate_enter(rate, NULL, real, far, &p.turn), EINPROGRESS);
    comes_after(f, 100);
    errand_rate_free(rate);
    close_pool(real);
    close_rates();
}
END_TEST

START_TEST(closing_the_pool_ends_waits_for_far_turns)
{
    open_rates();
    errand_rate *rare = rate_of(1e-300, 4000000000u), *paused = rate_of(1000, 1),
                *usual = rate_of(1, 1);
    errand_rate *rates[] = { rare, rare, rare, rare, rare, paused, usual, usual };
    errand_rate_pause(paused, NULL, ERRAND_FOREVER);
    errand_rate_pause(paused, NULL, ERRAND_FOREVER);
    while (let_through_now(rare)) continue;
    ck_assert(let_through_now(usual));
    errand_future *f[8];
    for (int i = 0; i < 8; i++) f[i] = errand_rate_acquire(rates[i], NULL);
    errand_rate_pause(rare, NULL, ERRAND_FOREVER);
    errand_rate_pause(usual, NULL, 1000);
    errand_cancel(f[4]);
    ENDS(f[4], ECANCELED);
    errand_rate_free(rare);
    errand_rate_free(paused);
    errand_drop(f[7]);
    ck_assert_int_eq(errand_pool_close(rate_pool, 2), 0);
    for (int i = 0; i < 7; i++) {
        if (i == 4) continue;
        ck_assert(ended(f[i]));
        errand_result r = errand_await(f[i]);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
    }
    ENDS(errand_rate_acquire(usual, NULL), EINVAL);
    errand_rate_free(usual);
}
END_TEST

START_TEST(the_smallest_rate_grants_one_turn)
{
    open_rates();
    errand_rate *rate = rate_of(5e-324, 1);
    ck_assert(let_through_now(rate) && !let_through_now(rate));
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &s), 0);
    ck_assert_int_gt(s.next_ms, INT64_C(100) * 365 * 86400 * 1000);
    errand_rate_free(rate);
    close_rates();
}
END_TEST

START_TEST(a_rate_refuses_wrong_sizes)
{
    open_rates();
    const double wrong[] = { 0, -1, (double)NAN, (double)INFINITY, 1.1e9 };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_ptr_null(errand_rate_new(rate_pool,
                                           &(errand_rate_opts){ .per_second = wrong[i] }));
        ck_assert_int_eq(errno, EINVAL);
    }
    struct {
        errand_rate_opts known;
        long newer;
    } opts = { { .per_second = 1 }, 1 };
    ck_assert_ptr_null(errand_rate_new(NULL, &opts.known));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(errand_rate_new_sized(rate_pool, &opts.known, sizeof opts));
    ck_assert_int_eq(errno, ENOTSUP);
    ENDS(errand_rate_acquire(NULL, NULL), EINVAL);
    errand_rate_pause(NULL, NULL, 1);
    errand_rate_free(NULL);
    close_rates();
}
END_TEST

/* ---- on the system clock ---- */

static errand_future *take_amid_pauses(storm_round *r)
{
    double d = dice(r->seed);
    errand_future *f = errand_rate_acquire(r->rate, r->key);
    if (d < 0.01) errand_rate_pause(r->rate, r->key, 1);
    if (d < 0.7) errand_cancel(f);
    if (d >= 0.2) return f;
    errand_drop(f);
    return NULL;
}

START_TEST(turns_cancels_and_pauses_race)
{
    run_storm(&(rate_storm){ .per_second = _i ? ERRAND_NO_PACE : 20000,
                             .burst = 3,
                             .rounds = scaled(1000),
                             .begin = take_amid_pauses });
}
END_TEST

START_TEST(a_rate_without_a_pace_only_pauses)
{
    open_rates();
    errand_rate *rate = rate_of(ERRAND_NO_PACE, 0);
    for (int i = 0; i < 1000; i++) ck_assert(let_through_now(rate));
    ck_assert_int_eq(errand_rate_pause(rate, "a", 100), 0);
    errand_future *f[4];
    for (int i = 0; i < 4; i++) f[i] = errand_rate_acquire(rate, "a");
    ENDS(errand_rate_acquire(rate, "b"), 0);
    ck_assert_int_eq(errand_rate_wait(rate, "a", 99), ERRAND_ELATE);
    errand_cancel(f[1]);
    ENDS(f[1], ECANCELED);
    ck_assert_int_eq(errand_rate_pause(rate, "a", 50), 0); /* within the other */
    ck_assert_int_eq(errand_rate_pause(rate, "a", 200), 0);
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, "a", &s), 0);
    ck_assert_uint_eq(s.waiting, 3);
    ck_assert_uint_eq(s.pauses, 1);
    ck_assert_int_eq(s.paused_ms, 200);
    ck_assert_int_eq(s.next_ms, 200);
    comes_after(f[0], 200);
    ENDS(f[2], 0);
    ENDS(f[3], 0);
    ENDS(errand_rate_acquire(rate, "a"), 0);
    turn(&rate_clock, rate_pool, 1);
    ck_assert_int_eq(errand_rate_pause(rate, "a", 10), 0);
    ck_assert_int_eq(errand_rate_stats_get(rate, "a", &s), 0);
    ck_assert_uint_eq(s.pauses, 2);
    comes_after(errand_rate_acquire(rate, "a"), 10);
    ck_assert_int_eq(errand_rate_resize(rate, 5, 1), EINVAL);
    errand_rate_free(rate);
    close_rates();
}
END_TEST

Suite *rate_suite(void)
{
    Suite *suite = suite_create("rate");
    TCase *tc = case_of(suite, "test clock");
    tcase_add_test(tc, turns_are_granted_in_fifo_order);
    tcase_add_test(tc, a_burst_is_granted_after_a_quiet_time);
    tcase_add_test(tc, no_interval_exceeds_the_burst_and_its_share);
    tcase_add_test(tc, pending_turns_keep_to_the_rate);
    tcase_add_test(tc, a_long_time_is_within_a_thousandth_of_the_rate);
    tcase_add_test(tc, a_turn_is_reserved_once_and_can_be_returned);
    tcase_add_test(tc, a_pause_delays_all_pending_turns);
    tcase_add_test(tc, a_turn_beyond_the_callers_deadline_is_refused_at_once);
    tcase_add_test(tc, a_deadline_counts_on_its_pools_clock);
    tcase_add_test(tc, closing_the_pool_ends_waits_for_far_turns);
    tcase_add_test(tc, the_smallest_rate_grants_one_turn);
    tcase_add_test(tc, a_rate_refuses_wrong_sizes);
    tcase_add_test(tc, a_rate_without_a_pace_only_pauses);
    tc = case_of(suite, "storm");
    tcase_add_loop_test(tc, turns_cancels_and_pauses_race, 0, 2);
    return suite;
}
