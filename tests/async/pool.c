/* The pool: options, queue, waits inside it, stats. */
#include "events.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static errand_pool *pool;

static errand_pool *pool_of(unsigned workers, size_t queue)
{
    return errand_pool_new(&(errand_pool_opts){ .workers = workers, .queue = queue });
}

static errand_result nothing(void *arg) { return errand_ok(arg, NULL); }

START_TEST(pool_options_are_checked)
{
    struct {
        errand_pool_opts opts;
        int64_t later;
    } newer = { { .workers = 1 }, 0 };
    errno = 0;
    pool = errand_pool_new(NULL);
    ck_assert_ptr_nonnull(pool);
    ENDS(errand_submit(pool, nothing, NULL), 0);
    close_pool(pool);
    pool = errand_pool_new_sized(&newer.opts, sizeof newer);
    ck_assert_ptr_nonnull(pool);
    close_pool(pool);
    newer.later = 1;
    ck_assert_ptr_null(errand_pool_new_sized(&newer.opts, sizeof newer));
    ck_assert_int_eq(errno, ENOTSUP);
    ck_assert_ptr_null(errand_pool_new_sized(&newer.opts, 0));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(errand_pool_new(&(errand_pool_opts){ .workers = 4000000000u }));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static errand_result name_of_thread(void *arg)
{
    pthread_getname_np(pthread_self(), arg, 16);
    return errand_ok(NULL, NULL);
}

START_TEST(threads_have_the_pools_name)
{
    char name[16] = "";
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .name = "bees" });
    ENDS(errand_submit(pool, name_of_thread, name), 0);
    ck_assert_str_eq(name, "bees");
    close_pool(pool);
    pool = errand_pool_new(NULL);
    ENDS(errand_submit(pool, name_of_thread, name), 0);
    ck_assert_str_eq(name, "errand");
    close_pool(pool);
}
END_TEST

START_TEST(a_pool_runs_as_many_tasks_as_it_has_workers)
{
    enum { WORKERS = 4 };
    hold holds[WORKERS + 1] = { { .runs = 0 } };
    errand_future *fs[WORKERS + 1];
    pool = pool_of(WORKERS, 0);
    for (int i = 0; i <= WORKERS; i++) fs[i] = errand_submit(pool, hold_worker, &holds[i]);
    for (int i = 0; i < WORKERS; i++) await_event(&holds[i].began);
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.running, WORKERS);
    ck_assert_uint_eq(s.queued, 1);
    ck_assert(!happened(&holds[WORKERS].began));
    happen(&holds[2].go); /* any of the three */
    await_event(&holds[WORKERS].began);
    for (int i = 0; i <= WORKERS; i++) {
        happen(&holds[i].go);
        ENDS(fs[i], 0);
    }
    close_pool(pool);
}
END_TEST

static errand_result numbered_fail(void *arg)
{
    return as_number(arg) % 2 ? errand_fail(EIO) : errand_ok(NULL, NULL);
}

START_TEST(pool_stats_are_exact)
{
    hold h = { 0 };
    errand_pool_stats s = { .queued = 99 };
    errand_future *fs[30];
    pool = pool_of(1, 0);
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.queued + s.running + s.done + s.failed + s.cancelled + s.abandoned, 0);
    errand_future *held = errand_submit(pool, hold_worker, &h);
    await_event(&h.began);
    for (int i = 0; i < 30; i++) fs[i] = errand_submit(pool, numbered_fail, as_value(i));
    for (int i = 0; i < 10; i++) errand_cancel(fs[i]);
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.running, 1);
    ck_assert_uint_eq(s.queued, 20);
    ck_assert_uint_eq(s.cancelled, 10);
    happen(&h.go);
    ENDS(held, 0);
    for (int i = 0; i < 30; i++) errand_drop(fs[i]);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.done, 11);
    ck_assert_uint_eq(s.failed, 10);
    ck_assert_uint_eq(s.cancelled, 10);
    ck_assert_uint_eq(s.running + s.queued + s.abandoned, 0);
    ck_assert_int_eq(errand_pool_stats_get(NULL, &s), EINVAL);
    ck_assert_int_eq(errand_pool_stats_sized(pool, NULL, sizeof s), EINVAL);
    ck_assert_int_eq(errand_pool_stats_sized(pool, &s, 0), EINVAL);
    s.abandoned = 7;
    ck_assert_int_eq(errand_pool_stats_sized(pool, &s, offsetof(errand_pool_stats, abandoned)), 0);
    ck_assert_uint_eq(s.abandoned, 7);
    close_pool(pool);
}
END_TEST

