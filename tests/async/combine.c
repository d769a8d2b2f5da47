/* all, settle and timeout. */
#include "events.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static errand_pool *pool;
static void open_pool(void) { pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 }); }
static void shut_pool(void) { close_pool(pool); }

static errand_promise *ps[64];
static errand_future *fs[64];
static void promise(size_t n)
{
    for (size_t i = 0; i < n; i++) ps[i] = errand_promise_new(pool, &fs[i]);
}

START_TEST(all_keeps_the_order_of_its_inputs)
{
    promise(64);
    errand_future *f = errand_all(fs, 64);
    for (intptr_t i = 63; i >= 0; i--) {
        ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
        intptr_t at = i * 5 % 64; /* every index once */
        errand_promise_resolve(ps[at], errand_ok(as_value(at), NULL));
    }
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, 0);
    errand_results *all = r.value;
    ck_assert_uint_eq(all->n, 64);
    for (intptr_t i = 0; i < 64; i++) ck_assert_int_eq(as_number(all->at[i].value), i);
    errand_result_free(&r);
}
END_TEST

START_TEST(freeing_the_result_of_all_frees_its_values)
{
    unsigned freed = 0;
    promise(10);
    errand_future *f = errand_settle(fs, 10);
    for (int i = 0; i < 10; i++) {
        errand_result end = i % 2 ? errand_failf(EIO, "%d", i) : errand_ok(&freed, free_counts);
        errand_promise_resolve(ps[i], end);
    }
    errand_result r = errand_await(f);
    ck_assert_uint_eq(freed, 0);
    errand_result_free(&r);
    ck_assert_uint_eq(freed, 5);
}
END_TEST

START_TEST(settle_returns_successes_and_failures)
{
    promise(4);
    errand_future *f = errand_settle(fs, 4);
    errand_cancel(fs[2]);
    errand_promise_resolve(ps[0], errand_ok(NULL, NULL));
    errand_promise_resolve(ps[1], errand_failf(EIO, "one"));
    errand_promise_resolve(ps[2], errand_ok(NULL, NULL));
    errand_promise_abandon(ps[3]);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, 0);
    errand_results *all = r.value;
    ck_assert_int_eq(all->at[0].error, 0);
    ck_assert_int_eq(all->at[1].error, EIO);
    ck_assert_str_eq(errand_result_message(&all->at[1]), "one");
    ck_assert_int_eq(all->at[2].error, ECANCELED); /* a cancelled input is no success */
    ck_assert_int_eq(all->at[3].error, ERRAND_EABANDONED);
    errand_result_free(&r);
}
END_TEST

START_TEST(the_first_failure_ends_all_once_the_rest_has_ended)
{
    unsigned cancels = 0, freed = 0;
    promise(5);
    errand_promise_on_cancel(ps[0], free_counts, &cancels);
    errand_promise_on_cancel(ps[1], free_counts, &cancels);
    errand_promise_on_cancel(ps[4], free_counts, &cancels);
    errand_future *f = errand_all(fs, 5); /* ps[3] has no hook */
    errand_promise_resolve(ps[2], errand_failf(ERRAND_USER + 2, "the first"));
    ck_assert_uint_eq(cancels, 3);
    for (int i = 0; i < 5; i++) {
        if (i != 2) ck_assert_int_eq(errand_promise_cancelled(ps[i]), ERRAND_BY_SIBLING);
    }
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    errand_promise_resolve(ps[4], errand_failf(ERRAND_USER + 4, "the second"));
    errand_promise_resolve(ps[1], errand_failf(ERRAND_USER + 1, "the third"));
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    errand_promise_resolve(ps[0], errand_ok(&freed, free_counts));
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ERRAND_USER + 2);
    ck_assert_str_eq(errand_result_message(&r), "the first");
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, ERRAND_USER + 1);
    ck_assert_int_eq(errand_result_cause(&r, 1)->error, ERRAND_USER + 4);
    ck_assert_ptr_null(errand_result_cause(&r, 2)); /* a cancelled input is no cause */
    ck_assert_uint_eq(freed, 1);
    errand_result_free(&r);
    errand_promise_abandon(ps[3]);
}
END_TEST

