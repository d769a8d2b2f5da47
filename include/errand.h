/** errand -- work that runs elsewhere and comes back as a result.
 *
 * Two words carry the library. A *result* is how anything ends: an error code, or a value with the
 * function that frees it. A *future* is a result on its way. Functions that start work return a
 * future; functions that combine work take futures and return one.
 *
 *     errand_pool   *pool = errand_pool_new(NULL);
 *     errand_future *f = errand_submit(pool, work, argument);    work runs on a thread of the pool
 *     errand_result  r = errand_await(f);
 *     if (r.error) fprintf(stderr, "%s\n", errand_result_message(&r));
 *     errand_result_free(&r);
 *     errand_pool_close(pool, 1000);
 *
 * Owners. A future has one owner. errand_await(), errand_drop() and every function that returns a
 * future consume the futures they take, also when they fail; all others borrow. A task's arg must
 * outlive the *work*, not the future (a timeout leaves the work running): give it a free function
 * when in doubt.
 *
 * Errors. 0, or an errno value, or a code of one of the ranges in errand/result.h. A function that
 * returns a future never returns NULL: failure to start, for want of memory too, is a failed
 * future, so a chain is checked once, where it is awaited.
 *
 * Threads. Every function may be called from any thread. Your code runs on a pool's threads, with
 * no lock held, and never on the stack of the call that caused it, with these exceptions: an await
 * may run, right there, the very task it waits for; a promise's cancel hook runs on the canceller's
 * thread; if the pool of a then-function or watcher is gone, or has no thread and can start none,
 * it runs on the thread that finds that out. A free function may run on any thread: keep it plain.
 *
 * Time. int64_t milliseconds on the monotonic clock. In options 0 is that option's default; as an
 * argument 0 is now: look, and do not wait. ERRAND_FOREVER: no limit. ERRAND_ZERO: an option that
 * is really zero. Any other negative time: EINVAL.
 *
 * Options. Structs by pointer, zero-filled where you do not care. The inline functions pass
 * sizeof(options): a program compiled with an older header keeps working with a newer library; a
 * tail that the library does not know and that is not zero is ENOTSUP.
 *
 * Names. `name` strings are literals and are not copied.
 *
 * Fork. Threads do not survive fork: in the child every future, pool and session of the parent is
 * dead (ERRAND_EFORKED).
 */
#ifndef ERRAND_H
#define ERRAND_H

#include <errand/attempt.h>
#include <errand/backoff.h>
#include <errand/duration.h>
#include <errand/file.h>
#include <errand/future.h>
#include <errand/group.h>
#include <errand/lease.h>
#include <errand/limits.h>
#include <errand/log.h>
#include <errand/policy.h>
#include <errand/pool.h>
#include <errand/promise.h>
#include <errand/result.h>
#include <errand/retry_if.h>
#include <errand/scope.h>
#include <errand/stop.h>
#include <errand/task.h>
#include <errand/version.h>

#endif
