/** errand/sem.h -- a counting semaphore: limits how many hold a permit at a time.
 *
 * Waiters are served first in, first out, even when a later, smaller request could be satisfied.
 * Keys, owners and options: errand/limits.h.
 *
 * With max_permits it is adaptive: it looks for the number of calls at a time that a server bears.
 * Each key's number of permits moves between min_permits and max_permits as calls end; a policy
 * reports that by itself, other programs with errand_permit_report() or errand_sem_report().
 *
 *     one more   a kind of OK, HTTP_CLIENT or AUTH, if all permits were in use at some moment
 *                between the call's beginning and its end. Until the first decrease every such end
 *                adds a permit; after it, as many ends as there are permits add one, and up to 64
 *                times as many before a number that was too large is tried again
 *     x 0.7      RATE_LIMITED, HTTP 503, NETWORK, TIMEOUT but with ERRAND_BY_TOTAL; successes that
 *                have become slow: the median of the latest 16, after the first decrease 64, is
 *                twice as long as usual, and 10 ms longer
 *     neither    all other ends; calls that began before the last decrease
 */
#ifndef ERRAND_SEM_H
#define ERRAND_SEM_H

#include <errand/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A counting semaphore. */
typedef struct errand_sem errand_sem;
/**
 * Permits that are held: how many, by what, since when. Give them back with
 * errand_permit_release().
 */
typedef struct errand_permit errand_permit;

/** Options of a semaphore. */
typedef struct errand_sem_opts {
    unsigned permits;     /* at least 1; adaptive: those that a key begins with */
    unsigned max_waiters; /* more are refused with ERRAND_EFULL. 0: no bound */
    unsigned max_keys;    /* 0: 1024 */
    unsigned reserved;
    const char *name; /* a literal; may be NULL */
    /* how few and how many permits a key may have: not above, and not below `permits`. max_permits
     * 0: it is not adaptive, and min_permits is 0; else min_permits 0: 1 */
    unsigned min_permits, max_permits;
} errand_sem_opts;

/**
 * Makes a semaphore.
 *
 * Returns it, or NULL with errno
 *   EINVAL           an option is out of range or contradicts another, or the pool is closed
 *   ENOTSUP          `opts` has fields that this library does not know
 *   ENOMEM           no memory
 *   ECANCELED        the pool has shut down
 *   ERRAND_EFORKED   the pool is a parent process's
 */
static inline errand_sem *errand_sem_new(errand_pool *pool, const errand_sem_opts *opts);

/** Gives a handle back; holders and waiters keep the semaphore. NULL is harmless. */
ERRAND_API void errand_sem_free(errand_sem *sem);

/**
 * Waits for `n` permits of `key` (NULL: the NULL key).
 *
 * The value is an errand_permit; freeing the result gives it back. A cancelled waiter leaves the
 * line. A waiter that is granted at the moment it is cancelled keeps its permits, and they are
 * given back when its result is freed.
 *
 * Returns a future, never NULL, which fails with
 *   EINVAL           `n` is 0 or above the semaphore's size (adaptive: above min_permits), `sem`
 *                    is NULL, or the key is longer than ERRAND_KEY_MAX
 *   ECANCELED        it was cancelled, or the pool was closed
 *   ENOMEM           no memory
 *   ERRAND_EFULL     max_waiters are already waiting
 *   ERRAND_EFORKED   the semaphore is a parent process's
 */
ERRAND_API errand_future *errand_sem_acquire(errand_sem *sem, const char *key, unsigned n);

/**
 * Waits up to `ms` milliseconds for `n` permits of `key` (NULL: the NULL key), in the calling
 * thread.
 *
 * On success *permit holds them; release them with errand_permit_release(). On a worker the pool
 * starts a spare thread meanwhile.
 *
 * Returns 0, or
 *   ETIMEDOUT        not granted within `ms`, or by the deadline of the calling task or frame
 *   ECANCELED        the calling task was cancelled, or the pool was closed
 *   EDEADLK          with ERRAND_FOREVER: the wait is part of a circle of waits
 *   EINVAL           `n` is 0 or above the semaphore's size (adaptive: above min_permits), `ms`
 *                    is negative, a pointer is NULL, or the key is too long
 *   ENOMEM           no memory
 *   ERRAND_EFULL     max_waiters are already waiting
 *   ERRAND_EFORKED   the semaphore is a parent process's
 * See also errand_sem_acquire().
 */
ERRAND_API int errand_sem_wait(errand_sem *sem, const char *key, unsigned n, int64_t ms,
                               errand_permit **permit);

/** Gives permits back; also the free function of errand_sem_acquire()'s value. NULL is harmless. */
ERRAND_API void errand_permit_release(void *permit);

