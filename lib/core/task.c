/* core/task.c -- cells that run a function on a worker.
 *
 *     work:    queued --claim--> running --fn returned--> ended
 *                 |claim by cancel or deadline            | returned errand_later(f)
 *                 +--> ended unrun                        +--> following f --f ended--> ended
 *     sequel:  waiting for its input --> queued --> running --> ended            (errand_then; never ended unrun)
 *
 * The claim decides whether work runs: the worker that pops it and the cancel that wants it out both claim, and one wins. Who
 * wins against a running task only tells it: wakes what its thread waits on, and passes the cancel on to what it awaits or
 * follows (`input`). A link to the input is set before "told" is looked at, and a canceller sets "told" before it looks at the
 * link, so one of the two always passes it on.
 *
 * Counts on a task: its owner's, the queue's (the worker gives it back after running), one for an armed deadline, one while its
 * waiter hangs in its input. The waiter and the queue's link share memory: a task is never in both.
 *
 * A chain of errand_later is forwarded: a task that is followed by another, and by nobody else, and that wants to follow f,
 * hands its follower over to f and is gone. So a million steps hold one cell. */
#include "core/task.h"

#include "log/fields.h"

#include "base/options.h"

#include <errno.h>
#include <string.h>

typedef struct timed_work { /* with a deadline, to begin or to end */
    er_task task;
    er_timer timer;
    errand_reason late; /* why it is told to end at its deadline */
} timed_work;

typedef struct completed_work { /* somebody completes its end; not timed */
    er_task task;
    er_completion completion;
} completed_work;

enum { INTO = 2, TIMED = 4, COMPLETED = 8, RETRIED = 16 }; /* er_task.flags, beside ER_FOLLOWS */

static er_task *task_of(er_cell *cell) { return er_of(cell, er_task, cell); }
static timed_work *timed_of(er_cell *cell) { return er_of(cell, timed_work, task.cell); }

/* ---- errand_later ---- */

static void drop_later(void *f) { er_cell_drop(f); }

errand_result errand_later(errand_future *f)
{
    if (!f) return errand_failf(EINVAL, "errand_later(NULL)");
    if (!er_cell_consume(f)) return errand_failf(EINVAL, ER_TWICE);
    return (errand_result){ 0, f, drop_later, f, NULL };
}

bool er_is_later(const errand_result *r) { return !r->error && r->free == drop_later; }

static er_cell *later_of(const errand_result *r) { return !r->error && r->free == drop_later ? r->owner : NULL; }

/* ---- ending a task ---- */

int er_told_error(errand_reason reason)
{
    return reason == ERRAND_BY_TOTAL || reason == ERRAND_BY_ATTEMPT ? ETIMEDOUT : ECANCELED;
}

errand_result er_told_result(errand_reason reason) { return er_fail_by(er_told_error(reason), reason); }

/* What fn's failure becomes in a task that was told to end. */
static errand_result told_failure(errand_result r, errand_reason reason)
{
    int error = er_told_error(reason);
    if (r.error == error && (!r.detail || r.detail->fixed)) { /* it only passed on what it was told */
        errand_result_free(&r);
        return er_fail_by(error, reason);
    }
    if (r.error == error) { /* in its own words */
        errand_detail *d = er_detail(&r);
        if (d && !d->reason) d->reason = reason;
        return r;
    }
    if (error == ETIMEDOUT) return r; /* a deadline leaves the end to fn */
    errand_result outer = er_fail_by(error, reason);
    er_result_because(&outer, r);
    return outer;
}

static const er_cell_kind work_kind, sequel_kind;

static void complete(er_task *task, errand_result *r)
{
    const er_completion *c = &er_of(task, completed_work, task)->completion;
    bool turned = er_home_of(task->cell.pool)->clock;
    int64_t took = 0;
    if (r->error && turned) took = er_pool_now(task->cell.pool) - c->began_ns;
    else if (r->error && task->stamp) took = er_coarse_ns() - task->stamp;
    c->fn(c->arg, r, took < 0 ? 0 : took / ER_MS);
}

