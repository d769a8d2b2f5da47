/* jobs/token_budget.c -- used + reserved <= most, as far as estimates are right; then a rate.
 *
 *     reserve --fits--> counted --rate: its turn--> taken --settle--> used
 *        |                 ^  (cancelled, late: given back)     |
 *        +--> line --------+<-----------------------------------+ the first one is looked at again
 *        +--> ERRAND_EBUDGET: not even if all that is reserved came back
 *
 * Estimates are generous, so what does not fit beside the attempts under way waits for them. As
 * long as something waits, something is counted: else the first in line fits, or fails. So nothing
 * waits without an end.
 *
 * The lock is not held across a call. What takes a hold out of the line, under the lock, ends its
 * promise, and does not touch the hold after that: its owner may be gone. The rate is asked last,
 * so that its turns are not held by what cannot be sent.
 *
 * The whole chain stands before its gate is opened. Without memory for a step the last function
 * has been called already, with that, nothing is held, and the steps before it touch nothing. */
#include "jobs/token_budget.h"

#include "base/clock.h"
#include "base/result.h"
#include "async/current.h"

#include <errand/task.h>

#include <errno.h>

static uint64_t sum(uint64_t a, uint64_t b)
{
    uint64_t s;
    return __builtin_add_overflow(a, b, &s) ? UINT64_MAX : s;
}

void er_token_budget_init(er_token_budget *budget, errand_pool *pool, errand_rate *rate,
                          uint64_t most)
{
    *budget = (er_token_budget){ .pool = pool, .rate = rate, .most = most ? most : UINT64_MAX };
    er_list_init(&budget->line);
}

/* ---- under the lock ---- */

/* EINPROGRESS: it would fit if others used less than they have reserved. */
static int count(er_token_hold *hold)
{
    er_token_budget *b = hold->budget;
    if (sum(b->used, hold->n) > b->most) return ERRAND_EBUDGET;
    if (sum(sum(b->used, b->reserved), hold->n) > b->most) return EINPROGRESS;
    b->reserved += hold->n;
    hold->counted = true;
    return 0;
}

static errand_promise *leave_line(er_token_hold *hold)
{
    errand_promise *promise = hold->promise;
    if (!promise) return NULL;
    er_list_remove(&hold->node);
    hold->promise = NULL;
    return promise;
}

/* ---- the line ---- */

static errand_result refusal(const er_token_budget *b, uint64_t used, uint64_t n)
{
    errand_result r = errand_fail_as(
        ERRAND_EBUDGET, ERRAND_KIND_REJECTED, -1, false,
        "the budget of %llu tokens does not suffice: %llu are "
        "used, and this request is estimated at %llu",
        (unsigned long long)b->most, (unsigned long long)used, (unsigned long long)n);
    errand_detail *detail = er_detail(&r);
    if (detail) detail->attempts_most = 1; /* there will never be more of it */
    return r;
}

/* Ends the wait of all at its head that fit now, or never will. */
static void serve_line(er_token_budget *b)
{
    for (;;) {
        errand_promise *promise = NULL;
        uint64_t used, n = 0;
        er_lock_take(&b->lock);
        er_node *first = er_list_first(&b->line);
        er_token_hold *hold = first ? er_of(first, er_token_hold, node) : NULL;
        int error = hold ? count(hold) : EINPROGRESS;
        if (error != EINPROGRESS) {
            n = hold->n;
            promise = leave_line(hold);
        }
        used = b->used;
        er_lock_give(&b->lock);
        if (!promise) return;
        errand_promise_resolve(promise, error ? refusal(b, used, n) : errand_ok(NULL, NULL));
    }
}

static void cancel_wait(void *arg)
{
    er_token_hold *hold = arg;
    er_token_budget *b = hold->budget;
    er_lock_take(&b->lock);
    errand_promise *promise = leave_line(hold);
    er_lock_give(&b->lock);
    if (!promise) return; /* it is being served */
    serve_line(b); /* the one behind it may fit; first, as with its job's end all may be freed */
    errand_reason reason = errand_promise_cancelled(promise);
    errand_promise_resolve(promise, er_fail_by(er_cancel_error(reason), reason));
}

static errand_future *stand_in_line(er_token_hold *hold)
{
    er_token_budget *b = hold->budget;
    errand_future *f;
    errand_promise *promise = errand_promise_new(b->pool, &f);
    if (!promise) return f;
    errand_promise_on_cancel(promise, cancel_wait, hold);
    er_lock_take(&b->lock);
    hold->promise = promise;
    er_list_push(&b->line, &hold->node);
    er_lock_give(&b->lock);
    serve_line(b);
    return f;
}

/* ---- the chain: what has failed before it was open touches no hold ---- */

static errand_result enter_line(errand_result in, void *arg)
{
    er_token_hold *hold = arg;
    if (in.error) return in;
    errand_result_free(&in);
    return errand_later(stand_in_line(hold));
}

static errand_result enter_rate(errand_result in, void *arg)
{
    er_token_hold *hold = arg;
    if (in.error) return in;
    er_token_budget *b = hold->budget;
    if (!b->rate || !hold->n) return in;
    errand_result_free(&in);
    errand_frame frame;
    hold->taken = true; /* unless it fails: then it is settled below */
    errand_enter(&frame, er_ms_until(er_pool_now(b->pool), hold->deadline_ns), false);
    errand_future *turn = errand_rate_acquire_n(b->rate, NULL, hold->n);
    errand_leave(&frame);
    return errand_later(turn);
}

static errand_result turn_came(errand_result in, void *arg)
{
    er_token_hold *hold = arg;
    if (in.error) {
        hold->taken = false;
        er_token_budget_settle(hold, 0);
    }
    return hold->then(in, hold->arg);
}

errand_future *er_token_budget_reserve(er_token_budget *b, er_token_hold *hold)
{
    errand_future *f;
    errand_promise *gate = errand_promise_new(b->pool, &f);
    hold->budget = b;
    f = errand_then(f, enter_line, hold);
    f = errand_then(f, enter_rate, hold);
    f = errand_then(f, turn_came, hold);
    errand_promise_resolve(gate, errand_ok(NULL, NULL));
    return f;
}

void er_token_budget_settle(er_token_hold *hold, uint64_t used)
{
    er_token_budget *b = hold->budget;
    if (!b) return;
    er_lock_take(&b->lock);
    bool counted = hold->counted, taken = hold->taken;
    if (counted) {
        b->reserved -= hold->n;
        b->used = sum(b->used, used);
    }
    hold->counted = hold->taken = false;
    er_lock_give(&b->lock);
    if (taken) errand_rate_settle(b->rate, NULL, hold->n, used);
    if (counted) serve_line(b);
}

void er_token_budget_look(er_token_budget *b, uint64_t *used, uint64_t *reserved)
{
    er_lock_take(&b->lock);
    *used = b->used;
    *reserved = b->reserved;
    er_lock_give(&b->lock);
}
