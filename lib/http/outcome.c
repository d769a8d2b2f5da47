/* http/outcome.c -- makes a result of an exchange's end: a response, or a failure that explains
 * itself.
 *
 *   POST http://127.0.0.1:8080/generate: HTTP 503 Service Unavailable: No GPU: all are busy
 *   GET http://127.0.0.1:1/x: connect: Connection refused: Failed to connect to ... (curl 7)
 *
 * The phase follows from how far curl came, by the times it keeps. may_have_run is set if the
 * request was sent, unless a repeat is harmless or the server refused it before it began (425,
 * 429); it is always set with ERRAND_REPEAT_NEVER.
 *
 * Of several errors one is reported: a reply that is an error rather than what cut its body short,
 * as its status and Retry-After say more; our own reasons (too large, no memory, no disk, not sent
 * twice) rather than the code that curl made of them. */
#include "http/outcome.h"
#include "http/handle.h"

#include "base/clock.h"
#include "base/result.h"
#include "http/classify.h"
#include "http/metrics.h"
#include "http/json.h"
#include "http/peer.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

static curl_off_t us(CURL *easy, CURLINFO what) /* 0: not reached */
{
    curl_off_t value = 0;
    return curl_easy_getinfo(easy, what, &value) ? 0 : value;
}

static const char *phase(er_exchange *x)
{
    if (!x->seated_ns) return x->resolving ? "resolve" : "queue";
    if (!x->handle) return "body"; /* it is whole, and being kept */
    if (x->answered && x->response->status >= 200)
        return x->response->headers_ended ? "body" : "first byte";
    if (!er_exchange_dials(x)) return er_exchange_is_out(x) ? "first byte" : "send";
    if (!us(x->handle->easy, CURLINFO_NAMELOOKUP_TIME_T)) return "resolve";
    /* curl's own time comes late */
    return x->hop.https && x->handle->stands(x->handle) ? "tls" : "connect";
}

typedef struct failure {
    int error;
    errand_kind kind;
    errand_reason reason;
    const char *phase;
    int64_t retry_after_ms; /* -1: none */
    uint8_t attempts_most;
    bool kind_of_errno; /* kind follows from error */
    bool not_begun;     /* the server says that it has not begun the work */
} failure;

static errand_result fail(er_exchange *x, const failure *f, er_bytes *words)
{
    if (words->at) {
        er_request_hide(x->request, words->at);
        if (x->handle && x->request->defaults->cookies)
            er_cookies_hide(x->handle->easy, er_request_cookie(x->request), words->at);
    }
    const char *said = words->error || !words->at ? errand_strerror(f->error) : words->at;
    bool began = x->hop.ran || (x->sent && !f->not_begun);
    bool may_have_run = x->request->never_repeat || (began && !x->request->repeatable);
    errand_kind kind = f->kind_of_errno ? er_kind_of(f->error) : f->kind;
    char *label = er_request_label(x->request);
    errand_result r = errand_fail_as(f->error, kind, f->retry_after_ms, may_have_run, "%s: %s",
                                     label ? label : x->request->method, said);
    er_free(label);
    errand_detail *detail = er_detail(&r);
    if (detail) {
        detail->reason = f->reason;
        detail->phase = f->phase;
        detail->attempts_most = f->attempts_most;
        detail->elapsed_ms = (er_pool_now(x->pool) - x->began_ns) / ER_MS;
        er_metrics_time(x);
        er_result_timed(detail, &x->timings);
    } else if (f->reason != ERRAND_BY_NONE) {
        errand_result_free(&r);
        r = er_fail_by(f->error, f->reason);
        if (may_have_run) er_result_may_have_run(&r);
    }
    er_bytes_free(words);
    return r;
}