/* The last steps of both; the caller holds a count. */
static void end_task(er_cell *cell, errand_result r)
{
    errand_reason reason = er_cell_told(cell);
    if (reason && r.error) r = told_failure(r, reason);
    if (cell->kind == &work_kind) {
        er_task *task = task_of(cell);
        if (task->free_arg) task->free_arg(task->arg);
        task->free_arg = NULL;
        if (task->flags & COMPLETED) complete(task, &r);
        if ((task->flags & TIMED) && er_timer_disarm(cell->pool, &timed_of(cell)->timer)) er_cell_release(cell);
    }
    if (cell->pool) er_pool_count(cell->pool, !r.error ? ER_DONE : r.error == ECANCELED ? ER_CANCELLED : ER_FAILED);
    er_cell_end(cell, r);
}

static void link_input(er_task *task, er_cell *f) /* NULL: none */
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
    link_input(task, NULL);
    errand_result r = er_cell_take(f);
    er_cell_release(f);
    if (task->cell.pool) er_pool_put_back(task->cell.pool, task);
    end_task(&task->cell, r);
    er_cell_release(&task->cell);
}

/* The count that the waiter carries is there already. */
static void follow(er_task *task, er_cell *f)
{
    task->waiter.fn = followed;
    link_input(task, f);
    errand_reason reason = er_cell_told(&task->cell);
    if (reason) er_cell_cancel(f, reason);
    if (!er_cell_watch(f, &task->waiter)) followed(&task->waiter);
}

/* The only one who waits for the task's end, if that is a follower which owns it, nobody else holds it (but its runner), and its
 * deadline adds nothing; taken off the task. Under the lock bit nobody can begin to watch, and only the owner could pass it on. */
