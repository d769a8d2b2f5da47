/* http/response.c -- a reply is built by one lane and then never changes.
 *
 * Headers are kept as they came, name and value one after the other in one buffer: there are few, each is looked up
 * once or not at all. A name may stand there several times. Of a chain of replies (100 Continue, redirects) only the
 * last counts, so a new status line throws away what was collected. Lines after the end of the header block are
 * trailers of a chunked body: nobody asked for them.
 *
 * The body always has a NUL behind it. JSON is read strictly: json-c would otherwise take comments, single quotes and
 * a tail of anything. What is shown of a bad body, or of an error's own words, has no control characters, so it cannot
 * forge a line of a log or a terminal. */
#include "http/response.h"

#include "base/clock.h"
#include "base/options.h"
#include "http/classify.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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
    er_bytes_free(&response->headers);
    er_bytes_free(&response->body);
    er_free(response->url);
    er_free(response);
}

void er_add_harmless(er_bytes *to, const char *text, size_t size, size_t most)
{
    bool cut = size > most;
    if (cut) {
        size = most;
        while (size && ((unsigned char)text[size] & 0xc0) == 0x80) size--; /* not in the middle of a UTF-8 character */
    }
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        char shown = c < 0x20 || c == 0x7f ? ' ' : (char)c;
        er_bytes_add(to, &shown, 1);
    }
    if (cut) er_bytes_text(to, "...");
}

static void begin(errand_response *response, const char *line, size_t size)
{
    response->headers_ended = false;
    response->headers.size = response->body.size = 0;
    response->status = 0;
    response->reason[0] = '\0';
    const char *at = memchr(line, ' ', size);
    const char *end = line + size;
    while (at && at < end && *at == ' ') at++;
    for (; at && at < end && *at >= '0' && *at <= '9' && response->status < 1000; at++) {
        response->status = response->status * 10 + (*at - '0');
    }
    while (at && at < end && *at == ' ') at++;
    er_bytes reason = { 0 };
    if (at && at < end) er_add_harmless(&reason, at, (size_t)(end - at), sizeof response->reason - 4);
    if (reason.at) snprintf(response->reason, sizeof response->reason, "%s", reason.at);
    er_bytes_free(&reason);
}

bool er_response_line(errand_response *response, const char *line, size_t size)
{
    while (size && (line[size - 1] == '\r' || line[size - 1] == '\n')) size--;
    if (size >= 5 && !memcmp(line, "HTTP/", 5) && (response->headers_ended || !response->status)) {
        begin(response, line, size);
        return true;
    }
    if (response->headers_ended) return true;
    if (!size) {
        response->headers_ended = true;
        return true;
    }
    const char *colon = memchr(line, ':', size);
    if (!colon || memchr(line, 0, size)) return true; /* no header */
    const char *value = colon + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
    er_bytes_add(&response->headers, line, (size_t)(colon - line));
    er_bytes_add(&response->headers, "", 1);
    er_bytes_add(&response->headers, value, (size_t)(end - value));
    er_bytes_add(&response->headers, "", 1);
    return !response->headers.error;
}

int64_t er_response_retry_after(const errand_response *response)
{
    const char *value = errand_response_header(response, "retry-after-ms", 0);
    int64_t ms = value ? er_retry_after_ms(value) : -1;
    value = errand_response_header(response, "Retry-After", 0);
    if (ms < 0 && value) ms = er_retry_after(value, errand_response_header(response, "Date", 0), er_wall_seconds());
    return ms;
}

static void add_member(er_bytes *message, struct json_object *problem, const char *name)
{
    struct json_object *member;
    if (!json_object_object_get_ex(problem, name, &member) || !json_object_is_type(member, json_type_string)) return;
    size_t size = (size_t)json_object_get_string_len(member);
    if (!size) return;
    er_bytes_text(message, ": ");
    er_add_harmless(message, json_object_get_string(member), size, 300);
}

