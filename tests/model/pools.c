/* tests/model/pools.c -- the pool: inbox, gate, the one searcher, workers that park. */
#include "homes.h"

#include "async/pool.h"

#include <errno.h>

typedef struct job {
    unsigned ran, freed;
    const errand_pool *open; /* no task begins once this pool is closed */
} job;

typedef struct world {
    errand_pool *pool;
    job jobs[4];
    errand_future *future; /* with a reference for a canceller */
} world;

static errand_result run_job(void *arg)
{
    job *j = arg;
    holds(!j->open || j->open->phase != ER_CLOSED);
    er_add(&j->ran, 1);
    return errand_ok(NULL, NULL);
}

static void free_job(void *arg) { ((job *)arg)->freed++; }

static errand_future *submit(world *w, unsigned i)
{
    return errand_submit_task(
        w->pool, &(errand_task){ .fn = run_job, .arg = &w->jobs[i], .free = free_job });
}

static void submit_and_drop(world *w, unsigned i) { errand_drop(submit(w, i)); }

static void open_pool(world *w, unsigned workers, errand_pool_opts opts)
{
    opts.workers = workers;
    opts.spares = ERRAND_NO_SPARES;
    w->pool = errand_pool_new(&opts);
}

/* One worker that has run something and has parked: the gate is open and calls. */
static void begin_parked(void *arg)
{
    world *w = arg;
    open_pool(w, 1, (errand_pool_opts){ 0 });
    submit_and_drop(w, 3);
    model_run_until_all_wait();
}

static void begin_two_places(void *arg)
{
    world *w = arg;
    open_pool(w, 2, (errand_pool_opts){ 0 });
    submit_and_drop(w, 3);
    model_run_until_all_wait();
}

static void begin_without_threads(void *arg) { open_pool(arg, 1, (errand_pool_opts){ 0 }); }

static void submit_first(void *arg) { submit_and_drop(arg, 0); }
static void submit_second(void *arg) { submit_and_drop(arg, 1); }

static void close_it(world *w)
{
    holds(!er_mpsc_holds(&w->pool->inbox) && w->pool->waiting == 0 && w->pool->busy == 0 &&
          !w->pool->searching);
    holds(errand_pool_close(w->pool, ERRAND_FOREVER) == 0);
}

static void look_at_two(void *arg)
{
    world *w = arg;
    for (unsigned i = 0; i < 2; i++) holds(w->jobs[i].ran == 1 && w->jobs[i].freed == 1);
    close_it(w);
}

START_TEST(no_task_is_stuck_in_the_inbox)
{
    model_run(&(model_scenario){
        .name = "submit, submit, a worker that parks",
        .world = sizeof(world),
        .begin = begin_parked,
        .threads = { { "first", submit_first }, { "second", submit_second } },
        .end = look_at_two });
}
END_TEST

START_TEST(the_second_worker_is_started_if_needed)
{
    model_run(&(model_scenario){
        .name = "submit, submit, two workers",
        .world = sizeof(world),
        .begin = begin_two_places,
        .threads = { { "first", submit_first }, { "second", submit_second } },
        .end = look_at_two,
        .preemptions = 3 });
}
END_TEST

START_TEST(one_of_two_submits_starts_the_first_thread)
{
    model_run(&(model_scenario){
        .name = "submit, submit, no thread yet",
        .world = sizeof(world),
        .begin = begin_without_threads,
        .threads = { { "first", submit_first }, { "second", submit_second } },
        .end = look_at_two });
}
END_TEST

/* ---- a cancel against the worker ---- */

static void submit_counted(void *arg)
{
    world *w = arg;
    w->future = submit(w, 0);
    er_cell_keep(w->future);
}

static void begin_cancel(void *arg)
{
    world *w = arg;
    begin_parked(w);
    submit_counted(w);
}

static void cancel_it(void *arg)
{
    world *w = arg;
    errand_cancel(w->future);
    er_cell_release(w->future);
}

static void await_nothing(void *arg) { errand_drop(((world *)arg)->future); }

static void look_at_cancelled(void *arg)
{
    world *w = arg;
    holds(w->jobs[0].ran <= 1 && w->jobs[0].freed == 1);
    close_it(w);
}

START_TEST(a_queued_task_runs_or_is_cancelled)
{
    model_run(&(model_scenario){
        .name = "a queued task: worker, cancel, drop",
        .world = sizeof(world),
        .begin = begin_cancel,
        .threads = { { "canceller", cancel_it }, { "owner", await_nothing } },
        .end = look_at_cancelled });
}
END_TEST

