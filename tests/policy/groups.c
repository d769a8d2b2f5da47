/* Groups: tasks and results, and that no task outlives its group. */
#include "async/logged.h"

#include <errno.h>
#include <string.h>

static errand_pool *pool;
static void open_pool(void) { pool = errand_pool_new(&(errand_pool_opts){ .workers = 4 }); }
static void shut_pool(void) { close_pool(pool); }

static errand_group *group_of(unsigned concurrency, unsigned keep_going)
{
    errand_group *g = errand_group_new(
        pool, &(errand_group_opts){ .concurrency = concurrency, .keep_going = keep_going });
    ck_assert_ptr_nonnull(g);
    return g;
}

static void close_group(errand_group *g) { ck_assert_int_eq(errand_group_close(g, LONG_MS), 0); }
static int give(errand_group *g, errand_fn *fn, void *arg)
{
    return errand_group_submit(g, NULL, &(errand_task){ .fn = fn, .arg = arg });
}

static errand_result itself(void *arg) { return errand_ok(arg, NULL); }
static errand_result never(void *arg)
{
    ck_abort_msg("the task was begun");
    return errand_ok(arg, NULL);
}
static errand_result fails(void *arg)
{
    return errand_failf(EIO, "number %d", (int)as_number(arg));
}
static errand_result odd_fails(void *arg) { return as_number(arg) % 2 ? fails(arg) : itself(arg); }

/* With a hook, a cancel does not end a promise; its writer does. */
static void ignore_cancel(void *none) { (void)none; }
static void happen_cancelled(void *e) { happen(e); }

/* ---- making ---- */

START_TEST(a_group_of_wrong_options_is_EINVAL)
{
    struct {
        errand_group_opts opts;
        int64_t later;
    } newer = { { .concurrency = 1 }, 0 };
    ck_assert_ptr_null(errand_group_new(NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    errand_group *g = errand_group_new_sized(pool, &newer.opts, sizeof newer);
    ck_assert_ptr_nonnull(g);
    close_group(g);
    newer.later = 1;
    ck_assert_ptr_null(errand_group_new_sized(pool, &newer.opts, sizeof newer));
    ck_assert_int_eq(errno, ENOTSUP);
    g = errand_group_new(pool, NULL);
    ck_assert_ptr_nonnull(g);
    ck_assert_int_eq(errand_group_close(g, -1), EINVAL);
    close_group(g);
}
END_TEST

START_TEST(a_NULL_group_is_EINVAL_and_consumes_its_arguments)
{
    errand_group *g = group_of(0, 0);
    errand_result r;
    errand_future *f;
    unsigned freed = 0;
    errand_promise *p = errand_promise_new(pool, &f);
    ck_assert_int_eq(errand_group_add(g, NULL), EINVAL);
    ck_assert_int_eq(errand_group_add(NULL, f), EINVAL);
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_CALLER);
    errand_promise_abandon(p);
    errand_task task = { .fn = itself, .arg = &freed, .free = free_counts };
    ck_assert_int_eq(errand_group_submit(NULL, NULL, &task), EINVAL);
    ck_assert_uint_eq(freed, 1);
    ck_assert_int_eq(errand_group_submit(g, NULL, NULL), EINVAL);
    task.fn = NULL;
    ck_assert_int_eq(errand_group_submit(g, NULL, &task), EINVAL);
    ck_assert_uint_eq(freed, 2);
    task.fn = itself;
    task.within_ms = -1;
    ck_assert_int_eq(errand_group_submit(g, NULL, &task), EINVAL);
    ck_assert_uint_eq(freed, 3);
    ck_assert_int_eq(errand_group_next(NULL, &r, NULL, 0), EINVAL);
    ck_assert_int_eq(errand_group_next(g, NULL, NULL, 0), EINVAL);
    ck_assert_int_eq(errand_group_next(g, &r, NULL, -1), EINVAL);
    ck_assert_int_eq(errand_group_next(g, &r, NULL, ERRAND_FOREVER), ENODATA);
    ENDS(errand_group_join(NULL), EINVAL);
    ck_assert_int_eq(errand_group_close(NULL, 0), EINVAL);
    close_group(g);
}
END_TEST

/* ---- next ---- */

START_TEST(next_returns_results_in_order_of_completion)
{
    enum { N = 5 };
    static const size_t order[N] = { 3, 0, 4, 1, 2 };
    errand_promise *ps[N];
    errand_group *g = group_of(0, 0);
    errand_result r;
    size_t index = 99;
    for (int i = 0; i < N; i++) {
        errand_future *f;
        ps[i] = errand_promise_new(pool, &f);
        ck_assert_int_eq(errand_group_add(g, f), 0);
    }
    ck_assert_int_eq(errand_group_next(g, &r, &index, 0), ETIMEDOUT);
    ck_assert_int_eq(errand_group_next(g, &r, &index, 1), ETIMEDOUT);
    ck_assert_uint_eq(index, 99);
    for (int i = 0; i < N; i++)
        errand_promise_resolve(ps[order[i]], errand_ok(as_value((intptr_t)order[i] * 10), NULL));
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(errand_group_next(g, &r, i ? &index : NULL, 0), 0);
        ck_assert_int_eq(r.error, 0);
        ck_assert_int_eq(as_number(r.value), (intptr_t)order[i] * 10);
        if (i) ck_assert_uint_eq(index, order[i]);
    }
    ck_assert_int_eq(errand_group_next(g, &r, &index, ERRAND_FOREVER), ENODATA);
    ck_assert_int_eq(give(g, itself, as_value(7)), 0); /* ENODATA did not end the group */
    ck_assert_int_eq(errand_group_next(g, &r, &index, ERRAND_FOREVER), 0);
    ck_assert_uint_eq(index, N);
    close_group(g);
}
END_TEST

