/* policy/policy.c -- checks a recipe and keeps it.
 *
 * Handles are counted as usual. Runs are not counted in one place: `begun` is written by threads
 * that begin runs, `ended` by threads that end them, on lines of their own, so that one thread
 * which submits and others which work do not fight for one. When the last handle goes, no more runs
 * begin: `begun` is taken off `ended`, which is then minus the number under way, and the end that
 * brings it to zero frees the policy. Before, no end sees zero. */
#include "policy/policy.h"
#include "policy/backoff.h"
#include "policy/predicate.h"

#include "base/options.h"

#include <errno.h>

#define FIRST_MS         50
#define FIRST_LIMITED_MS 1000
#define MOST_MS          20000

static const char *check_waits(errand_policy_opts *o)
{
    bool own_most = o->max_ms != 0;
    if (o->initial_ms < 0 && o->initial_ms != ERRAND_ZERO) return "initial_ms: negative";
    if (er_option_ms(&o->max_ms, MOST_MS)) return "max_ms: negative";
    int64_t first = o->initial_ms == ERRAND_ZERO ? 0 : o->initial_ms;
    if (first > o->max_ms) {
        if (own_most) return "max_ms: less than initial_ms";
        o->max_ms = first;
    }
    if (o->multiplier == 0) o->multiplier = 2;
    if (!(o->multiplier >= 1 && o->multiplier <= 1e9))
        return "multiplier: not a number from 1 to 1e9";
    if ((unsigned)o->jitter > ERRAND_JITTER_DECORRELATED) return "jitter: unknown";
    return NULL;
}

static const char *check_hedge(const errand_policy_opts *o)
{
    if (o->hedge_ms < 0 && o->hedge_ms != ERRAND_ZERO) return "hedge_ms: negative";
    if (!(o->hedge_percentile >= 0 && o->hedge_percentile < 1))
        return "hedge_percentile: not a number from 0 to below 1";
    bool hedges = o->hedge_ms || o->hedge_percentile > 0;
    if (!hedges) return o->overlap ? "overlap: without hedge_ms or hedge_percentile" : NULL;
    const char *field =
        o->hedge_ms ? "hedge_ms: with REPEAT_NEVER" : "hedge_percentile: with REPEAT_NEVER";
    if (o->repeat == ERRAND_REPEAT_NEVER) return field;
    if (o->attempts == 1) return "attempts: 1 leaves none for a hedge";
    return o->overlap > 1 ? "overlap: neither 0 nor 1" : NULL;
}

static const char *check(errand_policy_opts *o)
{
    if (er_option_ms(&o->within_ms, ERRAND_FOREVER)) return "within_ms: negative";
    if (er_option_ms(&o->attempt_ms, ERRAND_FOREVER)) return "attempt_ms: negative";
    if (er_option_ms(&o->retry_after_max_ms, ER_RETRY_AFTER_DEFAULT))
        return "retry_after_max_ms: negative";
    if ((unsigned)o->repeat > ERRAND_REPEAT_NEVER) return "repeat: unknown";
    const char *wrong = check_waits(o);
    return wrong ? wrong : check_hedge(o);
}

/* ---- its specs ---- */

static er_spec *backoff_spec(const errand_policy_opts *o)
{
    return o->backoff ? &o->backoff->spec : NULL;
}
static er_spec *stop_spec(const errand_policy_opts *o) { return o->stop ? &o->stop->spec : NULL; }
static er_spec *retry_if_spec(const errand_policy_opts *o)
{
    return o->retry_if ? &o->retry_if->spec : NULL;
}

static const char *specs_wrong(const errand_policy_opts *o, int *error)
{
    const char *wrong = er_spec_wrong(backoff_spec(o), error);
    if (!wrong) wrong = er_spec_wrong(stop_spec(o), error);
    return wrong ? wrong : er_spec_wrong(retry_if_spec(o), error);
}

/* A spec that has an owner stays with it, and is returned as wrong. */
static const char *take_specs(errand_policy_opts *o)
{
    const char *twice = NULL;
    if (o->backoff && !er_spec_take(&o->backoff->spec)) {
        o->backoff = NULL;
        twice = "backoff: it was given before";
    }
    if (o->stop && !er_spec_take(&o->stop->spec)) {
        o->stop = NULL;
        twice = "stop: it was given before";
    }
    if (o->retry_if && !er_spec_take(&o->retry_if->spec)) {
        o->retry_if = NULL;
        twice = "retry_if: it was given before";
    }
    return twice;
}

static void free_specs(const errand_policy_opts *o)
{
    er_spec_free(backoff_spec(o));
    er_spec_free(stop_spec(o));
    er_spec_free(retry_if_spec(o));
}

/* ---- making ---- */

