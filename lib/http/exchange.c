/* http/exchange.c -- one attempt, from its creation to its result.
 *
 *   NEW --> LINE --> LANE: INBOX --> TAKEN --> LEFT --> OVER        place: session's lock; seat: lane's lock
 *
 * Exactly one thread ends an exchange and calls over(): in LINE whoever takes it out of the line under the session's lock, on
 * a lane that lane's thread (or the one that could not start it, which has taken the inbox under the lane's lock).
 * Cancel, deadline and close only tell: they set `told`, in which the first reason stays, and then look where it is:
 *   NEW    the sender looks at told when it joins the line, under the same lock: seen by one of the two
 *   LINE   taken out and ended right there
 *   INBOX  the lane looks at told when it takes it, after the same lock: seen by one of the two
 *   TAKEN  put on the lane's list of those that leave; its thread removes the transfer from curl and ends it
 *   LEFT, OVER  too late, it ended by itself
 * A transfer that is complete when its lane reads that list stays complete: a late success stands.
 *
 * Memory: the count. The promise's hook uses the exchange only until errand_resolve has returned, and who ends it drops its
 * count after that. The timer has a count of its own while it is armed; who fails to disarm it leaves that to the timer.
 *
 * May it have run? curl calls PREREQ when a connection stands and just before it sends. When a kept connection dies before
 * a byte came back, curl silently sends once more, a POST too: the second call with nothing in between vetoes that, unless
 * a repeat is harmless. A redirect answers first, so its next hop is not taken for a repeat.
 *
 * Headers of the caller go along to where a redirect leads; curl itself leaves out Authorization and Cookie when that is
 * another host, but not others, as X-Api-Key. */
#include "http/exchange.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/classify.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

er_exchange *er_exchange_new(er_request *request, errand_pool *pool)
{
    er_exchange *x = er_alloc_zero(sizeof *x);
    if (!x) return NULL;
    x->count = 1;
    x->pool = pool;
    x->request = request;
    er_request_keep(request);
    x->began_ns = er_now_ns();
    x->pool_began_ns = er_pool_now(pool);
    return x;
}

void er_exchange_keep(er_exchange *x) { er_add(&x->count, 1); }

static void drop_part(er_exchange *x) /* whole or not at all */
{
    if (!x->has_part) return;
    if (x->part >= 0) er_file_close(x->part);
    er_file_remove(x->part_path);
    er_free(x->part_path);
    x->has_part = false;
}

void er_exchange_drop(er_exchange *x)
{
    if (er_sub(&x->count, 1) != 1) return;
    drop_part(x);
    er_response_free(x->response);
    er_request_drop(x->request);
    er_free(x);
}

bool er_exchange_tell(er_exchange *x, errand_reason reason)
{
    unsigned nobody = ERRAND_BY_NOBODY;
    return er_cas_strong(&x->told, &nobody, (unsigned)reason);
}

errand_reason er_exchange_told(er_exchange *x) { return (errand_reason)er_load(&x->told); }

/* ---- what curl calls, on the lane's thread ---- */

static bool is_success(const er_exchange *x) { return x->response->status >= 200 && x->response->status < 300; }
static bool is_error(const er_exchange *x) { return x->response->status >= 400 && !x->request->any_status; }

static int may_send(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    er_exchange *x = arg;
    (void)remote, (void)local, (void)remote_port, (void)local_port;
    if (x->sent && !x->answered && !x->request->repeatable) {
        x->vetoed = true;
        return CURL_PREREQFUNC_ABORT;
    }
    x->sent = true;
    x->answered = false;
    return CURL_PREREQFUNC_OK;
}

static size_t take_header(char *at, size_t one, size_t size, void *arg)
{
    er_exchange *x = arg;
    x->answered = true;
    if (!er_response_line(x->response, at, one * size)) {
        x->broken = ENOMEM;
        return 0;
    }
    /* A method that curl does not know by itself would be kept on the way to the other place, where 303 says GET. */
    if (x->response->status == 303 && !x->response->headers_ended && strcmp(x->request->method, "GET") != 0 &&
        strcmp(x->request->method, "HEAD") != 0) {
        curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, NULL);
    }
    x->received = 0; /* of the reply whose headers come now */
    return one * size;
}

static bool take_to_file(er_exchange *x, const char *at, size_t size)
{
    x->broken = er_file_write(x->part, at, size, NULL);
    x->part_failed = x->broken != 0;
    return !x->broken;
}