START_TEST(all_and_settle_of_no_futures_succeed)
{
    errand_future *both[] = { errand_all(NULL, 0), errand_settle(fs, 0) };
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(errand_wait(both[i], 0), 0);
        errand_result r = errand_await(both[i]);
        ck_assert_int_eq(r.error, 0);
        ck_assert_uint_eq(((errand_results *)r.value)->n, 0);
        errand_result_free(&r);
    }
}
END_TEST

START_TEST(all_refuses_a_duplicate_and_consumes_its_inputs)
{
    for (int i = 0; i < 2; i++) {
        promise(3);
        errand_future *twice[] = { fs[0], fs[1], fs[2], fs[1], fs[1] };
        ENDS(i ? errand_settle(twice, 5) : errand_all(twice, 5), EINVAL);
        for (int j = 0; j < 3; j++) {
            ck_assert_int_eq(errand_promise_cancelled(ps[j]), ERRAND_BY_CALLER);
            errand_promise_abandon(ps[j]);
        }
    }
}
END_TEST

START_TEST(all_refuses_NULL_and_consumes_its_inputs)
{
    promise(2);
    errand_future *some[] = { fs[0], NULL, fs[1] };
    ENDS(errand_all(some, 3), EINVAL);
    for (int j = 0; j < 2; j++) {
        ck_assert_int_eq(errand_promise_cancelled(ps[j]), ERRAND_BY_CALLER);
        errand_promise_abandon(ps[j]);
    }
    ENDS(errand_all(NULL, 3), EINVAL);
}
END_TEST

START_TEST(all_takes_ended_futures)
{
    promise(2);
    errand_promise_resolve(ps[0], errand_ok(as_value(1), NULL));
    errand_future *some[] = { errand_submit(NULL, NULL, NULL), fs[0], fs[1],
                              errand_sleep(pool, -1) };
    errand_future *f = errand_settle(some, 4);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    errand_promise_resolve(ps[1], errand_ok(as_value(2), NULL));
    errand_result r = errand_await(f);
    errand_results *all = r.value;
    ck_assert_int_eq(all->at[0].error, EINVAL);
    ck_assert_int_eq(as_number(all->at[1].value), 1);
    ck_assert_int_eq(as_number(all->at[2].value), 2);
    ck_assert_int_eq(all->at[3].error, EINVAL);
    errand_result_free(&r);
}
END_TEST

START_TEST(a_cancelled_all_cancels_its_inputs_and_waits_for_them)
{
    for (int i = 0; i < 2; i++) {
        unsigned cancels = 0;
        promise(3);
        errand_promise_on_cancel(ps[1], free_counts, &cancels);
        errand_future *f = i ? errand_all(fs, 3) : errand_settle(fs, 3);
        errand_cancel(f);
        ck_assert_uint_eq(cancels, 1);
        ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
        errand_promise_resolve(ps[1], errand_ok(NULL, NULL));
        errand_result r = errand_await(f);
        if (i) {
            ck_assert_int_eq(r.error, ECANCELED);
            ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
        } else {
            errand_results *all = r.value;
            ck_assert_int_eq(r.error, 0);
            ck_assert_int_eq(all->at[0].error, ECANCELED);
            ck_assert_int_eq(all->at[1].error, 0);
            ck_assert_int_eq(all->at[2].error, ECANCELED);
        }
        errand_result_free(&r);
        errand_promise_abandon(ps[0]);
        errand_promise_abandon(ps[2]);
    }
}
END_TEST

START_TEST(a_nested_all_ends_without_recursion)
{
    unsigned depth = scaled(100000);
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    for (unsigned i = 0; i < depth; i++) f = errand_all(&f, 1);
    errand_promise_resolve(p, errand_failf(EIO, "deep"));
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, EIO);
    ck_assert_str_eq(errand_result_message(&r), "deep");
    errand_result_free(&r);
}
END_TEST

START_TEST(a_cancel_passes_a_deep_tree_without_recursion)
{
    unsigned depth = scaled(100000);
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    for (unsigned i = 0; i < depth; i++)
        f = i % 2 ? errand_settle(&f, 1) : errand_timeout(f, LONG_MS);
    errand_cancel(f);
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_CALLER);
    errand_result r = errand_await(f);
    errand_result_free(&r);
    errand_promise_abandon(p);
}
END_TEST

