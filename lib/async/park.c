/* async/park.c -- how a thread waits inside the library.
 *
 * A wait of a task is published in task->blocked under the cell's lock bit before the task checks
 * for a cancel, and a canceller marks the cell before it reads task->blocked: so one of the two
 * sees the other, and no cancel is missed. In a shielding frame the waiter does not check.
 *
 * While it waits, a worker is lent: its pool may run another thread in its place. */
#include "async/park.h"

#include "async/deadlock.h"
#include "async/pool.h"
#include "async/runq.h"

#include <errno.h>

/* ---- lending ---- */

static er_worker *lent_one(void) /* the worker that is lent while this thread waits; NULL: none */
{
    const er_here *here = er_here_now();
    return here->worker && here->working && !here->service && !er_pool_dead(here->worker->pool)
               ? here->worker
               : NULL;
}

void er_lend(void)
{
    er_worker *w = lent_one();
    if (!w) return;
    er_pool_lock(w->pool);
    w->pool->busy--;
    w->pool->lent++;
    er_call c = er_summon(w->pool);
    er_pool_unlock(w->pool);
    er_answer(w->pool, c);
}

void er_lend_end(void)
{
    er_worker *w = lent_one();
    if (!w) return;
    er_pool_lock(w->pool);
    w->pool->busy++;
    w->pool->lent--;
    er_pool_unlock(w->pool);
}

/* ---- parking ---- */

/* An await on a worker that lasts SUSPECT_NS searches for a circle, and searches again, at growing
 * intervals: errand_later, or a then-function that is queued in a pool without a free thread, can
 * close a circle later without a wait of its own. */
#define SUSPECT_NS     (20 * ER_MS)
#define LOOKS_APART_NS (640 * ER_MS)

typedef struct alarm { /* stands for a deadline on a test's clock */
    er_timer timer;
    er_wait *wait;
    errand_pool *clock;
    int64_t deadline_ns;
} alarm;

/* a pool that shuts down calls all its timers, the early ones too */
static void ring(er_timer *timer)
{
    alarm *a = er_of(timer, alarm, timer);
    bool late = er_pool_now(a->clock) >= a->deadline_ns;
    er_unpark(&a->wait->parker, late ? ER_LATE | ER_RANG : ER_RANG);
}

static int64_t by_machine(errand_pool *clock, int64_t deadline_ns)
{
    int64_t now = er_now_ns(), left = deadline_ns - er_pool_now(clock);
    return left > INT64_MAX - now ? INT64_MAX : now + left;
}

static bool is_circle(er_task *task, er_wait *wait)
{
    errand_pool *pool = er_pool_here();
    er_pool_lock(pool);
    er_call c = er_summon(pool); /* a thread that could not be started perhaps now can */
    er_pool_unlock(pool);
    er_answer(pool, c);
    return er_deadlocked(&task->cell, wait);
}

static uint32_t park_and_look(er_task *task, er_wait *wait, uint32_t mask, int64_t deadline_ns)
{
    errand_pool *pool = er_pool_here();
    if (!task || !(wait->input || wait->room) || !pool || er_pool_dead(pool))
        return er_park(&wait->parker, mask, deadline_ns);
    for (int64_t apart = SUSPECT_NS;; apart = apart < LOOKS_APART_NS ? 2 * apart : apart) {
        int64_t look_ns = er_now_ns() + apart;
        uint32_t bits = er_park(&wait->parker, mask, look_ns < deadline_ns ? look_ns : deadline_ns);
        if ((bits & mask) || look_ns >= deadline_ns) return bits;
        if (is_circle(task, wait)) return bits | ER_DEADLOCK;
    }
}

uint32_t er_pool_park(er_wait *wait, uint32_t mask, errand_pool *clock, int64_t deadline_ns)
{
    const er_frame *frame = *er_frame_here();
    er_task *task = er_task_here();
    if (task && er_pool_dead(task->cell.pool)) task = NULL;
    bool cancellable = task && !(frame && frame->shielded);
    int64_t own = er_deadline_here(clock);
    bool by_own = own <= deadline_ns;
    if (by_own) deadline_ns = own;

    er_wait *outer = task ? er_block(task, wait) : NULL;
    if (cancellable) {
        if (er_cancelled_here()) er_or(&wait->parker.word, ER_CANCEL);
        mask |= ER_CANCEL;
    }
    uint32_t ends = mask | ER_DEADLOCK;
    mask |= ER_LATE;
    alarm a = { .timer.fn = ring, .wait = wait, .clock = clock, .deadline_ns = deadline_ns };
    bool turned = clock && er_pool_ref_of(clock)->clock && deadline_ns != INT64_MAX;
    bool armed = turned && er_timer_arm(clock, &a.timer, deadline_ns) == 0;
    /* the clock has passed it already */
    if (armed && er_pool_now(clock) >= deadline_ns) er_or(&wait->parker.word, ER_LATE);
    if (turned) deadline_ns = armed ? INT64_MAX : by_machine(clock, deadline_ns);
    uint32_t bits = er_park(&wait->parker, mask, 0);
    if (!(bits & mask)) {
        er_lend();
        bits = park_and_look(task, wait, mask | (armed ? ER_RANG : 0), deadline_ns);
        /* the pool has shut down and times no more: the rest passes on the machine's clock */
        if (!(bits & mask) && (bits & ER_RANG))
            bits = park_and_look(task, wait, mask, by_machine(clock, a.deadline_ns));
        er_lend_end();
    }
    /* LATE may be its own */
    if (armed && !er_timer_disarm(clock, &a.timer)) er_park(&wait->parker, ER_RANG, INT64_MAX);
    if (task) er_unblock(task, outer);
    return (bits & (mask | ER_DEADLOCK)) | (by_own && !(bits & ends) ? ER_OVERDUE : 0);
}

int er_park_error(uint32_t bits)
{
    if (bits & ER_DEADLOCK) return EDEADLK;
    if (bits & ER_CANCEL) return er_cancel_error(er_cancelled_here());
    if (bits & ER_OVERDUE) er_frame_expire();
    return ETIMEDOUT;
}
