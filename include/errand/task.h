/** errand/task.h -- a function that runs on a pool's worker, and what it knows of itself.
 *
 * A task may block. It ends as its function returns; errand_later() ends it as another future ends.
 *
 * A task inherits from the task that submits it, unless `detached` is set: its deadline, its name,
 * its key and its log fields.
 */
#ifndef ERRAND_TASK_H
#define ERRAND_TASK_H

#include <errand/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- submitting ---- */

/** A task's function. */
typedef errand_result errand_fn(void *arg);

/**
 * The same for languages in which callbacks cannot return a struct; *out begins as an empty
 * success.
 */
typedef void errand_into_fn(void *arg, errand_result *out);

/** A task, as it is submitted. */
typedef struct errand_task {
    errand_fn *fn;
    errand_into_fn *into; /* instead of fn */
    void *arg;
    /* free(arg), exactly once: after the function has returned for the last time, or when it is
     * certain that it will never run */
    errand_free_fn *free;
    const char *name; /* for logs and dumps; a literal. NULL: inherited */
    const char *key;  /* what it belongs to: a host, a tenant; copied. NULL: inherited */
    /* not begun by then: it ends with ETIMEDOUT, unrun. 0: no limit */
    int64_t start_within_ms;
    /* its deadline, from now. 0: none but an inherited one; the nearer one counts */
    int64_t within_ms;
    unsigned detached; /* 1: it inherits nothing */
    unsigned reserved;
} errand_task;

/** The longest key in bytes. */
#define ERRAND_KEY_MAX 4095
/** As max_keys of a limit (errand/limits.h): one member for all, whatever the key. */
#define ERRAND_NO_KEYS UINT32_MAX

/**
 * Runs `fn(arg)` on a worker. `arg` must live until the function has returned.
 *
 * While the queue is full, a thread outside the pool does what errand_pool_opts.when_full says; a
 * thread of the pool never waits.
 *
 * Returns a future, never NULL, which ends as `fn` returns, or fails with
 *   EINVAL           `pool` or `fn` is NULL, or the pool is closed
 *   ENOMEM           no memory
 *   EAGAIN           no thread runs that takes tasks, and none could be started
 *   ECANCELED        it was cancelled, or the calling task was while it waited for room
 *   ETIMEDOUT        its deadline has passed
 *   EDEADLK          it waits for itself, through others
 *   ERRAND_EFULL     the queue is full, or it was dropped for a newer task
 *   ERRAND_EFORKED   the pool is a parent process's
 */
ERRAND_API errand_future *errand_submit(errand_pool *pool, errand_fn *fn, void *arg);

/**
 * Runs a task on a worker; *task itself is copied.
 *
 * Returns a future as errand_submit() does, which also fails with
 *   EINVAL    the task has no function or two, a negative time, or a key longer than ERRAND_KEY_MAX
 *   ENOTSUP   the task has fields that this library does not know
 */
static inline errand_future *errand_submit_task(errand_pool *pool, const errand_task *task);

/**
 * Runs a task on a worker, but neither waits for room in the queue nor drops another task, whatever
 * errand_pool_opts.when_full says.
 *
 * Returns a future as errand_submit_task() does, which also fails with
 *   ERRAND_EFULL   the queue is full; to a thread of the pool it never is
 */
static inline errand_future *errand_try_submit(errand_pool *pool, const errand_task *task);

/**
 * Ends well, without a value, when `ms` milliseconds have passed; never early. It holds no worker.
 *
 * Returns a future, never NULL, which fails with
 *   EINVAL           `pool` is NULL, or `ms` is negative
 *   ENOMEM           no memory
 *   ECANCELED        it was cancelled, or the pool was closed
 *   ERRAND_EFORKED   the pool is a parent process's
 */
ERRAND_API errand_future *errand_sleep(errand_pool *pool, int64_t ms);

/**
 * Runs `fn(arg)` again and again: first after `ms` milliseconds, then at every multiple of `ms`
 * from now.
 *
 * Calls never overlap: a multiple that comes while `fn` runs is skipped. Values of `fn` are freed.
 * `ms` is at least 1.
 *
 * Returns a future, never NULL, which ends when `fn` fails, as it failed, or fails with
 *   ECANCELED        it was cancelled, or the pool began to close
 *   EINVAL           `pool` or `fn` is NULL, or `ms` is less than 1
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the pool is a parent process's
 */
ERRAND_API errand_future *errand_every(errand_pool *pool, int64_t ms, errand_fn *fn, void *arg);

/* ---- inside a task ---- */

