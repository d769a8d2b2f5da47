/** errand/policy.h -- how to try: one readable recipe for retries, limits, deadlines and hedges.
 *
 *     const char *why;
 *     errand_policy *careful = errand_policy_new(&(errand_policy_opts){
 *         .within_ms = 60000, .attempts = 5, .budget = budget, .breaker = breaker }, &why);
 *     errand_future *f = errand_run(pool, careful, fetch, arg);
 *
 * A policy is checked once, when it is made, and never changes. It is counted, and threads share
 * it: all state is a single run's. By default transient failures (errand_result_transient()) are
 * tried again with exponential backoff and full jitter.
 *
 * One attempt, in this order:
 *
 *     breaker -> rate, total_rate -> semaphore -> before_attempt -> call
 *                                                                   |
 *                                                               retry_if? --no--> on_success,
 *                                                                   |yes          on_give_up: end
 *           again <- sleep <- before_sleep <- budget <- stop? <- backoff <- after_attempt
 *                                               |spent    |yes
 *                                               +---------+--> on_give_up: end
 *
 * Attempts are counted from 1, the first included. A stop sees the sleep that comes next
 * (upcoming_ms).
 *
 * What is tried again. CANCELLED never is. Another failure is, if `retry_if` matches it and a
 * repeat cannot do the work twice (errand_result_may_have_run()), or `repeat` says that this is
 * harmless. A function that returned a failure may be called again unless the failure says that it
 * may have run. What a deadline leaves behind (errand_timeout(), within_ms, an await that ends
 * early) says so, unless it was taken back before it had begun. A success is only asked for again
 * if `retry_if` matches it: that is polling.
 *
 * Giving up returns the last error, with every attempt in its detail (errand_result_attempt());
 * what refused another attempt (ERRAND_EBUDGET, ERRAND_EOPEN, ERRAND_ELATE) is its cause. A success
 * that asks for another attempt when there are no more ends with ETIMEDOUT and keeps its value: a
 * run that is exhausted never looks like success.
 *
 * A Retry-After of the other side is the least wait. One that is longer than retry_after_max_ms, or
 * than the time left, ends the run; the result and the log say so.
 *
 * within_ms covers everything: attempts, waiting for limits, sleeps. An attempt gets at most what
 * is left; a sleep that cannot end before the deadline is not begun. At the deadline the run ends,
 * whatever the attempt does. While a run sleeps it holds nothing: no worker, no permit, no
 * connection.
 *
 * Nested retries do not multiply: a run that begins in an attempt of another run, or in a task that
 * such an attempt has submitted, makes `nested` attempts, 1 by default. Attempts after the first do
 * not go to the back of the pool's queue.
 *
 * Your code (hooks, predicates, fallback) runs on a thread of the pool, one call at a time for one
 * run, without locks. Keep it short: nothing else happens to the run meanwhile, not even its
 * deadline. An errand_loop calls it on its own thread.
 *
 * Tests. Runs use the clock of their pool (errand_pool_opts.clock, errand_pool_tick()), loops
 * outside a pool use `clock` and `sleep`, and `seed` makes waits repeatable.
 * errand_policy_backoff_ms() shows a sequence without waiting.
 *
 * Log lines of a policy with a name; they have durations and causes, never arguments:
 *
 *     [name-start]                                                       INFO
 *     [name-retry] attempt 1 failed: ...; again in 0.050 s (backoff)     WARN; INFO for a poll
 *     [name-give-up] why there is no further attempt                     WARN
 *     [name-success] after 1.204 s, 2 attempt(s)                         INFO
 *     [name-timeout] ...                                                 WARN
 *     [name-error] ...                                                   ERROR
 */
#ifndef ERRAND_POLICY_H
#define ERRAND_POLICY_H

#include <errand/backoff.h>
#include <errand/limits.h>
#include <errand/retry_if.h>
#include <errand/stop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- policies ---- */

/** Whether a failure may be tried again although the work may have been done. */
typedef enum errand_repeat {
    ERRAND_REPEAT_UNLESS_IT_MAY_HAVE_RUN,
    ERRAND_REPEAT_ALWAYS, /* it is harmless to do twice */
    ERRAND_REPEAT_NEVER   /* no failure is tried again; polling goes on */
} errand_repeat;

/**
 * Options of a policy. The limits are listed in the order in which they apply; for another order
 * nest errand_run().
 */
