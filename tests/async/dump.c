/* What a pool tells of itself: its dump, its times, and which failures nobody looked at. */
#include "dumped.h"
#include "heard.h"

#include "async/pool.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static heard said;
static errand_pool *pool;

static void open_pool(void)
{
    heard_open(&said);
    pool = heard_pool(&said, "bees", 2, 0);
}
static void shut_pool(void)
{
    close_pool(pool);
    heard_close(&said);
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

static bool waits_by_now(const char *name)
{
    for (int i = 0; i < 4 * LONG_MS; i++) {
        if (strstr(dump_line(pool, name), ", awaits a future, since")) return true;
        nanosleep(&(struct timespec){ 0, 250000 }, NULL); /* it has begun, and will wait soon */
    }
    return false;
}

START_TEST(a_dump_shows_what_runs_what_waits_for_what_and_what_is_queued)
{
    hold h[2] = { { .runs = 0 } };
    awaiting a = { .f = NULL };
    errand_future *fs[4];
    errand_promise *p = errand_promise_new(pool, &a.f);
    ck_assert_msg(strstr(dump_of(pool), "pool bees: 0 running") == dump_text, "%s", dump_text);
    fs[0] = errand_submit_task(pool, &(errand_task){ .fn = awaits, .arg = &a, .name = "drone" });
    await_event(&a.began);
    ck_assert(waits_by_now("drone"));
    for (int i = 0; i < 2; i++) {
        fs[1 + i] = errand_submit_task(
            pool, &(errand_task){ .fn = hold_worker, .arg = &h[i], .name = "worker", .key = "hive:1" });
        await_event(&h[i].began);
    }
    fs[3] = errand_submit_task(pool, &(errand_task){ .fn = hold_worker, .arg = &h[0], .name = "larva" });
    ck_assert_msg(dump_has(pool, "pool bees: 3 running, 1 of them waiting, 1 queued"), "%s", dump_text);
    ck_assert_uint_eq(times_in(dump_text, "worker:"), 2);
    const char *line = dump_line(pool, "worker:");
    ck_assert_msg(strstr(line, "on worker ") && strstr(line, ", since ") && strstr(line, ", key hive:1"), "%s", line);
    ck_assert_msg(strstr(line, "submitted at ") && strstr(line, "0x"), "%s", line);
    line = dump_line(pool, "larva:");
    ck_assert_msg(strstr(line, "queued, since"), "%s", line);
    errand_cancel(fs[1]);
    ck_assert_msg(dump_has(pool, "told to end: caller"), "%s", dump_text);
    errand_cancel(fs[3]);
    ck_assert(!dump_has(pool, "larva"));
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    for (int i = 0; i < 2; i++) happen(&h[i].go);
    for (int i = 0; i < 4; i++) errand_drop(fs[i]);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_msg(dump_has(pool, "pool bees: 0 running, 0 of them waiting, 0 queued"), "%s", dump_text);
}
END_TEST

static errand_result follows(void *f) { return errand_later(f); }
static errand_result as_it_is(errand_result in, void *arg) { return (void)arg, in; }

START_TEST(a_dump_shows_what_waits_without_a_worker_and_for_what)
{
    hold h = { .runs = 0 };
    errand_future *held = errand_submit_task(pool, &(errand_task){ .fn = hold_worker, .arg = &h, .name = "worker" });
    await_event(&h.began); /* else a cancel would end it unrun */
    errand_future *f = errand_submit_task(pool, &(errand_task){ .fn = follows, .arg = held, .name = "drone" });
    ck_assert_msg(dump_has_soon(pool, "drone: holds no worker, waits for worker, since "), "%s", dump_text);
    errand_future *after = errand_then(f, as_it_is, NULL);
    ck_assert_msg(dump_has(pool, "(no name): holds no worker, waits for drone, since "), "%s", dump_text);
    errand_cancel(after);
    ck_assert_uint_eq(times_in(dump_of(pool), "told to end: caller"), 3);
    happen(&h.go);
    ENDS(after, 0); /* a late success stands */
    ck_assert_msg(!dump_has(pool, "holds no worker"), "%s", dump_text);
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

/* A library that is being loaded has the loader's lock, and may use the pool. */
START_TEST(symbols_are_looked_up_without_the_pools_lock)
{
    hold h = { 0 };
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_future *f = errand_submit(own, hold_worker, &h), *g = errand_submit(own, hold_worker, &h);
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

START_TEST(a_dump_that_cannot_be_written_says_so)
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
static errand_result dumps(void *arg)
{
    FILE *nowhere = fopen("/dev/null", "w");
    for (unsigned i = 0; i < scaled(200); i++) errand_pool_dump(arg, nowhere);
    fclose(nowhere);
    return errand_ok(NULL, NULL);
}

START_TEST(dumping_and_counting_race_with_all_that_goes_on)
{
    unsigned n = scaled(5000);
    errand_future *f = errand_submit(pool, dumps, pool);
    errand_pool_stats s;
    for (unsigned i = 0; i < n; i++) {
        errand_future *one = errand_submit_task(pool, &(errand_task){ .fn = itself, .name = "one", .key = "k" });
        if (i % 3 == 0) errand_cancel(one);
        ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
        errand_drop(one);
    }
    ENDS(f, 0);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.done + s.cancelled, n + 1);
}
END_TEST

/* ---- times ---- */

static errand_result lasts(void *arg)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec < as_number(arg));
    return errand_ok(NULL, NULL);
}

