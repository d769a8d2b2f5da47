/* Budgets: costs of retries, tokens returned by successes, limits of hedges. */
#include "runs.h"

#include "async/logged.h"
#include "policy/budget.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static test_clock t;
static errand_pool *pool;

static errand_budget *budget_of(errand_budget_opts opts)
{
    pool = test_clock_pool(&t);
    errand_budget *budget = errand_budget_new(pool, &opts);
    ck_assert_ptr_nonnull(budget);
    return budget;
}

static void end(errand_budget *budget)
{
    errand_budget_free(budget);
    close_pool(pool);
}

static er_budget_member *share_of(errand_budget *budget, const char *key)
{
    er_budget_member *m;
    ck_assert_int_eq(er_budget_join(budget, key, &m), 0);
    return m;
}

static errand_budget_stats stats_of(errand_budget *budget, const char *key)
{
    errand_budget_stats s;
    ck_assert_int_eq(errand_budget_stats_get(budget, key, &s), 0);
    return s;
}

START_TEST(a_retry_costs_by_its_cause_and_a_success_returns_one_token)
{
    errand_budget *b = budget_of((errand_budget_opts){ 0 });
    er_budget_member *m = share_of(b, NULL);
    ck_assert_uint_eq(stats_of(b, NULL).tokens, 500);
    ck_assert(er_budget_retry(m, false));
    ck_assert_uint_eq(stats_of(b, NULL).tokens, 486);
    ck_assert(er_budget_retry(m, true));
    ck_assert_uint_eq(stats_of(b, NULL).tokens, 481);
    er_budget_began(m);
    ck_assert_uint_eq(stats_of(b, NULL).in_flight, 1);
    er_budget_ended(m, false);
    ck_assert_uint_eq(stats_of(b, NULL).tokens, 481);
    for (unsigned i = 1; i <= 25; i++) {
        er_budget_began(m);
        er_budget_ended(m, true);
        /* never more than the maximum */
        ck_assert_uint_eq(stats_of(b, NULL).tokens, i < 19 ? 481 + i : 500);
    }
    ck_assert_uint_eq(stats_of(b, NULL).in_flight, 0);
    er_budget_part(m);
    end(b);
}
END_TEST

START_TEST(too_few_tokens_refuse_a_retry)
{
    logged log;
    logged_open(&log);
    test_clock_start(&t);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock, .log = log.log });
    errand_budget *b =
        errand_budget_new(pool, &(errand_budget_opts){ .tokens = 30, .name = "pay" });
    er_budget_member *m = share_of(b, "host");
    ck_assert(er_budget_retry(m, false) && er_budget_retry(m, false)); /* 2 are left */
    ck_assert(!er_budget_retry(m, false) && !er_budget_retry(m, true));
    ck_assert_uint_eq(stats_of(b, "host").tokens, 2);
    for (int i = 0; i < 3; i++) {
        er_budget_began(m);
        er_budget_ended(m, true);
    }
    ck_assert(er_budget_retry(m, true) && !er_budget_retry(m, true));
    errand_budget_stats s = stats_of(b, "host");
    ck_assert_uint_eq(s.retries, 3);
    ck_assert_uint_eq(s.refused_retries, 3);
    ck_assert(er_budget_retry(share_of(b, "other"), false)); /* each key has its own tokens */
    er_budget_part(m);
    errand_budget_free(b);
    close_pool(pool);
    const char *text = logged_text(&log), *once = strstr(text, "[pay-spent] of host");
    ck_assert_ptr_nonnull(once);
    once = strstr(once + 1, "[pay-spent]"); /* logged each time it becomes empty */
    ck_assert_ptr_nonnull(once);
    ck_assert_ptr_null(strstr(once + 1, "[pay-spent]"));
    logged_close(&log);
}
END_TEST

START_TEST(hedges_are_limited_to_a_fifth_or_three)
{
    errand_budget *b = budget_of((errand_budget_opts){ 0 });
    er_budget_member *m = share_of(b, NULL);
    for (int i = 0; i < 3; i++) {
        er_budget_began(m);
        ck_assert(er_budget_hedge(m));
    }
    ck_assert(!er_budget_hedge(m));
    for (int i = 0; i < 14; i++) er_budget_began(m); /* 20 in flight, three of them hedges */
    ck_assert(er_budget_hedge(m));                   /* 4 of 21 */
    ck_assert(!er_budget_hedge(m));                  /* not 5 of 22 */
    errand_budget_stats s = stats_of(b, NULL);
    ck_assert_uint_eq(s.in_flight, 21);
    ck_assert_uint_eq(s.hedges, 4);
    ck_assert_uint_eq(s.hedged, 4);
    ck_assert_uint_eq(s.refused_hedges, 2);
    for (int i = 0; i < 4; i++) er_budget_hedge_ended(m, i == 0);
    for (int i = 0; i < 17; i++) er_budget_ended(m, false);
    ck_assert_uint_eq(stats_of(b, NULL).in_flight, 0);
    ck_assert_uint_eq(stats_of(b, NULL).hedges, 0);
    er_budget_part(m);
    end(b);
}
END_TEST

