/* Promises: ended by their writer or by a cancel, and hooks that have stopped running. */
#include "events.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static errand_pool *pool;
static void open_pool(void) { pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 }); }
static void shut_pool(void) { close_pool(pool); }

START_TEST(a_resolved_promise_ends_its_future)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_NONE);
    errand_promise_resolve(p, errand_ok(as_value(5), NULL));
    ck_assert_int_eq(errand_wait(f, 0), 0);
    ck_assert_int_eq(as_number(errand_await(f).value), 5);
}
END_TEST

START_TEST(an_abandoned_promise_ends_its_future_EABANDONED)
{
    errand_future *f;
    errand_promise_abandon(errand_promise_new(pool, &f));
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ERRAND_EABANDONED);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_INTERNAL);
    errand_result_free(&r);
}
END_TEST

START_TEST(a_promise_without_a_pool_is_a_failed_future)
{
    errand_future *f = NULL;
    errno = 0;
    ck_assert_ptr_null(errand_promise_new(NULL, &f));
    ck_assert_int_eq(errno, EINVAL);
    ENDS(f, EINVAL);
    errno = 0;
    ck_assert_ptr_null(errand_promise_new(pool, NULL));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(a_NULL_promise_is_harmless)
{
    unsigned freed = 0;
    errand_promise_resolve(NULL, errand_ok(&freed, free_counts));
    ck_assert_uint_eq(freed, 1);
    errand_promise_abandon(NULL);
    ck_assert_int_eq(errand_promise_cancelled(NULL), ERRAND_BY_NONE);
    errand_promise_on_cancel(NULL, free_counts, &freed);
    ck_assert_uint_eq(freed, 1);
}
END_TEST

START_TEST(a_cancel_ends_a_promise_without_a_hook)
{
    errand_future *f;
    unsigned freed = 0;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_cancel(f);
    ck_assert_int_eq(errand_wait(f, 0), 0);
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_CALLER);
    errand_promise_resolve(p, errand_ok(&freed, free_counts));
    ck_assert_uint_eq(freed, 1);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
}
END_TEST

START_TEST(a_cancel_calls_the_hook_and_the_writer_ends_the_promise)
{
    errand_future *f;
    unsigned cancels = 0;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_promise_on_cancel(p, free_counts, &cancels);
    ck_assert_uint_eq(cancels, 0);
    errand_cancel(f);
    ck_assert_uint_eq(cancels, 1); /* on the calling thread */
    errand_cancel(f);
    ck_assert_uint_eq(cancels, 1);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    errand_promise_resolve(p, errand_ok(as_value(3), NULL)); /* a late success stands */
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 3);
}
END_TEST

START_TEST(the_value_of_a_dropped_promise_is_freed)
{
    errand_future *f;
    unsigned freed = 0;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_drop(f);
    errand_promise_resolve(p, errand_ok(&freed, free_counts));
    ck_assert_uint_eq(freed, 1);
}
END_TEST

START_TEST(a_hook_set_after_the_cancel_runs_at_once)
{
    errand_future *f;
    unsigned first = 0, second = 0, third = 0;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_promise_on_cancel(p, free_counts, &first);
    errand_cancel(f);
    errand_promise_on_cancel(p, free_counts, &second);
    ck_assert_uint_eq(first, 1);
    ck_assert_uint_eq(second, 1);
    errand_promise_resolve(p, errand_fail(EIO));
    ENDS(f, EIO);

    p = errand_promise_new(pool, &f); /* it has ended before the hook is set */
    errand_cancel(f);
    errand_promise_on_cancel(p, free_counts, &third);
    ck_assert_uint_eq(third, 1);
    ENDS(f, ECANCELED);
    errand_promise_abandon(p);
}
END_TEST

START_TEST(a_hook_can_be_replaced_and_removed)
{
    errand_future *f;
    unsigned first = 0, second = 0;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_promise_on_cancel(p, free_counts, &first);
    errand_promise_on_cancel(p, free_counts, &second);
    errand_cancel(f);
    ck_assert_uint_eq(first, 0);
    ck_assert_uint_eq(second, 1);
    errand_promise_resolve(p, errand_fail(EIO));
    ENDS(f, EIO);

    p = errand_promise_new(pool, &f);
    errand_promise_on_cancel(p, free_counts, &first);
    errand_promise_on_cancel(p, NULL, NULL);
    errand_cancel(f);
    ck_assert_uint_eq(first, 0);
    ENDS(f, ECANCELED); /* as a promise without a hook */
    errand_promise_abandon(p);
}
END_TEST

static void resolve_it(void *arg)
{
    errand_promise_resolve(arg, errand_failf(ERRAND_USER + 1, "stopped"));
}

START_TEST(a_hook_may_resolve_its_promise)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_promise_on_cancel(p, resolve_it, p);
    errand_cancel(f);
    ENDS(f, ERRAND_USER + 1);

    /* already cancelled: called by errand_promise_on_cancel itself */
    p = errand_promise_new(pool, &f);
    errand_cancel(f);
    errand_promise_on_cancel(p, resolve_it, p);
    ENDS(f, ECANCELED);
}
END_TEST

static unsigned inner_called;
static void hook_again_and_resolve(void *p)
{
    errand_promise_on_cancel(p, free_counts, &inner_called); /* already cancelled: called at once */
    errand_promise_resolve(p, errand_ok(NULL, NULL));
}

