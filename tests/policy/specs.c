/* Specs: what is refused, how long each wait is, when stops and predicates say yes. */
#include "runs.h"

#include "base/os.h"
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

#define REFUSED(begins, ...)                                                                                           \
    do {                                                                                                               \
        const char *why_ = wrong_with((errand_policy_opts){ .attempts = 3, __VA_ARGS__ });                             \
        ck_assert_msg(why_ &&strncmp(why_, begins, strlen(begins)) == 0, "%s: %s", #__VA_ARGS__, why_);                \
    } while (0)
#define ACCEPTED(...) ck_assert_ptr_null(wrong_with((errand_policy_opts){ .attempts = 3, __VA_ARGS__ }))

static int64_t some_wait(const errand_view *view, void *arg) { return view->number * *(int64_t *)arg; }
static bool never(const errand_view *view, void *arg)
{
    (void)view, (void)arg;
    return false;
}

START_TEST(wrong_specs_are_refused_by_name)
{
    REFUSED("wait: fixed: negative", .wait = errand_wait_fixed(-1));
    REFUSED("wait: random: most is less", .wait = errand_wait_random(2, 1));
    REFUSED("wait: random: least is negative", .wait = errand_wait_random(-1, 1));
    REFUSED("wait: incrementing: start", .wait = errand_wait_incrementing(-1, 1, 2));
    REFUSED("wait: incrementing: most", .wait = errand_wait_incrementing(5, 1, 2));
    REFUSED("wait: exponential: factor", .wait = errand_wait_exponential(1, 2, (double)NAN, 0));
    REFUSED("wait: exponential: factor", .wait = errand_wait_random_exponential(1, 2, 0.5, 0));
    REFUSED("wait: exponential: most is less than first", .wait = errand_wait_exponential(3, 2, 2, 0));
    REFUSED("wait: exponential: most is less than least", .wait = errand_wait_exponential(1, 2, 2, 3));
    REFUSED("wait: added: negative", .wait = errand_wait_exponential_jitter(1, 2, 2, -1));
    REFUSED("wait: fibonacci: first", .wait = errand_wait_fibonacci(-1, 2));
    REFUSED("wait: decay: rate", .wait = errand_wait_decay(10, (double)NAN, 1));
    REFUSED("wait: decay: first is less", .wait = errand_wait_decay(1, 1, 2));
    REFUSED("wait: decorrelated: most", .wait = errand_wait_decorrelated(3, 2));
    REFUSED("wait: jitter: decorrelated", .wait = errand_wait_jitter(errand_wait_none(), ERRAND_JITTER_DECORRELATED));
    REFUSED("wait: jitter: unknown", .wait = errand_wait_jitter(errand_wait_none(), (errand_jitter)9));
    REFUSED("wait: capped: negative", .wait = errand_wait_capped(errand_wait_none(), -1));
    REFUSED("wait: by: no function", .wait = errand_wait_by(NULL, NULL));
    REFUSED("wait: an empty part", .wait = errand_wait_chain(0, NULL));
    REFUSED("wait: an empty part", .wait = errand_wait_sum(errand_wait_none(), (errand_wait_spec){ { .n = 0 } }));
    REFUSED("wait: fixed: negative", .wait = errand_wait_sum(errand_wait_fixed(-1), errand_wait_none()));
}
END_TEST

START_TEST(wrong_stops_and_predicates_are_refused_by_name)
{
    REFUSED("stop: attempts: 0", .stop = errand_stop_attempts(0));
    REFUSED("stop: after: negative", .stop = errand_stop_any(errand_stop_never(), errand_stop_after(-1)));
    REFUSED("stop: before: negative", .stop = errand_stop_before(-1));
    REFUSED("stop: by: no function", .stop = errand_stop_by(NULL, NULL));
    REFUSED("when: kinds: none", .when = errand_when_kinds(0));
    REFUSED("when: kinds: unknown", .when = errand_when_kinds(1u << 20));
    REFUSED("when: kinds: OK and CANCELLED", .when = errand_when_kinds(ERRAND_KIND_BIT(CANCELLED)));
    REFUSED("when: codes: none", .when = errand_when_codes_of(0, NULL));
    REFUSED("when: status: to is less", .when = errand_when_status(500, 400));
    REFUSED("when: status: not from", .when = errand_when_status(5, 400));
    REFUSED("when: message: no text", .when = errand_when_message(""));
    REFUSED("when: message: no text", .when = errand_when_message_like(NULL));
    REFUSED("when: value: no function", .when = errand_when_value(NULL, NULL));
    REFUSED("when: by: no function", .when = errand_when_not(errand_when_by(NULL, NULL)));
    errand_stop_spec forged = errand_stop_attempts(1);
    forged.spec.op[0].n = 7;
    REFUSED("stop: not made by", .stop = forged);
    errand_when_spec other = { errand_stop_attempts(1).spec };
    other.spec.op[0].op = 99;
    REFUSED("when: not made by", .when = other);
    REFUSED("hedge_ms: with REPEAT_NEVER", .hedge_ms = 5, .repeat = ERRAND_REPEAT_NEVER);
    REFUSED("hedge_ms: negative", .hedge_ms = -5);
    REFUSED("hedge_percentile: with REPEAT_NEVER", .hedge_percentile = 0.9, .repeat = ERRAND_REPEAT_NEVER);
    REFUSED("hedge_percentile: not a number", .hedge_percentile = (double)NAN);
    REFUSED("hedge_percentile: not a number", .hedge_percentile = 1);
    REFUSED("overlap: without", .overlap = 1);
    const char *why = wrong_with((errand_policy_opts){ .attempts = 1, .hedge_ms = 5 });
    ck_assert(why && strncmp(why, "attempts:", 9) == 0);
}
END_TEST

START_TEST(sixteen_operations_fit_and_no_more)
{
    errand_wait_spec w = errand_wait_none();
    for (int i = 1; i < 16; i++) w = errand_wait_capped(w, 10);
    ACCEPTED(.wait = w);
    REFUSED("wait: more than 16 operations", .wait = errand_wait_capped(w, 10));
    REFUSED("wait: more than 16 operations", .wait = errand_wait_sum(errand_wait_capped(w, 10), w));
    errand_stop_spec s = errand_stop_never();
    for (int i = 0; i < 8; i++) s = errand_stop_any(s, errand_stop_never());
    REFUSED("stop: more than 16 operations", .stop = s);
    errand_when_spec n = errand_when_failed();
    for (int i = 0; i < 16; i++) n = errand_when_not(n);
    REFUSED("when: more than 16 operations", .when = n);
}
END_TEST

/* ---- waits ---- */

static int64_t wait_of(errand_wait_spec spec, unsigned n, uint64_t seed)
{
    errand_policy *policy = policy_of((errand_policy_opts){ .attempts = UINT32_MAX, .wait = spec });
    int64_t wait = errand_policy_wait_ms(policy, n, seed);
    errand_policy_free(policy);
    return wait;
}

static double mean_of(errand_wait_spec spec, unsigned n)
{
    errand_policy *policy = policy_of((errand_policy_opts){ .attempts = UINT32_MAX, .wait = spec });
    double sum = 0;
    for (uint64_t seed = 1; seed <= 100000; seed++) sum += (double)errand_policy_wait_ms(policy, n, seed);
    errand_policy_free(policy);
    return sum / 100000;
}

#define ALWAYS(spec, n, ms) ck_assert_int_eq(wait_of(spec, n, n), ms)

START_TEST(waits_without_chance_are_what_their_formula_says)
{
    ALWAYS(errand_wait_none(), 7, 0);
    ALWAYS(errand_wait_fixed(7), 1000000, 7);
    ALWAYS(errand_wait_random(7, 7), 3, 7); /* from = to gives it */
    ALWAYS(errand_wait_incrementing(10, 5, 100), 1, 10);
    ALWAYS(errand_wait_incrementing(10, 5, 100), 4, 25);
    ALWAYS(errand_wait_incrementing(10, -5, 100), 4, 0);
    ALWAYS(errand_wait_exponential(4, 100, 3, 0), 3, 36);
    ALWAYS(errand_wait_exponential(4, 100, 3, 10), 1, 10); /* never below least */
    const int64_t fib[] = { 10, 10, 20, 30, 50, 80, 100, 100 };
    for (unsigned n = 1; n <= 8; n++) ALWAYS(errand_wait_fibonacci(10, 100), n, fib[n - 1]);
    for (unsigned n = 1; n <= 40; n++)
        ALWAYS(errand_wait_decay(1000, 0.3, 5), n, (int64_t)(fmax(5, 1000 * exp(-0.3 * (n - 1))) + 0.5));
    ALWAYS(errand_wait_decay(1000, 700, 0), 2, 0);
    ALWAYS(errand_wait_sum(errand_wait_fixed(3), errand_wait_exponential(1, 100, 2, 0)), 4, 11);
    ALWAYS(errand_wait_max(errand_wait_fixed(3), errand_wait_exponential(1, 100, 2, 0)), 2, 3);
    ALWAYS(errand_wait_max(errand_wait_fixed(3), errand_wait_exponential(1, 100, 2, 0)), 4, 8);
    ALWAYS(errand_wait_capped(errand_wait_fixed(30), 8), 1, 8);
    const errand_wait_spec steps[] = { errand_wait_fixed(1),
                                       errand_wait_sum(errand_wait_fixed(2), errand_wait_fixed(3)),
                                       errand_wait_fixed(9) };
    const int64_t chained[] = { 1, 5, 9, 9, 9 };
    for (unsigned n = 1; n <= 5; n++) ALWAYS(errand_wait_chain(3, steps), n, chained[n - 1]);
    ALWAYS(errand_wait_jitter(errand_wait_fixed(6), ERRAND_JITTER_NONE), 1, 6);
    int64_t ten = 10, minus = -10;
    ALWAYS(errand_wait_by(some_wait, &ten), 4, 40);
    ALWAYS(errand_wait_by(some_wait, &minus), 4, 0);
    ALWAYS(errand_wait_poll(errand_wait_fixed(3), errand_wait_fixed(4)), 1, 4); /* shown, as after a failure */
}
END_TEST

START_TEST(waits_of_chance_keep_to_their_bounds_at_every_seed)
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
            errand_wait_spec spec;
            double from, to;
        } waits[] = {
            { errand_wait_random(least, most), (double)least, (double)most },
            { errand_wait_random_exponential(first, most, factor, least), (double)least, fmax((double)least, grown) },
            { errand_wait_exponential(first, most, factor, least), fmax((double)least, grown),
              fmax((double)least, grown) },
            { errand_wait_exponential_jitter(first, most, factor, j), grown, fmin(grown + (double)j, (double)most) },
            { errand_wait_jitter(errand_wait_fixed(most), ERRAND_JITTER_EQUAL), (double)most / 2, (double)most },
            { errand_wait_jitter(errand_wait_fixed(most), ERRAND_JITTER_FULL), 0, (double)most },
            { errand_wait_added(errand_wait_fixed(first), j), (double)first, (double)(first + j) },
            { errand_wait_decorrelated(first, most), (double)first, (double)most },
        };
        for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
            int64_t wait = wait_of(waits[i].spec, n, seed);
            if ((double)wait < waits[i].from - 0.501 || (double)wait > waits[i].to + 0.501)
                ck_abort_msg("wait %zu of seed %llu, attempt %u: %lld is not from %f to %f", i,
                             (unsigned long long)seed, n, (long long)wait, waits[i].from, waits[i].to);
            if (wait != wait_of(waits[i].spec, n, seed)) ck_abort_msg("the same seed, another wait");
        }
    }
}
END_TEST

