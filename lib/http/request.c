/* http/request.c -- every check of a request is made here, before curl sees a byte of it.
 *
 * curl sends CR and LF in a header's value as they are, takes "Name:" without a value as an order to leave a header
 * out, and guesses schemes. So: methods and names are tokens (RFC 9110, 5.6.2), values have no control characters but
 * tab, urls have neither spaces nor control characters and are http or https, and what curl computes itself (the
 * length of the body) cannot be said differently. Each refusal names the culprit, but never quotes what may be a
 * secret: of a header only the name, of a url neither userinfo nor query.
 *
 * Relative urls are resolved by curl's own URL functions against the session's base (RFC 3986, 5.2). */
#include "http/request.h"

#include "base/atomic.h"
#include "base/options.h"
#include "http/classify.h"
#include "http/response.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <strings.h>

static bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static size_t token(const char *text) /* how many characters of a token it begins with */
{
    size_t n = 0;
    while (text[n] && (is_alpha(text[n]) || is_digit(text[n]) || strchr("!#$%&'*+-.^_`|~", text[n]))) n++;
    return n;
}

static bool has_control(const char *text, bool tab_is_fine)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x20 && !(tab_is_fine && c == '\t')) || c == 0x7f) return true;
    }
    return false;
}

static int refuse(er_bytes *why, const char *what, const char *culprit, size_t size)
{
    er_bytes_text(why, what);
    if (culprit) {
        er_bytes_text(why, " \"");
        er_add_harmless(why, culprit, size, 100);
        er_bytes_text(why, "\"");
    }
    return EINVAL;
}

/* ---- headers ---- */

static bool same_name(const char *line, const char *name, size_t size)
{
    return !strncasecmp(line, name, size) && (line[size] == ':' || line[size] == ';');
}

static const char *find_header(const struct curl_slist *list, const char *name, size_t size)
{
    for (; list; list = list->next) {
        if (same_name(list->data, name, size)) return list->data + size + 1;
    }
    return NULL;
}
static const char *find(const struct curl_slist *list, const char *name)
{
    return find_header(list, name, strlen(name));
}

static int append(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer) return ENOMEM;
    *list = longer;
    return 0;
}

int er_header_add(struct curl_slist **list, const char *header, er_bytes *why)
{
    static const char *const ours[] = { "Content-Length", "Transfer-Encoding", "Connection" };
    size_t size = token(header);
    if (!size || header[size] != ':') {
        size_t shown = strcspn(header, ": \t\r\n"); /* what follows may be a secret */
        return refuse(why, "a header is not of the form \"Name: value\":", header, shown);
    }
    if (has_control(header + size + 1, true)) {
        return refuse(why, "a control character in the value of header", header, size);
    }
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        if (!same_name(header, ours[i], strlen(ours[i]))) continue;
        return refuse(why, "a header that curl sets itself:", header, size);
    }
    const char *value = header + size + 1;
    if (value[strspn(value, " \t")]) return append(list, header);
    char *empty = er_copy_bytes(header, size + 1); /* "Name;" is how curl is told to send an empty one */
    if (!empty) return ENOMEM;
    empty[size] = ';';
    int error = append(list, empty);
    er_free(empty);
    return error;
}

struct curl_slist *er_headers_without_secrets(const struct curl_slist *headers, int *error)
{
    static const char *const secrets[] = { "Authorization", "Cookie", "X-Api-Key", "Api-Key", "X-Auth-Token" };
    struct curl_slist *list = NULL;
    *error = 0;
    for (; headers && !*error; headers = headers->next) {
        bool secret = !strncasecmp(headers->data, "Proxy-", 6);
        for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
            if (same_name(headers->data, secrets[i], strlen(secrets[i]))) secret = true;
        }
        if (!secret) *error = append(&list, headers->data);
    }
    if (!*error) return list;
    curl_slist_free_all(list);
    return NULL;
}

