/* async/task.c -- cells that run a function on a worker: what submitted work (submit.c) and
 * then-functions (then.c) share, their end.
 *
 *     running --fn returned--> ended
 *        | returned errand_later(f)
 *        +--> following f --f ended--> ended
 *
 * A cancel of a running task wakes its thread if that waits, and is passed on to what the task
 * awaits or follows (`input`). The link to the input is set before the task checks for a cancel,
 * and a canceller marks the cell before it reads the link, so one of the two always passes it on.
 *
 * Counts on a task: its owner's, the queue's (the worker gives it back after running), one for an
 * armed deadline, one while its waiter hangs in its input. The waiter and the queue's link share
 * memory: a task is never in both.
 *
 * A chain of errand_later is forwarded: a task with one follower and no other waiter, which is to
 * follow f itself, hands its follower over to f and ends. So a million steps hold one cell. */
#include "async/task.h"
#include "async/current.h"
#include "async/runq.h"
#include "async/stats.h"
#include "log/fields.h"

#include <errno.h>

_Static_assert(sizeof(er_task) <= 200, "a task with its future, with what malloc adds");

/* ---- errand_later ---- */

static void drop_later(void *f) { er_cell_drop(f); }

errand_result errand_later(errand_future *f)
{
    if (!f) return errand_failf(EINVAL, "errand_later(NULL)");
    if (!er_cell_consume(f)) return errand_failf(EINVAL, ER_TWICE);
    return (errand_result){ 0, f, drop_later, f, NULL };
}

bool er_is_later(const errand_result *r) { return !r->error && r->free == drop_later; }

static er_cell *later_of(const errand_result *r)
{
    return !r->error && r->free == drop_later ? r->owner : NULL;
}

/* ---- ending a task ---- */

errand_result er_cancel_result(errand_reason reason)
{
    return er_fail_by(er_cancel_error(reason), reason);
}

/* What fn's failure becomes in a cancelled task. */
static errand_result cancelled_failure(errand_result r, errand_reason reason)
{
    int error = er_cancel_error(reason);
    if (r.error == error && (!r.detail || r.detail->fixed)) { /* only the cancel's error */
        errand_result plain = er_fail_by(error, reason);
        if (errand_result_may_have_run(&r)) er_result_may_have_run(&plain);
        errand_result_free(&r);
        return plain;
    }
    if (r.error == error) { /* with its own message */
        errand_detail *d = er_detail(&r);
        if (d && !d->reason) d->reason = reason;
        return r;
    }
    if (error == ETIMEDOUT) return r; /* a deadline leaves the end to fn */
    errand_result outer = er_fail_by(error, reason);
    er_result_because(&outer, r);
    return outer;
}

static void complete(er_task *task, errand_result *r)
{
    const er_completion *c = &er_of(task, er_completed_task, task)->completion;
    bool turned = er_pool_ref_of(task->cell.pool)->clock;
    int64_t took = 0, began = c->began_ns ? c->began_ns : task->stamp;
    if (r->error && turned) took = er_pool_now(task->cell.pool) - c->began_ns;
    else if (r->error && began) took = er_coarse_ns() - began;
    c->fn(c->arg, r, took < 0 ? 0 : took / ER_MS);
}

/* Before it is put aside, which takes the stamp's place. */
static void keep_stamp(er_task *task)
{
    if (!(task->flags & ER_COMPLETED) || er_pool_ref_of(task->cell.pool)->clock) return;
    er_completion *c = &er_of(task, er_completed_task, task)->completion;
    if (!c->began_ns) c->began_ns = task->stamp ? task->stamp : er_coarse_ns();
}

/* ECANCELED without a cancel is a failure like any other. */
static er_outcome outcome_of(const errand_result *r)
{
    if (!r->error) return ER_DONE;
    return er_result_cancelled(r) ? ER_CANCELLED : ER_FAILED;
}

