/* http/exchange.c -- one attempt, from its creation to its result.
 *
 *   NEW --> LINE --> LANE: INBOX --> TAKEN --> LEFT --> OVER   under the session's lock: the place;
 *            ^--------- redirect ---------------|---> REST ---^   the lane's: where on the lane
 *
 * Exactly one thread ends an exchange and calls over(): in LINE the one that takes it out under the
 * session's lock, on a lane the lane's thread (or the one that could not start it and took the
 * inbox under the lane's lock). Cancel, deadline and close set `cancelled`, where the first reason
 * stays, and act by place (of a cancel and a move under the same lock, the later sees the other):
 *   NEW    the thread that puts it into the line checks `cancelled`
 *   LINE   taken out and ended at once
 *   INBOX  the lane checks `cancelled` after taking it; while the lane has no thread, it is taken
 *          out and ended at once
 *   TAKEN  put on the lane's list `leaving`; its thread removes it from curl and ends it
 *   LEFT   the lane's thread ends it, or puts it into the line again and checks `cancelled`
 *   REST   its sink's writer ends it, and checks `cancelled` as long as bytes are left to decode
 * A transfer that is complete when its lane reads `leaving` stays complete.
 *
 * Memory: the count. The promise's hook uses the exchange until errand_promise_resolve has
 * returned; the thread that ends it drops its count after that. An armed timer has a count, which
 * its callback drops unless the timer was disarmed in time. */
#include "http/exchange.h"
#include "http/handle.h"

#include "base/atomic.h"
#include "base/clock.h"

#include <errno.h>
#include <string.h>

/* ---- what its sink and source call ---- */

static er_exchange *of_valve(er_valve *valve) { return er_of(valve, er_exchange, valve); }

static void resume(er_valve *valve)
{
    er_exchange *x = of_valve(valve);
    er_store(&x->resumed, 1);
    x->wake(x);
}

static void keep_valve(er_valve *valve) { er_exchange_keep(of_valve(valve)); }
static void drop_valve(er_valve *valve) { er_exchange_drop(of_valve(valve)); }
static bool is_discarded(er_valve *valve)
{
    return er_exchange_cancelled(of_valve(valve)) != ERRAND_BY_NONE;
}

er_exchange *er_exchange_new(er_request *request, errand_pool *pool)
{
    er_exchange *x = er_alloc_zero(sizeof *x);
    if (!x) return NULL;
    x->count = 1;
    x->pool = pool;
    x->request = request;
    er_request_keep(request);
    x->hop = (er_hop){ .url = request->url,
                       .method = request->method,
                       .headers = request->headers,
                       .body = request->content.there,
                       .https = request->https };
    x->valve.resume = resume; /* end and finished: transfer.c */
    x->valve.keep = keep_valve;
    x->valve.drop = drop_valve;
    x->timings = (errand_timings){ -1, -1, -1, -1, -1, -1 };
    x->valve.discarded = is_discarded;
    x->total_ms = request->total_ms;
    x->connect_ms = request->connect_ms;
    x->sock_connect_ms = request->sock_connect_ms;
    x->sock_read_ms = request->sock_read_ms;
    x->began_ns = x->asked_ns = er_pool_now(pool);
    x->clock_ns = er_pool_machine_ns(pool, x->began_ns);
    return x;
}

void er_exchange_keep(er_exchange *x) { er_add(&x->count, 1); }

void er_exchange_drop_flows(er_exchange *x)
{
    er_body_sink *sink = x->sink;
    er_body_source *source = x->source;
    x->sink = NULL;
    x->source = NULL;
    if (sink) sink->drop(sink);
    if (source) source->drop(source);
}

void er_exchange_drop(er_exchange *x)
{
    if (er_sub(&x->count, 1) != 1) return;
    er_found_drop(x->found);
    er_response_free(x->response);
    if (x->hop.own_url) er_free(x->hop.url);
    if (x->hop.own_headers) curl_slist_free_all(x->hop.headers);
    er_request_drop(x->request);
    errand_http *http = x->http;
    void (*let_go)(errand_http *) = x->let_go;
    er_free(x);
    if (let_go) let_go(http);
}