errand_result er_outcome_failed(er_exchange *x, int error, const char *why)
{
    bool of_curl = error >= ERRAND_CURL && error < ERRAND_USER;
    failure f = {
        .error = error, .phase = phase(x), .retry_after_ms = -1, .kind_of_errno = !of_curl
    };
    if (of_curl) f.kind = er_curl_fault(error - ERRAND_CURL, "").kind;
    if (error == ECANCELED) f.reason = ERRAND_BY_SHUTDOWN; /* from a pool that closes */
    er_bytes words = { 0 };
    bool said = (x->sink && x->sink->why && x->sink->why(x->sink, &words)) ||
                (x->source && x->source->why(x->source, &words));
    if (!said && of_curl && why) er_bytes_text(&words, why);
    else if (!said)
        er_bytes_format(&words, "%s%s%s", why ? why : "", why ? ": " : "", errand_strerror(error));
    return fail(x, &f, &words);
}

errand_result er_outcome_stopped(er_exchange *x)
{
    errand_reason reason = er_exchange_cancelled(x);
    bool late = reason == ERRAND_BY_TOTAL || reason == ERRAND_BY_ATTEMPT;
    failure f = { .error = late ? ETIMEDOUT : ECANCELED,
                  .kind = late ? ERRAND_KIND_TIMEOUT : ERRAND_KIND_CANCELLED,
                  .reason = reason,
                  .phase = phase(x),
                  .retry_after_ms = -1 };
    er_bytes words = { 0 };
    if (late && x->total_ms != ERRAND_FOREVER && reason == ERRAND_BY_TOTAL) {
        er_bytes_format(&words, "%s: its %lld ms are over", f.phase, (long long)x->total_ms);
    } else {
        er_bytes_format(&words, "%s: %s", f.phase, late ? "its time is over" : "cancelled");
    }
    return fail(x, &f, &words);
}

errand_result er_outcome_refused(er_exchange *x, int error, errand_kind kind, const char *why)
{
    failure f = { .error = error, .kind = kind, .phase = phase(x), .retry_after_ms = -1 };
    er_bytes words = { 0 };
    er_bytes_format(&words, "%s: %s", f.phase, why);
    return fail(x, &f, &words);
}

errand_result er_outcome_lost(er_exchange *x, const er_addresses *addresses)
{
    failure f = { .error = ERRAND_CURL + CURLE_COULDNT_RESOLVE_HOST,
                  .kind = ERRAND_KIND_NETWORK,
                  .phase = "resolve",
                  .retry_after_ms = -1,
                  .attempts_most = 2 };
    er_bytes words = { 0 };
    er_bytes_format(&words, "resolve: Could not resolve host: %s: %s (curl %d)",
                    x->turn.route->host,
                    addresses->error == EAI_SYSTEM ? errand_strerror(addresses->system)
                                                   : er_look_up_error(addresses),
                    CURLE_COULDNT_RESOLVE_HOST);
    return fail(x, &f, &words);
}

errand_result er_outcome_late(er_exchange *x, er_limit limit)
{
    static const char *const names[] = { "", "", "connect_ms", "sock_connect_ms", "sock_read_ms" };
    const int64_t times[] = { 0, 0, x->connect_ms, x->sock_connect_ms, x->sock_read_ms };
    failure f = {
        .error = ETIMEDOUT, .kind = ERRAND_KIND_TIMEOUT, .phase = phase(x), .retry_after_ms = -1
    };
    er_bytes words = { 0 };
    er_bytes_format(&words, "%s: the %lld ms of %s are over", f.phase, (long long)times[limit],
                    names[limit]);
    return fail(x, &f, &words);
}

/* Decodes what is kept of an error's body, as far as possible; the status matters more than a
 * failure here. */
static void decode_error(errand_response *response)
{
    er_bytes raw = response->body;
    if (!response->codings.n && !response->codings.unknown) return;
    response->body = (er_bytes){ 0 };
    if (!response->codings.unknown) {
        er_decode_all(&response->codings, raw.at ? raw.at : "", raw.size, ER_BODY_OF_ERROR,
                      &response->body);
    }
    er_bytes_free(&raw);
    if (response->body.error) er_bytes_free(&response->body);
    response->metrics.body = response->body.size;
}

