/* policy/attempt.c -- one attempt's way: breaker, rates, semaphore, function.
 *
 *     ASKS --> TURN --> TOTAL_TURN --> PERMIT --> RUNS --> (JUDGED)
 *                ^-- paused --+-- paused -|
 *
 * A limit that lets it through at once is no step. One that makes it wait calls back, once, on any
 * thread: the callback stores the outcome and calls the run's driver. While a callback or a waiter
 * is pending, it has a count of the run's cell. A cancelled attempt leaves the line it waits in; if
 * the limit was quicker, the driver gives back what was granted. */
#include "policy/attempt.h"

#include "async/current.h"
#include "async/submit.h"

#include <errno.h>
#include <stddef.h>

static errand_policy *policy_of(const er_attempt *a) { return a->run->retry.policy; }

er_attempt *er_attempt_new(er_running *run, bool hedge)
{
    er_attempt *a =
        er_alloc_zero(run->retry.policy->limited ? sizeof *a : offsetof(er_attempt, call));
    if (!a) return NULL;
    a->run = run;
    a->hedge = hedge;
    return a;
}

/* ---- the limits ---- */

/* The driver may free the attempt as soon as it sees the signal. */
static void called_back(er_attempt *a, int error)
{
    er_running *run = a->run;
    a->error = error;
    er_store(&a->signal, 1);
    run->look(run);
}

static void turn_came(er_turn *turn, int error)
{
    called_back(er_of(turn, er_attempt, turn), error);
}
static void granted(er_waiter *waiter)
{
    er_attempt *a = er_of(waiter, er_attempt, place.waiter);
    called_back(a, a->place.error);
}

static int get_turn(er_attempt *a, errand_rate *rate, const char *key)
{
    if (!rate) return 0;
    a->turn.came = turn_came;
    er_cell_keep(&a->run->cell);
    int error = er_rate_enter(rate, key, a->run->cell.pool, a->run->retry.deadline_ns, &a->turn);
    if (error != EINPROGRESS) er_cell_release(&a->run->cell);
    return error;
}

/* Its key was paused while it waited for a turn of the total rate. */
static bool held_back(const er_attempt *a)
{
    const errand_policy_opts *how = &policy_of(a)->how;
    return how->total_rate && how->rate && er_rate_paused(how->rate, er_retry_key(&a->run->retry));
}

/* From its first call until it returns no EINPROGRESS: in ASKS, and when a turn has come. */
static int get_turns(er_attempt *a)
{
    const errand_policy_opts *how = &policy_of(a)->how;
    int error = 0;
    if (a->stage == ER_TOTAL_TURN && !held_back(a)) return 0;
    do {
        if (a->stage != ER_TURN) {
            er_store_relaxed(&a->stage, ER_TURN);
            error = get_turn(a, how->rate, er_retry_key(&a->run->retry));
        }
        if (error) return error;
        er_store_relaxed(&a->stage, ER_TOTAL_TURN);
        error = get_turn(a, how->total_rate, NULL);
    } while (!error && held_back(a));
    return error;
}

static int get_permit(er_attempt *a)
{
    const er_retry *c = &a->run->retry;
    errand_sem *sem = policy_of(a)->how.sem;
    if (!sem) return 0;
    a->place.waiter.fn = granted;
    a->place.n = 1;
    a->place.name = c->name ? c->name : policy_of(a)->how.name;
    a->place.site = a->run->live.site;
    er_cell_keep(&a->run->cell);
    int error = er_sem_enter(sem, er_retry_key(c), &a->place);
    if (error != EINPROGRESS) er_cell_release(&a->run->cell);
    return error;
}

/* Its key was paused while it waited for the permit, which it gives back: for another turn. */
static bool gives_way(er_attempt *a)
{
    const errand_policy_opts *how = &policy_of(a)->how;
    if (!how->sem || !how->rate || !er_rate_paused(how->rate, er_retry_key(&a->run->retry)))
        return false;
    er_sem_release(how->sem, &a->place, NULL);
    er_store_relaxed(&a->stage, ER_ASKS);
    return true;
}

static er_step refused(er_attempt *a, int error, errand_result *r)
{
    if (policy_of(a)->how.breaker) er_breaker_report(&a->call, ER_CALL_UNKNOWN);
    if (a->hedge) er_budget_hedge_ended(a->run->retry.budget, false);
    *r = error == ECANCELED ? er_cancel_result(ERRAND_BY_SHUTDOWN) : errand_fail(error);
    return ER_STEP_REFUSED;
}

/* ---- the function ---- */

static void input_ended(er_waiter *waiter) { called_back(er_of(waiter, er_attempt, waiter), 0); }

void er_attempt_watch(er_attempt *a, er_attempt_stage stage, er_cell *input)
{
    /* relaxed, as below: what a dump sees may be a moment old */
    er_store_relaxed(&a->stage, stage);
    er_cell_link(&a->run->cell, &a->input, input);
    a->waiter.fn = input_ended;
    er_cell_keep(&a->run->cell);
    if (!er_cell_watch(input, &a->waiter)) input_ended(&a->waiter);
}

/* Calls the driver. */
static void call_driver(er_running *run)
{
    er_cell_keep(&run->cell);
    run->look(run);
}