void er_task_end(er_cell *cell, errand_result r)
{
    errand_reason reason = er_cell_cancelled(cell);
    if (reason && r.error) r = cancelled_failure(r, reason);
    er_task *task = er_task_of(cell);
    if (task->free_arg) task->free_arg(task->arg);
    task->free_arg = NULL;
    if (task->flags & ER_COMPLETED) complete(task, &r);
    if ((task->flags & ER_TIMED) && er_timer_disarm(cell->pool, &er_timed_of(cell)->timer))
        er_cell_release(cell);
    if (cell->pool) er_pool_count(cell->pool, outcome_of(&r));
    er_cell_end(cell, r);
}

void er_task_link(er_task *task, er_cell *f) /* NULL: none */
{
    er_cell_lock(&task->cell);
    task->input = f;
    task->flags = (uint16_t)(f ? task->flags | ER_FOLLOWS : task->flags & ~ER_FOLLOWS);
    er_cell_unlock(&task->cell);
}

static void followed(er_waiter *waiter)
{
    er_task *task = er_of(waiter, er_task, waiter);
    er_cell *f = waiter->cell;
    er_task_link(task, NULL);
    errand_result r = er_cell_take(f);
    er_cell_release(f);
    if (task->cell.pool) er_runq_put_back(task->cell.pool, task);
    er_task_end(&task->cell, r);
    er_cell_release(&task->cell);
}

/* The count that the waiter carries is there already. */
static void follow(er_task *task, er_cell *f)
{
    task->waiter.fn = followed;
    er_task_link(task, f);
    errand_reason reason = er_cell_cancelled(&task->cell);
    if (reason) er_cell_cancel(f, reason);
    if (!er_cell_watch(f, &task->waiter)) followed(&task->waiter);
}

/* The only waiter for the task's end, taken off the task: if that is a follower that owns the task,
 * only the runner holds the task besides, and its deadline adds nothing. Under the lock bit no
 * waiter can be added, and only the owner could pass the task on. */
static er_task *take_follower(er_cell *cell)
{
    er_task *follower = NULL;
    er_cell_lock(cell);
    er_waiter *w = cell->waiters;
    bool seen = er_task_of(cell)->flags & ER_COMPLETED; /* its completion is to see its end */
    if (!seen && w && !w->next && w->fn == followed && !er_cell_cancelled(cell)) {
        er_task *candidate = er_of(w, er_task, waiter);
        uint32_t mine = 2; /* the follower's, and the runner's */
        if (er_task_of(cell)->deadline_ns == INT64_MAX ||
            candidate->deadline_ns <= er_task_of(cell)->deadline_ns) {
            mine += (er_task_of(cell)->flags & ER_TIMED) != 0; /* the armed timer's */
            if (er_load(&cell->count) <= mine) follower = candidate;
        }
    }
    if (follower) {
        cell->waiters = NULL;
        er_and(&cell->state, ~(uint32_t)ER_WATCHED);
    }
    er_cell_unlock(cell);
    return follower;
}

void er_task_finish(er_cell *cell, errand_result r)
{
    er_cell *f = later_of(&r);
    if (!f) {
        er_task_end(cell, r);
        return;
    }
    er_task *follower = take_follower(cell);
    if (!follower) {
        er_cell_keep(cell);
        keep_stamp(er_task_of(cell));
        if (cell->pool) er_runq_put_aside(cell->pool, er_task_of(cell));
        follow(er_task_of(cell), f);
        return;
    }
    follow(follower, f);
    er_task_end(cell, errand_ok(NULL, NULL));
    er_cell_release(cell); /* the follower owned it */
}

/* ---- cancelling ---- */

void er_task_cancel(er_cell *cell, errand_reason reason)
{
    er_task *task = er_task_of(cell);
    er_cell *input = NULL;
    er_cell_lock(cell);
    if (task->flags & ER_FOLLOWS) {
        input = er_cell_keep(task->input);
    } else if (task->blocked) { /* it stays where it is as long as the bit is held */
        er_unpark(&task->blocked->parker, ER_CANCEL);
        if (task->blocked->hook) input = er_cell_keep(task->blocked->hook);
        else if (task->blocked->passes) input = er_cell_keep(task->blocked->input);
    }
    er_cell_unlock(cell);
    if (!input) return;
    er_cell_pass_on(input, reason);
    er_cell_release(input);
}

