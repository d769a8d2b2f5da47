/* Runs under a policy: what is retried, when, and how it is reported. */
#include "runs.h"

#include "async/logged.h"
#include "base/result.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static test_clock t;
static errand_pool *pool;

static void open_turned(void) { pool = test_clock_pool(&t); }
static void open_pool(void)
{
    ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 }));
}
static errand_future *start(errand_policy_opts opts, script *s)
{
    return start_run(pool, opts, scripted(s));
}
static errand_future *start_task(errand_policy_opts opts, errand_task task)
{
    return start_run(pool, opts, task);
}
static bool ended(errand_future *f) { return errand_wait(f, 0) == 0; }

static const errand_policy_opts quick = { .attempts = 3, .initial_ms = ERRAND_ZERO };

static errand_promise *to_come;
static event asked_for;
static errand_result comes_later(void *arg)
{
    errand_future *f;
    to_come = errand_promise_new(pool, &f);
    happen(&asked_for);
    return (void)arg, errand_later(f);
}
static errand_result follow_the_run(void *policy)
{
    return errand_later(errand_run(pool, policy, comes_later, NULL));
}
static void break_the_promise(void)
{
    await_event(&asked_for);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    asked_for = (event){ 0 };
    errand_promise_resolve(to_come, errand_failf(EIO, "bad"));
}

START_TEST(a_late_failure_has_its_times_and_counts)
{
    for (int machine = 0; machine < 2; machine++) { /* on a test clock, or the system clock */
        if (machine) open_pool();
        else open_turned();
        errand_policy *policy = policy_of((errand_policy_opts){ .attempts = 1 });
        errand_future *f = errand_run(pool, policy, comes_later, NULL);
        await_event(&asked_for);
        if (machine) ENDS(errand_sleep(pool, 30), 0);
        else turn(&t, pool, 150);
        break_the_promise();
        errand_result r = errand_await(f);
        errand_attempt a;
        ck_assert_int_eq(errand_result_attempt(&r, 0, &a), 0);
        if (!machine) ck_assert_int_eq(a.took_ms, 150);
        ck_assert_int_ge(a.took_ms, 20); /* the coarse clock is some ms behind */
        ck_assert_int_le(a.took_ms, LONG_MS);
        ck_assert_int_eq(errand_result_elapsed_ms(&r), a.took_ms);
        errand_result_free(&r);

        /* a forwarded chain of laters keeps its counts */
        f = errand_submit(pool, follow_the_run, policy);
        break_the_promise();
        ENDS(f, EIO);
        errand_policy_stats s;
        ck_assert_int_eq(errand_policy_stats_get(policy, &s), 0);
        ck_assert_uint_eq(s.failed, 2);
        ck_assert_uint_eq(s.succeeded, 0);
        errand_policy_free(policy);
        close_pool(pool);
    }
}
END_TEST

/* ---- what is retried ---- */

static unsigned calls_for(errand_policy_opts opts, script s, int ends)
{
    errand_result r = errand_await(start(opts, &s));
    ck_assert_int_eq(r.error, ends);
    ck_assert_uint_eq(errand_result_attempts(&r), s.calls);
    errand_result_free(&r);
    ck_assert_uint_eq(s.freed, 1);
    return s.calls;
}

