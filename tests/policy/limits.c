/* Common to all limits: a child process, no memory, no threads, handles that are freed early. */
#include "runs.h"

#include "base/os.h"
#include "async/forked.h"
#include "fixture/memory.h"
#include "policy/budget.h"
#include "policy/rate.h"
#include "policy/sem.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static errand_pool *pool;
static errand_sem *sem;
static errand_rate *rate;
static errand_breaker *breaker;
static errand_budget *budget;
static errand_singleflight *flight;

static void make_all(void)
{
    sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 2, .max_keys = 3 });
    rate = errand_rate_new(pool, &(errand_rate_opts){ .per_second = 0.01, .max_keys = 3 });
    breaker = errand_breaker_new(pool, &(errand_breaker_opts){ .max_keys = 3 });
    budget = errand_budget_new(pool, &(errand_budget_opts){ .max_keys = 3 });
    flight = errand_singleflight_new(pool, &(errand_singleflight_opts){ .max_keys = 3 });
}

static void free_all(void)
{
    errand_sem_free(sem);
    errand_rate_free(rate);
    errand_breaker_free(breaker);
    errand_budget_free(budget);
    errand_singleflight_free(flight);
}

static errand_result nothing(void *arg) { return errand_ok(arg, NULL); }

/* ---- a child process ---- */

static er_sem_place place;
static er_turn turn_of_mine;
static errand_breaker_call call;
static er_budget_member *member;
static errand_future *waits_for_permit, *waits_for_turn;
static errand_permit *permit;

static int all_say_forked(void)
{
    errand_sem_stats s;
    errand_rate_stats r;
    errand_breaker_stats b;
    errand_budget_stats u;
    errand_singleflight_stats f;
    errand_breaker_call c;
    errand_permit *p;
    if (code_of(errand_sem_acquire(sem, "k", 1)) != ERRAND_EFORKED) return 1;
    if (errand_sem_wait(sem, NULL, 1, ERRAND_FOREVER, &p) != ERRAND_EFORKED) return 2;
    if (errand_sem_try_acquire(sem, 1) || errand_sem_release(sem, 1) != ERRAND_EFORKED) return 3;
    if (errand_sem_resize(sem, 5) != ERRAND_EFORKED ||
        errand_sem_stats_get(sem, NULL, &s) != ERRAND_EFORKED)
        return 4;
    if (errand_sem_holders(sem, NULL, NULL, 0) != 0) return 5;
    const errand_quota quota = { 1, 1, 1, 1 };
    if (code_of(errand_rate_acquire_n(rate, "k", 2)) != ERRAND_EFORKED ||
        errand_rate_settle(rate, "k", 2, 1) != ERRAND_EFORKED ||
        errand_rate_quota(rate, "k", &quota) != ERRAND_EFORKED)
        return 19;
    if (code_of(errand_rate_acquire(rate, "k")) != ERRAND_EFORKED ||
        errand_rate_wait(rate, NULL, 0) != ERRAND_EFORKED)
        return 6;
    if (errand_rate_pause(rate, NULL, 1) != ERRAND_EFORKED ||
        errand_rate_stats_get(rate, NULL, &r) != ERRAND_EFORKED)
        return 7;
    if (errand_breaker_allow(breaker, NULL, &c) != ERRAND_EFORKED) return 8;
    if (errand_breaker_force(breaker, NULL, ERRAND_BREAKER_OPEN) != ERRAND_EFORKED) return 9;
    if (errand_breaker_reset(breaker, "k") != ERRAND_EFORKED) return 10;
    if (errand_breaker_stats_get(breaker, NULL, &b) != ERRAND_EFORKED) return 11;
    if (errand_budget_stats_get(budget, NULL, &u) != ERRAND_EFORKED) return 12;
    if (errand_singleflight_stats_get(flight, NULL, &f) != ERRAND_EFORKED) return 13;
    if (code_of(errand_singleflight_run(flight, NULL, &(errand_task){ .fn = nothing })) !=
        ERRAND_EFORKED)
        return 14;
    errand_cancel(waits_for_permit); /* waits under way: no lock is taken, no hang */
    errand_cancel(waits_for_turn);
    errand_permit_release(permit);
    if (er_sem_leave(sem, &place) || er_rate_leave(&turn_of_mine)) return 15;
    errand_breaker_report(&call, NULL);
    er_budget_ended(member, true);
    er_budget_part(member);
    if (errand_sem_new(pool, &(errand_sem_opts){ .permits = 1 }) || errno != ERRAND_EFORKED)
        return 16;
    if (errand_rate_new(pool, &(errand_rate_opts){ .per_second = 1 }) || errno != ERRAND_EFORKED)
        return 17;
    if (errand_breaker_new(pool, &(errand_breaker_opts){ 0 }) || errno != ERRAND_EFORKED) return 18;
    free_all();
    return 0;
}

