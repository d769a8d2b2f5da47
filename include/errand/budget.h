/** errand/budget.h -- a retry budget: what share of the traffic retries and hedges may be.
 *
 * A bucket of tokens, as the retry quota of the AWS SDKs: a retry takes tokens when it enters its
 * sleep, a success puts one back. When there are too few, a run ends with its last error, and
 * ERRAND_EBUDGET is its cause. First attempts are never refused. So retries stop adding to the load
 * when everything fails. Policies that share a budget share its tokens. Keys, owners and options:
 * errand/limits.h.
 */
#ifndef ERRAND_BUDGET_H
#define ERRAND_BUDGET_H

#include <errand/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A retry budget. */
typedef struct errand_budget errand_budget;

/** Options of a budget. */
typedef struct errand_budget_opts {
    unsigned tokens;         /* at most, and at first. 0: 500 */
    unsigned cost;           /* of a retry after a transient failure. 0: 14 */
    unsigned cost_throttled; /* of a retry after RATE_LIMITED. 0: 5 */
    unsigned refund;         /* of a success. 0: 1 */
    /* of the attempts in flight that may be hedges, at most 1. 0: 0.2 */
    double hedge_share;
    unsigned hedge_min; /* hedges that may always be in flight. 0: 3 */
    unsigned max_keys;  /* 0: 1024 */
    const char *name;   /* a literal; may be NULL. The pool's log says when it is spent */
} errand_budget_opts;

/**
 * Makes a budget. `opts` may be NULL.
 *
 * Returns it, or NULL with errno
 *   EINVAL           an option is out of range or contradicts another, or the pool is closed
 *   ENOTSUP          `opts` has fields that this library does not know
 *   ENOMEM           no memory
 *   ECANCELED        the pool has shut down
 *   ERRAND_EFORKED   the pool is a parent process's
 */
static inline errand_budget *errand_budget_new(errand_pool *pool, const errand_budget_opts *opts);

/** Gives a handle back; policies keep the budget. NULL is harmless. */
ERRAND_API void errand_budget_free(errand_budget *budget);

/** What a budget counts of one key. */
typedef struct errand_budget_stats {
    unsigned tokens;                   /* now */
    unsigned in_flight, hedges;        /* now: attempts with hedges, hedges */
    unsigned keys;                     /* of all members */
    uint64_t retries, refused_retries; /* ever */
    uint64_t hedged, refused_hedges;   /* ever */
} errand_budget_stats;

/**
 * Writes the counts of `key` to *out.
 *
 * Returns 0, or
 *   ENOENT           the key was never used, or has been evicted
 *   EINVAL           an argument is NULL, or the key is longer than ERRAND_KEY_MAX
 *   ERRAND_EFORKED   the limit is a parent process's
 */
static inline int errand_budget_stats_get(errand_budget *budget, const char *key,
                                          errand_budget_stats *out);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_budget *errand_budget_new_sized(errand_pool *pool, const errand_budget_opts *opts,
                                                  size_t size);

static inline errand_budget *errand_budget_new(errand_pool *pool, const errand_budget_opts *opts)
{
    return errand_budget_new_sized(pool, opts, sizeof *opts);
}

ERRAND_API int errand_budget_stats_sized(errand_budget *budget, const char *key,
                                         errand_budget_stats *out, size_t size);

static inline int errand_budget_stats_get(errand_budget *budget, const char *key,
                                          errand_budget_stats *out)
{
    return errand_budget_stats_sized(budget, key, out, sizeof *out);
}

#ifdef __cplusplus
}
#endif
#endif
