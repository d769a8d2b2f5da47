/* policy/policy.c -- checks a recipe and keeps it.
 *
 * Handles are counted as usual. Runs are not, at least not in one place: `begun` is written by who begins runs, `ended` by who ends
 * them, on lines of their own, so that one thread which submits and others which work do not fight for one. When the last handle
 * goes, nothing begins any more: what has begun is taken off `ended`, which is then minus what is under way, and who brings it
 * to zero frees the policy. Before, an ender never sees zero. */
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
    const char *field = o->hedge_ms ? "hedge_ms: with REPEAT_NEVER" : "hedge_percentile: with REPEAT_NEVER";
    if (o->repeat == ERRAND_REPEAT_NEVER) return field;
    if (o->attempts == 1) return "attempts: 1 leaves none for a hedge";
    return o->overlap > 1 ? "overlap: neither 0 nor 1" : NULL;
}

static const char *check(errand_policy_opts *o)
{
    if (er_option_ms(&o->within_ms, ERRAND_FOREVER)) return "within_ms: negative";
    if (er_option_ms(&o->attempt_ms, ERRAND_FOREVER)) return "attempt_ms: negative";
    if (er_option_ms(&o->hint_most_ms, ER_HINT_DEFAULT)) return "hint_most_ms: negative";
    if ((unsigned)o->repeat > ERRAND_REPEAT_NEVER) return "repeat: unknown";
    const char *wrong = check_waits(o);
    if (!wrong && (o->wait.spec.n || o->wait.spec.bad)) wrong = er_wait_wrong(&o->wait);
    if (!wrong && (o->stop.spec.n || o->stop.spec.bad)) wrong = er_stop_wrong(&o->stop);
    if (!wrong && (o->when.spec.n || o->when.spec.bad)) wrong = er_when_wrong(&o->when);
    return wrong ? wrong : check_hedge(o);
}

/* What a run asks again and again is answered once. */
static void size_up(errand_policy *p)
{
    const errand_policy_opts *o = &p->how;
    const errand_spec *when = &o->when.spec, *stop = &o->stop.spec, *wait = &o->wait.spec;
    bool open_ended = stop->n || (when->n && o->within_ms != ERRAND_FOREVER);
    p->hedges = o->hedge_ms || o->hedge_percentile > 0;
    p->most = p->hedges ? 2 : 1;
    if (open_ended) p->most = ER_NO_LIMIT;
    if (o->attempts) p->most = o->attempts;
    p->own_ask = er_spec_has(when, ER_WHEN_VALUE) || er_spec_has(when, ER_WHEN_BY) || er_spec_has(stop, ER_STOP_BY) ||
                 er_spec_has(wait, ER_WAIT_BY) || o->after_attempt || o->before_sleep;
    p->own_end = o->fallback || o->gave_up;
    bool only_polls = when->n == 1 && when->op[0].op == ER_WHEN_VALUE;
    p->repeats = p->most > 1 && o->repeat != ERRAND_REPEAT_NEVER && !only_polls;
    p->limited = o->breaker || o->rate || o->sem;
    p->plain = p->most == 1 && !when->n && o->within_ms == ERRAND_FOREVER && o->attempt_ms == ERRAND_FOREVER &&
               !p->own_ask && !p->own_end && !p->limited && !o->budget && !o->before_attempt && !o->name;
}

static void free_policy(errand_policy *p)
{
    errand_sem_free(p->how.sem);
    errand_rate_free(p->how.rate);
    errand_breaker_free(p->how.breaker);
    errand_budget_free(p->how.budget);
    er_when_free(&p->how.when);
    er_quantile_free(p->latency);
    er_free(p);
}

