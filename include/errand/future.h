/** errand/future.h -- a result on its way.
 *
 * A future has one owner. errand_await() and errand_drop() consume it; so does every function that
 * takes futures and returns one, also when it fails. errand_done(), errand_wait(),
 * errand_wait_some(), errand_cancel(), errand_watch() and errand_canceller_of() borrow it. A
 * function that returns a future never returns NULL: what could not be started, for want of memory
 * too, is a future that has failed. So a chain is checked once, where it is awaited. A future that
 * is NULL or was consumed already fails with EINVAL.
 *
 * What a cancel and a deadline do:
 *
 *     f is               errand_cancel(f)                      the deadline of an errand_timeout()
 *     -----------------  ------------------------------------  ----------------------------------
 *     a queued task      leaves the queue, arg is freed, it    the same; the outer ends with
 *                        ends with ECANCELED now               ETIMEDOUT
 *     a running task     errand_cancelled() says so; it ends   the outer ends now; the task is
 *                        when fn returns: a success stands, a  cancelled and left behind
 *                        failure becomes ECANCELED with fn's   (abandoned), its late value is freed
 *                        as its cause
 *     a promise without  ends with ECANCELED now; a later      the same; the outer ends with
 *     a hook             resolve is discarded                  ETIMEDOUT
 *     a promise with a   the hook is called, once; it ends     the outer ends now
 *     hook               when it is resolved
 *     all, settle, then  its inputs are cancelled; it ends     the outer ends now
 *                        when they have ended
 *     any, race, quorum  the same; inputs that have lost are   the outer ends now
 *                        cancelled and left behind
 *     shield             nothing: it ends as f ends            the outer ends now
 *     ended              nothing                               nothing
 *
 * A task's own within_ms: a queued task ends with ETIMEDOUT, unrun; a running one is cancelled
 * (ERRAND_BY_TOTAL), its blocking calls of this library return ETIMEDOUT, and it ends as its
 * function returns. An errand_await() in a cancelled task cancels what it awaits and returns
 * ECANCELED.
 */
#ifndef ERRAND_FUTURE_H
#define ERRAND_FUTURE_H

#include <errand/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- waiting ---- */

/**
 * Waits for the end of `f`, consumes it and returns its result.
 *
 * On a worker, a task of the same pool that has not begun is run right there; else the pool runs a
 * spare thread meanwhile. What is awaited when the wait ends early is cancelled and left behind.
 *
 * Returns the result of `f`, or a failure with
 *   ECANCELED        the calling task was cancelled
 *   ETIMEDOUT        the deadline of the calling task or frame has passed
 *   EDEADLK          the wait is part of a circle of waits; the pool's log names them
 *   EINVAL           `f` is NULL or was consumed
 *   ERRAND_EFORKED   `f` is a parent process's
 */
ERRAND_API errand_result errand_await(errand_future *f);

/**
 * Waits up to `ms` milliseconds for the end of `f`, and leaves `f` yours.
 *
 * Returns 0 when it has ended, or
 *   ETIMEDOUT        not yet
 *   ECANCELED        the calling task was cancelled
 *   EDEADLK          with ERRAND_FOREVER: the wait is part of a circle of waits
 *   EINVAL           `f` is NULL, or `ms` is negative
 *   ERRAND_EFORKED   `f` is a parent process's
 */
ERRAND_API int errand_wait(errand_future *f, int64_t ms);

/**
 * Returns whether `f` has ended; never waits. Then errand_await() returns at once.
 *
 * True for NULL, and for a future of a parent process, where errand_await() returns ERRAND_EFORKED.
 */
ERRAND_API bool errand_done(const errand_future *f);

