/* async/submit.c -- tasks: a function submitted to a pool.
 *
 *     queued --claim--> running --> see task.c
 *        |claim by cancel or deadline
 *        +--> ended unrun
 *
 * When the queue is full the submit waits, fails, ends the oldest task, or makes the new task a
 * guest of the submitting thread, which claims it and runs it on its own stack. While the guest
 * runs it is the thread's task, and the task around it waits for it, as for one that an await runs
 * in place.
 *
 * The claim decides whether it runs: the worker that takes it and the cancel both claim, and one
 * wins. A deadline is a timer in the same allocation; the one to begin by becomes, when the task
 * has begun in time, the one to end by. */
#include "async/submit.h"
#include "async/current.h"
#include "async/park.h"
#include "async/runq.h"
#include "async/stats.h"

#include "base/options.h"
#include "log/fields.h"

#include <errno.h>

/* ---- cancelled before it runs ---- */

static void refuse_unbegun(er_cell *cell, errand_result why) /* by its claimer */
{
    bool queued = er_runq_remove(cell->pool, er_task_of(cell));
    er_task_end(cell, why);
    if (queued) er_cell_release(cell);
}

static void cancel_work(er_cell *cell, errand_reason reason)
{
    if (er_cell_claim(cell)) refuse_unbegun(cell, er_cancel_result(reason));
    else er_task_cancel(cell, reason);
}

/* It has begun in time: the timer goes on as the one to end by. True: it is armed, and has the
 * count that it came with. */
static bool arm_deadline(er_timed_task *t)
{
    errand_pool *pool = t->task.cell.pool;
    if (t->task.deadline_ns == INT64_MAX || er_timer_arm(pool, &t->timer, t->task.deadline_ns))
        return false;
    return !er_cell_ended(&t->task.cell) || !er_timer_disarm(pool, &t->timer);
}

static void past_deadline(er_timer *timer)
{
    er_timed_task *t = er_of(timer, er_timed_task, timer);
    er_cell *cell = &t->task.cell;
    bool shut = er_pool_shut(cell->pool), goes_on = false;
    /* armed again, the timer may be called, and give its count back, on another thread at once */
    er_cell_keep(cell);
    if (shut || t->task.deadline_ns <= er_pool_now(cell->pool))
        er_cell_cancel(cell, shut ? ERRAND_BY_SHUTDOWN : t->late);
    else if (er_cell_claim(cell)) refuse_unbegun(cell, er_cancel_result(ERRAND_BY_TOTAL));
    else goes_on = arm_deadline(t);
    if (!goes_on) er_cell_release(cell);
    er_cell_release(cell);
}

/* ---- running ---- */

static errand_result call(const er_task *task)
{
    errand_result r = { 0 };
    errand_log_fields *before = er_task_take_fields(task);
    if (task->flags & ER_INTO) ((errand_into_fn *)task->fn)(task->arg, &r);
    else r = ((errand_fn *)task->fn)(task->arg);
    er_end_in_child();
    er_task_put_fields_back(before);
    return r;
}

static void run_work(er_cell *cell)
{
    if (er_cell_claim(cell)) er_task_finish(cell, call(er_task_of(cell)));
}

static const er_cell_kind work_kind = {
    .cancel = cancel_work,
    .free = er_task_free,
    .run = run_work,
    .refuse = er_task_end,
    .input = er_task_input,
    .label = er_task_label,
    .needs = er_task_needs,
    .what = "task",
    .describe = er_task_describe
};

#define NESTED 64

/* Deeper, or with less than three quarters of the stack left, a spare thread runs it on its own
 * stack. */
static bool has_stack(void) { return *er_nested_here() < NESTED && er_stack_is_ample(); }

/* Runs a claimed one on this stack; the task around it, if there is one, waits for it meanwhile. */
static void run_in_place(er_cell *f)
{
    er_task *me = er_task_here();
    er_frame *frame = *er_frame_here();
    er_wait meanwhile = { .input = f, .passes = !frame || !frame->shielded, .nested = true };
    er_wait *outer = me ? er_block(me, &meanwhile) : NULL;
    /* after the link is set: a canceller that has not seen it is seen here */
    errand_reason cancelled = er_cancelled_here();
    if (cancelled) er_cell_cancel(f, cancelled);
    ++*er_nested_here();
    frame = NULL;
    er_task_change(er_task_of(f), &frame);
    errand_result r = call(er_task_of(f));
    er_task_change(me, &frame);
    --*er_nested_here();
    if (me) er_unblock(me, outer);
    er_task_finish(f, r);
}

void er_task_run_here(er_cell *f)
{
    if (!er_task_here() || f->kind != &work_kind || f->pool != er_pool_here() || !has_stack() ||
        !er_cell_claim(f))
        return;
    bool queued = er_runq_remove(f->pool, er_task_of(f));
    run_in_place(f);
    if (queued) er_cell_release(f);
}

/* The queue is full: runs it here, and gives the queue's count back. False: it may be queued
 * now, or must not run any more. */
