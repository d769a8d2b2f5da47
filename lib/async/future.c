/* async/future.c -- waiting for a cell, and giving it up.
 *
 * A wait hangs a waiter with a parker, both on the thread's stack, into the cell. The waiter's fn
 * sets WAKE in the parker and touches nothing afterwards. A wait that ends early takes its waiter
 * out again; if the ending was quicker, WAKE is on its way and is waited for, so that the stack can
 * be left. The same holds for the timer that replaces a deadline on a test's clock. */
#include "async/current.h"
#include "async/park.h"
#include "async/runq.h"
#include "async/dump.h"
#include "async/submit.h"

#include <errno.h>

typedef struct waiting {
    er_waiter waiter;
    er_wait wait;
} waiting;

static void ended(er_waiter *waiter)
{
    er_unpark(&er_of(waiter, waiting, waiter)->wait.parker, ER_WAKE);
}

#define SPIN_NS 3000 /* about what parking and being woken cost */

/* Most of what is awaited at once ends at once; with one processor it cannot while we look. */
static bool ends_soon(const er_cell *f)
{
    if (er_cores() == 1) return false;
    unsigned turns = 0;
    for (int64_t until = er_now_ns() + SPIN_NS; er_now_ns() < until; er_relax(&turns)) {
        if (er_cell_ended(f)) return true;
    }
    return false;
}

/* The bits that ended the wait: ER_WAKE, or else ER_CANCEL, ER_DEADLOCK, ER_LATE, ER_OVERDUE or
 * none. */
static uint32_t wait_for(er_cell *f, int64_t ms, er_cell *input)
{
    er_endings_work_off(); /* what this thread has still to call may end f */
    if (ends_soon(f)) return ER_WAKE;
    waiting w = { .waiter.fn = ended, .wait = { .input = input, .about = f } };
    if (!er_cell_watch(f, &w.waiter)) return ER_WAKE;
    int64_t deadline = ms == ERRAND_FOREVER ? INT64_MAX : er_deadline(er_pool_now(f->pool), ms);
    uint32_t bits = er_pool_park(&w.wait, ER_WAKE, f->pool, deadline);
    if (bits & ER_WAKE) return ER_WAKE;
    if (er_cell_unwatch(f, &w.waiter)) return bits;
    er_park(&w.wait.parker, ER_WAKE, INT64_MAX);
    return ER_WAKE;
}

bool errand_done(const errand_future *f) { return !f || er_cell_ended(f) || er_cell_forked(f); }

int errand_wait(errand_future *f, int64_t ms)
{
    if (!f || ms < 0) return EINVAL;
    if (er_cell_ended(f)) return 0;
    if (er_cell_forked(f)) return ERRAND_EFORKED;
    if (ms == 0) return ETIMEDOUT;
    /* a wait with a limit ends by itself, so it may be part of a circle */
    uint32_t bits = wait_for(f, ms, ms == ERRAND_FOREVER ? f : NULL);
    return bits & ER_WAKE ? 0 : er_park_error(bits);
}

/* The wait ends before f: cancels f and leaves it behind. */
static errand_result give_up(er_cell *f, errand_result why)
{
    errand_reason reason = errand_result_reason(&why);
    why = er_cell_leave(f, reason ? reason : ERRAND_BY_CALLER, why);
    er_cell_drop(f);
    return why;
}

errand_result errand_await(errand_future *f)
{
    if (!f) return errand_failf(EINVAL, "errand_await(NULL)");
    if (!er_cell_consume(f)) return errand_failf(EINVAL, ER_TWICE);
    if (er_cell_forked(f)) return errand_fail(ERRAND_EFORKED);
    if (!er_cell_ended(f)) {
        errand_reason cancelled = er_cancelled_here();
        if (cancelled) return give_up(f, er_cancel_result(cancelled));
        /* a timed wait never runs f here */
        if (!*er_frame_here() || er_deadline_here(f->pool) == INT64_MAX) er_task_run_here(f);
        uint32_t bits = wait_for(f, ERRAND_FOREVER, f);
        if (bits & ER_CANCEL) return give_up(f, er_cancel_result(er_cancelled_here()));
        if (bits & ER_DEADLOCK)
            return give_up(f, errand_failf(EDEADLK, "a circle of waits: this would never end"));
        if (!(bits & ER_WAKE)) { /* the deadline of its frame */
            er_frame_expire();
            return give_up(f, er_cancel_result(ERRAND_BY_TOTAL));
        }
    }
    errand_result r = er_cell_take(f);
    er_cell_release(f);
    /* it has the deadline of the frame it was submitted in, and may end at that
     * before this wait does */
    if (r.error == ETIMEDOUT && errand_result_reason(&r) == ERRAND_BY_TOTAL)
        er_frame_expire_if_late();
    return r;
}

void errand_cancel(errand_future *f)
{
    if (f && !er_cell_forked(f)) er_cell_cancel(f, ERRAND_BY_CALLER);
}

void errand_drop(errand_future *f)
{
    if (!f || !er_cell_consume(f) || er_cell_forked(f)) return;
    if (er_cell_ended(f) && f->result.error && f->pool) {
        er_label label = er_cell_label(f);
        er_pool_unretrieved(f->pool, &f->result, label.name,
                            f->kind->label ? label.site : __builtin_return_address(0));
    }
    er_cell_drop(f);
}

/* ---- cancelling from anywhere ----
 * A canceller has a count on the cell, which is weak: the owner's drop frees the result. */

errand_canceller *errand_canceller_of(errand_future *f)
{
    return f ? (errand_canceller *)(void *)er_cell_keep(f) : NULL;
}

void errand_canceller_cancel(errand_canceller *c) { errand_cancel((er_cell *)(void *)c); }

void errand_canceller_free(errand_canceller *c)
{
    er_cell *cell = (er_cell *)(void *)c;
    if (cell && !er_cell_forked(cell)) er_cell_release(cell);
}

/* ---- watching: the waiter becomes a job when the cell has ended, in the same place ---- */

typedef struct watching {
    union {
        er_waiter waiter;
        er_job job;
    };
} watching;

static watching *watching_of(errand_watcher *w) { return (watching *)(void *)w->priv; }
static errand_watcher *watcher_of(watching *w) { return er_of(w, errand_watcher, priv); }

static void call_watcher(er_job *job)
{
    errand_watcher *w = watcher_of(er_of(job, watching, job));
    w->fn(w);
}

static void watched_ended(er_waiter *waiter)
{
    watching *w = er_of(waiter, watching, waiter);
    errand_pool *pool = waiter->cell->pool;
    w->job = (er_job){ .run = call_watcher };
    if (er_runq_post(pool, &w->job) == 0) return;
    bool held = er_endings_let_go();
    call_watcher(&w->job); /* there are no workers any more */
    er_endings_hold(held);
}

int errand_watch(errand_future *f, errand_watcher *w)
{
    _Static_assert(sizeof(watching) <= sizeof w->priv, "it fits");
    if (!f || !w || !w->fn) return EINVAL;
    if (er_cell_forked(f)) return ERRAND_EFORKED;
    watching_of(w)->waiter.fn = watched_ended;
    return er_cell_watch(f, &watching_of(w)->waiter) ? 0 : EALREADY;
}

int errand_unwatch(errand_future *f, errand_watcher *w)
{
    if (!f || !w) return EINVAL;
    if (er_cell_forked(f)) return ERRAND_EFORKED;
    return er_cell_unwatch(f, &watching_of(w)->waiter) ? 0 : EALREADY;
}
