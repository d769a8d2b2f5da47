/* http/exchange.c -- one attempt, from its creation to its result.
 *
 *   NEW --> LINE --> LANE: INBOX --> TAKEN --> LEFT --> OVER        place: session's lock; seat: lane's lock
 *
 * Exactly one thread ends an exchange and calls over(): in LINE whoever takes it out of the line under the session's
 * lock, on a lane that lane's thread (or the one that could not start it, which has taken the inbox under the lane's
 * lock). Cancel, deadline and close only tell: they set `told`, where the first reason stays, and look where it is:
 *   NEW    the sender looks at told when it joins the line, under the same lock: seen by one of the two
 *   LINE   taken out and ended right there
 *   INBOX  the lane looks at told when it takes it, after the same lock: seen by one of the two
 *   TAKEN  put on the lane's list of those that leave; its thread removes the transfer from curl and ends it
 *   LEFT, OVER  too late, it ended by itself
 * A transfer that is complete when its lane reads that list stays complete: a late success stands.
 *
 * Memory: the count. The promise's hook uses the exchange only until errand_resolve has returned, and who ends it
 * drops its count after that. The timer has a count of its own while it is armed; who fails to disarm it leaves that
 * to the timer.
 *
 * May it have run? curl calls PREREQ when a connection stands and just before it sends. When a kept connection dies
 * before a byte came back, curl silently sends once more, a POST too: the second call with nothing in between vetoes
 * that, unless a repeat is harmless. A redirect answers first, so its next hop is not taken for a repeat.
 *
 * Redirects are followed by curl. What it does not do by itself is set right as soon as the headers of such a reply
 * are complete, before it sends again: the method after a 303, and no secrets to another origin. */
#include "http/exchange.h"

#include "base/atomic.h"
#include "base/clock.h"

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

void er_exchange_drop_part(er_exchange *x)
{
    if (!x->has_part) return;
    if (x->part >= 0) er_file_close(x->part);
    er_file_remove(x->part_path);
    er_free(x->part_path);
    x->has_part = false;
}

int er_exchange_keep_part(er_exchange *x)
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

void er_exchange_drop(er_exchange *x)
{
    if (er_sub(&x->count, 1) != 1) return;
    er_exchange_drop_part(x);
    er_response_free(x->response);
    curl_slist_free_all(x->elsewhere);
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

static int may_send(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    er_exchange *x = arg;
    (void)remote, (void)local, (void)remote_port, (void)local_port;
    if (x->sent && !x->answered && (!x->request->repeatable || x->request->never_repeat)) {
        x->vetoed = true;
        return CURL_PREREQFUNC_ABORT;
    }
    x->sent = true;
    x->answered = false;
    return CURL_PREREQFUNC_OK;
}

/* 0 or an errno. */
static int before_redirect(er_exchange *x)
{
    const char *location = errand_response_header(x->response, "Location", 0), *from = NULL;
    if (!location) return 0;
    bool keeps = !strcmp(x->request->method, "GET") || !strcmp(x->request->method, "HEAD");
    if (x->response->status == 303 && !keeps) curl_easy_setopt(x->easy, CURLOPT_CUSTOMREQUEST, NULL); /* GET */
    curl_easy_getinfo(x->easy, CURLINFO_EFFECTIVE_URL, &from);
    if (x->elsewhere || (from && !er_url_leads_away(from, location, x->request->url))) return 0;
    int error;
    x->elsewhere = er_headers_without_secrets(x->request->headers, &error);
    if (!error) curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->elsewhere);
    return error;
}

static size_t take_header(char *at, size_t one, size_t size, void *arg)
{
    er_exchange *x = arg;
    x->answered = true;
    if (!er_response_line(x->response, at, one * size)) {
        x->broken = ENOMEM;
        return 0;
    }
    x->received = 0; /* of the reply whose headers come now */
    if (!x->response->headers_ended || x->response->status < 300 || x->response->status > 399) return one * size;
    x->broken = before_redirect(x);
    return x->broken ? 0 : one * size;
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
    if (x->has_part && er_exchange_is_success(x)) return take_to_file(x, at, size) ? size : 0;
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
        /* only a POST may become a GET on its way, others keep their body */
        bad |= (int)curl_easy_setopt(easy, CURLOPT_POSTREDIR, CURL_REDIR_POST_301 | CURL_REDIR_POST_302);
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
