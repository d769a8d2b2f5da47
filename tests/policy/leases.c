/* Lease pools on a test's clock: who gets a resource, when one is opened, checked, closed. */
#include "connections.h"

#include "async/dumped.h"
#include "fixture/memory.h"

#include <errno.h>
#include <string.h>

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

static bool ended(errand_future *f) { return errand_wait(f, 0) == 0; }

/* Turns the clock; what became due has been done. */
static void pass(int64_t ms)
{
    turn(&t, pool, ms);
    await_rest(pool);
}

/* ---- lending ---- */

START_TEST(an_idle_resource_is_lent_again)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ 0 });
    errand_lease *a = borrow(leases, NULL);
    const connection *c = connection_of(a);
    ck_assert_int_eq(s.key, '-');
    errand_lease_release(a);
    a = lease_of(errand_lease_acquire(leases, NULL));
    ck_assert_ptr_eq(connection_of(a), c);
    errand_lease_release(a);
    ck_assert_uint_eq(count_of(&s.opened), 1);
    ck_assert_uint_eq(lease_stats(leases, NULL).granted, 2);
    ck_assert_uint_eq(lease_stats(leases, NULL).idle, 1);
    end(leases);
}
END_TEST

START_TEST(only_what_was_used_is_reset)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ 0 });
    errand_lease_release(borrow(leases, NULL));
    ck_assert_uint_eq(s.resets, 1);
    errand_lease_release(lease_of(errand_lease_acquire(leases, NULL)));
    ck_assert_uint_eq(s.resets, 1);
    end(leases);
}
END_TEST

START_TEST(what_was_returned_last_is_lent_first)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 3 });
    errand_lease *a = borrow(leases, NULL), *b = borrow(leases, NULL), *c = borrow(leases, NULL);
    const connection *last = connection_of(b);
    errand_lease_release(c);
    errand_lease_release(a);
    errand_lease_release(b);
    a = borrow(leases, NULL);
    ck_assert_ptr_eq(connection_of(a), last);
    errand_lease_release(a);
    end(leases);
}
END_TEST

START_TEST(waiters_are_served_in_order)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1, .max_waiters = 3 });
    errand_lease *held = borrow(leases, NULL);
    errand_future *f[3];
    for (int i = 0; i < 3; i++) f[i] = errand_lease_acquire(leases, NULL);
    ENDS(errand_lease_acquire(leases, NULL), ERRAND_EFULL);
    errand_cancel(f[1]);
    ENDS(f[1], ECANCELED);
    errand_lease_release(held);
    ck_assert(ended(f[0]) && !ended(f[2]));
    errand_lease_release(lease_of(f[0]));
    errand_lease_release(lease_of(f[2]));
    errand_lease_stats stats = lease_stats(leases, NULL);
    ck_assert_uint_eq(stats.refused, 1);
    ck_assert_uint_eq(stats.withdrawn, 1);
    ck_assert_uint_eq(stats.waiting, 0);
    ck_assert_uint_eq(s.opened, 1);
    end(leases);
}
END_TEST

START_TEST(a_cancelled_owner_of_a_lease_returns_it)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1 });
    errand_lease_release(borrow(leases, NULL));
    errand_drop(errand_lease_acquire(leases, NULL));
    ck_assert_uint_eq(lease_stats(leases, NULL).lent, 0);
    end(leases);
}
END_TEST

START_TEST(each_key_has_resources_of_its_own)
{
    char key[ERRAND_KEY_MAX + 2];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = 0;
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1 });
    errand_lease *a = borrow(leases, "a"), *b = borrow(leases, "b"), *none;
    ck_assert_int_eq(s.key, 'b');
    errand_future *f = errand_lease_acquire(leases, "a");
    errand_lease_release(b);
    ck_assert(!ended(f));
    errand_lease_release(a);
    errand_lease_release(lease_of(f));
    ck_assert_uint_eq(lease_stats(leases, "a").keys, 2);
    ck_assert_uint_eq(lease_stats(leases, "a").granted, 2);
    errand_lease_stats stats;
    ck_assert_int_eq(errand_lease_pool_stats_get(leases, "c", &stats), ENOENT);
    ck_assert_int_eq(errand_lease_wait(leases, key, 0, &none), EINVAL);
    ENDS(errand_lease_acquire(leases, key), EINVAL);
    end(leases);
}
END_TEST

