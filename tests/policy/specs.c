/* Specs: which are refused, the backoffs, when stops and predicates match. */
#include "runs.h"

#include "base/os.h"
#include "base/result.h"
#include "fixture/memory.h"
#include "policy/predicate.h"
#include "policy/spec.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EACH 3000 /* seeds */

static const char *wrong_with(errand_policy_opts opts)
{
    const char *why = NULL;
    errno = 0;
    errand_policy *policy = errand_policy_new(&opts, &why);
    if (policy) {
        errand_policy_free(policy);
        return NULL;
    }
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_nonnull(why);
    return why;
}

#define REFUSED(begins, ...)                                                                       \
    do {                                                                                           \
        const char *why_ = wrong_with((errand_policy_opts){ .attempts = 3, __VA_ARGS__ });         \
        ck_assert_msg(why_ &&strncmp(why_, begins, strlen(begins)) == 0, "%s: %s", #__VA_ARGS__,   \
                      why_);                                                                       \
    } while (0)
#define ACCEPTED(...)                                                                              \
    ck_assert_ptr_null(wrong_with((errand_policy_opts){ .attempts = 3, __VA_ARGS__ }))

static int64_t some_wait(const errand_attempt_info *view, void *arg)
{
    return view->number * *(int64_t *)arg;
}
static bool never(const errand_attempt_info *view, void *arg)
{
    (void)view, (void)arg;
    return false;
}

START_TEST(wrong_specs_are_refused_by_name)
{
    REFUSED("backoff: fixed: ms is negative", .backoff = errand_backoff_fixed(-1));
    REFUSED("backoff: random: max is less", .backoff = errand_backoff_random(2, 1));
    REFUSED("backoff: random: min is negative", .backoff = errand_backoff_random(-1, 1));
    REFUSED("backoff: incrementing: start", .backoff = errand_backoff_incrementing(-1, 1, 2));
    REFUSED("backoff: incrementing: max", .backoff = errand_backoff_incrementing(5, 1, 2));
    REFUSED("backoff: exponential: multiplier",
            .backoff = errand_backoff_exponential(1, 2, (double)NAN, 0));
    REFUSED("backoff: exponential: multiplier",
            .backoff = errand_backoff_random_exponential(1, 2, 0.5, 0));
    REFUSED("backoff: exponential: max is less than initial",
            .backoff = errand_backoff_exponential(3, 2, 2, 0));
    REFUSED("backoff: exponential: max is less than min",
            .backoff = errand_backoff_exponential(1, 2, 2, 3));
    REFUSED("backoff: exponential_jitter: jitter",
            .backoff = errand_backoff_exponential_jitter(1, 2, 2, -1));
    REFUSED("backoff: fibonacci: initial", .backoff = errand_backoff_fibonacci(-1, 2));
    REFUSED("backoff: decay: rate", .backoff = errand_backoff_decay(10, (double)NAN, 1));
    REFUSED("backoff: decay: initial is less", .backoff = errand_backoff_decay(1, 1, 2));
    REFUSED("backoff: decorrelated: max", .backoff = errand_backoff_decorrelated(3, 2));
    REFUSED("backoff: jitter: DECORRELATED",
            .backoff = errand_backoff_jitter(errand_backoff_none(), ERRAND_JITTER_DECORRELATED));
    REFUSED("backoff: jitter: unknown",
            .backoff = errand_backoff_jitter(errand_backoff_none(), (errand_jitter)9));
    REFUSED("backoff: capped: max", .backoff = errand_backoff_capped(errand_backoff_none(), -1));
    REFUSED("backoff: custom: fn is NULL", .backoff = errand_backoff_custom(NULL, NULL));
    REFUSED("backoff: a part is NULL", .backoff = errand_backoff_chain(0, NULL));
    REFUSED("backoff: a part is NULL", .backoff = errand_backoff_sum(errand_backoff_none(), NULL));
    REFUSED("backoff: fixed: ms is negative",
            .backoff = errand_backoff_sum(errand_backoff_fixed(-1), errand_backoff_none()));
}
END_TEST

