/* policy/run.c -- a run under a policy: one cell from the first attempt to the last.
 *
 *     TRYING --the last under way failed--> (JUDGING) --again--> SLEEPING --> TRYING ...
 *                                               |no
 *                                               +--> (LAST: hooks, fallback) --> ended --> OVER
 *
 * An event (a limit has called back, an attempt's task ended, the timer is due, a cancel) is a bit
 * in one word. The thread that sets the first bit drives the run, alone, until no bit is left; so
 * nothing else in here needs a lock, no event is lost, and nothing recurses. Each event checks all
 * (attempts, deadline, cancel, shutdown), so one that comes too early or too late does no harm.
 *
 * Attempts under way at once (hedges) have their own memory (attempt.c). Asleep, a run is this one
 * piece of memory and its history; no worker, permit or connection is held. The last result stays
 * in the cell until the end replaces it; nothing ends while a hook reads it (in_hook). User code
 * runs in tasks, never on the driver unless the pool takes no more: JUDGING after an attempt, LAST
 * at the end; deadlines and cancels wait meanwhile.
 *
 * The cell may end before all attempts have returned (a deadline, a hedge that won): those are
 * cancelled and counted as abandoned, the failure says that they may have run, and arg is freed
 * when they have returned (OVER). Attempts after the first are urgent: they do not queue up again.
 * A hedge begins when the youngest attempt is as old as the policy says, none waits for a limit
 * and, unless fn may overlap, each has returned its future; one refused is tried after a sleep.
 *
 * Counts: owner, driver, and each pending callback, waiter and armed timer. */
#include "policy/run.h"
#include "policy/attempt.h"

#include "async/current.h"
#include "async/runq.h"
#include "async/submit.h"

#include "log/producer.h"

#include <errno.h>

enum { NEW, TRYING, JUDGING, SLEEPING, LAST, OVER };

static er_running *run_of(er_cell *cell) { return er_of(cell, er_running, cell); }
static int64_t run_now(const er_running *r) { return er_pool_now(r->cell.pool); }
static errand_log *run_log(const er_running *r) { return er_retry_log(&r->retry, r->cell.pool); }

/* ---- its attempts ---- */

static void run_add(er_running *r, er_attempt *a)
{
    er_cell_lock(&r->cell);
    er_attempt **end = &r->attempts;
    while (*end) end = &(*end)->next;
    *end = a;
    er_cell_unlock(&r->cell);
}

static void run_take_out(er_running *r, er_attempt *a)
{
    er_cell_lock(&r->cell);
    er_attempt **at = &r->attempts;
    while (*at != a) at = &(*at)->next;
    *at = a->next;
    er_cell_unlock(&r->cell);
    er_free(a);
}

static void run_note(er_running *r, er_attempt *a, int error)
{
    er_ended e = { .number = a->number,
                   .began_ns = a->began_ns,
                   .now_ns = a->ended_ns ? a->ended_ns : run_now(r) };
    er_retry_note(&r->retry, &e, error);
}

/* ---- ending ---- */

static void free_arg(er_running *r)
{
    if (r->free_arg) r->free_arg(r->retry.arg);
    r->free_arg = NULL;
}

static void run_disarm(er_running *r)
{
    if (!r->armed || !er_timer_disarm(r->cell.pool, &r->timer)) return;
    r->armed = false;
    er_cell_release(&r->cell);
}

/* Ends the cell with cell.result; what is still under way is left behind. */
static void conclude(er_running *r)
{
    bool over = !r->attempts;
    er_live_remove(r->cell.pool, &r->live);
    er_cell_lock(&r->cell);
    r->ended = true; /* a dump no longer reads the policy */
    er_cell_unlock(&r->cell);
    if (over) {
        r->stage = OVER;
        run_disarm(r);
        free_arg(r);
    }
    errand_result result = er_cell_take(&r->cell);
    er_retry_end(&r->retry, run_log(r), run_now(r), &result);
    if (over) er_retry_leave(&r->retry);
    er_cell_try_end(&r->cell, result);
}

/* The last that was left behind has returned. */
static void run_over(er_running *r)
{
    r->stage = OVER;
    run_disarm(r);
    free_arg(r);
    er_retry_leave(&r->retry);
}

