/* http/request_run.c -- a caller's request: checked, copied, sent once or as
 * often as its policy says.
 *
 *   er_request_send --no policy--> attempt
 *      +-----policy--> run --> attempt, attempt ... --> ended: out of the session's list
 *
 * Which requests may be sent again follows from how they end (may_have_run, outcome.c). But a hedge
 * is sent before anything has ended, so guard() passes the run whether a repeat is harmless, and
 * whether it is forbidden.
 *
 * A run is in the session's list from when its future is known until its task is freed, so that a
 * close can cancel it while it sleeps; either may come first, so both have a count of it. */
#include "http/request_run.h"
#include "http/quota.h"
#include "http/transfer.h"

#include "base/atomic.h"
#include "async/current.h"
#include "async/submit.h"
#include "policy/rate.h"
#include "policy/run.h"

#include <string.h>

typedef struct run {
    unsigned count; /* the task, start_run */
    errand_http *http;
    er_request *request;
    errand_rate *learns; /* kept; NULL: the policy has none that does */
    er_session_run listed;
} run;

static const char *key_of(const er_request *request) /* of limits: host and port */
{
    return strstr(request->origin.key, "://") + 3;
}

static void drop_run(run *r)
{
    if (er_sub(&r->count, 1) == 1) er_free(r);
}

/* What the reply says of its quota slows the attempts that follow, of all requests. */
static errand_result report_quota(errand_result in, void *arg)
{
    run *r = arg;
    errand_quota quota;
    uint64_t number;
    er_quota_report(r->learns, key_of(r->request), &in, &quota, &number);
    return in;
}

static errand_result attempt(void *arg)
{
    run *r = arg;
    const er_task *here = er_task_here();
    errand_future *f = er_transfer_start(r->http, r->request, true, here ? here->site : NULL);
    return errand_later(r->learns ? errand_then(f, report_quota, r) : f);
}

static void end_run(void *arg)
{
    run *r = arg;
    errand_http *http = r->http;
    er_session_run_end(http, &r->listed);
    er_request_drop(r->request);
    errand_rate_free(r->learns);
    drop_run(r);
    er_session_less(http, &http->runs);
}

static errand_future *failed(errand_pool *pool, errand_result r)
{
    errand_future *f;
    errand_promise *promise = errand_promise_new(pool, &f);
    if (promise) errand_promise_resolve(promise, r);
    else errand_result_free(&r);
    return f;
}

static unsigned guard(const er_request *request, const errand_policy *policy)
{
    if (request->never_repeat) return ER_ALONE | ER_ONCE;
    bool harmless = er_request_harmless(request, request->method) ||
                    policy->how.repeat == ERRAND_REPEAT_ALWAYS;
    /* body_fn is never called twice at a time */
    return harmless && !request->content.fn ? 0 : ER_ALONE;
}

static errand_future *start_run(errand_http *http, er_request *request, const errand_policy *policy,
                                const void *site)
{
    run *r = er_alloc(sizeof *r);
    if (!r) return failed(http->pool, errand_fail(ENOMEM));
    if (!er_session_run_begin(http)) {
        er_free(r);
        return failed(http->pool, er_session_closed());
    }
    er_request_keep(request);
    *r = (run){ .count = 2, .http = http, .request = request };
    errand_rate *rate = policy->how.rate;
    if (rate && er_rate_learns(rate)) r->learns = er_rate_keep(rate);
    errand_task task = {
        .fn = attempt, .arg = r, .free = end_run, .name = "http request", .key = key_of(request)
    };
    errand_future *f = er_run_guarded(http->pool, policy, &task, guard(request, policy), site);
    er_session_run_list(http, &r->listed, f);
    drop_run(r);
    return f;
}

/* ---- the public side ---- */

static errand_result refusal(int error, const er_bytes *why)
{
    return why && why->at && !why->error ? errand_failf(error, "%s", why->at) : errand_fail(error);
}

errand_future *er_request_send(errand_http *http, const errand_request *given, const void *site)
{
    er_bytes why = { 0 };
    er_request *request = NULL;
    int error = er_request_new(&request, given, &http->defaults, &why);
    if (error) {
        errand_future *f = failed(http->pool, refusal(error, &why));
        er_bytes_free(&why);
        return f;
    }
    er_session_hold(http); /* the dispatch may go on for others when f is long over */
    const errand_policy *policy = given->policy ? given->policy : http->policy;
    errand_future *f = policy ? start_run(http, request, policy, site)
                              : er_transfer_start(http, request, false, site);
    er_request_drop(request);
    er_session_let_go(http);
    return f;
}