START_TEST(wrong_stops_and_predicates_are_refused_by_name)
{
    REFUSED("stop: after_attempt", .stop = errand_stop_after_attempt(0));
    REFUSED("stop: after_delay",
            .stop = errand_stop_any(errand_stop_never(), errand_stop_after_delay(-1)));
    REFUSED("stop: before_delay", .stop = errand_stop_before_delay(-1));
    REFUSED("stop: custom: fn is NULL", .stop = errand_stop_custom(NULL, NULL));
    REFUSED("retry_if: kind: none", .retry_if = errand_retry_if_kind(0));
    REFUSED("retry_if: kind: unknown", .retry_if = errand_retry_if_kind(1u << 20));
    REFUSED("retry_if: kind: OK and CANCELLED",
            .retry_if = errand_retry_if_kind(ERRAND_KIND_BIT(CANCELLED)));
    REFUSED("retry_if: error: none", .retry_if = errand_retry_if_error_of(0, NULL));
    REFUSED("retry_if: status_range: to is less",
            .retry_if = errand_retry_if_status_range(500, 400));
    REFUSED("retry_if: status_range: not from", .retry_if = errand_retry_if_status_range(5, 400));
    REFUSED("retry_if: message: no text", .retry_if = errand_retry_if_message(""));
    REFUSED("retry_if: message_like: no text", .retry_if = errand_retry_if_message_like(NULL));
    REFUSED("retry_if: value: fn is NULL", .retry_if = errand_retry_if_value(NULL, NULL));
    REFUSED("retry_if: custom: fn is NULL",
            .retry_if = errand_retry_if_not(errand_retry_if_custom(NULL, NULL)));
    REFUSED("stop: a part is NULL", .stop = errand_stop_all(NULL, errand_stop_never()));
    REFUSED("retry_if: a part is NULL", .retry_if = errand_retry_if_cause(NULL));
    REFUSED("hedge_ms: with REPEAT_NEVER", .hedge_ms = 5, .repeat = ERRAND_REPEAT_NEVER);
    REFUSED("hedge_ms: negative", .hedge_ms = -5);
    REFUSED("hedge_percentile: with REPEAT_NEVER", .hedge_percentile = 0.9,
            .repeat = ERRAND_REPEAT_NEVER);
    REFUSED("hedge_percentile: not a number", .hedge_percentile = (double)NAN);
    REFUSED("hedge_percentile: not a number", .hedge_percentile = 1);
    REFUSED("overlap: without", .overlap = 1);
    const char *why = wrong_with((errand_policy_opts){ .attempts = 1, .hedge_ms = 5 });
    ck_assert(why && strncmp(why, "attempts:", 9) == 0);
}
END_TEST

START_TEST(a_spec_used_twice_is_refused)
{
    errand_backoff *b = errand_backoff_fixed(1);
    REFUSED("backoff: a part is given twice", .backoff = errand_backoff_sum(b, b));
    b = errand_backoff_fixed(1);
    REFUSED("backoff: a part is given twice",
            .backoff = errand_backoff_chain(3, (errand_backoff *[]){ b, b, b }));
    b = errand_backoff_fixed(1);
    errand_backoff *max = errand_backoff_max(b, errand_backoff_none());
    REFUSED("backoff: a part is given twice", .backoff = errand_backoff_sum(max, b));
    errand_stop *s = errand_stop_after_attempt(2);
    REFUSED("stop: a part is given twice", .stop = errand_stop_any(s, s));
    errand_retry_if *r = errand_retry_if_failed();
    REFUSED("retry_if: a part is given twice",
            .retry_if = errand_retry_if_all(errand_retry_if_not(r), r));
}
END_TEST

START_TEST(a_spec_has_at_most_sixty_four_operations)
{
    for (int longer = 0; longer < 2; longer++) {
        errand_backoff *b = errand_backoff_none();
        for (int i = 1; i < 64 + longer; i++) b = errand_backoff_capped(b, 10);
        errand_stop *s = errand_stop_never();
        for (int i = 1; i < 32 + longer; i++) s = errand_stop_any(s, errand_stop_never());
        errand_retry_if *n = errand_retry_if_failed();
        for (int i = 1; i < 64 + longer; i++) n = errand_retry_if_not(n);
        if (!longer) {
            ACCEPTED(.backoff = b, .stop = s, .retry_if = n);
            continue;
        }
        REFUSED("backoff: more than 64 operations", .backoff = b);
        REFUSED("stop: more than 64 operations", .stop = s);
        REFUSED("retry_if: more than 64 operations", .retry_if = n);
    }
    /* refusing a deep spec does not recurse either */
    errand_retry_if *deep = errand_retry_if_failed();
    for (int i = 0; i < 1000000; i++) deep = errand_retry_if_not(deep);
    REFUSED("retry_if: more than 64 operations", .retry_if = deep);
}
END_TEST

