/** errand/breaker.h -- a circuit breaker: stops calling what fails (Nygard, "Release It!", 2007).
 *
 *     CLOSED ---- failures reach ratio in the window ----> OPEN
 *     OPEN   ---- open_ms has passed and a call asks ----> HALF_OPEN
 *     HALF_OPEN - all probes succeed -------------> CLOSED
 *     HALF_OPEN - a probe fails ------------------> OPEN
 *
 * Open, it refuses every call with ERRAND_EOPEN. Half open, it lets `probes` calls through at a
 * time, the probes; one that is not reported within probe_ms is given to another call, and counts
 * all the same when it is reported later. `probes` successes in a row close the breaker; a failure
 * opens it for twice as long as before. What counts is the kind of the end:
 *
 *     failure   NETWORK TIMEOUT HTTP_SERVER PROTOCOL UNKNOWN; a success after more than slow_ms
 *     success   OK HTTP_CLIENT AUTH: the other side is well
 *     neither   CANCELLED REJECTED RATE_LIMITED VALIDATION RESOURCE INTERNAL: nothing was learned,
 *               and a probe is given back
 *
 * A policy asks its breaker by itself. Keys, owners and options: errand/limits.h.
 */
#ifndef ERRAND_BREAKER_H
#define ERRAND_BREAKER_H

#include <errand/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A circuit breaker. */
typedef struct errand_breaker errand_breaker;

/** The states of a breaker. */
typedef enum errand_breaker_state {
    ERRAND_BREAKER_CLOSED,
    ERRAND_BREAKER_OPEN,
    ERRAND_BREAKER_HALF_OPEN
} errand_breaker_state;

/** A change of state. */
typedef struct errand_breaker_change {
    const char *name, *key; /* of the breaker, of its member */
    errand_breaker_state from, to;
    int64_t open_ms; /* to OPEN: for how long; ERRAND_FOREVER: forced */
} errand_breaker_change;

/** Is called with a change of state. */
typedef void errand_breaker_change_fn(const errand_breaker_change *change, void *arg);

/** Options of a breaker. */
typedef struct errand_breaker_opts {
    double ratio;        /* of failures, above 0, at most 1. 0: 0.5 */
    int64_t window_ms;   /* of the calls that count. 0: 30 s */
    unsigned min_calls;  /* fewer in the window never open it. 0: 20 */
    unsigned probes;     /* 1 to 3. 0: 1 */
    int64_t open_ms;     /* the first time, less up to a fifth (jitter). 0: 5 s */
    int64_t max_open_ms; /* the longest, after doubling. 0: 60 s */
    int64_t probe_ms;    /* of a probe. 0: 30 s */
    int64_t slow_ms;     /* a longer call counts as a failure. 0: none does */
    unsigned max_keys;   /* 0: 1024 */
    unsigned reserved;
    uint64_t seed;    /* of the jitter. 0: random */
    const char *name; /* a literal; may be NULL. Changes are written to the pool's log */
    /* called with each change, on a thread of the pool, in order, one at a time; of more than 64
     * that wait the oldest are left out. NULL: none */
    errand_breaker_change_fn *on_change;
    void *on_change_arg; /* lives as long as the pool */
} errand_breaker_opts;

/**
 * Makes a breaker. `opts` may be NULL.
 *
 * Returns it, or NULL with errno
 *   EINVAL           an option is out of range or contradicts another, or the pool is closed
 *   ENOTSUP          `opts` has fields that this library does not know
 *   ENOMEM           no memory
 *   ECANCELED        the pool has shut down
 *   ERRAND_EFORKED   the pool is a parent process's
 */
static inline errand_breaker *errand_breaker_new(errand_pool *pool,
                                                 const errand_breaker_opts *opts);

/** Gives a handle back; calls keep the breaker. NULL is harmless. */
ERRAND_API void errand_breaker_free(errand_breaker *breaker);

/** A call that errand_breaker_allow() has let through. */
typedef struct errand_breaker_call {
    uint64_t priv[4];
} errand_breaker_call;

/**
 * Asks whether a call may be made.
 *
 * After 0, make the call and report its end with errand_breaker_report(), whatever it is. A call
 * that is never reported keeps its member from being evicted.
 *
 * Returns 0, or
 *   ERRAND_EOPEN     the breaker is open: do not call
 *   EINVAL           `breaker` or `call` is NULL, or the key is longer than ERRAND_KEY_MAX
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the breaker is a parent process's
 */
ERRAND_API int errand_breaker_allow(errand_breaker *breaker, const char *key,
                                    errand_breaker_call *call);

/** Reports how a call ended; NULL: it was cancelled. A second report is harmless. */
ERRAND_API void errand_breaker_report(errand_breaker_call *call, const errand_result *how);

/**
 * Holds a breaker OPEN or CLOSED, whatever the calls say, until errand_breaker_reset().
 *
 * Returns 0, or
 *   EINVAL           `state` is HALF_OPEN or unknown, `breaker` is NULL, or the key is longer than
 *                    ERRAND_KEY_MAX
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the breaker is a parent process's
 */
ERRAND_API int errand_breaker_force(errand_breaker *breaker, const char *key,
                                    errand_breaker_state state);

/**
 * Makes a member as new: closed, without calls.
 *
 * Returns 0, or
 *   EINVAL           `breaker` is NULL, or the key is longer than ERRAND_KEY_MAX
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the breaker is a parent process's
 */
ERRAND_API int errand_breaker_reset(errand_breaker *breaker, const char *key);

/** What a breaker counts of one key. */
typedef struct errand_breaker_stats {
    errand_breaker_state state; /* OPEN until a call asks after its time */
    unsigned forced;            /* 1: by errand_breaker_force() */
    unsigned calls, failed;     /* in the window */
    unsigned under_way;         /* calls that are not reported yet */
    unsigned probing;           /* probes that are lent and have not expired */
    unsigned keys;              /* of all members */
    unsigned times_open;        /* ever */
    uint64_t refused;           /* ever: ERRAND_EOPEN */
    int64_t open_ms;            /* until it lets a probe through; ERRAND_FOREVER: forced */
} errand_breaker_stats;

/**
 * Writes the counts of `key` to *out.
 *
 * Returns 0, or
 *   ENOENT           the key was never used, or has been evicted
 *   EINVAL           an argument is NULL, or the key is longer than ERRAND_KEY_MAX
 *   ERRAND_EFORKED   the limit is a parent process's
 */
static inline int errand_breaker_stats_get(errand_breaker *breaker, const char *key,
                                           errand_breaker_stats *out);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_breaker *errand_breaker_new_sized(errand_pool *pool,
                                                    const errand_breaker_opts *opts, size_t size);

static inline errand_breaker *errand_breaker_new(errand_pool *pool, const errand_breaker_opts *opts)
{
    return errand_breaker_new_sized(pool, opts, sizeof *opts);
}

ERRAND_API int errand_breaker_stats_sized(errand_breaker *breaker, const char *key,
                                          errand_breaker_stats *out, size_t size);

static inline int errand_breaker_stats_get(errand_breaker *breaker, const char *key,
                                           errand_breaker_stats *out)
{
    return errand_breaker_stats_sized(breaker, key, out, sizeof *out);
}

#ifdef __cplusplus
}
#endif
#endif
