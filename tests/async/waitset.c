/* errand_wait_some: until some of several futures have ended; errand_done and errand_ready. */
#include "chained.h"
#include "forked.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static test_clock now;
static errand_pool *pool;
static void open_pool(void)
{
    test_clock_start(&now);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 4, .clock = &now.clock });
}
static void shut_pool(void) { close_pool(pool); }

enum { MANY = 20 };
static errand_promise *ps[MANY];
static errand_future *fs[MANY];
static bool done[MANY];
static void promise(size_t n)
{
    for (size_t i = 0; i < n; i++) ps[i] = errand_promise_new(pool, &fs[i]);
    memset(done, 1, sizeof done);
}
static void abandon(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        errand_promise_abandon(ps[i]);
        ENDS(fs[i], ERRAND_EABANDONED);
    }
}

START_TEST(errand_done_never_waits)
{
    promise(1);
    ck_assert(errand_done(NULL));
    ck_assert(!errand_done(fs[0]));
    errand_cancel(fs[0]);
    ck_assert(errand_done(fs[0]));
    ENDS(fs[0], ECANCELED);
    errand_promise_abandon(ps[0]);
}
END_TEST

static int of_the_parent(void)
{
    if (!errand_done(fs[0])) return 1;
    if (errand_wait_some(fs, 2, 1, ERRAND_FOREVER, done) != ERRAND_EFORKED || done[0] || done[1])
        return 2;
    if (code_of(errand_ready(pool, errand_ok(NULL, NULL))) != ERRAND_EFORKED) return 3;
    return 0;
}

START_TEST(wait_some_in_a_child_skips_the_parents_futures)
{
    promise(2);
    in_child(of_the_parent);
    abandon(2);
}
END_TEST

START_TEST(a_ready_future_has_the_given_result)
{
    unsigned freed = 0;
    errand_future *f = errand_ready(pool, errand_ok(as_value(5), NULL));
    ck_assert(errand_done(f));
    ck_assert_int_eq(as_number(errand_await(f).value), 5);
    errand_result r = errand_await(errand_ready(pool, errand_failf(EIO, "as it is")));
    ck_assert_str_eq(errand_result_message(&r), "as it is");
    errand_result_free(&r);
    ENDS(errand_ready(pool, errand_fail(ENOMEM)), ENOMEM);
    errand_drop(errand_ready(pool, errand_ok(&freed, free_counts)));
    ck_assert_uint_eq(freed, 1);
    ENDS(errand_ready(NULL, errand_ok(&freed, free_counts)), EINVAL);
    ck_assert_uint_eq(freed, 2);
}
END_TEST

static errand_result where(errand_result in, void *arg)
{
    errand_result_free(&in);
    return errand_ok(as_value(pthread_equal(*(pthread_t *)arg, pthread_self())), NULL);
}

START_TEST(a_then_of_a_ready_future_runs_on_its_pool)
{
    pthread_t me = pthread_self();
    ck_assert_int_eq(
        as_number(
            errand_await(errand_then(errand_ready(pool, errand_ok(NULL, NULL)), where, &me)).value),
        0);
}
END_TEST

START_TEST(wait_some_ends_with_the_first_and_consumes_none)
{
    promise(MANY);
    ck_assert_int_eq(errand_wait_some(fs, MANY, 1, 0, done), ETIMEDOUT);
    for (int i = 0; i < MANY; i++) ck_assert(!done[i]);
    errand_promise_resolve(ps[3], errand_ok(as_value(3), NULL));
    ck_assert_int_eq(errand_wait_some(fs, MANY, 1, ERRAND_FOREVER, done), 0);
    for (int i = 0; i < MANY; i++) ck_assert(done[i] == (i == 3));
    ck_assert_int_eq(errand_wait_some(fs, MANY, 0, 0, NULL), 0);
    ck_assert_int_eq(errand_wait_some(NULL, 0, 0, 0, NULL), 0);
    ck_assert_int_eq(as_number(errand_await(fs[3]).value), 3);
    fs[3] = fs[MANY - 1];
    ps[3] = ps[MANY - 1];
    abandon(MANY - 1);
}
END_TEST

START_TEST(wait_some_of_wrong_arguments_is_EINVAL)
{
    promise(2);
    errand_future *hole[] = { fs[0], NULL, fs[1] };
    ck_assert_int_eq(errand_wait_some(fs, 2, 1, -1, done), EINVAL);
    ck_assert_int_eq(errand_wait_some(fs, 2, 3, 0, done), EINVAL);
    ck_assert_int_eq(errand_wait_some(hole, 3, 1, 0, done), EINVAL);
    ck_assert_int_eq(errand_wait_some(NULL, 1, 0, 0, done), EINVAL);
    abandon(2);
}
END_TEST