START_TEST(the_means_are_within_one_percent)
{
    ck_assert_double_eq_tol(mean_of(errand_wait_random(500, 1500), 3), 1000, 10);
    ck_assert_double_eq_tol(mean_of(errand_wait_random_exponential(100, 100000, 2, 400), 5), 1000, 10);
    ck_assert_double_eq_tol(mean_of(errand_wait_exponential_jitter(100, 100000, 2, 400), 4), 1000, 10);
    ck_assert_double_eq_tol(mean_of(errand_wait_jitter(errand_wait_fixed(1000), ERRAND_JITTER_FULL), 2), 500, 5);
    ck_assert_double_eq_tol(mean_of(errand_wait_jitter(errand_wait_fixed(1000), ERRAND_JITTER_EQUAL), 2), 750, 7.5);
    ck_assert_double_eq_tol(mean_of(errand_wait_added(errand_wait_fixed(900), 200), 1), 1000, 10);
    ck_assert_double_eq_tol(mean_of(errand_wait_decorrelated(1000, 1000000), 1), 2000, 20); /* U(1000, 3000) */
    ck_assert_double_eq_tol(mean_of(errand_wait_decorrelated(1000, 1000000), 2), 3500, 35); /* U(1000, 3 * that) */
}
END_TEST

START_TEST(decorrelated_jitter_never_jumps_by_more_than_thrice)
{
    errand_policy *policies[] = {
        policy_of((errand_policy_opts){ .attempts = 100, .wait = errand_wait_decorrelated(100, 5000) }),
        policy_of((errand_policy_opts){
            .attempts = 100, .first_ms = 100, .most_ms = 5000, .jitter = ERRAND_JITTER_DECORRELATED }),
    };
    for (uint64_t seed = 1; seed <= 500; seed++) {
        int64_t before = 100;
        for (unsigned n = 1; n <= 20; n++) {
            int64_t wait = errand_policy_wait_ms(policies[0], n, seed);
            if (wait < 100 || wait > 5000 || wait > 3 * before)
                ck_abort_msg("%lld after %lld", (long long)wait, (long long)before);
            ck_assert_int_eq(wait, errand_policy_wait_ms(policies[1], n, seed)); /* the same, said in two ways */
            before = wait;
        }
    }
    errand_policy_free(policies[0]);
    errand_policy_free(policies[1]);
}
END_TEST

