/* await, wait, drop, then. */
#include "events.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static errand_pool *pool;
static void open_pool(void) { pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 }); }
static void shut_pool(void) { close_pool(pool); }

START_TEST(NULL_is_an_error_not_a_crash)
{
    errand_result r = errand_await(NULL);
    ck_assert_int_eq(r.error, EINVAL);
    errand_result_free(&r);
    ck_assert_int_eq(errand_wait(NULL, 5), EINVAL);
    errand_drop(NULL);
    errand_future *f = errand_submit(NULL, NULL, NULL);
    ck_assert_int_eq(errand_wait(f, -1), EINVAL);
    errand_drop(f);
}
END_TEST

START_TEST(wait_does_not_consume_the_future)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    ck_assert_int_eq(errand_wait(f, 1), ETIMEDOUT);
    errand_promise_resolve(p, errand_ok(as_value(4), NULL));
    ck_assert_int_eq(errand_wait(f, 0), 0);
    ck_assert_int_eq(errand_wait(f, ERRAND_FOREVER), 0);
    ck_assert_int_eq(as_number(errand_await(f).value), 4);
}
END_TEST

static void *resolve_later(void *p)
{
    errand_promise_resolve(p, errand_ok(as_value(6), NULL));
    return NULL;
}

START_TEST(an_await_outside_the_pool_is_woken_by_another_thread)
{
    unsigned n = scaled(2000);
    for (unsigned i = 0; i < n; i++) {
        errand_future *f;
        errand_promise *p = errand_promise_new(pool, &f);
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, resolve_later, p), 0);
        if (i % 2) (void)errand_wait(f, i % 4 == 1 ? ERRAND_FOREVER : 1);
        ck_assert_int_eq(as_number(errand_await(f).value), 6);
        pthread_join(thread, NULL);
    }
}
END_TEST

/* ---- inside a cancelled task ---- */

typedef struct waits {
    event began;
    errand_future *f;
    errand_promise *p;
    int first, again, ended; /* returned by the calls */
    int await_error;
    errand_reason reason;
} waits;

static errand_result wait_twice(void *arg)
{
    waits *w = arg;
    happen(&w->began);
    w->first = errand_wait(w->f, ERRAND_FOREVER);
    w->again = errand_wait(w->f, ERRAND_FOREVER); /* the cancel stays */
    errand_result r = errand_await(w->f);
    w->await_error = r.error;
    w->reason = errand_result_reason(&r);
    return r;
}

START_TEST(every_wait_of_a_cancelled_task_returns_ECANCELED)
{
    waits w = { .first = -1 };
    w.p = errand_promise_new(pool, &w.f);
    errand_future *f = errand_submit(pool, wait_twice, &w);
    await_event(&w.began);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    ck_assert_int_eq(w.first, ECANCELED);
    ck_assert_int_eq(w.again, ECANCELED);
    ck_assert_int_eq(w.await_error, ECANCELED);
    ck_assert_int_eq(w.reason, ERRAND_BY_CALLER);
    ck_assert_int_eq(errand_promise_cancelled(w.p), ERRAND_BY_CALLER);
    errand_promise_abandon(w.p);
    errand_result_free(&r);
}
END_TEST

static errand_result await_it(void *arg)
{
    waits *w = arg;
    happen(&w->began);
    errand_result r = errand_await(w->f);
    w->await_error = r.error;
    return r;
}

START_TEST(an_await_in_a_cancelled_task_leaves_its_work_behind)
{
    hold h = { 0 };
    waits w = { .f = errand_submit(pool, hold_worker, &h) };
    await_event(&h.began);
    errand_future *f = errand_submit(pool, await_it, &w);
    await_event(&w.began);
    errand_cancel(f);
    ENDS(f, ECANCELED); /* although h ignores cancels */
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.abandoned, 1);
    happen(&h.go);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.abandoned, 0);
}
END_TEST

static errand_result cancelled_from_the_start(void *arg)
{
    waits *w = arg;
    happen(&w->began);
    while (!errand_cancelled()) continue;
    w->first = errand_wait(w->f, 0);
    hold h = { .runs = 0 };
    happen(&h.go);
    errand_result r = errand_await(errand_submit(pool, hold_worker, &h)); /* it is not run */
    w->await_error = r.error;
    errand_result_free(&r);
    w->again = (int)h.runs;
    return errand_await(w->f); /* it has ended: no wait */
}

START_TEST(polling_and_awaiting_an_ended_future_are_no_waits)
{
    errand_pool *one = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    waits w = { .first = -1 };
    errand_pool *other = pool;
    pool = one;
    w.p = errand_promise_new(pool, &w.f);
    errand_promise_resolve(w.p, errand_ok(as_value(3), NULL));
    errand_future *f = errand_submit(pool, cancelled_from_the_start, &w);
    await_event(&w.began);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(as_number(r.value), 3);
    ck_assert_int_eq(w.first, 0);
    ck_assert_int_eq(w.await_error, ECANCELED);
    ck_assert_int_eq(w.again, 0);
    close_pool(one);
    pool = other;
}
END_TEST

/* ---- then ---- */

static unsigned thens;
static errand_result add_one(errand_result in, void *arg)
{
    count_up(&thens);
    if (in.error) return in;
    return errand_ok(as_value(as_number(in.value) + as_number(arg)), NULL);
}

