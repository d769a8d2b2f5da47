/* What a pool reports: its dump, its times, and failures that were never read. */
#include "dumped.h"
#include "logged.h"

#include "async/pool.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static logged said;
static errand_pool *pool;

static void open_pool(void)
{
    logged_open(&said);
    pool = logged_pool(&said, "bees", 2, 0);
}
static void shut_pool(void)
{
    close_pool(pool);
    logged_close(&said);
}

/* ---- the dump ---- */

typedef struct awaiting {
    event began;
    errand_future *f;
} awaiting;
static errand_result awaits(void *arg)
{
    awaiting *a = arg;
    happen(&a->began);
    return errand_await(a->f);
}

START_TEST(a_dump_shows_running_waiting_and_queued_tasks)
{
    hold h[2] = { { .runs = 0 } };
    awaiting a = { .f = NULL };
    errand_future *fs[4];
    errand_promise *p = errand_promise_new(pool, &a.f);
    ck_assert_msg(strstr(dump_of(pool), "pool bees: 0 running") == dump_text, "%.3000s", dump_text);
    fs[0] = errand_submit_task(pool, &(errand_task){ .fn = awaits, .arg = &a, .name = "drone" });
    dump_shows(pool, "task", "drone",
               "on worker 1, awaits promise (waits to be resolved), submitted at ");
    for (int i = 0; i < 2; i++) {
        fs[1 + i] = errand_submit_task(
            pool,
            &(errand_task){ .fn = hold_worker, .arg = &h[i], .name = "worker", .key = "hive:1" });
        await_event(&h[i].began);
    }
    fs[3] = errand_submit_task(pool,
                               &(errand_task){ .fn = hold_worker, .arg = &h[0], .name = "larva" });
    ck_assert_msg(dump_has(pool, "pool bees: 3 running, 1 of them waiting, 1 queued"), "%.3000s",
                  dump_text);
    ck_assert_msg(strstr(dump_text, "service, 5 operations\n"), "%.3000s", dump_text);
    ck_assert_uint_eq(dump_count(pool, "task", "worker"), 2);
    const char *line = dump_entry(pool, "task", "worker");
    ck_assert_msg(strstr(line, " on worker ") && strstr(line, ", key hive:1, submitted at "), "%s",
                  line);
    ck_assert_msg(strstr(line, "0x"), "%s", line);
    dump_shows(pool, "task", "larva", " queued, submitted at ");
    errand_cancel(fs[1]);
    ck_assert_msg(dump_has(pool, "cancelled: caller"), "%.3000s", dump_text);
    errand_cancel(fs[3]);
    ck_assert(!dump_has(pool, "larva"));
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    for (int i = 0; i < 2; i++) happen(&h[i].go);
    for (int i = 0; i < 4; i++) errand_drop(fs[i]);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_msg(dump_has(pool, "pool bees: 0 running, 0 of them waiting, 0 queued"), "%.3000s",
                  dump_text);
    dump_empties(pool);
}
END_TEST

static errand_result follows(void *f) { return errand_later(f); }
static errand_result as_it_is(errand_result in, void *arg) { return (void)arg, in; }

START_TEST(a_dump_shows_tasks_that_wait_without_a_worker)
{
    hold h = { .runs = 0 };
    errand_future *held =
        errand_submit_task(pool, &(errand_task){ .fn = hold_worker, .arg = &h, .name = "worker" });
    await_event(&h.began); /* else the cancel would end it in the queue */
    errand_future *f =
        errand_submit_task(pool, &(errand_task){ .fn = follows, .arg = held, .name = "drone" });
    dump_shows(pool, "task", "drone", "holds no worker, waits for task worker, submitted at ");
    errand_future *after = errand_then(f, as_it_is, NULL);
    dump_shows(pool, "then", "-", "holds no worker, waits for task drone, submitted at ");
    errand_cancel(after);
    ck_assert_uint_eq(times_in(dump_of(pool), "cancelled: caller"), 3);
    happen(&h.go);
    ENDS(after, 0); /* a late success stands */
    ck_assert_msg(!dump_has(pool, "holds no worker"), "%.3000s", dump_text);
}
END_TEST