START_TEST(wait_idle_waits_for_queued_and_running_tasks)
{
    hold h = { 0 };
    pool = pool_of(1, 0);
    ck_assert_int_eq(errand_pool_wait_idle(pool, 0), 0);
    errand_drop(errand_submit(pool, hold_worker, &h));
    ck_assert_int_eq(errand_pool_wait_idle(pool, 0), ETIMEDOUT);
    ck_assert_int_eq(errand_pool_wait_idle(pool, 1), ETIMEDOUT);
    happen(&h.go);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_uint_eq(h.runs, 1);
    ck_assert_int_eq(errand_pool_wait_idle(NULL, 0), EINVAL);
    ck_assert_int_eq(errand_pool_wait_idle(pool, -1), EINVAL);
    close_pool(pool);
}
END_TEST

/* ---- a full queue ---- */

typedef struct outsider {
    errand_pool *pool;
    event begun, over;
    errand_future *f;
    hold hold;
    unsigned freed;
} outsider;

static void *submit_outside(void *arg)
{
    outsider *o = arg;
    happen(&o->begun);
    o->f = errand_submit_task(o->pool, &(errand_task){ .fn = hold_worker, .arg = &o->hold });
    happen(&o->over);
    return NULL;
}

static errand_result submit_many_inside(void *arg)
{
    for (int i = 0; i < 50; i++) errand_drop(errand_submit(arg, nothing, NULL));
    return errand_ok(NULL, NULL);
}

START_TEST(a_full_queue_blocks_submits_from_outside)
{
    hold h[3] = { { .runs = 0 } };
    errand_future *fs[3];
    pool = pool_of(1, 2);
    for (int i = 0; i < 3; i++) {
        fs[i] = errand_submit(pool, hold_worker, &h[i]);
        if (i == 0) await_event(&h[0].began);
    }
    outsider out[3] = { { .pool = pool }, { .pool = pool }, { .pool = pool } };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        happen(&out[i].hold.go);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_outside, &out[i]), 0);
        await_event(&out[i].begun);
    }
    errand_pool_stats s;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
        ck_assert_uint_eq(s.queued, 2);
    }
    errand_cancel(fs[1]); /* makes room for one */
    for (int i = 0; i < 3; i++) {
        happen(&h[i].go);
        errand_drop(fs[i]);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        ENDS(out[i].f, 0);
    }
    close_pool(pool);
}
END_TEST

START_TEST(a_full_queue_does_not_block_the_pools_own_threads)
{
    pool = pool_of(1, 1);
    ENDS(errand_submit(pool, submit_many_inside, pool), 0);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.done, 51);
    close_pool(pool);
}
END_TEST

static errand_result submit_from_a_task(void *arg)
{
    outsider *o = arg;
    happen(&o->begun);
    errand_task task = { .fn = nothing, .arg = &o->freed, .free = free_counts };
    return errand_await(errand_submit_task(o->pool, &task));
}

static void fill_one_worker_one_place(hold *h, errand_future *fs[2])
{
    pool = pool_of(1, 1);
    for (int i = 0; i < 2; i++) {
        fs[i] = errand_submit(pool, hold_worker, &h[i]);
        if (i == 0) await_event(&h[0].began);
    }
}

START_TEST(a_cancel_ends_a_submit_waiting_for_room)
{
    hold h[2] = { { .runs = 0 } };
    errand_future *fs[2];
    fill_one_worker_one_place(h, fs);
    errand_pool *elsewhere = pool_of(1, 0);
    outsider out = { .pool = pool };
    errand_future *f = errand_submit(elsewhere, submit_from_a_task, &out);
    await_event(&out.begun);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    await_count(&out.freed, 1);
    for (int i = 0; i < 2; i++) {
        happen(&h[i].go);
        ENDS(fs[i], 0);
    }
    close_pool(elsewhere);
    close_pool(pool);
}
END_TEST

START_TEST(a_deadline_ends_a_submit_waiting_for_room)
{
    hold h[2] = { { .runs = 0 } };
    errand_future *fs[2];
    fill_one_worker_one_place(h, fs);
    errand_pool *elsewhere = pool_of(1, 0);
    for (int i = 0; i < 20; i++) { /* cancelled by the timer, or by its own check of the clock */
        outsider out = { .pool = pool };
        errand_task task = { .fn = submit_from_a_task, .arg = &out, .within_ms = 2 };
        errand_result r = errand_await(errand_submit_task(elsewhere, &task));
        ck_assert_int_eq(r.error, ETIMEDOUT);
        errand_result_free(&r);
        /* freed by the timer, or by its thread */
        if (happened(&out.begun)) await_count(&out.freed, 1);
    }
    for (int i = 0; i < 2; i++) {
        happen(&h[i].go);
        ENDS(fs[i], 0);
    }
    close_pool(elsewhere);
    close_pool(pool);
}
END_TEST

