/* errand_cancel_hook_add: what makes a blocking call of another library return. */
#include "events.h"

#include <errno.h>
#include <sched.h>

static test_clock now;
static errand_pool *pool;
static void open_pool(void)
{
    test_clock_start(&now);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 4, .clock = &now.clock });
}
static void shut_pool(void) { close_pool(pool); }

/* A call that only an interrupt ends. */
typedef struct call {
    event began, interrupted, go;
    unsigned interrupts;
    errand_cancel_hook hook;
    errand_pool *pool;
    int64_t within_ms; /* of a frame around it; 0: there is none */
    bool shield, expired;
    int added;
    errand_future *f;
    struct call *inner;
} call;

static void interrupt(void *arg)
{
    call *c = arg;
    count_up(&c->interrupts);
    happen(&c->interrupted);
}

static errand_result blocking(void *arg)
{
    call *c = arg;
    errand_frame frame;
    if (c->within_ms) errand_enter(&frame, c->within_ms, c->shield);
    c->added = errand_cancel_hook_add(&c->hook, c->pool, interrupt, c);
    happen(&c->began);
    if (!c->added) await_event(&c->interrupted);
    errand_cancel_hook_remove(&c->hook);
    if (c->within_ms) errand_leave(&frame);
    if (c->within_ms) c->expired = errand_expired(&frame);
    return errand_fail(EINTR);
}

START_TEST(a_cancel_calls_the_hook_once)
{
    call c = { 0 };
    errand_future *f = errand_submit(pool, blocking, &c);
    await_event(&c.began);
    ck_assert_uint_eq(count_of(&c.interrupts), 0);
    errand_cancel(f);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, EINTR);
    errand_result_free(&r);
    ck_assert_uint_eq(c.interrupts, 1);
}
END_TEST

START_TEST(the_deadline_of_the_task_calls_it)
{
    call c = { 0 };
    errand_future *f =
        errand_submit_task(pool, &(errand_task){ .fn = blocking, .arg = &c, .within_ms = 1000 });
    await_event(&c.began);
    turn(&now, pool, 999);
    ck_assert_uint_eq(count_of(&c.interrupts), 0);
    turn(&now, pool, 1);
    ENDS(f, EINTR); /* a deadline leaves the end to the function */
    ck_assert_uint_eq(c.interrupts, 1);
}
END_TEST

START_TEST(the_deadline_of_a_frame_calls_it_and_the_frame_has_expired)
{
    call c = { .within_ms = 50, .shield = _i };
    errand_future *f = errand_submit(pool, blocking, &c);
    await_event(&c.began);
    turn(&now, pool, 50);
    ENDS(f, EINTR);
    ck_assert_uint_eq(c.interrupts, 1);
    ck_assert(c.expired);
}
END_TEST

START_TEST(a_thread_outside_has_its_frames_deadline_alone)
{
    call c = { .within_ms = 50, .pool = errand_pool_new(NULL) };
    errand_result r = blocking(&c);
    ck_assert_int_eq(r.error, EINTR);
    ck_assert_int_eq(c.added, 0);
    ck_assert_uint_eq(c.interrupts, 1);
    ck_assert(c.expired);
    close_pool(c.pool);
}
END_TEST

static errand_result in_a_shield(void *arg)
{
    call *c = arg;
    errand_frame frame;
    errand_enter(&frame, ERRAND_FOREVER, true);
    c->added = errand_cancel_hook_add(&c->hook, NULL, interrupt, c);
    happen(&c->began);
    await_event(&c->go);
    errand_cancel_hook_remove(&c->hook);
    errand_leave(&frame);
    return errand_ok(NULL, NULL);
}

START_TEST(a_shield_keeps_a_cancel_from_it)
{
    call c = { 0 };
    errand_future *f = errand_submit(pool, in_a_shield, &c);
    await_event(&c.began);
    errand_cancel(f);
    happen(&c.go);
    ENDS(f, 0);
    ck_assert_int_eq(c.added, 0);
    ck_assert_uint_eq(c.interrupts, 0);
}
END_TEST