/* If the k-th allocation fails, nothing leaks, in any order of parts, and the policy names the
 * part. */
START_TEST(without_memory_a_spec_is_refused_without_a_leak)
{
    int made = 0;
    for (unsigned k = 1; !made; k++) {
        memory_fails_at(k);
        errand_policy_opts opts = {
            .attempts = 3,
            .backoff = errand_backoff_chain(
                2, (errand_backoff *[]){ errand_backoff_sum(errand_backoff_fixed(1),
                                                            errand_backoff_random(1, 2)),
                                         errand_backoff_none() }),
            .stop = errand_stop_any(errand_stop_after_attempt(3), errand_stop_after_delay(7)),
            .retry_if = errand_retry_if_any(errand_retry_if_message("busy"),
                                            errand_retry_if_status(409, 423))
        };
        const char *why = NULL;
        errno = 0;
        errand_policy *policy = errand_policy_new(&opts, &why);
        int error = errno;
        if (!memory_fails_at(0)) made = 1;
        ck_assert_int_eq(policy != NULL, made);
        if (!policy) ck_assert_int_eq(error, ENOMEM);
        if (why) ck_assert_str_eq(why, "out of memory");
        errand_policy_free(policy);
        ck_assert_uint_lt(k, 40);
    }
    /* freed unused */
    errand_backoff_free(errand_backoff_sum(errand_backoff_none(), errand_backoff_none()));
    errand_stop_free(errand_stop_never());
    errand_retry_if_free(errand_retry_if_message("x"));
    errand_backoff_free(NULL), errand_stop_free(NULL), errand_retry_if_free(NULL);
}
END_TEST

/* ---- waits ---- */

static int64_t wait_of(errand_backoff *spec, unsigned n, uint64_t seed)
{
    errand_policy *policy =
        policy_of((errand_policy_opts){ .attempts = UINT32_MAX, .backoff = spec });
    int64_t wait = errand_policy_backoff_ms(policy, n, seed);
    errand_policy_free(policy);
    return wait;
}

static double mean_of(errand_backoff *spec, unsigned n)
{
    errand_policy *policy =
        policy_of((errand_policy_opts){ .attempts = UINT32_MAX, .backoff = spec });
    double sum = 0;
    for (uint64_t seed = 1; seed <= 100000; seed++)
        sum += (double)errand_policy_backoff_ms(policy, n, seed);
    errand_policy_free(policy);
    return sum / 100000;
}

#define ALWAYS(spec, n, ms) ck_assert_int_eq(wait_of(spec, n, n), ms)

START_TEST(backoffs_without_jitter_follow_their_formula)
{
    ALWAYS(errand_backoff_none(), 7, 0);
    ALWAYS(errand_backoff_fixed(7), 1000000, 7);
    ALWAYS(errand_backoff_random(7, 7), 3, 7); /* from = to is exact */
    ALWAYS(errand_backoff_incrementing(10, 5, 100), 1, 10);
    ALWAYS(errand_backoff_incrementing(10, 5, 100), 4, 25);
    ALWAYS(errand_backoff_incrementing(10, -5, 100), 4, 0);
    ALWAYS(errand_backoff_exponential(4, 100, 3, 0), 3, 36);
    ALWAYS(errand_backoff_exponential(4, 100, 3, 10), 1, 10); /* never below least */
    const int64_t fib[] = { 10, 10, 20, 30, 50, 80, 100, 100 };
    for (unsigned n = 1; n <= 8; n++) ALWAYS(errand_backoff_fibonacci(10, 100), n, fib[n - 1]);
    for (unsigned n = 1; n <= 40; n++)
        ALWAYS(errand_backoff_decay(1000, 0.3, 5), n,
               (int64_t)(fmax(5, 1000 * exp(-0.3 * (n - 1))) + 0.5));
    ALWAYS(errand_backoff_decay(1000, 700, 0), 2, 0);
    ALWAYS(errand_backoff_sum(errand_backoff_fixed(3), errand_backoff_exponential(1, 100, 2, 0)), 4,
           11);
    ALWAYS(errand_backoff_max(errand_backoff_fixed(3), errand_backoff_exponential(1, 100, 2, 0)), 2,
           3);
    ALWAYS(errand_backoff_max(errand_backoff_fixed(3), errand_backoff_exponential(1, 100, 2, 0)), 4,
           8);
    ALWAYS(errand_backoff_capped(errand_backoff_fixed(30), 8), 1, 8);
    errand_backoff *steps[] = {
        errand_backoff_fixed(1),
        errand_backoff_sum(errand_backoff_fixed(2), errand_backoff_fixed(3)),
        errand_backoff_fixed(9)
    };
    const int64_t chained[] = { 1, 5, 9, 9, 9 };
    errand_policy *chain = policy_of((errand_policy_opts){
        .attempts = UINT32_MAX, .backoff = errand_backoff_chain(3, steps) });
    for (unsigned n = 1; n <= 5; n++)
        ck_assert_int_eq(errand_policy_backoff_ms(chain, n, n), chained[n - 1]);
    errand_policy_free(chain);
    ALWAYS(errand_backoff_jitter(errand_backoff_fixed(6), ERRAND_JITTER_NONE), 1, 6);
    int64_t ten = 10, minus = -10;
    ALWAYS(errand_backoff_custom(some_wait, &ten), 4, 40);
    ALWAYS(errand_backoff_custom(some_wait, &minus), 4, 0);
    /* shown, as after a failure */
    ALWAYS(errand_backoff_poll(errand_backoff_fixed(3), errand_backoff_fixed(4)), 1, 4);
}
END_TEST