/**
 * Reports how the call that `permit` was for has ended; NULL: it was cancelled.
 *
 * Call it before errand_permit_release(). The call began when the permit was granted. A second
 * report of a permit is ignored, and so is one to a semaphore that is not adaptive. NULL for
 * `permit` is harmless.
 */
ERRAND_API void errand_permit_report(errand_permit *permit, const errand_result *how);

/**
 * Takes `n` permits of the NULL key, if they are free and no waiter is in line; returns whether it
 * did. It never waits.
 *
 * This and errand_sem_release() are the fast pair: one atomic operation each. They do not record
 * the holders.
 */
ERRAND_API bool errand_sem_try_acquire(errand_sem *sem, unsigned n);

/**
 * Gives back `n` permits that errand_sem_try_acquire() took.
 *
 * Returns 0, or
 *   EOVERFLOW        more than errand_sem_try_acquire() took
 *   EINVAL           `sem` is NULL, or `n` is 0
 *   ERRAND_EFORKED   the semaphore is a parent process's
 */
ERRAND_API int errand_sem_release(errand_sem *sem, unsigned n);

/**
 * Reports how a call of `key` has ended (NULL: it was cancelled) that began `took_ns` nanoseconds
 * ago: for calls with permits of errand_sem_try_acquire().
 *
 * Call it before errand_sem_release(). A semaphore that is not adaptive ignores it.
 *
 * Returns 0, or
 *   ENOENT           the key was never used, or has been evicted
 *   EINVAL           `sem` is NULL, `took_ns` is negative, or the key is longer than ERRAND_KEY_MAX
 *   ERRAND_EFORKED   the semaphore is a parent process's
 */
ERRAND_API int errand_sem_report(errand_sem *sem, const char *key, const errand_result *how,
                                 int64_t took_ns);

/**
 * Changes the number of permits, for every key.
 *
 * More: the line moves up at once. Fewer: none are taken away, but none are granted until enough
 * have been given back; a waiter for more than there are now ends with EINVAL.
 *
 * Returns 0, or
 *   EINVAL           `sem` is NULL or adaptive, or `permits` is 0 or above INT_MAX
 *   ERRAND_EFORKED   the semaphore is a parent process's
 */
ERRAND_API int errand_sem_resize(errand_sem *sem, unsigned permits);

/** What a semaphore counts of one key. */
typedef struct errand_sem_stats {
    /* now */
    unsigned permits, in_use, waiting;
    unsigned keys;           /* now, of all members; NULL is not counted */
    uint64_t granted;        /* ever, without errand_sem_try_acquire() */
    uint64_t withdrawn;      /* ever: waiters that were cancelled or ran out of time */
    uint64_t refused;        /* ever: because of max_waiters */
    int64_t longest_wait_ns; /* ever, present waiters included */
    /* ever: how often its number of permits has grown, always by one, and shrunk */
    uint64_t increases, decreases;
} errand_sem_stats;

/**
 * Writes the counts of `key` to *out.
 *
 * Returns 0, or
 *   ENOENT           the key was never used, or has been evicted
 *   EINVAL           an argument is NULL, or the key is longer than ERRAND_KEY_MAX
 *   ERRAND_EFORKED   the limit is a parent process's
 */
static inline int errand_sem_stats_get(errand_sem *sem, const char *key, errand_sem_stats *out);

/** A holder of permits. */
typedef struct errand_sem_holder {
    const char *name; /* of the task or policy; NULL: none */
    const void *site; /* the code that asked; NULL: unknown */
    unsigned n, reserved;
    int64_t held_ms;
} errand_sem_holder;

/**
 * Writes the holders of `key`'s permits to at[0] ... at[max - 1], longest first.
 *
 * Returns how many holders there are in all; those of errand_sem_try_acquire() are not known.
 */
static inline size_t errand_sem_holders(errand_sem *sem, const char *key, errand_sem_holder *at,
                                        size_t max);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_sem *errand_sem_new_sized(errand_pool *pool, const errand_sem_opts *opts,
                                            size_t size);

static inline errand_sem *errand_sem_new(errand_pool *pool, const errand_sem_opts *opts)
{
    return errand_sem_new_sized(pool, opts, sizeof *opts);
}

ERRAND_API int errand_sem_stats_sized(errand_sem *sem, const char *key, errand_sem_stats *out,
                                      size_t size);

static inline int errand_sem_stats_get(errand_sem *sem, const char *key, errand_sem_stats *out)
{
    return errand_sem_stats_sized(sem, key, out, sizeof *out);
}

ERRAND_API size_t errand_sem_holders_sized(errand_sem *sem, const char *key, errand_sem_holder *at,
                                           size_t max, size_t size);

static inline size_t errand_sem_holders(errand_sem *sem, const char *key, errand_sem_holder *at,
                                        size_t max)
{
    return errand_sem_holders_sized(sem, key, at, max, sizeof *at);
}

#ifdef __cplusplus
}
#endif
#endif
