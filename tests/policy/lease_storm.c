/* Lease pools under 64 threads that borrow, cancel, poison and run out of time, beside opens,
 * checks and resets that fail: nothing is lost, and no resource has two borrowers, or a borrower
 * after an interrupt. */
#include "connections.h"

#include "base/os.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 64, MOST = 8 };

/* all atomic */
static unsigned dice, opened, closed, alive[2], most_alive[2], twice;

static bool one_in(unsigned n)
{
    uint64_t state = count_up(&dice);
    return er_random_next(&state) % n == 0;
}

typedef struct thing {
    unsigned users, interrupted, of;
} thing;

static errand_result open_thing(const char *key, void *arg)
{
    (void)arg;
    if (one_in(16)) return errand_fail(ECONNREFUSED);
    thing *x = calloc(1, sizeof *x);
    x->of = key != NULL;
    unsigned n = count_up(&alive[x->of]), most = count_of(&most_alive[x->of]);
    while (n > most && !er_cas(&most_alive[x->of], &most, n)) continue;
    count_up(&opened);
    return errand_ok(x, NULL);
}
static int fails_at_times(void *resource, void *arg)
{
    return (void)resource, (void)arg, one_in(16);
}
static void interrupt_thing(void *resource, void *arg)
{
    (void)arg;
    if (count_up(&((thing *)resource)->interrupted) != 1) count_up(&twice);
}
static void close_thing(void *resource, void *arg)
{
    (void)arg;
    thing *x = resource;
    if (count_of(&x->users)) count_up(&twice);
    er_sub(&alive[x->of], 1);
    count_up(&closed);
    free(x);
}

static void use(thing *x)
{
    if (count_up(&x->users) != 1 || count_of(&x->interrupted)) count_up(&twice);
    if (one_in(4)) sched_yield();
    er_sub(&x->users, 1);
}

static errand_result use_in_a_run(void *resource, void *arg)
{
    (void)arg;
    thing *x = resource;
    count_up(&x->users);
    if (one_in(4)) sched_yield();
    if (count_of(&x->users) != 1) count_up(&twice);
    er_sub(&x->users, 1);
    return one_in(8) ? errand_fail(ECONNRESET) : errand_ok(NULL, NULL);
}

static void use_lease(errand_lease *lease)
{
    if (!one_in(8)) use(errand_lease_resource(lease));
    if (one_in(8)) errand_lease_poison(lease);
    errand_lease_release(lease);
}

typedef struct borrower {
    errand_lease_pool *leases;
    unsigned rounds, served;
} borrower;

static void wait_at_times(borrower *b, const char *key)
{
    errand_lease *lease;
    if (errand_lease_wait(b->leases, key, one_in(2) ? LONG_MS : one_in(2), &lease) != 0) return;
    b->served++;
    use_lease(lease);
}

static void acquire_at_times(borrower *b, const char *key)
{
    errand_future *f = errand_lease_acquire(b->leases, key);
    if (one_in(4)) sched_yield();
    if (one_in(2)) errand_cancel(f);
    errand_result r = errand_await(f);
    if (r.error) {
        errand_result_free(&r);
        return;
    }
    b->served++;
    use_lease(r.value);
}

static void *borrow_often(void *arg)
{
    borrower *b = arg;
    for (unsigned i = 0; i < b->rounds; i++) {
        const char *key = one_in(2) ? "k" : NULL;
        if (one_in(2)) {
            wait_at_times(b, key);
        } else if (one_in(2)) {
            acquire_at_times(b, key);
        } else {
            errand_lease_task task = { .fn = use_in_a_run, .key = key };
            errand_future *f = errand_lease_run_task(b->leases, NULL, &task);
            if (one_in(4)) errand_cancel(f);
            errand_result r = errand_await(f);
            b->served += !r.error;
            errand_result_free(&r);
        }
    }
    return NULL;
}

START_TEST(no_resource_is_lost_or_lent_twice_in_a_storm)
{
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 4 });
    const errand_resource_ops ops = { open_thing,      fails_at_times, fails_at_times,
                                      interrupt_thing, close_thing,    NULL };
    const errand_lease_opts opts = {
        .max = MOST,
        .min = 1,
        .max_uses = 50,
        .max_idle_ms = 2,
        .max_age_ms = 20,
        .check_after_ms = 1,
        .acquire_within_ms = 200,
        .max_keys = 1
    };
    errand_lease_pool *leases = errand_lease_pool_new(pool, &ops, &opts);
    ck_assert_ptr_nonnull(leases);
    pthread_t threads[THREADS];
    borrower borrowers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        borrowers[i] = (borrower){ leases, scaled(200), 0 };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, borrow_often, &borrowers[i]), 0);
    }
    unsigned served = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        served += borrowers[i].served;
    }
    ck_assert_uint_gt(served, 0);
    for (int i = 0; i < 2; i++) {
        errand_lease_stats stats;
        if (errand_lease_pool_stats_get(leases, i ? "k" : NULL, &stats)) continue;
        ck_assert_uint_eq(stats.lent, 0);
        ck_assert_uint_eq(stats.waiting, 0);
        ck_assert_uint_le(count_of(&most_alive[i]), MOST);
    }
    ck_assert_int_eq(errand_lease_pool_close(leases, LONG_MS), 0);
    ck_assert_uint_gt(opened, 0);
    ck_assert_uint_eq(count_of(&opened), count_of(&closed));
    ck_assert_uint_eq(count_of(&twice), 0);
    close_pool(pool);
}
END_TEST

Suite *lease_storm_suite(void)
{
    Suite *suite = suite_create("lease_storm");
    TCase *tc = case_of(suite, "storm");
    tcase_add_test(tc, no_resource_is_lost_or_lent_twice_in_a_storm);
    return suite;
}
