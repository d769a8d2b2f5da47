/* Loops: a policy in the caller's own thread. */
#include "runs.h"

#include "async/pool_ref.h"
#include "async/timer.h"

#include <errno.h>
#include <string.h>

/* A clock that advances with the loop's sleeps. */
typedef struct world {
    errand_clock clock;
    int64_t now_ns, slept[10];
    unsigned sleeps;
} world;

static int64_t read_world(void *arg) { return ((world *)arg)->now_ns; }
static void sleep_in_world(int64_t ms, void *arg)
{
    world *w = arg;
    w->slept[w->sleeps++] = ms;
    w->now_ns += ms * 1000000;
}
static errand_policy_opts in_world(world *w)
{
    *w = (world){ .clock = { read_world, w }, .now_ns = 12345678901 };
    return (errand_policy_opts){ .clock = &w->clock, .sleep = sleep_in_world, .hook_arg = w };
}

static unsigned go_through(const errand_policy *policy, script *s, errand_result *r)
{
    errand_loop loop = { { 0 } };
    *r = (errand_result){ 0 };
    unsigned n = 0;
    while (errand_loop_next(&loop, policy, r)) {
        ck_assert(r->error == 0 && !r->detail);
        *r = follow_script(s);
        n++;
    }
    ck_assert(!errand_loop_next(&loop, policy, r)); /* the loop has ended */
    errand_loop_end(&loop);                         /* not needed, and harmless */
    return n;
}

START_TEST(a_loop_retries_as_a_run_does)
{
    world w;
    errand_policy_opts o = in_world(&w);
    o.attempts = 4;
    o.initial_ms = 100;
    o.jitter = ERRAND_JITTER_NONE;
    errand_policy *policy = policy_of(o);
    script s = { .error = { ECONNRESET, EPIPE, 0 } };
    errand_result r;
    ck_assert_uint_eq(go_through(policy, &s, &r), 3);
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 3);
    ck_assert_uint_eq(errand_result_attempts(&r), 3);
    ck_assert(w.sleeps == 2 && w.slept[0] == 100 && w.slept[1] == 200);
    errand_attempt a;
    ck_assert_int_eq(errand_result_attempt(&r, 1, &a), 0);
    ck_assert(a.error == EPIPE && a.began_ms == 100 && a.then_waited_ms == 200);
    errand_result_free(&r);
    script bad = { .error = { ECONNRESET, ECONNRESET, ECONNRESET, ECONNRESET, 0 } };
    ck_assert_uint_eq(go_through(policy, &bad, &r), 4);
    ck_assert_int_eq(r.error, ECONNRESET);
    ck_assert_str_eq(errand_result_message(&r), "attempt 4");
    errand_result_free(&r);
    script never = { .error = { EACCES } };
    ck_assert_uint_eq(go_through(policy, &never, &r), 1);
    ck_assert_int_eq(r.error, EACCES);
    errand_result_free(&r);
    errand_policy_stats stats;
    errand_policy_stats_get(policy, &stats);
    ck_assert(stats.runs == 3 && stats.succeeded == 1 && stats.failed == 2 && stats.attempts == 8 &&
              stats.retries == 5);
    errand_policy_free(policy);
}
END_TEST

START_TEST(a_loop_without_a_policy_runs_once)
{
    script s = { .error = { ECONNRESET } };
    errand_result r;
    ck_assert_uint_eq(go_through(NULL, &s, &r), 1);
    ck_assert_int_eq(r.error, ECONNRESET);
    errand_result_free(&r);
    ck_assert(!errand_loop_next(NULL, NULL, &r));
}
END_TEST

static errand_result stand_in(errand_result failure, void *arg)
{
    (void)arg;
    errand_result_free(&failure);
    return errand_ok(as_value(42), NULL);
}

