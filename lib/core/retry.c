/* core/retry.c -- a run under a policy: one cell from the first attempt to the last.
 *
 *     TURN (rate) --> PERMIT (semaphore) --> ATTEMPT --failed, again?--> SLEEP --> TURN ...        any --enough--> OVER
 *
 * A stage other than SLEEP waits for one future, its input: a turn, a permit, the attempt's task. What happens from outside
 * (the input ended, the timer is due, the deadline has passed, a cancel) is an event: a bit in one word. Who sets a bit while no
 * bit is set drives the machine, alone, until no bit is left; so nothing else in here needs a lock, no event is lost, and
 * nothing recurses. An event is only a hint to look: whether the deadline has passed, who was told, whether the pool has shut is
 * asked anew at each, so one that comes before its stage or after it does no harm.
 *
 * The deadline ends the cell although an attempt may still run; the run stays until that has returned (OVER), because only
 * then arg may be freed. No worker, no permit and no connection is held in SLEEP. Attempts after the first are urgent: what has
 * waited already does not queue up again.
 *
 * Counts: the owner's, one for the input's waiter, one for each armed timer, one for the driver. */
#include "core/policy.h"

#include "base/options.h"

#include <errno.h>

enum { DRIVEN = 1, BEGIN = 2, INPUT = 4, TIMER = 8, DEADLINE = 16, TOLD = 32 };
typedef enum stage { NEW, TURN, PERMIT, ATTEMPT, SLEEP, OVER } stage;

typedef struct run {
    er_cell cell;
    uint32_t events;
    stage stage;     /* this and all below: the driver's */
    unsigned number; /* of attempts begun */
    bool ended, on_callers_stack;
    errand_policy *policy;
    errand_task task;
    er_key *key;
    const void *site;
    uint64_t seed;
    int64_t began_ns, deadline_ns, attempt_began_ns, sleeps_until_ns;
    er_cell *input;
    er_waiter waiter;
    er_timer timer, deadline;
    errand_result permit, last;
    er_history *history;
} run;

static run *run_of(er_cell *cell) { return er_of(cell, run, cell); }
static void post(run *r, uint32_t event);

static int64_t ms_since(const run *r, int64_t from) { return (er_pool_now(r->cell.pool) - from) / ER_MS; }

static errand_log *log_of(const run *r)
{
    const errand_policy_opts *how = &r->policy->how;
    return !how->name ? NULL : how->log ? how->log : er_pool_log(r->cell.pool);
}

/* ---- events ---- */

static void input_ended(er_waiter *waiter)
{
    run *r = er_of(waiter, run, waiter);
    post(r, INPUT);
    er_cell_release(&r->cell);
}

static void timer_due(er_timer *timer)
{
    run *r = er_of(timer, run, timer);
    post(r, TIMER);
    er_cell_release(&r->cell);
}

static void deadline_due(er_timer *timer)
{
    run *r = er_of(timer, run, deadline);
    post(r, DEADLINE);
    er_cell_release(&r->cell);
}

static void cancel_run(er_cell *cell, errand_reason reason)
{
    (void)reason; /* the cell knows */
    post(run_of(cell), TOLD);
}

static void watch_input(run *r, stage next, er_cell *input)
{
    r->stage = next;
    er_cell_link(&r->cell, &r->input, input); /* the driver's, but a search for circles may look */
    r->waiter.fn = input_ended;
    er_cell_keep(&r->cell);
    if (!er_cell_watch(input, &r->waiter)) input_ended(&r->waiter);
}

/* ---- ending ---- */

