/* Circuit breakers on a test clock: when they open, lend probes and close; each outcome returns its
 * probe. */
#include "runs.h"

#include "async/logged.h"
#include "policy/breaker.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static test_clock t;
static errand_pool *pool;

static errand_breaker *breaker_of(errand_breaker_opts opts)
{
    if (!pool) pool = test_clock_pool(&t);
    errand_breaker *breaker = errand_breaker_new(pool, &opts);
    ck_assert_ptr_nonnull(breaker);
    return breaker;
}

static void end(errand_breaker *breaker)
{
    errand_breaker_free(breaker);
    close_pool(pool);
    pool = NULL;
}

static errand_breaker_stats stats_of(errand_breaker *breaker)
{
    errand_breaker_stats s;
    ck_assert_int_eq(errand_breaker_stats_get(breaker, NULL, &s), 0);
    return s;
}

static int call(errand_breaker *breaker, int error)
{
    errand_breaker_call c;
    errand_result r = { .error = error };
    int refused = errand_breaker_allow(breaker, NULL, &c);
    if (!refused) errand_breaker_report(&c, &r);
    return refused;
}

static void break_it(errand_breaker *breaker)
{
    while (!call(breaker, ETIMEDOUT)) continue;
    ck_assert_int_eq(stats_of(breaker).state, ERRAND_BREAKER_OPEN);
}

START_TEST(ten_failures_of_twenty_calls_open_a_breaker)
{
    errand_breaker *b = breaker_of((errand_breaker_opts){ 0 });
    for (int i = 0; i < 19; i++) ck_assert_int_eq(call(b, ETIMEDOUT), 0); /* too few to judge by */
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_CLOSED);
    ck_assert_int_eq(call(b, ETIMEDOUT), 0);
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_OPEN);
    ck_assert_int_eq(call(b, 0), ERRAND_EOPEN);
    ck_assert_uint_eq(stats_of(b).refused, 1);
    ck_assert_uint_eq(stats_of(b).times_open, 1);
    errand_breaker_free(b);

    b = breaker_of((errand_breaker_opts){ 0 });
    for (int i = 0; i < 100; i++) ck_assert_int_eq(call(b, 0), 0);
    for (int i = 0; i < 99; i++) ck_assert_int_eq(call(b, ETIMEDOUT), 0);
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_CLOSED);
    ck_assert_uint_eq(stats_of(b).calls, 199);
    ck_assert_uint_eq(stats_of(b).failed, 99);
    ck_assert_int_eq(call(b, ETIMEDOUT), 0); /* the hundredth failure of two hundred calls */
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_OPEN);
    end(b);
}
END_TEST

START_TEST(calls_older_than_the_window_do_not_count)
{
    errand_breaker *b = breaker_of((errand_breaker_opts){ .window_ms = 1000 });
    for (int i = 0; i < 19; i++) call(b, ETIMEDOUT);
    turn(&t, pool, 500);
    ck_assert_uint_eq(stats_of(b).failed, 19);
    turn(&t, pool, 501);
    ck_assert_uint_eq(stats_of(b).failed, 0);
    for (int i = 0; i < 19; i++) call(b, ETIMEDOUT);
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_CLOSED);
    turn(&t, pool, 100000);
    ck_assert_uint_eq(stats_of(b).calls, 0);
    call(b, 0);
    ck_assert_uint_eq(stats_of(b).calls, 1);
    end(b);
}
END_TEST

