/* Tasks: run, refused, cancelled, late; arg is freed exactly once in each case. */
#include "events.h"

#include <errno.h>
#include <string.h>

static errand_pool *pool_of(unsigned workers)
{
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = workers });
    ck_assert_ptr_nonnull(pool);
    return pool;
}

static errand_result give_back(void *arg) { return errand_ok(arg, NULL); }

static errand_result count_run(void *n)
{
    count_up(n);
    return errand_ok(NULL, NULL);
}

typedef struct record { /* a task's arg: counts its runs and frees */
    unsigned runs, freed;
} record;
static errand_result run_record(void *arg)
{
    record *r = arg;
    ck_assert_uint_eq(count_of(&r->freed), 0);
    count_up(&r->runs);
    return errand_ok(NULL, NULL);
}
static errand_result fail_record(void *arg)
{
    run_record(arg);
    return errand_failf(EIO, "broken");
}
static void free_record(void *arg) { count_up(&((record *)arg)->freed); }

static errand_task task_on(record *r)
{
    return (errand_task){ .fn = run_record, .arg = r, .free = free_record, .name = "record" };
}

/* A pool whose worker is held until the test releases it. */
static errand_future *occupy(errand_pool *pool, hold *h)
{
    errand_future *f = errand_submit(pool, hold_worker, h);
    await_event(&h->began);
    return f;
}

START_TEST(a_task_returns_its_result)
{
    errand_pool *pool = pool_of(2);
    errand_result r = errand_await(errand_submit(pool, give_back, as_value(42)));
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 42);
    close_pool(pool);
}
END_TEST

START_TEST(each_of_many_tasks_runs_once)
{
    errand_pool *pool = pool_of(8);
    unsigned n = scaled(100000), runs = 0;
    for (unsigned i = 0; i < n; i++) errand_drop(errand_submit(pool, count_run, &runs));
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_uint_eq(count_of(&runs), n);
    close_pool(pool);
}
END_TEST

START_TEST(arg_is_freed_once_before_the_task_ends)
{
    errand_pool *pool = pool_of(1);
    record good = { 0 }, bad = { 0 };
    errand_task task = task_on(&good);
    ENDS(errand_submit_task(pool, &task), 0);
    ck_assert_uint_eq(good.freed, 1);
    task = task_on(&bad);
    task.fn = fail_record;
    errand_result r = errand_await(errand_submit_task(pool, &task));
    ck_assert_str_eq(errand_result_message(&r), "broken");
    ck_assert_uint_eq(bad.freed, 1);
    errand_result_free(&r);
    close_pool(pool);
    ck_assert_uint_eq(good.freed + bad.freed + good.runs + bad.runs, 4);
}
END_TEST

START_TEST(a_cancel_ends_a_queued_task_at_once)
{
    errand_pool *pool = pool_of(1);
    hold h = { 0 };
    record r = { 0 };
    errand_future *held = occupy(pool, &h);
    errand_task task = task_on(&r);
    errand_future *f = errand_submit_task(pool, &task);
    errand_cancel(f);
    ck_assert_uint_eq(r.freed, 1);
    ck_assert_int_eq(errand_wait(f, 0), 0);
    errand_cancel(f); /* no effect on an ended future */
    errand_cancel(NULL);
    errand_result end = errand_await(f);
    ck_assert_int_eq(end.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&end), ERRAND_BY_CALLER);
    errand_result_free(&end);
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.queued, 0); /* removed */
    ck_assert_uint_eq(s.cancelled, 1);
    happen(&h.go);
    ENDS(held, 0);
    close_pool(pool);
    ck_assert_uint_eq(r.runs, 0);
    ck_assert_uint_eq(r.freed, 1);
}
END_TEST

START_TEST(a_dropped_task_runs_and_its_value_is_freed)
{
    errand_pool *pool = pool_of(1);
    unsigned freed = 0;
    hold h = { .result = errand_ok(&freed, free_counts) };
    errand_drop(errand_submit(pool, hold_worker, &h));
    happen(&h.go);
    close_pool(pool);
    ck_assert_uint_eq(h.runs, 1);
    ck_assert_uint_eq(freed, 1);
}
END_TEST

static errand_future *cancel_running(errand_pool *pool, hold *h)
{
    errand_future *f = occupy(pool, h);
    errand_cancel(f);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT); /* cancelled; it ends when fn returns */
    happen(&h->go);
    return f;
}

START_TEST(the_success_of_a_cancelled_running_task_stands)
{
    errand_pool *pool = pool_of(1);
    hold h = { .result = errand_ok(as_value(7), NULL) };
    errand_result r = errand_await(cancel_running(pool, &h));
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 7);
    close_pool(pool);
}
END_TEST

START_TEST(the_error_of_a_cancelled_running_task_becomes_the_cause)
{
    errand_pool *pool = pool_of(1);
    hold h = { .result = errand_failf(EIO, "half done") };
    errand_result r = errand_await(cancel_running(pool, &h));
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, EIO);
    ck_assert_str_eq(errand_result_message(errand_result_cause(&r, 0)), "half done");
    ck_assert_ptr_null(errand_result_cause(&r, 1));
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