/**
 * Waits up to `ms` milliseconds until at least `wanted` of the `n` futures in `fs` have ended, and
 * leaves all of them yours.
 *
 * 1 waits for the first, `n` for all; with `wanted` 0 or `ms` 0 it only looks. done[i] becomes
 * whether fs[i] has ended, also when this fails, but for EINVAL; `done` may be NULL. A future that
 * is there twice counts twice. No future may be consumed by another thread meanwhile. The calling
 * thread is woken once; on a worker the pool runs a spare thread meanwhile. Time is measured by the
 * clock of the pool of the first future that has not ended.
 *
 * Returns 0, or
 *   ETIMEDOUT        fewer have ended; also at the deadline of the calling task or frame
 *   ECANCELED        the calling task was cancelled
 *   EDEADLK          with ERRAND_FOREVER: too many of them wait for the calling task
 *   EINVAL           a future is NULL, `wanted` is more than `n`, or `ms` is negative
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   one that has not ended is a parent process's
 * See also errand_group_next().
 */
ERRAND_API int errand_wait_some(errand_future *const fs[], size_t n, size_t wanted, int64_t ms,
                                bool done[]);

/* ---- ending early ---- */

/**
 * Cancels `f` with ERRAND_BY_CALLER; see the table above. Returns at once. NULL and futures that
 * have ended are harmless.
 */
ERRAND_API void errand_cancel(errand_future *f);

/**
 * Detaches from `f`: the work continues and its result is discarded.
 *
 * Consumes `f`. A failure that is there already is written to the pool's log. NULL is harmless.
 */
ERRAND_API void errand_drop(errand_future *f);

/**
 * A weak, counted handle by which any thread cancels a future that another owns or that was
 * consumed. It keeps no result alive.
 */
typedef struct errand_canceller errand_canceller;

/** Returns a canceller of `f`; never fails. NULL for NULL. Free it with errand_canceller_free(). */
ERRAND_API errand_canceller *errand_canceller_of(errand_future *f);

/** Cancels the future as errand_cancel() does, at any time and from any thread. */
ERRAND_API void errand_canceller_cancel(errand_canceller *c);

/** Frees a canceller. NULL is harmless. */
ERRAND_API void errand_canceller_free(errand_canceller *c);

/* ---- being called ---- */

/** Is called when a future has ended; see errand_watch(). It must stay where it is meanwhile. */
typedef struct errand_watcher {
    void (*fn)(struct errand_watcher *self);
    void *arg;
    void *priv[4];
} errand_watcher;

/**
 * Calls `w->fn(w)` on a worker of `f`'s pool when `f` has ended.
 *
 * *w must stay where it is, and `f` must not be consumed, until fn is called or errand_unwatch()
 * has returned 0.
 *
 * Returns 0, or
 *   EALREADY         `f` has ended: fn will not be called
 *   EINVAL           `f`, `w` or `w->fn` is NULL
 *   ERRAND_EFORKED   `f` is a parent process's
 */
ERRAND_API int errand_watch(errand_future *f, errand_watcher *w);

/**
 * Takes a watcher back.
 *
 * Returns 0 if its function will not be called, or
 *   EALREADY         it has been called, or is about to be
 *   EINVAL           `f` or `w` is NULL
 *   ERRAND_EFORKED   `f` is a parent process's
 */
ERRAND_API int errand_unwatch(errand_future *f, errand_watcher *w);

/** A then-function: owns `in`, and returns what the future of errand_then() ends with. */
typedef errand_result errand_then_fn(errand_result in, void *arg);

/**
 * Calls `fn(in, arg)` on a worker of `f`'s pool as soon as `f` has ended.
 *
 * fn has the key and the log fields of the caller of errand_then(), and may return errand_later().
 * It is called exactly once, whatever happens: after a cancel in.error is ECANCELED; without memory
 * it is called at once with ENOMEM, and `f` is cancelled. Where the pool is gone it runs on the
 * thread that finds that out.
 *
 * Returns a future, never NULL, which ends as `fn` returns, or fails with
 *   EINVAL    `fn` is NULL
 */
ERRAND_API errand_future *errand_then(errand_future *f, errand_then_fn *fn, void *arg);

