/* Semaphores: the order of grants, and that no permit is lost. */
#include "runs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static errand_pool *pool;

static errand_sem *sem_of(unsigned permits)
{
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = permits });
    ck_assert_ptr_nonnull(sem);
    return sem;
}

static void open_pool(void)
{
    ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 }));
}

static bool ended(errand_future *f) { return errand_wait(f, 0) == 0; }

static void *permit_of(errand_future *f)
{
    ck_assert(ended(f));
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, 0);
    return r.value;
}

static void stands(errand_sem *sem, unsigned in_use, unsigned waiting)
{
    errand_sem_stats s;
    ck_assert_int_eq(errand_sem_stats_get(sem, NULL, &s), 0);
    ck_assert_uint_eq(s.in_use, in_use);
    ck_assert_uint_eq(s.waiting, waiting);
}

START_TEST(permits_are_granted_in_fifo_order)
{
    open_pool();
    errand_sem *sem = sem_of(1);
    void *held = permit_of(errand_sem_acquire(sem, NULL, 1));
    errand_future *f[5];
    for (int i = 0; i < 5; i++) f[i] = errand_sem_acquire(sem, NULL, 1);
    stands(sem, 1, 5);
    for (int i = 0; i < 5; i++) {
        errand_permit_release(held);
        for (int j = i; j < 5; j++) ck_assert_int_eq(ended(f[j]), j == i);
        held = permit_of(f[i]);
    }
    errand_permit_release(held);
    stands(sem, 0, 0);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

START_TEST(a_smaller_request_does_not_overtake_a_larger_one)
{
    open_pool();
    errand_sem *sem = sem_of(3);
    void *two = permit_of(errand_sem_acquire(sem, NULL, 2));
    errand_future *big = errand_sem_acquire(sem, NULL, 3),
                  *small = errand_sem_acquire(sem, NULL, 1);
    ck_assert(!ended(big) && !ended(small));
    ck_assert(!errand_sem_try_acquire(sem, 1)); /* one is free, but a waiter is queued */
    errand_permit *none = (errand_permit *)&pool;
    ck_assert_int_eq(errand_sem_wait(sem, NULL, 1, 0, &none), ETIMEDOUT);
    ck_assert_ptr_null(none);
    errand_permit_release(two);
    ck_assert(ended(big) && !ended(small));
    errand_permit_release(permit_of(big));
    errand_permit_release(permit_of(small));
    stands(sem, 0, 0);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

START_TEST(a_cancelled_large_waiter_lets_later_ones_advance)
{
    open_pool();
    errand_sem *sem = sem_of(3);
    void *one = permit_of(errand_sem_acquire(sem, NULL, 1));
    errand_future *big = errand_sem_acquire(sem, NULL, 3), *a = errand_sem_acquire(sem, NULL, 1),
                  *b = errand_sem_acquire(sem, NULL, 1), *c = errand_sem_acquire(sem, NULL, 1);
    errand_cancel(big);
    ck_assert(ended(big) && ended(a) && ended(b) && !ended(c));
    errand_result r = errand_await(big);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    errand_result_free(&r);
    stands(sem, 3, 1);
    errand_permit_release(one);
    errand_permit_release(permit_of(a));
    errand_permit_release(permit_of(b));
    errand_permit_release(permit_of(c));
    stands(sem, 0, 0);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

START_TEST(a_request_for_more_than_all_permits_is_refused)
{
    open_pool();
    errand_sem *sem = sem_of(3);
    errand_permit *p;
    ENDS(errand_sem_acquire(sem, NULL, 0), EINVAL);
    ENDS(errand_sem_acquire(sem, NULL, 4), EINVAL);
    ENDS(errand_sem_acquire(NULL, NULL, 1), EINVAL);
    ck_assert_int_eq(errand_sem_wait(sem, NULL, 4, LONG_MS, &p), EINVAL);
    ck_assert_int_eq(errand_sem_wait(sem, NULL, 1, -1, &p), EINVAL);
    ck_assert_int_eq(errand_sem_wait(sem, NULL, 1, 0, NULL), EINVAL);
    ck_assert(!errand_sem_try_acquire(sem, 0) && !errand_sem_try_acquire(sem, 4) &&
              !errand_sem_try_acquire(NULL, 1));
    ck_assert_int_eq(errand_sem_release(sem, 0), EINVAL);
    stands(sem, 0, 0);
    errand_sem_free(sem);
    struct {
        errand_sem_opts known;
        int newer;
    } opts = { { .permits = 1 }, 1 };
    ck_assert_ptr_null(errand_sem_new(pool, &(errand_sem_opts){ .permits = 0 }));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(errand_sem_new(NULL, &opts.known));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(errand_sem_new_sized(pool, &opts.known, sizeof opts));
    ck_assert_int_eq(errno, ENOTSUP);
    errand_permit_release(NULL);
    errand_sem_free(NULL);
    close_pool(pool);
}
END_TEST

START_TEST(release_returns_only_what_try_acquire_took)
{
    open_pool();
    errand_sem *sem = sem_of(4);
    void *held = permit_of(errand_sem_acquire(sem, NULL, 1));
    ck_assert_int_eq(errand_sem_release(sem, 1), EOVERFLOW); /* it was not taken by try_acquire */
    ck_assert(errand_sem_try_acquire(sem, 2));
    ck_assert(!errand_sem_try_acquire(sem, 2));
    errand_future *f = errand_sem_acquire(sem, NULL, 3);
    ck_assert_int_eq(errand_sem_release(sem, 3), EOVERFLOW);
    stands(sem, 3, 1);
    ck_assert_int_eq(errand_sem_release(sem, 2), 0);
    ck_assert(ended(f)); /* released permits go to the waiter */
    errand_permit_release(permit_of(f));
    errand_permit_release(held);
    stands(sem, 0, 0);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

START_TEST(a_freed_semaphore_serves_its_waiters)
{
    open_pool();
    errand_sem *sem = sem_of(1);
    void *held = permit_of(errand_sem_acquire(sem, NULL, 1));
    errand_future *f = errand_sem_acquire(sem, NULL, 1);
    errand_sem_free(sem);
    ck_assert(!ended(f));
    errand_permit_release(held);
    errand_permit_release(permit_of(f));
    close_pool(pool);
}
END_TEST

START_TEST(a_permit_outlives_its_pool)
{
    open_pool();
    errand_sem *sem = sem_of(1);
    void *held = permit_of(errand_sem_acquire(sem, NULL, 1));
    close_pool(pool);
    errand_sem_free(sem);
    errand_permit_release(held);
}
END_TEST

START_TEST(an_unclaimed_permit_is_returned)
{
    open_pool();
    errand_sem *sem = sem_of(1);
    errand_drop(errand_sem_acquire(sem, NULL, 1)); /* granted at once */
    stands(sem, 0, 0);
    void *held = permit_of(errand_sem_acquire(sem, NULL, 1));
    errand_drop(errand_sem_acquire(sem, NULL, 1)); /* granted later, discarded */
    errand_future *f = errand_sem_acquire(sem, NULL, 1);
    errand_permit_release(held);
    errand_permit_release(permit_of(f));
    stands(sem, 0, 0);
    errand_result r = errand_await(errand_sem_acquire(sem, NULL, 1));
    errand_result_free(&r); /* freeing the result releases the permit */
    stands(sem, 0, 0);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

typedef struct waiter {
    errand_sem *sem;
    event began;
    int error;
} waiter;

static errand_result wait_for_permit(void *arg)
{
    waiter *w = arg;
    errand_permit *p;
    happen(&w->began);
    w->error = errand_sem_wait(w->sem, NULL, 1, ERRAND_FOREVER, &p);
    errand_permit_release(p);
    return errand_fail(w->error);
}

START_TEST(a_wait_for_a_permit_ends_by_grant_timeout_or_cancel)
{
    open_pool();
    errand_sem *sem = sem_of(1);
    errand_permit *p, *q;
    ck_assert_int_eq(errand_sem_wait(sem, NULL, 1, 0, &p), 0);
    ck_assert_int_eq(errand_sem_wait(sem, NULL, 1, 0, &q), ETIMEDOUT);
    ck_assert_int_eq(errand_sem_wait(sem, NULL, 1, 1, &q), ETIMEDOUT);
    stands(sem, 1, 0);

    waiter cancelled = { .sem = sem }, granted = { .sem = sem };
    errand_future *f = errand_submit(pool, wait_for_permit, &cancelled),
                  *g = errand_submit(pool, wait_for_permit, &granted);
    await_event(&cancelled.began);
    await_event(&granted.began);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    ck_assert_int_eq(cancelled.error, ECANCELED);
    errand_permit_release(p);
    errand_result r = errand_await(g);
    errand_result_free(&r);
    ck_assert_int_eq(granted.error, 0);
    stands(sem, 0, 0);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

static errand_result await_permit(void *arg)
{
    waiter *w = arg;
    happen(&w->began);
    return errand_await(errand_sem_acquire(w->sem, NULL, 1));
}

static errand_result release_permit(void *permit)
{
    errand_permit_release(permit);
    return errand_ok(NULL, NULL);
}

START_TEST(a_cancel_during_a_grant_loses_no_permit)
{
    open_pool();
    errand_sem *sem = sem_of(1);
    for (unsigned i = 0, n = scaled(2000); i < n; i++) {
        void *held = permit_of(errand_sem_acquire(sem, NULL, 1));
        waiter w = { .sem = sem };
        errand_future *f = errand_submit(pool, await_permit, &w);
        if (i % 2) await_event(&w.began);
        errand_future *releasing = errand_submit(pool, release_permit, held);
        errand_cancel(f);
        errand_result r = errand_await(f);
        errand_result_free(&r);
        ENDS(releasing, 0);
        errand_permit *p;
        ck_assert_int_eq(errand_sem_wait(sem, NULL, 1, LONG_MS, &p), 0); /* it is there */
        errand_permit_release(p);
    }
    stands(sem, 0, 0);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

START_TEST(closing_the_pool_ends_all_waiters_and_grants_none)
{
    open_pool();
    errand_sem *sem = sem_of(2);
    void *held = permit_of(errand_sem_acquire(sem, NULL, 1));
    errand_future *big = errand_sem_acquire(sem, NULL, 2),
                  *small = errand_sem_acquire(sem, NULL, 1);
    close_pool(pool);
    errand_future *both[] = { big, small };
    for (int i = 0; i < 2; i++) {
        ck_assert(ended(both[i]));
        errand_result r = errand_await(both[i]);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
        errand_result_free(&r);
    }
    stands(sem, 1, 0);
    ENDS(errand_sem_acquire(sem, NULL, 2), ECANCELED); /* it would wait forever */
    errand_permit_release(held);
    errand_sem_free(sem);
}
END_TEST

START_TEST(closing_the_pool_frees_a_semaphore_kept_by_waiters)
{
    open_pool();
    errand_sem *sem = sem_of(1);
    ck_assert(errand_sem_try_acquire(sem, 1));
    errand_drop(errand_sem_acquire(sem, NULL, 1));
    errand_drop(errand_sem_acquire(sem, NULL, 1));
    errand_sem_free(sem);
    close_pool(pool); /* close ends the last waiter, which frees the semaphore */
}
END_TEST

/* ---- the storm ---- */

enum { PERMITS = 5 };
typedef struct storm {
    errand_sem *sem;
    uint32_t seed, rounds;
    unsigned *held, *granted;
} storm;

static uint32_t next_of(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static void hold_for_a_moment(storm *s, unsigned n)
{
    unsigned now = __atomic_add_fetch(s->held, n, __ATOMIC_SEQ_CST);
    if (now > PERMITS) ck_abort_msg("%u held of %u", now, PERMITS);
    count_up(s->granted);
    __atomic_sub_fetch(s->held, n, __ATOMIC_SEQ_CST);
}

static void finish_storm(storm *s, errand_future *f, unsigned n)
{
    errand_result r = errand_await(f);
    if (!r.error) hold_for_a_moment(s, n);
    errand_result_free(&r);
}

static void *rage(void *arg)
{
    storm *s = arg;
    for (uint32_t i = 0; i < s->rounds; i++) {
        uint32_t dice = next_of(&s->seed);
        unsigned n = 1 + dice % 3;
        errand_permit *p;
        switch (next_of(&s->seed) % 8) {
        case 0:
            if (!errand_sem_try_acquire(s->sem, n)) break;
            hold_for_a_moment(s, n);
            if (errand_sem_release(s->sem, n)) ck_abort_msg("a taken permit cannot be released");
            break;
        case 1:
            if (errand_sem_wait(s->sem, NULL, n, dice % 64 == 0, &p)) break;
            hold_for_a_moment(s, n);
            errand_permit_release(p);
            break;
        case 2: errand_drop(errand_sem_acquire(s->sem, NULL, n)); break;
        case 3: {
            errand_future *f = errand_sem_acquire(s->sem, NULL, n);
            errand_cancel(f);
            finish_storm(s, f, n);
            break;
        }
        case 4:
            finish_storm(s, errand_timeout(errand_sem_acquire(s->sem, NULL, n), dice % 16 == 0), n);
            break;
        case 5: {
            errand_future *f = errand_sem_acquire(s->sem, NULL, n);
            errand_cancel(f);
            errand_drop(f);
            break;
        }
        default: finish_storm(s, errand_sem_acquire(s->sem, NULL, n), n);
        }
    }
    return NULL;
}

START_TEST(grants_cancels_and_timeouts_race_and_lose_no_permit)
{
    open_pool();
    errand_sem *sem = sem_of(PERMITS);
    unsigned held = 0, granted = 0;
    pthread_t threads[8];
    storm storms[8];
    for (unsigned i = 0; i < 8; i++) {
        storms[i] = (storm){ sem, 12345 + i, scaled(20000), &held, &granted };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, rage, &storms[i]), 0);
    }
    for (int i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    stands(sem, 0, 0);
    ck_assert_uint_gt(granted, storms[0].rounds);
    ck_assert(errand_sem_try_acquire(sem, PERMITS));
    ck_assert_int_eq(errand_sem_release(sem, PERMITS), 0);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

Suite *sem_suite(void)
{
    Suite *suite = suite_create("sem");
    TCase *tc = case_of(suite, "line");
    tcase_add_test(tc, permits_are_granted_in_fifo_order);
    tcase_add_test(tc, a_smaller_request_does_not_overtake_a_larger_one);
    tcase_add_test(tc, a_cancelled_large_waiter_lets_later_ones_advance);
    tcase_add_test(tc, a_request_for_more_than_all_permits_is_refused);
    tcase_add_test(tc, release_returns_only_what_try_acquire_took);
    tc = case_of(suite, "lifetimes");
    tcase_add_test(tc, a_freed_semaphore_serves_its_waiters);
    tcase_add_test(tc, a_permit_outlives_its_pool);
    tcase_add_test(tc, an_unclaimed_permit_is_returned);
    tcase_add_test(tc, a_wait_for_a_permit_ends_by_grant_timeout_or_cancel);
    tcase_add_test(tc, closing_the_pool_ends_all_waiters_and_grants_none);
    tcase_add_test(tc, closing_the_pool_frees_a_semaphore_kept_by_waiters);
    tc = case_of(suite, "storm");
    tcase_add_test(tc, a_cancel_during_a_grant_loses_no_permit);
    tcase_add_test(tc, grants_cancels_and_timeouts_race_and_lose_no_permit);
    return suite;
}
