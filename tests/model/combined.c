/* tests/model/combined.c -- futures of futures: a timeout with its input, its timer, a cancel and
 * its owner; an all with a failure, an end and a cancel; a quorum with one end too many. On the
 * real timers and a test clock. */
#include "homes.h"

#include "async/cell.h"

#include <errno.h>

typedef struct world world;
typedef struct listener {
    er_waiter waiter;
    world *world;
} listener;

struct world {
    turned turned;
    errand_pool *pool;
    errand_promise *promises[2];
    errand_future *inputs[2];
    bool kept;            /* the inputs are referenced, to be checked later */
    errand_future *outer; /* references: owner, listener, canceller */
    bool dropped;
    listener listener;
    unsigned ended, hooks;
    model_value values[2];
};

static void begin_inputs(world *w, unsigned n, bool kept)
{
    w->kept = kept;
    w->pool = turned_pool(&w->turned, (errand_pool_opts){ .workers = 1 });
    for (unsigned i = 0; i < n; i++) {
        w->promises[i] = errand_promise_new(w->pool, &w->inputs[i]);
        if (kept) er_cell_keep(w->inputs[i]);
    }
}

static void listen(world *w, errand_future *outer, void (*fn)(er_waiter *))
{
    w->outer = er_cell_keep(er_cell_keep(outer));
    w->listener = (listener){ { .fn = fn }, w };
    holds(er_cell_watch(w->outer, &w->listener.waiter));
}

static void cancel_outer(void *arg)
{
    world *w = arg;
    errand_cancel(w->outer);
    holds(er_cell_cancelled(w->outer) || er_cell_ended(w->outer));
    er_cell_release(w->outer);
}

static void drop_outer(void *arg)
{
    world *w = arg;
    w->dropped = true;
    errand_drop(w->outer);
}

static void close_all(world *w)
{
    holds(w->ended == 1);
    for (unsigned i = 0; i < 2; i++) {
        if (w->kept && w->inputs[i]) er_cell_release(w->inputs[i]);
    }
    errand_pool_stats stats;
    holds(errand_pool_stats_sized(w->pool, &stats, sizeof stats) == 0);
    holds(stats.abandoned == 0);
    holds(errand_pool_close(w->pool, 0) == 0);
}

static void count_hook(void *arg) { er_add(&((world *)arg)->hooks, 1); }

/* ---- timeout ---- */

static void outer_ended(er_waiter *waiter)
{
    world *w = er_of(waiter, listener, waiter)->world;
    er_add(&w->ended, 1);
    /* guaranteed to the waiter */
    if (w->kept) holds(er_cell_ended(w->inputs[0]) || er_cell_cancelled(w->inputs[0]));
    er_cell_release(w->outer);
}

static void begin_limit(world *w, bool kept)
{
    begin_inputs(w, 1, kept);
    listen(w, errand_timeout(w->inputs[0], 5), outer_ended);
}

static void begin_timeout(void *arg) { begin_limit(arg, true); }

static void begin_timeout_of_hooked(void *arg)
{
    world *w = arg;
    begin_limit(w, false);
    errand_promise_on_cancel(w->promises[0], count_hook, w);
}

static void turn(void *arg)
{
    world *w = arg;
    turn_to(&w->turned, w->pool, 5);
}

static void turn_and_look(void *arg)
{
    world *w = arg;
    turn(w);
    holds(er_load(&w->outer->state) & ER_CLAIMED); /* it has timed out */
}

static void resolve_first(void *arg)
{
    world *w = arg;
    errand_promise_resolve(w->promises[0], model_result(&w->values[0]));
}

static void look_at_timeout(void *arg)
{
    world *w = arg;
    int error = w->dropped ? 0 : end_of(w->outer);
    holds(error == 0 || error == ECANCELED || error == ETIMEDOUT);
    holds(w->values[0].freed == 1);
    holds(w->hooks <= 1);
    close_all(w);
}

START_TEST(input_timer_and_cancel_of_a_timeout_race)
{
    model_run(&(model_scenario){
        .name = "timeout: tick, resolve, cancel",
        .world = sizeof(world),
        .begin = begin_timeout,
        .threads = { { "clock", turn_and_look },
                     { "writer", resolve_first },
                     { "canceller", cancel_outer } },
        .end = look_at_timeout });
    model_run(&(model_scenario){
        .name = "timeout: tick, resolve, cancel, drop",
        .world = sizeof(world),
        .begin = begin_timeout,
        .threads = { { "clock", turn },
                     { "writer", resolve_first },
                     { "canceller", cancel_outer },
                     { "owner", drop_outer } },
        .end = look_at_timeout,
        .preemptions = 2 });
}
END_TEST

START_TEST(a_timeout_leaves_a_promise_with_a_hook)
{
    model_run(&(model_scenario){
        .name = "timeout: tick, resolve, cancel; a hook",
        .world = sizeof(world),
        .begin = begin_timeout_of_hooked,
        .threads = { { "clock", turn_and_look },
                     { "writer", resolve_first },
                     { "canceller", cancel_outer } },
        .end = look_at_timeout });
}
END_TEST

/* The inner timeout ends inside another end; only the outer one references it while its waiters are
 * called. */
