/* errand/batch.h -- many of anything, so many at once (library errand-http).
 *
 * A batch pulls items one by one, works on at most `concurrency` of them at the same time, and hands every end to `each`: one at
 * a time, exactly once for every item that was taken. It never takes more items than it can use: those begun or waiting to be
 * handed over are at most `window`, and it takes none while ends that wait to be handed over have `window_bytes` or more. So endless
 * inputs run in constant memory, also where `each` is slower than the work.
 */
#ifndef ERRAND_BATCH_H
#define ERRAND_BATCH_H

#include <errand/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The next item; NULL: the end, or *error. May block; called by one thread at a time, on a worker. */
typedef void *errand_batch_next_fn(void *arg, int *error);
/* The work on one item, on a worker; return errand_later to hold none. */
typedef errand_result errand_batch_work_fn(void *item, void *arg);
/* One end. Owns r, and is done with the item. Called by one thread at a time. Not 0: cannot go on (an errno): nothing more is
 * taken, what is under way is cancelled and still handed over, the batch fails with it. */
typedef int errand_batch_each_fn(void *item, errand_result r, void *arg);
/* How many bytes one end holds, with its item; on the thread where the work ended, so be short. */
typedef size_t errand_batch_size_fn(void *item, const errand_result *r, void *arg);

typedef struct errand_batch_opts {
    unsigned concurrency; /* 0: 16                                                       */
    unsigned window;  /* most items taken and not handed over yet. 0: 4 x concurrency, at least 256 */
    unsigned ordered; /* each is called in the order of next                         */
    size_t   window_bytes;   /* nothing is taken while ends that wait have so many; what is under way still ends. 0: no limit */
    errand_batch_size_fn *size_of; /* what is counted there. NULL: nothing                 */
} errand_batch_opts;

typedef struct errand_batch_tally {
    uint64_t successful, failed, cancelled /* of the failed */, total_processed;
} errand_batch_tally;

/* The value is an errand_batch_tally, also of a batch that failed (next's or each's error) or was cancelled: ECANCELED, when all that
 * was taken has been handed over. */
ERRAND_API errand_future *errand_batch_sized(errand_pool *pool, const errand_batch_opts *opts, size_t size,
                                             errand_batch_next_fn *next, errand_batch_work_fn *work, errand_batch_each_fn *each, void *arg);
static inline errand_future *errand_batch(errand_pool *pool, const errand_batch_opts *opts, errand_batch_next_fn *next,
                                          errand_batch_work_fn *work, errand_batch_each_fn *each, void *arg)
{
    return errand_batch_sized(pool, opts, sizeof *opts, next, work, each, arg);
}

#ifdef __cplusplus
}
#endif
#endif