typedef struct nesting {
    hold *inner;
    errand_pool *pool;
    event submitted;
} nesting;
static errand_result runs_inside(void *arg)
{
    nesting *n = arg;
    ENDS(errand_submit_task(n->pool,
                            &(errand_task){ .fn = hold_worker, .arg = n->inner, .name = "inner" }),
         0);
    return errand_ok(NULL, NULL);
}

START_TEST(a_dump_shows_a_task_run_in_place)
{
    hold h = { .runs = 0 };
    errand_pool *one =
        errand_pool_new(&(errand_pool_opts){ .workers = 1, .spares = ERRAND_NO_SPARES });
    nesting n = { .inner = &h, .pool = one };
    errand_future *f =
        errand_submit_task(one, &(errand_task){ .fn = runs_inside, .arg = &n, .name = "outer" });
    await_event(&h.began);
    dump_shows(one, "task", "outer", " on worker 1, awaits task inner, ");
    dump_shows(one, "task", "inner", " on worker 1, run by the task that awaits it, ");
    happen(&h.go);
    ENDS(f, 0);
    dump_empties(one);
    close_pool(one);
}
END_TEST

typedef struct submitting {
    pthread_t thread;
    errand_pool *pool;
    hold *h;
} submitting;
static void *submits(void *arg)
{
    submitting *s = arg;
    ENDS(errand_submit_task(s->pool,
                            &(errand_task){ .fn = hold_worker, .arg = s->h, .name = "late" }),
         0);
    return NULL;
}

START_TEST(a_dump_shows_a_task_waiting_for_room_in_the_queue)
{
    hold h = { .runs = 0 };
    errand_pool *narrow = errand_pool_new(&(errand_pool_opts){ .workers = 1, .queue = 1 });
    errand_future *f = errand_submit(narrow, hold_worker, &h);
    await_event(&h.began);
    errand_future *g = errand_submit(narrow, hold_worker, &h);
    submitting s = { .pool = narrow, .h = &h };
    ck_assert_int_eq(pthread_create(&s.thread, NULL, submits, &s), 0);
    dump_shows(narrow, "task", "late", " not queued, waits for room, submitted at ");
    happen(&h.go);
    ENDS(f, 0);
    ENDS(g, 0);
    pthread_join(s.thread, NULL);
    ck_assert_msg(!dump_has(narrow, "late"), "%.3000s", dump_text);
    close_pool(narrow);
}
END_TEST

START_TEST(a_dump_shows_when_a_sleep_ends)
{
    test_clock t;
    test_clock_start(&t);
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock });
    errand_future *f = errand_sleep(own, 100), *far = errand_sleep(own, 100000),
                  *never = errand_sleep(own, ERRAND_FOREVER);
    ck_assert_uint_eq(dump_count(own, "sleep", "-"), 3);
    ck_assert_msg(strstr(dump_text, "asleep, ends in 100 ms, submitted at "), "%.3000s", dump_text);
    ck_assert_msg(strstr(dump_text, "asleep, ends in 100000 ms, "), "%.3000s", dump_text);
    ck_assert_msg(strstr(dump_text, "asleep until it is cancelled, "), "%.3000s", dump_text);
    turn(&t, own, 100);
    ENDS(f, 0);
    ck_assert_uint_eq(dump_count(own, "sleep", "-"), 2);
    ck_assert_msg(strstr(dump_text, "asleep, ends in 99900 ms, "), "%.3000s", dump_text);
    errand_cancel(far);
    errand_cancel(never);
    ck_assert_uint_eq(dump_count(own, "sleep", "-"), 0);
    errand_drop(far);
    errand_drop(never);
    close_pool(own);
}
END_TEST