START_TEST(only_transient_failures_are_retried)
{
    open_pool();
    const int again[] = {
        ETIMEDOUT,         ECONNREFUSED,      ECONNRESET,       ECONNABORTED, EPIPE,  EHOSTUNREACH,
        ENETUNREACH,       ENETDOWN,          EAGAIN,           EMFILE,       ENFILE, ENOBUFS,
        ERRAND_HTTP + 503, ERRAND_HTTP + 429, ERRAND_HTTP + 408
    };
    const int never[] = {
        ECANCELED,
        ENOMEM,
        ENOSPC,
        EDQUOT,
        EINVAL,
        EDOM,
        ERANGE,
        ENOTSUP,
        EACCES,
        EPERM,
        EPROTO,
        EBADMSG,
        ERRAND_ELATE,
        ERRAND_EFULL,
        ERRAND_EABANDONED,
        ERRAND_EFORKED,
        ENOENT,
        ERRAND_HTTP + 404,
        ERRAND_HTTP + 501,
        ERRAND_USER + 1,
        ERRAND_CURL + 3
    };
    for (size_t i = 0; i < sizeof again / sizeof *again; i++) {
        int e = again[i];
        ck_assert_uint_eq(calls_for(quick, (script){ .error = { e, e, e, e } }, e), 3);
        script s = { .error = { e } };
        ENDS(start(quick, &s), 0);
        ck_assert_uint_eq(s.calls, 2);
    }
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        ck_assert_uint_eq(calls_for(quick, (script){ .error = { never[i] } }, never[i]), 1);
    /* an explicit kind overrides the code */
    script cancelled = {
        .error = { ETIMEDOUT }, .may_have_run = true, .kind = ERRAND_KIND_CANCELLED
    };
    ck_assert_uint_eq(
        calls_for((errand_policy_opts){ .attempts = 3, .repeat = ERRAND_REPEAT_ALWAYS }, cancelled,
                  ETIMEDOUT),
        1);
    close_pool(pool);
}
END_TEST

START_TEST(an_attempt_that_may_have_run_is_retried_only_if_allowed)
{
    open_pool();
    script s = {
        .error = { ECONNRESET, ECONNRESET }, .may_have_run = true, .kind = ERRAND_KIND_NETWORK
    };
    errand_policy_opts o = quick;
    ck_assert_uint_eq(calls_for(o, s, ECONNRESET), 1);
    o.repeat = ERRAND_REPEAT_NEVER;
    ck_assert_uint_eq(calls_for(o, s, ECONNRESET), 1);
    ck_assert_uint_eq(calls_for(o, (script){ .error = { ECONNRESET } }, ECONNRESET), 1);
    o.repeat = ERRAND_REPEAT_ALWAYS;
    ENDS(start(o, &s), 0);
    ck_assert_uint_eq(s.calls, 3);
    close_pool(pool);
}
END_TEST

START_TEST(without_a_policy_a_run_is_a_plain_task)
{
    open_pool();
    ck_assert_uint_eq(
        calls_for((errand_policy_opts){ 0 }, (script){ .error = { ECONNRESET } }, ECONNRESET), 1);
    script s = { .error = { ECONNRESET } };
    errand_task task = scripted(&s);
    ENDS(errand_run_task(pool, NULL, &task), ECONNRESET);
    ck_assert_uint_eq(s.calls, 1);
    ck_assert_uint_eq(s.freed, 1);
    errand_policy *policy = policy_of(quick);
    ENDS(errand_run(pool, policy, NULL, NULL), EINVAL);
    ENDS(errand_run(NULL, policy, follow_script, &s), EINVAL);
    ENDS(errand_run_task(pool, policy, NULL), EINVAL);
    task.within_ms = -1;
    ENDS(errand_run_task(pool, policy, &task), EINVAL);
    ck_assert_uint_eq(s.calls, 1);
    ck_assert_uint_eq(s.freed, 2);
    errand_policy_free(policy);
    close_pool(pool);
}
END_TEST

/* ---- retry_after ---- */

START_TEST(retry_after_is_a_minimum_of_the_wait)
{
    open_turned();
    script s = { .error = { ERRAND_HTTP + 503, ERRAND_HTTP + 503 },
                 .hint_ms = 5000,
                 .kind = ERRAND_KIND_HTTP_SERVER };
    errand_future *f =
        start((errand_policy_opts){ .attempts = 3, .initial_ms = 10, .max_ms = 10 }, &s);
    for (unsigned n = 1; n <= 2; n++) {
        await_asleep(pool, 1);
        turn(&t, pool, 4999);
        await_asleep(pool, 1);
        ck_assert_uint_eq(count_of(&s.calls), n);
        turn(&t, pool, 2);
        await_count(&s.calls, n + 1);
    }
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, 0);
    errand_attempt a;
    ck_assert_int_eq(errand_result_attempt(&r, 0, &a), 0);
    ck_assert_int_eq(a.then_waited_ms, 5000);
    ck_assert_str_eq(a.why_waited, "retry-after");
    errand_result_free(&r);
    /* a longer backoff counts */
    script t2 = { .error = { ERRAND_HTTP + 503 }, .hint_ms = 5, .kind = ERRAND_KIND_HTTP_SERVER };
    f = start(
        (errand_policy_opts){ .attempts = 2, .initial_ms = 100, .jitter = ERRAND_JITTER_NONE },
        &t2);
    turn_to_the_end(&t, pool, f);
    r = errand_await(f);
    ck_assert_int_eq(errand_result_attempt(&r, 0, &a), 0);
    ck_assert_int_eq(a.then_waited_ms, 100);
    ck_assert_str_eq(a.why_waited, "backoff");
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