START_TEST(a_breaker_counts_results_by_kind)
{
    static const struct {
        int error;
        er_verdict verdict;
    } ends[] = {
        { 0, ER_CALL_WELL },
        { ERRAND_HTTP + 404, ER_CALL_WELL },
        { EACCES, ER_CALL_WELL },
        { ECONNREFUSED, ER_CALL_FAILED },
        { ETIMEDOUT, ER_CALL_FAILED },
        { ERRAND_HTTP + 503, ER_CALL_FAILED },
        { EPROTO, ER_CALL_FAILED },
        { ERRAND_USER + 1, ER_CALL_FAILED },
        { EIO, ER_CALL_FAILED },
        { ECANCELED, ER_CALL_UNKNOWN },
        { ERRAND_EFULL, ER_CALL_UNKNOWN },
        { ERRAND_HTTP + 429, ER_CALL_UNKNOWN },
        { EINVAL, ER_CALL_UNKNOWN },
        { EMFILE, ER_CALL_UNKNOWN },
        { ERRAND_EABANDONED, ER_CALL_UNKNOWN },
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        errand_result r = { .error = ends[i].error };
        ck_assert_msg(er_verdict_of(&r) == ends[i].verdict, "%s", errand_strerror(ends[i].error));
    }
    ck_assert_int_eq(er_verdict_of(NULL), ER_CALL_UNKNOWN);
}
END_TEST

START_TEST(slow_calls_count_if_configured)
{
    errand_breaker *b = breaker_of((errand_breaker_opts){ .slow_ms = 100, .min_calls = 2 });
    errand_breaker_call c, d;
    ck_assert_int_eq(errand_breaker_allow(b, NULL, &c), 0);
    ck_assert_int_eq(errand_breaker_allow(b, NULL, &d), 0);
    turn(&t, pool, 99);
    errand_breaker_report(&c, &(errand_result){ 0 });
    ck_assert_uint_eq(stats_of(b).failed, 0);
    turn(&t, pool, 1);
    errand_breaker_report(&d, &(errand_result){ 0 });
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_OPEN);
    end(b);
}
END_TEST

START_TEST(a_breaker_opens_half_opens_and_closes)
{
    errand_breaker *b = breaker_of((errand_breaker_opts){ .min_calls = 4 });
    break_it(b);
    int64_t open = stats_of(b).open_ms;
    ck_assert_int_ge(open, 4000);
    ck_assert_int_le(open, 5000);
    turn(&t, pool, open - 1);
    ck_assert_int_eq(call(b, 0), ERRAND_EOPEN);
    turn(&t, pool, 1);
    errand_breaker_call probe;
    ck_assert_int_eq(errand_breaker_allow(b, NULL, &probe), 0);
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_HALF_OPEN);
    ck_assert_uint_eq(stats_of(b).probing, 1);
    ck_assert_int_eq(call(b, 0), ERRAND_EOPEN); /* one at a time */
    errand_breaker_report(&probe, &(errand_result){ 0 });
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_CLOSED);
    ck_assert_uint_eq(stats_of(b).failed, 0); /* counts start at zero */
    ck_assert_int_eq(call(b, ETIMEDOUT), 0);
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_CLOSED);
    end(b);
}
END_TEST

START_TEST(open_times_grow_up_to_a_maximum)
{
    errand_breaker *b = breaker_of((errand_breaker_opts){ .min_calls = 1 });
    static const int64_t most[] = { 5000, 10000, 20000, 40000, 60000, 60000, 60000 };
    bool all_alike = true;
    call(b, ETIMEDOUT);
    for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
        int64_t open = stats_of(b).open_ms;
        ck_assert_msg(open <= most[i] && open >= most[i] * 8 / 10, "%lld", (long long)open);
        all_alike = all_alike && open == most[i];
        turn(&t, pool, open);
        ck_assert_int_eq(call(b, ECONNREFUSED), 0); /* the probe fails */
    }
    ck_assert(!all_alike); /* jitter varies them */
    turn(&t, pool, 60000);
    ck_assert_int_eq(call(b, 0), 0);
    call(b, ETIMEDOUT);
    ck_assert_int_le(stats_of(b).open_ms, 5000); /* back to the shortest */
    ck_assert_uint_eq(stats_of(b).times_open, 9);
    end(b);
}
END_TEST

