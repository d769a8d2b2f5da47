/* A service that is down for a while, on a test clock. The offered load is a number of runs per
 * second. */
#include "runs.h"

#include <errno.h>
#include <stdlib.h>

static test_clock t;
static errand_pool *pool;

enum { A_SECOND = 100, BEFORE = 60, DOWN = 300, AFTER = 120 }; /* seconds */

typedef struct service {
    bool down;
    unsigned calls; /* of this second */
} service;

static errand_result serve(void *arg)
{
    service *s = arg;
    count_up(&s->calls);
    return __atomic_load_n(&s->down, __ATOMIC_SEQ_CST)
               ? errand_fail(ECONNREFUSED)
               : errand_ok(NULL, NULL);
}

static void rest(void) /* until none is queued or runs; some may sleep */
{
    ck_assert_int_eq(errand_pool_wait_idle(pool, 10 * LONG_MS), 0);
}

/* One second of the offered load, in ten steps; returns the number of calls of the service. */
static unsigned a_second(service *s, const errand_policy *policy)
{
    s->calls = 0;
    for (int step = 0; step < 10; step++) {
        for (int i = 0; i < A_SECOND / 10; i++) errand_drop(errand_run(pool, policy, serve, s));
        rest();
        turn(&t, pool, 100);
        rest();
    }
    return s->calls;
}

typedef struct weather {
    double before, down, after; /* calls per offered call */
    unsigned worst;             /* second of the outage, after its first ten */
} weather;

static weather live_through(const errand_policy *policy)
{
    service s = { .down = false };
    weather w = { 0 };
    for (int i = 0; i < BEFORE; i++) w.before += a_second(&s, policy);
    __atomic_store_n(&s.down, true, __ATOMIC_SEQ_CST);
    for (int i = 0; i < DOWN; i++) {
        unsigned calls = a_second(&s, policy);
        w.down += calls;
        if (i >= 10 && calls > w.worst) w.worst = calls;
    }
    __atomic_store_n(&s.down, false, __ATOMIC_SEQ_CST);
    for (int i = 0; i < AFTER; i++) w.after += a_second(&s, policy);
    w.before /= BEFORE * A_SECOND;
    w.down /= DOWN * A_SECOND;
    w.after /= AFTER * A_SECOND;
    return w;
}

static void end_all(errand_policy *policy)
{
    for (int i = 0; i < 1000; i++) { /* sleeping runs wake and end */
        errand_policy_stats stats;
        errand_policy_stats_get(policy, &stats);
        if (stats.runs == stats.succeeded + stats.failed + stats.cancelled) break;
        turn(&t, pool, 1000);
        rest();
    }
    errand_policy_free(policy);
    close_pool(pool);
}

START_TEST(without_a_budget_an_outage_multiplies_the_load)
{
    pool = test_clock_pool(&t);
    errand_policy *policy = policy_of((errand_policy_opts){ .attempts = 4, .initial_ms = 100 });
    weather w = live_through(policy);
    ck_assert_double_eq_tol(w.before, 1, 0.001);
    ck_assert_double_ge(w.down, 3.9); /* the budget prevents this */
    end_all(policy);
}
END_TEST

START_TEST(with_a_budget_the_load_stays_near_the_offered_load)
{
    pool = test_clock_pool(&t);
    errand_budget *budget = errand_budget_new(pool, &(errand_budget_opts){ .tokens = 500 });
    ck_assert_ptr_nonnull(budget);
    errand_policy *policy =
        policy_of((errand_policy_opts){ .attempts = 4, .initial_ms = 100, .budget = budget });
    weather w = live_through(policy);
    ck_assert_double_eq_tol(w.before, 1, 0.001);
    ck_assert_double_le(w.down, 1.1);
    ck_assert_uint_le(w.worst, A_SECOND + A_SECOND / 10);
    ck_assert_double_le(w.after, 1.1);
    errand_budget_stats stats;
    errand_budget_stats_get(budget, NULL, &stats);
    ck_assert_uint_eq(stats.tokens, 500); /* full again */
    errand_budget_free(budget);
    end_all(policy);
}
END_TEST

START_TEST(a_breaker_opens_probes_and_closes)
{
    pool = test_clock_pool(&t);
    errand_breaker *breaker = errand_breaker_new(pool, &(errand_breaker_opts){ .ratio = 0.5 });
    ck_assert_ptr_nonnull(breaker);
    errand_policy *policy = policy_of((errand_policy_opts){ .breaker = breaker });
    service s = { .down = false };
    errand_breaker_stats stats;
    for (int i = 0; i < BEFORE; i++) ck_assert_uint_eq(a_second(&s, policy), A_SECOND);
    __atomic_store_n(&s.down, true, __ATOMIC_SEQ_CST);
    unsigned calls = 0, most = 0;
    for (int i = 0; i < DOWN; i++) {
        unsigned now = a_second(&s, policy);
        calls += now;
        if (i >= 31 && now > most) /* the successful calls have left the window */
            most = now;
    }
    ck_assert_uint_lt(calls, A_SECOND * 40); /* of DOWN * A_SECOND offered */
    ck_assert_uint_le(most, 1);              /* only probes */
    errand_breaker_stats_get(breaker, NULL, &stats);
    ck_assert_int_eq(stats.state, ERRAND_BREAKER_OPEN);
    ck_assert_uint_ge(stats.times_open, 4);
    ck_assert_uint_gt(stats.refused, 0);
    __atomic_store_n(&s.down, false, __ATOMIC_SEQ_CST);
    int seconds = 0;
    while (a_second(&s, policy) < A_SECOND && seconds < 61) seconds++;
    ck_assert_int_le(seconds, 60); /* the longest open time */
    errand_breaker_stats_get(breaker, NULL, &stats);
    ck_assert_int_eq(stats.state, ERRAND_BREAKER_CLOSED);
    errand_breaker_free(breaker);
    end_all(policy);
}
END_TEST

Suite *outage_suite(void)
{
    Suite *suite = suite_create("outage");
    TCase *tc = case_of(suite, "outage");
    tcase_add_test(tc, without_a_budget_an_outage_multiplies_the_load);
    tcase_add_test(tc, with_a_budget_the_load_stays_near_the_offered_load);
    tcase_add_test(tc, a_breaker_opens_probes_and_closes);
    return suite;
}