typedef struct taker {
    errand_group *g;
    event begun;
    errand_result r;
    size_t index;
    int error;
} taker;

static errand_result take_next(void *arg)
{
    taker *t = arg;
    happen(&t->begun);
    t->error = errand_group_next(t->g, &t->r, &t->index, ERRAND_FOREVER);
    return errand_ok(NULL, NULL);
}

START_TEST(concurrent_waits_for_next_get_one_result_each)
{
    enum { N = 3 };
    errand_promise *ps[2];
    errand_future *f, *fs[N];
    taker takers[N];
    errand_group *g = group_of(0, 0);
    for (int i = 0; i < 2; i++) {
        ps[i] = errand_promise_new(pool, &f);
        ck_assert_int_eq(errand_group_add(g, f), 0);
    }
    for (int i = 0; i < N; i++) {
        takers[i] = (taker){ .g = g, .error = -1 };
        fs[i] = errand_submit(pool, take_next, &takers[i]);
        await_event(&takers[i].begun);
    }
    for (int i = 0; i < 2; i++) errand_promise_resolve(ps[i], errand_ok(NULL, NULL));
    int got = 0, none = 0;
    for (int i = 0; i < N; i++) {
        ENDS(fs[i], 0);
        got += takers[i].error == 0;
        none += takers[i].error == ENODATA;
    }
    ck_assert_int_eq(got, 2);
    ck_assert_int_eq(none, 1);
    close_group(g);
}
END_TEST

START_TEST(a_cancel_ends_a_wait_for_next_and_not_the_group)
{
    errand_future *f;
    taker t = { .g = group_of(0, 0), .error = -1 };
    errand_promise *p = errand_promise_new(pool, &f);
    ck_assert_int_eq(errand_group_add(t.g, f), 0);
    f = errand_submit(pool, take_next, &t);
    await_event(&t.begun);
    errand_cancel(f);
    ENDS(f, 0);
    ck_assert_int_eq(t.error, ECANCELED);
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    ck_assert_int_eq(errand_group_next(t.g, &t.r, &t.index, LONG_MS), 0);
    ck_assert_uint_eq(t.index, 0);
    close_group(t.g);
}
END_TEST

/* ---- at_once ---- */

typedef struct crowd {
    unsigned now, most, runs, freed;
} crowd;

static errand_result counted(void *arg)
{
    crowd *c = arg;
    unsigned n = count_up(&c->now), most = count_of(&c->most);
    while (n > most && !__atomic_compare_exchange_n(&c->most, &most, n, false, __ATOMIC_SEQ_CST,
                                                    __ATOMIC_SEQ_CST))
        continue;
    count_up(&c->runs);
    __atomic_sub_fetch(&c->now, 1, __ATOMIC_SEQ_CST);
    return errand_ok(NULL, NULL);
}
static void count_freed(void *arg) { count_up(&((crowd *)arg)->freed); }