static errand_result not_yet(void *arg)
{
    script *s = arg;
    errand_result r = errand_ok(as_value(count_up(&s->calls) < 2), NULL);
    errand_detail *d = er_detail(&r);
    ck_assert_ptr_nonnull(d);
    d->retry_after_ms = s->hint_ms;
    return r;
}
static bool is_pending(const void *value, void *arg) { return (void)arg, as_number(value) == 1; }

START_TEST(retry_after_counts_for_a_polled_success)
{
    open_turned();
    script s = { .hint_ms = 500 };
    errand_policy_opts o = { .attempts = 2,
                             .initial_ms = 10,
                             .jitter = ERRAND_JITTER_NONE,
                             .retry_if = errand_retry_if_value(is_pending, NULL) };
    errand_future *f = start_task(o, (errand_task){ .fn = not_yet, .arg = &s });
    await_asleep(pool, 1);
    turn(&t, pool, 499);
    ck_assert(!ended(f));
    turn(&t, pool, 1);
    ENDS(f, 0);
    ck_assert_uint_eq(s.calls, 2);
    close_pool(pool);
}
END_TEST

START_TEST(a_retry_after_too_long_ends_the_run)
{
    open_turned();
    script s = {
        .error = { ERRAND_HTTP + 503 }, .hint_ms = 300001, .kind = ERRAND_KIND_HTTP_SERVER
    };
    errand_policy_opts o = { .attempts = 3 };
    ck_assert_uint_eq(calls_for(o, s, ERRAND_HTTP + 503), 1); /* 5 minutes */
    o.within_ms = 200000;
    s.hint_ms = 200000;
    ck_assert_uint_eq(calls_for(o, s, ERRAND_HTTP + 503), 1); /* the time left */
    o.retry_after_max_ms = 1000;
    s.hint_ms = 1001;
    ck_assert_uint_eq(calls_for(o, s, ERRAND_HTTP + 503), 1); /* the policy's limit */
    o.retry_after_max_ms = ERRAND_ZERO;
    s.hint_ms = 1;
    ck_assert_uint_eq(calls_for(o, s, ERRAND_HTTP + 503), 1);
    o = (errand_policy_opts){ .attempts = 3, .retry_after_max_ms = ERRAND_FOREVER }; /* none */
    s.hint_ms = 86400000;
    errand_future *f = start(o, &s);
    await_asleep(pool, 1);
    turn(&t, pool, 86400001);
    ENDS(f, 0);
    close_pool(pool);
}
END_TEST

START_TEST(a_429_or_503_with_a_hint_pauses_the_rate_for_all)
{
    open_turned();
    errand_rate *rate =
        errand_rate_new(pool, &(errand_rate_opts){ .per_second = 1000, .burst = 10 });
    script s = { .error = { ERRAND_HTTP + (_i ? 503 : 429) },
                 .hint_ms = 5000,
                 .kind = _i ? ERRAND_KIND_HTTP_SERVER : ERRAND_KIND_RATE_LIMITED };
    errand_future *f = start((errand_policy_opts){ .attempts = 2, .rate = rate }, &s);
    await_asleep(pool, 1);
    errand_future *other = errand_rate_acquire(rate, NULL);
    turn(&t, pool, 4998);
    ck_assert(!ended(other) && !ended(f));
    turn(&t, pool, 1000);
    ENDS(other, 0);
    turn_to_the_end(&t, pool, f);
    ENDS(f, 0);
    /* but the other side cannot pause all callers for longer than this run would wait */
    script forever = {
        .error = { ERRAND_HTTP + 429 }, .hint_ms = INT64_MAX, .kind = ERRAND_KIND_RATE_LIMITED
    };
    ENDS(start((errand_policy_opts){ .attempts = 2, .rate = rate }, &forever), ERRAND_HTTP + 429);
    other = errand_rate_acquire(rate, NULL);
    turn(&t, pool, 301000);
    ck_assert(ended(other));
    ENDS(other, 0);
    errand_rate_free(rate);
    close_pool(pool);
}
END_TEST

