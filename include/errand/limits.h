/* errand/limits.h -- so many at once, so many a second, not while it is down, not more than its share, only once.
 *
 *     sem       so many at once; who comes first is served first, and no permit is ever lost
 *     rate      so many a second, with a burst
 *     breaker   stops calling what fails; looks with a probe now and then whether it is well again
 *     budget    what share of the traffic retries and hedges may be
 *     flight    identical calls that are under way at once are one call
 *
 * Families. Each limit is a family: every key (a host, a tenant) has a member of its own, with the same options. The NULL key is a
 * member as well: who needs only one limit uses no keys. A policy uses the key of its task (errand_task.key). Keys are copied;
 * more than ERRAND_KEY_MAX bytes: EINVAL. Beyond max_keys the least recently used are forgotten, but never one that something
 * holds or waits for, an open breaker, or a rate whose next turn is still to come; so a family may be larger for a while. Of what
 * is forgotten, or was never used, _stats knows nothing (ENOENT).
 *
 * Owners. A limit is made at a pool, whose clock it goes by, and is counted: free gives up your handle; holders, waiters, calls
 * and policies keep the limit until they are done. free(NULL) is harmless. _new returns NULL with errno: EINVAL (an option
 * that is no number, negative, or contradicts another), ENOMEM, ENOTSUP, ERRAND_EFORKED, ECANCELED (the pool has shut down).
 *
 * Threads. Everything here may be called from any thread. Waiting for a limit holds no worker; what waits when the pool shuts
 * down ends ECANCELED. In a child process all end ERRAND_EFORKED.
 *
 * Options. 0 is the default that is named; times as in result.h. NULL: all defaults; semaphores and rates have none for their
 *          size, so for them that is EINVAL.
 */
#ifndef ERRAND_LIMITS_H
#define ERRAND_LIMITS_H

#include <errand/future.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ERRAND_KEY_MAX 4095
#define ERRAND_NO_KEYS  UINT32_MAX /* as max_keys: one limit for all, whatever the key */

/* ---- semaphore ------------------------------------------------------------------------------------------------------------ */

typedef struct errand_sem errand_sem;
typedef struct errand_permit errand_permit; /* what is held: so many, by whom, since when */

typedef struct errand_sem_opts {
    unsigned    permits;     /* at least 1; 0: EINVAL                                     */
    unsigned    max_waiters; /* more are refused: ERRAND_EFULL. 0: no bound               */
    unsigned    max_keys;    /* 0: 1024                                                   */
    unsigned    reserved;
    const char *name;        /* a literal; may be NULL                                    */
} errand_sem_opts;

ERRAND_API errand_sem *errand_sem_new_sized(errand_pool *pool, const errand_sem_opts *opts, size_t size);
static inline errand_sem *errand_sem_new(errand_pool *pool, const errand_sem_opts *opts)
{
    return errand_sem_new_sized(pool, opts, sizeof *opts);
}
ERRAND_API void errand_sem_free(errand_sem *sem);

/* n permits at once. The value is an errand_permit; freeing the result gives them back. Nobody overtakes a waiter, also if
 * fewer would do for him. n = 0 or more than the semaphore has: EINVAL. A cancelled waiter leaves the line; one that is granted
 * in the same moment keeps the permit, and if nobody takes it, it is given back. */
ERRAND_API errand_future *errand_sem_acquire(errand_sem *sem, const char *key, unsigned n);

/* The same in the caller's own thread, for at most ms: 0, ETIMEDOUT, ECANCELED, EINVAL, ENOMEM, ERRAND_EFULL. */
ERRAND_API int errand_sem_wait(errand_sem *sem, const char *key, unsigned n, int64_t ms, errand_permit **permit);

/* Gives a permit back (also the free function of acquire's value). NULL is harmless. */
ERRAND_API void errand_permit_release(void *permit);

/* The nameless fast pair, of the NULL key: try takes n if they are free and nobody waits; give returns what try took
 * (EOVERFLOW: more than that). */
ERRAND_API bool errand_sem_try_acquire(errand_sem *sem, unsigned n);
ERRAND_API int  errand_sem_release(errand_sem *sem, unsigned n);

/* So many from now on, for every key. More: the line moves up at once. Fewer: nothing is taken away, but none is granted until
 * enough have been given back; a waiter that wants more than there are now ends EINVAL. 0: EINVAL. */
ERRAND_API int errand_sem_resize(errand_sem *sem, unsigned permits);