START_TEST(past_the_deadline_none_is_added)
{
    call c = { 0 };
    errand_frame frame;
    errand_enter(&frame, 0, false);
    ck_assert_int_eq(errand_cancel_hook_add(&c.hook, pool, interrupt, &c), ETIMEDOUT);
    errand_cancel_hook_remove(&c.hook);
    ck_assert(errand_expired(&frame));
    errand_leave(&frame);
    ck_assert_uint_eq(c.interrupts, 0);
}
END_TEST

static errand_result cancelled_before(void *arg)
{
    call *c = arg;
    happen(&c->began);
    await_event(&c->go);
    c->added = errand_cancel_hook_add(&c->hook, NULL, interrupt, c);
    errand_cancel_hook_remove(&c->hook);
    return errand_ok(NULL, NULL);
}

START_TEST(a_cancelled_task_adds_none)
{
    call c = { 0 };
    errand_future *f = errand_submit(pool, cancelled_before, &c);
    await_event(&c.began);
    errand_cancel(f);
    happen(&c.go);
    ENDS(f, 0);
    ck_assert_int_eq(c.added, ECANCELED);
    ck_assert_uint_eq(c.interrupts, 0);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
    call c = { 0 };
    ck_assert_int_eq(errand_cancel_hook_add(NULL, pool, interrupt, &c), EINVAL);
    ck_assert_int_eq(errand_cancel_hook_add(&c.hook, pool, NULL, &c), EINVAL);
    ck_assert_int_eq(errand_cancel_hook_add(&c.hook, NULL, interrupt, &c), EINVAL);
    errand_cancel_hook_remove(&c.hook);
    errand_cancel_hook_remove(NULL);
}
END_TEST

/* Waits inside a hooked stretch: the wait ends by the cancel, then the hook is called. */
static errand_result waits_inside(void *arg)
{
    call *c = arg;
    c->added = errand_cancel_hook_add(&c->hook, NULL, interrupt, c);
    happen(&c->began);
    int code = code_of(c->f);
    unsigned interrupts = count_of(&c->interrupts);
    errand_cancel_hook_remove(&c->hook);
    return errand_fail(code == ECANCELED && interrupts == 1 ? EINTR : EIO);
}

START_TEST(a_wait_of_the_library_ends_first)
{
    call c = { 0 };
    errand_promise *p = errand_promise_new(pool, &c.f);
    errand_future *f = errand_submit(pool, waits_inside, &c);
    await_event(&c.began);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, EINTR);
    errand_result_free(&r);
    errand_promise_abandon(p);
}
END_TEST

static errand_result hooks_inside(void *arg)
{
    call *c = arg;
    c->added = errand_cancel_hook_add(&c->hook, NULL, interrupt, c);
    errand_result r = blocking(c->inner);
    ck_assert_uint_eq(count_of(&c->interrupts), 1); /* when the inner one was removed */
    errand_cancel_hook_remove(&c->hook);
    return r;
}

START_TEST(the_outer_hook_is_called_when_the_inner_one_is_removed)
{
    call inner = { 0 }, c = { .inner = &inner };
    errand_future *f = errand_submit(pool, hooks_inside, &c);
    await_event(&inner.began);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    ck_assert_uint_eq(inner.interrupts, 1);
    ck_assert_uint_eq(c.interrupts, 1);
}
END_TEST

/* A task of this pool runs in place, inside the stretch of the one around it. */
static errand_result awaits_in_place(void *arg)
{
    call *c = arg;
    c->added = errand_cancel_hook_add(&c->hook, NULL, interrupt, c);
    int code = code_of(errand_submit(c->pool, blocking, c->inner));
    unsigned interrupts = count_of(&c->interrupts);
    errand_cancel_hook_remove(&c->hook);
    return errand_fail(code == ECANCELED && interrupts == 1 ? EINTR : EIO);
}

