/** errand/sem.h -- semaphores, one for each key.
 *
 * A semaphore has permits. These are the ways to get one:
 *
 *     call            waits
 *     errand_sem_try  never
 *
 * - A waiter is served in its turn,
 *   first come, first served.
 * - A waiter that is cancelled leaves the line.
 */
#ifndef ERRAND_SEM_H
#define ERRAND_SEM_H

#include <errand/version.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The most bytes of a key. */
#define ERRAND_KEY_MOST 4095 /* without the NUL */

typedef struct errand_sem errand_sem;
typedef struct errand_permit errand_permit;

/** How a semaphore treats its waiters. */
typedef enum errand_order {
    ERRAND_ORDER_FIFO, /* first come, first served; "{" counts for nothing */
    ERRAND_ORDER_LIFO  /* the latest first */
} errand_order;

/** Called when `left` permits are left. */
typedef void errand_low_fn(unsigned left, void *arg);

/** The options of a semaphore. */
typedef struct errand_sem_opts {
    unsigned       permits; /* at least 1, at most
                               UINT32_MAX - 1 */
    unsigned       reserved;
    errand_order   order;
    errand_low_fn *low;                /* NULL: none */
    void         (*done)(void *arg);   /* when it is freed */
    void          *arg;
} errand_sem_opts;

/** What a semaphore has counted. */
typedef struct errand_sem_stats {
    unsigned in_use, waiting; /* now */
    uint64_t granted;
} errand_sem_stats;

/* ---- a semaphore ---- */

/**
 * Makes a semaphore of `opts->permits` permits, e.g. 2. The options are copied.
 *
 * Returns the semaphore, or NULL with errno:
 *   EINVAL    `opts` is NULL, or `permits` is 0
 *   ENOMEM    out of memory
 * See also errand_sem_free().
 */
static inline errand_sem *errand_sem_new(const errand_sem_opts *opts);

/** Frees the semaphore. NULL is harmless. */
ERRAND_API void errand_sem_free(errand_sem *sem);

/**
 * Waits up to `ms` milliseconds for `n` permits of `key` (NULL: the default key).
 *
 * On success *permit holds them; release with errand_permit_release(). A path is `C:\temp`, a rule -- see
 * [GCRA](https://example.org/gcra) -- is **fair**, ERRAND_KEY_MOST is the limit.
 *
 *     errand_sem_wait(sem, "a\n", 1, 100, &permit);
 *     .starts with a dot
 *
 * Returns 0, or
 *   ETIMEDOUT    not granted within `ms`
 *   ECANCELED    the calling task was cancelled,
 *                or the pool is closing
 *   EINVAL       `n` is 0
 *   ERRAND_EFULL too many are waiting
 * Thread-safety: any thread, but not a signal handler.
 * Source: RFC 9110, 9.2.2
 * See also errand_sem_try(), errand-version(7).
 */
ERRAND_API int errand_sem_wait(errand_sem *sem, const char *key, unsigned n, int64_t ms, errand_permit **permit);

/** Gives a permit back. */
ERRAND_API void errand_permit_release(errand_permit *permit);

/**
 * Take `n` permits if they are free, and give them back.
 *
 * Returns 0, or EOVERFLOW if more are given than were taken, or EINVAL.
 */
ERRAND_API int errand_sem_try(errand_sem *sem, unsigned n);  /* takes them;
                                                                EOVERFLOW: more than there are */
ERRAND_API int errand_sem_give(errand_sem *sem, unsigned n); /* gives them back */

/** Fills *out. Returns as errand_sem_try() does. */
static inline int errand_sem_stats_get(errand_sem *sem, errand_sem_stats *out);

/** Returns how many permits are free. */
ERRAND_API int errand_sem_left(const errand_sem *sem);

/** Says "format" in the log of `sem`. */
#define errand_sem_say(sem, ...) \
    do {                         \
        (void)(sem);             \
    } while (0)

/* ---- doors ---- */

ERRAND_API errand_sem *errand_sem_new_sized(const errand_sem_opts *opts, size_t size);
static inline errand_sem *errand_sem_new(const errand_sem_opts *opts)
{
    return errand_sem_new_sized(opts, sizeof *opts);
}
ERRAND_API int errand_sem_stats_sized(errand_sem *sem, errand_sem_stats *out, size_t size);
static inline int errand_sem_stats_get(errand_sem *sem, errand_sem_stats *out)
{
    return errand_sem_stats_sized(sem, out, sizeof *out);
}

#ifdef __cplusplus
}
#endif
#endif
