/* core/policy.c -- checks a recipe and keeps it. Waits are computed from (seed, attempt) alone, in double, which saturates where
 * integers would wrap; so any attempt number is fine. */
#include "core/policy.h"

#include "base/options.h"

#include <errno.h>

#define FIRST_MS         50
#define FIRST_LIMITED_MS 1000
#define MOST_MS          20000

static const char *check(errand_policy_opts *o)
{
    if (er_option_ms(&o->within_ms, ERRAND_FOREVER)) return "within_ms: negative";
    if (er_option_ms(&o->attempt_ms, ERRAND_FOREVER)) return "attempt_ms: negative";
    if (er_option_ms(&o->hint_most_ms, ER_HINT_DEFAULT)) return "hint_most_ms: negative";
    bool own_most = o->most_ms != 0;
    if (o->first_ms < 0 && o->first_ms != ERRAND_ZERO) return "first_ms: negative";
    if (er_option_ms(&o->most_ms, MOST_MS)) return "most_ms: negative";
    int64_t first = o->first_ms == ERRAND_ZERO ? 0 : o->first_ms;
    if (first > o->most_ms) {
        if (own_most) return "most_ms: less than first_ms";
        o->most_ms = first;
    }
    if (o->factor == 0) o->factor = 2;
    if (!(o->factor >= 1 && o->factor <= 1e9)) return "factor: not a number from 1 to 1e9";
    if ((unsigned)o->jitter > ERRAND_JITTER_EQUAL) return "jitter: unknown";
    if ((unsigned)o->repeat > ERRAND_REPEAT_NEVER) return "repeat: unknown";
    if (!o->attempts) o->attempts = 1;
    return NULL;
}

errand_policy *errand_policy_new_sized(const errand_policy_opts *opts, size_t size, const char **why_not)
{
    errand_policy_opts o;
    const char *wrong = NULL;
    int error = er_options(&o, sizeof o, opts, size);
    if (error == EINVAL) wrong = "size: 0";
    if (error == ENOTSUP) wrong = "options: newer than this library";
    if (!error && (wrong = check(&o))) error = EINVAL;
    errand_policy *policy = error ? NULL : er_alloc(sizeof *policy);
    if (why_not) *why_not = wrong;
    if (!policy) {
        errno = error ? error : ENOMEM;
        return NULL;
    }
    policy->count = 1;
    policy->how = o;
    if (o.sem) er_sem_keep(o.sem);
    if (o.rate) er_rate_keep(o.rate);
    return policy;
}

errand_policy *er_policy_keep(const errand_policy *policy)
{
    errand_policy *p = (errand_policy *)(uintptr_t)policy; /* immutable but for its count */
    er_add_relaxed(&p->count, 1);                          /* relaxed: who counts up has a count */
    return p;
}

void errand_policy_free(errand_policy *policy)
{
    if (!policy || er_sub(&policy->count, 1) != 1) return;
    errand_sem_free(policy->how.sem);
    errand_rate_free(policy->how.rate);
    er_free(policy);
}

/* factor^n by squaring: any n is quick, and what is too much becomes infinite. */
static double power(double factor, unsigned n)
{
    double p = 1;
    for (; n; n /= 2, factor *= factor) {
        if (n % 2) p *= factor;
    }
    return p;
}

int64_t er_policy_wait(const errand_policy *policy, unsigned n, uint64_t seed, bool rate_limited)
{
    const errand_policy_opts *how = &policy->how;
    int64_t first = how->first_ms ? how->first_ms : rate_limited ? FIRST_LIMITED_MS : FIRST_MS;
    double most = (double)how->most_ms, wait = first == ERRAND_ZERO ? 0 : (double)first;
    if (wait > 0) wait *= power(how->factor, n - 1);
    if (wait > most) wait = most;
    uint64_t state = seed + n * UINT64_C(0xd1342543de82ef95);
    double u = er_random_fraction(&state);
    if (how->jitter == ERRAND_JITTER_FULL) wait *= u;
    else if (how->jitter == ERRAND_JITTER_EQUAL) wait = wait / 2 + wait / 2 * u;
    return wait >= 9e18 ? INT64_MAX : (int64_t)(wait + 0.5); /* rounded: the mean stays what it is */
}

int64_t errand_policy_wait_ms(const errand_policy *policy, unsigned attempt, uint64_t seed)
{
    if (!policy || !attempt || attempt >= policy->how.attempts || policy->how.repeat == ERRAND_REPEAT_NEVER) return -1;
    return er_policy_wait(policy, attempt, seed, false);
}