START_TEST(the_open_times_jitter_is_a_fifth_and_seeded)
{
    double sum = 0;
    int64_t once = 0, again = 0;
    enum { N = 400 };
    for (unsigned seed = 1; seed <= N; seed++) {
        errand_breaker *b =
            breaker_of((errand_breaker_opts){ .min_calls = 1, .seed = seed, .open_ms = 100000 });
        call(b, ETIMEDOUT);
        sum += (double)stats_of(b).open_ms;
        if (seed == 1) once = stats_of(b).open_ms;
        errand_breaker_free(b);
    }
    ck_assert_double_lt(fabs(sum / N - 90000), 1000);
    errand_breaker *b =
        breaker_of((errand_breaker_opts){ .min_calls = 1, .seed = 1, .open_ms = 100000 });
    call(b, ETIMEDOUT);
    again = stats_of(b).open_ms;
    ck_assert_int_eq(once, again);
    end(b);
}
END_TEST

static errand_breaker *half_open(errand_breaker_opts opts)
{
    opts.min_calls = 1;
    errand_breaker *b = breaker_of(opts);
    call(b, ETIMEDOUT);
    turn(&t, pool, 60000);
    return b;
}

START_TEST(every_outcome_returns_the_probe)
{
    errand_breaker *b = half_open((errand_breaker_opts){ .probes = 2 });
    errand_breaker_call c, d, e;
    static const int nothing_learned[] = { ECANCELED, ERRAND_HTTP + 429, EINVAL, ERRAND_EFULL };
    for (size_t i = 0; i < sizeof nothing_learned / sizeof *nothing_learned; i++) {
        ck_assert_int_eq(call(b, nothing_learned[i]), 0);
        ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_HALF_OPEN);
        ck_assert_uint_eq(stats_of(b).probing, 0);
    }
    ck_assert_int_eq(errand_breaker_allow(b, NULL, &c), 0);
    ck_assert_int_eq(errand_breaker_allow(b, NULL, &d), 0);
    ck_assert_int_eq(errand_breaker_allow(b, NULL, &e), ERRAND_EOPEN);
    ck_assert_uint_eq(stats_of(b).under_way, 2);
    errand_breaker_report(&e, NULL); /* it has no probe */
    errand_breaker_report(&c, NULL);
    errand_breaker_report(&c, &(errand_result){ .error = ETIMEDOUT }); /* reported already */
    ck_assert_int_eq(errand_breaker_allow(b, NULL, &e), 0);
    errand_breaker_report(&e, &(errand_result){ 0 });
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_HALF_OPEN); /* the first of two */
    errand_breaker_report(&d, &(errand_result){ 0 });
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_CLOSED);
    ck_assert_uint_eq(stats_of(b).under_way, 0);
    end(b);
}
END_TEST

START_TEST(an_expired_probe_is_lent_again)
{
    errand_breaker *b = half_open((errand_breaker_opts){ .probe_ms = 1000 });
    errand_breaker_call lost, next;
    er_breaker_call refused;
    int64_t again;
    ck_assert_int_eq(errand_breaker_allow(b, NULL, &lost), 0);
    turn(&t, pool, 400);
    ck_assert_int_eq(er_breaker_allow(b, NULL, &refused, &again), ERRAND_EOPEN);
    ck_assert_int_eq(again, 600);
    turn(&t, pool, 600);
    ck_assert_uint_eq(stats_of(b).probing, 0);
    ck_assert_int_eq(errand_breaker_allow(b, NULL, &next), 0);
    errand_breaker_report(&lost, NULL); /* its probe was lent to another call */
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_HALF_OPEN);
    ck_assert_uint_eq(stats_of(b).probing, 1);
    errand_breaker_report(&next, &(errand_result){ 0 });
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_CLOSED);
    end(b);
}
END_TEST

/* A call is requested every 10 ms, and takes 150 ms. */
static errand_breaker_state after_slow_probes(int error)
{
    errand_breaker *b = half_open((errand_breaker_opts){ .probe_ms = 100, .probes = 2 });
    enum { CALLS = 60, LATE = 15 };
    errand_breaker_call calls[CALLS] = { 0 };
    for (int i = 0; i < CALLS && (i == 0 || stats_of(b).state == ERRAND_BREAKER_HALF_OPEN); i++) {
        errand_breaker_allow(b, NULL, &calls[i]);
        if (i >= LATE) errand_breaker_report(&calls[i - LATE], &(errand_result){ .error = error });
        turn(&t, pool, 10);
    }
    errand_breaker_state state = stats_of(b).state;
    for (int i = 0; i < CALLS; i++) errand_breaker_report(&calls[i], NULL);
    ck_assert_uint_eq(stats_of(b).under_way, 0);
    end(b);
    return state;
}

