/* async/timeout.c -- a future of one future: it ends no later than at a time (timeout), or
 * passes no cancel on (shield).
 *
 * It owns its input and hangs a waiter into it. The input's link may be read by a canceller at
 * any time, so it is reset under the lock bit before the input is given up. The input and the
 * timer contend for the end of a timeout: they claim. What a timeout leaves keeps its place in
 * here until it ends: its waiter hangs in it. */
#include "async/task.h"

#include <errno.h>

/* ---- timeout ---- */

typedef struct limit {
    er_cell cell;
    er_cell *input;
    er_waiter waiter;
    er_timer timer;
    int64_t at_ns; /* the timer's time */
} limit;

static void limited_ended(er_waiter *waiter)
{
    limit *l = er_of(waiter, limit, waiter);
    er_cell *f = waiter->cell;
    er_cell_link(&l->cell, &l->input, NULL);
    bool mine = er_cell_claim(&l->cell);
    errand_result r = er_cell_take(f);
    er_cell_release(f);
    if (er_timer_disarm(l->cell.pool, &l->timer)) er_cell_release(&l->cell);
    if (mine) er_cell_end(&l->cell, r);
    else errand_result_free(&r); /* too late: the timeout has ended already */
    er_cell_release(&l->cell);
}

static void cancel_limit(er_cell *cell, errand_reason reason)
{
    er_cell *f = er_cell_linked(cell, &er_of(cell, limit, cell)->input);
    if (!f) return;
    er_cell_pass_on(f, reason);
    er_cell_release(f);
}

static void end_early(limit *l, errand_result r, errand_reason reason)
{
    if (!er_cell_claim(&l->cell)) {
        errand_result_free(&r);
        return;
    }
    er_cell *f = er_cell_linked(&l->cell, &l->input);
    if (f) r = er_cell_leave(f, reason, r); /* first: at its end a queued task has left the queue */
    else er_result_may_have_run(&r);        /* it has just ended, too late */
    er_cell_end(&l->cell, r);
    if (f) er_cell_release(f);
}

static void limit_passed(er_timer *timer)
{
    limit *l = er_of(timer, limit, timer);
    errand_reason reason = er_pool_shut(l->cell.pool) ? ERRAND_BY_SHUTDOWN : ERRAND_BY_TOTAL;
    end_early(l, er_cancel_result(reason), reason);
    er_cell_release(&l->cell);
}

static void free_limit(er_cell *cell) { er_cell_bury(cell); }

static void describe_limited(er_cell *cell, er_cell **link, er_description *d)
{
    er_cell *f = er_cell_linked(cell, link);
    if (!f) return;
    er_describe_input(d, "waits for", f);
    er_cell_release(f);
}

static void describe_limit(er_cell *cell, er_description *d)
{
    limit *l = er_of(cell, limit, cell);
    int64_t left = er_ms_until(er_pool_now(cell->pool), l->at_ns);
    describe_limited(cell, &l->input, d);
    er_describe(d, "%sfor %lld ms at most", *d->state ? ", " : "", (long long)left);
}

static const er_cell_kind limit_kind = {
    .cancel = cancel_limit, .free = free_limit, .what = "timeout", .describe = describe_limit
};

errand_future *errand_timeout(errand_future *f, int64_t ms)
{
    if (!f) return er_failed(NULL, errand_failf(EINVAL, "errand_timeout(NULL)"));
    if (ms < 0 && er_cell_consume(f))
        return er_cell_refuse(f, errand_failf(EINVAL, "errand_timeout: ms is negative"));
    if (er_cell_ended(f) || !f->pool || er_pool_dead(f->pool)) return f;
    int64_t at = er_deadline(er_pool_now(f->pool), ms);
    if (at == INT64_MAX) return f; /* forever, or centuries from now */
    if (!er_cell_consume(f)) return er_failed(NULL, errand_failf(EINVAL, ER_TWICE));
    limit *l = er_alloc(sizeof *l);
    if (!l) return er_cell_refuse(f, errand_fail(ENOMEM));
    er_cell_init(&l->cell, &limit_kind, f->pool);
    l->input = f;
    l->waiter.fn = limited_ended;
    l->timer = (er_timer){ .fn = limit_passed };
    l->at_ns = at;
    er_cell_list(&l->cell, __builtin_return_address(0));
    er_cell_keep(&l->cell); /* the timer's */
    er_cell_keep(&l->cell); /* the waiter's */
    int error = ms ? er_timer_arm(f->pool, &l->timer, at) : 0;
    if (ms == 0) limit_passed(&l->timer);
    if (error) {
        bool shut = error == ECANCELED;
        end_early(l, shut ? er_cancel_result(ERRAND_BY_SHUTDOWN) : errand_fail(error),
                  ERRAND_BY_SHUTDOWN);
        er_cell_release(&l->cell);
    }
    if (!er_cell_watch(f, &l->waiter)) limited_ended(&l->waiter);
    return &l->cell;
}

/* ---- shield ---- */

typedef struct shield {
    er_cell cell;
    er_cell *input;
    er_waiter waiter;
} shield;

static void shielded_ended(er_waiter *waiter)
{
    shield *s = er_of(waiter, shield, waiter);
    er_cell *f = waiter->cell;
    er_cell_link(&s->cell, &s->input, NULL);
    er_cell_try_end(&s->cell, er_cell_take(f));
    er_cell_release(f);
    er_cell_release(&s->cell);
}

static void free_shield(er_cell *cell) { er_cell_bury(cell); }

static bool input_of_shield(er_cell *cell, size_t i, er_cell **input)
{
    return er_cell_input_of(cell, &er_of(cell, shield, cell)->input, i, input);
}

static void describe_shield(er_cell *cell, er_description *d)
{
    describe_limited(cell, &er_of(cell, shield, cell)->input, d);
}

static const er_cell_kind shield_kind = {
    .free = free_shield, .input = input_of_shield, .what = "shield", .describe = describe_shield
};

errand_future *errand_shield(errand_future *f)
{
    if (!f) return er_failed(NULL, errand_failf(EINVAL, "errand_shield(NULL)"));
    if (er_cell_ended(f) || !f->pool || er_pool_dead(f->pool)) return f;
    if (!er_cell_consume(f)) return er_failed(NULL, errand_failf(EINVAL, ER_TWICE));
    shield *s = er_alloc(sizeof *s);
    if (!s) {
        errand_result r = errand_fail(ENOMEM);
        if (er_cell_may_have_run(f)) er_result_may_have_run(&r);
        er_cell_drop(f); /* shielded: it is not cancelled */
        return er_failed(NULL, r);
    }
    er_cell_init(&s->cell, &shield_kind, f->pool);
    s->input = f;
    s->waiter.fn = shielded_ended;
    er_cell_list(&s->cell, __builtin_return_address(0));
    er_cell_keep(&s->cell);
    if (!er_cell_watch(f, &s->waiter)) shielded_ended(&s->waiter);
    return &s->cell;
}
