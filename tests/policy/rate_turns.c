/* Rates: returned turns, keys, pauses of one key, the intrusive form, stats. */
#include "rates.h"

#include "base/clock.h"
#include "policy/rate.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static bool now(errand_rate *rate, const char *key) { return errand_rate_wait(rate, key, 0) == 0; }

START_TEST(returned_turns_go_to_later_callers)
{
    errand_rate *rate = rate_of(10, 1);
    errand_future *f[100], *g[98];
    ck_assert(now(rate, NULL));
    for (int i = 0; i < 100; i++) f[i] = errand_rate_acquire(rate, NULL); /* the last one at 10 s */
    for (int i = 1; i < 99; i++) {                                        /* in an odd order */
        int k = 1 + (i - 1) * 37 % 98;
        errand_cancel(f[k]);
        ENDS(f[k], ECANCELED);
    }
    for (int i = 0; i < 98; i++) g[i] = errand_rate_acquire(rate, NULL);
    for (int i = 0; i < 98; i++) { /* the earliest first: 0.2 s .. 9.9 s; f[0] is at 0.1 s */
        turn(&rate_clock, rate_pool, i ? 100 : 201);
        ck_assert_msg(ended(g[i]) && (i == 97 || !ended(g[i + 1])), "%d", i);
    }
    ck_assert(ended(f[0]) && !ended(f[99]));
    turn(&rate_clock, rate_pool, 100);
    ck_assert(ended(f[99]));
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &s), 0);
    ck_assert_uint_eq(s.granted, 101);
    ck_assert_uint_eq(s.withdrawn, 98);
    ck_assert_uint_eq(s.waiting, 0);
    for (int i = 0; i < 98; i++) ENDS(g[i], 0);
    ENDS(f[0], 0);
    ENDS(f[99], 0);
    end_rate(rate);
}
END_TEST

START_TEST(once_all_have_left_the_next_caller_is_first)
{
    errand_rate *rate = rate_of(10, 1);
    errand_future *f[50];
    ck_assert(now(rate, NULL));
    for (int i = 0; i < 50; i++) f[i] = errand_rate_acquire(rate, NULL);
    /* in order, so that only the last one cancelled is the last in line */
    for (int i = 0; i < 50; i++) {
        errand_cancel(f[i]);
        ENDS(f[i], ECANCELED);
    }
    turn(&rate_clock, rate_pool, 100);
    ck_assert(now(rate, NULL) && !now(rate, NULL));
    end_rate(rate);
}
END_TEST

/* Random callers and cancels: however turns are returned and reused, no interval has too many. */
typedef struct comer {
    errand_future *f;
    int64_t before, at; /* granted after `before` and by `at` */
} comer;

