/* any and race, which end with the first of many; shield, which stops a cancel. */
#include "events.h"

#include <errno.h>

static errand_pool *pool;
static void open_pool(void) { pool = errand_pool_new(&(errand_pool_opts){ .workers = 4 }); }
static void shut_pool(void) { close_pool(pool); }

enum { N = 3 };
static errand_promise *ps[N];
static errand_future *fs[N];
static void ignore_cancel(void *none) { (void)none; }

/* Promises with a hook: a cancel does not end their futures. */
static void promises(void)
{
    for (int i = 0; i < N; i++) {
        ps[i] = errand_promise_new(pool, &fs[i]);
        errand_promise_on_cancel(ps[i], ignore_cancel, NULL);
    }
}

static uint64_t left_behind(void)
{
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    return s.abandoned;
}

START_TEST(any_returns_the_first_success_and_its_index)
{
    promises();
    errand_future *f = errand_any(fs, N);
    errand_promise_resolve(ps[0], errand_fail(EIO));
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT); /* a failure decides nothing */
    errand_promise_resolve(ps[2], errand_ok(as_value(22), NULL));
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 22);
    ck_assert_uint_eq(errand_result_index(&r), 2);
    errand_result_free(&r);
    ck_assert_int_eq(errand_promise_cancelled(ps[1]), ERRAND_BY_SIBLING);
    errand_promise_abandon(ps[1]);
}
END_TEST

static errand_future *outer;
static void look_at_outer(void *seen) { *(int *)seen = errand_wait(outer, 0); }

START_TEST(losers_are_cancelled_before_any_ends)
{
    for (int way = 0; way < 2; way++) {
        int seen = -1;
        promises();
        errand_promise_on_cancel(ps[2], look_at_outer, &seen);
        outer = way ? errand_race(fs, N) : errand_any(fs, N);
        errand_promise_resolve(ps[0], errand_ok(NULL, NULL));
        ck_assert_int_eq(seen, ETIMEDOUT); /* the future of any was still pending */
        ENDS(outer, 0);
        errand_promise_abandon(ps[1]);
        errand_promise_abandon(ps[2]);
    }
}
END_TEST

START_TEST(a_loser_counts_as_abandoned_until_it_ends)
{
    unsigned freed = 0;
    promises();
    errand_future *f = errand_any(fs, N);
    errand_promise_resolve(ps[1], errand_ok(NULL, NULL));
    ENDS(f, 0);
    ck_assert_uint_eq(left_behind(), 2);
    errand_promise_resolve(ps[0], errand_ok(&freed, free_counts));
    ck_assert_uint_eq(left_behind(), 1);
    errand_promise_resolve(ps[2], errand_ok(&freed, free_counts));
    ck_assert_uint_eq(left_behind(), 0);
    ck_assert_uint_eq(freed, 2);
}
END_TEST

START_TEST(if_all_fail_any_returns_the_last_failure_and_its_causes)
{
    promises();
    errand_future *f = errand_any(fs, N);
    errand_promise_resolve(ps[2], errand_fail(ENOENT));
    errand_promise_resolve(ps[0], errand_failf(EIO, "in words"));
    errand_promise_resolve(ps[1], errand_failf(EPERM, "the last"));
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, EPERM);
    ck_assert_str_eq(errand_result_message(&r), "the last");
    ck_assert_uint_eq(errand_result_index(&r), 1);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, EIO);
    ck_assert_str_eq(errand_result_message(errand_result_cause(&r, 0)), "in words");
    ck_assert_int_eq(errand_result_cause(&r, 1)->error, ENOENT);
    ck_assert_ptr_null(errand_result_cause(&r, 2));
    errand_result_free(&r);
}
END_TEST

START_TEST(a_cancelled_any_waits_for_its_inputs)
{
    promises();
    errand_future *f = errand_any(fs, N);
    errand_cancel(f);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(errand_promise_cancelled(ps[i]), ERRAND_BY_CALLER);
        ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
        errand_promise_abandon(ps[i]);
    }
    ENDS(f, ERRAND_EABANDONED);
}
END_TEST

START_TEST(race_returns_the_first_end)
{
    promises();
    errand_future *f = errand_race(fs, N);
    errand_promise_resolve(ps[1], errand_failf(EIO, "first"));
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, EIO);
    ck_assert_uint_eq(errand_result_index(&r), 1);
    ck_assert_ptr_null(errand_result_cause(&r, 0));
    errand_result_free(&r);
    ck_assert_uint_eq(left_behind(), 2);
    for (int i = 0; i < N; i += 2) {
        ck_assert_int_eq(errand_promise_cancelled(ps[i]), ERRAND_BY_SIBLING);
        errand_promise_resolve(ps[i], errand_ok(NULL, NULL));
    }
    promises();
    errand_promise_resolve(ps[2], errand_ok(as_value(5), NULL)); /* before the race has begun */
    r = errand_await(errand_race(fs, N));
    ck_assert_int_eq(as_number(r.value), 5);
    ck_assert_uint_eq(errand_result_index(&r), 2);
    errand_result_free(&r);
    for (int i = 0; i < N - 1; i++) errand_promise_abandon(ps[i]);
}
END_TEST

START_TEST(a_race_reports_the_index_of_an_input_without_detail)
{
    fs[0] = errand_submit(NULL, NULL, NULL); /* failed already */
    errand_result r = errand_await(errand_race(fs, 1));
    ck_assert_int_eq(r.error, EINVAL);
    ck_assert_uint_eq(errand_result_index(&r), 0);
    errand_result_free(&r);
    r = errand_fail(EIO);
    ck_assert_uint_eq(errand_result_index(&r), SIZE_MAX); /* no index */
}
END_TEST

