/* Single-flight: one run, several owners. */
#include "runs.h"

#include "base/os.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static errand_pool *pool;
static errand_singleflight *flight;

static void open_flight(void)
{
    ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 }));
    ck_assert_ptr_nonnull(flight = errand_singleflight_new(pool, NULL));
}

static void close_flight(void)
{
    errand_singleflight_free(flight);
    close_pool(pool);
}

static errand_singleflight_stats stats_of(const char *key)
{
    errand_singleflight_stats s;
    ck_assert_int_eq(errand_singleflight_stats_get(flight, key, &s), 0);
    return s;
}

/* A task that is held, counts its runs, and ends with a value that counts its frees. */
typedef struct flown {
    hold h;
    unsigned freed_args;
} flown;

static errand_result fly(void *arg) { return hold_worker(&((flown *)arg)->h); }
static void landed(void *arg) { count_up(&((flown *)arg)->freed_args); }
static errand_future *share(flown *f, const char *key)
{
    return errand_singleflight_run(
        flight, NULL, &(errand_task){ .fn = fly, .arg = f, .free = landed, .key = key });
}

static unsigned freed;
static void free_value(void *value)
{
    ck_assert_str_eq(value, "value");
    free(value);
    count_up(&freed);
}

START_TEST(calls_with_the_same_key_share_one_run_and_its_value)
{
    open_flight();
    flown f = { .h.result = errand_ok(strdup("value"), free_value) };
    errand_future *a = share(&f, "k"), *b, *c;
    await_event(&f.h.began);
    b = share(&f, "k");
    c = share(&f, "k");
    ck_assert_uint_eq(f.freed_args, 2); /* of the sharers that do not run */
    errand_singleflight_stats s = stats_of("k");
    ck_assert(s.under_way == 1 && s.sharing == 3 && s.runs == 1 && s.shared == 2);
    happen(&f.h.go);
    errand_result x = errand_await(a), y = errand_await(b), z = errand_await(c);
    ck_assert_str_eq(x.value, "value");
    ck_assert_ptr_eq(x.value, y.value);
    ck_assert_ptr_eq(x.value, z.value);
    ck_assert_uint_eq(f.h.runs, 1);
    errand_result_free(&x);
    errand_result_free(&z);
    ck_assert_uint_eq(freed, 0);
    ck_assert_str_eq(y.value, "value");
    errand_result_free(&y);
    ck_assert_uint_eq(freed, 1);
    s = stats_of("k");
    ck_assert(s.under_way == 0 && s.sharing == 0);
    await_count(&f.freed_args, 3);
    close_flight();
}
END_TEST

START_TEST(another_key_or_a_later_call_starts_a_new_run)
{
    open_flight();
    flown f = { 0 }, g = { 0 };
    errand_future *a = share(&f, "a"), *b = share(&g, NULL);
    await_event(&f.h.began);
    await_event(&g.h.began);
    happen(&f.h.go);
    happen(&g.h.go);
    ENDS(a, 0);
    ENDS(b, 0);
    ENDS(share(&f, "a"), 0);
    ck_assert_uint_eq(f.h.runs, 2);
    ck_assert_uint_eq(stats_of("a").runs, 2);
    ck_assert_uint_eq(stats_of("a").shared, 0);
    ck_assert_uint_eq(stats_of(NULL).runs, 1);
    await_count(&f.freed_args, 2);
    await_count(&g.freed_args, 1);
    close_flight();
}
END_TEST

static errand_result inherit(void *arg)
{
    errand_singleflight_stats s;
    errand_future *f = errand_singleflight_run(
        flight, NULL, &(errand_task){ .fn = fly, .arg = arg, .free = landed });
    if (errand_singleflight_stats_get(flight, "tenant", &s) || !s.under_way)
        return errand_fail(EPROTO);
    happen(&((flown *)arg)->h.go);
    return errand_await(f);
}

START_TEST(singleflight_inherits_the_key_of_the_calling_task)
{
    open_flight();
    flown f = { 0 };
    ENDS(errand_submit_task(pool, &(errand_task){ .fn = inherit, .arg = &f, .key = "tenant" }), 0);
    await_count(&f.freed_args, 1);
    close_flight();
}
END_TEST

