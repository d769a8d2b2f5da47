/* Deadlocks through runs and groups. */
#include "runs.h"

#include "async/chained.h"

#include <errno.h>

static two_pools two;
static void open_pools(void) { open_two(&two); }
static void shut_pools(void) { shut_two(&two); }

static errand_result as_it_is(errand_result in, void *arg) { return (void)arg, in; }

START_TEST(a_deadlock_is_found_through_then_all_shield_and_a_run)
{
    chained c[2] = { { .error = 0 } };
    errand_policy *twice = policy_of((errand_policy_opts){ .attempts = 2 });
    errand_task task = chained_as(&c[0], "deep");
    errand_future *all[3] = { errand_sleep(two.pool, 0),
                              errand_then(errand_run_task(two.pool, twice, &task), as_it_is, NULL),
                              NULL };
    errand_policy_free(twice);
    errand_promise *p = errand_promise_new(two.pool, &all[2]);
    c[1].next = errand_shield(errand_all(all, 3));
    c[0].next = chained_task(two.pool, &c[1], "wide");
    for (int i = 0; i < 2; i++) happen(&c[i].go);
    await_event(&c[0].awaited); /* either may get EDEADLK: the shield passes nothing on */
    errand_promise_abandon(p);
    expect_deadlock(&two, c, 2, "deep", "wide");
}
END_TEST

START_TEST(a_deadlock_is_found_through_a_groups_join)
{
    chained c[2] = { { .error = 0 } };
    errand_group *g = errand_group_new(two.pool, NULL);
    errand_task child = chained_as(&c[1], "child");
    c[1].next = chained_task(two.pool, &c[0], "parent");
    ck_assert_int_eq(errand_group_add(g, errand_sleep(two.pool, 0)), 0);
    ck_assert_int_eq(errand_group_submit(g, NULL, &child), 0);
    c[0].next = errand_group_join(g);
    for (int i = 0; i < 2; i++) happen(&c[i].go);
    expect_deadlock(&two, c, 2, "parent", "child");
    ck_assert_int_eq(errand_group_close(g, LONG_MS), 0);
}
END_TEST

/* ---- tasks in a queue without a free worker ---- */

static errand_result value_of_arg(void *arg) { return errand_ok(arg, NULL); }

static errand_result awaits_a_hedged_run(void *at)
{
    errand_policy *policy =
        policy_of((errand_policy_opts){ .attempts = 3, .hedge_ms = 1, .overlap = true });
    errand_future *f = errand_run(at, policy, value_of_arg, NULL);
    errand_policy_free(policy);
    return errand_await(f);
}

static errand_result takes_the_next(void *at)
{
    errand_group *g = errand_group_new(at, &(errand_group_opts){ .concurrency = 2 });
    for (int i = 0; i < 3; i++) /* one of them is held */
        ck_assert_int_eq(errand_group_submit(g, NULL, &(errand_task){ .fn = value_of_arg }), 0);
    errand_result r = { 0 };
    int error = errand_group_next(g, &r, NULL, ERRAND_FOREVER);
    errand_group_close(g, ERRAND_FOREVER);
    errand_result_free(&r);
    return errand_fail(error);
}

static errand_fn *const starving[] = { takes_the_next, awaits_a_hedged_run };

START_TEST(without_spares_awaiting_a_group_or_a_hedged_run_is_EDEADLK)
{
    for (size_t i = 0; i < sizeof starving / sizeof *starving; i++) starves(&two, starving[i]);
}
END_TEST

START_TEST(with_spares_a_group_and_a_hedged_run_end)
{
    for (size_t i = 0; i < sizeof starving / sizeof *starving; i++)
        ENDS(errand_submit(two.other, starving[i], two.other), 0);
    ck_assert_str_eq(logged_text(&two.said), "");
}
END_TEST

Suite *deadlocks_suite(void)
{
    Suite *suite = suite_create("deadlocks");
    TCase *tc = case_of(suite, "deadlocks");
    tcase_add_checked_fixture(tc, open_pools, shut_pools);
    tcase_add_test(tc, a_deadlock_is_found_through_then_all_shield_and_a_run);
    tcase_add_test(tc, a_deadlock_is_found_through_a_groups_join);
    tcase_add_test(tc, without_spares_awaiting_a_group_or_a_hedged_run_is_EDEADLK);
    tcase_add_test(tc, with_spares_a_group_and_a_hedged_run_end);
    return suite;
}
