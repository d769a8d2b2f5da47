/* core/ending.c -- how a run ends. The result stands in the cell already (er_running.cell.result) when er_run_finish is called:
 *
 *     er_run_finish: what is under way is told, and left --failed, and somebody asked to be called--> LAST --+
 *                                                          `------------------------------------------------+--> conclude
 *     conclude: the cell ends --nothing was left--> OVER            left --the last has returned--> OVER: arg is freed
 *
 * What is left is cancelled and counted as abandoned, and the failure says that it may have run, unless it has ended at once and says
 * that it has not; its place stays until its function has returned, because arg is used there. */
#include "core/run.h"

#include <errno.h>

/* ---- the attempts under way ---- */

void er_run_add(er_running *r, er_attempt *a)
{
    er_cell_lock(&r->cell);
    er_attempt **end = &r->attempts;
    while (*end) end = &(*end)->next;
    *end = a;
    er_cell_unlock(&r->cell);
}

void er_run_take_out(er_running *r, er_attempt *a)
{
    er_cell_lock(&r->cell);
    er_attempt **at = &r->attempts;
    while (*at != a) at = &(*at)->next;
    *at = a->next;
    er_cell_unlock(&r->cell);
    er_free(a);
}

void er_run_note(er_running *r, er_attempt *a, int error)
{
    er_ended e = { .number = a->number, .began_ns = a->began_ns, .now_ns = a->ended_ns ? a->ended_ns : er_run_now(r) };
    er_course_note(&r->course, &e, error);
}

/* ---- ending ---- */

static void free_arg(er_running *r)
{
    if (r->free_arg) r->free_arg(r->course.arg);
    r->free_arg = NULL;
}

void er_run_disarm(er_running *r)
{
    if (!r->armed || !er_timer_disarm(r->cell.pool, &r->timer)) return;
    r->armed = false;
    er_cell_release(&r->cell);
}

/* The cell ends as it stands there; what is still under way is left. */
static void conclude(er_running *r)
{
    bool over = !r->attempts;
    if (over) {
        r->stage = ER_RUN_OVER;
        er_run_disarm(r);
        free_arg(r);
    }
    r->ended = true;
    errand_result result = er_cell_take(&r->cell);
    er_course_end(&r->course, er_run_log(r), er_run_now(r), &result);
    if (over) er_course_leave(&r->course);
    er_cell_try_end(&r->cell, result);
}

/* The last that was left behind has returned. */
void er_run_over(er_running *r)
{
    r->stage = ER_RUN_OVER;
    er_run_disarm(r);
    free_arg(r);
    er_course_leave(&r->course);
}

static void call_at_end(er_running *r, errand_result *result)
{
    const errand_policy_opts *how = &r->course.policy->how;
    errand_result failure = er_cell_take(&r->cell);
    errand_view view = er_course_view(&r->course, r->course.number, er_run_now(r), &failure);
    if (how->gave_up) how->gave_up(&view, how->hook_arg);
    *result = how->fallback ? how->fallback(failure, how->hook_arg) : failure;
}

static errand_result run_last(void *arg)
{
    er_attempt *a = arg;
    errand_result result;
    a->judged = true;
    call_at_end(a->run, &result);
    return result;
}

void er_run_last_ended(er_running *r, errand_result result)
{
    if (!result.error && r->course.policy->how.fallback) {
        er_result_degrade(&result);
        er_policy_count(&r->course.policy->degraded);
    }
    r->cell.result = result;
    conclude(r);
}

static void begin_last(er_running *r)
{
    r->stage = ER_RUN_LAST;
    er_attempt *a = er_attempt_new(r, false);
    if (a) {
        er_run_add(r, a);
        errand_task task = { .fn = run_last, .arg = a, .name = r->course.name, .detached = true };
        er_attempt_watch(a, ER_LAST,
                         er_task_submit(r->cell.pool, &task, er_context_keep(r->course.context), INT64_MAX,
                                        ERRAND_BY_NOBODY, true, r->site));
        return;
    }
    errand_result result; /* without memory: here and now, as a then-function would be */
    bool held = er_endings_let_go();
    call_at_end(r, &result);
    er_endings_hold(held);
    er_run_last_ended(r, result);
}

/* cell.result is how it ends. The attempts that are under way have lost, or come too late. */
void er_run_finish(er_running *r, errand_reason reason)
{
    errand_result *result = &r->cell.result;
    bool lost = reason == ERRAND_BY_HEDGE;
    for (er_attempt *a = r->attempts, *next; a; a = next) {
        next = a->next;
        if (a->left) continue;
        a->left = true;
        bool runs = a->stage == ER_RUNS;
        if (runs) er_run_note(r, a, lost ? ECANCELED : result->error);
        if (er_attempt_tell(a, reason)) {
            er_run_take_out(r, a);
            continue;
        }
        if (!runs) continue;
        er_cell_abandon(a->input);
        if (er_cell_may_have_run(a->input)) er_result_may_have_run(result);
        if (!lost && r->course.policy->how.breaker) er_breaker_tell(&a->call, er_verdict_of(result));
    }
    bool asked = result->error && r->course.policy->own_end && errand_result_kind(result) != ERRAND_KIND_CANCELLED;
    if (asked) begin_last(r);
    else conclude(r);
}
