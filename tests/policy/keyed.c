/* Limits by key: which members are evicted, and which never. */
#include "runs.h"

#include "policy/budget.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static test_clock t;
static errand_pool *pool;

static const char *key_of(char *text, unsigned i)
{
    snprintf(text, 32, "key %u", i);
    return text;
}

static unsigned keys_of(errand_sem *sem)
{
    errand_sem_stats s;
    ck_assert_int_eq(errand_sem_stats_get(sem, NULL, &s), 0);
    return s.keys;
}

static bool sem_knows(errand_sem *sem, const char *key)
{
    errand_sem_stats s;
    return errand_sem_stats_get(sem, key, &s) == 0;
}

static void use(errand_sem *sem, const char *key) { errand_drop(errand_sem_acquire(sem, key, 1)); }

START_TEST(the_least_recently_used_key_is_evicted_first)
{
    pool = test_clock_pool(&t);
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1, .max_keys = 3 });
    use(sem, "a");
    use(sem, "b");
    use(sem, "c");
    use(sem, "a");
    use(sem, "d"); /* evicts b */
    ck_assert_uint_eq(keys_of(sem), 3);
    ck_assert(!sem_knows(sem, "b") && sem_knows(sem, "c") && sem_knows(sem, "a") &&
              sem_knows(sem, "d"));
    use(sem, "e"); /* stats do not count as a use: evicts c */
    ck_assert(!sem_knows(sem, "c") && sem_knows(sem, "a"));
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

START_TEST(a_thousand_keys_are_kept_by_default)
{
    char text[32];
    pool = test_clock_pool(&t);
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1 });
    for (unsigned i = 0; i < 5000; i++) use(sem, key_of(text, i));
    ck_assert_uint_eq(keys_of(sem), 1024);
    for (unsigned i = 0; i < 5000; i++)
        ck_assert_int_eq(sem_knows(sem, key_of(text, i)), i >= 5000 - 1024);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

START_TEST(a_member_with_holders_or_waiters_is_never_evicted)
{
    enum { HELD = 40 };
    char text[32];
    pool = test_clock_pool(&t);
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1, .max_keys = 8 });
    errand_result held[HELD];
    errand_future *waits[HELD];
    for (unsigned i = 0; i < HELD; i++) {
        held[i] = errand_await(errand_sem_acquire(sem, key_of(text, i), 1));
        ck_assert_int_eq(held[i].error, 0);
        waits[i] = errand_sem_acquire(sem, key_of(text, i), 1);
    }
    ck_assert_uint_eq(keys_of(sem), HELD);
    for (unsigned i = HELD; i < 500; i++) use(sem, key_of(text, i));
    ck_assert_uint_le(keys_of(sem), HELD + 8);
    for (unsigned i = 0; i < HELD; i++) {
        ck_assert(sem_knows(sem, key_of(text, i)));
        errand_result_free(&held[i]);
        ENDS(waits[i], 0);
    }
    for (unsigned i = 500; i < 600; i++) use(sem, key_of(text, i)); /* now they can be evicted */
    ck_assert_uint_eq(keys_of(sem), 8);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

START_TEST(a_rates_member_is_evicted_only_without_effect)
{
    char text[32];
    errand_rate_stats s;
    pool = test_clock_pool(&t);
    errand_rate *rate =
        errand_rate_new(pool, &(errand_rate_opts){ .per_second = 1, .max_keys = 4 });
    ck_assert_int_eq(errand_rate_wait(rate, "spent", 0), 0);
    ck_assert_int_eq(errand_rate_pause(rate, "paused", 5000), 0);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(errand_rate_pause(rate, key_of(text, i), 0), 0);
    ck_assert_int_eq(errand_rate_wait(rate, "spent", 0), ERRAND_ELATE);
    ck_assert_int_eq(errand_rate_wait(rate, "paused", 0), ERRAND_ELATE);
    turn(&t, pool, 1000);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(errand_rate_pause(rate, key_of(text, i), 0), 0);
    ck_assert_int_eq(errand_rate_stats_get(rate, "spent", &s), ENOENT);
    ck_assert_int_eq(errand_rate_stats_get(rate, "paused", &s), 0);
    ck_assert_uint_eq(s.keys, 4);
    errand_rate_free(rate);
    close_pool(pool);
}
END_TEST

