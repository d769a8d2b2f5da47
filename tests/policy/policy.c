/* Policies: what is refused, and the waits that follow from a seed. */
#include "runs.h"

#include "policy/policy.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void refused(errand_policy_opts opts, const char *field)
{
    const char *why = NULL;
    errno = 0;
    ck_assert_ptr_null(errand_policy_new(&opts, &why));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_nonnull(why);
    ck_assert_msg(strncmp(why, field, strlen(field)) == 0 && why[strlen(field)] == ':',
                  "%s is wrong, but the message is: %s", field, why);
    ck_assert_uint_gt(strlen(why), strlen(field) + 2);
    ck_assert_ptr_null(errand_policy_new(&opts, NULL));
}

START_TEST(each_wrong_field_is_named)
{
    refused((errand_policy_opts){ .within_ms = -1 }, "within_ms");
    refused((errand_policy_opts){ .attempt_ms = -1 }, "attempt_ms");
    refused((errand_policy_opts){ .retry_after_max_ms = -1 }, "retry_after_max_ms");
    refused((errand_policy_opts){ .initial_ms = -1 }, "initial_ms");
    refused((errand_policy_opts){ .max_ms = -1 }, "max_ms");
    refused((errand_policy_opts){ .initial_ms = 200, .max_ms = 100 }, "max_ms");
    refused((errand_policy_opts){ .initial_ms = 200, .max_ms = ERRAND_ZERO }, "max_ms");
    refused((errand_policy_opts){ .multiplier = 0.5 }, "multiplier");
    refused((errand_policy_opts){ .multiplier = -2 }, "multiplier");
    refused((errand_policy_opts){ .multiplier = (double)NAN }, "multiplier");
    refused((errand_policy_opts){ .multiplier = (double)INFINITY }, "multiplier");
    refused((errand_policy_opts){ .jitter = (errand_jitter)4 }, "jitter");
    refused((errand_policy_opts){ .jitter = (errand_jitter)-1 }, "jitter");
    refused((errand_policy_opts){ .repeat = (errand_repeat)3 }, "repeat");
    refused((errand_policy_opts){ .repeat = (errand_repeat)-1 }, "repeat");
}
END_TEST

START_TEST(shorter_options_are_accepted_and_unknown_ones_refused)
{
    struct {
        errand_policy_opts known;
        long newer;
    } opts = { { .attempts = 2 }, 0 };
    const char *why = "";
    errand_policy *policy = errand_policy_new_sized(&opts.known, sizeof opts, &why);
    ck_assert_ptr_nonnull(policy);
    errand_policy_free(policy);
    opts.newer = 1;
    ck_assert_ptr_null(errand_policy_new_sized(&opts.known, sizeof opts, &why));
    ck_assert_int_eq(errno, ENOTSUP);
    ck_assert_ptr_null(errand_policy_new_sized(&opts.known, 0, &why));
    ck_assert_int_eq(errno, EINVAL);
    opts.known.initial_ms = -1; /* a field that an older caller's struct lacks */
    policy = errand_policy_new_sized(&opts.known, offsetof(errand_policy_opts, initial_ms), &why);
    ck_assert_ptr_nonnull(policy);
    ck_assert_int_ge(errand_policy_backoff_ms(policy, 1, 1), 0);
    errand_policy_free(policy);
    policy = errand_policy_new(NULL, &why);
    ck_assert_ptr_nonnull(policy);
    ck_assert_int_eq(errand_policy_backoff_ms(policy, 1, 1), -1); /* one attempt */
    errand_policy_free(policy);
    errand_policy_free(NULL);
}
END_TEST

START_TEST(no_wait_follows_the_last_attempt)
{
    errand_policy *policy =
        policy_of((errand_policy_opts){ .attempts = 3, .jitter = ERRAND_JITTER_NONE });
    const int64_t waits[] = { -1, 50, 100, -1, -1 };
    for (unsigned n = 0; n < 5; n++)
        ck_assert_int_eq(errand_policy_backoff_ms(policy, n, 7), waits[n]);
    ck_assert_int_eq(errand_policy_backoff_ms(NULL, 1, 7), -1);
    errand_result limited = errand_fail(ERRAND_HTTP + 429);
    errand_attempt_info view = { .number = 1, .last = &limited };
    /* the first wait after a rate limit is longer */
    ck_assert_int_eq(er_policy_wait(policy, 7, -1, &view), 1000);
    view.number = 2;
    ck_assert_int_eq(er_policy_wait(policy, 7, -1, &view), 2000);
    errand_policy_free(policy);
    policy = policy_of((errand_policy_opts){ .attempts = 3, .repeat = ERRAND_REPEAT_NEVER });
    ck_assert_int_eq(errand_policy_backoff_ms(policy, 1, 7), -1);
    errand_policy_free(policy);
}
END_TEST