static void end(run *r, errand_result result)
{
    r->ended = true;
    int64_t took = ms_since(r, r->began_ns);
    if (r->history && (r->number > 1 || result.error)) {
        errand_detail *d = er_detail(&result);
        if (d && d->history) { /* of a run inside the attempt; what is asked for is this one */
            er_free(d->history);
            d->history = NULL;
        }
        er_result_attempted(&result, r->history);
        r->history = NULL;
    }
    if (result.error) {
        errand_detail *d = er_detail(&result);
        if (d && d->elapsed_ms < 0) d->elapsed_ms = took;
    }
    errand_log *log = log_of(r);
    const char *name = r->policy->how.name, *message = errand_result_message(&result);
    const errand_result *cause = errand_result_cause(&result, 0);
    const char *because = cause ? "; because: " : "", *why = cause ? errand_result_message(cause) : "";
    double seconds = (double)took / 1000;
    if (!result.error) errand_info(log, "[%s-success] after %.3f s, %u attempt(s)", name, seconds, r->number);
    else if (errand_result_kind(&result) == ERRAND_KIND_TIMEOUT)
        errand_warn(log, "[%s-timeout] after %.3f s, %u attempt(s): %s%s%s", name, seconds, r->number, message, because,
                    why);
    else
        errand_error(log, "[%s-error] after %.3f s, %u attempt(s): %s%s%s", name, seconds, r->number, message, because,
                     why);
    er_cell_try_end(&r->cell, result);
}

/* Nothing is under way any more. */
static void over(run *r, errand_result result)
{
    r->stage = OVER;
    errand_result_free(&r->permit);
    errand_result_free(&r->last);
    if (r->task.free) r->task.free(r->task.arg);
    r->task.free = NULL;
    if (er_timer_disarm(r->cell.pool, &r->deadline)) er_cell_release(&r->cell);
    if (r->ended) errand_result_free(&result);
    else end(r, result);
}

/* Something cut the waiting for another attempt short. A cancel or the deadline is the answer, with the last failure behind it;
 * a mere refusal (no turn before the deadline, no memory) stands behind the last failure, which it must not hide. */
static errand_result cut_short(run *r, errand_result by)
{
    errand_result last = r->last;
    r->last = (errand_result){ 0 };
    if (!last.error) return by;
    errand_kind kind = errand_result_kind(&by);
    bool stopped = kind == ERRAND_KIND_CANCELLED || kind == ERRAND_KIND_TIMEOUT;
    errand_result outer = stopped ? by : last;
    er_result_because(&outer, stopped ? last : by);
    return outer;
}

/* ---- stages ---- */

static void attempt(run *r)
{
    int64_t now = er_pool_now(r->cell.pool);
    const errand_policy_opts *how = &r->policy->how;
    errand_task task = r->task;
    task.free = NULL;
    task.key = r->key ? r->key->text : NULL;
    task.detached = true; /* what it inherits it has inherited already */
    int64_t deadline = er_deadline(now, how->attempt_ms);
    if (deadline > r->deadline_ns) deadline = r->deadline_ns;
    errand_reason late = deadline < r->deadline_ns ? ERRAND_BY_ATTEMPT : ERRAND_BY_TOTAL;
    r->number++;
    r->attempt_began_ns = now;
    bool urgent = !r->on_callers_stack;
    r->on_callers_stack = false;
    watch_input(r, ATTEMPT, er_task_submit(r->cell.pool, &task, deadline, late, urgent, r->site));
}

static void get_permit(run *r)
{
    errand_sem *sem = r->policy->how.sem;
    if (sem) watch_input(r, PERMIT, errand_sem_acquire(sem, r->key ? r->key->text : NULL, 1));
    else attempt(r);
}

static void get_turn(run *r)
{
    errand_rate *rate = r->policy->how.rate;
    if (rate) watch_input(r, TURN, er_rate_acquire_by(rate, r->key ? r->key->text : NULL, r->cell.pool, r->deadline_ns));
    else get_permit(r);
}

static int64_t hint_most(const run *r)
{
    int64_t most = r->policy->how.hint_most_ms, left = er_ms_until(er_pool_now(r->cell.pool), r->deadline_ns);
    return most != ER_HINT_DEFAULT ? most : left != INT64_MAX ? left : 300000;
}

/* How long to wait until another attempt; -1: there is to be none, *why says why not. */
static int64_t again_in(const run *r, const errand_result *result, const char **why)
{
    const errand_policy_opts *how = &r->policy->how;
    int64_t now = er_pool_now(r->cell.pool);
    *why = NULL;
    if (!errand_result_transient(result) || how->repeat == ERRAND_REPEAT_NEVER) return -1;
    if (errand_result_may_have_run(result) && how->repeat != ERRAND_REPEAT_ALWAYS) return -1;
    if (r->number >= r->policy->most) return -1;
    if (result->detail && result->detail->attempts_most && r->number >= result->detail->attempts_most) return -1;
    errand_view view = { .number = r->number, .last = result };
    int64_t wait = er_policy_wait(r->policy, r->seed, -1, &view), hint = errand_result_retry_after(result);
    int64_t left = er_ms_until(now, r->deadline_ns);
    *why = "backoff";
    if (hint > hint_most(r)) {
        *why = "the other side asks for a longer wait than is allowed";
        return -1;
    }
    if (hint > wait) {
        wait = hint;
        *why = "retry-after";
    }
    if (wait >= left) {
        *why = "the deadline comes before the next attempt";
        return -1;
    }
    return wait;
}

