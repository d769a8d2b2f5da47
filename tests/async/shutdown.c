/* Shutdown: which tasks finish, are cancelled or are left behind, and what outlives a pool. */
#include "logged.h"

#include "async/pool.h"
#include "async/runq.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static errand_pool *pool;
static errand_pool *pool_of(unsigned workers)
{
    return errand_pool_new(&(errand_pool_opts){ .workers = workers });
}

static errand_result count_run(void *n)
{
    count_up(n);
    return errand_ok(NULL, NULL);
}

START_TEST(an_unused_pool_closes)
{
    ck_assert_int_eq(errand_pool_close(pool_of(3), 0), 0);
    ck_assert_int_eq(errand_pool_close(pool_of(3), ERRAND_FOREVER), 0);
}
END_TEST

START_TEST(close_refuses_NULL_and_negative_times)
{
    ck_assert_int_eq(errand_pool_close(NULL, 5), EINVAL);
    pool = pool_of(1);
    ck_assert_int_eq(errand_pool_close(pool, -1), EINVAL);
    unsigned runs = 0;
    ENDS(errand_submit(pool, count_run, &runs), 0); /* the pool is still open */
    close_pool(pool);
}
END_TEST

static errand_result close_own(void *arg)
{
    (void)arg;
    ck_assert_int_eq(errand_pool_wait_idle(pool, 5), EDEADLK);
    return errand_fail(errand_pool_close(pool, LONG_MS));
}

START_TEST(a_pool_cannot_be_closed_on_its_own_thread)
{
    pool = pool_of(1);
    ENDS(errand_submit(pool, close_own, NULL), EDEADLK);
    unsigned runs = 0;
    ENDS(errand_submit(pool, count_run, &runs), 0);
    close_pool(pool);
}
END_TEST

START_TEST(a_closed_pool_refuses_close_and_submit)
{
    pool = pool_of(1);
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f); /* keeps the pool's memory */
    close_pool(pool);
    ck_assert_int_eq(errand_pool_close(pool, 0), EINVAL);
    unsigned runs = 0, freed = 0;
    ENDS(errand_submit(pool, count_run, &runs), EINVAL);
    ENDS(errand_submit_task(pool,
                            &(errand_task){ .fn = count_run, .arg = &freed, .free = free_counts }),
         EINVAL);
    ck_assert_uint_eq(runs, 0);
    ck_assert_uint_eq(freed, 1);
    errand_promise_abandon(p);
    ENDS(f, ERRAND_EABANDONED);
}
END_TEST

START_TEST(close_finishes_queued_tasks)
{
    unsigned runs = 0, n = scaled(10000);
    pool = pool_of(2);
    for (unsigned i = 0; i < n; i++) errand_drop(errand_submit(pool, count_run, &runs));
    close_pool(pool);
    ck_assert_uint_eq(runs, n);
}
END_TEST

static unsigned total;
static errand_result spread(void *arg) /* tasks start tasks while the pool drains */
{
    intptr_t left = as_number(arg);
    count_up(&total);
    for (int i = 0; left && i < 3; i++)
        errand_drop(errand_submit(pool, spread, as_value(left - 1)));
    return errand_ok(NULL, NULL);
}

START_TEST(close_lets_running_tasks_submit)
{
    pool = pool_of(2);
    errand_drop(errand_submit(pool, spread, as_value(6)));
    close_pool(pool);
    ck_assert_uint_eq(total, 1 + 3 + 9 + 27 + 81 + 243 + 729);
}
END_TEST

static errand_result sleep_then(errand_result in, void *arg)
{
    count_up(arg);
    errand_result_free(&in);
    return errand_later(errand_sleep(pool, 1));
}

static errand_result count_then(errand_result in, void *arg)
{
    count_up(arg);
    return in;
}

START_TEST(close_waits_for_sleeps_and_their_thens)
{
    unsigned thens = 0;
    pool = pool_of(1);
    errand_drop(errand_then(errand_then(errand_sleep(pool, 5), sleep_then, &thens), count_then,
                            &thens));
    errand_future *f = errand_then(errand_sleep(pool, 10), count_then, &thens);
    ck_assert_int_eq(errand_pool_close(pool, ERRAND_FOREVER), 0);
    ENDS(f, 0);
    ck_assert_uint_eq(thens, 3);
}
END_TEST

