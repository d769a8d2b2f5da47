/* http/handle.c -- how curl is set up, and what it calls; all on the lane's thread.
 *
 * A handle is set up once for its session and kept from exchange to exchange: what changes is
 * url, headers, method and body.
 *
 *   source | memory --> request's body
 *   headers --> response; the last of a final, good one: a stream's promise is resolved
 *   body --> memory | sink
 *
 * curl hands bodies over as they came, for sinks decode them; what is kept of an error's is
 * decoded when it has ended (outcome.c).
 *
 * A sink or source that has to wait pauses the transfer (in both directions: curl has one switch);
 * its valve resumes it. What was not taken comes again. */
#include "http/handle.h"
#include "http/body_save.h"
#include "http/body_upload.h"
#include "http/metrics.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "async/current.h"
#include "http/classify.h"
#include "http/close_notify.h"
#include "http/dns_cache.h"
#include "http/outcome.h"
#include "http/redirect.h"
#include "http/stage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- what curl calls, on the lane's thread ---- */

static void post_stage(const er_exchange *x, errand_stage stage)
{
    if (x->number) er_stage(x->request, x->number, stage, x->clock_ns, 0);
}

static void post_detail(const er_exchange *x, errand_stage stage, size_t bytes)
{
    const er_stage_event event = { .stage = stage, .bytes = bytes };
    if (x->number && x->request->defaults->stage_details)
        er_stage_post(x->request, x->number, x->clock_ns, &event);
}

static void post_sent(const er_exchange *x)
{
    const er_request *request = x->request;
    post_detail(x, x->reused ? ERRAND_STAGE_CONNECTION_REUSED : ERRAND_STAGE_CONNECTION_NEW, 0);
    if (!x->reused) post_stage(x, ERRAND_STAGE_CONNECTED);
    post_stage(x, ERRAND_STAGE_SENT);
    if (x->hop.body && request->body && request->body_size)
        post_detail(x, ERRAND_STAGE_CHUNK_SENT, request->body_size);
}

/* curl must not repeat a request that was answered (after a 417 it would without limit), except for
 * the rounds of an authentication that setup has asked for: those replies say that nothing was
 * done. */
static bool may_go_on(er_exchange *x)
{
    bool denied = x->response->status == 401 || x->response->status == 407;
    x->stays = !denied || !x->request->setup || x->rounds++ == ER_AUTH_ROUNDS;
    return !x->stays;
}

/* sock_read_ms counts from here. */
static void begin_gap(er_exchange *x)
{
    if (x->sock_read_ms != ERRAND_FOREVER) x->gap_began_ns = er_pool_now(x->pool);
}

/* CURLOPT_PREREQFUNCTION: curl calls it when a connection stands, just before it sends. When a kept
 * connection dies before a byte came back, curl silently sends again, a POST too: a second call
 * with nothing in between vetoes that, unless a repeat is harmless; a third is always vetoed. A
 * refused stream of HTTP/2 looks the same. */
static int may_send(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    er_handle *handle = arg;
    er_exchange *x = handle->x;
    (void)remote, (void)local, (void)remote_port, (void)local_port;
    /* not earlier: curl reads them when it begins */
    if (handle->spot && !x->request->setup) er_dns_cache_taken(x);
    x->redial_ns = 0;
    *handle->words = '\0'; /* drops the error of an address that failed before this one */
    if (x->sent && x->answered && !may_go_on(x)) return CURL_PREREQFUNC_ABORT;
    if (x->sent && !x->answered) {
        bool harmless = er_request_harmless(x->request, x->hop.method);
        x->vetoed = x->resent || !harmless;
        if (x->vetoed) return CURL_PREREQFUNC_ABORT;
        x->resent = true;
        x->resends++;
    }
    long opened = 0;
    curl_easy_getinfo(handle->easy, CURLINFO_NUM_CONNECTS, &opened);
    x->reused = !opened;
    if (!x->sent) post_sent(x);
    x->sent = true;
    x->answered = false;
    er_store_relaxed(&x->progress, ER_PROGRESS_SENT); /* relaxed: a dump may see it late */
    begin_gap(x);
    return CURL_PREREQFUNC_OK;
}

static void mark_answered(er_exchange *x)
{
    x->answered = true;
    begin_gap(x);
}