errand_policy *errand_policy_new_sized(const errand_policy_opts *opts, size_t size, const char **why_not)
{
    errand_policy *p = er_alloc_zero(sizeof *p);
    const char *wrong = NULL;
    int error = p ? er_options(&p->how, sizeof p->how, opts, size) : ENOMEM;
    if (error == EINVAL) wrong = "size: 0";
    if (error == ENOTSUP) wrong = "options: newer than this library";
    if (!error && (wrong = check(&p->how))) error = EINVAL;
    bool hedges_late = !error && p->how.hedge_percentile > 0;
    if (hedges_late && !(p->latency = er_quantile_new(p->how.hedge_percentile))) error = ENOMEM;
    if (!error && !er_when_copy(&p->how.when)) error = ENOMEM;
    if (why_not) *why_not = wrong;
    if (error) {
        if (p) er_quantile_free(p->latency);
        er_free(p);
        errno = error;
        return NULL;
    }
    p->count = 1;
    size_up(p);
    if (p->how.sem) er_sem_keep(p->how.sem);
    if (p->how.rate) er_rate_keep(p->how.rate);
    if (p->how.breaker) er_breaker_keep(p->how.breaker);
    if (p->how.budget) er_budget_keep(p->how.budget);
    return p;
}

static errand_policy *writable(const errand_policy *policy) /* immutable but for what is counted */
{
    return (errand_policy *)(uintptr_t)policy;
}

errand_policy *er_policy_keep(const errand_policy *policy)
{
    er_add_relaxed(&writable(policy)->count, 1); /* relaxed: who counts up has a count */
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
    er_add_relaxed(&writable(policy)->begun, 1); /* relaxed: the handle of the caller is given back later */
    return writable(policy);
}

void er_policy_tell(errand_policy *policy, const errand_result *how)
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
    errand_policy_stats s = { .runs = begun,
                              .succeeded = er_load_relaxed(&p->succeeded),
                              .failed = er_load_relaxed(&p->failed),
                              .cancelled = er_load_relaxed(&p->cancelled),
                              .attempts = er_load_relaxed(&p->attempts) + begun - er_load_relaxed(&p->unplain),
                              .hedges = er_load_relaxed(&p->hedged),
                              .hedges_won = er_load_relaxed(&p->hedges_won),
                              .retries = er_load_relaxed(&p->retries),
                              .asleep = (uint64_t)er_load_relaxed(&p->asleep),
                              .degraded = er_load_relaxed(&p->degraded),
                              .refused = er_load_relaxed(&p->refused) };
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

int64_t er_policy_wait(const errand_policy *policy, uint64_t seed, int64_t before, const errand_view *view)
{
    const errand_policy_opts *how = &policy->how;
    er_wait_from from = { .seed = seed, .before = before, .view = view };
    if (how->wait.spec.n) return er_wait_of(&how->wait, &from);
    bool limited = view->last && er_result_limited(view->last);
    int64_t first = how->first_ms;
    if (!first) first = limited ? FIRST_LIMITED_MS : FIRST_MS;
    if (first == ERRAND_ZERO) first = 0;
    if (first > how->most_ms) first = how->most_ms;
    return er_backoff_of(first, how->most_ms, how->factor, how->jitter, &from);
}

int64_t errand_policy_wait_ms(const errand_policy *policy, unsigned attempt, uint64_t seed)
{
    if (!policy || !attempt || attempt >= policy->most || policy->how.repeat == ERRAND_REPEAT_NEVER) return -1;
    const errand_policy_opts *how = &policy->how;
    bool remembers = how->stop.spec.n || er_spec_has(&how->wait.spec, ER_WAIT_DECORRELATED) ||
                     (!how->wait.spec.n && how->jitter == ERRAND_JITTER_DECORRELATED);
    errand_view view = { .number = remembers ? 1 : attempt, .name = how->name };
    for (int64_t before = -1;; view.number++) {
        int64_t wait = er_policy_wait(policy, seed, before, &view);
        view.upcoming_ms = wait;
        if (how->stop.spec.n && er_stop_says(&how->stop, &view)) return -1;
        if (view.number == attempt) return wait;
        before = wait;
        if (__builtin_add_overflow(view.elapsed_ms, wait, &view.elapsed_ms)) view.elapsed_ms = INT64_MAX;
        view.idle_ms = view.elapsed_ms;
        view.upcoming_ms = -1;
    }
}
