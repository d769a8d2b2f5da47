/* A full queue: errand_try_submit, and ERRAND_WHEN_FULL_CALLER_RUNS, which runs a task as a guest
 * of the submitting thread. */
#include "dumped.h"
#include "forked.h"
#include "logged.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* A pool whose only worker is held and whose queue is full with one task. */
typedef struct full {
    errand_pool *pool;
    hold h, queued;
    errand_future *held, *second;
    unsigned started;
} full;

static void started(void *arg) { count_up(&((full *)arg)->started); }
static errand_result give(void *arg) { return errand_ok(arg, NULL); }

static void fill(full *f, errand_when_full what, errand_pool_opts o)
{
    *f = (full){ .started = 0 };
    o.workers = 1;
    o.queue = 1;
    o.when_full = what;
    o.on_start = started;
    o.arg = f;
    f->pool = errand_pool_new(&o);
    happen(&f->queued.go);
    f->held = errand_submit(f->pool, hold_worker, &f->h);
    await_event(&f->h.began);
    f->second = errand_submit(f->pool, hold_worker, &f->queued);
}

static void empty(full *f)
{
    happen(&f->h.go);
    ENDS(f->held, 0);
    ENDS(f->second, 0);
    close_pool(f->pool);
}

/* ---- errand_try_submit ---- */

START_TEST(try_submit_to_a_full_queue_is_EFULL_under_every_option)
{
    for (int what = ERRAND_WHEN_FULL_BLOCK; what <= ERRAND_WHEN_FULL_CALLER_RUNS; what++) {
        full f;
        unsigned freed = 0;
        errand_task task = { .fn = give, .arg = &freed, .free = free_counts };
        fill(&f, (errand_when_full)what, (errand_pool_opts){ 0 });
        errand_result r = errand_await(errand_try_submit(f.pool, &task));
        ck_assert_int_eq(r.error, ERRAND_EFULL);
        ck_assert(!errand_result_may_have_run(&r));
        errand_result_free(&r);
        ck_assert_uint_eq(freed, 1);
        ck_assert(!errand_done(f.second)); /* nor was a queued task dropped */
        happen(&f.h.go);
        ENDS(f.held, 0);
        ENDS(f.second, 0);
        ENDS(errand_try_submit(f.pool, &task), 0);
        ck_assert_uint_eq(freed, 2);
        close_pool(f.pool);
    }
}
END_TEST

static errand_result tries_more(void *arg)
{
    full *f = arg;
    int refused = 0;
    for (int i = 0; i < 5; i++) {
        errand_future *one = errand_try_submit(f->pool, &(errand_task){ .fn = give });
        refused += errand_done(one) && code_of(one);
        if (!refused) errand_drop(one);
    }
    return errand_ok(as_value(refused), NULL);
}

START_TEST(try_submit_from_the_pools_own_threads_succeeds)
{
    full f = { .pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .queue = 1 }) };
    ck_assert_int_eq(as_number(errand_await(errand_submit(f.pool, tries_more, &f)).value), 0);
    close_pool(f.pool);
}
END_TEST

START_TEST(try_submit_of_NULL_is_EINVAL)
{
    ENDS(errand_try_submit(NULL, NULL), EINVAL);
    ENDS(errand_try_submit(NULL, &(errand_task){ .fn = give }), EINVAL);
}
END_TEST

/* ---- guests ---- */

/* What a guest observed. */
typedef struct seen {
    full *f;
    pthread_t thread;
    unsigned runs, freed;
    int64_t left;
    char key[16];
    errand_reason reason;
    int code;
    errand_future *later;
} seen;

static void free_seen(void *arg) { ((seen *)arg)->freed++; }

static errand_result look_around(void *arg)
{
    seen *s = arg;
    s->runs++;
    s->thread = pthread_self();
    s->left = errand_time_left();
    s->reason = errand_cancelled();
    snprintf(s->key, sizeof s->key, "%s", errand_key() ? errand_key() : "");
    return errand_ok(as_value(9), NULL);
}

