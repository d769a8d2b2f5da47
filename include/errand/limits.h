/* errand/limits.h -- so many at once, so many a second.
 *
 * Limits are made at a pool, whose clock they go by, and are counted: free gives up your handle, holders and waiters keep
 * the limit alive until they are done. Waiting for one holds no worker.
 */
#ifndef ERRAND_LIMITS_H
#define ERRAND_LIMITS_H

#include <errand/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- semaphore: first come, first served, no permit ever lost ----------------------------------------------------------- */

typedef struct errand_sem errand_sem;
typedef struct errand_permit errand_permit; /* a held permit */

typedef struct errand_sem_opts {
    unsigned    permits; /* at least 1; 0: EINVAL */
    const char *name;    /* a literal; may be NULL */
} errand_sem_opts;

ERRAND_API errand_sem *errand_sem_new_sized(errand_pool *home, const errand_sem_opts *opts, size_t size); /* NULL: errno */
static inline errand_sem *errand_sem_new(errand_pool *home, const errand_sem_opts *opts)
{
    return errand_sem_new_sized(home, opts, sizeof *opts);
}
ERRAND_API void errand_sem_free(errand_sem *sem);

/* n permits at once. The value is an errand_permit; freeing the result gives them back. Nobody overtakes a waiter, also if
 * fewer would do for him. n = 0 or more than the semaphore has: EINVAL. A cancelled waiter leaves the line. */
ERRAND_API errand_future *errand_sem_acquire(errand_sem *sem, unsigned n);

/* The same in the caller's own thread, for at most ms: 0, ETIMEDOUT, ECANCELED, EINVAL, ENOMEM. */
ERRAND_API int errand_sem_wait(errand_sem *sem, unsigned n, int64_t ms, errand_permit **permit);

/* Gives a permit back (also the free function of acquire's value). NULL is harmless. */
ERRAND_API void errand_permit_release(void *permit);

/* The nameless fast pair: try takes n if they are free and nobody waits; give returns what try took (EOVERFLOW: more). */
ERRAND_API bool errand_sem_try(errand_sem *sem, unsigned n);
ERRAND_API int  errand_sem_give(errand_sem *sem, unsigned n);

typedef struct errand_sem_stats {
    unsigned permits, in_use, waiting;
} errand_sem_stats;
ERRAND_API int errand_sem_stats_sized(errand_sem *sem, errand_sem_stats *out, size_t size);
static inline int errand_sem_stats_get(errand_sem *sem, errand_sem_stats *out)
{
    return errand_sem_stats_sized(sem, out, sizeof *out);
}

/* ---- rate: so many a second, with a burst ----------------------------------------------------------------------------------
 * GCRA, the generic cell rate algorithm (ITU-T I.371): of any interval t at most burst + t * rate get a turn. A waiter is woken
 * at its turn or up to half a millisecond later, never before it. */

typedef struct errand_rate errand_rate;

typedef struct errand_rate_opts {
    double      per_second; /* > 0, at most 1e9 */
    unsigned    burst;      /* 0: 1 */
    const char *name;       /* a literal; may be NULL */
} errand_rate_opts;

ERRAND_API errand_rate *errand_rate_new_sized(errand_pool *home, const errand_rate_opts *opts, size_t size); /* NULL: errno */
static inline errand_rate *errand_rate_new(errand_pool *home, const errand_rate_opts *opts)
{
    return errand_rate_new_sized(home, opts, sizeof *opts);
}
ERRAND_API void errand_rate_free(errand_rate *rate);

/* Ends well when it is this caller's turn. The turn is reserved at once, first come, first served, and never negotiated
 * again; a waiter that is cancelled gives it back if nobody has queued behind it. A turn beyond the caller's deadline: ERRAND_ELATE. */
ERRAND_API errand_future *errand_rate_acquire(errand_rate *rate);

/* Nobody's turn comes within ms from now: what a 429 with a hint says to all. */
ERRAND_API void errand_rate_pause(errand_rate *rate, int64_t ms);

#ifdef __cplusplus
}
#endif
#endif
