/* errand_batch: each item once, concurrency, the window, and every way to end early. */
#include "async/dumped.h"
#include "fixture/memory.h"
#include "jobs/suites.h"
#include "fork_inside.h"

#include <errand/batch.h>
#include <errand/promise.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* The batches here work on numbers from 1, passed as pointers. */
typedef struct world {
    errand_pool *pool;
    errand_batch_opts opts;
    atomic_size_t n; /* how many there are; SIZE_MAX: no end */
    atomic_size_t taken, begun, running, most_running, handed, failed;
    /* wrong: two at once, a window overrun, an order broken */
    atomic_bool in_each, in_next, wrong;
    size_t last;          /* delivered; for the order */
    unsigned char *times; /* how often each item was delivered */
    int next_error, each_error;
    size_t each_fails_at;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;             /* a gate that some next or work waits at */
    atomic_size_t at_gate; /* how often next has reached it */
    errand_promise *first; /* of the first item */
} world;

static world w;

static void start(unsigned workers)
{
    memset(&w, 0, sizeof w);
    w.pool = errand_pool_new(&(errand_pool_opts){ .workers = workers });
    ck_assert_ptr_nonnull(w.pool);
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);
}

static void tear_down(void)
{
    ck_assert(!w.wrong);
    ck_assert_int_eq(errand_pool_close(w.pool, 20000), 0);
    free(w.times);
}

static void open_gate(void)
{
    pthread_mutex_lock(&w.lock);
    w.open = true;
    pthread_cond_broadcast(&w.changed);
    pthread_mutex_unlock(&w.lock);
}

static void pass_gate(void)
{
    pthread_mutex_lock(&w.lock);
    while (!w.open) pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);
}

/* bounded by the test's own time limit */
static void wait_until(const atomic_size_t *count, size_t least)
{
    while (atomic_load(count) < least) sched_yield();
}

static size_t window(void)
{
    return w.opts.window ? w.opts.window : w.opts.concurrency > 64 ? 4 * w.opts.concurrency : 256;
}

static void *next(void *arg, int *error)
{
    (void)arg;
    if (atomic_exchange(&w.in_next, true)) w.wrong = true;
    size_t n = atomic_load(&w.taken);
    if (n + 1 - atomic_load(&w.handed) > window()) w.wrong = true;
    void *item = n < w.n ? (void *)(uintptr_t)(n + 1) : NULL;
    if (item) atomic_fetch_add(&w.taken, 1);
    else *error = w.next_error;
    atomic_store(&w.in_next, false);
    return item;
}

static void begin_work(void)
{
    size_t now = atomic_fetch_add(&w.running, 1) + 1, most = atomic_load(&w.most_running);
    atomic_fetch_add(&w.begun, 1);
    while (now > most && !atomic_compare_exchange_weak(&w.most_running, &most, now)) continue;
    if (w.opts.concurrency && now > w.opts.concurrency) w.wrong = true;
}

static errand_result trivial(void *item, void *arg)
{
    (void)arg;
    begin_work();
    atomic_fetch_sub(&w.running, 1);
    return (uintptr_t)item % 10 ? errand_ok(NULL, NULL) : errand_fail(EIO);
}

static errand_result later(void *item, void *arg)
{
    (void)arg, (void)item;
    atomic_fetch_add(&w.begun, 1);
    return errand_later(errand_sleep(w.pool, 1));
}

static errand_result never_ends(void *item, void *arg)
{
    (void)arg, (void)item;
    atomic_fetch_add(&w.begun, 1);
    return errand_later(errand_sleep(w.pool, ERRAND_FOREVER));
}

static int each(void *item, errand_result r, void *arg)
{
    (void)arg;
    if (atomic_exchange(&w.in_each, true)) w.wrong = true;
    size_t n = (uintptr_t)item;
    if (w.opts.ordered && n != w.last + 1) w.wrong = true;
    w.last = n;
    if (w.times && n <= w.n) w.times[n - 1]++;
    if (r.error) atomic_fetch_add(&w.failed, 1);
    errand_result_free(&r);
    atomic_store(&w.in_each, false);
    size_t handed = atomic_fetch_add(&w.handed, 1) + 1;
    return handed == w.each_fails_at ? w.each_error : 0;
}

