/* policy/rate.c -- how many a second: GCRA with reserved turns.
 *
 * `next` is the theoretical arrival time (ITU-T I.371): when the bucket is empty again if no caller
 * comes. A caller at time t for n turns moves next to max(t, next) + n intervals, its `after`. Its
 * turn comes as soon as the bucket holds the n beside what is in it, or, if it never could, once it
 * is empty: at `after` less the larger of burst and n, in intervals, and not before t. The slots
 * [after - n, after] of all turns given out are apart, and each turn comes before its slot begins:
 * that is why any interval of time has at most max(burst, largest n) + t * rate of them.
 *
 * Waiters stand in a line in the order of their turns. One that leaves gives its turns back: the
 * last one moves next back; any other becomes a gap before the one behind it (`gap` counts turns),
 * and the next caller takes the earliest with room for it that is not past. A turn that comes takes
 * the gap before it along.
 *
 * A pause moves every turn that is still to come, those given out included, by the same amount:
 * `moved` grows; settling moves them as well, in both directions, but never takes more out of the
 * bucket than is in it before the first turn to come. A timer that is too early sleeps on; the
 * first in line has none that is too late, and hastens that of the next when it goes. Whether a
 * turn has come or was left is decided under the lock by turn->member; while its timer is being
 * armed (arming) it neither comes nor is left, because the timer cannot be disarmed yet.
 *
 * A resize keeps the level of each bucket, counted in turns, and the place of each waiter in it.
 * Turns are exact; a timer comes up to half a millisecond after its turn, never before it. Times
 * beyond LAST, some centuries from now, are LAST. Without a pace the interval is 0: all turns are
 * `paused`, or now, and no gap is kept. The pace is each member's own, because a quota of the other
 * side resizes that one bucket: half of a window may come at once, the rest until its reset. */
#include "policy/rate.h"

#include "base/clock.h"
#include "base/options.h"
#include "async/task.h"

#include <errno.h>

#define WAIT_MOST     300000 /* ms from one turn to the next, however little a quota leaves */
#define WINDOW_MOST   86400000
#define SECOND        (1000 * ER_MS)
#define TURNS_MOST    1000000000
#define INTERVAL_MOST 4e18 /* ns: a century and more */
#define LAST          (INT64_MAX - 1)
#define AGES          ((er_instant)1 << 122) /* no sum of a few such overflows */
#define NS(ns)        ((er_instant)(ns) * ((er_instant)1 << 32))

/* What the other side gives in a window of time, as far as it has said. */
typedef struct er_rate_window {
    bool known;
    bool guessed; /* the reset has passed: a window like the last is assumed */
    bool spread;  /* half of it is used up */
    uint64_t limit, left;
    er_instant length, reset;
} er_rate_window;

typedef struct er_rate_member {
    er_member base;
    er_instant interval, slack; /* the rate's, or those of the window; 0: no pace */
    er_rate_window window;
    uint64_t slowed; /* windows that were spread */
    er_instant next;
    er_instant moved;  /* by pauses, in all */
    er_instant paused; /* until then */
    unsigned waiting;
    er_list line, gapped; /* gapped: those of the line with a gap */
    uint64_t granted, withdrawn, refused, pauses;
} er_rate_member;

struct errand_rate {
    er_keyed keyed;
    const char *name;
    bool paced;  /* else both of these are 0 */
    bool learns; /* from the quotas of replies, by itself */
    er_instant interval, slack;
    er_rate_member plain;
};

static errand_rate *rate_of(er_keyed *keyed) { return er_of(keyed, errand_rate, keyed); }
static er_rate_member *member_of(er_member *m) { return er_of(m, er_rate_member, base); }

static er_instant later(er_instant a, er_instant b) { return a > b ? a : b; }
static er_instant capped(er_instant a) { return a > AGES ? AGES : a; }
static int64_t rounded_up(er_instant a)
{
    er_instant ns = (a >> 32) + ((a & 0xffffffff) != 0);
    return ns > LAST ? LAST : (int64_t)ns;
}

static er_instant of_ns(double ns, double most) /* rounded up: never lets more through */
{
    if (ns > most) ns = most;
    double part = ns * 4294967296.0;
    er_instant down = (er_instant)part;
    return down + (part > (double)down);
}

typedef struct er_place {
    er_instant after;
    er_turn *behind; /* NULL: at the end of the line */
} er_place;

/* ---- under the lock ---- */

