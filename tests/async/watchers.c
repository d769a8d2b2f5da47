/* Watchers and cancellers. */
#include "events.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static errand_pool *pool;
static void open_pool(void) { pool = errand_pool_new(&(errand_pool_opts){ .workers = 4 }); }
static void shut_pool(void) { close_pool(pool); }

/* ---- watch ---- */

typedef struct seen {
    unsigned calls;
    event called;
    pthread_t thread;
    errand_watcher *self;
} seen;

static void note(errand_watcher *w)
{
    seen *s = w->arg;
    s->thread = pthread_self();
    s->self = w;
    count_up(&s->calls);
    happen(&s->called);
}

START_TEST(a_watcher_is_called_once_on_a_pool_thread)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    seen s = { 0 };
    errand_watcher w = { .fn = note, .arg = &s };
    ck_assert_int_eq(errand_watch(f, &w), 0);
    ck_assert(!happened(&s.called));
    errand_promise_resolve(p, errand_ok(as_value(4), NULL));
    await_event(&s.called);
    ck_assert(!pthread_equal(s.thread, pthread_self()));
    ck_assert_ptr_eq(s.self, &w);
    ck_assert_int_eq(errand_wait(f, 0), 0);
    ck_assert_int_eq(errand_unwatch(f, &w), EALREADY);
    ck_assert_int_eq(as_number(errand_await(f).value), 4);
    ck_assert_uint_eq(s.calls, 1);
}
END_TEST

START_TEST(watching_an_ended_future_is_EALREADY)
{
    seen s = { 0 };
    errand_watcher w = { .fn = note, .arg = &s };
    errand_future *f = errand_sleep(pool, 0);
    ck_assert_int_eq(errand_watch(f, &w), EALREADY);
    errand_drop(f);
    f = errand_submit(NULL, NULL, NULL);
    ck_assert_int_eq(errand_watch(f, &w), EALREADY);
    errand_drop(f);
    ck_assert_uint_eq(s.calls, 0);
}
END_TEST

START_TEST(watching_NULL_is_EINVAL)
{
    errand_watcher w = { .fn = NULL };
    errand_future *f = errand_sleep(pool, ERRAND_FOREVER);
    ck_assert_int_eq(errand_watch(f, NULL), EINVAL);
    ck_assert_int_eq(errand_watch(f, &w), EINVAL);
    w.fn = note;
    ck_assert_int_eq(errand_watch(NULL, &w), EINVAL);
    ck_assert_int_eq(errand_unwatch(NULL, &w), EINVAL);
    ck_assert_int_eq(errand_unwatch(f, NULL), EINVAL);
    errand_cancel(f);
    errand_drop(f);
}
END_TEST

START_TEST(a_removed_watcher_is_not_called)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    seen s[4] = { { .calls = 0 } };
    errand_watcher w[4];
    for (int i = 0; i < 4; i++) {
        w[i] = (errand_watcher){ .fn = note, .arg = &s[i] };
        ck_assert_int_eq(errand_watch(f, &w[i]), 0);
    }
    ck_assert_int_eq(errand_unwatch(f, &w[2]), 0);
    ck_assert_int_eq(errand_unwatch(f, &w[2]), EALREADY); /* again: harmless */
    ck_assert_int_eq(errand_unwatch(f, &w[0]), 0);
    ck_assert_int_eq(errand_watch(f, &w[0]), 0); /* it can be set again */
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    for (int i = 0; i < 4; i++) {
        if (i != 2) await_event(&s[i].called);
    }
    errand_drop(f);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    for (int i = 0; i < 4; i++) ck_assert_uint_eq(s[i].calls, i == 2 ? 0 : 1);
}
END_TEST

typedef struct claimant { /* a watcher that takes the result and frees its own storage */
    errand_watcher w;
    errand_future *f;
    event *done;
    intptr_t value;
} claimant;

static void take_it(errand_watcher *w)
{
    claimant *c = w->arg;
    c->value = as_number(errand_await(c->f).value);
    happen(c->done);
}

START_TEST(a_watcher_may_take_the_result)
{
    event done = { 0 };
    claimant c = { .w.fn = take_it, .done = &done };
    c.w.arg = &c;
    errand_promise *p = errand_promise_new(pool, &c.f);
    ck_assert_int_eq(errand_watch(c.f, &c.w), 0);
    errand_promise_resolve(p, errand_ok(as_value(77), NULL));
    await_event(&done);
    ck_assert_int_eq(c.value, 77);
}
END_TEST

START_TEST(a_watcher_is_called_after_the_pool_is_closed)
{
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_future *f;
    errand_promise *p = errand_promise_new(own, &f);
    seen s = { 0 };
    errand_watcher w = { .fn = note, .arg = &s };
    ck_assert_int_eq(errand_watch(f, &w), 0);
    close_pool(own); /* unresolved promises are not awaited */
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    await_event(&s.called);
    errand_drop(f);
}
END_TEST