START_TEST(every_backoff_is_within_its_bounds)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        uint64_t state = seed;
        errand_policy_opts o = { .attempts = UINT32_MAX,
                                 .initial_ms = 1 + (int64_t)(er_random_next(&state) % 5000),
                                 .multiplier = 1 + 4 * er_random_fraction(&state),
                                 .jitter = (errand_jitter)(seed % 3) };
        o.max_ms = o.initial_ms + (int64_t)(er_random_next(&state) % 100000);
        errand_policy *policy = policy_of(o);
        for (unsigned n = 1; n <= 30; n++) {
            double w = fmin((double)o.initial_ms * pow(o.multiplier, n - 1), (double)o.max_ms);
            double least = o.jitter == ERRAND_JITTER_FULL   ? 0
                           : o.jitter == ERRAND_JITTER_NONE ? w
                                                            : w / 2;
            int64_t wait = errand_policy_backoff_ms(policy, n, seed);
            if (fabs(least - (double)wait) > 0.51 && (double)wait < least)
                ck_abort_msg("seed %llu", (unsigned long long)seed);
            if ((double)wait > w + 0.51 || wait > o.max_ms)
                ck_abort_msg("seed %llu", (unsigned long long)seed);
            if (wait != errand_policy_backoff_ms(policy, n, seed))
                ck_abort_msg("the same seed gave another wait");
        }
        errand_policy_free(policy);
    }
}
END_TEST

static double mean_wait(errand_jitter jitter, unsigned attempt)
{
    errand_policy *policy =
        policy_of((errand_policy_opts){ .attempts = 100, .initial_ms = 1000, .jitter = jitter });
    double sum = 0;
    for (uint64_t seed = 1; seed <= 100000; seed++)
        sum += (double)errand_policy_backoff_ms(policy, attempt, seed);
    errand_policy_free(policy);
    return sum / 100000;
}

START_TEST(jitter_is_uniform)
{
    ck_assert_double_eq_tol(mean_wait(ERRAND_JITTER_FULL, 1), 500, 5);
    ck_assert_double_eq_tol(mean_wait(ERRAND_JITTER_FULL, 3), 2000, 20);
    ck_assert_double_eq_tol(mean_wait(ERRAND_JITTER_FULL, 50), 10000, 100);
    ck_assert_double_eq_tol(mean_wait(ERRAND_JITTER_EQUAL, 1), 750, 7.5);
    ck_assert_double_eq_tol(mean_wait(ERRAND_JITTER_EQUAL, 50), 15000, 150);
    ck_assert_double_eq(mean_wait(ERRAND_JITTER_NONE, 2), 2000);
}
END_TEST

START_TEST(jitter_reaches_both_ends_of_its_range)
{
    errand_policy *policy = policy_of((errand_policy_opts){ .attempts = 2, .initial_ms = 3 });
    unsigned seen[4] = { 0 };
    for (uint64_t seed = 0; seed < 1000; seed++) {
        int64_t wait = errand_policy_backoff_ms(policy, 1, seed);
        ck_assert(wait >= 0 && wait <= 3);
        seen[wait]++;
    }
    for (int i = 0; i < 4; i++) ck_assert_uint_gt(seen[i], 0);
    errand_policy_free(policy);
}
END_TEST

START_TEST(backoffs_saturate_at_any_attempt)
{
    const unsigned attempts[] = { 64, 1000, 1000000, UINT32_MAX - 1 };
    for (int i = 0; i < 4; i++) {
        errand_policy *policy =
            policy_of((errand_policy_opts){ .attempts = UINT32_MAX, .jitter = ERRAND_JITTER_NONE });
        ck_assert_int_eq(errand_policy_backoff_ms(policy, attempts[i], 1), 20000);
        errand_policy_free(policy);
        policy = policy_of((errand_policy_opts){
            .attempts = UINT32_MAX,
            .initial_ms = 1,
            .max_ms = ERRAND_FOREVER,
            .multiplier = 1e9,
            .jitter = ERRAND_JITTER_NONE });
        ck_assert_int_eq(errand_policy_backoff_ms(policy, attempts[i], 1), INT64_MAX);
        errand_policy_free(policy);
        policy = policy_of((errand_policy_opts){
            .attempts = UINT32_MAX,
            .initial_ms = 7,
            .multiplier = 1,
            .jitter = ERRAND_JITTER_NONE });
        ck_assert_int_eq(errand_policy_backoff_ms(policy, attempts[i], 1), 7);
        errand_policy_free(policy);
        policy = policy_of((errand_policy_opts){
            .attempts = UINT32_MAX, .initial_ms = ERRAND_ZERO, .multiplier = 1e9 });
        ck_assert_int_eq(errand_policy_backoff_ms(policy, attempts[i], 1), 0);
        errand_policy_free(policy);
    }
    errand_policy *policy = policy_of((errand_policy_opts){
        .attempts = 2, .initial_ms = 30000 }); /* beyond the default max_ms */
    for (uint64_t seed = 0; seed < 100; seed++)
        ck_assert_int_le(errand_policy_backoff_ms(policy, 1, seed), 30000);
    errand_policy_free(policy);
}
END_TEST