static er_instant after_of(const er_rate_member *m, const er_turn *t)
{
    return t->after + m->moved;
}
/* As long as n turns take. The cap is far beyond LAST, so that a turn after it never seems due. */
static er_instant cost(const er_rate_member *m, uint64_t n)
{
    er_instant all;
    if (n == 1) return m->interval;
    bool over = __builtin_mul_overflow(m->interval, (er_instant)n, &all);
    return over || all > AGES / 8 ? AGES / 8 : all;
}

static er_instant slot_of(const er_rate_member *m, const er_turn *t)
{
    return after_of(m, t) - cost(m, t->weight);
}

/* When one of n turns with that `after` comes at the earliest. */
static er_instant turn_at(const er_rate_member *m, er_instant after, uint64_t n)
{
    return after - later(m->interval + m->slack, cost(m, n));
}

static er_instant turn_of(const er_rate_member *m, const er_turn *t)
{
    return later(m->paused, turn_at(m, after_of(m, t), t->weight));
}

static bool is_first(const er_rate_member *m, const er_turn *t)
{
    return m->line.head.next == &t->node;
}

/* For when its timer is armed. What follows a window is not known yet: the first in line looks. */
static int64_t wake_of(const er_rate_member *m, const er_turn *t)
{
    int64_t at = rounded_up(turn_of(m, t)), reset = rounded_up(m->window.reset);
    return m->window.known && is_first(m, t) && reset < at ? reset : at;
}