static void call_hook(er_attempt *a)
{
    er_running *run = a->run;
    uint32_t to_come = ER_HOOK_TO_COME;
    bool sees = er_attempt_sees_last(a) && er_cas_strong(&a->hook, &to_come, ER_HOOK_CALLED);
    er_retry_before(&run->retry, a->number, a->began_ns, sees ? &run->cell.result : NULL);
    er_end_in_child();
    er_store(&a->hook, ER_HOOK_RETURNED);
    call_driver(run); /* it may have waited for this */
}

/* On a worker. The attempt is there until its task has ended. */
static errand_result call(void *arg)
{
    er_attempt *a = arg;
    er_running *run = a->run;
    errand_result r = { 0 };
    if (policy_of(a)->how.before_attempt) call_hook(a);
    if (run->into) ((errand_into_fn *)run->fn)(run->retry.arg, &r);
    else r = ((errand_fn *)run->fn)(run->retry.arg);
    if (er_is_later(&r)) {
        er_store(&a->returned, true);
        call_driver(run); /* it may be time for a hedge */
    }
    return r;
}

static void submit(er_attempt *a)
{
    er_running *run = a->run;
    errand_policy *p = policy_of(a);
    a->began_ns = er_pool_now(run->cell.pool);
    errand_task task = { .name = run->retry.name,
                         .reserved = p->repeats || run->retry.nested ? ER_RETRIED : 0 };
    if (p->how.before_attempt || (p->hedges && !p->how.overlap)) {
        task.fn = call;
        task.arg = a;
    } else {
        if (run->into) task.into = (errand_into_fn *)run->fn;
        else task.fn = (errand_fn *)run->fn;
        task.arg = run->retry.arg;
    }
    if (a->number == 1 && run->begin_by_ns != INT64_MAX) {
        int64_t left = er_ms_until(a->began_ns, run->begin_by_ns);
        task.start_within_ms = left ? left : ERRAND_ZERO;
    }
    int64_t own = er_deadline(a->began_ns, p->how.attempt_ms), whole = run->retry.deadline_ns;
    er_policy_count(&p->attempts);
    if (a->hedge) er_policy_count(&p->hedged);
    else er_budget_began(run->retry.budget); /* a hedge has begun already */
    bool urgent = run->urgent;
    run->urgent = true;
    er_terms terms = {
        er_context_keep(run->retry.context), whole, ERRAND_BY_TOTAL, urgent, run->live.site, false
    };
    if (own < whole) {
        terms.deadline_ns = own;
        terms.late = ERRAND_BY_ATTEMPT;
    }
    er_attempt_watch(a, ER_RUNS, er_task_submit(run->cell.pool, &task, &terms));
}

/* ---- on its way ---- */

er_step er_attempt_go(er_attempt *a, errand_result *r)
{
    int error = 0;
    if (a->stage == ER_ASKS) {
        error = er_retry_ask_breaker(&a->run->retry, &a->call);
        if (error) return refused(a, error, r);
    }
    if (a->stage < ER_PERMIT || gives_way(a)) {
        error = get_turns(a);
        if (error == EINPROGRESS) return ER_STEP_WAITS;
        if (error) return refused(a, error, r);
        er_store_relaxed(&a->stage, ER_PERMIT);
        error = get_permit(a);
        if (error == EINPROGRESS) return ER_STEP_WAITS;
        if (error) return refused(a, error, r);
    }
    submit(a);
    return ER_STEP_WAITS;
}

er_step er_attempt_look(er_attempt *a, errand_result *r)
{
    /* its input may have ended: the waiter is still to be called */
    if (!er_load(&a->signal)) return ER_STEP_WAITS;
    er_store(&a->signal, 0);
    if (a->stage >= ER_RUNS) {
        er_cell *input = a->input;
        er_cell_link(&a->run->cell, &a->input, NULL);
        *r = er_cell_take(input);
        er_cell_release(input);
        return ER_STEP_ENDED;
    }
    errand_reason cancelled = er_cell_cancelled(&a->run->cell);
    if (!cancelled && !a->left) return a->error ? refused(a, a->error, r) : er_attempt_go(a, r);
    if (!a->error && a->stage == ER_PERMIT) er_sem_release(policy_of(a)->how.sem, &a->place, NULL);
    refused(a, ECANCELED, r);
    if (cancelled) *r = er_cancel_result(cancelled);
    return ER_STEP_REFUSED;
}

bool er_attempt_cancel(er_attempt *a, errand_reason reason)
{
    if (a->stage >= ER_RUNS) {
        if (a->input) er_cell_pass_on(a->input, reason);
        return false;
    }
    bool gone = a->stage < ER_PERMIT ? er_rate_leave(&a->turn)
                                     : er_sem_leave(policy_of(a)->how.sem, &a->place);
    if (!gone) return false;
    er_cell_release(&a->run->cell); /* the callback's */
    errand_result none;
    refused(a, ECANCELED, &none);
    return true;
}

void er_attempt_settle(er_attempt *a, const errand_result *how)
{
    const errand_policy *p = policy_of(a);
    er_running *run = a->run;
    er_ended e = { .number = a->number, .began_ns = a->began_ns, .now_ns = a->ended_ns };
    /* first: what gets the permit must see the pause */
    if (!a->left) er_retry_learn(&run->retry, &e, how);
    if (p->how.sem) er_sem_release(p->how.sem, &a->place, a->left ? NULL : how);
    if (p->how.breaker) er_breaker_report(&a->call, a->left ? ER_CALL_UNKNOWN : er_verdict_of(how));
    if (a->hedge) er_budget_hedge_ended(run->retry.budget, !how->error && !a->left);
    else er_budget_ended(run->retry.budget, !how->error && !a->left);
}
