/** errand/pool.h -- where work runs: a fixed set of worker threads, a queue and a clock.
 *
 * A pool starts workers on demand and joins them when it is closed. Tasks (errand/task.h) run on
 * them with no lock held. All signals but those of a fault are blocked on a pool's threads.
 *
 * Forking. A child process that a task forks has the signals unblocked that the program had
 * unblocked when it first used the pool. If the task's function returns in the child, for instance
 * after an exec that failed, the child ends at once with status 127: the pool's work is the
 * parent's. The same holds for hooks of pools, policies and promises, and for what a session, a
 * batch or a log calls on its threads. posix_spawn(), and system() and popen(), which use it, hand
 * the worker's blocked signals on: give posix_spawn() an attribute with POSIX_SPAWN_SETSIGMASK and
 * an empty mask, and call pthread_sigmask() around the other two.
 */
#ifndef ERRAND_POOL_H
#define ERRAND_POOL_H

#include <errand/result.h>

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A set of worker threads. */
typedef struct errand_pool errand_pool;
/** A logger; see errand/log.h. */
typedef struct errand_log errand_log;

/** A clock for tests, which the test turns; see errand_pool_tick(). */
typedef struct errand_clock {
    int64_t (*now_ns)(void *arg);
    void *arg;
} errand_clock;

/**
 * What a submit from a thread outside the pool does while the queue is full.
 *
 * ERRAND_WHEN_FULL_CALLER_RUNS, as Java's CallerRunsPolicy: the future that the submit returns has
 * ended, unless the function returned errand_later(). The task is the pool's like any other: it has
 * its own deadline, key and log fields, what it submits to the pool is not held up, closing the
 * pool waits for it and cancels it, and inside it errand_pool_close() and errand_pool_wait_idle()
 * return EDEADLK. A cancel of the calling task reaches it, unless a frame shields the submit; if
 * the calling task was cancelled before, the new one ends with ECANCELED, unrun. It runs on the
 * caller's stack with the caller's signal mask, and on_start has not run on that thread. If it
 * forks and its function returns in the child, the child ends, as above.
 */
typedef enum errand_when_full {
    ERRAND_WHEN_FULL_BLOCK,       /* it waits for room */
    ERRAND_WHEN_FULL_FAIL,        /* it fails with ERRAND_EFULL */
    ERRAND_WHEN_FULL_DROP_OLDEST, /* the task that has waited longest ends with ERRAND_EFULL;
                                     continuations never do */
    ERRAND_WHEN_FULL_CALLER_RUNS  /* it runs the task in the calling thread before it returns */
} errand_when_full;

/**
 * As errand_pool_opts.spares: the pool never starts a spare thread.
 *
 * A worker that waits for work of its own pool by errand_wait() or errand_group_next() may then
 * wait for a thread that never comes; an errand_await() of such work returns EDEADLK.
 */
#define ERRAND_NO_SPARES UINT32_MAX

/** Options of a pool. */
typedef struct errand_pool_opts {
    unsigned workers; /* tasks that run at a time. 0: 16 */
    /* threads started, at most, while workers wait inside the library. 0: 256 */
    unsigned spares;
    /* tasks from outside that may wait; as many more as threads submit at the same moment. The
     * pool's own threads are never held up by it. 0: 65536 */
    size_t queue;
    errand_when_full when_full;
    /* bytes of a thread, at least 65536; thread-local variables are added. errand_await() runs a
     * task in place only while three quarters of it are free. 0: the system's default */
    size_t stack;
    const char *name; /* a literal; also the name of its threads. NULL: "errand" */
    /* for tasks that do not end and failures that were dropped. NULL: none. Outlives the pool */
    errand_log *log;
    const errand_clock *clock; /* NULL: the machine's. Outlives the pool */
    /* on each of its threads before the first task, spares and lanes included */
    void (*on_start)(void *arg);
    void (*on_stop)(void *arg); /* and after the last one */
    void *arg;
} errand_pool_opts;

/**
 * Makes a pool. No thread is started yet.
 *
 * `opts` may be NULL: all defaults. Close the pool with errand_pool_close().
 *
 * Returns the pool, or NULL with errno
 *   EINVAL    an option contradicts another or is out of range
 *   ENOTSUP   `opts` has fields that this library does not know
 *   ENOMEM    no memory
 */
static inline errand_pool *errand_pool_new(const errand_pool_opts *opts);

/**
 * Closes a pool within `within_ms` milliseconds.
 *
 * From now on the pool refuses work from outside; tasks, and what they start, go on. At half of
 * `within_ms` what is left is cancelled (ERRAND_BY_SHUTDOWN); with ERRAND_FOREVER never. A task,
 * on_start or on_stop that has not returned in time is logged by name and left behind, safely;
 * then-functions that depend on it run on threads of their own. Futures outlive the pool; what is
 * made of them later fails with EINVAL. The pool is gone whatever is returned, except for EINVAL,
 * EDEADLK and ERRAND_EFORKED.
 *
 * Returns 0 when every thread is joined, or
 *   ETIMEDOUT        something has not returned and was left behind
 *   EINVAL           `pool` is NULL, or `within_ms` is negative
 *   EDEADLK          called on a thread of the pool
 *   ERRAND_EFORKED   the pool is a parent process's
 */