static bool run_as_guest(errand_pool *pool, er_task *task)
{
    er_here *here = er_here_now();
    er_guest guest = { .task = task, .outer = here->guest, .began_ns = er_coarse_ns() };
    if (!er_runq_host(pool, &guest)) return false;
    here->guest = &guest;
    errand_reason cancelled = er_cancelled_here();
    /* as if the caller had waited for room */
    if (cancelled) er_cell_cancel(&task->cell, cancelled);
    if (er_cell_claim(&task->cell)) {
        bool held = er_endings_let_go(), sampled = task->stamp & 1;
        int64_t began = sampled ? er_now_ns() : 0;
        run_in_place(&task->cell);
        if (sampled) er_pool_count_run(pool, er_now_ns() - began);
        er_endings_hold(held);
    }
    here->guest = guest.outer;
    er_runq_part(pool, &guest);
    er_cell_release(&task->cell);
    return true;
}

/* ---- submitting ---- */

static er_cell *refused(errand_pool *pool, const errand_task *task, errand_result r)
{
    if (task && task->free) task->free(task->arg);
    return er_failed(pool, r);
}

/* 0: there may be room now. ECANCELED: the calling task was cancelled; ETIMEDOUT: its deadline has
 * passed; EDEADLK: all of the pool's threads wait, too. */
static int wait_for_room(errand_pool *pool, er_task *task)
{
    er_watcher w = { .wait.room = pool, .task = task };
    if (!er_runq_join_line(pool, &w)) return 0;
    uint32_t bits = er_pool_park(&w.wait, ER_WAKE, pool, INT64_MAX);
    bool served = (bits & ER_WAKE) && !(bits & ER_CANCEL);
    er_runq_leave_line(pool, &w, served);
    if (served) return 0;
    if (bits & ER_CANCEL) return ECANCELED;
    return er_park_error(bits);
}

/* Queues it, or has run it here. Errors as er_runq_push's and wait_for_room's, and ERRAND_EFULL. */
static int queue(errand_pool *pool, er_task *task, const er_terms *terms)
{
    for (;;) {
        int error = er_runq_push(pool, task, terms->urgent);
        if (error != ER_NO_ROOM) return error;
        switch (terms->tries ? ERRAND_WHEN_FULL_FAIL : er_runq_when_full(pool)) {
        case ERRAND_WHEN_FULL_FAIL: return ERRAND_EFULL;
        case ERRAND_WHEN_FULL_DROP_OLDEST: er_runq_drop_oldest(pool); break;
        case ERRAND_WHEN_FULL_CALLER_RUNS:
            if (run_as_guest(pool, task)) return 0;
            break;
        default:
            error = wait_for_room(pool, task);
            if (error) return error;
        }
    }
}

static er_cell *submit_work(errand_pool *pool, const errand_task *task, const er_terms *terms,
                            const er_completion *completion)
{
    int64_t begin_by = INT64_MAX;
    if (task->start_within_ms)
        begin_by = er_deadline(er_pool_now(pool),
                               task->start_within_ms == ERRAND_ZERO ? 0 : task->start_within_ms);
    int64_t alarm = begin_by < terms->deadline_ns ? begin_by : terms->deadline_ns;
    int error = 0, extra = completion ? ER_COMPLETED : 0;
    size_t size = completion ? sizeof(er_completed_task) : sizeof(er_task);
    if (alarm != INT64_MAX) {
        extra = ER_TIMED;
        size = sizeof(er_timed_task);
    }
    er_task *t = er_alloc(size);
    if (!t) {
        er_context_drop(terms->context);
        errand_result r = errand_fail(ENOMEM);
        if (completion) completion->fn(completion->arg, &r, 0);
        return refused(pool, task, r);
    }
    er_cell *cell = &t->cell;
    er_cell_init(cell, &work_kind, pool);
    t->blocked = NULL;
    t->name = task->name;
    t->context = terms->context;
    t->deadline_ns = terms->deadline_ns;
    t->site = terms->site;
    t->queued = ER_NOT_QUEUED;
    t->flags =
        (uint16_t)((task->fn ? 0 : ER_INTO) | extra | (task->reserved & ER_RETRIED ? ER_PART : 0));
    if (completion) {
        er_of(t, er_completed_task, task)->completion = *completion;
        t->stamp = 0; /* it may never be queued */
    }
    t->fn = task->fn ? (void (*)(void))task->fn : (void (*)(void))task->into;
    t->arg = task->arg;
    t->free_arg = task->free;

    /* not shared yet: the owner's, the queue's, the timer's */
    cell->count = alarm != INT64_MAX ? 3 : 2;
    if (alarm != INT64_MAX) {
        er_timed_of(cell)->timer = (er_timer){ .fn = past_deadline };
        er_timed_of(cell)->late = terms->late;
        error = alarm <= er_pool_now(pool) ? ETIMEDOUT
                                           : er_timer_arm(pool, &er_timed_of(cell)->timer, alarm);
        if (error) er_cell_release(cell);
    }
    if (!error) error = queue(pool, t, terms);
    if (error) er_cell_release(cell);
    else if (alarm != INT64_MAX && er_cell_claimed(cell) && er_runq_remove(pool, t))
        er_cell_release(cell); /* late while it waited for room */
    if (error && er_cell_claim(cell)) {
        errand_reason reason =
            error == ECANCELED && er_pool_shut(pool) ? ERRAND_BY_SHUTDOWN : er_cancelled_here();
        errand_result r = errand_fail(error);
        if (error == ECANCELED && reason) r = er_cancel_result(reason);
        if (error == ETIMEDOUT)
            r = er_fail_by(error, alarm == terms->deadline_ns ? terms->late : ERRAND_BY_TOTAL);
        if (error == EINVAL) r = errand_failf(error, "the pool is closed");
        er_task_end(cell, r);
    }
    return cell;
}