static void call_at_end(er_running *r, errand_result *result)
{
    const errand_policy_opts *how = &r->retry.policy->how;
    errand_result end = er_cell_take(&r->cell);
    errand_attempt_info info = er_retry_view(&r->retry, r->retry.number, run_now(r), &end);
    r->failed = end.error;
    errand_hook_fn *hook = r->failed ? how->on_give_up : how->on_success;
    if (hook) hook(&info, how->hook_arg);
    *result = r->failed && how->fallback ? how->fallback(end, how->hook_arg) : end;
}

static errand_result run_last(void *arg)
{
    er_attempt *a = arg;
    errand_result result;
    a->judged = true;
    call_at_end(a->run, &result);
    return result;
}

static void run_last_ended(er_running *r, errand_result result)
{
    if (r->failed && !result.error && r->retry.policy->how.fallback) {
        er_result_degrade(&result);
        er_policy_count(&r->retry.policy->degraded);
    }
    r->cell.result = result;
    conclude(r);
}

/* A task of the run itself: no deadline ends it. */
static void begin_task(er_running *r, er_attempt *a, er_attempt_stage stage, errand_fn *fn)
{
    errand_task task = { .fn = fn, .arg = a, .name = r->retry.name, .detached = true };
    er_terms terms = {
        er_context_keep(r->retry.context), INT64_MAX, ERRAND_BY_NONE, true, r->live.site, false
    };
    er_attempt_watch(a, stage, er_task_submit(r->cell.pool, &task, &terms));
}

static void begin_last(er_running *r)
{
    r->stage = LAST;
    er_attempt *a = er_attempt_new(r, false);
    if (a) {
        run_add(r, a);
        begin_task(r, a, ER_LAST, run_last);
        return;
    }
    errand_result result; /* without memory: here and now, as a then-function would be */
    bool held = er_endings_let_go();
    call_at_end(r, &result);
    er_endings_hold(held);
    run_last_ended(r, result);
}

/* cell.result is how it ends. The attempts that are under way have lost, or come too late. */
static void run_finish(er_running *r, errand_reason reason)
{
    errand_result *result = &r->cell.result;
    bool lost = reason == ERRAND_BY_HEDGE;
    for (er_attempt *a = r->attempts, *next; a; a = next) {
        next = a->next;
        if (a->left) continue;
        a->left = true;
        bool runs = a->stage == ER_RUNS;
        if (runs) run_note(r, a, lost ? ECANCELED : result->error);
        if (er_attempt_cancel(a, reason)) {
            run_take_out(r, a);
            continue;
        }
        if (!runs) continue;
        er_cell_abandon(a->input);
        if (er_cell_may_have_run(a->input)) er_result_may_have_run(result);
        if (!lost && r->retry.policy->how.breaker)
            er_breaker_report(&a->call, er_verdict_of(result));
    }
    bool asks = result->error ? r->retry.policy->own_failure
                              : r->retry.policy->how.on_success != NULL;
    if (asks && errand_result_kind(result) != ERRAND_KIND_CANCELLED) begin_last(r);
    else conclude(r);
}

/* ---- beginning ---- */

static void run_refused(er_running *r, er_attempt *a, errand_result why)
{
    /* left ones leave all that to the end */
    if (!a->left && a->number == r->retry.number) r->retry.number--;
    r->no_hedge = r->no_hedge || a->hedge; /* else it would be asked for again at once, and again */
    run_take_out(r, a);
    if (r->ended || r->stage == LAST || r->attempts) {
        errand_result_free(&why);
        if (r->ended && !r->attempts) run_over(r);
        return;
    }
    er_retry_cut_short(&r->cell.result, why);
    run_finish(r, ERRAND_BY_NONE);
}

static void run_begin_attempt(er_running *r, bool hedge)
{
    er_attempt *a = er_attempt_new(r, hedge);
    if (!hedge) r->stage = TRYING;
    if (!a && hedge) {
        r->no_hedge = true;
        er_budget_hedge_ended(r->retry.budget, false);
        return;
    }
    if (!a) {
        er_retry_cut_short(&r->cell.result, errand_fail(ENOMEM));
        run_finish(r, ERRAND_BY_NONE);
        return;
    }
    if (!hedge) r->no_hedge = false;
    a->number = ++r->retry.number;
    run_add(r, a);
    errand_result why;
    if (er_attempt_go(a, &why) == ER_STEP_REFUSED) run_refused(r, a, why);
}