static errand_result until_cancelled(void *arg)
{
    happen(arg);
    while (!errand_cancelled()) sched_yield();
    return errand_failf(EIO, "interrupted");
}

static errand_result await_forever(void *arg)
{
    happen(arg);
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_result r = errand_await(f);
    errand_promise_abandon(p);
    return r;
}

START_TEST(close_cancels_the_rest_at_half_its_time)
{
    event began[2] = { { 0 } };
    unsigned freed = 0;
    pool = pool_of(2);
    errand_future *a = errand_submit(pool, until_cancelled, &began[0]);
    errand_future *b = errand_submit(pool, await_forever, &began[1]);
    for (int i = 0; i < 2; i++) await_event(&began[i]);
    errand_future *c = errand_submit_task(
        pool, &(errand_task){ .fn = count_run, .arg = &freed, .free = free_counts });
    errand_future *d = errand_sleep(pool, ERRAND_FOREVER - 1),
                  *e = errand_then(d, count_then, &freed);
    close_and_cancel(pool);
    errand_result r = errand_await(a);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, EIO);
    errand_result_free(&r);
    r = errand_await(b);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
    r = errand_await(c);
    /* b waits, so its worker may have run c */
    ck_assert_int_eq(r.error == ECANCELED || r.error == 0, 1);
    r = errand_await(e);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
    errand_result_free(&r);
    ck_assert_uint_ge(freed, 2);
}
END_TEST

static event then_began;
static errand_result spin_until_cancelled(void *arg)
{
    happen(arg);
    while (!errand_cancelled()) sched_yield();
    return errand_ok(NULL, NULL);
}
static errand_result submit_when_cancelled(void *arg)
{
    spin_until_cancelled(arg);
    unsigned freed = 0;
    errand_task task = { .fn = count_run, .arg = &freed, .free = free_counts };
    errand_result r = errand_await(errand_submit_task(pool, &task)),
                  slept = errand_await(errand_sleep(pool, 1000));
    ck_assert_uint_eq(freed, 1);
    ck_assert_int_eq(r.error, slept.error);
    errand_reason reason = errand_result_reason(&r);
    errand_result_free(&r);
    errand_result_free(&slept);
    /* the pool was closed already */
    return reason ? errand_ok(as_value(reason), NULL) : errand_fail(EINVAL);
}

START_TEST(close_begins_nothing_after_it_cancels)
{
    event began = { 0 };
    pool = pool_of(2);
    errand_future *f = errand_submit(pool, submit_when_cancelled, &began);
    await_event(&began);
    int closed = close_and_cancel(pool);
    errand_result r = errand_await(f);
    ck_assert(r.error ? closed == ETIMEDOUT : as_number(r.value) == ERRAND_BY_SHUTDOWN);
    errand_result_free(&r);
}
END_TEST

static errand_result then_forever(errand_result in, void *arg)
{
    errand_result_free(&in);
    return await_forever(arg);
}

START_TEST(close_cancels_a_then_that_begins_later)
{
    event began = { 0 };
    pool = pool_of(1);
    errand_future *f = errand_submit(pool, spin_until_cancelled, &began);
    await_event(&began);
    f = errand_then(f, then_forever, &then_began);
    close_and_cancel(pool);
    ENDS(f, ECANCELED);
    ck_assert(happened(&then_began));
}
END_TEST

/* ---- stuck tasks ---- */

