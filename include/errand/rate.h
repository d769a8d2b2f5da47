/** errand/rate.h -- a rate limiter: a number of turns a second, with a burst.
 *
 * The limiter is GCRA, the generic cell rate algorithm (ITU-T I.371): in any interval t at most
 * burst + t * per_second get a turn. Turns are reserved first come, first served. A waiter is woken
 * at its turn or up to half a millisecond later, never before it. Keys, owners and options:
 * errand/limits.h.
 *
 * A rate without a pace (ERRAND_NO_PACE) gives each caller its turn at once, unless its key is
 * paused. In a policy it holds back all runs to a host that has answered 429, and no others:
 *
 *     errand_rate_opts no_pace = { .per_second = ERRAND_NO_PACE };
 *     errand_rate *hosts = errand_rate_new(pool, &no_pace);
 *     errand_policy_opts how = { .attempts = 5, .rate = hosts };
 *     errand_policy *policy = errand_policy_new(&how, NULL);
 *     errand_http *http = errand_http_new(pool, &(errand_http_opts){ .policy = policy });
 */
#ifndef ERRAND_RATE_H
#define ERRAND_RATE_H

#include <errand/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A rate limiter. */
typedef struct errand_rate errand_rate;

/** per_second of a rate that only pauses: turns come at once where no pause holds them back. */
#define ERRAND_NO_PACE (-1e300)

/** per_second of a rate that has no pace until replies say how much is left: requests of
 * errand_http whose policy has such a rate report it by themselves, errand_rate_quota() does for
 * others. */
#define ERRAND_AUTO_PACE (-2e300)

/** Options of a rate limiter. */
typedef struct errand_rate_opts {
    double per_second; /* above 0, at most 1e9; or ERRAND_NO_PACE, ERRAND_AUTO_PACE */
    unsigned burst;    /* 0: 1. No matter without a pace */
    unsigned max_keys; /* 0: 1024 */
    const char *name;  /* a literal; may be NULL */
} errand_rate_opts;

/**
 * Makes a rate limiter.
 *
 * Returns it, or NULL with errno
 *   EINVAL           an option is out of range or contradicts another, or the pool is closed
 *   ENOTSUP          `opts` has fields that this library does not know
 *   ENOMEM           no memory
 *   ECANCELED        the pool has shut down
 *   ERRAND_EFORKED   the pool is a parent process's
 */
static inline errand_rate *errand_rate_new(errand_pool *pool, const errand_rate_opts *opts);

/** Gives a handle back; waiters keep the limiter. NULL is harmless. */
ERRAND_API void errand_rate_free(errand_rate *rate);

/**
 * Ends well at the turn of the caller.
 *
 * The turn is reserved at once; errand_rate_pause() and errand_rate_resize() move it. A waiter
 * that is cancelled before its turn gives it back, and the next one to come gets it.
 *
 * Returns a future, never NULL, which fails with
 *   ERRAND_ELATE     the turn comes after the caller's deadline
 *   ECANCELED        it was cancelled, or the pool was closed
 *   EINVAL           `rate` is NULL, the pool is closed, or the key is longer than ERRAND_KEY_MAX
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the limiter is a parent process's
 */
ERRAND_API errand_future *errand_rate_acquire(errand_rate *rate, const char *key);

/**
 * Ends well at the turn of a caller that takes `n` turns at once, such as the tokens that a request
 * may use up.
 *
 * The turn comes as soon as the burst has room for all `n`. An `n` above the burst comes when the
 * burst is whole, and those that come later wait until it is made up for: in any interval t, at
 * most max(burst, largest n) + t * per_second turns are given. Waiters get their turns first come,
 * first served, also when a smaller `n` behind them would have room. A waiter that is cancelled
 * gives back all `n`, and a later caller for as many or fewer gets them.
 *
 * Returns a future, never NULL, which fails as that of errand_rate_acquire() does, and with
 *   EINVAL           `n` is 0
 * See also errand_rate_settle().
 */
ERRAND_API errand_future *errand_rate_acquire_n(errand_rate *rate, const char *key, uint64_t n);

/**
 * Corrects a turn of `reserved` that has come: it used `used`.
 *
 *     errand_result r = errand_await(errand_rate_acquire_n(tokens, NULL, estimate));
 *     ...
 *     errand_rate_settle(tokens, NULL, estimate, used);
 *
 * If it used less, the rest is free at once, though the burst never becomes more than whole: all
 * turns to come move earlier, and waiters whose turn has come by that are woken. If it used more,
 * they move later, as by a pause, maybe beyond the deadline of their caller. In any interval t, the
 * turns given less those that were given back within it are at most
 * max(burst, largest n) + t * per_second; what was used beyond a reservation counts from this call
 * on. A rate without a pace has nothing to settle.
 *
 * Returns 0, or
 *   EINVAL           `rate` is NULL, the pool is closed, or the key is longer than ERRAND_KEY_MAX
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the limiter is a parent process's
 */
ERRAND_API int errand_rate_settle(errand_rate *rate, const char *key, uint64_t reserved,
                                  uint64_t used);

/**
 * Waits for the turn of the calling thread. With `ms` 0 it says whether the turn is now.
 *
 * Returns 0 at the turn, or
 *   ERRAND_ELATE     the turn is more than `ms` milliseconds away, or after the caller's deadline;
 *                    it is not taken
 *   ETIMEDOUT        the deadline of the calling task or frame has passed, because of a pause
 *                    or a resize
 *   ECANCELED        the calling task was cancelled, or the pool was closed
 *   EINVAL           `rate` is NULL, `ms` is negative, or the key is longer than ERRAND_KEY_MAX
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the limiter is a parent process's
 */