static errand_future *run(errand_batch_work_fn *work)
{
    if (w.n < SIZE_MAX) w.times = calloc(w.n + 1, 1);
    return errand_batch(w.pool, &w.opts, next, work, each, NULL);
}

/* Awaits the batch and checks its error, and its tally against what was seen. */
static errand_batch_tally finish(errand_future *f, int error)
{
    errand_result r = errand_await(f);
    ck_assert_msg(r.error == error, "%d: %s", r.error, errand_result_message(&r));
    ck_assert_ptr_nonnull(r.value);
    errand_batch_tally tally = *(errand_batch_tally *)r.value;
    errand_result_free(&r);
    ck_assert_uint_eq(tally.total_processed, atomic_load(&w.taken));
    ck_assert_uint_eq(tally.total_processed, atomic_load(&w.handed));
    ck_assert_uint_eq(tally.successful + tally.failed, tally.total_processed);
    ck_assert_uint_eq(tally.failed, atomic_load(&w.failed));
    for (size_t i = 0; w.times && i < w.taken; i++) ck_assert_int_eq(w.times[i], 1);
    return tally;
}

static size_t scaled(double n)
{
    const char *scale = getenv("ERRAND_TEST_SCALE");
    double f = scale ? atof(scale) : 1;
    return (size_t)(n * (f > 0 ? f : 1));
}

START_TEST(every_item_is_delivered_once)
{
    start(_i & 2 ? 4 : 1);
    w.n = scaled(100000) / 4;
    w.opts.ordered = _i & 1;
    w.opts.concurrency = _i & 4 ? 100 : 3;
    errand_batch_tally tally = finish(run(trivial), 0);
    ck_assert_uint_eq(tally.total_processed, w.n);
    ck_assert_uint_eq(tally.failed, w.n / 10);
    ck_assert_uint_eq(tally.cancelled, 0);
    tear_down();
}
END_TEST

START_TEST(waiting_work_holds_no_worker)
{
    start(1);
    w.n = scaled(2000);
    w.opts = (errand_batch_opts){ .concurrency = 500, .ordered = (unsigned)_i };
    ck_assert_uint_eq(finish(run(later), 0).successful, w.n);
    tear_down();
}
END_TEST

START_TEST(a_dump_shows_a_batch_and_what_it_has_in_flight)
{
    start(1);
    w.n = SIZE_MAX;
    w.opts = (errand_batch_opts){ .concurrency = 3 };
    errand_future *f = run(never_ends);
    const char *line = dump_shows(w.pool, "batch", "-",
                                  " 3 in flight, 3 not handed over, waits for room, submitted at ");
    ck_assert_msg(line != NULL && dump_count(w.pool, "then", "-") >= 3, "%.3000s", dump_text);
    ck_assert_uint_eq(dump_count(w.pool, "promise", "-"), 0); /* the batch's own is not listed */
    errand_cancel(f);
    finish(f, ECANCELED);
    ck_assert_ptr_null(dump_entry(w.pool, "batch", "-"));
    tear_down();
}
END_TEST

START_TEST(an_empty_batch_succeeds)
{
    start(1);
    ck_assert_uint_eq(finish(run(trivial), 0).total_processed, 0);
    tear_down();
}
END_TEST

static errand_result first_waits(void *item, void *arg)
{
    (void)arg;
    atomic_fetch_add(&w.begun, 1);
    if ((uintptr_t)item > 1) return errand_ok(NULL, NULL);
    errand_future *f;
    w.first = errand_promise_new(w.pool, &f);
    open_gate();
    return errand_later(f);
}

static void *next_up_to_window(void *arg, int *error)
{
    size_t taken = atomic_load(&w.taken);
    if (taken == 1) pass_gate(); /* the promise is there */
    void *item = next(arg, error);
    /* the window is full with this one: only now may the oldest end */
    if (taken + 1 == window()) errand_promise_resolve(w.first, errand_ok(NULL, NULL));
    return item;
}

START_TEST(an_ordered_window_is_counted_from_the_oldest_item)
{
    start(2);
    w.n = 1000;
    w.opts = (errand_batch_opts){ .concurrency = 4, .window = 40, .ordered = 1 };
    w.times = calloc(w.n, 1);
    ck_assert_uint_eq(
        finish(errand_batch(w.pool, &w.opts, next_up_to_window, first_waits, each, NULL), 0)
            .successful,
        w.n);
    tear_down();
}
END_TEST