START_TEST(close_logs_and_leaves_behind_a_stuck_task)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    char path[64], text[4096] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_to_file(log, path, ERRAND_LOG_DEFAULT), 0);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 2, .log = log, .name = "tarpit" });
    hold h = { .result = errand_ok(as_value(3), NULL) }, twin = { 0 };
    errand_future *f = errand_submit_task(
        pool, &(errand_task){ .fn = hold_worker, .arg = &h, .name = "the mammoth" });
    errand_future *g = errand_submit(pool, hold_worker, &twin);
    await_event(&h.began);
    await_event(&twin.began);
    ck_assert_int_eq(errand_pool_close(pool, 20), ETIMEDOUT);
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    ck_assert_int_gt(pread(fd, text, sizeof text - 1, 0), 0);
    ck_assert_msg(strstr(text, "the mammoth") && strstr(text, "tarpit") &&
                      strstr(text, "(no name)"),
                  "%s", text);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT); /* it still runs */
    happen(&h.go);
    happen(&twin.go);
    ck_assert_int_eq(as_number(errand_await(f).value), 3); /* a late success stands */
    ENDS(g, 0);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    close(fd);
}
END_TEST

START_TEST(thens_are_called_while_a_stuck_task_holds_the_only_worker)
{
    hold h = { 0 };
    unsigned thens = 0;
    errand_future *f, *held;
    pool = pool_of(1);
    errand_promise *p = errand_promise_new(pool, &f);
    f = errand_then(f, count_then, &thens);
    held = errand_submit(pool, hold_worker, &h);
    await_event(&h.began);
    /* the then is queued behind the stuck task */
    errand_promise_resolve(p, errand_ok(as_value(4), NULL));
    ck_assert_int_eq(errand_pool_close(pool, 20), ETIMEDOUT);
    errand_result r = errand_await(f);
    ck_assert_uint_eq(thens, 1);
    ck_assert_int_eq(as_number(r.value), 4);
    happen(&h.go);
    ENDS(held, 0);
}
END_TEST

/* ---- after close ---- */

static pthread_t then_thread;
static errand_result note_thread(errand_result in, void *arg)
{
    then_thread = pthread_self();
    count_up(arg);
    return in;
}

START_TEST(thens_after_close_run_on_the_calling_thread)
{
    unsigned thens = 0, n = scaled(100000);
    errand_future *f;
    pool = pool_of(1);
    errand_promise *p = errand_promise_new(pool, &f);
    for (unsigned i = 0; i < n; i++) f = errand_then(f, note_thread, &thens);
    close_pool(pool); /* an unresolved promise is no work */
    f = errand_then(f, note_thread, &thens);
    errand_promise_resolve(p, errand_ok(as_value(2), NULL));
    ck_assert_uint_eq(thens, n + 1);
    ck_assert(pthread_equal(then_thread, pthread_self()));
    ck_assert_int_eq(as_number(errand_await(f).value), 2);
}
END_TEST

typedef struct bridge {
    errand_promise *p;
    errand_future *f;
} bridge;
static errand_result cross_bridge(errand_result in, void *arg)
{
    bridge *b = arg;
    /* its watchers must be called now, not when this returns */
    errand_promise_resolve(b->p, errand_ok(NULL, NULL));
    ck_assert_int_eq(errand_await(b->f).error, 0);
    return in;
}

START_TEST(a_then_of_a_closed_pool_may_resolve_and_await)
{
    unsigned thens = 0;
    errand_future *f;
    errand_pool *other = pool_of(1);
    bridge b;
    b.p = errand_promise_new(other, &b.f);
    b.f = errand_then(b.f, count_then, &thens);
    pool = pool_of(1);
    errand_promise *p = errand_promise_new(pool, &f);
    f = errand_then(f, cross_bridge, &b);
    close_pool(pool);
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    ENDS(f, 0);
    ck_assert_uint_eq(thens, 1);
    close_pool(other);
}
END_TEST

START_TEST(futures_outlive_their_pool)
{
    errand_future *f, *g;
    pool = pool_of(1);
    errand_promise *p = errand_promise_new(pool, &f), *q = errand_promise_new(pool, &g);
    close_pool(pool);
    ENDS(errand_timeout(f, 1000), EINVAL);
    errand_promise_abandon(p);
    ck_assert_int_eq(errand_wait(g, 1), ETIMEDOUT);
    errand_promise_resolve(q, errand_ok(as_value(1), NULL));
    ck_assert_int_eq(as_number(errand_await(g).value), 1);
}
END_TEST

/* ---- storms ---- */