/* When the next hedge is to begin: INT64_MAX: none is, as things are. */
static int64_t run_hedge_at(const er_running *r)
{
    if (r->stage != TRYING || r->ended || r->no_hedge || r->retry.nested || r->retry.alone)
        return INT64_MAX;
    const errand_policy *p = r->retry.policy; /* gone with the end */
    if (!p->hedges) return INT64_MAX;
    if (!r->attempts || r->retry.number >= p->most) return INT64_MAX;
    const er_attempt *youngest = NULL;
    for (const er_attempt *a = r->attempts; a; a = a->next) {
        if (a->stage != ER_RUNS) return INT64_MAX;
        if (!p->how.overlap && !er_load(&a->returned)) return INT64_MAX;
        if (p->how.before_attempt && er_attempt_sees_last(a) &&
            er_load(&a->hook) < ER_HOOK_RETURNED)
            return INT64_MAX;
        youngest = a;
    }
    int64_t after = er_policy_hedge_after(p), at;
    return __builtin_add_overflow(youngest->began_ns, after, &at) ? INT64_MAX : at;
}

static void run_begin_hedge(er_running *r)
{
    if (r->retry.budget && !er_budget_hedge(r->retry.budget)) {
        r->no_hedge = true;
        er_policy_count(&r->retry.policy->refused);
        return;
    }
    run_begin_attempt(r, true);
}

/* ---- judging ---- */

static void judge(er_running *r, er_attempt *a)
{
    bool alone = true;
    for (const er_attempt *other = r->attempts; other; other = other->next)
        alone = alone && other == a;
    er_ended e = {
        .number = a->number, .began_ns = a->began_ns, .now_ns = a->ended_ns, .alone = alone
    };
    a->judged = true;
    a->then = er_retry_judge(&r->retry, run_log(r), &e, &r->cell.result, &a->wait_ms);
}

static errand_result run_judge(void *arg)
{
    er_attempt *a = arg;
    judge(a->run, a); /* the run's driver leaves all that alone as long as it is being judged */
    return errand_ok(NULL, NULL);
}

static void fall_asleep(er_running *r, int64_t ms)
{
    int64_t until = er_deadline(run_now(r), ms);
    r->stage = SLEEPING;
    r->retry.idle_ms = er_ms_sum(r->retry.idle_ms, ms);
    er_cell_lock(&r->cell);
    /* a timer all the same: for shutting down */
    r->begin_by_ns = until < INT64_MAX ? until : INT64_MAX - 1;
    r->asleep = true;
    er_cell_unlock(&r->cell);
    er_policy_count(&r->retry.policy->retries);
    er_add_relaxed(&r->retry.policy->asleep, 1); /* relaxed: a figure */
}

static void run_wake_up(er_running *r)
{
    er_cell_lock(&r->cell);
    r->asleep = false;
    r->begin_by_ns = INT64_MAX;
    er_cell_unlock(&r->cell);
    er_add_relaxed(&r->retry.policy->asleep, -1);
}

static void act_on(er_running *r, er_attempt *a)
{
    er_next then = a->then;
    int64_t wait = a->wait_ms;
    bool won = then == ER_NEXT_END && !r->cell.result.error;
    if (won && a->hedge) er_policy_count(&r->retry.policy->hedges_won);
    /* beside a hedge the history has the first attempt's success too */
    if (won && a->number == 1 && r->attempts->next) run_note(r, a, 0);
    run_take_out(r, a);
    r->stage = TRYING;
    if (then == ER_NEXT_END) run_finish(r, ERRAND_BY_HEDGE);
    else if (then == ER_NEXT_SLEEP) fall_asleep(r, wait);
}