static uint64_t sum(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

static void hasten(const errand_rate *rate, const er_rate_member *m, er_turn *t)
{
    if (t->arming) return; /* arm() looks by itself */
    int64_t at = wake_of(m, t);
    if (at >= t->armed_ns) return;
    t->armed_ns = at;
    er_timer_hasten(rate->keyed.pool, &t->timer, at);
}

/* No timer of a turn that is due, or of the first to come, is too late. */
static void hasten_first(const errand_rate *rate, er_rate_member *m)
{
    if (!m->waiting) return;
    er_instant now = NS(er_pool_now(rate->keyed.pool));
    bool due = true;
    for (er_node *n = m->line.head.next; due && n != &m->line.head; n = n->next) {
        er_turn *t = er_of(n, er_turn, node);
        due = turn_of(m, t) <= now;
        /* those behind it are looked at when it goes */
        if (due && !t->arming && NS(t->armed_ns) <= now) break;
        hasten(rate, m, t);
    }
}

static void widen_gap(er_rate_member *m, er_turn *t, uint64_t by)
{
    if (!by) return;
    if (!t->gap) { /* in the order of the line: its place is looked for from the end */
        er_node *before = m->gapped.head.prev;
        while (before != &m->gapped.head && er_of(before, er_turn, gapped)->after > t->after)
            before = before->prev;
        t->gapped = (er_node){ before->next, before };
        before->next->prev = &t->gapped;
        before->next = &t->gapped;
    }
    t->gap = sum(t->gap, by);
}

static void narrow_gap(er_turn *t, uint64_t by)
{
    if (!by) return;
    t->gap -= by;
    if (!t->gap) er_list_remove(&t->gapped);
}

/* The first waiter with a gap before it that a caller of n turns at `come` can use; NULL: only
 * behind all. */
static er_turn *first_gap(er_rate_member *m, er_instant come, uint64_t n)
{
    for (er_node *at = m->gapped.head.next, *next; at != &m->gapped.head; at = next) {
        er_turn *t = er_of(at, er_turn, gapped);
        next = at->next;
        /* from come to the turn's own place */
        er_instant room = slot_of(m, t) - come;
        er_instant usable = room < 0 ? 0 : room / m->interval;
        if (usable < t->gap) narrow_gap(t, t->gap - (uint64_t)usable);
        if (t->gap >= n) return t;
    }
    return NULL;
}

/* When a caller of n turns at `now` has its turn, and its `after`; *behind: the waiter before which
 * its gap is. */
static er_instant look(er_rate_member *m, int64_t now, uint64_t n, er_place *p)
{
    er_instant come = later(NS(now), m->paused);
    p->behind = first_gap(m, come, n);
    er_instant from = later(come, m->next);
    if (p->behind) from = slot_of(m, p->behind) - cost(m, p->behind->gap);
    p->after = from + cost(m, n);
    return later(come, turn_at(m, p->after, n));
}

static void stand_in_line(er_rate_member *m, er_turn *t, er_turn *behind)
{
    t->member = m;
    m->waiting++;
    if (behind) {
        t->node = (er_node){ &behind->node, behind->node.prev };
        t->node.prev->next = &t->node;
        behind->node.prev = &t->node;
    } else {
        er_list_push(&m->line, &t->node);
    }
}

static uint64_t leave_line(er_turn *t) /* the gap before it */
{
    uint64_t gap = t->gap;
    er_rate_member *m = t->member;
    bool first = is_first(m, t);
    narrow_gap(t, gap);
    er_list_remove(&t->node);
    m->waiting--;
    t->member = NULL;
    if (first) hasten_first(t->rate, m);
    return gap;
}

static void give_back(er_rate_member *m, er_turn *t)
{
    er_node *behind = t->node.next;
    bool last = behind == &m->line.head;
    /* behind the last one there may be turns that are no longer waited for */
    if (last && m->next != after_of(m, t)) last = false;
    uint64_t gap = sum(leave_line(t), t->weight);
    if (!m->interval) return;
    if (behind != &m->line.head) widen_gap(m, er_of(behind, er_turn, node), gap);
    else if (last) m->next -= cost(m, gap);
}

/* All turns to come. The sum of the moves is bounded: it goes over into the line. */
static void move(er_rate_member *m, er_instant by)
{
    m->next = capped(m->next + by);
    m->moved += by;
    if (m->moved < AGES / 4 && m->moved > -AGES / 4) return;
    for (er_node *n = m->line.head.next; n != &m->line.head; n = n->next) {
        er_turn *t = er_of(n, er_turn, node);
        t->after = later(capped(after_of(m, t)), -AGES);
    }
    m->moved = 0;
}

/* That far from now in intervals of the one length, in intervals of the
 * other. What is past stays. */
static er_instant scaled(er_instant distance, er_instant from, er_instant to)
{
    er_instant whole, rest = distance > 0 && from ? distance % from : 0;
    if (distance <= 0 || from == to) return distance;
    if (!from) return 0;
    if (__builtin_mul_overflow(distance / from, to, &whole)) return AGES;
    return capped(capped(whole) +
                  (er_instant)((long double)rest / (long double)from * (long double)to));
}

static void forget_gaps(er_rate_member *m)
{
    for (er_node *n; (n = er_list_first(&m->gapped));) {
        er_turn *t = er_of(n, er_turn, gapped);
        narrow_gap(t, t->gap);
    }
}

/* The level of the bucket stays, in turns, and the place of each waiter. */
static void set_pace(const errand_rate *rate, er_rate_member *m, int64_t now, er_instant interval,
                     er_instant slack)
{
    er_instant base = later(NS(now), m->paused), last = 0, next = m->next, from = m->interval;
    m->interval = interval;
    m->slack = slack;
    if (!interval) forget_gaps(m);
    m->next = capped(base + scaled(next - base, from, interval));
    for (er_node *n = m->line.head.next; n != &m->line.head; n = n->next) {
        er_turn *t = er_of(n, er_turn, node);
        bool first = n == m->line.head.next, at_end = after_of(m, t) == next;
        er_instant after = base + scaled(after_of(m, t) - base, from, interval), apart;
        if (__builtin_mul_overflow((er_instant)t->gap + t->weight, interval, &apart)) apart = AGES;
        /* what was rounded down adds up to no turn more */
        if (!first) after = later(after, capped(last + capped(apart)));
        last = after = capped(after);
        if (at_end || m->next < after) m->next = after;
        t->after = after - m->moved;
    }
    hasten_first(rate, m);
}

/* ---- windows ---- */

/* From now to the reset: that many turns, and of these some at once. */
static void spread(const errand_rate *rate, er_rate_member *m, int64_t now, uint64_t turns,
                   uint64_t at_once)
{
    er_instant base = later(NS(now), m->paused), span = m->window.reset - base;
    if (span <= 0) span = m->window.length; /* the pause is longer than the window */
    if (rate->paced) at_once = 0;
    er_instant interval = span / (er_instant)(turns > at_once ? turns - at_once : 1);
    if (interval > NS(WAIT_MOST * ER_MS)) interval = NS(WAIT_MOST * ER_MS);
    if (interval < 1) interval = 1;
    if (interval < rate->interval) {
        set_pace(rate, m, now, rate->interval, rate->slack);
        return;
    }
    set_pace(rate, m, now, interval, at_once ? (er_instant)(at_once - 1) * interval : 0);
    er_node *n = er_list_first(&m->line);
    er_turn *first = n ? er_of(n, er_turn, node) : NULL;
    er_instant begin = first ? slot_of(m, first) - cost(m, first->gap) : m->next, to = base;
    /* replies follow each other: none of them gives a turn, nor puts it off */
    if (!at_once && turns) to = later(base, begin < base + interval ? begin : base + interval);
    if (!turns) to = base + interval;
    if (rate->paced) to = later(to, begin);
    if (first) move(m, to - begin);
    else m->next = to;
    hasten_first(rate, m);
}

/* After the reset without news: the same again once, but all of it spread, since that is a guess.
 * The first reply says more; if none does, there is no pace. */
static void roll_window(const errand_rate *rate, er_rate_member *m, int64_t now)
{
    er_rate_window *w = &m->window;
    if (!w->known || w->reset > NS(now)) return;
    if (w->guessed) {
        *w = (er_rate_window){ .known = false };
        set_pace(rate, m, now, rate->interval, rate->slack);
        return;
    }
    w->guessed = true;
    w->spread = false;
    w->left = w->limit;
    w->reset = NS(now) + w->length;
    spread(rate, m, now, w->limit, 1);
}

static void count_granted(er_rate_member *m, uint64_t n)
{
    m->granted += n;
    m->window.left -= n < m->window.left ? n : m->window.left;
}

/* ---- turns ---- */

/* Arms the timer of a turn in line, which is marked as arming. The line may move meanwhile: then
 * the timer follows. On failure the turn is given back. */
static int arm(errand_rate *rate, er_turn *t, int64_t at)
{
    t->armed_ns = at;
    int error = er_timer_sleep(rate->keyed.pool, &t->timer, at);
    er_lock_take(&rate->keyed.lock);
    er_rate_member *m = t->member;
    t->arming = false;
    if (error) give_back(m, t);
    else hasten(rate, m, t);
    er_keyed_leave(&rate->keyed); /* from here on the turn may be gone */
    return error;
}

/* Takes the lock once no other thread is arming this turn's timer. */
static void take_settled(errand_rate *rate, const er_turn *t)
{
    unsigned turns = 0;
    er_lock_take(&rate->keyed.lock);
    while (t->arming) {
        er_lock_give(&rate->keyed.lock);
        er_relax(&turns);
        er_lock_take(&rate->keyed.lock);
    }
}

static void turn_came(er_timer *timer)
{
    er_turn *t = er_of(timer, er_turn, timer);
    errand_rate *rate = t->rate;
    bool shut = er_pool_shut(rate->keyed.pool);
    int64_t now = er_pool_now(rate->keyed.pool);
    take_settled(rate, t);
    er_rate_member *m = t->member;
    if (m) roll_window(rate, m, now);
    int64_t at = m ? rounded_up(turn_of(m, t)) : 0;
    bool sleeps_on = m && !shut && at > now; /* a pause or a resize has moved it meanwhile */
    if (sleeps_on) {
        t->arming = true;
        at = wake_of(m, t);
        er_keyed_keep(&rate->keyed);
    } else if (m && shut) give_back(m, t);
    else if (m) {
        leave_line(t);
        count_granted(m, t->weight);
    }
    er_keyed_leave(&rate->keyed);
    if (!sleeps_on) {
        t->came(t, shut || !m ? ECANCELED : 0);
        return;
    }
    int error = arm(rate, t, at);
    if (error) t->came(t, error);
    er_keyed_release(&rate->keyed);
}

static int64_t on_clock_of(errand_pool *pool, errand_pool *theirs, int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX || er_pool_ref_of(pool)->clock == er_pool_ref_of(theirs)->clock)
        return deadline_ns;
    int64_t left = deadline_ns - er_pool_now(theirs), now = er_pool_now(pool), sum;
    return __builtin_add_overflow(now, left, &sum) ? LAST : sum;
}