static int each_at_the_gate(void *item, errand_result r, void *arg)
{
    pass_gate();
    return each(item, r, arg);
}

START_TEST(no_more_items_than_the_window_are_taken_while_each_is_slow)
{
    start(4);
    w.n = SIZE_MAX;
    w.opts = (errand_batch_opts){ .concurrency = 4, .window = 10 };
    errand_future *f = errand_batch(w.pool, &w.opts, next, trivial, each_at_the_gate, NULL);
    wait_until(&w.taken, 10);
    ck_assert_int_eq(errand_wait(f, 50), ETIMEDOUT); /* time for an eleventh, if there were one */
    ck_assert_uint_eq(w.taken, 10);
    errand_cancel(f);
    open_gate();
    finish(f, ECANCELED);
    tear_down();
}
END_TEST

static size_t megabyte(void *item, const errand_result *r, void *arg)
{
    (void)arg;
    if (!item || r->error == ECANCELED) return 0;
    return 1 << 20;
}

START_TEST(results_waiting_for_each_are_bounded_in_bytes)
{
    start(4);
    w.n = SIZE_MAX;
    w.opts = (errand_batch_opts){
        .concurrency = 4, .ordered = (unsigned)_i, .window_bytes = 10 << 20, .size_of = megabyte
    };
    errand_future *f = errand_batch(w.pool, &w.opts, next, trivial, each_at_the_gate, NULL);
    wait_until(&w.taken, 10);
    ck_assert_int_eq(errand_wait(f, 50), ETIMEDOUT); /* time for more, if there were any */
    /* the work under way when the tenth had ended */
    ck_assert_uint_le(w.taken, 10 + 4 - 1);
    open_gate();
    wait_until(&w.handed, 1000); /* it continues when those are delivered */
    errand_cancel(f);
    finish(f, ECANCELED);
    tear_down();
}
END_TEST

static void *next_at_the_gate(void *arg, int *error)
{
    if (atomic_load(&w.taken) == w.n) {
        atomic_fetch_add(&w.at_gate, 1);
        pass_gate();
    }
    return next(arg, error);
}

static int each_opens_the_gate(void *item, errand_result r, void *arg)
{
    int error = each(item, r, arg);
    open_gate();
    return error;
}

START_TEST(a_single_worker_calls_each_while_next_blocks)
{
    start(1);
    w.n = 1;
    ck_assert_uint_eq(
        finish(errand_batch(w.pool, &w.opts, next_at_the_gate, trivial, each_opens_the_gate, NULL),
               0)
            .successful,
        1);
    tear_down();
}
END_TEST

START_TEST(a_cancel_ends_work_in_flight_while_next_blocks)
{
    start(2);
    w.n = 3;
    errand_future *f = errand_batch(w.pool, &w.opts, next_at_the_gate, never_ends, each, NULL);
    wait_until(&w.begun, 3);
    wait_until(&w.at_gate, 1); /* a batch that is cancelled earlier takes no fourth */
    errand_cancel(f);
    wait_until(&w.handed, 3); /* before next returns */
    w.n = 4;
    open_gate();
    errand_batch_tally tally = finish(f, ECANCELED);
    ck_assert_uint_eq(tally.cancelled, tally.total_processed);
    ck_assert_uint_eq(w.begun, 3); /* the fourth came too late to be begun */
    ck_assert_uint_eq(w.handed, 4);
    tear_down();
}
END_TEST

static errand_result waits_on_its_worker(void *item, void *arg)
{
    (void)item, (void)arg;
    atomic_fetch_add(&w.begun, 1);
    return errand_await(errand_sleep(w.pool, ERRAND_FOREVER));
}

START_TEST(a_cancel_ends_work_that_blocks)
{
    start(2);
    w.n = SIZE_MAX;
    w.opts.ordered = (unsigned)_i;
    errand_future *f = errand_batch(w.pool, &w.opts, next, waits_on_its_worker, each, NULL);
    wait_until(&w.begun, 2);
    errand_cancel(f);
    errand_batch_tally tally = finish(f, ECANCELED);
    ck_assert_uint_eq(tally.cancelled, tally.total_processed);
    tear_down();
}
END_TEST