static errand_result answered_with_error(er_exchange *x)
{
    errand_response *response = x->response;
    decode_error(response);
    failure f = { .error = ERRAND_HTTP + response->status,
                  .kind = er_status_kind(response->status),
                  .phase = "body",
                  .retry_after_ms = er_response_retry_after(response),
                  .not_begun = er_status_not_begun(response->status) &&
                               !x->request->defaults->refused_may_have_run };
    er_bytes words = { 0 };
    er_bytes_format(&words, "HTTP %d%s%s", response->status, *response->reason ? " " : "",
                    response->reason);
    er_response_problem(response, &words);
    errand_result r = fail(x, &f, &words);
    r.value = r.owner = response;
    r.free = er_response_free;
    x->response = NULL;
    return r;
}

/* Some codes with which curl blames its caller, or memory, are the server's fault once it has
 * answered: only its reply was left to read. Returns the message; NULL: it may be as curl says. */
static const char *unreadable(const er_exchange *x, CURLcode code)
{
    bool body = x->response->headers_ended;
    if (!x->answered) return NULL;
    if (code == CURLE_OUT_OF_MEMORY && !body) return "a header line of the reply is too long";
    if (strstr(x->handle->words, "Out of memory in chunked")) return "a trailer is too long";
    if (code != CURLE_BAD_FUNCTION_ARGUMENT && code != CURLE_WRITE_ERROR) return NULL;
    return body ? "a trailer is not a header field" : "a header line of the reply is malformed";
}

/* None of the host's addresses may be connected to. */
static errand_result not_allowed(er_exchange *x)
{
    failure f = {
        .error = EACCES, .kind = ERRAND_KIND_VALIDATION, .phase = "connect", .retry_after_ms = -1
    };
    char host[ER_PEER_HOST];
    er_bytes words = { 0 };
    er_bytes_format(&words, "connect: address %s of host %s is not allowed", x->handle->refused,
                    er_peer_host(x, host));
    return fail(x, &f, &words);
}

static errand_result broken_off(er_exchange *x, CURLcode code)
{
    er_bytes words = { 0 };
    if (x->too_large) {
        failure f = { .error = ERRAND_CURL + CURLE_FILESIZE_EXCEEDED,
                      .kind = ERRAND_KIND_RESOURCE,
                      .phase = "body",
                      .retry_after_ms = -1 };
        bool file = x->request->save_to && er_exchange_is_success(x);
        er_bytes_format(&words, "the body is larger than max_body, %llu bytes",
                        (unsigned long long)(file ? x->request->max_file : x->request->max_body));
        return fail(x, &f, &words);
    }
    if (x->broken) return er_outcome_failed(x, x->broken, x->response->fault);
    const char *why = unreadable(x, code);
    if (why) return er_outcome_failed(x, EPROTO, why);
    if (x->vetoed) {
        failure f = { .error = ERRAND_CURL + CURLE_GOT_NOTHING,
                      .kind = ERRAND_KIND_NETWORK,
                      .phase = "first byte",
                      .retry_after_ms = -1 };
        er_bytes_format(
            &words, "connection lost before the reply%s%s, and %s is not sent %s (curl %d)",
            x->resent ? " again" : "", x->request->defaults->http2 ? ", or the stream refused" : "",
            x->hop.method, x->resent ? "a third time" : "twice", CURLE_GOT_NOTHING);
        return fail(x, &f, &words);
    }
    if (code == CURLE_COULDNT_CONNECT && *x->handle->refused && !x->handle->opened)
        return not_allowed(x);
    const char *said = *x->handle->words ? x->handle->words : curl_easy_strerror(code);
    er_fault fault = er_curl_fault((int)code, said);
    long os_error = 0;
    curl_easy_getinfo(x->handle->easy, CURLINFO_OS_ERRNO, &os_error);
    if (x->no_socket) os_error = x->no_socket;
    failure f = { .error = fault.error ? fault.error : ERRAND_CURL + (int)code,
                  .kind = fault.kind,
                  .phase = fault.phase ? fault.phase : phase(x),
                  .retry_after_ms = -1,
                  .attempts_most = fault.attempts_most };
    bool at_connect = code == CURLE_COULDNT_CONNECT && os_error > 0;
    if (at_connect && (os_error == EMFILE || os_error == ENFILE)) { /* ours, not the network's */
        f.error = (int)os_error;
        f.kind_of_errno = true;
    }
    er_bytes_format(&words, "%s: ", f.phase);
    if (at_connect) er_bytes_format(&words, "%s: ", errand_strerror((int)os_error));
    er_add_harmless(&words, said, strcspn(said, "\r\n"), 300);
    er_bytes_format(&words, " (curl %d)", (int)code);
    return fail(x, &f, &words);
}