START_TEST(a_dump_shows_a_promise_a_shield_and_a_timeout)
{
    test_clock t;
    test_clock_start(&t);
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock });
    errand_future *f;
    errand_promise *p = errand_promise_new(own, &f);
    f = errand_timeout(errand_shield(f), 500);
    turn(&t, own, 100);
    dump_shows(own, "promise", "-", " waits to be resolved, submitted at ");
    dump_shows(own, "shield", "-", " waits for promise, submitted at ");
    dump_shows(own, "timeout", "-", " waits for shield, for 400 ms at most, submitted at ");
    errand_cancel(f);
    ck_assert_msg(strstr(dump_entry(own, "timeout", "-"), ", cancelled: caller"), "%.3000s",
                  dump_text);
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    dump_empties(own);
    ENDS(f, 0);
    close_pool(own);
}
END_TEST

START_TEST(a_dump_shows_combinators_and_their_pending_inputs)
{
    static errand_future *(*const ways[])(errand_future *const *, size_t) = {
        errand_all, errand_settle, errand_any, errand_race
    };
    static const char *const names[] = { "all", "settle", "any", "race" };
    for (int i = 0; i < 4; i++) {
        errand_future *fs[3];
        errand_promise *ps[3];
        for (int j = 0; j < 3; j++) ps[j] = errand_promise_new(pool, &fs[j]);
        errand_future *f = ways[i](fs, 3);
        dump_shows(pool, names[i], "-", " 3 of 3 are under way, waits for promise, submitted at ");
        bool one_is_enough = i >= 2;
        errand_promise_resolve(ps[1], one_is_enough ? errand_fail(EIO) : errand_ok(NULL, NULL));
        if (i < 3)
            dump_shows(pool, names[i], "-",
                       " 2 of 3 are under way, waits for promise, submitted at ");
        errand_promise_resolve(ps[0], errand_ok(NULL, NULL));
        errand_promise_resolve(ps[2], errand_ok(NULL, NULL));
        ck_assert_ptr_null(dump_entry(pool, names[i], "-"));
        errand_drop(f);
    }
}
END_TEST

START_TEST(a_dump_shows_a_periodic_task)
{
    test_clock t;
    test_clock_start(&t);
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock });
    hold h = { .runs = 0 };
    errand_future *f = errand_every(own, 1000, hold_worker, &h);
    dump_shows(own, "periodic", "-", " every 1000 ms, waits for its time, submitted at ");
    turn(&t, own, 1000);
    await_event(&h.began);
    dump_shows(own, "periodic", "-", " every 1000 ms, waits for task, submitted at ");
    happen(&h.go);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    ck_assert_ptr_null(dump_entry(own, "periodic", "-"));
    close_pool(own);
}
END_TEST

START_TEST(a_dump_lists_the_oldest_first)
{
    hold h = { .runs = 0 };
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_future *f =
        errand_submit_task(own, &(errand_task){ .fn = hold_worker, .arg = &h, .name = "first" });
    await_event(&h.began);
    /* operations are stamped by this clock */
    for (int64_t before = er_coarse_ns(); er_coarse_ns() == before;) sched_yield();
    errand_future *promised;
    errand_promise *p = errand_promise_new(own, &promised);
    for (int64_t before = er_coarse_ns(); er_coarse_ns() == before;) sched_yield();
    errand_future *last =
        errand_submit_task(own, &(errand_task){ .fn = hold_worker, .arg = &h, .name = "last" });
    dump_of(own);
    const char *at[] = { strstr(dump_text, " first "), strstr(dump_text, " promise "),
                         strstr(dump_text, " last ") };
    ck_assert_msg(at[0] && at[0] < at[1] && at[1] < at[2], "%.3000s", dump_text);
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    happen(&h.go);
    ENDS(f, 0);
    ENDS(last, 0);
    errand_drop(promised);
    close_pool(own);
}
END_TEST

START_TEST(control_characters_in_a_dump_are_escaped)
{
    hold h = { .runs = 0 };
    errand_future *f = errand_submit_task(
        pool, &(errand_task){ .fn = hold_worker, .arg = &h, .name = "a\nb", .key = "\x1b[31mred" });
    await_event(&h.began);
    ck_assert_msg(strstr(dump_entry(pool, "task", "a\\x0ab"), ", key \\x1b[31mred, "), "%.3000s",
                  dump_text);
    ck_assert(!strchr(dump_text, '\x1b'));
    happen(&h.go);
    ENDS(f, 0);
}
END_TEST