/* A failure after a cancel becomes its cause, as in a task. */
static void attempt_cancelled(er_running *r, er_attempt *a, errand_reason cancelled)
{
    errand_result *result = &r->cell.result;
    if (result->error || a->number > 1) run_note(r, a, result->error);
    if (result->error && errand_result_kind(result) != ERRAND_KIND_CANCELLED) {
        errand_result outer = er_cancel_result(cancelled);
        er_result_because(&outer, er_cell_take(&r->cell));
        *result = outer;
    }
    bool failed = result->error;
    run_take_out(r, a);
    if (!failed || !r->attempts)
        run_finish(r, ERRAND_BY_HEDGE); /* else those under way are cancelled, and awaited */
}

static void run_attempt_ended(er_running *r, er_attempt *a, errand_result result)
{
    a->ended_ns = run_now(r);
    er_attempt_settle(a, &result);
    if (a->left) {
        errand_result_free(&result);
        run_take_out(r, a);
        if (r->ended && !r->attempts) run_over(r);
        return;
    }
    errand_result_free(&r->cell.result);
    r->cell.result = result;
    errand_reason cancelled = er_cell_cancelled(&r->cell);
    if (cancelled) {
        attempt_cancelled(r, a, cancelled);
    } else if (r->retry.policy->own_ask) {
        r->stage = JUDGING;
        begin_task(r, a, ER_JUDGED, run_judge);
    } else {
        judge(r, a);
        act_on(r, a);
    }
}

static void run_judged(er_running *r, er_attempt *a, errand_result result)
{
    errand_result_free(&result);
    errand_reason cancelled = er_cell_cancelled(&r->cell);
    if (!a->judged && cancelled) {
        r->stage = TRYING;
        attempt_cancelled(r, a, cancelled);
        return;
    }
    if (!a->judged) { /* there are no workers any more */
        bool held = er_endings_let_go();
        judge(r, a);
        er_endings_hold(held);
    }
    act_on(r, a);
}

enum { DRIVEN = 1, BEGIN = 2, LOOK = 4, TIMER = 8, CANCEL = 16 };

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
    post(run_of(cell), CANCEL);
}

/* ---- the driver ---- */

static void advance(er_running *r, er_attempt *a)
{
    errand_result result;
    er_attempt_stage stage = a->stage;
    switch (er_attempt_look(a, &result)) {
    case ER_STEP_WAITS: return;
    case ER_STEP_REFUSED: run_refused(r, a, result); return;
    case ER_STEP_ENDED: break;
    }
    if (stage == ER_RUNS) {
        run_attempt_ended(r, a, result);
    } else if (stage == ER_JUDGED) {
        run_judged(r, a, result);
    } else {
        if (!a->judged) { /* it never ran: the cell still holds the failure */
            errand_result_free(&result);
            result = er_cell_take(&r->cell);
        }
        run_take_out(r, a);
        run_last_ended(r, result);
    }
}

static void look(er_running *r)
{
    for (er_attempt *a = r->attempts; a && r->stage != OVER;) {
        bool frozen = r->stage == JUDGING && a->stage != ER_JUDGED && !a->left;
        if (frozen || !er_load(&a->signal)) {
            a = a->next;
            continue;
        }
        advance(r, a);
        a = r->attempts; /* anything may have changed */
    }
}

/* A hook before an attempt is reading the last result. Its return is an event. */
static bool in_hook(const er_running *r)
{
    for (const er_attempt *a = r->attempts; a; a = a->next) {
        if (er_load(&a->hook) == ER_HOOK_CALLED) return true;
    }
    return false;
}

/* True: no such hook reads the last result any more; false: one is reading it. */
static bool keep_hooks_off(er_running *r)
{
    for (er_attempt *a = r->attempts; a; a = a->next) {
        uint32_t to_come = ER_HOOK_TO_COME;
        er_cas_strong(&a->hook, &to_come, ER_HOOK_LATE);
    }
    return !in_hook(r);
}

