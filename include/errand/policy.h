/* errand/policy.h -- how to try, in one readable recipe.
 *
 *     const char *why;
 *     errand_policy *careful = errand_policy_new(&(errand_policy_opts){ .within_ms = 60000, .attempts = 5,
 *                                                                       .budget = budget, .breaker = breaker }, &why);
 *     errand_future *f = errand_run(pool, careful, fetch, arg);
 *
 * A policy is checked once, when it is made, and never changes; it is counted and shared by threads, and all state is of a single
 * run. The defaults try transient failures again (see result.h) with exponential backoff and full jitter.
 *
 * One attempt, in this order:
 *
 *     breaker -> rate -> semaphore -> before_attempt -> call -> when? --no--> the end
 *                                                                 |yes
 *           again <- sleep <- before_sleep <- budget <- stop? <- wait is computed <- after_attempt
 *                                              |empty     |yes
 *                                              +----------+--> gave_up, the end
 *
 * - Attempts are counted from 1 and include the first. Stop sees the sleep that is to come (upcoming_ms).
 * - CANCELLED is never tried again. Another failure is, if `when` says so (by default: its kind is transient) and a repeat cannot do
 *   the work twice (errand_result_may_have_run), or `repeat` says that this is harmless. A function that returned a failure may be
 *   called again unless it said that it may have run. What a deadline leaves behind (errand_timeout, within_ms, an await that gives
 *   up what it waits for) says so, unless it could be taken back before it had begun. A success is asked for again only if `when` says so: that is polling.
 * - Giving up returns the last error, never another, with every attempt in its detail (errand_result_attempt); what refused another
 *   attempt (ERRAND_EBUDGET, ERRAND_EOPEN, ERRAND_ELATE) stands behind it as a cause. A success that still asks for another
 *   attempt when there are no more ends as ETIMEDOUT, its value still there: exhausted never looks like success.
 * - A Retry-After of the other side is a floor under the wait; one that is longer than retry_after_max_ms, or than the time left, ends
 *   the run, and the result and the log say so.
 * - within_ms covers everything: attempts, waiting for limits, sleeps. An attempt gets at most what is left; a sleep that cannot end
 *   before the deadline is not begun. At the deadline the run ends, whatever the attempt does.
 * - While it sleeps nothing is held: no worker, no permit, no connection.
 * - A retry inside a retry does not multiply: a run that is begun in an attempt of another (or in a task that attempt has submitted)
 *   makes `nested` attempts, 1 by default.
 * - An attempt that was not the first does not go to the back of the pool's queue.
 *
 * Your code (functions of specs, hooks, fallback) runs on a thread of the pool, one call at a time for one run, without locks; keep it
 * short: while it runs, nothing else happens to that run, its deadline included. An errand_loop calls it on its own thread.
 *
 * In tests of yours: runs go by the clock of their pool (errand_pool_opts.clock, errand_pool_tick), loops outside a pool by `clock` and
 * `sleep` below, and `seed` makes waits repeat themselves. errand_policy_backoff_ms shows a sequence without waiting.
 */
#ifndef ERRAND_POLICY_H
#define ERRAND_POLICY_H

#include <errand/backoff.h>
#include <errand/limits.h>
#include <errand/log.h>
#include <errand/retry_if.h>
#include <errand/stop.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct errand_policy errand_policy;

typedef enum errand_repeat {
    ERRAND_REPEAT_UNLESS_IT_MAY_HAVE_RUN,
    ERRAND_REPEAT_ALWAYS, /* it is harmless to do twice                */
    ERRAND_REPEAT_NEVER   /* no failure is tried again; polling goes on */
} errand_repeat;

/* ---- the policy ---------------------------------------------------------------------------------------------------------------- */