static errand_future *run_keyed(errand_policy *policy, script *s, const char *key)
{
    errand_task task = scripted(s);
    task.key = key;
    return errand_run_task(pool, policy, &task);
}

START_TEST(a_total_rate_holds_over_all_keys)
{
    open_turned();
    errand_rate *rate = errand_rate_new(pool, &(errand_rate_opts){ .per_second = 10 }),
                *total = errand_rate_new(pool, &(errand_rate_opts){ .per_second = 20 });
    errand_policy *policy = policy_of((errand_policy_opts){ .rate = rate, .total_rate = total });
    script s = { 0 };
    errand_future *f[] = { run_keyed(policy, &s, "a"), run_keyed(policy, &s, "a"),
                           run_keyed(policy, &s, "b"), run_keyed(policy, &s, "c") };
    /* a at once, b after 50 ms, c after 100, a's second after 100 of its own: then 150 */
    static const unsigned called[] = { 1, 2, 3, 4 };
    for (unsigned i = 0; i < 4; i++) {
        await_asleep(pool, 3 - i);
        ck_assert_uint_eq(count_of(&s.calls), called[i]);
        turn(&t, pool, 51);
    }
    for (int i = 0; i < 4; i++) ENDS(f[i], 0);
    f[0] = run_keyed(policy, &s, "d");
    f[1] = run_keyed(policy, &s, "e");
    await_asleep(pool, 1);
    errand_cancel(f[1]); /* waits for the total rate */
    ENDS(f[1], ECANCELED);
    ENDS(f[0], 0);
    errand_policy_free(policy);
    errand_rate_free(rate);
    errand_rate_free(total);
    close_pool(pool);
}
END_TEST

START_TEST(a_pause_holds_back_what_waits_for_the_total_rate)
{
    open_turned();
    errand_rate *hosts = errand_rate_new(pool, &(errand_rate_opts){ .per_second = ERRAND_NO_PACE }),
                *total = errand_rate_new(pool, &(errand_rate_opts){ .per_second = 10 });
    errand_policy *policy = policy_of((errand_policy_opts){ .rate = hosts, .total_rate = total });
    script a = { 0 }, b = { 0 };
    errand_future *f[] = { run_keyed(policy, &a, "a"), run_keyed(policy, &a, "a"),
                           run_keyed(policy, &b, "b") };
    await_asleep(pool, 2);
    ck_assert_int_eq(errand_rate_pause(hosts, "a", 1000), 0);
    turn(&t, pool, 101); /* the turn of a, which is paused */
    await_asleep(pool, 2);
    turn(&t, pool, 100);
    await_asleep(pool, 1);
    ck_assert_uint_eq(count_of(&a.calls), 1);
    ck_assert_uint_eq(count_of(&b.calls), 1);
    turn_to_the_end(&t, pool, f[1]);
    for (int i = 0; i < 3; i++) ENDS(f[i], 0);
    errand_policy_free(policy);
    errand_rate_free(hosts);
    errand_rate_free(total);
    close_pool(pool);
}
END_TEST

/* ---- the final result ---- */

