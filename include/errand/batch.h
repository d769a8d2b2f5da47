/** errand/batch.h -- many items, a fixed number at a time, bounded look-ahead (errand-http).
 *
 * A batch takes items one by one from `next`, works on at most `concurrency` of them at a time, and
 * hands every end to `each`: one at a time, exactly once for every item that was taken, and once
 * more whenever `more` says that an item is worked on again. It never takes more items than it can
 * use: those begun or waiting to be handed over are at most `window`, and it takes none while the
 * ends that wait have `window_bytes` or more. So endless inputs run in constant memory, also where
 * `each` is slower than the work.
 */
#ifndef ERRAND_BATCH_H
#define ERRAND_BATCH_H

#include <errand/future.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Returns the next item; NULL: the end, or *error. It may block; one thread calls it at a time, a
 * worker.
 */
typedef void *errand_batch_next_fn(void *arg, int *error);

/** Works on one item, on a worker; with errand_later() it holds none. */
typedef errand_result errand_batch_work_fn(void *item, void *arg);

/**
 * Takes one end: it owns `r` and is done with the item, unless `more` has returned true for this
 * end. One thread calls it at a time.
 *
 * It returns 0, or an errno with which the batch ends: nothing more is taken, what is under way is
 * cancelled and still handed over.
 */
typedef int errand_batch_each_fn(void *item, errand_result r, void *arg);

/**
 * Returns how many bytes one end holds, with its item. It runs on the thread where the work ended,
 * so keep it short.
 */
typedef size_t errand_batch_size_fn(void *item, const errand_result *r, void *arg);

/**
 * Returns true if the item is worked on again, once this end of its work has been handed to `each`.
 *
 * It is called where the work ended, before `each`, on any worker; not for an item that was
 * cancelled, or failed without memory, before its work was begun. Meanwhile the item keeps its
 * place among the `concurrency`, and with `ordered` its place in the order: then it goes on when
 * the items before it have had their last ends. After true there is always another end: if the
 * batch is cancelled before the work is begun again, that is ECANCELED.
 */
typedef bool errand_batch_more_fn(void *item, const errand_result *r, void *arg);

/** Options of a batch. */
typedef struct errand_batch_opts {
    unsigned concurrency; /* 0: 16 */
    /* items that are taken and not handed over, at most. 0: 4 * concurrency, at least 256 */
    unsigned window;
    unsigned ordered; /* 1: each is called in the order of next */
    /* nothing is taken while ended items that wait have that many bytes; what is under way still
     * ends. 0: no limit */
    size_t window_bytes;
    errand_batch_size_fn *size_of; /* counts these bytes. NULL: nothing is counted */
    errand_batch_more_fn *more;    /* NULL: every item is worked on once */
} errand_batch_opts;

/** The value of a batch. Items are counted by their last ends. */
typedef struct errand_batch_tally {
    uint64_t successful, failed, cancelled /* of the failed */, total_processed;
} errand_batch_tally;

/**
 * Runs a batch. The value is an errand_batch_tally, also of a batch that failed or was cancelled.
 *
 * It ends when all that was taken has been handed over.
 *
 * Returns a future, never NULL, which fails with the error of next or each, or with
 *   ECANCELED        it was cancelled, or the pool was closed
 *   EINVAL           `pool`, next, work or each is NULL, or an option is out of range
 *   ENOTSUP          `opts` has fields that this library does not know
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the pool is a parent process's
 */
static inline errand_future *errand_batch(
    errand_pool *pool, const errand_batch_opts *opts, errand_batch_next_fn *next,
    errand_batch_work_fn *work, errand_batch_each_fn *each, void *arg);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_future *errand_batch_sized(
    errand_pool *pool, const errand_batch_opts *opts, size_t size, errand_batch_next_fn *next,
    errand_batch_work_fn *work, errand_batch_each_fn *each, void *arg);

static inline errand_future *errand_batch(
    errand_pool *pool, const errand_batch_opts *opts, errand_batch_next_fn *next,
    errand_batch_work_fn *work, errand_batch_each_fn *each, void *arg)
{
    return errand_batch_sized(pool, opts, sizeof *opts, next, work, each, arg);
}

#ifdef __cplusplus
}
#endif
#endif
