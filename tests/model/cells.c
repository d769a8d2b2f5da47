/* tests/model/cells.c -- the cell: claim, end, cancel, watch, abandon and drop race. */
#include "homes.h"

#include "async/cell.h"

#include <errno.h>

/* A cell that a cancel ends, like queued work. */
static void cancel_one(er_cell *cell, errand_reason reason)
{
    holds(reason == er_cell_cancelled(cell));
    er_cell_try_end(cell, er_fail_by(ECANCELED, reason));
}
static void free_one(er_cell *cell) { er_cell_bury(cell); }
static const er_cell_kind kind = { .cancel = cancel_one, .free = free_one };

typedef struct watch {
    er_waiter waiter;
    struct world *world;
    unsigned called;
    bool taken_back; /* it must not be called again */
} watch;
static void called(er_waiter *waiter)
{
    watch *w = er_of(waiter, watch, waiter);
    holds(er_cell_ended(waiter->cell));
    holds(!er_load(&w->taken_back));
    er_add(&w->called, 1);
}

typedef struct world {
    place place;
    er_cell *cell, *second, *third;
    watch watch, other, last;
    model_value value, late;
    unsigned ended; /* successful ends */
    bool watched, watched_too;
} world;

static er_cell *make(world *w, unsigned counts)
{
    er_cell *cell = er_alloc(sizeof *cell);
    er_cell_init(cell, &kind, (errand_pool *)(void *)&w->place.home);
    for (; counts > 1; counts--) er_cell_keep(cell);
    return cell;
}

/* ---- one cell ---- */

static void begin_one(void *arg)
{
    world *w = arg;
    place_open(&w->place);
    w->cell = make(w, 5); /* one reference is kept until the end */
    w->watch.waiter.fn = w->other.waiter.fn = called;
}

static void end_it(void *arg)
{
    world *w = arg;
    if (er_cell_claim(w->cell)) {
        er_cell_end(w->cell, model_result(&w->value));
        er_add(&w->ended, 1);
    } else {
        w->value.freed++; /* the value was not passed on */
    }
    er_cell_release(w->cell);
}

static void try_to_end_it(void *arg)
{
    world *w = arg;
    if (er_cell_try_end(w->cell, model_result(&w->late))) er_add(&w->ended, 1);
    er_cell_release(w->cell);
}

static void cancel_it(void *arg)
{
    world *w = arg;
    er_cell_cancel(w->cell, ERRAND_BY_CALLER);
    holds(er_load(&w->cell->state) & (ER_CLAIMED | ER_ENDED)); /* no end is too late for it */
    er_cell_release(w->cell);
}

static void abandon_it(void *arg)
{
    world *w = arg;
    er_cell_abandon(w->cell);
    er_cell_release(w->cell);
}

static void watch_it(void *arg)
{
    world *w = arg;
    w->watched = er_cell_watch(w->cell, &w->watch.waiter);
    if (!w->watched) holds(er_cell_ended(w->cell));
    er_cell_release(w->cell);
}

static void watch_and_take_back(void *arg)
{
    world *w = arg;
    w->watched_too = er_cell_watch(w->cell, &w->other.waiter);
    if (w->watched_too && er_cell_unwatch(w->cell, &w->other.waiter)) {
        er_store(&w->other.taken_back, true);
        w->watched_too = false;
    }
    er_cell_release(w->cell);
}

static void drop_it(void *arg)
{
    world *w = arg;
    er_cell_drop(w->cell);
}

static void look_at_one(void *arg)
{
    world *w = arg;
    holds(w->watch.called == w->watched);
    holds(w->other.called == w->watched_too);
    holds(w->value.freed == 1);
    er_cell_release(w->cell);
    place_close(&w->place);
}

START_TEST(end_cancel_watch_and_drop_race)
{
    model_run(&(model_scenario){
        .name = "end, cancel, watch, drop",
        .world = sizeof(world),
        .begin = begin_one,
        .threads = { { "ender", end_it },
                     { "canceller", cancel_it },
                     { "watcher", watch_it },
                     { "owner", drop_it } },
        .end = look_at_one });
}
END_TEST

