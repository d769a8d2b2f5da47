/* Usual faults of results, cancels, deadlines and their reports. */
#include "patterns.h"

#include "async/logged.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static errand_pool *open_pool(void)
{
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    ck_assert_ptr_nonnull(pool);
    return pool;
}

/* Elsewhere: the results are searched for one class of errors; a cancel is of another class and
 * counts as success. */
START_TEST(a_cancelled_input_is_not_a_success)
{
    errand_pool *pool = open_pool();
    obedient o = { .pool = pool };
    script s = { 0 };
    errand_future *parts[] = { errand_submit(pool, obey, &o),
                               errand_submit(pool, follow_script, &s) };
    await_event(&o.began);
    errand_cancel(parts[0]);
    errand_result r = errand_await(errand_settle(parts, 2));
    ck_assert_int_eq(r.error, 0);
    const errand_results *all = r.value;
    ck_assert_int_eq(all->at[0].error, ECANCELED);
    ck_assert_int_eq(errand_result_kind(&all->at[0]), ERRAND_KIND_CANCELLED);
    ck_assert_int_eq(all->at[1].error, 0);
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

static errand_result fail_if_odd(void *n)
{
    return as_number(n) % 2
               ? errand_failf(ERRAND_USER + (int)as_number(n), "number %d", (int)as_number(n))
               : errand_ok(n, NULL);
}

/* Elsewhere: the failures are filtered into a list of their own, which loses the inputs they belong
 * to. */
START_TEST(every_failure_keeps_its_place)
{
    errand_pool *pool = open_pool();
    errand_future *parts[20];
    for (int i = 0; i < 20; i++) parts[i] = errand_submit(pool, fail_if_odd, as_value(i));
    errand_result r = errand_await(errand_settle(parts, 20));
    const errand_results *all = r.value;
    ck_assert_uint_eq(all->n, 20);
    for (int i = 0; i < 20; i++) {
        char message[32];
        snprintf(message, sizeof message, "number %d", i);
        ck_assert_int_eq(all->at[i].error, i % 2 ? ERRAND_USER + i : 0);
        if (i % 2) ck_assert_str_eq(errand_result_message(&all->at[i]), message);
        else ck_assert_int_eq(as_number(all->at[i].value), i);
    }
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

/* Elsewhere: a timeout returns null, and so does an operation with an empty answer. */
START_TEST(a_timeout_differs_from_an_empty_answer)
{
    test_clock t;
    test_clock_start(&t);
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock });
    errand_future *late = errand_timeout(errand_sleep(pool, 1000), 100),
                  *early = errand_timeout(errand_sleep(pool, 10), 100);
    turn(&t, pool, 20);
    turn(&t, pool, 90);
    errand_result r = errand_await(late), q = errand_await(early);
    ck_assert_ptr_null(r.value);
    ck_assert_ptr_null(q.value);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_TIMEOUT);
    ck_assert_int_eq(q.error, 0);
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

/* Elsewhere: clean-up is called after a timeout only, not after an error or a cancel. */
START_TEST(arg_is_freed_once_after_every_end)
{
    test_clock t;
    test_clock_start(&t);
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock });
    errand_policy *policies[2] = {
        NULL, errand_policy_new(&(errand_policy_opts){ .attempts = 2 }, NULL)
    };
    for (int i = 0; i < 2; i++) {
        script well = { 0 }, bad = { .error = { EACCES } };
        errand_task task = scripted(&well);
        ENDS(errand_run_task(pool, policies[i], &task), 0);
        ck_assert_uint_eq(well.freed, 1);
        task = scripted(&bad);
        ENDS(errand_run_task(pool, policies[i], &task), EACCES);
        ck_assert_uint_eq(bad.freed, 1);

        obedient cancelled = { .pool = pool }, late = { .pool = pool };
        task = obeying(&cancelled);
        errand_future *f = errand_run_task(pool, policies[i], &task);
        await_event(&cancelled.began);
        errand_cancel(f);
        ENDS(f, ECANCELED);
        ck_assert_uint_eq(cancelled.freed, 1);
        task = obeying(&late);
        task.within_ms = 100;
        f = errand_run_task(pool, policies[i], &task);
        await_event(&late.began);
        turn(&t, pool, 101);
        ENDS(f, ETIMEDOUT);
        await_count(&late.freed, 1);

        hold h = { .result = errand_ok(NULL, NULL) };
        errand_future *busy = errand_submit(pool, hold_worker, &h);
        await_event(&h.began);
        script unrun = { 0 };
        task = scripted(&unrun);
        f = errand_run_task(pool, policies[i], &task);
        errand_cancel(f);
        ENDS(f, ECANCELED);
        ck_assert_uint_eq(unrun.calls, 0);
        ck_assert_uint_eq(unrun.freed, 1);
        happen(&h.go);
        ENDS(busy, 0);
        await_asleep(pool, 0);
        ck_assert_uint_eq(count_of(&late.freed), 1);
    }
    errand_policy_free(policies[1]);
    close_pool(pool);
}
END_TEST

