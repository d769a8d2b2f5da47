/* errand_enter and errand_leave: clean-up shielded from cancels, and code with a deadline of its
 * own. All on a test clock. */
#include "events.h"

#include "async/timer.h"

#include <errno.h>
#include <sched.h>

static test_clock now;
static errand_pool *pool;
static void open_pool(void)
{
    test_clock_start(&now);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 2, .clock = &now.clock });
}
static void shut_pool(void) { close_pool(pool); }

static int sleep_for(int64_t ms) { return code_of(errand_sleep(pool, ms)); }

/* What a task saw, in order. */
typedef struct steps {
    event began, cancelled, at[8];
    errand_future *f;
    int codes[8];
    errand_reason reasons[8];
    int64_t left[8];
} steps;

static void step(steps *s, int i, int code)
{
    s->codes[i] = code;
    s->reasons[i] = errand_cancelled();
    s->left[i] = errand_time_left();
    happen(&s->at[i]);
}

static errand_result shielded_cleanup(void *arg)
{
    steps *s = arg;
    errand_frame frame;
    happen(&s->began);
    step(s, 0, code_of(errand_sleep(pool, ERRAND_FOREVER)));
    errand_enter(&frame, ERRAND_FOREVER, true);
    step(s, 1, code_of(s->f)); /* ends once the test resolves it */
    errand_leave(&frame);
    step(s, 2, sleep_for(1000));
    return errand_fail(EIO);
}

START_TEST(a_shield_hides_a_cancel_until_it_is_left)
{
    steps s = { .f = NULL };
    errand_promise *p = errand_promise_new(pool, &s.f);
    errand_future *f = errand_submit(pool, shielded_cleanup, &s);
    await_event(&s.began);
    errand_cancel(f);
    await_event(&s.at[0]);
    ck_assert_int_eq(s.codes[0], ECANCELED);
    ck_assert_int_eq(s.reasons[0], ERRAND_BY_CALLER);
    ck_assert(!happened(&s.at[1]));
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    errand_result r = errand_await(f);
    ck_assert_int_eq(s.codes[1], 0);
    ck_assert_int_eq(s.reasons[1], ERRAND_BY_NONE);
    ck_assert_int_eq(s.codes[2], ECANCELED);
    ck_assert_int_eq(s.reasons[2], ERRAND_BY_CALLER);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, EIO);
    errand_result_free(&r);
}
END_TEST

static errand_result cancelled_inside(void *arg)
{
    steps *s = arg;
    errand_frame frame;
    errand_enter(&frame, ERRAND_FOREVER, true);
    happen(&s->began);
    step(s, 0, code_of(s->f)); /* the cancel comes meanwhile */
    errand_leave(&frame);
    step(s, 1, errand_wait(NULL, 0));
    step(s, 2, sleep_for(1));
    return errand_ok(NULL, NULL);
}

START_TEST(a_cancel_under_a_shield_takes_effect_after_it)
{
    steps s = { .f = NULL };
    errand_promise *p = errand_promise_new(pool, &s.f);
    errand_future *f = errand_submit(pool, cancelled_inside, &s);
    await_event(&s.began);
    errand_cancel(f);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    /* nor was the cancel passed on */
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_NONE);
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    ENDS(f, 0); /* a late success stands */
    ck_assert_int_eq(s.codes[0], 0);
    ck_assert_int_eq(s.reasons[1], ERRAND_BY_CALLER);
    ck_assert_int_eq(s.codes[2], ECANCELED);
}
END_TEST

static errand_result own_work_shielded(void *arg)
{
    steps *s = arg;
    errand_frame frame;
    happen(&s->began);
    await_event(&s->cancelled);
    errand_enter(&frame, ERRAND_FOREVER, true);
    hold h = { .runs = 0 };
    happen(&h.go);
    step(s, 0, code_of(errand_submit(pool, hold_worker, &h))); /* perhaps run in place */
    s->codes[1] = (int)h.runs;
    errand_leave(&frame);
    return errand_ok(NULL, NULL);
}

