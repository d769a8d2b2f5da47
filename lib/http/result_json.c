/* http/result_json.c -- a result as JSON, for programs that pass it on.
 *
 * Built member by member; without memory for one the whole is freed, so half a result is never
 * shown. Times are in seconds, as usual in JSON interfaces. */
#include "http/response.h"
#include "http/url.h"

#include "base/utf8.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

/* Takes value over. False: no memory; none is a value that may be NULL. */
static bool put(struct json_object *object, const char *name, struct json_object *value, bool none)
{
    if (!value && !none) return false;
    if (!json_object_object_add(object, name, value)) return true;
    json_object_put(value);
    return false;
}

/* A number with three places behind the point. */
static struct json_object *number(double value)
{
    char text[40];
    er_format_plain(text, sizeof text, "%.3f", value); /* with a point in every locale */
    return json_object_new_double_s(value, text);
}

/* below 0: null */
static bool put_seconds(struct json_object *object, const char *name, int64_t ms)
{
    return put(object, name, ms < 0 ? NULL : number((double)ms / 1e3), ms < 0);
}

static struct json_object *attempt_json(const errand_attempt *attempt)
{
    struct json_object *object = json_object_new_object();
    char name[40];
    if (!object) return NULL;
    errand_error_name(attempt->error, name, sizeof name);
    if (put(object, "number", json_object_new_int64(attempt->number), false) &&
        put(object, "error", attempt->error ? json_object_new_string(name) : NULL,
            !attempt->error) &&
        put_seconds(object, "began", attempt->began_ms) &&
        put_seconds(object, "took", attempt->took_ms) &&
        put_seconds(object, "then_waited", attempt->then_waited_ms) &&
        put(object, "why_waited",
            json_object_new_string(attempt->why_waited ? attempt->why_waited : ""), false)) {
        return object;
    }
    json_object_put(object);
    return NULL;
}

static struct json_object *attempts_json(const errand_result *r)
{
    struct json_object *list = json_object_new_array();
    errand_attempt attempt;
    for (size_t i = 0; list && !errand_result_attempt(r, i, &attempt); i++) {
        struct json_object *one = attempt_json(&attempt);
        if (one && !json_object_array_add(list, one)) continue;
        json_object_put(one);
        json_object_put(list);
        return NULL;
    }
    return list;
}

static int status_of(const errand_result *r) /* 0: there is none */
{
    if (r->free == er_response_free) return errand_response_status(r->value);
    return r->error > ERRAND_HTTP && r->error < ERRAND_HTTP + 1000 ? r->error - ERRAND_HTTP : 0;
}

static const char *class_of(errand_kind kind)
{
    switch (kind) {
    case ERRAND_KIND_NETWORK:
    case ERRAND_KIND_PROTOCOL:
    case ERRAND_KIND_HTTP_SERVER: return "network_error";
    case ERRAND_KIND_TIMEOUT: return "timeout_error";
    case ERRAND_KIND_VALIDATION:
    case ERRAND_KIND_HTTP_CLIENT:
    case ERRAND_KIND_AUTH: return "validation_error";
    case ERRAND_KIND_RESOURCE:
    case ERRAND_KIND_RATE_LIMITED:
    case ERRAND_KIND_REJECTED: return "resource_error";
    default: return "unknown_error";
    }
}

/* JSON is UTF-8; a peer's text need not be. */
static struct json_object *said(const char *text)
{
    if (er_utf8_valid(text, strlen(text))) return json_object_new_string(text);
    er_bytes harmless = { 0 };
    er_add_harmless(&harmless, text, strlen(text), SIZE_MAX);
    struct json_object *string = harmless.error ? NULL : json_object_new_string(harmless.at);
    er_bytes_free(&harmless);
    return string;
}

/* NULL or "": null */
static bool put_text(struct json_object *object, const char *name, const char *text)
{
    bool none = !text || !*text;
    return put(object, name, none ? NULL : said(text), none);
}

static const errand_response *response_of(const errand_result *r)
{
    return r->free == er_response_free ? r->value : NULL;
}