typedef struct errand_policy_opts {
    int64_t within_ms; /* one deadline for everything below. 0: none */
    /* fallback(failure, hook_arg): owns the failure and returns what takes its place; its
     * success is errand_result_degraded(). Not called for CANCELLED. Called when within_ms has
     * passed, too: it needs a worker, and the run ends when it has returned */
    errand_then_fn *fallback;
    /* at most, the first and hedges included. 0: 1; 2 with hedges; no limit with a stop, or with
     * a retry_if and within_ms */
    unsigned attempts;
    unsigned nested; /* attempts of a run inside another's attempt, if fewer. 0: 1 */
    /* the wait after attempt n is w = min(max_ms, initial_ms * multiplier^(n-1)), with jitter.
     * 0: 50 ms; after a rate limit 1 s */
    int64_t initial_ms;
    int64_t max_ms;    /* 0: 20 s */
    double multiplier; /* from 1. 0: 2 */
    errand_jitter jitter;
    errand_repeat repeat;
    /* a longer Retry-After ends the run. 0: what is left of within_ms, else 5 min */
    int64_t retry_after_max_ms;
    /* instead of initial_ms, max_ms, multiplier and jitter; consumed, as the next two */
    errand_backoff *backoff;
    errand_stop *stop;         /* besides attempts and within_ms */
    errand_retry_if *retry_if; /* instead of errand_retry_if_transient() */
    errand_budget *budget;     /* NULL: none */
    /* another attempt beside those that run, when the youngest is this old: the first success
     * wins, the others are cancelled (ERRAND_BY_HEDGE); a failure that is not to be tried again
     * ends the run, other failures count when none runs any more. A hedge that a limit refuses
     * is not asked for again before the next sleep. Only for work that is harmless to do twice.
     * 0: none */
    int64_t hedge_ms;
    /* above 0, below 1, instead: that quantile of the durations of this policy's last 256
     * successes, once there are 20; until then hedge_ms, if that is given */
    double hedge_percentile;
    /* 1: the function may run twice at a time. 0: a hedge begins when it has returned
     * errand_later() */
    unsigned overlap;
    /* 1: the options are checked, but a run calls its function once, and that is all */
    unsigned disabled;
    /* asked before each attempt; each end is reported to it. NULL: none */
    errand_breaker *breaker;
    /* each attempt waits for its turn; a rate limit or an HTTP 503 with a hint pauses the run's
     * key, for all that wait. NULL: none */
    errand_rate *rate;
    /* held while an attempt runs, never while it sleeps; an adaptive one learns each attempt's end.
     * An attempt whose key was paused while it waited for the permit takes another turn of `rate`.
     * NULL: none */
    errand_sem *sem;
    /* one attempt, from when it is queued; then it is cancelled (ERRAND_BY_ATTEMPT), and the
     * next one begins when it has really returned. 0: no limit */
    int64_t attempt_ms;
    const char *name; /* a literal, for log lines. NULL: not logged */
    errand_log *log;  /* NULL: the pool's */
    uint64_t seed;    /* of the waits. 0: a random one for each run */
    errand_hook_fn *before_attempt;
    errand_hook_fn *after_attempt; /* after one that is to be tried again */
    errand_hook_fn *before_sleep;
    errand_hook_fn *on_success; /* it ends well, without a fallback */
    /* it ends as a failure, not CANCELLED; before the fallback */
    errand_hook_fn *on_give_up;
    void *hook_arg;
    const errand_clock *clock; /* of loops outside a pool. NULL: the machine's */
    /* of loops; returns when `ms` have passed. NULL: the library's */
    void (*sleep)(int64_t ms, void *hook_arg);
    /* over all keys: after its turn at `rate` an attempt waits for one here, with the NULL key. If
     * `rate` has paused its key meanwhile, it waits for a turn at both once more. NULL: none */
    errand_rate *total_rate;
} errand_policy_opts;

/**
 * Makes a policy.
 *
 * The specs of `opts` (backoff, stop, retry_if) are consumed, also when this fails. The limits are
 * kept alive by the policy. Free it with errand_policy_free(). Unless `why_not` is NULL, *why_not
 * names the field that is wrong and says why, as a literal; it is NULL on success.
 *
 * Returns the policy, or NULL with errno
 *   EINVAL    a field is wrong, or a spec was given to a policy or a spec before
 *   ENOTSUP   `opts` has fields that this library does not know
 *   ENOMEM    no memory, for this policy or when one of its specs was made
 */
static inline errand_policy *errand_policy_new(const errand_policy_opts *opts,
                                               const char **why_not);

/**
 * Makes a policy from another one: tenacity's retry_with.
 *
 * A field of `changes` that is not 0 replaces `base`'s; the specs of `base` are shared. `base`
 * NULL: as errand_policy_new(). All else as errand_policy_new().
 *
 * Returns the policy, or NULL with errno
 *   EINVAL    a field is wrong, alone or together with `base`'s
 *   ENOTSUP   `changes` has fields that this library does not know
 *   ENOMEM    no memory
 */
static inline errand_policy *errand_policy_with(
    const errand_policy *base, const errand_policy_opts *changes, const char **why_not);

/** Gives a handle back; runs keep the policy. NULL is harmless. */
ERRAND_API void errand_policy_free(errand_policy *policy);

/**
 * Returns the wait in milliseconds that would follow attempt `attempt`, counted from 1, if all
 * attempts failed at once.
 *
 * `seed` is that of the run. Functions of custom specs are called, with info->last NULL. -1: no
 * attempt would follow.
 */
ERRAND_API int64_t errand_policy_backoff_ms(const errand_policy *policy, unsigned attempt,
                                            uint64_t seed);

/**
 * What a policy counts since it was made, loops included. runs - succeeded - failed - cancelled are
 * under way.
 */
