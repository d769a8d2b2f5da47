/* Lease pools: functions that run with a resource; closing; forks; circles. */
#include "connections.h"

#include "async/forked.h"
#include "async/logged.h"

#include <errno.h>
#include <pthread.h>

static test_clock t;
static errand_pool *pool;
static server s;

static errand_lease_pool *leases_with(errand_lease_opts opts)
{
    s = (server){ 0 };
    pool = test_clock_pool(&t);
    return leases_of(pool, &s, opts);
}

static void end(errand_lease_pool *leases)
{
    close_leases(leases, &s);
    close_pool(pool);
}

/* ---- runs ---- */

static errand_result number_of(void *resource, void *arg)
{
    (void)arg;
    return errand_ok(as_value((intptr_t)((connection *)resource)->number), NULL);
}

START_TEST(a_function_runs_with_a_resource)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ 0 });
    for (int i = 0; i < 3; i++) {
        errand_future *f = errand_lease_run(leases, NULL, number_of, NULL);
        ck_assert_int_eq(as_number(value_of(f)), 1);
    }
    ck_assert_uint_eq(s.resets, 3);
    unsigned freed = 0;
    errand_lease_task task = { number_of, &freed, free_counts, "counts", "k", 1000 };
    ck_assert_int_eq(as_number(value_of(errand_lease_run_task(leases, NULL, &task))), 2);
    await_count(&freed, 1);
    ck_assert_int_eq(s.key, 'k');
    end(leases);
}
END_TEST

START_TEST(a_run_that_waits_holds_no_worker)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1 });
    errand_lease *a = borrow(leases, NULL);
    errand_future *f = errand_lease_run(leases, NULL, number_of, NULL);
    await_rest(pool); /* its one worker is idle */
    ck_assert_uint_eq(lease_stats(leases, NULL).waiting, 1);
    errand_lease_release(a);
    ENDS(f, 0);
    f = errand_lease_run(leases, NULL, number_of, NULL);
    ENDS(f, 0);
    end(leases);
}
END_TEST

static errand_result breaks_once(void *resource, void *arg)
{
    unsigned *numbers = arg, n = ((connection *)resource)->number;
    numbers[numbers[0] ? 1 : 0] = n;
    return n == 1 ? errand_fail(ECONNRESET) : errand_ok(NULL, NULL);
}

START_TEST(a_retry_after_a_broken_connection_gets_another)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1 });
    errand_policy *twice =
        policy_of((errand_policy_opts){ .attempts = 2, .backoff = errand_backoff_none() });
    unsigned numbers[2] = { 0 };
    ENDS(errand_lease_run(leases, twice, breaks_once, numbers), 0);
    errand_policy_free(twice);
    ck_assert_uint_eq(numbers[0], 1);
    ck_assert_uint_eq(numbers[1], 2);
    ck_assert_uint_eq(lease_stats(leases, NULL).poisoned, 1);
    end(leases);
}
END_TEST

typedef struct query {
    event began;
    unsigned calls;
} query;

static errand_result query_without_end(void *resource, void *arg)
{
    query *q = arg;
    count_up(&q->calls);
    happen(&q->began);
    await_event(&((connection *)resource)->interrupted);
    return errand_fail(EINTR);
}

START_TEST(a_cancel_interrupts_and_poisons_the_resource)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1 });
    query q = { .calls = 0 };
    errand_future *f = errand_lease_run(leases, NULL, query_without_end, &q);
    await_event(&q.began);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    await_rest(pool);
    ck_assert_uint_eq(s.interrupts, 1);
    ck_assert_uint_eq(s.resets, 0);
    ck_assert_uint_eq(s.closed, 1);
    end(leases);
}
END_TEST

START_TEST(a_deadline_interrupts_and_poisons_the_resource)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1 });
    query q = { .calls = 0 };
    errand_lease_task task = { .fn = query_without_end, .arg = &q, .within_ms = 1000 };
    errand_future *f = errand_lease_run_task(leases, NULL, &task);
    await_event(&q.began);
    turn(&t, pool, 1000);
    ENDS(f, EINTR); /* as its function returned */
    await_rest(pool);
    ck_assert_uint_eq(s.interrupts, 1);
    ck_assert_uint_eq(s.closed, 1);
    end(leases);
}
END_TEST

START_TEST(a_cancelled_run_leaves_the_line)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1 });
    errand_lease *a = borrow(leases, NULL);
    unsigned freed = 0;
    errand_lease_task task = { .fn = number_of, .arg = &freed, .free = free_counts };
    errand_future *f = errand_lease_run_task(leases, NULL, &task);
    await_rest(pool);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    await_count(&freed, 1);
    ck_assert_uint_eq(lease_stats(leases, NULL).waiting, 0);
    errand_lease_release(a);
    end(leases);
}
END_TEST