/* A turn behind the reset may come as early. */
static int64_t until_reset(const er_rate_member *m, int64_t at)
{
    int64_t reset = rounded_up(m->window.reset);
    return m->window.known && reset < at ? reset : at;
}

int er_rate_enter(errand_rate *rate, const char *key, errand_pool *pool, int64_t deadline_ns,
                  er_turn *turn)
{
    er_member *base;
    int error = er_keyed_enter(&rate->keyed, key, &base);
    if (error) return error;
    er_rate_member *m = member_of(base);
    deadline_ns = on_clock_of(rate->keyed.pool, pool, deadline_ns);
    int64_t now = er_pool_now(rate->keyed.pool);
    if (!turn->weight) turn->weight = 1;
    roll_window(rate, m, now);
    er_place place;
    int64_t at = rounded_up(look(m, now, turn->weight, &place));
    turn->timer = (er_timer){ .fn = turn_came };
    turn->rate = rate;
    turn->after = place.after - m->moved; /* a pause moves all of them by moving that */
    if (at > now && until_reset(m, at) > deadline_ns) {
        /* a turn that is there is never late: its deadline may be this very moment */
        error = ERRAND_ELATE;
        m->refused++;
    } else {
        if (place.behind) narrow_gap(place.behind, turn->weight);
        else m->next = capped(place.after);
        turn->arming = at > now;
        if (turn->arming) stand_in_line(m, turn, place.behind);
        else count_granted(m, turn->weight);
        if (turn->arming) at = wake_of(m, turn);
    }
    er_keyed_leave(&rate->keyed);
    if (error || at <= now) return error;
    error = arm(rate, turn, at);
    return error ? error : EINPROGRESS;
}