static errand_result resolve_it(void *p)
{
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    return errand_ok(NULL, NULL);
}

static void nothing(errand_watcher *self) { (void)self; }

START_TEST(unwatch_takes_constant_time) /* else it takes minutes */
{
    enum { N = 300000 };
    errand_watcher *w = calloc(N, sizeof *w);
    errand_future *f;
    errand_pool *own = errand_pool_new(NULL);
    errand_promise *p = errand_promise_new(own, &f);
    int wrong = 0; /* an assertion each would take longer than all else */
    for (int i = 0; i < N; i++) {
        w[i].fn = nothing;
        wrong += errand_watch(f, &w[i]) != 0;
    }
    for (int i = 0; i < N; i += 2) wrong += errand_unwatch(f, &w[i]) != 0;
    for (int i = 0; i < N; i += 2) wrong += errand_unwatch(f, &w[i]) != EALREADY;
    for (int i = N - 1; i > 0; i -= 2) wrong += errand_unwatch(f, &w[i]) != 0;
    ck_assert_int_eq(wrong, 0);
    errand_promise_abandon(p);
    ENDS(f, ERRAND_EABANDONED);
    close_pool(own);
    free(w);
}
END_TEST

START_TEST(unwatch_reports_whether_the_watcher_is_called)
{
    unsigned rounds = scaled(20000), back = 0;
    for (unsigned i = 0; i < rounds; i++) {
        errand_future *f;
        errand_promise *p = errand_promise_new(pool, &f);
        seen s = { 0 };
        errand_watcher w = { .fn = note, .arg = &s };
        ck_assert_int_eq(errand_watch(f, &w), 0);
        errand_future *task = errand_submit(pool, resolve_it, p);
        int error = i % 4 ? errand_unwatch(f, &w)
                          : (errand_wait(f, LONG_MS), errand_unwatch(f, &w));
        if (error) {
            ck_assert_int_eq(error, EALREADY);
            await_event(&s.called);
        } else {
            back++;
        }
        ENDS(task, 0);
        errand_drop(f);
        ck_assert_uint_eq(s.calls, error ? 1 : 0);
    }
    ck_assert_uint_lt(back, rounds);
}
END_TEST

/* ---- cancellers ---- */

static errand_result until_cancelled(void *arg)
{
    happen(arg);
    return errand_await(errand_sleep(pool, ERRAND_FOREVER));
}

static errand_result as_it_is(errand_result in, void *arg) { return (void)arg, in; }

START_TEST(a_canceller_cancels_a_consumed_future)
{
    event began = { 0 };
    errand_future *f = errand_submit(pool, until_cancelled, &began);
    errand_canceller *c = errand_canceller_of(f);
    f = errand_then(f, as_it_is, NULL);
    await_event(&began);
    errand_canceller_cancel(c);
    errand_canceller_cancel(c);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    errand_result_free(&r);
    errand_canceller_cancel(c); /* it has ended: no effect */
    errand_canceller_free(c);
}
END_TEST

typedef struct waiter {
    errand_future *f;
    event begun;
    int error;
} waiter;
static void *await_in_a_thread(void *arg)
{
    waiter *w = arg;
    happen(&w->begun);
    errand_result r = errand_await(w->f);
    w->error = r.error;
    errand_result_free(&r);
    return NULL;
}

START_TEST(a_canceller_wakes_the_waiter)
{
    waiter w = { .f = errand_sleep(pool, ERRAND_FOREVER) };
    errand_canceller *c = errand_canceller_of(w.f);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, await_in_a_thread, &w), 0);
    await_event(&w.begun);
    errand_canceller_cancel(c);
    pthread_join(thread, NULL);
    ck_assert_int_eq(w.error, ECANCELED);
    errand_canceller_free(c);
}
END_TEST

START_TEST(a_canceller_keeps_no_result_alive)
{
    unsigned freed = 0;
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_canceller *c = errand_canceller_of(f), *another = errand_canceller_of(f);
    errand_promise_resolve(p, errand_ok(&freed, free_counts));
    ck_assert_uint_eq(freed, 0);
    errand_drop(f);
    ck_assert_uint_eq(freed, 1);
    errand_canceller_free(another);
    p = errand_promise_new(pool, &f); /* dropped first, resolved later */
    another = errand_canceller_of(f);
    errand_drop(f);
    errand_promise_resolve(p, errand_ok(&freed, free_counts));
    ck_assert_uint_eq(freed, 2);
    errand_canceller_cancel(c);
    errand_canceller_cancel(another);
    errand_canceller_free(c);
    errand_canceller_free(another);
}
END_TEST

START_TEST(a_canceller_of_NULL_is_NULL)
{
    ck_assert_ptr_null(errand_canceller_of(NULL));
    errand_canceller_cancel(NULL);
    errand_canceller_free(NULL);
    errand_future *f = errand_submit(NULL, NULL, NULL);
    errand_canceller *c = errand_canceller_of(f);
    ENDS(f, EINVAL);
    errand_canceller_cancel(c);
    errand_canceller_free(c);
}
END_TEST