START_TEST(backoff_ms_returns_the_actual_wait)
{
    test_clock t;
    test_clock_start(&t);
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock });
    for (uint64_t seed = 1; seed <= 20; seed++) {
        errand_policy *policy = policy_of((errand_policy_opts){
            .attempts = 9, .initial_ms = 100, .seed = seed, .jitter = seed % 3 });
        script s = { .error = { ECONNRESET, ECONNRESET, ECONNRESET, ECONNRESET, ECONNRESET,
                                ECONNRESET, ECONNRESET, ECONNRESET } };
        errand_task task = scripted(&s);
        errand_future *f = errand_run_task(pool, policy, &task);
        for (unsigned n = 1; n <= 8; n++) {
            int64_t wait = errand_policy_backoff_ms(policy, n, seed);
            ck_assert_int_ge(wait, 0);
            await_asleep(pool, 1);
            ck_assert_uint_eq(count_of(&s.calls), n);
            if (wait > 0) turn(&t, pool, wait - 1);
            await_asleep(pool, 1);
            ck_assert_uint_eq(count_of(&s.calls), n);
            turn(&t, pool, 2);
            await_count(&s.calls, n + 1);
        }
        errand_result r = errand_await(f);
        ck_assert_int_eq(r.error, 0);
        ck_assert_uint_eq(errand_result_attempts(&r), 9);
        for (unsigned n = 1; n <= 9; n++) {
            errand_attempt a;
            ck_assert_int_eq(errand_result_attempt(&r, n - 1, &a), 0);
            ck_assert_int_eq(a.then_waited_ms, errand_policy_backoff_ms(policy, n, seed));
            ck_assert_str_eq(a.why_waited, n < 9 ? "backoff" : "");
        }
        errand_result_free(&r);
        errand_policy_free(policy);
    }
    close_pool(pool);
}
END_TEST

/* ---- shared ---- */

typedef struct sharer {
    errand_pool *pool;
    const errand_policy *policy;
} sharer;

static void *run_many(void *arg)
{
    sharer *s = arg;
    for (unsigned i = 0, n = scaled(500); i < n; i++) {
        script once = { .error = { ECONNRESET } };
        errand_task task = scripted(&once);
        ENDS(errand_run_task(s->pool, s->policy, &task), 0);
        if (once.calls != 2 || once.freed != 1)
            ck_abort_msg("%u calls, %u freed", once.calls, once.freed);
    }
    return NULL;
}

START_TEST(threads_share_a_policy_and_runs_outlive_its_handle)
{
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 2 });
    errand_rate *rate = errand_rate_new(pool, &(errand_rate_opts){ .per_second = 1e9 });
    errand_policy *policy = policy_of((errand_policy_opts){
        .attempts = 2, .initial_ms = ERRAND_ZERO, .sem = sem, .rate = rate });
    errand_sem_free(sem); /* the policy keeps its limits */
    errand_rate_free(rate);
    pthread_t threads[4];
    sharer s = { pool, policy };
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_many, &s), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    hold h = { .result = errand_fail(ECONNRESET) };
    errand_future *f = errand_run(pool, policy, hold_worker, &h);
    await_event(&h.began);
    errand_policy_free(policy);
    happen(&h.go);
    ENDS(f, ECONNRESET);
    ck_assert_uint_eq(h.runs, 2);
    close_pool(pool);
}
END_TEST

/* ---- made from another, turned off ---- */