START_TEST(the_last_error_lists_every_attempt)
{
    open_turned();
    script s = { .error = { ECONNRESET, ETIMEDOUT, EPIPE } };
    errand_future *f = start(
        (errand_policy_opts){ .attempts = 3, .initial_ms = 100, .jitter = ERRAND_JITTER_NONE }, &s);
    await_asleep(pool, 1);
    turn(&t, pool, 101);
    await_count(&s.calls, 2);
    await_asleep(pool, 1);
    turn(&t, pool, 201);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, EPIPE);
    ck_assert_str_eq(errand_result_message(&r), "attempt 3");
    ck_assert_uint_eq(errand_result_attempts(&r), 3);
    const errand_attempt expected[] = { { 1, ECONNRESET, 0, 0, 100, "backoff" },
                                        { 2, ETIMEDOUT, 101, 0, 200, "backoff" },
                                        { 3, EPIPE, 302, 0, -1, "" } };
    for (unsigned i = 0; i < 3; i++) {
        errand_attempt a;
        ck_assert_int_eq(errand_result_attempt(&r, i, &a), 0);
        ck_assert_uint_eq(a.number, expected[i].number);
        ck_assert_int_eq(a.error, expected[i].error);
        ck_assert_int_eq(a.began_ms, expected[i].began_ms);
        ck_assert_int_eq(a.took_ms, expected[i].took_ms);
        ck_assert_int_eq(a.then_waited_ms, expected[i].then_waited_ms);
        ck_assert_str_eq(a.why_waited, expected[i].why_waited);
    }
    errand_attempt none;
    ck_assert_int_eq(errand_result_attempt(&r, 3, &none), ENOENT);
    ck_assert_int_eq(errand_result_elapsed_ms(&r), 302);
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

static errand_result always_refused(void *arg)
{
    count_up(arg);
    return errand_failf(ECONNREFUSED, "no listener");
}

START_TEST(a_long_history_keeps_its_first_and_last_attempts)
{
    open_pool();
    unsigned calls = 0;
    errand_policy *policy =
        policy_of((errand_policy_opts){ .attempts = 100, .initial_ms = ERRAND_ZERO });
    errand_result r = errand_await(errand_run(pool, policy, always_refused, &calls));
    ck_assert_uint_eq(calls, 100);
    ck_assert_uint_eq(errand_result_attempts(&r), 100);
    errand_attempt a;
    for (unsigned i = 0; i < 32; i++) {
        ck_assert_int_eq(errand_result_attempt(&r, i, &a), 0);
        ck_assert_uint_eq(a.number, i < 8 ? i + 1 : i + 69);
        ck_assert_int_eq(a.error, ECONNREFUSED);
        ck_assert_int_eq(a.then_waited_ms, i < 31 ? 0 : -1);
    }
    ck_assert_int_eq(errand_result_attempt(&r, 32, &a), ENOENT);
    errand_result_free(&r);
    errand_policy_free(policy);
    close_pool(pool);
}
END_TEST

START_TEST(a_late_success_lists_failed_attempts)
{
    open_pool();
    script s = { .error = { ECONNRESET, EPIPE } };
    errand_result r = errand_await(start(quick, &s));
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 3);
    ck_assert_uint_eq(errand_result_attempts(&r), 3);
    errand_attempt a;
    const int errors[] = { ECONNRESET, EPIPE, 0 };
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_int_eq(errand_result_attempt(&r, i, &a), 0);
        ck_assert_int_eq(a.error, errors[i]);
    }
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

typedef struct nested {
    errand_policy *inner;
    script s;
} nested;

static errand_result run_inside(void *arg)
{
    nested *n = arg;
    return errand_later(errand_run(pool, n->inner, follow_script, &n->s));
}

START_TEST(an_outer_run_lists_its_own_attempts)
{
    open_pool();
    nested n = { .inner = policy_of(quick) };
    for (int i = 0; i < 6; i++) n.s.error[i] = ECONNRESET;
    errand_policy *outer =
        policy_of((errand_policy_opts){ .attempts = 2, .initial_ms = ERRAND_ZERO });
    errand_result r = errand_await(errand_run(pool, outer, run_inside, &n));
    ck_assert_int_eq(r.error, ECONNRESET);
    ck_assert_uint_eq(errand_result_attempts(&r), 2);
    errand_result_free(&r);
    errand_policy_free(outer);
    errand_policy_free(n.inner);
    close_pool(pool);
}
END_TEST

