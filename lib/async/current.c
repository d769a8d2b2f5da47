/* async/current.c -- what the calling thread is doing.
 *
 * A thread has at most one task, and frames inside it. Deadlines inherited here are on the clock of the task's pool (the machine's
 * where there is no task), and are moved over to the clock of the pool that asks. */
#include "async/current.h"

#include "async/pool.h"

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

/* ---- frames: deadlines and shields ---- */

static int64_t now_here(void) { return here.task ? er_pool_now(here.task->cell.pool) : er_now_ns(); }

/* On the task's clock, or the machine's. */
static int64_t own_deadline(void)
{
    if (here.frame) return here.frame->deadline_ns;
    return here.task ? here.task->deadline_ns : INT64_MAX;
}

static const errand_clock *clock_here(void) { return here.task ? er_pool_ref_of(here.task->cell.pool)->clock : NULL; }

static const errand_clock *clock_of(errand_pool *pool) { return pool ? er_pool_ref_of(pool)->clock : NULL; }
static int64_t now_of(errand_pool *pool) { return pool ? er_pool_now(pool) : er_now_ns(); }

int64_t er_deadline_here(errand_pool *pool)
{
    int64_t deadline = own_deadline();
    if (deadline == INT64_MAX || clock_here() == clock_of(pool)) return deadline;
    return now_of(pool) + (deadline - now_here());
}

errand_reason er_told_here(void)
{
    if (!here.task || (here.frame && here.frame->shielded)) return ERRAND_BY_NONE;
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