START_TEST(a_run_that_fails_to_borrow_ends_as_the_open)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ 0 });
    s.open_error = ECONNREFUSED;
    ENDS(errand_lease_run(leases, NULL, number_of, NULL), ECONNREFUSED);
    unsigned freed = 0;
    errand_lease_task task = { .arg = &freed, .free = free_counts };
    ENDS(errand_lease_run_task(leases, NULL, &task), EINVAL);
    ENDS(errand_lease_run_task(leases, NULL, NULL), EINVAL);
    task.fn = number_of;
    ENDS(errand_lease_run_task(NULL, NULL, &task), EINVAL);
    task.within_ms = -1;
    ENDS(errand_lease_run_task(leases, NULL, &task), EINVAL);
    ck_assert_uint_eq(freed, 3);
    end(leases);
}
END_TEST

static errand_result use_later(void *resource, void *arg)
{
    return errand_later(errand_lease_run(arg, NULL, number_of, resource));
}

START_TEST(a_resource_stays_lent_until_what_follows_has_ended)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 2 });
    errand_future *f = errand_lease_run(leases, NULL, use_later, leases);
    ck_assert_int_eq(as_number(value_of(f)), 2); /* the first one was still lent */
    end(leases);
}
END_TEST

/* ---- closing ---- */

typedef struct closer {
    errand_lease_pool *leases;
    pthread_t thread;
    int error;
} closer;

static void *close_it(void *arg)
{
    closer *c = arg;
    c->error = errand_lease_pool_close(c->leases, 1000);
    return NULL;
}

START_TEST(close_ends_waiters_and_waits_for_what_is_lent)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1 });
    errand_lease *a = borrow(leases, NULL);
    errand_future *f = errand_lease_acquire(leases, NULL);
    closer c = { .leases = leases };
    ck_assert_int_eq(pthread_create(&c.thread, NULL, close_it, &c), 0);
    ENDS(f, ECANCELED);
    errand_lease *none;
    ck_assert_int_eq(errand_lease_wait(leases, NULL, 0, &none), ECANCELED);
    ENDS(errand_lease_acquire(leases, NULL), ECANCELED);
    errand_lease_release(a);
    pthread_join(c.thread, NULL);
    ck_assert_int_eq(c.error, 0);
    ck_assert_uint_eq(s.interrupts, 0);
    ck_assert_uint_eq(s.closed, 1);
    close_pool(pool);
}
END_TEST

START_TEST(close_interrupts_at_half_of_its_time)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1 });
    query q = { .calls = 0 };
    errand_future *f = errand_lease_run(leases, NULL, query_without_end, &q);
    await_event(&q.began);
    errand_future *waits = errand_lease_acquire(leases, NULL);
    closer c = { .leases = leases };
    ck_assert_int_eq(pthread_create(&c.thread, NULL, close_it, &c), 0);
    ENDS(waits, ECANCELED); /* it is closing */
    turn(&t, pool, 499);
    ck_assert_uint_eq(count_of(&s.interrupts), 0);
    turn(&t, pool, 1);
    ENDS(f, EINTR);
    pthread_join(c.thread, NULL);
    ck_assert_int_eq(c.error, 0);
    ck_assert_uint_eq(s.interrupts, 1);
    ck_assert_uint_eq(s.closed, 1);
    close_pool(pool);
}
END_TEST

START_TEST(close_names_what_is_not_released_in_time)
{
    logged log;
    logged_open(&log);
    s = (server){ 0 };
    pool = logged_pool(&log, "bees", 2, 0);
    errand_lease_pool *leases = leases_of(pool, &s, (errand_lease_opts){ .max = 1 });
    errand_lease *a = borrow(leases, NULL);
    ck_assert_int_eq(errand_lease_pool_close(leases, 1), ETIMEDOUT);
    ck_assert_uint_eq(logged_times(&log, "lease pool db: not released, left behind: (no name)"), 1);
    ck_assert_uint_eq(s.interrupts, 1);
    ck_assert_uint_eq(s.closed, 0);
    errand_lease_release(a); /* the last one frees all */
    close_pool(pool);
    ck_assert_uint_eq(s.closed, 1);
    logged_close(&log);
}
END_TEST

START_TEST(closing_the_pool_first_ends_waiters)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .min = 1, .max = 2 });
    errand_lease *a = borrow(leases, NULL), *b = borrow(leases, NULL), *none;
    errand_future *f = errand_lease_acquire(leases, NULL);
    errand_lease_release(a);
    a = lease_of(f);
    f = errand_lease_acquire(leases, NULL);
    errand_lease_task task = { .fn = number_of };
    ck_assert_int_eq(errand_pool_close(pool, LONG_MS), 0);
    ENDS(f, ECANCELED);
    ck_assert_int_eq(errand_lease_wait(leases, NULL, 0, &none), ECANCELED);
    ENDS(errand_lease_run_task(leases, NULL, &task), EINVAL);
    errand_lease_release(b);
    errand_lease_poison(a);
    errand_lease_release(a); /* in place */
    ck_assert_uint_eq(s.closed, 1);
    ck_assert_uint_eq(lease_stats(leases, NULL).idle, 1);
    close_leases(leases, &s);
}
END_TEST

