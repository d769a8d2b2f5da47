/* Usual faults of limits, queues and pools. */
#include "patterns.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* Elsewhere: a semaphore of ten is meant as "ten per second", and hundreds of
 * quick calls are made. */
START_TEST(a_semaphore_is_not_a_rate)
{
    test_clock t;
    test_clock_start(&t);
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 4, .clock = &t.clock });
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 10 });
    errand_rate *rate = errand_rate_new(pool, &(errand_rate_opts){ .per_second = 10 });
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .sem = sem, .rate = rate }, NULL);
    enum { N = 50 };
    script s = { 0 };
    errand_future *f[N];
    for (int i = 0; i < N; i++) f[i] = errand_run(pool, policy, follow_script, &s);
    await_asleep(pool, N - 1);
    ck_assert_uint_eq(count_of(&s.calls), 1);
    for (unsigned tenth = 1; tenth < N; tenth++) {
        turn(&t, pool, tenth == 1 ? 101 : 100);
        await_asleep(pool, N - 1 - tenth);
        ck_assert_uint_eq(count_of(&s.calls), tenth + 1);
    }
    for (int i = 0; i < N; i++) ENDS(f[i], 0);
    errand_policy_free(policy);
    errand_rate_free(rate);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

static _Thread_local char here;
typedef struct seen {
    errand_pool *pool;
    const void *thread;
    unsigned others, calls;
} seen;

static errand_result note_thread(void *arg)
{
    seen *s = arg;
    if (!s->thread) s->thread = &here;
    s->others += s->thread != &here;
    return errand_ok(NULL, NULL);
}

static errand_result call_inside(void *arg)
{
    seen *s = arg;
    count_up(&s->calls);
    errand_result r = note_thread(arg);
    return r.error ? r : errand_await(errand_submit(s->pool, note_thread, s));
}

/* Elsewhere: every call makes its own thread pool for one operation. */
START_TEST(a_thousand_calls_share_one_thread)
{
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    seen s = { .pool = pool };
    for (int i = 0; i < 1000; i++) ENDS(errand_submit(pool, call_inside, &s), 0);
    ck_assert_uint_eq(s.calls, 1000);
    ck_assert_uint_eq(s.others, 0);
    close_pool(pool);
}
END_TEST

static errand_result acquire(void *sem) { return errand_await(errand_sem_acquire(sem, NULL, 1)); }

/* Elsewhere: a cancel during an acquire leaks the permit. */
START_TEST(a_cancel_during_an_acquire_loses_no_permit)
{
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1 });
    for (unsigned i = 0, n = scaled(2000); i < n; i++) {
        errand_future *f = errand_submit(pool, acquire, sem), *g = errand_sem_acquire(sem, NULL, 1);
        errand_cancel(f);
        errand_cancel(g);
        errand_drop(g);
        errand_result r = errand_await(f);
        errand_result_free(&r);
        if (!errand_sem_try_acquire(sem, 1)) ck_abort_msg("the permit is lost");
        errand_sem_release(sem, 1);
    }
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

/* Elsewhere: close waits without limit for a stuck task, and the rest is never cleaned up. */
START_TEST(close_is_bounded_if_a_task_is_stuck)
{
    errand_pool *pool =
        errand_pool_new(&(errand_pool_opts){ .workers = 1, .spares = ERRAND_NO_SPARES });
    hold h = { .result = errand_ok(NULL, NULL) };
    errand_future *hanging = errand_submit(pool, hold_worker, &h), *f[10];
    await_event(&h.began);
    unsigned freed = 0;
    for (int i = 0; i < 10; i++)
        f[i] = errand_submit_task(
            pool, &(errand_task){ .fn = hold_worker, .arg = &freed, .free = free_counts });
    ck_assert_int_eq(errand_pool_close(pool, 20), ETIMEDOUT);
    for (int i = 0; i < 10; i++) ENDS(f[i], ECANCELED);
    ck_assert_uint_eq(freed, 10);
    happen(&h.go);
    ENDS(hanging, 0);
}
END_TEST

enum { MANY = 2000, ROOM = 10 };
typedef struct flood {
    errand_pool *pool;
    errand_future *f[MANY];
    unsigned submitted;
    script s;
} flood;

static void *submit_many(void *arg)
{
    flood *fl = arg;
    for (int i = 0; i < MANY; i++) {
        fl->f[i] = errand_submit(fl->pool, follow_script, &fl->s);
        count_up(&fl->submitted);
    }
    return NULL;
}

/* Elsewhere: a million tasks are made at once, although ten run at a time. */
START_TEST(a_full_queue_blocks_the_submitter)
{
    static flood fl;
    fl.pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .queue = ROOM });
    hold h = { .result = errand_ok(NULL, NULL) };
    errand_future *busy = errand_submit(fl.pool, hold_worker, &h);
    await_event(&h.began);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, submit_many, &fl), 0);
    await_count(&fl.submitted, ROOM);
    for (int i = 0; i < 1000; i++) {
        errand_pool_stats stats;
        errand_pool_stats_get(fl.pool, &stats);
        if (stats.queued > ROOM || count_of(&fl.submitted) > ROOM)
            ck_abort_msg("%u were admitted", count_of(&fl.submitted));
    }
    happen(&h.go);
    pthread_join(thread, NULL);
    ENDS(busy, 0);
    for (int i = 0; i < MANY; i++) ENDS(fl.f[i], 0);
    ck_assert_uint_eq(fl.s.calls, MANY);
    close_pool(fl.pool);
}
END_TEST