bool er_task_input(er_cell *cell, size_t i, er_cell **input)
{
    er_task *task = er_task_of(cell);
    if (i) return false;
    er_cell_lock(cell);
    er_cell *to = NULL;
    if (task->flags & ER_FOLLOWS) to = task->input;
    else if (task->blocked) to = task->blocked->input;
    *input = to ? er_cell_keep(to) : NULL;
    er_cell_unlock(cell);
    return true;
}

errand_pool *er_task_needs(er_cell *cell) /* a thread that begins it, or room for what it submits */
{
    er_task *task = er_task_of(cell);
    if (!(er_load(&cell->state) & (ER_CLAIMED | ER_ENDED))) return cell->pool;
    er_cell_lock(cell);
    errand_pool *pool = !(task->flags & ER_FOLLOWS) && task->blocked ? task->blocked->room : NULL;
    er_cell_unlock(cell);
    return pool;
}

er_label er_task_label(const er_cell *cell)
{
    const er_task *task = er_of(cell, const er_task, cell);
    return (er_label){ task->name, task->site };
}

/* ---- for the dump ---- */

/* What it awaits, and, unless that is a task, which has a line of its own, what that
 * waits for in its turn. */
static void describe_awaited(er_description *d, const char *verb, er_cell *input)
{
    er_description inner = { .what = NULL };
    bool named = input->kind->run || !input->kind->describe;
    if (!named) er_cell_describe(input, &inner);
    if (named || !*inner.state) {
        er_describe_input(d, verb, input);
        return;
    }
    er_describe(d, ", %s %s (%s%s%s)", verb, inner.what, inner.state, inner.key ? ", key " : "",
                inner.key ? inner.key : "");
}

void er_task_describe(er_cell *cell, er_description *d)
{
    er_task *task = er_task_of(cell);
    d->key = er_context_key(task->context);
    er_cell_lock(cell);
    bool follows = task->flags & ER_FOLLOWS;
    /* as long as the bit is held it stays */
    const er_wait *blocked = follows ? NULL : task->blocked;
    if (blocked && blocked->hook) blocked = NULL;
    er_cell *input = follows ? task->input : NULL;
    if (blocked) input = blocked->input ? blocked->input : blocked->about;
    const char *room = blocked && blocked->room ? er_pool_ref_of(blocked->room)->name : NULL;
    if (input) er_cell_keep(input);
    er_cell_unlock(cell);
    if (input) describe_awaited(d, follows ? "waits for" : "awaits", input);
    else if (room) er_describe(d, ", waits for room in the queue of %s", room);
    else if (blocked) er_describe(d, ", waits");
    if (input) er_cell_release(input);
}

er_cell *er_task_nested(er_task *task)
{
    er_cell_lock(&task->cell);
    bool nested = !(task->flags & ER_FOLLOWS) && task->blocked && task->blocked->nested;
    er_cell *cell = nested ? er_cell_keep(task->blocked->input) : NULL;
    er_cell_unlock(&task->cell);
    return cell;
}

/* ---- part of an attempt ---- */

static _Thread_local struct {
    er_task *task; /* in which the loops began */
    int depth;
} loops;

bool er_retried_here(void)
{
    er_task *me = er_task_here();
    return (me && (me->flags & ER_PART)) || (loops.depth > 0 && loops.task == me);
}

void er_retried_enter(int more)
{
    er_task *me = er_task_here();
    /* of another task, which has left them behind */
    if (loops.depth <= 0 || loops.task != me) loops.depth = 0;
    loops.task = me;
    loops.depth += more;
}

/* ---- what both kinds have ---- */

errand_log_fields *er_task_take_fields(const er_task *task)
{
    return er_fields_swap(task->context ? er_fields_keep(task->context->fields) : NULL);
}

void er_task_put_fields_back(errand_log_fields *before)
{
    er_fields_release(er_fields_swap(before));
}

void er_task_free(er_cell *cell)
{
    er_context_drop(er_task_of(cell)->context);
    er_cell_bury(cell);
}
