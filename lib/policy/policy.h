/* policy/policy.h -- a recipe, checked, and what is counted of it. */
#ifndef ER_POLICY_H
#define ER_POLICY_H

#include "policy/quantile.h"
#include "policy/breaker.h"
#include "policy/budget.h"
#include "policy/rate.h"
#include "policy/sem.h"
#include "policy/spec.h"

#include <errand/policy.h>

#define ER_RETRY_AFTER_DEFAULT (-1) /* retry_after_max_ms: what is left, else 5 min */
#define ER_NO_LIMIT            UINT32_MAX

struct errand_policy {
    uint32_t count;   /* handles */
    unsigned most;    /* attempts; ER_NO_LIMIT */
    bool plain;       /* it adds nothing to a task but being counted */
    bool own_ask;     /* user code is called after an attempt */
    bool own_failure; /* user code is called after a failed run */
    bool repeats;     /* failures may be tried again */
    bool hedges;
    bool limited; /* rate, sem, breaker */
    /* defaults filled in; times that were 0 for "none" are ERRAND_FOREVER */
    errand_policy_opts how;
    /* as it was made: what it owns, and what a policy made from it inherits */
    errand_policy_opts given;
    er_quantile *latency; /* NULL: no percentile is asked for */
    char apart[ER_LINE];
    int64_t begun; /* runs: relaxed, written by the threads that begin them */
    char further_apart[ER_LINE];
    /* runs: see policy.c; written by the threads that end them, as these (relaxed): */
    int64_t ended;
    /* the last: runs that are no mere tasks; */
    uint64_t succeeded, failed, cancelled, unplain;
    uint64_t attempts, hedged, hedges_won, retries, degraded, refused; /* of those alone */
    int64_t asleep;
};

ER_SHARED errand_policy *er_policy_keep(const errand_policy *policy);

/* A run keeps the policy from begin to end; the caller of begin has a handle. Between them
 * its result is counted. */
errand_policy *er_policy_begin(const errand_policy *policy);
void er_policy_report(errand_policy *policy, const errand_result *how);
void er_policy_end(errand_policy *policy);
static inline void er_policy_count(uint64_t *counter)
{
    er_add_relaxed(counter, 1); /* relaxed: a figure for people */
}

/* The wait after attempt info->number, in ms, if the other side asks for nothing. */
int64_t er_policy_wait(const errand_policy *policy, uint64_t seed, int64_t before,
                       const errand_attempt_info *info);

/* How long a successful attempt took; and after how long a hedge is to begin, in ns
 * (INT64_MAX: not known yet). */
void er_policy_took(const errand_policy *policy, int64_t ns);
int64_t er_policy_hedge_after(const errand_policy *policy);

#endif
