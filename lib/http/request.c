/* http/request.c -- every check of a request is made here, before curl sees a byte of it: one
 * counted copy for all attempts.
 *
 * Methods are tokens; headers, urls and bodies have their own checks (header.c, url.c, body.c).
 * Each refusal names the culprit, but never quotes what may be a secret. A save_to that cannot be
 * written is found here, on the caller's thread, by opening a file for it,
 * before anything is sent. */
#include "http/request.h"

#include "base/atomic.h"
#include "base/options.h"
#include "base/save.h"
#include "http/classify.h"
#include "http/response.h"

#include <errno.h>
#include <string.h>

/* A key without a value distinguishes no requests, so it does not count. */
static int add_key(er_request *request, const char *key, er_bytes *why)
{
    static const char name[] = "Idempotency-Key";
    request->repeatable |= key || er_header_says(request->headers, name, sizeof name - 1);
    if (!key) return 0;
    if (!key[strspn(key, " ")] || er_has_control(key, false)) {
        return er_refuse(why, "idempotency_key is blank or has a control character", NULL, 0);
    }
    if (er_header_find(request->headers, name, sizeof name - 1)) {
        return er_refuse(why, "idempotency_key and a header of that name are both given", NULL, 0);
    }
    er_bytes line = { 0 };
    er_bytes_format(&line, "%s: %s", name, key);
    int error = line.error ? ENOMEM : er_header_append(&request->headers, line.at);
    er_bytes_free(&line);
    return error;
}

static int copy_headers(er_request *request, const errand_request *given, er_bytes *why)
{
    struct curl_slist *defaults =
        given->setup ? request->defaults->headers : request->defaults->greeting;
    int error = 0;
    request->repeatable = er_method_idempotent(request->method) ||
                          given->repeat == ERRAND_REPEAT_ALWAYS;
    request->never_repeat = given->repeat == ERRAND_REPEAT_NEVER;
    if (!given->headers && !given->idempotency_key && !given->bearer && !given->user &&
        !given->password && !request->content.there && !er_method_takes_content(request->method)) {
        request->headers = defaults;
        request->headers_lent = true;
        return 0;
    }
    for (const char *const *header = given->headers; header && *header && !error; header++) {
        error = er_header_add(&request->headers, *header, why);
    }
    if (!error) error = add_key(request, given->idempotency_key, why);
    if (!error)
        error = er_header_auth(&request->headers, given->bearer, given->user, given->password, why);
    if (!error) error = er_header_merge(&request->headers, defaults);
    bool takes = request->content.there || er_method_takes_content(request->method);
    if (!error && takes && !er_header_find(request->headers, "Content-Type", 12)) {
        /* "Content-Type:" keeps curl from calling every body a form, and none at all, too */
        er_bytes line = { 0 };
        er_bytes_format(&line, "Content-Type:%s%s", request->content.type ? " " : "",
                        request->content.type ? request->content.type : "");
        error = line.error ? ENOMEM : er_header_append(&request->headers, line.at);
        er_bytes_free(&line);
    }
    if (!error && request->content.there && !request->content.known) {
        error = er_header_append(&request->headers, "Transfer-Encoding: chunked");
    }
    if (!error && request->content.there && !er_header_find(request->headers, "Expect", 6))
        error = er_header_append(&request->headers, "Expect:");
    if (error) return error;
    if (request->defaults->cookies) error = er_cookies_take(&request->headers, &request->cookie);
    if (error) return error;
    size_t size = strlen(request->url) + (request->cookie ? strlen(request->cookie) : 0);
    for (const struct curl_slist *h = request->headers; h; h = h->next) size += strlen(h->data) + 2;
    if (size > ER_HEADERS_MOST) {
        er_bytes_format(why, "url and headers have %zu bytes, at most 512 KiB can be sent", size);
        return EINVAL;
    }
    return 0;
}

/* ---- the whole ---- */

static int check_save_to(const char *path, er_bytes *why)
{
    er_save save = ER_SAVE_NONE;
    int error = *path ? er_save_open(&save, path) : EINVAL;
    er_save_drop(&save);
    if (!*path) er_bytes_text(why, "save_to is empty");
    else if (error == ENXIO)
        er_bytes_format(why, "save_to \"%s\": it is a device, FIFO or socket", path);
    else if (error) er_bytes_format(why, "save_to \"%s\": %s", path, errand_strerror(error));
    return error;
}

int er_redirects_most(unsigned *out, int given, unsigned by_default, er_bytes *why)
{
    if (given < ERRAND_NO_REDIRECTS) {
        er_bytes_format(why, "max_redirects is %d", given);
        return EINVAL;
    }
    *out = given > 0 ? (unsigned)given : 0;
    if (!given) *out = by_default;
    return 0;
}

