/* Usual faults of retries. */
#include "patterns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static test_clock t;
static errand_pool *pool;

static void open_turned(void) { pool = test_clock_pool(&t); }
static errand_future *start(errand_policy_opts opts, errand_task task)
{
    return start_run(pool, opts, task);
}

/* Elsewhere: the handler names something that is no error type, so that catching itself fails and
 * its error replaces what really happened. Here a failure is a value, and time limits around it do
 * not change it. */
START_TEST(the_original_error_is_returned)
{
    open_turned();
    script s = { .error = { EACCES } };
    errand_policy_opts o = { .attempts = 3, .within_ms = 60000, .attempt_ms = 5000 };
    errand_result r = errand_await(errand_timeout(start(o, scripted(&s)), 90000));
    ck_assert_int_eq(r.error, EACCES);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_AUTH);
    ck_assert_str_eq(errand_result_message(&r), "attempt 1");
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

/* Elsewhere: a cancel is an error like any other, so the retry catches it and starts the cancelled
 * job again. */
START_TEST(a_cancelled_run_is_not_retried)
{
    open_turned();
    obedient o = { .pool = pool };
    errand_future *f = start(
        (errand_policy_opts){
            .attempts = 10, .initial_ms = ERRAND_ZERO, .repeat = ERRAND_REPEAT_ALWAYS },
        obeying(&o));
    await_event(&o.began);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    turn(&t, pool, 100000);
    await_asleep(pool, 0);
    ck_assert_uint_eq(o.calls, 1);
    close_pool(pool);
}
END_TEST

/* Elsewhere: the callback for exhausted attempts returns a value, and the caller takes it for
 * success. */
