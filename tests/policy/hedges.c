/* Hedges: concurrent attempts. */
#include "runs.h"

#include <errno.h>
#include <stdlib.h>

static test_clock t;
static errand_pool *pool;

static void open_turned(unsigned workers)
{
    test_clock_start(&t);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = workers, .clock = &t.clock });
    ck_assert_ptr_nonnull(pool);
}

/* Each call makes a promise and returns errand_later() of its future. */
enum { MOST = 400 };
typedef struct asked {
    errand_promise *promise[MOST];
    unsigned n, cancels[MOST], freed;
} asked;
typedef struct cancel_note {
    asked *a;
    unsigned i;
} cancel_note;
static cancel_note notes[MOST];

static void count_cancel(void *arg)
{
    cancel_note *o = arg;
    count_up(&o->a->cancels[o->i]);
}
static errand_result ask(void *arg)
{
    asked *a = arg;
    errand_future *f;
    unsigned i = a->n;
    a->promise[i] = errand_promise_new(pool, &f);
    notes[i] = (cancel_note){ a, i };
    errand_promise_on_cancel(a->promise[i], count_cancel, &notes[i]);
    count_up(&a->n);
    return errand_later(f);
}
static void asked_freed(void *arg) { count_up(&((asked *)arg)->freed); }
static errand_task asking(asked *a)
{
    return (errand_task){ .fn = ask, .arg = a, .free = asked_freed };
}
static errand_policy_stats stats_of(const errand_policy *policy)
{
    errand_policy_stats s;
    ck_assert_int_eq(errand_policy_stats_get(policy, &s), 0);
    return s;
}
static bool ended(errand_future *f) { return errand_wait(f, 0) == 0; }
static void settle(void) /* nothing is queued or runs */ { await_asleep(pool, 0); }

START_TEST(the_first_successful_hedge_wins)
{
    open_turned(1);
    errand_policy *policy = policy_of((errand_policy_opts){ .attempts = 3, .hedge_ms = 100 });
    static asked a;
    errand_task task = asking(&a);
    errand_future *f = errand_run_task(pool, policy, &task);
    await_count(&a.n, 1);
    settle();
    turn(&t, pool, 99);
    settle();
    ck_assert_uint_eq(count_of(&a.n), 1);
    turn(&t, pool, 1);
    await_count(&a.n, 2);
    settle();
    turn(&t, pool, 100);
    await_count(&a.n, 3);
    settle();
    turn(&t, pool, 10000);
    settle();
    ck_assert_uint_eq(count_of(&a.n), 3); /* at most `attempts` */
    errand_promise_resolve(a.promise[1], errand_ok(as_value(7), NULL));
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 7);
    ck_assert_uint_eq(errand_result_attempts(&r), 3);
    const int errors[] = { 0, ECANCELED, ECANCELED };
    const unsigned numbers[] = { 2, 1, 3 };
    for (size_t i = 0; i < 3; i++) {
        errand_attempt at;
        ck_assert_int_eq(errand_result_attempt(&r, i, &at), 0);
        ck_assert_int_eq(at.error, errors[i]);
        ck_assert_uint_eq(at.number, numbers[i]);
    }
    errand_result_free(&r);
    ck_assert(count_of(&a.cancels[0]) == 1 && count_of(&a.cancels[2]) == 1 &&
              count_of(&a.cancels[1]) == 0);
    ck_assert_int_eq(errand_promise_cancelled(a.promise[0]), ERRAND_BY_HEDGE);
    ck_assert_uint_eq(count_of(&a.freed), 0); /* the losers have not returned */
    errand_promise_resolve(a.promise[0], errand_ok(NULL, NULL));
    errand_promise_resolve(a.promise[2], errand_fail(ECANCELED));
    await_count(&a.freed, 1);
    errand_policy_stats s = stats_of(policy);
    ck_assert(s.hedges == 2 && s.hedges_won == 1 && s.attempts == 3 && s.succeeded == 1 &&
              s.retries == 0);
    errand_policy_free(policy);
    close_pool(pool);
}
END_TEST