START_TEST(probes_slower_than_their_time_count)
{
    ck_assert_int_eq(after_slow_probes(0), ERRAND_BREAKER_CLOSED);
    ck_assert_int_eq(after_slow_probes(ETIMEDOUT), ERRAND_BREAKER_OPEN);
}
END_TEST

START_TEST(a_call_begun_in_an_earlier_state_does_not_count)
{
    errand_breaker *b = breaker_of((errand_breaker_opts){ .min_calls = 1 });
    errand_breaker_call old, probe;
    ck_assert_int_eq(errand_breaker_allow(b, NULL, &old), 0);
    call(b, ETIMEDOUT);
    turn(&t, pool, 5000);
    ck_assert_int_eq(errand_breaker_allow(b, NULL, &probe), 0);
    errand_breaker_report(&old, &(errand_result){ 0 });
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_HALF_OPEN);
    ck_assert_int_eq(errand_breaker_reset(b, NULL), 0);
    errand_breaker_report(&probe, &(errand_result){ .error = ETIMEDOUT });
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_CLOSED);
    ck_assert_uint_eq(stats_of(b).calls, 0);
    end(b);
}
END_TEST

START_TEST(a_breaker_can_be_forced_open_and_closed)
{
    errand_breaker *b = breaker_of((errand_breaker_opts){ .min_calls = 1 });
    er_breaker_call refused;
    int64_t again;
    ck_assert_int_eq(errand_breaker_force(b, NULL, ERRAND_BREAKER_OPEN), 0);
    turn(&t, pool, 10000000);
    ck_assert_int_eq(er_breaker_allow(b, NULL, &refused, &again), ERRAND_EOPEN);
    ck_assert_int_eq(again, -1);
    ck_assert_int_eq(stats_of(b).open_ms, ERRAND_FOREVER);
    ck_assert_uint_eq(stats_of(b).forced, 1);
    ck_assert_int_eq(errand_breaker_force(b, NULL, ERRAND_BREAKER_CLOSED), 0);
    for (int i = 0; i < 100; i++) ck_assert_int_eq(call(b, ETIMEDOUT), 0);
    ck_assert_int_eq(errand_breaker_reset(b, NULL), 0);
    ck_assert_uint_eq(stats_of(b).forced, 0);
    ck_assert_uint_eq(stats_of(b).failed, 0);
    call(b, ETIMEDOUT);
    ck_assert_int_eq(stats_of(b).state, ERRAND_BREAKER_OPEN);
    /* open until forced or freed */
    ck_assert_int_eq(errand_breaker_force(b, NULL, ERRAND_BREAKER_OPEN), 0);
    ck_assert_int_eq(stats_of(b).open_ms, ERRAND_FOREVER);
    ck_assert_int_eq(errand_breaker_force(b, NULL, ERRAND_BREAKER_HALF_OPEN), EINVAL);
    ck_assert_int_eq(errand_breaker_force(NULL, NULL, ERRAND_BREAKER_OPEN), EINVAL);
    ck_assert_int_eq(errand_breaker_reset(NULL, NULL), EINVAL);
    end(b);
}
END_TEST

/* ---- the watcher ---- */

typedef struct seen {
    unsigned n;
    errand_breaker_change at[100];
    char keys[100][16];
    event *first, *go; /* the first call blocks until go */
} seen;

static void see(const errand_breaker_change *change, void *arg)
{
    seen *s = arg;
    unsigned i = count_of(&s->n);
    s->at[i] = *change;
    strncpy(s->keys[i], change->key ? change->key : "NULL", 15);
    if (i == 0 && s->first) {
        happen(s->first);
        await_event(s->go);
    }
    count_up(&s->n);
}

