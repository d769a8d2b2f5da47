/* Sleeps: on a test clock and on the system clock. */
#include "events.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

static test_clock t;
static errand_pool *pool;

static void open_pool(void)
{
    test_clock_start(&t);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock });
}
static void shut_pool(void) { close_pool(pool); }

START_TEST(a_tick_ends_a_sleep_at_its_time_and_not_before)
{
    static const int64_t lengths[] = {
        1, 2, 3, 100, 1000, 1001, 60000, 86400000, INT64_C(31536000000)
    };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        turn_ns(&t, pool, 77777); /* not aligned to the wheel's ticks */
        errand_future *f = errand_sleep(pool, lengths[i]);
        turn_ns(&t, pool, lengths[i] * ER_MS - 1);
        ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
        turn_ns(&t, pool, 1);
        ck_assert_int_eq(errand_wait(f, 0), 0);
        ENDS(f, 0);
    }
}
END_TEST

START_TEST(setting_the_clock_without_a_tick_ends_nothing)
{
    errand_future *f = errand_sleep(pool, 5);
    t.now_ns += 10 * ER_MS;
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    errand_pool_tick(pool);
    ck_assert_int_eq(errand_wait(f, 0), 0);
    ENDS(f, 0);
}
END_TEST

START_TEST(each_of_many_sleeps_ends_at_its_time)
{
    enum { N = 500 };
    errand_future *fs[N];
    int64_t at[N], now = 0;
    srand(7);
    for (int i = 0; i < N; i++) {
        at[i] = 1 + rand() % 5000;
        fs[i] = errand_sleep(pool, at[i]);
    }
    while (now < 5000) {
        int64_t by = 1 + rand() % 40;
        now += by;
        turn(&t, pool, by);
        for (int i = 0; i < N; i++)
            ck_assert_int_eq(errand_wait(fs[i], 0), at[i] <= now ? 0 : ETIMEDOUT);
    }
    for (int i = 0; i < N; i++) ENDS(fs[i], 0);
}
END_TEST

START_TEST(a_sleep_of_0_has_ended_and_negative_time_is_EINVAL)
{
    errand_future *f = errand_sleep(pool, 0);
    ck_assert_int_eq(errand_wait(f, 0), 0);
    ENDS(f, 0);
    ENDS(errand_sleep(pool, -1), EINVAL);
    ENDS(errand_sleep(pool, ERRAND_ZERO), EINVAL);
    ENDS(errand_sleep(NULL, 5), EINVAL);
    errand_pool_tick(NULL);
}
END_TEST

START_TEST(a_cancel_ends_a_sleep_at_once)
{
    static const int64_t lengths[] = { 5, ERRAND_FOREVER - 1, ERRAND_FOREVER };
    for (int i = 0; i < 3; i++) {
        errand_future *f = errand_sleep(pool, lengths[i]);
        turn(&t, pool, 2);
        errand_cancel(f);
        ck_assert_int_eq(errand_wait(f, 0), 0);
        errand_result r = errand_await(f);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    }
    turn(&t, pool, 100);
}
END_TEST

START_TEST(an_endless_sleep_ends_when_its_pool_shuts_down)
{
    errand_future *fs[] = { errand_sleep(pool, ERRAND_FOREVER),
                            errand_sleep(pool, ERRAND_FOREVER - 1) };
    close_pool(pool);
    for (int i = 0; i < 2; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
    }
    open_pool();
}
END_TEST

START_TEST(a_timeout_uses_the_test_clock)
{
    errand_future *inner;
    errand_promise *p = errand_promise_new(pool, &inner);
    errand_future *f = errand_timeout(inner, 10);
    turn_ns(&t, pool, 10 * ER_MS - 1);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    turn_ns(&t, pool, 1);
    ck_assert_int_eq(errand_wait(f, 0), 0);
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_TOTAL);
    ENDS(f, ETIMEDOUT);
    errand_promise_abandon(p);
}
END_TEST

/* ---- within_ms ---- */

static unsigned runs, freed;
static errand_result count_run(void *arg)
{
    (void)arg;
    count_up(&runs);
    return errand_ok(NULL, NULL);
}

START_TEST(a_queued_task_past_its_deadline_frees_its_arg)
{
    hold h = { 0 };
    errand_future *held = errand_submit(pool, hold_worker, &h);
    await_event(&h.began);
    errand_task task = { .fn = count_run, .arg = &freed, .free = free_counts, .within_ms = 20 };
    errand_future *f = errand_submit_task(pool, &task);
    turn_ns(&t, pool, 20 * ER_MS - 1);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    turn_ns(&t, pool, 1);
    ck_assert_int_eq(errand_wait(f, 0), 0);
    ck_assert_uint_eq(freed, 1);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    task.within_ms = ERRAND_ZERO; /* no time at all: it must not begin */
    f = errand_submit_task(pool, &task);
    turn(&t, pool, 1);
    ENDS(f, ETIMEDOUT);
    ck_assert_uint_eq(freed, 2);
    happen(&h.go);
    ENDS(held, 0);
    ck_assert_uint_eq(runs, 0);
}
END_TEST

static struct {
    event began;
    errand_future *f;
    int wait_error, await_error, returns;
    int64_t left, left_then;
    errand_reason reason;
} lived;