ERRAND_API int errand_rate_wait(errand_rate *rate, const char *key, int64_t ms);

/**
 * Gives no turn of `key` for `ms` milliseconds: what a 429 with a hint asks of all callers.
 *
 * Turns that are reserved already move as well. A shorter pause within a longer one changes
 * nothing.
 *
 * Returns 0, or
 *   EINVAL           `rate` is NULL, `ms` is negative, or the key is longer than ERRAND_KEY_MAX
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the limiter is a parent process's
 */
ERRAND_API int errand_rate_pause(errand_rate *rate, const char *key, int64_t ms);

/** What the other side still gives: `remaining` turns until `reset_ms` milliseconds from now. */
typedef struct errand_quota {
    int64_t limit;     /* turns in a whole window of time; -1: not known */
    int64_t remaining; /* turns that are left of it */
    int64_t reset_ms;  /* until the window ends */
    int64_t window_ms; /* how long it is; -1: not known */
} errand_quota;

/**
 * Slows the turns of `key` down before the other side refuses them, by what a reply said of its
 * quota.
 *
 * Half of the quota is free: remaining - limit / 2 turns come at once, the rest evenly until the
 * reset; with 0 remaining none comes until then, or for five minutes. Turns given since the window
 * began are counted here as well, so within a window a reply only ever lowers what is left:
 * requests that are under way are not forgotten. A reset more than two seconds later than the known
 * one, or after it, is a new window. Where limit or window_ms is not known the largest remaining
 * and reset_ms seen count. When the reset passes, the same quota is assumed once more, evenly
 * spread, until a reply says more; after another such time without one there is no pace, as in the
 * beginning. No wait lasts longer than until the reset, which is a day away at most, and no two
 * turns are more than five minutes apart for a quota alone. At a rate with a pace of its own the
 * whole quota is spread evenly, and the slower of the two holds.
 *
 * Returns 0, or
 *   EINVAL           `rate` or `quota` is NULL, remaining or reset_ms is negative, the pool is
 *                    closed, or the key is longer than ERRAND_KEY_MAX
 *   ENOMEM           no memory
 *   ENOTSUP          `quota` has fields that this library does not know
 *   ERRAND_EFORKED   the limiter is a parent process's
 * See also errand_response_quota().
 */
static inline int errand_rate_quota(errand_rate *rate, const char *key, const errand_quota *quota);

/**
 * Changes the rate and the burst (0: 1), for every key.
 *
 * The bucket of each key keeps what is in it, counted in turns: turns given out before still count,
 * and the new rate drains them. Waiters keep their order and the number of turns before them, so
 * their turns move. A larger rate or burst brings them earlier, and waiters that have their
 * turn by then are woken at once; a smaller one puts them off, maybe beyond the deadline of their
 * caller. From the call on, in any interval t at most burst + t * per_second get a turn. A pause
 * keeps its end. The call takes time in proportion to the number of waiters.
 *
 * Returns 0, or
 *   EINVAL           `rate` is NULL or has no pace, or `per_second` is not above 0 or is above 1e9
 *   ERRAND_EFORKED   the limiter is a parent process's
 * See also errand_sem_resize().
 */
ERRAND_API int errand_rate_resize(errand_rate *rate, double per_second, unsigned burst);

/** What a rate limiter counts of one key. */
typedef struct errand_rate_stats {
    unsigned waiting;   /* now */
    unsigned keys;      /* now, of all members */
    uint64_t granted;   /* ever: turns that came, n of a caller for n */
    uint64_t withdrawn; /* ever: turns given back by waiters that left */
    uint64_t refused;   /* ever: ERRAND_ELATE */
    int64_t next_ms;    /* until the turn of a caller that came now; 0: at once */
    int64_t paused_ms;  /* what is left of a pause */
    uint64_t pauses;    /* ever: pauses begun; one that prolongs another is not counted */
    int64_t quota_left; /* turns until quota_reset_ms; -1: no quota is known */
    int64_t quota_reset_ms;
} errand_rate_stats;

/**
 * Writes the counts of `key` to *out.
 *
 * Returns 0, or
 *   ENOENT           the key was never used, or has been evicted
 *   EINVAL           an argument is NULL, or the key is longer than ERRAND_KEY_MAX
 *   ERRAND_EFORKED   the limit is a parent process's
 */
static inline int errand_rate_stats_get(errand_rate *rate, const char *key, errand_rate_stats *out);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_rate *errand_rate_new_sized(errand_pool *pool, const errand_rate_opts *opts,
                                              size_t size);

static inline errand_rate *errand_rate_new(errand_pool *pool, const errand_rate_opts *opts)
{
    return errand_rate_new_sized(pool, opts, sizeof *opts);
}

ERRAND_API int errand_rate_quota_sized(errand_rate *rate, const char *key,
                                       const errand_quota *quota, size_t size);

static inline int errand_rate_quota(errand_rate *rate, const char *key, const errand_quota *quota)
{
    return errand_rate_quota_sized(rate, key, quota, sizeof *quota);
}

ERRAND_API int errand_rate_stats_sized(errand_rate *rate, const char *key, errand_rate_stats *out,
                                       size_t size);

static inline int errand_rate_stats_get(errand_rate *rate, const char *key, errand_rate_stats *out)
{
    return errand_rate_stats_sized(rate, key, out, sizeof *out);
}

#ifdef __cplusplus
}
#endif
#endif