START_TEST(a_group_runs_at_most_at_once_tasks)
{
    unsigned n = scaled(2000);
    for (unsigned concurrency = 1; concurrency <= 3; concurrency += 2) {
        crowd c = { 0 };
        errand_group *g = group_of(concurrency, 0);
        for (unsigned i = 0; i < n; i++) {
            ck_assert_int_eq(
                errand_group_submit(
                    g, NULL, &(errand_task){ .fn = counted, .arg = &c, .free = count_freed }),
                0);
        }
        ENDS(errand_group_join(g), 0);
        ck_assert_uint_eq(c.runs, n);
        ck_assert_uint_eq(c.freed, n);
        ck_assert_uint_le(c.most, concurrency);
        close_group(g);
    }
}
END_TEST

START_TEST(a_held_task_begins_when_a_running_one_ends)
{
    hold h[4] = { { .runs = 0 } };
    errand_group *g = group_of(2, 0);
    errand_result r;
    size_t index;
    ck_assert_int_eq(errand_group_add(g, errand_submit(pool, hold_worker, &h[3])), 0);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(give(g, hold_worker, &h[i]), 0);
    await_event(&h[0].began);
    await_event(&h[1].began);
    await_event(&h[3].began);
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.running, 3); /* a fourth worker is free */
    ck_assert_uint_eq(s.queued, 0);
    ck_assert(!happened(&h[2].began));
    happen(&h[1].go);
    ck_assert_int_eq(errand_group_next(g, &r, &index, LONG_MS), 0);
    ck_assert_uint_eq(index, 2);
    await_event(&h[2].began);
    for (int i = 0; i < 4; i++) happen(&h[i].go);
    ENDS(errand_group_join(g), 0);
    close_group(g);
}
END_TEST

START_TEST(a_million_tasks_use_bounded_memory)
{
    unsigned n = scaled(100000), under_way = 0, taken = 0;
    crowd c = { 0 };
    errand_group *g = group_of(10, 0);
    errand_result r;
    for (unsigned i = 0; i < n; i++) {
        ck_assert_int_eq(give(g, counted, &c), 0);
        if (++under_way < 20) continue;
        ck_assert_int_eq(errand_group_next(g, &r, NULL, LONG_MS), 0);
        under_way--;
        taken++;
    }
    while (errand_group_next(g, &r, NULL, LONG_MS) == 0) taken++;
    ck_assert_uint_eq(taken, n);
    ck_assert_uint_eq(c.runs, n);
    ck_assert_uint_le(c.most, 10);
    close_group(g);
}
END_TEST

START_TEST(many_held_tasks_end_without_recursion)
{
    /* once the pool has shut down, a task with a deadline ends where it is begun */
    unsigned n = scaled(100000);
    hold h = { .runs = 0 };
    unsigned freed = 0;
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_group *g =
        errand_group_new(own, &(errand_group_opts){ .concurrency = 1, .keep_going = 1 });
    ck_assert_int_eq(give(g, hold_worker, &h), 0);
    await_event(&h.began);
    for (unsigned i = 0; i < n; i++) {
        errand_task task = {
            .fn = never, .arg = &freed, .free = free_counts, .within_ms = LONG_MS
        };
        ck_assert_int_eq(errand_group_submit(g, NULL, &task), 0);
    }
    ck_assert_int_eq(errand_pool_close(own, 0), ETIMEDOUT); /* stuck and left behind */
    happen(&h.go);
    ENDS(errand_group_join(g), 0);
    ck_assert_uint_eq(freed, n);
    ck_assert_uint_eq(h.runs, 1);
    close_group(g);
}
END_TEST

