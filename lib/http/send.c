/* http/send.c -- requests come in, wait for their turn, go to a lane, come back.
 *
 *   send --check, copy--> exchange --> line --(in_use < limit)--> least loaded lane --> over: slot back, resolve
 *     |                      ^
 *     +--policy--> run: attempt, attempt ... each one an exchange of the same request
 *
 * Everybody joins the line at its end, and one thread at a time hands out turns (pump): whoever joins or gives a slot
 * back. If somebody is at it already he leaves: the other looks once more before he goes. So turns are given first
 * come, first served, and a lane that cannot start fails a long line in a loop, not in a recursion.
 *
 * A lock is held for a few instructions, and never two. Who ends an exchange, and when, stands in exchange.c. */
#include "http/session.h"

#include "base/clock.h"
#include "base/options.h"
#include "base/result.h"
#include "http/outcome.h"

#include <errno.h>

/* ---- turns ---- */

static er_lane *least_loaded(errand_http *http)
{
    er_lane *best = http->lanes; /* of several the first, whose connections are the warmest */
    for (unsigned i = 1; i < http->n_lanes && best->load; i++) {
        if (http->lanes[i].load < best->load) best = &http->lanes[i];
    }
    return best;
}

static void pump(errand_http *http)
{
    er_lock_take(&http->lock);
    bool mine = !http->pumping;
    http->pumping = true;
    er_node *node;
    while (mine && http->in_use < http->limit && (node = er_list_pop(&http->line))) {
        er_exchange *x = er_of(node, er_exchange, queued);
        er_lane *lane = least_loaded(http);
        lane->load++;
        http->in_use++;
        x->lane = lane;
        x->place = ER_PLACE_LANE;
        er_lock_give(&http->lock);
        er_list refused;
        int error = er_lane_add(lane, x, &refused);
        while (error && (node = er_list_pop(&refused))) {
            x = er_of(node, er_exchange, queued);
            x->over(x, er_outcome_failed(x, error, "no thread for transfers"));
        }
        er_lock_take(&http->lock);
    }
    if (mine) http->pumping = false;
    er_lock_give(&http->lock);
}

/* ---- exchanges ---- */

static void report(const er_exchange *x, const errand_result *r)
{
    const errand_response *response = r->value;
    if (r->error) errand_debug(x->http->log, "%s", errand_result_message(r));
    else errand_debug(x->http->log, "%s: %d in %.1f ms", x->request->label, response->status, response->timings.total);
}

static void over(er_exchange *x, errand_result r)
{
    errand_http *http = x->http;
    if (x->timed && er_timer_disarm(http->pool, &x->timer)) er_exchange_drop(x);
    er_lock_take(&http->lock);
    x->place = ER_PLACE_OVER;
    er_list_remove(&x->in_session);
    if (x->lane) {
        x->lane->load--;
        http->in_use--;
    }
    er_lock_give(&http->lock);
    if (x->lane) pump(http);
    report(x, &r);
    errand_resolve(x->promise, r);
    er_exchange_drop(x);
    er_session_less(http, &http->exchanges);
}

void er_session_tell(er_exchange *x, errand_reason reason)
{
    if (!er_exchange_tell(x, reason)) return;
    errand_http *http = x->http;
    er_lock_take(&http->lock);
    er_place place = x->place;
    er_lane *lane = x->lane;
    if (place == ER_PLACE_LINE) {
        er_list_remove(&x->queued);
        x->place = ER_PLACE_OVER; /* ours to end */
    }
    er_lock_give(&http->lock);
    if (place == ER_PLACE_LINE) over(x, er_outcome_stopped(x));
    else if (place == ER_PLACE_LANE) er_lane_leave(lane, x);
}

static void on_cancel(void *arg)
{
    er_exchange *x = arg;
    errand_reason reason = errand_promise_cancelled(x->promise);
    er_session_tell(x, reason == ERRAND_BY_NOBODY ? ERRAND_BY_CALLER : reason);
}

static void on_deadline(er_timer *timer)
{
    er_exchange *x = er_of(timer, er_exchange, timer);
    er_session_tell(x, er_pool_shut(x->pool) ? ERRAND_BY_SHUTDOWN : ERRAND_BY_TOTAL); /* then all timers are called */
    er_exchange_drop(x);                                                              /* the timer's */
}

/* 0, or why it was not armed. */
static int arm(er_exchange *x)
{
    int64_t left = errand_time_left(); /* of the task that we are in: an attempt, or the caller's own */
    if (left == 0) return ERRAND_ELATE;
    x->total_ms = x->request->total_ms < left ? x->request->total_ms : left;
    int64_t at_ns = er_deadline(x->pool_began_ns, x->total_ms);
    if (at_ns == INT64_MAX) return 0;
    x->timer.fn = on_deadline;
    x->timed = true;
    er_exchange_keep(x);
    int error = er_timer_arm(x->pool, &x->timer, at_ns);
    if (error) {
        x->timed = false;
        er_exchange_drop(x);
    }
    return error;
}