START_TEST(every_wait_saturates_at_the_millionth_attempt)
{
    const unsigned million = 1000000;
    ALWAYS(errand_wait_exponential(1, ERRAND_FOREVER, 1e9, 0), million, INT64_MAX);
    ALWAYS(errand_wait_exponential(1, 5000, 2, 0), million, 5000);
    ALWAYS(errand_wait_incrementing(1, ERRAND_FOREVER, ERRAND_FOREVER), million, INT64_MAX);
    ALWAYS(errand_wait_fibonacci(1, ERRAND_FOREVER), million, INT64_MAX);
    ALWAYS(errand_wait_decay(5000, 1e-9, 1), million, 4995);
    ALWAYS(errand_wait_decay(5000, 1, 1), million, 1);
    ALWAYS(errand_wait_sum(errand_wait_fixed(ERRAND_FOREVER), errand_wait_fixed(ERRAND_FOREVER)), million, INT64_MAX);
    ALWAYS(errand_wait_added(errand_wait_fixed(ERRAND_FOREVER), ERRAND_FOREVER), million, INT64_MAX);
    int64_t big = INT64_MAX / 1000000;
    ALWAYS(errand_wait_by(some_wait, &big), million, INT64_MAX); /* what is more than 9e18 is for ever */
    for (uint64_t seed = 1; seed < 100; seed++) {
        int64_t wait = wait_of(errand_wait_random_exponential(10, 5000, 10, 100), million, seed);
        ck_assert(wait >= 100 && wait <= 5000);
        wait = wait_of(errand_wait_exponential_jitter(10, 5000, 10, 100), million, seed);
        ck_assert_int_eq(wait, 5000);
        wait = wait_of(errand_wait_random(0, ERRAND_FOREVER), million, seed);
        ck_assert_int_ge(wait, 0);
    }
    int64_t wait = wait_of(errand_wait_decorrelated(10, 5000), million, 3);
    ck_assert(wait >= 10 && wait <= 5000);
}
END_TEST

