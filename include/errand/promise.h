/** errand/promise.h -- a future that ends when you say so: the way in for callbacks, event loops
 * and other libraries.
 *
 *     errand_future *f;
 *     errand_promise *p = errand_promise_new(pool, &f);
 *     start_something(on_done, p);     on_done calls errand_promise_resolve(p, errand_ok(v, free))
 *     return f;
 */
#ifndef ERRAND_PROMISE_H
#define ERRAND_PROMISE_H

#include <errand/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The writing end of a future. It has one owner, which resolves or abandons it. */
typedef struct errand_promise errand_promise;

/**
 * Makes a promise, and its future in *f.
 *
 * Returns the promise, or NULL with errno; then *f is a failed future all the same
 *   ENOMEM           no memory
 *   EINVAL           `pool` or `f` is NULL
 *   ERRAND_EFORKED   the pool is a parent process's
 */
ERRAND_API errand_promise *errand_promise_new(errand_pool *pool, errand_future **f);

/**
 * Makes a future that has ended with `r`, for a function that has its answer already; consumes `r`.
 *
 * Returns a future, never NULL. Then-functions behind it run on the pool. It fails, and `r` is
 * freed, with
 *   EINVAL           `pool` is NULL
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the pool is a parent process's
 */
ERRAND_API errand_future *errand_ready(errand_pool *pool, errand_result r);

/**
 * Ends the future with `r`; consumes both. If the future has ended already, by a cancel, `r` is
 * freed. NULL frees `r`.
 */
ERRAND_API void errand_promise_resolve(errand_promise *p, errand_result r);

/**
 * Ends the future with ERRAND_EABANDONED, if it has not ended; consumes the promise. NULL is
 * harmless.
 */
ERRAND_API void errand_promise_abandon(errand_promise *p);

/** Returns why the future was cancelled; ERRAND_BY_NONE: it was not. */
ERRAND_API errand_reason errand_promise_cancelled(const errand_promise *p);

/**
 * Calls `fn(arg)` once when the future is cancelled.
 *
 * Without a hook a cancel ends the future at once; with one the future ends when it is resolved. fn
 * runs on the canceller's thread, so it sets a flag or wakes a thread and does no more; it may
 * resolve the promise. If the future is cancelled already, fn runs before this function returns.
 * When errand_promise_resolve() has returned, fn is not running and never will. A second call
 * replaces the hook; with `fn` NULL it removes it.
 */
ERRAND_API void errand_promise_on_cancel(errand_promise *p, void (*fn)(void *), void *arg);

#ifdef __cplusplus
}
#endif
#endif