START_TEST(a_loop_keeps_to_its_deadline_and_falls_back)
{
    world w;
    errand_policy_opts o = in_world(&w);
    o.attempts = 10;
    o.within_ms = 250;
    o.backoff = errand_backoff_fixed(100);
    o.fallback = stand_in;
    errand_policy *policy = policy_of(o);
    script s = { .error = { ECONNRESET, ECONNRESET, ECONNRESET, ECONNRESET } };
    errand_result r;
    ck_assert_uint_eq(go_through(policy, &s, &r), 3);
    ck_assert(r.error == 0 && as_number(r.value) == 42 && errand_result_degraded(&r));
    errand_result_free(&r);
    errand_policy_free(policy);
}
END_TEST

START_TEST(a_loop_acquires_and_releases_limits)
{
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1 });
    errand_rate *rate = errand_rate_new(pool, &(errand_rate_opts){ .per_second = 1e6 });
    errand_breaker *breaker = errand_breaker_new(pool, &(errand_breaker_opts){ .min_calls = 2 });
    errand_policy *policy = policy_of((errand_policy_opts){
        .attempts = 5, .initial_ms = ERRAND_ZERO, .sem = sem, .rate = rate, .breaker = breaker });
    errand_loop loop = { { 0 } };
    errand_result r = { 0 };
    unsigned n = 0;
    while (errand_loop_next(&loop, policy, &r)) {
        ck_assert(!errand_sem_try_acquire(sem, 1));
        n++;
        r = errand_fail(ECONNRESET);
    }
    ck_assert_uint_eq(n, 2); /* then the breaker opens */
    ck_assert_int_eq(r.error, ECONNRESET);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, ERRAND_EOPEN);
    errand_result_free(&r);
    ck_assert(errand_sem_try_acquire(sem, 1));
    errand_sem_release(sem, 1);
    errand_breaker_reset(breaker, NULL);
    loop = (errand_loop){ { 0 } };
    ck_assert(errand_loop_next(&loop, policy, &r));
    errand_loop_end(&loop); /* left by break */
    ck_assert(errand_sem_try_acquire(sem, 1));
    errand_sem_release(sem, 1);
    errand_policy_free(policy);
    errand_breaker_free(breaker);
    errand_rate_free(rate);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

typedef struct looper {
    errand_policy *policy, *inner;
    errand_pool *pool;
    unsigned calls, inner_calls;
    int64_t left;
    errand_result end;
} looper;

static errand_result always_reset(void *arg)
{
    count_up(arg);
    return errand_fail(ECONNRESET);
}
static errand_result loop_inside(void *arg)
{
    looper *l = arg;
    errand_loop loop = { { 0 } };
    errand_result r = { 0 };
    while (errand_loop_next(&loop, l->policy, &r)) {
        l->left = errand_time_left();
        if (l->inner)
            r = errand_await(errand_run(l->pool, l->inner, always_reset, &l->inner_calls));
        else r = errand_fail(ECONNRESET);
        count_up(&l->calls);
    }
    l->end = r;
    return errand_ok(NULL, NULL);
}

START_TEST(a_loop_in_a_task_uses_the_pools_clock_and_its_cancel)
{
    test_clock t;
    errand_pool *pool = test_clock_pool(&t);
    looper l = { .pool = pool,
                 .policy = policy_of((errand_policy_opts){ .attempts = 3,
                                                           .backoff = errand_backoff_fixed(1000),
                                                           .attempt_ms = 70,
                                                           .within_ms = 60000 }) };
    errand_future *f = errand_submit(pool, loop_inside, &l);
    await_count(&l.calls, 1);
    ck_assert_int_eq(l.left, 70);
    for (int i = 0; i < 10 * LONG_MS && !er_timers_asleep(er_pool_ref_of(pool)->timers); i++)
        errand_await(errand_sleep(pool, 0));
    turn(&t, pool, 1000);
    await_count(&l.calls, 2);
    errand_cancel(f);
    ENDS(f, 0);
    ck_assert_uint_eq(l.calls, 2);
    ck_assert_int_eq(l.end.error, ECANCELED);
    ck_assert_int_eq(errand_result_cause(&l.end, 0)->error, ECONNRESET);
    errand_result_free(&l.end);
    errand_policy_free(l.policy);
    close_pool(pool);
}
END_TEST