bool er_rate_leave(er_turn *turn)
{
    errand_rate *rate = turn->rate;
    if (er_pool_dead(rate->keyed.pool)) return false; /* its lock may be held forever */
    take_settled(rate, turn);
    er_rate_member *m = turn->member;
    if (m) {
        give_back(m, turn);
        m->withdrawn += turn->weight;
    }
    er_keyed_leave(&rate->keyed);
    return m && er_timer_disarm(rate->keyed.pool, &turn->timer);
}

void er_rate_describe(errand_rate *rate, const er_turn *turn, er_description *d)
{
    int64_t at = 0;
    er_lock_take(&rate->keyed.lock);
    const er_rate_member *m = turn->member;
    if (m) {
        at = rounded_up(turn_of(m, turn));
        er_keyed_describe(&m->base, d);
    }
    er_lock_give(&rate->keyed.lock);
    if (!m) return;
    er_describe(d, "waits for rate %s, its turn is in %lld ms",
                rate->name ? rate->name : "(no name)",
                (long long)er_ms_until(er_pool_now(rate->keyed.pool), at));
}

/* ---- pausing and settling ---- */

static void put_back(errand_rate *rate, er_rate_member *m, er_instant now, er_instant by)
{
    er_instant base = later(now, m->paused);
    er_node *n = m->line.head.next;
    while (n != &m->line.head && turn_of(m, er_of(n, er_turn, node)) <= now)
        n = n->next; /* it has come but for its timer */
    bool last = n == &m->line.head;
    er_instant level = (last ? m->next : slot_of(m, er_of(n, er_turn, node))) - base;
    if (by > level) by = level;
    if (by <= 0) return;
    move(m, -by);
    hasten_first(rate, m);
}

int errand_rate_settle(errand_rate *rate, const char *key, uint64_t reserved, uint64_t used)
{
    if (!rate) return EINVAL;
    er_member *base;
    int error = er_keyed_enter(&rate->keyed, key, &base);
    if (error) return error;
    er_rate_member *m = member_of(base);
    er_instant now = NS(er_pool_now(rate->keyed.pool)), from = later(now, m->paused);
    if (used < reserved) put_back(rate, m, now, cost(m, reserved - used));
    else if (m->next > from) move(m, cost(m, used - reserved));
    else if (m->interval) m->next = from + cost(m, used - reserved);
    er_keyed_leave(&rate->keyed);
    return 0;
}

int er_rate_pause(errand_rate *rate, const char *key, int64_t ms, uint64_t *number)
{
    *number = 0;
    er_member *base;
    int error = er_keyed_enter(&rate->keyed, key, &base);
    if (error) return error;
    er_rate_member *m = member_of(base);
    int64_t now = er_pool_now(rate->keyed.pool), until = er_deadline(now, ms);
    er_instant from = later(NS(now), m->paused), to = NS(until > LAST ? LAST : until);
    if (to > from) {
        if (m->paused <= NS(now)) *number = ++m->pauses;
        m->paused = to;
        /* turns to come, given out or about to be */
        if (m->next > NS(now)) move(m, to - from);
    }
    er_keyed_leave(&rate->keyed);
    return 0;
}

