/* quorum: enough successes out of many. */
#include "events.h"

#include <errno.h>
#include <pthread.h>

static errand_pool *pool;
static void open_pool(void) { pool = errand_pool_new(&(errand_pool_opts){ .workers = 4 }); }
static void shut_pool(void) { close_pool(pool); }

enum { MANY = 8 };
static errand_promise *ps[MANY];
static errand_future *fs[MANY];
static void promise(size_t n)
{
    for (size_t i = 0; i < n; i++) ps[i] = errand_promise_new(pool, &fs[i]);
}

START_TEST(a_quorum_cancels_the_rest_and_leaves_it_behind)
{
    unsigned cancels = 0, freed = 0;
    promise(5);
    errand_promise_on_cancel(ps[4], free_counts, &cancels);
    errand_future *f = errand_quorum(fs, 5, 2);
    errand_promise_resolve(ps[3], errand_ok(as_value(3), NULL));
    errand_promise_resolve(ps[1], errand_failf(EIO, "one"));
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    errand_promise_resolve(ps[0], errand_ok(as_value(7), NULL));
    ck_assert_int_eq(errand_wait(f, 0), 0);
    ck_assert_uint_eq(cancels, 1);
    ck_assert_int_eq(errand_promise_cancelled(ps[2]), ERRAND_BY_SIBLING);
    errand_result r = errand_await(f);
    errand_results *all = r.value;
    ck_assert_int_eq(r.error, 0);
    ck_assert_uint_eq(all->n, 5);
    ck_assert_int_eq(as_number(all->at[0].value), 7);
    ck_assert_str_eq(errand_result_message(&all->at[1]), "one"); /* an earlier failure is kept */
    ck_assert_int_eq(as_number(all->at[3].value), 3);
    for (int i = 2; i <= 4; i += 2) {
        ck_assert_int_eq(all->at[i].error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&all->at[i]), ERRAND_BY_SIBLING);
        ck_assert(errand_result_may_have_run(&all->at[i]));
    }
    errand_promise_resolve(ps[4], errand_ok(&freed, free_counts)); /* too late: discarded */
    ck_assert_uint_eq(freed, 1);
    ck_assert_int_eq(all->at[4].error, ECANCELED);
    errand_result_free(&r);
    errand_promise_abandon(ps[2]);
}
END_TEST

START_TEST(a_queued_input_left_behind_has_not_run)
{
    hold h = { .runs = 0 };
    errand_pool *narrow = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_future *held = errand_submit(narrow, hold_worker, &h);
    await_event(&h.began);
    errand_future *some[] = { errand_submit(narrow, hold_worker, &h),
                              errand_ready(narrow, errand_ok(NULL, NULL)) };
    errand_result r = errand_await(errand_quorum(some, 2, 1));
    errand_results *all = r.value;
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(all->at[0].error, ECANCELED);
    ck_assert(!errand_result_may_have_run(&all->at[0]));
    errand_result_free(&r);
    happen(&h.go);
    ENDS(held, 0);
    ck_assert_uint_eq(h.runs, 1);
    close_pool(narrow);
}
END_TEST

START_TEST(a_quorum_fails_once_it_cannot_be_reached)
{
    unsigned freed = 0;
    promise(5);
    errand_future *f = errand_quorum(fs, 5, 3);
    errand_promise_resolve(ps[0], errand_ok(&freed, free_counts));
    errand_promise_resolve(ps[4], errand_failf(EIO, "four"));
    errand_promise_resolve(ps[2], errand_failf(EPIPE, "two"));
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    errand_promise_resolve(ps[3], errand_failf(ENOENT, "three"));
    ck_assert_int_eq(errand_promise_cancelled(ps[1]), ERRAND_BY_SIBLING);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ENOENT);
    ck_assert_uint_eq(errand_result_index(&r), 3);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, EPIPE);
    ck_assert_int_eq(errand_result_cause(&r, 1)->error, EIO);
    ck_assert_ptr_null(errand_result_cause(&r, 2)); /* a cancelled input is no cause */
    ck_assert(errand_result_may_have_run(&r));      /* the input left behind may have */
    ck_assert_uint_eq(freed, 1);
    errand_result_free(&r);
    errand_promise_abandon(ps[1]);
}
END_TEST