typedef struct errand_policy_opts { /* the limits stand outermost first; nest errand_run for another order                       */
    int64_t          within_ms;    /* one deadline for everything below. 0: none                                                 */
    errand_then_fn  *fallback;     /* fallback(failure, hook_arg): owns the failure and returns what takes its place; a success of
                                      its is marked errand_result_degraded. Not called for CANCELLED. Called also when within_ms has
                                      passed: it needs a worker, and the run ends when it has returned                            */
    unsigned         attempts;     /* in all, the first and hedges included. 0: 1; 2 with hedges; no limit where a stop, or a retry_if and within_ms, is given */
    unsigned         nested;       /* attempts of a run inside another's attempt, if fewer. 0: 1                                  */
    int64_t          initial_ms;     /* the wait after attempt n is w = min(max_ms, initial_ms * multiplier^(n-1)), with jitter.
                                      0: 50 ms, after a rate limit 1 s                                                            */
    int64_t          max_ms;      /* 0: 20 s                                                                                     */
    double           multiplier;   /* from 1. 0: 2                                                                                */
    errand_jitter    jitter;
    errand_repeat    repeat;
    int64_t          retry_after_max_ms; /* a longer Retry-After ends the run. 0: what is left of within_ms, else 5 min                  */
    errand_backoff  *backoff;      /* instead of initial_ms, max_ms, multiplier, jitter; consumed, as the next two                                                */
    errand_stop     *stop;         /* besides attempts and within_ms                                                              */
    errand_retry_if *retry_if;     /* instead of errand_retry_if_transient                                                            */
    errand_budget   *budget;       /* what share of the traffic retries and hedges may be. NULL: none                             */
    int64_t          hedge_ms;     /* another attempt beside those that run, when the youngest of them is this old: the first success
                                      wins, the others are cancelled (ERRAND_BY_HEDGE); a failure that is not to be tried again ends
                                      the run too, others only count when none runs any more. One that a limit refuses is not asked
                                      for again before the next sleep. Only for work that is harmless to do twice. 0: none       */
    double           hedge_percentile; /* 0 < p < 1, instead: at that quantile of this policy's own successful attempts, once there are
                                      20; until then at hedge_ms, if that is given. Of the last 256                                */
    unsigned         overlap;      /* fn may run twice at once. Else no hedge begins before it has returned errand_later           */
    unsigned         disabled;     /* 1: checked, but not applied: each run calls its function once, and that is all */
    errand_breaker  *breaker;      /* asked before each attempt, told how it ended. NULL: none                                    */
    errand_rate     *rate;         /* each attempt waits for its turn; a rate limit with a hint pauses it for all. NULL: none      */
    errand_sem      *sem;          /* held while an attempt runs, never while it sleeps. NULL: none                               */
    int64_t          attempt_ms;   /* one attempt, from when it is queued; then it is told to end (ERRAND_BY_ATTEMPT), and the next one
                                      waits until it has really returned. 0: none                                                 */
    const char      *name;         /* a literal: the log lines below. NULL: not logged                                            */
    errand_log      *log;          /* NULL: the pool's                                                                            */
    uint64_t         seed;         /* of the waits. 0: a random one for each run                                                  */
    errand_hook_fn  *before_attempt;
    errand_hook_fn  *after_attempt; /* of one that asks for another                                                               */
    errand_hook_fn  *before_sleep;
    errand_hook_fn  *on_success;   /* it ends well, before any fallback    */
    errand_hook_fn  *on_give_up;   /* it ends as a failure, not CANCELLED                                                         */
    void            *hook_arg;
    const errand_clock *clock;     /* of loops outside a pool. NULL: the machine's                                                */
    void           (*sleep)(int64_t ms, void *hook_arg); /* of loops: returns when they have passed. NULL: the library's            */
} errand_policy_opts;

/* The log lines of a policy with a name, with durations and causes, never with arguments:
 *   [name-start]                                                        INFO
 *   [name-retry] attempt 1 failed: ...; again in 0.050 s (backoff)       WARN; INFO for a poll
 *   [name-give-up] why there is no further attempt                      WARN
 *   [name-success] after 1.204 s, 2 attempt(s)                          INFO
 *   [name-timeout] ... (a failure of kind TIMEOUT)                      WARN
 *   [name-error] ...                                                    ERROR                                                     */

/* A new policy, or NULL with errno: EINVAL (*why_not, may be NULL, names the field that is wrong, and why: a literal), ENOTSUP (opts has
 * fields that this library does not know), ENOMEM. The limits it names are kept alive by it. */