static int copy_headers(er_request *request, const errand_request *given, er_bytes *why)
{
    int error = 0;
    for (const char *const *header = given->headers; header && *header && !error; header++) {
        error = er_header_add(&request->headers, *header, why);
    }
    const struct curl_slist *own = request->headers;
    bool keyed = find(own, "Idempotency-Key");
    if (!error && given->idempotency_key) {
        if (!*given->idempotency_key || has_control(given->idempotency_key, false)) {
            return refuse(why, "idempotency_key is empty or has a control character", NULL, 0);
        }
        if (keyed) return refuse(why, "idempotency_key and a header Idempotency-Key: which of them?", NULL, 0);
        er_bytes line = { 0 };
        er_bytes_format(&line, "Idempotency-Key: %s", given->idempotency_key);
        error = line.error ? ENOMEM : append(&request->headers, line.at);
        er_bytes_free(&line);
        keyed = true;
    }
    request->repeatable = keyed || er_method_idempotent(request->method) || given->repeat == ERRAND_REPEAT_ALWAYS;
    request->never_repeat = given->repeat == ERRAND_REPEAT_NEVER;
    /* A list of those the request does not bring itself; its own names come first, so two of the session's stay two. */
    struct curl_slist *first_of_session = NULL;
    for (const struct curl_slist *h = request->defaults->headers; h && !error; h = h->next) {
        if (!find_header(request->headers, h->data, token(h->data))) error = append(&first_of_session, h->data);
    }
    for (const struct curl_slist *h = first_of_session; h && !error; h = h->next) {
        error = append(&request->headers, h->data);
    }
    curl_slist_free_all(first_of_session);
    if (!error && request->body && !find(request->headers, "Content-Type")) {
        /* "Content-Type:" keeps curl from calling every body a form */
        error = append(&request->headers, given->json ? "Content-Type: application/json" : "Content-Type:");
    }
    if (!error && !find(request->headers, "Expect")) error = append(&request->headers, "Expect:");
    return error;
}

/* ---- urls ---- */

static size_t scheme(const char *url) /* its length; 0: a relative url */
{
    size_t n = 0;
    if (!is_alpha(*url)) return 0;
    while (is_alpha(url[n]) || is_digit(url[n]) || (url[n] && strchr("+-.", url[n]))) n++;
    return url[n] == ':' ? n : 0;
}

char *er_url_shown(const char *url, bool bare)
{
    CURLU *parts = curl_url();
    char *text = NULL, *copy = NULL;
    if (parts && !curl_url_set(parts, CURLUPART_URL, url, 0)) {
        curl_url_set(parts, CURLUPART_USER, NULL, 0);
        curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0);
        curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0);
        if (bare) curl_url_set(parts, CURLUPART_QUERY, NULL, 0);
        if (!curl_url_get(parts, CURLUPART_URL, &text, 0)) copy = er_copy_text(text);
        curl_free(text);
    }
    curl_url_cleanup(parts);
    return copy;
}

int er_url_resolve(char **out, bool *https, const char *url, const char *base, er_bytes *why)
{
    if (!url || !*url) return refuse(why, "url is missing", NULL, 0);
    size_t secret = strcspn(url, "@?#"), shown = secret; /* up to here nothing can be a secret, unless there is an @ */
    if (url[secret] == '@') shown = scheme(url);
    for (const char *at = url; *at; at++) {
        if ((unsigned char)*at <= 0x20 || *at == 0x7f) {
            return refuse(why, "a space or control character in url", url, shown);
        }
    }
    size_t n = scheme(url);
    if (n && !(n == 4 && !strncasecmp(url, "http", 4)) && !(n == 5 && !strncasecmp(url, "https", 5))) {
        return refuse(why, "only http and https, url is", url, shown);
    }
    if (n && strncmp(url + n, "://", 3) != 0) return refuse(why, "url has no host:", url, shown);
    if (!n && !base) return refuse(why, "a relative url, and the session has no base_url:", url, shown);

    CURLU *parts = curl_url();
    if (!parts) return ENOMEM;
    char *text = NULL, *host = NULL;
    CURLUcode code = n ? CURLUE_OK : curl_url_set(parts, CURLUPART_URL, base, 0);
    if (!code) code = curl_url_set(parts, CURLUPART_URL, url, 0);
    if (!code) code = curl_url_get(parts, CURLUPART_HOST, &host, 0);
    if (!code) code = curl_url_get(parts, CURLUPART_URL, &text, 0);
    int error = 0;
    if (code == CURLUE_OUT_OF_MEMORY) {
        error = ENOMEM;
    } else if (code || !*host) {
        error = refuse(why, "url", url, shown);
        er_bytes_format(why, ": %s", code ? curl_url_strerror(code) : "no host");
    } else if (!(*out = er_copy_text(text))) {
        error = ENOMEM;
    } else {
        *https = !strncasecmp(text, "https:", 6);
    }
    curl_free(host);
    curl_free(text);
    curl_url_cleanup(parts);
    return error;
}

