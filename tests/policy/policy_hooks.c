/* Policies: hooks, polling, fallback, nesting, budget and breaker, counters. */
#include "runs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static test_clock t;
static errand_pool *pool;

static void open_turned(void) { pool = test_clock_pool(&t); }
static errand_future *start(errand_policy_opts opts, script *s)
{
    return start_run(pool, opts, scripted(s));
}
static errand_policy_stats stats_of(const errand_policy *policy)
{
    errand_policy_stats s;
    ck_assert_int_eq(errand_policy_stats_get(policy, &s), 0);
    return s;
}

/* ---- hooks ---- */

typedef struct diary {
    char text[400];
    script s;
} diary;

static void write_down(diary *d, const char *what, const errand_attempt_info *view)
{
    size_t at = strlen(d->text);
    snprintf(d->text + at, sizeof d->text - at, "%s%u/%d/%d ", what, view->number,
             (int)view->upcoming_ms, view->last ? view->last->error : 0);
}
static void on_before(const errand_attempt_info *view, void *arg)
{
    ck_assert(!view->last == (view->number == 1));
    write_down(arg, "before", view);
}
static void on_after(const errand_attempt_info *view, void *arg) { write_down(arg, "after", view); }
static void on_sleep(const errand_attempt_info *view, void *arg) { write_down(arg, "sleep", view); }
static void on_success(const errand_attempt_info *view, void *arg)
{
    write_down(arg, "success", view);
}
static void on_gave_up(const errand_attempt_info *view, void *arg)
{
    write_down(arg, "gave-up", view);
}
static bool on_when(const errand_attempt_info *view, void *arg)
{
    write_down(arg, "when", view);
    return view->last->error == EIO;
}
static int64_t on_wait(const errand_attempt_info *view, void *arg)
{
    write_down(arg, "wait", view);
    return 10 * view->number;
}
static bool on_stop(const errand_attempt_info *view, void *arg)
{
    write_down(arg, "stop", view);
    return view->number >= 3;
}
static errand_result call_it(void *arg)
{
    diary *d = arg;
    size_t at = strlen(d->text);
    snprintf(d->text + at, sizeof d->text - at, "call ");
    return follow_script(&d->s);
}

static errand_result call_script(void *arg) { return follow_script(&((diary *)arg)->s); }

static errand_policy_opts noting(diary *d)
{
    return (errand_policy_opts){
        .backoff = errand_backoff_custom(on_wait, d),
        .stop = errand_stop_custom(on_stop, d),
        .retry_if = errand_retry_if_custom(on_when, d),
        .before_attempt = on_before,
        .after_attempt = on_after,
        .before_sleep = on_sleep,
        .on_success = on_success,
        .on_give_up = on_gave_up,
        .hook_arg = d
    };
}

START_TEST(hooks_and_limits_run_in_the_documented_order)
{
    open_turned();
    diary d = { .s.error = { EIO, EIO, EIO } };
    errand_future *f = start_run(pool, noting(&d), (errand_task){ .fn = call_it, .arg = &d });
    turn_to_the_end(&t, pool, f);
    ENDS(f, EIO);
    ck_assert_str_eq(
        d.text, "before1/-1/0 call when1/-1/5 after1/-1/5 wait1/-1/5 stop1/10/5 sleep1/10/5 "
                "before2/-1/5 call when2/-1/5 after2/-1/5 wait2/-1/5 stop2/20/5 sleep2/20/5 "
                "before3/-1/5 call when3/-1/5 after3/-1/5 wait3/-1/5 stop3/30/5 gave-up3/-1/5 ");
    diary e = { .s.error = { EIO, EBUSY } };
    f = start_run(pool, noting(&e), (errand_task){ .fn = call_it, .arg = &e });
    turn_to_the_end(&t, pool, f);
    ENDS(f, EBUSY);
    ck_assert_str_eq(e.text,
                     "before1/-1/0 call when1/-1/5 after1/-1/5 wait1/-1/5 stop1/10/5 sleep1/10/5 "
                     "before2/-1/5 call when2/-1/16 gave-up2/-1/16 ");
    diary w = { .s.error = { 0 } };
    f = start_run(pool, noting(&w), (errand_task){ .fn = call_it, .arg = &w });
    ENDS(f, 0);
    ck_assert_str_eq(w.text, "before1/-1/0 call when1/-1/0 success1/-1/0 ");
    close_pool(pool);
}
END_TEST

