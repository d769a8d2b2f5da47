/* errand_batch with `more`: an item is worked on again, at its place, until its last end. */
#include "fixture/memory.h"
#include "jobs/suites.h"

#include <errand/batch.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct thing { /* touched by one thread at a time, which the batch promises */
    size_t number;
    unsigned worked, ended;
    bool again, over, open;
} thing;

static struct world {
    errand_pool *pool;
    errand_batch_opts opts;
    size_t n; /* SIZE_MAX: no end */
    unsigned rounds;
    bool sleeps, starved; /* without memory an item ends before this test sees it */
    thing *things;        /* [MOST], used in turn */
    size_t last;          /* in order */
    size_t each_fails_at;
    unsigned held_round; /* each waits at the gate with this end of the first item; 0: none */
    atomic_size_t taken, over, ends, open, failed, at_gate;
    atomic_bool in_each, wrong, gate;
} w;

enum { MOST = 4096 };

static void start(unsigned workers, unsigned concurrency, bool ordered)
{
    memset(&w, 0, sizeof w);
    w.pool = errand_pool_new(&(errand_pool_opts){ .workers = workers });
    ck_assert_ptr_nonnull(w.pool);
    w.things = calloc(MOST, sizeof *w.things);
    w.opts = (errand_batch_opts){ .concurrency = concurrency, .ordered = ordered };
    w.rounds = 3;
}

static void tear_down(void)
{
    ck_assert(!w.wrong);
    ck_assert_int_eq(errand_pool_close(w.pool, 20000), 0);
    free(w.things);
}

static void *next(void *arg, int *error)
{
    (void)arg, (void)error;
    size_t n = atomic_load(&w.taken);
    if (n >= w.n) return NULL;
    thing *t = &w.things[n % MOST];
    *t = (thing){ .number = n + 1 };
    atomic_fetch_add(&w.taken, 1);
    return t;
}

static errand_result work(void *item, void *arg)
{
    thing *t = item;
    (void)arg;
    if (t->over) w.wrong = true;
    if (!t->worked++) {
        t->open = true;
        if (atomic_fetch_add(&w.open, 1) + 1 > w.opts.concurrency && !w.starved) w.wrong = true;
    }
    if (w.sleeps) return errand_later(errand_sleep(w.pool, 1));
    return errand_ok(NULL, NULL);
}

static void closes(thing *t)
{
    if (t->open) atomic_fetch_sub(&w.open, 1);
    t->open = false;
}

static bool more(void *item, const errand_result *r, void *arg)
{
    thing *t = item;
    (void)arg;
    if (!t->worked) w.wrong = true;
    t->again = !r->error && t->worked < w.rounds;
    if (!t->again) closes(t);
    return t->again;
}

static int each(void *item, errand_result r, void *arg)
{
    thing *t = item;
    (void)arg;
    if (atomic_exchange(&w.in_each, true)) w.wrong = true;
    if (t->over) w.wrong = true;
    if (w.opts.ordered && t->number != w.last + 1) w.wrong = true;
    t->ended++;
    bool again = t->again;
    t->again = false;
    if (w.held_round == t->ended && t->number == 1) {
        atomic_fetch_add(&w.at_gate, 1);
        while (!atomic_load(&w.gate)) sched_yield();
    }
    atomic_store(&w.in_each, false);
    size_t ends = atomic_fetch_add(&w.ends, 1) + 1;
    if (!again) {
        closes(t);
        t->over = true;
        w.last = t->number;
        if (r.error) atomic_fetch_add(&w.failed, 1);
        atomic_fetch_add(&w.over, 1);
    }
    errand_result_free(&r);
    return ends == w.each_fails_at ? EPIPE : 0;
}

static errand_future *run(void)
{
    w.opts.more = more;
    return errand_batch(w.pool, &w.opts, next, work, each, NULL);
}

static errand_batch_tally finish(errand_future *f, int error)
{
    errand_result r = errand_await(f);
    ck_assert_msg(r.error == error, "%d: %s", r.error, errand_result_message(&r));
    ck_assert_ptr_nonnull(r.value);
    errand_batch_tally tally = *(errand_batch_tally *)r.value;
    errand_result_free(&r);
    ck_assert_uint_eq(tally.total_processed, w.taken);
    ck_assert_uint_eq(w.over, w.taken);
    ck_assert_uint_eq(tally.failed, w.failed);
    ck_assert_uint_eq(tally.successful + tally.failed, tally.total_processed);
    for (size_t i = 0; i < w.taken && i < MOST; i++) ck_assert(w.things[i].over);
    ck_assert_uint_eq(w.open, 0);
    return tally;
}

