/* Semaphores that look for the number of calls a server bears, on a test clock. */
#include "runs.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

static test_clock t;
static errand_pool *pool;

static errand_sem *sem_of(unsigned least, unsigned permits, unsigned most)
{
    if (!pool) pool = test_clock_pool(&t);
    errand_sem *sem = errand_sem_new(
        pool, &(errand_sem_opts){
                  .permits = permits, .name = "hosts", .min_permits = least, .max_permits = most });
    ck_assert_ptr_nonnull(sem);
    return sem;
}

static void end(errand_sem *sem)
{
    errand_sem_free(sem);
    close_pool(pool);
    pool = NULL;
}

static errand_sem_stats stats_of(errand_sem *sem, const char *key)
{
    errand_sem_stats s;
    ck_assert_int_eq(errand_sem_stats_get(sem, key, &s), 0);
    return s;
}

static void stands(errand_sem *sem, unsigned permits, unsigned in_use, unsigned waiting)
{
    errand_sem_stats s = stats_of(sem, NULL);
    ck_assert_msg(s.permits == permits && s.in_use == in_use && s.waiting == waiting,
                  "%u of %u, and %u wait; not %u of %u, and %u", s.in_use, s.permits, s.waiting,
                  in_use, permits, waiting);
}

static bool ended(errand_future *f) { return errand_wait(f, 0) == 0; }

static errand_permit *acquire(errand_sem *sem, const char *key)
{
    errand_permit *p;
    ck_assert_int_eq(errand_sem_wait(sem, key, 1, 0, &p), 0);
    return p;
}

/* A call ends, a millisecond after the last. error: 0, or of a failure. */
static void finish(errand_permit *p, int error)
{
    turn(&t, pool, 1);
    errand_result r = error ? errand_fail(error) : errand_ok(NULL, NULL);
    errand_permit_report(p, &r);
    errand_permit_release(p);
    errand_result_free(&r);
}

START_TEST(permits_grow_while_all_are_used_and_shrink_when_refused)
{
    errand_sem *sem = sem_of(0, 2, 100);
    errand_permit *p[8];
    finish(acquire(sem, NULL), 0); /* the other permit was free */
    stands(sem, 2, 0, 0);
    for (int i = 0; i < 2; i++) p[i] = acquire(sem, NULL);
    stands(sem, 2, 2, 0);
    finish(p[0], 0);
    stands(sem, 3, 1, 0);
    finish(p[1], 0); /* all were used while it was under way */
    stands(sem, 4, 0, 0);
    for (int i = 0; i < 4; i++) p[i] = acquire(sem, NULL);
    errand_future *next = errand_sem_acquire(sem, NULL, 1),
                  *third = errand_sem_acquire(sem, NULL, 1);
    stands(sem, 4, 4, 2);
    finish(p[0], 0); /* its permit, and a new one */
    ck_assert(ended(next) && ended(third));
    stands(sem, 5, 5, 0);
    finish(p[1], ERRAND_HTTP + 429);
    stands(sem, 3, 4, 0);
    errand_future *waits = errand_sem_acquire(sem, NULL, 1);
    finish(p[2], ERRAND_HTTP + 503); /* it began before the decrease */
    stands(sem, 3, 3, 1);
    finish(p[3], 0);
    ck_assert(ended(waits));
    stands(sem, 3, 3, 0);
    errand_future *rest[] = { next, third, waits };
    for (int i = 0; i < 3; i++) ENDS(rest[i], 0); /* which gives it back */
    stands(sem, 3, 0, 0);
    errand_sem_stats s = stats_of(sem, NULL);
    ck_assert(s.increases == 3 && s.decreases == 1 && s.withdrawn == 0);
    end(sem);
}
END_TEST