START_TEST(deadlines_of_held_tasks_expire)
{
    test_clock t;
    test_clock_start(&t);
    hold h = { .runs = 0 };
    unsigned freed = 0;
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock });
    errand_group *g =
        errand_group_new(own, &(errand_group_opts){ .concurrency = 1, .keep_going = 1 });
    ck_assert_int_eq(give(g, hold_worker, &h), 0);
    errand_task task = { .fn = itself, .arg = &freed, .free = free_counts };
    task.within_ms = 10;
    ck_assert_int_eq(errand_group_submit(g, NULL, &task), 0);
    task.within_ms = 0;
    task.start_within_ms = 10;
    ck_assert_int_eq(errand_group_submit(g, NULL, &task), 0);
    task.start_within_ms = 100;
    ck_assert_int_eq(errand_group_submit(g, NULL, &task), 0);
    await_event(&h.began);
    turn(&t, own, 20);
    happen(&h.go);
    errand_result r = errand_await(errand_group_join(g));
    errand_results *all = r.value;
    ck_assert_uint_eq(all->n, 4);
    ck_assert_int_eq(all->at[1].error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&all->at[1]), ERRAND_BY_TOTAL);
    ck_assert_int_eq(all->at[2].error, ETIMEDOUT);
    ck_assert_int_eq(all->at[3].error, 0);
    ck_assert_uint_eq(freed, 3);
    errand_result_free(&r);
    close_group(g);
    close_pool(own);
}
END_TEST

/* ---- failing ---- */

static errand_result until_cancelled(void *arg)
{
    hold *h = arg;
    count_up(&h->runs);
    happen(&h->began);
    return errand_await(errand_sleep(pool, ERRAND_FOREVER));
}

START_TEST(the_first_failure_cancels_the_group)
{
    enum { N = 5 };
    hold running = { .runs = 0 }, hanging = { .runs = 0 };
    unsigned freed[N] = { 0 };
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_group *g = group_of(2, 0);
    ck_assert_int_eq(give(g, until_cancelled, &running), 0);
    ck_assert_int_eq(give(g, hold_worker, &hanging), 0);
    await_event(&running.began);
    await_event(&hanging.began);
    for (int i = 0; i < N; i++) {
        errand_task task = { .fn = never, .arg = &freed[i], .free = free_counts };
        ck_assert_int_eq(errand_group_submit(g, NULL, &task), 0);
    }
    ck_assert_int_eq(errand_group_add(g, f), 0);
    errand_future *join = errand_group_join(g);
    errand_promise_resolve(p, errand_failf(ENOENT, "this one"));
    for (int i = 0; i < N; i++) await_count(&freed[i], 1);
    ck_assert_int_eq(errand_wait(join, 1), ETIMEDOUT); /* join waits for begun tasks */
    happen(&hanging.go);
    errand_result r = errand_await(join);
    ck_assert_int_eq(r.error, ENOENT);
    ck_assert_str_eq(errand_result_message(&r), "this one");
    ck_assert_ptr_null(errand_result_cause(&r, 0)); /* cancels of siblings are no causes */
    errand_result_free(&r);
    for (int i = 0; i < N; i++) ck_assert_uint_eq(freed[i], 1);
    close_group(g);
}
END_TEST

START_TEST(a_failed_group_begins_no_new_task)
{
    errand_group *g = group_of(1, 0);
    errand_result r;
    size_t index;
    unsigned freed = 0;
    ck_assert_int_eq(give(g, fails, NULL), 0);
    ck_assert_int_eq(errand_group_next(g, &r, NULL, LONG_MS), 0);
    ck_assert_int_eq(r.error, EIO);
    errand_result_free(&r);
    for (size_t i = 1; i < 4; i++) {
        ck_assert_int_eq(
            errand_group_submit(g, NULL,
                                &(errand_task){ .fn = never, .arg = &freed, .free = free_counts }),
            0);
        ck_assert_uint_eq(freed, i);
        ck_assert_int_eq(errand_group_next(g, &r, &index, 0), 0);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SIBLING);
        ck_assert_uint_eq(index, i);
    }
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    ck_assert_int_eq(errand_group_add(g, f), 0);
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_SIBLING);
    errand_promise_abandon(p);
    close_group(g);
}
END_TEST

START_TEST(join_fails_even_if_next_took_the_failure)
{
    errand_group *g = group_of(0, 0);
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_result r;
    ck_assert_int_eq(errand_group_add(g, f), 0);
    ck_assert_int_eq(give(g, fails, NULL), 0);
    for (;;) {
        size_t index;
        ck_assert_int_eq(errand_group_next(g, &r, &index, LONG_MS), 0);
        errand_result_free(&r);
        if (index == 1) break;
        ck_abort_msg("the promise ended before it was cancelled");
    }
    ENDS(errand_group_join(g), ECANCELED); /* a cancelled task is no success */
    errand_promise_abandon(p);
    close_group(g);
}
END_TEST