/* The reply is a redirect that is followed: its body is read and discarded for up to ER_DRAIN_MS,
 * so that the connection can be kept. */
static void begin_to_drain(er_exchange *x)
{
    x->drained_ns = er_deadline(er_pool_now(x->pool), ER_DRAIN_MS);
    er_exchange_rearm(x);
}

/* The headers of the final reply of a stream: from here on its body is read as it comes. */
static int begin_stream(er_exchange *x)
{
    er_metrics_add(x); /* up to here: a response does not change */
    errand_response *theirs = er_response_hand_over(x->response);
    if (!theirs) return ENOMEM;
    int error = x->sink->headers(x->sink, theirs);
    if (error) {
        er_response_free(theirs);
        return error;
    }
    er_metrics_take(x, theirs);
    x->streams = true;
    errand_promise *promise = x->promise;
    errand_promise_resolve(promise, er_outcome_good(theirs));
    return 0;
}

/* HTTP/1 without a length, and this libcurl does not check for close_notify. */
static bool ends_with_tls(const er_exchange *x)
{
    const errand_response *reply = x->response;
    long version = 0;
    if (!x->hop.https || !x->request->defaults->tls_end || x->request->setup || reply->lengths)
        return false;
    curl_easy_getinfo(x->handle->easy, CURLINFO_HTTP_VERSION, &version);
    bool none = er_reply_is_bare(x->hop.method, reply->status);
    return version < CURL_HTTP_VERSION_2_0 && !none &&
           !errand_response_header(reply, "Transfer-Encoding", 0);
}

static int check_close_notify(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    er_handle *handle = arg;
    (void)a, (void)b, (void)c, (void)d;
    er_exchange *x = handle->x;
    x->close_notify = er_close_notify_received(x->request->defaults->tls_end, handle->easy);
    return 0;
}

/* If the final reply came instead of the expected "100 Continue", curl may leave the body unsent,
 * and the server may take what comes next on the connection for it: forbids reuse. A stream of
 * HTTP/2 ends by itself. */
static void use_no_more(const er_exchange *x)
{
    long version = 0;
    if (x->invited || !x->hop.body || !er_header_says(x->hop.headers, "Expect", 6)) return;
    curl_easy_getinfo(x->handle->easy, CURLINFO_HTTP_VERSION, &version);
    if (version >= CURL_HTTP_VERSION_2_0) return;
    curl_easy_setopt(x->handle->easy, CURLOPT_FORBID_REUSE, 1L);
    x->handle->spent = true;
}

static size_t take_header(char *at, size_t one, size_t size, void *arg)
{
    er_exchange *x = ((er_handle *)arg)->x;
    x->header_bytes += one * size;
    if (x->header_bytes > ER_HEADERS_OF_REPLY) { /* early hints and trailers count as well */
        x->broken = EPROTO;
        x->response->fault = ER_HEADERS_TOO_LARGE;
        return 0;
    }
    if (!x->sent) { /* a proxy's reply to CONNECT: it counts if it is all that comes */
        x->broken = er_response_line(x->response, at, one * size);
        return x->broken ? 0 : one * size;
    }
    mark_answered(x);
    if (!x->first_posted) post_stage(x, ERRAND_STAGE_FIRST_BYTE);
    x->first_posted = true;
    er_store_relaxed(&x->progress, ER_PROGRESS_ANSWERED);
    bool before = x->response->headers_ended;
    x->broken = er_response_line(x->response, at, one * size);
    if (x->broken) return 0;
    if (before && x->response->headers_ended) return one * size; /* a trailer */
    x->received = 0;                                             /* of the reply that begins now */
    x->invited |= x->response->status == 100;
    if (x->response->headers_ended && x->response->status >= 200) use_no_more(x);
    x->follows = x->response->headers_ended && er_redirects(x);
    if (x->follows) begin_to_drain(x);
    if (x->response->headers_ended)
        er_response_codings(x->response, !x->request->defaults->transport.plain);
    bool final = x->response->headers_ended && !before && !x->follows && x->response->status >= 200;
    x->needs_close_notify = final && ends_with_tls(x);
    if (x->needs_close_notify) curl_easy_setopt(x->handle->easy, CURLOPT_NOPROGRESS, 0L);
    if (!final || !x->request->stream || er_exchange_is_error(x)) return one * size;
    x->broken = begin_stream(x);
    return x->broken ? 0 : one * size;
}

