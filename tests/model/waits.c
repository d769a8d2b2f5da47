/* tests/model/waits.c -- a thread that waits for a future: against its end, a cancel of the
 * waiting task, a deadline. */
#include "homes.h"

#include "async/pool.h"

#include <errno.h>

typedef struct world {
    errand_pool *pool;
    errand_promise *promise, *other;
    errand_future *input, *task;
    unsigned hooks, runs;
    int seen; /* returned by the wait */
    bool shielded, resolved;
    model_value value;
} world;

static void count_hook(void *arg) { er_add(&((world *)arg)->hooks, 1); }

static errand_result await_input(void *arg)
{
    world *w = arg;
    er_add(&w->runs, 1);
    errand_frame frame;
    if (w->shielded) errand_enter(&frame, ERRAND_FOREVER, true);
    errand_result r = errand_await(w->input);
    if (w->shielded) errand_leave(&frame);
    w->seen = r.error;
    if (r.error == ECANCELED && !w->shielded) holds(errand_cancelled());
    return r;
}

/* A task awaits a promise with a hook: a cancel calls the hook, and only resolving ends the
 * promise. */
static void begin_await(void *arg)
{
    world *w = arg;
    w->pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .spares = ERRAND_NO_SPARES });
    w->promise = errand_promise_new(w->pool, &w->input);
    errand_promise_on_cancel(w->promise, count_hook, w);
    w->task = errand_submit(w->pool, await_input, w);
}

static void begin_shielded(void *arg)
{
    ((world *)arg)->shielded = true;
    begin_await(arg);
}

static void cancel_task(void *arg) { errand_cancel(((world *)arg)->task); }
static void resolve_input(void *arg)
{
    world *w = arg;
    errand_promise_resolve(w->promise, model_result(&w->value));
}

static void close_it(world *w)
{
    holds(w->value.freed == 1);
    holds(errand_pool_close(w->pool, ERRAND_FOREVER) == 0);
}

static void look_at_cancelled(void *arg)
{
    world *w = arg;
    int error = end_of(w->task);
    holds(error == ECANCELED || error == 0);
    holds(w->runs <= 1);
    if (!w->runs) errand_drop(w->input);
    /* the promise is resolved after the task has ended: the cancel alone ended the wait */
    errand_promise_resolve(w->promise, model_result(&w->value));
    close_it(w);
}

START_TEST(a_cancel_wakes_its_waiter)
{
    model_run(&(model_scenario){
        .name = "await in a task: cancel alone",
        .world = sizeof(world),
        .begin = begin_await,
        .threads = { { "canceller", cancel_task } },
        .end = look_at_cancelled });
}
END_TEST

static void look_at_both(void *arg)
{
    world *w = arg;
    int error = end_of(w->task);
    holds(error == ECANCELED || error == 0);
    if (!w->runs) errand_drop(w->input);
    close_it(w);
}

START_TEST(end_and_cancel_of_a_wait_race)
{
    model_run(&(model_scenario){
        .name = "await in a task: resolve, cancel",
        .world = sizeof(world),
        .begin = begin_await,
        .threads = { { "writer", resolve_input }, { "canceller", cancel_task } },
        .end = look_at_both });
}
END_TEST

static void look_at_shielded(void *arg)
{
    world *w = arg;
    holds(end_of(w->task) == 0 || !w->runs);
    holds(w->hooks == 0); /* the cancel stops at the shield */
    if (w->runs) holds(w->seen == 0);
    else errand_drop(w->input);
    close_it(w);
}

START_TEST(only_the_end_ends_a_shielded_wait)
{
    model_run(&(model_scenario){
        .name = "shielded await in a task: resolve, cancel",
        .world = sizeof(world),
        .begin = begin_shielded,
        .threads = { { "writer", resolve_input }, { "canceller", cancel_task } },
        .end = look_at_shielded });
}
END_TEST

/* ---- from outside, with a deadline ---- */

static void begin_outside(void *arg)
{
    world *w = arg;
    w->pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    w->promise = errand_promise_new(w->pool, &w->input);
    er_cell_keep(w->input);
}

static void wait_and_drop(void *arg)
{
    world *w = arg;
    w->seen = errand_wait(w->input, 5);
    holds(w->seen == 0 || w->seen == ETIMEDOUT);
    holds(w->seen || er_cell_ended(w->input));
    errand_drop(w->input);
}

static void cancel_input(void *arg)
{
    world *w = arg;
    errand_cancel(w->input);
    er_cell_release(w->input);
}