static errand_result close_in_a_task(void *arg)
{
    return errand_fail(errand_lease_pool_close(arg, LONG_MS));
}

START_TEST(a_cancelled_task_still_closes_a_lease_pool)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1 });
    errand_lease *a = borrow(leases, NULL);
    errand_future *waits = errand_lease_acquire(leases, NULL);
    errand_future *f = errand_submit(pool, close_in_a_task, leases);
    ENDS(waits, ECANCELED); /* it is closing */
    errand_cancel(f);
    errand_lease_release(a);
    ENDS(f, 0);
    ck_assert_uint_eq(s.closed, 1);
    close_pool(pool);
}
END_TEST

/* ---- circles, children ---- */

static errand_result wait_for_good(void *arg)
{
    errand_lease *lease = NULL;
    int error = errand_lease_wait(arg, NULL, ERRAND_FOREVER, &lease);
    errand_lease_release(lease);
    return errand_fail(error);
}

START_TEST(waiting_for_an_open_without_a_thread_is_EDEADLK)
{
    s = (server){ 0 };
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .spares = ERRAND_NO_SPARES });
    errand_lease_pool *leases = leases_of(pool, &s, (errand_lease_opts){ 0 });
    ENDS(errand_submit(pool, wait_for_good, leases), EDEADLK);
    await_rest(pool);
    ENDS(errand_submit(pool, wait_for_good, leases), 0); /* it is open by now */
    end(leases);
}
END_TEST

static errand_lease_pool *inherited;
static errand_lease *inherited_lease;

static int leases_are_dead(void)
{
    errand_lease *none;
    errand_lease_stats stats;
    if (errand_lease_wait(inherited, NULL, 0, &none) != ERRAND_EFORKED) return 1;
    if (code_of(errand_lease_acquire(inherited, NULL)) != ERRAND_EFORKED) return 2;
    if (code_of(errand_lease_run(inherited, NULL, number_of, NULL)) != ERRAND_EFORKED) return 3;
    errand_lease_release(inherited_lease);
    if (errand_lease_pool_stats_get(inherited, NULL, &stats) != ERRAND_EFORKED) return 4;
    if (errand_lease_holders(inherited, NULL, NULL, 0)) return 5;
    if (errand_lease_pool_close(inherited, 0) != ERRAND_EFORKED) return 6;
    errand_resource_ops ops = served(&s);
    if (errand_lease_pool_new(pool, &ops, NULL) || errno != ERRAND_EFORKED) return 7;
    return count_of(&s.closed) ? 8 : 0;
}

START_TEST(the_parents_leases_return_EFORKED_in_a_child)
{
    inherited = leases_with((errand_lease_opts){ .max = 2 });
    inherited_lease = borrow(inherited, NULL);
    in_child(leases_are_dead);
    errand_lease_release(inherited_lease);
    end(inherited);
}
END_TEST

Suite *lease_runs_suite(void)
{
    Suite *suite = suite_create("lease_runs");
    TCase *tc = case_of(suite, "runs");
    tcase_add_test(tc, a_function_runs_with_a_resource);
    tcase_add_test(tc, a_run_that_waits_holds_no_worker);
    tcase_add_test(tc, a_retry_after_a_broken_connection_gets_another);
    tcase_add_test(tc, a_cancel_interrupts_and_poisons_the_resource);
    tcase_add_test(tc, a_deadline_interrupts_and_poisons_the_resource);
    tcase_add_test(tc, a_cancelled_run_leaves_the_line);
    tcase_add_test(tc, a_run_that_fails_to_borrow_ends_as_the_open);
    tcase_add_test(tc, a_resource_stays_lent_until_what_follows_has_ended);
    tc = case_of(suite, "closing");
    tcase_add_test(tc, close_ends_waiters_and_waits_for_what_is_lent);
    tcase_add_test(tc, close_interrupts_at_half_of_its_time);
    tcase_add_test(tc, close_names_what_is_not_released_in_time);
    tcase_add_test(tc, closing_the_pool_first_ends_waiters);
    tcase_add_test(tc, a_cancelled_task_still_closes_a_lease_pool);
    tc = case_of(suite, "others");
    tcase_add_test(tc, waiting_for_an_open_without_a_thread_is_EDEADLK);
    tcase_add_test(tc, the_parents_leases_return_EFORKED_in_a_child);
    return suite;
}
