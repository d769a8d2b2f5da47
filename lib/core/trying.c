/* core/trying.c -- a run's attempts: begun, judged, and what follows.
 *
 *     begin --refused--> the end          attempt --ended--> judged --again--> asleep, or left to the others that are under way
 *           --> attempt                                             --no--> the end
 *
 * Hedges are attempts beside others. The next one begins when the youngest is as old as the policy says, none waits for a limit, and,
 * unless fn may overlap, each has returned its future; none where the work is not to be done beside itself (ER_ALONE). One that a limit or
 * the budget refuses is asked for again only after a sleep. */
#include "core/queue.h"
#include "core/run.h"

#include <errno.h>

/* ---- beginning ---- */

void er_run_refused(er_running *r, er_attempt *a, errand_result why)
{
    if (!a->left && a->number == r->course.number) r->course.number--; /* left ones leave all that to the end */
    r->no_hedge = r->no_hedge || a->hedge; /* else it would be asked for again at once, and again */
    er_run_take_out(r, a);
    if (r->ended || r->stage == ER_RUN_LAST || r->attempts) {
        errand_result_free(&why);
        if (r->ended && !r->attempts) er_run_over(r);
        return;
    }
    er_course_cut_short(&r->cell.result, why);
    er_run_finish(r, ERRAND_BY_NOBODY);
}

void er_run_begin_attempt(er_running *r, bool hedge)
{
    er_attempt *a = er_attempt_new(r, hedge);
    if (!hedge) r->stage = ER_RUN_TRYING;
    if (!a && hedge) {
        r->no_hedge = true;
        er_budget_hedge_ended(r->course.budget, false);
        return;
    }
    if (!a) {
        er_course_cut_short(&r->cell.result, errand_fail(ENOMEM));
        er_run_finish(r, ERRAND_BY_NOBODY);
        return;
    }
    if (!hedge) r->no_hedge = false;
    a->number = ++r->course.number;
    er_run_add(r, a);
    errand_result why;
    if (er_attempt_go(a, &why) == ER_STEP_REFUSED) er_run_refused(r, a, why);
}

/* When the next hedge is to begin: INT64_MAX: none is, as things are. */
int64_t er_run_hedge_at(const er_running *r)
{
    if (r->stage != ER_RUN_TRYING || r->ended || r->no_hedge || r->course.nested || r->course.alone) return INT64_MAX;
    const errand_policy *p = r->course.policy; /* gone with the end */
    if (!p->hedges) return INT64_MAX;
    if (!r->attempts || r->course.number >= p->most) return INT64_MAX;
    const er_attempt *youngest = NULL;
    for (const er_attempt *a = r->attempts; a; a = a->next) {
        if (a->stage != ER_RUNS) return INT64_MAX;
        if (!p->how.overlap && !er_load(&a->returned)) return INT64_MAX;
        if (p->how.before_attempt && er_attempt_sees_last(a) && er_load(&a->hook) < ER_HOOK_RETURNED) return INT64_MAX;
        youngest = a;
    }
    int64_t after = er_policy_hedge_after(p), at;
    return __builtin_add_overflow(youngest->began_ns, after, &at) ? INT64_MAX : at;
}

void er_run_begin_hedge(er_running *r)
{
    if (r->course.budget && !er_budget_hedge(r->course.budget)) {
        r->no_hedge = true;
        er_policy_count(&r->course.policy->refused);
        return;
    }
    er_run_begin_attempt(r, true);
}

/* ---- judging ---- */

static void judge(er_running *r, er_attempt *a)
{
    bool alone = true;
    for (const er_attempt *other = r->attempts; other; other = other->next) alone = alone && other == a;
    er_ended e = { .number = a->number, .began_ns = a->began_ns, .now_ns = a->ended_ns, .alone = alone };
    a->judged = true;
    a->then = er_course_judge(&r->course, er_run_log(r), &e, &r->cell.result, &a->wait_ms);
}

static errand_result run_judge(void *arg)
{
    er_attempt *a = arg;
    judge(a->run, a); /* the run's driver leaves all that alone as long as it is being judged */
    return errand_ok(NULL, NULL);
}