START_TEST(percentiles_and_the_longest_wait_are_in_order_and_within_a_fifth)
{
    enum { N = 640, LASTS_NS = 100000 };
    errand_pool *one = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    static errand_future *fs[N];
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_stats_get(one, &s), 0);
    ck_assert_int_eq(s.longest_wait_ns | s.wait_p50_ns | s.wait_p99_ns | s.run_p50_ns | s.run_p99_ns, 0);
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
    /* the middle one waited for half of the others: at least half of that */
    ck_assert_int_ge(s.wait_p50_ns, (int64_t)N / 4 * LASTS_NS);
    ck_assert_int_ge(s.longest_wait_ns, (int64_t)(N - 2) * LASTS_NS * 3 / 4);
    ck_assert_int_le(s.longest_wait_ns, all_ns + 20000000); /* stamped by a clock that ticks every few ms */
    close_pool(one);
}
END_TEST

/* ---- failures that nobody looked at ---- */

static errand_result fails(void *arg) { return errand_failf(EIO, "the %s is lost", (const char *)arg); }
static errand_result cancels_itself(void *arg) { return (void)arg, errand_fail(ECANCELED); }
static errand_result sleeps_on(void *arg) { return (void)arg, errand_later(errand_sleep(pool, ERRAND_FOREVER)); }

static void drop_ended(errand_future *f)
{
    ck_assert_int_eq(errand_wait(f, LONG_MS), 0);
    errand_drop(f);
}

/* Not to be unrolled or inlined: it is one site. */
__attribute__((noinline)) static errand_future *lose(const char *what)
{
    return errand_submit_task(pool, &(errand_task){ .fn = fails, .arg = (void *)(intptr_t)what, .name = "treasurer" });
}

START_TEST(a_failure_that_is_dropped_is_told_once_for_its_site_with_name_message_and_place)
{
    for (int i = 0; i < 5; i++) drop_ended(lose("key"));
    ck_assert_uint_eq(heard_times(&said, "nobody looked at this failure: treasurer: the key is lost (submitted at "),
                      1);
    drop_ended(errand_submit_task(pool, &(errand_task){ .fn = fails, .arg = "ring", .name = "another" }));
    ck_assert_uint_eq(heard_times(&said, "another: the ring is lost"), 1);
    ck_assert_uint_eq(heard_times(&said, "nobody looked"), 2);
}
END_TEST

/* One place in the code, also where loops are unrolled. */
__attribute__((noinline)) static void drop_a_combination(void)
{
    errand_future *two[] = { lose("purse"), errand_sleep(pool, 0) };
    drop_ended(errand_all(two, 2));
}

START_TEST(a_failed_combination_or_promise_that_is_dropped_is_told_too)
{
    for (volatile int left = 3; left > 0; left--) drop_a_combination();
    ck_assert_uint_eq(heard_times(&said, "nobody looked at this failure: (no name): the purse is lost"), 1);
    errand_future *f;
    errand_promise_resolve(errand_promise_new(pool, &f), errand_failf(EIO, "not kept"));
    errand_drop(f);
    ck_assert_uint_eq(heard_times(&said, "not kept"), 1);
}
END_TEST

START_TEST(what_was_looked_at_went_well_or_was_cancelled_is_not_told)
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
    ck_assert_str_eq(heard_text(&said), "");
}
END_TEST

START_TEST(an_end_as_cancelled_that_nobody_caused_is_a_failure)
{
    errand_pool_stats before, s;
    ck_assert_int_eq(errand_pool_stats_get(pool, &before), 0);
    drop_ended(errand_submit(pool, cancels_itself, NULL));
    ck_assert_uint_eq(heard_times(&said, "nobody looked at this failure: (no name): Operation canceled"), 1);
    errand_future *f = errand_submit(pool, sleeps_on, NULL);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.failed, before.failed + 1);
    ck_assert_uint_eq(s.cancelled, before.cancelled + 1);
}
END_TEST

#define LOSE    drop_ended(errand_submit_task(pool, &(errand_task){ .fn = fails, .arg = "one of many", .name = "site" }));
#define LOSE_4  LOSE LOSE LOSE LOSE
#define LOSE_16 LOSE_4 LOSE_4 LOSE_4 LOSE_4

START_TEST(sites_do_not_crowd_each_other_out)
{
    for (int i = 0; i < 5; i++) {
        LOSE_16 LOSE_16 LOSE_16
    }
    ck_assert_uint_eq(heard_times(&said, "site: the one of many is lost"), 48);
}
END_TEST

Suite *dump_suite(void)
{
    Suite *suite = suite_create("dump");
    TCase *tc = case_of(suite, "dump");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_dump_shows_what_runs_what_waits_for_what_and_what_is_queued);
    tcase_add_test(tc, a_dump_shows_what_waits_without_a_worker_and_for_what);
    tcase_add_test(tc, symbols_are_looked_up_without_the_pools_lock);
    tcase_add_test(tc, a_dump_that_cannot_be_written_says_so);
    tcase_add_test(tc, dumping_and_counting_race_with_all_that_goes_on);
    tcase_add_test(tc, percentiles_and_the_longest_wait_are_in_order_and_within_a_fifth);
    tcase_add_test(tc, a_failure_that_is_dropped_is_told_once_for_its_site_with_name_message_and_place);
    tcase_add_test(tc, a_failed_combination_or_promise_that_is_dropped_is_told_too);
    tcase_add_test(tc, what_was_looked_at_went_well_or_was_cancelled_is_not_told);
    tcase_add_test(tc, an_end_as_cancelled_that_nobody_caused_is_a_failure);
    tcase_add_test(tc, sites_do_not_crowd_each_other_out);
    return suite;
}
