/* Semaphores: keys, bounds, resizing, embedded places, stats. */
#include "runs.h"

#include "base/clock.h"
#include "policy/sem.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static test_clock t;
static errand_pool *pool;

static errand_sem *sem_of(errand_sem_opts opts)
{
    pool = test_clock_pool(&t);
    errand_sem *sem = errand_sem_new(pool, &opts);
    ck_assert_ptr_nonnull(sem);
    return sem;
}

static void end(errand_sem *sem)
{
    errand_sem_free(sem);
    close_pool(pool);
}

static bool ended(errand_future *f) { return errand_wait(f, 0) == 0; }

static void *permit_of(errand_future *f)
{
    ck_assert(ended(f));
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, 0);
    return r.value;
}

static errand_sem_stats stats_of(errand_sem *sem, const char *key)
{
    errand_sem_stats s;
    ck_assert_int_eq(errand_sem_stats_get(sem, key, &s), 0);
    return s;
}

START_TEST(each_key_has_its_own_permits)
{
    errand_sem *sem = sem_of((errand_sem_opts){ .permits = 1 });
    char key[] = "host:80";
    void *a = permit_of(errand_sem_acquire(sem, key, 1)),
         *none = permit_of(errand_sem_acquire(sem, NULL, 1)),
         *empty = permit_of(errand_sem_acquire(sem, "", 1));
    key[0] = 'm'; /* it was copied */
    void *b = permit_of(errand_sem_acquire(sem, key, 1));
    errand_future *waits = errand_sem_acquire(sem, "host:80", 1);
    ck_assert(!ended(waits));
    errand_permit_release(b);
    errand_permit_release(none);
    errand_permit_release(empty);
    ck_assert(!ended(waits));
    errand_permit_release(a);
    errand_permit_release(permit_of(waits));
    ck_assert_uint_eq(stats_of(sem, "host:80").granted, 2);
    ck_assert_uint_eq(stats_of(sem, NULL).keys, 3);
    errand_sem_stats s;
    ck_assert_int_eq(errand_sem_stats_get(sem, "other", &s), ENOENT);
    end(sem);
}
END_TEST

START_TEST(calls_without_a_key_share_one_member)
{
    errand_sem *sem = sem_of((errand_sem_opts){ .permits = 1, .max_keys = ERRAND_NO_KEYS });
    void *a = permit_of(errand_sem_acquire(sem, "a", 1));
    ck_assert(!errand_sem_try_acquire(sem, 1));
    ck_assert_uint_eq(stats_of(sem, "b").in_use, 1);
    errand_permit_release(a);
    ck_assert_uint_eq(stats_of(sem, NULL).keys, 0);
    end(sem);
}
END_TEST

START_TEST(an_overlong_key_is_refused)
{
    char key[ERRAND_KEY_MAX + 2];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = 0;
    errand_sem *sem = sem_of((errand_sem_opts){ .permits = 1 });
    errand_sem_stats s;
    ENDS(errand_sem_acquire(sem, key, 1), EINVAL);
    ck_assert_int_eq(errand_sem_stats_get(sem, key, &s), EINVAL);
    errand_permit_release(permit_of(errand_sem_acquire(sem, key + 1, 1)));
    ck_assert_uint_eq(stats_of(sem, key + 1).keys, 1);
    end(sem);
}
END_TEST

START_TEST(a_full_queue_of_waiters_refuses_the_next)
{
    errand_sem *sem = sem_of((errand_sem_opts){ .permits = 1, .max_waiters = 2 });
    void *held = permit_of(errand_sem_acquire(sem, NULL, 1));
    errand_future *a = errand_sem_acquire(sem, NULL, 1), *b = errand_sem_acquire(sem, NULL, 1);
    errand_result r = errand_await(errand_sem_acquire(sem, NULL, 1));
    ck_assert_int_eq(r.error, ERRAND_EFULL);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_REJECTED);
    errand_result_free(&r);
    errand_future *other = errand_sem_acquire(sem, "other", 1); /* another queue */
    errand_permit_release(permit_of(other));
    errand_cancel(a);
    ENDS(a, ECANCELED);
    a = errand_sem_acquire(sem, NULL, 1); /* there is room again */
    errand_permit_release(held);
    ck_assert(ended(b) && !ended(a));
    errand_permit_release(permit_of(b));
    errand_permit_release(permit_of(a));
    errand_sem_stats s = stats_of(sem, NULL);
    ck_assert_uint_eq(s.refused, 1);
    ck_assert_uint_eq(s.withdrawn, 1);
    ck_assert_uint_eq(s.granted, 3);
    end(sem);
}
END_TEST

/* Resizes the semaphore again as soon as it is refused. */
typedef struct resizer {
    er_sem_place place;
    errand_sem *sem;
} resizer;
static void resize_again(er_waiter *waiter)
{
    ck_assert_int_eq(errand_sem_resize(er_of(waiter, resizer, place.waiter)->sem, 10), 0);
}

