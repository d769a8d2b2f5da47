/* jobs/batch.c -- a pump takes items in, the worker that ends one hands it over.
 *
 *     pump: next --gate--> work --ended--> held --drain: each--> gone      counted under one lock
 *       ^-- parks while a limit is reached   ^--gate-- goes on, if more has said so
 *
 * The pump is a service, a thread beside the pool's workers, so next may block without limit: a
 * pool with one worker still works and hands over. The thread that ends an item (a then-function,
 * on a worker) becomes the drainer if there is none and something can be handed over; it goes on
 * until nothing can, so each is called by one thread at a time, and endings never wait for it. The
 * pump's parker lives on its stack: the thread that takes the pointer, under the lock, wakes it.
 *
 * Cancelling sets `stopping`, then pops items out of `flight` and cancels their futures without the
 * lock. An item is counted by: the hand-over, its starter until the future is stored, each
 * canceller; the last one drops the future. A cancel that comes before the future is stored is the
 * starter's to pass on. The drainer gives an item that goes on a new future only while not
 * `stopping`, when there is no canceller yet; else the item ends with ECANCELED, once more.
 *
 * A thread that may touch the batch is a user (the pump until it is gone, the drainer, cancellers
 * while they walk), or it ends an item that is held. With no users and nothing held no thread can
 * reach it any more (all users begin as one of these, or as the promise's hook, which
 * errand_promise_resolve waits for): the last one resolves and frees.
 *
 * Memory: an item is made before next is called, the chain of its work before a gate lets that
 * begin; without memory it ends with ENOMEM, handed over. Endings allocate nothing. */
#include "base/list.h"
#include "base/options.h"
#include "base/result.h"
#include "async/cell.h"
#include "async/current.h"
#include "async/job.h"
#include "async/promise.h"
#include "async/service.h"

#include <errand/batch.h>
#include <errand/promise.h>

#include <errno.h>

typedef struct batch {
    er_service pump;
    er_live live;
    uint32_t count; /* itself, and dumps that look at it */
    errand_pool *pool;
    errand_promise *promise;
    errand_batch_next_fn *next;
    errand_batch_work_fn *work;
    errand_batch_each_fn *each;
    void *arg;
    int64_t began_ns;
    size_t concurrency, window, window_bytes;
    errand_batch_size_fn *size_of; /* NULL: bytes do not count */
    errand_batch_more_fn *more;    /* NULL: an item ends once */
    bool ordered;
    er_lock lock;      /* guards all that follows */
    er_parker *parked; /* the pump's, while it sleeps and no thread has taken it */
    unsigned users;
    size_t in_flight; /* taken, not ended */
    size_t held;      /* taken, not handed over */
    size_t bytes;     /* of what has ended and is held */
    er_list flight;   /* in flight with a future that is not cancelled yet */
    er_list ended;    /* not ordered: what can be handed over */
    er_list order;    /* ordered: all that is held */
    bool draining, stopping;
    int error;                 /* what it will end with */
    errand_reason reason;      /* of its cancel */
    errand_batch_tally *tally; /* the drainer's */
} batch;

typedef struct item {
    er_node node; /* flight, then ended */
    er_node order;
    batch *batch;
    void *thing;
    errand_future *future;
    errand_result result;
    size_t bytes; /* of both */
    unsigned count;
    bool worked;  /* the work was begun, this time */
    bool ended;   /* and not handed over yet */
    bool goes_on; /* when that end has been handed over */
} item;

static void drop_batch(batch *b)
{
    if (er_sub(&b->count, 1) == 1) er_free(b);
}

static void finish(batch *b)
{
    er_live_remove(b->pool, &b->live);
    errand_result r = { 0 };
    if (b->reason != ERRAND_BY_NONE) r = er_fail_by(b->error, b->reason);
    else r.error = b->error;
    r.value = r.owner = b->tally;
    r.free = er_free;
    errand_promise_resolve(b->promise, r); /* the hook is not running any more after this */
    drop_batch(b);
}