typedef struct errand_sem_stats {
    unsigned permits, in_use, waiting, keys; /* now; keys: of the whole family, NULL not counted          */
    uint64_t granted;                        /* ever, but for those of try                                */
    uint64_t withdrawn;                           /* ever: waiters that were cancelled, or ran out of time     */
    uint64_t refused;                        /* ever: because of max_waiters                              */
    int64_t  longest_wait_ns;                /* ever, those that wait now included                        */
} errand_sem_stats;
ERRAND_API int errand_sem_stats_sized(errand_sem *sem, const char *key, errand_sem_stats *out, size_t size);
static inline int errand_sem_stats_get(errand_sem *sem, const char *key, errand_sem_stats *out)
{
    return errand_sem_stats_sized(sem, key, out, sizeof *out);
}

/* Who holds permits, longest first: the first `most` into at[]. Returns how many hold some in all; those of try are not among them. */
typedef struct errand_sem_holder {
    const char *name;    /* of the task or policy; NULL: none                       */
    const void *site;    /* the code that asked for it; NULL: unknown            */
    unsigned    n, reserved;
    int64_t     held_ms;
} errand_sem_holder;
ERRAND_API size_t errand_sem_holders_sized(errand_sem *sem, const char *key, errand_sem_holder *at, size_t most, size_t size);
static inline size_t errand_sem_holders(errand_sem *sem, const char *key, errand_sem_holder *at, size_t most)
{
    return errand_sem_holders_sized(sem, key, at, most, sizeof *at);
}

/* ---- rate -----------------------------------------------------------------------------------------------------------------
 * GCRA, the generic cell rate algorithm (ITU-T I.371): of any interval t at most burst + t * rate get a turn. A waiter is woken
 * at its turn or up to half a millisecond later, never before it. */

typedef struct errand_rate errand_rate;

typedef struct errand_rate_opts {
    double      per_second; /* > 0, at most 1e9 */
    unsigned    burst;      /* 0: 1             */
    unsigned    max_keys;   /* 0: 1024          */
    const char *name;       /* a literal; may be NULL */
} errand_rate_opts;

ERRAND_API errand_rate *errand_rate_new_sized(errand_pool *pool, const errand_rate_opts *opts, size_t size);
static inline errand_rate *errand_rate_new(errand_pool *pool, const errand_rate_opts *opts)
{
    return errand_rate_new_sized(pool, opts, sizeof *opts);
}
ERRAND_API void errand_rate_free(errand_rate *rate);

/* Ends well when it is this caller's turn. The turn is reserved at once, first come, first served, and never negotiated
 * again; who is cancelled before it gives it back, and the next to come gets it. Beyond the caller's deadline: ERRAND_ELATE. */
ERRAND_API errand_future *errand_rate_acquire(errand_rate *rate, const char *key);

/* The same in the caller's own thread: 0 when it is its turn. A turn that is more than ms away: ERRAND_ELATE, at once and
 * without taking it (ms 0: is it my turn now?). ECANCELED, ETIMEDOUT (the caller's deadline, after a pause), EINVAL, ENOMEM. */
ERRAND_API int errand_rate_wait(errand_rate *rate, const char *key, int64_t ms);

/* Nobody's turn at this key comes within ms from now: what a 429 with a hint says to all. Turns that are given out already move as
 * well. A shorter pause inside a longer one changes nothing. */
ERRAND_API int errand_rate_pause(errand_rate *rate, const char *key, int64_t ms);

typedef struct errand_rate_stats {
    unsigned waiting, keys;   /* now; keys: of the whole family                         */
    uint64_t granted;         /* ever: turns that came                                  */
    uint64_t withdrawn;            /* ever: turns given back                                 */
    uint64_t refused;         /* ever: ERRAND_ELATE                                     */
    int64_t  next_ms;         /* until whoever came now would have a turn; 0: at once   */
    int64_t  paused_ms;       /* what is left of a pause                                */
} errand_rate_stats;
ERRAND_API int errand_rate_stats_sized(errand_rate *rate, const char *key, errand_rate_stats *out, size_t size);
static inline int errand_rate_stats_get(errand_rate *rate, const char *key, errand_rate_stats *out)
{
    return errand_rate_stats_sized(rate, key, out, sizeof *out);
}

/* ---- breaker --------------------------------------------------------------------------------------------------------------
 * (Nygard, "Release It!", 2007.)
 *
 *     CLOSED --ratio of failures in the window--> OPEN --its time is over, somebody asks--> HALF_OPEN --probes went well--> CLOSED
 *                                                   ^------------------- a probe failed ------------------'
 *
 * Open it refuses every call (ERRAND_EOPEN). Half open it lends `probes` calls at a time as leases; one that is not told about
 * within lease_ms is lent anew, and counts all the same when its end is told later. So many probes that went well, one after the other, close it; one that failed opens it for twice
 * as long as before. What counts is the kind of the end:
 *     failure   NETWORK TIMEOUT HTTP_SERVER PROTOCOL UNKNOWN, and a success that took longer than slow_ms
 *     success   OK HTTP_CLIENT AUTH: the other side is well
 *     neither   CANCELLED REJECTED RATE_LIMITED VALIDATION RESOURCE INTERNAL: nothing was learned; the lease is given back */