/* Before the first byte of a final, good reply's body: chooses its sink. 0 or an errno. */
static int choose_sink(er_exchange *x)
{
    bool file = x->request->save_to && er_exchange_is_success(x);
    if (x->response->codings.unknown) return ER_CODING_UNKNOWN;
    if (x->streams || (!file && !x->response->codings.n)) return 0;
    if (!file) {
        if (x->sink) x->sink->drop(x->sink); /* save_to's is not needed */
        x->sink = NULL;
        int error = er_body_save_memory(x->request, x->pool, &x->sink);
        if (!error) error = x->sink->begin(x->sink, &x->valve);
        if (error) return error;
    }
    x->keeps = true;
    return x->sink->headers(x->sink, x->response);
}

static size_t take_to_memory(er_exchange *x, const char *at, size_t size)
{
    size_t kept = size;
    if (er_exchange_is_error(x)) {
        size_t room = ER_BODY_OF_ERROR - x->response->body.size;
        if (kept > room) kept = room;
    }
    er_bytes_add(&x->response->body, at, kept);
    if (!x->response->body.error) return size;
    x->broken = ENOMEM;
    return 0;
}

static size_t take_piece(er_exchange *x, const char *at, size_t size)
{
    mark_answered(x);
    x->in_paused = false;
    if (x->follows) {
        x->received += size;
        return x->received <= ER_DRAIN_MOST ? size : 0; /* 0 closes the connection */
    }
    bool chooses = !x->received && !x->keeps && !er_exchange_is_error(x);
    if (chooses && (x->broken = choose_sink(x))) return 0;
    if (!x->keeps && !x->streams && size > x->request->max_body - x->received) {
        x->too_large = true;
        return 0;
    }
    if (x->keeps || x->streams) {
        int said = x->sink->take(x->sink, at, size);
        x->in_paused = said == ER_FLOW_WAIT;
        if (x->in_paused) return CURL_WRITEFUNC_PAUSE;
        x->broken = said;
        if (said) return 0;
    }
    x->received += size;
    return x->keeps || x->streams ? size : take_to_memory(x, at, size);
}

static size_t take_body(char *at, size_t one, size_t size, void *arg)
{
    er_exchange *x = ((er_handle *)arg)->x;
    size_t taken = take_piece(x, at, one * size);
    if (taken == one * size) post_detail(x, ERRAND_STAGE_CHUNK_RECEIVED, taken);
    return taken;
}

static size_t give_body(char *to, size_t one, size_t n, void *arg)
{
    er_exchange *x = ((er_handle *)arg)->x;
    size_t got = 0;
    int said = x->source ? x->source->read(x->source, to, one * n, &got) : 0;
    x->out_paused = said == ER_FLOW_WAIT;
    if (x->out_paused) return CURL_READFUNC_PAUSE;
    x->broken = said;
    x->all_read = !said && !got;
    if (!said && got) post_detail(x, ERRAND_STAGE_CHUNK_SENT, got);
    begin_gap(x); /* in case this is the last of it */
    return said ? CURL_READFUNC_ABORT : got;
}

static int give_again(void *arg, curl_off_t offset, int origin)
{
    er_exchange *x = ((er_handle *)arg)->x;
    if (offset || origin != SEEK_SET || !x->source) return CURL_SEEKFUNC_FAIL;
    x->all_read = false;
    return x->source->rewind(x->source) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

CURLcode er_exchange_go_on(er_exchange *x)
{
    if (!x->in_paused && !x->out_paused) return CURLE_OK;
    x->in_paused = x->out_paused = false; /* one switch: what must still wait pauses again */
    begin_gap(x);
    return curl_easy_pause(x->handle->easy, CURLPAUSE_CONT);
}

/* ---- handles ---- */

static long seconds(int64_t ms) /* rounded up, at least one */
{
    if (ms >= INT32_MAX) return INT32_MAX / 1000;
    return ms ? (long)(ms + 999) / 1000 : 1;
}

static int set_up(er_handle *handle, const er_defaults *defaults)
{
    CURL *easy = handle->easy;
    int bad = 0;
    bad |= (int)er_transport_apply(&defaults->transport, easy);
    long version = defaults->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
    bad |= (int)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_PIPEWAIT, defaults->http2 ? 1L : 0L);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= (int)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L); /* take_header may clear it */
    bad |= (int)curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, check_close_notify);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_XFERINFODATA, handle);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, seconds(defaults->keepalive_ms));
    /* sockets.c closes connections in time, but only while they are idle */
    bad |= (int)curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, seconds(defaults->connection_ms));
    if (!defaults->connection_ms) bad |= (int)curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    /* no file: a shared list of cookies alone does not turn them on. A copy of the handle keeps it
     */
    if (defaults->cookies) bad |= (int)curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    bad |= (int)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, handle->words);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_PRIVATE, handle);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, may_send);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_PREREQDATA, handle);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_HEADERDATA, handle);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_WRITEDATA, handle);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_READDATA, handle);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, give_again);
    bad |= (int)curl_easy_setopt(easy, CURLOPT_SEEKDATA, handle);
    return bad ? ENOMEM : 0;
}

