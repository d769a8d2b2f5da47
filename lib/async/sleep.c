/* async/sleep.c -- the cell that only sleeps.
 *
 *     asleep --timer | cancel | the pool shuts down--> ended
 *
 * The dump finds it by its armed timer, so that a million of them cost nothing to list. What ends
 * it takes the timer out first, under the timers' lock: while it is armed its result is not written
 * yet, and `begun` is in that place. */
#include "async/sleep.h"

#include "async/current.h"
#include "async/task.h"

#include <errno.h>

typedef struct sleeper {
    er_cell cell;
    er_timer timer;
} sleeper;

static void slept(er_timer *timer)
{
    sleeper *s = er_of(timer, sleeper, timer);
    bool shut = er_pool_shut(s->cell.pool);
    er_cell_try_end(&s->cell, shut ? er_cancel_result(ERRAND_BY_SHUTDOWN) : errand_ok(NULL, NULL));
    er_cell_release(&s->cell);
}

static void cancel_sleeper(er_cell *cell, errand_reason reason)
{
    sleeper *s = er_of(cell, sleeper, cell);
    bool armed = er_timer_disarm(cell->pool, &s->timer);
    er_cell_try_end(cell, er_cancel_result(reason));
    if (armed) er_cell_release(cell);
}

static void free_sleeper(er_cell *cell) { er_cell_bury(cell); }

/* The timer's time was set before it slept and stays. */
static void describe_sleeper(er_cell *cell, er_description *d)
{
    int64_t at = er_of(cell, sleeper, cell)->timer.when >> 1;
    if (at >= INT64_MAX / 2 - 1) er_describe(d, "asleep until it is cancelled");
    else
        er_describe(d, "asleep, ends in %lld ms",
                    (long long)er_ms_until(er_pool_now(cell->pool), at));
}

static const er_cell_kind sleeper_kind = {
    .cancel = cancel_sleeper, .free = free_sleeper, .what = "sleep", .describe = describe_sleeper
};

er_cell *er_sleeper_of(er_timer *timer)
{
    return timer->fn == slept ? &er_of(timer, sleeper, timer)->cell : NULL;
}

errand_future *errand_sleep(errand_pool *pool, int64_t ms)
{
    if (!pool || ms < 0)
        return er_failed(pool, errand_failf(EINVAL, pool ? "ms is negative" : "pool is NULL"));
    if (er_pool_dead(pool)) return er_failed(NULL, errand_fail(ERRAND_EFORKED));
    sleeper *s = er_alloc(sizeof *s);
    if (!s) return er_failed(pool, errand_fail(ENOMEM));
    er_cell_init(&s->cell, &sleeper_kind, pool);
    s->timer = (er_timer){ .fn = slept };
    er_cell_keep(&s->cell);
    int error = 0;
    int64_t now = er_pool_now(pool), at = er_deadline(now, ms);
    s->cell.begun.live.site = __builtin_return_address(0);
    s->cell.begun.since_ns = er_pool_machine_ns(pool, now);
    if (ms == 0) slept(&s->timer);
    else if (at == INT64_MAX) error = er_timer_arm(pool, &s->timer, at - 1); /* until cancelled */
    else error = er_timer_sleep(pool, &s->timer, at);
    if (error) {
        er_cell_release(&s->cell);
        er_cell_try_end(&s->cell, error == ECANCELED ? er_cancel_result(ERRAND_BY_SHUTDOWN)
                                                     : errand_fail(error));
    }
    return &s->cell;
}