START_TEST(a_cancelled_storm_delivers_every_item_taken)
{
    size_t rounds = scaled(200) + 1;
    for (size_t i = 0; i < rounds; i++) {
        start(3);
        w.n = SIZE_MAX;
        w.opts = (errand_batch_opts){ .concurrency = 8, .window = 16, .ordered = i % 2 };
        errand_future *f = errand_batch(w.pool, &w.opts, next, i % 3 ? trivial : later, each, NULL);
        wait_until(&w.handed, i % 50);
        errand_cancel(f);
        finish(f, ECANCELED);
        tear_down();
    }
}
END_TEST

START_TEST(errand_timeout_cancels_the_batch)
{
    start(2);
    w.n = SIZE_MAX;
    errand_future *f =
        errand_timeout(errand_batch(w.pool, &w.opts, next, never_ends, each, NULL), 20);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    errand_result_free(&r);
    tear_down(); /* waits for work that still runs */
    ck_assert_uint_eq(w.handed, w.taken);
}
END_TEST

START_TEST(an_error_of_each_ends_the_batch)
{
    start(4);
    w.n = SIZE_MAX;
    w.each_fails_at = 500;
    w.each_error = ENOSPC;
    w.opts.ordered = (unsigned)_i;
    errand_batch_tally tally = finish(run(trivial), ENOSPC);
    ck_assert_uint_ge(tally.total_processed, 500);
    ck_assert_uint_le(tally.total_processed, 500 + 256);
    tear_down();
}
END_TEST

static errand_result last_one_ends(void *item, void *arg)
{
    return (uintptr_t)item == 16 ? trivial(item, arg) : never_ends(item, arg);
}

START_TEST(an_error_of_each_cancels_work_in_flight)
{
    start(2);
    w.n = SIZE_MAX;
    w.each_fails_at = 1;
    w.each_error = EPIPE;
    errand_batch_tally tally = finish(run(last_one_ends), EPIPE);
    ck_assert_uint_ge(tally.cancelled, 15);
    tear_down();
}
END_TEST

START_TEST(an_error_of_next_lets_the_others_finish)
{
    start(2);
    w.n = 20;
    w.next_error = EIO;
    errand_batch_tally tally = finish(run(later), EIO);
    ck_assert_uint_eq(tally.successful, 20);
    tear_down();
}
END_TEST

START_TEST(a_dropped_batch_continues)
{
    start(2);
    w.n = 500;
    errand_drop(run(later));
    ck_assert_int_eq(errand_pool_close(w.pool, ERRAND_FOREVER), 0);
    ck_assert_uint_eq(w.handed, 500);
    ck_assert(!w.wrong);
    free(w.times);
}
END_TEST

START_TEST(a_closing_pool_ends_an_endless_batch)
{
    start(2);
    w.n = SIZE_MAX;
    errand_future *f = run(later);
    wait_until(&w.handed, 1);
    ck_assert_int_eq(errand_pool_close(w.pool, 100), 0);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
    errand_result_free(&r);
    ck_assert_uint_eq(w.handed, w.taken);
    ck_assert(!w.wrong);
}
END_TEST

START_TEST(missing_arguments_are_an_error)
{
    start(1);
    errand_future *fs[] = {
        errand_batch(NULL, NULL, next, trivial, each, NULL),
        errand_batch(w.pool, NULL, NULL, trivial, each, NULL),
        errand_batch(w.pool, NULL, next, NULL, each, NULL),
        errand_batch(w.pool, NULL, next, trivial, NULL, NULL),
    };
    for (size_t i = 0; i < sizeof fs / sizeof *fs; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, EINVAL);
        errand_result_free(&r);
    }
    tear_down();
}
END_TEST

START_TEST(items_fail_without_memory_but_none_is_lost)
{
    size_t rounds = scaled(100) + 1, failed = 0;
    for (size_t i = 0; i < rounds; i++) {
        start(3);
        w.n = 300;
        w.opts.ordered = i % 2;
        w.times = calloc(w.n, 1);
        memory_fails(20);
        errand_future *f = errand_batch(w.pool, &w.opts, next, i % 3 ? trivial : later, each, NULL);
        errand_result r = errand_await(f);
        memory_fails(0);
        ck_assert_msg(r.error == 0 || r.error == ENOMEM, "%s", errand_result_message(&r));
        ck_assert_ptr_nonnull(r.value);
        ck_assert_uint_eq(((errand_batch_tally *)r.value)->total_processed, w.taken);
        if (!r.error) ck_assert_uint_eq(w.taken, w.n);
        errand_result_free(&r);
        for (size_t k = 0; k < w.taken; k++) ck_assert_int_eq(w.times[k], 1);
        failed += w.failed;
        tear_down();
    }
    ck_assert_uint_gt(memory_failed(), 0);
    ck_assert_uint_gt(failed, 0);
}
END_TEST

