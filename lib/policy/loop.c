/* policy/loop.c -- the same recipe in the caller's own thread: a retry without cells. What it needs
 * between two calls is on the heap, behind the first word of the caller's errand_loop; the second
 * is its state.
 *
 *     NEW --next--> TRIES --next: again--> (sleeps) --> TRIES          --next: no, end--> DONE
 *
 * In a task it waits by the futures of the library, which a cancel and the deadline end and which
 * lend the worker; elsewhere on a parker. The caller's body runs inside a frame with the attempt's
 * deadline. */
#include "policy/retry.h"
#include "async/current.h"
#include "async/task.h"

#include "log/producer.h"

#include <errand/pool.h>

#include <errno.h>

enum { NEW, TRIES, DONE };

typedef struct looping {
    er_retry retry;
    errand_pool *pool; /* of the calling task; NULL: none */
    int64_t attempt_began_ns;
    errand_frame frame;
    er_breaker_call call;
    errand_permit *permit;
    bool timed; /* the frame's deadline is ours */
} looping;

static looping *of(const errand_loop *loop) { return (looping *)(uintptr_t)loop->priv[0]; }

static int64_t now_of(const looping *l)
{
    const errand_clock *clock = l->retry.policy->how.clock;
    if (l->pool) return er_pool_now(l->pool);
    return clock ? clock->now_ns(clock->arg) : er_now_ns();
}

static bool own_time(const looping *l) { return !l->pool && l->retry.policy->how.clock; }
static errand_log *log_of(const looping *l) { return er_retry_log(&l->retry, l->pool); }

/* ---- one attempt ---- */

static errand_result refusal(int error)
{
    errand_reason cancelled = er_cancelled_here();
    if (error == ECANCELED) return er_cancel_result(cancelled ? cancelled : ERRAND_BY_SHUTDOWN);
    return error == ETIMEDOUT ? er_cancel_result(ERRAND_BY_TOTAL) : errand_fail(error);
}

/* What it holds of the limits is given back. how: NULL, nothing was learned. */
static void give_back(looping *l, const errand_result *how)
{
    if (how) errand_permit_report(l->permit, how);
    errand_permit_release(l->permit);
    l->permit = NULL;
    if (l->retry.policy->how.breaker) er_breaker_report(&l->call, er_verdict_of(how));
}

static int64_t left_of(const looping *l) { return er_ms_until(now_of(l), l->retry.deadline_ns); }

/* It was paused while it waited for another limit. */
static bool held_back(const looping *l)
{
    const errand_policy_opts *how = &l->retry.policy->how;
    return how->rate && er_rate_paused(how->rate, er_retry_key(&l->retry));
}

static int get_turns(looping *l)
{
    const errand_policy_opts *how = &l->retry.policy->how;
    int error = 0;
    do {
        if (how->rate) error = errand_rate_wait(how->rate, er_retry_key(&l->retry), left_of(l));
        if (!error && how->total_rate) error = errand_rate_wait(how->total_rate, NULL, left_of(l));
    } while (!error && how->total_rate && held_back(l));
    return error;
}

static int get_permit(looping *l)
{
    errand_sem *sem = l->retry.policy->how.sem;
    return sem ? errand_sem_wait(sem, er_retry_key(&l->retry), 1, left_of(l), &l->permit) : 0;
}

static int get_limits(looping *l)
{
    int error = er_retry_ask_breaker(&l->retry, &l->call);
    bool waits = !error;
    while (waits) {
        error = get_turns(l);
        if (!error) error = get_permit(l);
        waits = !error && l->permit && held_back(l);
        if (!waits) continue;
        errand_permit_release(l->permit);
        l->permit = NULL;
    }
    if (error) give_back(l, NULL);
    return error;
}

static int begin_attempt(looping *l, const errand_result *last)
{
    errand_policy *p = l->retry.policy;
    int error = get_limits(l);
    if (error) return error;
    l->retry.number++;
    er_policy_count(&p->attempts);
    er_budget_began(l->retry.budget);
    l->attempt_began_ns = now_of(l);
    if (p->how.before_attempt)
        er_retry_before(&l->retry, l->retry.number, l->attempt_began_ns, last);
    int64_t left = er_ms_until(l->attempt_began_ns, l->retry.deadline_ns);
    if (p->how.attempt_ms < left) left = p->how.attempt_ms;
    l->timed = left != INT64_MAX && !own_time(l);
    if (l->timed) errand_enter(&l->frame, left, false);
    if (p->repeats) er_retried_enter(1);
    return 0;
}

static void leave_body(looping *l)
{
    if (l->retry.policy->repeats) er_retried_enter(-1);
    if (l->timed) errand_leave(&l->frame);
    l->timed = false;
}

static er_ended ended_now(const looping *l)
{
    return (er_ended){ .number = l->retry.number,
                       .began_ns = l->attempt_began_ns,
                       .now_ns = now_of(l),
                       .alone = true };
}

static void settle(looping *l, const errand_result *r)
{
    er_ended e = ended_now(l);
    er_retry_learn(&l->retry, &e, r); /* first: what gets the permit must see the pause */
    give_back(l, r);
    er_budget_ended(l->retry.budget, !r->error);
}

/* ---- between two ---- */