static void look_a_while(errand_future *f) /* there is no event for "it waits for room" */
{
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    }
}

START_TEST(a_submit_waiting_for_room_uses_its_tasks_clock)
{
    hold h[2] = { { .runs = 0 } };
    errand_future *fs[2];
    fill_one_worker_one_place(h, fs);
    test_clock t;
    test_clock_start(&t);
    t.now_ns = 0; /* far behind the system clock */
    errand_pool *elsewhere =
        errand_pool_new(&(errand_pool_opts){ .workers = 2, .clock = &t.clock });
    outsider out[2] = { { .pool = pool }, { .pool = pool } };
    errand_future *f[2];
    for (int i = 0; i < 2; i++) {
        errand_task task = {
            .fn = submit_from_a_task, .arg = &out[i], .within_ms = i ? 2000 : 1000
        };
        f[i] = errand_submit_task(elsewhere, &task);
        await_event(&out[i].begun);
        look_a_while(f[i]);
    }
    turn(&t, elsewhere, 1500);
    ENDS(f[0], ETIMEDOUT);
    await_count(&out[0].freed, 1);
    for (int i = 0; i < 2; i++) {
        happen(&h[i].go);
        ENDS(fs[i], 0);
    }
    ENDS(f[1], 0);
    close_pool(elsewhere);
    close_pool(pool);
}
END_TEST

static void *submit_for_a_moment(void *arg)
{
    outsider *o = arg;
    o->f = errand_submit_task(
        o->pool,
        &(errand_task){ .fn = nothing, .arg = &o->freed, .free = free_counts, .within_ms = 10 });
    happen(&o->over);
    return NULL;
}

START_TEST(a_task_that_expires_before_there_is_room_is_not_queued)
{
    static test_clock t; /* its worker outlives the test */
    static hold h;
    test_clock_start(&t);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .queue = 1, .clock = &t.clock });
    errand_future *running = errand_submit(pool, hold_worker, &h), *queued;
    await_event(&h.began);
    queued = errand_submit(pool, nothing, NULL);
    outsider out = { .pool = pool };
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, submit_for_a_moment, &out), 0);
    while (!count_of(&out.freed)) turn(&t, pool, 10);
    errand_cancel(queued); /* makes room */
    pthread_join(thread, NULL);
    ENDS(out.f, ETIMEDOUT);
    ENDS(queued, ECANCELED);
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.queued, 0);
    /* the pool is freed with the end of the stuck task */
    ck_assert_int_eq(errand_pool_close(pool, 0), ETIMEDOUT);
    happen(&h.go);
    errand_drop(running);
}
END_TEST

/* ---- waiting inside the pool ---- */

static errand_result fib(void *arg)
{
    intptr_t n = as_number(arg);
    if (n < 2) return errand_ok(as_value(n), NULL);
    errand_future *a = errand_submit(pool, fib, as_value(n - 1)),
                  *b = errand_submit(pool, fib, as_value(n - 2));
    errand_result x = errand_await(a), y = errand_await(b);
    if (x.error || y.error) return errand_fail(x.error ? x.error : y.error);
    return errand_ok(as_value(as_number(x.value) + as_number(y.value)), NULL);
}

START_TEST(one_worker_runs_a_recursive_fork_and_join)
{
    pool = pool_of(1, 0);
    errand_result r = errand_await(errand_submit(pool, fib, as_value(20)));
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 6765);
    close_pool(pool);
    pool = pool_of(4, 1);
    r = errand_await(errand_submit(pool, fib, as_value(20)));
    ck_assert_int_eq(as_number(r.value), 6765);
    close_pool(pool);
}
END_TEST

static errand_result deeper(void *arg)
{
    intptr_t n = as_number(arg);
    if (n == 0) return errand_ok(NULL, NULL);
    errand_result r = errand_await(errand_submit(pool, deeper, as_value(n - 1)));
    r.value = as_value(as_number(r.value) + 1);
    return r;
}

START_TEST(one_worker_runs_tasks_that_await_each_other_a_thousand_deep)
{
    pool = pool_of(1, 0);
    ck_assert_int_eq(as_number(errand_await(errand_submit(pool, deeper, as_value(1000))).value),
                     1000);
    close_pool(pool);
}
END_TEST