START_TEST(both_ends_of_a_range_are_equally_likely)
{
    unsigned seen[4] = { 0 };
    errand_policy *policy = policy_of((errand_policy_opts){ .attempts = 2, .wait = errand_wait_random(1, 4) });
    for (uint64_t seed = 0; seed < 40000; seed++) seen[errand_policy_wait_ms(policy, 1, seed) - 1]++;
    for (int i = 0; i < 4; i++) ck_assert_double_eq_tol(seen[i], 10000, 400);
    errand_policy_free(policy);
}
END_TEST

/* ---- stops ---- */

static bool stops(errand_stop_spec stop, unsigned number, int64_t elapsed, int64_t upcoming)
{
    errand_view view = { .number = number, .elapsed_ms = elapsed, .upcoming_ms = upcoming };
    return er_stop_says(&stop, &view);
}

static bool upcoming_is_long(const errand_view *view, void *arg)
{
    ++*(unsigned *)arg;
    return view->upcoming_ms >= 100;
}

START_TEST(stops_see_attempts_times_and_the_sleep_to_come)
{
    ck_assert(!stops(errand_stop_never(), UINT32_MAX, INT64_MAX, INT64_MAX));
    ck_assert(!stops(errand_stop_attempts(3), 2, 0, 0) && stops(errand_stop_attempts(3), 3, 0, 0));
    ck_assert(!stops(errand_stop_after(100), 9, 99, 1000) && stops(errand_stop_after(100), 1, 100, 0));
    ck_assert(!stops(errand_stop_before(100), 9, 50, 49) && stops(errand_stop_before(100), 1, 50, 50));
    ck_assert(stops(errand_stop_before(ERRAND_FOREVER), 1, INT64_MAX, INT64_MAX));
    unsigned asked = 0;
    errand_stop_spec own = errand_stop_by(upcoming_is_long, &asked), third = errand_stop_attempts(3);
    ck_assert(stops(own, 1, 0, 100) && !stops(own, 1, 0, 99));
    ck_assert_uint_eq(asked, 2);
    ck_assert(stops(errand_stop_any(third, own), 3, 0, 0)); /* what no longer matters is not asked */
    ck_assert(!stops(errand_stop_all(third, own), 2, 0, 100));
    ck_assert_uint_eq(asked, 2);
    ck_assert(stops(errand_stop_all(third, own), 3, 0, 100) && stops(errand_stop_any(third, own), 2, 0, 100));
    ck_assert(stops(errand_stop_any(errand_stop_all(third, own), errand_stop_after(5)), 1, 5, 0));
}
END_TEST