START_TEST(random_backoffs_are_within_their_bounds)
{
    for (uint64_t seed = 1; seed <= EACH; seed++) {
        uint64_t dice = seed;
        int64_t first = 1 + (int64_t)(er_random_next(&dice) % 1000),
                most = first + (int64_t)(er_random_next(&dice) % 50000);
        int64_t least = (int64_t)(er_random_next(&dice) % (uint64_t)(most + 1)),
                j = (int64_t)(er_random_next(&dice) % 500);
        double factor = 1 + 3 * er_random_fraction(&dice);
        unsigned n = 1 + (unsigned)(er_random_next(&dice) % 40);
        double grown = fmin((double)first * pow(factor, n - 1), (double)most);
        const struct {
            errand_backoff *spec;
            double from, to;
        } waits[] = {
            { errand_backoff_random(least, most), (double)least, (double)most },
            { errand_backoff_random_exponential(first, most, factor, least), (double)least,
              fmax((double)least, grown) },
            { errand_backoff_exponential(first, most, factor, least), fmax((double)least, grown),
              fmax((double)least, grown) },
            { errand_backoff_exponential_jitter(first, most, factor, j), grown,
              fmin(grown + (double)j, (double)most) },
            { errand_backoff_jitter(errand_backoff_fixed(most), ERRAND_JITTER_EQUAL),
              (double)most / 2, (double)most },
            { errand_backoff_jitter(errand_backoff_fixed(most), ERRAND_JITTER_FULL), 0,
              (double)most },
            { errand_backoff_sum(errand_backoff_fixed(first), errand_backoff_random(0, j)),
              (double)first, (double)(first + j) },
            { errand_backoff_randomized(errand_backoff_fixed(most), 0.25), 0.75 * (double)most,
              1.25 * (double)most },
            { errand_backoff_decorrelated(first, most), (double)first, (double)most },
        };
        for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
            errand_policy *policy =
                policy_of((errand_policy_opts){ .attempts = UINT32_MAX, .backoff = waits[i].spec });
            int64_t wait = errand_policy_backoff_ms(policy, n, seed);
            if ((double)wait < waits[i].from - 0.501 || (double)wait > waits[i].to + 0.501)
                ck_abort_msg("wait %zu of seed %llu, attempt %u: %lld is not from %f to %f", i,
                             (unsigned long long)seed, n, (long long)wait, waits[i].from,
                             waits[i].to);
            if (wait != errand_policy_backoff_ms(policy, n, seed))
                ck_abort_msg("the same seed gave another wait");
            errand_policy_free(policy);
        }
    }
}
END_TEST

