/* Deadlocks: a circle of waits ends with EDEADLK and is logged by name; a slow wait does not. */
#include "chained.h"

#include <errno.h>

static two_pools two;
static void open_pools(void) { open_two(&two); }
static void shut_pools(void) { shut_two(&two); }

START_TEST(two_tasks_that_await_each_other_are_a_deadlock)
{
    chained c[2] = { { .error = 0 } };
    c[1].next = chained_task(two.pool, &c[0], "hen");
    c[0].next = chained_task(two.pool, &c[1], "egg");
    for (int i = 0; i < 2; i++) happen(&c[i].go);
    expect_deadlock(&two, c, 2, "hen", "egg");
}
END_TEST

START_TEST(a_task_that_awaits_itself_is_a_deadlock)
{
    chained c = { .error = 0 };
    c.next = chained_task(two.pool, &c, "narcissus");
    happen(&c.go);
    expect_deadlock(&two, &c, 1, "narcissus -> narcissus", "narcissus");
}
END_TEST

START_TEST(three_tasks_across_two_pools_are_a_deadlock)
{
    chained c[3] = { { .error = 0 } };
    c[2].next = chained_task(two.pool, &c[0], "rock");
    c[0].next = chained_task(two.other, &c[1], "paper");
    c[1].next = chained_task(two.pool, &c[2], "scissors");
    for (int i = 0; i < 3; i++) happen(&c[i].go);
    expect_deadlock(&two, c, 3, "rock", "paper");
}
END_TEST

static errand_result as_it_is(errand_result in, void *arg) { return (void)arg, in; }

START_TEST(a_task_without_a_worker_can_close_a_cycle)
{
    chained c[2] = { { .error = 0 }, { .later = true } };
    c[0].next = chained_task(two.pool, &c[1], "later");
    c[1].next = chained_task(two.pool, &c[0], "sooner");
    happen(&c[0].go);
    ENDS(errand_sleep(two.pool, 100), 0); /* c[0] waits and has searched for a circle */
    happen(&c[1].go);                     /* c[1] closes the circle */
    expect_deadlock(&two, c, 2, "sooner", "later");
}
END_TEST

START_TEST(a_deadlock_is_found_in_a_shielding_frame)
{
    chained c[2] = { { .shielded = true }, { .shielded = true } };
    c[1].next = chained_task(two.pool, &c[0], "mole");
    c[0].next = chained_task(two.pool, &c[1], "vole");
    for (int i = 0; i < 2; i++) happen(&c[i].go);
    await_event(&c[0].awaited);
    expect_deadlock(&two, c, 2, "mole", "vole");
}
END_TEST

/* ---- tasks in a queue without a free worker ---- */

static errand_result value_of_arg(void *arg) { return errand_ok(arg, NULL); }

static errand_result awaits_a_then(void *at)
{
    return errand_await(errand_then(errand_submit(at, value_of_arg, NULL), as_it_is, NULL));
}
static errand_result awaits_a_slow_then(void *at)
{
    return errand_await(errand_then(errand_sleep(at, 60), as_it_is, NULL));
}
static errand_result awaits_several(void *at)
{
    errand_future *fs[] = { errand_sleep(at, 60), errand_submit(at, value_of_arg, NULL),
                            errand_submit(at, value_of_arg, NULL) };
    return errand_await(errand_all(fs, 3));
}

static errand_result awaits_the_first_of_several(void *at)
{
    errand_future *fs[] = { errand_submit(at, value_of_arg, NULL),
                            errand_submit(at, value_of_arg, NULL) };
    return errand_await(errand_any(fs, 2));
}

static errand_result waits_for_one(void *at)
{
    errand_future *f = errand_submit(at, value_of_arg, NULL);
    int error = errand_wait(f, ERRAND_FOREVER);
    errand_drop(f);
    return errand_fail(error);
}

static errand_fn *const starving[] = { awaits_a_then, awaits_a_slow_then, awaits_several,
                                       awaits_the_first_of_several, waits_for_one };

START_TEST(without_spares_awaiting_a_queued_task_is_EDEADLK)
{
    for (size_t i = 0; i < sizeof starving / sizeof *starving; i++) starves(&two, starving[i]);
}
END_TEST