bool er_url_leads_away(const char *from, const char *location, const char *home)
{
    static const struct {
        CURLUPart part;
        unsigned how;
    } parts[] = { { CURLUPART_SCHEME, 0 }, { CURLUPART_HOST, 0 }, { CURLUPART_PORT, CURLU_DEFAULT_PORT } };
    CURLU *there = curl_url(), *here = curl_url();
    bool away = !there || !here || curl_url_set(here, CURLUPART_URL, home, 0) ||
                curl_url_set(there, CURLUPART_URL, from, 0) || curl_url_set(there, CURLUPART_URL, location, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !away; i++) {
        char *a = NULL, *b = NULL;
        away = curl_url_get(there, parts[i].part, &a, parts[i].how) ||
               curl_url_get(here, parts[i].part, &b, parts[i].how) || strcasecmp(a, b) != 0;
        curl_free(a);
        curl_free(b);
    }
    curl_url_cleanup(there);
    curl_url_cleanup(here);
    return away;
}

/* ---- the whole ---- */

static int copy_body(er_request *request, const errand_request *given, er_bytes *why)
{
    const void *at = given->body.at;
    size_t size = given->body.size;
    if (given->json) {
        if (at || size) return refuse(why, "body and json are both given", NULL, 0);
        at = json_object_to_json_string_length(given->json, JSON_C_TO_STRING_PLAIN, &size);
        if (!at) return ENOMEM;
    } else if (!at) {
        return size ? refuse(why, "body has a size but no bytes", NULL, 0) : 0;
    }
    request->body = er_copy_bytes(at, size);
    request->body_size = size;
    return request->body ? 0 : ENOMEM;
}

static int copy(er_request *request, const errand_request *given, er_bytes *why)
{
    int error = copy_body(request, given, why);
    if (error) return error;
    const char *method = given->method ? given->method : request->body ? "POST" : "GET";
    if (!*method || method[token(method)]) return refuse(why, "method is not a token:", method, strlen(method));
    if (!strcmp(method, "CONNECT") || strlen(method) > 40) {
        return refuse(why, "method cannot be sent:", method, strlen(method));
    }
    if (request->body && (!strcmp(method, "HEAD") || !strcmp(method, "TRACE"))) {
        return refuse(why, "a body cannot go with method", method, strlen(method));
    }
    if (!(request->method = er_copy_text(method))) return ENOMEM;
    const er_defaults *defaults = request->defaults;
    error = er_url_resolve(&request->url, &request->https, given->url, defaults->base_url, why);
    if (error) return error;
    char *bare = er_url_shown(request->url, true);
    er_bytes label = { 0 };
    er_bytes_format(&label, "%s ", method);
    if (bare) er_add_harmless(&label, bare, strlen(bare), 300);
    er_free(bare);
    request->label = er_bytes_take(&label);
    if (!bare || !request->label) {
        er_bytes_free(&label);
        return ENOMEM;
    }
    request->total_ms = given->total_ms;
    request->connect_ms = given->connect_ms;
    if (er_option_ms(&request->total_ms, defaults->total_ms)) return refuse(why, "total_ms is negative", NULL, 0);
    if (er_option_ms(&request->connect_ms, defaults->connect_ms)) return refuse(why, "connect_ms is negative", NULL, 0);
    if ((unsigned)given->repeat > ERRAND_REPEAT_NEVER) return refuse(why, "repeat is none of errand_repeat", NULL, 0);
    request->any_status = given->any_status;
    if (given->save_to && !*given->save_to) return refuse(why, "save_to is empty", NULL, 0);
    if (given->save_to && !(request->save_to = er_copy_text(given->save_to))) return ENOMEM;
    return copy_headers(request, given, why);
}

int er_request_new(er_request **out, const errand_request *given, const er_defaults *defaults, er_bytes *why)
{
    er_request *request = er_alloc_zero(sizeof *request);
    if (!request) return ENOMEM;
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

void er_request_keep(er_request *request) { er_add(&request->count, 1); }

void er_request_drop(er_request *request)
{
    if (!request || er_sub(&request->count, 1) != 1) return;
    er_free(request->method);
    er_free(request->url);
    er_free(request->label);
    curl_slist_free_all(request->headers);
    er_free(request->body);
    er_free(request->save_to);
    er_free(request);
}
