/* Storms: a cancel, an end, a deadline, a drop and a close meet at one future, from eight threads. Whatever wins, it ends once:
 * its arg is freed once, its then is called once, its value is freed once, and no cell is left. */
#include "cores.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

enum { CANCELLERS = 3, THREADS = 8 };

typedef struct target {
    errand_future  *f;
    errand_promise *p; /* NULL: it is a task */
    unsigned        hooked;
    unsigned        gate, done;          /* how many have come to it; have left it */
    unsigned        runs, args_freed, values_freed, thens;
    unsigned        values_made;
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

/* A future of one of eight sorts. */
static void make(unsigned i)
{
    target *t = &targets[i];
    errand_future *f;
    if (i % 3 == 0) {
        t->p = errand_promise_new(pool, &f);
        if (i % 2) errand_on_cancel(t->p, hook, t);
    } else {
        errand_task task = { .fn = run_target, .arg = t, .free = free_target, .within_ms = i % 4 == 1 ? 1 + i % 3 : 0 };
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
        else errand_resolve(t->p, make_value(t));
    }
    return NULL;
}

/* The owner: makes it, waits a little or not, and awaits or drops it when the cancellers have done with it. */
static void *own_all(void *which)
{
    unsigned first = (unsigned)as_number(which);
    for (unsigned i = first; i < n_targets; i += 3) {
        target *t = &targets[i];
        make(i);
        come(t); /* opens the gate */
        if (i % 4 == 0) (void)errand_wait(t->f, 1);
        while (count_of(&t->done) < CANCELLERS) sched_yield(); /* they only borrow it */
        if (i % 2) {
            errand_drop(t->f);
            continue;
        }
        errand_result r = errand_await(t->f);
        ck_assert_msg(r.error == 0 || r.error == ECANCELED || r.error == ETIMEDOUT || r.error == ERRAND_EABANDONED ||
                          r.error == EINVAL, /* the pool was closed before it was made */
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
    for (int i = 0; i < CANCELLERS; i++) ck_assert_int_eq(pthread_create(&threads[n++], NULL, cancel_all, NULL), 0);
    for (int i = 0; i < 2; i++) ck_assert_int_eq(pthread_create(&threads[n++], NULL, resolve_all, as_value(i)), 0);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(pthread_create(&threads[n++], NULL, own_all, as_value(i)), 0);
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
        ck_assert_msg(t->args_freed == (t->p ? 0 : i % 3 != 0), "%u: arg freed %u times", i, t->args_freed);
        ck_assert_msg(t->values_freed == t->values_made, "%u: %u values, %u freed", i, t->values_made, t->values_freed);
        ck_assert_msg(t->thens == (i % 8 >= 4), "%u: then called %u times", i, t->thens);
        ck_assert_uint_le(t->hooked, 1);
    }
    free(targets);
}

START_TEST(whatever_meets_at_a_future_it_ends_once)
{
    storm(2, false);
}
END_TEST

START_TEST(on_one_worker_too)
{
    storm(1, false);
}
END_TEST

START_TEST(even_when_the_pool_closes_in_the_middle)
{
    storm(3, true);
}
END_TEST

/* ---- timeouts that expire as their input ends ---- */

static void *resolve_in_time(void *unused)
{
    for (unsigned i = 0; i < n_targets; i++) {
        while (count_of(&targets[i].gate) == 0) sched_yield();
        errand_resolve(targets[i].p, make_value(&targets[i]));
    }
    return unused;
}

START_TEST(a_timeout_that_expires_as_its_input_ends_gives_one_of_the_two)
{
    turned t;
    turned_start(&t);
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

START_TEST(a_deadline_that_passes_as_its_task_begins_runs_it_or_not_but_frees_its_arg_once)
{
    turned t;
    turned_start(&t);
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

Suite *storms_suite(void)
{
    Suite *suite = suite_create("storms");
    TCase *tc = case_of(suite, "storms");
    tcase_add_test(tc, whatever_meets_at_a_future_it_ends_once);
    tcase_add_test(tc, on_one_worker_too);
    tcase_add_test(tc, even_when_the_pool_closes_in_the_middle);
    tcase_add_test(tc, a_timeout_that_expires_as_its_input_ends_gives_one_of_the_two);
    tcase_add_test(tc, a_deadline_that_passes_as_its_task_begins_runs_it_or_not_but_frees_its_arg_once);
    return suite;
}