/* On a thread with little stack. */
static void *cancel_it(void *f)
{
    errand_cancel(f);
    return NULL;
}
static void cancel_on_a_small_stack(errand_future *f)
{
    pthread_t thread;
    pthread_attr_t attr;
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, 256 << 10), 0);
    ck_assert_int_eq(pthread_create(&thread, &attr, cancel_it, f), 0);
    ck_assert_int_eq(pthread_attr_destroy(&attr), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

START_TEST(a_cancel_passes_a_fold_without_recursion)
{
    enum { DEEP = 20000 };
    errand_promise **leaves = malloc((2 * DEEP + 1) * sizeof(errand_promise *));
    for (int how = 0; how < 4; how++) {
        errand_future *f, *leaf;
        size_t n = 0;
        leaves[n++] = errand_promise_new(pool, &f);
        for (int i = 0; i < DEEP; i++) {
            leaves[n++] = errand_promise_new(pool, &leaf);
            errand_future *both[] = { how % 2 ? leaf : f, how % 2 ? f : leaf };
            f = how / 2 ? errand_any(both, 2) : errand_all(both, 2);
        }
        cancel_on_a_small_stack(f);
        for (size_t i = 0; i < n; i++)
            ck_assert_int_eq(errand_promise_cancelled(leaves[i]), ERRAND_BY_CALLER);
        ENDS(f, ECANCELED);
        for (size_t i = 0; i < n; i++) errand_promise_abandon(leaves[i]);
    }
    free(leaves);
}
END_TEST

START_TEST(a_wide_all_ends_with_its_last_input)
{
    unsigned n = scaled(20000);
    errand_promise **writers = malloc(n * sizeof *writers);
    errand_future **futures = malloc(n * sizeof *futures);
    for (unsigned i = 0; i < n; i++) writers[i] = errand_promise_new(pool, &futures[i]);
    errand_future *f = errand_all(futures, n);
    for (unsigned i = 0; i < n; i++) errand_promise_resolve(writers[i], errand_ok(NULL, NULL));
    errand_result r = errand_await(f);
    ck_assert_uint_eq(((errand_results *)r.value)->n, n);
    errand_result_free(&r);
    free(writers);
    free(futures);
}
END_TEST

/* ---- timeout ---- */

START_TEST(a_timeout_that_is_not_reached_has_no_effect)
{
    promise(1);
    errand_future *f = errand_timeout(fs[0], LONG_MS);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    errand_promise_resolve(ps[0], errand_ok(as_value(9), NULL));
    ck_assert_int_eq(as_number(errand_await(f).value), 9);

    promise(1);
    f = errand_timeout(fs[0], ERRAND_FOREVER);
    errand_promise_resolve(ps[0], errand_failf(EIO, "as it ended"));
    errand_result r = errand_await(f);
    ck_assert_str_eq(errand_result_message(&r), "as it ended");
    errand_result_free(&r);

    promise(1);
    errand_promise_resolve(ps[0], errand_ok(as_value(8), NULL));
    /* an ended input wins */
    ck_assert_int_eq(as_number(errand_await(errand_timeout(fs[0], 0)).value), 8);
}
END_TEST

START_TEST(a_timeout_of_0_ends_a_pending_future)
{
    promise(1);
    errand_future *f = errand_timeout(fs[0], 0);
    ck_assert_int_eq(errand_wait(f, 0), 0);
    ENDS(f, ETIMEDOUT);
    ck_assert_int_eq(errand_promise_cancelled(ps[0]), ERRAND_BY_TOTAL);
    errand_promise_abandon(ps[0]);
}
END_TEST

START_TEST(a_cancelled_timeout_cancels_its_input)
{
    promise(1);
    errand_future *f = errand_timeout(errand_timeout(fs[0], LONG_MS), LONG_MS);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    errand_promise_abandon(ps[0]);
}
END_TEST

START_TEST(a_timeout_leaves_a_running_task_behind)
{
    unsigned freed = 0;
    hold h = { .result = errand_ok(&freed, free_counts) };
    errand_future *f = errand_submit(pool, hold_worker, &h);
    await_event(&h.began);
    f = errand_timeout(f, 1);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    errand_result_free(&r);
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.abandoned, 1);
    ck_assert_uint_eq(s.running, 1);
    happen(&h.go);
    await_count(&freed, 1);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.abandoned, 0);
}
END_TEST