START_TEST(errand_policy_with_changes_only_given_fields)
{
    errand_policy *base = policy_of((errand_policy_opts){
        .attempts = 4,
        .initial_ms = 100,
        .max_ms = 300,
        .jitter = ERRAND_JITTER_NONE,
        .retry_if = errand_retry_if_error(EBUSY),
        .stop = errand_stop_after_delay(100000) });
    const char *why = NULL;
    errand_policy *longer =
        errand_policy_with(base, &(errand_policy_opts){ .attempts = 6, .max_ms = 500 }, &why);
    errand_policy *own =
        errand_policy_with(base, &(errand_policy_opts){ .backoff = errand_backoff_fixed(7) }, &why);
    ck_assert(longer && own && !why);
    /* less than base's initial_ms */
    ck_assert_ptr_null(errand_policy_with(base, &(errand_policy_opts){ .max_ms = 50 }, &why));
    ck_assert_str_eq(why, "max_ms: less than initial_ms");
    errand_policy_free(base); /* shared parts remain */
    const int64_t waits[] = { 100, 200, 400, 500, 500, -1 };
    for (unsigned n = 1; n <= 6; n++)
        ck_assert_int_eq(errand_policy_backoff_ms(longer, n, 1), waits[n - 1]);
    ck_assert_int_eq(errand_policy_backoff_ms(own, 3, 1), 7);
    ck_assert_int_eq(errand_policy_backoff_ms(own, 4, 1), -1);
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    script s = { .error = { EBUSY, EAGAIN } };
    /* EAGAIN is transient, and base's retry_if does not match it */
    errand_future *f = errand_run(pool, own, follow_script, &s);
    ENDS(f, EAGAIN);
    ck_assert_uint_eq(s.calls, 2);
    close_pool(pool);
    errand_policy_free(longer);
    errand_policy_free(own);
    own = errand_policy_with(NULL, &(errand_policy_opts){ .attempts = 2 }, NULL);
    ck_assert_int_ge(errand_policy_backoff_ms(own, 1, 1), 0);
    errand_policy_free(own);
}
END_TEST

static void never_called(const errand_attempt_info *info, void *arg)
{
    (void)arg;
    ck_abort_msg("a hook of a disabled policy at attempt %u", info->number);
}

START_TEST(a_disabled_policy_is_validated_and_has_no_effect)
{
    refused((errand_policy_opts){ .disabled = 1, .max_ms = -1 }, "max_ms");
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_rate *rate = errand_rate_new(pool, &(errand_rate_opts){ .per_second = 0.001 });
    ck_assert_int_eq(errand_rate_wait(rate, NULL, 0), 0);
    errand_policy *policy = policy_of((errand_policy_opts){
        .disabled = 1,
        .attempts = 5,
        .rate = rate,
        .before_attempt = never_called,
        .on_give_up = never_called,
        .retry_if = errand_retry_if_failed() });
    script s = { .error = { EAGAIN } };
    errand_future *f = errand_run(pool, policy, follow_script, &s);
    ENDS(f, EAGAIN);
    ck_assert_uint_eq(s.calls, 1);
    errand_loop loop = { { 0 } };
    errand_result r = { 0 };
    unsigned turns = 0;
    for (; errand_loop_next(&loop, policy, &r); turns++) r = errand_fail(EAGAIN);
    ck_assert_uint_eq(turns, 1);
    ck_assert_int_eq(r.error, EAGAIN);
    errand_result_free(&r);
    errand_policy *on = errand_policy_with(policy, &(errand_policy_opts){ .attempts = 3 }, NULL);
    ck_assert_ptr_nonnull(on); /* still disabled: 0 does not replace 1 */
    ck_assert_int_eq(errand_policy_backoff_ms(on, 1, 1), -1);
    errand_policy_free(on);
    errand_policy_free(policy);
    errand_rate_free(rate);
    close_pool(pool);
}
END_TEST

Suite *policy_suite(void)
{
    Suite *suite = suite_create("policy");
    TCase *tc = case_of(suite, "refused");
    tcase_add_test(tc, each_wrong_field_is_named);
    tcase_add_test(tc, shorter_options_are_accepted_and_unknown_ones_refused);
    tc = case_of(suite, "waits");
    tcase_add_test(tc, no_wait_follows_the_last_attempt);
    tcase_add_test(tc, every_backoff_is_within_its_bounds);
    tcase_add_test(tc, jitter_is_uniform);
    tcase_add_test(tc, jitter_reaches_both_ends_of_its_range);
    tcase_add_test(tc, backoffs_saturate_at_any_attempt);
    tcase_add_test(tc, backoff_ms_returns_the_actual_wait);
    tc = case_of(suite, "made from another");
    tcase_add_test(tc, errand_policy_with_changes_only_given_fields);
    tcase_add_test(tc, a_disabled_policy_is_validated_and_has_no_effect);
    tc = case_of(suite, "shared");
    tcase_add_test(tc, threads_share_a_policy_and_runs_outlive_its_handle);
    return suite;
}