START_TEST(each_key_has_a_size_of_its_own)
{
    errand_sem *sem = sem_of(0, 1, 10);
    for (int i = 0; i < 20; i++) {
        errand_permit *p = acquire(sem, "a");
        finish(p, 0);
        finish(acquire(sem, "b"), ERRAND_HTTP + 429);
    }
    ck_assert_uint_eq(stats_of(sem, "a").permits, 2); /* two at a time were never wanted */
    ck_assert_uint_eq(stats_of(sem, "b").permits, 1);
    ck_assert_uint_eq(stats_of(sem, "b").decreases, 0);
    ck_assert_uint_eq(stats_of(sem, NULL).permits, 1);
    end(sem);
}
END_TEST

START_TEST(a_shrunk_semaphore_grants_none_until_it_has_room)
{
    errand_sem *sem = sem_of(0, 10, 10);
    errand_permit *p[10];
    for (int i = 0; i < 10; i++) p[i] = acquire(sem, NULL);
    errand_future *f = errand_sem_acquire(sem, NULL, 1);
    finish(p[0], ERRAND_HTTP + 429);
    for (int i = 1; i < 3; i++) finish(p[i], 0);
    stands(sem, 7, 7, 1);
    ck_assert(!ended(f) && !errand_sem_try_acquire(sem, 1));
    finish(p[3], 0);
    stands(sem, 7, 7, 0);
    ENDS(f, 0);
    for (int i = 4; i < 10; i++) finish(p[i], 0);
    stands(sem, 7, 0, 0);
    ck_assert(!errand_sem_try_acquire(sem, 8) && errand_sem_try_acquire(sem, 7));
    ck_assert_int_eq(errand_sem_release(sem, 7), 0);
    end(sem);
}
END_TEST

START_TEST(growing_pays_for_a_shrinking_that_is_still_owed)
{
    errand_sem *sem = sem_of(0, 10, 10);
    errand_permit *p[10];
    for (int i = 0; i < 10; i++) p[i] = acquire(sem, NULL);
    finish(p[0], ERRAND_HTTP + 429);
    stands(sem, 7, 9, 0);
    turn(&t, pool, 1);
    for (int i = 0; i < 7; i++) { /* calls that another limit has let through since */
        errand_result r = errand_ok(NULL, NULL);
        ck_assert_int_eq(errand_sem_report(sem, NULL, &r, 0), 0);
    }
    stands(sem, 8, 9, 0);
    for (int i = 1; i < 10; i++) errand_permit_release(p[i]);
    stands(sem, 8, 0, 0);
    end(sem);
}
END_TEST

START_TEST(a_cancel_and_a_second_report_say_nothing)
{
    errand_sem *sem = sem_of(0, 1, 10);
    errand_permit *p = acquire(sem, NULL);
    errand_permit_report(p, NULL);
    errand_permit_release(p);
    stands(sem, 1, 0, 0);
    p = acquire(sem, NULL);
    errand_result r = errand_ok(NULL, NULL);
    for (int i = 0; i < 3; i++) errand_permit_report(p, &r);
    stands(sem, 2, 1, 0);
    errand_permit_release(p);
    errand_permit_report(NULL, &r);
    end(sem);
}
END_TEST

START_TEST(the_fast_pair_reports_by_key)
{
    errand_sem *sem = sem_of(0, 2, 10);
    errand_result r = errand_ok(NULL, NULL);
    ck_assert(errand_sem_try_acquire(sem, 1));
    turn(&t, pool, 5);
    ck_assert_int_eq(errand_sem_report(sem, NULL, &r, 5000000), 0);
    stands(sem, 2, 1, 0);
    ck_assert(errand_sem_try_acquire(sem, 1));
    ck_assert_int_eq(errand_sem_report(sem, NULL, &r, 5000000), 0);
    stands(sem, 3, 2, 0);
    ck_assert_int_eq(errand_sem_release(sem, 2), 0);
    ck_assert_int_eq(errand_sem_report(sem, "other", &r, 0), ENOENT);
    ck_assert_int_eq(errand_sem_report(sem, NULL, &r, -1), EINVAL);
    ck_assert_int_eq(errand_sem_report(NULL, NULL, &r, 0), EINVAL);
    end(sem);
}
END_TEST