START_TEST(a_refusal_reports_the_size_it_is_due_to)
{
    errand_sem *sem = sem_of((errand_sem_opts){ .permits = 4 });
    ck_assert(errand_sem_try_acquire(sem, 4));
    resizer first = { .sem = sem, .place = { .waiter.fn = resize_again, .n = 2 } };
    ck_assert_int_eq(er_sem_enter(sem, NULL, &first.place), EINPROGRESS);
    errand_future *f = errand_sem_acquire(sem, NULL, 3);
    ck_assert_int_eq(errand_sem_resize(sem, 1), 0);
    ck_assert_int_eq(first.place.error, EINVAL);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, EINVAL);
    ck_assert_str_eq(errand_result_message(&r), "3 permits of a semaphore of 1");
    errand_result_free(&r);
    ck_assert_int_eq(errand_sem_release(sem, 4), 0);
    end(sem);
}
END_TEST

START_TEST(more_permits_are_granted_to_waiters)
{
    errand_sem *sem = sem_of((errand_sem_opts){ .permits = 1 });
    void *held = permit_of(errand_sem_acquire(sem, "k", 1));
    errand_future *a = errand_sem_acquire(sem, "k", 1), *b = errand_sem_acquire(sem, "k", 1);
    ck_assert_int_eq(errand_sem_resize(sem, 2), 0);
    ck_assert(ended(a) && !ended(b));
    ck_assert(errand_sem_try_acquire(sem, 2)); /* of the NULL key, too */
    ck_assert_int_eq(errand_sem_resize(sem, 0), EINVAL);
    ck_assert_int_eq(errand_sem_resize(NULL, 1), EINVAL);
    ck_assert_int_eq(errand_sem_resize(sem, 10), 0);
    ck_assert(ended(b));
    ck_assert_uint_eq(stats_of(sem, "k").in_use, 3);
    ck_assert(errand_sem_try_acquire(sem, 8) && !errand_sem_try_acquire(sem, 1));
    ck_assert_int_eq(errand_sem_release(sem, 10), 0);
    errand_permit_release(held);
    errand_permit_release(permit_of(a));
    errand_permit_release(permit_of(b));
    end(sem);
}
END_TEST

START_TEST(fewer_permits_revoke_none_that_are_held)
{
    errand_sem *sem = sem_of((errand_sem_opts){ .permits = 5 });
    void *two = permit_of(errand_sem_acquire(sem, NULL, 2)),
         *one = permit_of(errand_sem_acquire(sem, NULL, 1));
    ck_assert(errand_sem_try_acquire(sem, 2));
    errand_future *big = errand_sem_acquire(sem, NULL, 4),
                  *small = errand_sem_acquire(sem, NULL, 1);
    ck_assert_int_eq(errand_sem_resize(sem, 2), 0);
    ENDS(big, EINVAL); /* more than all permits */
    ck_assert(!ended(small));
    errand_sem_stats s = stats_of(sem, NULL);
    ck_assert_uint_eq(s.permits, 2);
    ck_assert_uint_eq(s.in_use, 5);
    ck_assert_int_eq(errand_sem_release(sem, 2), 0);
    errand_permit_release(one);
    ck_assert(!ended(small)); /* two of two are in use */
    ck_assert_int_eq(errand_sem_resize(sem, 3), 0);
    ck_assert(ended(small));
    ck_assert_int_eq(errand_sem_resize(sem, 1), 0);
    ck_assert_int_eq(errand_sem_resize(sem, 2), 0); /* the revoked permits exist again */
    ck_assert_uint_eq(stats_of(sem, NULL).in_use, 3);
    errand_permit_release(two);
    ck_assert(errand_sem_try_acquire(sem, 1) && !errand_sem_try_acquire(sem, 1));
    errand_permit_release(permit_of(small));
    ck_assert_int_eq(errand_sem_release(sem, 1), 0);
    ck_assert(errand_sem_try_acquire(sem, 2));
    ck_assert_int_eq(errand_sem_release(sem, 2), 0);
    end(sem);
}
END_TEST

static errand_result take_permits(void *sem)
{
    errand_permit *permit;
    int error = errand_sem_wait(sem, NULL, 2, LONG_MS, &permit);
    return error ? errand_fail(error) : errand_ok(permit, errand_permit_release);
}