typedef struct resolver {
    errand_promise *ps[16];
    unsigned go;
} resolver;
static void *resolve_all(void *arg)
{
    resolver *r = arg;
    while (!count_of(&r->go)) sched_yield();
    for (int i = 0; i < 16; i++) errand_promise_resolve(r->ps[i], errand_ok(NULL, NULL));
    return NULL;
}

START_TEST(thens_of_promises_resolved_during_close_are_called)
{
    unsigned rounds = scaled(1000), thens = 0;
    for (unsigned i = 0; i < rounds; i++) {
        resolver r = { .go = 0 };
        errand_future *fs[16];
        pool = pool_of(1 + i % 3);
        for (int k = 0; k < 16; k++) {
            r.ps[k] = errand_promise_new(pool, &fs[k]);
            fs[k] = errand_then(fs[k], count_then, &thens);
        }
        if (i % 2) errand_drop(errand_submit(pool, count_run, &total));
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, resolve_all, &r), 0);
        count_up(&r.go);
        if (i % 4 == 0) sched_yield();
        close_pool(pool);
        pthread_join(thread, NULL);
        for (int k = 0; k < 16; k++) ENDS(fs[k], 0);
        ck_assert_uint_eq(count_of(&thens), 16 * (i + 1));
    }
}
END_TEST

typedef struct flood {
    pthread_t thread;
    unsigned runs, refused, freed;
} flood;
static errand_pool *flooded;
static errand_future *keeper; /* keeps the closed pool's memory */
static void *submit_until_refused(void *arg)
{
    flood *f = arg;
    for (unsigned n = 0;; n++) {
        errand_task task = { .fn = count_run, .arg = &f->runs, .free = NULL };
        errand_result r = errand_await(errand_submit_task(flooded, &task));
        bool over = r.error != 0;
        ck_assert(!r.error || r.error == EINVAL || r.error == ECANCELED);
        errand_result_free(&r);
        if (over) return NULL;
        f->refused = n + 1;
    }
}

START_TEST(close_under_a_flood_of_submits_runs_each_task_once)
{
    unsigned rounds = scaled(300);
    for (unsigned i = 0; i < rounds; i++) {
        flood floods[3] = { { .runs = 0 } };
        flooded = errand_pool_new(&(errand_pool_opts){ .workers = 2, .queue = 1 + i % 3 });
        errand_promise *p = errand_promise_new(flooded, &keeper);
        for (int k = 0; k < 3; k++)
            ck_assert_int_eq(
                pthread_create(&floods[k].thread, NULL, submit_until_refused, &floods[k]), 0);
        await_count(&floods[0].runs, 1 + i % 5);
        close_pool(flooded);
        for (int k = 0; k < 3; k++) {
            pthread_join(floods[k].thread, NULL);
            ck_assert_uint_eq(floods[k].runs, floods[k].refused); /* each accepted task ran once */
        }
        errand_promise_abandon(p);
        errand_drop(keeper);
    }
}
END_TEST

/* ---- close returns in time, even if a hook or a task is stuck ---- */

static hold hooked; /* the hook's two events */
static unsigned hooks;
static void hold_hook(void *first_of_two)
{
    if (count_up(&hooks) != (unsigned)as_number(first_of_two)) return;
    happen(&hooked.began);
    await_event(&hooked.go);
}

static void hook_is_left_behind(errand_pool_opts opts, const char *name)
{
    logged h;
    logged_open(&h);
    opts.log = h.log;
    opts.workers = 1;
    opts.arg = as_value(1);
    pool = errand_pool_new(&opts);
    errand_future *f = errand_submit(pool, count_run, &total);
    if (opts.on_start) await_event(&hooked.began);
    else ENDS(f, 0);
    ck_assert_int_eq(errand_pool_close(pool, 20), ETIMEDOUT);
    ck_assert(!happened(&hooked.go));
    ck_assert_msg(strstr(logged_text(&h), name), "%s", logged_text(&h));
    happen(&hooked.go);
    if (opts.on_start) ENDS(f, ECANCELED);
    nothing_is_left();
    logged_close(&h);
}

START_TEST(close_logs_and_leaves_behind_a_thread_stuck_in_on_stop)
{
    hook_is_left_behind((errand_pool_opts){ .on_stop = hold_hook }, "left behind: on_stop");
}
END_TEST