START_TEST(means_of_random_backoffs_are_within_one_percent)
{
    ck_assert_double_eq_tol(mean_of(errand_backoff_random(500, 1500), 3), 1000, 10);
    ck_assert_double_eq_tol(mean_of(errand_backoff_random_exponential(100, 100000, 2, 400), 5),
                            1000, 10);
    ck_assert_double_eq_tol(mean_of(errand_backoff_exponential_jitter(100, 100000, 2, 400), 4),
                            1000, 10);
    ck_assert_double_eq_tol(
        mean_of(errand_backoff_jitter(errand_backoff_fixed(1000), ERRAND_JITTER_FULL), 2), 500, 5);
    ck_assert_double_eq_tol(
        mean_of(errand_backoff_jitter(errand_backoff_fixed(1000), ERRAND_JITTER_EQUAL), 2), 750,
        7.5);
    ck_assert_double_eq_tol(
        mean_of(errand_backoff_sum(errand_backoff_fixed(900), errand_backoff_random(0, 200)), 1),
        1000, 10);
    ck_assert_double_eq_tol(mean_of(errand_backoff_randomized(errand_backoff_fixed(1000), 0.5), 1),
                            1000, 10);
    /* U(1000, 3000) */
    ck_assert_double_eq_tol(mean_of(errand_backoff_decorrelated(1000, 1000000), 1), 2000, 20);
    /* U(1000, 3 * that) */
    ck_assert_double_eq_tol(mean_of(errand_backoff_decorrelated(1000, 1000000), 2), 3500, 35);
}
END_TEST

START_TEST(decorrelated_jitter_grows_at_most_threefold)
{
    errand_policy *policies[] = {
        policy_of((errand_policy_opts){
            .attempts = 100, .backoff = errand_backoff_decorrelated(100, 5000) }),
        policy_of((errand_policy_opts){ .attempts = 100,
                                        .initial_ms = 100,
                                        .max_ms = 5000,
                                        .jitter = ERRAND_JITTER_DECORRELATED }),
    };
    for (uint64_t seed = 1; seed <= 500; seed++) {
        int64_t before = 100;
        for (unsigned n = 1; n <= 20; n++) {
            int64_t wait = errand_policy_backoff_ms(policies[0], n, seed);
            if (wait < 100 || wait > 5000 || wait > 3 * before)
                ck_abort_msg("%lld after %lld", (long long)wait, (long long)before);
            /* two equivalent specs */
            ck_assert_int_eq(wait, errand_policy_backoff_ms(policies[1], n, seed));
            before = wait;
        }
    }
    errand_policy_free(policies[0]);
    errand_policy_free(policies[1]);
}
END_TEST

START_TEST(every_backoff_saturates_at_the_millionth_attempt)
{
    const unsigned million = 1000000;
    ALWAYS(errand_backoff_exponential(1, ERRAND_FOREVER, 1e9, 0), million, INT64_MAX);
    ALWAYS(errand_backoff_exponential(1, 5000, 2, 0), million, 5000);
    ALWAYS(errand_backoff_incrementing(1, ERRAND_FOREVER, ERRAND_FOREVER), million, INT64_MAX);
    ALWAYS(errand_backoff_fibonacci(1, ERRAND_FOREVER), million, INT64_MAX);
    ALWAYS(errand_backoff_decay(5000, 1e-9, 1), million, 4995);
    ALWAYS(errand_backoff_decay(5000, 1, 1), million, 1);
    ALWAYS(errand_backoff_sum(errand_backoff_fixed(ERRAND_FOREVER),
                              errand_backoff_fixed(ERRAND_FOREVER)),
           million, INT64_MAX);
    ALWAYS(errand_backoff_exponential_jitter(ERRAND_FOREVER, ERRAND_FOREVER, 1, 0), million,
           INT64_MAX);
    int64_t big = INT64_MAX / 1000000;
    /* more than 9e18 is forever */
    ALWAYS(errand_backoff_custom(some_wait, &big), million, INT64_MAX);
    for (uint64_t seed = 1; seed < 100; seed++) {
        int64_t wait = wait_of(errand_backoff_random_exponential(10, 5000, 10, 100), million, seed);
        ck_assert(wait >= 100 && wait <= 5000);
        wait = wait_of(errand_backoff_exponential_jitter(10, 5000, 10, 100), million, seed);
        ck_assert_int_eq(wait, 5000);
        wait = wait_of(errand_backoff_random(0, ERRAND_FOREVER), million, seed);
        ck_assert_int_ge(wait, 0);
    }
    int64_t wait = wait_of(errand_backoff_decorrelated(10, 5000), million, 3);
    ck_assert(wait >= 10 && wait <= 5000);
}
END_TEST

START_TEST(both_ends_of_a_random_backoff_are_equally_likely)
{
    unsigned seen[4] = { 0 };
    errand_policy *policy =
        policy_of((errand_policy_opts){ .attempts = 2, .backoff = errand_backoff_random(1, 4) });
    for (uint64_t seed = 0; seed < 40000; seed++)
        seen[errand_policy_backoff_ms(policy, 1, seed) - 1]++;
    for (int i = 0; i < 4; i++) ck_assert_double_eq_tol(seen[i], 10000, 400);
    errand_policy_free(policy);
}
END_TEST

