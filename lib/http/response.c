/* http/response.c -- a reply is built by one lane and then never changes.
 *
 * Headers are kept as they came, name and value one after the other in one buffer: there are few,
 * each is looked up once or not at all. A name may occur several times. Of a chain of replies (100
 * Continue, redirects) only the last counts, so a new status line discards what was collected (but
 * not the list of redirects). Lines after the end of the header block are trailers of a chunked
 * body, and are discarded.
 *
 * curl parses the same lines. Where its parser and this one could differ (a length beyond 63 bits,
 * a blank before a colon, one value on two lines) the reply is refused: the end of its body would
 * be ambiguous.
 *
 * The body always has a NUL behind it. A stream has no body here, but a reader. */
#include "http/response.h"

#include "base/clock.h"
#include "base/options.h"
#include "http/classify.h"
#include "http/url.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { HEADERS_AT_FIRST = 240 }; /* room for those of most replies at once */

errand_response *er_response_new(void)
{
    errand_response *response = er_alloc_zero(sizeof *response);
    if (response) response->timings = (errand_timings){ -1, -1, -1, -1, -1, -1 };
    return response;
}

void er_response_free(void *at)
{
    errand_response *response = at;
    if (!response) return;
    if (response->reader) er_body_reader_leave(response->reader);
    er_bytes_free(&response->headers);
    er_bytes_free(&response->hops);
    er_bytes_free(&response->body);
    er_free(response->url);
    er_free(response);
}

errand_response *er_response_hand_over(errand_response *response)
{
    errand_response *theirs = er_alloc(sizeof *theirs);
    if (!theirs) return NULL;
    *theirs = *response;
    response->headers = response->body = response->hops = (er_bytes){ 0 };
    return theirs;
}

static void begin(errand_response *response, const char *line, size_t size)
{
    response->headers_ended = false;
    response->headers.size = response->body.size = response->lengths = response->last =
        response->trailers = 0;
    response->status = 0;
    response->fault = NULL;
    response->reason[0] = '\0';
    const char *at = memchr(line, ' ', size);
    const char *end = line + size;
    while (at && at < end && *at == ' ') at++;
    for (; at && at < end && *at >= '0' && *at <= '9' && response->status < 1000; at++) {
        response->status = response->status * 10 + (*at - '0');
    }
    while (at && at < end && *at == ' ') at++;
    size_t left = at && at < end ? (size_t)(end - at) : 0, plain = 0;
    while (plain < left && plain + 4 < sizeof response->reason && at[plain] >= ' ' &&
           at[plain] < 0x7f)
        plain++;
    if (plain == left) { /* nearly always */
        if (left) memcpy(response->reason, at, left);
        response->reason[left] = '\0';
        return;
    }
    er_bytes reason = { 0 };
    er_add_harmless(&reason, at, left, sizeof response->reason - 4);
    if (reason.at) snprintf(response->reason, sizeof response->reason, "%s", reason.at);
    er_bytes_free(&reason);
}

static int fault(errand_response *response, int error, const char *why)
{
    response->fault = why;
    return error;
}

static bool is_beyond(const char *digits, size_t n) /* 63 bits: curl would ignore it */
{
    while (n && *digits == '0') digits++, n--;
    static const char most[] = "9223372036854775807";
    return n >= sizeof most || (n == sizeof most - 1 && memcmp(digits, most, n) > 0);
}

/* Lengths that differ give one body two ends: with the wrong one the rest is read as another reply
 * (RFC 9112, 6.3). One value may be a list; curl would take the digits that it begins with. NULL:
 * they are good. */
static const char *wrong_length(const errand_response *response)
{
    const char *first =
        response->lengths ? errand_response_header(response, "Content-Length", 0) : "";
    size_t digits = strspn(first, "0123456789");
    if (is_beyond(first, digits)) return "Content-Length is too large";
    for (size_t i = 0; i < response->lengths; i++) {
        const char *at = i ? errand_response_header(response, "Content-Length", i) : first;
        for (;; at += strspn(at, ", \t")) {
            if (!digits || strspn(at, "0123456789") != digits || memcmp(at, first, digits) != 0)
                return "Content-Length is not a number, or two differ";
            at += digits;
            if (!*at) break;
            if (!strchr(", \t", *at)) return "Content-Length is not a number, or two differ";
        }
    }
    return NULL;
}