START_TEST(a_timeout_removes_a_queued_task)
{
    hold h[2] = { { .runs = 0 }, { .runs = 0 } };
    errand_future *held[2];
    for (int i = 0; i < 2; i++) {
        held[i] = errand_submit(pool, hold_worker, &h[i]);
        await_event(&h[i].began);
    }
    hold never = { 0 };
    unsigned freed = 0;
    errand_task task = { .fn = hold_worker, .arg = &never };
    errand_future *f = errand_timeout(errand_submit_task(pool, &task), 1);
    ENDS(f, ETIMEDOUT);
    ENDS(errand_timeout(
             errand_submit_task(
                 pool, &(errand_task){ .fn = hold_worker, .arg = &freed, .free = free_counts }),
             0),
         ETIMEDOUT);
    ck_assert_uint_eq(freed, 1);
    for (int i = 0; i < 2; i++) {
        happen(&h[i].go);
        ENDS(held[i], 0);
    }
    ck_assert_uint_eq(never.runs, 0);
}
END_TEST

static errand_future *outer;
static void look_at_outer(void *seen) { *(int *)seen = errand_wait(outer, 0); }

START_TEST(a_timeout_cancels_its_input_before_it_ends)
{
    test_clock t;
    test_clock_start(&t);
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .clock = &t.clock });
    errand_future *f;
    errand_promise *p = errand_promise_new(own, &f);
    int seen = -1;
    errand_promise_on_cancel(p, look_at_outer, &seen);
    outer = errand_timeout(f, 10);
    turn(&t, own, 11);
    ck_assert_int_eq(seen, ETIMEDOUT); /* the timeout was still pending */
    ENDS(outer, ETIMEDOUT);
    errand_promise_abandon(p);
    close_pool(own);
}
END_TEST

START_TEST(a_timeout_of_all_ends_before_its_inputs)
{
    unsigned cancels = 0;
    promise(2);
    errand_promise_on_cancel(ps[0], free_counts, &cancels);
    errand_promise_on_cancel(ps[1], free_counts, &cancels);
    ENDS(errand_timeout(errand_all(fs, 2), 1), ETIMEDOUT);
    await_count(&cancels, 2);
    errand_promise_abandon(ps[0]);
    errand_promise_abandon(ps[1]);
}
END_TEST

START_TEST(a_timeout_of_NULL_or_negative_time_is_EINVAL)
{
    ENDS(errand_timeout(NULL, 5), EINVAL);
    promise(1);
    ENDS(errand_timeout(fs[0], -1), EINVAL);
    ck_assert_int_eq(errand_promise_cancelled(ps[0]), ERRAND_BY_CALLER); /* consumed */
    errand_promise_abandon(ps[0]);
}
END_TEST

START_TEST(a_timeout_beyond_the_clocks_range_never_expires)
{
    promise(1);
    errand_future *f =
        errand_timeout(errand_timeout(fs[0], ERRAND_FOREVER / 2), ERRAND_FOREVER - 1);
    errand_promise_resolve(ps[0], errand_ok(&pool, NULL));
    errand_result r = errand_await(f);
    ck_assert_ptr_eq(r.value, &pool);
}
END_TEST

static bool timed_out_may_have_run(errand_future *f)
{
    errand_result r = errand_await(errand_timeout(f, 0));
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    bool may = errand_result_may_have_run(&r);
    errand_result_free(&r);
    return may;
}