START_TEST(close_logs_and_leaves_behind_a_thread_stuck_in_on_start)
{
    hook_is_left_behind((errand_pool_opts){ .on_start = hold_hook }, "left behind: on_start");
}
END_TEST

static event then_ended;
static unsigned then_error;
static errand_result await_it(errand_result in, void *never)
{
    errand_result r = errand_await(never);
    then_error = (unsigned)r.error;
    errand_result_free(&r);
    happen(&then_ended);
    return in;
}

START_TEST(a_then_behind_a_stuck_task_runs_elsewhere_and_is_cancelled)
{
    hold h = { 0 };
    errand_future *f, *never;
    pool = pool_of(1);
    errand_future *held = errand_submit(pool, hold_worker, &h);
    await_event(&h.began);
    errand_promise *p = errand_promise_new(pool, &f), *q = errand_promise_new(pool, &never);
    errand_drop(errand_then(f, await_it, never));
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    ck_assert_int_eq(errand_pool_close(pool, 20), ETIMEDOUT);
    await_event(&then_ended); /* the only worker is still held */
    ck_assert_uint_eq(then_error, ECANCELED);
    ck_assert(!happened(&h.go));
    happen(&h.go);
    ENDS(held, 0);
    errand_promise_abandon(q);
}
END_TEST

static unsigned nested_error;
static event nested_began;
static errand_result await_a_promise(void *never)
{
    happen(&nested_began);
    errand_result r = errand_await(never);
    nested_error = (unsigned)r.error;
    return r;
}

static errand_result await_it_shielded(void *never)
{
    errand_frame frame;
    errand_enter(&frame, ERRAND_FOREVER, true);
    errand_result r = errand_await(errand_submit(pool, await_a_promise, never));
    errand_leave(&frame);
    return r;
}

START_TEST(close_cancels_a_task_run_in_place_under_a_shield)
{
    errand_future *never;
    pool = pool_of(1);
    errand_promise *p = errand_promise_new(pool, &never);
    errand_drop(errand_submit(pool, await_it_shielded, never));
    await_event(&nested_began);
    ck_assert_int_eq(errand_pool_close(pool, LONG_MS / 30), 0);
    ck_assert_uint_eq(nested_error, ECANCELED);
    errand_promise_abandon(p);
}
END_TEST

/* ---- waits during close ---- */

static size_t waiting_in(errand_pool *p)
{
    size_t n = 0;
    er_pool_lock(p);
    for (er_node *at = p->watchers.head.next; at != &p->watchers.head; at = at->next) n++;
    er_pool_unlock(p);
    return n;
}

static int idle_error[4];
static void *look_until_idle(void *error)
{
    errand_pool_stats s;
    FILE *nowhere = fopen("/dev/null", "w");
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_int_eq(errand_pool_dump(pool, nowhere), 0);
    *(int *)error = errand_pool_wait_idle(pool, LONG_MS);
    fclose(nowhere);
    return NULL;
}

START_TEST(wait_idle_ends_when_the_pool_is_closed)
{
    for (unsigned rounds = scaled(100); rounds; rounds--) {
        pthread_t threads[4];
        hold h = { 0 };
        pool = pool_of(2);
        errand_drop(errand_submit(pool, hold_worker, &h));
        await_event(&h.began);
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, look_until_idle, &idle_error[i]), 0);
        while (waiting_in(pool) < 4) sched_yield();
        happen(&h.go);
        close_pool(pool);
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        for (int i = 0; i < 4; i++) ck_assert_int_eq(idle_error[i], 0);
    }
}
END_TEST

static errand_result wait_until_idle(void *other)
{
    happen(&nested_began);
    return errand_fail(errand_pool_wait_idle(other, ERRAND_FOREVER));
}

