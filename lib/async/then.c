/* async/then.c -- then-functions.
 *
 *     waiting for its input --> queued --> running --> see task.c          (never ended unrun)
 *
 * Its input's result lies in its own cell meanwhile. A cancel is passed on to the input, and
 * reaches the function with its result. */
#include "async/current.h"
#include "async/runq.h"
#include "async/task.h"

#include <errno.h>

static void run_sequel(er_cell *cell)
{
    er_task *task = er_task_of(cell);
    er_cell_claim(cell);                   /* no other thread does: a cancel is only passed on */
    errand_result in = er_cell_take(cell); /* parked there by its input's end */
    if (er_task_here() && er_pool_shut(cell->pool))
        er_cell_cancel(cell, ERRAND_BY_SHUTDOWN); /* queued after the others were cancelled */
    bool held = er_endings_let_go();
    errand_log_fields *before = er_task_take_fields(task);
    errand_result r = ((errand_then_fn *)task->fn)(in, task->arg);
    er_end_in_child();
    er_task_put_fields_back(before);
    er_endings_hold(held);
    er_task_finish(cell, r);
}

static const er_cell_kind sequel_kind = {
    .cancel = er_task_cancel,
    .free = er_task_free,
    .run = run_sequel,
    .input = er_task_input,
    .label = er_task_label,
    .needs = er_task_needs,
    .what = "then",
    .describe = er_task_describe
};

static void input_ended(er_waiter *waiter)
{
    er_task *task = er_of(waiter, er_task, waiter);
    er_cell *cell = &task->cell, *f = waiter->cell;
    er_task_link(task, NULL);
    cell->result = er_cell_take(f);
    er_cell_release(f);
    if (er_runq_push(cell->pool, task, true) == 0) return; /* with the waiter's count */
    er_frame *frame = NULL;
    er_task *before = er_task_change(NULL, &frame);
    run_sequel(cell); /* there are no workers any more */
    er_task_change(before, &frame);
    er_cell_release(cell);
}

/* A future without a pool has ended. No cell without a pool is made here: what fn follows has
 * one. */
static er_cell *call_at_once(er_cell *f, errand_then_fn *fn, void *arg)
{
    errand_result in = er_cell_take(f);
    er_cell_release(f);
    er_frame *frame = NULL;
    er_task *before = er_task_change(NULL, &frame);
    bool held = er_endings_let_go();
    errand_result r = fn(in, arg);
    er_endings_hold(held);
    er_task_change(before, &frame);
    return er_is_later(&r) ? r.owner : er_failed(NULL, r);
}

/* fn is called exactly once, also without memory. What it returns is discarded. */
static er_cell *call_without_memory(er_cell *f, errand_then_fn *fn, void *arg)
{
    errand_result why = er_cell_leave(f, ERRAND_BY_CALLER, errand_fail(ENOMEM));
    er_cell_drop(f);
    errand_result made = fn(why, arg);
    if (!made.error || errand_result_may_have_run(&made)) er_result_may_have_run(&why);
    errand_result_free(&made);
    return er_failed(NULL, why);
}

errand_future *errand_then(errand_future *f, errand_then_fn *fn, void *arg)
{
    if (!f) f = er_failed(NULL, errand_failf(EINVAL, "errand_then(NULL)"));
    if (er_cell_forked(f)) f = er_failed(NULL, errand_fail(ERRAND_EFORKED));
    if (!er_cell_consume(f)) f = er_failed(NULL, errand_failf(EINVAL, ER_TWICE));
    if (!fn) return er_cell_refuse(f, errand_failf(EINVAL, "errand_then without a function"));
    if (!f->pool) return call_at_once(f, fn, arg);
    er_task *task = er_alloc(sizeof *task);
    if (!task) return call_without_memory(f, fn, arg);
    er_cell_init(&task->cell, &sequel_kind, f->pool);
    task->input = f;
    task->name = NULL;
    int error = 0;
    /* without memory it goes without */
    task->context = er_context_for(&(errand_task){ .fn = NULL }, &error);
    task->deadline_ns = INT64_MAX;
    task->site = __builtin_return_address(0);
    task->queued = ER_NOT_QUEUED;
    task->flags = (uint16_t)(ER_FOLLOWS | (er_retried_here() ? ER_PART : 0));
    task->waiter.fn = input_ended;
    task->fn = (void (*)(void))fn;
    task->arg = arg;
    task->free_arg = NULL;
    er_cell_keep(&task->cell);
    if (!er_cell_ended(f)) er_runq_put_aside(f->pool, task);
    if (!er_cell_watch(f, &task->waiter)) input_ended(&task->waiter);
    return &task->cell;
}
