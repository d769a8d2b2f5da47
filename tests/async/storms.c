/* Storms: a cancel, an end, a deadline, a drop and a close race for one future, from eight threads.
 * It ends once: its arg is freed once, its then is called once, its value is freed once, and no
 * cell is left. */
#include "events.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum { CANCELLERS = 3, THREADS = 8 };

typedef struct target {
    errand_future *f;
    errand_promise *p; /* NULL: the future is a task's */
    unsigned hooked;
    unsigned gate, done; /* threads that have arrived; have left */
    unsigned runs, args_freed, values_freed, thens;
    unsigned values_made;
} target;

static errand_pool *pool;
static target *targets;
static unsigned n_targets;

static void come(target *t) { count_up(&t->gate); }

static errand_result make_value(target *t)
{
    count_up(&t->values_made);
    return errand_ok(&t->values_freed, free_counts);
}

static errand_result run_target(void *arg)
{
    target *t = arg;
    count_up(&t->runs);
    if (errand_cancelled()) return errand_fail(EINTR);
    return make_value(t);
}

static void free_target(void *arg) { count_up(&((target *)arg)->args_freed); }

static errand_result note_then(errand_result in, void *arg)
{
    count_up(&((target *)arg)->thens);
    return in;
}

static void hook(void *arg) { count_up(&((target *)arg)->hooked); }

/* A future of one of eight kinds. */
static void make(unsigned i)
{
    target *t = &targets[i];
    errand_future *f;
    if (i % 3 == 0) {
        t->p = errand_promise_new(pool, &f);
        if (i % 2) errand_promise_on_cancel(t->p, hook, t);
    } else {
        errand_task task = {
            .fn = run_target, .arg = t, .free = free_target, .within_ms = i % 4 == 1 ? 1 + i % 3 : 0
        };
        f = errand_submit_task(pool, &task);
    }
    if (i % 8 >= 4) f = errand_then(f, note_then, t);
    if (i % 8 == 2 || i % 8 == 6) f = errand_timeout(f, i % 3);
    if (i % 8 == 3) f = errand_all(&f, 1);
    if (i % 8 == 7) f = errand_settle(&f, 1);
    t->f = f;
}

static void *cancel_all(void *unused)
{
    for (unsigned i = 0; i < n_targets; i++) {
        while (count_of(&targets[i].gate) == 0) sched_yield(); /* made */
        come(&targets[i]);
        errand_cancel(targets[i].f);
        count_up(&targets[i].done);
    }
    return unused;
}

static void *resolve_all(void *which)
{
    for (unsigned i = 0; i < n_targets; i++) {
        target *t = &targets[i];
        while (count_of(&t->gate) == 0) sched_yield();
        come(t);
        if (!t->p || (i / 3) % 2 != (unsigned)as_number(which)) continue;
        if (i % 5 == 0) errand_promise_abandon(t->p);
        else errand_promise_resolve(t->p, make_value(t));
    }
    return NULL;
}

/* The owner: makes a future, may wait a little, and awaits or drops it when the cancellers are
 * done. */
static void *own_all(void *which)
{
    unsigned first = (unsigned)as_number(which);
    for (unsigned i = first; i < n_targets; i += 3) {
        target *t = &targets[i];
        make(i);
        come(t); /* opens the gate */
        if (i % 4 == 0) (void)errand_wait(t->f, 1);
        while (count_of(&t->done) < CANCELLERS) sched_yield(); /* they do not own it */
        if (i % 2) {
            errand_drop(t->f);
            continue;
        }
        errand_result r = errand_await(t->f);
        ck_assert_msg(r.error == 0 || r.error == ECANCELED || r.error == ETIMEDOUT ||
                          r.error == ERRAND_EABANDONED ||
                          r.error == EINVAL, /* the pool was closed before */
                      "%d", r.error);
        errand_result_free(&r);
    }
    return NULL;
}