START_TEST(a_canceller_outlives_the_pool)
{
    errand_pool *own = errand_pool_new(NULL);
    errand_future *f = errand_sleep(own, ERRAND_FOREVER);
    errand_canceller *c = errand_canceller_of(f);
    close_pool(own);
    errand_canceller_cancel(c);
    ENDS(f, ECANCELED);
    errand_canceller_cancel(c);
    errand_canceller_free(c);
}
END_TEST

/* ---- storm: completion, cancel, canceller, timeout and drop race, from eight threads ---- */

enum { THREADS = 8 };
typedef struct target {
    errand_future *task;
    errand_canceller *cancellers[3];
    errand_promise *p;
    unsigned freed;
} target;

typedef struct storm {
    pthread_barrier_t gate;
    unsigned rounds;
    target t;
} storm;

static errand_result brief(void *arg)
{
    (void)arg;
    return errand_ok(NULL, NULL);
}

static errand_result brief_wait(void *arg)
{
    errand_result r = errand_await(errand_sleep(pool, 1));
    return (void)arg, r;
}

static void prepare(target *t, unsigned i)
{
    errand_future *f;
    *t = (target){ .freed = 0 };
    t->p = errand_promise_new(pool, &f);
    errand_task task = { .fn = i % 3 ? brief : brief_wait, .arg = &t->freed, .free = free_counts };
    if (i % 5 == 0) task.within_ms = 1;
    errand_future *work = errand_submit_task(pool, &task);
    t->cancellers[0] = errand_canceller_of(work);
    t->cancellers[1] = errand_canceller_of(f);
    errand_future *both[] = { work, errand_then(f, as_it_is, NULL) };
    f = i % 4 == 0   ? errand_any(both, 2)
        : i % 4 == 1 ? errand_race(both, 2)
        : i % 4 == 2 ? errand_all(both, 2)
                     : errand_settle(both, 2);
    if (i % 2) f = errand_timeout(f, i % 6 / 2);
    t->cancellers[2] = errand_canceller_of(f);
    t->task = f;
}

static void *storming(void *arg)
{
    static unsigned next;
    storm *s = arg;
    unsigned me = count_up(&next) - 1;
    for (unsigned i = 0; i < s->rounds; i++) {
        target *t = &s->t;
        if (me == 0) prepare(t, i);
        pthread_barrier_wait(&s->gate);
        switch (me) {
        case 0:
            if (i % 3) {
                errand_result r = errand_await(t->task);
                errand_result_free(&r);
            } else {
                errand_drop(t->task);
            }
            break;
        case 1: errand_promise_resolve(t->p, errand_ok(NULL, NULL)); break;
        case 2:
        case 3:
        case 4: errand_canceller_cancel(t->cancellers[me - 2]); break;
        case 5:
        case 6:
        case 7: {
            errand_canceller *c = t->cancellers[me - 5];
            if (i % 2) errand_canceller_cancel(c);
            break;
        }
        }
        pthread_barrier_wait(&s->gate);
        if (me >= 5) errand_canceller_free(t->cancellers[me - 5]);
        if (me == 0) await_count(&t->freed, 1); /* arg is freed once in each case */
        if (me == 0) ck_assert_uint_eq(count_of(&t->freed), 1);
        pthread_barrier_wait(&s->gate);
    }
    return NULL;
}

START_TEST(cancel_completion_timeout_drop_and_canceller_race)
{
    storm s = { .rounds = scaled(20000) };
    pthread_t threads[THREADS];
    ck_assert_int_eq(pthread_barrier_init(&s.gate, NULL, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, storming, &s), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&s.gate);
}
END_TEST

Suite *watchers_suite(void)
{
    Suite *suite = suite_create("watchers");
    TCase *tc = case_of(suite, "watchers");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_watcher_is_called_once_on_a_pool_thread);
    tcase_add_test(tc, watching_an_ended_future_is_EALREADY);
    tcase_add_test(tc, watching_NULL_is_EINVAL);
    tcase_add_test(tc, a_removed_watcher_is_not_called);
    tcase_add_test(tc, a_watcher_may_take_the_result);
    tcase_add_test(tc, a_watcher_is_called_after_the_pool_is_closed);
    tcase_add_test(tc, unwatch_takes_constant_time);
    tcase_add_test(tc, unwatch_reports_whether_the_watcher_is_called);
    tc = case_of(suite, "cancellers");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_canceller_cancels_a_consumed_future);
    tcase_add_test(tc, a_canceller_wakes_the_waiter);
    tcase_add_test(tc, a_canceller_keeps_no_result_alive);
    tcase_add_test(tc, a_canceller_of_NULL_is_NULL);
    tcase_add_test(tc, a_canceller_outlives_the_pool);
    tcase_add_test(tc, cancel_completion_timeout_drop_and_canceller_race);
    return suite;
}