START_TEST(further_failures_are_causes_of_the_first)
{
    errand_future *f;
    errand_promise *ps[3];
    errand_group *g = group_of(0, 0);
    for (int i = 0; i < 3; i++) {
        ps[i] = errand_promise_new(pool, &f);
        errand_promise_on_cancel(ps[i], ignore_cancel, NULL);
        ck_assert_int_eq(errand_group_add(g, f), 0);
    }
    errand_promise_resolve(ps[1], errand_fail(ENOENT));
    errand_promise_resolve(ps[2], errand_fail(EPERM));
    errand_promise_resolve(ps[0], errand_ok(NULL, NULL));
    errand_result r = errand_await(errand_group_join(g));
    ck_assert_int_eq(r.error, ENOENT);
    ck_assert_ptr_nonnull(errand_result_cause(&r, 0));
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, EPERM);
    ck_assert_ptr_null(errand_result_cause(&r, 1));
    errand_result_free(&r);
    close_group(g);
}
END_TEST

START_TEST(keep_going_cancels_no_task_and_join_returns_each_result)
{
    enum { N = 20 };
    errand_group *g = group_of(3, 1);
    for (intptr_t i = 0; i < N; i++) ck_assert_int_eq(give(g, odd_fails, as_value(i)), 0);
    errand_result r = errand_await(errand_group_join(g));
    ck_assert_int_eq(r.error, 0);
    errand_results *all = r.value;
    ck_assert_uint_eq(all->n, N);
    for (intptr_t i = 0; i < N; i++) {
        ck_assert_int_eq(all->at[i].error, i % 2 ? EIO : 0);
        if (i % 2 == 0) ck_assert_int_eq(as_number(all->at[i].value), i);
    }
    errand_result_free(&r);
    close_group(g);
}
END_TEST

/* ---- join and close ---- */

START_TEST(join_returns_the_results_next_has_not_taken_in_order)
{
    enum { N = 6 };
    errand_promise *ps[N];
    errand_future *f;
    errand_group *g = group_of(0, 0);
    errand_result r;
    size_t index;
    for (int i = 0; i < N; i++) {
        ps[i] = errand_promise_new(pool, &f);
        ck_assert_int_eq(errand_group_add(g, f), 0);
    }
    /* 5 3 1 */
    for (int i = N - 1; i >= 0; i -= 2) errand_promise_resolve(ps[i], errand_ok(as_value(i), NULL));
    ck_assert_int_eq(errand_group_next(g, &r, &index, 0), 0);
    ck_assert_uint_eq(index, 5);
    ck_assert_int_eq(errand_group_next(g, &r, &index, 0), 0);
    ck_assert_uint_eq(index, 3);
    errand_future *join = errand_group_join(g);
    /* 4 2 0 */
    for (int i = 4; i >= 0; i -= 2) errand_promise_resolve(ps[i], errand_ok(as_value(i), NULL));
    r = errand_await(join);
    errand_results *all = r.value;
    ck_assert_uint_eq(all->n, 4);
    static const intptr_t left[] = { 0, 1, 2, 4 };
    for (int i = 0; i < 4; i++) ck_assert_int_eq(as_number(all->at[i].value), left[i]);
    errand_result_free(&r);
    ck_assert_int_eq(errand_group_next(g, &r, &index, ERRAND_FOREVER), ENODATA);
    close_group(g);
}
END_TEST

START_TEST(join_of_an_empty_group_is_a_success)
{
    errand_group *g = group_of(0, 0);
    errand_result r = errand_await(errand_group_join(g));
    ck_assert_int_eq(r.error, 0);
    ck_assert_uint_eq(((errand_results *)r.value)->n, 0);
    errand_result_free(&r);
    close_group(g);
}
END_TEST