START_TEST(without_a_budget_all_retries_are_allowed)
{
    ck_assert(er_budget_retry(NULL, false) && er_budget_hedge(NULL));
    er_budget_began(NULL);
    er_budget_ended(NULL, true);
    er_budget_hedge_ended(NULL, true);
    er_budget_part(NULL);
}
END_TEST

START_TEST(a_member_in_use_is_not_evicted)
{
    errand_budget *b = budget_of((errand_budget_opts){ .max_keys = 1 });
    er_budget_member *m = share_of(b, "a");
    ck_assert(er_budget_retry(m, false));
    er_budget_part(share_of(b, "b"));
    er_budget_part(share_of(b, "c"));
    ck_assert_uint_eq(stats_of(b, "a").tokens, 486);
    er_budget_part(m);
    er_budget_part(share_of(b, "d"));
    errand_budget_stats s;
    ck_assert_int_eq(errand_budget_stats_get(b, "a", &s), ENOENT);
    end(b);
}
END_TEST

/* All calls fail: the retries of all threads add up exactly to the tokens of the bucket. */
typedef struct storm {
    errand_budget *budget;
    unsigned rounds, retries, well;
} storm;

static void *rage(void *arg)
{
    storm *s = arg;
    er_budget_member *m = share_of(s->budget, "k");
    for (unsigned i = 0; i < s->rounds; i++) {
        er_budget_began(m);
        bool hedged = er_budget_hedge(m);
        er_budget_ended(m, i % 10 == 0);
        s->well += i % 10 == 0;
        if (hedged) er_budget_hedge_ended(m, false);
        s->retries += er_budget_retry(m, false);
    }
    er_budget_part(m);
    return NULL;
}

START_TEST(tokens_are_conserved_in_a_storm)
{
    enum { THREADS = 4 };
    errand_budget *b = budget_of((errand_budget_opts){ .tokens = 1000000, .cost = 3, .refund = 2 });
    pthread_t threads[THREADS];
    storm storms[THREADS];
    unsigned retries = 0, well = 0;
    er_budget_member *m = share_of(b, "k");
    /* so that it is never full */
    for (int i = 0; i < 300000; i++) ck_assert(er_budget_retry(m, false));
    for (unsigned i = 0; i < THREADS; i++) {
        storms[i] = (storm){ b, scaled(10000), 0, 0 };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, rage, &storms[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        retries += storms[i].retries;
        well += storms[i].well;
    }
    errand_budget_stats s = stats_of(b, "k");
    ck_assert_uint_eq(s.tokens, 100000 + 2 * well - 3 * retries);
    ck_assert_uint_eq(s.retries, 300000 + retries);
    ck_assert_uint_eq(s.in_flight, 0);
    ck_assert_uint_eq(s.hedges, 0);
    er_budget_part(m);
    end(b);
}
END_TEST

START_TEST(a_budget_refuses_wrong_options)
{
    pool = test_clock_pool(&t);
    static const errand_budget_opts bad[] = {
        { .hedge_share = NAN }, { .hedge_share = -1 }, { .hedge_share = 1.5 },
        { .tokens = 13 },       { .cost = 501 },       { .cost_throttled = 501 }
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        ck_assert_msg(!errand_budget_new(pool, &bad[i]) && errno == EINVAL, "%zu is accepted", i);
    }
    ck_assert(!errand_budget_new(NULL, &(errand_budget_opts){ 0 }) && errno == EINVAL);
    errand_budget *b = errand_budget_new(pool, NULL);
    ck_assert_ptr_nonnull(b);
    errand_budget_free(NULL);
    end(b);
}
END_TEST

Suite *budget_suite(void)
{
    Suite *suite = suite_create("budget");
    TCase *tc = case_of(suite, "tokens");
    tcase_add_test(tc, a_retry_costs_by_its_cause_and_a_success_returns_one_token);
    tcase_add_test(tc, too_few_tokens_refuse_a_retry);
    tcase_add_test(tc, hedges_are_limited_to_a_fifth_or_three);
    tcase_add_test(tc, without_a_budget_all_retries_are_allowed);
    tcase_add_test(tc, a_member_in_use_is_not_evicted);
    tcase_add_test(tc, tokens_are_conserved_in_a_storm);
    tcase_add_test(tc, a_budget_refuses_wrong_options);
    return suite;
}