static size_t take_body(char *at, size_t one, size_t size, void *arg)
{
    er_exchange *x = arg;
    size *= one;
    x->answered = true;
    if (size > x->request->defaults->max_body - x->received) {
        x->too_large = true;
        return 0;
    }
    x->received += size;
    if (x->has_part && is_success(x)) return take_to_file(x, at, size) ? size : 0;
    size_t kept = size;
    if (is_error(x)) {
        size_t room = ER_BODY_OF_ERROR - x->response->body.size;
        if (kept > room) kept = room;
    }
    er_bytes_add(&x->response->body, at, kept);
    if (!x->response->body.error) return size;
    x->broken = ENOMEM;
    return 0;
}

/* ---- the beginning ---- */

static long curl_ms(int64_t ms) { return ms <= 0 ? 1 : ms > INT32_MAX ? INT32_MAX : (long)ms; }

static int set_method(CURL *easy, const er_request *request)
{
    int bad = 0;
    const char *method = request->method;
    bool get = !strcmp(method, "GET"), head = !strcmp(method, "HEAD"), post = !strcmp(method, "POST");
    if (request->body || post) {
        bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
        bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
    } else if (head) {
        bad |= (int)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else {
        bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    if (!post && !head && !(get && !request->body)) {
        bad |= (int)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
        bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTREDIR, CURL_REDIR_POST_301 | CURL_REDIR_POST_302); /* with its body */
    }
    return bad;
}

static int set_up(er_exchange *x, CURL *easy)
{
    const er_request *request = x->request;
    const er_defaults *defaults = request->defaults;
    int bad = set_method(easy, request);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_URL, request->url);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_USERAGENT, defaults->user_agent);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= (int)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    bad |= (int)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 10L);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_UNRESTRICTED_AUTH, 0L);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    bad |= (int)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (curl_ms(defaults->keepalive_ms) + 999) / 1000);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, curl_ms(request->connect_ms));
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* else a cancel waits for the look-up of a name to end */
#endif
    if (request->https) bad |= (int)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->words);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, may_send);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_PREREQDATA, x);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    return bad ? ENOMEM : 0;
}

int er_exchange_begin(er_exchange *x, CURL *easy)
{
    x->easy = easy;
    x->response = er_response_new();
    if (!x->response) return ENOMEM;
    if (x->request->save_to) {
        /* Now, not with the first byte: a folder that is not there is found before the server does any work. */
        int error = er_file_temp(x->request->save_to, &x->part_path, &x->part);
        x->has_part = !error;
        x->part_failed = error != 0;
        if (error) return error;
    }
    int error = set_up(x, easy);
    if (!error) x->handed_ns = er_now_ns();
    return error;
}

/* ---- the end ---- */

static curl_off_t us(CURL *easy, CURLINFO what) /* 0: not reached */
{
    curl_off_t value = 0;
    return curl_easy_getinfo(easy, what, &value) ? 0 : value;
}

static const char *phase(er_exchange *x)
{
    if (!x->handed_ns) return "queue";
    if (x->answered) return x->response->headers_ended && x->response->status >= 200 ? "body" : "first byte";
    if (x->sent) {
        return us(x->easy, CURLINFO_SIZE_UPLOAD_T) < (curl_off_t)x->request->body_size ? "send" : "first byte";
    }
    if (!us(x->easy, CURLINFO_NAMELOOKUP_TIME_T)) return "resolve";
    return x->request->https && us(x->easy, CURLINFO_CONNECT_TIME_T) ? "tls" : "connect";
}

static void take_timings(er_exchange *x)
{
    static const struct {
        CURLINFO what;
        size_t   where;
    } times[] = {
        { CURLINFO_NAMELOOKUP_TIME_T, offsetof(errand_timings, resolve) },
        { CURLINFO_CONNECT_TIME_T, offsetof(errand_timings, connect) },
        { CURLINFO_APPCONNECT_TIME_T, offsetof(errand_timings, tls) },
        { CURLINFO_STARTTRANSFER_TIME_T, offsetof(errand_timings, first_byte) },
    };
    errand_timings *timings = &x->response->timings;
    timings->queue = (double)(x->handed_ns - x->began_ns) / 1e6;
    timings->total = (double)(er_now_ns() - x->began_ns) / 1e6;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        curl_off_t at = us(x->easy, times[i].what);
        double ms = timings->queue + (double)at / 1e3;
        if (at > 0) memcpy((char *)timings + times[i].where, &ms, sizeof ms);
    }
}

typedef struct failure { /* what is to be said of it */
    int           error;
    errand_kind   kind;
    errand_reason reason;
    const char   *phase;
    int64_t       retry_after_ms; /* -1: none */
    uint8_t       attempts_most;
    bool          kind_of_errno;  /* kind follows from error */
} failure;