/* ---- stops ---- */

/* one more reference, to use a spec several times */
#define AGAIN(it) ((void *)er_spec_keep(&(it)->spec))

static bool stops(errand_stop *stop, unsigned number, int64_t elapsed, int64_t upcoming)
{
    errand_attempt_info view = { .number = number, .elapsed_ms = elapsed, .upcoming_ms = upcoming };
    bool yes = er_stop_ask(stop, &view);
    errand_stop_free(stop);
    return yes;
}

static bool upcoming_is_long(const errand_attempt_info *view, void *arg)
{
    ++*(unsigned *)arg;
    return view->upcoming_ms >= 100;
}

START_TEST(stops_see_attempts_times_and_the_next_sleep)
{
    ck_assert(!stops(errand_stop_never(), UINT32_MAX, INT64_MAX, INT64_MAX));
    ck_assert(!stops(errand_stop_after_attempt(3), 2, 0, 0) &&
              stops(errand_stop_after_attempt(3), 3, 0, 0));
    ck_assert(!stops(errand_stop_after_delay(100), 9, 99, 1000) &&
              stops(errand_stop_after_delay(100), 1, 100, 0));
    ck_assert(!stops(errand_stop_before_delay(100), 9, 50, 49) &&
              stops(errand_stop_before_delay(100), 1, 50, 50));
    ck_assert(stops(errand_stop_before_delay(ERRAND_FOREVER), 1, INT64_MAX, INT64_MAX));
    unsigned asked = 0;
    errand_stop *own = errand_stop_custom(upcoming_is_long, &asked);
    ck_assert(stops(AGAIN(own), 1, 0, 100) && !stops(own, 1, 0, 99));
    ck_assert_uint_eq(asked, 2);
    errand_stop *any =
        errand_stop_any(errand_stop_after_attempt(3), errand_stop_custom(upcoming_is_long, &asked));
    errand_stop *all =
        errand_stop_all(errand_stop_after_attempt(3), errand_stop_custom(upcoming_is_long, &asked));
    ck_assert(stops(AGAIN(any), 3, 0, 0)); /* short-circuited */
    ck_assert(!stops(AGAIN(all), 2, 0, 100));
    ck_assert_uint_eq(asked, 2);
    ck_assert(stops(AGAIN(all), 3, 0, 100) && stops(any, 2, 0, 100));
    ck_assert(stops(errand_stop_any(all, errand_stop_after_delay(5)), 1, 5, 0));
}
END_TEST

START_TEST(backoff_ms_ends_where_the_policy_stops)
{
    errand_policy *policy = policy_of((errand_policy_opts){
        .backoff = errand_backoff_fixed(100),
        .stop = errand_stop_any(errand_stop_before_delay(350), errand_stop_after_attempt(10)) });
    const int64_t waits[] = { 100, 100, 100, -1, -1 }; /* 300 have passed, 100 are to come */
    for (unsigned n = 1; n <= 5; n++)
        ck_assert_int_eq(errand_policy_backoff_ms(policy, n, 1), waits[n - 1]);
    errand_policy_free(policy);
    policy = policy_of((errand_policy_opts){ .stop = errand_stop_custom(never, NULL) });
    /* with a stop there is no other limit */
    ck_assert_int_ge(errand_policy_backoff_ms(policy, 1000, 1), 0);
    errand_policy_free(policy);
}
END_TEST

/* ---- predicates ---- */

static bool wants(errand_retry_if *when, errand_result r)
{
    errand_attempt_info view = { .number = 1, .last = &r };
    bool yes = er_retry_if_ask(when, &view);
    errand_retry_if_free(when);
    errand_result_free(&r);
    return yes;
}
static bool is_odd(const void *value, void *arg)
{
    (void)arg;
    return as_number(value) & 1;
}
static bool says_yes(const errand_attempt_info *view, void *arg)
{
    (void)view, (void)arg;
    return true;
}