static errand_result refusal(int error, const er_bytes *why)
{
    return why && why->at && !why->error ? errand_failf(error, "%s", why->at) : errand_fail(error);
}

static errand_future *failed(errand_pool *pool, errand_result r)
{
    errand_future *f;
    errand_promise *promise = errand_promise_new(pool, &f);
    if (promise) errand_resolve(promise, r);
    else errand_result_free(&r);
    return f;
}

static errand_result closed(void) { return errand_failf(EINVAL, "the session is closed"); }

/* One attempt. */
static errand_future *start(errand_http *http, er_request *request, bool in_run)
{
    errand_future *f;
    errand_promise *promise = errand_promise_new(http->pool, &f);
    if (!promise) return f;
    er_exchange *x = er_exchange_new(request, http->pool);
    if (!x) {
        errand_resolve(promise, errand_fail(ENOMEM));
        return f;
    }
    x->http = http;
    x->promise = promise;
    x->over = over;

    er_lock_take(&http->lock);
    bool refused = in_run ? http->cancelling : http->closing;
    if (!refused) {
        http->exchanges++;
        er_list_push(&http->all, &x->in_session);
    }
    er_lock_give(&http->lock);
    if (refused) {
        errand_resolve(promise, in_run ? er_fail_by(ECANCELED, ERRAND_BY_SHUTDOWN) : closed());
        er_exchange_drop(x);
        return f;
    }
    er_session_hold(http);
    errand_on_cancel(promise, on_cancel, x);
    int error = arm(x);
    er_lock_take(&http->lock);
    bool joins = !error && !er_exchange_told(x);
    if (joins) {
        x->place = ER_PLACE_LINE;
        er_list_push(&http->line, &x->queued);
    } else {
        x->place = ER_PLACE_OVER;
    }
    er_lock_give(&http->lock);
    if (joins) pump(http);
    else over(x, error ? er_outcome_failed(x, error, NULL) : er_outcome_stopped(x));
    return f;
}

/* ---- runs: one request under a policy ---- */

typedef struct run {
    errand_http *http;
    er_request *request;
} run;

static errand_result attempt(void *arg)
{
    run *r = arg;
    return errand_later(start(r->http, r->request, true));
}

static void end_run(void *arg)
{
    run *r = arg;
    er_request_drop(r->request);
    er_session_less(r->http, &r->http->runs);
    er_free(r);
}

static errand_future *start_run(errand_http *http, er_request *request, const errand_policy *policy)
{
    run *r = er_alloc(sizeof *r);
    if (!r) return failed(http->pool, errand_fail(ENOMEM));
    er_lock_take(&http->lock);
    bool refused = http->closing;
    if (!refused) http->runs++;
    er_lock_give(&http->lock);
    if (refused) {
        er_free(r);
        return failed(http->pool, closed());
    }
    er_session_hold(http);
    er_request_keep(request);
    *r = (run){ http, request };
    errand_task task = { .fn = attempt, .arg = r, .free = end_run, .name = "http request" };
    return errand_run_task(http->pool, policy, &task);
}

/* ---- the public side ---- */

errand_future *errand_send_sized(errand_http *http, const errand_request *given, size_t size)
{
    if (!http) return failed(NULL, errand_fail(EINVAL));
    if (er_pool_dead(http->pool)) return failed(http->pool, errand_fail(ERRAND_EFORKED));
    if (!given) return failed(http->pool, errand_failf(EINVAL, "no request is given"));
    errand_request ours;
    int error = er_options(&ours, sizeof ours, given, size);
    if (error) return failed(http->pool, errand_failf(error, "the request has fields that this library does not know"));
    er_bytes why = { 0 };
    er_request *request = NULL;
    error = er_request_new(&request, &ours, &http->defaults, &why);
    if (error) {
        errand_future *f = failed(http->pool, refusal(error, &why));
        er_bytes_free(&why);
        return f;
    }
    er_session_hold(http); /* pump may still be busy for others when ours is long over */
    const errand_policy *policy = ours.policy ? ours.policy : http->policy;
    errand_future *f = policy ? start_run(http, request, policy) : start(http, request, false);
    er_request_drop(request);
    er_session_let_go(http);
    return f;
}

errand_future *errand_get(errand_http *http, const char *url)
{
    errand_request request = { .url = url };
    return errand_send(http, &request);
}

errand_future *errand_post_json(errand_http *http, const char *url, struct json_object *body)
{
    /* JSON's null is NULL to json-c, and is not the same as no body */
    errand_request request = { .method = "POST", .url = url, .json = body };
    static const char *const json[] = { "Content-Type: application/json", NULL };
    if (!body) {
        request.body = (errand_bytes){ "null", 4 };
        request.headers = json;
    }
    return errand_send(http, &request);
}
