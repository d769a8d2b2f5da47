/* http/transfer.c -- one attempt in its session: joins the line, is cancelled, is late, is over.
 *
 *   exchange --> line --turn--> lane --> over: the slot is free, the promise resolved
 *                  ^--- redirect ---|
 *
 * A lock is held for a few instructions, and never two. exchange.c says which thread ends an
 * exchange. */
#include "http/transfer.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "base/result.h"
#include "log/producer.h"
#include "async/promise.h"
#include "http/outcome.h"
#include "http/stage.h"
#include "http/dispatch.h"

#include <errno.h>
#include <string.h>

/* ---- the end of an exchange ---- */

static void report(const er_exchange *x, const errand_result *r)
{
    const errand_response *response = r->value;
    if (!errand_log_enabled(x->http->log, ERRAND_LOG_DEBUG)) return;
    if (r->error) {
        er_log_debug(x->http->log, "%s", errand_result_message(r));
        return;
    }
    char *label = er_request_label(x->request);
    er_log_debug(x->http->log, "%s: %d in %.1f ms", label ? label : "", response->status,
                 response->timings.total);
    er_free(label);
}

static void post_end(const er_exchange *x, const errand_result *r)
{
    const errand_response *response = r->value;
    const er_stage_event event = { .stage = r->error ? ERRAND_STAGE_FAILED : ERRAND_STAGE_DONE,
                                   .status = errand_response_status(response),
                                   .error = r->error,
                                   .message = r->error ? errand_result_message(r) : NULL };
    er_stage_post(x->request, x->number, x->clock_ns, &event);
}

static void over(er_exchange *x, errand_result r)
{
    errand_http *http = x->http;
    er_live_remove(x->pool, &x->live);
    er_lock_take(&http->scheduler.lock);
    x->place = ER_PLACE_OVER;
    if (er_listed(&x->in_session)) er_list_remove(&x->in_session);
    er_scheduler_end(&http->scheduler, &x->turn);
    er_lock_give(&http->scheduler.lock);
    /* after `place`: see wait_on */
    if (x->timed && er_timer_disarm(http->pool, &x->timer)) er_exchange_drop(x);
    report(x, &r);
    if (x->reused) er_add_relaxed(&http->reused, 1); /* relaxed: statistics */
    if (x->resends) er_add_relaxed(&http->resent, x->resends);
    if (x->number) post_end(x, &r);
    if (x->streams) {
        if (!r.error) errand_result_free(&r); /* the reader has it all */
        x->sink->ended(x->sink, r);
    }
    er_exchange_drop_flows(x);
    if (!x->streams) errand_promise_resolve(x->promise, r);
    er_session_fewer(http, &http->exchanges);
    er_exchange_drop(x); /* and with the last count its hold on the session */
}

/* ---- cancels ---- */

static void take_out_of_line(er_exchange *x) /* under the lock */
{
    er_scheduler_quit(&x->http->scheduler, &x->turn);
    x->place = ER_PLACE_OVER; /* the caller's to end */
    x->resolving = x->turn.route->looking;
}

static void over_unseated(er_exchange *x, errand_result r) /* and grants its slot, for its lane */
{
    errand_http *http = x->http;
    er_session_hold(http);
    over(x, r);
    er_dispatch(&http->lanes[0], NULL);
    er_session_let_go(http);
}

void er_transfer_cancel(er_exchange *x, errand_reason reason)
{
    if (!er_exchange_cancel(x, reason)) return;
    errand_http *http = x->http;
    er_lock_take(&http->scheduler.lock);
    er_place place = x->place;
    er_lane *lane = x->lane;
    if (place == ER_PLACE_LINE) take_out_of_line(x);
    er_lock_give(&http->scheduler.lock);
    if (place == ER_PLACE_LINE) over(x, er_outcome_stopped(x));
    else if (place == ER_PLACE_LANE && er_lane_leave(lane, x))
        over_unseated(x, er_outcome_stopped(x));
}