static void begin_two_timeouts(void *arg)
{
    world *w = arg;
    begin_inputs(w, 1, false);
    listen(w, errand_timeout(errand_timeout(w->inputs[0], 5), 7), outer_ended);
}

START_TEST(a_nested_timeout_ends_once)
{
    model_run(&(model_scenario){
        .name = "timeout of a timeout: resolve, cancel",
        .world = sizeof(world),
        .begin = begin_two_timeouts,
        .threads = { { "writer", resolve_first }, { "canceller", cancel_outer } },
        .end = look_at_timeout });
}
END_TEST

/* ---- all ---- */

static void all_ended(er_waiter *waiter)
{
    world *w = er_of(waiter, listener, waiter)->world;
    er_add(&w->ended, 1);
    holds(er_cell_ended(w->inputs[0]) && er_cell_ended(w->inputs[1])); /* it waits for its inputs */
    er_cell_release(w->outer);
}

static void begin_all(void *arg)
{
    world *w = arg;
    begin_inputs(w, 2, true);
    listen(w, errand_all(w->inputs, 2), all_ended);
}

static void fail_first(void *arg)
{
    world *w = arg;
    errand_promise_resolve(w->promises[0], errand_fail(EIO));
    /* the rest is cancelled */
    holds(er_cell_cancelled(w->inputs[1]) || er_cell_ended(w->inputs[1]) ||
          er_cell_cancelled(w->inputs[0]));
}

static void resolve_second(void *arg)
{
    world *w = arg;
    errand_promise_resolve(w->promises[1], model_result(&w->values[1]));
}

static void look_at_all(void *arg)
{
    world *w = arg;
    int error = w->dropped ? EIO : end_of(w->outer);
    holds(error == EIO || error == ECANCELED);
    holds(w->values[1].freed == 1);
    close_all(w);
}

START_TEST(failure_end_and_cancel_of_an_all_race)
{
    model_run(&(model_scenario){
        .name = "all: fail, resolve, cancel",
        .world = sizeof(world),
        .begin = begin_all,
        .threads = { { "first writer", fail_first },
                     { "second writer", resolve_second },
                     { "canceller", cancel_outer } },
        .end = look_at_all,
        .preemptions = 2 });
}
END_TEST

/* ---- race ---- */

static void race_ended(er_waiter *waiter)
{
    world *w = er_of(waiter, listener, waiter)->world;
    er_add(&w->ended, 1);
    for (unsigned i = 0; i < 2; i++)
        holds(er_cell_ended(w->inputs[i]) || er_cell_cancelled(w->inputs[i]));
    er_cell_release(w->outer);
}

static void begin_race(void *arg)
{
    world *w = arg;
    begin_inputs(w, 2, true);
    listen(w, errand_race(w->inputs, 2), race_ended);
}

static void look_at_race(void *arg)
{
    world *w = arg;
    int error = w->dropped ? 0 : end_of(w->outer);
    holds(error == 0 || error == ECANCELED);
    holds(w->values[0].freed == 1 && w->values[1].freed == 1);
    close_all(w);
}

START_TEST(a_race_of_two_ends_once)
{
    model_run(&(model_scenario){
        .name = "race: resolve, resolve, cancel",
        .world = sizeof(world),
        .begin = begin_race,
        .threads = { { "first writer", resolve_first },
                     { "second writer", resolve_second },
                     { "canceller", cancel_outer } },
        .end = look_at_race,
        .preemptions = 2 });
}
END_TEST

/* ---- quorum: of two concurrent successes one is taken, the other freed ---- */

static void begin_quorum(void *arg)
{
    world *w = arg;
    begin_inputs(w, 2, true);
    listen(w, errand_quorum(w->inputs, 2, 1), race_ended);
}

static void look_at_quorum(void *arg)
{
    world *w = arg;
    errand_result r = errand_await(w->outer);
    const errand_results *all = r.value;
    holds(r.error == 0 || r.error == ECANCELED);
    if (!r.error) holds(!all->at[0].error != !all->at[1].error);
    errand_result_free(&r);
    holds(w->values[0].freed == 1 && w->values[1].freed == 1);
    close_all(w);
}

START_TEST(a_quorum_of_one_of_two_ends_once)
{
    model_run(&(model_scenario){
        .name = "quorum: resolve, resolve, cancel",
        .world = sizeof(world),
        .begin = begin_quorum,
        .threads = { { "first writer", resolve_first },
                     { "second writer", resolve_second },
                     { "canceller", cancel_outer } },
        .end = look_at_quorum,
        .preemptions = 2 });
}
END_TEST

Suite *combined_suite(void)
{
    Suite *suite = suite_create("combined");
    TCase *tc = tcase_create("combined");
    tcase_add_test(tc, input_timer_and_cancel_of_a_timeout_race);
    tcase_add_test(tc, a_timeout_leaves_a_promise_with_a_hook);
    tcase_add_test(tc, a_nested_timeout_ends_once);
    tcase_add_test(tc, failure_end_and_cancel_of_an_all_race);
    tcase_add_test(tc, a_race_of_two_ends_once);
    tcase_add_test(tc, a_quorum_of_one_of_two_ends_once);
    suite_add_tcase(suite, tc);
    return suite;
}