static errand_result fail(er_exchange *x, const failure *f, er_bytes *words)
{
    const char *said = words->error || !words->at ? errand_strerror(f->error) : words->at;
    bool may_have_run = x->request->never_repeat || (x->sent && !x->request->repeatable);
    errand_kind kind = f->kind_of_errno ? er_kind_of(f->error) : f->kind;
    errand_result r = errand_fail_as(f->error, kind, f->retry_after_ms, may_have_run, "%s: %s", x->request->label, said);
    errand_detail *detail = er_detail(&r);
    if (detail) {
        detail->reason = f->reason;
        detail->phase = f->phase;
        detail->attempts_most = f->attempts_most;
        detail->elapsed_ms = (er_pool_now(x->pool) - x->pool_began_ns) / ER_MS;
    } else if (f->reason != ERRAND_BY_NOBODY) {
        errand_result_free(&r);
        r = er_fail_by(f->error, f->reason);
    }
    er_bytes_free(words);
    drop_part(x);
    return r;
}

errand_result er_exchange_failed(er_exchange *x, int error, const char *why)
{
    failure f = { .error = error, .phase = phase(x), .retry_after_ms = -1, .kind_of_errno = true };
    er_bytes words = { 0 };
    if (x->part_failed) er_bytes_format(&words, "save_to \"%s\": %s", x->request->save_to, errand_strerror(error));
    else er_bytes_format(&words, "%s%s%s", why ? why : "", why ? ": " : "", errand_strerror(error));
    return fail(x, &f, &words);
}

errand_result er_exchange_stopped(er_exchange *x)
{
    errand_reason reason = er_exchange_told(x);
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

static errand_result answered_with_error(er_exchange *x)
{
    errand_response *response = x->response;
    failure f = { .error = ERRAND_HTTP + response->status,
                  .kind = er_status_kind(response->status),
                  .phase = "body",
                  .retry_after_ms = er_response_retry_after(response) };
    er_bytes words = { 0 };
    er_bytes_format(&words, "HTTP %d%s%s", response->status, *response->reason ? " " : "", response->reason);
    er_response_problem(response, &words);
    errand_result r = fail(x, &f, &words);
    r.value = r.owner = response;
    r.free = er_response_free;
    x->response = NULL;
    return r;
}

static errand_result broken_off(er_exchange *x, CURLcode code)
{
    er_bytes words = { 0 };
    if (x->too_large) {
        failure f = { .error = ERRAND_CURL + CURLE_FILESIZE_EXCEEDED, .kind = ERRAND_KIND_RESOURCE, .phase = "body",
                      .retry_after_ms = -1 };
        er_bytes_format(&words, "the body is larger than max_body, %zu bytes", x->request->defaults->max_body);
        return fail(x, &f, &words);
    }
    if (x->broken) return er_exchange_failed(x, x->broken, NULL);
    if (x->vetoed) {
        failure f = { .error = ERRAND_CURL + CURLE_GOT_NOTHING, .kind = ERRAND_KIND_NETWORK, .phase = "first byte",
                      .retry_after_ms = -1 };
        er_bytes_format(&words, "connection lost before the reply, and %s is not sent twice (curl %d)", x->request->method,
                        CURLE_GOT_NOTHING);
        return fail(x, &f, &words);
    }
    const char *said = *x->words ? x->words : curl_easy_strerror(code);
    er_fault fault = er_curl_fault((int)code, said);
    long os_error = 0;
    curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &os_error);
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

static int keep_part(er_exchange *x)
{
    int error = er_file_sync(x->part);
    int closed = er_file_close(x->part);
    x->part = -1;
    if (!error) error = closed;
    if (!error) error = er_file_rename(x->part_path, x->request->save_to);
    if (!error) {
        x->has_part = false;
        er_free(x->part_path);
    }
    x->part_failed = error != 0;
    return error;
}

errand_result er_exchange_ended(er_exchange *x, CURLcode code)
{
    const char *url = NULL;
    curl_easy_getinfo(x->easy, CURLINFO_EFFECTIVE_URL, &url);
    if (url) x->response->url = er_url_shown(url, false);
    take_timings(x);
    /* An error's status says more than that its body was cut or nonsense. */
    if (is_error(x) && x->response->headers_ended && !x->vetoed) return answered_with_error(x);
    if (code || x->broken) return broken_off(x, code);
    if (is_success(x) && x->has_part) {
        int error = keep_part(x);
        if (error) return er_exchange_failed(x, error, NULL);
    }
    drop_part(x);
    if (!x->response->url) return er_exchange_failed(x, ENOMEM, NULL);
    errand_response *response = x->response;
    x->response = NULL;
    return errand_ok(response, er_response_free);
}