START_TEST(a_fixed_semaphore_ignores_reports)
{
    errand_sem *sem = sem_of(0, 3, 0);
    errand_permit *p[3];
    for (int i = 0; i < 3; i++) p[i] = acquire(sem, NULL);
    for (int i = 0; i < 3; i++) finish(p[i], i ? ERRAND_HTTP + 429 : 0);
    errand_result r = errand_ok(NULL, NULL);
    ck_assert_int_eq(errand_sem_report(sem, NULL, &r, 0), 0);
    stands(sem, 3, 0, 0);
    ck_assert_int_eq(errand_sem_resize(sem, 2), 0);
    stands(sem, 2, 0, 0);
    end(sem);
}
END_TEST

static void refused(errand_sem_opts opts)
{
    ck_assert_ptr_null(errand_sem_new(pool, &opts));
    ck_assert_int_eq(errno, EINVAL);
}

START_TEST(wrong_sizes_are_refused)
{
    errand_sem *sem = sem_of(2, 4, 8);
    refused((errand_sem_opts){ .permits = 4, .min_permits = 2 });
    refused((errand_sem_opts){ .permits = 4, .min_permits = 5, .max_permits = 8 });
    refused((errand_sem_opts){ .permits = 4, .max_permits = 3 });
    refused((errand_sem_opts){ .max_permits = 3 });
    refused((errand_sem_opts){ .permits = 4, .max_permits = INT_MAX + 1u });
    ck_assert_int_eq(errand_sem_resize(sem, 4), EINVAL);
    ENDS(errand_sem_acquire(sem, NULL, 2), 0);
    errand_result r = errand_await(errand_sem_acquire(sem, NULL, 3)); /* may never be there */
    ck_assert_int_eq(r.error, EINVAL);
    ck_assert_str_eq(errand_result_message(&r),
                     "3 permits of a semaphore hosts that may shrink to 2");
    errand_result_free(&r);
    struct {
        unsigned permits, max_waiters, max_keys, reserved;
        const char *name;
    } older = { .permits = 5 }; /* of a program that knows no adaptive ones */
    errand_sem *fixed = errand_sem_new_sized(pool, (errand_sem_opts *)(void *)&older, sizeof older);
    stands(fixed, 5, 0, 0);
    errand_sem_free(fixed);
    end(sem);
}
END_TEST

/* ---- policies ---- */

static errand_policy *limited(errand_sem *sem, errand_policy_opts o)
{
    o.sem = sem;
    return policy_of(o);
}

/* Moves the clock, as a call takes time. */
static errand_result take_time(void *arg)
{
    turn(&t, pool, 5);
    return follow_script(arg);
}

START_TEST(a_run_reports_each_attempt)
{
    errand_sem *sem = sem_of(0, 1, 10);
    errand_policy *policy =
        limited(sem, (errand_policy_opts){ .attempts = 3, .retry_if = errand_retry_if_failed() });
    script s = { .error = { 0, 0, 0, ERRAND_HTTP + 429, EIO } };
    for (unsigned runs = 1; runs <= 3; runs++) {
        ENDS(errand_run(pool, policy, take_time, &s), 0);
        stands(sem, 2, 0, 0); /* from then on one alone does not use them all */
        turn(&t, pool, 1);
    }
    errand_future *f = errand_run(pool, policy, take_time, &s);
    turn_to_the_end(&t, pool, f);
    ENDS(f, 0);
    ck_assert_uint_eq(s.calls, 6);
    errand_sem_stats at = stats_of(sem, NULL);
    ck_assert(at.decreases == 1 && at.increases == 2 && at.permits == 2);
    errand_policy_free(policy);
    end(sem);
}
END_TEST

