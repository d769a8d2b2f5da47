/* core/future.c -- waiting for a cell, giving it up, and the cell that only sleeps.
 *
 * Who waits hangs a waiter with a parker, both on his stack, into the cell. The waiter's fn sets WAKE in the parker and touches
 * nothing afterwards. A wait that ends early takes its waiter out again; if the ending was quicker, WAKE is on its way and is
 * waited for, so that the stack can be left. The same holds for the timer that stands for a deadline on a test's clock. */
#include "core/task.h"

#include <errno.h>

typedef struct waiting {
    er_waiter waiter;
    er_parker parker;
    er_timer  timer;
} waiting;

static void ended(er_waiter *waiter) { er_unpark(&er_of(waiter, waiting, waiter)->parker, ER_WAKE); }
static void late(er_timer *timer) { er_unpark(&er_of(timer, waiting, timer)->parker, ER_LATE); }

/* The bits that ended the wait: WAKE, or TOLD, or LATE or none. */
static uint32_t wait_for(er_cell *f, int64_t ms)
{
    waiting w = { .waiter.fn = ended, .timer.fn = late };
    if (!er_cell_watch(f, &w.waiter)) return ER_WAKE;
    bool armed = ms != ERRAND_FOREVER && er_home_of(f->pool)->clock &&
                 er_timer_arm(f->pool, &w.timer, er_deadline(er_pool_now(f->pool), ms)) == 0;
    int64_t deadline = armed ? INT64_MAX : er_deadline(er_now_ns(), ms);
    uint32_t bits = er_pool_park(&w.parker, ER_WAKE | ER_LATE, deadline);
    if (armed && !er_timer_disarm(f->pool, &w.timer)) er_park(&w.parker, ER_LATE, INT64_MAX);
    if (bits & ER_WAKE) return ER_WAKE;
    if (er_cell_unwatch(f, &w.waiter)) return bits;
    er_park(&w.parker, ER_WAKE, INT64_MAX);
    return ER_WAKE;
}

/* An unended cell of a parent process can never end, and its lock bit may be held for ever. */
static bool forked(const er_cell *f) { return f->pool && er_pool_dead(f->pool) && !er_cell_ended(f); }

int errand_wait(errand_future *f, int64_t ms)
{
    if (!f || ms < 0) return EINVAL;
    if (er_cell_ended(f)) return 0;
    if (forked(f)) return ERRAND_EFORKED;
    if (ms == 0) return ETIMEDOUT;
    int64_t left = errand_time_left(); /* one deadline goes through everything */
    uint32_t bits = wait_for(f, left < ms ? left : ms);
    if (bits & ER_WAKE) return 0;
    return bits & ER_TOLD ? er_told_error(errand_cancelled()) : ETIMEDOUT;
}

errand_result errand_await(errand_future *f)
{
    if (!f) return errand_failf(EINVAL, "errand_await(NULL)");
    if (forked(f)) return errand_fail(ERRAND_EFORKED);
    er_task *me = er_task_here();
    if (!er_cell_ended(f)) {
        if (me) {
            er_cell_link(&me->cell, &me->input, f); /* a cancel of this task goes on to f */
            if (!er_cell_told(&me->cell)) er_task_run_here(f);
        }
        uint32_t bits = er_cell_ended(f) ? (uint32_t)ER_WAKE : wait_for(f, ERRAND_FOREVER);
        if (me) er_cell_link(&me->cell, &me->input, NULL);
        if (!(bits & ER_WAKE)) {
            errand_reason reason = er_cell_told(&me->cell);
            er_cell_cancel(f, reason);
            er_cell_abandon(f);
            er_cell_release(f);
            return er_told_result(reason);
        }
    }
    errand_result r = er_cell_take(f);
    er_cell_release(f);
    return r;
}

void errand_cancel(errand_future *f)
{
    if (f && !forked(f)) er_cell_cancel(f, ERRAND_BY_CALLER);
}

void errand_drop(errand_future *f)
{
    if (f && !forked(f)) er_cell_release(f);
}

/* ---- sleeping ---- */

typedef struct sleeper {
    er_cell  cell;
    er_timer timer;
} sleeper;

static void slept(er_timer *timer)
{
    sleeper *s = er_of(timer, sleeper, timer);
    bool shut = er_pool_shut(s->cell.pool);
    er_cell_try_end(&s->cell, shut ? er_told_result(ERRAND_BY_SHUTDOWN) : errand_ok(NULL, NULL));
    er_cell_release(&s->cell);
}

static void cancel_sleeper(er_cell *cell, errand_reason reason)
{
    sleeper *s = er_of(cell, sleeper, cell);
    bool armed = er_timer_disarm(cell->pool, &s->timer);
    er_cell_try_end(cell, er_told_result(reason));
    if (armed) er_cell_release(cell);
}

static void free_sleeper(er_cell *cell) { er_free(er_of(cell, sleeper, cell)); }
static const er_cell_kind sleeper_kind = { cancel_sleeper, free_sleeper, NULL };

errand_future *errand_sleep(errand_pool *pool, int64_t ms)
{
    if (!pool || ms < 0) return er_failed(pool, errand_failf(EINVAL, pool ? "ms is negative" : "pool is NULL"));
    if (er_pool_dead(pool)) return er_failed(NULL, errand_fail(ERRAND_EFORKED));
    sleeper *s = er_alloc(sizeof *s);
    if (!s) return er_failed(pool, errand_fail(ENOMEM));
    er_cell_init(&s->cell, &sleeper_kind, pool);
    s->timer = (er_timer){ .fn = slept };
    er_cell_keep(&s->cell);
    int error = 0;
    if (ms == ERRAND_FOREVER) er_cell_release(&s->cell); /* until it is cancelled */
    else if (ms == 0) slept(&s->timer);
    else error = er_timer_sleep(pool, &s->timer, er_deadline(er_pool_now(pool), ms));
    if (error) {
        er_cell_release(&s->cell);
        er_cell_try_end(&s->cell, error == ECANCELED ? er_told_result(ERRAND_BY_SHUTDOWN) : errand_fail(error));
    }
    return &s->cell;
}