static errand_pool *dumped;
static unsigned looked_up;
int __real_dladdr(const void *address, Dl_info *info);
int __wrap_dladdr(const void *address, Dl_info *info);
int __wrap_dladdr(const void *address, Dl_info *info)
{
    errand_pool *now = __atomic_load_n(&dumped, __ATOMIC_SEQ_CST);
    if (now) ck_assert_uint_eq(__atomic_load_n(&now->lock.word, __ATOMIC_SEQ_CST), 0);
    count_up(&looked_up);
    return __real_dladdr(address, info);
}

/* While a library is loaded, the loader's lock is held; its constructor may use the pool. */
START_TEST(a_dump_looks_up_symbols_without_the_pools_lock)
{
    hold h = { 0 };
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_future *f = errand_submit(own, hold_worker, &h),
                  *g = errand_submit(own, hold_worker, &h);
    await_event(&h.began);
    dumped = own;
    dump_of(own);
    dumped = NULL;
    ck_assert_uint_eq(count_of(&looked_up), 2);
    happen(&h.go);
    ENDS(f, 0);
    ENDS(g, 0);
    close_pool(own);
}
END_TEST

START_TEST(a_dump_returns_a_write_error)
{
    FILE *full = fopen("/dev/full", "w");
    setvbuf(full, NULL, _IONBF, 0);
    ck_assert_int_eq(errand_pool_dump(pool, full), EIO);
    fclose(full);
    ck_assert_int_eq(errand_pool_dump(NULL, stdout), EINVAL);
    ck_assert_int_eq(errand_pool_dump(pool, NULL), EINVAL);
}
END_TEST

static errand_result itself(void *arg) { return errand_ok(arg, NULL); }

typedef struct dumping {
    pthread_t thread;
    bool over; /* atomic */
} dumping;
static void *dumps_on(void *arg)
{
    dumping *d = arg;
    FILE *nowhere = fopen("/dev/null", "w");
    while (!__atomic_load_n(&d->over, __ATOMIC_SEQ_CST))
        ck_assert_int_eq(errand_pool_dump(pool, nowhere), 0);
    fclose(nowhere);
    return NULL;
}
static void dumping_begin(dumping *d)
{
    ck_assert_int_eq(pthread_create(&d->thread, NULL, dumps_on, d), 0);
}
static void dumping_end(dumping *d)
{
    __atomic_store_n(&d->over, true, __ATOMIC_SEQ_CST);
    pthread_join(d->thread, NULL);
}

START_TEST(a_dump_and_stats_race_with_running_work)
{
    unsigned n = scaled(5000);
    dumping d = { .over = false };
    dumping_begin(&d);
    errand_pool_stats s;
    for (unsigned i = 0; i < n; i++) {
        errand_future *one =
            errand_submit_task(pool, &(errand_task){ .fn = itself, .name = "one", .key = "k" });
        if (i % 3 == 0) errand_cancel(one);
        ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
        errand_drop(one);
    }
    dumping_end(&d);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.done + s.cancelled, n);
}
END_TEST

static errand_result naps(void *arg) { return (void)arg, errand_later(errand_sleep(pool, 0)); }

static void *begins_and_ends(void *arg)
{
    for (unsigned i = 0; i < scaled(1000); i++) {
        errand_future *fs[3];
        errand_promise *p = errand_promise_new(pool, &fs[0]);
        fs[0] = errand_timeout(errand_shield(fs[0]), 100000);
        fs[1] = errand_sleep(pool, i % 2 ? 100000 : 1);
        fs[2] = errand_then(errand_submit(pool, naps, NULL), as_it_is, NULL);
        errand_future *f = i % 4 < 2 ? errand_all(fs, 3) : errand_race(fs, 3);
        if (i % 3 == 0) errand_cancel(f);
        errand_promise_resolve(p, i % 5 ? errand_ok(NULL, NULL) : errand_fail(EIO));
        errand_cancel(f);
        errand_drop(f);
    }
    return arg;
}