/* ---- the end ---- */

static void submit_late(void *arg)
{
    world *w = arg;
    errand_future *f = submit(w, 0);
    errand_drop(f);
    er_pool_release(w->pool);
}

static void begin_close(void *arg)
{
    begin_parked(arg);
    world *w = arg;
    er_pool_keep(w->pool); /* the caller keeps the pool */
    w->jobs[0].open = w->pool;
}

static void close_pool(void *arg)
{
    holds(errand_pool_close(((world *)arg)->pool, ERRAND_FOREVER) == 0);
}

static void look_at_closed(void *arg)
{
    world *w = arg;
    holds(w->jobs[0].ran <= 1 && w->jobs[0].freed == 1);
}

START_TEST(a_submit_races_with_close)
{
    model_run(&(model_scenario){
        .name = "submit, close",
        .world = sizeof(world),
        .begin = begin_close,
        .threads = { { "submitter", submit_late }, { "closer", close_pool } },
        .end = look_at_closed });
}
END_TEST

/* ---- room ---- */

static void begin_full(void *arg)
{
    world *w = arg;
    open_pool(w, 1, (errand_pool_opts){ .queue = 1 });
    submit_and_drop(w, 3);
    model_run_until_all_wait();
}

static void submit_two(void *arg)
{
    submit_and_drop(arg, 0);
    submit_and_drop(arg, 2);
}

static void look_at_three(void *arg)
{
    world *w = arg;
    holds(w->jobs[2].ran == 1 && w->jobs[2].freed == 1);
    look_at_two(w);
}

START_TEST(a_submit_waiting_for_room_gets_it)
{
    model_run(&(model_scenario){
        .name = "submit twice, submit, room for one",
        .world = sizeof(world),
        .begin = begin_full,
        .threads = { { "first", submit_two }, { "second", submit_second } },
        .end = look_at_three });
}
END_TEST

/* ---- guests: the queue is full, so the submitter runs the task ---- */

static void open_for_guests(world *w)
{
    open_pool(w, 1, (errand_pool_opts){ .queue = 1, .when_full = ERRAND_WHEN_FULL_CALLER_RUNS });
}

static void begin_guests(void *arg)
{
    open_for_guests(arg);
    submit_and_drop(arg, 3);
    model_run_until_all_wait();
}

START_TEST(a_task_runs_once_queued_or_as_a_guest)
{
    model_run(&(model_scenario){
        .name = "guests: submit twice, submit",
        .world = sizeof(world),
        .begin = begin_guests,
        .threads = { { "first", submit_two }, { "second", submit_second } },
        .end = look_at_three,
        .preemptions = 3 });
}
END_TEST

static void begin_close_with_guests(void *arg)
{
    world *w = arg;
    begin_guests(w);
    er_pool_keep(w->pool);
    for (unsigned i = 0; i < 3; i++) w->jobs[i].open = w->pool;
}

static void submit_three_late(void *arg)
{
    world *w = arg;
    for (unsigned i = 0; i < 3; i++) submit_and_drop(w, i);
    er_pool_release(w->pool);
}

static void look_at_closed_with_guests(void *arg)
{
    world *w = arg;
    for (unsigned i = 0; i < 3; i++) holds(w->jobs[i].ran <= 1 && w->jobs[i].freed == 1);
}

START_TEST(close_waits_for_guests)
{
    model_run(&(model_scenario){
        .name = "guests: submit three times, close",
        .world = sizeof(world),
        .begin = begin_close_with_guests,
        .threads = { { "submitter", submit_three_late }, { "closer", close_pool } },
        .end = look_at_closed_with_guests,
        .preemptions = 3 });
}
END_TEST

Suite *pools_suite(void)
{
    Suite *suite = suite_create("pools");
    TCase *tc = tcase_create("pools");
    tcase_add_test(tc, no_task_is_stuck_in_the_inbox);
    tcase_add_test(tc, the_second_worker_is_started_if_needed);
    tcase_add_test(tc, one_of_two_submits_starts_the_first_thread);
    tcase_add_test(tc, a_queued_task_runs_or_is_cancelled);
    tcase_add_test(tc, a_submit_races_with_close);
    tcase_add_test(tc, a_submit_waiting_for_room_gets_it);
    tcase_add_test(tc, a_task_runs_once_queued_or_as_a_guest);
    tcase_add_test(tc, close_waits_for_guests);
    suite_add_tcase(suite, tc);
    return suite;
}