START_TEST(a_full_queue_runs_the_task_in_the_caller)
{
    full f;
    seen s = { .runs = 0 };
    fill(&f, ERRAND_WHEN_FULL_CALLER_RUNS, (errand_pool_opts){ 0 });
    errand_task task = {
        .fn = look_around, .arg = &s, .free = free_seen, .key = "k", .within_ms = LONG_MS
    };
    errand_future *guest = errand_submit_task(f.pool, &task);
    ck_assert(errand_done(guest));
    ck_assert_uint_eq(s.runs, 1);
    ck_assert_uint_eq(s.freed, 1);
    ck_assert(pthread_equal(s.thread, pthread_self()));
    ck_assert(s.left <= LONG_MS);
    ck_assert_str_eq(s.key, "k");
    ck_assert_int_eq(as_number(errand_await(guest).value), 9);
    ck_assert_int_eq(errand_time_left(), ERRAND_FOREVER); /* the guest's context is restored */
    ck_assert_ptr_null(errand_key());
    ck_assert_uint_eq(count_of(&f.started), 1);
    errand_pool_stats stats;
    errand_pool_stats_get(f.pool, &stats);
    ck_assert_uint_eq(stats.done, 1);
    ck_assert_uint_eq(stats.running, 1);
    ck_assert_uint_eq(stats.queued, 1);
    empty(&f);
}
END_TEST

static errand_result goes_on_later(void *arg) { return errand_later(((seen *)arg)->later); }

START_TEST(a_guest_that_returns_later_does_not_hold_its_thread)
{
    full f;
    seen s = { .runs = 0 };
    fill(&f, ERRAND_WHEN_FULL_CALLER_RUNS, (errand_pool_opts){ 0 });
    errand_promise *p = errand_promise_new(f.pool, &s.later);
    errand_future *guest = errand_submit(f.pool, goes_on_later, &s);
    ck_assert(!errand_done(guest));
    errand_promise_resolve(p, errand_ok(as_value(4), NULL));
    ck_assert_int_eq(as_number(errand_await(guest).value), 4);
    empty(&f);
}
END_TEST

static errand_result submits_inside(void *arg)
{
    seen *s = arg;
    s->code = errand_pool_close(s->f->pool, 0) == EDEADLK &&
              errand_pool_wait_idle(s->f->pool, 0) == EDEADLK;
    for (int i = 0; i < 3; i++) errand_drop(errand_submit(s->f->pool, look_around, s));
    ck_assert_uint_eq(s->runs, 0); /* neither run nested nor refused */
    errand_pool_stats stats;
    errand_pool_stats_get(s->f->pool, &stats);
    ck_assert_uint_eq(stats.running, 2);
    ck_assert_uint_eq(stats.queued, 4);
    ck_assert_ptr_nonnull(dump_shows(s->f->pool, "task", "guest",
                                     "in the thread that submitted it"));
    ck_assert(dump_has(s->f->pool, ": 2 running"));
    return errand_ok(NULL, NULL);
}

START_TEST(a_guest_counts_as_a_task_of_the_pool)
{
    full f;
    seen s = { .f = &f };
    fill(&f, ERRAND_WHEN_FULL_CALLER_RUNS, (errand_pool_opts){ 0 });
    ENDS(errand_submit_task(f.pool,
                            &(errand_task){ .fn = submits_inside, .arg = &s, .name = "guest" }),
         0);
    ck_assert_int_eq(s.code, 1);
    empty(&f);
    ck_assert_uint_eq(s.runs, 3);
}
END_TEST

/* ---- in a task of another pool ---- */

typedef struct around {
    full f;
    errand_pool *pool;
    event began, go, inside;
    bool shielded, waits, resolved;
    errand_promise *p;
    errand_future *end, *self;
    seen s;
    int guest, code;
} around;

static errand_result waits_in_guest(void *arg)
{
    around *a = arg;
    happen(&a->inside);
    a->code = errand_wait(a->self ? a->self : a->end, ERRAND_FOREVER);
    a->s.reason = errand_cancelled();
    return errand_ok(NULL, NULL);
}

static errand_result submits_a_guest(void *arg)
{
    around *a = arg;
    errand_frame frame;
    happen(&a->began);
    await_event(&a->go);
    if (a->shielded) errand_enter(&frame, ERRAND_FOREVER, true);
    errand_future *f = errand_submit(a->f.pool, a->waits ? waits_in_guest : look_around,
                                     a->waits ? (void *)a : (void *)&a->s);
    a->guest = errand_done(f) ? code_of(f) : -1;
    if (a->shielded) errand_leave(&frame);
    return errand_ok(NULL, NULL);
}

static void go_around(around *a)
{
    fill(&a->f, ERRAND_WHEN_FULL_CALLER_RUNS, (errand_pool_opts){ 0 });
    a->pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    a->p = errand_promise_new(a->f.pool, &a->end);
}