START_TEST(a_joined_group_refuses_tasks)
{
    errand_group *g = group_of(0, 0);
    ENDS(errand_group_join(g), 0);
    unsigned freed = 0;
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    ck_assert_int_eq(errand_group_add(g, f), EINVAL);
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_CALLER);
    errand_promise_abandon(p);
    ck_assert_int_eq(
        errand_group_submit(g, NULL,
                            &(errand_task){ .fn = never, .arg = &freed, .free = free_counts }),
        EINVAL);
    ck_assert_uint_eq(freed, 1);
    ENDS(errand_group_join(g), EINVAL); /* a second join */
    close_group(g);
}
END_TEST

START_TEST(a_cancelled_join_cancels_all_with_the_callers_reason)
{
    hold h = { .runs = 0 };
    unsigned freed = 0;
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_promise_on_cancel(p, ignore_cancel, NULL);
    errand_group *g = group_of(1, 0);
    ck_assert_int_eq(errand_group_add(g, f), 0);
    ck_assert_int_eq(give(g, until_cancelled, &h), 0);
    ck_assert_int_eq(
        errand_group_submit(g, NULL,
                            &(errand_task){ .fn = never, .arg = &freed, .free = free_counts }),
        0);
    await_event(&h.began);
    errand_future *join = errand_group_join(g);
    errand_cancel(join);
    ck_assert_uint_eq(freed, 1);
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_CALLER);
    ck_assert_int_eq(errand_wait(join, 1), ETIMEDOUT);
    errand_promise_abandon(p);
    errand_result r = errand_await(join);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    errand_result_free(&r);
    close_group(g);
}
END_TEST

START_TEST(close_cancels_the_remaining_tasks_and_waits)
{
    hold h[2] = { { .runs = 0 } };
    unsigned freed = 0;
    errand_group *g = group_of(2, 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(give(g, until_cancelled, &h[i]), 0);
        await_event(&h[i].began);
    }
    ck_assert_int_eq(
        errand_group_submit(g, NULL,
                            &(errand_task){ .fn = never, .arg = &freed, .free = free_counts }),
        0);
    close_group(g);
    ck_assert_uint_eq(freed, 1);
    errand_pool_stats s;
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_eq(s.cancelled, 2);
}
END_TEST

START_TEST(close_leaves_a_stuck_task_behind_without_a_leak)
{
    hold h = { .runs = 0 };
    unsigned freed = 0;
    h.result = errand_ok(&freed, free_counts);
    errand_group *g = group_of(0, 0);
    ck_assert_int_eq(give(g, hold_worker, &h), 0);
    await_event(&h.began);
    ck_assert_int_eq(errand_group_close(g, 5), ETIMEDOUT);
    ck_assert_uint_eq(count_of(&freed), 0);
    happen(&h.go);
    await_count(&freed, 1); /* the fixture checks for the group's memory */
}
END_TEST

START_TEST(close_after_join_leaves_the_results_to_join)
{
    unsigned rounds = scaled(2000);
    for (unsigned i = 0; i < rounds; i++) { /* all have ended, or the last one is about to end */
        errand_group *g = group_of(0, 1);
        for (int k = 0; k < 3; k++) ck_assert_int_eq(give(g, itself, as_value(k + 1)), 0);
        errand_future *join = errand_group_join(g);
        if (i % 2) ck_assert_int_eq(errand_wait(join, LONG_MS), 0);
        close_group(g);
        errand_result r = errand_await(join);
        ck_assert_int_eq(r.error, 0);
        errand_results *all = r.value;
        ck_assert_uint_eq(all->n, 3);
        for (int k = 0; k < 3; k++) {
            if (all->at[k].error) ck_assert_int_eq(all->at[k].error, ECANCELED);
            else ck_assert_int_eq(as_number(all->at[k].value), k + 1);
        }
        errand_result_free(&r);
    }
}
END_TEST

START_TEST(a_dropped_join_still_ends)
{
    hold h = { .runs = 0 };
    errand_group *g = group_of(0, 0);
    ck_assert_int_eq(give(g, hold_worker, &h), 0);
    await_event(&h.began);
    errand_drop(errand_group_join(g));
    ck_assert_int_eq(errand_group_close(g, 0), ETIMEDOUT);
    happen(&h.go);
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
}
END_TEST

static errand_result close_in_a_task(void *arg)
{
    taker *t = arg;
    happen(&t->begun);
    while (!errand_cancelled()) continue;
    t->error = errand_group_close(t->g, LONG_MS);
    return errand_ok(NULL, NULL);
}