void er_response_codings(errand_response *response, bool decoded)
{
    const char *value;
    er_codings *codings = &response->codings;
    *codings = (er_codings){ 0 };
    for (size_t i = 0; decoded && (value = errand_response_header(response, "Content-Encoding", i));
         i++) {
        er_codings_add(codings, value);
    }
    for (size_t i = 0; (value = errand_response_header(response, "Transfer-Encoding", i)); i++) {
        codings->unknown |= !er_alike(value, "chunked", SIZE_MAX) &&
                            !er_alike(value, "identity", SIZE_MAX);
    }
    if (codings->unknown)
        response->fault =
            "body: Content-Encoding has an unknown coding or more than 5, or Transfer-Encoding is "
            "not chunked (curl 61)";
}

/* A line that begins with a space continues the value before it (obsolete line folding, RFC 9112,
 * 5.2), joined by one space. curl parses each line by itself, so it would use half of a length or
 * coding. */
static int unfold(errand_response *response, const char *line, size_t size)
{
    const char *name = response->headers.at + response->last;
    if (!response->headers.size)
        return fault(response, EPROTO, "the first header line is a continuation");
    if (er_alike(name, "Content-Length", SIZE_MAX) || er_alike(name, "Transfer-Encoding", SIZE_MAX))
        return fault(response, EPROTO, "Content-Length or Transfer-Encoding on two lines");
    while (size && (*line == ' ' || *line == '\t')) line++, size--;
    if (!size || memchr(line, 0, size)) return 0;
    response->headers.size--; /* the NUL */
    bool empty = !response->headers.at[response->headers.size - 1];
    if (!empty) er_bytes_add(&response->headers, " ", 1);
    er_bytes_add(&response->headers, line, size);
    er_bytes_add(&response->headers, "", 1);
    if (response->headers.size > ER_HEADERS_OF_REPLY)
        return fault(response, EPROTO, ER_HEADERS_TOO_LARGE);
    return response->headers.error;
}

/* Trailers are discarded, but a line that is not a header field may begin another reply. */
static int check_trailer(errand_response *response, const char *line, size_t size)
{
    bool folds = size && (*line == ' ' || *line == '\t'), first = !response->trailers++;
    size_t name = folds ? 0 : er_token_of(line, size);
    bool field = folds ? !first : name && name < size && line[name] == ':';
    return !size || field ? 0 : fault(response, EPROTO, "a trailer is not a header field");
}

static int add_header(errand_response *response, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    if (!colon || memchr(line, 0, size)) return 0; /* no header */
    /* RFC 9112, 5.1; to curl it is another name */
    if (colon > line && (colon[-1] == ' ' || colon[-1] == '\t'))
        return fault(response, EPROTO, "a blank stands before the colon of a header");
    const char *value = colon + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
    size_t name_size = (size_t)(colon - line), value_size = (size_t)(end - value);
    size_t room = response->headers.at ? name_size + value_size + 2 : HEADERS_AT_FIRST + size;
    if (er_bytes_reserve(&response->headers, room)) return ENOMEM;
    response->last = response->headers.size;
    char *at = response->headers.at + response->headers.size;
    memcpy(at, line, name_size);
    at[name_size] = '\0';
    if (name_size == 14 && er_alike(at, "Content-Length", SIZE_MAX)) response->lengths++;
    memcpy(at + name_size + 1, value, value_size);
    at[name_size + 1 + value_size] = at[name_size + 2 + value_size] = '\0';
    response->headers.size += name_size + value_size + 2;
    if (response->headers.size > ER_HEADERS_OF_REPLY)
        return fault(response, EPROTO, ER_HEADERS_TOO_LARGE);
    return response->headers.error;
}

int er_response_line(errand_response *response, const char *line, size_t size)
{
    while (size && (line[size - 1] == '\r' || line[size - 1] == '\n')) size--;
    if (size >= 5 && er_alike(line, "HTTP/", 5) && (response->headers_ended || !response->status)) {
        begin(response, line, size);
        return 0;
    }
    if (response->headers_ended) return check_trailer(response, line, size);
    if (!size) {
        response->headers_ended = true;
        const char *wrong = wrong_length(response);
        return wrong ? fault(response, EBADMSG, wrong) : 0;
    }
    if (*line == ' ' || *line == '\t') return unfold(response, line, size);
    return add_header(response, line, size);
}