er_handle *er_handle_new(const er_defaults *defaults)
{
    er_handle *handle = er_alloc_zero(sizeof *handle);
    if (!handle) return NULL;
    handle->plain = true;
    er_list_init(&handle->used);
    handle->easy = curl_easy_init();
    if (handle->easy && !set_up(handle, defaults)) return handle;
    er_handle_free(handle);
    return NULL;
}

void er_handle_free(er_handle *handle)
{
    curl_easy_cleanup(handle->easy);
    curl_slist_free_all(handle->resolve);
    er_free(handle);
}

int er_handle_renew(er_handle *handle)
{
    curl_easy_setopt(handle->easy, CURLOPT_SHARE, NULL); /* a copy would copy the cookies */
    CURL *next = curl_easy_duphandle(handle->easy);
    if (!next) return ENOMEM;
    curl_easy_cleanup(handle->easy);
    handle->easy = next;
    return 0;
}

void er_handle_clear(er_handle *handle)
{
    if (handle->x->needs_close_notify) curl_easy_setopt(handle->easy, CURLOPT_NOPROGRESS, 1L);
    handle->x = NULL;
    if (er_listed(&handle->dialling)) er_list_remove(&handle->dialling);
    if (handle->spot) er_dns_cache_release(handle->spot);
    handle->spot = NULL;
    if (!handle->resolve) return;
    curl_easy_setopt(handle->easy, CURLOPT_RESOLVE, NULL);
    curl_slist_free_all(handle->resolve);
    handle->resolve = NULL;
}

/* ---- the beginning ---- */

static int set_method(er_handle *handle, const er_hop *hop, const er_exchange *x)
{
    const er_request *request = x->request;
    const er_body_source *source = hop->body ? x->source : NULL;
    CURL *easy = handle->easy;
    const char *method = hop->method;
    bool get = !strcmp(method, "GET"), head = !strcmp(method, "HEAD"),
         post = !strcmp(method, "POST");
    bool plain = get && !hop->body;
    if (plain && handle->plain) return 0;
    handle->plain = plain;
    int bad = (int)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L); /* resets the last one */
    if (source) {
        bad |= (int)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
        bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)source->size);
    } else if (hop->body || er_method_takes_content(method)) {
        bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, hop->body ? request->body : "");
        bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                     (curl_off_t)(hop->body ? request->body_size : 0));
    } else if (head) {
        bad |= (int)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    bool named = !post && !head && !plain;
    bad |= (int)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, named ? method : NULL);
    return bad;
}

/* The addresses of the origin's host. */
static int set_addresses(er_exchange *x, er_handle *handle)
{
    if (!x->found) return 0;
    handle->spot = x->turn.spot;
    int error = er_dns_cache_use(handle->known, x, &handle->resolve);
    if (error || !handle->resolve) return error;
    return curl_easy_setopt(handle->easy, CURLOPT_RESOLVE, handle->resolve) ? ENOMEM : 0;
}

static int64_t time_to_connect(const er_exchange *x)
{
    int64_t now = er_pool_now(x->pool), until = er_deadline(now, x->sock_connect_ms);
    int64_t asked = er_deadline(x->asked_ns, x->connect_ms),
            total = er_deadline(x->began_ns, x->total_ms);
    if (asked < until) until = asked;
    if (total < until) until = total;
    return er_ms_until(now, until);
}