static errand_result sleep_once(void *arg)
{
    (void)arg;
    return errand_await(errand_sleep(pool, 20));
}

START_TEST(sixty_four_tasks_await_sleeps_on_four_workers)
{
    errand_future *fs[64];
    pool = pool_of(4, 0);
    for (int i = 0; i < 64; i++) fs[i] = errand_submit(pool, sleep_once, NULL);
    ENDS(errand_all(fs, 64), 0);
    close_pool(pool);
}
END_TEST

static errand_pool *pair[2];
static errand_result cross(void *arg)
{
    intptr_t n = as_number(arg);
    if (n == 0) return errand_ok(NULL, NULL);
    return errand_await(errand_submit(pair[n % 2], cross, as_value(n - 1)));
}

START_TEST(two_pools_of_one_worker_can_await_each_other)
{
    errand_future *fs[20];
    for (int i = 0; i < 2; i++) pair[i] = pool_of(1, 0);
    for (int i = 0; i < 20; i++) fs[i] = errand_submit(pair[i % 2], cross, as_value(10));
    ENDS(errand_all(fs, 20), 0);
    for (int i = 0; i < 2; i++) close_pool(pair[i]);
}
END_TEST

typedef struct meeting {
    errand_future *f;
    errand_promise *p;
} meeting;
static errand_result await_meeting(void *arg) { return errand_await(((meeting *)arg)->f); }
static errand_result resolve_meeting(void *arg)
{
    errand_promise_resolve(((meeting *)arg)->p, errand_ok(NULL, NULL));
    return errand_ok(NULL, NULL);
}

START_TEST(tasks_can_await_tasks_queued_behind_them)
{
    enum { N = 100 };
    static meeting m[N];
    errand_future *fs[N];
    pool = pool_of(2, 0);
    for (int i = 0; i < N; i++) m[i].p = errand_promise_new(pool, &m[i].f);
    for (int i = 0; i < N; i++) fs[i] = errand_submit(pool, await_meeting, &m[i]);
    for (int i = N - 1; i >= 0; i--) errand_drop(errand_submit(pool, resolve_meeting, &m[i]));
    ENDS(errand_all(fs, N), 0);
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.done, 2 * N);
    close_pool(pool);
}
END_TEST

START_TEST(no_task_is_lost_while_workers_come_and_go)
{
    unsigned rounds = scaled(20000);
    pool = pool_of(3, 0);
    for (unsigned i = 0; i < rounds; i++) {
        /* one to four at a time: parking, searching and spinning in turn */
        errand_future *fs[4];
        size_t n = 1 + i % 4;
        for (size_t k = 0; k < n; k++) fs[k] = errand_submit(pool, nothing, NULL);
        for (size_t k = 0; k < n; k++) ENDS(fs[k], 0);
    }
    close_pool(pool);
}
END_TEST

Suite *pool_suite(void)
{
    Suite *suite = suite_create("pool");
    TCase *tc = case_of(suite, "pool");
    tcase_add_test(tc, pool_options_are_checked);
    tcase_add_test(tc, threads_have_the_pools_name);
    tcase_add_test(tc, a_pool_runs_as_many_tasks_as_it_has_workers);
    tcase_add_test(tc, pool_stats_are_exact);
    tcase_add_test(tc, wait_idle_waits_for_queued_and_running_tasks);
    tc = case_of(suite, "full queue");
    tcase_add_test(tc, a_full_queue_blocks_submits_from_outside);
    tcase_add_test(tc, a_full_queue_does_not_block_the_pools_own_threads);
    tcase_add_test(tc, a_cancel_ends_a_submit_waiting_for_room);
    tcase_add_test(tc, a_deadline_ends_a_submit_waiting_for_room);
    tcase_add_test(tc, a_submit_waiting_for_room_uses_its_tasks_clock);
    tcase_add_test(tc, a_task_that_expires_before_there_is_room_is_not_queued);
    tc = case_of(suite, "waiting inside");
    tcase_add_test(tc, one_worker_runs_a_recursive_fork_and_join);
    tcase_add_test(tc, one_worker_runs_tasks_that_await_each_other_a_thousand_deep);
    tcase_add_test(tc, sixty_four_tasks_await_sleeps_on_four_workers);
    tcase_add_test(tc, two_pools_of_one_worker_can_await_each_other);
    tcase_add_test(tc, tasks_can_await_tasks_queued_behind_them);
    tcase_add_test(tc, no_task_is_lost_while_workers_come_and_go);
    return suite;
}