START_TEST(a_loop_reports_each_attempt)
{
    errand_sem *sem = sem_of(0, 1, 10);
    errand_policy *policy =
        limited(sem, (errand_policy_opts){ .attempts = 3,
                                           .backoff = errand_backoff_fixed(0),
                                           .retry_if = errand_retry_if_failed() });
    script s = { .error = { 0, ERRAND_HTTP + 429, EIO } };
    const unsigned decreases[] = { 0, 1 };
    for (int runs = 0; runs < 2; runs++) {
        errand_loop loop = { { 0 } };
        errand_result r = { 0 };
        while (errand_loop_next(&loop, policy, &r)) r = take_time(&s);
        ck_assert_int_eq(r.error, 0);
        errand_result_free(&r);
        ck_assert_uint_eq(stats_of(sem, NULL).decreases, decreases[runs]);
    }
    ck_assert_uint_eq(s.calls, 4);
    ck_assert_uint_eq(stats_of(sem, NULL).increases, 2);
    ck_assert_uint_eq(stats_of(sem, NULL).in_use, 0);
    errand_policy_free(policy);
    end(sem);
}
END_TEST

START_TEST(an_attempt_that_times_out_shrinks_it_and_a_cancelled_one_does_not)
{
    errand_sem *sem = sem_of(0, 4, 10);
    errand_policy *policy = limited(sem, (errand_policy_opts){ .attempts = 1, .attempt_ms = 100 });
    obedient o = { .pool = pool };
    errand_task task = obeying(&o);
    errand_future *f = errand_run_task(pool, policy, &task);
    await_event(&o.began);
    turn(&t, pool, 50);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    await_count(&o.freed, 1);
    stands(sem, 4, 0, 0);
    o = (obedient){ .pool = pool };
    f = errand_run_task(pool, policy, &task);
    await_event(&o.began);
    turn(&t, pool, 101);
    ENDS(f, ETIMEDOUT);
    await_count(&o.freed, 1);
    stands(sem, 2, 0, 0);
    errand_policy_free(policy);
    end(sem);
}
END_TEST

typedef struct race { /* the first attempt waits for its promise */
    errand_promise *promise;
    unsigned calls, cancels;
} race;
static void note_cancel(void *arg) { count_up(arg); }
static errand_result run_race(void *arg)
{
    race *r = arg;
    errand_future *f;
    if (count_up(&r->calls) > 1) return errand_ok(NULL, NULL);
    r->promise = errand_promise_new(pool, &f);
    errand_promise_on_cancel(r->promise, note_cancel, &r->cancels); /* it ends later */
    return errand_later(f);
}

START_TEST(a_hedge_that_has_lost_says_nothing)
{
    errand_sem *sem = sem_of(0, 2, 10);
    errand_policy *policy = limited(sem, (errand_policy_opts){ .attempts = 2, .hedge_ms = 100 });
    race r = { NULL, 0, 0 };
    errand_future *f = errand_run(pool, policy, run_race, &r);
    await_count(&r.calls, 1);
    await_asleep(pool, 0);
    stands(sem, 2, 1, 0);
    turn(&t, pool, 100);
    ENDS(f, 0);
    ck_assert_uint_eq(count_of(&r.cancels), 1);
    stands(sem, 3, 1, 0); /* the winner had the other permit */
    errand_promise_resolve(r.promise, errand_fail(ERRAND_HTTP + 429));
    errand_permit *p = NULL;
    ck_assert_int_eq(errand_sem_wait(sem, NULL, 1, LONG_MS, &p), 0);
    errand_permit_release(p);
    stands(sem, 3, 0, 0);
    errand_policy_free(policy);
    end(sem);
}
END_TEST

START_TEST(an_attempt_whose_key_is_paused_in_the_line_takes_another_turn)
{
    errand_sem *sem = sem_of(0, 1, 10);
    errand_rate *rate = errand_rate_new(pool, &(errand_rate_opts){ .per_second = ERRAND_NO_PACE });
    errand_policy *policy = limited(sem, (errand_policy_opts){ .attempts = 1, .rate = rate });
    errand_permit *p = acquire(sem, NULL);
    script s = { .calls = 0 };
    errand_future *f[3];
    for (int i = 0; i < 3; i++) f[i] = errand_run(pool, policy, follow_script, &s);
    stands(sem, 1, 1, 3);
    ck_assert_int_eq(errand_rate_pause(rate, NULL, 1000), 0);
    errand_permit_release(p);
    await_asleep(pool, 3);
    stands(sem, 1, 0, 0);
    turn(&t, pool, 999);
    await_asleep(pool, 3);
    ck_assert_uint_eq(count_of(&s.calls), 0);
    turn(&t, pool, 2);
    for (int i = 0; i < 3; i++) ENDS(f[i], 0);
    errand_policy_free(policy);
    errand_rate_free(rate);
    end(sem);
}
END_TEST