START_TEST(holders_are_named_and_waiters_dumped)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 2 });
    errand_lease *a = borrow(leases, "k");
    turn(&t, pool, 70);
    errand_lease *b = borrow(leases, "k");
    turn(&t, pool, 30);
    errand_lease_holder at[1];
    ck_assert_uint_eq(errand_lease_holders(leases, "k", at, 1), 2);
    ck_assert_int_eq(at[0].held_ms, 100);
    ck_assert_ptr_eq(at[0].resource, connection_of(a));
    ck_assert_ptr_nonnull(at[0].site);
    ck_assert_uint_eq(errand_lease_holders(leases, "other", NULL, 0), 0);
    errand_future *f = errand_lease_acquire(leases, "k");
    dump_shows(pool, "lease", "-",
               " waits for a resource of db, 2 lent, 0 being opened, key k, submitted at ");
    errand_lease_release(a);
    errand_lease_release(b);
    errand_lease_release(lease_of(f));
    end(leases);
}
END_TEST

/* ---- opening ---- */

START_TEST(a_return_serves_the_first_waiter_while_one_is_opened)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 2 });
    errand_lease *a = borrow(leases, NULL);
    s.holds = 1;
    errand_future *f = errand_lease_acquire(leases, NULL);
    await_count(&s.begun, 2);
    ck_assert_uint_eq(lease_stats(leases, NULL).opening, 1);
    errand_lease_release(a);
    errand_lease_release(lease_of(f));
    happen(&s.go);
    await_rest(pool);
    ck_assert_uint_eq(lease_stats(leases, NULL).idle, 2);
    end(leases);
}
END_TEST

START_TEST(a_cancelled_waiter_leaves_what_is_opened_to_others)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 2 });
    s.holds = 1;
    errand_future *f = errand_lease_acquire(leases, NULL);
    await_count(&s.begun, 1);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    happen(&s.go);
    await_rest(pool);
    ck_assert_uint_eq(lease_stats(leases, NULL).idle, 1);
    end(leases);
}
END_TEST

START_TEST(several_are_opened_at_once_but_not_too_many)
{
    s = (server){ .holds = 1 };
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 8 });
    errand_lease_pool *leases =
        leases_of(pool, &s, (errand_lease_opts){ .max = 5, .open_at_once = 3 });
    errand_future *f[6];
    for (int i = 0; i < 6; i++) f[i] = errand_lease_acquire(leases, NULL);
    await_count(&s.begun, 3);
    ck_assert_uint_eq(lease_stats(leases, NULL).opening, 3);
    happen(&s.go);
    errand_lease *at[5];
    for (int i = 0; i < 5; i++) at[i] = lease_of(f[i]);
    ck_assert_uint_eq(count_of(&s.begun), 5);
    ck_assert(!ended(f[5]));
    for (int i = 0; i < 5; i++) errand_lease_release(at[i]);
    errand_lease_release(lease_of(f[5]));
    ck_assert_uint_eq(count_of(&s.opened), 5);
    end(leases);
}
END_TEST

START_TEST(min_are_opened_from_the_beginning)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .min = 2, .max = 4 });
    await_rest(pool);
    ck_assert_uint_eq(lease_stats(leases, NULL).idle, 2);
    errand_lease *a = borrow(leases, NULL);
    errand_lease_poison(a);
    errand_lease_release(a);
    await_rest(pool);
    ck_assert_uint_eq(s.closed, 1);
    ck_assert_uint_eq(lease_stats(leases, NULL).idle, 2);
    end(leases);
}
END_TEST

START_TEST(a_failed_open_ends_the_first_waiter_and_delays_the_next_open)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 4, .open_at_once = 1 });
    s.open_error = ECONNREFUSED;
    s.holds = 1;
    errand_future *a = errand_lease_acquire(leases, NULL), *b = errand_lease_acquire(leases, NULL);
    happen(&s.go);
    errand_result r = errand_await(a);
    ck_assert_int_eq(r.error, ECONNREFUSED);
    ck_assert_str_eq(errand_result_message(&r), "no server");
    errand_result_free(&r);
    await_rest(pool);
    ck_assert(!ended(b));
    ck_assert_uint_eq(s.begun, 1);
    errand_lease *none;
    ck_assert_int_eq(errand_lease_wait(leases, NULL, 0, &none), ETIMEDOUT);
    s.open_error = 0;
    pass(24);
    ck_assert_uint_eq(s.begun, 1); /* 50 ms, with equal jitter */
    pass(27);
    errand_lease_release(lease_of(b));
    ck_assert_uint_eq(lease_stats(leases, NULL).open_failures, 1);
    end(leases);
}
END_TEST