static er_task *take_follower(er_cell *cell)
{
    er_task *follower = NULL;
    er_cell_lock(cell);
    er_waiter *w = cell->waiters;
    if (w && !w->next && w->fn == followed && !er_cell_told(cell)) {
        er_task *candidate = er_of(w, er_task, waiter);
        uint32_t mine = 2; /* the follower's, and the runner's */
        if (task_of(cell)->deadline_ns == INT64_MAX || candidate->deadline_ns <= task_of(cell)->deadline_ns) {
            mine += (task_of(cell)->flags & TIMED) != 0; /* the armed timer's */
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

/* What fn returned becomes the task's end, or its being followed. */
static void finish(er_cell *cell, errand_result r)
{
    er_cell *f = later_of(&r);
    if (!f) {
        end_task(cell, r);
        return;
    }
    er_task *follower = take_follower(cell);
    if (!follower) {
        er_cell_keep(cell);
        if (cell->pool) er_pool_put_aside(cell->pool, task_of(cell));
        follow(task_of(cell), f);
        return;
    }
    follow(follower, f);
    end_task(cell, errand_ok(NULL, NULL));
    er_cell_release(cell); /* the follower owned it */
}

/* ---- being told ---- */

static void tell_runner(er_cell *cell, errand_reason reason)
{
    er_task *task = task_of(cell);
    er_cell *input = NULL;
    er_cell_lock(cell);
    if (task->flags & ER_FOLLOWS) {
        input = er_cell_keep(task->input);
    } else if (task->blocked) { /* it stays where it is as long as the bit is held */
        er_unpark(&task->blocked->parker, ER_TOLD);
        if (task->blocked->passes) input = er_cell_keep(task->blocked->input);
    }
    er_cell_unlock(cell);
    if (!input) return;
    er_cell_pass_on(input, reason);
    er_cell_release(input);
}

static bool input_of_task(er_cell *cell, size_t i, er_cell **input)
{
    er_task *task = task_of(cell);
    if (i) return false;
    er_cell_lock(cell);
    er_cell *to = task->flags & ER_FOLLOWS ? task->input : task->blocked ? task->blocked->input : NULL;
    *input = to ? er_cell_keep(to) : NULL;
    er_cell_unlock(cell);
    return true;
}

errand_pool *er_task_waits_for_room(er_task *task)
{
    er_cell_lock(&task->cell);
    errand_pool *pool = !(task->flags & ER_FOLLOWS) && task->blocked ? task->blocked->room : NULL;
    er_cell_unlock(&task->cell);
    return pool;
}

static void refuse_unbegun(er_cell *cell, errand_result why) /* by its claimer */
{
    bool queued = er_pool_unqueue(cell->pool, task_of(cell));
    end_task(cell, why);
    if (queued) er_cell_release(cell);
}

static void cancel_work(er_cell *cell, errand_reason reason)
{
    if (er_cell_claim(cell)) refuse_unbegun(cell, er_told_result(reason));
    else tell_runner(cell, reason);
}

static void past_deadline(er_timer *timer)
{
    timed_work *t = er_of(timer, timed_work, timer);
    er_cell *cell = &t->task.cell;
    errand_pool *pool = cell->pool;
    bool shut = er_pool_shut(pool);
    if (!shut && t->task.deadline_ns > er_pool_now(pool)) { /* it was to begin by now */
        if (er_cell_claim(cell)) {
            refuse_unbegun(cell, er_told_result(ERRAND_BY_TOTAL));
        } else if (er_timer_arm(pool, timer, t->task.deadline_ns) == 0 && t->task.deadline_ns != INT64_MAX) {
            if (!er_cell_ended(cell) || !er_timer_disarm(pool, timer)) return;
        }
    } else {
        er_cell_cancel(cell, shut ? ERRAND_BY_SHUTDOWN : t->late);
    }
    er_cell_release(cell);
}

/* ---- work ---- */

/* While its function runs the thread has its log fields: what the function puts in their place is the thread's until it returns. */
static errand_log_fields *take_fields(const er_task *task)
{
    return er_fields_swap(task->context ? er_fields_keep(task->context->fields) : NULL);
}

static void put_fields_back(errand_log_fields *before) { er_fields_release(er_fields_swap(before)); }

static errand_result call(const er_task *task)
{
    errand_result r = { 0 };
    errand_log_fields *before = take_fields(task);
    if (task->flags & INTO) ((errand_into_fn *)task->fn)(task->arg, &r);
    else r = ((errand_fn *)task->fn)(task->arg);
    put_fields_back(before);
    return r;
}

static void run_work(er_cell *cell)
{
    if (er_cell_claim(cell)) finish(cell, call(task_of(cell)));
}

_Static_assert(sizeof(er_task) <= 192, "a task with its future");

static void free_task(er_cell *cell)
{
    er_context_drop(task_of(cell)->context);
    er_cell_bury(cell);
}

static const er_cell_kind work_kind = {
    .cancel = cancel_work, .free = free_task, .run = run_work, .refuse = end_task, .input = input_of_task
};

#define NESTED 64 /* deeper, a spare thread brings a stack of its own */

bool er_task_run_here(er_cell *f)
{
    unsigned *nested = er_nested_here();
    if (f->kind != &work_kind || f->pool != er_pool_here() || *nested >= NESTED || !er_cell_claim(f)) return false;
    ++*nested;
    bool queued = er_pool_unqueue(f->pool, task_of(f));
    er_frame *frame = NULL;
    er_task *before = er_task_change(task_of(f), &frame);
    errand_result r = call(task_of(f));
    er_task_change(before, &frame);
    --*nested;
    finish(f, r);
    if (queued) er_cell_release(f);
    return true;
}

static er_cell *refused(errand_pool *pool, const errand_task *task, errand_result r)
{
    if (task && task->free) task->free(task->arg);
    return er_failed(pool, r);
}

static er_cell *submit_work(errand_pool *pool, const errand_task *task, er_context *context, int64_t deadline_ns,
                            errand_reason late, bool urgent, const void *site, const er_completion *completion)
{
    int64_t begin_by = INT64_MAX;
    if (task->start_within_ms)
        begin_by = er_deadline(er_pool_now(pool), task->start_within_ms == ERRAND_ZERO ? 0 : task->start_within_ms);
    int64_t alarm = begin_by < deadline_ns ? begin_by : deadline_ns;
    int error = 0;
    size_t size = alarm != INT64_MAX ? sizeof(timed_work) : completion ? sizeof(completed_work) : sizeof(er_task);
    er_task *t = er_alloc(size);
    if (!t) {
        er_context_drop(context);
        errand_result r = errand_fail(ENOMEM);
        if (completion) completion->fn(completion->arg, &r, 0);
        return refused(pool, task, r);
    }
    er_cell *cell = &t->cell;
    er_cell_init(cell, &work_kind, pool);
    t->blocked = NULL;
    t->name = task->name;
    t->context = context;
    t->deadline_ns = deadline_ns;
    t->site = site;
    t->queued = ER_NOT_QUEUED;
    t->flags = (uint16_t)((task->fn ? 0 : INTO) |
                          (alarm != INT64_MAX ? TIMED
                           : completion       ? COMPLETED
                                              : 0) |
                          (task->reserved & ER_RETRIED ? RETRIED : 0));
    if (completion) {
        er_of(t, completed_work, task)->completion = *completion;
        t->stamp = 0; /* it may never be queued */
    }
    t->fn = task->fn ? (void (*)(void))task->fn : (void (*)(void))task->into;
    t->arg = task->arg;
    t->free_arg = task->free;

    cell->count = alarm != INT64_MAX ? 3 : 2; /* nobody else knows it yet: the owner's, the queue's, the timer's */
    if (alarm != INT64_MAX) {
        timed_of(cell)->timer = (er_timer){ .fn = past_deadline };
        timed_of(cell)->late = late;
        error = alarm <= er_pool_now(pool) ? ETIMEDOUT : er_timer_arm(pool, &timed_of(cell)->timer, alarm);
        if (error) er_cell_release(cell);
    }
    if (!error) error = er_pool_queue(pool, t, urgent);
    if (error) er_cell_release(cell);
    if (error && er_cell_claim(cell)) {
        errand_reason reason = error == ECANCELED && er_pool_shut(pool) ? ERRAND_BY_SHUTDOWN : er_told_here();
        errand_result r = errand_fail(error);
        if (error == ECANCELED && reason) r = er_told_result(reason);
        if (error == ETIMEDOUT) r = er_fail_by(error, alarm == deadline_ns ? late : ERRAND_BY_TOTAL);
        if (error == EINVAL) r = errand_failf(error, "the pool is closed");
        end_task(cell, r);
    }
    return cell;
}

er_cell *er_task_submit(errand_pool *pool, const errand_task *task, er_context *context, int64_t deadline_ns,
                        errand_reason late, bool urgent, const void *site)
{
    return submit_work(pool, task, context, deadline_ns, late, urgent, site, NULL);
}

er_cell *er_task_submit_completed(errand_pool *pool, const errand_task *task, er_context *context, const void *site,
                                  void (*fn)(void *, errand_result *, int64_t), void *arg)
{
    er_completion c = { fn, arg, er_home_of(pool)->clock ? er_pool_now(pool) : 0 };
    return submit_work(pool, task, context, INT64_MAX, ERRAND_BY_NOBODY, false, site, &c);
}

/* ---- part of an attempt ---- */

static _Thread_local struct {
    er_task *task; /* in which the loops began */
    int depth;
} loops;

bool er_retried_here(void)
{
    er_task *me = er_task_here();
    return (me && (me->flags & RETRIED)) || (loops.depth > 0 && loops.task == me);
}

void er_retried_enter(int more)
{
    er_task *me = er_task_here();
    if (loops.depth <= 0 || loops.task != me) loops.depth = 0; /* of another task, which has left them behind */
    loops.task = me;
    loops.depth += more;
}

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
        return refused(pool, own, errand_failf(EINVAL, own->fn ? "task with both fn and into" : "task without fn"));
    if (er_option_ms(&own->within_ms, ERRAND_FOREVER))
        return refused(pool, own, errand_failf(EINVAL, "within_ms is negative"));
    if (own->start_within_ms < 0 && own->start_within_ms != ERRAND_ZERO)
        return refused(pool, own, errand_failf(EINVAL, "start_within_ms is negative"));
    if (!own->name && !own->detached && er_task_here()) own->name = er_task_here()->name;
    own->reserved = !own->detached && er_retried_here() ? ER_RETRIED : 0;
    return NULL;
}

static errand_future *submit(errand_pool *pool, const errand_task *task, size_t size, const void *site)
{
    errand_task own;
    er_cell *refusal = er_task_check(pool, &own, task, size);
    if (refusal) return refusal;
    int64_t deadline = own.within_ms == ERRAND_FOREVER ? INT64_MAX : er_deadline(er_pool_now(pool), own.within_ms);
    int64_t inherited = own.detached ? INT64_MAX : er_deadline_here(pool);
    int error = 0;
    er_context *context = er_context_for(&own, &error);
    if (error) return refused(pool, &own, errand_fail(error));
    return er_task_submit(pool, &own, context, inherited < deadline ? inherited : deadline, ERRAND_BY_TOTAL, false,
                          site);
}

errand_future *errand_submit_task_sized(errand_pool *pool, const errand_task *task, size_t size)
{
    return submit(pool, task, size, __builtin_return_address(0));
}

errand_future *errand_submit(errand_pool *pool, errand_fn *fn, void *arg)
{
    er_task *me = er_task_here();
    errand_task task = {
        .fn = fn, .arg = arg, .name = me ? me->name : NULL, .reserved = er_retried_here() ? ER_RETRIED : 0
    };
    if (!pool || !fn || er_pool_dead(pool)) return submit(pool, &task, sizeof task, __builtin_return_address(0));
    int error = 0;
    er_context *context = me || er_fields_here() ? er_context_for(&task, &error) : NULL;
    if (error) return refused(pool, &task, errand_fail(error));
    return er_task_submit(pool, &task, context, er_deadline_here(pool), ERRAND_BY_TOTAL, false,
                          __builtin_return_address(0));
}

/* ---- what comes after ---- */

static void run_sequel(er_cell *cell)
{
    er_task *task = task_of(cell);
    er_cell_claim(cell);                   /* nobody else does: a cancel only passes on */
    errand_result in = er_cell_take(cell); /* parked there by its input's end */
    if (er_task_here() && er_pool_shut(cell->pool))
        er_cell_cancel(cell, ERRAND_BY_SHUTDOWN); /* queued after the others were told */
    bool held = er_endings_let_go();
    errand_log_fields *before = take_fields(task);
    errand_result r = ((errand_then_fn *)task->fn)(in, task->arg);
    put_fields_back(before);
    er_endings_hold(held);
    finish(cell, r);
}

static const er_cell_kind sequel_kind = {
    .cancel = tell_runner, .free = free_task, .run = run_sequel, .input = input_of_task
};

er_task *er_cell_task(er_cell *cell)
{
    return cell->kind == &work_kind || cell->kind == &sequel_kind ? task_of(cell) : NULL;
}

const char *er_cell_name(const er_cell *cell)
{
    return cell->kind == &work_kind || cell->kind == &sequel_kind ? er_of(cell, er_task, cell)->name : NULL;
}

static void input_ended(er_waiter *waiter)
{
    er_task *task = er_of(waiter, er_task, waiter);
    er_cell *cell = &task->cell, *f = waiter->cell;
    link_input(task, NULL);
    cell->result = er_cell_take(f);
    er_cell_release(f);
    if (cell->pool && er_pool_queue(cell->pool, task, true) == 0) return; /* with the waiter's count */
    er_frame *frame = NULL;
    er_task *before = er_task_change(NULL, &frame);
    run_sequel(cell); /* there are no workers any more */
    er_task_change(before, &frame);
    er_cell_release(cell);
}

errand_future *errand_then(errand_future *f, errand_then_fn *fn, void *arg)
{
    if (!f) f = er_failed(NULL, errand_failf(EINVAL, "errand_then(NULL)"));
    if (er_cell_forked(f)) f = er_failed(NULL, errand_fail(ERRAND_EFORKED));
    if (!er_cell_consume(f)) f = er_failed(NULL, errand_failf(EINVAL, ER_TWICE));
    if (!fn) {
        er_cell *refusal = er_failed(f->pool, errand_failf(EINVAL, "errand_then without a function"));
        errand_cancel(f);
        er_cell_drop(f);
        return refusal;
    }
    er_task *task = er_alloc(sizeof *task);
    if (!task) {
        errand_cancel(f);
        er_cell_drop(f);
        errand_result r = fn(errand_fail(ENOMEM), arg); /* called exactly once, come what may */
        errand_result_free(&r);
        return er_failed(NULL, errand_fail(ENOMEM));
    }
    er_cell_init(&task->cell, &sequel_kind, f->pool);
    task->input = f;
    task->name = NULL;
    int error = 0;
    task->context = er_context_for(&(errand_task){ .fn = NULL }, &error); /* without memory it goes without */
    task->deadline_ns = INT64_MAX;
    task->site = __builtin_return_address(0);
    task->queued = ER_NOT_QUEUED;
    task->flags = (uint16_t)(ER_FOLLOWS | (er_retried_here() ? RETRIED : 0));
    task->waiter.fn = input_ended;
    task->fn = (void (*)(void))fn;
    task->arg = arg;
    er_cell_keep(&task->cell);
    if (f->pool && !er_cell_ended(f)) er_pool_put_aside(f->pool, task);
    if (!er_cell_watch(f, &task->waiter)) input_ended(&task->waiter);
    return &task->cell;
}