typedef struct errand_breaker errand_breaker;
typedef enum errand_breaker_state {
    ERRAND_BREAKER_CLOSED,
    ERRAND_BREAKER_OPEN,
    ERRAND_BREAKER_HALF_OPEN
} errand_breaker_state;

typedef struct errand_breaker_change {
    const char          *name, *key; /* of the breaker, of its member */
    errand_breaker_state from, to;
    int64_t              open_ms;    /* to OPEN: for so long; ERRAND_FOREVER: forced */
} errand_breaker_change;
typedef void errand_breaker_change_fn(const errand_breaker_change *change, void *arg);

typedef struct errand_breaker_opts {
    double             ratio;        /* of failures, above 0 to 1. 0: 0.5                                               */
    int64_t            window_ms;    /* of the calls that count. 0: 30 s                                                */
    unsigned           min_calls;    /* fewer in the window never open it. 0: 20                                        */
    unsigned           probes;       /* 1 to 3. 0: 1                                                                    */
    int64_t            open_ms;      /* the first time, less a fifth at most (jitter). 0: 5 s                           */
    int64_t            max_open_ms; /* the longest, after doubling. 0: 60 s                                            */
    int64_t            lease_ms;     /* of a probe. 0: 30 s                                                             */
    int64_t            slow_ms;      /* a call that took longer counts as a failure. 0: none does                       */
    unsigned           max_keys;     /* 0: 1024                                                                         */
    unsigned           reserved;
    uint64_t           seed;         /* of the jitter. 0: a random one                                                  */
    const char        *name;         /* a literal; may be NULL. Changes are told to the pool's log                      */
    errand_breaker_change_fn *on_change;        /* called on a thread of the pool for each change, in order, one at a time. NULL: none.
                                        Of more than 64 that wait for it the oldest are left out                        */
    void              *on_change_arg;    /* must last as long as the pool                                                   */
} errand_breaker_opts;

ERRAND_API errand_breaker *errand_breaker_new_sized(errand_pool *pool, const errand_breaker_opts *opts, size_t size);
static inline errand_breaker *errand_breaker_new(errand_pool *pool, const errand_breaker_opts *opts)
{
    return errand_breaker_new_sized(pool, opts, sizeof *opts);
}
ERRAND_API void errand_breaker_free(errand_breaker *breaker);

/* Around a call of your own (a policy does it by itself): ask first; 0: make the call, then tell how it ended, whatever became
 * of it. ERRAND_EOPEN: don't. A call that nobody tells about keeps its member for ever. */
typedef struct errand_breaker_call {
    uint64_t priv[4];
} errand_breaker_call;
ERRAND_API int  errand_breaker_allow(errand_breaker *breaker, const char *key, errand_breaker_call *call);
ERRAND_API void errand_breaker_report(errand_breaker_call *call, const errand_result *how); /* NULL: cancelled. Telling twice is harmless */

/* OPEN or CLOSED, whatever the calls say, until reset, which makes it as new. HALF_OPEN: EINVAL. */
ERRAND_API int errand_breaker_force(errand_breaker *breaker, const char *key, errand_breaker_state state);
ERRAND_API int errand_breaker_reset(errand_breaker *breaker, const char *key);

typedef struct errand_breaker_stats {
    errand_breaker_state state;         /* OPEN until somebody asks after its time           */
    unsigned             forced;        /* 1: by errand_breaker_force                        */
    unsigned             calls, failed; /* in the window                                     */
    unsigned             under_way;     /* calls not told about yet                          */
    unsigned             probing;       /* leases of probes that have not expired            */
    unsigned             keys;          /* of the whole family                               */
    unsigned             times_open;    /* ever                                              */
    uint64_t             refused;       /* ever: ERRAND_EOPEN                                */
    int64_t              open_ms;       /* until it lends a probe; ERRAND_FOREVER: forced    */
} errand_breaker_stats;
ERRAND_API int errand_breaker_stats_sized(errand_breaker *breaker, const char *key, errand_breaker_stats *out, size_t size);
static inline int errand_breaker_stats_get(errand_breaker *breaker, const char *key, errand_breaker_stats *out)
{
    return errand_breaker_stats_sized(breaker, key, out, sizeof *out);
}