static errand_result good_enough(errand_result failure, void *arg)
{
    diary *d = arg;
    size_t at = strlen(d->text);
    snprintf(d->text + at, sizeof d->text - at, "fallback ");
    errand_result_free(&failure);
    return errand_ok(NULL, NULL);
}

START_TEST(on_success_is_called_once_and_not_for_a_fallback)
{
    for (int in_loop = 0; in_loop < 2; in_loop++) {
        for (int fails = 0; fails < 2; fails++) {
            diary d = { .s.error = { EAGAIN, fails ? EAGAIN : 0 } };
            errand_policy *policy = policy_of((errand_policy_opts){
                .attempts = 2,
                .initial_ms = ERRAND_ZERO,
                .fallback = good_enough,
                .on_success = on_success,
                .on_give_up = on_gave_up,
                .hook_arg = &d });
            errand_result r = { 0 };
            if (in_loop) {
                errand_loop loop = { { 0 } };
                while (errand_loop_next(&loop, policy, &r)) r = follow_script(&d.s);
            } else {
                open_turned();
                r = errand_await(errand_run(pool, policy, call_script, &d));
                close_pool(pool);
            }
            ck_assert_int_eq(r.error, 0);
            ck_assert_int_eq(errand_result_degraded(&r), fails);
            ck_assert_uint_eq(stats_of(policy).degraded, (unsigned)fails);
            ck_assert_str_eq(d.text, fails ? "gave-up2/-1/11 fallback " : "success2/-1/0 ");
            errand_result_free(&r);
            errand_policy_free(policy);
        }
    }
}
END_TEST

/* The run ends at its deadline while a hook reads the previous result: it is kept until the hook
 * has returned. */
typedef struct looking {
    event began, go;
    bool alike;
} looking;
static void look_at_last(const errand_attempt_info *view, void *arg)
{
    looking *l = arg;
    if (!view->last) return;
    happen(&l->began);
    await_event(&l->go);
    l->alike = view->last->error == EAGAIN &&
               !strcmp(errand_result_message(view->last), "attempt 1");
}

START_TEST(a_result_lasts_while_a_hook_reads_it)
{
    open_turned();
    looking l = { .alike = false };
    script s = { .error = { EAGAIN } };
    errand_policy_opts o = { .attempts = 3,
                             .initial_ms = 10,
                             .jitter = ERRAND_JITTER_NONE,
                             .within_ms = 500,
                             .before_attempt = look_at_last,
                             .hook_arg = &l };
    errand_future *f = start_run(pool, o, scripted(&s));
    await_asleep(pool, 1);
    turn(&t, pool, 11);
    await_event(&l.began);
    turn(&t, pool, 1000);
    errand_cancel(f);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    happen(&l.go);
    errand_result r = errand_await(f);
    ck_assert(l.alike);
    ck_assert_int_ne(r.error, 0);
    errand_result_free(&r);
    await_count(&s.freed, 1);
    close_pool(pool);
}
END_TEST

typedef struct seen {
    errand_attempt_info view;
    bool on_a_worker;
} seen;
static void look(const errand_attempt_info *view, void *arg)
{
    seen *s = arg;
    s->view = *view;
    s->on_a_worker = errand_time_left() == ERRAND_FOREVER && errand_cancelled() == 0;
}

START_TEST(hooks_see_times_name_key_and_arg)
{
    open_turned();
    seen saw = { 0 };
    script s = { .error = { ECONNRESET, ECONNRESET } };
    errand_task task = scripted(&s);
    task.name = "fetch";
    task.key = "host";
    errand_future *f = start_run(
        pool,
        (errand_policy_opts){ .attempts = 2,
                              .initial_ms = 40,
                              .jitter = ERRAND_JITTER_NONE,
                              .on_give_up = look,
                              .hook_arg = &saw },
        task);
    await_asleep(pool, 1);
    turn(&t, pool, 50);
    ENDS(f, ECONNRESET);
    ck_assert_uint_eq(saw.view.number, 2);
    ck_assert_int_eq(saw.view.elapsed_ms, 50);
    ck_assert_int_eq(saw.view.idle_ms, 40);
    ck_assert_str_eq(saw.view.name, "fetch");
    ck_assert_ptr_eq(saw.view.arg, &s);
    ck_assert(saw.on_a_worker);
    close_pool(pool);
}
END_TEST