START_TEST(each_sharer_receives_the_complete_failure)
{
    open_flight();
    script s = { .error = { ECONNRESET, ECONNRESET, ECONNRESET, ECONNRESET } };
    errand_policy *policy = policy_of((errand_policy_opts){
        .attempts = 3, .initial_ms = 20, .jitter = ERRAND_JITTER_NONE });
    errand_task task = scripted(&s);
    errand_future *f[3];
    for (int i = 0; i < 3; i++) f[i] = errand_singleflight_run(flight, policy, &task);
    errand_policy_free(policy);
    for (int i = 0; i < 3; i++) {
        errand_result r = errand_await(f[i]);
        errand_attempt last;
        ck_assert_int_eq(r.error, ECONNRESET);
        ck_assert_str_eq(errand_result_message(&r), "attempt 3");
        ck_assert_uint_eq(errand_result_attempts(&r), 3);
        ck_assert_int_eq(errand_result_attempt(&r, 2, &last), 0);
        ck_assert_uint_eq(last.number, 3);
        errand_result_free(&r);
    }
    await_count(&s.freed, 3);
    ck_assert_uint_eq(s.calls, 3);
    close_flight();
}
END_TEST

static errand_result wait_cancelled(void *arg)
{
    obedient *o = arg;
    errand_result r = obey(o);
    errand_result_free(&r);
    return errand_failf(EIO, "cancelled");
}

static errand_future *share_obedient(obedient *o)
{
    return errand_singleflight_run(
        flight, NULL,
        &(errand_task){ .fn = wait_cancelled, .arg = o, .free = obedient_freed, .key = "k" });
}

START_TEST(the_last_sharer_to_cancel_cancels_the_run)
{
    open_flight();
    obedient o = { .pool = pool }, next = o;
    errand_future *a = share_obedient(&o), *b = share_obedient(&o), *c = share_obedient(&o);
    await_event(&o.began);
    errand_cancel(a); /* the first sharer has no special role */
    ENDS(a, ECANCELED);
    c = errand_timeout(c, 1);
    ENDS(c, ETIMEDOUT); /* which cancels its share */
    while (stats_of("k").sharing != 1) sched_yield();
    ck_assert_uint_eq(o.freed, 2);
    ck_assert_int_eq(errand_wait(b, 0), ETIMEDOUT);
    errand_cancel(b);
    ENDS(b, ECANCELED);
    ck_assert_uint_eq(stats_of("k").under_way, 0);
    errand_future *d = share_obedient(&next); /* independent of the old run */
    await_count(&o.freed, 3);
    ck_assert_int_eq(o.reason, ERRAND_BY_CALLER);
    await_event(&next.began);
    ck_assert_uint_eq(next.calls, 1);
    errand_cancel(d);
    ENDS(d, ECANCELED);
    await_count(&next.freed, 1);
    close_flight();
}
END_TEST

START_TEST(a_dropped_share_does_not_cancel_the_run)
{
    open_flight();
    flown f = { .h.result = errand_ok(strdup("value"), free_value) };
    errand_drop(share(&f, "k"));
    await_event(&f.h.began);
    errand_drop(share(&f, "k"));
    happen(&f.h.go);
    await_count(&freed, 1);
    await_count(&f.freed_args, 2);
    close_flight();
}
END_TEST

START_TEST(the_first_sharers_deadline_does_not_end_the_others)
{
    open_flight();
    flown f = { 0 };
    errand_frame frame;
    errand_enter(&frame, 5, false);
    errand_future *a = share(&f, "k");
    ck_assert_int_eq(errand_wait(a, LONG_MS), ETIMEDOUT); /* the frame has expired */
    errand_leave(&frame);
    errand_future *b = share(&f, "k");
    happen(&f.h.go);
    ENDS(a, 0);
    ENDS(b, 0);
    await_count(&f.freed_args, 2);
    close_flight();
}
END_TEST

START_TEST(a_run_that_cannot_begin_fails_for_all_sharers)
{
    open_flight();
    flown f = { 0 };
    ENDS(errand_singleflight_run(flight, NULL, NULL), EINVAL);
    /* no fn */
    ENDS(errand_singleflight_run(flight, NULL, &(errand_task){ .arg = &f, .free = landed }),
         EINVAL);
    ck_assert_uint_eq(f.freed_args, 1);
    char key[ERRAND_KEY_MAX + 2];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = 0;
    ENDS(share(&f, key), EINVAL);
    ck_assert_uint_eq(f.freed_args, 2);
    ENDS(errand_singleflight_run(NULL, NULL,
                                 &(errand_task){ .fn = fly, .arg = &f, .free = landed }),
         EINVAL);
    ck_assert_uint_eq(f.freed_args, 3);
    close_pool(pool);
    ENDS(share(&f, "k"), EINVAL);
    ck_assert_uint_eq(f.freed_args, 4);
    ck_assert_uint_eq(f.h.runs, 0);
    errand_singleflight_free(flight);
    errand_singleflight_free(NULL);
    ck_assert(!errand_singleflight_new(NULL, NULL) && errno == EINVAL);
}
END_TEST

