/* errand/group.h -- many together, and none outlives it: a nursery.
 *
 * A group takes futures and tasks until join or close; each has an index, counted from 0. A failure cancels the others, unless
 * keep_going. Results are taken out one by one as they come (next), or all at the end in order (join).
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

typedef struct errand_group errand_group;

typedef struct errand_group_opts {
    unsigned concurrency;    /* of those given by errand_group_submit, so many run at the same time. 0: no limit */
    unsigned keep_going; /* a failure cancels nobody                                                        */
} errand_group_opts;

/* NULL with errno. opts NULL: the defaults. */
ERRAND_API errand_group *errand_group_new_sized(errand_pool *pool, const errand_group_opts *opts, size_t size);
static inline errand_group *errand_group_new(errand_pool *pool, const errand_group_opts *opts)
{
    return errand_group_new_sized(pool, opts, sizeof *opts);
}

/* Takes f in; it is consumed, also on failure: EINVAL (NULL; or after join or close), ENOMEM. */
ERRAND_API int errand_group_add(errand_group *g, errand_future *f);

/* As errand_run_task (policy may be NULL), begun when fewer than concurrency run. On failure (EINVAL, ENOMEM) the arg is freed and
 * nothing was added. */
ERRAND_API int errand_group_submit_sized(errand_group *g, const errand_policy *policy, const errand_task *task, size_t size);
static inline int errand_group_submit(errand_group *g, const errand_policy *policy, const errand_task *task)
{
    return errand_group_submit_sized(g, policy, task, sizeof *task);
}

/* The next one that has ended, in the order of ending: its result is yours, *index (may be NULL) tells which it is. Waits at most
 * ms. 0; ETIMEDOUT; ENODATA: there is none left; ECANCELED; EDEADLK: it would wait for ever (only with ERRAND_FOREVER); EINVAL. */
ERRAND_API int errand_group_next(errand_group *g, errand_result *r, size_t *index, int64_t ms);

/* What next has not taken, in order, as errand_all ends, with keep_going as errand_settle; nothing can be added any more. Once.
 * The group must still be closed. */
ERRAND_API errand_future *errand_group_join(errand_group *g);

/* Cancels what is left, waits for it at most within_ms, frees. 0; ETIMEDOUT: some would not end and were left behind; EINVAL. */
ERRAND_API int errand_group_close(errand_group *g, int64_t within_ms);

#ifdef __cplusplus
}
#endif
#endif