static void note_attempt(run *r, int error)
{
    errand_attempt note = { .number = r->number,
                            .error = error,
                            .began_ms = (r->attempt_began_ns - r->began_ns) / ER_MS,
                            .took_ms = ms_since(r, r->attempt_began_ns),
                            .then_waited_ms = -1,
                            .why_waited = "" };
    er_history_add(&r->history, &note);
}

static void attempt_ended(run *r, errand_result result)
{
    const errand_policy_opts *how = &r->policy->how;
    errand_result_free(&r->permit);
    if ((result.error || r->number > 1) && !r->ended) note_attempt(r, result.error);
    errand_reason told = er_cell_told(&r->cell);
    if (!result.error || r->ended || told || errand_result_kind(&result) == ERRAND_KIND_CANCELLED) {
        if (result.error && told && !r->ended && errand_result_kind(&result) != ERRAND_KIND_CANCELLED) {
            errand_result outer = er_told_result(told); /* as a task does: what came after the cancel stands behind */
            er_result_because(&outer, result);
            result = outer;
        }
        over(r, result);
        return;
    }
    if (errand_result_kind(&result) == ERRAND_KIND_RATE_LIMITED && how->rate) {
        /* nobody lets the other side hold up everybody for longer than he would wait himself */
        int64_t hint = errand_result_retry_after(&result), most = hint_most(r);
        errand_rate_pause(how->rate, r->key ? r->key->text : NULL, hint < most ? hint : most);
    }

    const char *why;
    int64_t wait = again_in(r, &result, &why);
    errand_result_free(&r->last);
    if (wait < 0) {
        if (why) errand_warn(log_of(r), "[%s-give-up] %s", how->name, why);
        over(r, result);
        return;
    }
    errand_warn(log_of(r), "[%s-retry] attempt %u failed: %s; again in %.3f s (%s)", how->name, r->number,
                errand_result_message(&result), (double)wait / 1000, why);
    errand_attempt *last = er_history_last(r->history);
    if (last) {
        last->then_waited_ms = wait;
        last->why_waited = why;
    }
    r->last = result;
    r->stage = SLEEP;
    r->sleeps_until_ns = er_deadline(er_pool_now(r->cell.pool), wait);
    if (r->sleeps_until_ns == INT64_MAX) r->sleeps_until_ns--; /* a timer all the same: for shutting down */
    er_cell_keep(&r->cell);
    int error = er_timer_sleep(r->cell.pool, &r->timer, r->sleeps_until_ns);
    if (!error) return;
    er_cell_release(&r->cell);
    over(r, cut_short(r, error == ECANCELED ? er_told_result(ERRAND_BY_SHUTDOWN) : errand_fail(error)));
}

static void on_input(run *r)
{
    er_cell *input = r->input;
    errand_result result = er_cell_take(input);
    er_cell_link(&r->cell, &r->input, NULL);
    er_cell_release(input);
    if (r->stage == ATTEMPT) {
        attempt_ended(r, result);
        return;
    }
    errand_reason told = er_cell_told(&r->cell);
    if (result.error || r->ended || told) {
        if (!result.error) {
            errand_result_free(&result);
            result = er_told_result(told ? told : ERRAND_BY_TOTAL);
        }
        over(r, cut_short(r, result));
        return;
    }
    if (r->stage == PERMIT) {
        r->permit = result;
        attempt(r);
    } else {
        errand_result_free(&result);
        get_permit(r);
    }
}