START_TEST(a_cancel_ends_a_wait_idle_for_another_pool)
{
    hold h = { 0 };
    errand_pool *other = pool_of(1);
    pool = pool_of(1);
    errand_future *held = errand_submit(other, hold_worker, &h);
    await_event(&h.began);
    errand_future *f = errand_submit(pool, wait_until_idle, other);
    await_event(&nested_began);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    errand_task task = { .fn = wait_until_idle, .arg = other, .within_ms = 5 };
    ENDS(errand_submit_task(pool, &task), ETIMEDOUT);
    happen(&h.go);
    ENDS(held, 0);
    close_pool(other);
    close_pool(pool);
}
END_TEST

static logged h;
static void exit_in_child(bool closes)
{
    pid_t child = fork();
    if (!child) {
        char path[64];
        alarm(LONG_MS / 1000);
        snprintf(path, sizeof path, "/proc/self/fd/%d", h.fd);
        h.log = errand_log_new(NULL); /* the parent's is dead here */
        if (errand_log_to_file(h.log, path, ERRAND_LOG_DEFAULT)) _exit(4);
        errand_pool *bees = logged_pool(&h, "bees", 1, 0), *ants = logged_pool(&h, "ants", 1, 0);
        errand_pool *quiet = errand_pool_new(&(errand_pool_opts){ .name = "quiet" });
        unsigned runs = 0;
        if (code_of(errand_submit(bees, count_run, &runs)) || !quiet) _exit(1);
        if (errand_pool_close(ants, LONG_MS)) _exit(2);
        if (closes && errand_pool_close(bees, LONG_MS)) _exit(3);
        exit(0);
    }
    int status = 1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

START_TEST(a_pool_left_open_is_named_when_its_program_ends)
{
    logged_open(&h);
    exit_in_child(true);
    ck_assert_str_eq(logged_text(&h), "");
    exit_in_child(false);
    ck_assert_ptr_nonnull(strstr(logged_text(&h),
                                 "left open at the end of the program: pool bees\n"));
    ck_assert_uint_eq(logged_times(&h, "\n"), 1);
    logged_close(&h);
}
END_TEST

Suite *shutdown_suite(void)
{
    Suite *suite = suite_create("shutdown");
    TCase *tc = case_of(suite, "close");
    tcase_add_test(tc, an_unused_pool_closes);
    tcase_add_test(tc, close_refuses_NULL_and_negative_times);
    tcase_add_test(tc, a_pool_cannot_be_closed_on_its_own_thread);
    tcase_add_test(tc, a_closed_pool_refuses_close_and_submit);
    tcase_add_test(tc, close_finishes_queued_tasks);
    tcase_add_test(tc, close_lets_running_tasks_submit);
    tcase_add_test(tc, close_waits_for_sleeps_and_their_thens);
    tcase_add_test(tc, close_cancels_the_rest_at_half_its_time);
    tcase_add_test(tc, close_begins_nothing_after_it_cancels);
    tcase_add_test(tc, close_cancels_a_then_that_begins_later);
    tcase_add_test(tc, close_logs_and_leaves_behind_a_stuck_task);
    tcase_add_test(tc, thens_are_called_while_a_stuck_task_holds_the_only_worker);
    tcase_add_test(tc, close_logs_and_leaves_behind_a_thread_stuck_in_on_stop);
    tcase_add_test(tc, close_logs_and_leaves_behind_a_thread_stuck_in_on_start);
    tcase_add_test(tc, a_then_behind_a_stuck_task_runs_elsewhere_and_is_cancelled);
    tcase_add_test(tc, close_cancels_a_task_run_in_place_under_a_shield);
    tc = case_of(suite, "waits");
    tcase_add_test(tc, wait_idle_ends_when_the_pool_is_closed);
    tcase_add_test(tc, a_cancel_ends_a_wait_idle_for_another_pool);
    tc = case_of(suite, "after close");
    tcase_add_test(tc, thens_after_close_run_on_the_calling_thread);
    tcase_add_test(tc, a_then_of_a_closed_pool_may_resolve_and_await);
    tcase_add_test(tc, futures_outlive_their_pool);
    tcase_add_test(tc, a_pool_left_open_is_named_when_its_program_ends);
    tc = case_of(suite, "storms");
    tcase_add_test(tc, thens_of_promises_resolved_during_close_are_called);
    tcase_add_test(tc, close_under_a_flood_of_submits_runs_each_task_once);
    return suite;
}