int errand_rate_pause(errand_rate *rate, const char *key, int64_t ms)
{
    uint64_t number;
    return rate && ms >= 0 ? er_rate_pause(rate, key, ms, &number) : EINVAL;
}

bool er_rate_paused(errand_rate *rate, const char *key)
{
    er_member *base;
    if (er_keyed_find(&rate->keyed, key, &base)) return false;
    bool paused = member_of(base)->paused > NS(er_pool_now(rate->keyed.pool));
    er_keyed_leave(&rate->keyed);
    return paused;
}

/* ---- another size ---- */

static int check_size(double per_second) /* a NaN too */
{
    return per_second > 0 && per_second <= 1e9 ? 0 : EINVAL;
}

static void set_size(errand_rate *rate, double per_second, unsigned burst)
{
    double ns = 1e9 / per_second; /* infinite for the smallest of all */
    if (ns > INTERVAL_MOST) ns = INTERVAL_MOST;
    rate->interval = of_ns(ns, INTERVAL_MOST);
    rate->slack = of_ns((burst ? burst - 1 : 0) * ns, 4e22);
}

int errand_rate_resize(errand_rate *rate, double per_second, unsigned burst)
{
    if (!rate || !rate->paced || check_size(per_second)) return EINVAL;
    if (er_pool_dead(rate->keyed.pool)) return ERRAND_EFORKED;
    er_lock_take(&rate->keyed.lock);
    int64_t now = er_pool_now(rate->keyed.pool); /* under the lock: none has come later */
    set_size(rate, per_second, burst);
    for (er_member *at = NULL; (at = er_keyed_next(&rate->keyed, at));) {
        er_rate_member *m = member_of(at);
        set_pace(rate, m, now, rate->interval, rate->slack);
        if (m->window.known && m->window.reset > NS(now)) spread(rate, m, now, m->window.left, 0);
    }
    er_keyed_leave(&rate->keyed);
    return 0;
}

/* ---- quotas ---- */

static uint64_t turns_of(int64_t n) { return (uint64_t)(n < TURNS_MOST ? n : TURNS_MOST); }

/* Replies of one window differ in its end, which most give in whole seconds. */
static er_instant jitter(const er_rate_window *w)
{
    er_instant most = NS(2 * SECOND), half = w->length / 2;
    return half < most ? half : most;
}

/* What is given out is not forgotten: of a window that is known, no reply gives back. */
static bool learn(er_rate_window *w, const errand_quota *q, int64_t now)
{
    er_rate_window old = *w;
    int64_t ms = q->reset_ms < WINDOW_MOST ? q->reset_ms : WINDOW_MOST;
    int64_t whole = q->window_ms < WINDOW_MOST ? q->window_ms : WINDOW_MOST;
    er_instant end = NS(now + ms * ER_MS), length = NS((whole > ms ? whole : ms) * ER_MS);
    bool fresh = !old.known || old.guessed || end > old.reset + jitter(w);
    uint64_t left = turns_of(q->remaining), since = old.limit > old.left ? old.limit - old.left : 0;
    w->limit = q->limit > 0 ? turns_of(q->limit) : old.limit;
    if (w->limit < left) w->limit = left;
    if (!w->limit) w->limit = 1;
    w->length = q->window_ms > 0 ? length : later(length, old.length);
    w->left = left;
    if (old.guessed && w->limit < left + since) w->left = w->limit > since ? w->limit - since : 0;
    w->known = true;
    w->guessed = false;
    w->spread = old.spread && !fresh;
    w->reset = end;
    if (fresh) return true;
    bool sooner = end < old.reset - jitter(&old), fewer = w->left < old.left;
    if (!sooner) w->reset = later(end, old.reset);
    if (!fewer) w->left = old.left;
    return sooner || fewer;
}

int er_rate_quota(errand_rate *rate, const char *key, errand_quota *q, uint64_t *number)
{
    *number = 0;
    if (q->remaining < 0 || q->reset_ms < 0) return EINVAL;
    er_member *base;
    int error = er_keyed_enter(&rate->keyed, key, &base);
    if (error) return error;
    er_rate_member *m = member_of(base);
    er_rate_window *w = &m->window;
    int64_t now = er_pool_now(rate->keyed.pool);
    roll_window(rate, m, now);
    if (q->reset_ms > 0 && learn(w, q, now)) {
        uint64_t half = w->limit / 2;
        spread(rate, m, now, w->left, w->left > half ? w->left - half : 0);
    }
    if (w->known && !w->guessed && !w->spread && w->left <= w->limit / 2) {
        w->spread = true;
        *number = ++m->slowed;
    }
    if (w->known) q->remaining = (int64_t)w->left;
    er_keyed_leave(&rate->keyed);
    return 0;
}

