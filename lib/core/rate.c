/* core/rate.c -- so many a second: GCRA with reserved turns.
 *
 * `next` is the theoretical arrival time (ITU-T I.371): when the bucket will be empty again if nobody comes. A caller who comes
 * at t gets the turn max(t, next - (burst - 1) * interval) and moves next to max(t, next) + interval. That is the whole state,
 * so order of calls is order of turns, and waiting for a turn is a timer and nothing else. Times are nanoseconds with a
 * 32-bit fraction, so that a rate of 700 million a second does not become a billion.
 *
 * A pause moves every turn that is still to come, those given out already included, by the same amount: `moved` grows, and
 * a timer that comes too early for that sleeps on. Who is cancelled gives his turn back if it is the last one that was given out.
 * Turns are exact; a timer comes up to half a millisecond after its turn, never before it. All sums saturate at LAST, some
 * centuries from now, which is still a time that a timer can be armed for. */
#include "core/limits.h"

#include "base/options.h"

#include <errno.h>

#define LAST (INT64_MAX - 1)

typedef struct instant { /* ns + part / 2^32 */
    int64_t ns;
    uint32_t part;
} instant;

struct errand_rate {
    uint32_t count;
    errand_pool *home;
    const char *name;
    instant interval;
    instant slack; /* (burst - 1) * interval */
    er_lock lock;  /* guards all below */
    instant next;
    int64_t moved;  /* by pauses, in all */
    int64_t paused; /* until then */
};

typedef struct turn {
    er_cell cell;
    er_timer timer;
    errand_rate *rate; /* counted */
    instant after;     /* rate->next when this was the last turn */
    int64_t at, moved; /* the turn, as of that `moved` */
} turn;

static int64_t sum(int64_t a, int64_t b) /* b is not negative */
{
    int64_t ns;
    return __builtin_add_overflow(a, b, &ns) || ns > LAST ? LAST : ns;
}

static instant plus(instant a, instant b)
{
    uint64_t part = (uint64_t)a.part + b.part;
    return (instant){ sum(sum(a.ns, b.ns), (int64_t)(part >> 32)), (uint32_t)part };
}

static instant minus(instant a, instant b)
{
    int64_t borrow = a.part < b.part;
    return (instant){ a.ns - b.ns - borrow, a.part - b.part };
}

static instant later(instant a, instant b) { return a.ns > b.ns || (a.ns == b.ns && a.part >= b.part) ? a : b; }
static int64_t rounded_up(instant a) { return sum(a.ns, a.part != 0); }

static instant of_ns(double ns) /* rounded up: never more are let through than was asked for */
{
    if (ns >= 4e18) return (instant){ (int64_t)4e18, 0 };
    double whole = (double)(int64_t)ns, part = (ns - whole) * 4294967296.0;
    instant down = { (int64_t)ns, (uint32_t)part };
    return plus(down, (instant){ 0, part > (double)down.part });
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
    int64_t at = sum(t->at, rate->moved - t->moved);
    er_lock_give(&rate->lock);
    /* a pause has moved it meanwhile: sleep on */
    if (!shut && at > er_pool_now(rate->home) && !er_cell_told(&t->cell)) {
        er_cell_keep(&t->cell);
        if (er_timer_sleep(rate->home, timer, at) == 0) {
            /* a cancel that looked for the timer before it was armed again has to be made up for */
            if (er_cell_told(&t->cell) && er_timer_disarm(rate->home, timer)) er_cell_release(&t->cell);
            er_cell_release(&t->cell);
            return;
        }
        er_cell_release(&t->cell);
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
        bool last = rate->next.ns == sum(t->after.ns, rate->moved - t->moved) && rate->next.part == t->after.part;
        if (last && rate->next.ns < LAST) rate->next = minus(rate->next, rate->interval);
        er_lock_give(&rate->lock);
    }
    if (armed) er_cell_release(cell);
}

static void free_turn(er_cell *cell)
{
    turn *t = er_of(cell, turn, cell);
    release_rate(t->rate);
    er_cell_bury(cell);
}

static const er_cell_kind turn_kind = { .cancel = cancel_turn, .free = free_turn };

static int64_t on_clock_of(errand_pool *pool, errand_pool *theirs, int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX || er_home_of(pool)->clock == er_home_of(theirs)->clock) return deadline_ns;
    int64_t left = deadline_ns - er_pool_now(theirs);
    return left > 0 ? sum(er_pool_now(pool), left) : er_pool_now(pool) + left;
}

errand_future *er_rate_acquire_by(errand_rate *rate, errand_pool *pool, int64_t deadline_ns)
{
    if (er_pool_dead(rate->home)) return er_failed(NULL, errand_fail(ERRAND_EFORKED));
    turn *t = er_alloc(sizeof *t);
    if (!t) return er_failed(rate->home, errand_fail(ENOMEM));
    deadline_ns = on_clock_of(rate->home, pool, deadline_ns);
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
    return er_rate_acquire_by(rate, rate->home, er_pool_dead(rate->home) ? INT64_MAX : er_deadline_here(rate->home));
}

void errand_rate_pause(errand_rate *rate, int64_t ms)
{
    if (!rate || ms <= 0 || er_pool_dead(rate->home)) return;
    int64_t now = er_pool_now(rate->home), until = er_deadline(now, ms);
    if (until > LAST) until = LAST;
    er_lock_take(&rate->lock);
    int64_t from = now > rate->paused ? now : rate->paused;
    if (until > from) {
        int64_t by = from < 0 ? sum(until, -from) : until - from;
        rate->paused = until;
        if (rate->next.ns > now) { /* turns to come, given out or about to be */
            rate->moved = sum(rate->moved, by);
            rate->next.ns = sum(rate->next.ns, by);
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
    rate->interval = of_ns(1e9 / o.per_second);
    rate->slack = of_ns((o.burst ? o.burst - 1 : 0) * (1e9 / o.per_second));
    rate->next.ns = rate->paused = INT64_MIN / 4; /* long ago */
    er_pool_keep(home);
    return rate;
}

void errand_rate_free(errand_rate *rate)
{
    if (rate) release_rate(rate);
}
