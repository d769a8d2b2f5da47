/* errand/future.h -- a result on its way.
 *
 * A future has one owner. errand_await and errand_drop consume it, and so does everything that takes futures and returns
 * one, also when that fails. errand_wait, errand_cancel, errand_watch and errand_canceller_of borrow.
 *
 * what f is             errand_cancel(f)                                      the deadline of an errand_timeout around it
 * --------------------  ----------------------------------------------------  --------------------------------------------
 * queued task           taken out, arg freed, ends ECANCELED now              the same, and the outer ends ETIMEDOUT
 * running task          told; ends when fn returns, as fn returned (a late    the outer ends now; the task is told and left
 *                       success stands; an error becomes ECANCELED, fn's      behind (abandoned); its late value is freed
 *                       its cause)
 * promise, no hook      ends ECANCELED now; a later resolve loses             the same, and the outer ends ETIMEDOUT
 * promise with a hook   the hook is told, once; ends when resolved            the outer ends now
 * all, settle, then     its inputs are cancelled; ends when they have         the outer ends now
 * any, race             the same; losers of a decided one are cancelled       the outer ends now
 *                       and left behind
 * shield                nothing: it ends as f ends                            the outer ends now
 * ended                 nothing                                               nothing
 *
 * A task's own within_ms: queued, it ends ETIMEDOUT unrun; running, it is told (ERRAND_BY_TOTAL), its blocking calls of this
 * library return ETIMEDOUT, and it ends as fn returns. An await in a cancelled task cancels what it awaits and returns
 * ECANCELED.
 */
#ifndef ERRAND_FUTURE_H
#define ERRAND_FUTURE_H

#include <errand/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Waits for the end of f and consumes it. On a worker: if f is a task of the same pool that nobody has begun, it is run right
 * there; else the pool runs a spare thread meanwhile. EDEADLK: a circle of waits, told to the pool's log by name. */
ERRAND_API errand_result errand_await(errand_future *f);

/* Waits for at most ms and leaves f yours. 0: it has ended; ETIMEDOUT: not yet; ECANCELED: the calling task is told to end;
 * EDEADLK: it would wait for ever (as errand_await; only with ERRAND_FOREVER). */
ERRAND_API int errand_wait(errand_future *f, int64_t ms);

/* Asks f to end: see the table. NULL and ended futures are fine. Reason: ERRAND_BY_CALLER. */
ERRAND_API void errand_cancel(errand_future *f);

/* Gives f up: the work goes on, unheard; its result is freed. A failure that is there already is told to the pool's log. */
ERRAND_API void errand_drop(errand_future *f);

/* A counted, weak way to cancel what somebody else owns or has consumed: from any thread, at any time. It keeps no result alive.
 * NULL of NULL; never fails. */
typedef struct errand_canceller errand_canceller;
ERRAND_API errand_canceller *errand_canceller_of(errand_future *f);
ERRAND_API void              errand_canceller_cancel(errand_canceller *c);
ERRAND_API void              errand_canceller_free(errand_canceller *c);

/* Calls w->fn(w) on a worker of f's pool when f has ended. *w is yours and must stay where it is until fn is called or unwatch
 * has returned 0; f must not be consumed before that either. 0; EALREADY: it has ended, fn will not be called; EINVAL. */
typedef struct errand_watcher {
    void (*fn)(struct errand_watcher *self);
    void *arg;
    void *priv[4];
} errand_watcher;
ERRAND_API int errand_watch(errand_future *f, errand_watcher *w);

/* Takes it back. 0: fn will not be called; EALREADY: it has been called, or is about to be. */
ERRAND_API int errand_unwatch(errand_future *f, errand_watcher *w);

/* fn(in, arg) on a worker of f's pool as soon as f has ended; the future returned ends as fn returns (errand_later
 * included). fn owns `in`, and has the key and the log fields of who called errand_then. It is called exactly once, whatever
 * happens: cancelled, in.error is ECANCELED; without memory it is called at once, in.error is ENOMEM, and f is cancelled. Where
 * there is no pool any more, it runs on the thread that finds that out. */
typedef errand_result errand_then_fn(errand_result in, void *arg);
ERRAND_API errand_future *errand_then(errand_future *f, errand_then_fn *fn, void *arg);

/* Ends as f ends, or with ETIMEDOUT (ERRAND_BY_TOTAL) after ms, when f is cancelled and left behind: the result says that it may have run
 * (errand_result_may_have_run), unless f ended at once and says that it has not, as what is queued or only waits does. A time beyond the
 * range of the clock, some 292 years, is no limit. */
ERRAND_API errand_future *errand_timeout(errand_future *f, int64_t ms);

/* Many at once. The array is copied. The value is an errand_results, index by index; freeing the result frees it with all it
 * holds. No futures at all: an empty success. The same future twice: EINVAL, all are consumed. */
typedef struct errand_results {
    size_t         n;
    errand_result *at;
} errand_results;
ERRAND_API errand_future *errand_all(errand_future *const fs[], size_t n);    /* the first failure cancels the rest, waits
                                                                      for them, and is the result; the others its causes */
ERRAND_API errand_future *errand_settle(errand_future *const fs[], size_t n); /* every result, good or bad           */

/* The first success, or else the last failure with the others as its causes; the first to end. The rest is cancelled and left
 * behind. errand_result_index tells which one it was. No futures at all: EINVAL. */
ERRAND_API errand_future *errand_any(errand_future *const fs[], size_t n);
ERRAND_API errand_future *errand_race(errand_future *const fs[], size_t n);

/* Ends as f ends; a cancel of this one stops here. */
ERRAND_API errand_future *errand_shield(errand_future *f);

/* ---- promises: a future that ends when you say so -------------------------------------------------------------------- */

typedef struct errand_promise errand_promise;

/* The writing end, and its future in *f. NULL with errno: ENOMEM, EINVAL; then *f is a failed future all the same. */
ERRAND_API errand_promise *errand_promise_new(errand_pool *pool, errand_future **f);

/* Ends the future with r and consumes both; if it had ended already (cancelled), r is freed. */
ERRAND_API void errand_promise_resolve(errand_promise *p, errand_result r);

/* Ends it with ERRAND_EABANDONED. */
ERRAND_API void errand_promise_abandon(errand_promise *p);

/* Who wants it to end; ERRAND_BY_NONE: nobody. */
ERRAND_API errand_reason errand_promise_cancelled(const errand_promise *p);

/* fn(arg) when the future is cancelled: on the canceller's thread, so flip a flag and wake somebody, no more; resolving
 * from inside is allowed. Cancelled already: it runs before this returns. Once errand_promise_resolve has returned it is not running
 * any longer and never will. A second call replaces the first; fn NULL takes it away. */
ERRAND_API void errand_promise_on_cancel(errand_promise *p, void (*fn)(void *), void *arg);

#ifdef __cplusplus
}
#endif
#endif