START_TEST(a_shown_sequence_ends_where_it_stops)
{
    errand_policy *policy = policy_of((errand_policy_opts){
        .wait = errand_wait_fixed(100), .stop = errand_stop_any(errand_stop_before(350), errand_stop_attempts(10)) });
    const int64_t waits[] = { 100, 100, 100, -1, -1 }; /* 300 have passed, 100 are to come */
    for (unsigned n = 1; n <= 5; n++) ck_assert_int_eq(errand_policy_wait_ms(policy, n, 1), waits[n - 1]);
    errand_policy_free(policy);
    policy = policy_of((errand_policy_opts){ .stop = errand_stop_by(never, NULL) });
    ck_assert_int_ge(errand_policy_wait_ms(policy, 1000, 1), 0); /* with a stop there is no other limit */
    errand_policy_free(policy);
}
END_TEST

/* ---- predicates ---- */

static bool wants(errand_when_spec when, errand_result r)
{
    errand_view view = { .number = 1, .last = &r };
    bool yes = er_when_says(&when, &view);
    errand_result_free(&r);
    return yes;
}
static bool is_odd(const void *value, void *arg)
{
    (void)arg;
    return as_number(value) & 1;
}
static bool says_yes(const errand_view *view, void *arg)
{
    (void)view, (void)arg;
    return true;
}