ERRAND_API errand_policy *errand_policy_new_sized(const errand_policy_opts *opts, size_t size, const char **why_not);
static inline errand_policy *errand_policy_new(const errand_policy_opts *opts, const char **why_not)
{
    return errand_policy_new_sized(opts, sizeof *opts, why_not);
}

/* A policy made from `base` (tenacity's retry_with): a field of `changes` that is not 0 replaces base's. Specs of base are shared.
 * As errand_policy_new in all else. */
ERRAND_API errand_policy *errand_policy_with_sized(const errand_policy *base, const errand_policy_opts *changes, size_t size,
                                                   const char **why_not);
static inline errand_policy *errand_policy_with(const errand_policy *base, const errand_policy_opts *changes,
                                                const char **why_not)
{
    return errand_policy_with_sized(base, changes, sizeof *changes, why_not);
}

/* Gives up your handle; runs under way keep their own. NULL is harmless. */
ERRAND_API void errand_policy_free(errand_policy *policy);

/* The wait in ms that would follow attempt `attempt` (from 1), if that failed, of a run with this seed whose attempts took no time:
 * shown, not done. -1: none would follow. Functions of specs are called, with last NULL. */
ERRAND_API int64_t errand_policy_backoff_ms(const errand_policy *policy, unsigned attempt, uint64_t seed);

/* Counters since it was made, loops included. runs - succeeded - failed - cancelled are under way. */
typedef struct errand_policy_stats {
    uint64_t runs;
    uint64_t succeeded; /* degraded ones included      */
    uint64_t failed;    /* CANCELLED ones not included  */
    uint64_t cancelled;
    uint64_t attempts;  /* begun, hedges included       */
    uint64_t hedges;    /* begun                        */
    uint64_t hedges_won;
    uint64_t retries;   /* sleeps begun                 */
    uint64_t asleep;    /* now                          */
    uint64_t degraded;
    uint64_t refused;   /* retries and hedges that its budget, and attempts that its breaker did not allow */
} errand_policy_stats;
ERRAND_API int errand_policy_stats_sized(const errand_policy *policy, errand_policy_stats *out, size_t size);
static inline int errand_policy_stats_get(const errand_policy *policy, errand_policy_stats *out)
{
    return errand_policy_stats_sized(policy, out, sizeof *out);
}

/* ---- three forms ----------------------------------------------------------------------------------------------------------------
 * Over a function: fn(arg) may be called several times, one after the other (see overlap). Over a function that makes a future: the same,
 * fn returns errand_later(f), and no worker is held while f is on its way. The task form frees arg when fn has returned for the last
 * time; task->key is the member of keyed limits. policy NULL: once. */
ERRAND_API errand_future *errand_run(errand_pool *pool, const errand_policy *policy, errand_fn *fn, void *arg);
ERRAND_API errand_future *errand_run_task_sized(errand_pool *pool, const errand_policy *policy, const errand_task *task,
                                                size_t size);
static inline errand_future *errand_run_task(errand_pool *pool, const errand_policy *policy, const errand_task *task)
{
    return errand_run_task_sized(pool, policy, task, sizeof *task);
}

/* In the caller's own thread:
 *
 *     errand_loop loop = { 0 };
 *     errand_result r = { 0 };
 *     while (errand_loop_next(&loop, policy, &r)) r = fetch(arg);
 *
 * Each call looks at how the attempt ended, waits (for the time, and for the limits of the policy), frees *last and returns true; or
 * returns false, and *last is how the whole ended, its attempts told. Hedges are left out, and fallback is called right there. Inside the
 * body the nearest of attempt_ms, within_ms and the caller's own deadline is what errand_time_left says, and blocking calls of the
 * library keep to it (not with `clock`). In a task, its being cancelled ends the wait and the loop; the wait lends the pool a thread, as all do. After
 * a break call errand_loop_end, on the same thread: it counts as cancelled; after false it is not needed, but harmless. */
typedef struct errand_loop {
    uint64_t priv[8];
} errand_loop;
ERRAND_API bool errand_loop_next(errand_loop *loop, const errand_policy *policy, errand_result *last);
ERRAND_API void errand_loop_end(errand_loop *loop);

#ifdef __cplusplus
}
#endif
#endif
