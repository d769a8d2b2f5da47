/** errand/limits.h -- what limits calls: semaphores, rates, breakers, budgets, single-flight.
 *
 *     semaphore      errand/sem.h           limits how many run at a time, first in, first out
 *     rate limiter   errand/rate.h          limits the turns a second, with a burst
 *     breaker        errand/breaker.h       stops calling what fails, and probes whether it is well
 *     budget         errand/budget.h        what share of the traffic retries and hedges may be
 *     single-flight  errand/singleflight.h  identical calls at the same time are one call
 *
 * Keys. Each limit has a member for every key (a host, a tenant), with the same options. The NULL
 * key is a member as well: for a single limit use no keys, or ERRAND_NO_KEYS to ignore them. A
 * policy uses the key of its task (errand_task.key). Keys are copied; more than ERRAND_KEY_MAX
 * bytes are EINVAL. Beyond max_keys the least recently used member is evicted, but never one that
 * is held or waited for, an open breaker, or a rate with its next turn still to come; so there may
 * be more members for a while. The stats of a key that was never used, or that has been evicted,
 * are ENOENT.
 *
 * Owners. A limit is made at a pool, uses the pool's clock, and is counted: its free function gives
 * back your handle; holders, waiters, calls and policies keep the limit until they are done.
 * Freeing NULL is harmless.
 *
 * Threads. Every function may be called from any thread. Waiting for a limit holds no worker. What
 * waits when the pool shuts down ends with ECANCELED.
 *
 * Options. 0 is the default that is named; times as in errand/result.h. NULL: all defaults; a
 * semaphore has no default for its permits, and a rate none for per_second, so for them NULL is
 * EINVAL.
 */
#ifndef ERRAND_LIMITS_H
#define ERRAND_LIMITS_H

#include <errand/breaker.h>
#include <errand/budget.h>
#include <errand/rate.h>
#include <errand/sem.h>
#include <errand/singleflight.h>

#endif