START_TEST(predicates_match_what_they_say)
{
    const errand_result well = { 0 };
    ck_assert(wants(errand_when_transient(), errand_fail(ECONNRESET)) &&
              !wants(errand_when_transient(), errand_fail(EINVAL)));
    ck_assert(wants(errand_when_failed(), errand_fail(EINVAL)) && !wants(errand_when_failed(), well));
    errand_when_spec kinds = errand_when_kinds(ERRAND_KIND_BIT(AUTH) | ERRAND_KIND_BIT(VALIDATION));
    ck_assert(wants(kinds, errand_fail(EINVAL)) && wants(kinds, errand_fail(EACCES)) &&
              !wants(kinds, errand_fail(EPIPE)));
    ck_assert(!wants(kinds, well));
    errand_when_spec codes = errand_when_codes(EPIPE, ERRAND_USER + 7);
    ck_assert(wants(codes, errand_fail(ERRAND_USER + 7)) && wants(codes, errand_fail(EPIPE)));
    ck_assert(!wants(codes, errand_fail(ERRAND_USER + 6)) && !wants(codes, well));
    errand_when_spec statuses = errand_when_any(errand_when_statuses(409, 423), errand_when_status(500, 599));
    ck_assert(wants(statuses, errand_fail(ERRAND_HTTP + 423)) && wants(statuses, errand_fail(ERRAND_HTTP + 500)));
    ck_assert(wants(statuses, errand_fail(ERRAND_HTTP + 599)) && !wants(statuses, errand_fail(ERRAND_HTTP + 404)));
    ck_assert(!wants(statuses, errand_fail(423)));
    ck_assert(wants(errand_when_message("lock"), errand_failf(EIO, "deadlock found")));
    ck_assert(!wants(errand_when_message("locks"), errand_failf(EIO, "deadlock found")));
    errand_when_spec value = errand_when_value(is_odd, NULL);
    ck_assert(wants(value, errand_ok(as_value(3), NULL)) && !wants(value, errand_ok(as_value(2), NULL)));
    ck_assert(!wants(value, (errand_result){ .error = EIO, .value = as_value(3) }));
    ck_assert(wants(errand_when_by(says_yes, NULL), well));
    ck_assert(wants(errand_when_all(errand_when_failed(), errand_when_by(says_yes, NULL)), errand_fail(EIO)));
    ck_assert(!wants(errand_when_all(errand_when_failed(), errand_when_by(says_yes, NULL)), well));
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
        ck_assert_msg(wants(errand_when_message_like(cases[i].pattern), errand_failf(EIO, "%s", cases[i].message)) ==
                          cases[i].like,
                      "%s and %s", cases[i].pattern, cases[i].message);
}
END_TEST

START_TEST(a_negation_never_matches_a_success)
{
    errand_when_spec not_auth = errand_when_not(errand_when_kinds(ERRAND_KIND_BIT(AUTH)));
    ck_assert(wants(not_auth, errand_fail(EIO)) && !wants(not_auth, errand_fail(EACCES)));
    ck_assert(!wants(not_auth, errand_ok(NULL, NULL)));
    ck_assert(!wants(errand_when_not(errand_when_value(is_odd, NULL)), errand_ok(as_value(2), NULL)));
    ck_assert(wants(errand_when_not(not_auth), errand_fail(EACCES)));
}
END_TEST

static errand_result locked(void *arg)
{
    count_up(arg);
    return errand_failf(EBUSY, "deadlock");
}

START_TEST(what_specs_point_to_is_copied)
{
    char text[] = "deadlock", like[] = "dead*";
    int codes[] = { EIO, EBUSY };
    errand_policy *policy = policy_of((errand_policy_opts){
        .attempts = 2,
        .first_ms = ERRAND_ZERO,
        .when = errand_when_all(errand_when_any(errand_when_message(text), errand_when_message_like(like)),
                                errand_when_codes_of(2, codes)) });
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
    tcase_add_test(tc, sixteen_operations_fit_and_no_more);
    tc = case_of(suite, "waits");
    tcase_add_test(tc, waits_without_chance_are_what_their_formula_says);
    tcase_add_test(tc, waits_of_chance_keep_to_their_bounds_at_every_seed);
    tcase_add_test(tc, the_means_are_within_one_percent);
    tcase_add_test(tc, decorrelated_jitter_never_jumps_by_more_than_thrice);
    tcase_add_test(tc, every_wait_saturates_at_the_millionth_attempt);
    tcase_add_test(tc, both_ends_of_a_range_are_equally_likely);
    tc = case_of(suite, "asked");
    tcase_add_test(tc, stops_see_attempts_times_and_the_sleep_to_come);
    tcase_add_test(tc, a_shown_sequence_ends_where_it_stops);
    tcase_add_test(tc, predicates_match_what_they_say);
    tcase_add_test(tc, patterns_match_whole_messages);
    tcase_add_test(tc, a_negation_never_matches_a_success);
    tcase_add_test(tc, what_specs_point_to_is_copied);
    return suite;
}