static errand_result sleep_ms(looping *l, int64_t ms)
{
    const errand_policy_opts *how = &l->retry.policy->how;
    errand_result r = { 0 };
    er_policy_count(&l->retry.policy->retries);
    l->retry.idle_ms = er_ms_sum(l->retry.idle_ms, ms);
    er_add_relaxed(&l->retry.policy->asleep, 1); /* relaxed: a figure */
    if (how->sleep) how->sleep(ms, how->hook_arg);
    else if (l->pool && ms && !er_pool_dead(l->pool)) r = errand_await(errand_sleep(l->pool, ms));
    else if (ms) {
        er_parker parker = { 0 };
        er_park(&parker, 1, er_deadline(er_now_ns(), ms));
    }
    er_add_relaxed(&l->retry.policy->asleep, -1);
    errand_reason cancelled = er_cancelled_here();
    return cancelled && !r.error ? er_cancel_result(cancelled) : r;
}

static void leave(errand_loop *loop)
{
    looping *l = of(loop);
    er_retry_leave(&l->retry);
    er_context_drop(l->retry.context);
    er_free(l->retry.history);
    er_free(l);
    loop->priv[0] = 0;
    loop->priv[1] = DONE;
}

static bool finish(errand_loop *loop, errand_result *last)
{
    looping *l = of(loop);
    const errand_policy_opts *how = &l->retry.policy->how;
    errand_attempt_info info = er_retry_view(&l->retry, l->retry.number, now_of(l), last);
    if (!last->error && how->on_success) how->on_success(&info, how->hook_arg);
    if (last->error && errand_result_kind(last) != ERRAND_KIND_CANCELLED) {
        if (how->on_give_up) how->on_give_up(&info, how->hook_arg);
        if (how->fallback) *last = how->fallback(*last, how->hook_arg);
        if (how->fallback && er_is_later(last)) *last = errand_await(last->owner);
        if (how->fallback && !last->error) {
            er_result_degrade(last);
            er_policy_count(&l->retry.policy->degraded);
        }
    }
    er_retry_end(&l->retry, log_of(l), now_of(l), last);
    leave(loop);
    return false;
}

/* Begins the next attempt, or finishes with why it cannot. */
static bool go_on(errand_loop *loop, errand_result *last)
{
    int error = begin_attempt(of(loop), last);
    if (!error) {
        errand_result_free(last);
        return true;
    }
    er_retry_cut_short(last, refusal(error));
    return finish(loop, last);
}

/* ---- the public functions ---- */

static int begin(errand_loop *loop, const errand_policy *policy)
{
    er_task *me = er_task_here();
    int error = 0;
    errand_task inherits = { .key = NULL };
    er_context *context = er_context_for(&inherits, &error);
    er_budget_member *budget = NULL;
    if (!error && policy->how.budget)
        error = er_budget_join(policy->how.budget, er_context_key(context), &budget);
    looping *l = error ? NULL : er_alloc_zero(sizeof *l);
    if (!l) {
        er_context_drop(context);
        er_budget_part(budget);
        return error ? error : ENOMEM;
    }
    l->pool = me ? me->cell.pool : NULL;
    l->retry = (er_retry){ .policy = er_policy_begin(policy),
                           .name = me ? me->name : NULL,
                           .context = context,
                           .nested = er_retried_here(),
                           .budget = budget };
    er_policy_count(&l->retry.policy->unplain);
    l->retry.began_ns = now_of(l);
    int64_t left = own_time(l) ? INT64_MAX : errand_time_left();
    if (policy->how.within_ms < left) left = policy->how.within_ms;
    l->retry.deadline_ns = er_deadline(l->retry.began_ns, left);
    loop->priv[0] = (uintptr_t)l;
    loop->priv[1] = TRIES;
    er_log_info(log_of(l), "[%s-start]", policy->how.name);
    return 0;
}

/* Without a policy: once. */
static bool once(errand_loop *loop)
{
    bool first = loop->priv[1] == NEW;
    loop->priv[1] = first ? TRIES : DONE;
    return first;
}

bool errand_loop_next(errand_loop *loop, const errand_policy *policy, errand_result *last)
{
    if (!loop || !last || loop->priv[1] == DONE) return false;
    if (!policy) return once(loop);
    if (loop->priv[1] == NEW) {
        errand_result_free(last);
        int error = begin(loop, policy);
        if (error) *last = errand_fail(error);
        if (error) loop->priv[1] = DONE;
        return !error && go_on(loop, last);
    }
    looping *l = of(loop);
    leave_body(l);
    if (er_is_later(last)) *last = errand_await(last->owner); /* it makes no difference here */
    settle(l, last);
    errand_reason cancelled = er_cancelled_here();
    er_ended e = ended_now(l);
    if (cancelled && last->error) {
        er_retry_note(&l->retry, &e, last->error);
        if (errand_result_kind(last) != ERRAND_KIND_CANCELLED) {
            errand_result outer = er_cancel_result(cancelled);
            er_result_because(&outer, *last);
            *last = outer;
        }
        return finish(loop, last);
    }
    int64_t wait_ms;
    if (er_retry_judge(&l->retry, log_of(l), &e, last, &wait_ms) == ER_NEXT_END)
        return finish(loop, last);
    errand_result cut = sleep_ms(l, wait_ms);
    if (!cut.error) return go_on(loop, last);
    er_retry_cut_short(last, cut);
    return finish(loop, last);
}

void errand_loop_end(errand_loop *loop)
{
    looping *l = loop ? of(loop) : NULL;
    if (l) {
        leave_body(l);
        give_back(l, NULL);
        er_budget_ended(l->retry.budget, false);
        er_policy_count(&l->retry.policy->cancelled);
        leave(loop);
    }
    if (loop) loop->priv[1] = DONE;
}
