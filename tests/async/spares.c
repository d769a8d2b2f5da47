/* Threads: spares, hooks, stacks; drop policies of a full queue; threads that cannot be started. */
#include "forked.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>

/* ---- hooks ---- */

typedef struct thread_count {
    unsigned started, stopped, wrong;
} thread_count;
static _Thread_local int hooked;
static void on_start(void *arg)
{
    thread_count *t = arg;
    if (hooked++) count_up(&t->wrong);
    count_up(&t->started);
}
static void on_stop(void *arg)
{
    thread_count *t = arg;
    if (hooked-- != 1) count_up(&t->wrong);
    count_up(&t->stopped);
}

static errand_pool *hooked_pool(thread_count *t, unsigned workers, unsigned spares)
{
    errand_pool_opts opts = {
        .workers = workers, .spares = spares, .on_start = on_start, .on_stop = on_stop, .arg = t
    };
    return errand_pool_new(&opts);
}

static errand_result sees_hook(void *arg)
{
    thread_count *t = arg;
    if (hooked != 1) count_up(&t->wrong);
    return errand_ok(NULL, NULL);
}

START_TEST(on_start_and_on_stop_run_once_per_thread)
{
    for (unsigned i = 0; i < 20; i++) {
        thread_count t = { 0 };
        errand_future *fs[100];
        errand_pool *pool = hooked_pool(&t, 1 + i % 5, 0);
        for (int k = 0; k < 100; k++) fs[k] = errand_submit(pool, sees_hook, &t);
        ENDS(errand_all(fs, 100), 0);
        close_pool(pool);
        ck_assert_uint_ge(t.started, 1);
        ck_assert_uint_le(t.started, 1 + i % 5);
        ck_assert_uint_eq(t.stopped, t.started);
        ck_assert_uint_eq(t.wrong, 0);
    }
}
END_TEST

START_TEST(an_unused_pool_starts_no_thread)
{
    thread_count t = { 0 };
    close_pool(hooked_pool(&t, 8, 0));
    ck_assert_uint_eq(t.started + t.stopped, 0);
}
END_TEST

typedef struct guest {
    thread_count *t;
    errand_future *gate;
    event begun;
} guest;

static errand_result awaits_gate(void *arg)
{
    guest *g = arg;
    if (hooked != 1) count_up(&g->t->wrong);
    happen(&g->begun);
    return errand_await(g->gate);
}

START_TEST(spares_run_while_workers_wait_up_to_the_limit)
{
    enum { N = 6 };
    thread_count t = { 0 };
    guest g[N + 2];
    errand_promise *ps[N + 2];
    errand_future *fs[N + 2];
    errand_pool *pool = hooked_pool(&t, 2, N - 2);
    for (int i = 0; i < N + 2; i++) {
        g[i] = (guest){ .t = &t };
        ps[i] = errand_promise_new(pool, &g[i].gate);
        fs[i] = errand_submit(pool, awaits_gate, &g[i]);
    }
    for (int i = 0; i < N; i++) await_event(&g[i].begun); /* two workers, four spares, all wait */
    ck_assert_uint_eq(count_of(&t.started), N);
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.queued, 2);
    for (int i = 0; i < N + 2; i++) errand_promise_resolve(ps[i], errand_ok(NULL, NULL));
    ENDS(errand_all(fs, N + 2), 0);
    close_pool(pool);
    ck_assert_uint_eq(t.started, N);
    ck_assert_uint_eq(t.stopped, N);
    ck_assert_uint_eq(t.wrong, 0);
}
END_TEST

START_TEST(ERRAND_NO_SPARES_starts_no_spare)
{
    thread_count t = { 0 };
    guest g[2] = { { .t = &t }, { .t = &t } };
    errand_promise *ps[2];
    errand_future *fs[2];
    errand_pool *pool = hooked_pool(&t, 1, ERRAND_NO_SPARES);
    for (int i = 0; i < 2; i++) {
        ps[i] = errand_promise_new(pool, &g[i].gate);
        fs[i] = errand_submit(pool, awaits_gate, &g[i]);
    }
    await_event(&g[0].begun);
    ENDS(errand_sleep(pool, 30), 0);
    ck_assert(!happened(&g[1].begun));
    for (int i = 0; i < 2; i++) errand_promise_resolve(ps[i], errand_ok(NULL, NULL));
    ENDS(errand_all(fs, 2), 0);
    close_pool(pool);
    ck_assert_uint_eq(t.started, 1);
}
END_TEST