START_TEST(a_cancelled_shielded_task_can_await_its_own_pool)
{
    steps s = { .f = NULL };
    errand_future *f = errand_submit(pool, own_work_shielded, &s);
    await_event(&s.began);
    errand_cancel(f);
    happen(&s.cancelled);
    ENDS(f, 0);
    ck_assert_int_eq(s.codes[0], 0);
    ck_assert_int_eq(s.codes[1], 1);
}
END_TEST

static errand_result limits(void *arg)
{
    steps *s = arg;
    errand_frame outer, inner;
    step(s, 0, 0);
    errand_enter(&outer, 50, false);
    errand_enter(&inner, 500, false); /* the earlier deadline counts */
    step(s, 1, 0);
    errand_leave(&inner);
    errand_enter(&inner, 20, false);
    step(s, 2, 0);
    step(s, 3, code_of(s->f));
    step(s, 4, code_of(errand_sleep(pool, 5))); /* expired: at once */
    errand_leave(&inner);
    step(s, 5, 0);
    errand_leave(&outer);
    step(s, 6, 0);
    return errand_ok(NULL, NULL);
}

START_TEST(the_earliest_deadline_of_nested_frames_counts)
{
    steps s = { .f = NULL };
    errand_promise *p = errand_promise_new(pool, &s.f);
    errand_task task = { .fn = limits, .arg = &s, .within_ms = 1000 };
    errand_future *f = errand_submit_task(pool, &task);
    await_event(&s.at[2]);
    ck_assert_int_eq(s.left[0], 1000);
    ck_assert_int_eq(s.left[1], 50);
    ck_assert_int_eq(s.left[2], 20);
    ck_assert_int_eq(s.reasons[2], ERRAND_BY_NONE);
    while (!happened(&s.at[3])) turn(&now, pool, 1); /* until it has parked and timed out */
    ENDS(f, 0);
    ck_assert_int_eq(s.codes[3], ETIMEDOUT);
    ck_assert_int_eq(s.reasons[3], ERRAND_BY_TOTAL);
    ck_assert_int_eq(s.left[3], 0);
    ck_assert_int_eq(s.codes[4], ETIMEDOUT);
    /* the awaited future was left behind */
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_TOTAL);
    ck_assert_int_ge(s.left[6], s.left[5]);
    errand_promise_abandon(p);
}
END_TEST

static errand_result past_its_deadline(void *arg)
{
    steps *s = arg;
    errand_frame frame, inner;
    happen(&s->began);
    step(s, 0, code_of(errand_sleep(pool, ERRAND_FOREVER)));
    errand_enter(&frame, 30, true);
    step(s, 1, sleep_for(10));
    /* shielded and limited by the outer one */
    errand_enter(&inner, ERRAND_FOREVER, false);
    /* the clock may move before it waits */
    step(s, 2, code_of(errand_sleep(pool, ERRAND_FOREVER)));
    errand_leave(&inner);
    errand_leave(&frame);
    step(s, 3, sleep_for(1));
    return errand_fail(ETIMEDOUT);
}

START_TEST(clean_up_after_a_timeout_has_its_own_deadline)
{
    steps s = { .f = NULL };
    errand_task task = { .fn = past_its_deadline, .arg = &s, .within_ms = 100 };
    errand_future *f = errand_submit_task(pool, &task);
    await_event(&s.began);
    turn(&now, pool, 100);
    await_event(&s.at[0]);
    ck_assert_int_eq(s.codes[0], ETIMEDOUT);
    ck_assert_int_eq(s.reasons[0], ERRAND_BY_TOTAL);
    ck_assert_int_eq(s.left[0], 0);
    /* move the clock only once it sleeps */
    while (er_timers_asleep(er_pool_ref_of(pool)->timers) == 0) sched_yield();
    turn(&now, pool, 10);
    await_event(&s.at[1]);
    ck_assert_int_eq(s.codes[1], 0);
    ck_assert_int_eq(s.reasons[1] == ERRAND_BY_TOTAL, s.left[1] == 0);
    while (!happened(&s.at[2])) turn(&now, pool, 1);
    ck_assert_int_eq(s.codes[2], ETIMEDOUT);
    errand_result r = errand_await(f);
    ck_assert_int_eq(s.codes[3], ETIMEDOUT); /* the task's own deadline applies again */
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    errand_result_free(&r);
}
END_TEST