START_TEST(nested_loops_and_runs_do_not_multiply)
{
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    looper l = {
        .pool = pool,
        .policy = policy_of((errand_policy_opts){ .attempts = 3, .initial_ms = ERRAND_ZERO }),
        .inner = policy_of((errand_policy_opts){ .attempts = 4, .initial_ms = ERRAND_ZERO })
    };
    loop_inside(&l); /* on the program's own thread */
    ck_assert(l.calls == 3 && l.inner_calls == 3);
    ck_assert_int_eq(l.end.error, ECONNRESET);
    errand_result_free(&l.end);
    l.calls = l.inner_calls = 0;
    ENDS(errand_run(pool, l.inner, loop_inside, &l), 0); /* a loop in an attempt: one attempt */
    ck_assert(l.calls == 1 && l.inner_calls == 1);
    errand_result_free(&l.end);
    l.calls = l.inner_calls = 0;
    /* no enclosing run: all attempts */
    ENDS(errand_run(pool, l.inner, always_reset, &l.inner_calls), ECONNRESET);
    ck_assert_uint_eq(l.inner_calls, 4);
    errand_policy_free(l.policy);
    errand_policy_free(l.inner);
    close_pool(pool);
}
END_TEST

static errand_result count_call(void *calls)
{
    count_up(calls);
    return errand_ok(NULL, NULL);
}

/* The loop's permit goes to a run, which must see that the loop's failure has paused the rate. */
START_TEST(a_loop_pauses_before_it_gives_its_permit_back)
{
    test_clock t;
    errand_pool *pool = test_clock_pool(&t);
    errand_rate_opts no_pace = { .per_second = ERRAND_NO_PACE };
    errand_rate *rate = errand_rate_new(pool, &no_pace);
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1 });
    errand_policy *policy = policy_of((errand_policy_opts){ .rate = rate, .sem = sem });
    unsigned calls = 0;
    errand_task task = { .fn = count_call, .arg = &calls };
    errand_future *f = NULL;
    errand_loop loop = { { 0 } };
    errand_result r = { 0 };
    errand_sem_stats s = { 0 };
    while (errand_loop_next(&loop, policy, &r)) {
        f = errand_run_task(pool, policy, &task);
        while (!s.waiting) ck_assert_int_eq(errand_sem_stats_get(sem, NULL, &s), 0);
        r = errand_fail_as(EIO, ERRAND_KIND_RATE_LIMITED, 1000, false, "slower");
    }
    errand_result_free(&r);
    ck_assert_int_eq(errand_sem_stats_get(sem, NULL, &s), 0);
    ck_assert_uint_eq(s.in_use, 0); /* the run has gone back into the rate's line */
    turn(&t, pool, 1001);
    ENDS(f, 0);
    ck_assert_uint_eq(calls, 1);
    errand_policy_free(policy);
    errand_rate_free(rate);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

Suite *loops_suite(void)
{
    Suite *suite = suite_create("loops");
    TCase *tc = case_of(suite, "loops");
    tcase_add_test(tc, a_loop_retries_as_a_run_does);
    tcase_add_test(tc, a_loop_without_a_policy_runs_once);
    tcase_add_test(tc, a_loop_keeps_to_its_deadline_and_falls_back);
    tcase_add_test(tc, a_loop_acquires_and_releases_limits);
    tcase_add_test(tc, a_loop_in_a_task_uses_the_pools_clock_and_its_cancel);
    tcase_add_test(tc, nested_loops_and_runs_do_not_multiply);
    tcase_add_test(tc, a_loop_pauses_before_it_gives_its_permit_back);
    return suite;
}