START_TEST(a_then_receives_a_result_and_returns_the_next)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    f = errand_then(errand_then(f, add_one, as_value(1)), add_one, as_value(10));
    ck_assert_uint_eq(thens, 0);
    errand_promise_resolve(p, errand_ok(as_value(100), NULL));
    ck_assert_int_eq(as_number(errand_await(f).value), 111);
    p = errand_promise_new(pool, &f);
    errand_promise_resolve(p, errand_fail(EIO));
    ENDS(errand_then(f, add_one, NULL), EIO); /* of an ended future */
    ck_assert_uint_eq(thens, 3);
}
END_TEST

static pthread_t then_thread;
static errand_result note_thread(errand_result in, void *arg)
{
    then_thread = pthread_self();
    ck_assert_int_eq(errand_cancelled(), ERRAND_BY_NONE);
    (void)arg;
    return in;
}

START_TEST(a_then_runs_on_a_worker)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    f = errand_then(f, note_thread, NULL);
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    ENDS(f, 0);
    ck_assert(!pthread_equal(then_thread, pthread_self()));
}
END_TEST

START_TEST(a_cancelled_then_is_called_once_with_ECANCELED)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    f = errand_then(f, add_one, NULL);
    errand_cancel(f);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    ck_assert_uint_eq(count_of(&thens), 1);
    errand_promise_abandon(p);
}
END_TEST

static errand_promise *late_one;
static errand_result be_late(errand_result in, void *to)
{
    errand_future *f;
    errand_result_free(&in);
    late_one = errand_promise_new(to, &f);
    return errand_later(f);
}

START_TEST(a_then_of_a_future_without_a_pool_may_end_later)
{
    errand_future *made[] = { errand_all(NULL, 0), errand_submit(NULL, NULL, NULL),
                              errand_timeout(NULL, 1) };
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        errand_future *f = errand_then(made[i], be_late, pool);
        ck_assert_int_eq(errand_wait(f, 1), ETIMEDOUT);
        f = errand_timeout(f, 1); /* it is pending, like any other future */
        ENDS(f, ETIMEDOUT);
        errand_promise_abandon(late_one);
    }
}
END_TEST

START_TEST(a_dropped_then_is_still_called)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_drop(errand_then(f, add_one, NULL));
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    await_count(&thens, 1);
}
END_TEST

START_TEST(a_then_of_a_failed_submit_is_called)
{
    ENDS(errand_then(errand_submit(NULL, NULL, NULL), add_one, NULL), EINVAL);
    ck_assert_uint_eq(thens, 1);
    ENDS(errand_then(NULL, add_one, NULL), EINVAL);
    ck_assert_uint_eq(thens, 2);
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    ENDS(errand_then(f, NULL, NULL), EINVAL);
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_CALLER); /* consumed */
    errand_promise_abandon(p);
}
END_TEST

static errand_result go_on_later(errand_result in, void *arg)
{
    errand_result_free(&in);
    return errand_later(arg);
}

START_TEST(a_then_may_return_later)
{
    errand_future *first, *second;
    errand_promise *a = errand_promise_new(pool, &first), *b = errand_promise_new(pool, &second);
    errand_future *f = errand_then(first, go_on_later, second);
    errand_promise_resolve(a, errand_ok(NULL, NULL));
    ck_assert_int_eq(errand_wait(f, 1), ETIMEDOUT);
    errand_promise_resolve(b, errand_ok(as_value(12), NULL));
    ck_assert_int_eq(as_number(errand_await(f).value), 12);
}
END_TEST

START_TEST(a_million_thens_end_without_recursion)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    unsigned n = scaled(1000000);
    for (unsigned i = 0; i < n; i++) f = errand_then(f, add_one, as_value(1));
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    ck_assert_int_eq(as_number(errand_await(f).value), n);
    ck_assert_uint_eq(thens, n);
}
END_TEST

START_TEST(a_cancel_passes_a_chain_of_thens_without_recursion)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    unsigned n = scaled(1000000);
    for (unsigned i = 0; i < n; i++) f = errand_then(f, add_one, as_value(1));
    errand_cancel(f);
    ENDS(f, ECANCELED);
    ck_assert_uint_eq(thens, n);
    errand_promise_abandon(p);
}
END_TEST

Suite *futures_suite(void)
{
    Suite *suite = suite_create("futures");
    TCase *tc = case_of(suite, "waiting");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, NULL_is_an_error_not_a_crash);
    tcase_add_test(tc, wait_does_not_consume_the_future);
    tcase_add_test(tc, an_await_outside_the_pool_is_woken_by_another_thread);
    tcase_add_test(tc, every_wait_of_a_cancelled_task_returns_ECANCELED);
    tcase_add_test(tc, an_await_in_a_cancelled_task_leaves_its_work_behind);
    tcase_add_test(tc, polling_and_awaiting_an_ended_future_are_no_waits);
    tc = case_of(suite, "then");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_then_receives_a_result_and_returns_the_next);
    tcase_add_test(tc, a_then_runs_on_a_worker);
    tcase_add_test(tc, a_cancelled_then_is_called_once_with_ECANCELED);
    tcase_add_test(tc, a_then_of_a_future_without_a_pool_may_end_later);
    tcase_add_test(tc, a_dropped_then_is_still_called);
    tcase_add_test(tc, a_then_of_a_failed_submit_is_called);
    tcase_add_test(tc, a_then_may_return_later);
    tcase_add_test(tc, a_million_thens_end_without_recursion);
    tcase_add_test(tc, a_cancel_passes_a_chain_of_thens_without_recursion);
    return suite;
}