START_TEST(a_cancel_does_not_cut_close_short)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    event cancelled = { 0 };
    errand_promise_on_cancel(p, happen_cancelled, &cancelled);
    taker t = { .g = group_of(0, 0), .error = -1 };
    ck_assert_int_eq(errand_group_add(t.g, f), 0);
    f = errand_submit(pool, close_in_a_task, &t);
    await_event(&t.begun);
    errand_cancel(f);
    await_event(&cancelled); /* the close has begun to cancel */
    ck_assert_int_eq(errand_wait(f, 1), ETIMEDOUT);
    errand_promise_abandon(p);
    ENDS(f, 0);
    ck_assert_int_eq(t.error, 0);
}
END_TEST

/* Must not be unrolled or inlined: each call in here is one site. */
__attribute__((noinline)) static void give_two(errand_pool *own, errand_group *g)
{
    ck_assert_int_eq(
        errand_group_submit(g, NULL, &(errand_task){ .fn = fails, .name = "left over" }), 0);
    errand_future *f = errand_submit_task(own, &(errand_task){ .fn = fails, .name = "taken in" });
    ck_assert_int_eq(errand_group_add(g, f), 0);
}

START_TEST(unread_failures_of_a_closed_group_are_logged_once_per_site)
{
    static logged h;
    logged_open(&h);
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 2, .log = h.log });
    errand_group *g = errand_group_new(own, &(errand_group_opts){ .keep_going = 1 });
    for (int i = 0; i < 5; i++) give_two(own, g);
    ck_assert_int_eq(errand_pool_wait_idle(own, LONG_MS), 0);
    close_group(g);
    close_pool(own);
    ck_assert_uint_eq(logged_times(&h, "left over"), 1);
    ck_assert_uint_eq(logged_times(&h, "taken in"), 1);
    ck_assert_uint_eq(logged_times(&h, "number 0"), 2);
    logged_close(&h);
}
END_TEST

/* ---- policies, context, groups inside tasks ---- */

static errand_result third_time_well(void *arg)
{
    return count_up(arg) < 3 ? errand_fail(EAGAIN) : errand_ok(as_value(3), NULL);
}

START_TEST(a_refusal_returned_by_submit_is_not_logged)
{
    static logged said;
    logged_open(&said);
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .log = said.log });
    errand_group *g = errand_group_new(own, NULL);
    ck_assert_int_eq(errand_group_submit(g, NULL, &(errand_task){ .name = "no function" }), EINVAL);
    close_group(g);
    close_pool(own);
    ck_assert_str_eq(logged_text(&said), "");
    logged_close(&said);
}
END_TEST

START_TEST(a_groups_task_may_have_a_policy)
{
    unsigned runs = 0;
    const char *why;
    errand_policy *thrice =
        errand_policy_new(&(errand_policy_opts){ .attempts = 3, .initial_ms = ERRAND_ZERO }, &why);
    ck_assert_ptr_nonnull(thrice);
    errand_group *g = group_of(1, 0);
    ck_assert_int_eq(
        errand_group_submit(g, thrice, &(errand_task){ .fn = third_time_well, .arg = &runs }), 0);
    errand_policy_free(thrice);
    errand_result r;
    ck_assert_int_eq(errand_group_next(g, &r, NULL, LONG_MS), 0);
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 3);
    ck_assert_uint_eq(errand_result_attempts(&r), 3);
    errand_result_free(&r);
    close_group(g);
}
END_TEST

static errand_result key_and_time(void *arg)
{
    (void)arg;
    bool right = errand_key() && strcmp(errand_key(), "tenant") == 0 &&
                 errand_time_left() <= LONG_MS;
    return right ? errand_ok(NULL, NULL) : errand_fail(EBADMSG);
}

static errand_result nursery_inside(void *arg)
{
    (void)arg;
    errand_group *g = group_of(1, 0);
    for (int i = 0; i < 5; i++) give(g, key_and_time, NULL);
    errand_result r = errand_await(errand_group_join(g));
    if (errand_group_close(g, LONG_MS)) r.error = EBUSY;
    return r;
}

START_TEST(held_tasks_inherit_the_submitters_context)
{
    errand_task task = { .fn = nursery_inside, .key = "tenant", .within_ms = LONG_MS };
    ENDS(errand_submit_task(pool, &task), 0);
}
END_TEST