typedef struct call {
    script s;
    char key[32];
} call;

/* Elsewhere: a logging wrapper logs the arguments of each call, keys included. */
START_TEST(the_log_never_sees_an_argument)
{
    logged heard;
    logged_open(&heard);
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .log = heard.log });
    call c = { .s.error = { ECONNRESET, EACCES }, .key = "sk-7d1f-do-not-log" };
    errand_policy *policy = errand_policy_new(
        &(errand_policy_opts){ .attempts = 3, .initial_ms = ERRAND_ZERO, .name = "pay" }, NULL);
    errand_task task = scripted(&c.s);
    ENDS(errand_run_task(pool, policy, &task), EACCES);
    errand_policy_free(policy);
    const char *text = logged_text(&heard);
    ck_assert_ptr_nonnull(strstr(text, "[pay-start]"));
    ck_assert_ptr_nonnull(strstr(text, "[pay-retry]"));
    ck_assert_ptr_nonnull(strstr(text, "[pay-error]"));
    ck_assert_ptr_null(strstr(text, "sk-7d1f"));
    close_pool(pool);
    logged_close(&heard);
}
END_TEST

/* Elsewhere: str(error) of a timeout or a cancel is "", and the report says "failed: ". */
START_TEST(every_failure_has_a_message)
{
    errand_pool *pool = open_pool();
    for (int error = 1; error < 200; error++) {
        errand_result r = errand_fail(error);
        ck_assert_str_ne(errand_result_message(&r), "");
    }
    const int others[] = { ERRAND_HTTP + 599, ERRAND_CURL + 7,   ERRAND_USER, ERRAND_ELATE,
                           ERRAND_EFULL,      ERRAND_EABANDONED, 999999,      -5 };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        errand_result r = errand_failf(others[i], "%s", "");
        ck_assert_str_ne(errand_result_message(&r), "");
        errand_result_free(&r);
    }
    errand_future *f = errand_sleep(pool, ERRAND_FOREVER);
    errand_cancel(f);
    errand_result r = errand_await(f),
                  q = errand_await(errand_timeout(errand_sleep(pool, ERRAND_FOREVER), 0));
    ck_assert_str_eq(errand_result_message(&r), "cancelled by its caller");
    ck_assert_str_ne(errand_result_message(&q), "");
    errand_result_free(&r);
    errand_result_free(&q);
    close_pool(pool);
}
END_TEST

/* Elsewhere: the first error ends the wait, and the other operations continue unnoticed. */
START_TEST(a_failure_cancels_the_others_and_waits_for_them)
{
    errand_pool *pool = open_pool();
    obedient o = { .pool = pool };
    errand_task task = obeying(&o);
    errand_future *parts[2] = { errand_submit_task(pool, &task) };
    await_event(&o.began);
    script s = { .error = { EACCES } };
    parts[1] = errand_submit(pool, follow_script, &s);
    errand_result r = errand_await(errand_all(parts, 2));
    ck_assert_int_eq(r.error, EACCES);
    ck_assert_int_eq(o.reason, ERRAND_BY_SIBLING);
    ck_assert_uint_eq(o.freed, 1);
    errand_result_free(&r);
    errand_pool_stats stats;
    errand_pool_stats_get(pool, &stats);
    ck_assert_uint_eq(stats.abandoned, 0);
    close_pool(pool);
}
END_TEST

Suite *ends_suite(void)
{
    Suite *suite = suite_create("ends");
    TCase *tc = case_of(suite, "ends");
    tcase_add_test(tc, a_cancelled_input_is_not_a_success);
    tcase_add_test(tc, every_failure_keeps_its_place);
    tcase_add_test(tc, a_timeout_differs_from_an_empty_answer);
    tcase_add_test(tc, arg_is_freed_once_after_every_end);
    tcase_add_test(tc, the_log_never_sees_an_argument);
    tcase_add_test(tc, every_failure_has_a_message);
    tcase_add_test(tc, a_failure_cancels_the_others_and_waits_for_them);
    return suite;
}