/* curl's own time to connect, five minutes, costs nothing while it is not set. Where ours is
 * longer, curl's is raised above it. Where the host has several addresses, curl's is a little more
 * than ours, because curl gives each address half of what is left of it. */
static int set_patience(const er_exchange *x, er_handle *handle)
{
    bool several = handle->several = x->found && strchr(x->found->addresses.text, ',');
    int64_t ours = several ? time_to_connect(x) : x->sock_connect_ms;
    long patience = 0;
    if (ours > INT32_MAX / 2) patience = INT32_MAX;
    else if (several || ours > 290000) patience = (long)(ours + ours / 10 + 1);
    if (patience == handle->patience_ms) return 0;
    handle->patience_ms = patience;
    return (int)curl_easy_setopt(handle->easy, CURLOPT_CONNECTTIMEOUT_MS, patience);
}

/* At the first hop; a later one that brings the body along reads it from its beginning. */
static int open_flows(er_exchange *x)
{
    er_request *request = x->request;
    int error = 0;
    if (!x->sink && (request->save_to || request->stream)) {
        error = er_body_save(request, x->pool, &x->sink);
        if (!error) error = x->sink->begin(x->sink, &x->valve);
    }
    if (error || !x->hop.body || request->body) return error;
    x->all_read = false;
    if (x->source) return x->source->rewind(x->source) ? 0 : ESPIPE;
    error = er_body_upload(request, x->pool, &x->source);
    return error ? error : x->source->begin(x->source, &x->valve);
}

int er_exchange_begin(er_exchange *x, er_handle *handle)
{
    x->handle = handle;
    handle->x = x;
    *handle->words = *handle->refused = '\0';
    handle->opened = false;
    if (!x->response) x->response = er_response_new();
    if (!x->response) return ENOMEM;
    x->response->strict_json = x->request->defaults->strict_json;
    int error = open_flows(x);
    if (error) return error;
    int bad = set_method(handle, &x->hop, x);
    bad |= (int)curl_easy_setopt(handle->easy, CURLOPT_URL, x->hop.url);
    bad |= (int)curl_easy_setopt(handle->easy, CURLOPT_HTTPHEADER, x->hop.headers);
    const char *cookie = x->hop.away ? NULL : er_request_cookie(x->request);
    if (x->request->defaults->cookies)
        bad |= (int)curl_easy_setopt(handle->easy, CURLOPT_COOKIE, cookie);
    bad |= set_addresses(x, handle);
    bad |= set_patience(x, handle);
    if (bad) return ENOMEM;
    if (x->found) {
        bool known = x->found->serial <= x->known;
        post_detail(x, known ? ERRAND_STAGE_NAME_KNOWN : ERRAND_STAGE_NAME_LOOKED_UP, 0);
        post_stage(x, ERRAND_STAGE_RESOLVED);
    }
    x->sent = x->answered = x->follows = x->in_paused = x->out_paused = x->first_posted = false;
    x->reused = x->resent = x->stays = x->keeps = x->invited = false;
    x->rounds = 0;
    x->broken = 0; /* perhaps by the body of a redirect */
    x->header_bytes = 0;
    er_store_relaxed(&x->progress, ER_PROGRESS_CONNECTS);
    x->seated_ns = er_pool_now(x->pool);
    x->handed_clock_ns = er_pool_machine_ns(x->pool, x->seated_ns);
    if (x->request->setup) { /* it finds options set, where other requests have headers */
        handle->spent = true;
        const er_defaults *defaults = x->request->defaults;
        const char *codings = er_transport_codings(&defaults->transport);
        if (curl_easy_setopt(handle->easy, CURLOPT_USERAGENT, defaults->user_agent)) return ENOMEM;
        if (curl_easy_setopt(handle->easy, CURLOPT_ACCEPT_ENCODING, codings)) return ENOMEM;
        x->request->setup(handle->easy, x->request->setup_arg);
        er_end_in_child();
        /* decoder.c decodes */
        if (codings) curl_easy_setopt(handle->easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
        curl_easy_setopt(handle->easy, CURLOPT_PRIVATE, handle); /* needed when it ends */
    }
    return 0;
}