static void on_cancel(void *arg)
{
    er_exchange *x = arg;
    errand_reason reason = errand_promise_cancelled(x->promise);
    er_transfer_cancel(x, reason == ERRAND_BY_NONE ? ERRAND_BY_CALLER : reason);
}

/* ---- its times ---- */

static void wait_on(er_exchange *x, int64_t at_ns) /* the timer is armed again */
{
    errand_http *http = x->http;
    er_exchange_arm(x, at_ns);
    er_lock_take(&http->scheduler.lock);
    bool gone = x->place == ER_PLACE_OVER; /* meanwhile: over() found no timer to disarm */
    er_lock_give(&http->scheduler.lock);
    if (gone && er_timer_disarm(http->pool, &x->timer)) er_exchange_drop(x);
}

static void look_at_lane(er_exchange *x, er_lane *lane, int64_t now)
{
    int64_t next;
    er_limit late = er_lane_late(lane, x, now, &next);
    if (late) over_unseated(x, er_outcome_late(x, late));
    else if (next == INT64_MAX) er_lane_look(lane);
    else if (er_swap(&x->look, 0)) wait_on(x, next);
}

static void on_time(er_timer *timer)
{
    er_exchange *x = er_of(timer, er_exchange, timer);
    errand_http *http = x->http;
    int64_t now = er_pool_now(x->pool), next = INT64_MAX;
    if (er_pool_shut(x->pool)) { /* then all timers are called */
        er_transfer_cancel(x, ERRAND_BY_SHUTDOWN);
    } else if (er_deadline(x->began_ns, x->total_ms) <= now) {
        er_transfer_cancel(x, ERRAND_BY_TOTAL);
    } else {
        er_limit late = ER_LIMIT_NONE;
        er_lock_take(&http->scheduler.lock);
        er_place place = x->place;
        er_lane *lane = x->lane;
        /* under the lock: er_transfer_again reads it */
        if (place == ER_PLACE_LANE) er_store(&x->look, 1);
        if (place == ER_PLACE_LINE || place == ER_PLACE_NEW)
            late = er_exchange_overdue(x, now, &next);
        if (place == ER_PLACE_REST) next = er_deadline(x->began_ns, x->total_ms);
        if (place == ER_PLACE_LINE && late) take_out_of_line(x);
        er_lock_give(&http->scheduler.lock);
        if (place == ER_PLACE_LANE) {
            look_at_lane(x, lane, now);
        } else if (place == ER_PLACE_LINE && late) {
            over(x, er_outcome_late(x, late));
        } else if (place != ER_PLACE_OVER) {
            wait_on(x, late ? now + ER_MS : next);
        }
    }
    er_exchange_drop(x); /* the timer's */
}

/* 0, or why it was not armed. */
static int arm(er_exchange *x)
{
    /* of the task that we are in: an attempt, or the caller's own */
    int64_t left = errand_time_left(), next;
    if (left == 0) return ERRAND_ELATE;
    if (left < x->total_ms) x->total_ms = left;
    x->timer.fn = on_time;
    er_limit late = er_exchange_overdue(x, x->began_ns, &next);
    if (late) next = x->began_ns; /* one of them is 0 */
    x->timed = next != INT64_MAX;
    x->unarmed = !x->timed;
    int error = er_exchange_arm(x, next);
    if (error) x->timed = false;
    return error;
}

/* ---- a redirect ---- */

