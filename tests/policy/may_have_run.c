/* Work left behind may have run: no deadline causes work to be done twice. */
#include "runs.h"

#include "base/result.h"
#include "fixture/memory.h"
#include "async/cell.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static test_clock t;
static errand_pool *pool;

static void open_turned(void) { pool = test_clock_pool(&t); }

/* External work behind a promise: its hook counts cancels and does not stop the work. */
typedef struct foreign {
    errand_promise *promise[4];
    unsigned calls, cancels;
    int64_t timeout_ms; /* of an errand_timeout() around the work; 0: none */
    bool awaits;        /* awaits the work instead of returning errand_later() */
} foreign;
static void count_cancel(void *cancels) { count_up(cancels); }
static errand_result send_away(void *arg)
{
    foreign *w = arg;
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_promise_on_cancel(p, count_cancel, &w->cancels);
    w->promise[w->calls % 4] = p;
    if (w->timeout_ms) f = errand_timeout(f, w->timeout_ms);
    count_up(&w->calls);
    return w->awaits ? errand_await(f) : errand_later(f);
}
static void give_up_work(foreign *w)
{
    for (unsigned i = 0; i < w->calls; i++) errand_promise_abandon(w->promise[i]);
}

/* Runs it until it ends with ETIMEDOUT; returns the number of calls. */
static unsigned calls_for(errand_policy_opts opts, foreign *w, bool may_have_run)
{
    open_turned();
    errand_future *f = start_run(pool, opts, (errand_task){ .fn = send_away, .arg = w });
    await_count(&w->calls, 1);
    for (int i = 0; i < 10 * LONG_MS && errand_wait(f, 0); i++) {
        turn(&t, pool, 300);
        nanosleep(&(struct timespec){ 0, 100000 }, NULL);
    }
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_may_have_run(&r), may_have_run);
    errand_result_free(&r);
    give_up_work(w);
    close_pool(pool);
    return w->calls;
}

static const errand_policy_opts thrice = { .attempts = 3, .initial_ms = ERRAND_ZERO };

START_TEST(work_left_behind_by_an_inner_timeout_is_not_retried)
{
    for (int awaits = 0; awaits < 2; awaits++) {
        foreign w = { .timeout_ms = 300, .awaits = awaits };
        ck_assert_uint_eq(calls_for(thrice, &w, true), 1);
        ck_assert_uint_ge(w.cancels, 1);
    }
    foreign harmless = { .timeout_ms = 300 };
    errand_policy_opts o = thrice;
    o.repeat = ERRAND_REPEAT_ALWAYS;
    ck_assert_uint_eq(calls_for(o, &harmless, true), 3);
}
END_TEST

START_TEST(work_left_behind_by_an_await_is_not_retried)
{
    foreign w = { .awaits = true };
    errand_policy_opts o = thrice;
    o.attempt_ms = 300;
    ck_assert_uint_eq(calls_for(o, &w, true), 1);
}
END_TEST

static errand_result sleep_long(void *calls)
{
    count_up(calls);
    return errand_later(errand_timeout(errand_sleep(pool, LONG_MS), 100));
}

START_TEST(work_that_had_not_begun_is_retried)
{
    open_turned();
    unsigned calls = 0;
    errand_future *f = start_run(pool, thrice, (errand_task){ .fn = sleep_long, .arg = &calls });
    for (int i = 1; i <= 3; i++) {
        await_count(&calls, (unsigned)i);
        await_asleep(pool, 1);
        turn(&t, pool, 101);
    }
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert(!errand_result_may_have_run(&r));
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

static bool whole_may_have_run(errand_policy_opts opts, errand_task task, event *began)
{
    opts.within_ms = 400;
    errand_future *f = start_run(pool, opts, task);
    if (began) await_event(began);
    else await_asleep(pool, 1);
    turn(&t, pool, 401);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    bool may = errand_result_may_have_run(&r);
    errand_result_free(&r);
    return may;
}

static errand_result sleeps(void *arg)
{
    return (void)arg, errand_later(errand_sleep(pool, LONG_MS));
}

START_TEST(a_timed_out_run_reports_an_attempt_under_way)
{
    open_turned();
    script s = { .error = { ECONNREFUSED, ECONNREFUSED } };
    errand_policy_opts o = { .attempts = 9, .initial_ms = 300, .jitter = ERRAND_JITTER_NONE };
    /* asleep, before it reached the other side */
    ck_assert(!whole_may_have_run(o, scripted(&s), NULL));
    /* the followed sleep could be cancelled */
    ck_assert(!whole_may_have_run(o, (errand_task){ .fn = sleeps }, NULL));
    stuck running = { .h.result = errand_ok(NULL, NULL) };
    ck_assert(whole_may_have_run(o, sticking(&running), &running.h.began));
    /* the only worker is held: it never begins */
    stuck behind = { .h.result = errand_ok(NULL, NULL) };
    happen(&behind.h.began);
    ck_assert(!whole_may_have_run(o, sticking(&behind), &behind.h.began));
    ck_assert_uint_eq(behind.h.runs, 0);
    ck_assert_uint_eq(behind.freed, 1);
    happen(&running.h.go);
    await_count(&running.freed, 1);
    close_pool(pool);
}
END_TEST

START_TEST(a_failure_during_another_attempt_may_have_run)
{
    open_turned();
    foreign w = { .calls = 0 };
    errand_future *f = start_run(pool, (errand_policy_opts){ .attempts = 2, .hedge_ms = 100 },
                                 (errand_task){ .fn = send_away, .arg = &w });
    await_count(&w.calls, 1);
    await_asleep(pool, 0);
    turn(&t, pool, 101);
    await_count(&w.calls, 2);
    await_asleep(pool, 0);
    errand_promise_resolve(w.promise[1], errand_fail(EINVAL)); /* final */
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, EINVAL);
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    errand_promise_abandon(w.promise[0]);
    close_pool(pool);
}
END_TEST