START_TEST(a_dump_races_with_operations_of_all_kinds)
{
    pthread_t threads[3];
    dumping d = { .over = false };
    dumping_begin(&d);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, begins_and_ends, NULL), 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    dumping_end(&d);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    dump_empties(pool);
}
END_TEST

/* ---- times ---- */

static errand_result lasts(void *arg)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec <
             as_number(arg));
    return errand_ok(NULL, NULL);
}

START_TEST(percentiles_are_ordered_and_within_a_fifth)
{
    enum { N = 640, LASTS_NS = 100000 };
    errand_pool *one = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    static errand_future *fs[N];
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_stats_get(one, &s), 0);
    ck_assert_int_eq(
        s.longest_wait_ns | s.wait_p50_ns | s.wait_p99_ns | s.run_p50_ns | s.run_p99_ns, 0);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < N; i++) fs[i] = errand_submit(one, lasts, as_value(LASTS_NS));
    ENDS(errand_all(fs, N), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    int64_t all_ns = (end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec;
    ck_assert_int_eq(errand_pool_wait_idle(one, LONG_MS), 0);
    ck_assert_int_eq(errand_pool_stats_get(one, &s), 0);
    ck_assert_int_ge(s.run_p50_ns, LASTS_NS * 81 / 100);
    ck_assert_int_le(s.run_p50_ns, s.run_p99_ns);
    ck_assert_int_le(s.run_p99_ns, all_ns * 119 / 100);
    ck_assert_int_le(s.wait_p50_ns, s.wait_p99_ns);
    ck_assert_int_le(s.wait_p99_ns, all_ns * 119 / 100);
    /* the median task waited for half of the others: at least half of that time */
    ck_assert_int_ge(s.wait_p50_ns, (int64_t)N / 4 * LASTS_NS);
    ck_assert_int_ge(s.longest_wait_ns, (int64_t)(N - 2) * LASTS_NS * 3 / 4);
    /* the coarse clock ticks every few ms */
    ck_assert_int_le(s.longest_wait_ns, all_ns + 20000000);
    close_pool(one);
}
END_TEST

/* ---- failures that were never read ---- */

static errand_result fails(void *arg)
{
    return errand_failf(EIO, "the %s is lost", (const char *)arg);
}
static errand_result cancels_itself(void *arg) { return (void)arg, errand_fail(ECANCELED); }
static errand_result sleeps_on(void *arg)
{
    return (void)arg, errand_later(errand_sleep(pool, ERRAND_FOREVER));
}

static void drop_ended(errand_future *f)
{
    ck_assert_int_eq(errand_wait(f, LONG_MS), 0);
    errand_drop(f);
}

/* Must not be unrolled or inlined, to stay one call site. */
__attribute__((noinline)) static errand_future *lose(const char *what)
{
    return errand_submit_task(
        pool, &(errand_task){ .fn = fails, .arg = (void *)(intptr_t)what, .name = "treasurer" });
}

START_TEST(a_discarded_failure_is_logged_once_per_site)
{
    for (int i = 0; i < 5; i++) drop_ended(lose("key"));
    ck_assert_uint_eq(
        logged_times(&said, "failure never retrieved: treasurer: the key is lost (submitted at "),
        1);
    drop_ended(errand_submit_task(pool,
                                  &(errand_task){ .fn = fails, .arg = "ring", .name = "another" }));
    ck_assert_uint_eq(logged_times(&said, "another: the ring is lost"), 1);
    ck_assert_uint_eq(logged_times(&said, "never retrieved"), 2);
}
END_TEST

/* One call site, also if loops are unrolled. */
__attribute__((noinline)) static void drop_a_combination(void)
{
    errand_future *two[] = { lose("purse"), errand_sleep(pool, 0) };
    drop_ended(errand_all(two, 2));
}

START_TEST(a_discarded_combinator_or_promise_failure_is_logged)
{
    for (volatile int left = 3; left > 0; left--) drop_a_combination();
    ck_assert_uint_eq(logged_times(&said, "failure never retrieved: (no name): the purse is lost"),
                      1);
    errand_future *f;
    errand_promise_resolve(errand_promise_new(pool, &f), errand_failf(EIO, "not kept"));
    errand_drop(f);
    ck_assert_uint_eq(logged_times(&said, "not kept"), 1);
}
END_TEST

START_TEST(read_successful_and_cancelled_results_are_not_logged)
{
    ENDS(lose("watched"), EIO);
    drop_ended(errand_submit(pool, itself, NULL));
    errand_future *f = errand_sleep(pool, ERRAND_FOREVER);
    errand_cancel(f);
    drop_ended(f);
    errand_future *losers[] = { lose("race"), lose("race") };
    errand_result r = errand_await(errand_race(losers, 2));
    errand_result_free(&r);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_str_eq(logged_text(&said), "");
}
END_TEST

START_TEST(an_unrequested_ECANCELED_is_a_failure)
{
    errand_pool_stats before, s;
    ck_assert_int_eq(errand_pool_stats_get(pool, &before), 0);
    drop_ended(errand_submit(pool, cancels_itself, NULL));
    ck_assert_uint_eq(logged_times(&said, "failure never retrieved: (no name): Operation canceled"),
                      1);
    errand_future *f = errand_submit(pool, sleeps_on, NULL);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.failed, before.failed + 1);
    ck_assert_uint_eq(s.cancelled, before.cancelled + 1);
}
END_TEST

