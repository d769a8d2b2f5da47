/** errand/singleflight.h -- calls with the same key that are made while one of them is under way
 * share its run and its end.
 *
 * The name is that of Go's singleflight. Owners and options: errand/limits.h.
 */
#ifndef ERRAND_SINGLEFLIGHT_H
#define ERRAND_SINGLEFLIGHT_H

#include <errand/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Runs that are shared by key. */
typedef struct errand_singleflight errand_singleflight;
/** A policy; see errand/policy.h. */
typedef struct errand_policy errand_policy;

/** Options of a single-flight. */
typedef struct errand_singleflight_opts {
    /* how many keys keep their counts when no run of theirs is under way. 0: 1024 */
    unsigned max_keys;
    unsigned reserved;
    const char *name; /* a literal: the name of runs by a task without a name. May be NULL */
} errand_singleflight_opts;

/**
 * Makes a single-flight. `opts` may be NULL.
 *
 * Returns it, or NULL with errno
 *   EINVAL           an option is out of range or contradicts another, or the pool is closed
 *   ENOTSUP          `opts` has fields that this library does not know
 *   ENOMEM           no memory
 *   ECANCELED        the pool has shut down
 *   ERRAND_EFORKED   the pool is a parent process's
 */
static inline errand_singleflight *errand_singleflight_new(errand_pool *pool,
                                                           const errand_singleflight_opts *opts);

/** Gives a handle back; runs keep the single-flight. NULL is harmless. */
ERRAND_API void errand_singleflight_free(errand_singleflight *flight);

/**
 * Runs a task under `policy` (NULL: once), or shares the run of task->key that is under way.
 *
 * A task that shares never runs, and its arg is freed at once. Each caller has a future of its own:
 * cancelling or dropping it leaves the others alone. When the last one is cancelled so is the run,
 * and the next call begins a new one. All get the same error and value; the value is freed when the
 * last of them has freed its result, so it must be neither changed nor taken out. The run inherits
 * no deadline; if a caller's wait is limited (errand_timeout(), the deadline of its task), it
 * leaves alone.
 *
 * Returns a future, never NULL, which ends as the run, or fails as errand_run_task() does, or with
 *   EINVAL           `flight` is NULL, the task is wrong, or its key is longer than ERRAND_KEY_MAX
 *   ECANCELED        it was cancelled, or the pool was closed
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the single-flight is a parent process's
 */
static inline errand_future *errand_singleflight_run(
    errand_singleflight *flight, const errand_policy *policy, const errand_task *task);

/** What a single-flight counts of one key. */
typedef struct errand_singleflight_stats {
    unsigned under_way; /* 1: a run of this key is under way */
    unsigned sharing;   /* futures that share it, the first included */
    uint64_t runs;      /* ever begun */
    uint64_t shared;    /* ever: calls that shared the run of another */
} errand_singleflight_stats;

/**
 * Writes the counts of `key` to *out.
 *
 * Returns 0, or
 *   ENOENT           the key was never used, or has been evicted
 *   EINVAL           an argument is NULL, or the key is longer than ERRAND_KEY_MAX
 *   ERRAND_EFORKED   the limit is a parent process's
 */
static inline int errand_singleflight_stats_get(errand_singleflight *flight, const char *key,
                                                errand_singleflight_stats *out);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_singleflight *errand_singleflight_new_sized(
    errand_pool *pool, const errand_singleflight_opts *opts, size_t size);

static inline errand_singleflight *errand_singleflight_new(errand_pool *pool,
                                                           const errand_singleflight_opts *opts)
{
    return errand_singleflight_new_sized(pool, opts, sizeof *opts);
}

ERRAND_API errand_future *errand_singleflight_run_sized(
    errand_singleflight *flight, const errand_policy *policy, const errand_task *task, size_t size);

static inline errand_future *errand_singleflight_run(
    errand_singleflight *flight, const errand_policy *policy, const errand_task *task)
{
    return errand_singleflight_run_sized(flight, policy, task, sizeof *task);
}

ERRAND_API int errand_singleflight_stats_sized(errand_singleflight *flight, const char *key,
                                               errand_singleflight_stats *out, size_t size);

static inline int errand_singleflight_stats_get(errand_singleflight *flight, const char *key,
                                                errand_singleflight_stats *out)
{
    return errand_singleflight_stats_sized(flight, key, out, sizeof *out);
}

#ifdef __cplusplus
}
#endif
#endif
