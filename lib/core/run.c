/* core/run.c -- a run under a policy: one cell from the first attempt to the last.
 *
 *     TRYING --an attempt failed, the last under way--> (JUDGING) --again--> SLEEPING --> TRYING ...
 *                                                           |no
 *                                                           +--> (LAST: gave_up, fallback) --> ended --all have returned--> OVER
 *
 * What happens from outside (a limit has called back, an attempt's task ended, the timer is due, a cancel) is an event: a bit in
 * one word. Who sets a bit while no bit is set drives the run, alone, until no bit is left; so nothing else in here needs a lock, no
 * event is lost, and nothing recurses. An event is only a hint to look: which attempt has news, whether the deadline has passed, who
 * was told, whether the pool has shut is asked anew at each, so one that comes before its stage or after it does no harm.
 *
 * Several attempts may be under way at once (hedges); each has a place of its own (attempt.c), freed with it. Asleep, a run is this
 * one piece of memory and what it remembers of its attempts; no worker, permit or connection is held. The result of the last attempt
 * stands in the cell until the end takes its place; while a hook before an attempt looks at it nothing ends (in_hook).
 *
 * The user's code runs in tasks, never on the driver: JUDGING when it has a say after an attempt, LAST at the end. Meanwhile deadlines
 * and cancels wait. Only when the pool takes no tasks any more is it called right here.
 *
 * The end of the cell may come before the last attempt has returned (a deadline, a hedge that won): those are left, the run stays until
 * they have returned, and only then arg is freed. Attempts after the first are urgent: what has waited does not queue up again.
 *
 * Counts: the owner's, one for each callback and waiter that is out, one for the armed timer, one for the driver. */
#include "core/run.h"

#include "core/current.h"

#include "log/own.h"

#include <errno.h>

enum { DRIVEN = 1, BEGIN = 2, LOOK = 4, TIMER = 8, TOLD = 16 };

static er_running *run_of(er_cell *cell) { return er_of(cell, er_running, cell); }
static void post(er_running *r, uint32_t event);

/* ---- events ---- */

static void attempt_has_news(er_running *r)
{
    post(r, LOOK);
    er_cell_release(&r->cell);
}

static void timer_due(er_timer *timer)
{
    er_running *r = er_of(timer, er_running, timer);
    post(r, TIMER);
    er_cell_release(&r->cell);
}

static void cancel_run(er_cell *cell, errand_reason reason)
{
    (void)reason; /* the cell knows */
    post(run_of(cell), TOLD);
}

/* ---- the driver ---- */

static void advance(er_running *r, er_attempt *a)
{
    errand_result result;
    er_attempt_stage stage = a->stage;
    switch (er_attempt_look(a, &result)) {
    case ER_STEP_WAITS:
        return;
    case ER_STEP_REFUSED:
        er_run_refused(r, a, result);
        return;
    case ER_STEP_ENDED:
        break;
    }
    if (stage == ER_RUNS) {
        er_run_attempt_ended(r, a, result);
    } else if (stage == ER_JUDGED) {
        er_run_judged(r, a, result);
    } else {
        if (!a->judged) { /* it never ran: the failure still stands there */
            errand_result_free(&result);
            result = er_cell_take(&r->cell);
        }
        er_run_take_out(r, a);
        er_run_last_ended(r, result);
    }
}

static void look(er_running *r)
{
    for (er_attempt *a = r->attempts; a && r->stage != ER_RUN_OVER;) {
        bool frozen = r->stage == ER_RUN_JUDGING && a->stage != ER_JUDGED && !a->left;
        if (frozen || !er_load(&a->signal)) {
            a = a->next;
            continue;
        }
        advance(r, a);
        a = r->attempts; /* anything may have changed */
    }
}

/* A hook before an attempt looks at the last result right now. Its return is an event. */
static bool in_hook(const er_running *r)
{
    for (const er_attempt *a = r->attempts; a; a = a->next) {
        if (er_load(&a->hook) == ER_HOOK_CALLED) return true;
    }
    return false;
}

/* No such hook looks at the last result any more; false: one does. */
static bool keep_hooks_off(er_running *r)
{
    for (er_attempt *a = r->attempts; a; a = a->next) {
        uint32_t to_come = ER_HOOK_TO_COME;
        er_cas_strong(&a->hook, &to_come, ER_HOOK_LATE);
    }
    return !in_hook(r);
}

/* Somebody wants it to end; late: now, whatever the attempts do. */
static void stop(er_running *r, errand_reason reason, bool late)
{
    if (r->stage == ER_RUN_SLEEPING) {
        er_run_wake_up(r);
        er_course_cut_short(&r->cell.result, er_told_result(reason));
        er_run_finish(r, reason);
        return;
    }
    if (r->stage == ER_RUN_LAST && !er_cell_told(&r->cell)) return;
    if (r->stage == ER_RUN_JUDGING) return;
    for (er_attempt *a = r->attempts, *next; a; a = next) {
        next = a->next;
        if (er_attempt_tell(a, reason)) er_run_take_out(r, a);
    }
    if (r->stage != ER_RUN_TRYING || r->ended || (r->attempts && !late) || !keep_hooks_off(r)) return;
    er_course_cut_short(&r->cell.result, er_told_result(reason));
    er_run_finish(r, reason);
}