START_TEST(a_hook_may_replace_itself_and_then_resolve)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_promise_on_cancel(p, hook_again_and_resolve, p);
    errand_cancel(f);
    ck_assert_uint_eq(inner_called, 1);
    ENDS(f, 0);
}
END_TEST

START_TEST(a_timeout_ends_a_promise_without_a_hook)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_result r = errand_await(errand_timeout(f, 1));
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    while (!errand_promise_cancelled(p)) sched_yield(); /* by the timer thread */
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_TOTAL);
    errand_promise_abandon(p);
}
END_TEST

START_TEST(a_timeout_calls_the_hook_and_leaves_the_promise_behind)
{
    errand_future *f;
    unsigned cancels = 0, freed = 0;
    errand_pool_stats s;
    errand_promise *p = errand_promise_new(pool, &f);
    errand_promise_on_cancel(p, free_counts, &cancels);
    ENDS(errand_timeout(f, 1), ETIMEDOUT);
    await_count(&cancels, 1);
    ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    ck_assert_uint_le(s.abandoned, 1);
    errand_promise_resolve(p, errand_ok(&freed, free_counts));
    ck_assert_uint_eq(freed, 1); /* its late value */
    do ck_assert_int_eq(errand_pool_stats_get(pool, &s), 0);
    while (s.abandoned); /* the timer thread may not have counted it yet */
}
END_TEST

/* ---- the storm: hooks, cancels, resolves ---- */

typedef struct bout {
    errand_promise *p;
    errand_future *f;
    unsigned running, over; /* running: the hook runs; over: resolve has returned */
    unsigned late;          /* the hook ran after `over` */
    unsigned gate;
} bout;

static void hook(void *arg)
{
    bout *r = arg;
    if (__atomic_load_n(&r->over, __ATOMIC_SEQ_CST))
        __atomic_store_n(&r->late, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&r->running, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&r->over, __ATOMIC_SEQ_CST))
        __atomic_store_n(&r->late, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&r->running, 0, __ATOMIC_SEQ_CST);
}

static bout *bouts;
static unsigned n_bouts;

static void meet(bout *r, unsigned n)
{
    count_up(&r->gate);
    while (count_of(&r->gate) < n) sched_yield();
}

static void *cancel_them(void *unused)
{
    for (unsigned i = 0; i < n_bouts; i++) {
        meet(&bouts[i], 3);
        errand_cancel(bouts[i].f);
    }
    return unused;
}
static void *write_them(void *unused)
{
    for (unsigned i = 0; i < n_bouts; i++) {
        bout *r = &bouts[i];
        if (i % 3) errand_promise_on_cancel(r->p, hook, r);
        meet(r, 3);
        if (i % 3 == 0) errand_promise_on_cancel(r->p, hook, r);
        if (i % 5 == 0) errand_promise_on_cancel(r->p, hook, r);
        if (i % 7 == 0) errand_promise_on_cancel(r->p, NULL, NULL);
        errand_promise_resolve(r->p, errand_ok(r, NULL));
        __atomic_store_n(&r->over, 1, __ATOMIC_SEQ_CST);
        ck_assert_uint_eq(__atomic_load_n(&r->running, __ATOMIC_SEQ_CST), 0);
    }
    return unused;
}

START_TEST(no_hook_runs_after_resolve_has_returned)
{
    n_bouts = scaled(20000);
    bouts = calloc(n_bouts, sizeof *bouts);
    for (unsigned i = 0; i < n_bouts; i++) bouts[i].p = errand_promise_new(pool, &bouts[i].f);
    pthread_t threads[3];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, cancel_them, NULL), 0);
    ck_assert_int_eq(pthread_create(&threads[2], NULL, write_them, NULL), 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < n_bouts; i++) {
        errand_result r = errand_await(bouts[i].f);
        ck_assert(r.error == ECANCELED || (r.error == 0 && r.value == &bouts[i]));
        ck_assert_uint_eq(bouts[i].late, 0);
        errand_result_free(&r);
    }
    free(bouts);
}
END_TEST

Suite *promises_suite(void)
{
    Suite *suite = suite_create("promises");
    TCase *tc = case_of(suite, "promises");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_resolved_promise_ends_its_future);
    tcase_add_test(tc, an_abandoned_promise_ends_its_future_EABANDONED);
    tcase_add_test(tc, a_promise_without_a_pool_is_a_failed_future);
    tcase_add_test(tc, a_NULL_promise_is_harmless);
    tcase_add_test(tc, a_cancel_ends_a_promise_without_a_hook);
    tcase_add_test(tc, a_cancel_calls_the_hook_and_the_writer_ends_the_promise);
    tcase_add_test(tc, the_value_of_a_dropped_promise_is_freed);
    tcase_add_test(tc, a_hook_set_after_the_cancel_runs_at_once);
    tcase_add_test(tc, a_hook_can_be_replaced_and_removed);
    tcase_add_test(tc, a_hook_may_resolve_its_promise);
    tcase_add_test(tc, a_hook_may_replace_itself_and_then_resolve);
    tcase_add_test(tc, a_timeout_ends_a_promise_without_a_hook);
    tcase_add_test(tc, a_timeout_calls_the_hook_and_leaves_the_promise_behind);
    tcase_add_test(tc, no_hook_runs_after_resolve_has_returned);
    return suite;
}