START_TEST(a_quorum_of_all_fails_with_the_first_failure)
{
    for (int fails = 0; fails < 2; fails++) {
        promise(3);
        errand_future *f = errand_quorum(fs, 3, 3);
        errand_promise_resolve(ps[1], errand_ok(NULL, NULL));
        errand_promise_resolve(ps[2], fails ? errand_fail(EIO) : errand_ok(NULL, NULL));
        ck_assert_int_eq(errand_wait(f, 0), fails ? 0 : ETIMEDOUT);
        errand_promise_resolve(ps[0], errand_ok(NULL, NULL));
        ENDS(f, fails ? EIO : 0);
    }
}
END_TEST

START_TEST(a_quorum_of_0_or_of_more_than_n_is_EINVAL)
{
    static const size_t wrong[] = { 0, 4, SIZE_MAX };
    for (int i = 0; i < 3; i++) {
        promise(3);
        ENDS(errand_quorum(fs, 3, wrong[i]), EINVAL);
        for (int j = 0; j < 3; j++) {
            ck_assert_int_eq(errand_promise_cancelled(ps[j]), ERRAND_BY_CALLER);
            errand_promise_abandon(ps[j]);
        }
        ENDS(errand_quorum(NULL, 0, wrong[i]), EINVAL);
    }
    promise(1);
    errand_future *twice[] = { fs[0], fs[0] };
    ENDS(errand_quorum(twice, 2, 1), EINVAL);
    errand_promise_abandon(ps[0]);
    ENDS(errand_quorum(NULL, 2, 1), EINVAL);
}
END_TEST

START_TEST(a_cancelled_quorum_ends_once_it_cannot_be_reached)
{
    unsigned cancels = 0;
    promise(3);
    for (int i = 0; i < 3; i++) errand_promise_on_cancel(ps[i], free_counts, &cancels);
    errand_future *f = errand_quorum(fs, 3, 2);
    errand_cancel(f);
    ck_assert_uint_eq(cancels, 3);
    errand_promise_resolve(ps[0], errand_fail(ECANCELED));
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    errand_promise_resolve(ps[1], errand_fail(ECANCELED));
    ENDS(f, ECANCELED);
    errand_promise_abandon(ps[2]);
}
END_TEST

START_TEST(a_quorum_counts_inputs_that_have_ended)
{
    errand_future *some[] = {
        errand_ready(pool, errand_ok(as_value(1), NULL)), errand_sleep(pool, ERRAND_FOREVER),
        errand_ready(pool, errand_fail(EIO)), errand_ready(pool, errand_ok(as_value(2), NULL)),
        errand_sleep(pool, ERRAND_FOREVER)
    };
    errand_result r = errand_await(errand_quorum(some, 5, 2));
    errand_results *all = r.value;
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(all->at[0].value), 1);
    ck_assert_int_eq(all->at[1].error, ECANCELED);
    ck_assert_int_eq(all->at[2].error, EIO);
    ck_assert_int_eq(as_number(all->at[3].value), 2);
    ck_assert_int_eq(all->at[4].error, ECANCELED);
    errand_result_free(&r);
}
END_TEST

static void *resolves(void *p)
{
    errand_promise_resolve(p, errand_ok(&pool, NULL));
    return NULL;
}

/* Meant for the thread sanitizer. */
START_TEST(inputs_that_race_decide_a_quorum_once)
{
    for (unsigned round = 0; round < scaled(300); round++) {
        pthread_t threads[MANY];
        promise(MANY);
        errand_future *f = errand_quorum(fs, MANY, MANY / 2);
        for (int i = 0; i < MANY; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, resolves, ps[i]), 0);
        errand_result r = errand_await(f);
        const errand_results *all = r.value;
        unsigned good = 0;
        for (int i = 0; i < MANY; i++) good += !all->at[i].error && all->at[i].value == &pool;
        ck_assert_uint_eq(good, MANY / 2);
        errand_result_free(&r);
        for (int i = 0; i < MANY; i++) pthread_join(threads[i], NULL);
    }
}
END_TEST

Suite *quorum_suite(void)
{
    Suite *suite = suite_create("quorum");
    TCase *tc = case_of(suite, "quorum");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_quorum_cancels_the_rest_and_leaves_it_behind);
    tcase_add_test(tc, a_queued_input_left_behind_has_not_run);
    tcase_add_test(tc, a_quorum_fails_once_it_cannot_be_reached);
    tcase_add_test(tc, a_quorum_of_all_fails_with_the_first_failure);
    tcase_add_test(tc, a_quorum_of_0_or_of_more_than_n_is_EINVAL);
    tcase_add_test(tc, a_cancelled_quorum_ends_once_it_cannot_be_reached);
    tcase_add_test(tc, a_quorum_counts_inputs_that_have_ended);
    tcase_add_test(tc, inputs_that_race_decide_a_quorum_once);
    return suite;
}
