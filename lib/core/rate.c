/* core/rate.c -- so many a second: GCRA with reserved turns.
 *
 * `next` is the theoretical arrival time (ITU-T I.371): when the bucket will be empty again if nobody comes. A caller who comes
 * at t gets the turn max(t, next - (burst - 1) * interval) and moves next to max(t, next) + interval. That is the whole state,
 * so order of calls is order of turns, and waiting for a turn is a timer and nothing else. Times are nanoseconds with a
 * 32-bit fraction, so that a rate of 700 million a second does not become a billion.
 *
 * A pause moves every turn that is still to come, those given out already included, by the same amount: `moved` grows, and
 * a timer that comes too early for that sleeps on. Who is cancelled gives his turn back if it is the last one that was given out. */
#include "core/limits.h"

#include "base/options.h"

#include <errno.h>

typedef struct instant { /* ns + part / 2^32 */
    int64_t  ns;
    uint32_t part;
} instant;

struct errand_rate {
    uint32_t     count;
    errand_pool *home;
    const char  *name;
    instant      interval;
    instant      slack; /* (burst - 1) * interval */
    er_lock      lock; /* guards all below */
    instant      next;
    int64_t      moved;  /* by pauses, in all */
    int64_t      paused; /* until then */
};

typedef struct turn {
    er_cell      cell;
    er_timer     timer;
    errand_rate *rate;  /* counted */
    instant      after; /* rate->next when this was the last turn */
    int64_t      at, moved; /* the turn, as of that `moved` */
} turn;

static instant plus(instant a, instant b)
{
    uint64_t part = (uint64_t)a.part + b.part;
    int64_t ns;
    if (__builtin_add_overflow(a.ns, b.ns, &ns) || __builtin_add_overflow(ns, (int64_t)(part >> 32), &ns)) ns = INT64_MAX;
    return (instant){ ns, (uint32_t)part };
}

static instant minus(instant a, instant b)
{
    int64_t borrow = a.part < b.part;
    return (instant){ a.ns - b.ns - borrow, a.part - b.part };
}

static instant later(instant a, instant b) { return a.ns > b.ns || (a.ns == b.ns && a.part >= b.part) ? a : b; }
static int64_t rounded_up(instant a) { return a.part && a.ns < INT64_MAX ? a.ns + 1 : a.ns; }

static instant of_seconds(double seconds)
{
    double ns = seconds * 1e9;
    if (ns >= 9e18) return (instant){ INT64_MAX / 2, 0 };
    int64_t whole = (int64_t)ns;
    return (instant){ whole, (uint32_t)((ns - (double)whole) * 4294967296.0) };
}

static void release_rate(errand_rate *rate)
{
    if (er_sub(&rate->count, 1) != 1) return;
    er_pool_release(rate->home);
    er_free(rate);
}

errand_rate *er_rate_keep(errand_rate *rate)
{
    er_add_relaxed(&rate->count, 1); /* relaxed: who counts up has a count */
    return rate;
}

/* ---- a turn ---- */

static void turn_came(er_timer *timer)
{
    turn *t = er_of(timer, turn, timer);
    errand_rate *rate = t->rate;
    bool shut = er_pool_shut(rate->home);
    er_lock_take(&rate->lock);
    int64_t at = t->at + (rate->moved - t->moved);
    er_lock_give(&rate->lock);
    /* a pause has moved it meanwhile: sleep on */
    if (!shut && at > er_pool_now(rate->home) && !er_cell_told(&t->cell)) {
        if (er_timer_sleep(rate->home, timer, at) == 0) {
            /* a cancel that looked for the timer before it was armed again has to be made up for */
            if (er_cell_told(&t->cell) && er_timer_disarm(rate->home, timer)) er_cell_release(&t->cell);
            return;
        }
        shut = true;
    }
    errand_reason reason = er_cell_told(&t->cell);
    if (shut && !reason) reason = ERRAND_BY_SHUTDOWN;
    er_cell_try_end(&t->cell, reason ? er_told_result(reason) : errand_ok(NULL, NULL));
    er_cell_release(&t->cell);
}