START_TEST(a_failed_open_leaves_the_waiter_to_what_is_lent)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ 0 });
    errand_lease *a = borrow(leases, NULL);
    s.open_error = ECONNREFUSED;
    errand_future *f = errand_lease_acquire(leases, NULL);
    await_rest(pool);
    ck_assert(!ended(f));
    ck_assert_uint_eq(lease_stats(leases, NULL).open_failures, 1);
    errand_lease_release(a);
    errand_lease_release(lease_of(f));
    end(leases);
}
END_TEST

START_TEST(the_delay_between_failed_opens_grows_to_five_seconds)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .min = 1 });
    await_rest(pool);
    errand_lease *a = borrow(leases, NULL);
    s.open_error = ECONNREFUSED;
    errand_lease_poison(a);
    errand_lease_release(a);
    await_rest(pool);
    for (int i = 0; i < 12; i++) pass(5001);
    unsigned begun = s.begun;
    pass(2400);
    ck_assert_uint_eq(s.begun, begun);
    pass(2601);
    ck_assert_uint_eq(s.begun, begun + 1);
    end(leases);
}
END_TEST

START_TEST(without_memory_waiters_end_with_ENOMEM)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ 0 });
    for (unsigned n = 1;; n++) {
        memory_fails_at(n);
        errand_future *f = errand_lease_acquire(leases, NULL);
        bool failed = memory_fails_at(0);
        pass(5001);
        errand_result r = errand_await(f);
        ck_assert_int_eq(r.error, failed ? ENOMEM : 0);
        if (!r.error) errand_lease_poison(r.value);
        errand_result_free(&r);
        await_rest(pool);
        if (!failed) break;
        ck_assert_uint_lt(n, 20);
    }
    end(leases);
}
END_TEST

START_TEST(what_cannot_be_closed_in_a_task_is_closed_in_place)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ 0 });
    errand_lease *a = borrow(leases, NULL);
    errand_lease_poison(a);
    memory_fails_at(1);
    errand_lease_release(a);
    ck_assert(memory_fails_at(0));
    ck_assert_uint_eq(s.closed, 1);
    ck_assert_uint_eq(lease_stats(leases, NULL).closing, 0);
    end(leases);
}
END_TEST

/* ---- ends of resources ---- */

START_TEST(a_waiter_ends_after_acquire_within_ms)
{
    errand_lease_pool *leases =
        leases_with((errand_lease_opts){ .max = 1, .acquire_within_ms = 100 });
    errand_lease *a = borrow(leases, NULL);
    errand_future *f = errand_lease_acquire(leases, NULL);
    turn(&t, pool, 60);
    errand_future *g = errand_lease_acquire(leases, NULL);
    turn(&t, pool, 39);
    ck_assert(!ended(f));
    turn(&t, pool, 1);
    ENDS(f, ETIMEDOUT);
    ck_assert(!ended(g));
    turn(&t, pool, 60);
    ENDS(g, ETIMEDOUT);
    errand_lease_release(a);
    ck_assert_uint_eq(lease_stats(leases, NULL).withdrawn, 2);
    ck_assert_int_eq(lease_stats(leases, NULL).longest_wait_ns, 100000000);
    end(leases);
}
END_TEST

START_TEST(what_was_idle_for_long_is_checked_before_it_is_lent)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .check_after_ms = 1000 });
    errand_lease_release(borrow(leases, NULL));
    turn(&t, pool, 999);
    errand_lease_release(borrow(leases, NULL));
    ck_assert_uint_eq(s.checks, 0);
    turn(&t, pool, 1000);
    errand_lease_release(borrow(leases, NULL));
    ck_assert_uint_eq(s.checks, 1);
    ck_assert_uint_eq(s.opened, 1);
    s.unfit = 1;
    turn(&t, pool, 1000);
    errand_lease_release(borrow(leases, NULL)); /* another one */
    await_rest(pool);
    ck_assert_uint_eq(s.opened, 2);
    ck_assert_uint_eq(s.closed, 1);
    ck_assert_uint_eq(lease_stats(leases, NULL).check_failures, 1);
    end(leases);
}
END_TEST

