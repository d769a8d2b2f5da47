/* http/session.c -- requests come in, wait for their turn, go to a lane, come back.
 *
 *   send --check, copy--> exchange --> line --(in_use < limit)--> least loaded lane --> over: slot back, resolve
 *     |                      ^
 *     +--policy--> run: attempt, attempt ... each one an exchange of the same request
 *
 * Everybody joins the line at its end, and one thread at a time hands out turns (pump): whoever joins or gives a slot back.
 * If somebody is at it already he leaves: the other looks once more before he goes. So turns are given first come, first
 * served, and a lane that cannot start fails a long line in a loop, not in a recursion.
 *
 * A lock is held for a few instructions, and never two. The exchange's own protocol stands in exchange.c.
 *
 * Life. The session is counted: the caller's handle, every exchange until it is resolved, every run of a policy, every lane
 * that is on. So futures may outlive the handle, and the last one to go frees it. close refuses new requests, waits for
 * exchanges and runs until half time, tells the exchanges that are left to end and refuses attempts of runs that sleep; lanes
 * end as soon as nothing runs on them. What is waited for goes on without the closing thread, so it cannot be in a circle with it. */
#include "http/session.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "base/options.h"
#include "base/result.h"
#include "core/policy.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MOST_LANES 1024

/* ---- once ---- */

static char features[100];

static bool curl_is_ready(void)
{
    static er_lock once;
    static bool done, ready;
    er_lock_take(&once);
    if (!done) {
        done = true;
        ready = !curl_global_init(CURL_GLOBAL_DEFAULT);
        snprintf(features, sizeof features, "libcurl/%s json-c/%s", curl_version_info(CURLVERSION_NOW)->version, json_c_version());
    }
    er_lock_give(&once);
    return ready;
}

const char *errand_http_features(void)
{
    curl_is_ready();
    return features;
}

/* ---- counting ---- */

static void hold(errand_http *http) { er_add(&http->count, 1); }

static void let_go(errand_http *http)
{
    if (er_sub(&http->count, 1) != 1) return;
    errand_policy_free(http->policy);
    er_free(http->defaults.base_url);
    er_free(http->defaults.user_agent);
    curl_slist_free_all(http->defaults.headers);
    er_free(http);
}

/* One less of *n; then the session is not touched any more. */
static void one_less(errand_http *http, size_t *n)
{
    er_lock_take(&http->lock);
    --*n;
    bool closing = http->closing;
    er_lock_give(&http->lock);
    if (closing) er_unpark(&http->closer, 1);
    let_go(http);
}

static void lane_on(er_lane *lane)
{
    hold(lane->http);
    er_lock_take(&lane->http->lock);
    lane->http->lanes_on++;
    er_lock_give(&lane->http->lock);
}

static void lane_off(er_lane *lane) { one_less(lane->http, &lane->http->lanes_on); }

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
            x->over(x, er_exchange_failed(x, error, "no thread for transfers"));
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
    one_less(http, &http->exchanges);
}

static void tell(er_exchange *x, errand_reason reason)
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
    if (place == ER_PLACE_LINE) over(x, er_exchange_stopped(x));
    else if (place == ER_PLACE_LANE) er_lane_leave(lane, x);
}

static void on_cancel(void *arg)
{
    er_exchange *x = arg;
    errand_reason reason = errand_promise_cancelled(x->promise);
    tell(x, reason == ERRAND_BY_NOBODY ? ERRAND_BY_CALLER : reason);
}

static void on_deadline(er_timer *timer)
{
    er_exchange *x = er_of(timer, er_exchange, timer);
    tell(x, ERRAND_BY_TOTAL);
    er_exchange_drop(x); /* the timer's */
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
        errand_resolve(promise, in_run ? er_fail_by(ECANCELED, ERRAND_BY_SHUTDOWN) : errand_failf(EINVAL, "the session is closed"));
        er_exchange_drop(x);
        return f;
    }
    hold(http);
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
    else over(x, error ? er_exchange_failed(x, error, NULL) : er_exchange_stopped(x));
    return f;
}

/* ---- runs: one request under a policy ---- */

typedef struct run {
    errand_http *http;
    er_request  *request;
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
    one_less(r->http, &r->http->runs);
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
        return failed(http->pool, errand_failf(EINVAL, "the session is closed"));
    }
    hold(http);
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
    hold(http); /* pump may still be busy for others when ours is long over */
    const errand_policy *policy = ours.policy ? ours.policy : http->policy;
    errand_future *f = policy ? start_run(http, request, policy) : start(http, request, false);
    er_request_drop(request);
    let_go(http);
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