START_TEST(holders_and_their_hold_times_are_reported)
{
    errand_sem *sem = sem_of((errand_sem_opts){ .permits = 5 });
    errand_result r = errand_await(errand_submit_task(
        pool, &(errand_task){ .fn = take_permits, .arg = sem, .name = "reader" }));
    ck_assert_int_eq(r.error, 0);
    turn(&t, pool, 250);
    void *mine = permit_of(errand_sem_acquire(sem, NULL, 1));
    turn(&t, pool, 1000);
    errand_sem_holder at[4] = { 0 };
    ck_assert_uint_eq(errand_sem_holders(sem, NULL, at, 4), 2);
    ck_assert_str_eq(at[0].name, "reader");
    ck_assert_uint_eq(at[0].n, 2);
    ck_assert_int_eq(at[0].held_ms, 1250);
    ck_assert_ptr_nonnull(at[0].site);
    ck_assert_ptr_null(at[1].name);
    ck_assert_uint_eq(at[1].n, 1);
    ck_assert_int_eq(at[1].held_ms, 1000);
    at[1].n = 77;
    ck_assert_uint_eq(errand_sem_holders(sem, NULL, at, 1), 2); /* no more than there is room for */
    ck_assert_uint_eq(at[1].n, 77);
    ck_assert_uint_eq(errand_sem_holders(sem, NULL, NULL, 0), 2);
    ck_assert_uint_eq(errand_sem_holders(sem, "unknown", at, 4), 0);
    errand_result_free(&r);
    ck_assert_uint_eq(errand_sem_holders(sem, NULL, at, 4), 1);
    errand_permit_release(mine);
    end(sem);
}
END_TEST

START_TEST(the_longest_wait_includes_pending_waits)
{
    errand_sem *sem = sem_of((errand_sem_opts){ .permits = 1 });
    void *held = permit_of(errand_sem_acquire(sem, NULL, 1));
    errand_future *a = errand_sem_acquire(sem, NULL, 1);
    turn(&t, pool, 300);
    ck_assert_int_eq(stats_of(sem, NULL).longest_wait_ns, 300 * ER_MS);
    errand_permit_release(held);
    errand_permit_release(permit_of(a));
    held = permit_of(errand_sem_acquire(sem, NULL, 1));
    turn(&t, pool, 500);
    ck_assert_int_eq(stats_of(sem, NULL).longest_wait_ns, 300 * ER_MS);
    errand_permit_release(held);
    end(sem);
}
END_TEST

/* ---- places ---- */

typedef struct one {
    er_sem_place place;
    errand_sem *sem;
    unsigned granted;
    bool gives_back;
} one;

static void it_is_granted(er_waiter *waiter)
{
    one *o = (one *)(void *)waiter;
    if (o->gives_back && !o->place.error) er_sem_release(o->sem, &o->place, NULL);
    count_up(&o->granted); /* from here on *o is its owner's */
}

static one one_of(errand_sem *sem, unsigned n)
{
    return (one){ .place = { .waiter.fn = it_is_granted, .n = n, .name = "place" }, .sem = sem };
}

START_TEST(a_waiters_place_can_be_embedded)
{
    errand_sem *sem = sem_of((errand_sem_opts){ .permits = 2 });
    one a = one_of(sem, 2), b = a, c = a, big = one_of(sem, 3);
    ck_assert_int_eq(er_sem_enter(sem, "k", &big.place), EINVAL);
    ck_assert_int_eq(er_sem_enter(sem, "k", &a.place), 0);
    ck_assert_int_eq(er_sem_enter(sem, "k", &b.place), EINPROGRESS);
    ck_assert_int_eq(er_sem_enter(sem, "k", &c.place), EINPROGRESS);
    ck_assert(er_sem_leave(sem, &b.place));
    ck_assert(!er_sem_leave(sem, &b.place));
    ck_assert_int_eq(er_sem_enter(sem, "k", &b.place), EINPROGRESS); /* at the end */
    er_sem_release(sem, &a.place, NULL);
    ck_assert(c.granted && !b.granted && !a.granted);
    ck_assert(!er_sem_leave(sem, &c.place));
    ck_assert_int_eq(errand_sem_resize(sem, 1), 0);
    ck_assert(b.granted && b.place.error == EINVAL);
    er_sem_release(sem, &c.place, NULL);
    b = one_of(sem, 1);
    c = one_of(sem, 1);
    ck_assert_int_eq(er_sem_enter(sem, "k", &b.place), 0);
    ck_assert_int_eq(er_sem_enter(sem, "k", &c.place), EINPROGRESS);
    ck_assert_int_eq(errand_pool_close(pool, 0), 0);
    ck_assert(c.granted && c.place.error == ECANCELED);
    ck_assert_int_eq(er_sem_enter(sem, "k", &c.place), ECANCELED); /* it would wait forever */
    er_sem_release(sem, &b.place, NULL);
    errand_sem_free(sem);
}
END_TEST