static int copy_limits(er_request *request, const errand_request *given, er_bytes *why)
{
    const er_defaults *defaults = request->defaults;
    request->total_ms = given->total_ms;
    request->connect_ms = given->connect_ms;
    if (er_option_ms(&request->total_ms, defaults->total_ms))
        return er_refuse(why, "total_ms is negative", NULL, 0);
    if (er_option_ms(&request->connect_ms, defaults->connect_ms)) {
        return er_refuse(why, "connect_ms is negative", NULL, 0);
    }
    request->sock_connect_ms = given->sock_connect_ms;
    request->sock_read_ms = given->sock_read_ms;
    if (er_option_ms(&request->sock_connect_ms, defaults->sock_connect_ms)) {
        return er_refuse(why, "sock_connect_ms is negative", NULL, 0);
    }
    bool said = given->sock_connect_ms || defaults->sock_connect_said;
    if (given->connect_ms && !said && request->connect_ms > request->sock_connect_ms) {
        request->sock_connect_ms = request->connect_ms;
    }
    if (er_option_ms(&request->sock_read_ms, defaults->sock_read_ms)) {
        return er_refuse(why, "sock_read_ms is negative", NULL, 0);
    }
    if ((unsigned)given->repeat > ERRAND_REPEAT_NEVER) {
        return er_refuse(why, "repeat is not an errand_repeat", NULL, 0);
    }
    int error = er_redirects_most(&request->max_redirects, given->max_redirects,
                                  defaults->max_redirects, why);
    if (error) return error;
    request->any_status = given->any_status;
    request->stream = given->stream;
    request->setup = given->setup;
    request->setup_arg = given->setup_arg;
    if (given->stream && given->save_to)
        return er_refuse(why, "stream and save_to are both given", NULL, 0);
    request->max_body = given->max_body ? given->max_body : defaults->max_body;
    request->max_file = given->max_body || defaults->max_body_said ? request->max_body : UINT64_MAX;
    return 0;
}

/* The url as it is sent, with the request's params in it, and its origin. The params are added to
 * the absolute url: a relative one may take the base's query over. */
static int copy_url(er_request *request, const errand_request *given, er_bytes *why)
{
    const er_defaults *defaults = request->defaults;
    int error = er_url_resolve(&request->url, &request->origin, &request->https, given->url,
                               defaults->base_url, why);
    if (!error && given->params && given->params->name) {
        er_bytes whole = { 0 };
        er_url_add_params(&whole, request->url, given->params);
        er_origin_free(&request->origin);
        er_free(request->url);
        request->url = NULL;
        error = whole.error ? ENOMEM
                            : er_url_resolve(&request->url, &request->origin, &request->https,
                                             whole.at, NULL, why);
        er_bytes_free(&whole);
    }
    if (!error) er_transport_reroute(&defaults->transport, &request->origin);
    return error;
}

static int copy(er_request *request, const errand_request *given, er_bytes *why)
{
    int error = er_body_make(&request->content, given, why);
    if (error) return error;
    const er_body *content = &request->content;
    if (content->there && er_body_in_memory(content)) {
        request->body = content->parts[0].at;
        request->body_size = content->parts[0].size;
    }
    const char *method = given->method;
    if (!method) method = content->there ? "POST" : "GET";
    if (!*method || method[er_token(method)])
        return er_refuse(why, "method is not a token:", method, strlen(method));
    if (!strcmp(method, "CONNECT") || strlen(method) > 40) {
        return er_refuse(why, "method cannot be sent:", method, strlen(method));
    }
    if (content->there && (!strcmp(method, "HEAD") || !strcmp(method, "TRACE"))) {
        return er_refuse(why, "a body cannot go with method", method, strlen(method));
    }
    memcpy(request->method, method, strlen(method) + 1);
    error = copy_url(request, given, why);
    if (!error) error = copy_limits(request, given, why);
    if (!error && given->save_to) error = check_save_to(given->save_to, why);
    if (error) return error;
    if (given->save_to && !(request->save_to = er_copy_text(given->save_to))) return ENOMEM;
    if ((error = er_texts_copy(&request->secrets, given->secrets))) return error;
    return copy_headers(request, given, why);
}

int er_request_new(er_request **out, const errand_request *given, const er_defaults *defaults,
                   er_bytes *why)
{
    er_request *request = er_alloc_zero(sizeof *request);
    if (!request) {
        if (given->body_free) given->body_free(given->body_arg);
        return ENOMEM;
    }
    request->count = 1;
    request->defaults = defaults;
    int error = copy(request, given, why);
    if (error) {
        er_request_drop(request);
        return error;
    }
    *out = request;
    return 0;
}

void er_request_hide(const er_request *request, char *text)
{
    er_headers_hide(request->headers, text);
    er_url_hide(request->url, text);
    er_texts_hide(request->secrets, text);
    er_texts_hide(request->defaults->secrets, text);
}

bool er_request_secret(const er_request *request, const char *line)
{
    return er_header_secret(line) || er_texts_in(request->secrets, line) ||
           er_texts_in(request->defaults->secrets, line);
}

/* curl sends "Name;" as an empty header, and "Name:" is none. */
void er_request_each_header(const er_request *request, er_request_header_fn *fn, void *arg)
{
    for (const struct curl_slist *h = request->headers; h; h = h->next) {
        size_t name = er_token(h->data);
        const char *value = h->data + name + 1;
        value += strspn(value, " \t");
        if (h->data[name] == ';' || *value) fn(h->data, name, value, arg);
    }
}

bool er_request_harmless(const er_request *request, const char *method)
{
    return !request->never_repeat && (request->repeatable || er_method_idempotent(method));
}

const char *er_request_cookie(const er_request *request)
{
    const char *cookie = request->cookie ? request->cookie : request->defaults->cookie;
    return cookie && *cookie ? cookie : NULL;
}

char *er_request_label(const er_request *request)
{
    char *bare = er_url_shown(request->url, true);
    er_bytes label = { 0 };
    er_bytes_format(&label, "%s ", request->method);
    if (bare) er_add_harmless(&label, bare, strlen(bare), 300);
    er_free(bare);
    return er_bytes_take(&label);
}

void er_request_keep(er_request *request) { er_add(&request->count, 1); }

void er_request_drop(er_request *request)
{
    if (!request || er_sub(&request->count, 1) != 1) return;
    er_free(request->url);
    er_origin_free(&request->origin);
    if (!request->headers_lent) curl_slist_free_all(request->headers);
    er_free(request->cookie);
    er_body_free(&request->content);
    er_free(request->save_to);
    curl_slist_free_all(request->secrets);
    er_free(request);
}