START_TEST(with_spares_an_awaited_queued_task_is_run)
{
    for (size_t i = 0; i < sizeof starving / sizeof *starving; i++)
        ENDS(errand_submit(two.other, starving[i], two.other), 0);
    ck_assert_str_eq(logged_text(&two.said), "");
}
END_TEST

START_TEST(two_pools_that_starve_each_other_are_a_deadlock)
{
    errand_pool *poor[2] = { logged_pool(&two.said, "poor", 1, ERRAND_NO_SPARES),
                             logged_pool(&two.said, "neighbour", 1, ERRAND_NO_SPARES) };
    chained c[2] = { { .error = 0 } };
    errand_future *fs[2];
    for (int i = 0; i < 2; i++) fs[i] = chained_task(poor[i], &c[i], i ? "ours" : "theirs");
    for (int i = 0; i < 2; i++) c[i].next = errand_submit(poor[!i], value_of_arg, NULL);
    for (int i = 0; i < 2; i++) happen(&c[i].go);
    int deadlocks = 0;
    for (int i = 0; i < 2; i++) {
        /* after one EDEADLK its worker is free, so the other's wait may succeed */
        errand_result r = errand_await(fs[i]);
        deadlocks += r.error == EDEADLK;
        errand_result_free(&r);
    }
    ck_assert_int_ge(deadlocks, 1);
    for (int i = 0; i < 2; i++) close_pool(poor[i]);
}
END_TEST

typedef struct pusher {
    event go;
    errand_pool *to;
} pusher;

static errand_result pushes(void *arg)
{
    pusher *p = arg;
    await_event(&p->go);
    return errand_later(errand_submit(p->to, value_of_arg, NULL));
}

START_TEST(pools_waiting_for_room_in_each_others_queues_are_a_deadlock)
{
    errand_pool *full[2];
    pusher p[2] = { { .to = NULL } };
    errand_future *fs[4];
    for (int i = 0; i < 2; i++) {
        full[i] = errand_pool_new(&(errand_pool_opts){
            .name = "full",
            .workers = 1,
            .spares = ERRAND_NO_SPARES,
            .queue = 1,
            .log = two.said.log });
    }
    for (int i = 0; i < 2; i++) {
        p[i].to = full[!i];
        fs[i] = errand_submit_task(full[i],
                                   &(errand_task){ .fn = pushes, .arg = &p[i], .name = "pushing" });
        errand_pool_stats s = { 0 };
        while (!s.running) errand_pool_stats_get(full[i], &s);
        fs[2 + i] = errand_submit(full[i], value_of_arg, NULL);
    }
    for (int i = 0; i < 2; i++) happen(&p[i].go);
    int deadlocks = 0;
    for (int i = 0; i < 4; i++) {
        errand_result r = errand_await(fs[i]);
        deadlocks += r.error == EDEADLK;
        errand_result_free(&r);
    }
    ck_assert_int_ge(deadlocks, 1);
    ck_assert_uint_ge(logged_times(&two.said, "a circle of waits: pushing"), 1);
    for (int i = 0; i < 2; i++) close_pool(full[i]);
}
END_TEST

START_TEST(a_long_cycle_is_found_on_a_small_stack)
{
    errand_pool *small = errand_pool_new(&(errand_pool_opts){
        .workers = 1, .stack = 64 * 1024, .log = two.said.log });
    chained c = { .error = 0 };
    c.next = chained_task(small, &c, "deep");
    for (int i = 0; i < 60; i++) c.next = errand_any(&c.next, 1);
    happen(&c.go);
    await_event(&c.awaited);
    ck_assert_int_eq(c.error, EDEADLK);
    close_pool(small);
}
END_TEST

/* ---- no false alarm ---- */

static errand_result slow_sleep(void *arg)
{
    (void)arg;
    errand_future *fs[] = { errand_sleep(two.pool, 150),
                            errand_then(errand_sleep(two.pool, 90), as_it_is, NULL) };
    return errand_await(errand_all(fs, 2));
}

START_TEST(many_tasks_awaiting_a_slow_one_are_no_deadlock)
{
    errand_future *fs[64];
    for (int i = 0; i < 64; i++) fs[i] = errand_submit(two.pool, slow_sleep, NULL);
    ENDS(errand_all(fs, 64), 0);
    ck_assert_str_eq(logged_text(&two.said), "");
}
END_TEST