/* ---- polling ---- */

static bool is_pending(const void *value, void *arg)
{
    (void)arg;
    return as_number(value) < 4;
}

START_TEST(a_polled_success_may_set_its_own_wait)
{
    open_turned();
    script s = { .error = { 0, ECONNRESET } }; /* its values are call numbers */
    errand_policy_opts o = {
        .attempts = 9,
        .retry_if = errand_retry_if_any(errand_retry_if_transient(),
                                        errand_retry_if_value(is_pending, NULL)),
        .backoff = errand_backoff_poll(errand_backoff_fixed(1000), errand_backoff_fixed(10))
    };
    errand_future *f = start(o, &s);
    turn_to_the_end(&t, pool, f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 4);
    const int64_t waited[] = { 1000, 10, 1000, -1 };
    const char *why[] = { "poll", "backoff", "poll", "" };
    for (size_t i = 0; i < 4; i++) {
        errand_attempt a;
        ck_assert_int_eq(errand_result_attempt(&r, i, &a), 0);
        ck_assert_int_eq(a.then_waited_ms, waited[i]);
        ck_assert_str_eq(a.why_waited, why[i]);
    }
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

static void count_value(void *n) { count_up(n); }
static errand_result still_pending(void *n) { return errand_ok(n, count_value); }
static bool always(const void *value, void *arg)
{
    (void)value, (void)arg;
    return true;
}

START_TEST(a_poll_that_runs_out_of_attempts_is_a_failure)
{
    open_turned();
    unsigned freed = 0;
    errand_future *f =
        start_run(pool,
                  (errand_policy_opts){ .attempts = 3,
                                        .backoff = errand_backoff_fixed(5),
                                        .retry_if = errand_retry_if_value(always, NULL) },
                  (errand_task){ .fn = still_pending, .arg = &freed });
    turn_to_the_end(&t, pool, f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_str_eq(errand_result_message(&r), "still not done after 3 attempt(s)");
    ck_assert_ptr_eq(r.value, &freed);
    ck_assert_uint_eq(freed, 2); /* of earlier polls */
    errand_result_free(&r);
    ck_assert_uint_eq(freed, 3);
    close_pool(pool);
}
END_TEST

/* ---- fallback ---- */

static errand_result stand_in(errand_result failure, void *arg)
{
    count_up(arg);
    errand_result_free(&failure);
    return errand_ok(as_value(42), NULL);
}
static errand_result stand_in_later(errand_result failure, void *arg)
{
    count_up(arg);
    errand_result_free(&failure);
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_promise_resolve(p, errand_ok(as_value(43), NULL));
    return errand_later(f);
}
static errand_result pass_on(errand_result failure, void *arg)
{
    count_up(arg);
    return failure;
}

START_TEST(a_fallbacks_value_is_marked_degraded)
{
    open_turned();
    unsigned called = 0;
    script s = { .error = { EACCES } };
    errand_policy_opts o = { .attempts = 2, .fallback = stand_in, .hook_arg = &called };
    errand_policy *policy = policy_of(o);
    errand_task task = scripted(&s);
    errand_result r = errand_await(errand_run_task(pool, policy, &task));
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 42);
    ck_assert(errand_result_degraded(&r));
    ck_assert_uint_eq(errand_result_attempts(&r), 1); /* the failed attempt is still listed */
    errand_result_free(&r);
    ck_assert_uint_eq(stats_of(policy).degraded, 1);
    ck_assert_uint_eq(stats_of(policy).succeeded, 1);
    script well = { .error = { 0 } };
    task = scripted(&well);
    r = errand_await(errand_run_task(pool, policy, &task));
    ck_assert(r.error == 0 && !errand_result_degraded(&r));
    errand_result_free(&r);
    ck_assert_uint_eq(called, 1);
    errand_policy_free(policy);
    script again = { .error = { EACCES } };
    o.fallback = stand_in_later;
    r = errand_await(start(o, &again));
    ck_assert(r.error == 0 && as_number(r.value) == 43 && errand_result_degraded(&r));
    errand_result_free(&r);
    script third = { .error = { EACCES } };
    o.fallback = pass_on;
    r = errand_await(start(o, &third));
    ck_assert(r.error == EACCES && !errand_result_degraded(&r));
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

START_TEST(a_fallback_is_called_at_the_deadline_but_not_after_a_cancel)
{
    test_clock_start(&t);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 2, .clock = &t.clock });
    unsigned called = 0;
    errand_policy_opts o = { .attempts = 2,
                             .within_ms = 100,
                             .fallback = stand_in,
                             .on_give_up = NULL,
                             .hook_arg = &called };
    stuck s = { .h.result = errand_fail(ECONNRESET) };
    errand_future *f = start_run(pool, o, sticking(&s));
    await_event(&s.h.began);
    turn(&t, pool, 101);
    errand_result r = errand_await(f);
    ck_assert(r.error == 0 && errand_result_degraded(&r));
    errand_result_free(&r);
    ck_assert_uint_eq(count_of(&s.freed), 0);
    happen(&s.h.go);
    await_count(&s.freed, 1);
    obedient ob = { .pool = pool };
    f = start_run(pool, o, obeying(&ob));
    await_event(&ob.began);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    ck_assert_uint_eq(called, 1);
    close_pool(pool);
}
END_TEST