static int take_defaults(er_defaults *defaults, const errand_http_opts *opts, er_bytes *why)
{
    static const struct {
        const char *name;
        size_t from, to;
        int64_t by_default;
    } times[] = {
        { "total_ms", offsetof(errand_http_opts, total_ms), offsetof(er_defaults, total_ms), 300000 },
        { "connect_ms", offsetof(errand_http_opts, connect_ms), offsetof(er_defaults, connect_ms), 30000 },
        { "keepalive_ms", offsetof(errand_http_opts, keepalive_ms), offsetof(er_defaults, keepalive_ms), 15000 },
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        int64_t ms;
        memcpy(&ms, (const char *)opts + times[i].from, sizeof ms);
        if (er_option_ms(&ms, times[i].by_default)) {
            er_bytes_format(why, "%s is negative", times[i].name);
            return EINVAL;
        }
        memcpy((char *)defaults + times[i].to, &ms, sizeof ms);
    }
    defaults->max_body = opts->max_body ? opts->max_body : (size_t)64 << 20;
    for (const char *const *header = opts->headers; header && *header; header++) {
        int error = er_header_add(&defaults->headers, *header, why);
        if (error) return error;
        if (!strncasecmp(*header, "Idempotency-Key:", 16)) {
            er_bytes_text(why, "a header Idempotency-Key would be the same for all requests");
            return EINVAL;
        }
    }
    bool https;
    if (opts->base_url) {
        int error = er_url_resolve(&defaults->base_url, &https, opts->base_url, NULL, why);
        if (error) return error;
    }
    er_bytes agent = { 0 };
    er_bytes_text(&agent, opts->user_agent ? opts->user_agent : "errand/");
    if (!opts->user_agent) er_bytes_text(&agent, errand_version());
    for (const char *c = agent.at; c && *c; c++) {
        if ((unsigned char)*c >= 0x20 && *c != 0x7f) continue;
        er_bytes_free(&agent);
        er_bytes_text(why, "a control character in user_agent");
        return EINVAL;
    }
    defaults->user_agent = er_bytes_take(&agent);
    return defaults->user_agent ? 0 : ENOMEM;
}

static int set_up(errand_http *http, const errand_http_opts *opts, er_bytes *why)
{
    int error = take_defaults(&http->defaults, opts, why);
    if (error || !opts->policy) return error;
    http->policy = er_policy_keep(opts->policy);
    return 0;
}

errand_http *errand_http_new_sized(errand_pool *pool, const errand_http_opts *given, size_t size)
{
    errand_http_opts opts;
    errand_http *http = NULL;
    er_bytes why = { 0 };
    int error = pool ? er_options(&opts, sizeof opts, given, size) : EINVAL;
    if (!error && er_pool_dead(pool)) error = ERRAND_EFORKED;
    if (!error && opts.lanes > MOST_LANES) error = EINVAL;
    if (!error && !curl_is_ready()) error = ENOMEM;
    if (!error) {
        unsigned limit = opts.limit ? opts.limit : 100;
        unsigned lanes = opts.lanes ? opts.lanes : er_cores() < 2 ? 2 : er_cores();
        if (lanes > limit) lanes = limit;
        http = er_alloc_zero(sizeof *http + lanes * sizeof *http->lanes);
        if (!http) error = ENOMEM;
        else {
            http->limit = limit;
            http->n_lanes = lanes;
        }
    }
    if (!error) {
        http->count = 1;
        http->pool = pool;
        http->log = opts.log;
        er_list_init(&http->line);
        er_list_init(&http->all);
        er_list_init(&http->asked);
        error = set_up(http, &opts, &why);
        if (error) errand_error(http->log, "http session: %s", why.at ? why.at : errand_strerror(error));
    }
    er_bytes_free(&why);
    if (error) {
        if (http) let_go(http);
        errno = error;
        return NULL;
    }
    for (unsigned i = 0; i < http->n_lanes; i++) {
        er_lane *lane = &http->lanes[i];
        er_lane_init(lane, pool, http);
        lane->keepalive_ms = http->defaults.keepalive_ms;
        lane->most_connections = (long)(http->limit / http->n_lanes) + 4;
        lane->on = lane_on;
        lane->off = lane_off;
    }
    return http;
}

/* ---- the end ---- */

typedef enum part { EXCHANGES = 1, RUNS = 2, LANES = 4 } part;

static bool wait_for(errand_http *http, unsigned parts, int64_t deadline_ns)
{
    for (;;) {
        er_parker_clear(&http->closer, 1); /* before looking: what goes after this look sets it again */
        er_lock_take(&http->lock);
        bool gone = !(((parts & EXCHANGES) && http->exchanges) || ((parts & RUNS) && http->runs) ||
                      ((parts & LANES) && http->lanes_on));
        er_lock_give(&http->lock);
        if (gone) return true;
        if (!er_park(&http->closer, 1, deadline_ns)) return false;
    }
}

static void cancel_all(errand_http *http)
{
    er_node *node;
    er_lock_take(&http->lock);
    http->cancelling = true;
    while ((node = er_list_pop(&http->all))) {
        er_exchange *x = er_of(node, er_exchange, in_session);
        er_list_push(&http->asked, node);
        er_exchange_keep(x);
        er_lock_give(&http->lock);
        tell(x, ERRAND_BY_SHUTDOWN);
        er_exchange_drop(x);
        er_lock_take(&http->lock);
    }
    er_lock_give(&http->lock);
}

int errand_http_close(errand_http *http, int64_t within_ms)
{
    if (!http) return 0;
    if (within_ms < 0) return EINVAL;
    if (er_pool_dead(http->pool)) return ERRAND_EFORKED; /* its threads are the parent's, and so are its locks */
    int64_t began = er_now_ns(), deadline = er_deadline(began, within_ms);
    int64_t half = within_ms == ERRAND_FOREVER ? deadline : er_deadline(began, within_ms / 2);
    er_lock_take(&http->lock);
    http->closing = true;
    er_lock_give(&http->lock);
    wait_for(http, EXCHANGES | RUNS, half);
    cancel_all(http);
    bool ended = wait_for(http, EXCHANGES, deadline);
    for (unsigned i = 0; i < http->n_lanes; i++) er_lane_stop(&http->lanes[i], !ended);
    ended = wait_for(http, EXCHANGES | LANES, deadline);
    let_go(http);
    return ended ? 0 : ETIMEDOUT;
}