ERRAND_API int errand_pool_close(errand_pool *pool, int64_t within_ms);

/**
 * Waits up to `ms` milliseconds until nothing is queued or running.
 *
 * This function, errand_pool_stats_get(), errand_pool_dump() and errand_pool_tick() may be under
 * way on other threads when the pool is closed.
 *
 * Returns 0, or
 *   ETIMEDOUT        not yet; also at the deadline of the calling task or frame
 *   ECANCELED        the calling task was cancelled
 *   EDEADLK          called on a thread of the pool
 *   EINVAL           `pool` is NULL, or `ms` is negative
 *   ERRAND_EFORKED   the pool is a parent process's
 */
ERRAND_API int errand_pool_wait_idle(errand_pool *pool, int64_t ms);

/**
 * For tests: after errand_pool_opts.clock was turned, returns when everything that became due has
 * ended or is queued.
 */
ERRAND_API void errand_pool_tick(errand_pool *pool);

/** What a pool counts. */
typedef struct errand_pool_stats {
    uint64_t queued, running; /* now */
    /* tasks that ended well, with an error, by a cancel */
    uint64_t done, failed, cancelled;
    uint64_t abandoned;      /* now: cancelled work without an owner that still runs */
    int64_t longest_wait_ns; /* in the queue, ever */
    /* in the queue; of one task in 32, within 7 % */
    int64_t wait_p50_ns, wait_p99_ns;
    int64_t run_p50_ns, run_p99_ns;
} errand_pool_stats;

/**
 * Writes a pool's counts to *out.
 *
 * Returns 0, or
 *   EINVAL           `pool` or `out` is NULL
 *   ERRAND_EFORKED   the pool is a parent process's
 */
static inline int errand_pool_stats_get(errand_pool *pool, errand_pool_stats *out);

/**
 * Writes what is alive in a pool to `to`, for a person: figures, titles, and a line for each
 * operation, the oldest first.
 *
 *     pool bees: 2 running, 1 of them waiting, 0 queued, 1 asleep, 3 threads, 1 service, ...
 *      for ms what     name             where, waits for
 *       90210 task     import           on worker 2, awaits permit (waits for 1 of semaphore db)
 *        8125 run      fetch            asleep after attempt 3, again in 1875 ms, key a.org ...
 *         412 transfer GET http://a/    on lane 1, has been sent, waits for the reply ...
 *          12 then     -                holds no worker, waits for task import ...
 *
 * "for ms" counts from the submit; of a task from when it began, was queued or was put aside.
 * "name" is that of the task or policy; a transfer's method and url, without its query; "-": none.
 * Then follow what it waits for, its key, why it was cancelled, and the code that submitted it
 * ("submitted at f+0x1c"). "what" is one of
 *
 *     task, then                a submitted task; a then-function
 *     run                       a task under a policy: which limit its attempts wait for, which are
 *                               under way, or until when it sleeps. Attempts that are under way are
 *                               tasks. A policy that only counts has no line of its own
 *     sleep, periodic, promise  errand_sleep(), errand_every(), a promise
 *     timeout, shield, all, settle, any, race    with the first of the futures that it waits for
 *     lease                     a future, or a blocking call, that waits for a resource
 *     permit, turn              a future, or a blocking call, that waits for a semaphore or a rate
 *     flight                    a future of errand_singleflight_run()
 *     group, join               an open group; the future of errand_group_join()
 *     batch                     errand_batch()
 *     transfer                  one attempt of a request, in line or at a step on a lane
 *     service                   a session's lane, a batch's source
 *
 * Control characters in names and keys are written as \xNN; what is too long is cut. What begins or
 * ends meanwhile may be left out.
 *
 * Returns 0, or
 *   EINVAL           `pool` or `to` is NULL
 *   EIO              `to` could not be written
 *   ENOMEM           no memory: some operations are left out, and the last line says how many
 *   ERRAND_EFORKED   the pool is a parent process's
 */
ERRAND_API int errand_pool_dump(errand_pool *pool, FILE *to);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_pool *errand_pool_new_sized(const errand_pool_opts *opts, size_t size);

static inline errand_pool *errand_pool_new(const errand_pool_opts *opts)
{
    return errand_pool_new_sized(opts, sizeof *opts);
}

ERRAND_API int errand_pool_stats_sized(errand_pool *pool, errand_pool_stats *out, size_t size);

static inline int errand_pool_stats_get(errand_pool *pool, errand_pool_stats *out)
{
    return errand_pool_stats_sized(pool, out, sizeof *out);
}

#ifdef __cplusplus
}
#endif
#endif