START_TEST(a_limits_refusal_is_a_cause_of_the_last_error)
{
    open_turned();
    errand_rate *rate = errand_rate_new(pool, &(errand_rate_opts){ .per_second = 0.001 });
    script s = { .error = { ECONNRESET } };
    errand_future *f = start(
        (errand_policy_opts){ .attempts = 2, .initial_ms = 1, .within_ms = 60000, .rate = rate },
        &s);
    turn_to_the_end(&t, pool, f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECONNRESET);
    ck_assert_ptr_nonnull(errand_result_cause(&r, 0));
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, ERRAND_ELATE);
    ck_assert_uint_eq(errand_result_attempts(&r), 1);
    errand_result_free(&r);
    /* before any attempt it is the result */
    script unborn = { 0 };
    r = errand_await(start((errand_policy_opts){ .attempts = 2, .within_ms = 60000, .rate = rate },
                           &unborn));
    ck_assert_int_eq(r.error, ERRAND_ELATE);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_REJECTED);
    ck_assert_uint_eq(unborn.calls, 0);
    ck_assert_uint_eq(unborn.freed, 1);
    errand_result_free(&r);
    errand_rate_free(rate);
    close_pool(pool);
}
END_TEST

/* ---- the log ---- */

START_TEST(a_named_run_logs_its_progress_and_never_its_arguments)
{
    test_clock_start(&t);
    logged heard;
    logged_open(&heard);
    pool =
        errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock, .log = heard.log });
    struct {
        script s;
        char secret[32];
    } arg = { { .error = { ECONNRESET, EPIPE } }, "hunter2" };
    errand_policy_opts o = {
        .attempts = 3, .initial_ms = 100, .jitter = ERRAND_JITTER_NONE, .name = "fetch"
    };
    errand_future *f = start(o, &arg.s);
    turn_to_the_end(&t, pool, f);
    ENDS(f, 0);
    const char *text = logged_text(&heard);
    const char *in_order[] = {
        "INFO - ", "[fetch-start]",
        "WARN - ", "[fetch-retry] attempt 1 failed: attempt 1; again in 0.100 s",
        "WARN - ", "[fetch-retry] attempt 2 failed: attempt 2; again in 0.200 s",
        "INFO - ", "[fetch-success]"
    };
    const char *at = text;
    for (size_t i = 0; i < sizeof in_order / sizeof *in_order; i++) {
        at = strstr(at, in_order[i]);
        ck_assert_msg(at != NULL, "missing or out of order: %s in\n%s", in_order[i], text);
    }
    ck_assert_ptr_null(strstr(text, "hunter2"));

    script bad = { .error = { EACCES } };
    o.name = "send";
    ENDS(start(o, &bad), EACCES);
    stuck s = { .h.result = errand_fail(ECONNRESET) };
    o.name = "wait";
    o.within_ms = 100;
    f = start_task(o, sticking(&s));
    await_event(&s.h.began);
    turn(&t, pool, 101);
    ENDS(f, ETIMEDOUT);
    happen(&s.h.go);
    script hinted = {
        .error = { ERRAND_HTTP + 503 }, .hint_ms = 600000, .kind = ERRAND_KIND_HTTP_SERVER
    };
    o.name = "hint";
    ENDS(start(o, &hinted), ERRAND_HTTP + 503);
    script silent = { .error = { ECONNRESET } };
    o.name = NULL;
    o.within_ms = 0;
    o.jitter = ERRAND_JITTER_NONE;
    f = start(o, &silent);
    await_asleep(pool, 1);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    text = logged_text(&heard);
    const char *there[] = { "ERROR - ", "[send-error] after 0.000 s, 1 attempt(s): attempt 1",
                            "[wait-timeout] after 0.101 s",
                            "[hint-give-up] the other side asks for a longer wait",
                            "[hint-error] after 0.000 s, 1 attempt(s): attempt 1" };
    for (size_t i = 0; i < sizeof there / sizeof *there; i++)
        ck_assert_msg(strstr(text, there[i]) != NULL, "missing: %s in\n%s", there[i], text);
    ck_assert_ptr_null(strstr(text, "[(null)"));
    ck_assert_ptr_null(strstr(text, "cancelled by"));
    await_count(&s.freed, 1);
    close_pool(pool);
    logged_close(&heard);
}
END_TEST

