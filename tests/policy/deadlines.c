/* The deadlines of runs and of their attempts. */
#include "runs.h"

#include <errno.h>

static test_clock t;
static errand_pool *pool;

static void open_turned(void) { pool = test_clock_pool(&t); }
static errand_future *start(errand_policy_opts opts, script *s)
{
    return start_run(pool, opts, scripted(s));
}
static errand_future *start_task(errand_policy_opts opts, errand_task task)
{
    return start_run(pool, opts, task);
}
static bool ended(errand_future *f) { return errand_wait(f, 0) == 0; }
static void free_unowned(void *n) { count_up(n); }

static unsigned calls_for(errand_policy_opts opts, script s, int ends)
{
    errand_result r = errand_await(start(opts, &s));
    ck_assert_int_eq(r.error, ends);
    ck_assert_uint_eq(errand_result_attempts(&r), s.calls);
    errand_result_free(&r);
    ck_assert_uint_eq(s.freed, 1);
    return s.calls;
}

START_TEST(a_sleep_longer_than_the_time_left_is_not_begun)
{
    open_turned();
    script s = { .error = { ECONNRESET } };
    errand_policy_opts o = {
        .attempts = 5, .initial_ms = 100, .jitter = ERRAND_JITTER_NONE, .within_ms = 100
    };
    ck_assert_uint_eq(calls_for(o, s, ECONNRESET), 1); /* while the clock stands still */
    o.within_ms = 101;
    errand_future *f = start(o, &s);
    await_asleep(pool, 1);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    close_pool(pool);
}
END_TEST

START_TEST(a_run_ends_at_its_deadline_if_an_attempt_is_stuck)
{
    open_turned();
    unsigned values = 0;
    hold h = { .result = errand_ok(&values, free_unowned) };
    errand_policy *policy = policy_of((errand_policy_opts){ .attempts = 3, .within_ms = 100 });
    errand_task task = { .fn = hold_worker, .arg = &h };
    errand_future *f = errand_run_task(pool, policy, &task);
    await_event(&h.began);
    turn(&t, pool, 99);
    ck_assert(!ended(f));
    turn(&t, pool, 2);
    ck_assert(ended(f));
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    ck_assert_uint_eq(errand_result_attempts(&r), 1);
    errand_attempt a;
    ck_assert_int_eq(errand_result_attempt(&r, 0, &a), 0);
    ck_assert_int_eq(a.took_ms, 101);
    errand_result_free(&r);
    errand_pool_stats stats;
    errand_pool_stats_get(pool, &stats);
    ck_assert_uint_eq(stats.abandoned, 1);
    happen(&h.go);
    await_count(&values, 1); /* a late value is freed */
    await_asleep(pool, 0);
    errand_pool_stats_get(pool, &stats);
    ck_assert_uint_eq(stats.abandoned, 0);
    ck_assert_uint_eq(h.runs, 1);
    errand_policy_free(policy);
    close_pool(pool);
}
END_TEST

START_TEST(a_stuck_attempt_keeps_arg_and_permit_until_it_returns)
{
    open_turned();
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1 });
    stuck s = { .h.result = errand_fail(ECONNRESET) };
    errand_future *f = start_task(
        (errand_policy_opts){ .attempts = 3, .within_ms = 100, .sem = sem }, sticking(&s));
    await_event(&s.h.began);
    turn(&t, pool, 101);
    ENDS(f, ETIMEDOUT);
    ck_assert_uint_eq(count_of(&s.freed), 0);
    ck_assert(!errand_sem_try_acquire(sem, 1));
    happen(&s.h.go);
    await_count(&s.freed, 1);
    await_asleep(pool, 0);
    ck_assert_uint_eq(s.h.runs, 1); /* no further attempt */
    ck_assert(errand_sem_try_acquire(sem, 1));
    errand_sem_release(sem, 1);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

START_TEST(a_stuck_cancelled_run_ends_at_its_deadline)
{
    open_turned();
    stuck s = { .h.result = errand_fail(ECONNRESET) };
    errand_future *f =
        start_task((errand_policy_opts){ .attempts = 3, .within_ms = 100 }, sticking(&s));
    await_event(&s.h.began);
    errand_cancel(f);
    turn(&t, pool, 50);
    ck_assert(!ended(f));
    turn(&t, pool, 51);
    ck_assert(ended(f));
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    errand_result_free(&r);
    happen(&s.h.go);
    await_count(&s.freed, 1);
    close_pool(pool);
}
END_TEST