bool er_exchange_cancel(er_exchange *x, errand_reason reason)
{
    unsigned none = ERRAND_BY_NONE;
    return er_cas_strong(&x->cancelled, &none, (unsigned)reason);
}

errand_reason er_exchange_cancelled(er_exchange *x)
{
    return (errand_reason)er_load(&x->cancelled);
}

bool er_exchange_is_out(er_exchange *x)
{
    curl_off_t out = 0;
    /* 100 asks for the rest of it */
    if (!x->hop.body || (x->answered && x->response->status >= 200)) return true;
    int64_t size = x->source ? x->source->size : (int64_t)x->request->body_size;
    if (size < 0) return x->all_read; /* curl reads up to the end only if size is not known */
    curl_easy_getinfo(x->handle->easy, CURLINFO_SIZE_UPLOAD_T, &out);
    return out >= size;
}

/* ---- times ----
 *
 * One timer, due when the first of the four times may be over at the earliest; then it is checked
 * and armed for the next. So nothing is armed or disarmed from phase to phase, except where
 * connecting begins again (a redirect, a kept connection that was dead): there the timer may be due
 * too late. It is armed again only by its callback's work, by a thread that has disarmed it, or by
 * the lane's thread where it is `unarmed`. */

static er_limit due(er_limit limit, int64_t at_ns, int64_t now_ns, int64_t *next_ns)
{
    if (at_ns <= now_ns) return limit;
    if (at_ns < *next_ns) *next_ns = at_ns;
    return ER_LIMIT_NONE;
}

/* Checks each time of this phase, and of a later one that may begin at any moment. */
er_limit er_exchange_overdue(er_exchange *x, int64_t now_ns, int64_t *next_ns)
{
    er_limit over = ER_LIMIT_NONE;
    *next_ns = er_deadline(x->began_ns, x->total_ms);
    if (er_exchange_dials(x)) {
        int64_t dialled = x->redial_ns ? x->redial_ns : x->seated_ns;
        int64_t asked = x->redial_ns ? x->redial_ns : x->asked_ns;
        over = due(ER_LIMIT_CONNECT, er_deadline(asked, x->connect_ms), now_ns, next_ns);
        er_limit sock =
            due(ER_LIMIT_SOCK_CONNECT, er_deadline(dialled ? dialled : now_ns, x->sock_connect_ms),
                now_ns, next_ns);
        if (!over && dialled) over = sock;
        due(ER_LIMIT_SOCK_READ, er_deadline(now_ns, x->sock_read_ms), now_ns, next_ns);
        return over;
    }
    if (x->follows) return due(ER_LIMIT_DRAIN, x->drained_ns, now_ns, next_ns);
    if (x->sock_read_ms == ERRAND_FOREVER) return ER_LIMIT_NONE;
    /* not before all of the body is out, nor while we keep the other side waiting */
    if (x->in_paused || x->out_paused || !er_exchange_is_out(x)) x->gap_began_ns = now_ns;
    return due(ER_LIMIT_SOCK_READ, er_deadline(x->gap_began_ns, x->sock_read_ms), now_ns, next_ns);
}

int er_exchange_arm(er_exchange *x, int64_t at_ns)
{
    if (at_ns == INT64_MAX) return 0;
    er_exchange_keep(x);
    int error = er_timer_arm(x->pool, &x->timer, at_ns);
    if (error) er_exchange_drop(x);
    return error;
}

void er_exchange_rearm(er_exchange *x)
{
    bool disarmed = !x->unarmed && er_timer_disarm(x->pool, &x->timer);
    if (disarmed) er_exchange_drop(x); /* the timer's */
    if (!disarmed && !x->unarmed) return;
    int64_t now = er_pool_now(x->pool), next;
    er_limit late = er_exchange_overdue(x, now, &next);
    x->unarmed = next == INT64_MAX && !late;
    if (!er_exchange_arm(x, late ? now : next)) x->timed = true;
}
