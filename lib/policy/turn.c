/* policy/turn.c -- turns behind futures: a cell and a turn of a rate, which has a count on the
 * cell while it is to come. */
#include "policy/rate.h"

#include "async/current.h"
#include "async/task.h"

#include <errno.h>

typedef struct waiter {
    er_cell cell;
    er_turn turn;
    errand_rate *rate; /* kept */
    const char *name;  /* of the task that asks */
} waiter;

static void waiter_came(er_turn *turn, int error)
{
    er_cell *cell = &er_of(turn, waiter, turn)->cell;
    errand_reason reason = er_cell_cancelled(cell);
    const errand_rate *rate = er_of(turn, waiter, turn)->rate;
    const char *name = er_rate_name(rate);
    errand_result r = errand_fail(error);
    if (error == EINVAL)
        r = errand_failf(EINVAL,
                         er_pool_shut(er_rate_pool(rate)) ? "its pool is closed" : "key: too long");
    if (error == ERRAND_ELATE && name)
        r = errand_failf(error, "its turn at %s would come after its deadline", name);
    if (error == ECANCELED) r = er_cancel_result(reason ? reason : ERRAND_BY_SHUTDOWN);
    er_cell_try_end(cell, r);
    er_cell_release(cell);
}

static void cancel_waiter(er_cell *cell, errand_reason reason)
{
    if (!er_rate_leave(&er_of(cell, waiter, cell)->turn)) return;
    er_cell_try_end(cell, er_cancel_result(reason));
    er_cell_release(cell);
}

static void free_waiter(er_cell *cell)
{
    errand_rate *rate = er_of(cell, waiter, cell)->rate;
    er_cell_bury(cell);
    errand_rate_free(rate);
}

static void describe_waiter(er_cell *cell, er_description *d)
{
    const waiter *w = er_of(cell, waiter, cell);
    d->name = w->name;
    er_rate_describe(w->rate, &w->turn, d);
}

static const er_cell_kind waiter_kind = {
    .cancel = cancel_waiter, .free = free_waiter, .what = "turn", .describe = describe_waiter
};

static errand_future *acquire_by(errand_rate *rate, const char *key, uint64_t n,
                                 int64_t deadline_ns, const void *site)
{
    errand_pool *pool = er_rate_pool(rate);
    if (er_pool_dead(pool)) return er_failed(NULL, errand_fail(ERRAND_EFORKED));
    const er_task *task = er_task_here();
    waiter *w = er_alloc_zero(sizeof *w);
    if (!w) return er_failed(pool, errand_fail(ENOMEM));
    er_cell_init(&w->cell, &waiter_kind, pool);
    w->rate = er_rate_keep(rate);
    w->name = task ? task->name : NULL;
    w->turn.came = waiter_came;
    w->turn.weight = n;
    er_cell_keep(&w->cell); /* the turn's */
    er_cell_list(&w->cell, site);
    int error = er_rate_enter(rate, key, pool, deadline_ns, &w->turn);
    if (error != EINPROGRESS) waiter_came(&w->turn, error);
    return &w->cell;
}

static errand_future *acquire_here(errand_rate *rate, const char *key, uint64_t n, const void *site)
{
    if (!rate) return er_failed(NULL, errand_failf(EINVAL, "rate is NULL"));
    if (!n) return er_failed(NULL, errand_failf(EINVAL, "n is 0"));
    errand_pool *pool = er_rate_pool(rate);
    int64_t deadline_ns = er_pool_dead(pool) ? INT64_MAX : er_deadline_here(pool);
    return acquire_by(rate, key, n, deadline_ns, site);
}

errand_future *errand_rate_acquire(errand_rate *rate, const char *key)
{
    return acquire_here(rate, key, 1, __builtin_return_address(0));
}

errand_future *errand_rate_acquire_n(errand_rate *rate, const char *key, uint64_t n)
{
    return acquire_here(rate, key, n, __builtin_return_address(0));
}

int errand_rate_wait(errand_rate *rate, const char *key, int64_t ms)
{
    if (!rate || ms < 0) return EINVAL;
    errand_pool *pool = er_rate_pool(rate);
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    int64_t deadline = er_deadline(er_pool_now(pool), ms), here = er_deadline_here(pool);
    errand_future *f =
        acquire_by(rate, key, 1, deadline < here ? deadline : here, __builtin_return_address(0));
    /* its timer may be half a millisecond late */
    int error = errand_wait(f, ms < ERRAND_FOREVER ? ms + 1 : ms);
    errand_cancel(f);
    errand_result r = errand_await(f);
    if (!r.error || !error || error == EINVAL) error = r.error;
    errand_result_free(&r);
    return error;
}