START_TEST(an_item_is_worked_on_until_more_is_false)
{
    start(_i & 2 ? 4 : 1, _i & 4 ? 20 : 1, _i & 1);
    w.sleeps = _i & 4;
    w.n = w.sleeps ? 100 : 1000;
    w.rounds = 5;
    ck_assert_uint_eq(finish(run(), 0).successful, w.n);
    ck_assert_uint_eq(w.ends, 5 * w.n);
    for (size_t i = 0; i < w.n; i++) ck_assert_uint_eq(w.things[i].worked, 5);
    tear_down();
}
END_TEST

START_TEST(an_item_may_have_any_number_of_ends)
{
    start(2, 2, false);
    w.n = 2;
    w.rounds = 50000;
    finish(run(), 0);
    ck_assert_uint_eq(w.ends, 100000);
    tear_down();
}
END_TEST

START_TEST(an_item_between_two_rounds_ends_with_a_cancel)
{
    start(2, 3, _i);
    w.n = 1;
    w.held_round = 2;
    errand_future *f = run();
    while (!atomic_load(&w.at_gate)) sched_yield();
    errand_cancel(f);
    atomic_store(&w.gate, true);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_uint_eq(((errand_batch_tally *)r.value)->cancelled, 1);
    errand_result_free(&r);
    ck_assert_uint_eq(w.things[0].worked, 2); /* not begun a third time */
    ck_assert_uint_eq(w.things[0].ended, 3);
    ck_assert(w.things[0].over);
    tear_down();
}
END_TEST

START_TEST(an_error_of_each_ends_an_item_that_would_go_on)
{
    start(2, 3, _i);
    w.n = SIZE_MAX;
    w.each_fails_at = 100;
    finish(run(), EPIPE);
    tear_down();
}
END_TEST

START_TEST(a_cancelled_storm_ends_every_item_once)
{
    const char *scale = getenv("ERRAND_TEST_SCALE");
    size_t rounds = (size_t)(200 * (scale && atof(scale) > 0 ? atof(scale) : 1)) + 1;
    for (size_t i = 0; i < rounds; i++) {
        start(3, 8, i % 2);
        w.n = SIZE_MAX;
        w.opts.window = 16;
        w.sleeps = i % 3 == 0;
        w.rounds = (unsigned)(i % 5) * 100 + 2;
        errand_future *f = run();
        while (atomic_load(&w.ends) < i % (w.sleeps ? 15 : 150)) sched_yield();
        errand_cancel(f);
        finish(f, ECANCELED);
        tear_down();
    }
}
END_TEST

START_TEST(a_closing_pool_ends_items_that_go_on_without_end)
{
    start(2, 4, _i & 1);
    w.n = _i & 2 ? 3 : SIZE_MAX; /* 3: then nothing takes items any more */
    w.rounds = UINT32_MAX;
    errand_future *f = run();
    while (atomic_load(&w.ends) < 100 || (_i & 2 && atomic_load(&w.taken) < 3)) sched_yield();
    ck_assert_int_eq(errand_pool_close(w.pool, 50), 0);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
    errand_result_free(&r);
    ck_assert_uint_eq(w.over, w.taken);
    ck_assert(!w.wrong);
    free(w.things);
}
END_TEST

START_TEST(without_memory_for_a_round_an_item_ends)
{
    size_t failed = 0;
    for (size_t i = 0; i < 60; i++) {
        start(3, 8, i % 2);
        w.n = 300;
        w.sleeps = i % 3 == 0;
        w.starved = true;
        memory_fails(20);
        errand_result r = errand_await(run());
        memory_fails(0);
        ck_assert_msg(r.error == 0 || r.error == ENOMEM, "%s", errand_result_message(&r));
        ck_assert_ptr_nonnull(r.value);
        ck_assert_uint_eq(((errand_batch_tally *)r.value)->total_processed, w.taken);
        errand_result_free(&r);
        ck_assert_uint_eq(w.over, w.taken);
        failed += w.failed;
        tear_down();
    }
    ck_assert_uint_gt(failed, 0);
}
END_TEST

Suite *batch_rounds_suite(void)
{
    Suite *suite = suite_create("batch rounds");
    TCase *tests = tcase_create("batch rounds");
    tcase_add_loop_test(tests, an_item_is_worked_on_until_more_is_false, 0, 8);
    tcase_add_test(tests, an_item_may_have_any_number_of_ends);
    tcase_add_loop_test(tests, an_item_between_two_rounds_ends_with_a_cancel, 0, 2);
    tcase_add_loop_test(tests, an_error_of_each_ends_an_item_that_would_go_on, 0, 2);
    tcase_add_test(tests, a_cancelled_storm_ends_every_item_once);
    tcase_add_loop_test(tests, a_closing_pool_ends_items_that_go_on_without_end, 0, 4);
    tcase_add_test(tests, without_memory_for_a_round_an_item_ends);
    suite_add_tcase(suite, tests);
    return suite;
}