START_TEST(every_loan_is_checked_if_asked_for)
{
    errand_lease_pool *leases =
        leases_with((errand_lease_opts){ .max = 1, .check_after_ms = ERRAND_ZERO });
    errand_lease_release(borrow(leases, NULL)); /* just opened */
    ck_assert_uint_eq(s.checks, 0);
    errand_lease *a = borrow(leases, NULL);
    ck_assert_uint_eq(s.checks, 1);
    errand_future *f = errand_lease_acquire(leases, NULL);
    errand_lease_release(a);
    errand_lease_release(lease_of(f));
    ck_assert_uint_eq(s.checks, 2);
    end(leases);
}
END_TEST

START_TEST(what_cannot_be_reset_or_is_poisoned_is_closed)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1 });
    s.unsteady = 1;
    errand_lease_release(borrow(leases, NULL));
    await_rest(pool);
    ck_assert_uint_eq(s.closed, 1);
    errand_lease *a = borrow(leases, NULL);
    errand_future *f = errand_lease_acquire(leases, NULL);
    errand_lease_poison(a);
    errand_lease_release(a);
    ck_assert_uint_eq(s.resets, 1); /* it is not reset */
    s.unsteady = 0;
    a = lease_of(f);
    ck_assert_uint_eq(connection_of(a)->number, 3);
    errand_lease_release(a);
    ck_assert_uint_eq(lease_stats(leases, NULL).reset_failures, 1);
    ck_assert_uint_eq(lease_stats(leases, NULL).poisoned, 1);
    end(leases);
}
END_TEST

START_TEST(idle_resources_are_closed_down_to_min)
{
    errand_lease_pool *leases =
        leases_with((errand_lease_opts){ .min = 1, .max = 3, .max_idle_ms = 1000 });
    warm_up(leases, 3);
    turn(&t, pool, 500);
    errand_lease_release(borrow(leases, NULL));
    pass(500);
    ck_assert_uint_eq(s.closed, 2);
    pass(500);
    pass(5000);
    ck_assert_uint_eq(s.closed, 2);
    ck_assert_uint_eq(lease_stats(leases, NULL).idle, 1);
    end(leases);
}
END_TEST

START_TEST(resources_are_closed_at_their_age_with_jitter)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){
        .max = 8, .max_age_ms = 10000, .max_age_jitter = 0.5, .seed = 7 });
    warm_up(leases, 8);
    pass(4999);
    ck_assert_uint_eq(s.closed, 0);
    pass(2500);
    ck_assert_uint_gt(s.closed, 0);
    ck_assert_uint_lt(s.closed, 8);
    errand_lease *a = borrow(leases, NULL);
    pass(2502);
    ck_assert_uint_eq(s.closed, 7); /* what is lent may become older */
    errand_lease_release(a);
    await_rest(pool);
    ck_assert_uint_eq(s.closed, 8);
    end(leases);
}
END_TEST

START_TEST(a_resource_is_closed_after_max_uses)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .max = 1, .max_uses = 2 });
    for (int i = 0; i < 5; i++) errand_lease_release(borrow(leases, NULL));
    await_rest(pool);
    ck_assert_uint_eq(s.opened, 3);
    ck_assert_uint_eq(s.closed, 2);
    end(leases);
}
END_TEST

/* Whatever their order in the scope: the lease pool needs its pool. */
START_TEST(a_scope_closes_a_lease_pool_before_its_pool)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ .min = 2 });
    errand_lease_release(borrow(leases, NULL));
    errand_scope *scope = errand_scope_new(NULL);
    ck_assert_int_eq(errand_scope_own_leases(scope, "db", leases), 0);
    ck_assert_int_eq(errand_scope_own_pool(scope, "pool", pool), 0);
    ck_assert_int_eq(errand_scope_own_leases(scope, "none", NULL), EINVAL);
    errand_result r = errand_scope_close(scope, errand_ok(NULL, NULL));
    ck_assert_msg(!r.error, "%s", errand_result_message(&r));
    ck_assert_uint_ge(count_of(&s.opened), 1);
    ck_assert_uint_eq(count_of(&s.closed), count_of(&s.opened));
    errand_scope_free(scope);
}
END_TEST