START_TEST(a_long_chain_of_grants_does_not_recurse)
{
    enum { N = 200000 };
    errand_sem *sem = sem_of((errand_sem_opts){ .permits = 1 });
    one *all = calloc(N, sizeof *all), first = one_of(sem, 1);
    ck_assert_ptr_nonnull(all);
    ck_assert_int_eq(er_sem_enter(sem, NULL, &first.place), 0);
    int waiting = 0, granted = 0; /* an assertion each would take longer than all else */
    for (int i = 0; i < N; i++) {
        all[i] = one_of(sem, 1);
        all[i].gives_back = true;
        waiting += er_sem_enter(sem, NULL, &all[i].place) == EINPROGRESS;
    }
    ck_assert_int_eq(waiting, N);
    er_sem_release(sem, &first.place, NULL); /* each callback grants the next */
    for (int i = 0; i < N; i++) granted += all[i].granted == 1;
    ck_assert_int_eq(granted, N);
    ck_assert_uint_eq(stats_of(sem, NULL).in_use, 0);
    free(all);
    end(sem);
}
END_TEST

/* ---- storms ---- */

typedef struct storm {
    errand_sem *sem;
    uint64_t seed;
    unsigned rounds, *held, most, granted, left;
} storm;

static void *rage(void *arg)
{
    storm *s = arg;
    for (unsigned i = 0; i < s->rounds; i++) {
        uint64_t dice = er_random_next(&s->seed);
        unsigned n = 1 + (unsigned)(dice % 2);
        const char *key = dice / 2 % 2 ? "key" : NULL;
        unsigned *held = &s->held[key != NULL];
        one o = one_of(s->sem, n);
        bool mine;
        if (!key && dice / 4 % 4 == 0) {
            if (!errand_sem_try_acquire(s->sem, n)) continue;
            if (__atomic_add_fetch(held, n, __ATOMIC_SEQ_CST) > s->most)
                ck_abort_msg("too many are held");
            __atomic_sub_fetch(held, n, __ATOMIC_SEQ_CST);
            if (errand_sem_release(s->sem, n)) ck_abort_msg("a taken permit cannot be released");
            continue;
        }
        int error = er_sem_enter(s->sem, key, &o.place);
        mine = !error;
        if (error == EINPROGRESS) {
            bool left = dice / 64 % 2 && er_sem_leave(s->sem, &o.place);
            if (!left) await_count(&o.granted, 1);
            mine = !left && !o.place.error;
            s->left += left;
        }
        if (!mine) continue;
        s->granted++;
        if (__atomic_add_fetch(held, n, __ATOMIC_SEQ_CST) > s->most)
            ck_abort_msg("too many are held");
        __atomic_sub_fetch(held, n, __ATOMIC_SEQ_CST);
        er_sem_release(s->sem, &o.place, NULL);
    }
    return NULL;
}

START_TEST(places_tries_and_resizes_conserve_permits)
{
    enum { THREADS = 4, MOST = 7 };
    ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 }));
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 3 });
    unsigned held[2] = { 0 };
    pthread_t threads[THREADS];
    storm storms[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        storms[i] = (storm){ sem, i, scaled(2500), held, MOST, 0, 0 };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, rage, &storms[i]), 0);
    }
    for (unsigned i = 0, n = scaled(500); i < n; i++)
        ck_assert_int_eq(errand_sem_resize(sem, 2 + i % (MOST - 1)), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int k = 0; k < 2; k++) {
        errand_sem_stats s = stats_of(sem, k ? "key" : NULL);
        ck_assert_uint_eq(s.in_use, 0);
        ck_assert_uint_eq(s.waiting, 0);
    }
    ck_assert_int_eq(errand_sem_resize(sem, 5), 0);
    ck_assert(errand_sem_try_acquire(sem, 5) && !errand_sem_try_acquire(sem, 1));
    ck_assert_int_eq(errand_sem_release(sem, 5), 0);
    end(sem);
}
END_TEST

Suite *permits_suite(void)
{
    Suite *suite = suite_create("permits");
    TCase *tc = case_of(suite, "keys");
    tcase_add_test(tc, each_key_has_its_own_permits);
    tcase_add_test(tc, calls_without_a_key_share_one_member);
    tcase_add_test(tc, an_overlong_key_is_refused);
    tc = case_of(suite, "bounds");
    tcase_add_test(tc, a_full_queue_of_waiters_refuses_the_next);
    tcase_add_test(tc, a_refusal_reports_the_size_it_is_due_to);
    tcase_add_test(tc, more_permits_are_granted_to_waiters);
    tcase_add_test(tc, fewer_permits_revoke_none_that_are_held);
    tc = case_of(suite, "stats");
    tcase_add_test(tc, holders_and_their_hold_times_are_reported);
    tcase_add_test(tc, the_longest_wait_includes_pending_waits);
    tc = case_of(suite, "places");
    tcase_add_test(tc, a_waiters_place_can_be_embedded);
    tcase_add_test(tc, a_long_chain_of_grants_does_not_recurse);
    tcase_add_test(tc, places_tries_and_resizes_conserve_permits);
    return suite;
}