static errand_result live_past_it(void *arg)
{
    (void)arg;
    lived.left = errand_time_left();
    happen(&lived.began);
    lived.wait_error = errand_wait(lived.f, ERRAND_FOREVER);
    lived.left_then = errand_time_left();
    lived.reason = errand_cancelled();
    errand_result r = errand_await(lived.f);
    lived.await_error = r.error;
    errand_result_free(&r);
    if (lived.returns == 0) return errand_ok(as_value(5), NULL);
    return errand_failf(lived.returns, "in its own words");
}

START_TEST(a_deadline_cancels_a_running_task)
{
    static const int returns[] = { 0, EIO, ETIMEDOUT };
    for (int i = 0; i < 3; i++) {
        lived.began.set = 0;
        lived.returns = returns[i];
        errand_promise *p = errand_promise_new(pool, &lived.f);
        errand_future *f =
            errand_submit_task(pool, &(errand_task){ .fn = live_past_it, .within_ms = 30 });
        await_event(&lived.began);
        ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
        turn(&t, pool, 30);
        errand_result r = errand_await(f);
        ck_assert_int_eq(r.error, returns[i]); /* not ECANCELED: it was not cancelled */
        if (returns[i]) ck_assert_str_eq(errand_result_message(&r), "in its own words");
        ck_assert_int_eq(lived.left, 30);
        ck_assert_int_eq(lived.left_then, 0);
        ck_assert_int_eq(lived.reason, ERRAND_BY_TOTAL);
        ck_assert_int_eq(lived.wait_error, ETIMEDOUT);
        ck_assert_int_eq(lived.await_error, ETIMEDOUT);
        ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_TOTAL);
        errand_result_free(&r);
        errand_promise_abandon(p);
    }
}
END_TEST

static errand_result left_in_child(void *arg)
{
    (void)arg;
    return errand_ok(as_value((intptr_t)errand_time_left()), NULL);
}
static errand_result parent(void *arg)
{
    errand_task task = { .fn = left_in_child, .within_ms = as_number(arg) };
    return errand_later(errand_submit_task(pool, &task));
}

START_TEST(a_submitted_task_inherits_the_nearer_deadline)
{
    static const struct {
        int64_t parents, own, left;
    } rows[] = { { 50, 0, 50 }, { 50, 20, 20 },      { 20, 50, 20 },
                 { 0, 40, 40 }, { 0, 0, INT64_MAX }, { 50, ERRAND_FOREVER, 50 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        errand_task task = {
            .fn = parent, .arg = as_value((intptr_t)rows[i].own), .within_ms = rows[i].parents
        };
        ck_assert_int_eq(as_number(errand_await(errand_submit_task(pool, &task)).value),
                         rows[i].left);
    }
}
END_TEST

static errand_pool *other;
static errand_result parent_elsewhere(void *arg)
{
    (void)arg;
    return errand_later(errand_submit(other, left_in_child, NULL));
}

START_TEST(a_deadline_crosses_clocks_as_the_time_left)
{
    other = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_result r = errand_await(
        errand_submit_task(pool, &(errand_task){ .fn = parent_elsewhere, .within_ms = 1000000 }));
    ck_assert_int_le(as_number(r.value), 1000000);
    ck_assert_int_gt(as_number(r.value), 1000000 - LONG_MS);
    close_pool(other);
}
END_TEST

/* ---- the system clock ---- */

START_TEST(no_timer_expires_early_on_the_system_clock)
{
    other = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    for (int64_t ms = 1; ms < 12; ms++) {
        int64_t begun = er_now_ns();
        errand_future *f = errand_sleep(other, ms),
                      *far = errand_sleep(other, 1000 * ms); /* an earlier timer wakes the thread */
        ENDS(f, 0);
        ck_assert_int_ge(er_now_ns() - begun, ms * ER_MS);
        errand_cancel(far);
        ENDS(far, ECANCELED);
        begun = er_now_ns();
        f = errand_sleep(other, 1000);
        ck_assert_int_eq(errand_wait(f, ms), ETIMEDOUT);
        ck_assert_int_ge(er_now_ns() - begun, ms * ER_MS);
        ENDS(errand_timeout(f, ms), ETIMEDOUT);
    }
    close_pool(other);
}
END_TEST

Suite *timers_suite(void)
{
    Suite *suite = suite_create("timers");
    TCase *tc = case_of(suite, "test clock");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_tick_ends_a_sleep_at_its_time_and_not_before);
    tcase_add_test(tc, setting_the_clock_without_a_tick_ends_nothing);
    tcase_add_test(tc, each_of_many_sleeps_ends_at_its_time);
    tcase_add_test(tc, a_sleep_of_0_has_ended_and_negative_time_is_EINVAL);
    tcase_add_test(tc, a_cancel_ends_a_sleep_at_once);
    tcase_add_test(tc, an_endless_sleep_ends_when_its_pool_shuts_down);
    tcase_add_test(tc, a_timeout_uses_the_test_clock);
    tc = case_of(suite, "within_ms");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_queued_task_past_its_deadline_frees_its_arg);
    tcase_add_test(tc, a_deadline_cancels_a_running_task);
    tcase_add_test(tc, a_submitted_task_inherits_the_nearer_deadline);
    tcase_add_test(tc, a_deadline_crosses_clocks_as_the_time_left);
    tc = case_of(suite, "system clock");
    tcase_add_test(tc, no_timer_expires_early_on_the_system_clock);
    return suite;
}