static errand_result size_of_stack(void *arg)
{
    pthread_attr_t attr;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstacksize(&attr, &size);
        pthread_attr_destroy(&attr);
    }
    *(size_t *)arg = size;
    return errand_ok(NULL, NULL);
}

START_TEST(threads_have_the_requested_stack)
{
    size_t size = 0, usual = 0;
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .stack = 3 << 20 }),
                *other = errand_pool_new(NULL);
    ENDS(errand_submit(pool, size_of_stack, &size), 0);
    ENDS(errand_submit(other, size_of_stack, &usual), 0);
    ck_assert_uint_ge(size, 3 << 20);
    ck_assert_uint_lt(size, 4 << 20);
    ck_assert_uint_ne(size, usual);
    close_pool(pool);
    close_pool(other);
    pool = errand_pool_new(&(errand_pool_opts){ .stack = 1 }); /* less than a thread needs */
    ENDS(errand_submit(pool, size_of_stack, &size), 0);
    close_pool(pool);
}
END_TEST

/* Thread-local variables are placed in the threads' stacks. */
static _Thread_local volatile char of_the_program[100000];
static errand_result fill_stack(void *arg)
{
    volatile char room[60000];
    room[0] = room[sizeof room - 1] = of_the_program[as_number(arg)] = 1;
    return errand_ok(as_value(room[0]), NULL);
}

START_TEST(thread_local_variables_do_not_use_up_the_stack)
{
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .stack = 96 * 1024 });
    errand_result r = errand_await(errand_submit(pool, fill_stack, NULL));
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 1);
    close_pool(pool);
}
END_TEST

static errand_pool *deep;
static errand_result nest(void *arg)
{
    volatile char room[4096];
    intptr_t left = as_number(arg);
    room[0] = room[sizeof room - 1] = (char)left;
    if (!left) return errand_ok(NULL, NULL);
    errand_result r = errand_await(errand_submit(deep, nest, as_value(left - 1)));
    r.error += room[0] - room[sizeof room - 1];
    return r;
}

START_TEST(an_await_runs_a_task_in_place_only_while_stack_is_left)
{
    deep = errand_pool_new(&(errand_pool_opts){ .workers = 1, .stack = 64 * 1024 });
    ENDS(errand_submit(deep, nest, as_value(60)), 0);
    close_pool(deep);
}
END_TEST

/* ---- a full queue ---- */

typedef struct full {
    errand_pool *pool;
    hold h;
    errand_future *held;
    unsigned freed;
} full;

static void fill(full *f, errand_when_full what, size_t queue)
{
    *f = (full){ .pool = errand_pool_new(&(errand_pool_opts){
                     .workers = 1, .queue = queue, .when_full = what }) };
    f->held = errand_submit(f->pool, hold_worker, &f->h);
    await_event(&f->h.began);
}

static errand_result number(void *arg) { return errand_ok(arg, NULL); }
static errand_result pass_on(errand_result in, void *arg) { return (void)arg, in; }

START_TEST(FAIL_returns_EFULL_and_frees_the_arg)
{
    full f;
    unsigned freed = 0;
    errand_future *fs[2];
    fill(&f, ERRAND_WHEN_FULL_FAIL, 2);
    for (int i = 0; i < 2; i++) fs[i] = errand_submit(f.pool, number, NULL);
    errand_task task = { .fn = number, .arg = &freed, .free = free_counts };
    errand_result r = errand_await(errand_submit_task(f.pool, &task));
    ck_assert_int_eq(r.error, ERRAND_EFULL);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_REJECTED);
    ck_assert_uint_eq(freed, 1);
    errand_result_free(&r);
    errand_cancel(fs[0]); /* there is room again */
    errand_future *more = errand_submit_task(f.pool, &task);
    happen(&f.h.go);
    ENDS(f.held, 0);
    ENDS(fs[0], ECANCELED);
    ENDS(fs[1], 0);
    ENDS(more, 0);
    ck_assert_uint_eq(freed, 2);
    close_pool(f.pool);
}
END_TEST