void er_response_problem(const errand_response *response, er_bytes *message)
{
    const char *type = errand_response_header(response, "Content-Type", 0);
    if (!type || strncasecmp(type, "application/", 12) || !strcasestr(type, "json")) return;
    struct json_object *problem;
    if (errand_response_json(response, &problem, NULL)) return;
    if (json_object_is_type(problem, json_type_object)) {
        add_member(message, problem, "title");
        add_member(message, problem, "detail");
    }
    json_object_put(problem);
}

/* ---- as it is read ---- */

int errand_response_status(const errand_response *response) { return response ? response->status : 0; }

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
    if (!response || !name) return NULL;
    const char *at = response->headers.at, *end = at + response->headers.size;
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        if (!strcasecmp(at, name) && !i--) return value;
        at = value + strlen(value) + 1;
    }
    return NULL;
}

int errand_response_timings_sized(const errand_response *response, errand_timings *out, size_t size)
{
    static const errand_timings none = { -1, -1, -1, -1, -1, -1 };
    const errand_timings *timings = response ? &response->timings : &none;
    return er_options_give(out, size, timings, sizeof *timings);
}

static const char *how_it_begins(const errand_response *response, const char *what)
{
    static _Thread_local char why[200];
    const char *type = errand_response_header(response, "Content-Type", 0);
    errand_bytes body = errand_response_body(response);
    er_bytes text = { 0 };
    er_bytes_format(&text, "%s: ", what);
    if (type) er_add_harmless(&text, type, strlen(type), 60);
    else er_bytes_text(&text, "no Content-Type");
    if (body.size) {
        er_bytes_text(&text, ", begins \"");
        er_add_harmless(&text, body.at, body.size, 60);
        er_bytes_text(&text, "\"");
    }
    snprintf(why, sizeof why, "%s", text.at && !text.error ? text.at : what);
    er_bytes_free(&text);
    return why;
}

/* What json-c takes although it is told to be strict: 'names', NaN, Infinity. Outside of strings JSON has no such
 * letters. */
static bool is_lax(const char *text)
{
    bool quoted = false;
    for (; *text; text++) {
        if (quoted && *text == '\\' && text[1]) text++;
        else if (*text == '"') quoted = !quoted;
        else if (!quoted && (*text == '\'' || (*text >= 'A' && *text <= 'Z' && *text != 'E'))) return true;
    }
    return false;
}

int errand_response_json(const errand_response *response, struct json_object **out, const char **why)
{
    if (out) *out = NULL;
    if (why) *why = "";
    if (!response || !out) return EINVAL;
    errand_bytes body = errand_response_body(response);
    const char *at = body.at;
    size_t size = body.size;
    while (size && memchr(" \t\r\n", at[size - 1], 4)) size--;
    if (!size || size >= INT32_MAX || memchr(at, '\0', size)) {
        if (why) *why = how_it_begins(response, size ? "not JSON" : "the body is empty");
        return EBADMSG;
    }
    struct json_tokener *reader = json_tokener_new_ex(128);
    char *text = er_copy_bytes(at, size); /* with its NUL, which ends a number at the top */
    int error = reader && text ? 0 : ENOMEM;
    if (!error) {
        json_tokener_set_flags(reader, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        *out = json_tokener_parse_ex(reader, text, (int)size + 1);
        enum json_tokener_error said = json_tokener_get_error(reader);
        if (said == json_tokener_success && is_lax(text)) said = json_tokener_error_parse_unexpected;
        if (said != json_tokener_success) {
            char what[100];
            snprintf(what, sizeof what, "not JSON (%s)", json_tokener_error_desc(said));
            if (why) *why = how_it_begins(response, what);
            error = EBADMSG;
        }
    }
    if (reader) json_tokener_free(reader);
    er_free(text);
    if (error && *out) {
        json_object_put(*out);
        *out = NULL;
    }
    return error;
}