bool er_response_hop(errand_response *response, int status, const char *url)
{
    char *shown = er_url_shown(url, false);
    if (!shown) return false;
    er_bytes_format(&response->hops, "%d", status);
    er_bytes_add(&response->hops, "", 1);
    er_bytes_add(&response->hops, shown, strlen(shown) + 1);
    er_free(shown);
    response->metrics.redirects++;
    return !response->hops.error;
}

int64_t er_response_retry_after(const errand_response *response)
{
    const char *value = errand_response_header(response, "retry-after-ms", 0);
    int64_t ms = value ? er_retry_after_ms(value) : -1;
    value = errand_response_header(response, "Retry-After", 0);
    if (ms < 0 && value)
        ms = er_retry_after(value, errand_response_header(response, "Date", 0), er_wall_seconds());
    return ms;
}

/* ---- for the caller ---- */

int errand_response_status(const errand_response *response)
{
    return response ? response->status : 0;
}

const char *errand_response_url(const errand_response *response)
{
    return response && response->url ? response->url : "";
}

errand_bytes errand_response_body(const errand_response *response)
{
    if (!response || !response->body.at) return (errand_bytes){ "", 0 };
    return (errand_bytes){ response->body.at, response->body.size };
}

const char *errand_response_header(const errand_response *response, const char *name, size_t i)
{
    if (!response || !name || !response->headers.at) return NULL;
    const char *at = response->headers.at, *end = at + response->headers.size;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (er_alike(at, name, SIZE_MAX) && !i--) return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

const char *errand_response_reason(const errand_response *response)
{
    return response ? response->reason : "";
}

int errand_response_each_header(const errand_response *response, size_t i, const char **name,
                                const char **value)
{
    const char *at = response ? response->headers.at : NULL,
               *end = at ? at + response->headers.size : NULL;
    while (at < end) {
        const char *text = at + strlen(at) + 1;
        if (!i--) {
            *name = at;
            *value = text;
            return 0;
        }
        at = text + strlen(text) + 1;
    }
    return ENOENT;
}

int errand_response_redirect(const errand_response *response, size_t i, const char **url)
{
    const char *at = response ? response->hops.at : NULL,
               *end = at ? at + response->hops.size : NULL;
    while (at < end) {
        const char *text = at + strlen(at) + 1;
        if (!i--) {
            if (url) *url = text;
            return (int)strtol(at, NULL, 10);
        }
        at = text + strlen(text) + 1;
    }
    return 0;
}

int errand_response_metrics_sized(const errand_response *response, errand_transfer_metrics *out,
                                  size_t size)
{
    static const errand_transfer_metrics none;
    const errand_transfer_metrics *metrics = response ? &response->metrics : &none;
    return er_options_give(out, size, metrics, sizeof *metrics);
}

int64_t errand_body_read(errand_response *response, void *buffer, size_t size, int64_t ms)
{
    if (!response || !response->reader) return -EINVAL;
    return er_body_reader_read(response->reader, buffer, size, ms);
}

const errand_result *errand_body_failure(const errand_response *response)
{
    return response && response->reader ? er_body_reader_failure(response->reader) : NULL;
}

int errand_response_timings_sized(const errand_response *response, errand_timings *out, size_t size)
{
    static const errand_timings none = { -1, -1, -1, -1, -1, -1 };
    const errand_timings *timings = response ? &response->timings : &none;
    return er_options_give(out, size, timings, sizeof *timings);
}

/* ---- the times of a failure ---- */

_Static_assert(sizeof(errand_timings) == ER_TIMINGS * sizeof(double), "one for each");

void er_result_timed(errand_detail *detail, const errand_timings *timings)
{
    double ms[ER_TIMINGS];
    memcpy(ms, timings, sizeof ms);
    for (size_t i = 0; i < ER_TIMINGS; i++) detail->timings_ms[i] = (float)ms[i];
    detail->timed = true;
}

int errand_result_timings_sized(const errand_result *r, errand_timings *out, size_t size)
{
    if (!r || !out) return EINVAL;
    if (r->free == er_response_free) return errand_response_timings_sized(r->value, out, size);
    while (r && !(r->detail && r->detail->timed))
        r = errand_result_cause(r, 0); /* the transfer under way when it was cancelled */
    if (!r) return ENOENT;
    double ms[ER_TIMINGS];
    for (size_t i = 0; i < ER_TIMINGS; i++) ms[i] = (double)r->detail->timings_ms[i];
    return er_options_give(out, size, ms, sizeof ms);
}