/* Ends it, after its attempts; late: now, whatever they do. */
static void stop(er_running *r, errand_reason reason, bool late)
{
    if (r->stage == SLEEPING) {
        run_wake_up(r);
        er_retry_cut_short(&r->cell.result, er_cancel_result(reason));
        run_finish(r, reason);
        return;
    }
    if (r->stage == LAST && !er_cell_cancelled(&r->cell)) return;
    if (r->stage == JUDGING) return;
    for (er_attempt *a = r->attempts, *next; a; a = next) {
        next = a->next;
        if (er_attempt_cancel(a, reason)) run_take_out(r, a);
    }
    if (r->stage != TRYING || r->ended || (r->attempts && !late) || !keep_hooks_off(r)) return;
    er_retry_cut_short(&r->cell.result, er_cancel_result(reason));
    run_finish(r, reason);
}

static void check_stop(er_running *r)
{
    errand_reason cancelled = er_cell_cancelled(&r->cell);
    bool late = run_now(r) >= r->retry.deadline_ns ||
                (cancelled && er_cancel_error(cancelled) == ETIMEDOUT);
    /* checked after queueing: none slips through */
    if (!cancelled && er_pool_shut(r->cell.pool)) cancelled = ERRAND_BY_SHUTDOWN;
    if (cancelled || late) stop(r, cancelled ? cancelled : ERRAND_BY_TOTAL, late);
}

/* Arms the timer for what is due next. */
static void set_alarm(er_running *r)
{
    int64_t at = INT64_MAX;
    if (r->stage == SLEEPING) at = r->begin_by_ns;
    if (r->stage == TRYING && !r->ended && !in_hook(r)) {
        int64_t hedge = run_hedge_at(r);
        at = hedge < r->retry.deadline_ns ? hedge : r->retry.deadline_ns;
    }
    if (r->armed && r->alarm_ns == at && r->stage != SLEEPING) return;
    run_disarm(r);
    if (r->armed || at == INT64_MAX) return; /* due right now: its event comes */
    er_cell_keep(&r->cell);
    r->alarm_ns = at;
    int error = r->stage == SLEEPING ? er_timer_sleep(r->cell.pool, &r->timer, at)
                                     : er_timer_arm(r->cell.pool, &r->timer, at);
    r->armed = !error;
    if (!error) return;
    er_cell_release(&r->cell);
    if (r->stage == SLEEPING) run_wake_up(r);
    else if (at != r->retry.deadline_ns || !keep_hooks_off(r)) return; /* no hedge, then */
    errand_reason reason = error == ECANCELED ? ERRAND_BY_SHUTDOWN : ERRAND_BY_TOTAL;
    er_retry_cut_short(&r->cell.result,
                       error == ECANCELED ? er_cancel_result(reason) : errand_fail(error));
    run_finish(r, reason);
}

static void handle(er_running *r, uint32_t events)
{
    if (events & TIMER) r->armed = false;
    if (r->stage == OVER) return;
    if (events & BEGIN) run_begin_attempt(r, false);
    look(r);
    if (r->stage == OVER) return;
    check_stop(r);
    if (r->stage == OVER) return;
    if (r->stage == SLEEPING && run_now(r) >= r->begin_by_ns) {
        run_wake_up(r);
        run_begin_attempt(r, false);
    } else if (run_hedge_at(r) <= run_now(r)) {
        run_begin_hedge(r);
    }
    if (r->stage != OVER) set_alarm(r);
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
    er_context_drop(r->retry.context);
    er_free(r->retry.history);
    er_cell_bury(cell);
}

/* Each attempt under way may end the run. An attempt that waits for a limit has no input, so what
 * the run waits for is not known. */
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

static const er_cell_kind run_kind = {
    .cancel = cancel_run, .free = free_run, .input = input_of_run, .any = true, .what = "run"
};

/* ---- for the dump ---- */

#define SHOWN 4 /* attempts */

typedef struct shown { /* of a run, as it was under its lock bit */
    bool ended, asleep;
    unsigned number;
    int64_t begin_by_ns;
    const char *name, *sem, *rate, *total_rate; /* literals */
    size_t n;
    struct {
        unsigned number;
        uint32_t stage;
    } attempts[SHOWN];
} shown;

