/* http/request_log.c -- a middleware that logs one line for each request, when it has ended.
 *
 *   GET http://127.0.0.1:8080/orders: 200 in 12.3 ms
 *   POST http://127.0.0.1:8080/pay: HTTP 503 Service Unavailable (in 250.4 ms, 3 attempts)
 *
 * What a failure's message says is safe to log, and begins with method and url, unless the failure
 * is older than the exchange: then they are put before it. */
#include "http/middleware.h"
#include "http/session.h"

#include "base/clock.h"
#include "log/producer.h"

#include <stdio.h>
#include <string.h>

typedef struct note { /* of a request that is under way */
    errand_log *log;
    int64_t began_ns;
    char *label; /* "POST http://host/path" */
} note;

static const char *method_of(const errand_request *request)
{
    bool body = request->body.at || request->json || request->form || request->body_file ||
                request->body_fn;
    if (request->method) return request->method;
    return body ? "POST" : "GET";
}

static char *label_of(const errand_request *request, const char *base)
{
    er_bytes label = { 0 }, why = { 0 };
    const char *method = method_of(request);
    char *url = NULL;
    bool https;
    er_origin origin = { 0 };
    er_add_harmless(&label, method, strlen(method), 40);
    int error = er_url_resolve(&url, &origin, &https, request->url, base, &why);
    char *bare = error ? NULL : er_url_shown(url, true);
    if (bare) er_bytes_text(&label, " ");
    if (bare) er_add_harmless(&label, bare, strlen(bare), 300);
    er_origin_free(&origin);
    er_bytes_free(&why);
    er_free(url);
    er_free(bare);
    char *text = er_bytes_take(&label);
    er_bytes_free(&label);
    return text;
}

static errand_result write_line(errand_result r, void *arg)
{
    note *n = arg;
    double ms = (double)(er_now_ns() - n->began_ns) / 1e6;
    unsigned attempts = errand_result_attempts(&r);
    char often[40] = "";
    if (attempts > 1) snprintf(often, sizeof often, ", %u attempts", attempts);
    const char *message = r.error ? errand_result_message(&r) : "";
    bool labelled = !strncmp(message, n->label, strlen(n->label));
    bool answered = !r.error && r.free == er_response_free; /* not what an inner one has made */
    if (answered) {
        er_log_info(n->log, "%s: %d in %.1f ms%s", n->label, errand_response_status(r.value), ms,
                    often);
    } else if (!r.error) {
        er_log_info(n->log, "%s: well in %.1f ms%s", n->label, ms, often);
    } else {
        er_log_warn(n->log, "%s%s%s (in %.1f ms%s)", labelled ? "" : n->label, labelled ? "" : ": ",
                    message, ms, often);
    }
    er_free(n->label);
    er_free(n);
    return r;
}

errand_future *errand_middleware_log(const errand_request *request, errand_chain *next, void *arg)
{
    note *n = arg ? er_alloc(sizeof *n) : NULL;
    if (n) *n = (note){ arg, er_now_ns(), label_of(request, next->http->defaults.base_url) };
    if (n && !n->label) {
        er_free(n);
        n = NULL;
    }
    errand_future *f = errand_chain_send(next, request);
    return n ? errand_then(f, write_line, n) : f;
}