START_TEST(a_cancel_reaches_the_hook_of_a_task_that_runs_in_place)
{
    errand_pool *one =
        errand_pool_new(&(errand_pool_opts){ .workers = 1, .spares = ERRAND_NO_SPARES });
    call inner = { 0 }, c = { .inner = &inner, .pool = one };
    errand_future *f = errand_submit(one, awaits_in_place, &c);
    await_event(&inner.began);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, EINTR);
    errand_result_free(&r);
    ck_assert_uint_eq(inner.interrupts, 1);
    close_pool(one);
}
END_TEST

START_TEST(closing_the_pool_calls_it)
{
    call c = { 0 };
    errand_pool *mine = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_future *f = errand_submit(mine, blocking, &c);
    await_event(&c.began);
    close_and_cancel(mine);
    ENDS(f, ECANCELED);
    ck_assert_uint_eq(c.interrupts, 1);
}
END_TEST

/* A storm: cancels at the very moment at which hooks are added and removed. Each call of a hook
 * falls between adding and removing. */
typedef struct brief {
    errand_cancel_hook hook;
    bool open; /* atomic */
    unsigned calls, stray;
} brief;

static void note_call(void *arg)
{
    brief *b = arg;
    if (!__atomic_load_n(&b->open, __ATOMIC_SEQ_CST)) count_up(&b->stray);
    count_up(&b->calls);
}

static errand_result add_and_remove(void *arg)
{
    brief *b = arg;
    unsigned most = 0;
    while (!errand_cancelled()) {
        unsigned before = count_of(&b->calls);
        __atomic_store_n(&b->open, true, __ATOMIC_SEQ_CST);
        int added = errand_cancel_hook_add(&b->hook, NULL, note_call, b);
        errand_cancel_hook_remove(&b->hook);
        __atomic_store_n(&b->open, false, __ATOMIC_SEQ_CST);
        unsigned calls = count_of(&b->calls) - before;
        if (calls > most) most = calls;
        if (added) break;
    }
    return errand_fail(most > 1 ? EIO : EINTR);
}

START_TEST(hooks_and_cancels_at_one_moment)
{
    for (unsigned i = 0, n = scaled(4000); i < n; i++) {
        brief b = { .open = false };
        errand_future *f = errand_submit_task(
            pool, &(errand_task){ .fn = add_and_remove, .arg = &b, .within_ms = i % 2 ? 5 : 0 });
        for (unsigned k = i % 7; k; k--) sched_yield();
        if (i % 2) turn(&now, pool, 5);
        errand_cancel(f);
        errand_result r = errand_await(f);
        const errand_result *own = errand_result_cause(&r, 0);
        /* cancelled before it began, it has no cause */
        ck_assert_int_eq(own ? own->error : EINTR, EINTR);
        errand_result_free(&r);
        ck_assert_uint_eq(b.stray, 0);
    }
}
END_TEST

Suite *cancel_hooks_suite(void);
Suite *cancel_hooks_suite(void)
{
    Suite *s = suite_create("cancel hooks");
    TCase *c = case_of(s, "hooks");
    tcase_add_checked_fixture(c, open_pool, shut_pool);
    tcase_add_test(c, a_cancel_calls_the_hook_once);
    tcase_add_test(c, the_deadline_of_the_task_calls_it);
    tcase_add_loop_test(c, the_deadline_of_a_frame_calls_it_and_the_frame_has_expired, 0, 2);
    tcase_add_test(c, a_thread_outside_has_its_frames_deadline_alone);
    tcase_add_test(c, a_shield_keeps_a_cancel_from_it);
    tcase_add_test(c, past_the_deadline_none_is_added);
    tcase_add_test(c, a_cancelled_task_adds_none);
    tcase_add_test(c, bad_arguments_are_refused);
    tcase_add_test(c, a_wait_of_the_library_ends_first);
    tcase_add_test(c, the_outer_hook_is_called_when_the_inner_one_is_removed);
    tcase_add_test(c, a_cancel_reaches_the_hook_of_a_task_that_runs_in_place);
    tcase_add_test(c, closing_the_pool_calls_it);
    tcase_add_test(c, hooks_and_cancels_at_one_moment);
    return s;
}