static void leave_around(around *a)
{
    if (!a->resolved) errand_promise_resolve(a->p, errand_ok(NULL, NULL));
    errand_drop(a->end);
    empty(&a->f);
    close_pool(a->pool);
}

START_TEST(a_guest_is_cancelled_with_its_host_unless_shielded)
{
    for (int shielded = 0; shielded < 2; shielded++) {
        around a = { .shielded = shielded, .waits = true };
        go_around(&a);
        errand_future *outer = errand_submit(a.pool, submits_a_guest, &a);
        happen(&a.go);
        await_event(&a.inside);
        errand_cancel(outer);
        if (shielded) errand_promise_resolve(a.p, errand_ok(NULL, NULL));
        a.resolved = shielded;
        ENDS(outer, 0);
        ck_assert_int_eq(a.guest, 0);
        ck_assert_int_eq(a.code, shielded ? 0 : ECANCELED);
        ck_assert_int_eq(a.s.reason, shielded ? ERRAND_BY_NONE : ERRAND_BY_CALLER);
        leave_around(&a);
    }
}
END_TEST

START_TEST(a_cancelled_task_runs_no_guest)
{
    around a = { .waits = false };
    go_around(&a);
    errand_future *outer = errand_submit(a.pool, submits_a_guest, &a);
    await_event(&a.began);
    errand_cancel(outer);
    happen(&a.go);
    ENDS(outer, 0);
    ck_assert_int_eq(a.guest, ECANCELED);
    ck_assert_uint_eq(a.s.runs, 0);
    leave_around(&a);
}
END_TEST

START_TEST(a_guest_that_awaits_its_host_is_a_deadlock)
{
    around a = { .waits = true };
    go_around(&a);
    a.self = errand_submit(a.pool, submits_a_guest, &a);
    happen(&a.go);
    ENDS(a.self, 0);
    ck_assert_int_eq(a.code, EDEADLK);
    leave_around(&a);
}
END_TEST

static full first, second;
static errand_result uses_the_first(void *arg)
{
    seen *s = arg;
    s->code = errand_pool_close(first.pool, ERRAND_FOREVER);
    errand_drop(errand_submit(first.pool, look_around, s));
    return errand_ok(as_value(s->runs), NULL);
}
static errand_result submits_to_the_second(void *arg)
{
    return errand_later(errand_submit(second.pool, uses_the_first, arg));
}

START_TEST(a_guest_inside_a_guest_belongs_to_both_pools)
{
    seen s = { .runs = 0 };
    fill(&first, ERRAND_WHEN_FULL_CALLER_RUNS, (errand_pool_opts){ 0 });
    fill(&second, ERRAND_WHEN_FULL_CALLER_RUNS, (errand_pool_opts){ 0 });
    errand_future *f = errand_submit(first.pool, submits_to_the_second, &s);
    ck_assert(errand_done(f));
    /* queued, not run as a third nested guest */
    ck_assert_int_eq(as_number(errand_await(f).value), 0);
    ck_assert_int_eq(s.code, EDEADLK);
    empty(&second);
    empty(&first);
    ck_assert_uint_eq(s.runs, 1);
}
END_TEST

/* ---- the end ---- */

typedef struct submitter {
    full *f;
    event inside;
    bool stuck;
    event free;
    int code, ended;
} submitter;

static errand_result lasts(void *arg)
{
    submitter *s = arg;
    happen(&s->inside);
    if (s->stuck) await_event(&s->free);
    else s->code = code_of(errand_sleep(s->f->pool, ERRAND_FOREVER));
    return errand_fail(s->code);
}

static void *submits_one_that_lasts(void *arg)
{
    submitter *s = arg;
    s->ended = code_of(
        errand_submit_task(s->f->pool, &(errand_task){ .fn = lasts, .arg = s, .name = "lodger" }));
    return NULL;
}

static pthread_t begin(submitter *s)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, submits_one_that_lasts, s), 0);
    await_event(&s->inside);
    return thread;
}

START_TEST(close_waits_for_guests_and_cancels_them)
{
    full f;
    submitter s = { .f = &f };
    fill(&f, ERRAND_WHEN_FULL_CALLER_RUNS, (errand_pool_opts){ 0 });
    pthread_t thread = begin(&s);
    ck_assert_int_eq(errand_pool_wait_idle(f.pool, 1), ETIMEDOUT);
    happen(&f.h.go);
    ENDS(f.held, 0);
    ENDS(f.second, 0);
    ck_assert_int_eq(errand_pool_wait_idle(f.pool, 1), ETIMEDOUT);
    close_and_cancel(f.pool);
    pthread_join(thread, NULL);
    ck_assert_int_eq(s.code, ECANCELED);
    ck_assert_int_eq(s.ended, ECANCELED);
}
END_TEST