static void heed(er_running *r)
{
    errand_reason told = er_cell_told(&r->cell);
    bool late = er_run_now(r) >= r->course.deadline_ns || (told && er_told_error(told) == ETIMEDOUT);
    if (!told && er_pool_shut(r->cell.pool)) told = ERRAND_BY_SHUTDOWN; /* asked after queueing: none slips through */
    if (told || late) stop(r, told ? told : ERRAND_BY_TOTAL, late);
}

/* What is to be looked at next, and when. */
static void set_alarm(er_running *r)
{
    int64_t at = INT64_MAX;
    if (r->stage == ER_RUN_SLEEPING) at = r->begin_by_ns;
    if (r->stage == ER_RUN_TRYING && !r->ended && !in_hook(r)) {
        int64_t hedge = er_run_hedge_at(r);
        at = hedge < r->course.deadline_ns ? hedge : r->course.deadline_ns;
    }
    if (r->armed && r->alarm_ns == at && r->stage != ER_RUN_SLEEPING) return;
    er_run_disarm(r);
    if (r->armed || at == INT64_MAX) return; /* due right now: then it is looked at again */
    er_cell_keep(&r->cell);
    r->alarm_ns = at;
    int error = r->stage == ER_RUN_SLEEPING ? er_timer_sleep(r->cell.pool, &r->timer, at)
                                            : er_timer_arm(r->cell.pool, &r->timer, at);
    r->armed = !error;
    if (!error) return;
    er_cell_release(&r->cell);
    if (r->stage == ER_RUN_SLEEPING) er_run_wake_up(r);
    else if (at != r->course.deadline_ns || !keep_hooks_off(r)) return; /* no hedge, then */
    errand_reason reason = error == ECANCELED ? ERRAND_BY_SHUTDOWN : ERRAND_BY_TOTAL;
    er_course_cut_short(&r->cell.result, error == ECANCELED ? er_told_result(reason) : errand_fail(error));
    er_run_finish(r, reason);
}

static void handle(er_running *r, uint32_t events)
{
    if (events & TIMER) r->armed = false;
    if (r->stage == ER_RUN_OVER) return;
    if (events & BEGIN) er_run_begin_attempt(r, false);
    look(r);
    if (r->stage == ER_RUN_OVER) return;
    heed(r);
    if (r->stage == ER_RUN_OVER) return;
    if (r->stage == ER_RUN_SLEEPING && er_run_now(r) >= r->begin_by_ns) {
        er_run_wake_up(r);
        er_run_begin_attempt(r, false);
    } else if (er_run_hedge_at(r) <= er_run_now(r)) {
        er_run_begin_hedge(r);
    }
    if (r->stage != ER_RUN_OVER) set_alarm(r);
}

static void post(er_running *r, uint32_t event)
{
    if (er_or(&r->events, event | DRIVEN) & DRIVEN) return;
    er_cell_keep(&r->cell);
    for (;;) {
        uint32_t events = er_swap(&r->events, DRIVEN) & ~(uint32_t)DRIVEN, none = DRIVEN;
        if (events) handle(r, events);
        else if (er_cas_strong(&r->events, &none, 0)) break;
    }
    er_cell_release(&r->cell);
}

/* ---- starting ---- */

static void free_run(er_cell *cell)
{
    er_running *r = run_of(cell);
    er_context_drop(r->course.context);
    er_free(r->course.history);
    er_cell_bury(cell);
}

/* Each attempt under way may end the run. An attempt that stands at a limit has no input, so what the run waits for is not known. */
static bool input_of_run(er_cell *cell, size_t i, er_cell **input)
{
    size_t n = 0;
    bool known = true;
    *input = NULL;
    er_cell_lock(cell);
    for (const er_attempt *a = run_of(cell)->attempts; a; a = a->next) {
        known = known && a->input;
        if (n++ == i && known) *input = er_cell_keep(a->input);
    }
    er_cell_unlock(cell);
    if (!known && *input) er_cell_release(*input);
    if (!known) *input = NULL;
    return known && i < n;
}

static const er_cell_kind run_kind = { .cancel = cancel_run, .free = free_run, .input = input_of_run, .any = true };

_Static_assert(sizeof(er_running) <= 312, "asleep, with 64 bytes of history and what malloc adds, at most 400");