static void never(er_waiter *waiter)
{
    (void)waiter;
    abort();
}
static void comes_at_the_end(er_turn *it, int error)
{
    (void)it;
    (void)error;
}

START_TEST(all_limits_return_EFORKED_in_a_child)
{
    test_clock t;
    pool = test_clock_pool(&t);
    make_all();
    place = (er_sem_place){ .waiter.fn = never, .n = 2 };
    turn_of_mine = (er_turn){ .came = comes_at_the_end };
    ck_assert_int_eq(errand_sem_wait(sem, NULL, 2, 0, &permit), 0);
    ck_assert_int_eq(er_sem_enter(sem, NULL, &place), EINPROGRESS);
    waits_for_permit = errand_sem_acquire(sem, NULL, 1);
    ck_assert_int_eq(errand_rate_wait(rate, NULL, 0), 0);
    ck_assert_int_eq(er_rate_enter(rate, NULL, pool, INT64_MAX, &turn_of_mine), EINPROGRESS);
    waits_for_turn = errand_rate_acquire(rate, NULL);
    ck_assert_int_eq(errand_breaker_allow(breaker, "k", &call), 0);
    ck_assert_int_eq(er_budget_join(budget, "k", &member), 0);
    er_budget_began(member);
    in_child(all_say_forked);
    /* the parent is not affected */
    ck_assert(er_sem_leave(sem, &place) && er_rate_leave(&turn_of_mine));
    errand_permit_release(permit);
    ENDS(waits_for_permit, 0);
    errand_cancel(waits_for_turn);
    ENDS(waits_for_turn, ECANCELED);
    errand_breaker_report(&call, NULL);
    er_budget_ended(member, true);
    er_budget_part(member);
    free_all();
    close_pool(pool);
}
END_TEST

/* ---- no memory ---- */

static unsigned unexpected, failures, freed;
static void expect(int error, int other)
{
    if (error == ENOMEM) count_up(&failures);
    else if (error && error != other) count_up(&unexpected);
}

static void *use_all(void *arg)
{
    static const char *const keys[] = { NULL, "a", "b", "c", "d", "e" };
    (void)arg;
    for (unsigned i = 0; i < 300; i++) {
        const char *key = keys[i % 6];
        errand_breaker_call c;
        er_budget_member *m;
        errand_permit *p;
        errand_task task = {
            .fn = nothing, .arg = &freed, .free = free_counts, .key = key, .detached = true
        };
        expect(code_of(errand_sem_acquire(sem, key, 1)), 0);
        int error = errand_sem_wait(sem, key, 1, 0, &p);
        expect(error, 0);
        errand_permit_release(p);
        expect(errand_rate_wait(rate, key, 0), ERRAND_ELATE);
        expect(errand_rate_pause(rate, key, 0), 0);
        error = errand_breaker_allow(breaker, key, &c);
        expect(error, 0);
        errand_breaker_report(&c, &(errand_result){ 0 });
        error = er_budget_join(budget, key, &m);
        expect(error, 0);
        er_budget_part(m);
        expect(code_of(errand_singleflight_run(flight, NULL, &task)), 0);
    }
    return NULL;
}