/* The server closed the connection after a status line; curl takes that for a reply. */
static errand_result cut_in_headers(er_exchange *x)
{
    failure f = { .error = ERRAND_CURL + CURLE_GOT_NOTHING,
                  .kind = ERRAND_KIND_NETWORK,
                  .phase = "first byte",
                  .retry_after_ms = -1 };
    er_bytes words = { 0 };
    er_bytes_format(&words, "first byte: connection lost in the middle of the headers (curl %d)",
                    CURLE_GOT_NOTHING);
    return fail(x, &f, &words);
}

/* The connection ended, and with it the body, without the server's close_notify. */
static errand_result cut_in_body(er_exchange *x)
{
    failure f = { .error = ERRAND_CURL + CURLE_RECV_ERROR,
                  .kind = ERRAND_KIND_NETWORK,
                  .phase = "body",
                  .retry_after_ms = -1 };
    er_bytes words = { 0 };
    er_bytes_format(&words,
                    "body: the connection ended without TLS's close_notify, so part of it may be "
                    "missing (curl %d)",
                    CURLE_RECV_ERROR);
    return fail(x, &f, &words);
}

/* 101, which was not requested, or a status line that curl reads in its own way. */
static errand_result no_final_status(er_exchange *x)
{
    failure f = { .error = ERRAND_CURL + CURLE_WEIRD_SERVER_REPLY,
                  .kind = ERRAND_KIND_PROTOCOL,
                  .phase = "first byte",
                  .retry_after_ms = -1 };
    er_bytes words = { 0 };
    er_bytes_format(&words, "first byte: status %d is not a final status (curl %d)",
                    x->response->status, CURLE_WEIRD_SERVER_REPLY);
    return fail(x, &f, &words);
}

errand_result er_outcome_good(errand_response *response)
{
    errand_result r = errand_ok(response, er_response_free);
    /* of a 202 to be polled, or a 429 that is no error */
    int64_t hint = er_response_retry_after(response);
    errand_detail *detail = hint < 0 ? NULL : er_detail(&r);
    if (!detail) return r;
    detail->retry_after_ms = hint;
    detail->kind_known = response->status == 429;
    detail->kind = ERRAND_KIND_RATE_LIMITED;
    return r;
}

errand_result er_outcome_ended(er_exchange *x, CURLcode code)
{
    if (!x->streams) er_metrics_add(x);
    bool whole = er_metrics_take(x, x->response);
    /* An error's status says more than a body that was cut or damaged. */
    if (er_exchange_is_error(x) && x->response->headers_ended && !x->vetoed)
        return answered_with_error(x);
    if (!code && !x->response->headers_ended) return cut_in_headers(x);
    if (code || x->broken) return broken_off(x, code);
    if (x->needs_close_notify && !x->close_notify) return cut_in_body(x);
    if (x->response->status < 200) return no_final_status(x);
    if (!whole) return er_outcome_failed(x, ENOMEM, NULL);
    errand_response *response = x->response;
    x->response = NULL;
    return er_outcome_good(response);
}