START_TEST(DROP_OLDEST_ends_the_oldest_task_and_never_a_then)
{
    enum { N = 10 };
    full f;
    errand_future *fs[N], *sequel;
    unsigned freed[N] = { 0 };
    fill(&f, ERRAND_WHEN_FULL_DROP_OLDEST, 3);
    errand_promise *p = errand_promise_new(f.pool, &sequel);
    sequel = errand_then(sequel, pass_on, NULL);
    errand_promise_resolve(p, errand_ok(as_value(5), NULL)); /* the oldest entry of the queue */
    for (int i = 0; i < N; i++) {
        fs[i] = errand_submit_task(
            f.pool, &(errand_task){ .fn = number, .arg = &freed[i], .free = free_counts });
        ck_assert_uint_eq(freed[i < 3 ? N - 1 : i - 3], i < 3 ? 0 : 1);
    }
    for (int i = 0; i < N - 3; i++) {
        ck_assert_int_eq(errand_wait(fs[i], 0), 0);
        ENDS(fs[i], ERRAND_EFULL);
    }
    happen(&f.h.go);
    ENDS(f.held, 0);
    ck_assert_int_eq(as_number(errand_await(sequel).value), 5);
    for (int i = N - 3; i < N; i++) ENDS(fs[i], 0);
    for (int i = 0; i < N; i++) ck_assert_uint_eq(freed[i], 1);
    close_pool(f.pool);
}
END_TEST

static errand_result submits_more(void *arg)
{
    full *f = arg;
    for (int i = 0; i < 20; i++)
        errand_drop(errand_submit_task(
            f->pool, &(errand_task){ .fn = number, .arg = &f->freed, .free = free_counts }));
    errand_pool_stats s;
    errand_pool_stats_get(f->pool, &s);
    return errand_ok(as_value((intptr_t)s.queued), NULL);
}

START_TEST(the_pools_own_threads_bypass_the_queue_limit)
{
    static const errand_when_full whats[] = { ERRAND_WHEN_FULL_FAIL, ERRAND_WHEN_FULL_DROP_OLDEST };
    for (int i = 0; i < 2; i++) {
        full f;
        fill(&f, whats[i], 2);
        errand_future *inside = errand_submit(f.pool, submits_more, &f);
        happen(&f.h.go);
        ENDS(f.held, 0);
        ck_assert_int_eq(as_number(errand_await(inside).value), 20);
        ck_assert_int_eq(errand_pool_wait_idle(f.pool, LONG_MS), 0);
        ck_assert_uint_eq(f.freed, 20);
        close_pool(f.pool);
    }
}
END_TEST

static void *floods(void *arg)
{
    full *f = arg;
    unsigned n = scaled(5000);
    for (unsigned i = 0; i < n; i++) {
        errand_future *one = errand_submit_task(
            f->pool, &(errand_task){ .fn = number, .arg = &f->freed, .free = free_counts });
        if (i % 3 == 0) errand_cancel(one);
        errand_drop(one);
    }
    return NULL;
}

START_TEST(dropping_cancelling_and_running_race_and_free_each_arg_once)
{
    full f = { .pool = errand_pool_new(&(errand_pool_opts){
                   .workers = 2, .queue = 4, .when_full = ERRAND_WHEN_FULL_DROP_OLDEST }) };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) ck_assert_int_eq(pthread_create(&threads[i], NULL, floods, &f), 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    ck_assert_int_eq(errand_pool_wait_idle(f.pool, LONG_MS), 0);
    await_count(&f.freed, 3 * scaled(5000));
    close_pool(f.pool);
    ck_assert_uint_eq(f.freed, 3 * scaled(5000));
}
END_TEST

/* ---- threads that cannot be started, by a limit of address space, in a child ---- */

/* From here on a thread with a stack of a GiB cannot be started. */
static bool no_more_threads(void)
{
    struct rlimit most = { (rlim_t)3 << 29, (rlim_t)3 << 29 };
    return setrlimit(RLIMIT_AS, &most) == 0;
}

static hold at_work;
static errand_pool *poor;
static errand_result waits_for_a_sequel(void *arg)
{
    (void)arg;
    return errand_await(errand_then(errand_submit(poor, number, NULL), pass_on, NULL));
}

