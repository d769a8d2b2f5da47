/* core/waiting.c -- what a thread is doing, and how it waits inside the library.
 *
 * A thread has at most one task, and frames inside it. A wait of a task is published in task->blocked under the cell's lock bit
 * before "told" is looked at, and a canceller sets "told" before it looks at task->blocked: so one of the two sees the other, and
 * no cancel is slept through. In a shielding frame the wait is not published: nobody is to be woken.
 *
 * While it waits, a worker is lent: its pool may run another thread in its place. */
#include "core/pool_state.h"

#include <errno.h>

#include <errand/future.h>

static _Thread_local er_here here;

er_here *er_here_now(void) { return &here; }
er_task *er_task_here(void) { return here.task; }
er_frame **er_frame_here(void) { return &here.frame; }
errand_pool *er_pool_here(void) { return here.worker ? here.worker->pool : NULL; }

er_task *er_task_change(er_task *task, er_frame **frame)
{
    er_task *before = here.task;
    er_frame *frame_before = here.frame;
    here.task = task;
    here.frame = *frame;
    *frame = frame_before;
    return before;
}

/* ---- frames ---- */

static int64_t now_here(void) { return here.task ? er_pool_now(here.task->cell.pool) : er_now_ns(); }

/* On the task's clock, or the machine's. */
static int64_t own_deadline(void)
{
    if (here.frame) return here.frame->deadline_ns;
    return here.task ? here.task->deadline_ns : INT64_MAX;
}

static const errand_clock *clock_here(void) { return here.task ? er_home_of(here.task->cell.pool)->clock : NULL; }

int64_t er_deadline_here(errand_pool *pool)
{
    int64_t deadline = own_deadline();
    if (deadline == INT64_MAX || clock_here() == er_home_of(pool)->clock) return deadline;
    return er_pool_now(pool) + (deadline - now_here());
}

errand_reason er_told_here(void)
{
    if (!here.task || (here.frame && here.frame->shielded)) return ERRAND_BY_NOBODY;
    return er_cell_told(&here.task->cell);
}

errand_reason errand_cancelled(void)
{
    errand_reason told = er_told_here();
    return told || own_deadline() == INT64_MAX || own_deadline() > now_here() ? told : ERRAND_BY_TOTAL;
}

int64_t errand_time_left(void) { return er_ms_until(now_here(), own_deadline()); }

void errand_enter(errand_frame *frame, int64_t within_ms, bool shield)
{
    _Static_assert(sizeof(er_frame) <= sizeof(errand_frame), "a frame fits");
    er_frame *f = (er_frame *)(void *)frame;
    int64_t outer = shield ? INT64_MAX : own_deadline();
    int64_t deadline = er_deadline(now_here(), within_ms < 0 ? 0 : within_ms);
    f->outer = here.frame;
    f->shielded = shield || (here.frame && here.frame->shielded);
    f->deadline_ns = deadline < outer ? deadline : outer;
    here.frame = f;
}

void errand_leave(errand_frame *frame)
{
    const er_frame *left = (er_frame *)(void *)frame;
    for (er_frame *f = here.frame; f; f = f->outer) { /* those inside it that were not left go with it */
        if (f != left) continue;
        here.frame = f->outer;
        return;
    }
}

/* ---- lending ---- */

static bool lends(const er_worker *w) { return w && here.task && !here.resident && !er_pool_dead(w->pool); }

void er_lend(void)
{
    er_worker *w = here.worker;
    if (!lends(w)) return;
    er_lock_take(&w->pool->lock);
    w->pool->busy--;
    w->pool->lent++;
    er_call c = er_summon(w->pool);
    er_lock_give(&w->pool->lock);
    er_answer(w->pool, c);
}

void er_lend_end(void)
{
    er_worker *w = here.worker;
    if (!lends(w)) return;
    er_lock_take(&w->pool->lock);
    w->pool->busy++;
    w->pool->lent--;
    er_lock_give(&w->pool->lock);
}

bool er_pool_exhausted(errand_pool *pool, er_task *tasks[], size_t most, size_t *n)
{
    *n = 0;
    er_lock_take(&pool->lock);
    bool none = pool->lent && !pool->busy && !pool->starting && pool->threads >= er_limit(pool) + pool->spares;
    for (er_node *at = pool->all.head.next; none && at != &pool->all.head; at = at->next) {
        er_worker *w = er_of(at, er_worker, node);
        if (!w->task || *n == most) none = false;
        else er_cell_keep(&(tasks[(*n)++] = w->task)->cell);
    }
    er_lock_give(&pool->lock);
    return none;
}

/* ---- parking ---- */

#define SUSPECT_NS (20 * ER_MS) /* an await on a worker that lasts longer looks whether it is part of a circle */

typedef struct alarm { /* stands for a deadline on a test's clock */
    er_timer timer;
    er_wait *wait;
} alarm;

static void ring(er_timer *timer) { er_unpark(&er_of(timer, alarm, timer)->wait->parker, ER_LATE); }

uint32_t er_pool_park(er_wait *wait, uint32_t mask, errand_pool *clock, int64_t deadline_ns)
{
    er_task *task = here.task;
    if (task && er_pool_dead(task->cell.pool)) task = NULL;
    bool hears = task && !(here.frame && here.frame->shielded);
    int64_t own = er_deadline_here(clock);
    if (own < deadline_ns) deadline_ns = own;

    if (hears) {
        er_cell_lock(&task->cell);
        task->blocked = wait;
        er_cell_unlock(&task->cell);
        if (er_cell_told(&task->cell)) er_or(&wait->parker.word, ER_TOLD);
        mask |= ER_TOLD;
    }
    alarm a = { .timer.fn = ring, .wait = wait };
    bool turned = er_home_of(clock)->clock && deadline_ns != INT64_MAX;
    bool armed = turned && er_timer_arm(clock, &a.timer, deadline_ns) == 0;
    if (turned) deadline_ns = armed ? INT64_MAX : er_now_ns() + (deadline_ns - er_pool_now(clock));
    uint32_t bits = er_park(&wait->parker, mask | ER_LATE, 0);
    if (!(bits & (mask | ER_LATE))) {
        int64_t suspect_ns = hears && wait->input && here.worker ? er_now_ns() + SUSPECT_NS : INT64_MAX;
        bool suspects = suspect_ns < deadline_ns;
        er_lend();
        bits = er_park(&wait->parker, mask | ER_LATE, suspects ? suspect_ns : deadline_ns);
        if (suspects && !(bits & (mask | ER_LATE))) {
            if (er_circle(&task->cell, wait->input)) bits |= ER_CIRCLE;
            else bits = er_park(&wait->parker, mask | ER_LATE, deadline_ns);
        }
        er_lend_end();
    }
    if (armed && !er_timer_disarm(clock, &a.timer)) er_park(&wait->parker, ER_LATE, INT64_MAX);
    if (hears) {
        er_cell_lock(&task->cell);
        task->blocked = NULL;
        er_cell_unlock(&task->cell);
    }
    return bits;
}
