/* tests/model/promises.c -- resolve, cancel and change of the hook race. */
#include "homes.h"

#include "async/cell.h"

#include <errno.h>

typedef struct hook {
    uint32_t calls, running;
    bool over; /* it must not run again */
    bool resolves;
    struct world *world;
} hook;

typedef struct world {
    place place;
    errand_promise *promise;
    errand_future *future;
    hook first, second;
    model_value value, other;
    uint32_t cancelled; /* cancels that have returned */
} world;

static void run_hook(void *arg)
{
    hook *h = arg;
    holds(!er_load(&h->over));
    er_add(&h->running, 1);
    er_add(&h->calls, 1);
    holds(errand_promise_cancelled(h->world->promise));
    if (h->resolves) errand_promise_resolve(h->world->promise, model_result(&h->world->value));
    holds(!er_load(&h->over) || h->resolves);
    er_sub(&h->running, 1);
}

static void begin(void *arg)
{
    world *w = arg;
    w->promise = errand_promise_new(place_open(&w->place), &w->future);
    w->first.world = w->second.world = w;
    er_cell_keep(w->future); /* the second canceller's */
}

static void begin_hooked(void *arg)
{
    begin(arg);
    world *w = arg;
    errand_promise_on_cancel(w->promise, run_hook, &w->first);
}

static void resolve(void *arg)
{
    world *w = arg;
    bool cancelled = er_load(&w->cancelled) == 2; /* both have returned */
    errand_promise_resolve(w->promise, model_result(&w->value));
    holds(!er_load(&w->first.running) && !er_load(&w->second.running));
    er_store(&w->first.over, true);
    er_store(&w->second.over, true);
    if (cancelled) holds(er_load(&w->first.calls) + er_load(&w->second.calls));
}

static void replace_and_resolve(void *arg)
{
    world *w = arg;
    bool cancelled = er_load(&w->cancelled) == 2; /* both have returned */
    errand_promise_on_cancel(w->promise, run_hook, &w->second);
    holds(!er_load(&w->first.running));
    er_store(&w->first.over, true);
    if (cancelled) holds(er_load(&w->second.calls) && !er_load(&w->second.running));
    resolve(w);
}

static void cancel(void *arg)
{
    world *w = arg;
    errand_cancel(w->future);
    er_add(&w->cancelled, 1);
    er_cell_release(w->future);
}

static void cancel_and_drop(void *arg)
{
    world *w = arg;
    errand_cancel(w->future);
    er_add(&w->cancelled, 1);
    errand_drop(w->future);
}

static void look(void *arg)
{
    world *w = arg;
    holds(w->first.calls <= 1 && w->second.calls <= 1);
    holds(w->first.running == 0 && w->second.running == 0);
    holds(w->value.freed == 1);
    place_close(&w->place);
}

START_TEST(no_hook_runs_when_resolve_returns)
{
    model_run(&(model_scenario){
        .name = "resolve, cancel, cancel and drop; a hook",
        .world = sizeof(world),
        .begin = begin_hooked,
        .threads = { { "writer", resolve }, { "canceller", cancel }, { "owner", cancel_and_drop } },
        .end = look });
}
END_TEST

START_TEST(a_replaced_hook_is_not_running_and_no_cancel_is_lost)
{
    model_run(&(model_scenario){
        .name = "on_cancel and resolve, cancel, cancel, drop",
        .world = sizeof(world),
        .begin = begin_hooked,
        .threads = { { "writer", replace_and_resolve },
                     { "canceller", cancel },
                     { "owner", cancel_and_drop } },
        .end = look });
}
END_TEST

/* ---- a hook that resolves the promise itself ---- */

static void hook_up(void *arg)
{
    world *w = arg;
    bool cancelled = er_load(&w->cancelled) == 2;
    errand_promise_on_cancel(w->promise, run_hook, &w->first);
    if (cancelled) holds(er_load(&w->first.calls) && !er_load(&w->first.running));
}

static void begin_resolving(void *arg)
{
    begin(arg);
    ((world *)arg)->first.resolves = true;
}

static void look_at_resolving(void *arg)
{
    holds(((world *)arg)->first.calls == 1);
    look(arg);
}

START_TEST(a_hook_may_resolve_while_it_is_being_set)
{
    model_run(&(model_scenario){
        .name = "on_cancel with a hook that resolves, cancels",
        .world = sizeof(world),
        .begin = begin_resolving,
        .threads = { { "writer", hook_up }, { "canceller", cancel }, { "owner", cancel_and_drop } },
        .end = look_at_resolving });
}
END_TEST

/* ---- without a hook a cancel ends it ---- */

static void just_resolve(void *arg)
{
    world *w = arg;
    errand_promise_resolve(w->promise, model_result(&w->value));
}

static void cancel_and_see(void *arg)
{
    world *w = arg;
    errand_cancel(w->future);
    holds(er_load(&w->future->state) & ER_CLAIMED); /* at once, or by a resolve under way */
    er_cell_release(w->future);
}

static void only_drop(void *arg) { errand_drop(((world *)arg)->future); }

START_TEST(without_a_hook_a_cancel_ends_the_promise)
{
    model_run(&(model_scenario){
        .name = "resolve, cancel, drop; no hook",
        .world = sizeof(world),
        .begin = begin,
        .threads = { { "writer", just_resolve },
                     { "canceller", cancel_and_see },
                     { "owner", only_drop } },
        .end = look });
}
END_TEST

Suite *promises_suite(void)
{
    Suite *suite = suite_create("promises");
    TCase *tc = tcase_create("promises");
    tcase_add_test(tc, no_hook_runs_when_resolve_returns);
    tcase_add_test(tc, a_replaced_hook_is_not_running_and_no_cancel_is_lost);
    tcase_add_test(tc, a_hook_may_resolve_while_it_is_being_set);
    tcase_add_test(tc, without_a_hook_a_cancel_ends_the_promise);
    suite_add_tcase(suite, tc);
    return suite;
}