/* ---- one of one ---- */

/**
 * Ends as `f` ends, or with ETIMEDOUT (ERRAND_BY_TOTAL) when `ms` milliseconds have passed.
 *
 * At the deadline `f` is cancelled and left behind. The result then says that it may have run
 * (errand_result_may_have_run()), unless `f` ended at once and says that it has not, as queued and
 * sleeping ones do. A time beyond the range of the clock, some 292 years, is no limit.
 *
 * Returns a future, never NULL, which also fails with
 *   ETIMEDOUT   the time has passed
 *   EINVAL      `ms` is negative
 *   ENOMEM      no memory; `f` is cancelled
 */
ERRAND_API errand_future *errand_timeout(errand_future *f, int64_t ms);

/**
 * Ends as `f` ends; a cancel of the returned future does not reach `f`.
 *
 * Returns a future, never NULL, which also fails with
 *   ENOMEM   no memory; `f` goes on
 *   EINVAL   `f` is NULL or was consumed
 */
ERRAND_API errand_future *errand_shield(errand_future *f);

/* ---- one of many: the array is copied ---- */

/**
 * The value of errand_all(), errand_settle() and errand_quorum(), index by index. Freeing the
 * result frees it with all it holds.
 */
typedef struct errand_results {
    size_t n;
    errand_result *at;
} errand_results;

/**
 * Ends well when all have ended well, with an errand_results. The first failure cancels the rest,
 * waits for their ends and is the result, with the other failures as its causes.
 *
 * No futures at all are an empty success.
 *
 * Returns a future, never NULL, which also fails with
 *   EINVAL   a future is NULL or is there twice; all are consumed
 *   ENOMEM   no memory; all are cancelled
 */
ERRAND_API errand_future *errand_all(errand_future *const fs[], size_t n);

/**
 * Ends well when all have ended, with an errand_results of successes and failures.
 *
 * Returns a future, never NULL, which fails with
 *   EINVAL   a future is NULL or is there twice; all are consumed
 *   ENOMEM   no memory; all are cancelled
 */
ERRAND_API errand_future *errand_settle(errand_future *const fs[], size_t n);

/**
 * Ends with the first success, or with the last failure and the others as its causes. The rest is
 * cancelled and left behind.
 *
 * errand_result_index() says which one it was.
 *
 * Returns a future, never NULL, which also fails with
 *   EINVAL   `n` is 0, or a future is NULL or is there twice; all are consumed
 *   ENOMEM   no memory; all are cancelled
 */
ERRAND_API errand_future *errand_any(errand_future *const fs[], size_t n);

/**
 * Ends as the first one that ends, well or not. The rest is cancelled and left behind.
 *
 * errand_result_index() says which one it was.
 *
 * Returns a future, never NULL, which also fails with
 *   EINVAL   `n` is 0, or a future is NULL or is there twice; all are consumed
 *   ENOMEM   no memory; all are cancelled
 */
ERRAND_API errand_future *errand_race(errand_future *const fs[], size_t n);

/**
 * Ends well as soon as `wanted` of them have ended well, with an errand_results. The rest is
 * cancelled and left behind.
 *
 * The results are those of the successes, of the failures that came before the end, and ECANCELED
 * (ERRAND_BY_SIBLING) of each that was left behind, however it ends later;
 * errand_result_may_have_run() says whether it may have run. As soon as too few are left to succeed
 * it fails with the last failure, with the others as its causes, and errand_result_index() says
 * which one it was; values are freed.
 *
 * Returns a future, never NULL, which also fails with
 *   EINVAL   `wanted` is 0 or more than `n`, or a future is NULL or twice there; all are consumed
 *   ENOMEM   no memory; all are cancelled
 * See also errand_any() and errand_all().
 */
ERRAND_API errand_future *errand_quorum(errand_future *const fs[], size_t n, size_t wanted);

#ifdef __cplusplus
}
#endif
#endif