static int none_later(void)
{
    poor = errand_pool_new(&(errand_pool_opts){ .workers = 4, .stack = (size_t)1 << 30 });
    errand_future *held = errand_submit(poor, hold_worker, &at_work);
    while (!happened(&at_work.began)) continue;
    if (!no_more_threads()) return 77;
    errand_future *fs[10];
    /* queued for the only worker */
    for (int i = 0; i < 10; i++) fs[i] = errand_submit(poor, number, NULL);
    if (errand_wait(fs[9], 0) != ETIMEDOUT) return 1;
    happen(&at_work.go);
    for (int i = 0; i < 10; i++) {
        if (code_of(fs[i])) return 2;
    }
    if (code_of(held)) return 3;
    /* it needs a spare */
    if (code_of(errand_submit(poor, waits_for_a_sequel, NULL)) != EDEADLK) return 4;
    if (code_of(errand_submit(poor, number, NULL))) return 5;
    return errand_pool_close(poor, LONG_MS);
}

START_TEST(if_no_spare_starts_the_work_stays_with_the_workers) { in_child(none_later); }
END_TEST

/* ---- then-functions and watchers that await ---- */

static errand_result await_another(errand_result in, void *arg)
{
    errand_result_free(&in);
    return errand_await(errand_submit(arg, number, NULL));
}

static errand_result resolve_it(void *promise)
{
    errand_promise_resolve(promise, errand_ok(NULL, NULL));
    return errand_ok(NULL, NULL);
}

/* Runs within a task, on the pool's only worker. */
START_TEST(a_then_of_a_closed_pool_may_await)
{
    errand_pool *gone = errand_pool_new(&(errand_pool_opts){ .workers = 1 }),
                *only = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_future *f;
    errand_promise *promise = errand_promise_new(gone, &f);
    f = errand_then(f, await_another, only);
    close_pool(gone);
    ENDS(errand_submit(only, resolve_it, promise), 0);
    ENDS(f, 0);
    close_pool(only);
}
END_TEST

typedef struct awaiter {
    errand_watcher watcher;
    errand_pool *pool;
    event done;
} awaiter;

static void await_in_watcher(errand_watcher *self)
{
    awaiter *a = self->arg;
    ENDS(errand_submit(a->pool, number, NULL), 0);
    happen(&a->done);
}

START_TEST(a_watcher_of_a_closed_pool_may_await)
{
    awaiter a = { .pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 }) };
    errand_future *f;
    errand_promise *promise = errand_promise_new(a.pool, &f);
    a.watcher = (errand_watcher){ .fn = await_in_watcher, .arg = &a };
    ck_assert_int_eq(errand_watch(f, &a.watcher), 0);
    errand_promise_resolve(promise, errand_ok(NULL, NULL));
    await_event(&a.done);
    ENDS(f, 0);
    close_pool(a.pool);
}
END_TEST

Suite *spares_suite(void)
{
    Suite *suite = suite_create("spares");
    TCase *tc = case_of(suite, "threads");
    tcase_add_test(tc, on_start_and_on_stop_run_once_per_thread);
    tcase_add_test(tc, an_unused_pool_starts_no_thread);
    tcase_add_test(tc, spares_run_while_workers_wait_up_to_the_limit);
    tcase_add_test(tc, ERRAND_NO_SPARES_starts_no_spare);
    tcase_add_test(tc, a_then_of_a_closed_pool_may_await);
    tcase_add_test(tc, a_watcher_of_a_closed_pool_may_await);
    tcase_add_test(tc, threads_have_the_requested_stack);
    if (!ER_ASAN && !ER_TSAN) { /* which use more stack */
        tcase_add_test(tc, thread_local_variables_do_not_use_up_the_stack);
        tcase_add_test(tc, an_await_runs_a_task_in_place_only_while_stack_is_left);
    }
    tc = case_of(suite, "full queue");
    tcase_add_test(tc, FAIL_returns_EFULL_and_frees_the_arg);
    tcase_add_test(tc, DROP_OLDEST_ends_the_oldest_task_and_never_a_then);
    tcase_add_test(tc, the_pools_own_threads_bypass_the_queue_limit);
    tcase_add_test(tc, dropping_cancelling_and_running_race_and_free_each_arg_once);
    if (ER_ASAN || ER_TSAN) return suite; /* which map memory, and forbid threads in a child */
    tc = case_of(suite, "no threads");
    tcase_add_test(tc, if_no_spare_starts_the_work_stays_with_the_workers);
    return suite;
}