START_TEST(leaving_a_shared_run_may_have_run)
{
    open_turned();
    errand_singleflight *flight = errand_singleflight_new(pool, NULL);
    stuck s = { .h.result = errand_ok(NULL, NULL) };
    errand_task task = sticking(&s);
    errand_future *f = errand_timeout(errand_singleflight_run(flight, NULL, &task), 100);
    await_event(&s.h.began);
    turn(&t, pool, 101);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    happen(&s.h.go);
    await_count(&s.freed, 1);
    errand_singleflight_free(flight);
    close_pool(pool);
}
END_TEST

START_TEST(a_timed_out_wait_for_a_permit_has_not_run)
{
    ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 }));
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1 });
    ck_assert(errand_sem_try_acquire(sem, 1));
    errand_result r = errand_await(errand_timeout(errand_sem_acquire(sem, NULL, 1), 0));
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    ck_assert(!errand_result_may_have_run(&r));
    errand_result_free(&r);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

/* ---- without memory ---- */

static errand_result lose_the_answer(void *arg) /* no checks: they need memory */
{
    hold *h = arg;
    count_up(&h->runs);
    happen(&h->began);
    while (!happened(&h->go)) nanosleep(&(struct timespec){ 0, 100000 }, NULL);
    return errand_fail_as(ECONNRESET, ERRAND_KIND_NETWORK, -1, true, "the answer is lost");
}

START_TEST(may_have_run_is_kept_without_memory)
{
    ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 }));
    hold h = { 0 };
    errand_future *f = start_run(pool, thrice, (errand_task){ .fn = lose_the_answer, .arg = &h });
    await_event(&h.began);
    memory_fails(1); /* on all threads but this one */
    happen(&h.go);
    errand_result r = errand_await(f);
    memory_fails(0);
    ck_assert_uint_eq(h.runs, 1);
    ck_assert_int_eq(r.error, ECONNRESET);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_NETWORK);
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    close_pool(pool);
}
END_TEST

static errand_result pass(errand_result in, void *arg)
{
    (void)arg;
    return in;
}
static errand_result mend(errand_result in, void *arg)
{
    (void)arg;
    errand_result_free(&in);
    return errand_ok(NULL, NULL);
}
static errand_future *combine(errand_future *f)
{
    return errand_all((errand_future *[]){ errand_shield(errand_timeout(f, LONG_MS)) }, 1);
}
static errand_future *follow(errand_future *f) { return errand_then(f, pass, NULL); }
static errand_future *mend_after(errand_future *f) { return errand_then(f, mend, NULL); }
static errand_future *twice(errand_future *f) { return errand_any((errand_future *[]){ f, f }, 2); }
static errand_future *no_function(errand_future *f) { return errand_then(f, NULL, NULL); }
static errand_future *before_now(errand_future *f) { return errand_timeout(f, -1); }

static const struct refusal {
    errand_future *(*of)(errand_future *f);
    int error;
} refusals[] = { { combine, ENOMEM }, { follow, ENOMEM },      { mend_after, ENOMEM },
                 { twice, EINVAL },   { no_function, EINVAL }, { before_now, EINVAL } };

struct refused {
    const struct refusal *how;
    errand_future *f;
};
static void *refuse(void *arg)
{
    struct refused *refused = arg;
    refused->f = refused->how->of(refused->f);
    return NULL;
}

START_TEST(a_refusal_that_leaves_work_behind_may_have_run)
{
    ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 }));
    hold h = { 0 };
    struct refused refused = { &refusals[_i], errand_submit(pool, hold_worker, &h) };
    await_event(&h.began);
    pthread_t thread;
    memory_fails(refused.how->error == ENOMEM); /* on all threads but this one */
    ck_assert_int_eq(pthread_create(&thread, NULL, refuse, &refused), 0);
    pthread_join(thread, NULL);
    memory_fails(0);
    errand_result r = errand_await(refused.f);
    ck_assert_int_eq(r.error, refused.how->error);
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    happen(&h.go);
    close_pool(pool);
}
END_TEST

static void note_attempt(er_history **history, unsigned number)
{
    er_history_add(history,
                   &(errand_attempt){
                       .number = number, .error = EIO, .took_ms = number, .then_waited_ms = -1 });
}

static void *note_second_attempt(void *history)
{
    note_attempt(history, 2);
    return NULL;
}