static void tell_sleep(const er_idle *idle, er_bytes *to)
{
    const er_running *r = er_of(idle, er_running, idle);
    const char *key = er_course_key(&r->course), *name = r->course.name ? r->course.name : r->course.policy->how.name;
    er_bytes_format(to, "  %s: asleep after attempt %u, again in %.3f s, begun %.3f s ago%s%s",
                    name ? name : "(no name)", r->course.number, (double)(r->begin_by_ns - er_run_now(r)) / 1e9,
                    (double)(er_run_now(r) - r->course.began_ns) / 1e9, key ? ", key " : "", key ? key : "");
}

static void fall_asleep(er_running *r, int64_t ms)
{
    r->stage = ER_RUN_SLEEPING;
    r->course.idle_ms = er_ms_sum(r->course.idle_ms, ms);
    r->begin_by_ns = er_deadline(er_run_now(r), ms);
    if (r->begin_by_ns == INT64_MAX) r->begin_by_ns--; /* a timer all the same: for shutting down */
    r->idle.tell = tell_sleep;
    er_pool_idles(r->cell.pool, &r->idle);
    er_policy_count(&r->course.policy->retries);
    er_add_relaxed(&r->course.policy->asleep, 1); /* relaxed: a figure */
}

void er_run_wake_up(er_running *r)
{
    er_pool_idles_not(r->cell.pool, &r->idle);
    r->begin_by_ns = INT64_MAX;
    er_add_relaxed(&r->course.policy->asleep, -1);
}

static void act_on(er_running *r, er_attempt *a)
{
    er_next then = a->then;
    int64_t wait = a->wait_ms;
    bool won = then == ER_NEXT_END && !r->cell.result.error;
    if (won && a->hedge) er_policy_count(&r->course.policy->hedges_won);
    if (won && a->number == 1 && r->attempts->next) er_run_note(r, a, 0); /* then there is something to tell */
    er_run_take_out(r, a);
    r->stage = ER_RUN_TRYING;
    if (then == ER_NEXT_END) er_run_finish(r, ERRAND_BY_HEDGE);
    else if (then == ER_NEXT_SLEEP) fall_asleep(r, wait);
}

/* What came after a cancel stands behind it, as a task's does. */
static void told_end(er_running *r, er_attempt *a, errand_reason told)
{
    errand_result *result = &r->cell.result;
    if (result->error || a->number > 1) er_run_note(r, a, result->error);
    if (result->error && errand_result_kind(result) != ERRAND_KIND_CANCELLED) {
        errand_result outer = er_told_result(told);
        er_result_because(&outer, er_cell_take(&r->cell));
        *result = outer;
    }
    bool failed = result->error;
    er_run_take_out(r, a);
    if (!failed || !r->attempts)
        er_run_finish(r, ERRAND_BY_HEDGE); /* else those that are under way are told, and awaited */
}

void er_run_attempt_ended(er_running *r, er_attempt *a, errand_result result)
{
    a->ended_ns = er_run_now(r);
    er_attempt_settle(a, &result);
    if (a->left) {
        errand_result_free(&result);
        er_run_take_out(r, a);
        if (r->ended && !r->attempts) er_run_over(r);
        return;
    }
    errand_result_free(&r->cell.result);
    r->cell.result = result;
    errand_reason told = er_cell_told(&r->cell);
    if (told) {
        told_end(r, a, told);
    } else if (r->course.policy->own_ask) {
        r->stage = ER_RUN_JUDGING;
        errand_task task = { .fn = run_judge, .arg = a, .name = r->course.name, .detached = true };
        er_attempt_watch(a, ER_JUDGED,
                         er_task_submit(r->cell.pool, &task, er_context_keep(r->course.context), INT64_MAX,
                                        ERRAND_BY_NOBODY, true, r->idle.site));
    } else {
        judge(r, a);
        act_on(r, a);
    }
}

void er_run_judged(er_running *r, er_attempt *a, errand_result result)
{
    errand_result_free(&result);
    errand_reason told = er_cell_told(&r->cell);
    if (!a->judged && told) {
        r->stage = ER_RUN_TRYING;
        told_end(r, a, told);
        return;
    }
    if (!a->judged) { /* there are no workers any more */
        bool held = er_endings_let_go();
        judge(r, a);
        er_endings_hold(held);
    }
    act_on(r, a);
}