START_TEST(a_failure_waits_for_other_attempts_unless_it_is_final)
{
    open_turned(1);
    errand_policy_opts o = { .attempts = 2, .hedge_ms = 100 };
    static asked a, b, c;
    errand_future *f = start_run(pool, o, asking(&a));
    await_count(&a.n, 1);
    settle();
    turn(&t, pool, 100);
    await_count(&a.n, 2);
    settle();
    errand_promise_resolve(a.promise[0], errand_fail(ECONNRESET));
    settle();
    ck_assert(!ended(f));
    errand_promise_resolve(a.promise[1], errand_fail(EPIPE));
    ENDS(f, EPIPE); /* the last error */
    await_count(&a.freed, 1);
    f = start_run(pool, o, asking(&b));
    await_count(&b.n, 1);
    settle();
    turn(&t, pool, 100);
    await_count(&b.n, 2);
    settle();
    errand_promise_resolve(b.promise[1], errand_fail(EACCES)); /* not retryable */
    ENDS(f, EACCES);
    ck_assert_uint_eq(count_of(&b.cancels[0]), 1);
    errand_promise_resolve(b.promise[0], errand_ok(NULL, NULL));
    await_count(&b.freed, 1);
    o.attempts = 4;
    o.backoff = errand_backoff_fixed(1000);
    f = start_run(pool, o, asking(&c)); /* all fail: it sleeps, then hedges again */
    await_count(&c.n, 1);
    settle();
    turn(&t, pool, 100);
    await_count(&c.n, 2);
    settle();
    errand_promise_resolve(c.promise[0], errand_fail(ECONNRESET));
    errand_promise_resolve(c.promise[1], errand_fail(ECONNRESET));
    await_asleep(pool, 1);
    turn(&t, pool, 1000);
    await_count(&c.n, 3);
    settle();
    turn(&t, pool, 100);
    await_count(&c.n, 4);
    settle();
    errand_promise_resolve(c.promise[2], errand_ok(NULL, NULL));
    ENDS(f, 0);
    errand_promise_resolve(c.promise[3], errand_ok(NULL, NULL));
    await_count(&c.freed, 1);
    close_pool(pool);
}
END_TEST

START_TEST(a_function_that_may_not_overlap_is_not_hedged_while_it_runs)
{
    open_turned(2);
    errand_policy_opts o = { .attempts = 2, .hedge_ms = 100 };
    stuck s = { .h.result = errand_ok(NULL, NULL) };
    errand_future *f = start_run(pool, o, sticking(&s));
    await_event(&s.h.began);
    turn(&t, pool, 1000);
    happen(&s.h.go);
    ENDS(f, 0);
    ck_assert_uint_eq(s.h.runs, 1);
    o.overlap = 1;
    stuck both = { .h.result = errand_ok(NULL, NULL) };
    f = start_run(pool, o, sticking(&both));
    await_event(&both.h.began);
    turn(&t, pool, 100);
    for (int i = 0; i < 10 * LONG_MS && __atomic_load_n(&both.h.runs, __ATOMIC_SEQ_CST) < 2; i++)
        errand_await(errand_sleep(pool, 0));
    ck_assert_uint_eq(__atomic_load_n(&both.h.runs, __ATOMIC_SEQ_CST), 2);
    happen(&both.h.go);
    ENDS(f, 0);
    await_count(&both.freed, 1);
    close_pool(pool);
}
END_TEST

START_TEST(a_cancel_or_the_deadline_ends_all_attempts)
{
    open_turned(1);
    static asked a, b;
    errand_policy_opts o = { .attempts = 2, .hedge_ms = 100, .within_ms = 5000 };
    errand_future *f = start_run(pool, o, asking(&a));
    await_count(&a.n, 1);
    settle();
    turn(&t, pool, 100);
    await_count(&a.n, 2);
    settle();
    errand_cancel(f);
    ck_assert(count_of(&a.cancels[0]) == 1 && count_of(&a.cancels[1]) == 1);
    errand_promise_resolve(a.promise[0], errand_fail(ECANCELED));
    settle();
    ck_assert(!ended(f)); /* it ends with its last attempt */
    errand_promise_resolve(a.promise[1], errand_fail(ECANCELED));
    ENDS(f, ECANCELED);
    f = start_run(pool, o, asking(&b));
    await_count(&b.n, 1);
    settle();
    turn(&t, pool, 100);
    await_count(&b.n, 2);
    settle();
    turn(&t, pool, 5000);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    ck_assert_uint_eq(errand_result_attempts(&r), 2);
    errand_result_free(&r);
    errand_promise_resolve(b.promise[0], errand_fail(ECANCELED));
    errand_promise_resolve(b.promise[1], errand_fail(ECANCELED));
    await_count(&b.freed, 1);
    close_pool(pool);
}
END_TEST