static struct json_object *timings_json(const errand_timings *timings)
{
    const struct {
        const char *name;
        double ms;
    } all[] = { { "queue", timings->queue },           { "resolve", timings->resolve },
                { "connect", timings->connect },       { "tls", timings->tls },
                { "first_byte", timings->first_byte }, { "total", timings->total } };
    struct json_object *object = json_object_new_object();
    for (size_t i = 0; object && i < sizeof all / sizeof *all; i++) {
        bool none = all[i].ms < 0;
        if (put(object, all[i].name, none ? NULL : number(all[i].ms), none)) continue;
        json_object_put(object);
        return NULL;
    }
    return object;
}

static struct json_object *causes_json(const errand_result *r)
{
    struct json_object *list = json_object_new_array();
    const errand_result *cause;
    for (size_t i = 0; list && (cause = errand_result_cause(r, i)); i++) {
        struct json_object *one = said(errand_result_message(cause));
        if (one && !json_object_array_add(list, one)) continue;
        json_object_put(one);
        json_object_put(list);
        return NULL;
    }
    return list;
}

static bool put_response(struct json_object *object, const errand_result *r)
{
    const errand_response *response = response_of(r);
    errand_timings timings;
    bool timed = !errand_result_timings(r, &timings);
    int status = status_of(r);
    /* a query may hold a secret */
    char *url = response ? er_url_shown(errand_response_url(response), true) : NULL;
    bool shown = put_text(object, "url", url);
    er_free(url);
    return shown && put(object, "status", status ? json_object_new_int(status) : NULL, !status) &&
           put(object, "timing_ms", timed ? timings_json(&timings) : NULL, !timed);
}

static struct json_object *metadata_json(const errand_result *r)
{
    struct json_object *object = json_object_new_object();
    if (!object) return NULL;
    const errand_response *response = response_of(r);
    int64_t ms = errand_result_elapsed_ms(r);
    errand_timings timings;
    if (ms < 0 && response && !errand_response_timings(response, &timings))
        ms = (int64_t)timings.total;
    errand_attempt attempt; /* of work that was tried again the whole counts */
    for (size_t i = 0; !errand_result_attempt(r, i, &attempt); i++) {
        if (attempt.began_ms + attempt.took_ms > ms) ms = attempt.began_ms + attempt.took_ms;
    }
    bool failed = r->error != 0;
    char code[40];
    errand_error_name(r->error, code, sizeof code);
    if (put_seconds(object, "duration", ms) && put_text(object, "phase", errand_result_phase(r)) &&
        put_response(object, r) && put_text(object, "code", failed ? code : NULL) &&
        put_text(object, "reason", errand_reason_name(errand_result_reason(r))) &&
        put_text(object, "error_class", failed ? class_of(errand_result_kind(r)) : NULL) &&
        put(object, "may_have_run",
            failed ? json_object_new_boolean(errand_result_may_have_run(r)) : NULL, !failed) &&
        put(object, "attempts", attempts_json(r), false) &&
        put(object, "causes", causes_json(r), false)) {
        return object;
    }
    json_object_put(object);
    return NULL;
}

struct json_object *errand_result_json(const errand_result *r, struct json_object *data)
{
    struct json_object *object = r ? json_object_new_object() : NULL;
    if (!object) {
        json_object_put(data);
        return NULL;
    }
    bool failed = r->error != 0;
    if (!put(object, "success", json_object_new_boolean(!failed), false)) {
        json_object_put(data);
    } else if (put(object, "data", data, true)) {
        const char *type = errand_kind_name(errand_result_kind(r));
        if (put(object, "error_type", failed ? json_object_new_string(type) : NULL, !failed) &&
            put(object, "error_message", failed ? said(errand_result_message(r)) : NULL, !failed) &&
            put_seconds(object, "retry_after", failed ? errand_result_retry_after(r) : -1) &&
            put(object, "metadata", metadata_json(r), false)) {
            return object;
        }
    }
    json_object_put(object);
    return NULL;
}