/* A thread in errand_wait_some. */
typedef struct waits {
    size_t n, wanted;
    int64_t ms;
    event began, over;
    int error;
    bool done[MANY];
} waits;

static errand_result wait_in_task(void *arg)
{
    waits *w = arg;
    happen(&w->began);
    w->error = errand_wait_some(fs, w->n, w->wanted, w->ms, w->done);
    happen(&w->over);
    return errand_ok(NULL, NULL);
}
static void *wait_outside(void *arg) { return wait_in_task(arg), NULL; }

START_TEST(wait_some_returns_once_enough_have_ended)
{
    for (size_t wanted = 1; wanted <= 5; wanted++) {
        waits w = { .n = 5, .wanted = wanted, .ms = ERRAND_FOREVER };
        pthread_t thread;
        promise(5);
        ck_assert_int_eq(pthread_create(&thread, NULL, wait_outside, &w), 0);
        await_event(&w.began);
        for (size_t i = 0; i < wanted; i++) {
            ck_assert(!happened(&w.over));
            errand_promise_resolve(ps[i], errand_ok(NULL, NULL));
        }
        pthread_join(thread, NULL);
        ck_assert_int_eq(w.error, 0);
        for (size_t i = 0; i < 5; i++) ck_assert(w.done[i] == (i < wanted));
        for (size_t i = wanted; i < 5; i++) errand_promise_abandon(ps[i]);
        for (size_t i = 0; i < 5; i++) errand_drop(fs[i]);
    }
}
END_TEST

START_TEST(wait_some_reports_ended_futures_at_its_timeout)
{
    waits w = { .n = 3, .wanted = 2, .ms = 50 };
    promise(3);
    errand_promise_resolve(ps[1], errand_ok(NULL, NULL));
    errand_future *f = errand_submit(pool, wait_in_task, &w);
    await_event(&w.began);
    while (!happened(&w.over)) turn(&now, pool, 10);
    ENDS(f, 0);
    ck_assert_int_eq(w.error, ETIMEDOUT);
    ck_assert(!w.done[0] && w.done[1] && !w.done[2]);
    ENDS(fs[1], 0);
    fs[1] = fs[2];
    ps[1] = ps[2];
    abandon(2);
}
END_TEST

START_TEST(a_cancel_ends_wait_some_and_not_its_futures)
{
    waits w = { .n = 2, .wanted = 1, .ms = ERRAND_FOREVER };
    promise(2);
    errand_future *f = errand_submit(pool, wait_in_task, &w);
    await_event(&w.began);
    errand_cancel(f);
    ENDS(f, 0);
    ck_assert_int_eq(w.error, ECANCELED);
    ck_assert_int_eq(errand_promise_cancelled(ps[0]), ERRAND_BY_NONE);
    abandon(2);
}
END_TEST

START_TEST(wait_some_counts_a_duplicate_twice)
{
    promise(1);
    errand_future *twice[] = { fs[0], fs[0] };
    ck_assert_int_eq(errand_wait_some(twice, 2, 1, 0, done), ETIMEDOUT);
    waits w = { .n = 2, .wanted = 2, .ms = ERRAND_FOREVER };
    pthread_t thread;
    fs[1] = fs[0];
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_outside, &w), 0);
    await_event(&w.began);
    errand_promise_resolve(ps[0], errand_ok(NULL, NULL));
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.error, 0);
    ck_assert(w.done[0] && w.done[1]);
    ENDS(fs[0], 0);
}
END_TEST

static errand_result wait_for_queued(void *narrow)
{
    hold h = { .runs = 0 };
    happen(&h.go);
    errand_future *two[] = { errand_submit(narrow, hold_worker, &h),
                             errand_submit(narrow, hold_worker, &h) };
    int error = errand_wait_some(two, 2, 2, ERRAND_FOREVER, NULL);
    for (int i = 0; i < 2; i++) ENDS(two[i], 0);
    return error ? errand_fail(error) : errand_ok(NULL, NULL);
}

START_TEST(a_worker_in_wait_some_is_lent)
{
    errand_pool *narrow = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    ENDS(errand_submit(narrow, wait_for_queued, narrow), 0);
    close_pool(narrow);
}
END_TEST

/* ---- circles ---- */

typedef struct circle {
    errand_future *fs[3]; /* two that wait for the waiting task, and a promise */
    size_t wanted;
    event go;
    int error;
} circle;

static errand_result wait_in_cycle(void *arg)
{
    circle *c = arg;
    await_event(&c->go);
    c->error = errand_wait_some(c->fs, 3, c->wanted, ERRAND_FOREVER, NULL);
    return errand_ok(NULL, NULL);
}

static errand_result as_it_is(errand_result in, void *arg) { return (void)arg, in; }
static errand_result wait_for_it(void *f)
{
    int error = errand_wait(f, ERRAND_FOREVER);
    return error ? errand_fail(error) : errand_ok(NULL, NULL);
}