START_TEST(state_changes_are_notified_and_logged_in_order)
{
    logged log;
    seen s = { 0 };
    logged_open(&log);
    test_clock_start(&t);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock, .log = log.log });
    errand_breaker *b = errand_breaker_new(
        pool, &(errand_breaker_opts){
                  .min_calls = 2, .name = "pay", .on_change = see, .on_change_arg = &s });
    errand_breaker_call c;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(errand_breaker_allow(b, "host", &c), 0);
        errand_breaker_report(&c, &(errand_result){ .error = ETIMEDOUT });
    }
    await_count(&s.n, 1);
    turn(&t, pool, 5000);
    ck_assert_int_eq(errand_breaker_allow(b, "host", &c), 0);
    errand_breaker_report(&c, &(errand_result){ 0 });
    errand_breaker_force(b, NULL, ERRAND_BREAKER_OPEN);
    await_count(&s.n, 4);
    errand_breaker_free(b);
    ck_assert_int_eq(s.at[0].to, ERRAND_BREAKER_OPEN);
    ck_assert_int_ge(s.at[0].open_ms, 4000);
    ck_assert_str_eq(s.at[0].name, "pay");
    ck_assert_str_eq(s.keys[0], "host");
    ck_assert(s.at[1].from == ERRAND_BREAKER_OPEN && s.at[1].to == ERRAND_BREAKER_HALF_OPEN);
    ck_assert(s.at[2].from == ERRAND_BREAKER_HALF_OPEN && s.at[2].to == ERRAND_BREAKER_CLOSED);
    ck_assert_int_eq(s.at[3].open_ms, ERRAND_FOREVER);
    ck_assert_str_eq(s.keys[3], "NULL");
    close_pool(pool);
    pool = NULL;
    const char *text = logged_text(&log);
    ck_assert_ptr_nonnull(strstr(text, "[pay-open] of host for "));
    ck_assert_ptr_nonnull(strstr(text, "2 of 2 calls failed"));
    ck_assert_ptr_nonnull(strstr(text, "[pay-probe] of host"));
    ck_assert_ptr_nonnull(strstr(text, "[pay-closed] of host"));
    ck_assert_ptr_nonnull(strstr(text, "[pay-open]: forced"));
    logged_close(&log);
}
END_TEST

START_TEST(a_slow_watcher_misses_only_the_oldest_changes)
{
    event first = { 0 }, go = { 0 };
    seen s = { .first = &first, .go = &go };
    errand_breaker *b =
        breaker_of((errand_breaker_opts){ .on_change = see, .on_change_arg = &s, .max_keys = 1 });
    char key[16] = "~";
    errand_breaker_force(b, key, ERRAND_BREAKER_OPEN);
    await_event(&first);
    for (int i = 0; i < 70; i++) { /* 64 changes are kept */
        key[0] = (char)('0' + i);
        errand_breaker_force(b, key, ERRAND_BREAKER_OPEN);
    }
    happen(&go);
    await_count(&s.n, 65);
    errand_breaker_free(b);
    close_pool(pool);
    pool = NULL;
    ck_assert_uint_eq(s.n, 65);
    for (unsigned i = 1; i < 65; i++) ck_assert_int_eq(s.keys[i][0], '0' + (int)i + 5);
}
END_TEST

/* ---- many threads ---- */

typedef struct storm {
    errand_breaker *breaker;
    uint64_t seed;
    unsigned rounds, *probing;
    uint64_t called;
} storm;

static void *rage(void *arg)
{
    storm *s = arg;
    for (unsigned i = 0; i < s->rounds; i++) {
        uint64_t dice = er_random_next(&s->seed);
        er_breaker_call c;
        int error = er_breaker_allow(s->breaker, dice % 2 ? "k" : NULL, &c, NULL);
        if (dice / 2 % 64 == 0) __atomic_add_fetch(&t.now_ns, 1000000, __ATOMIC_SEQ_CST);
        if (error) continue;
        s->called++;
        er_breaker_report(&c, (er_verdict)(dice / 128 % 3));
    }
    return NULL;
}

