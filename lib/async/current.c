/* async/current.c -- what the calling thread is doing.
 *
 * A thread has at most one task, and frames inside it. Deadlines inherited here are on the clock of
 * the task's pool (the machine's where there is no task), and are converted to the caller's pool's.
 *
 *     a frame: closed --enter--> open --its deadline ends a wait--> open, expired
 *                                  ^-----------reschedule------------------'
 *              open --leave--> closed        open, expired --leave--> closed, expired
 *
 * A frame holds its own deadline alone, so that it can be moved while others are open inside it.
 * The nearest of all counts, out to the first that shields, or else to the task's. A frame is
 * read and written by its thread alone. */
#include "async/current.h"

#include "async/pool.h"

#include <errand/future.h>

#include <errno.h>

static _Thread_local er_here here;

er_here *er_here_now(void) { return &here; }
er_task *er_task_here(void) { return here.task; }
unsigned *er_nested_here(void) { return &here.nested; }
er_frame **er_frame_here(void) { return &here.frame; }
errand_pool *er_pool_here(void) { return here.worker ? here.worker->pool : NULL; }

bool er_pool_is_here(const errand_pool *pool)
{
    if (er_pool_here() == pool) return true;
    for (const er_guest *g = here.guest; g; g = g->outer) {
        if (g->task->cell.pool == pool) return true;
    }
    return false;
}

void er_end_in_child(void)
{
    if (here.worker && er_pool_dead(here.worker->pool)) er_exit_child();
    if (here.guest && er_pool_dead(here.guest->task->cell.pool)) er_exit_child();
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

/* ---- where a task waits ---- */

er_wait *er_block(er_task *task, er_wait *wait)
{
    er_cell_lock(&task->cell);
    er_wait *before = task->blocked;
    task->blocked = wait;
    er_cell_unlock(&task->cell);
    return before;
}

void er_unblock(er_task *task, er_wait *before)
{
    er_cell_lock(&task->cell);
    task->blocked = before;
    er_cell_unlock(&task->cell);
    if (!before || !before->hook) return;
    /* after the link is set: a canceller that has not seen it is seen here */
    errand_reason reason = er_cell_cancelled(&task->cell);
    if (reason) er_cell_cancel(before->hook, reason);
}

/* ---- frames: deadlines and shields ---- */

static int64_t now_here(void)
{
    return here.task ? er_pool_now(here.task->cell.pool) : er_now_ns();
}

/* The nearest deadline, on the task's clock, or the machine's; *owner is the innermost frame that
 * has it, or NULL: it is the task's, or there is none. */
static int64_t nearest_deadline(er_frame **owner)
{
    int64_t nearest = INT64_MAX;
    bool shielded = false;
    *owner = NULL;
    for (er_frame *f = here.frame; f && !shielded; f = f->outer) {
        shielded = f->shields;
        if (f->deadline_ns >= nearest) continue;
        nearest = f->deadline_ns;
        *owner = f;
    }
    if (shielded || !here.task || here.task->deadline_ns >= nearest) return nearest;
    *owner = NULL;
    return here.task->deadline_ns;
}

static int64_t own_deadline(void)
{
    er_frame *owner;
    return nearest_deadline(&owner);
}

void er_frame_expire(void)
{
    er_frame *owner;
    nearest_deadline(&owner);
    if (owner) owner->expired = true;
}

void er_frame_expire_if_late(void)
{
    if (here.frame && own_deadline() <= now_here()) er_frame_expire();
}

static const errand_clock *clock_here(void)
{
    return here.task ? er_pool_ref_of(here.task->cell.pool)->clock : NULL;
}

static const errand_clock *clock_of(errand_pool *pool)
{
    return pool ? er_pool_ref_of(pool)->clock : NULL;
}
static int64_t now_of(errand_pool *pool) { return pool ? er_pool_now(pool) : er_now_ns(); }

int64_t er_deadline_here(errand_pool *pool)
{
    int64_t deadline = own_deadline();
    if (deadline == INT64_MAX || clock_here() == clock_of(pool)) return deadline;
    return now_of(pool) + (deadline - now_here());
}

errand_reason er_cancelled_here(void)
{
    if (!here.task || (here.frame && here.frame->shielded)) return ERRAND_BY_NONE;
    er_cell *cell = &here.task->cell;
    /* a sleep that the shutdown ends may wake it before the closer has cancelled it */
    if (er_pool_shut(cell->pool) && !er_pool_dead(cell->pool))
        er_cell_cancel(cell, ERRAND_BY_SHUTDOWN);
    return er_cell_cancelled(cell);
}

errand_reason errand_cancelled(void)
{
    errand_reason cancelled = er_cancelled_here();
    return cancelled || own_deadline() == INT64_MAX || own_deadline() > now_here()
               ? cancelled
               : ERRAND_BY_TOTAL;
}

int64_t errand_time_left(void) { return er_ms_until(now_here(), own_deadline()); }

void errand_enter(errand_frame *frame, int64_t within_ms, bool shield)
{
    _Static_assert(sizeof(er_frame) <= sizeof(errand_frame), "a frame fits");
    er_frame *f = (er_frame *)(void *)frame;
    *f = (er_frame){ .outer = here.frame,
                     .deadline_ns = er_deadline(now_here(), within_ms < 0 ? 0 : within_ms),
                     .shields = shield,
                     .shielded = shield || (here.frame && here.frame->shielded) };
    here.frame = f;
}

static er_frame *open_frame(const errand_frame *frame) /* NULL: it is not open on this thread */
{
    er_frame *f = here.frame;
    while (f && (const void *)f != frame) f = f->outer;
    return f;
}

void errand_leave(errand_frame *frame)
{
    const er_frame *left = open_frame(frame);
    if (left) here.frame = left->outer; /* those inside it that were not left go with it */
}

int errand_reschedule(errand_frame *frame, int64_t within_ms)
{
    er_frame *f = open_frame(frame);
    if (!f) return EINVAL;
    f->deadline_ns = er_deadline(now_here(), within_ms < 0 ? 0 : within_ms);
    f->expired = false;
    return 0;
}

bool errand_expired(const errand_frame *frame)
{
    return frame && ((const er_frame *)(const void *)frame)->expired;
}