void er_transfer_again(er_exchange *x, er_origin *origin)
{
    errand_http *http = x->http;
    if (x->number)
        er_stage(x->request, x->number, ERRAND_STAGE_REDIRECT, x->clock_ns, x->response->status);
    if (x->number) x->known = er_resolver_serial(http->resolver);
    er_found *found = x->found;
    int64_t now = er_pool_now(http->pool);
    x->seated_ns = x->redial_ns = 0;
    er_store_relaxed(&x->progress, ER_PROGRESS_NONE);
    x->sent = false;
    x->asked_ns = now;
    er_exchange_rearm(x);
    er_lock_take(&http->scheduler.lock);
    er_scheduler_end(&http->scheduler, &x->turn);
    x->turn.route = er_scheduler_route(&http->scheduler, origin->key, origin->host, origin->port);
    x->found = NULL;
    bool joins = x->turn.route && !er_exchange_cancelled(x);
    x->place = joins ? ER_PLACE_LINE : ER_PLACE_OVER;
    if (joins) er_scheduler_join(&http->scheduler, &x->turn, true);
    bool looks = joins && er_swap(&x->look, 0); /* its lane has not checked; no timer is armed */
    if (looks) er_exchange_keep(x);
    er_lock_give(&http->scheduler.lock);
    er_found_drop(found);
    er_origin_free(origin);
    if (looks) {
        wait_on(x, now);
        er_exchange_drop(x);
    }
    if (!joins) over(x, x->turn.route ? er_outcome_stopped(x) : er_outcome_failed(x, ENOMEM, NULL));
}

/* ---- its sink finishes ---- */

void er_transfer_rest(er_exchange *x)
{
    errand_http *http = x->http;
    er_lock_take(&http->scheduler.lock);
    er_scheduler_end(&http->scheduler, &x->turn);
    x->place = ER_PLACE_REST;
    bool looks = er_swap(&x->look, 0); /* its lane will not check, and no timer is armed */
    er_lock_give(&http->scheduler.lock);
    if (looks) wait_on(x, er_pool_now(http->pool));
}

/* ---- what a sink or source calls ---- */

static er_exchange *of_valve(er_valve *valve) { return er_of(valve, er_exchange, valve); }

static void wake(er_exchange *x) /* so that its lane sees `resumed` */
{
    errand_http *http = x->http;
    er_lock_take(&http->scheduler.lock);
    er_lane *lane = x->place == ER_PLACE_LANE ? x->lane : NULL;
    er_lock_give(&http->scheduler.lock);
    if (lane) er_lane_look(lane);
}

static void reader_left(er_valve *valve) { er_transfer_cancel(of_valve(valve), ERRAND_BY_CALLER); }

static void finished(er_valve *valve, int error)
{
    er_exchange *x = of_valve(valve);
    if (error) {
        bool cancelled = er_exchange_cancelled(x) != ERRAND_BY_NONE && error == ECANCELED;
        errand_result_free(&x->result);
        x->result = cancelled ? er_outcome_stopped(x) : er_outcome_failed(x, error, NULL);
    }
    over(x, x->result);
}

/* ---- for the dump ---- */

static er_exchange *of_live(er_live *live) { return er_of(live, er_exchange, live); }
static void release_live(er_live *live) { er_exchange_drop(of_live(live)); }
static int64_t keep_live(er_live *live)
{
    er_exchange_keep(of_live(live));
    return of_live(live)->clock_ns;
}

typedef struct shown { /* as it was under the session's lock */
    er_place place;
    bool looking;
    unsigned lane;
    size_t waiting;
    char to[128]; /* its route, perhaps cut */
} shown;

static shown look_at(er_exchange *x)
{
    shown s = { .looking = false };
    er_lock_take(&x->http->scheduler.lock);
    const er_route *route = x->turn.route;
    s.place = x->place;
    if (s.place == ER_PLACE_LANE) s.lane = x->lane->berth.index;
    if (s.place == ER_PLACE_LINE) {
        s.looking = route->looking;
        s.waiting = route->waiting;
    }
    if (route && (s.place == ER_PLACE_LINE || s.place == ER_PLACE_LANE)) {
        size_t size = strlen(route->item.key);
        memcpy(s.to, route->item.key, size < sizeof s.to ? size : sizeof s.to - 1);
    }
    er_lock_give(&x->http->scheduler.lock);
    return s;
}

