/** errand/lease.h -- leases: keeps what is expensive to open, and lends it.
 *
 *     static errand_result connect_to(const char *dsn, void *arg);  // the value is the resource
 *     errand_lease_pool *db = errand_lease_pool_new(pool,
 *         &(errand_resource_ops){ .open = connect_to, .check = ping, .reset = roll_back,
 *                                 .interrupt = cancel_query, .close = disconnect },
 *         &(errand_lease_opts){ .name = "db", .max = 8, .acquire_within_ms = 2000 });
 *     errand_future *f = errand_lease_run(db, policy, query, arg);  // query(connection, arg)
 *
 * A resource is opened when a waiter needs one, and lent to one borrower at a time. What is lent is
 * a lease: errand_lease_resource() says what, errand_lease_release() gives it back.
 *
 *     opening --well--> idle --borrowed--> lent --released--> idle
 *             --failed--> gone          checked meanwhile, if it was idle for check_after_ms
 *     any --poisoned, check or reset failed, too old, used or idle for too long--> closed
 *
 * Waiters are served first in, first out, by what is returned and by what is opened, whichever
 * comes first. What was returned last is lent first, so that few stay warm. Waiting holds no
 * worker. open, check and close run as tasks of the pool, without a lock, several at a time.
 *
 * Failures. An open that fails ends the first waiter with that failure, unless a resource of the
 * key is lent or being checked, which will serve it. Then no resource of the key is opened for
 * some time, 50 ms at first and at most 5 s, with jitter, so that a server that is down is not
 * stormed; waiters wait meanwhile within their own limits. Failures that end no waiter are written
 * to the pool's log.
 *
 * An exchange that was interrupted leaves a resource in a state that the next borrower must not
 * meet: errand_lease_run() poisons the resource when its function was cancelled, ran out of time or
 * failed with NETWORK; other borrowers call errand_lease_poison(). A poisoned resource is closed
 * when it is released.
 *
 * Keys (a DSN, a tenant): as in errand/limits.h; each has its own line and resources. A key that
 * has resources or waiters is not evicted.
 */
#ifndef ERRAND_LEASE_H
#define ERRAND_LEASE_H

#include <errand/policy.h>
#include <errand/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A pool of resources. */
typedef struct errand_lease_pool errand_lease_pool;
/** A resource that is lent: give it back with errand_lease_release(). */
typedef struct errand_lease errand_lease;

/**
 * What a lease pool calls. `open` and `close` are needed. open, check and close may block; check
 * and reset return 0 if the resource may be lent, else it is closed.
 */
typedef struct errand_resource_ops {
    /* opens a resource of `key` (NULL: the NULL key): the value, whose free function is not
     * called. Put a limit on its time. On a worker */
    errand_result (*open)(const char *key, void *arg);
    /* whether a resource that was idle for check_after_ms still works. On a worker. NULL: it does
     */
    int (*check)(void *resource, void *arg);
    /* makes it ready for the next borrower, on the thread that releases it. Not called if
     * errand_lease_resource() was not called on the lease. NULL: nothing to do */
    int (*reset)(void *resource, void *arg);
    /* ends what the borrower waits for, at most once a loan, on another thread, while the borrower
     * uses the resource; short. It is closed afterwards. NULL: it cannot be interrupted */
    void (*interrupt)(void *resource, void *arg);
    /* on a worker; on any thread once the pool is closed */
    void (*close)(void *resource, void *arg);
    void *arg; /* lives until the last resource is closed */
} errand_resource_ops;

/** Options of a lease pool; numbers are for each key. */
typedef struct errand_lease_opts {
    const char *name; /* a literal; may be NULL */
    /* at least this many are kept open: of the NULL key from the beginning, of others from their
     * first use */
    unsigned min;
    unsigned max;              /* those being opened and closed included. 0: 8 */
    unsigned max_waiters;      /* more are refused with ERRAND_EFULL. 0: no bound */
    unsigned max_keys;         /* 0: 1024 */
    unsigned open_at_once;     /* 0: 4 */
    unsigned max_uses;         /* loans of a resource, then it is closed. 0: no bound */
    int64_t acquire_within_ms; /* a waiter ends with ETIMEDOUT. 0: no limit */
    /* idle for so long, it is checked before it is lent. 0: never; ERRAND_ZERO: always */
    int64_t check_after_ms;
    int64_t max_idle_ms;   /* idle for so long, it is closed, unless `min` are left. 0: no limit */
    int64_t max_age_ms;    /* since it was opened; a loan may last longer. 0: no limit */
    double max_age_jitter; /* from 0 to 1: up to this part is taken off max_age_ms. 0: 0.1 */
    uint64_t seed;         /* of the jitters. 0: random */
} errand_lease_opts;