START_TEST(an_open_or_busy_breaker_is_never_evicted)
{
    char text[32];
    errand_breaker_stats s;
    errand_breaker_call call, other;
    pool = test_clock_pool(&t);
    errand_breaker *breaker =
        errand_breaker_new(pool, &(errand_breaker_opts){ .min_calls = 1, .max_keys = 4 });
    ck_assert_int_eq(errand_breaker_allow(breaker, "open", &call), 0);
    errand_breaker_report(&call, &(errand_result){ .error = ETIMEDOUT });
    ck_assert_int_eq(errand_breaker_allow(breaker, "called", &call), 0);
    ck_assert_int_eq(errand_breaker_force(breaker, "forced", ERRAND_BREAKER_CLOSED), 0);
    for (unsigned i = 0; i < 100; i++) {
        ck_assert_int_eq(errand_breaker_allow(breaker, key_of(text, i), &other), 0);
        errand_breaker_report(&other, NULL);
    }
    ck_assert_int_eq(errand_breaker_allow(breaker, "open", &other), ERRAND_EOPEN);
    ck_assert_int_eq(errand_breaker_stats_get(breaker, "called", &s), 0);
    ck_assert_uint_eq(s.under_way, 1);
    ck_assert_int_eq(errand_breaker_stats_get(breaker, "forced", &s), 0);
    ck_assert_uint_eq(s.keys, 4);
    errand_breaker_report(&call, NULL);
    ck_assert_int_eq(errand_breaker_reset(breaker, "open"), 0);
    ck_assert_int_eq(errand_breaker_reset(breaker, "forced"), 0);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(errand_breaker_allow(breaker, key_of(text, i), &other), 0);
        errand_breaker_report(&other, NULL);
    }
    ck_assert_int_eq(errand_breaker_stats_get(breaker, "open", &s), ENOENT);
    ck_assert_int_eq(errand_breaker_stats_get(breaker, "called", &s), ENOENT);
    ck_assert_int_eq(errand_breaker_stats_get(breaker, "forced", &s), ENOENT);
    errand_breaker_free(breaker);
    close_pool(pool);
}
END_TEST

/* Many threads, more keys than are kept: a key's permit has one holder at a time, despite
 * evictions. */
enum { KEYS = 64, THREADS = 4 };
typedef struct storm {
    errand_sem *sem;
    uint64_t seed;
    unsigned rounds, *held;
} storm;

static void *rage(void *arg)
{
    storm *s = arg;
    char text[32];
    for (unsigned i = 0; i < s->rounds; i++) {
        unsigned k = (unsigned)(er_random_next(&s->seed) % KEYS);
        errand_permit *permit;
        int error = errand_sem_wait(s->sem, key_of(text, k), 1, LONG_MS, &permit);
        if (error) ck_abort_msg("%d", error);
        if (count_up(&s->held[k]) != 1) ck_abort_msg("two hold the permit of %s", text);
        __atomic_sub_fetch(&s->held[k], 1, __ATOMIC_SEQ_CST);
        errand_permit_release(permit);
    }
    return NULL;
}

START_TEST(eviction_under_load_loses_no_holder)
{
    ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 }));
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1, .max_keys = 2 });
    unsigned held[KEYS] = { 0 };
    pthread_t threads[THREADS];
    storm storms[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        storms[i] = (storm){ sem, i, scaled(5000), held };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, rage, &storms[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    use(sem, "a");
    use(sem, "b");
    ck_assert_uint_eq(keys_of(sem), 2);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

Suite *keyed_suite(void)
{
    Suite *suite = suite_create("keyed");
    TCase *tc = case_of(suite, "eviction");
    tcase_add_test(tc, the_least_recently_used_key_is_evicted_first);
    tcase_add_test(tc, a_thousand_keys_are_kept_by_default);
    tcase_add_test(tc, a_member_with_holders_or_waiters_is_never_evicted);
    tcase_add_test(tc, a_rates_member_is_evicted_only_without_effect);
    tcase_add_test(tc, an_open_or_busy_breaker_is_never_evicted);
    tcase_add_test(tc, eviction_under_load_loses_no_holder);
    return suite;
}