START_TEST(predicates_match_as_documented)
{
    const errand_result well = { 0 };
    ck_assert(wants(errand_retry_if_transient(), errand_fail(ECONNRESET)) &&
              !wants(errand_retry_if_transient(), errand_fail(EINVAL)));
    ck_assert(wants(errand_retry_if_failed(), errand_fail(EINVAL)) &&
              !wants(errand_retry_if_failed(), well));
    errand_retry_if *kinds =
        errand_retry_if_kind(ERRAND_KIND_BIT(AUTH) | ERRAND_KIND_BIT(VALIDATION));
    ck_assert(wants(AGAIN(kinds), errand_fail(EINVAL)) &&
              wants(AGAIN(kinds), errand_fail(EACCES)) && !wants(AGAIN(kinds), errand_fail(EPIPE)));
    ck_assert(!wants(AGAIN(kinds), well));
    errand_retry_if *codes = errand_retry_if_error(EPIPE, ERRAND_USER + 7);
    ck_assert(wants(AGAIN(codes), errand_fail(ERRAND_USER + 7)) &&
              wants(AGAIN(codes), errand_fail(EPIPE)));
    ck_assert(!wants(AGAIN(codes), errand_fail(ERRAND_USER + 6)) && !wants(AGAIN(codes), well));
    errand_retry_if *statuses = errand_retry_if_any(errand_retry_if_status(409, 423),
                                                    errand_retry_if_status_range(500, 599));
    ck_assert(wants(AGAIN(statuses), errand_fail(ERRAND_HTTP + 423)) &&
              wants(AGAIN(statuses), errand_fail(ERRAND_HTTP + 500)));
    ck_assert(wants(AGAIN(statuses), errand_fail(ERRAND_HTTP + 599)) &&
              !wants(AGAIN(statuses), errand_fail(ERRAND_HTTP + 404)));
    ck_assert(!wants(AGAIN(statuses), errand_fail(423)));
    ck_assert(wants(errand_retry_if_message("lock"), errand_failf(EIO, "deadlock found")));
    ck_assert(!wants(errand_retry_if_message("locks"), errand_failf(EIO, "deadlock found")));
    errand_retry_if *value = errand_retry_if_value(is_odd, NULL);
    ck_assert(wants(AGAIN(value), errand_ok(as_value(3), NULL)) &&
              !wants(AGAIN(value), errand_ok(as_value(2), NULL)));
    ck_assert(!wants(AGAIN(value), (errand_result){ .error = EIO, .value = as_value(3) }));
    errand_retry_if_free(kinds), errand_retry_if_free(codes), errand_retry_if_free(statuses);
    errand_retry_if_free(value);
    ck_assert(wants(errand_retry_if_custom(says_yes, NULL), well));
    ck_assert(
        wants(errand_retry_if_all(errand_retry_if_failed(), errand_retry_if_custom(says_yes, NULL)),
              errand_fail(EIO)));
    ck_assert(!wants(
        errand_retry_if_all(errand_retry_if_failed(), errand_retry_if_custom(says_yes, NULL)),
        well));
}
END_TEST

