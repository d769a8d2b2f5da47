/* async/periodic.c -- the same task again and again.
 *
 *     armed --timer--> running --fn ended--> armed ...
 *     any --cancel, fn failed, the pool closes--> ended
 *
 * Either the timer is armed or a task runs, so the thread that handles its end is alone, and only
 * that thread arms again. A cancel that finds the timer armed ends it; one between the two is seen
 * by the thread that goes on, because a cancel marks the cell before it disarms, and the mark is
 * read after the timer is armed. */
#include "async/current.h"
#include "async/service.h"
#include "async/submit.h"

#include <errno.h>

typedef struct every {
    er_cell cell;
    er_cell *input; /* the task that runs */
    er_waiter waiter;
    er_timer timer;
    er_close_hook closer;
    errand_fn *fn;
    void *arg;
    const char *name;
    er_context *context; /* counted; NULL: none */
    const void *site;
    int64_t began_ns, step_ns;
} every;

static void end(every *e, errand_result r)
{
    er_close_hook_remove(e->cell.pool, &e->closer);
    er_cell_try_end(&e->cell, r);
    er_cell_release(&e->cell); /* the repeating's own count */
}

static void stop(every *e)
{
    errand_reason cancelled = er_cell_cancelled(&e->cell);
    end(e, er_cancel_result(cancelled ? cancelled : ERRAND_BY_SHUTDOWN));
}

static void arm(every *e) /* with the repeating's own count: the timer's from now on */
{
    /* once armed it may be called on another thread, end all and give that count back */
    er_cell_keep(&e->cell);
    int64_t now = er_pool_now(e->cell.pool), steps = (now - e->began_ns) / e->step_ns + 1, passed;
    int64_t at = __builtin_mul_overflow(steps, e->step_ns, &passed) ||
                         __builtin_add_overflow(e->began_ns, passed, &at)
                     ? INT64_MAX
                     : at;
    if (at == INT64_MAX) at--; /* armed in any case: a stop disarms it */
    if (er_timer_arm(e->cell.pool, &e->timer, at)) stop(e);
    else if (er_cell_cancelled(&e->cell) && er_timer_disarm(e->cell.pool, &e->timer)) stop(e);
    er_cell_release(&e->cell);
}

static void once_ended(er_waiter *waiter)
{
    every *e = er_of(waiter, every, waiter);
    er_cell *f = waiter->cell;
    er_cell_link(&e->cell, &e->input, NULL);
    errand_result r = er_cell_take(f);
    er_cell_release(f);
    if (r.error) {
        end(e, r);
        return;
    }
    errand_result_free(&r);
    if (er_cell_cancelled(&e->cell)) stop(e);
    else arm(e);
}

static void due(er_timer *timer)
{
    every *e = er_of(timer, every, timer);
    if (er_cell_cancelled(&e->cell) || er_pool_shut(e->cell.pool)) {
        stop(e);
        return;
    }
    errand_task task = { .fn = e->fn, .arg = e->arg, .name = e->name };
    er_terms terms = {
        er_context_keep(e->context), INT64_MAX, ERRAND_BY_TOTAL, true, e->site, false
    };
    er_cell *f = er_task_submit(e->cell.pool, &task, &terms);
    e->waiter.fn = once_ended;
    er_cell_link(&e->cell, &e->input, f);
    errand_reason cancelled = er_cell_cancelled(&e->cell);
    if (cancelled) er_cell_cancel(f, cancelled);
    if (!er_cell_watch(f, &e->waiter)) once_ended(&e->waiter);
}

static void cancel_every(er_cell *cell, errand_reason reason)
{
    every *e = er_of(cell, every, cell);
    if (er_timer_disarm(cell->pool, &e->timer)) {
        stop(e);
        return;
    }
    er_cell *f = er_cell_linked(cell, &e->input);
    if (!f) return;
    er_cell_pass_on(f, reason);
    er_cell_release(f);
}

static void pool_closes(er_close_hook *closer)
{
    every *e = er_of(closer, every, closer);
    er_cell_keep(&e->cell);
    er_cell_cancel(&e->cell, ERRAND_BY_SHUTDOWN);
    er_cell_release(&e->cell);
}

static void free_every(er_cell *cell)
{
    er_context_drop(er_of(cell, every, cell)->context);
    er_cell_bury(cell);
}

static er_label every_label(const er_cell *cell)
{
    const every *e = er_of(cell, const every, cell);
    return (er_label){ e->name, e->site };
}

static void describe_every(er_cell *cell, er_description *d)
{
    every *e = er_of(cell, every, cell);
    d->key = er_context_key(e->context);
    er_describe(d, "every %lld ms", (long long)(e->step_ns / ER_MS));
    er_cell *f = er_cell_linked(cell, &e->input);
    if (!f) {
        er_describe(d, ", waits for its time");
        return;
    }
    er_describe_input(d, "waits for", f);
    er_cell_release(f);
}

static const er_cell_kind every_kind = {
    .cancel = cancel_every,
    .free = free_every,
    .label = every_label,
    .what = "periodic",
    .describe = describe_every
};

errand_future *errand_every(errand_pool *pool, int64_t ms, errand_fn *fn, void *arg)
{
    const char *wrong = NULL;
    if (!pool) wrong = "pool is NULL";
    else if (!fn) wrong = "fn is NULL";
    else if (ms < 1) wrong = "ms is less than 1";
    if (wrong) return er_failed(pool, errand_failf(EINVAL, "errand_every: %s", wrong));
    if (er_pool_dead(pool)) return er_failed(NULL, errand_fail(ERRAND_EFORKED));
    int error = 0;
    er_context *context = er_context_for(&(errand_task){ .fn = fn }, &error);
    every *e = error ? NULL : er_alloc_zero(sizeof *e);
    if (!e) {
        er_context_drop(context);
        return er_failed(pool, errand_fail(ENOMEM));
    }
    er_cell_init(&e->cell, &every_kind, pool);
    e->timer.fn = due;
    e->closer = (er_close_hook){ .shut = pool_closes, .early = true };
    e->fn = fn;
    e->arg = arg;
    e->name = er_task_here() ? er_task_here()->name : NULL;
    e->context = context;
    e->site = __builtin_return_address(0);
    e->began_ns = er_pool_now(pool);
    e->step_ns = ms < INT64_MAX / ER_MS ? ms * ER_MS : INT64_MAX;
    er_cell_list(&e->cell, e->site);
    er_cell_keep(&e->cell); /* the repeating's own */
    error = er_close_hook_add(pool, &e->closer);
    if (!error) {
        arm(e);
        return &e->cell;
    }
    er_cell_try_end(&e->cell, error == ECANCELED ? er_cancel_result(ERRAND_BY_SHUTDOWN)
                                                 : errand_failf(error, "the pool is closed"));
    er_cell_release(&e->cell);
    return &e->cell;
}