/**
 * Returns why the calling code is to end; ERRAND_BY_NONE: it is not. Outside of tasks and frames
 * always ERRAND_BY_NONE.
 */
ERRAND_API errand_reason errand_cancelled(void);

/**
 * Returns the milliseconds until the deadline of the calling code; 0: it has passed;
 * ERRAND_FOREVER: there is none.
 */
ERRAND_API int64_t errand_time_left(void);

/** Returns the key of the calling task; NULL: it has none. It lives as long as the task. */
ERRAND_API const char *errand_key(void);

/**
 * A stretch of code with a deadline of its own, or shielded from cancels: asyncio's timeout() and
 * shield, Trio's cancel scope.
 */
typedef struct errand_frame {
    uint64_t priv[4];
} errand_frame;

/**
 * Begins a frame on the calling thread.
 *
 * Until errand_leave(), blocking calls of this library return ETIMEDOUT when `within_ms`
 * milliseconds have passed (ERRAND_FOREVER: no limit of its own). With `shield` they also take no
 * notice of cancels and of the task's deadline, which clean-up needs; both count again after
 * errand_leave(). Frames nest.
 */
ERRAND_API void errand_enter(errand_frame *frame, int64_t within_ms, bool shield);

/** Ends the innermost frame of the calling thread, which must be `frame`. */
ERRAND_API void errand_leave(errand_frame *frame);

/**
 * Moves the deadline of an open frame to `within_ms` milliseconds from now, sooner or later than it
 * was (ERRAND_FOREVER: no limit of its own).
 *
 * It counts for frames inside it, too; nearer deadlines around it still count. What was submitted
 * inside it keeps the deadline it has inherited. A frame is used by one thread, so its deadline
 * cannot move while a call waits in it. errand_expired() becomes false.
 *
 * Returns 0, or
 *   EINVAL   `frame` is not an open frame of the calling task or thread
 */
ERRAND_API int errand_reschedule(errand_frame *frame, int64_t within_ms);

/**
 * Returns whether the deadline of `frame` has ended a blocking call with ETIMEDOUT; of nested
 * frames and their task, the nearest deadline has.
 *
 * An errand_await() of a task that inherited the deadline and ended at it counts, too. It stays
 * true after errand_leave(), until the frame is entered again or rescheduled. `frame` was entered
 * before, or is all zero; false for NULL.
 */
ERRAND_API bool errand_expired(const errand_frame *frame);

/** A call at the calling code's cancel; see errand_cancel_hook_add(). */
typedef struct errand_cancel_hook {
    uint64_t priv[24];
} errand_cancel_hook;

/**
 * Calls `fn(arg)` once when the calling task is cancelled or the deadline of the calling code
 * passes: it makes a blocking call of another library return, by a flag, a pipe or an interrupt.
 *
 * fn runs on another thread, as a rule the canceller's, so it does not block. *hook stays where it
 * is until errand_cancel_hook_remove(), which the same thread calls, in the same function. Hooks
 * nest: while another one is there, or a call of this library waits, this one is called only
 * afterwards. In a frame that shields, only the frame's deadline counts. `pool` has the clock and
 * the timer of the deadline; NULL: the calling task's pool.
 *
 * Returns 0, or, and then fn is not called,
 *   ECANCELED        the calling task was cancelled, or the pool has shut down
 *   ETIMEDOUT        the deadline of the calling task or frame has passed
 *   EINVAL           `hook` or `fn` is NULL, `pool` is NULL outside of a task, or it is closed
 *   ENOMEM           no memory
 *   EAGAIN           there is a deadline, and no thread for timers could be started
 *   ERRAND_EFORKED   the pool is a parent process's
 */
ERRAND_API int errand_cancel_hook_add(errand_cancel_hook *hook, errand_pool *pool,
                                      void (*fn)(void *), void *arg);

/**
 * Takes a hook back: when this has returned, its function is not running and never will.
 *
 * Harmless if errand_cancel_hook_add() has failed.
 */
ERRAND_API void errand_cancel_hook_remove(errand_cancel_hook *hook);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_future *errand_submit_task_sized(errand_pool *pool, const errand_task *task,
                                                   size_t size);

static inline errand_future *errand_submit_task(errand_pool *pool, const errand_task *task)
{
    return errand_submit_task_sized(pool, task, sizeof *task);
}

ERRAND_API errand_future *errand_try_submit_sized(errand_pool *pool, const errand_task *task,
                                                  size_t size);
static inline errand_future *errand_try_submit(errand_pool *pool, const errand_task *task)
{
    return errand_try_submit_sized(pool, task, sizeof *task);
}

#ifdef __cplusplus
}
#endif
#endif