typedef struct errand_policy_stats {
    uint64_t runs;
    uint64_t succeeded; /* degraded ones included */
    uint64_t failed;    /* CANCELLED ones not included */
    uint64_t cancelled;
    uint64_t attempts; /* begun, hedges included */
    uint64_t hedges;   /* begun */
    uint64_t hedges_won;
    uint64_t retries; /* sleeps begun */
    uint64_t asleep;  /* now */
    uint64_t degraded;
    uint64_t refused; /* retries and hedges by the budget, attempts by the breaker */
} errand_policy_stats;

/**
 * Writes a policy's counts to *out.
 *
 * Returns 0, or
 *   EINVAL   `policy` or `out` is NULL
 */
static inline int errand_policy_stats_get(const errand_policy *policy, errand_policy_stats *out);

/* ---- runs ---- */

/**
 * Runs `fn(arg)` on workers under `policy` (NULL: once).
 *
 * fn may be called several times, one after the other (see `overlap`). It may return
 * errand_later(): no worker is held while that future is on its way. `arg` must live until fn has
 * returned for the last time.
 *
 * Returns a future, never NULL, which ends as the last attempt, as the fallback, or fails as
 * errand_submit() does, or with
 *   ETIMEDOUT        within_ms has passed, or a success still asked for another attempt
 *   ERRAND_ELATE     the first attempt cannot end before the deadline
 *   ERRAND_EOPEN     the breaker refused the first attempt
 *   EINVAL           `pool` or `fn` is NULL, or the pool is closed
 *   ECANCELED        it was cancelled, or the pool was closed
 *   EDEADLK          every attempt waits for the run itself
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the pool is a parent process's
 */
ERRAND_API errand_future *errand_run(errand_pool *pool, const errand_policy *policy, errand_fn *fn,
                                     void *arg);

/**
 * Runs a task on workers under `policy` (NULL: once).
 *
 * task->key is the key of the limits. task->free is called when the function has returned for the
 * last time. The nearest of task->within_ms, the policy's within_ms and the inherited deadline
 * counts.
 *
 * Returns a future as errand_run() does, which also fails with
 *   EINVAL    the task is wrong; see errand_submit_task()
 *   ENOTSUP   the task has fields that this library does not know
 */
static inline errand_future *errand_run_task(errand_pool *pool, const errand_policy *policy,
                                             const errand_task *task);

/* ---- loops ---- */

/** A run in the calling thread; begins as { 0 }. */
typedef struct errand_loop {
    uint64_t priv[8];
} errand_loop;

/**
 * Says whether another attempt is to be made in the calling thread:
 *
 *     errand_loop loop = { 0 };
 *     errand_result r = { 0 };
 *     while (errand_loop_next(&loop, policy, &r)) r = fetch(arg);
 *
 * Each call checks how the attempt ended. If another one follows, it waits for the time and for
 * the policy's limits, frees *last and returns true. Else it returns false, and *last is how the
 * whole ended, with its attempts; ENOMEM and the errors of errand_run() among them. Hedges are left
 * out, and the fallback is called right there.
 *
 * In the body the nearest of attempt_ms, within_ms and the caller's own deadline is what
 * errand_time_left() says, and blocking calls of the library keep to it (not with `clock`). In a
 * task, a cancel ends the wait and the loop, and a wait lends the pool a thread.
 *
 * Returns true before an attempt, false at the end. See also errand_loop_end().
 */
ERRAND_API bool errand_loop_next(errand_loop *loop, const errand_policy *policy,
                                 errand_result *last);

/**
 * Ends a loop that was left by break or return, on the same thread: it counts as cancelled. After
 * false it is harmless.
 */
ERRAND_API void errand_loop_end(errand_loop *loop);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_policy *errand_policy_new_sized(const errand_policy_opts *opts, size_t size,
                                                  const char **why_not);

static inline errand_policy *errand_policy_new(const errand_policy_opts *opts, const char **why_not)
{
    return errand_policy_new_sized(opts, sizeof *opts, why_not);
}

ERRAND_API errand_policy *errand_policy_with_sized(
    const errand_policy *base, const errand_policy_opts *changes, size_t size,
    const char **why_not);

static inline errand_policy *errand_policy_with(
    const errand_policy *base, const errand_policy_opts *changes, const char **why_not)
{
    return errand_policy_with_sized(base, changes, sizeof *changes, why_not);
}

ERRAND_API int errand_policy_stats_sized(const errand_policy *policy, errand_policy_stats *out,
                                         size_t size);

static inline int errand_policy_stats_get(const errand_policy *policy, errand_policy_stats *out)
{
    return errand_policy_stats_sized(policy, out, sizeof *out);
}

ERRAND_API errand_future *errand_run_task_sized(errand_pool *pool, const errand_policy *policy,
                                                const errand_task *task, size_t size);

static inline errand_future *errand_run_task(errand_pool *pool, const errand_policy *policy,
                                             const errand_task *task)
{
    return errand_run_task_sized(pool, policy, task, sizeof *task);
}

#ifdef __cplusplus
}
#endif
#endif