/* ---- budget ---------------------------------------------------------------------------------------------------------------
 * A bucket of tokens, as in the AWS SDKs' retry quota: a retry takes some when it enters its sleep, a success puts one back. When
 * there are too few, the run ends with its last error (ERRAND_EBUDGET behind it); first attempts are never refused. So when
 * everything fails retries stop adding to the load. Given to policies; all that share one share its tokens. */

typedef struct errand_budget errand_budget;

typedef struct errand_budget_opts {
    unsigned    tokens;         /* at most, and at first. 0: 500                                                        */
    unsigned    cost;           /* of a retry after a transient failure. 0: 14                                          */
    unsigned    cost_throttled; /* of one after RATE_LIMITED. 0: 5                                                      */
    unsigned    refund;         /* of a success. 0: 1                                                                   */
    double      hedge_share;    /* of the attempts in flight that may be hedges, to 1. 0: 0.2                           */
    unsigned    hedge_min;    /* so many hedges may always be in flight. 0: 3                                         */
    unsigned    max_keys;       /* 0: 1024                                                                              */
    const char *name;           /* a literal; may be NULL. The pool's log is told when it is spent                      */
} errand_budget_opts;

ERRAND_API errand_budget *errand_budget_new_sized(errand_pool *pool, const errand_budget_opts *opts, size_t size);
static inline errand_budget *errand_budget_new(errand_pool *pool, const errand_budget_opts *opts)
{
    return errand_budget_new_sized(pool, opts, sizeof *opts);
}
ERRAND_API void errand_budget_free(errand_budget *budget);

typedef struct errand_budget_stats {
    unsigned tokens;                   /* now                                       */
    unsigned in_flight, hedges;        /* now: attempts, hedges included; hedges    */
    unsigned keys;                     /* of the whole family                       */
    uint64_t retries, refused_retries; /* ever */
    uint64_t hedged, refused_hedges;   /* ever */
} errand_budget_stats;
ERRAND_API int errand_budget_stats_sized(errand_budget *budget, const char *key, errand_budget_stats *out, size_t size);
static inline int errand_budget_stats_get(errand_budget *budget, const char *key, errand_budget_stats *out)
{
    return errand_budget_stats_sized(budget, key, out, sizeof *out);
}

/* ---- flight ---------------------------------------------------------------------------------------------------------------
 * Single-flight: calls with the same key that are made while one of them is under way share its run and its end. */

typedef struct errand_singleflight errand_singleflight;
typedef struct errand_policy errand_policy;

typedef struct errand_singleflight_opts {
    unsigned    max_keys; /* whose numbers are remembered when nothing is under way. 0: 1024 */
    unsigned    reserved;
    const char *name;     /* a literal: of runs whose task has none. May be NULL             */
} errand_singleflight_opts;

ERRAND_API errand_singleflight *errand_singleflight_new_sized(errand_pool *pool, const errand_singleflight_opts *opts, size_t size);
static inline errand_singleflight *errand_singleflight_new(errand_pool *pool, const errand_singleflight_opts *opts)
{
    return errand_singleflight_new_sized(pool, opts, sizeof *opts);
}
ERRAND_API void errand_singleflight_free(errand_singleflight *flight);

/* As errand_run_task at the flight's pool (policy may be NULL: once), or a share in the run of task->key that is under way; then
 * this task never runs and its arg is freed at once. Who shares has a future of his own: cancelling or dropping it leaves the
 * others; when the last one is cancelled so is the run, and whoever comes then begins a new one. Each gets the same
 * error and value; the value is freed when the last of them has freed his result, so nobody may change it or take it out. The
 * run inherits no deadline: whose waiting is limited (errand_timeout, the deadline of the awaiting task) leaves alone. */
ERRAND_API errand_future *errand_singleflight_run_sized(errand_singleflight *flight, const errand_policy *policy, const errand_task *task,
                                                  size_t size);
static inline errand_future *errand_singleflight_run(errand_singleflight *flight, const errand_policy *policy, const errand_task *task)
{
    return errand_singleflight_run_sized(flight, policy, task, sizeof *task);
}

typedef struct errand_singleflight_stats {
    unsigned under_way; /* 1: there is a run of this key now           */
    unsigned sharing;   /* futures that share it, the first included   */
    uint64_t runs;      /* ever begun                                  */
    uint64_t shared;    /* ever: calls that shared the run of another  */
} errand_singleflight_stats;
ERRAND_API int errand_singleflight_stats_sized(errand_singleflight *flight, const char *key, errand_singleflight_stats *out, size_t size);
static inline int errand_singleflight_stats_get(errand_singleflight *flight, const char *key, errand_singleflight_stats *out)
{
    return errand_singleflight_stats_sized(flight, key, out, sizeof *out);
}

#ifdef __cplusplus
}
#endif
#endif