START_TEST(a_cancelled_running_task_may_set_the_message_of_ECANCELED)
{
    errand_pool *pool = pool_of(1);
    hold h = { .result = errand_failf(ECANCELED, "stopped at page 5") };
    errand_result r = errand_await(cancel_running(pool, &h));
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_str_eq(errand_result_message(&r), "stopped at page 5");
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

START_TEST(ECANCELED_from_an_uncancelled_task_is_a_failure)
{
    errand_pool *pool = pool_of(1);
    hold h = { .result = errand_fail(ECANCELED) };
    happen(&h.go);
    errand_result r = errand_await(errand_submit(pool, hold_worker, &h));
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_NONE);
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

static errand_result listen_for_it(void *arg)
{
    hold *h = arg;
    ck_assert_int_eq(errand_cancelled(), ERRAND_BY_NONE);
    hold_worker(h);
    return errand_ok(as_value(errand_cancelled()), NULL);
}

START_TEST(a_running_task_sees_the_first_reason_of_its_cancel)
{
    errand_pool *pool = pool_of(1);
    hold h = { 0 };
    errand_future *f = errand_submit(pool, listen_for_it, &h);
    await_event(&h.began);
    errand_cancel(f);
    ENDS(errand_timeout(f, 0), ETIMEDOUT); /* consumes f, cancels it again */
    happen(&h.go);
    close_pool(pool);
    ck_assert_int_eq(errand_cancelled(), ERRAND_BY_NONE); /* outside a task */
    ck_assert_int_eq(errand_time_left(), ERRAND_FOREVER);
}
END_TEST

/* ---- refusals ---- */

START_TEST(a_failed_submit_is_a_failed_future_and_frees_arg)
{
    errand_pool *pool = pool_of(1);
    record r = { 0 };
    errand_task good = task_on(&r), bad = good;
    ENDS(errand_submit_task(NULL, &good), EINVAL);
    ck_assert_uint_eq(r.freed, 1);
    bad.fn = NULL;
    ENDS(errand_submit_task(pool, &bad), EINVAL);
    ck_assert_uint_eq(r.freed, 2);
    bad = good;
    bad.within_ms = -1;
    ENDS(errand_submit_task(pool, &bad), EINVAL);
    ck_assert_uint_eq(r.freed, 3);
    ENDS(errand_submit_task(pool, NULL), EINVAL);
    ENDS(errand_submit_task(NULL, NULL), EINVAL);
    ENDS(errand_submit(pool, NULL, NULL), EINVAL);
    ENDS(errand_submit(NULL, give_back, NULL), EINVAL);
    ENDS(errand_submit_task_sized(pool, &good, 0), EINVAL);
    close_pool(pool);
    ck_assert_uint_eq(r.runs, 0);
}
END_TEST

START_TEST(a_task_with_unknown_fields_is_ENOTSUP)
{
    errand_pool *pool = pool_of(1);
    record r = { 0 };
    struct {
        errand_task task;
        int64_t later;
    } newer = { task_on(&r), 0 };
    ENDS(errand_submit_task_sized(pool, &newer.task, sizeof newer), 0);
    ck_assert_uint_eq(r.freed, 1);
    newer.later = 1;
    r = (record){ 0 };
    ENDS(errand_submit_task_sized(pool, &newer.task, sizeof newer), ENOTSUP);
    ck_assert_uint_eq(r.runs, 0);
    ck_assert_uint_eq(r.freed, 1);
    close_pool(pool);
}
END_TEST

START_TEST(a_shorter_task_of_an_older_caller_runs)
{
    errand_pool *pool = pool_of(1);
    unsigned runs = 0;
    errand_task task = { .fn = count_run, .arg = &runs, .within_ms = -77 };
    ENDS(errand_submit_task_sized(pool, &task, offsetof(errand_task, free)), 0);
    ck_assert_uint_eq(runs, 1);
    close_pool(pool);
}
END_TEST

/* ---- errand_later ---- */

static errand_pool *stairs;
static unsigned steps_freed;
static errand_result step(void *arg)
{
    intptr_t left = as_number(arg);
    if (!left) return errand_ok("down", NULL);
    return errand_later(
        errand_submit_task(stairs, &(errand_task){ .fn = step, .arg = as_value(left - 1) }));
}

#if !ER_ASAN && !ER_TSAN
#include <malloc.h>
static size_t memory_in_use(void) { return mallinfo2().uordblks + mallinfo2().hblkhd; }
#else
static size_t memory_in_use(void) { return 0; }
#endif

static size_t used_before, used_most;
static errand_result watched_step(void *arg)
{
    intptr_t left = as_number(arg);
    if (left % 100000 == 0 && memory_in_use() > used_most) used_most = memory_in_use();
    if (!left) return errand_ok("down", NULL);
    return errand_later(errand_submit_task(
        stairs, &(errand_task){ .fn = watched_step, .arg = as_value(left - 1) }));
}

START_TEST(ten_million_laters_take_no_memory)
{
    stairs = pool_of(1);
    ENDS(errand_submit(stairs, watched_step, as_value(1000)), 0);
    used_before = used_most = memory_in_use();
    errand_result r =
        errand_await(errand_submit(stairs, watched_step, as_value(scaled(1000000) * 10)));
    ck_assert_int_eq(r.error, 0);
    ck_assert_str_eq(r.value, "down");
    ck_assert_msg(used_most - used_before < 100000, "%zu bytes more", used_most - used_before);
    close_pool(stairs);
}
END_TEST

START_TEST(laters_with_a_deadline_take_no_memory)
{
    stairs = pool_of(1);
    errand_task task = { .fn = watched_step, .arg = as_value(1000), .within_ms = 1000000 };
    ENDS(errand_submit_task(stairs, &task), 0);
    used_before = used_most = memory_in_use();
    task.arg = as_value(scaled(400000));
    ENDS(errand_submit_task(stairs, &task), 0);
    ck_assert_msg(used_most - used_before < 100000, "%zu bytes more", used_most - used_before);
    close_pool(stairs);
}
END_TEST

static errand_result wait_outside(void *arg) { return errand_later(*(errand_future **)arg); }
static void count_step(void *unused) { (void)unused, count_up(&steps_freed); }

START_TEST(a_task_that_returned_later_holds_no_worker)
{
    errand_pool *pool = pool_of(1);
    errand_future *inner;
    errand_promise *p = errand_promise_new(pool, &inner);
    errand_task task = { .fn = wait_outside, .arg = &inner, .free = count_step };
    errand_future *f = errand_submit_task(pool, &task);
    ENDS(errand_submit(pool, give_back, NULL), 0); /* the only worker is free */
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    errand_promise_resolve(p, errand_failf(ERRAND_USER + 3, "not today"));
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ERRAND_USER + 3);
    ck_assert_str_eq(errand_result_message(&r), "not today");
    errand_result_free(&r);
    ck_assert_uint_eq(steps_freed, 1);

    p = errand_promise_new(pool, &inner);
    f = errand_submit_task(pool, &task);
    ENDS(errand_submit(pool, give_back, NULL), 0);
    errand_cancel(f);
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_CALLER);
    ENDS(f, ECANCELED);
    errand_promise_abandon(p);
    ck_assert_uint_eq(steps_freed, 2);
    close_pool(pool);
}
END_TEST