/* Works out once what every run asks. */
static void size_up(errand_policy *p)
{
    const errand_policy_opts *o = &p->how;
    const er_spec *retry_if = retry_if_spec(o), *stop = stop_spec(o);
    bool open_ended = stop || (retry_if && o->within_ms != ERRAND_FOREVER);
    p->hedges = o->hedge_ms || o->hedge_percentile > 0;
    p->most = p->hedges ? 2 : 1;
    if (open_ended) p->most = ER_NO_LIMIT;
    if (o->attempts) p->most = o->attempts;
    p->own_ask = er_spec_has(retry_if, ER_RETRY_IF_VALUE) ||
                 er_spec_has(retry_if, ER_RETRY_IF_CUSTOM) || er_spec_has(stop, ER_STOP_CUSTOM) ||
                 er_spec_has(backoff_spec(o), ER_BACKOFF_CUSTOM) || o->after_attempt ||
                 o->before_sleep;
    p->own_failure = o->fallback || o->on_give_up;
    bool only_polls = retry_if && retry_if->op == ER_RETRY_IF_VALUE;
    p->repeats = p->most > 1 && o->repeat != ERRAND_REPEAT_NEVER && !only_polls;
    p->limited = o->breaker || o->rate || o->total_rate || o->sem;
    p->plain = p->most == 1 && !retry_if && o->within_ms == ERRAND_FOREVER &&
               o->attempt_ms == ERRAND_FOREVER && !p->own_ask && !p->own_failure &&
               !o->on_success && !p->limited && !o->budget && !o->before_attempt && !o->name;
}

static void free_policy(errand_policy *p)
{
    errand_sem_free(p->given.sem);
    errand_rate_free(p->given.rate);
    errand_rate_free(p->given.total_rate);
    errand_breaker_free(p->given.breaker);
    errand_budget_free(p->given.budget);
    free_specs(&p->given);
    er_quantile_free(p->latency);
    er_free(p);
}

/* Owns the specs of *given. */
static errand_policy *make(const errand_policy_opts *given, int error, const char *wrong,
                           const char **why_not)
{
    if (!error && wrong) error = EINVAL;
    errand_policy *p = error ? NULL : er_alloc_zero(sizeof *p);
    if (error == EINVAL && !wrong) wrong = "size: 0";
    if (error == ENOTSUP) wrong = "options: newer than this library";
    if (!error && !p) error = ENOMEM;
    if (!error) {
        p->given = p->how = *given;
        wrong = check(&p->how);
        if (wrong) error = EINVAL;
        else wrong = specs_wrong(given, &error);
    }
    if (!error && given->disabled)
        p->how = (errand_policy_opts){ .within_ms = ERRAND_FOREVER, .attempt_ms = ERRAND_FOREVER };
    bool hedges_late = !error && p->how.hedge_percentile > 0;
    if (hedges_late && !(p->latency = er_quantile_new(p->how.hedge_percentile))) error = ENOMEM;
    if (why_not) *why_not = wrong;
    if (error) {
        free_specs(given);
        er_free(p);
        errno = error;
        return NULL;
    }
    p->count = 1;
    size_up(p);
    if (given->sem) er_sem_keep(given->sem);
    if (given->rate) er_rate_keep(given->rate);
    if (given->total_rate) er_rate_keep(given->total_rate);
    if (given->breaker) er_breaker_keep(given->breaker);
    if (given->budget) er_budget_keep(given->budget);
    return p;
}

errand_policy *errand_policy_new_sized(const errand_policy_opts *opts, size_t size,
                                       const char **why_not)
{
    errand_policy_opts given;
    int error = er_options(&given, sizeof given, opts, size);
    const char *twice = take_specs(&given);
    return make(&given, error, twice, why_not);
}

#define INHERIT(field)                                                                             \
    if (!changed->field) changed->field = base->field

static void inherit(errand_policy_opts *changed, const errand_policy_opts *base)
{
    INHERIT(within_ms);
    INHERIT(fallback);
    INHERIT(attempts);
    INHERIT(nested);
    INHERIT(initial_ms);
    INHERIT(max_ms);
    INHERIT(jitter);
    INHERIT(repeat);
    INHERIT(retry_after_max_ms);
    INHERIT(budget);
    INHERIT(hedge_ms);
    INHERIT(overlap);
    INHERIT(disabled);
    INHERIT(breaker);
    INHERIT(rate);
    INHERIT(total_rate);
    INHERIT(sem);
    INHERIT(attempt_ms);
    INHERIT(name);
    INHERIT(log);
    INHERIT(seed);
    INHERIT(before_attempt);
    INHERIT(after_attempt);
    INHERIT(before_sleep);
    INHERIT(on_give_up);
    INHERIT(on_success);
    INHERIT(hook_arg);
    INHERIT(clock);
    INHERIT(sleep);
    if (changed->multiplier == 0) changed->multiplier = base->multiplier;
    if (changed->hedge_percentile == 0) changed->hedge_percentile = base->hedge_percentile;
    if (!changed->backoff && er_spec_keep(backoff_spec(base))) changed->backoff = base->backoff;
    if (!changed->stop && er_spec_keep(stop_spec(base))) changed->stop = base->stop;
    if (!changed->retry_if && er_spec_keep(retry_if_spec(base))) changed->retry_if = base->retry_if;
}