START_TEST(patterns_match_whole_messages)
{
    const struct {
        const char *pattern, *message;
        bool like;
    } cases[] = { { "*", "x", true },
                  { "a*c", "abbbc", true },
                  { "a*c", "abbbcd", false },
                  { "a?c", "abc", true },
                  { "a?c", "ac", false },
                  { "*lock*", "deadlock found", true },
                  { "*lock", "deadlock found", false },
                  { "*ab*ab*c", "abababbc", true },
                  { "a**", "a", true },
                  { "?", "ab", false },
                  { "*a?b", "aaaxb", true } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(wants(errand_retry_if_message_like(cases[i].pattern),
                            errand_failf(EIO, "%s", cases[i].message)) == cases[i].like,
                      "%s and %s", cases[i].pattern, cases[i].message);
}
END_TEST

START_TEST(a_negation_never_matches_a_success)
{
    errand_retry_if *not_auth = errand_retry_if_not(errand_retry_if_kind(ERRAND_KIND_BIT(AUTH)));
    ck_assert(wants(AGAIN(not_auth), errand_fail(EIO)) &&
              !wants(AGAIN(not_auth), errand_fail(EACCES)));
    ck_assert(!wants(AGAIN(not_auth), errand_ok(NULL, NULL)));
    ck_assert(!wants(errand_retry_if_not(errand_retry_if_value(is_odd, NULL)),
                     errand_ok(as_value(2), NULL)));
    ck_assert(wants(errand_retry_if_not(AGAIN(not_auth)), errand_fail(EACCES)));
    errand_retry_if_free(not_auth);
}
END_TEST

START_TEST(a_spec_owned_by_a_policy_is_refused)
{
    errand_policy_opts opts = { .attempts = 3,
                                .backoff = errand_backoff_fixed(7),
                                .stop = errand_stop_after_attempt(3),
                                .retry_if = errand_retry_if_failed() };
    errand_policy *first = policy_of(opts);
    const char *why = wrong_with(opts);
    ck_assert_msg(why && strstr(why, "was given before"), "%s", why);
    ck_assert_ptr_null(errand_policy_with(first, &(errand_policy_opts){ .stop = opts.stop }, &why));
    ck_assert_str_eq(why, "stop: it was given before");
    REFUSED("backoff: a part is given twice", .backoff = errand_backoff_capped(opts.backoff, 5));
    ck_assert_int_eq(errand_policy_backoff_ms(first, 1, 1), 7);
    errand_policy_free(first);
}
END_TEST

START_TEST(a_cause_is_found_at_any_depth)
{
    errand_retry_if *refused = errand_retry_if_cause(errand_retry_if_error(ECONNREFUSED));
    errand_result end = errand_fail(EIO), middle = errand_fail(ERRAND_USER + 1);
    /* a result is not its own cause */
    ck_assert(!wants(AGAIN(refused), errand_fail(ECONNREFUSED)));
    er_result_because(&middle, errand_fail(ECONNREFUSED));
    er_result_because(&end, errand_fail(EPIPE));
    er_result_because(&end, middle);
    ck_assert(wants(AGAIN(refused), end));
    end = errand_fail(EIO);
    er_result_because(&end, errand_fail(EPIPE));
    ck_assert(!wants(AGAIN(refused), end));
    ck_assert(!wants(refused, errand_ok(NULL, NULL)));
}
END_TEST

static errand_result locked(void *arg)
{
    count_up(arg);
    return errand_failf(EBUSY, "deadlock");
}

START_TEST(specs_copy_their_strings)
{
    char text[] = "deadlock", like[] = "dead*";
    int codes[] = { EIO, EBUSY };
    errand_policy *policy = policy_of((errand_policy_opts){
        .attempts = 2,
        .initial_ms = ERRAND_ZERO,
        .retry_if = errand_retry_if_all(
            errand_retry_if_any(errand_retry_if_message(text), errand_retry_if_message_like(like)),
            errand_retry_if_error_of(2, codes)) });
    memset(text, 'x', sizeof text - 1);
    memset(like, 'x', sizeof like - 1);
    codes[0] = codes[1] = 1;
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    hold h = { .result = errand_fail(EIO) };
    happen(&h.go);
    ENDS(errand_run(pool, policy, hold_worker, &h), EIO);
    ck_assert_uint_eq(h.runs, 1); /* "Input/output error" */
    unsigned calls = 0;
    ENDS(errand_run(pool, policy, locked, &calls), EBUSY);
    ck_assert_uint_eq(calls, 2);
    errand_policy_free(policy);
    close_pool(pool);
}
END_TEST

Suite *specs_suite(void)
{
    Suite *suite = suite_create("specs");
    TCase *tc = case_of(suite, "refused");
    tcase_add_test(tc, wrong_specs_are_refused_by_name);
    tcase_add_test(tc, wrong_stops_and_predicates_are_refused_by_name);
    tcase_add_test(tc, a_spec_used_twice_is_refused);
    tcase_add_test(tc, a_spec_has_at_most_sixty_four_operations);
    tcase_add_test(tc, without_memory_a_spec_is_refused_without_a_leak);
    tc = case_of(suite, "waits");
    tcase_add_test(tc, backoffs_without_jitter_follow_their_formula);
    tcase_add_test(tc, random_backoffs_are_within_their_bounds);
    tcase_add_test(tc, means_of_random_backoffs_are_within_one_percent);
    tcase_add_test(tc, decorrelated_jitter_grows_at_most_threefold);
    tcase_add_test(tc, every_backoff_saturates_at_the_millionth_attempt);
    tcase_add_test(tc, both_ends_of_a_random_backoff_are_equally_likely);
    tc = case_of(suite, "stops");
    tcase_add_test(tc, stops_see_attempts_times_and_the_next_sleep);
    tcase_add_test(tc, backoff_ms_ends_where_the_policy_stops);
    tcase_add_test(tc, predicates_match_as_documented);
    tcase_add_test(tc, patterns_match_whole_messages);
    tcase_add_test(tc, a_negation_never_matches_a_success);
    tcase_add_test(tc, a_cause_is_found_at_any_depth);
    tcase_add_test(tc, a_spec_owned_by_a_policy_is_refused);
    tcase_add_test(tc, specs_copy_their_strings);
    return suite;
}