START_TEST(a_cancel_reaches_the_end_of_a_growing_chain_of_laters)
{
    stairs = pool_of(2);
    unsigned rounds = scaled(3000);
    for (unsigned i = 0; i < rounds; i++) {
        errand_future *f = errand_submit(stairs, step, as_value(INTPTR_MAX));
        for (unsigned spin = 0; spin < i % 200; spin++)
            ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
        errand_cancel(f);
        ENDS(f, ECANCELED); /* else it would never end */
    }
    close_pool(stairs);
}
END_TEST

START_TEST(later_of_NULL_is_EINVAL)
{
    errand_result r = errand_later(NULL);
    ck_assert_int_eq(r.error, EINVAL);
    errand_result_free(&r);
    errand_pool *pool = pool_of(1);
    r = errand_later(errand_submit(pool, give_back, NULL));
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

Suite *tasks_suite(void)
{
    Suite *suite = suite_create("tasks");
    TCase *tc = case_of(suite, "running");
    tcase_add_test(tc, a_task_returns_its_result);
    tcase_add_test(tc, each_of_many_tasks_runs_once);
    tcase_add_test(tc, arg_is_freed_once_before_the_task_ends);
    tcase_add_test(tc, a_dropped_task_runs_and_its_value_is_freed);
    tc = case_of(suite, "cancelling");
    tcase_add_test(tc, a_cancel_ends_a_queued_task_at_once);
    tcase_add_test(tc, the_success_of_a_cancelled_running_task_stands);
    tcase_add_test(tc, the_error_of_a_cancelled_running_task_becomes_the_cause);
    tcase_add_test(tc, a_cancelled_running_task_may_set_the_message_of_ECANCELED);
    tcase_add_test(tc, ECANCELED_from_an_uncancelled_task_is_a_failure);
    tcase_add_test(tc, a_running_task_sees_the_first_reason_of_its_cancel);
    tc = case_of(suite, "refusals");
    tcase_add_test(tc, a_failed_submit_is_a_failed_future_and_frees_arg);
    tcase_add_test(tc, a_task_with_unknown_fields_is_ENOTSUP);
    tcase_add_test(tc, a_shorter_task_of_an_older_caller_runs);
    tc = case_of(suite, "later");
    tcase_add_test(tc, ten_million_laters_take_no_memory);
    tcase_add_test(tc, laters_with_a_deadline_take_no_memory);
    tcase_add_test(tc, a_task_that_returned_later_holds_no_worker);
    tcase_add_test(tc, a_cancel_reaches_the_end_of_a_growing_chain_of_laters);
    tcase_add_test(tc, later_of_NULL_is_EINVAL);
    return suite;
}