/**
 * Makes a lease pool at `pool`; `opts` may be NULL.
 *
 * Close it with errand_lease_pool_close(), before or after the pool. When the pool is closed
 * waiters end with ECANCELED and nothing is lent any more; resources stay open until then.
 *
 * Returns it, or NULL with errno
 *   EINVAL           an option is out of range or contradicts another, `ops` has no open or no
 *                    close, or the pool is closed
 *   ENOTSUP          `ops` or `opts` has fields that this library does not know
 *   ENOMEM           no memory
 *   ECANCELED        the pool has shut down
 *   ERRAND_EFORKED   the pool is a parent process's
 */
static inline errand_lease_pool *errand_lease_pool_new(
    errand_pool *pool, const errand_resource_ops *ops, const errand_lease_opts *opts);

/**
 * Closes a lease pool within `within_ms` milliseconds.
 *
 * Waiters end with ECANCELED, idle resources are closed, and those that are lent are closed as they
 * are released. At half of `within_ms` what is still lent is interrupted; with ERRAND_FOREVER
 * never. What has not been released in time is named in the pool's log and left behind: it is
 * closed when it is released. Cancels and deadlines of the calling task do not end the wait. The
 * handle is gone whatever is returned, except for EINVAL and ERRAND_EFORKED.
 *
 * Returns 0 when every resource is closed, or
 *   ETIMEDOUT        a resource is still lent, being opened or being closed
 *   EINVAL           `leases` is NULL, or `within_ms` is negative
 *   ERRAND_EFORKED   the lease pool is a parent process's
 */
ERRAND_API int errand_lease_pool_close(errand_lease_pool *leases, int64_t within_ms);

/**
 * Hands a lease pool over to a scope, which closes it before its pool, whatever their order.
 *
 * It is the scope's in any case: if this fails, the lease pool is closed at once.
 *
 * Returns 0, or fails as errand_scope_own() does.
 */
ERRAND_API int errand_scope_own_leases(errand_scope *scope, const char *name,
                                       errand_lease_pool *leases);

/**
 * Waits for a resource of `key` (NULL: the NULL key).
 *
 * The value is an errand_lease; freeing the result releases it. A cancelled waiter leaves the line;
 * what is being opened for it becomes idle.
 *
 * Returns a future, never NULL, which fails as `open` has failed, or with
 *   ETIMEDOUT        not within acquire_within_ms
 *   ECANCELED        it was cancelled, or the pool or the lease pool was closed
 *   EINVAL           `leases` is NULL, or the key is longer than ERRAND_KEY_MAX
 *   ENOMEM           no memory
 *   EAGAIN           no thread runs that opens resources, and none could be started
 *   ERRAND_EFULL     max_waiters are already waiting
 *   ERRAND_EFORKED   the lease pool is a parent process's
 */
ERRAND_API errand_future *errand_lease_acquire(errand_lease_pool *leases, const char *key);

/**
 * Waits up to `ms` milliseconds for a resource of `key` (NULL: the NULL key), in the calling
 * thread.
 *
 * On success *lease is the lease; release it with errand_lease_release(). On a worker the pool
 * starts a spare thread meanwhile.
 *
 * Returns 0, the error with which `open` has failed, or
 *   ETIMEDOUT        none within `ms` or acquire_within_ms, or by the deadline of the calling task
 *                    or frame
 *   ECANCELED        the calling task was cancelled, or the pool or the lease pool was closed
 *   EDEADLK          with ERRAND_FOREVER: the wait is part of a circle of waits
 *   EINVAL           `ms` is negative, a pointer is NULL, or the key is too long
 *   ENOMEM           no memory
 *   EAGAIN           no thread runs that opens resources, and none could be started
 *   ERRAND_EFULL     max_waiters are already waiting
 *   ERRAND_EFORKED   the lease pool is a parent process's
 * See also errand_lease_acquire().
 */
ERRAND_API int errand_lease_wait(errand_lease_pool *leases, const char *key, int64_t ms,
                                 errand_lease **lease);

/** Returns the resource that is lent; NULL for NULL. It is the borrower's until the release. */
ERRAND_API void *errand_lease_resource(errand_lease *lease);

/**
 * Gives a resource back; also the free function of errand_lease_acquire()'s value. NULL is
 * harmless.
 */
ERRAND_API void errand_lease_release(void *lease);

/**
 * Marks the resource as unfit for another borrower: it is closed when it is released. Any thread
 * may call it before that. NULL is harmless.
 */
ERRAND_API void errand_lease_poison(errand_lease *lease);

/* ---- running with a resource ---- */

/** A function that runs with a resource. It must have finished with it when it returns. */
typedef errand_result errand_lease_fn(void *resource, void *arg);

/** What errand_lease_run_task() runs. */
typedef struct errand_lease_task {
    errand_lease_fn *fn;
    void *arg;
    errand_free_fn *free; /* free(arg), as errand_task.free */
    const char *name;     /* for logs and dumps; a literal. NULL: inherited */
    const char *key;      /* of the resource, and of the task (errand_task.key) */
    int64_t within_ms;    /* its deadline, from now. 0: none but an inherited one */
} errand_lease_task;

