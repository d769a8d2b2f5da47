/* errand/pool.h -- a place where work is done: a fixed set of workers, and a clock.
 *
 * A pool runs tasks: plain functions that may block. Workers are started on demand and joined at close. All functions may
 * be called from any thread. A task runs on a worker with no lock held, with all signals blocked but those of a fault.
 *
 * Processes of a task's own. A child that a task forks has the signals open that the program had when it used the pool first; if the
 * task's function returns in the child, as after an exec that failed, the child ends at once with status 127: the pool's work is the
 * parent's. So it is with the hooks of pools, policies and promises, and with what a session, a batch or a log calls on its threads.
 * posix_spawn, and system and popen, which use it, hand the worker's blocked signals on: give posix_spawn an attribute with
 * POSIX_SPAWN_SETSIGMASK and an empty mask; put pthread_sigmask(SIG_SETMASK, &empty, &before) and back around the other two.
 */
#ifndef ERRAND_POOL_H
#define ERRAND_POOL_H

#include <errand/result.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct errand_pool errand_pool;
typedef struct errand_log errand_log;
typedef errand_result errand_fn(void *arg);

typedef void errand_into_fn(void *arg, errand_result *out); /* for languages whose callbacks cannot return a struct */

typedef struct errand_task {
    errand_fn      *fn;
    errand_into_fn *into;      /* instead of fn; *out is an empty success to begin with                                */
    void           *arg;
    errand_free_fn *free;      /* free(arg), exactly once: when fn has returned for the last time, or will never run    */
    const char     *name;      /* for logs and reports; a literal, not copied. NULL: that of the submitting task       */
    const char     *key;       /* what this belongs to: a host, a tenant; copied. NULL: that of the submitting task    */
    int64_t         start_within_ms; /* not begun by then: it ends ETIMEDOUT unrun. 0: no limit                        */
    int64_t         within_ms; /* its deadline, from now. 0: none of its own; a nearer one of the submitting task wins */
    unsigned        detached;  /* inherits nothing: neither deadline nor name nor key nor log fields (log.h)            */
    unsigned        reserved;
} errand_task;

typedef struct errand_clock { /* a test's own time */
    int64_t (*now_ns)(void *arg);
    void *arg;
} errand_clock;

typedef enum errand_when_full { /* what a submit from outside does while the queue is full */
    ERRAND_WHEN_FULL_BLOCK,      /* waits for room                                                              */
    ERRAND_WHEN_FULL_FAIL,       /* fails: ERRAND_EFULL                                                         */
    ERRAND_WHEN_FULL_DROP_OLDEST /* ends the task that has waited longest with ERRAND_EFULL; never continuations */
} errand_when_full;

/* No thread is lent: a worker that waits for work of its own pool by errand_wait or errand_group_next may then wait for a thread
 * that nobody brings (an await of such is told as EDEADLK). */
#define ERRAND_NO_SPARES UINT32_MAX

/* The queue's bound may be passed by as many tasks as threads submit at the very same moment. */
typedef struct errand_pool_opts {
    unsigned            workers; /* blocking calls under way at once. 0: 16                                            */
    unsigned            spares;  /* most threads lent while workers wait inside the library. 0: 256; ERRAND_NO_SPARES  */
    size_t              queue;   /* tasks waiting from outside; the pool's own threads are never held up by it. 0: 65536 */
    errand_when_full    when_full;
    size_t              stack;   /* bytes of a thread, at least 65536; the program's thread-local variables are added. An await runs
                                    its task in place only while three quarters of it are free. 0: the system's */
    const char         *name;    /* a literal; also the name of its threads. NULL: "errand"                            */
    errand_log         *log;     /* stragglers, failures nobody asked for. NULL: silent. Must outlive the pool         */
    const errand_clock *clock;   /* NULL: the machine's. Must outlive the pool                                         */
    void              (*on_start)(void *arg); /* on each of its threads, before its first task: spares and lanes too   */
    void              (*on_stop)(void *arg);  /* and after its last                                                    */
    void               *arg;
} errand_pool_opts;

/* A new pool, or NULL with errno: EINVAL, ENOMEM, ENOTSUP (the options have a tail that this library does not know).
 * opts NULL: all defaults. No thread is started yet. */
ERRAND_API errand_pool *errand_pool_new_sized(const errand_pool_opts *opts, size_t size);
static inline errand_pool *errand_pool_new(const errand_pool_opts *opts)
{
    return errand_pool_new_sized(opts, sizeof *opts);
}