START_TEST(the_hedge_percentile_is_measured_from_earlier_runs)
{
    open_turned(1);
    errand_policy *policy =
        policy_of((errand_policy_opts){ .attempts = 2, .hedge_percentile = 0.9 });
    static asked a;
    for (unsigned i = 0; i < 20; i++) { /* of 10, 20, ... 200 ms */
        errand_task task = asking(&a);
        errand_future *f = errand_run_task(pool, policy, &task);
        await_count(&a.n, i + 1);
        settle();
        turn(&t, pool, 10 * (i + 1));
        settle();
        ck_assert_uint_eq(count_of(&a.n), i + 1); /* too few samples to hedge */
        errand_promise_resolve(a.promise[i], errand_ok(NULL, NULL));
        ENDS(f, 0);
    }
    errand_task task = asking(&a);
    errand_future *f = errand_run_task(pool, policy, &task);
    await_count(&a.n, 21);
    settle();
    turn(&t, pool, 189);
    settle();
    ck_assert_uint_eq(count_of(&a.n), 21);
    turn(&t, pool, 1);
    await_count(&a.n, 22); /* 18 of 20 were quicker than 190 ms */
    errand_promise_resolve(a.promise[21], errand_ok(NULL, NULL));
    ENDS(f, 0);
    errand_promise_resolve(a.promise[20], errand_ok(NULL, NULL));
    await_count(&a.freed, 21);
    errand_policy_free(policy);
    close_pool(pool);
}
END_TEST

START_TEST(a_budget_bounds_the_share_of_hedges)
{
    open_turned(1);
    enum { N = 50 };
    errand_budget *budget = errand_budget_new(pool, &(errand_budget_opts){ .tokens = 500 });
    ck_assert_ptr_nonnull(budget);
    errand_policy *policy =
        policy_of((errand_policy_opts){ .attempts = 2, .hedge_ms = 100, .budget = budget });
    static asked a;
    errand_future *f[N];
    for (int i = 0; i < N; i++) {
        errand_task task = asking(&a);
        f[i] = errand_run_task(pool, policy, &task);
    }
    await_count(&a.n, N);
    settle();
    turn(&t, pool, 100);
    settle();
    unsigned hedges = (unsigned)stats_of(policy).hedges;
    ck_assert_uint_ge(hedges, 3);
    ck_assert_double_le(hedges, 0.2 * (N + hedges) + 1); /* a fifth of what is in flight */
    ck_assert_uint_eq(stats_of(policy).refused, N - hedges);
    await_count(&a.n, N + hedges);
    for (unsigned i = 0; i < N + hedges; i++)
        errand_promise_resolve(a.promise[i], errand_ok(NULL, NULL));
    for (int i = 0; i < N; i++) ENDS(f[i], 0);
    await_count(&a.freed, N);
    errand_budget_stats s;
    errand_budget_stats_get(budget, NULL, &s);
    ck_assert(s.in_flight == 0 && s.hedges == 0);
    errand_policy_free(policy);
    errand_budget_free(budget);
    close_pool(pool);
}
END_TEST

START_TEST(a_hedge_refused_by_a_limit_is_not_retried)
{
    open_turned(1);
    asked a = { .n = 0 };
    errand_breaker *breaker = errand_breaker_new(pool, NULL);
    errand_policy *policy =
        policy_of((errand_policy_opts){ .hedge_ms = 10, .attempts = 9, .breaker = breaker });
    errand_future *f = errand_run_task(pool, policy, &(errand_task){ .fn = ask, .arg = &a });
    await_count(&a.n, 1);
    await_asleep(pool, 0);
    ck_assert_int_eq(errand_breaker_force(breaker, NULL, ERRAND_BREAKER_OPEN), 0);
    for (int i = 0; i < 100; i++) turn(&t, pool, 10);
    errand_policy_stats s = stats_of(policy);
    ck_assert(s.refused == 1 && s.attempts == 1 && s.hedges == 0); /* none has begun */
    errand_promise_resolve(a.promise[0], errand_ok(NULL, NULL));
    ENDS(f, 0);
    ck_assert_uint_eq(count_of(&a.n), 1);
    errand_policy_free(policy);
    errand_breaker_free(breaker);
    close_pool(pool);
}
END_TEST

Suite *hedges_suite(void)
{
    Suite *suite = suite_create("hedges");
    TCase *tc = case_of(suite, "hedges");
    tcase_add_test(tc, the_first_successful_hedge_wins);
    tcase_add_test(tc, a_failure_waits_for_other_attempts_unless_it_is_final);
    tcase_add_test(tc, a_function_that_may_not_overlap_is_not_hedged_while_it_runs);
    tcase_add_test(tc, a_cancel_or_the_deadline_ends_all_attempts);
    tcase_add_test(tc, the_hedge_percentile_is_measured_from_earlier_runs);
    tcase_add_test(tc, a_budget_bounds_the_share_of_hedges);
    tcase_add_test(tc, a_hedge_refused_by_a_limit_is_not_retried);
    return suite;
}