START_TEST(closing_the_pool_ends_all_shares)
{
    open_flight();
    obedient o = { .pool = pool };
    errand_task task = obeying(&o);
    errand_future *a = errand_singleflight_run(flight, NULL, &task),
                  *b = errand_singleflight_run(flight, NULL, &task);
    await_event(&o.began);
    errand_singleflight_free(flight);        /* runs under way keep it */
    int error = errand_pool_close(pool, 20); /* in 20 ms it may be left behind */
    ck_assert_msg(!error || error == ETIMEDOUT, "close: %d", error);
    ENDS(a, ECANCELED);
    ENDS(b, ECANCELED);
    await_count(&o.freed, 2);
}
END_TEST

/* ---- many threads ---- */

typedef struct storm {
    uint64_t seed;
    unsigned rounds, *runs, *values;
    unsigned calls, well;
} storm;

static void free_counted(void *value)
{
    __atomic_sub_fetch((unsigned *)value, 1, __ATOMIC_SEQ_CST);
}

static errand_result run_once(void *arg)
{
    storm *s = arg;
    count_up(s->runs);
    count_up(s->values);
    errand_result slept = errand_await(errand_sleep(pool, 0));
    errand_result_free(&slept);
    return errand_ok(s->values, free_counted);
}

static void *rage(void *arg)
{
    storm *s = arg;
    for (unsigned i = 0; i < s->rounds; i++) {
        uint64_t dice = er_random_next(&s->seed);
        errand_future *f = errand_singleflight_run(
            flight, NULL,
            &(errand_task){ .fn = run_once, .arg = s, .key = dice % 2 ? "odd" : NULL });
        s->calls++;
        if (dice / 2 % 4 == 0) errand_cancel(f);
        if (dice / 8 % 4 == 0) {
            errand_drop(f);
            continue;
        }
        errand_result r = errand_await(f);
        if (r.error && r.error != ECANCELED) ck_abort_msg("%s", errand_result_message(&r));
        if (!r.error && r.value != s->values) ck_abort_msg("another flight's value");
        s->well += !r.error;
        errand_result_free(&r);
    }
    return NULL;
}

START_TEST(flights_of_many_threads_end_once)
{
    enum { THREADS = 6 };
    open_flight();
    unsigned runs = 0, values = 0, calls = 0, well = 0;
    pthread_t threads[THREADS];
    storm storms[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        storms[i] = (storm){ i, scaled(1000), &runs, &values, 0, 0 };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, rage, &storms[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        calls += storms[i].calls;
        well += storms[i].well;
    }
    ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0);
    uint64_t begun = stats_of("odd").runs + stats_of(NULL).runs,
             shared = stats_of("odd").shared + stats_of(NULL).shared;
    ck_assert_uint_eq(stats_of("odd").sharing + stats_of(NULL).sharing, 0);
    ck_assert_uint_eq(begun + shared, calls);
    ck_assert_uint_le(runs, begun); /* some were cancelled before they ran */
    ck_assert_uint_gt(well, 0);
    close_flight();
    ck_assert_uint_eq(values, 0);
}
END_TEST

Suite *singleflight_suite(void)
{
    Suite *suite = suite_create("singleflight");
    TCase *tc = case_of(suite, "sharing");
    tcase_add_test(tc, calls_with_the_same_key_share_one_run_and_its_value);
    tcase_add_test(tc, another_key_or_a_later_call_starts_a_new_run);
    tcase_add_test(tc, singleflight_inherits_the_key_of_the_calling_task);
    tcase_add_test(tc, each_sharer_receives_the_complete_failure);
    tc = case_of(suite, "cancels");
    tcase_add_test(tc, the_last_sharer_to_cancel_cancels_the_run);
    tcase_add_test(tc, a_dropped_share_does_not_cancel_the_run);
    tcase_add_test(tc, the_first_sharers_deadline_does_not_end_the_others);
    tcase_add_test(tc, a_run_that_cannot_begin_fails_for_all_sharers);
    tcase_add_test(tc, closing_the_pool_ends_all_shares);
    tcase_add_test(tc, flights_of_many_threads_end_once);
    return suite;
}