/* The policy adds nothing: a task, whose end is counted, and told as that of an attempt. */
static void plain_ended(void *policy, errand_result *r, int64_t took_ms)
{
    if (r->error) {
        errand_attempt note = {
            .number = 1, .error = r->error, .took_ms = took_ms, .then_waited_ms = -1, .why_waited = ""
        };
        er_history *history = NULL;
        er_history_add(&history, &note);
        er_result_attempted(r, history);
        errand_detail *d = er_detail(r);
        if (d && d->elapsed_ms < 0) d->elapsed_ms = took_ms;
    }
    er_policy_tell(policy, r);
    er_policy_end(policy);
}

static er_cell *run_plain(errand_pool *pool, const errand_policy *policy, const errand_task *task, er_context *context,
                          const void *site)
{
    return er_task_submit_completed(pool, task, context, site, plain_ended, er_policy_begin(policy));
}

er_cell *er_run(errand_pool *pool, const errand_policy *policy, const errand_task *task, er_context *context,
                int64_t deadline_ns, bool urgent, const void *site)
{
    if (!policy) return er_task_submit(pool, task, context, deadline_ns, ERRAND_BY_TOTAL, urgent, site);
    if (policy->plain && deadline_ns == INT64_MAX && !task->start_within_ms && !urgent)
        return run_plain(pool, policy, task, context, site);
    int error = 0;
    er_budget_member *budget = NULL;
    if (policy->how.budget) error = er_budget_join(policy->how.budget, er_context_key(context), &budget);
    er_running *r = error ? NULL : er_alloc_zero(sizeof *r);
    if (!r) {
        er_context_drop(context);
        er_budget_part(budget);
        if (task->free) task->free(task->arg);
        return er_failed(pool, errand_fail(error ? error : ENOMEM));
    }
    er_cell_init(&r->cell, &run_kind, pool);
    errand_policy *own = er_policy_begin(policy);
    er_policy_count(&own->unplain);
    int64_t now = er_pool_now(pool);
    r->course = (er_course){ .policy = own,
                             .name = task->name,
                             .context = context,
                             .arg = task->arg,
                             .began_ns = now,
                             .deadline_ns = deadline_ns,
                             .nested = task->reserved & ER_RETRIED,
                             .alone = task->reserved & ER_ALONE,
                             .once = task->reserved & ER_ONCE,
                             .budget = budget };
    r->into = !task->fn;
    r->fn = task->fn ? (void (*)(void))task->fn : (void (*)(void))task->into;
    r->free_arg = task->free;
    r->idle.site = site;
    r->begin_by_ns = INT64_MAX;
    if (task->start_within_ms)
        r->begin_by_ns = er_deadline(now, task->start_within_ms == ERRAND_ZERO ? 0 : task->start_within_ms);
    r->timer.fn = timer_due;
    r->look = attempt_has_news;
    er_log_info(er_run_log(r), "[%s-start]", policy->how.name);
    /* a queue may hold the caller up: not if he does not queue his task himself */
    r->urgent = urgent || policy->how.rate || policy->how.sem;
    er_cell_keep(&r->cell); /* the driver of the beginning */
    post(r, BEGIN);
    er_cell_release(&r->cell);
    return &r->cell;
}

int64_t er_run_deadline(errand_pool *pool, const errand_policy *policy, const errand_task *task)
{
    int64_t inherited = task->detached ? INT64_MAX : er_deadline_here(pool);
    int64_t own_ms = policy && policy->how.within_ms < task->within_ms ? policy->how.within_ms : task->within_ms;
    int64_t own = own_ms == ERRAND_FOREVER ? INT64_MAX : er_deadline(er_pool_now(pool), own_ms);
    return inherited < own ? inherited : own;
}

static errand_future *run_task(errand_pool *pool, const errand_policy *policy, const errand_task *task, size_t size,
                               unsigned how, const void *site)
{
    errand_task own;
    er_cell *refusal = er_task_check(pool, &own, task, size);
    if (refusal) return refusal;
    int error = 0;
    own.reserved |= how;
    er_context *context = er_context_for(&own, &error);
    if (!error) return er_run(pool, policy, &own, context, er_run_deadline(pool, policy, &own), false, site);
    if (own.free) own.free(own.arg);
    return er_failed(pool, errand_fail(error));
}

errand_future *errand_run_task_sized(errand_pool *pool, const errand_policy *policy, const errand_task *task,
                                     size_t size)
{
    return run_task(pool, policy, task, size, 0, __builtin_return_address(0));
}

errand_future *errand_run(errand_pool *pool, const errand_policy *policy, errand_fn *fn, void *arg)
{
    errand_task task = { .fn = fn, .arg = arg };
    return run_task(pool, policy, &task, sizeof task, 0, __builtin_return_address(0));
}

errand_future *er_run_guarded(errand_pool *pool, const errand_policy *policy, const errand_task *task, unsigned how)
{
    return run_task(pool, policy, task, sizeof *task, how, __builtin_return_address(0));
}