START_TEST(close_logs_and_leaves_behind_a_stuck_guest)
{
    logged h;
    full f;
    submitter s = { .f = &f, .stuck = true, .code = EIO };
    logged_open(&h);
    fill(&f, ERRAND_WHEN_FULL_CALLER_RUNS, (errand_pool_opts){ .log = h.log });
    pthread_t thread = begin(&s);
    happen(&f.h.go);
    ENDS(f.held, 0);
    ENDS(f.second, 0);
    ck_assert_int_eq(errand_pool_close(f.pool, 20), ETIMEDOUT);
    ck_assert_uint_eq(logged_times(&h, "would not end, left behind: lodger"), 1);
    happen(&s.free);
    pthread_join(thread, NULL);
    ck_assert_int_eq(s.ended, ECANCELED); /* it was cancelled; its own error is the cause */
    logged_close(&h);
}
END_TEST

static errand_result forks(void *arg)
{
    pid_t pid = fork();
    if (!pid) return errand_ok(NULL, NULL); /* the child returns into errand_submit */
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    *(int *)arg = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return errand_ok(NULL, NULL);
}

START_TEST(a_guest_that_returns_in_a_child_ends_it)
{
    full f;
    int status = 0;
    fill(&f, ERRAND_WHEN_FULL_CALLER_RUNS, (errand_pool_opts){ 0 });
    ENDS(errand_submit(f.pool, forks, &status), 0);
    ck_assert_int_eq(status, 127);
    empty(&f);
}
END_TEST

static unsigned flood_freed, flood_run;
static errand_result run_flood(void *arg)
{
    count_up(&flood_run);
    return errand_ok(arg, NULL);
}

static void *floods(void *arg)
{
    for (unsigned i = 0, n = scaled(3000); i < n; i++) {
        errand_task task = { .fn = run_flood,
                             .arg = &flood_freed,
                             .free = free_counts,
                             .within_ms = i % 5 ? 0 : LONG_MS };
        errand_future *one = errand_submit_task(arg, &task);
        if (i % 3 == 0) errand_cancel(one);
        errand_drop(one);
    }
    return NULL;
}

START_TEST(guests_and_workers_race_and_free_each_arg_once)
{
    pthread_t threads[3];
    flood_freed = flood_run = 0;
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){
        .workers = 2, .queue = 2, .when_full = ERRAND_WHEN_FULL_CALLER_RUNS });
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, floods, pool), 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    close_pool(pool);
    ck_assert_uint_eq(flood_freed, 3 * scaled(3000));
    ck_assert_uint_ge(flood_run, 2 * scaled(3000)); /* only cancelled tasks were not run */
}
END_TEST

Suite *guests_suite(void)
{
    Suite *suite = suite_create("guests");
    TCase *tc = case_of(suite, "try_submit");
    tcase_add_test(tc, try_submit_to_a_full_queue_is_EFULL_under_every_option);
    tcase_add_test(tc, try_submit_from_the_pools_own_threads_succeeds);
    tcase_add_test(tc, try_submit_of_NULL_is_EINVAL);
    tc = case_of(suite, "guests");
    tcase_add_test(tc, a_full_queue_runs_the_task_in_the_caller);
    tcase_add_test(tc, a_guest_that_returns_later_does_not_hold_its_thread);
    tcase_add_test(tc, a_guest_counts_as_a_task_of_the_pool);
    tcase_add_test(tc, a_guest_is_cancelled_with_its_host_unless_shielded);
    tcase_add_test(tc, a_cancelled_task_runs_no_guest);
    tcase_add_test(tc, a_guest_that_awaits_its_host_is_a_deadlock);
    tcase_add_test(tc, a_guest_inside_a_guest_belongs_to_both_pools);
    tc = case_of(suite, "ends");
    tcase_add_test(tc, close_waits_for_guests_and_cancels_them);
    tcase_add_test(tc, close_logs_and_leaves_behind_a_stuck_guest);
    tcase_add_test(tc, a_guest_that_returns_in_a_child_ends_it);
    tcase_add_test(tc, guests_and_workers_race_and_free_each_arg_once);
    return suite;
}