START_TEST(attempts_without_memory_are_only_counted)
{
    er_history *history = NULL;
    pthread_t thread;
    note_attempt(&history, 1);
    memory_fails(1); /* on all threads but this one */
    ck_assert_int_eq(pthread_create(&thread, NULL, note_second_attempt, &history), 0);
    pthread_join(thread, NULL);
    memory_fails(0);
    for (unsigned number = 3; number <= 70; number++) {
        ck_assert_ptr_null(er_history_last(history));
        note_attempt(&history, number);
    }
    errand_result r = errand_fail(EIO);
    er_result_attempted(&r, history);
    errand_attempt attempt;
    ck_assert_uint_eq(errand_result_attempts(&r), 70);
    ck_assert_int_eq(errand_result_attempt(&r, 0, &attempt), 0);
    ck_assert_uint_eq(attempt.number, 1);
    for (unsigned i = 1; i < 70; i++)
        ck_assert_int_eq(errand_result_attempt(&r, i, &attempt), ENOENT);
    errand_result_free(&r);
}
END_TEST

/* ---- how deep a cancel goes ---- */

enum { DEEP = 5000 };
typedef struct chain {
    errand_policy *policy;
    errand_promise *promise;
    event reached;
} chain;
static chain the_chain;

static errand_result step(void *arg)
{
    intptr_t left = as_number(arg);
    if (left) return errand_later(errand_run(pool, the_chain.policy, step, as_value(left - 1)));
    errand_future *f;
    the_chain.promise = errand_promise_new(pool, &f);
    happen(&the_chain.reached);
    return errand_later(f);
}

typedef struct cancelling {
    errand_future *f;
    errand_reason reason;
} cancelling;
static void *cancel_for(void *arg)
{
    cancelling *c = arg;
    er_cell_cancel(c->f, c->reason);
    return NULL;
}

static void cancel_on_a_small_stack(cancelling *c)
{
    pthread_t thread;
    pthread_attr_t attr;
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, 256 << 10), 0);
    ck_assert_int_eq(pthread_create(&thread, &attr, cancel_for, c), 0);
    pthread_attr_destroy(&attr);
    pthread_join(thread, NULL);
}

START_TEST(a_cancel_passes_a_chain_of_joins_without_recursion)
{
    static errand_group *groups[DEEP];
    ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 }));
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    for (int i = 0; i < DEEP; i++) {
        groups[i] = errand_group_new(pool, NULL);
        ck_assert_int_eq(errand_group_add(groups[i], f), 0);
        f = errand_group_join(groups[i]);
    }
    cancel_on_a_small_stack(&(cancelling){ f, ERRAND_BY_CALLER });
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_CALLER);
    ENDS(f, ECANCELED);
    errand_promise_abandon(p);
    for (int i = 0; i < DEEP; i++) ck_assert_int_eq(errand_group_close(groups[i], LONG_MS), 0);
    close_pool(pool);
}
END_TEST

START_TEST(a_cancel_passes_a_chain_of_runs_without_recursion)
{
    const errand_reason reasons[] = { ERRAND_BY_CALLER, ERRAND_BY_TOTAL };
    const int ends[] = { ECANCELED, ETIMEDOUT };
    for (size_t i = 0; i < 2; i++) {
        ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 }));
        the_chain = (chain){ .policy = policy_of((errand_policy_opts){ .attempts = 3 }) };
        cancelling c = { errand_run(pool, the_chain.policy, step, as_value(DEEP)), reasons[i] };
        await_event(&the_chain.reached);
        ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
        cancel_on_a_small_stack(&c);
        ck_assert_int_eq(errand_promise_cancelled(the_chain.promise), reasons[i]);
        ENDS(c.f, ends[i]);
        errand_promise_abandon(the_chain.promise);
        errand_policy_free(the_chain.policy);
        close_pool(pool);
    }
}
END_TEST

Suite *may_have_run_suite(void)
{
    Suite *suite = suite_create("may have run");
    TCase *tc = case_of(suite, "retries");
    tcase_add_test(tc, work_left_behind_by_an_inner_timeout_is_not_retried);
    tcase_add_test(tc, work_left_behind_by_an_await_is_not_retried);
    tcase_add_test(tc, work_that_had_not_begun_is_retried);
    tcase_add_test(tc, a_timed_out_run_reports_an_attempt_under_way);
    tcase_add_test(tc, a_failure_during_another_attempt_may_have_run);
    tcase_add_test(tc, leaving_a_shared_run_may_have_run);
    tcase_add_test(tc, a_timed_out_wait_for_a_permit_has_not_run);
    tcase_add_test(tc, may_have_run_is_kept_without_memory);
    tcase_add_test(tc, attempts_without_memory_are_only_counted);
    tcase_add_loop_test(tc, a_refusal_that_leaves_work_behind_may_have_run, 0,
                        sizeof refusals / sizeof *refusals);
    tc = case_of(suite, "depth");
    tcase_add_test(tc, a_cancel_passes_a_chain_of_runs_without_recursion);
    tcase_add_test(tc, a_cancel_passes_a_chain_of_joins_without_recursion);
    return suite;
}