int errand_rate_quota_sized(errand_rate *rate, const char *key, const errand_quota *quota,
                            size_t size)
{
    errand_quota q;
    uint64_t number;
    if (!rate || !quota) return EINVAL;
    int error = er_options(&q, sizeof q, quota, size);
    return error ? error : er_rate_quota(rate, key, &q, &number);
}

bool er_rate_learns(const errand_rate *rate) { return rate->learns; }

/* ---- the rate itself ---- */

static void init_member(er_keyed *keyed, er_member *base)
{
    er_rate_member *m = member_of(base);
    m->interval = rate_of(keyed)->interval;
    m->slack = rate_of(keyed)->slack;
    m->next = m->paused = NS(INT64_MIN / 4); /* long ago */
    er_list_init(&m->line);
    er_list_init(&m->gapped);
}

static bool is_idle(er_keyed *keyed, er_member *base)
{
    const er_rate_member *m = member_of(base);
    er_instant now = NS(er_pool_now(keyed->pool));
    bool due = m->next <= now && m->paused <= now;
    return !m->waiting && due && !(m->window.known && m->window.reset > now);
}

static void free_rate(er_keyed *keyed) { er_free(rate_of(keyed)); }
static const er_keyed_kind rate_kind = { sizeof(er_rate_member), init_member, is_idle, free_rate };

errand_rate *errand_rate_new_sized(errand_pool *pool, const errand_rate_opts *opts, size_t size)
{
    errand_rate_opts o;
    int error = opts ? er_options(&o, sizeof o, opts, size) : EINVAL;
    bool learns = !error && o.per_second == ERRAND_AUTO_PACE;
    bool paced = !error && !learns && o.per_second != ERRAND_NO_PACE;
    if (paced) error = check_size(o.per_second);
    errand_rate *rate = error ? NULL : er_alloc_zero(sizeof *rate);
    if (!error && !rate) error = ENOMEM;
    if (!error)
        error = er_keyed_init(&rate->keyed, &rate_kind, pool, o.max_keys, &rate->plain.base);
    if (error) {
        er_free(rate);
        errno = error;
        return NULL;
    }
    rate->name = o.name;
    rate->paced = paced;
    rate->learns = learns;
    if (paced) set_size(rate, o.per_second, o.burst);
    rate->plain.interval = rate->interval;
    rate->plain.slack = rate->slack;
    return rate;
}

void errand_rate_free(errand_rate *rate)
{
    if (rate) er_keyed_release(&rate->keyed);
}

errand_rate *er_rate_keep(errand_rate *rate)
{
    er_keyed_keep(&rate->keyed);
    return rate;
}

errand_pool *er_rate_pool(const errand_rate *rate) { return rate->keyed.pool; }
const char *er_rate_name(const errand_rate *rate) { return rate->name; }

static int64_t ms_until(int64_t now, er_instant at) { return er_ms_until(now, rounded_up(at)); }

int errand_rate_stats_sized(errand_rate *rate, const char *key, errand_rate_stats *out, size_t size)
{
    if (!rate || !out) return EINVAL;
    er_member *base;
    int error = er_keyed_find(&rate->keyed, key, &base);
    if (error) return error;
    er_rate_member *m = member_of(base);
    int64_t now = er_pool_now(rate->keyed.pool);
    er_place place;
    errand_rate_stats s = {
        m->waiting,
        rate->keyed.members.count,
        m->granted,
        m->withdrawn,
        m->refused,
        0,
        ms_until(now, m->paused),
        m->pauses,
        0,
        0
    };
    roll_window(rate, m, now);
    int64_t at = until_reset(m, rounded_up(look(m, now, 1, &place)));
    s.next_ms = er_ms_until(now, at);
    s.quota_left = m->window.known ? (int64_t)m->window.left : -1;
    s.quota_reset_ms = m->window.known ? ms_until(now, m->window.reset) : -1;
    er_keyed_leave(&rate->keyed);
    return er_options_give(out, size, &s, sizeof s);
}