START_TEST(a_run_without_time_ends_at_once)
{
    open_turned();
    stuck s = { .h.result = errand_fail(ECONNRESET) };
    hold busy = { .result = errand_ok(NULL, NULL) };
    errand_future *b = errand_submit(pool, hold_worker, &busy);
    await_event(&busy.began);
    errand_future *f =
        start_task((errand_policy_opts){ .attempts = 3, .within_ms = ERRAND_ZERO }, sticking(&s));
    ck_assert(ended(f));
    ENDS(f, ETIMEDOUT);
    happen(&busy.go);
    ENDS(b, 0);
    happen(&s.h.go);
    await_count(&s.freed, 1);
    ck_assert_uint_eq(s.h.runs, 0);
    close_pool(pool);
}
END_TEST

START_TEST(an_attempt_past_its_own_deadline_is_retried)
{
    open_turned();
    obedient o = { .pool = pool };
    errand_future *f = start_task(
        (errand_policy_opts){ .attempts = 2,
                              .initial_ms = 10,
                              .jitter = ERRAND_JITTER_NONE,
                              .attempt_ms = 100,
                              .within_ms = 100000 },
        obeying(&o));
    await_count(&o.calls, 1);
    turn(&t, pool, 101);
    await_asleep(pool, 1); /* in the backoff; the task has ended */
    ck_assert_int_eq(o.reason, ERRAND_BY_ATTEMPT);
    turn(&t, pool, 11);
    await_count(&o.calls, 2);
    turn(&t, pool, 101);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_ATTEMPT);
    ck_assert_uint_eq(errand_result_attempts(&r), 2);
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

START_TEST(the_next_attempt_waits_for_a_stuck_one_to_return)
{
    open_turned();
    stuck s = { .h.result = errand_fail(ECONNRESET) };
    errand_future *f = start_task(
        (errand_policy_opts){ .attempts = 2, .initial_ms = ERRAND_ZERO, .attempt_ms = 100 },
        sticking(&s));
    await_event(&s.h.began);
    turn(&t, pool, 101);
    turn(&t, pool, 1000);
    ck_assert(!ended(f));
    ck_assert_uint_eq(s.h.runs, 1);
    happen(&s.h.go);
    turn_to_the_end(&t, pool, f);
    ENDS(f, ECONNRESET);
    ck_assert_uint_eq(s.h.runs, 2);
    close_pool(pool);
}
END_TEST

typedef struct submitter {
    stuck s;
    int error;
} submitter;

static errand_result submit_inside(void *arg)
{
    submitter *s = arg;
    errand_result r = errand_await(start_task(
        (errand_policy_opts){ .attempts = 5, .initial_ms = 60, .jitter = ERRAND_JITTER_NONE },
        sticking(&s->s)));
    s->error = r.error;
    errand_result_free(&r);
    return errand_ok(NULL, NULL);
}

START_TEST(a_run_inherits_the_deadline_of_the_submitting_task)
{
    open_turned();
    submitter s = { .s.h.result = errand_fail(ECONNRESET) };
    errand_future *f = errand_submit_task(
        pool, &(errand_task){ .fn = submit_inside, .arg = &s, .within_ms = 100 });
    await_event(&s.s.h.began);
    turn(&t, pool, 101);
    ENDS(f, 0);
    ck_assert_int_eq(s.error, ETIMEDOUT);
    happen(&s.s.h.go);
    await_count(&s.s.freed, 1);
    close_pool(pool);
}
END_TEST

Suite *deadlines_suite(void)
{
    Suite *suite = suite_create("deadlines");
    TCase *tc = case_of(suite, "deadlines");
    tcase_add_test(tc, a_sleep_longer_than_the_time_left_is_not_begun);
    tcase_add_test(tc, a_run_ends_at_its_deadline_if_an_attempt_is_stuck);
    tcase_add_test(tc, a_stuck_attempt_keeps_arg_and_permit_until_it_returns);
    tcase_add_test(tc, a_stuck_cancelled_run_ends_at_its_deadline);
    tcase_add_test(tc, a_run_without_time_ends_at_once);
    tcase_add_test(tc, an_attempt_past_its_own_deadline_is_retried);
    tcase_add_test(tc, the_next_attempt_waits_for_a_stuck_one_to_return);
    tcase_add_test(tc, a_run_inherits_the_deadline_of_the_submitting_task);
    return suite;
}