#define LOSE                                                                                       \
    drop_ended(errand_submit_task(                                                                 \
        pool, &(errand_task){ .fn = fails, .arg = "one of many", .name = "site" }));
#define LOSE_4  LOSE LOSE LOSE LOSE
#define LOSE_16 LOSE_4 LOSE_4 LOSE_4 LOSE_4

START_TEST(each_of_many_sites_is_logged_once)
{
    for (int i = 0; i < 5; i++) {
        LOSE_16 LOSE_16 LOSE_16
    }
    ck_assert_uint_eq(logged_times(&said, "site: the one of many is lost"), 48);
}
END_TEST

Suite *dump_suite(void)
{
    Suite *suite = suite_create("dump");
    TCase *tc = case_of(suite, "dump");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_dump_shows_running_waiting_and_queued_tasks);
    tcase_add_test(tc, a_dump_shows_tasks_that_wait_without_a_worker);
    tcase_add_test(tc, a_dump_shows_a_task_run_in_place);
    tcase_add_test(tc, a_dump_shows_a_task_waiting_for_room_in_the_queue);
    tcase_add_test(tc, a_dump_shows_when_a_sleep_ends);
    tcase_add_test(tc, a_dump_shows_a_promise_a_shield_and_a_timeout);
    tcase_add_test(tc, a_dump_shows_combinators_and_their_pending_inputs);
    tcase_add_test(tc, a_dump_shows_a_periodic_task);
    tcase_add_test(tc, a_dump_lists_the_oldest_first);
    tcase_add_test(tc, control_characters_in_a_dump_are_escaped);
    tcase_add_test(tc, a_dump_looks_up_symbols_without_the_pools_lock);
    tcase_add_test(tc, a_dump_returns_a_write_error);
    tcase_add_test(tc, a_dump_and_stats_race_with_running_work);
    tcase_add_test(tc, a_dump_races_with_operations_of_all_kinds);
    tcase_add_test(tc, percentiles_are_ordered_and_within_a_fifth);
    tcase_add_test(tc, a_discarded_failure_is_logged_once_per_site);
    tcase_add_test(tc, a_discarded_combinator_or_promise_failure_is_logged);
    tcase_add_test(tc, read_successful_and_cancelled_results_are_not_logged);
    tcase_add_test(tc, an_unrequested_ECANCELED_is_a_failure);
    tcase_add_test(tc, each_of_many_sites_is_logged_once);
    return suite;
}