/**
 * Runs `fn(resource, arg)` on a worker under `policy` (NULL: once), with a resource of the NULL
 * key.
 *
 * Each attempt borrows a resource, without holding a worker while it waits, and gives it back;
 * another attempt may get another one. A cancel or a deadline that comes while fn runs interrupts
 * the resource (errand_resource_ops.interrupt), and poisons it; so does a failure of the kind
 * NETWORK. `arg` must live until fn has returned for the last time. fn may return errand_later():
 * the resource stays lent, and the worker waits, until that future ends.
 *
 * Returns a future, never NULL, which ends as errand_run() does, or fails as errand_lease_acquire()
 */
ERRAND_API errand_future *errand_lease_run(errand_lease_pool *leases, const errand_policy *policy,
                                           errand_lease_fn *fn, void *arg);

/**
 * Runs a task with a resource of task->key, as errand_lease_run() does.
 *
 * Returns a future as errand_lease_run() does, which also fails with
 *   EINVAL    the task is wrong: without fn, or with a negative time or a key that is too long
 *   ENOTSUP   the task has fields that this library does not know
 */
static inline errand_future *errand_lease_run_task(
    errand_lease_pool *leases, const errand_policy *policy, const errand_lease_task *task);

/* ---- figures ---- */

/** What a lease pool counts of one key. */
typedef struct errand_lease_stats {
    /* now */
    unsigned idle, lent, opening, checking, closing, waiting;
    unsigned keys; /* now, of all members; NULL is not counted */
    unsigned reserved;
    uint64_t granted;                                       /* ever: loans */
    uint64_t opened;                                        /* ever */
    uint64_t closed;                                        /* ever */
    uint64_t open_failures, check_failures, reset_failures; /* ever */
    uint64_t poisoned;       /* ever: closed because of errand_lease_poison() or an interrupt */
    uint64_t withdrawn;      /* ever: waiters that were cancelled or ran out of time */
    uint64_t refused;        /* ever: because of max_waiters */
    int64_t longest_wait_ns; /* ever, present waiters included */
} errand_lease_stats;

/**
 * Writes the counts of `key` to *out.
 *
 * Returns 0, or
 *   ENOENT           the key was never used, or has been evicted
 *   EINVAL           `leases` or `out` is NULL, or the key is longer than ERRAND_KEY_MAX
 *   ERRAND_EFORKED   the lease pool is a parent process's
 */
static inline int errand_lease_pool_stats_get(errand_lease_pool *leases, const char *key,
                                              errand_lease_stats *out);

/** A borrower. */
typedef struct errand_lease_holder {
    const char *name; /* of the task; NULL: none */
    const void *site; /* the code that asked; NULL: unknown */
    void *resource;
    int64_t held_ms;
} errand_lease_holder;

/**
 * Writes the borrowers of `key`'s resources to at[0] ... at[max - 1], longest first.
 *
 * Returns how many borrowers there are in all.
 */
static inline size_t errand_lease_holders(errand_lease_pool *leases, const char *key,
                                          errand_lease_holder *at, size_t max);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_lease_pool *errand_lease_pool_new_sized(
    errand_pool *pool, const errand_resource_ops *ops, size_t ops_size,
    const errand_lease_opts *opts, size_t size);

static inline errand_lease_pool *errand_lease_pool_new(
    errand_pool *pool, const errand_resource_ops *ops, const errand_lease_opts *opts)
{
    return errand_lease_pool_new_sized(pool, ops, sizeof *ops, opts, sizeof *opts);
}

ERRAND_API errand_future *errand_lease_run_task_sized(
    errand_lease_pool *leases, const errand_policy *policy, const errand_lease_task *task,
    size_t size);

static inline errand_future *errand_lease_run_task(
    errand_lease_pool *leases, const errand_policy *policy, const errand_lease_task *task)
{
    return errand_lease_run_task_sized(leases, policy, task, sizeof *task);
}

ERRAND_API int errand_lease_pool_stats_sized(errand_lease_pool *leases, const char *key,
                                             errand_lease_stats *out, size_t size);

static inline int errand_lease_pool_stats_get(errand_lease_pool *leases, const char *key,
                                              errand_lease_stats *out)
{
    return errand_lease_pool_stats_sized(leases, key, out, sizeof *out);
}

ERRAND_API size_t errand_lease_holders_sized(errand_lease_pool *leases, const char *key,
                                             errand_lease_holder *at, size_t max, size_t size);

static inline size_t errand_lease_holders(errand_lease_pool *leases, const char *key,
                                          errand_lease_holder *at, size_t max)
{
    return errand_lease_holders_sized(leases, key, at, max, sizeof *at);
}

#ifdef __cplusplus
}
#endif
#endif
