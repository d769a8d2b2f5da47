/* http/json.c -- a result as JSON, for programs that hand it on.
 *
 * Built member by member; the first one that finds no memory gives the whole up, so that half a result is never shown.
 * Times are in seconds, as JSON interfaces have them. */
#include "http/response.h"

#include "base/os.h"

#include <json-c/json.h>

/* Takes value over. False: no memory; none is a value that may be NULL. */
static bool put(struct json_object *object, const char *name, struct json_object *value, bool none)
{
    if (!value && !none) return false;
    if (!json_object_object_add(object, name, value)) return true;
    json_object_put(value);
    return false;
}

static bool put_seconds(struct json_object *object, const char *name, int64_t ms) /* below 0: null */
{
    return put(object, name, ms < 0 ? NULL : json_object_new_double((double)ms / 1e3), ms < 0);
}

static struct json_object *attempt_json(const errand_attempt *attempt)
{
    struct json_object *object = json_object_new_object();
    char name[40];
    if (!object) return NULL;
    errand_error_name(attempt->error, name, sizeof name);
    if (put(object, "number", json_object_new_int64(attempt->number), false) &&
        put(object, "error", attempt->error ? json_object_new_string(name) : NULL, !attempt->error) &&
        put_seconds(object, "began", attempt->began_ms) && put_seconds(object, "took", attempt->took_ms) &&
        put_seconds(object, "then_waited", attempt->then_waited_ms) &&
        put(object, "why_waited", json_object_new_string(attempt->why_waited ? attempt->why_waited : ""), false)) {
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

static struct json_object *metadata_json(const errand_result *r)
{
    struct json_object *object = json_object_new_object();
    if (!object) return NULL;
    int64_t ms = errand_result_elapsed_ms(r);
    if (ms < 0 && !r->error && r->free == er_response_free) {
        errand_timings timings;
        if (!errand_response_timings(r->value, &timings)) ms = (int64_t)timings.total;
    }
    const char *phase = errand_result_phase(r);
    int status = status_of(r);
    if (put_seconds(object, "duration", ms) &&
        put(object, "phase", *phase ? json_object_new_string(phase) : NULL, !*phase) &&
        put(object, "status", status ? json_object_new_int(status) : NULL, !status) &&
        put(object, "attempts", attempts_json(r), false)) {
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
            put(object, "error_message", failed ? json_object_new_string(errand_result_message(r)) : NULL, !failed) &&
            put_seconds(object, "retry_after", failed ? errand_result_retry_after(r) : -1) &&
            put(object, "metadata", metadata_json(r), false)) {
            return object;
        }
    }
    json_object_put(object);
    return NULL;
}
