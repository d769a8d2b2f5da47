/** errand/group.h -- many together, and none outlives the group: a nursery (Trio), a TaskGroup
 * (asyncio).
 *
 * A group takes futures and tasks until it is joined or closed. Each has an index, counted from 0.
 * A failure cancels the others, unless keep_going is set. Results are taken one by one as they come
 * (errand_group_next()), or all at the end in order (errand_group_join()).
 *
 *     errand_group *g = errand_group_new(pool, &(errand_group_opts){ .concurrency = 10 });
 *     for (...) errand_group_submit(g, NULL, &(errand_task){ .fn = fetch, .arg = url });
 *     while (errand_group_next(g, &r, &index, ERRAND_FOREVER) == 0) ...
 *     errand_group_close(g, 1000);
 */
#ifndef ERRAND_GROUP_H
#define ERRAND_GROUP_H

#include <errand/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Futures and tasks that end together. */
typedef struct errand_group errand_group;

/** Options of a group. */
typedef struct errand_group_opts {
    /* tasks of errand_group_submit() that run at a time. 0: no limit */
    unsigned concurrency;
    unsigned keep_going; /* 1: a failure cancels no other */
} errand_group_opts;

/**
 * Makes a group. `opts` may be NULL. Close it with errand_group_close().
 *
 * Returns the group, or NULL with errno
 *   EINVAL           `pool` is NULL
 *   ENOMEM           no memory
 *   ENOTSUP          `opts` has fields that this library does not know
 *   ERRAND_EFORKED   the pool is a parent process's
 */
static inline errand_group *errand_group_new(errand_pool *pool, const errand_group_opts *opts);

/**
 * Adds `f`, which is consumed, also on failure.
 *
 * Returns 0, or
 *   EINVAL           `g` or `f` is NULL, `f` was consumed, or the group was joined or closed
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the group is a parent process's
 */
ERRAND_API int errand_group_add(errand_group *g, errand_future *f);

/**
 * Adds a task, as errand_run_task() runs it, and begins it when fewer than `concurrency` run.
 * `policy` may be NULL.
 *
 * Returns 0, or, with the task's arg freed and nothing added,
 *   EINVAL           as errand_submit_task(), or the group was joined or closed
 *   ENOMEM           no memory
 *   ENOTSUP          the task has fields that this library does not know
 *   ERRAND_EFORKED   the group is a parent process's
 */
static inline int errand_group_submit(errand_group *g, const errand_policy *policy,
                                      const errand_task *task);

/**
 * Takes the next one that has ended, in the order of ending; waits up to `ms` milliseconds for it.
 *
 * *r is yours. *index, unless `index` is NULL, says which one it is.
 *
 * Returns 0, or
 *   ENODATA          none is left
 *   ETIMEDOUT        none has ended yet
 *   ECANCELED        the calling task was cancelled
 *   EDEADLK          with ERRAND_FOREVER: the wait is part of a circle of waits
 *   EINVAL           `g` or `r` is NULL, or `ms` is negative
 *   ERRAND_EFORKED   the group is a parent process's
 */
ERRAND_API int errand_group_next(errand_group *g, errand_result *r, size_t *index, int64_t ms);

/**
 * Ends with what errand_group_next() has not taken, in order: as errand_all(), with keep_going as
 * errand_settle().
 *
 * Nothing can be added any more. The group must still be closed. Works once.
 *
 * Returns a future, never NULL, which also fails with
 *   EINVAL           `g` is NULL, or the group was joined or closed
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the group is a parent process's
 */
ERRAND_API errand_future *errand_group_join(errand_group *g);

/**
 * Cancels what is left, waits up to `within_ms` milliseconds for its end, and frees the group.
 *
 * Returns 0, or
 *   ETIMEDOUT        something has not ended and was left behind
 *   EINVAL           `g` is NULL, or `within_ms` is negative
 *   ERRAND_EFORKED   the group is a parent process's
 */
ERRAND_API int errand_group_close(errand_group *g, int64_t within_ms);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_group *errand_group_new_sized(errand_pool *pool, const errand_group_opts *opts,
                                                size_t size);

static inline errand_group *errand_group_new(errand_pool *pool, const errand_group_opts *opts)
{
    return errand_group_new_sized(pool, opts, sizeof *opts);
}

ERRAND_API int errand_group_submit_sized(errand_group *g, const errand_policy *policy,
                                         const errand_task *task, size_t size);

static inline int errand_group_submit(errand_group *g, const errand_policy *policy,
                                      const errand_task *task)
{
    return errand_group_submit_sized(g, policy, task, sizeof *task);
}

#ifdef __cplusplus
}
#endif
#endif