/* ---- why there is no further attempt ---- */

START_TEST(the_result_says_why_a_run_gave_up)
{
    open_turned();
    script s = {
        .error = { ERRAND_HTTP + 503 }, .hint_ms = 301000, .kind = ERRAND_KIND_HTTP_SERVER
    };
    errand_result r = errand_await(start((errand_policy_opts){ .attempts = 3 }, &s));
    ck_assert_int_eq(r.error, ERRAND_HTTP + 503);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, ERRAND_ELATE);
    ck_assert_str_eq(errand_result_message(errand_result_cause(&r, 0)),
                     "the other side asks for a longer wait than is allowed");
    errand_attempt a;
    ck_assert_int_eq(errand_result_attempt(&r, 0, &a), 0);
    ck_assert_str_eq(a.why_waited, "the other side asks for a longer wait than is allowed");
    errand_result_free(&r);
    script late = { .error = { ECONNRESET } };
    r = errand_await(start(
        (errand_policy_opts){ .attempts = 3, .within_ms = 50, .backoff = errand_backoff_fixed(50) },
        &late));
    ck_assert_int_eq(r.error, ECONNRESET);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, ERRAND_ELATE);
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

START_TEST(an_empty_budget_stops_retries_but_no_first_attempt)
{
    open_turned();
    errand_budget *budget = errand_budget_new(pool, &(errand_budget_opts){ .tokens = 30 });
    errand_policy *policy = policy_of((errand_policy_opts){
        .attempts = 5, .initial_ms = ERRAND_ZERO, .budget = budget });
    script s = { .error = { ECONNRESET, ECONNRESET, ECONNRESET, ECONNRESET, ECONNRESET } };
    errand_task task = scripted(&s);
    errand_result r = errand_await(errand_run_task(pool, policy, &task));
    ck_assert_int_eq(r.error, ECONNRESET); /* the last error; its cause says why it gave up */
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, ERRAND_EBUDGET);
    ck_assert_uint_eq(s.calls, 3); /* 14 + 14 of 30 */
    errand_result_free(&r);
    script next = { .error = { ECONNRESET } };
    task = scripted(&next);
    ENDS(errand_run_task(pool, policy, &task), ECONNRESET);
    ck_assert_uint_eq(next.calls, 1);
    ck_assert_uint_eq(stats_of(policy).refused, 2);
    script polled = { .error = { 0 } };
    errand_policy *polls = policy_of((errand_policy_opts){
        .attempts = 9,
        .backoff = errand_backoff_none(),
        .retry_if = errand_retry_if_value(is_pending, NULL),
        .budget = budget });
    task = scripted(&polled);
    ENDS(errand_run_task(pool, polls, &task), 0); /* polls cost no tokens */
    ck_assert_uint_eq(polled.calls, 4);
    errand_policy_free(polls);
    errand_policy_free(policy);
    errand_budget_free(budget);
    close_pool(pool);
}
END_TEST