static int by_time(const void *a, const void *b)
{
    const comer *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

START_TEST(returned_turns_never_exceed_the_rate)
{
    enum { N = 150 };
    for (uint64_t seed = 1, seeds = 1 + scaled(40); seed < seeds; seed++) {
        uint64_t state = seed;
        double per_second = 5 + 95 * er_random_fraction(&state);
        unsigned burst = 1 + (unsigned)(er_random_fraction(&state) * 6), begun = 0, came = 0,
                 left = 0;
        errand_rate *rate = rate_of(per_second, burst);
        comer waits[N] = { 0 }, done[N];
        while (came + left < N) {
            for (unsigned more = (unsigned)(er_random_fraction(&state) * 5); more && begun < N;
                 more--)
                waits[begun++] =
                    (comer){ errand_rate_acquire(rate, NULL), rate_clock.now_ns - ER_MS, 0 };
            if (er_random_fraction(&state) < 0.02) errand_rate_pause(rate, NULL, 20);
            for (unsigned i = 0; i < begun; i++) {
                if (!waits[i].f) continue;
                if (!ended(waits[i].f) && er_random_fraction(&state) < 0.05)
                    errand_cancel(waits[i].f);
                if (ended(waits[i].f)) {
                    errand_result r = errand_await(waits[i].f);
                    waits[i].f = NULL;
                    waits[i].at = rate_clock.now_ns;
                    if (!r.error) done[came++] = waits[i];
                    else left++;
                    errand_result_free(&r);
                }
                waits[i].before = rate_clock.now_ns - ER_MS;
            }
            turn(&rate_clock, rate_pool, 1 + (int64_t)(er_random_fraction(&state) * 20));
        }
        qsort(done, came, sizeof *done, by_time);
        for (unsigned i = 0; i < came; i++) {
            for (unsigned j = i; j < came; j++) {
                double most = burst + (double)(done[j].at - done[i].before) / 1e9 * per_second;
                if (j - i + 1 > most + 1e-6)
                    ck_abort_msg("seed %llu: %u, at most %g", (unsigned long long)seed, j - i + 1,
                                 most);
            }
        }
        ck_assert_uint_gt(left, 0);
        errand_rate_free(rate);
    }
    close_rates();
}
END_TEST

START_TEST(each_key_has_its_own_turns_and_pauses)
{
    errand_rate *rate = rate_of(10, 1);
    errand_rate_stats s;
    ck_assert(now(rate, "a") && !now(rate, "a"));
    ck_assert(now(rate, "b") && now(rate, NULL));
    errand_future *a = errand_rate_acquire(rate, "a"), *b = errand_rate_acquire(rate, "b");
    ck_assert_int_eq(errand_rate_pause(rate, "a", 1000), 0);
    ck_assert_int_eq(errand_rate_stats_get(rate, "a", &s), 0);
    ck_assert_int_eq(s.paused_ms, 1000);
    ck_assert_int_eq(s.next_ms, 1200);
    ck_assert_uint_eq(s.waiting, 1);
    ck_assert_uint_eq(s.keys, 2);
    ck_assert_uint_eq(s.refused, 1);
    ck_assert_int_eq(errand_rate_stats_get(rate, "b", &s), 0);
    ck_assert_int_eq(s.paused_ms, 0);
    ck_assert_int_eq(s.next_ms, 200);
    turn(&rate_clock, rate_pool, 101);
    ck_assert(ended(b) && !ended(a));
    turn(&rate_clock, rate_pool, 1000);
    ck_assert(ended(a));
    ENDS(a, 0);
    ENDS(b, 0);
    ck_assert_int_eq(errand_rate_stats_get(rate, "never", &s), ENOENT);
    end_rate(rate);
}
END_TEST

START_TEST(rate_wait_takes_a_turn_or_returns_ELATE)
{
    errand_pool *real = errand_pool_new(NULL);
    errand_rate *rate = errand_rate_new(real, &(errand_rate_opts){ .per_second = 200 });
    int64_t began = er_now_ns();
    for (int i = 0; i < 5; i++) ck_assert_int_eq(errand_rate_wait(rate, NULL, LONG_MS), 0);
    ck_assert_int_ge(er_now_ns() - began, 20 * ER_MS);
    for (int i = 0; i < 1000; i++) errand_drop(errand_rate_acquire(rate, NULL)); /* turns for 5 s */
    ck_assert_int_eq(errand_rate_wait(rate, NULL, 1), ERRAND_ELATE);
    ck_assert_int_eq(errand_rate_wait(rate, NULL, -1), EINVAL);
    ck_assert_int_eq(errand_rate_wait(NULL, NULL, 1), EINVAL);
    ck_assert_int_eq(errand_rate_pause(rate, NULL, -1), EINVAL);
    errand_rate_free(rate);
    ck_assert_int_eq(errand_pool_close(real, 0), 0);
}
END_TEST

/* ---- the intrusive form ---- */

typedef struct one {
    er_turn turn;
    unsigned came;
    int error;
} one;

static void it_came(er_turn *turn, int error)
{
    one *o = (one *)(void *)turn;
    o->error = error;
    count_up(&o->came);
}

START_TEST(a_turn_can_be_embedded)
{
    errand_rate *rate = rate_of(10, 1);
    one a = { .turn.came = it_came }, b = a, c = a, d = a;
    ck_assert_int_eq(er_rate_enter(rate, "k", rate_pool, INT64_MAX, &a.turn), 0);
    ck_assert_int_eq(er_rate_enter(rate, "k", rate_pool, rate_clock.now_ns + 99 * ER_MS, &b.turn),
                     ERRAND_ELATE);
    ck_assert_int_eq(er_rate_enter(rate, "k", rate_pool, rate_clock.now_ns + 100 * ER_MS, &b.turn),
                     EINPROGRESS);
    ck_assert_int_eq(er_rate_enter(rate, "k", rate_pool, INT64_MAX, &c.turn), EINPROGRESS);
    ck_assert_int_eq(er_rate_enter(rate, "k", rate_pool, INT64_MAX, &d.turn), EINPROGRESS);
    turn(&rate_clock, rate_pool, 101);
    ck_assert(count_of(&b.came) == 1 && !b.error && !a.came);
    ck_assert(!er_rate_leave(&b.turn)); /* it was granted */
    ck_assert(er_rate_leave(&c.turn));
    /* the returned turn */
    ck_assert_int_eq(er_rate_enter(rate, "k", rate_pool, INT64_MAX, &c.turn), EINPROGRESS);
    turn(&rate_clock, rate_pool, 100);
    ck_assert(count_of(&c.came) == 1 && !c.error && !d.came);
    errand_rate_pause(rate, "k", 5000);
    turn(&rate_clock, rate_pool, 100); /* its timer fires and is rearmed */
    ck_assert_uint_eq(count_of(&d.came), 0);
    ck_assert(er_rate_leave(&d.turn));
    ck_assert_int_eq(er_rate_enter(rate, "k", rate_pool, INT64_MAX, &d.turn), EINPROGRESS);
    ck_assert_int_eq(errand_pool_close(rate_pool, 0), 0); /* asleep: shut down */
    ck_assert(count_of(&d.came) == 1 && d.error == ECANCELED);
    ck_assert_int_eq(er_rate_enter(rate, "k", rate_pool, INT64_MAX, &a.turn), EINVAL);
    ck_assert_uint_eq(a.came, 0);
    errand_rate_free(rate);
    rate_pool = NULL;
}
END_TEST

/* Leave, grant and pause race: `came` is called exactly if leave did not return true. */
typedef struct storm {
    errand_rate *rate;
    uint64_t seed;
    unsigned rounds, wrong;
} storm;

static void *rage(void *arg)
{
    storm *s = arg;
    const char *const keys[] = { NULL, "x", "y" };
    for (unsigned i = 0; i < s->rounds; i++) {
        one o = { .turn.came = it_came };
        uint64_t dice = er_random_next(&s->seed);
        const char *key = keys[dice % 3];
        if (dice / 4 % 64 == 0) errand_rate_pause(s->rate, key, 1);
        int error = er_rate_enter(s->rate, key, rate_pool, INT64_MAX, &o.turn);
        if (error == 0) continue;
        if (error != EINPROGRESS) ck_abort_msg("%d", error);
        for (uint64_t k = dice / 1024 % 512; k; k--) er_random_next(&dice);
        bool left = dice % 2 && er_rate_leave(&o.turn);
        if (!left) await_count(&o.came, 1);
        s->wrong += left && o.came;
    }
    return NULL;
}

START_TEST(a_turn_is_granted_or_left_never_both)
{
    ck_assert_ptr_nonnull(rate_pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 }));
    errand_rate *rate = rate_of(50000, 2);
    pthread_t threads[4];
    storm storms[4];
    for (unsigned i = 0; i < 4; i++) {
        storms[i] = (storm){ rate, i, scaled(1000), 0 };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, rage, &storms[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_uint_eq(storms[i].wrong, 0);
    }
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, "x", &s), 0);
    ck_assert_uint_eq(s.waiting, 0);
    end_rate(rate);
}
END_TEST

Suite *rate_turns_suite(void)
{
    Suite *suite = suite_create("rate turns");
    TCase *tc = case_of(suite, "returned");
    tcase_add_test(tc, returned_turns_go_to_later_callers);
    tcase_add_test(tc, once_all_have_left_the_next_caller_is_first);
    tcase_add_test(tc, returned_turns_never_exceed_the_rate);
    tc = case_of(suite, "keys");
    tcase_add_test(tc, each_key_has_its_own_turns_and_pauses);
    tcase_add_test(tc, rate_wait_takes_a_turn_or_returns_ELATE);
    tc = case_of(suite, "intrusive");
    tcase_add_test(tc, a_turn_can_be_embedded);
    tcase_add_test(tc, a_turn_is_granted_or_left_never_both);
    return suite;
}