static void cancel_turn(er_cell *cell, errand_reason reason)
{
    turn *t = er_of(cell, turn, cell);
    errand_rate *rate = t->rate;
    bool armed = er_timer_disarm(cell->pool, &t->timer);
    if (er_cell_try_end(cell, er_told_result(reason))) {
        er_lock_take(&rate->lock);
        int64_t moved = rate->moved - t->moved;
        if (rate->next.ns == t->after.ns + moved && rate->next.part == t->after.part) rate->next = minus(rate->next, rate->interval);
        er_lock_give(&rate->lock);
    }
    if (armed) er_cell_release(cell);
}

static void free_turn(er_cell *cell)
{
    turn *t = er_of(cell, turn, cell);
    release_rate(t->rate);
    er_free(t);
}

static const er_cell_kind turn_kind = { .cancel = cancel_turn, .free = free_turn };

errand_future *er_rate_acquire_by(errand_rate *rate, int64_t deadline_ns)
{
    turn *t = er_alloc(sizeof *t);
    if (!t) return er_failed(rate->home, errand_fail(ENOMEM));
    int64_t now = er_pool_now(rate->home);
    er_lock_take(&rate->lock);
    instant come = { now > rate->paused ? now : rate->paused, 0 };
    int64_t at = rounded_up(later(come, minus(rate->next, rate->slack)));
    bool late = at > deadline_ns;
    if (!late) rate->next = plus(later(come, rate->next), rate->interval);
    t->after = rate->next;
    t->moved = rate->moved;
    er_lock_give(&rate->lock);
    if (late) {
        er_free(t);
        return er_failed(rate->home, errand_fail(ERRAND_ELATE));
    }
    er_cell_init(&t->cell, &turn_kind, rate->home);
    t->timer = (er_timer){ .fn = turn_came };
    t->rate = er_rate_keep(rate);
    t->at = at;
    int error = 0;
    if (at <= now) {
        er_cell_try_end(&t->cell, errand_ok(NULL, NULL));
    } else {
        er_cell_keep(&t->cell);
        error = er_timer_sleep(rate->home, &t->timer, at);
        if (error) er_cell_release(&t->cell);
    }
    if (error) er_cell_try_end(&t->cell, error == ECANCELED ? er_told_result(ERRAND_BY_SHUTDOWN) : errand_fail(error));
    return &t->cell;
}

errand_future *errand_rate_acquire(errand_rate *rate)
{
    if (!rate) return er_failed(NULL, errand_failf(EINVAL, "rate is NULL"));
    if (er_pool_dead(rate->home)) return er_failed(NULL, errand_fail(ERRAND_EFORKED));
    return er_rate_acquire_by(rate, er_deadline_here(rate->home));
}

void errand_rate_pause(errand_rate *rate, int64_t ms)
{
    if (!rate || ms <= 0 || er_pool_dead(rate->home)) return;
    int64_t now = er_pool_now(rate->home), until = er_deadline(now, ms);
    er_lock_take(&rate->lock);
    int64_t from = now > rate->paused ? now : rate->paused;
    if (until > from) {
        int64_t by = until - from;
        rate->paused = until;
        if (rate->next.ns > now) { /* turns to come, given out or about to be */
            rate->moved += by;
            rate->next.ns = rate->next.ns < INT64_MAX - by ? rate->next.ns + by : INT64_MAX;
        }
    }
    er_lock_give(&rate->lock);
}

/* ---- the rate itself ---- */

errand_rate *errand_rate_new_sized(errand_pool *home, const errand_rate_opts *opts, size_t size)
{
    errand_rate_opts o;
    int error = home && opts ? er_options(&o, sizeof o, opts, size) : EINVAL;
    if (!error && !(o.per_second > 0 && o.per_second <= 1e9)) error = EINVAL; /* a NaN too */
    if (!error && er_pool_dead(home)) error = ERRAND_EFORKED;
    errand_rate *rate = error ? NULL : er_alloc_zero(sizeof *rate);
    if (!rate) {
        errno = error ? error : ENOMEM;
        return NULL;
    }
    rate->count = 1;
    rate->home = home;
    rate->name = o.name;
    rate->interval = of_seconds(1 / o.per_second);
    rate->slack = of_seconds((o.burst ? o.burst - 1 : 0) / o.per_second);
    rate->next.ns = rate->paused = INT64_MIN / 4; /* long ago */
    er_pool_keep(home);
    return rate;
}

void errand_rate_free(errand_rate *rate)
{
    if (rate) release_rate(rate);
}
