/* tests/model/laters.c -- tasks that return errand_later: run by a worker, or in place by an await,
 * or put aside, while others are submitted from outside and the pool closes. A worker reads the
 * task it has taken after it has released the pool's lock, so unlocking is a step here, too. */
#include "homes.h"

#include "async/pool.h"

#include <errno.h>

typedef struct world {
    errand_pool *pool;
    errand_promise *promises[2];
    errand_future *inputs[2], *outer;
    model_value values[2];
    unsigned runs[2], freed;
} world;

static errand_result inner(void *arg)
{
    world *w = arg;
    er_add(&w->runs[0], 1);
    return errand_later(w->inputs[0]);
}

static errand_result await_inner(void *arg)
{
    world *w = arg;
    return errand_await(errand_submit(w->pool, inner, w));
}

static errand_result outside(void *arg)
{
    world *w = arg;
    er_add(&w->runs[1], 1);
    return errand_later(w->inputs[1]);
}
static void count_free(void *arg) { er_add(&((world *)arg)->freed, 1); }

static void begin_pool(world *w, unsigned workers)
{
    w->pool =
        errand_pool_new(&(errand_pool_opts){ .workers = workers, .spares = ERRAND_NO_SPARES });
    for (unsigned i = 0; i < 2; i++) w->promises[i] = errand_promise_new(w->pool, &w->inputs[i]);
}

static void begin_await(void *arg)
{
    world *w = arg;
    begin_pool(w, 2);
    w->outer = errand_submit(w->pool, await_inner, w);
}

static errand_result nothing(void *arg) { return errand_ok(arg, NULL); }

/* One worker that is searching for work. */
static void begin_close(void *arg)
{
    world *w = arg;
    begin_pool(w, 1);
    errand_drop(errand_submit(w->pool, nothing, NULL));
    model_run_until_all_wait();
    errand_drop(errand_submit(w->pool, nothing, NULL));
    er_pool_keep(((world *)arg)->pool); /* the submitter keeps the pool */
}

static void begin_all(void *arg)
{
    begin_await(arg);
    er_pool_keep(((world *)arg)->pool);
}

static void resolve_inner(void *arg)
{
    world *w = arg;
    errand_promise_resolve(w->promises[0], model_result(&w->values[0]));
}

static void submit_outside(void *arg)
{
    world *w = arg;
    errand_drop(errand_submit_task(w->pool,
                                   &(errand_task){ .fn = outside, .arg = w, .free = count_free }));
    er_pool_release(w->pool);
}

static void close_it(void *arg)
{
    holds(errand_pool_close(((world *)arg)->pool, ERRAND_FOREVER) == 0);
}

static void look_at_inner(void *arg)
{
    world *w = arg;
    holds(end_of(w->outer) == 0);
    holds(w->runs[0] == 1 && w->values[0].freed == 1);
}

static void look_at_outside(void *arg)
{
    world *w = arg;
    holds(w->runs[1] <= 1);
    if (!w->runs[1]) errand_drop(w->inputs[1]);
    /* its continuations are no work: the pool does not wait for them */
    errand_promise_resolve(w->promises[1], model_result(&w->values[1]));
    holds(w->values[1].freed == 1 && w->freed == 1);
}

static void end_await(void *arg)
{
    world *w = arg;
    look_at_inner(w);
    look_at_outside((w->freed = 1, w));
    close_it(w);
}

static void end_close(void *arg)
{
    world *w = arg;
    look_at_outside(w);
    errand_promise_resolve(w->promises[0], model_result(&w->values[0]));
    errand_drop(w->inputs[0]);
}

static void end_all(void *arg)
{
    look_at_inner(arg);
    look_at_outside(arg);
}

START_TEST(an_awaited_task_runs_once_and_ends_later)
{
    model_run(&(model_scenario){
        .name = "await of a later: two workers, resolve",
        .world = sizeof(world),
        .begin = begin_await,
        .threads = { { "writer", resolve_inner } },
        .end = end_await,
        .preemptions = 2,
        .gives = true });
}
END_TEST

START_TEST(a_task_submitted_during_close_is_put_aside)
{
    model_run(&(model_scenario){
        .name = "submit of a later, close",
        .world = sizeof(world),
        .begin = begin_close,
        .threads = { { "submitter", submit_outside }, { "closer", close_it } },
        .end = end_close,
        .preemptions = 1,
        .gives = true });
}
END_TEST

START_TEST(await_later_submit_and_close_race)
{
    model_run(&(model_scenario){
        .name = "await of a later, submit of a later, close",
        .world = sizeof(world),
        .begin = begin_all,
        .threads = { { "writer", resolve_inner },
                     { "submitter", submit_outside },
                     { "closer", close_it } },
        .end = end_all,
        .preemptions = 1,
        .gives = true });
}
END_TEST

Suite *laters_suite(void)
{
    Suite *suite = suite_create("laters");
    TCase *tc = tcase_create("laters");
    tcase_add_test(tc, an_awaited_task_runs_once_and_ends_later);
    tcase_add_test(tc, a_task_submitted_during_close_is_put_aside);
    tcase_add_test(tc, await_later_submit_and_close_race);
    suite_add_tcase(suite, tc);
    return suite;
}