/* ---- for the dump ---- */

static batch *batch_of(er_live *live) { return er_of(live, batch, live); }
static void release_batch(er_live *live) { drop_batch(batch_of(live)); }
static int64_t keep_batch(er_live *live)
{
    er_add(&batch_of(live)->count, 1);
    return batch_of(live)->began_ns;
}

static void describe_batch(er_live *live, er_description *d)
{
    batch *b = batch_of(live);
    er_lock_take(&b->lock);
    size_t in_flight = b->in_flight, held = b->held;
    bool stopping = b->stopping, parked = b->parked, over = !b->users && !b->held;
    errand_reason reason = b->reason;
    er_lock_give(&b->lock);
    if (over) return;
    d->what = "batch";
    d->cancelled = reason;
    er_describe(d, "%zu in flight, %zu not handed over", in_flight, held);
    if (stopping) er_describe(d, ", takes no more");
    else if (parked) er_describe(d, ", waits for room");
}

static const er_live_kind batch_kind = {
    .keep = keep_batch, .describe = describe_batch, .release = release_batch
};

static void leave(batch *b) /* one user less */
{
    er_lock_take(&b->lock);
    bool last = --b->users == 0 && b->held == 0;
    er_lock_give(&b->lock);
    if (last) finish(b);
}

static bool has_room(const batch *b)
{
    return b->in_flight < b->concurrency && b->held < b->window && b->bytes < b->window_bytes;
}

/* Under the lock: the parker of a pump that sleeps and need not, to be woken
 * after the lock is given. */
static er_parker *pump_to_wake(batch *b)
{
    er_parker *parked = b->stopping || has_room(b) ? b->parked : NULL;
    if (parked) b->parked = NULL;
    return parked;
}

static void wake(er_parker *pump)
{
    if (pump) er_unpark(pump, 1);
}

static void release(item *it) /* by a user */
{
    batch *b = it->batch;
    er_lock_take(&b->lock);
    bool last = --it->count == 0;
    er_lock_give(&b->lock);
    if (!last) return;
    if (it->future) errand_drop(it->future);
    er_free(it);
}

/* Takes no more, and cancels what is in flight. */
static void stop_all(batch *b, int error, errand_reason reason)
{
    er_lock_take(&b->lock);
    bool over = b->users == 0 && b->held == 0;
    if (!over) {
        if (!b->error) {
            b->error = error;
            b->reason = reason;
        }
        b->stopping = true;
        b->users++;
    }
    er_parker *pump = over ? NULL : pump_to_wake(b);
    er_lock_give(&b->lock);
    wake(pump);
    if (over) return;
    for (;;) {
        er_lock_take(&b->lock);
        er_node *node = er_list_pop(&b->flight);
        item *it = node ? er_of(node, item, node) : NULL;
        if (it) it->count++;
        er_lock_give(&b->lock);
        if (!it) break;
        errand_cancel(it->future);
        release(it);
    }
    leave(b);
}

/* Under the lock: the next item to be handed over, or NULL. */
static item *ready(const batch *b)
{
    er_node *node = er_list_first(b->ordered ? &b->order : &b->ended);
    if (!node) return NULL;
    item *it = b->ordered ? er_of(node, item, order) : er_of(node, item, node);
    return it->ended ? it : NULL;
}

static void start(item *it);

/* By the drainer, when an end has been handed over after which the item goes on. It has kept its
 * place in `order` and its slot in flight. */
static void go_on(item *it)
{
    batch *b = it->batch;
    er_lock_take(&b->lock);
    if (!b->stopping && er_pool_shut(b->pool)) { /* the pump, which would hear of it, may be gone */
        if (!b->error) {
            b->error = ECANCELED;
            b->reason = ERRAND_BY_SHUTDOWN;
        }
        b->stopping = true;
    }
    errand_future *before = b->stopping ? NULL : it->future;
    bool goes = !b->stopping;
    it->goes_on = it->worked = false;
    it->ended = !goes;
    b->bytes -= it->bytes;
    it->bytes = 0;
    if (goes) {
        it->future = NULL; /* no canceller has it: see above */
        it->count++;
    } else {
        it->result = er_fail_by(ECANCELED, b->reason);
        b->in_flight--;
        if (!b->ordered) er_list_push(&b->ended, &it->node);
    }
    er_parker *pump = pump_to_wake(b);
    er_lock_give(&b->lock);
    wake(pump);
    if (before) errand_drop(before);
    if (goes) start(it);
}