static void storm(unsigned workers, bool close_early)
{
    pthread_t threads[THREADS];
    n_targets = scaled(20000);
    targets = calloc(n_targets, sizeof *targets);
    ck_assert_ptr_nonnull(targets);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = workers });
    errand_future *keeper;
    errand_promise *keeps = errand_promise_new(pool, &keeper);
    int n = 0;
    for (int i = 0; i < CANCELLERS; i++)
        ck_assert_int_eq(pthread_create(&threads[n++], NULL, cancel_all, NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[n++], NULL, resolve_all, as_value(i)), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[n++], NULL, own_all, as_value(i)), 0);
    if (close_early) {
        await_count(&targets[n_targets / 2].done, 1);
        (void)errand_pool_close(pool, LONG_MS);
    }
    for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
    if (!close_early) close_pool(pool);
    errand_promise_abandon(keeps);
    errand_drop(keeper);
    nothing_is_left();
    for (unsigned i = 0; i < n_targets; i++) {
        const target *t = &targets[i];
        ck_assert_uint_le(t->runs, 1);
        ck_assert_msg(t->args_freed == (t->p ? 0 : i % 3 != 0), "%u: arg freed %u times", i,
                      t->args_freed);
        ck_assert_msg(t->values_freed == t->values_made, "%u: %u values, %u freed", i,
                      t->values_made, t->values_freed);
        ck_assert_msg(t->thens == (i % 8 >= 4), "%u: then called %u times", i, t->thens);
        ck_assert_uint_le(t->hooked, 1);
    }
    free(targets);
}

START_TEST(racing_operations_end_a_future_once) { storm(2, false); }
END_TEST

START_TEST(racing_operations_end_a_future_once_on_one_worker) { storm(1, false); }
END_TEST

START_TEST(racing_operations_end_a_future_once_during_close) { storm(3, true); }
END_TEST

/* ---- timeouts that expire as their input ends ---- */

static void *resolve_in_time(void *unused)
{
    for (unsigned i = 0; i < n_targets; i++) {
        while (count_of(&targets[i].gate) == 0) sched_yield();
        errand_promise_resolve(targets[i].p, make_value(&targets[i]));
    }
    return unused;
}

START_TEST(a_timeout_racing_with_its_input_has_one_result)
{
    test_clock t;
    test_clock_start(&t);
    n_targets = scaled(20000);
    targets = calloc(n_targets, sizeof *targets);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock });
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, resolve_in_time, NULL), 0);
    for (unsigned i = 0; i < n_targets; i++) {
        errand_future *f;
        targets[i].p = errand_promise_new(pool, &f);
        f = errand_timeout(f, 1);
        come(&targets[i]);
        for (unsigned spin = 0; spin < i % 64; spin++) (void)errand_wait(f, 0);
        turn(&t, pool, 1);
        errand_result r = errand_await(f);
        ck_assert(r.error == ETIMEDOUT || (!r.error && r.value == &targets[i].values_freed));
        errand_result_free(&r);
    }
    pthread_join(thread, NULL);
    close_pool(pool);
    for (unsigned i = 0; i < n_targets; i++) ck_assert_uint_eq(targets[i].values_freed, 1);
    free(targets);
}
END_TEST

/* ---- deadlines that pass as the task begins ---- */

START_TEST(a_deadline_racing_with_the_start_frees_arg_once)
{
    test_clock t;
    test_clock_start(&t);
    n_targets = scaled(20000);
    targets = calloc(n_targets, sizeof *targets);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock });
    for (unsigned i = 0; i < n_targets; i++) {
        target *x = &targets[i];
        errand_task task = { .fn = run_target, .arg = x, .free = free_target, .within_ms = 1 };
        errand_future *f = errand_submit_task(pool, &task);
        for (unsigned spin = 0; spin < i % 64; spin++) (void)errand_wait(f, 0);
        turn(&t, pool, 1);
        errand_result r = errand_await(f);
        ck_assert_uint_eq(x->args_freed, 1);
        if (r.error == ETIMEDOUT) ck_assert_uint_eq(x->runs, 0);
        else ck_assert_uint_eq(x->runs, 1);
        ck_assert(r.error == 0 || r.error == ETIMEDOUT || r.error == EINTR);
        errand_result_free(&r);
    }
    close_pool(pool);
    free(targets);
}
END_TEST

/* ---- tasks that return later, racing with an await or a refusal ---- */

static errand_result value_then(errand_result in, void *arg)
{
    errand_result_free(&in);
    return make_value(arg);
}

static errand_result go_on_later(void *arg)
{
    return errand_later(errand_then(errand_sleep(pool, 0), value_then, arg));
}

static errand_result await_some(void *arg)
{
    for (int i = 0; i < 20; i++) {
        errand_result r = errand_await(errand_submit(pool, go_on_later, arg));
        ck_assert_int_eq(r.error, 0);
        errand_result_free(&r);
    }
    return errand_ok(NULL, NULL);
}