static shown look_at(er_running *r)
{
    shown s = { .name = r->retry.name };
    er_cell_lock(&r->cell);
    s.ended = r->ended;
    s.asleep = r->asleep;
    if (s.asleep) {
        s.number = r->retry.number;
        s.begin_by_ns = r->begin_by_ns;
    }
    if (!s.ended) {
        const errand_policy_opts *how = &r->retry.policy->how;
        if (!s.name) s.name = how->name;
        if (how->sem) s.sem = er_sem_name(how->sem);
        if (how->rate) s.rate = er_rate_name(how->rate);
        if (how->total_rate) s.total_rate = er_rate_name(how->total_rate);
    }
    for (const er_attempt *a = r->attempts; a; a = a->next, s.n++) {
        if (s.n >= SHOWN) continue;
        s.attempts[s.n].number = a->number;
        s.attempts[s.n].stage = er_load_relaxed(&a->stage); /* relaxed: a figure */
    }
    er_cell_unlock(&r->cell);
    return s;
}

static void describe_attempt(er_description *d, const shown *s, size_t i)
{
    unsigned number = s->attempts[i].number;
    if (i) er_describe(d, ", ");
    switch (s->attempts[i].stage) {
    case ER_ASKS: er_describe(d, "attempt %u begins", number); return;
    case ER_TURN:
        er_describe(d, "attempt %u waits for rate %s", number, s->rate ? s->rate : "(no name)");
        return;
    case ER_TOTAL_TURN:
        er_describe(d, "attempt %u waits for rate %s", number,
                    s->total_rate ? s->total_rate : "(no name)");
        return;
    case ER_PERMIT:
        er_describe(d, "attempt %u waits for semaphore %s", number, s->sem ? s->sem : "(no name)");
        return;
    case ER_RUNS: er_describe(d, "attempt %u is under way", number); return;
    case ER_JUDGED: er_describe(d, "attempt %u is being judged", number); return;
    default: er_describe(d, "its policy's last functions are called");
    }
}

static er_running *run_of_live(er_live *live) { return er_of(live, er_running, live); }
static void release_run(er_live *live) { er_cell_release(&run_of_live(live)->cell); }
static int64_t keep_run(er_live *live)
{
    er_cell_keep(&run_of_live(live)->cell);
    return 0;
}

static void describe_run(er_live *live, er_description *d)
{
    er_running *r = run_of_live(live);
    shown s = look_at(r);
    if (s.ended) return;
    int64_t now = run_now(r);
    d->what = "run";
    d->name = s.name;
    d->key = er_retry_key(&r->retry);
    d->cancelled = er_cell_cancelled(&r->cell);
    d->since_ns = er_coarse_ns() - (now - r->retry.began_ns);
    if (s.asleep)
        er_describe(d, "asleep after attempt %u, again in %lld ms", s.number,
                    (long long)er_ms_until(now, s.begin_by_ns));
    else if (!s.n) er_describe(d, "between two attempts");
    for (size_t i = 0; i < s.n && i < SHOWN; i++) describe_attempt(d, &s, i);
    if (s.n > SHOWN) er_describe(d, " and %zu more", s.n - SHOWN);
}

static const er_live_kind run_live_kind = {
    .keep = keep_run, .describe = describe_run, .release = release_run
};

_Static_assert(sizeof(er_running) <= 312,
               "asleep, with 64 bytes of history and what malloc adds, at most 400");

/* The policy adds nothing: a task; its end is counted, and recorded as an attempt's. */
static void plain_ended(void *policy, errand_result *r, int64_t took_ms)
{
    if (r->error) {
        errand_attempt note = { .number = 1,
                                .error = r->error,
                                .took_ms = took_ms,
                                .then_waited_ms = -1,
                                .why_waited = "" };
        er_history *history = NULL;
        er_history_add(&history, &note);
        er_result_attempted(r, history);
        errand_detail *d = er_detail(r);
        if (d && d->elapsed_ms < 0) d->elapsed_ms = took_ms;
    }
    er_policy_report(policy, r);
    er_policy_end(policy);
}

static er_cell *run_plain(errand_pool *pool, const errand_policy *policy, const errand_task *task,
                          er_context *context, const void *site)
{
    return er_task_submit_completed(pool, task, context, site, plain_ended,
                                    er_policy_begin(policy));
}