static void gone(item *it) /* after its last end */
{
    batch *b = it->batch;
    er_lock_take(&b->lock);
    b->held--;
    b->bytes -= it->bytes;
    er_parker *pump = pump_to_wake(b);
    er_lock_give(&b->lock);
    wake(pump);
    release(it);
}

static void tally_up(errand_batch_tally *tally, const errand_result *r)
{
    tally->total_processed++;
    if (r->error) tally->failed++;
    else tally->successful++;
    if (errand_result_kind(r) == ERRAND_KIND_CANCELLED) tally->cancelled++;
}

static void drain(batch *b)
{
    for (;;) {
        er_lock_take(&b->lock);
        item *it = ready(b);
        bool goes_on = it && it->goes_on;
        if (!it) b->draining = false;
        else if (!b->ordered) er_list_remove(&it->node);
        else if (!goes_on) er_list_remove(&it->order);
        er_lock_give(&b->lock);
        if (!it) break;

        if (!goes_on) tally_up(b->tally, &it->result);
        int error = b->each(it->thing, it->result, b->arg);
        er_end_in_child();
        if (error) stop_all(b, error, ERRAND_BY_NONE);
        if (goes_on) go_on(it);
        else gone(it);
    }
    leave(b);
}

static void end_item(item *it, errand_result r)
{
    batch *b = it->batch;
    size_t bytes = b->size_of ? b->size_of(it->thing, &r, b->arg) : 0;
    er_end_in_child();
    bool goes_on = b->more && it->worked && b->more(it->thing, &r, b->arg);
    er_end_in_child();
    er_lock_take(&b->lock);
    it->result = r;
    it->bytes = bytes;
    it->ended = true;
    it->goes_on = goes_on;
    b->bytes += bytes;
    if (!goes_on) b->in_flight--;
    if (er_listed(&it->node)) er_list_remove(&it->node);
    if (!b->ordered) er_list_push(&b->ended, &it->node);
    er_parker *pump = pump_to_wake(b);
    bool drains = !b->draining && ready(b);
    if (drains) {
        b->draining = true;
        b->users++;
    }
    er_lock_give(&b->lock); /* a thread that does not drain must not touch the batch from here on */
    wake(pump);
    if (drains) drain(b);
}

static errand_result work_on(errand_result in, void *arg)
{
    item *it = arg;
    if (in.error) return in;
    it->worked = true;
    return it->batch->work(it->thing, it->batch->arg);
}

static errand_result ended(errand_result in, void *arg)
{
    end_item(arg, in);
    return errand_ok(NULL, NULL);
}

/* By the pump or the drainer, which is counted in the item until this returns. */
static void start(item *it)
{
    batch *b = it->batch;
    errand_future *begins;
    errand_promise *gate = er_promise_new(b->pool, &begins);
    errand_future *future = errand_then(errand_then(begins, work_on, it), ended, it);
    er_lock_take(&b->lock);
    it->future = future;
    bool cancel = !it->ended && b->stopping;
    if (!it->ended && !cancel) er_list_push(&b->flight, &it->node);
    er_lock_give(&b->lock);
    if (cancel) errand_cancel(future);
    errand_promise_resolve(gate, errand_ok(NULL, NULL));
    release(it);
}

/* ---- the pump ---- */