static errand_result forgets_to_leave(void *arg)
{
    errand_frame outer, inner;
    errand_enter(&outer, ERRAND_FOREVER, true);
    errand_enter(&inner, 10, true);
    if (arg) errand_leave(&outer); /* closes `inner`, too */
    return errand_ok(as_value(errand_time_left() == ERRAND_FOREVER), NULL);
}

static errand_result sees_no_frame(void *arg)
{
    steps *s = arg;
    happen(&s->began);
    while (!errand_cancelled()) continue;
    step(s, 0, sleep_for(10));
    return errand_ok(NULL, NULL);
}

START_TEST(an_open_frame_ends_with_its_outer_frame_or_task)
{
    ck_assert_int_eq(as_number(errand_await(errand_submit(pool, forgets_to_leave, pool)).value), 1);
    for (int i = 0; i < 4; i++) ENDS(errand_submit(pool, forgets_to_leave, NULL), 0);
    for (int i = 0; i < 4; i++) { /* later tasks of that thread */
        steps s = { .f = NULL };
        errand_future *f = errand_submit(pool, sees_no_frame, &s);
        await_event(&s.began);
        errand_cancel(f);
        ENDS(f, 0);
        ck_assert_int_eq(s.codes[0], ECANCELED);
    }
}
END_TEST

START_TEST(a_frame_outside_a_task_uses_the_system_clock)
{
    errand_pool *real = errand_pool_new(NULL);
    errand_future *f;
    errand_promise *p = errand_promise_new(real, &f);
    errand_frame frame;
    ck_assert_int_eq(errand_time_left(), ERRAND_FOREVER);
    errand_enter(&frame, 2, false);
    ck_assert_int_le(errand_time_left(), 2);
    ck_assert_int_eq(errand_wait(f, ERRAND_FOREVER), ETIMEDOUT);
    ck_assert_int_eq(errand_cancelled(), ERRAND_BY_TOTAL);
    ENDS(f, ETIMEDOUT);
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_TOTAL);
    errand_leave(&frame);
    ck_assert_int_eq(errand_cancelled(), ERRAND_BY_NONE);
    ck_assert_int_eq(errand_time_left(), ERRAND_FOREVER);
    errand_promise_abandon(p);
    close_pool(real);
}
END_TEST

/* ---- which deadline ended a frame; moving a deadline ---- */

/* Innermost first; s->codes: what errand_expired() returned for each. */
static errand_result nested_deadlines(void *arg)
{
    steps *s = arg;
    errand_frame outer, inner;
    errand_enter(&outer, 100, false);
    errand_enter(&inner, 50, false);
    step(s, 0, code_of(errand_sleep(pool, ERRAND_FOREVER)));
    s->codes[1] = errand_expired(&inner) * 10 + errand_expired(&outer);
    errand_leave(&inner);
    s->codes[2] = errand_expired(&inner);
    s->codes[3] = code_of(errand_ready(pool, errand_ok(NULL, NULL)));
    s->codes[4] = errand_expired(&outer);
    errand_enter(&inner, ERRAND_FOREVER, false); /* reused */
    s->codes[5] = errand_expired(&inner);
    step(s, 6, code_of(s->f));
    s->codes[7] = errand_expired(&inner) * 10 + errand_expired(&outer);
    errand_leave(&inner);
    errand_leave(&outer);
    return errand_ok(NULL, NULL);
}