START_TEST(a_policys_log_receives_errors_with_causes)
{
    open_turned();
    logged heard;
    logged_open(&heard);
    script s = { .error = { ECONNRESET } };
    errand_future *f =
        start((errand_policy_opts){ .attempts = 3,
                                    .initial_ms = 10000,
                                    .jitter = ERRAND_JITTER_EQUAL,
                                    .name = "own",
                                    .log = heard.log },
              &s);
    await_asleep(pool, 1);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    const char *text = logged_text(&heard);
    ck_assert_msg(
        strstr(
            text,
            "[own-error] after 0.000 s, 1 attempt(s): cancelled by its caller; because: attempt 1"),
        "%s", text);
    close_pool(pool);
    logged_close(&heard);
}
END_TEST

static errand_result time_out(void *arg)
{
    (void)arg;
    return errand_fail(ETIMEDOUT);
}

static int wait_here(void *go, const errand_log_line *line)
{
    (void)line;
    while (!happened(go)) sched_yield();
    return 0;
}

START_TEST(a_stuck_log_sink_delays_neither_runs_nor_close)
{
    event go = { 0 };
    errand_log_stats stats = { 0 };
    errand_future *runs[10];
    errand_log *log =
        errand_log_new(&(errand_log_opts){ .ring = 4096, .block_from = ERRAND_LOG_TRACE });
    ck_assert_int_eq(errand_log_add_callback(log, wait_here, &go, NULL, NULL), 0);
    errand_pool *one = errand_pool_new(&(errand_pool_opts){ .log = log });
    errand_policy *policy = errand_policy_new(
        &(errand_policy_opts){ .name = "op",
                               .attempts = 1000000,
                               .initial_ms = 1,
                               .max_ms = 1,
                               .within_ms = 100 * LONG_MS },
        NULL);
    for (int i = 0; i < 10; i++) runs[i] = errand_run(one, policy, time_out, NULL);
    while (stats.dropped < 100) { /* the rings are full, and runs continue */
        sched_yield();
        ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    }
    for (int i = 0; i < 10; i++) errand_cancel(runs[i]);
    for (int i = 0; i < 10; i++) ENDS(runs[i], ECANCELED);
    errand_policy_free(policy);
    close_pool(one);
    happen(&go);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

Suite *retry_suite(void)
{
    Suite *suite = suite_create("retry");
    TCase *tc = case_of(suite, "retries");
    tcase_add_test(tc, only_transient_failures_are_retried);
    tcase_add_test(tc, an_attempt_that_may_have_run_is_retried_only_if_allowed);
    tcase_add_test(tc, without_a_policy_a_run_is_a_plain_task);
    tcase_add_test(tc, retry_after_is_a_minimum_of_the_wait);
    tcase_add_test(tc, retry_after_counts_for_a_polled_success);
    tcase_add_test(tc, a_retry_after_too_long_ends_the_run);
    tcase_add_loop_test(tc, a_429_or_503_with_a_hint_pauses_the_rate_for_all, 0, 2);
    tcase_add_test(tc, a_total_rate_holds_over_all_keys);
    tcase_add_test(tc, a_pause_holds_back_what_waits_for_the_total_rate);
    tc = case_of(suite, "results");
    tcase_add_test(tc, a_late_failure_has_its_times_and_counts);
    tcase_add_test(tc, the_last_error_lists_every_attempt);
    tcase_add_test(tc, a_long_history_keeps_its_first_and_last_attempts);
    tcase_add_test(tc, a_late_success_lists_failed_attempts);
    tcase_add_test(tc, an_outer_run_lists_its_own_attempts);
    tcase_add_test(tc, a_limits_refusal_is_a_cause_of_the_last_error);
    tc = case_of(suite, "log");
    tcase_add_test(tc, a_named_run_logs_its_progress_and_never_its_arguments);
    tcase_add_test(tc, a_policys_log_receives_errors_with_causes);
    tcase_add_test(tc, a_stuck_log_sink_delays_neither_runs_nor_close);
    return suite;
}