START_TEST(a_lease_pool_refuses_contradictory_options)
{
    errand_lease_pool *leases = leases_with((errand_lease_opts){ 0 });
    static const errand_lease_opts bad[] = {
        { .min = 3, .max = 2 },     { .min = 9 },
        { .max = UINT32_MAX },      { .acquire_within_ms = -1 },
        { .check_after_ms = -1 },   { .max_idle_ms = -1 },
        { .max_age_ms = -1 },       { .max_age_jitter = -0.1 },
        { .max_age_jitter = 1.01 },
    };
    errand_resource_ops ops = served(&s);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        ck_assert_msg(!errand_lease_pool_new(pool, &ops, &bad[i]) && errno == EINVAL, "%zu", i);
    }
    ck_assert(!errand_lease_pool_new(pool, NULL, NULL) && errno == EINVAL);
    ck_assert(!errand_lease_pool_new(NULL, &ops, NULL) && errno == EINVAL);
    ops.close = NULL;
    ck_assert(!errand_lease_pool_new(pool, &ops, NULL) && errno == EINVAL);
    errand_lease *none;
    ck_assert_int_eq(errand_lease_wait(leases, NULL, -1, &none), EINVAL);
    ck_assert_int_eq(errand_lease_wait(NULL, NULL, 0, &none), EINVAL);
    ENDS(errand_lease_acquire(NULL, NULL), EINVAL);
    ck_assert_int_eq(errand_lease_pool_close(NULL, 0), EINVAL);
    ck_assert_int_eq(errand_lease_pool_close(leases, -1), EINVAL);
    ck_assert_ptr_null(errand_lease_resource(NULL));
    errand_lease_release(NULL);
    errand_lease_poison(NULL);
    end(leases);
}
END_TEST

Suite *leases_suite(void)
{
    Suite *suite = suite_create("leases");
    TCase *tc = case_of(suite, "lending");
    tcase_add_test(tc, an_idle_resource_is_lent_again);
    tcase_add_test(tc, only_what_was_used_is_reset);
    tcase_add_test(tc, what_was_returned_last_is_lent_first);
    tcase_add_test(tc, waiters_are_served_in_order);
    tcase_add_test(tc, a_cancelled_owner_of_a_lease_returns_it);
    tcase_add_test(tc, each_key_has_resources_of_its_own);
    tcase_add_test(tc, holders_are_named_and_waiters_dumped);
    tc = case_of(suite, "opening");
    tcase_add_test(tc, a_return_serves_the_first_waiter_while_one_is_opened);
    tcase_add_test(tc, a_cancelled_waiter_leaves_what_is_opened_to_others);
    tcase_add_test(tc, several_are_opened_at_once_but_not_too_many);
    tcase_add_test(tc, min_are_opened_from_the_beginning);
    tcase_add_test(tc, a_failed_open_ends_the_first_waiter_and_delays_the_next_open);
    tcase_add_test(tc, a_failed_open_leaves_the_waiter_to_what_is_lent);
    tcase_add_test(tc, the_delay_between_failed_opens_grows_to_five_seconds);
    tcase_add_test(tc, without_memory_waiters_end_with_ENOMEM);
    tcase_add_test(tc, what_cannot_be_closed_in_a_task_is_closed_in_place);
    tc = case_of(suite, "ends");
    tcase_add_test(tc, a_waiter_ends_after_acquire_within_ms);
    tcase_add_test(tc, what_was_idle_for_long_is_checked_before_it_is_lent);
    tcase_add_test(tc, every_loan_is_checked_if_asked_for);
    tcase_add_test(tc, what_cannot_be_reset_or_is_poisoned_is_closed);
    tcase_add_test(tc, idle_resources_are_closed_down_to_min);
    tcase_add_test(tc, resources_are_closed_at_their_age_with_jitter);
    tcase_add_test(tc, a_resource_is_closed_after_max_uses);
    tcase_add_test(tc, a_scope_closes_a_lease_pool_before_its_pool);
    tcase_add_test(tc, a_lease_pool_refuses_contradictory_options);
    return suite;
}