START_TEST(a_timed_out_task_may_have_run_unless_it_was_queued)
{
    hold held[2] = { 0 };
    errand_future *running[2];
    for (int i = 0; i < 2; i++) {
        running[i] = errand_submit(pool, hold_worker, &held[i]);
        await_event(&held[i].began);
    }
    ck_assert(timed_out_may_have_run(running[0]));
    /* queued behind the held tasks */
    ck_assert(!timed_out_may_have_run(errand_submit(pool, hold_worker, NULL)));
    ck_assert(!timed_out_may_have_run(errand_sleep(pool, LONG_MS)));

    errand_future *idle[] = { errand_sleep(pool, LONG_MS), errand_submit(pool, hold_worker, NULL) };
    ck_assert(!timed_out_may_have_run(errand_all(idle, 2)));
    errand_future *half[] = { errand_sleep(pool, LONG_MS), errand_shield(running[1]) };
    ck_assert(timed_out_may_have_run(errand_all(half, 2)));
    promise(2); /* their writer is still working */
    ck_assert(timed_out_may_have_run(fs[0]));
    ck_assert(timed_out_may_have_run(errand_timeout(fs[1], LONG_MS)));
    for (int i = 0; i < 2; i++) {
        errand_promise_abandon(ps[i]);
        happen(&held[i].go);
    }
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
}
END_TEST

START_TEST(a_failure_that_leaves_inputs_behind_may_have_run)
{
    hold held = { 0 };
    errand_future *running = errand_submit(pool, hold_worker, &held);
    await_event(&held.began);
    promise(1);
    errand_future *race = errand_race((errand_future *[]){ running, fs[0] }, 2);
    errand_promise_resolve(ps[0], errand_fail(ECONNREFUSED));
    errand_result r = errand_await(race);
    ck_assert_int_eq(r.error, ECONNREFUSED);
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    promise(2);
    errand_future *any = errand_any(fs, 2);
    errand_promise_resolve(ps[0], errand_fail_as(EIO, ERRAND_KIND_NETWORK, -1, true, "lost"));
    errand_promise_resolve(ps[1], errand_fail(ECONNREFUSED));
    r = errand_await(any);
    ck_assert_int_eq(r.error, ECONNREFUSED);
    ck_assert(errand_result_may_have_run(&r)); /* one of the inputs may have */
    errand_result_free(&r);
    happen(&held.go);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
}
END_TEST

Suite *combine_suite(void)
{
    Suite *suite = suite_create("combine");
    TCase *tc = case_of(suite, "all and settle");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, all_keeps_the_order_of_its_inputs);
    tcase_add_test(tc, freeing_the_result_of_all_frees_its_values);
    tcase_add_test(tc, settle_returns_successes_and_failures);
    tcase_add_test(tc, the_first_failure_ends_all_once_the_rest_has_ended);
    tcase_add_test(tc, all_and_settle_of_no_futures_succeed);
    tcase_add_test(tc, all_refuses_a_duplicate_and_consumes_its_inputs);
    tcase_add_test(tc, all_refuses_NULL_and_consumes_its_inputs);
    tcase_add_test(tc, all_takes_ended_futures);
    tcase_add_test(tc, a_cancelled_all_cancels_its_inputs_and_waits_for_them);
    tcase_add_test(tc, a_nested_all_ends_without_recursion);
    tcase_add_test(tc, a_cancel_passes_a_deep_tree_without_recursion);
    tcase_add_test(tc, a_cancel_passes_a_fold_without_recursion);
    tcase_add_test(tc, a_wide_all_ends_with_its_last_input);
    tc = case_of(suite, "timeout");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_timeout_that_is_not_reached_has_no_effect);
    tcase_add_test(tc, a_timeout_of_0_ends_a_pending_future);
    tcase_add_test(tc, a_cancelled_timeout_cancels_its_input);
    tcase_add_test(tc, a_timeout_leaves_a_running_task_behind);
    tcase_add_test(tc, a_timeout_removes_a_queued_task);
    tcase_add_test(tc, a_timeout_cancels_its_input_before_it_ends);
    tcase_add_test(tc, a_timeout_of_all_ends_before_its_inputs);
    tcase_add_test(tc, a_timeout_of_NULL_or_negative_time_is_EINVAL);
    tcase_add_test(tc, a_timeout_beyond_the_clocks_range_never_expires);
    tcase_add_test(tc, a_timed_out_task_may_have_run_unless_it_was_queued);
    tcase_add_test(tc, a_failure_that_leaves_inputs_behind_may_have_run);
    return suite;
}