START_TEST(no_probe_is_lost_in_a_storm)
{
    enum { THREADS = 4 };
    errand_breaker *b = breaker_of((errand_breaker_opts){
        .min_calls = 3,
        .open_ms = 1,
        .max_open_ms = 2,
        .probes = 3,
        .window_ms = 20,
        .max_keys = 1 });
    pthread_t threads[THREADS];
    storm storms[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        storms[i] = (storm){ b, i, scaled(20000), NULL, 0 };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, rage, &storms[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_gt(storms[i].called, 0);
    }
    errand_breaker_stats s = stats_of(b);
    ck_assert_uint_eq(s.under_way, 0);
    ck_assert_uint_eq(s.probing, 0);
    ck_assert_uint_gt(s.times_open, 0);
    ck_assert_uint_gt(s.refused, 0);
    end(b);
}
END_TEST

START_TEST(a_breaker_refuses_contradictory_options)
{
    pool = test_clock_pool(&t);
    static const errand_breaker_opts bad[] = {
        { .ratio = NAN },
        { .ratio = -0.1 },
        { .ratio = 1.1 },
        { .ratio = INFINITY },
        { .window_ms = -1 },
        { .window_ms = ERRAND_ZERO },
        { .window_ms = ERRAND_FOREVER },
        { .probes = 4 },
        { .open_ms = -5 },
        { .open_ms = ERRAND_ZERO },
        { .open_ms = 2000, .max_open_ms = 1000 },
        { .max_open_ms = ERRAND_FOREVER },
        { .probe_ms = ERRAND_ZERO },
        { .probe_ms = -1 },
        { .slow_ms = -1 },
        { .slow_ms = ERRAND_ZERO },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        ck_assert_msg(!errand_breaker_new(pool, &bad[i]) && errno == EINVAL, "%zu is accepted", i);
    }
    ck_assert(!errand_breaker_new(NULL, &(errand_breaker_opts){ 0 }) && errno == EINVAL);
    errand_breaker *by_default = errand_breaker_new(pool, NULL);
    ck_assert_ptr_nonnull(by_default);
    errand_breaker_free(by_default);
    /* the default maximum adapts */
    errand_breaker *b = breaker_of((errand_breaker_opts){ .open_ms = 100000 });
    errand_breaker_call c;
    ck_assert_int_eq(errand_breaker_allow(NULL, NULL, &c), EINVAL);
    ck_assert_int_eq(errand_breaker_allow(b, NULL, NULL), EINVAL);
    errand_breaker_report(NULL, NULL);
    errand_breaker_free(NULL);
    end(b);
}
END_TEST

Suite *breaker_suite(void)
{
    Suite *suite = suite_create("breaker");
    TCase *tc = case_of(suite, "opening");
    tcase_add_test(tc, ten_failures_of_twenty_calls_open_a_breaker);
    tcase_add_test(tc, calls_older_than_the_window_do_not_count);
    tcase_add_test(tc, a_breaker_counts_results_by_kind);
    tcase_add_test(tc, slow_calls_count_if_configured);
    tc = case_of(suite, "closing");
    tcase_add_test(tc, a_breaker_opens_half_opens_and_closes);
    tcase_add_test(tc, open_times_grow_up_to_a_maximum);
    tcase_add_test(tc, the_open_times_jitter_is_a_fifth_and_seeded);
    tcase_add_test(tc, every_outcome_returns_the_probe);
    tcase_add_test(tc, an_expired_probe_is_lent_again);
    tcase_add_test(tc, probes_slower_than_their_time_count);
    tcase_add_test(tc, a_call_begun_in_an_earlier_state_does_not_count);
    tc = case_of(suite, "forced");
    tcase_add_test(tc, a_breaker_can_be_forced_open_and_closed);
    tcase_add_test(tc, state_changes_are_notified_and_logged_in_order);
    tcase_add_test(tc, a_slow_watcher_misses_only_the_oldest_changes);
    tcase_add_test(tc, no_probe_is_lost_in_a_storm);
    tcase_add_test(tc, a_breaker_refuses_contradictory_options);
    return suite;
}