/* ---- a storm ---- */

enum { LEAST = 2, MOST = 9, THREADS = 6 };
typedef struct storm {
    errand_sem *sem;
    uint32_t seed, rounds;
    unsigned *held;
} storm;

static uint32_t next_of(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static void *rage(void *arg)
{
    static const int errors[] = { 0, 0, 0, 0, 0, ERRAND_HTTP + 404, ERRAND_HTTP + 429, EIO };
    storm *s = arg;
    for (uint32_t i = 0; i < s->rounds; i++) {
        unsigned n = 1 + next_of(&s->seed) % LEAST;
        errand_permit *p = NULL;
        bool fast = next_of(&s->seed) % 4 == 0;
        if (fast && !errand_sem_try_acquire(s->sem, n)) continue;
        if (!fast && errand_sem_wait(s->sem, NULL, n, LONG_MS, &p)) ck_abort_msg("no permit");
        if (__atomic_add_fetch(s->held, n, __ATOMIC_SEQ_CST) > MOST) ck_abort_msg("too many");
        errand_result r = { .error = errors[next_of(&s->seed) % 8] };
        if (fast) errand_sem_report(s->sem, NULL, &r, 0);
        else errand_permit_report(p, &r);
        __atomic_sub_fetch(s->held, n, __ATOMIC_SEQ_CST);
        if (fast && errand_sem_release(s->sem, n)) ck_abort_msg("a permit cannot be released");
        errand_permit_release(p);
    }
    return NULL;
}

START_TEST(reports_race_and_lose_no_permit)
{
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    errand_sem *sem = sem_of(LEAST, 4, MOST);
    unsigned held = 0;
    pthread_t threads[THREADS];
    storm storms[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        storms[i] = (storm){ sem, 777 + i, scaled(20000), &held };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, rage, &storms[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    errand_sem_stats s = stats_of(sem, NULL);
    ck_assert(s.in_use == 0 && s.waiting == 0 && s.permits >= LEAST && s.permits <= MOST);
    ck_assert(s.increases > 0 && s.decreases > 0);
    ck_assert(errand_sem_try_acquire(sem, s.permits) && !errand_sem_try_acquire(sem, 1));
    ck_assert_int_eq(errand_sem_release(sem, s.permits), 0);
    end(sem);
}
END_TEST

Suite *adaptive_suite(void)
{
    Suite *suite = suite_create("adaptive");
    TCase *tc = case_of(suite, "semaphore");
    tcase_add_test(tc, permits_grow_while_all_are_used_and_shrink_when_refused);
    tcase_add_test(tc, each_key_has_a_size_of_its_own);
    tcase_add_test(tc, a_shrunk_semaphore_grants_none_until_it_has_room);
    tcase_add_test(tc, growing_pays_for_a_shrinking_that_is_still_owed);
    tcase_add_test(tc, a_cancel_and_a_second_report_say_nothing);
    tcase_add_test(tc, the_fast_pair_reports_by_key);
    tcase_add_test(tc, a_fixed_semaphore_ignores_reports);
    tcase_add_test(tc, wrong_sizes_are_refused);
    tc = case_of(suite, "policy");
    tcase_add_test(tc, a_run_reports_each_attempt);
    tcase_add_test(tc, a_loop_reports_each_attempt);
    tcase_add_test(tc, an_attempt_that_times_out_shrinks_it_and_a_cancelled_one_does_not);
    tcase_add_test(tc, a_hedge_that_has_lost_says_nothing);
    tcase_add_test(tc, an_attempt_whose_key_is_paused_in_the_line_takes_another_turn);
    tc = case_of(suite, "storm");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, reports_race_and_lose_no_permit);
    return suite;
}