/* Refuses work from outside at once, lets tasks and what they start finish; at half of within_ms cancels what is left
 * (ERRAND_BY_SHUTDOWN). Returns 0 when every thread is joined; ETIMEDOUT when some task, or on_start or on_stop, has not returned
 * within the time: it is logged by name and left behind, safely; then-functions behind it are called on threads of their own.
 * ERRAND_FOREVER never cancels. The pool is gone whatever this returns, but for EINVAL (NULL,
 * negative time) and EDEADLK (called on the pool's own thread). Futures outlive it; what is made of them later fails EINVAL. */
ERRAND_API int errand_pool_close(errand_pool *pool, int64_t within_ms);

/* Waits until nothing is queued or running, for at most ms. 0; ETIMEDOUT, also at the deadline of the calling task or frame;
 * ECANCELED: the calling task was cancelled; EDEADLK: called on the pool's own thread; EINVAL; ERRAND_EFORKED. This, _stats, _dump
 * and _tick may be under way on other threads when the pool is closed. */
ERRAND_API int errand_pool_wait_idle(errand_pool *pool, int64_t ms);

/* For tests: after turning the clock given in the options. Returns when everything that became due is ended or queued. */
ERRAND_API void errand_pool_tick(errand_pool *pool);

typedef struct errand_pool_stats {
    uint64_t queued, running;                     /* now                                            */
    uint64_t done, failed, cancelled;             /* tasks that ended well, with an error, by a cancel that somebody asked for */
    uint64_t abandoned;                           /* now: cancelled work that nobody awaits and that still runs */
    int64_t  longest_wait_ns;                     /* in the queue, ever                             */
    int64_t  wait_p50_ns, wait_p99_ns;            /* in the queue; of one task in 32, within 7 %    */
    int64_t  run_p50_ns, run_p99_ns;
} errand_pool_stats;
ERRAND_API int errand_pool_stats_sized(errand_pool *pool, errand_pool_stats *out, size_t size);
static inline int errand_pool_stats_get(errand_pool *pool, errand_pool_stats *out)
{
    return errand_pool_stats_sized(pool, out, sizeof *out);
}

/* Writes who is alive: what runs on which worker, what waits without one, and for what, what is queued; since when, and where it was
 * submitted. */
ERRAND_API int errand_pool_dump(errand_pool *pool, FILE *to);

/* Starts fn(arg) on a worker. Never NULL: what could not be started is a failed future (EINVAL, ENOMEM, EAGAIN: there is no thread
 * that takes tasks, and none could be started; ECANCELED; EDEADLK; ERRAND_EFORKED). Blocks while the queue is full, unless called on a thread of the pool. */
ERRAND_API errand_future *errand_submit(errand_pool *pool, errand_fn *fn, void *arg);
ERRAND_API errand_future *errand_submit_task_sized(errand_pool *pool, const errand_task *task, size_t size);
static inline errand_future *errand_submit_task(errand_pool *pool, const errand_task *task)
{
    return errand_submit_task_sized(pool, task, sizeof *task);
}

/* Ends well, with no value, when ms have passed; never early. Holds no worker. */
ERRAND_API errand_future *errand_sleep(errand_pool *pool, int64_t ms);

/* Runs fn(arg) again and again: first after ms, then at every multiple of ms from now that finds it idle; never overlapping,
 * missed ones are skipped. Ends when it is cancelled, when fn fails (as fn failed), and as soon as its pool begins to close. The
 * value of fn is freed each time. ms must be at least 1. */
ERRAND_API errand_future *errand_every(errand_pool *pool, int64_t ms, errand_fn *fn, void *arg);

/* ---- inside a task ---------------------------------------------------------------------------------------------------- */

/* Who wants the calling code to end (ERRAND_BY_NONE: nobody), and the ms that are left until its deadline (ERRAND_FOREVER:
 * none; 0: it has passed). Outside of any task and frame: nobody, for ever. */
ERRAND_API errand_reason errand_cancelled(void);
ERRAND_API int64_t       errand_time_left(void);

/* The key of the task that runs here; NULL: none. Lives as long as the task. */
ERRAND_API const char *errand_key(void);

/* A stretch of code with a deadline of its own, or kept from cancels: clean-up. Between enter and leave blocking calls of this
 * library return ETIMEDOUT when within_ms are over (ERRAND_FOREVER: no limit of its own), and with shield they do not hear that
 * the task is told to end, nor its deadline; after leaving it is heard again. Frames nest, on one thread. */
typedef struct errand_frame {
    uint64_t priv[4];
} errand_frame;
ERRAND_API void errand_enter(errand_frame *frame, int64_t within_ms, bool shield);
ERRAND_API void errand_leave(errand_frame *frame);

#ifdef __cplusplus
}
#endif
#endif