static void describe_transfer(er_live *live, er_description *d)
{
    static const char *const steps[] = {
        [ER_PROGRESS_NONE] = "waits for the lane's thread to connect to",
        [ER_PROGRESS_CONNECTS] = "connects to",
        [ER_PROGRESS_SENT] = "has been sent, waits for the reply of",
        [ER_PROGRESS_ANSWERED] = "reads the reply of"
    };
    er_exchange *x = of_live(live);
    shown s = look_at(x);
    if (s.place == ER_PLACE_OVER) return;
    d->what = "transfer";
    d->cancelled = er_exchange_cancelled(x);
    d->name = "request";
    char *label = er_request_label(x->request);
    if (label) {
        size_t size = strlen(label), most = sizeof d->own - 1;
        memcpy(d->own, label, size < most ? size : most);
        d->name = d->own;
        er_free(label);
    }
    if (s.place == ER_PLACE_NEW) er_describe(d, "begins");
    else if (s.place == ER_PLACE_REST) er_describe(d, "its body is being completed");
    else if (s.place == ER_PLACE_LANE)
        er_describe(d, "on lane %u, %s %s", s.lane, steps[er_load_relaxed(&x->progress)], s.to);
    else if (s.looking)
        er_describe(d, "in line with %zu, waits for the addresses of %s", s.waiting, s.to);
    else er_describe(d, "in line with %zu, waits for a connection to %s", s.waiting, s.to);
}

static const er_live_kind transfer_kind = {
    .keep = keep_live, .describe = describe_transfer, .release = release_live
};

/* ---- the beginning ---- */

errand_future *er_transfer_start(errand_http *http, er_request *request, bool in_run,
                                 const void *site)
{
    errand_future *f;
    errand_promise *promise = er_promise_new(http->pool, &f);
    if (!promise) return f;
    er_exchange *x = er_exchange_new(request, http->pool);
    if (!x) {
        errand_promise_resolve(promise, errand_fail(ENOMEM));
        return f;
    }
    er_session_hold(http); /* for x */
    x->http = http;
    x->let_go = er_session_let_go;
    x->promise = promise;
    x->over = over;
    x->wake = wake;
    x->valve.end = reader_left;
    x->valve.finished = finished;
    x->number = er_stages_number(http->defaults.stages);
    if (x->number) er_stage(request, x->number, ERRAND_STAGE_QUEUED, x->clock_ns, 0);
    if (x->number) x->known = er_resolver_serial(http->resolver);
    er_add(&http->exchanges, 1);
    x->live = (er_live){ .kind = &transfer_kind, .site = site };
    er_live_add(http->pool, &x->live);
    errand_promise_on_cancel(promise, on_cancel, x);
    int error = arm(x);
    /* none at all: not a race with the timer */
    if (x->total_ms <= 0) er_exchange_cancel(x, ERRAND_BY_TOTAL);
    const er_origin *origin = &request->origin;
    er_dispatched out;
    er_lock_take(&http->scheduler.lock);
    bool refused = in_run ? http->cancelling : http->closing;
    if (!refused)
        x->turn.route =
            er_scheduler_route(&http->scheduler, origin->key, origin->host, origin->port);
    if (!error && !refused && !x->turn.route) error = ENOMEM;
    if (!refused) er_list_push(&http->all, &x->in_session);
    bool joins = !error && !refused && !er_exchange_cancelled(x);
    x->place = joins ? ER_PLACE_LINE : ER_PLACE_OVER;
    if (joins) er_scheduler_join(&http->scheduler, &x->turn, false);
    bool left = er_dispatch_grant(http, NULL, NULL, &out);
    er_lock_give(&http->scheduler.lock);
    if (refused) over(x, in_run ? er_fail_by(ECANCELED, ERRAND_BY_SHUTDOWN) : er_session_closed());
    else if (!joins) over(x, error ? er_outcome_failed(x, error, NULL) : er_outcome_stopped(x));
    if (left) er_dispatch_carry_out(http, &out);
    return f;
}
