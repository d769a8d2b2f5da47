/* async/timer.c -- the wheel, its lock, and the thread that works it off.
 *
 *     arm --> wheel --due--> due list --popped under the lock--> fn, without lock
 *
 * A timer is in the wheel, in the due list, or in none. Disarming takes it out of whichever it
 * is in, under the lock, so it either prevents the call for certain or comes after the timer was
 * popped. The thread sleeps until the wheel's next busy slot; arming something earlier wakes it.
 * On a test's clock there is no thread: errand_pool_tick does its work.
 *
 * Sleepers (er_timer_sleep) are counted while they are armed: closing the pool waits for them,
 * not for mere deadlines. */
#include "async/timer.h"

#include <errno.h>
#include <string.h>

struct er_timers {
    errand_pool *pool;
    void (*awake)(errand_pool *);
    er_parker parker;
    er_lock lock; /* guards all below */
    bool threaded, shut, ending;
    int64_t wakes_at; /* what the thread sleeps until */
    size_t asleep;
    er_list due;
    er_thread thread;
    er_wheel wheel;
};

enum { WAKE = 1 };

er_timers *er_timers_new(errand_pool *pool, void (*awake)(errand_pool *))
{
    er_timers *t = er_alloc_zero(sizeof *t);
    if (!t) return NULL;
    t->pool = pool;
    t->awake = awake;
    t->wakes_at = INT64_MAX;
    er_list_init(&t->due);
    er_wheel_init(&t->wheel, er_pool_now(pool));
    return t;
}

void er_timers_free(er_timers *t) { er_free(t); }

static er_timers *timers_of(errand_pool *pool) { return er_pool_ref_of(pool)->timers; }

static bool is_sleeper(const er_timer *timer) { return timer->when & 1; }

static er_timer *next_due(er_timers *t, int64_t now_ns)
{
    er_list_each(n, &t->due) {
        er_timer *timer = er_of(n, er_timer, node.node);
        if (timer->when >> 1 > now_ns) continue;
        er_list_remove(n);
        return timer;
    }
    return NULL;
}

/* Calls one after the other what is due; the lock is held on entry and, but
 * in a child, on return. */
static void call_due(er_timers *t, int64_t now_ns)
{
    for (er_timer *timer; (timer = next_due(t, now_ns));) {
        bool sleeper = is_sleeper(timer);
        er_lock_give(&t->lock);
        timer->fn(timer); /* after this the timer's memory may be gone */
        if (er_pool_dead(t->pool)) {
            /* a cancel hook has forked and returned in the child: the rest is the parent's */
            if (t->threaded && er_thread_is_me(&t->thread)) er_exit_child();
            return;
        }
        er_lock_take(&t->lock);
        if (!sleeper || --t->asleep) continue; /* counted until fn has queued what follows */
        er_lock_give(&t->lock);
        t->awake(t->pool);
        er_lock_take(&t->lock);
    }
}

static void timer_main(void *arg)
{
    er_timers *t = arg;
    er_lock_take(&t->lock);
    while (!t->ending) {
        er_wheel_advance(&t->wheel, er_now_ns(), &t->due);
        if (!er_list_empty(&t->due)) {
            call_due(t, INT64_MAX);
            continue;
        }
        int64_t until = t->wakes_at = er_wheel_next_ns(&t->wheel);
        er_lock_give(&t->lock);
        er_park(&t->parker, WAKE, until);
        er_parker_clear(&t->parker, WAKE);
        er_lock_take(&t->lock);
        t->wakes_at = INT64_MIN; /* awake: no wake-up is needed */
    }
    er_lock_give(&t->lock);
}

static int start_thread(er_timers *t) /* under the lock: it happens once, and arming must know */
{
    if (t->threaded || er_pool_ref_of(t->pool)->clock) return 0;
    t->wakes_at = INT64_MIN;
    int error = er_thread_start(&t->thread, timer_main, t, "errand-timer", 0);
    t->threaded = !error;
    return error;
}

/* Under the lock. True: the thread sleeps past that time. */
static bool place(er_timers *t, er_timer *timer, int64_t at_ns, bool sleeper)
{
    const int64_t most = INT64_MAX / 2 - 1;
    int64_t when = at_ns < most ? at_ns : most;
    if (when < -most) when = -most;
    timer->when = when * 2 + sleeper;
    if (er_pool_ref_of(t->pool)->clock && (at_ns >> ER_WHEEL_SHIFT) < t->wheel.now) {
        /* the wheel is further already */
        timer->node.at = -1;
        er_list_push(&t->due, &timer->node.node);
    } else {
        er_wheel_add(&t->wheel, &timer->node, at_ns);
    }
    bool wake = at_ns < t->wakes_at && t->threaded;
    if (wake) t->wakes_at = INT64_MIN; /* once is enough */
    return wake;
}