START_TEST(expired_reports_the_frames_own_deadline)
{
    steps s = { .f = NULL };
    errand_promise *p = errand_promise_new(pool, &s.f);
    errand_future *f = errand_submit(pool, nested_deadlines, &s);
    while (!errand_done(f)) turn(&now, pool, 1);
    ENDS(f, 0);
    ck_assert_int_eq(s.codes[0], ETIMEDOUT);
    ck_assert_int_eq(s.codes[1], 10);
    ck_assert_int_eq(s.codes[2], 1); /* also when it has been left */
    ck_assert_int_eq(s.codes[3], 0);
    ck_assert_int_eq(s.codes[4], 0);
    ck_assert_int_eq(s.codes[5], 0);
    ck_assert_int_eq(s.codes[6], ETIMEDOUT);
    ck_assert_int_eq(s.codes[7], 1); /* `inner` has no deadline */
    errand_promise_abandon(p);
}
END_TEST

static errand_result in_a_frame(void *arg)
{
    steps *s = arg;
    errand_frame frame;
    errand_enter(&frame, 1000, false);
    happen(&s->began);
    step(s, 0, errand_wait(s->f, 20)); /* its own time, not the frame's */
    step(s, 1, errand_expired(&frame));
    step(s, 2, errand_wait(s->f, ERRAND_FOREVER));
    step(s, 3, errand_expired(&frame));
    return errand_ok(NULL, NULL);
}

START_TEST(other_deadlines_are_not_reported_as_the_frames)
{
    steps s = { .f = NULL };
    errand_promise *p = errand_promise_new(pool, &s.f);
    errand_future *f =
        errand_submit_task(pool, &(errand_task){ .fn = in_a_frame, .arg = &s, .within_ms = 100 });
    await_event(&s.began);
    while (!errand_done(f)) turn(&now, pool, 1);
    ENDS(f, 0);
    ck_assert_int_eq(s.codes[0], ETIMEDOUT);
    ck_assert_int_eq(s.codes[1], 0);
    ck_assert_int_eq(s.codes[2], ETIMEDOUT);
    ck_assert_int_eq(s.codes[3], 0);
    errand_promise_abandon(p);
    ENDS(s.f, ERRAND_EABANDONED);
}
END_TEST

static errand_result waits_forever(void *arg)
{
    return errand_fail(errand_wait(arg, ERRAND_FOREVER));
}

/* The task has the same deadline, so it may time out before the await does. */
static errand_result awaits_what_it_submits(void *arg)
{
    steps *s = arg;
    errand_frame frame;
    errand_enter(&frame, 20, false);
    errand_future *f = errand_submit(pool, waits_forever, s->f);
    happen(&s->began);
    errand_frame rest; /* to wait for the end of the task */
    errand_enter(&rest, ERRAND_FOREVER, true);
    while (!errand_done(f)) errand_wait(f, 1);
    errand_leave(&rest);
    step(s, 0, code_of(f));
    s->codes[1] = errand_expired(&frame) * 10 + errand_expired(&rest);
    return errand_ok(NULL, NULL);
}

START_TEST(a_deadline_inherited_from_a_frame_is_reported_as_its_own)
{
    steps s = { .f = NULL };
    errand_promise *p = errand_promise_new(pool, &s.f);
    errand_future *f = errand_submit(pool, awaits_what_it_submits, &s);
    await_event(&s.began);
    while (!errand_done(f)) turn(&now, pool, 1);
    ENDS(f, 0);
    ck_assert_int_eq(s.codes[0], ETIMEDOUT);
    ck_assert_int_eq(s.codes[1], 10);
    errand_promise_abandon(p);
    ENDS(s.f, ERRAND_EABANDONED);
}
END_TEST