er_cell *er_task_submit(errand_pool *pool, const errand_task *task, const er_terms *terms)
{
    return submit_work(pool, task, terms, NULL);
}

er_cell *er_task_submit_completed(errand_pool *pool, const errand_task *task, er_context *context,
                                  const void *site, void (*fn)(void *, errand_result *, int64_t),
                                  void *arg)
{
    er_completion c = { fn, arg, er_pool_ref_of(pool)->clock ? er_pool_now(pool) : 0 };
    er_terms terms = { .context = context, .deadline_ns = INT64_MAX, .site = site };
    return submit_work(pool, task, &terms, &c);
}

/* ---- the public functions ---- */

er_cell *er_task_check(errand_pool *pool, errand_task *own, const errand_task *task, size_t size)
{
    int error = task ? er_options(own, sizeof *own, task, size) : EINVAL;
    if (error) { /* ENOTSUP: what we know stands before the tail */
        const errand_task *known = error == ENOTSUP ? task : NULL;
        return refused(pool && !er_pool_dead(pool) ? pool : NULL, known,
                       errand_failf(error, task ? "a task of an unknown size" : "task is NULL"));
    }
    if (!pool) return refused(NULL, own, errand_failf(EINVAL, "pool is NULL"));
    if (er_pool_dead(pool)) return refused(NULL, own, errand_fail(ERRAND_EFORKED));
    if (!own->fn == !own->into)
        return refused(pool, own,
                       errand_failf(EINVAL,
                                    own->fn ? "task with both fn and into" : "task without fn"));
    if (er_option_ms(&own->within_ms, ERRAND_FOREVER))
        return refused(pool, own, errand_failf(EINVAL, "within_ms is negative"));
    if (own->start_within_ms < 0 && own->start_within_ms != ERRAND_ZERO)
        return refused(pool, own, errand_failf(EINVAL, "start_within_ms is negative"));
    if (!own->name && !own->detached && er_task_here()) own->name = er_task_here()->name;
    own->reserved = !own->detached && er_retried_here() ? ER_RETRIED : 0;
    return NULL;
}

static errand_future *submit(errand_pool *pool, const errand_task *task, size_t size, bool tries,
                             const void *site)
{
    errand_task own;
    er_cell *refusal = er_task_check(pool, &own, task, size);
    if (refusal) return refusal;
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): a refusal is never NULL */
    bool unlimited = own.within_ms == ERRAND_FOREVER;
    int64_t deadline = unlimited ? INT64_MAX : er_deadline(er_pool_now(pool), own.within_ms);
    int64_t inherited = own.detached ? INT64_MAX : er_deadline_here(pool);
    int error = 0;
    er_context *context = er_context_for(&own, &error);
    if (error) return refused(pool, &own, errand_fail(error));
    er_terms terms = {
        context, inherited < deadline ? inherited : deadline, ERRAND_BY_TOTAL, false, site, tries
    };
    return er_task_submit(pool, &own, &terms);
}

errand_future *errand_submit_task_sized(errand_pool *pool, const errand_task *task, size_t size)
{
    return submit(pool, task, size, false, __builtin_return_address(0));
}

errand_future *errand_try_submit_sized(errand_pool *pool, const errand_task *task, size_t size)
{
    return submit(pool, task, size, true, __builtin_return_address(0));
}

errand_future *errand_submit(errand_pool *pool, errand_fn *fn, void *arg)
{
    er_task *me = er_task_here();
    errand_task task = { .fn = fn,
                         .arg = arg,
                         .name = me ? me->name : NULL,
                         .reserved = er_retried_here() ? ER_RETRIED : 0 };
    if (!pool || !fn || er_pool_dead(pool))
        return submit(pool, &task, sizeof task, false, __builtin_return_address(0));
    int error = 0;
    er_context *context = me || er_fields_here() ? er_context_for(&task, &error) : NULL;
    if (error) return refused(pool, &task, errand_fail(error));
    er_terms terms = { context, er_deadline_here(pool),      ERRAND_BY_TOTAL,
                       false,   __builtin_return_address(0), false };
    return er_task_submit(pool, &task, &terms);
}