typedef struct forking {
    int n, where; /* 0: in next, 1: in each, 2: in size_of, 3: in more */
    fork_inside f;
} forking;

static void *next_forks(void *arg, int *error)
{
    forking *f = arg;
    *error = 0;
    if (f->where == 0) fork_inside_now(&f->f);
    return f->n < 3 ? (void *)(uintptr_t)++f->n : NULL;
}

static errand_result nothing_to_do(void *thing, void *arg)
{
    (void)thing, (void)arg;
    return errand_ok(NULL, NULL);
}

static int each_forks(void *thing, errand_result r, void *arg)
{
    forking *f = arg;
    (void)thing;
    errand_result_free(&r);
    if (f->where == 1 || f->f.parent) fork_inside_now(&f->f);
    return 0;
}

static size_t size_forks(void *thing, const errand_result *r, void *arg)
{
    forking *f = arg;
    (void)thing, (void)r;
    if (f->where == 2) fork_inside_now(&f->f);
    return 1;
}

static bool more_forks(void *thing, const errand_result *r, void *arg)
{
    forking *f = arg;
    (void)thing, (void)r;
    if (f->where == 3) fork_inside_now(&f->f);
    return false;
}

START_TEST(a_callback_that_forks_and_returns_in_the_child_ends_the_child)
{
    forking f = { .where = _i };
    start(2);
    errand_result r = errand_await(errand_batch(
        w.pool, &(errand_batch_opts){ .concurrency = 1, .size_of = size_forks, .more = more_forks },
        next_forks, nothing_to_do, each_forks, &f));
    ck_assert_int_eq(r.error, 0);
    ck_assert_uint_eq(((errand_batch_tally *)r.value)->total_processed, 3);
    errand_result_free(&r);
    ck_ended_there(&f.f);
    tear_down();
}
END_TEST

Suite *batch_suite(void)
{
    Suite *suite = suite_create("batch");
    TCase *tests = tcase_create("batch");
    tcase_add_loop_test(tests, every_item_is_delivered_once, 0, 8);
    tcase_add_loop_test(tests, waiting_work_holds_no_worker, 0, 2);
    tcase_add_test(tests, a_dump_shows_a_batch_and_what_it_has_in_flight);
    tcase_add_test(tests, an_empty_batch_succeeds);
    tcase_add_test(tests, an_ordered_window_is_counted_from_the_oldest_item);
    tcase_add_test(tests, no_more_items_than_the_window_are_taken_while_each_is_slow);
    tcase_add_loop_test(tests, results_waiting_for_each_are_bounded_in_bytes, 0, 2);
    tcase_add_test(tests, a_single_worker_calls_each_while_next_blocks);
    tcase_add_test(tests, a_cancel_ends_work_in_flight_while_next_blocks);
    tcase_add_loop_test(tests, a_cancel_ends_work_that_blocks, 0, 2);
    tcase_add_test(tests, a_cancelled_storm_delivers_every_item_taken);
    tcase_add_test(tests, errand_timeout_cancels_the_batch);
    tcase_add_loop_test(tests, an_error_of_each_ends_the_batch, 0, 2);
    tcase_add_test(tests, an_error_of_each_cancels_work_in_flight);
    tcase_add_test(tests, an_error_of_next_lets_the_others_finish);
    tcase_add_test(tests, a_dropped_batch_continues);
    tcase_add_test(tests, a_closing_pool_ends_an_endless_batch);
    tcase_add_test(tests, missing_arguments_are_an_error);
    tcase_add_loop_test(tests, a_callback_that_forks_and_returns_in_the_child_ends_the_child, 0, 4);
    tcase_add_test(tests, items_fail_without_memory_but_none_is_lost);
    suite_add_tcase(suite, tests);
    return suite;
}