START_TEST(giving_up_is_never_a_success)
{
    open_turned();
    script s = { .error = { ECONNRESET, ECONNRESET } };
    errand_future *f = start((errand_policy_opts){ .attempts = 2 }, scripted(&s));
    turn_to_the_end(&t, pool, f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECONNRESET);
    ck_assert_ptr_null(r.value);
    ck_assert_int_ne(errand_result_kind(&r), ERRAND_KIND_OK);
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

/* Elsewhere: every error is retried, so a typing mistake or a missing page costs minutes. */
START_TEST(a_permanent_error_is_tried_once)
{
    open_turned();
    const int errors[] = {
        EINVAL,
        EACCES,
        ENOMEM,
        EDOM,
        ERRAND_HTTP + 400,
        ERRAND_HTTP + 401,
        ERRAND_HTTP + 404,
        ERRAND_USER + 1
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        script s = { .error = { errors[i] } };
        ENDS(start((errand_policy_opts){ .attempts = 5 }, scripted(&s)), errors[i]);
        ck_assert_uint_eq(s.calls, 1);
    }
    close_pool(pool);
}
END_TEST

static errand_result note_place(void *arg)
{
    unsigned **place = arg; /* the counter, then the place to write to */
    *place[1] = count_up(place[0]);
    return *place[1] == 1 ? errand_fail(ECONNRESET) : errand_ok(NULL, NULL);
}

/* Elsewhere: a failed job is put at the end of the queue, behind all later ones; under load it
 * never ends. */
START_TEST(a_retried_job_keeps_its_place_in_the_queue)
{
    open_turned();
    unsigned next = 0, mine = 0, theirs[5] = { 0 }, *args[6][2] = { { &next, &mine } };
    errand_future *f = start(
        (errand_policy_opts){ .attempts = 2, .initial_ms = 100, .jitter = ERRAND_JITTER_EQUAL },
        (errand_task){ .fn = note_place, .arg = args[0] });
    await_count(&next, 1);
    await_asleep(pool, 1);
    hold h = { .result = errand_ok(NULL, NULL) };
    errand_future *busy = errand_submit(pool, hold_worker, &h), *others[5];
    await_event(&h.began);
    for (int i = 0; i < 5; i++) {
        args[i + 1][0] = &next;
        args[i + 1][1] = &theirs[i];
        others[i] = errand_submit(pool, note_place, args[i + 1]);
    }
    turn(&t, pool, 101);
    happen(&h.go);
    ENDS(f, 0);
    ENDS(busy, 0);
    for (int i = 0; i < 5; i++) ENDS(others[i], 0);
    ck_assert_uint_eq(mine, 2);
    close_pool(pool);
}
END_TEST

/* Elsewhere: calls that failed together wait for exactly 1, 2, 4 s and are retried together, wave
 * after wave. */
START_TEST(joint_failures_are_not_retried_at_once)
{
    open_turned();
    enum { N = 200 };
    static script s[N];
    errand_future *f[N];
    for (int i = 0; i < N; i++) {
        s[i].error[0] = ECONNRESET;
        f[i] = start((errand_policy_opts){ .attempts = 2, .initial_ms = 1000 }, scripted(&s[i]));
    }
    for (int i = 0; i < N; i++) await_count(&s[i].calls, 1);
    unsigned back = 0, most_at_once = 0;
    for (int ms = 0; back < N && ms < 1100; ms += 10) {
        turn(&t, pool, 10);
        /* woken runs have made their attempt once all others sleep */
        for (int i = 0; i < 4 * LONG_MS; i++) {
            errand_pool_stats stats;
            errand_pool_stats_get(pool, &stats);
            if (!stats.queued && !stats.running) break;
        }
        unsigned now = 0;
        for (int i = 0; i < N; i++) now += count_of(&s[i].calls) == 2;
        if (now - back > most_at_once) most_at_once = now - back;
        back = now;
    }
    ck_assert_uint_eq(back, N);
    ck_assert_uint_lt(most_at_once, N / 5); /* 2 of 200 on average */
    for (int i = 0; i < N; i++) ENDS(f[i], 0);
    close_pool(pool);
}
END_TEST

/* Elsewhere: the final error is "retries exhausted", and the last reply is lost. */
START_TEST(giving_up_returns_the_last_error_and_all_attempts)
{
    open_turned();
    script s = { .error = { ECONNREFUSED, ETIMEDOUT, ECONNRESET } };
    errand_future *f = start((errand_policy_opts){ .attempts = 3 }, scripted(&s));
    turn_to_the_end(&t, pool, f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECONNRESET);
    ck_assert_str_eq(errand_result_message(&r), "attempt 3");
    const int errors[] = { ECONNREFUSED, ETIMEDOUT, ECONNRESET };
    for (size_t i = 0; i < 3; i++) {
        errand_attempt a;
        ck_assert_int_eq(errand_result_attempt(&r, i, &a), 0);
        ck_assert_int_eq(a.error, errors[i]);
    }
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

/* Elsewhere: base^attempt overflows after enough attempts: an exception, or a wait of 0. */
START_TEST(the_millionth_backoff_is_the_longest)
{
    errand_policy_opts o = { .attempts = 2000000,
                             .initial_ms = 1000,
                             .max_ms = 60000,
                             .multiplier = 10,
                             .jitter = ERRAND_JITTER_EQUAL };
    errand_policy *policy = errand_policy_new(&o, NULL);
    for (unsigned n = 10; n <= 1000000; n *= 10) {
        int64_t wait = errand_policy_backoff_ms(policy, n, n);
        ck_assert(wait >= 30000 && wait <= 60000);
    }
    errand_policy_free(policy);
}
END_TEST

/* Elsewhere: a field called retry_after is filled with how long the call took. */
START_TEST(retry_after_is_the_other_sides_or_none)
{
    open_turned();
    hold h = { .result = errand_fail(ECONNRESET) };
    errand_future *f =
        start((errand_policy_opts){ .attempts = 1 }, (errand_task){ .fn = hold_worker, .arg = &h });
    await_event(&h.began);
    turn(&t, pool, 5000);
    happen(&h.go);
    errand_result r = errand_await(f);
    ck_assert_int_eq(errand_result_elapsed_ms(&r), 5000);
    ck_assert_int_eq(errand_result_retry_after(&r), -1);
    errand_result_free(&r);
    script said_so = {
        .error = { ERRAND_HTTP + 429 }, .hint_ms = 1500, .kind = ERRAND_KIND_RATE_LIMITED
    };
    r = errand_await(start((errand_policy_opts){ .attempts = 1 }, scripted(&said_so)));
    ck_assert_int_eq(errand_result_retry_after(&r), 1500);
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

static errand_result pay(void *arg)
{
    count_up(arg);
    return errand_fail_as(ECONNRESET, ERRAND_KIND_NETWORK, -1, true,
                          "the connection broke after it was sent");
}

/* Elsewhere: work that may have been done is repeated, and paid for twice. */
START_TEST(work_that_may_have_run_is_not_repeated)
{
    open_turned();
    unsigned paid = 0;
    ENDS(start((errand_policy_opts){ .attempts = 5, .initial_ms = ERRAND_ZERO },
               (errand_task){ .fn = pay, .arg = &paid }),
         ECONNRESET);
    ck_assert_uint_eq(paid, 1);
    close_pool(pool);
}
END_TEST

static errand_result make_up(errand_result failure, void *arg)
{
    (void)arg;
    errand_result_free(&failure);
    return errand_ok(NULL, NULL);
}

/* Elsewhere: a fallback value looks like any other value. */
START_TEST(a_fallback_value_is_marked_degraded)
{
    open_turned();
    script s = { .error = { EACCES } };
    errand_result r =
        errand_await(start((errand_policy_opts){ .fallback = make_up }, scripted(&s)));
    ck_assert(r.error == 0 && errand_result_degraded(&r));
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

static errand_result ask_twice(void *arg)
{
    return errand_later(start((errand_policy_opts){ .attempts = 4, .initial_ms = ERRAND_ZERO },
                              scripted(arg)));
}

/* Elsewhere: each layer makes four attempts, and three layers turn one call into sixty-four. */
START_TEST(nested_retries_do_not_multiply)
{
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    script s = { .freed = 0 };
    for (int i = 0; i < 40; i++) s.error[i] = ECONNRESET;
    ENDS(start((errand_policy_opts){ .attempts = 4, .initial_ms = ERRAND_ZERO },
               (errand_task){ .fn = ask_twice, .arg = &s }),
         ECONNRESET);
    ck_assert_uint_eq(s.calls, 4);
    close_pool(pool);
}
END_TEST

Suite *retries_suite(void)
{
    Suite *suite = suite_create("retries");
    TCase *tc = case_of(suite, "retries");
    tcase_add_test(tc, the_original_error_is_returned);
    tcase_add_test(tc, a_cancelled_run_is_not_retried);
    tcase_add_test(tc, giving_up_is_never_a_success);
    tcase_add_test(tc, a_permanent_error_is_tried_once);
    tcase_add_test(tc, a_retried_job_keeps_its_place_in_the_queue);
    tcase_add_test(tc, joint_failures_are_not_retried_at_once);
    tcase_add_test(tc, giving_up_returns_the_last_error_and_all_attempts);
    tcase_add_test(tc, the_millionth_backoff_is_the_longest);
    tcase_add_test(tc, retry_after_is_the_other_sides_or_none);
    tcase_add_test(tc, work_that_may_have_run_is_not_repeated);
    tcase_add_test(tc, a_fallback_value_is_marked_degraded);
    tcase_add_test(tc, nested_retries_do_not_multiply);
    return suite;
}