static void *make_without_memory(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        make_all();
        expect(sem && rate && breaker && budget && flight ? 0 : ENOMEM, 0);
        if (!sem || !rate || !breaker || !budget || !flight) count_up(&failures);
        free_all();
    }
    return NULL;
}

START_TEST(without_memory_limits_return_errors_and_leak_nothing)
{
    pthread_t thread;
    ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 }));
    make_all();
    ENDS(errand_submit(pool, nothing, NULL), 0); /* so that its thread runs */
    memory_fails(5);
    ck_assert_int_eq(pthread_create(&thread, NULL, use_all, NULL), 0);
    pthread_join(thread, NULL);
    memory_fails(0);
    ck_assert_uint_eq(unexpected, 0);
    ck_assert_uint_gt(failures, 100);
    await_count(&freed, 300); /* each flight's arg, however it ended */
    errand_sem_stats s;
    ck_assert_int_eq(errand_sem_stats_get(sem, NULL, &s), 0);
    ck_assert_uint_eq(s.in_use + s.waiting, 0);
    ck_assert_uint_le(s.keys, 3);
    free_all();
    memory_fails(3);
    ck_assert_int_eq(pthread_create(&thread, NULL, make_without_memory, NULL), 0);
    pthread_join(thread, NULL);
    memory_fails(0);
    ck_assert_uint_eq(unexpected, 0);
    close_pool(pool);
}
END_TEST

/* ---- no threads ---- */

START_TEST(a_turn_without_a_timer_is_returned)
{
    struct rlimit room;
    ck_assert_ptr_nonnull(pool = errand_pool_new(NULL));
    rate = errand_rate_new(pool, &(errand_rate_opts){ .per_second = 1 });
    ck_assert_int_eq(errand_rate_wait(rate, NULL, 0), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &room), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &(struct rlimit){ 1, room.rlim_max }), 0);
    errand_future *f = errand_rate_acquire(rate, NULL); /* there is no timer thread yet */
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &room), 0);
    int error = code_of(f);
    ck_assert_msg(error == EAGAIN || error == ENOMEM, "%s", errand_strerror(error));
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &s), 0);
    ck_assert_uint_eq(s.waiting, 0);
    ck_assert_int_le(s.next_ms, 1000); /* no turn is lost */
    errand_rate_free(rate);
    close_pool(pool);
}
END_TEST

/* ---- handles ---- */

START_TEST(limits_in_use_outlive_their_handles)
{
    test_clock t;
    pool = test_clock_pool(&t);
    make_all();
    errand_permit *p;
    ck_assert_int_eq(errand_sem_wait(sem, "k", 2, 0, &p), 0);
    ck_assert_int_eq(errand_rate_wait(rate, "k", 0), 0);
    ck_assert_int_eq(errand_breaker_allow(breaker, "k", &call), 0);
    errand_future *a = errand_sem_acquire(sem, "k", 1), *b = errand_rate_acquire(rate, "k"),
                  *c = errand_singleflight_run(flight, NULL,
                                               &(errand_task){ .fn = nothing, .key = "k" });
    free_all();
    errand_permit_release(p);
    turn(&t, pool, 100000);
    ENDS(a, 0);
    ENDS(b, 0);
    ENDS(c, 0);
    errand_breaker_report(&call, NULL);
    close_pool(pool);
}
END_TEST

Suite *limits_suite(void)
{
    Suite *suite = suite_create("limits");
    TCase *tc = case_of(suite, "common");
    tcase_add_test(tc, all_limits_return_EFORKED_in_a_child);
    tcase_add_test(tc, without_memory_limits_return_errors_and_leak_nothing);
    tcase_add_test(tc, limits_in_use_outlive_their_handles);
    if (ER_ASAN || ER_TSAN) return suite; /* which map memory of their own */
    tcase_add_test(tc, a_turn_without_a_timer_is_returned);
    return suite;
}
