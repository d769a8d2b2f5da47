/* http/json.c -- a body read as JSON, strictly.
 *
 * json-c would otherwise accept comments, single quotes and any text behind the value. Many
 * services send JSON with a wrong Content-Type, so one other than application/json or +json is only
 * reported in *why, and refused only by a session with strict_json. What is quoted of a bad body,
 * or of a problem's texts, has no control characters, so it cannot forge a line of a log or a
 * terminal. */
#include "http/json.h"

#include "http/classify.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

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

/* What json-c accepts in spite of JSON_TOKENER_STRICT: 'names', NaN, Infinity. Outside of strings
 * JSON has no such letters. */
static bool is_lax(const char *text)
{
    bool quoted = false;
    for (; *text; text++) {
        if (quoted && *text == '\\' && text[1]) text++;
        else if (*text == '"') quoted = !quoted;
        else if (!quoted && (*text == '\'' || (*text >= 'A' && *text <= 'Z' && *text != 'E')))
            return true;
    }
    return false;
}

int errand_response_json(const errand_response *response, struct json_object **out,
                         const char **why)
{
    if (out) *out = NULL;
    if (why) *why = "";
    if (!response || !out) return EINVAL;
    const char *type = errand_response_header(response, "Content-Type", 0);
    bool odd = !er_is_json_type(type);
    if (odd && response->strict_json) {
        if (why) *why = how_it_begins(response, "the Content-Type is not JSON");
        return EBADMSG;
    }
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
        if (said == json_tokener_success && is_lax(text))
            said = json_tokener_error_parse_unexpected;
        if (said != json_tokener_success) {
            char what[100];
            snprintf(what, sizeof what, "not JSON (%s)", json_tokener_error_desc(said));
            if (why) *why = how_it_begins(response, what);
            error = EBADMSG;
        }
    }
    if (reader) json_tokener_free(reader);
    er_free(text);
    if (!error && odd && why) *why = how_it_begins(response, "JSON, but the Content-Type is not");
    if (error && *out) {
        json_object_put(*out);
        *out = NULL;
    }
    return error;
}

static void add_member(const errand_response *response, er_bytes *message,
                       struct json_object *problem, const char *name)
{
    struct json_object *member;
    if (!json_object_object_get_ex(problem, name, &member) ||
        !json_object_is_type(member, json_type_string))
        return;
    size_t size = (size_t)json_object_get_string_len(member);
    const char *text = json_object_get_string(member);
    if (!size || !strcmp(text, response->reason)) return; /* which is said already */
    er_bytes_text(message, ": ");
    er_add_harmless(message, text, size, 300);
}

void er_response_problem(const errand_response *response, er_bytes *message)
{
    if (!er_is_json_type(errand_response_header(response, "Content-Type", 0))) return;
    struct json_object *problem;
    if (errand_response_json(response, &problem, NULL)) return;
    if (json_object_is_type(problem, json_type_object)) {
        add_member(response, message, problem, "title");
        add_member(response, message, problem, "detail");
    }
    json_object_put(problem);
}