er_cell *er_run(errand_pool *pool, const errand_policy *policy, const errand_task *task,
                const er_terms *terms)
{
    if (!policy) return er_task_submit(pool, task, terms);
    if (policy->plain && terms->deadline_ns == INT64_MAX && !task->start_within_ms &&
        !terms->urgent)
        return run_plain(pool, policy, task, terms->context, terms->site);
    int error = 0;
    er_budget_member *budget = NULL;
    if (policy->how.budget)
        error = er_budget_join(policy->how.budget, er_context_key(terms->context), &budget);
    er_running *r = error ? NULL : er_alloc_zero(sizeof *r);
    if (!r) {
        er_context_drop(terms->context);
        er_budget_part(budget);
        if (task->free) task->free(task->arg);
        return er_failed(pool, errand_fail(error ? error : ENOMEM));
    }
    er_cell_init(&r->cell, &run_kind, pool);
    errand_policy *own = er_policy_begin(policy);
    er_policy_count(&own->unplain);
    int64_t now = er_pool_now(pool);
    r->retry = (er_retry){
        .policy = own,
        .name = task->name,
        .context = terms->context,
        .arg = task->arg,
        .began_ns = now,
        .deadline_ns = terms->deadline_ns,
        .nested = task->reserved & ER_RETRIED,
        .alone = task->reserved & ER_ALONE,
        .once = task->reserved & ER_ONCE,
        .budget = budget
    };
    r->into = !task->fn;
    r->fn = task->fn ? (void (*)(void))task->fn : (void (*)(void))task->into;
    r->free_arg = task->free;
    r->live = (er_live){ .kind = &run_live_kind, .site = terms->site };
    r->begin_by_ns = INT64_MAX;
    if (task->start_within_ms)
        r->begin_by_ns =
            er_deadline(now, task->start_within_ms == ERRAND_ZERO ? 0 : task->start_within_ms);
    r->timer.fn = timer_due;
    r->look = attempt_has_news;
    er_log_info(run_log(r), "[%s-start]", policy->how.name);
    /* a full queue may hold the caller up, unless a limit's callback queues the task */
    r->urgent = terms->urgent || policy->limited;
    er_cell_keep(&r->cell); /* the driver of the beginning */
    er_live_add(pool, &r->live);
    post(r, BEGIN);
    er_cell_release(&r->cell);
    return &r->cell;
}

int64_t er_run_deadline(errand_pool *pool, const errand_policy *policy, const errand_task *task)
{
    int64_t inherited = task->detached ? INT64_MAX : er_deadline_here(pool);
    int64_t own_ms =
        policy && policy->how.within_ms < task->within_ms ? policy->how.within_ms : task->within_ms;
    int64_t own = own_ms == ERRAND_FOREVER ? INT64_MAX : er_deadline(er_pool_now(pool), own_ms);
    return inherited < own ? inherited : own;
}

static errand_future *run_task(errand_pool *pool, const errand_policy *policy,
                               const errand_task *task, size_t size, unsigned how, const void *site)
{
    errand_task own;
    er_cell *refusal = er_task_check(pool, &own, task, size);
    if (refusal) return refusal;
    int error = 0;
    own.reserved |= how;
    er_context *context = er_context_for(&own, &error);
    if (error) {
        if (own.free) own.free(own.arg);
        return er_failed(pool, errand_fail(error));
    }
    er_terms terms = { context, er_run_deadline(pool, policy, &own), ERRAND_BY_TOTAL, false, site,
                       false };
    return er_run(pool, policy, &own, &terms);
}

errand_future *errand_run_task_sized(errand_pool *pool, const errand_policy *policy,
                                     const errand_task *task, size_t size)
{
    return run_task(pool, policy, task, size, 0, __builtin_return_address(0));
}

errand_future *errand_run(errand_pool *pool, const errand_policy *policy, errand_fn *fn, void *arg)
{
    errand_task task = { .fn = fn, .arg = arg };
    return run_task(pool, policy, &task, sizeof task, 0, __builtin_return_address(0));
}

errand_future *er_run_guarded(errand_pool *pool, const errand_policy *policy,
                              const errand_task *task, unsigned how, const void *site)
{
    return run_task(pool, policy, task, sizeof *task, how, site);
}