START_TEST(an_open_breakers_refusal_is_a_cause_of_the_last_error)
{
    open_turned();
    errand_breaker *breaker = errand_breaker_new(pool, &(errand_breaker_opts){ .min_calls = 2 });
    errand_policy *policy = policy_of((errand_policy_opts){
        .attempts = 9, .initial_ms = ERRAND_ZERO, .breaker = breaker });
    script s = { .error = { ECONNRESET, ECONNRESET, ECONNRESET } };
    errand_task task = scripted(&s);
    errand_result r = errand_await(errand_run_task(pool, policy, &task));
    ck_assert_int_eq(r.error, ECONNRESET);
    ck_assert_uint_eq(s.calls, 2);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, ERRAND_EOPEN);
    errand_result_free(&r);
    script next = { .error = { 0 } };
    task = scripted(&next);
    ENDS(errand_run_task(pool, policy, &task), ERRAND_EOPEN);
    ck_assert_uint_eq(next.calls, 0);
    ck_assert_uint_eq(next.freed, 1);
    task = scripted(&next);
    task.key = "another";
    ENDS(errand_run_task(pool, policy, &task), 0); /* that key is closed */
    errand_breaker_stats b;
    ck_assert_int_eq(errand_breaker_stats_get(breaker, NULL, &b), 0);
    ck_assert_uint_eq(b.under_way, 0);
    errand_policy_free(policy);
    errand_breaker_free(breaker);
    close_pool(pool);
}
END_TEST

/* ---- nesting ---- */

typedef struct inside {
    errand_policy *inner;
    script s;
    bool by_task;
} inside;

static errand_result run_inner(void *arg)
{
    inside *i = arg;
    return errand_await(errand_run(pool, i->inner, follow_script, &i->s));
}
static errand_result run_inside(void *arg)
{
    inside *i = arg;
    if (i->by_task) return errand_later(errand_submit(pool, run_inner, i));
    return errand_later(errand_run(pool, i->inner, follow_script, &i->s));
}

static unsigned nested_calls(unsigned outer, unsigned inner, unsigned nested, bool by_task)
{
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    inside i = { .inner = policy_of((errand_policy_opts){
                     .attempts = inner, .nested = nested, .initial_ms = ERRAND_ZERO }),
                 .by_task = by_task };
    for (int k = 0; k < 40; k++) i.s.error[k] = ECONNRESET;
    errand_policy *policy =
        policy_of((errand_policy_opts){ .attempts = outer, .initial_ms = ERRAND_ZERO });
    ENDS(errand_run(pool, policy, run_inside, &i), ECONNRESET);
    errand_policy_free(policy);
    errand_policy_free(i.inner);
    close_pool(pool);
    return i.s.calls;
}

START_TEST(nested_runs_do_not_multiply)
{
    ck_assert_uint_eq(nested_calls(3, 5, 0, false), 3);
    /* also in a task submitted by the attempt */
    ck_assert_uint_eq(nested_calls(3, 5, 0, true), 3);
    ck_assert_uint_eq(nested_calls(3, 5, 2, false), 6); /* unless allowed */
    ck_assert_uint_eq(nested_calls(1, 5, 0, false), 5); /* a single attempt is no retry */
}
END_TEST

/* ---- counters ---- */