/* Somebody wants it to end; late: now, whatever the attempt does. */
static void on_stop(run *r, errand_reason reason, bool late)
{
    if (r->stage == SLEEP) {
        if (er_timer_disarm(r->cell.pool, &r->timer)) er_cell_release(&r->cell);
        over(r, cut_short(r, er_told_result(reason)));
        return;
    }
    if (!r->input) return; /* not begun: looked at again when it has */
    if (late && !r->ended) {
        errand_result result = cut_short(r, er_told_result(reason));
        if (r->stage == ATTEMPT) note_attempt(r, result.error);
        end(r, result);
        er_cell_abandon(r->input);
    }
    er_cell_cancel(r->input, reason);
}

static void handle(run *r, uint32_t events)
{
    if (r->stage == OVER) return;
    if (events & BEGIN) get_turn(r);
    if ((events & INPUT) && r->input && er_cell_ended(r->input)) on_input(r);
    if (r->stage == OVER) return;
    errand_reason told = er_cell_told(&r->cell);
    int64_t now = er_pool_now(r->cell.pool);
    bool late = now >= r->deadline_ns || (told && er_told_error(told) == ETIMEDOUT);
    if (!told && er_pool_shut(r->cell.pool)) told = ERRAND_BY_SHUTDOWN; /* asked after queueing: none slips through */
    if (told || late) on_stop(r, told ? told : ERRAND_BY_TOTAL, late);
    else if ((events & TIMER) && r->stage == SLEEP) get_turn(r); /* the timer has fired: it is free again */
}

static void post(run *r, uint32_t event)
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
    run *r = run_of(cell);
    errand_policy_free(r->policy);
    er_key_drop(r->key);
    er_free(r->history);
    er_cell_bury(cell);
}

static bool input_of_run(er_cell *cell, size_t i, er_cell **input)
{
    return er_cell_input_of(cell, &run_of(cell)->input, i, input);
}

static const er_cell_kind run_kind = { .cancel = cancel_run, .free = free_run, .input = input_of_run };

er_cell *er_run(errand_pool *pool, const errand_policy *policy, const errand_task *task, int64_t deadline_ns,
                bool urgent, const void *site)
{
    if (!policy) return er_task_submit(pool, task, deadline_ns, ERRAND_BY_TOTAL, urgent, site);
    int error = 0;
    er_key *key = er_key_for(task, &error);
    run *r = error ? NULL : er_alloc_zero(sizeof *r);
    if (!r) {
        er_key_drop(key);
        if (task->free) task->free(task->arg);
        return er_failed(pool, errand_fail(ENOMEM));
    }
    er_cell_init(&r->cell, &run_kind, pool);
    r->policy = er_policy_keep(policy);
    r->task = *task;
    r->key = key;
    r->site = site;
    r->seed = policy->how.seed ? policy->how.seed : er_random();
    r->began_ns = er_pool_now(pool);
    r->deadline_ns = deadline_ns;
    r->timer.fn = timer_due;
    r->deadline.fn = deadline_due;
    er_cell_keep(&r->cell); /* the driver of the beginning */
    errand_info(log_of(r), "[%s-start]", policy->how.name);
    if (r->deadline_ns != INT64_MAX) {
        er_cell_keep(&r->cell);
        error = er_timer_arm(pool, &r->deadline, r->deadline_ns);
        if (error) er_cell_release(&r->cell);
    }
    if (error) {
        over(r, error == ECANCELED ? er_told_result(ERRAND_BY_SHUTDOWN) : errand_fail(error));
    } else {
        r->on_callers_stack = !urgent && !policy->how.rate &&
                              !policy->how.sem; /* then the queue may hold this caller up */
        post(r, BEGIN);
    }
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
                               const void *site)
{
    errand_task own;
    er_cell *refusal = er_task_check(pool, &own, task, size);
    return refusal ? refusal : er_run(pool, policy, &own, er_run_deadline(pool, policy, &own), false, site);
}

errand_future *errand_run_task_sized(errand_pool *pool, const errand_policy *policy, const errand_task *task,
                                     size_t size)
{
    return run_task(pool, policy, task, size, __builtin_return_address(0));
}

errand_future *errand_run(errand_pool *pool, const errand_policy *policy, errand_fn *fn, void *arg)
{
    errand_task task = { .fn = fn, .arg = arg };
    return run_task(pool, policy, &task, sizeof task, __builtin_return_address(0));
}