errand_policy *errand_policy_with_sized(
    const errand_policy *base, const errand_policy_opts *changes, size_t size, const char **why_not)
{
    errand_policy_opts given;
    int error = er_options(&given, sizeof given, changes, size);
    const char *twice = take_specs(&given);
    if (base) inherit(&given, &base->given);
    return make(&given, error, twice, why_not);
}

static errand_policy *writable(const errand_policy *policy) /* immutable but for what is counted */
{
    return (errand_policy *)(uintptr_t)policy;
}

errand_policy *er_policy_keep(const errand_policy *policy)
{
    er_add_relaxed(&writable(policy)->count, 1); /* relaxed: the caller has a count */
    return writable(policy);
}

void errand_policy_free(errand_policy *policy)
{
    if (!policy || er_sub(&policy->count, 1) != 1) return;
    int64_t begun = er_load(&policy->begun);
    if (er_sub(&policy->ended, begun) == begun) free_policy(policy);
}

errand_policy *er_policy_begin(const errand_policy *policy)
{
    /* relaxed: the handle of the caller is given back later */
    er_add_relaxed(&writable(policy)->begun, 1);
    return writable(policy);
}

void er_policy_report(errand_policy *policy, const errand_result *how)
{
    if (!how->error) er_policy_count(&policy->succeeded);
    else er_policy_count(er_result_cancelled(how) ? &policy->cancelled : &policy->failed);
}

void er_policy_end(errand_policy *policy)
{
    if (er_add(&policy->ended, 1) == -1) free_policy(policy);
}

int errand_policy_stats_sized(const errand_policy *policy, errand_policy_stats *out, size_t size)
{
    if (!policy || !out) return EINVAL;
    const errand_policy *p = policy; /* relaxed, all of them: figures for people */
    uint64_t begun = (uint64_t)er_load_relaxed(&p->begun);
    errand_policy_stats s = {
        .runs = begun,
        .succeeded = er_load_relaxed(&p->succeeded),
        .failed = er_load_relaxed(&p->failed),
        .cancelled = er_load_relaxed(&p->cancelled),
        .attempts = er_load_relaxed(&p->attempts) + begun - er_load_relaxed(&p->unplain),
        .hedges = er_load_relaxed(&p->hedged),
        .hedges_won = er_load_relaxed(&p->hedges_won),
        .retries = er_load_relaxed(&p->retries),
        .asleep = (uint64_t)er_load_relaxed(&p->asleep),
        .degraded = er_load_relaxed(&p->degraded),
        .refused = er_load_relaxed(&p->refused)
    };
    return er_options_give(out, size, &s, sizeof s);
}

/* ---- hedges ---- */

void er_policy_took(const errand_policy *policy, int64_t ns)
{
    if (policy->latency) er_quantile_add(policy->latency, ns);
}

int64_t er_policy_hedge_after(const errand_policy *policy)
{
    int64_t ns = policy->latency ? er_quantile_ns(policy->latency) : -1;
    if (ns >= 0) return ns;
    int64_t ms = policy->how.hedge_ms;
    if (ms == ERRAND_ZERO) return 0;
    return ms ? er_deadline(0, ms) : INT64_MAX;
}

/* ---- waits ---- */

int64_t er_policy_wait(const errand_policy *policy, uint64_t seed, int64_t before,
                       const errand_attempt_info *info)
{
    const errand_policy_opts *how = &policy->how;
    er_wait_from from = { .seed = seed, .before = before, .info = info };
    if (how->backoff) return er_backoff_wait(how->backoff, &from);
    bool limited = info->last && er_result_limited(info->last);
    int64_t first = how->initial_ms;
    if (!first) first = limited ? FIRST_LIMITED_MS : FIRST_MS;
    if (first == ERRAND_ZERO) first = 0;
    if (first > how->max_ms) first = how->max_ms;
    return er_backoff_of(how, first, &from);
}

int64_t errand_policy_backoff_ms(const errand_policy *policy, unsigned attempt, uint64_t seed)
{
    if (!policy || !attempt || attempt >= policy->most || policy->how.repeat == ERRAND_REPEAT_NEVER)
        return -1;
    const errand_policy_opts *how = &policy->how;
    bool remembers = how->stop || er_spec_has(backoff_spec(how), ER_BACKOFF_DECORRELATED) ||
                     (!how->backoff && how->jitter == ERRAND_JITTER_DECORRELATED);
    errand_attempt_info info = { .number = remembers ? 1 : attempt, .name = how->name };
    for (int64_t before = -1;; info.number++) {
        int64_t wait = er_policy_wait(policy, seed, before, &info);
        info.upcoming_ms = wait;
        if (how->stop && er_stop_ask(how->stop, &info)) return -1;
        if (info.number == attempt) return wait;
        before = wait;
        if (__builtin_add_overflow(info.elapsed_ms, wait, &info.elapsed_ms))
            info.elapsed_ms = INT64_MAX;
        info.idle_ms = info.elapsed_ms;
        info.upcoming_ms = -1;
    }
}