START_TEST(awaiting_another_pools_busy_worker_is_no_deadlock)
{
    hold h = { .runs = 0 };
    errand_pool *busy = logged_pool(&two.said, "busy", 1, ERRAND_NO_SPARES),
                *poor = logged_pool(&two.said, "poor", 1, ERRAND_NO_SPARES);
    errand_future *held = errand_submit(busy, hold_worker, &h);
    chained c = { .next = errand_submit(busy, value_of_arg, NULL) }; /* queued behind `h` */
    errand_future *f = chained_task(poor, &c, "patient");
    await_event(&h.began);
    happen(&c.go);
    ck_assert_int_eq(errand_wait(f, 80), ETIMEDOUT); /* several searches for a circle */
    happen(&h.go);
    ENDS(f, 0);
    ENDS(held, 0);
    close_pool(poor);
    close_pool(busy);
    ck_assert_str_eq(logged_text(&two.said), "");
}
END_TEST

START_TEST(awaiting_a_promise_of_ones_own_pool_is_no_deadlock)
{
    errand_pool *poor = logged_pool(&two.said, "poor", 1, ERRAND_NO_SPARES);
    chained c = { .error = 0 };
    errand_promise *p = errand_promise_new(poor, &c.next);
    errand_future *f = chained_task(poor, &c, "patient");
    happen(&c.go);
    ck_assert_int_eq(errand_wait(f, 80), ETIMEDOUT); /* the test may still resolve it */
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    ENDS(f, 0);
    close_pool(poor);
    ck_assert_str_eq(logged_text(&two.said), "");
}
END_TEST

START_TEST(a_timed_wait_is_no_deadlock)
{
    /* timeout, any and race end before their inputs */
    chained c[3] = { { .error = 0 } };
    for (int i = 0; i < 3; i++) {
        errand_future *mine = chained_task(two.pool, &c[i], "bounded");
        errand_future *both[] = { mine, errand_sleep(two.pool, 60) };
        c[i].next = i == 0   ? errand_timeout(both[0], 60)
                    : i == 1 ? errand_any(both, 2)
                             : errand_race(both, 2);
        if (i == 0) errand_drop(both[1]);
        happen(&c[i].go);
        await_event(&c[i].awaited);
        ck_assert_int_ne(c[i].error, EDEADLK);
    }
    ck_assert_str_eq(logged_text(&two.said), "");
}
END_TEST

Suite *deadlocks_suite(void)
{
    Suite *suite = suite_create("deadlocks");
    TCase *tc = case_of(suite, "deadlocks");
    tcase_add_checked_fixture(tc, open_pools, shut_pools);
    tcase_add_test(tc, two_tasks_that_await_each_other_are_a_deadlock);
    tcase_add_test(tc, a_task_that_awaits_itself_is_a_deadlock);
    tcase_add_test(tc, three_tasks_across_two_pools_are_a_deadlock);
    tcase_add_test(tc, a_task_without_a_worker_can_close_a_cycle);
    tcase_add_test(tc, a_deadlock_is_found_in_a_shielding_frame);
    tcase_add_test(tc, without_spares_awaiting_a_queued_task_is_EDEADLK);
    tcase_add_test(tc, with_spares_an_awaited_queued_task_is_run);
    tcase_add_test(tc, two_pools_that_starve_each_other_are_a_deadlock);
    tcase_add_test(tc, pools_waiting_for_room_in_each_others_queues_are_a_deadlock);
    tcase_add_test(tc, a_long_cycle_is_found_on_a_small_stack);
    tc = case_of(suite, "no deadlocks");
    tcase_add_checked_fixture(tc, open_pools, shut_pools);
    tcase_add_test(tc, many_tasks_awaiting_a_slow_one_are_no_deadlock);
    tcase_add_test(tc, awaiting_another_pools_busy_worker_is_no_deadlock);
    tcase_add_test(tc, awaiting_a_promise_of_ones_own_pool_is_no_deadlock);
    tcase_add_test(tc, a_timed_wait_is_no_deadlock);
    return suite;
}