static int arm(errand_pool *pool, er_timer *timer, int64_t at_ns, bool sleeper)
{
    if (at_ns == INT64_MAX) return 0;
    if (er_pool_dead(pool)) return ERRAND_EFORKED; /* its lock may be held forever */
    er_timers *t = timers_of(pool);
    er_lock_take(&t->lock);
    int error = t->shut ? ECANCELED : 0;
    if (t->ending) error = EINVAL;
    if (!error) error = start_thread(t);
    bool wake = false;
    if (!error) {
        t->asleep += sleeper;
        wake = place(t, timer, at_ns, sleeper);
    }
    er_lock_give(&t->lock);
    if (wake) er_unpark(&t->parker, WAKE);
    return error;
}

int er_timer_arm(errand_pool *pool, er_timer *timer, int64_t at_ns)
{
    return arm(pool, timer, at_ns, false);
}
int er_timer_sleep(errand_pool *pool, er_timer *timer, int64_t at_ns)
{
    return arm(pool, timer, at_ns, true);
}

bool er_timer_disarm(errand_pool *pool, er_timer *timer)
{
    if (er_pool_dead(pool)) return false;
    er_timers *t = timers_of(pool);
    er_lock_take(&t->lock);
    bool armed = er_listed(&timer->node.node), last_sleeper = false;
    if (armed) {
        er_wheel_remove(&t->wheel, &timer->node);
        last_sleeper = is_sleeper(timer) && --t->asleep == 0;
    }
    er_lock_give(&t->lock);
    if (last_sleeper) t->awake(pool);
    return armed;
}

void er_timer_hasten(errand_pool *pool, er_timer *timer, int64_t at_ns)
{
    if (er_pool_dead(pool)) return;
    er_timers *t = timers_of(pool);
    bool wake = false;
    er_lock_take(&t->lock);
    if (er_listed(&timer->node.node) && at_ns < timer->when >> 1) {
        er_wheel_remove(&t->wheel, &timer->node);
        wake = place(t, timer, at_ns, is_sleeper(timer));
    }
    er_lock_give(&t->lock);
    if (wake) er_unpark(&t->parker, WAKE);
}

size_t er_timers_asleep(er_timers *t)
{
    er_lock_take(&t->lock);
    size_t n = t->asleep;
    er_lock_give(&t->lock);
    return n;
}

typedef struct each {
    void (*fn)(er_timer *timer, void *arg);
    void *arg;
} each;

static void each_node(er_wheel_node *node, void *arg)
{
    const each *e = arg;
    e->fn(er_of(node, er_timer, node), e->arg);
}

void er_timers_each(er_timers *t, void (*fn)(er_timer *timer, void *arg), void *arg)
{
    each e = { fn, arg };
    er_lock_take(&t->lock);
    er_wheel_each(&t->wheel, each_node, &e);
    er_list_each(n, &t->due) fn(er_of(n, er_timer, node.node), arg);
    er_lock_give(&t->lock);
}

/* The wheel rounds up to its ticks; on a test's clock it is turned one further, and each
 * one's own time decides. */
void er_timers_tick(er_timers *t)
{
    er_lock_take(&t->lock);
    int64_t now = er_pool_now(t->pool),
            ahead = er_pool_ref_of(t->pool)->clock ? INT64_C(1) << ER_WHEEL_SHIFT : 0;
    er_wheel_advance(&t->wheel, now < INT64_MAX - ahead ? now + ahead : now, &t->due);
    call_due(t, now);
    er_lock_give(&t->lock);
}

void er_timers_shut(er_timers *t)
{
    er_lock_take(&t->lock);
    t->shut = true;
    er_wheel_advance(&t->wheel, INT64_MAX, &t->due);
    call_due(t, INT64_MAX);
    er_lock_give(&t->lock);
}

void er_timers_close(er_timers *t)
{
    er_lock_take(&t->lock);
    t->ending = true;
    bool threaded = t->threaded;
    er_lock_give(&t->lock);
    if (!threaded) return;
    er_unpark(&t->parker, WAKE);
    er_thread_join(&t->thread);
}