/* ---- a storm ---- */

typedef struct storm {
    errand_group *g;
    unsigned n, freed, given;
} storm;

static errand_result give_many(void *arg)
{
    storm *s = arg;
    for (unsigned i = 0; i < s->n; i++) {
        errand_task task = {
            .fn = i % 97 == 96 ? fails : itself, .arg = &s->freed, .free = free_counts
        };
        errand_group_submit(s->g, NULL, &task);
        count_up(&s->given);
    }
    return errand_ok(NULL, NULL);
}

static errand_result take_many(void *arg)
{
    storm *s = arg;
    errand_result r;
    int error;
    while ((error = errand_group_next(s->g, &r, NULL, 1)) == 0 ||
           (error != ECANCELED && count_of(&s->given) < 2 * s->n)) {
        if (!error) errand_result_free(&r);
    }
    return errand_ok(NULL, NULL);
}

START_TEST(submit_next_failure_and_cancel_race_and_free_each_arg_once)
{
    unsigned rounds = scaled(100);
    for (unsigned i = 0; i < rounds; i++) {
        storm s = { .g = group_of(1 + i % 4, i % 2), .n = 100 };
        errand_future *fs[4];
        for (int k = 0; k < 4; k++) fs[k] = errand_submit(pool, k < 2 ? give_many : take_many, &s);
        if (i % 3 == 0) {
            await_count(&s.given, s.n / 2);
            errand_future *join = errand_group_join(s.g);
            errand_cancel(join);
            errand_drop(join);
        }
        for (int k = 0; k < 4; k++) ENDS(fs[k], 0);
        close_group(s.g);
        ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
        ck_assert_uint_eq(s.freed, 2 * s.n);
    }
}
END_TEST

Suite *groups_suite(void)
{
    Suite *suite = suite_create("groups");
    TCase *tc = case_of(suite, "groups");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_group_of_wrong_options_is_EINVAL);
    tcase_add_test(tc, a_NULL_group_is_EINVAL_and_consumes_its_arguments);
    tcase_add_test(tc, next_returns_results_in_order_of_completion);
    tcase_add_test(tc, concurrent_waits_for_next_get_one_result_each);
    tcase_add_test(tc, a_cancel_ends_a_wait_for_next_and_not_the_group);
    tcase_add_test(tc, a_group_runs_at_most_at_once_tasks);
    tcase_add_test(tc, a_held_task_begins_when_a_running_one_ends);
    tcase_add_test(tc, a_million_tasks_use_bounded_memory);
    tcase_add_test(tc, many_held_tasks_end_without_recursion);
    tcase_add_test(tc, deadlines_of_held_tasks_expire);
    tcase_add_test(tc, the_first_failure_cancels_the_group);
    tcase_add_test(tc, a_failed_group_begins_no_new_task);
    tcase_add_test(tc, join_fails_even_if_next_took_the_failure);
    tcase_add_test(tc, further_failures_are_causes_of_the_first);
    tcase_add_test(tc, keep_going_cancels_no_task_and_join_returns_each_result);
    tcase_add_test(tc, join_returns_the_results_next_has_not_taken_in_order);
    tcase_add_test(tc, join_of_an_empty_group_is_a_success);
    tcase_add_test(tc, a_joined_group_refuses_tasks);
    tcase_add_test(tc, a_cancelled_join_cancels_all_with_the_callers_reason);
    tcase_add_test(tc, close_cancels_the_remaining_tasks_and_waits);
    tcase_add_test(tc, close_leaves_a_stuck_task_behind_without_a_leak);
    tcase_add_test(tc, close_after_join_leaves_the_results_to_join);
    tcase_add_test(tc, a_dropped_join_still_ends);
    tcase_add_test(tc, a_cancel_does_not_cut_close_short);
    tcase_add_test(tc, unread_failures_of_a_closed_group_are_logged_once_per_site);
    tcase_add_test(tc, a_refusal_returned_by_submit_is_not_logged);
    tcase_add_test(tc, a_groups_task_may_have_a_policy);
    tcase_add_test(tc, held_tasks_inherit_the_submitters_context);
    tcase_add_test(tc, submit_next_failure_and_cancel_race_and_free_each_arg_once);
    return suite;
}