START_TEST(unwatch_races_with_the_end)
{
    model_run(&(model_scenario){
        .name = "end, watch, watch and unwatch, drop",
        .world = sizeof(world),
        .begin = begin_one,
        .threads = { { "ender", end_it },
                     { "watcher", watch_it },
                     { "unwatcher", watch_and_take_back },
                     { "owner", drop_it } },
        .end = look_at_one });
}
END_TEST

START_TEST(a_cell_left_behind_counts_until_it_ends)
{
    model_run(&(model_scenario){
        .name = "end, cancel, abandon, drop",
        .world = sizeof(world),
        .begin = begin_one,
        .threads = { { "ender", end_it },
                     { "canceller", cancel_it },
                     { "leaver", abandon_it },
                     { "owner", drop_it } },
        .end = look_at_one });
}
END_TEST

static void one_of_two_ended_it(void *arg)
{
    world *w = arg;
    holds(w->ended == 1 && w->late.freed == 1);
    look_at_one(w);
}

START_TEST(the_first_of_two_ends_counts)
{
    model_run(&(model_scenario){
        .name = "end, end, watch and unwatch, drop",
        .world = sizeof(world),
        .begin = begin_one,
        .threads = { { "ender", end_it },
                     { "other ender", try_to_end_it },
                     { "unwatcher", watch_and_take_back },
                     { "owner", drop_it } },
        .end = one_of_two_ended_it });
}
END_TEST

/* ---- nested ends: the first cell's waiter ends the second cell, which ends the third ---- */

static void end_next(er_waiter *waiter)
{
    world *all = er_of(waiter, watch, waiter)->world;
    bool first = waiter->cell == all->cell;
    called(waiter);
    er_cell *next = first ? all->second : all->third;
    er_cell_try_end(next, model_result(first ? &all->value : &all->late));
    er_cell_release(next);
}

static void begin_chain(void *arg)
{
    world *w = arg;
    place_open(&w->place);
    w->cell = make(w, 2);   /* the ender's, the owner's */
    w->second = make(w, 3); /* the waiter's, the other ender's, the owner's */
    w->third = make(w, 3);  /* the waiter's, the canceller's, the owner's */
    w->watch.waiter.fn = w->other.waiter.fn = end_next;
    w->watch.world = w->other.world = w;
    w->last.waiter.fn = called;
    holds(er_cell_watch(w->cell, &w->watch.waiter));
    holds(er_cell_watch(w->second, &w->other.waiter));
    holds(er_cell_watch(w->third, &w->last.waiter));
}

static void end_first(void *arg)
{
    world *w = arg;
    er_cell_try_end(w->cell, errand_ok(NULL, NULL));
    holds(w->watch.called == 1); /* all effects are done on return */
    holds(er_load(&w->second->state) & ER_CLAIMED);
    er_cell_release(w->cell);
}

static void end_second(void *arg)
{
    world *w = arg;
    er_cell_try_end(w->second, errand_fail(EIO));
    er_cell_release(w->second);
}

static void cancel_third(void *arg)
{
    world *w = arg;
    er_cell_cancel(w->third, ERRAND_BY_CALLER);
    er_cell_release(w->third);
}

static void look_at_chain(void *arg)
{
    world *w = arg;
    holds(w->watch.called == 1 && w->other.called == 1 && w->last.called == 1);
    er_cell_drop(w->cell);
    er_cell_drop(w->second);
    er_cell_drop(w->third);
    holds(w->value.freed == 1 && w->late.freed == 1);
    place_close(&w->place);
}

START_TEST(a_cell_ends_inside_another_end)
{
    model_run(&(model_scenario){
        .name = "end of an end of an end",
        .world = sizeof(world),
        .begin = begin_chain,
        .threads = { { "ender", end_first },
                     { "other ender", end_second },
                     { "canceller", cancel_third } },
        .end = look_at_chain });
}
END_TEST

Suite *cells_suite(void)
{
    Suite *suite = suite_create("cells");
    TCase *tc = tcase_create("cells");
    tcase_add_test(tc, end_cancel_watch_and_drop_race);
    tcase_add_test(tc, unwatch_races_with_the_end);
    tcase_add_test(tc, a_cell_left_behind_counts_until_it_ends);
    tcase_add_test(tc, the_first_of_two_ends_counts);
    tcase_add_test(tc, a_cell_ends_inside_another_end);
    suite_add_tcase(suite, tc);
    return suite;
}