START_TEST(a_deadlock_is_found_once_too_few_futures_can_end)
{
    for (size_t wanted = 1; wanted <= 3; wanted++) {
        circle c = { .wanted = wanted };
        errand_promise *p = errand_promise_new(pool, &c.fs[2]);
        c.fs[0] = errand_then(errand_submit(pool, wait_in_cycle, &c), as_it_is, NULL);
        c.fs[1] = errand_submit(pool, wait_for_it, c.fs[0]);
        happen(&c.go);
        if (wanted == 1) errand_promise_resolve(p, errand_ok(NULL, NULL)); /* one is enough */
        ck_assert_int_eq(errand_wait(c.fs[1], LONG_MS), 0);
        if (wanted > 1) errand_promise_resolve(p, errand_ok(NULL, NULL));
        /* the wait has ended: they may be consumed */
        ck_assert_int_eq(errand_wait(c.fs[0], LONG_MS), 0);
        int other = code_of(c.fs[1]);
        ENDS(c.fs[0], 0);
        ENDS(c.fs[2], 0);
        if (wanted == 1) ck_assert(!c.error && !other);
        else ck_assert(c.error == EDEADLK || other == EDEADLK); /* of the two waits */
    }
}
END_TEST

/* A quorum instead of the wait: it succeeds with one promise and its waiter, or fails with both
 * promises. */
static errand_result await_quorum(void *arg)
{
    circle *c = arg;
    await_event(&c->go);
    errand_result r = errand_await(errand_quorum(c->fs, 3, c->wanted));
    c->error = r.error;
    errand_result_free(&r);
    return errand_ok(NULL, NULL);
}

START_TEST(a_quorum_that_cannot_end_is_a_deadlock)
{
    for (size_t wanted = 1; wanted <= 2; wanted++) {
        circle c = { .wanted = wanted };
        errand_promise *p = errand_promise_new(pool, &c.fs[2]),
                       *q = errand_promise_new(pool, &c.fs[1]);
        c.fs[0] = errand_then(errand_submit(pool, await_quorum, &c), as_it_is, NULL);
        errand_promise_resolve(q, wanted == 1 ? errand_fail(EIO) : errand_ok(NULL, NULL));
        errand_promise_resolve(p, errand_fail(EIO));
        /* one success and one failure too few; the input left waits for the quorum */
        happen(&c.go);
        ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
        ck_assert_int_eq(c.error, EDEADLK);
    }
}
END_TEST

static void *resolves(void *p)
{
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    return NULL;
}

/* Meant for the sanitizers: waits that time out while their futures end. */
START_TEST(waits_that_end_early_leave_nothing_behind)
{
    errand_pool *real = errand_pool_new(NULL);
    for (unsigned round = 0; round < scaled(300); round++) {
        enum { N = 4 };
        errand_promise *rs[N];
        pthread_t threads[N];
        for (int i = 0; i < N; i++) rs[i] = errand_promise_new(real, &fs[i]);
        for (int i = 0; i < N; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, resolves, rs[i]), 0);
        int error = errand_wait_some(fs, N, 1 + round % N, round % 3 ? 1 : ERRAND_FOREVER, done);
        unsigned ended = 0;
        for (int i = 0; i < N; i++) ended += done[i];
        ck_assert(error == 0 || error == ETIMEDOUT);
        ck_assert((ended >= 1 + round % N) == !error);
        for (int i = 0; i < N; i++) errand_drop(fs[i]);
        for (int i = 0; i < N; i++) pthread_join(threads[i], NULL);
    }
    close_pool(real);
}
END_TEST

Suite *waitset_suite(void)
{
    Suite *suite = suite_create("waitset");
    TCase *tc = case_of(suite, "waitset");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, errand_done_never_waits);
    tcase_add_test(tc, wait_some_in_a_child_skips_the_parents_futures);
    tcase_add_test(tc, a_ready_future_has_the_given_result);
    tcase_add_test(tc, a_then_of_a_ready_future_runs_on_its_pool);
    tcase_add_test(tc, wait_some_ends_with_the_first_and_consumes_none);
    tcase_add_test(tc, wait_some_of_wrong_arguments_is_EINVAL);
    tcase_add_test(tc, wait_some_returns_once_enough_have_ended);
    tcase_add_test(tc, wait_some_reports_ended_futures_at_its_timeout);
    tcase_add_test(tc, a_cancel_ends_wait_some_and_not_its_futures);
    tcase_add_test(tc, wait_some_counts_a_duplicate_twice);
    tcase_add_test(tc, a_worker_in_wait_some_is_lent);
    tcase_add_test(tc, a_deadlock_is_found_once_too_few_futures_can_end);
    tcase_add_test(tc, a_quorum_that_cannot_end_is_a_deadlock);
    tcase_add_test(tc, waits_that_end_early_leave_nothing_behind);
    return suite;
}