START_TEST(a_policy_counts_the_outcomes_of_its_runs)
{
    open_turned();
    /* the second adds nothing to a task */
    errand_policy *policies[] = {
        policy_of((errand_policy_opts){ .attempts = 3, .backoff = errand_backoff_fixed(100) }),
        policy_of((errand_policy_opts){ 0 })
    };
    for (int i = 0; i < 2; i++) {
        script well = { .error = { 0 } }, bad = { .error = { EINVAL } };
        errand_task task = scripted(&well);
        ENDS(errand_run_task(pool, policies[i], &task), 0);
        task = scripted(&bad);
        errand_result r = errand_await(errand_run_task(pool, policies[i], &task));
        ck_assert_int_eq(r.error, EINVAL);
        ck_assert_uint_eq(errand_result_attempts(&r), 1);
        errand_result_free(&r);
        errand_policy_stats s = stats_of(policies[i]);
        ck_assert_uint_eq(s.runs, 2);
        ck_assert_uint_eq(s.succeeded, 1);
        ck_assert_uint_eq(s.failed, 1);
        ck_assert_uint_eq(s.attempts, 2);
        ck_assert_uint_eq(s.cancelled + s.retries + s.asleep, 0);
    }
    script slow = { .error = { ECONNRESET } };
    errand_task task = scripted(&slow);
    errand_future *f = errand_run_task(pool, policies[0], &task);
    await_asleep(pool, 1);
    ck_assert_uint_eq(stats_of(policies[0]).asleep, 1);
    ck_assert_uint_eq(stats_of(policies[0]).retries, 1);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    ck_assert_uint_eq(stats_of(policies[0]).asleep, 0);
    ck_assert_uint_eq(stats_of(policies[0]).cancelled, 1);
    ck_assert_int_eq(errand_policy_stats_get(NULL, &(errand_policy_stats){ 0 }), EINVAL);
    errand_policy_free(policies[0]);
    errand_policy_free(policies[1]);
    close_pool(pool);
}
END_TEST

static errand_result cancels_itself(void *arg) { return (void)arg, errand_fail(ECANCELED); }

START_TEST(an_unrequested_ECANCELED_counts_as_failed)
{
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_policy *policy = policy_of((errand_policy_opts){ .attempts = 1 });
    ENDS(errand_run(pool, policy, cancels_itself, NULL), ECANCELED);
    ck_assert_uint_eq(stats_of(policy).failed, 1);
    ck_assert_uint_eq(stats_of(policy).cancelled, 0);
    errand_policy_free(policy);
    close_pool(pool);
}
END_TEST

START_TEST(a_policy_lasts_as_long_as_its_last_run)
{
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    for (unsigned round = 0; round < scaled(200); round++) {
        errand_policy *policy =
            policy_of((errand_policy_opts){ .attempts = round % 2 + 1, .initial_ms = ERRAND_ZERO });
        script s[8];
        errand_future *f[8];
        for (int i = 0; i < 8; i++) {
            s[i] = (script){ .error = { i % 2 ? ECONNRESET : 0 } };
            errand_task task = scripted(&s[i]);
            f[i] = errand_run_task(pool, policy, &task);
        }
        errand_policy_free(policy);
        for (int i = 0; i < 8; i++) {
            errand_result r = errand_await(f[i]);
            errand_result_free(&r);
        }
    }
    close_pool(pool);
}
END_TEST

Suite *policy_hooks_suite(void)
{
    Suite *suite = suite_create("policy hooks");
    TCase *tc = case_of(suite, "hooks");
    tcase_add_test(tc, hooks_and_limits_run_in_the_documented_order);
    tcase_add_test(tc, on_success_is_called_once_and_not_for_a_fallback);
    tcase_add_test(tc, a_result_lasts_while_a_hook_reads_it);
    tcase_add_test(tc, hooks_see_times_name_key_and_arg);
    tc = case_of(suite, "polling");
    tcase_add_test(tc, a_polled_success_may_set_its_own_wait);
    tcase_add_test(tc, a_poll_that_runs_out_of_attempts_is_a_failure);
    tc = case_of(suite, "fallback");
    tcase_add_test(tc, a_fallbacks_value_is_marked_degraded);
    tcase_add_test(tc, a_fallback_is_called_at_the_deadline_but_not_after_a_cancel);
    tc = case_of(suite, "refused");
    tcase_add_test(tc, the_result_says_why_a_run_gave_up);
    tcase_add_test(tc, an_empty_budget_stops_retries_but_no_first_attempt);
    tcase_add_test(tc, an_open_breakers_refusal_is_a_cause_of_the_last_error);
    tc = case_of(suite, "nested");
    tcase_add_test(tc, nested_runs_do_not_multiply);
    tc = case_of(suite, "counters");
    tcase_add_test(tc, a_policy_counts_the_outcomes_of_its_runs);
    tcase_add_test(tc, an_unrequested_ECANCELED_counts_as_failed);
    tcase_add_test(tc, a_policy_lasts_as_long_as_its_last_run);
    return suite;
}