START_TEST(any_and_race_of_no_futures_are_EINVAL)
{
    ENDS(errand_any(NULL, 0), EINVAL);
    ENDS(errand_race(NULL, 0), EINVAL);
    ENDS(errand_any(NULL, 3), EINVAL);
}
END_TEST

START_TEST(any_and_race_refuse_a_duplicate)
{
    for (int way = 0; way < 2; way++) {
        promises();
        errand_future *same[] = { fs[0], fs[1], fs[2], fs[1] };
        ENDS(way ? errand_any(same, 4) : errand_race(same, 4), EINVAL);
        for (int i = 0; i < N; i++) {
            ck_assert_int_eq(errand_promise_cancelled(ps[i]), ERRAND_BY_CALLER);
            errand_promise_abandon(ps[i]);
        }
    }
}
END_TEST

START_TEST(a_queued_loser_is_removed_and_a_running_one_cancelled)
{
    hold h = { .runs = 0 };
    unsigned freed = 0;
    errand_pool *one = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_future *f;
    errand_promise *p = errand_promise_new(one, &f);
    errand_future *three[] = { errand_submit(one, hold_worker, &h), NULL, f };
    await_event(&h.began);
    three[1] = errand_submit_task(
        one, &(errand_task){ .fn = hold_worker, .arg = &freed, .free = free_counts });
    f = errand_any(three, 3);
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    ENDS(f, 0); /* at once, although h ignores cancels */
    ck_assert_uint_eq(freed, 1);
    happen(&h.go);
    close_pool(one);
}
END_TEST

/* ---- shield ---- */

START_TEST(a_cancel_does_not_pass_a_shield)
{
    promises();
    errand_future *f = errand_shield(fs[0]);
    errand_cancel(f);
    ck_assert_int_eq(errand_promise_cancelled(ps[0]), ERRAND_BY_NONE);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    errand_promise_resolve(ps[0], errand_ok(as_value(3), NULL));
    ck_assert_int_eq(as_number(errand_await(f).value), 3);
    errand_promise_abandon(ps[1]);
    errand_promise_abandon(ps[2]);
    errand_drop(fs[1]);
    errand_drop(fs[2]);
}
END_TEST

START_TEST(a_timeout_around_a_shield_leaves_the_inside_running)
{
    unsigned freed = 0;
    promises();
    errand_result r = errand_await(errand_timeout(errand_shield(fs[0]), 0));
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    errand_result_free(&r);
    ck_assert_int_eq(errand_promise_cancelled(ps[0]), ERRAND_BY_NONE);
    errand_promise_resolve(ps[0], errand_ok(&freed, free_counts));
    ck_assert_uint_eq(freed, 1);
    ENDS(errand_shield(NULL), EINVAL);
    ENDS(errand_shield(errand_submit(NULL, NULL, NULL)), EINVAL); /* passes on the failure */
    for (int i = 1; i < N; i++) {
        errand_promise_abandon(ps[i]);
        errand_drop(fs[i]);
    }
}
END_TEST

/* ---- a storm ---- */

typedef struct contest {
    errand_promise *p;
    intptr_t result;
} contest;

static errand_result resolve_one(void *arg)
{
    contest *c = arg;
    errand_promise_resolve(c->p,
                           c->result < 0 ? errand_fail(EIO) : errand_ok(as_value(c->result), NULL));
    return errand_ok(NULL, NULL);
}

START_TEST(inputs_that_end_together_have_one_winner)
{
    unsigned rounds = scaled(3000);
    for (unsigned i = 0; i < rounds; i++) {
        contest c[N];
        errand_future *tasks[N];
        bool race = i % 2;
        for (int k = 0; k < N; k++) {
            c[k] = (contest){ errand_promise_new(pool, &fs[k]), (i >> k) & 1 ? 100 + k : -1 };
        }
        errand_future *f = race ? errand_race(fs, N) : errand_any(fs, N);
        for (int k = 0; k < N; k++) tasks[k] = errand_submit(pool, resolve_one, &c[k]);
        errand_result r = errand_await(f);
        size_t which = errand_result_index(&r);
        ck_assert_uint_lt(which, N);
        if (!r.error) ck_assert_int_eq(as_number(r.value), 100 + (intptr_t)which);
        if (!race) ck_assert_int_eq(r.error, i & 7 ? 0 : EIO);
        if (!race && r.error) ck_assert(errand_result_cause(&r, 1) && !errand_result_cause(&r, 2));
        errand_result_free(&r);
        ENDS(errand_all(tasks, N), 0);
    }
}
END_TEST

Suite *races_suite(void)
{
    Suite *suite = suite_create("races");
    TCase *tc = case_of(suite, "races");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, any_returns_the_first_success_and_its_index);
    tcase_add_test(tc, losers_are_cancelled_before_any_ends);
    tcase_add_test(tc, a_loser_counts_as_abandoned_until_it_ends);
    tcase_add_test(tc, if_all_fail_any_returns_the_last_failure_and_its_causes);
    tcase_add_test(tc, a_cancelled_any_waits_for_its_inputs);
    tcase_add_test(tc, race_returns_the_first_end);
    tcase_add_test(tc, a_race_reports_the_index_of_an_input_without_detail);
    tcase_add_test(tc, any_and_race_of_no_futures_are_EINVAL);
    tcase_add_test(tc, any_and_race_refuse_a_duplicate);
    tcase_add_test(tc, a_queued_loser_is_removed_and_a_running_one_cancelled);
    tcase_add_test(tc, a_cancel_does_not_pass_a_shield);
    tcase_add_test(tc, a_timeout_around_a_shield_leaves_the_inside_running);
    tcase_add_test(tc, inputs_that_end_together_have_one_winner);
    return suite;
}
