/* errand/policy.h -- how to try, in one readable recipe.
 *
 * A policy is checked once, when it is made, and never changes; it is counted and shared by threads, and all state is of a
 * single run. The defaults try transient failures again (see result.h) with exponential backoff and full jitter.
 *
 * One run:  attempt --failed, worth repeating, time left--> sleep --> attempt ... --> the last result, with every attempt told.
 *
 * - Whether a failure is tried again: its kind is transient, and it says that the work cannot have run (or `repeat`). CANCELLED
 *   never is.
 * - The wait after attempt n is U(0, min(most, first * factor^(n-1))): "full jitter", Marc Brooker, "Exponential Backoff And
 *   Jitter", 2015. A Retry-After of the other side is a floor under it; one longer than hint_most_ms ends the run, and so
 *   does one that would end past the deadline.
 * - A sleep that cannot end before within_ms is not begun: the run ends with the last error.
 * - While it sleeps nothing is held: no worker, no permit.
 */
#ifndef ERRAND_POLICY_H
#define ERRAND_POLICY_H

#include <errand/limits.h>
#include <errand/log.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct errand_policy errand_policy;

typedef enum errand_jitter {
    ERRAND_JITTER_FULL, /* U(0, w)         */
    ERRAND_JITTER_NONE, /* w               */
    ERRAND_JITTER_EQUAL /* w/2 + U(0, w/2) */
} errand_jitter;

typedef enum errand_repeat {
    ERRAND_REPEAT_UNLESS_IT_MAY_HAVE_RUN,
    ERRAND_REPEAT_ALWAYS, /* it is harmless to do twice */
    ERRAND_REPEAT_NEVER
} errand_repeat;

typedef struct errand_policy_opts {
    int64_t       within_ms;    /* one deadline for all attempts and sleeps. 0: none                                   */
    unsigned      attempts;     /* in all, the first included. 0: 1                                                    */
    int64_t       first_ms;     /* the first wait. 0: 50 ms, after a rate limit 1 s                                    */
    int64_t       most_ms;      /* the longest wait. 0: 20 s                                                           */
    double        factor;       /* from wait to wait, at least 1. 0: 2                                                 */
    errand_jitter jitter;
    int64_t       hint_most_ms; /* a longer Retry-After ends the run. 0: what is left of within_ms, else 5 min         */
    errand_repeat repeat;
    errand_rate  *rate;         /* every attempt waits for its turn. NULL: none                                        */
    errand_sem   *sem;          /* held while an attempt runs. NULL: none                                              */
    int64_t       attempt_ms;   /* one attempt, from its turn on; then it is told to end (ERRAND_BY_ATTEMPT). 0: none  */
    const char   *name;         /* "[name-start]", "[name-retry]", "[name-success]" ... in the log. NULL: not logged   */
    errand_log   *log;          /* NULL: the pool's                                                                    */
    uint64_t      seed;         /* of the jitter. 0: a random one                                                      */
} errand_policy_opts;

/* A new policy, or NULL with errno; for EINVAL *why_not (may be NULL) names the field that is wrong, and why. The limits it
 * names are kept alive by it. */
ERRAND_API errand_policy *errand_policy_new_sized(const errand_policy_opts *opts, size_t size, const char **why_not);
static inline errand_policy *errand_policy_new(const errand_policy_opts *opts, const char **why_not)
{
    return errand_policy_new_sized(opts, sizeof *opts, why_not);
}

/* Gives up your handle; runs under way keep their own. NULL is harmless. */
ERRAND_API void errand_policy_free(errand_policy *policy);

/* The wait in ms that would follow failed attempt `attempt` (from 1) of a run with this seed: shown, not done. 
 * -1: none would follow. */
ERRAND_API int64_t errand_policy_wait_ms(const errand_policy *policy, unsigned attempt, uint64_t seed);

/* Runs fn(arg) under the policy. fn may be called several times, one after the other; it may return errand_later, so that no
 * worker is held. policy NULL: once. The task form frees arg when fn has returned for the last time. */
ERRAND_API errand_future *errand_run(errand_pool *pool, const errand_policy *policy, errand_fn *fn, void *arg);
ERRAND_API errand_future *errand_run_task_sized(errand_pool *pool, const errand_policy *policy, const errand_task *task,
                                                size_t size);
static inline errand_future *errand_run_task(errand_pool *pool, const errand_policy *policy, const errand_task *task)
{
    return errand_run_task_sized(pool, policy, task, sizeof *task);
}

#ifdef __cplusplus
}
#endif
#endif