/* Elsewhere: one limit for all hosts, so that a hanging host takes all permits and the others
 * starve. */
START_TEST(a_hanging_host_takes_no_permits_of_others)
{
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 4 });
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 2 });
    errand_policy *policy = policy_of((errand_policy_opts){ .sem = sem });
    hold h[5] = { 0 };
    script quick = { 0 };
    errand_future *f[5];
    for (int i = 0; i < 5; i++)
        f[i] = errand_run_task(
            pool, policy, &(errand_task){ .fn = hold_worker, .arg = &h[i], .key = "hangs:443" });
    await_event(&h[0].began);
    await_event(&h[1].began);
    for (int i = 0; i < 20; i++)
        ENDS(errand_run_task(
                 pool, policy,
                 &(errand_task){ .fn = follow_script, .arg = &quick, .key = "well:443" }),
             0);
    errand_sem_stats s;
    ck_assert_int_eq(errand_sem_stats_get(sem, "hangs:443", &s), 0);
    ck_assert_uint_eq(s.in_use, 2);
    ck_assert_uint_eq(s.waiting, 3);
    for (int i = 0; i < 5; i++) happen(&h[i].go);
    for (int i = 0; i < 5; i++) ENDS(f[i], 0);
    errand_policy_free(policy);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

/* Elsewhere: the caller that got the 429 waits, and all the others keep sending. */
START_TEST(a_429_pauses_all_calls_to_that_host_only)
{
    test_clock t;
    test_clock_start(&t);
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 2, .clock = &t.clock });
    errand_rate *rate =
        errand_rate_new(pool, &(errand_rate_opts){ .per_second = 1000, .burst = 100 });
    errand_policy *policy = policy_of((errand_policy_opts){ .rate = rate, .attempts = 2 });
    script limited = { .error = { EAGAIN }, .hint_ms = 3000, .kind = ERRAND_KIND_RATE_LIMITED },
           others = { 0 };
    errand_future *first = errand_run_task(
                      pool, policy,
                      &(errand_task){ .fn = follow_script, .arg = &limited, .key = "a" }),
                  *f[10];
    await_asleep(pool, 1); /* until its second attempt */
    for (int i = 0; i < 10; i++)
        f[i] = errand_run_task(pool, policy,
                               &(errand_task){ .fn = follow_script, .arg = &others, .key = "a" });
    await_asleep(pool, 11);
    ck_assert_uint_eq(count_of(&others.calls), 0);
    script else_where = { 0 };
    ENDS(errand_run_task(pool, policy,
                         &(errand_task){ .fn = follow_script, .arg = &else_where, .key = "b" }),
         0);
    turn(&t, pool, 2999);
    await_asleep(pool, 11);
    ck_assert_uint_eq(count_of(&others.calls), 0);
    turn_to_the_end(&t, pool, first);
    ENDS(first, 0);
    for (int i = 0; i < 10; i++) ENDS(f[i], 0);
    errand_policy_free(policy);
    errand_rate_free(rate);
    close_pool(pool);
}
END_TEST

/* Elsewhere: a hundred callers miss the cache at once, and make the same call a hundred times. */
START_TEST(identical_concurrent_calls_share_one_run)
{
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 4 });
    errand_singleflight *flight = errand_singleflight_new(pool, NULL);
    hold h = { 0 };
    errand_future *f[100];
    for (int i = 0; i < 100; i++)
        f[i] = errand_singleflight_run(
            flight, NULL, &(errand_task){ .fn = hold_worker, .arg = &h, .key = "video 7" });
    await_event(&h.began);
    for (int i = 0; i < 50; i++) errand_cancel(f[i]); /* half of them cancel */
    happen(&h.go);
    for (int i = 0; i < 100; i++) ENDS(f[i], i < 50 ? ECANCELED : 0);
    ck_assert_uint_eq(h.runs, 1);
    errand_singleflight_free(flight);
    close_pool(pool);
}
END_TEST

Suite *limits_suite(void)
{
    Suite *suite = suite_create("limits");
    TCase *tc = case_of(suite, "limits");
    tcase_add_test(tc, a_semaphore_is_not_a_rate);
    tcase_add_test(tc, a_thousand_calls_share_one_thread);
    tcase_add_test(tc, a_cancel_during_an_acquire_loses_no_permit);
    tcase_add_test(tc, close_is_bounded_if_a_task_is_stuck);
    tcase_add_test(tc, a_full_queue_blocks_the_submitter);
    tcase_add_test(tc, a_hanging_host_takes_no_permits_of_others);
    tcase_add_test(tc, a_429_pauses_all_calls_to_that_host_only);
    tcase_add_test(tc, identical_concurrent_calls_share_one_run);
    return suite;
}