static errand_result moves_deadlines(void *arg)
{
    steps *s = arg;
    errand_frame outer, inner;
    errand_enter(&outer, 50, false);
    errand_enter(&inner, 500, false);
    step(s, 0, errand_reschedule(&outer, 800)); /* `inner` keeps its deadline, which counts now */
    step(s, 1, errand_reschedule(&inner, ERRAND_FOREVER));
    step(s, 2, errand_reschedule(&inner, 5));
    step(s, 3, errand_reschedule(&outer, -1)); /* has passed */
    step(s, 4, code_of(errand_sleep(pool, 1)));
    s->codes[5] = errand_expired(&outer);
    s->codes[6] = errand_reschedule(&outer, 900) || errand_expired(&outer);
    errand_leave(&inner);
    s->codes[7] = errand_reschedule(&inner, 1);
    step(s, 7, s->codes[7]);
    return errand_ok(NULL, NULL);
}

START_TEST(an_open_frames_deadline_can_be_moved)
{
    steps s = { .f = NULL };
    ENDS(errand_submit_task(pool,
                            &(errand_task){ .fn = moves_deadlines, .arg = &s, .within_ms = 700 }),
         0);
    static const int64_t left[] = { 500, 700, 5, 0 };
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(s.codes[i], 0);
        ck_assert_int_eq(s.left[i], left[i]);
    }
    ck_assert_int_eq(s.codes[4], ETIMEDOUT);
    ck_assert_int_eq(s.codes[5], 1);
    ck_assert_int_eq(s.codes[6], 0);
    ck_assert_int_eq(s.codes[7], EINVAL); /* no longer open */
    ck_assert_int_eq(s.left[7], 700);
}
END_TEST

static errand_result moves_another_tasks(void *frame)
{
    return errand_fail(errand_reschedule(frame, 1));
}
static errand_result has_a_frame(void *arg)
{
    (void)arg;
    errand_frame frame;
    errand_enter(&frame, ERRAND_FOREVER, false);
    /* perhaps run in place */
    return errand_await(errand_submit(pool, moves_another_tasks, &frame));
}

START_TEST(only_an_open_frame_of_the_caller_can_be_moved)
{
    errand_frame frame = { .priv = { 0 } };
    ck_assert(!errand_expired(NULL));
    ck_assert(!errand_expired(&frame));
    ck_assert_int_eq(errand_reschedule(NULL, 1), EINVAL);
    ck_assert_int_eq(errand_reschedule(&frame, 1), EINVAL);
    ENDS(errand_submit(pool, has_a_frame, NULL), EINVAL);
}
END_TEST

START_TEST(a_frame_of_no_time_has_expired)
{
    errand_frame frame;
    for (int64_t ms = -1; ms <= 0; ms++) {
        errand_enter(&frame, ms, false);
        ck_assert_int_eq(errand_time_left(), 0);
        ENDS(errand_sleep(pool, 1000), ETIMEDOUT);
        errand_leave(&frame);
    }
    errand_leave(&frame); /* not entered: no effect */
    ck_assert_int_eq(errand_time_left(), ERRAND_FOREVER);
}
END_TEST

Suite *enter_leave_suite(void)
{
    Suite *suite = suite_create("enter and leave");
    TCase *tc = case_of(suite, "frames");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_shield_hides_a_cancel_until_it_is_left);
    tcase_add_test(tc, a_cancel_under_a_shield_takes_effect_after_it);
    tcase_add_test(tc, a_cancelled_shielded_task_can_await_its_own_pool);
    tcase_add_test(tc, the_earliest_deadline_of_nested_frames_counts);
    tcase_add_test(tc, clean_up_after_a_timeout_has_its_own_deadline);
    tcase_add_test(tc, an_open_frame_ends_with_its_outer_frame_or_task);
    tcase_add_test(tc, a_frame_outside_a_task_uses_the_system_clock);
    tcase_add_test(tc, a_frame_of_no_time_has_expired);
    tcase_add_test(tc, expired_reports_the_frames_own_deadline);
    tcase_add_test(tc, other_deadlines_are_not_reported_as_the_frames);
    tcase_add_test(tc, a_deadline_inherited_from_a_frame_is_reported_as_its_own);
    tcase_add_test(tc, an_open_frames_deadline_can_be_moved);
    tcase_add_test(tc, only_an_open_frame_of_the_caller_can_be_moved);
    return suite;
}