static bool wait_for_room(batch *b)
{
    er_lock_take(&b->lock);
    while (!b->stopping && !has_room(b)) {
        er_parker here = { 0 };
        b->parked = &here;
        er_lock_give(&b->lock);
        er_park(&here, 1, INT64_MAX);
        er_lock_take(&b->lock);
    }
    bool go = !b->stopping;
    er_lock_give(&b->lock);
    return go;
}

static void begin(batch *b, item *it, void *thing)
{
    it->batch = b;
    it->thing = thing;
    it->count = 2;
    er_lock_take(&b->lock);
    b->held++;
    b->in_flight++;
    if (b->ordered) er_list_push(&b->order, &it->order);
    bool too_late = b->stopping; /* while next was blocked */
    errand_reason reason = b->reason;
    er_lock_give(&b->lock);
    if (too_late) {
        end_item(it, er_fail_by(ECANCELED, reason));
        release(it);
    } else {
        start(it);
    }
}

static void pump_run(er_service *self)
{
    batch *b = er_of(self, batch, pump);
    while (wait_for_room(b)) {
        item *it = er_alloc_zero(sizeof *it);
        int error = it ? 0 : ENOMEM;
        void *thing = it ? b->next(b->arg, &error) : NULL;
        er_end_in_child();
        if (thing) {
            begin(b, it, thing);
            continue;
        }
        er_free(it);
        er_lock_take(&b->lock);
        if (!b->error) b->error = error; /* what is under way is finished */
        er_lock_give(&b->lock);
        break;
    }
}

static void pump_gone(er_service *self) { leave(er_of(self, batch, pump)); }

/* a closing pool gives a batch as much time as its tasks */
static void pump_stop(er_service *self, bool now)
{
    if (now) stop_all(er_of(self, batch, pump), ECANCELED, ERRAND_BY_SHUTDOWN);
}

static void cancelled(void *arg) /* the promise's hook */
{
    batch *b = arg;
    stop_all(b, ECANCELED, errand_promise_cancelled(b->promise));
}

errand_future *errand_batch_sized(errand_pool *pool, const errand_batch_opts *opts, size_t size,
                                  errand_batch_next_fn *next, errand_batch_work_fn *work,
                                  errand_batch_each_fn *each, void *arg)
{
    errand_batch_opts o;
    int error = er_options(&o, sizeof o, opts, size);
    if (!error && (!pool || !next || !work || !each)) error = EINVAL;
    if (error)
        return er_failed(
            NULL, errand_failf(error, "errand_batch: pool, next, work and each must be given"));

    batch *b = er_alloc_zero(sizeof *b);
    errand_batch_tally *tally = er_alloc_zero(sizeof *tally);
    errand_future *future = NULL;
    errand_promise *promise = b && tally ? er_promise_new(pool, &future) : NULL;
    if (!promise) {
        er_free(b);
        er_free(tally);
        return future ? future : er_failed(NULL, errand_fail(ENOMEM));
    }
    size_t concurrency = o.concurrency ? o.concurrency : 16, window = o.window;
    if (!window) window = concurrency < 64 ? 256 : 4 * concurrency;
    *b = (batch){
        .pump = { .name = "batch", .run = pump_run, .stop = pump_stop, .gone = pump_gone },
        .live = { .kind = &batch_kind, .site = __builtin_return_address(0) },
        .count = 1,
        .pool = pool,
        .promise = promise,
        .began_ns = er_coarse_ns(),
        .next = next,
        .work = work,
        .each = each,
        .arg = arg,
        .concurrency = concurrency,
        .window = window,
        .window_bytes = o.window_bytes ? o.window_bytes : SIZE_MAX,
        .size_of = o.size_of,
        .more = o.more,
        .ordered = o.ordered,
        .users = 1,
        .tally = tally,
    };
    er_list_init(&b->flight);
    er_list_init(&b->ended);
    er_list_init(&b->order);
    er_live_add(pool, &b->live);
    errand_promise_on_cancel(promise, cancelled, b);
    error = er_service_start(pool, &b->pump);
    if (error) { /* no other thread can reach it yet */
        b->error = error;
        finish(b);
    }
    return future;
}