START_TEST(a_task_taken_by_a_worker_and_an_await_may_return_later)
{
    target t = { 0 };
    for (unsigned rounds = scaled(3000); rounds; rounds--) {
        errand_future *fs[6];
        pool = errand_pool_new(&(errand_pool_opts){ .workers = 4 });
        for (int i = 0; i < 6; i++) fs[i] = errand_submit(pool, await_some, &t);
        for (int i = 0; i < 6; i++) ENDS(fs[i], 0);
        close_pool(pool);
        nothing_is_left();
        ck_assert_uint_eq(t.values_freed, t.values_made);
    }
}
END_TEST

enum { SUBMITTERS = 6 };
static struct {
    event go;
    errand_promise *keeps;
    errand_promise *kept[200000];
    unsigned n, runs;
} late;

static errand_result follow_a_promise(void *arg)
{
    errand_future *f;
    unsigned i = count_up(&late.n) - 1;
    if (i >= sizeof late.kept / sizeof *late.kept) return errand_fail(ENOSPC);
    late.kept[i] = errand_promise_new(pool, &f);
    count_up(arg);
    return errand_later(f);
}

static void *submit_until_closed(void *unused)
{
    while (!happened(&late.go)) sched_yield();
    for (unsigned i = 0; i < 20000; i++) {
        errand_future *f = errand_submit(pool, follow_a_promise, &late.runs);
        bool refused = errand_wait(f, 0) == 0;
        errand_drop(f);
        if (refused) break;
    }
    return unused;
}

START_TEST(tasks_that_return_later_may_be_submitted_during_close)
{
    for (unsigned rounds = scaled(60); rounds; rounds--) {
        pthread_t threads[SUBMITTERS];
        errand_future *keeper;
        late.go = (event){ 0 };
        late.n = 0;
        pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
        late.keeps = errand_promise_new(pool, &keeper);
        errand_drop(errand_submit(pool, follow_a_promise, &late.runs));
        for (int i = 0; i < SUBMITTERS; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, submit_until_closed, NULL), 0);
        happen(&late.go);
        await_count(&late.n, 2);
        close_pool(pool);
        for (int i = 0; i < SUBMITTERS; i++) pthread_join(threads[i], NULL);
        for (unsigned i = 0; i < late.n && i < sizeof late.kept / sizeof *late.kept; i++)
            errand_promise_resolve(late.kept[i], errand_ok(NULL, NULL));
        errand_promise_abandon(late.keeps);
        errand_drop(keeper);
        nothing_is_left();
    }
}
END_TEST

/* ---- timers that are rearmed ---- */

static errand_result sleep_until_cancelled(void *unused)
{
    errand_result r = errand_await(errand_sleep(pool, ERRAND_FOREVER));
    errand_result_free(&r);
    return errand_ok(unused, NULL);
}

START_TEST(a_deadline_rearmed_during_close_frees_its_task_once)
{
    for (unsigned rounds = scaled(200); rounds; rounds--) {
        unsigned freed = 0;
        pool = errand_pool_new(&(errand_pool_opts){ .workers = 8 });
        errand_task task = { .fn = sleep_until_cancelled,
                             .arg = &freed,
                             .free = free_counts,
                             .start_within_ms = 1,
                             .within_ms = LONG_MS };
        for (int i = 0; i < 64; i++) errand_drop(errand_submit_task(pool, &task));
        (void)errand_pool_close(pool, 2 + rounds % 3); /* it shuts down at half of that */
        nothing_is_left();
        ck_assert_uint_eq(count_of(&freed), 64);
    }
}
END_TEST

Suite *storms_suite(void)
{
    Suite *suite = suite_create("storms");
    TCase *tc = case_of(suite, "storms");
    tcase_add_test(tc, racing_operations_end_a_future_once);
    tcase_add_test(tc, racing_operations_end_a_future_once_on_one_worker);
    tcase_add_test(tc, racing_operations_end_a_future_once_during_close);
    tcase_add_test(tc, a_timeout_racing_with_its_input_has_one_result);
    tcase_add_test(tc, a_deadline_racing_with_the_start_frees_arg_once);
    tcase_add_test(tc, a_task_taken_by_a_worker_and_an_await_may_return_later);
    tcase_add_test(tc, tasks_that_return_later_may_be_submitted_during_close);
    tcase_add_test(tc, a_deadline_rearmed_during_close_frees_its_task_once);
    return suite;
}