START_TEST(a_timed_wait_leaves_no_waiter_on_its_stack)
{
    model_run(&(model_scenario){
        .name = "timed wait: resolve, cancel",
        .world = sizeof(world),
        .begin = begin_outside,
        .threads = { { "waiter", wait_and_drop },
                     { "writer", resolve_input },
                     { "canceller", cancel_input } },
        .end = (void (*)(void *))close_it,
        .time = true });
}
END_TEST

/* ---- several at once ---- */

static void begin_several(void *arg)
{
    world *w = arg;
    w->pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    w->promise = errand_promise_new(w->pool, &w->input);
    w->other = errand_promise_new(w->pool, &w->task);
}

static void wait_for_some(world *w, size_t wanted)
{
    errand_future *fs[] = { w->input, w->task };
    bool done[2];
    w->seen = errand_wait_some(fs, 2, wanted, 5, done);
    holds(w->seen == 0 || w->seen == ETIMEDOUT);
    holds((unsigned)done[0] + done[1] >= wanted || w->seen);
    for (int i = 0; i < 2; i++) {
        holds(!done[i] || er_cell_ended(fs[i]));
        errand_drop(fs[i]); /* no waiter linked in them may be accessed after this */
    }
}
static void wait_for_one(void *arg) { wait_for_some(arg, 1); }
static void wait_for_both(void *arg) { wait_for_some(arg, 2); }
static void resolve_other(void *arg)
{
    errand_promise_resolve(((world *)arg)->other, errand_ok(NULL, NULL));
}

START_TEST(a_wait_for_one_of_two_leaves_no_waiter)
{
    model_run(&(model_scenario){
        .name = "wait for one of two: resolve, resolve",
        .world = sizeof(world),
        .begin = begin_several,
        .threads = { { "waiter", wait_for_one },
                     { "writer", resolve_input },
                     { "other writer", resolve_other } },
        .end = (void (*)(void *))close_it,
        .preemptions = 3,
        .time = true });
}
END_TEST

START_TEST(a_wait_for_both_is_woken_by_the_last)
{
    model_run(&(model_scenario){
        .name = "wait for both of two: resolve, resolve",
        .world = sizeof(world),
        .begin = begin_several,
        .threads = { { "waiter", wait_for_both },
                     { "writer", resolve_input },
                     { "other writer", resolve_other } },
        .end = (void (*)(void *))close_it,
        .preemptions = 3,
        .time = true });
}
END_TEST

/* ---- the timer thread, which sleeps until a timer is armed ---- */

static void begin_timers(void *arg)
{
    world *w = arg;
    w->pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_drop(errand_sleep(w->pool, 1));
    model_run_until_all_wait();
}

static void sleep_first(void *arg)
{
    ((world *)arg)->input = errand_sleep(((world *)arg)->pool, 5);
}

static void sleep_and_cancel(void *arg)
{
    world *w = arg;
    w->task = errand_sleep(w->pool, 3);
    errand_cancel(w->task);
    holds(er_load(&w->task->state) & ER_CLAIMED);
}

static void look_at_sleepers(void *arg)
{
    world *w = arg;
    holds(end_of(w->input) == 0);
    int error = end_of(w->task);
    holds(error == 0 || error == ECANCELED);
    holds(errand_pool_close(w->pool, ERRAND_FOREVER) == 0);
}

START_TEST(an_armed_timer_is_called)
{
    model_run(&(model_scenario){
        .name = "sleep, sleep and cancel: the timer thread",
        .world = sizeof(world),
        .begin = begin_timers,
        .threads = { { "sleeper", sleep_first }, { "other sleeper", sleep_and_cancel } },
        .end = look_at_sleepers,
        .time = true });
}
END_TEST

Suite *waits_suite(void)
{
    Suite *suite = suite_create("waits");
    TCase *tc = tcase_create("waits");
    tcase_add_test(tc, a_cancel_wakes_its_waiter);
    tcase_add_test(tc, end_and_cancel_of_a_wait_race);
    tcase_add_test(tc, only_the_end_ends_a_shielded_wait);
    tcase_add_test(tc, a_timed_wait_leaves_no_waiter_on_its_stack);
    tcase_add_test(tc, a_wait_for_one_of_two_leaves_no_waiter);
    tcase_add_test(tc, a_wait_for_both_is_woken_by_the_last);
    tcase_add_test(tc, an_armed_timer_is_called);
    suite_add_tcase(suite, tc);
    return suite;
}
