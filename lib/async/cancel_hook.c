/* async/cancel_hook.c -- a call at the calling code's cancel.
 *
 *     ADDED --cancel of the task, or the deadline--> called, once --remove--> gone
 *           --remove--> gone
 *
 * A hook is a promise with a hook of its own, which nothing awaits: what cancels the promise calls
 * the function, at most once, and resolving it waits until that call has returned. The task's link
 * to what it waits for leads to the promise meanwhile (er_wait.hook), so that a cancel of the task
 * is passed on to it on the canceller's thread. Other waits and hooks of the task take the link's
 * place and put it back (er_block); then a cancel that came meanwhile is passed on.
 *
 * The deadline has a timer. It also rings when the pool shuts down, so it looks at the time. Where
 * it cannot be disarmed, removing waits until its function is over. All else of a hook is used by
 * its own thread alone. */
#include "async/promise.h"
#include "async/park.h"

#include <errno.h>

typedef struct hook {
    er_wait wait; /* nothing waits here: it carries the link */
    er_wait *outer;
    er_task *task; /* NULL: cancels do not reach the hook */
    errand_pool *pool;
    errand_promise *promise; /* NULL: not added */
    errand_future *f;        /* the promise's; the hook owns it */
    er_timer timer;
    int64_t deadline_ns;
    uint32_t rung; /* the timer's function has been called and is over */
    bool armed;
} hook;

static void ring(er_timer *timer)
{
    hook *h = er_of(timer, hook, timer);
    if (er_pool_now(h->pool) >= h->deadline_ns) er_cell_cancel(h->f, ERRAND_BY_TOTAL);
    er_store_release(&h->rung, 1); /* release: from here on *h is its thread's alone */
}

static int arm(hook *h)
{
    h->deadline_ns = er_deadline_here(h->pool);
    if (h->deadline_ns == INT64_MAX) return 0;
    h->timer.fn = ring;
    int error = er_timer_arm(h->pool, &h->timer, h->deadline_ns);
    h->armed = !error;
    return error;
}

static int error_now(void) /* of the calling code; 0: it goes on */
{
    errand_reason cancelled = errand_cancelled();
    if (!cancelled) return 0;
    er_frame_expire_if_late();
    return er_cancel_error(cancelled);
}

int errand_cancel_hook_add(errand_cancel_hook *at, errand_pool *pool, void (*fn)(void *), void *arg)
{
    _Static_assert(sizeof(hook) <= sizeof(errand_cancel_hook), "a hook fits");
    if (!at) return EINVAL;
    hook *h = (hook *)(void *)at;
    *h = (hook){ .task = er_task_here() };
    if (!pool && h->task) pool = h->task->cell.pool;
    if (!pool || !fn) return EINVAL;
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    int error = error_now();
    if (error) return error;
    h->pool = pool;
    h->promise = er_promise_new(pool, &h->f);
    if (!h->promise) return errno;
    errand_promise_on_cancel(h->promise, fn, arg); /* before it can be cancelled */
    const er_frame *frame = *er_frame_here();
    if (frame && frame->shielded) h->task = NULL;
    if ((error = arm(h))) {
        h->task = NULL;
        errand_promise_on_cancel(h->promise, NULL, NULL);
        errand_cancel_hook_remove(at);
        return error;
    }
    if (!h->task) return 0;
    h->wait.hook = h->f;
    h->outer = er_block(h->task, &h->wait);
    /* after the link is set: a canceller that has not seen it is seen here */
    errand_reason cancelled = er_cell_cancelled(&h->task->cell);
    if (cancelled) er_cell_cancel(h->f, cancelled);
    return 0;
}

static void disarm(hook *h)
{
    if (!h->armed || er_timer_disarm(h->pool, &h->timer)) return;
    unsigned turns = 0;
    while (!er_load_acquire(&h->rung)) er_relax(&turns); /* acquire: ring is over */
    er_frame_expire_if_late();
}

void errand_cancel_hook_remove(errand_cancel_hook *at)
{
    hook *h = (hook *)(void *)at;
    if (!h || !h->promise || er_pool_dead(h->pool)) return;
    errand_promise_on_cancel(h->promise, NULL, NULL); /* first: an outer hook's turn comes below */
    disarm(h);
    if (h->task) er_unblock(h->task, h->outer);
    errand_promise_resolve(h->promise, errand_ok(NULL, NULL));
    er_cell_drop(h->f);
    h->promise = NULL;
}
