/* core/waiting.c -- what a thread is doing, and how it waits inside the library.
 *
 * A thread has at most one task, and frames inside it. A wait of a task is published in task->blocked under the cell's lock bit
 * before "told" is looked at, and a canceller sets "told" before it looks at task->blocked: so one of the two sees the other, and
 * no cancel is slept through. In a shielding frame the waiter does not look at that bit.
 *
 * While it waits, a worker is lent: its pool may run another thread in its place. */
#include "core/pool_state.h"

#include <errno.h>

#include <errand/future.h>

static _Thread_local er_here here;

er_here *er_here_now(void) { return &here; }
er_task *er_task_here(void) { return here.task; }
unsigned *er_nested_here(void) { return &here.nested; }
er_frame **er_frame_here(void) { return &here.frame; }
errand_pool *er_pool_here(void) { return here.worker ? here.worker->pool : NULL; }

void er_end_in_child(void)
{
    if (here.worker && er_pool_dead(here.worker->pool)) er_exit_child();
}

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

static const errand_clock *clock_of(errand_pool *pool) { return pool ? er_home_of(pool)->clock : NULL; }
static int64_t now_of(errand_pool *pool) { return pool ? er_pool_now(pool) : er_now_ns(); }

int64_t er_deadline_here(errand_pool *pool)
{
    int64_t deadline = own_deadline();
    if (deadline == INT64_MAX || clock_here() == clock_of(pool)) return deadline;
    return now_of(pool) + (deadline - now_here());
}

errand_reason er_told_here(void)
{
    if (!here.task || (here.frame && here.frame->shielded)) return ERRAND_BY_NOBODY;
    er_cell *cell = &here.task->cell;
    /* a sleep that the shutting down ends may wake it before the closer has come to tell it */
    if (er_pool_shut(cell->pool) && !er_pool_dead(cell->pool)) er_cell_cancel(cell, ERRAND_BY_SHUTDOWN);
    return er_cell_told(cell);
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

static bool lends(const er_worker *w) { return w && here.working && !here.resident && !er_pool_dead(w->pool); }

void er_lend(void)
{
    er_worker *w = here.worker;
    if (!lends(w)) return;
    er_pool_lock(w->pool);
    w->pool->busy--;
    w->pool->lent++;
    er_call c = er_summon(w->pool);
    er_pool_unlock(w->pool);
    er_answer(w->pool, c);
}

void er_lend_end(void)
{
    er_worker *w = here.worker;
    if (!lends(w)) return;
    er_pool_lock(w->pool);
    w->pool->busy++;
    w->pool->lent--;
    er_pool_unlock(w->pool);
}

bool er_pool_exhausted(errand_pool *pool, er_task *tasks[], size_t most, size_t *n)
{
    *n = 0;
    er_pool_lock(pool);
    bool none = pool->lent && pool->busy == pool->housed && !pool->starting;
    none = none && (pool->barren || pool->threads >= er_limit(pool) + pool->spares);
    for (er_node *at = pool->all.head.next; none && at != &pool->all.head; at = at->next) {
        er_worker *w = er_of(at, er_worker, node);
        if (w->resident) continue;
        if (!w->task || *n == most) none = false;
        else er_cell_keep(&(tasks[(*n)++] = w->task)->cell);
    }
    none = none && *n + pool->housed == pool->threads; /* one that has just been started is not in the list yet */
    er_pool_unlock(pool);
    return none;
}

/* ---- parking ---- */

/* An await on a worker that lasts long looks whether it is part of a circle: then, and ever more rarely again, because a circle
 * may be closed by what is no wait (errand_later, a sequel that is queued where nobody can run it). */
#define SUSPECT_NS     (20 * ER_MS)
#define LOOKS_APART_NS (640 * ER_MS)

typedef struct alarm { /* stands for a deadline on a test's clock */
    er_timer timer;
    er_wait *wait;
    errand_pool *clock;
    int64_t deadline_ns;
} alarm;

static void ring(er_timer *timer) /* a pool that shuts down calls all its timers, the early ones too */
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
    er_worker *w = here.worker;
    er_pool_lock(w->pool);
    er_call c = er_summon(w->pool); /* a thread that could not be started perhaps now can */
    er_pool_unlock(w->pool);
    er_answer(w->pool, c);
    return er_circle(&task->cell, wait);
}

static uint32_t park_and_look(er_task *task, er_wait *wait, uint32_t mask, int64_t deadline_ns)
{
    if (!task || !(wait->input || wait->room) || !here.worker || er_pool_dead(here.worker->pool))
        return er_park(&wait->parker, mask, deadline_ns);
    for (int64_t apart = SUSPECT_NS;; apart = apart < LOOKS_APART_NS ? 2 * apart : apart) {
        int64_t look_ns = er_now_ns() + apart;
        uint32_t bits = er_park(&wait->parker, mask, look_ns < deadline_ns ? look_ns : deadline_ns);
        if ((bits & mask) || look_ns >= deadline_ns) return bits;
        if (is_circle(task, wait)) return bits | ER_CIRCLE;
    }
}

uint32_t er_pool_park(er_wait *wait, uint32_t mask, errand_pool *clock, int64_t deadline_ns)
{
    er_task *task = here.task;
    if (task && er_pool_dead(task->cell.pool)) task = NULL;
    bool hears = task && !(here.frame && here.frame->shielded);
    int64_t own = er_deadline_here(clock);
    if (own < deadline_ns) deadline_ns = own;

    if (task) {
        er_cell_lock(&task->cell);
        task->blocked = wait;
        er_cell_unlock(&task->cell);
    }
    if (hears) {
        if (er_told_here()) er_or(&wait->parker.word, ER_TOLD);
        mask |= ER_TOLD;
    }
    mask |= ER_LATE;
    alarm a = { .timer.fn = ring, .wait = wait, .clock = clock, .deadline_ns = deadline_ns };
    bool turned = clock_of(clock) && deadline_ns != INT64_MAX;
    bool armed = turned && er_timer_arm(clock, &a.timer, deadline_ns) == 0;
    if (armed && er_pool_now(clock) >= deadline_ns) er_or(&wait->parker.word, ER_LATE); /* nobody need turn it again */
    if (turned) deadline_ns = armed ? INT64_MAX : by_machine(clock, deadline_ns);
    uint32_t bits = er_park(&wait->parker, mask, 0);
    if (!(bits & mask)) {
        er_lend();
        bits = park_and_look(task, wait, mask | (armed ? ER_RANG : 0), deadline_ns);
        if (!(bits & mask) && (bits & ER_RANG)) /* shut down, no more is timed there: what is left passes on the machine's clock */
            bits = park_and_look(task, wait, mask, by_machine(clock, a.deadline_ns));
        er_lend_end();
    }
    if (armed && !er_timer_disarm(clock, &a.timer)) er_park(&wait->parker, ER_RANG, INT64_MAX); /* LATE may be its own */
    if (task) {
        er_cell_lock(&task->cell);
        task->blocked = NULL;
        er_cell_unlock(&task->cell);
    }
    return bits & (mask | ER_CIRCLE);
}
