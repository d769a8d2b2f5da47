/* http/request_copy.c -- each field is copied, deep; what several requests may share is counted.
 *
 * json is serialised, for the caller may change it. body_fn is called through the copy, which each
 * request that is sent holds until its body_free: so the caller's body_free is called once, when
 * none of them needs the body any more. A request with two bodies keeps both, so that it is refused
 * as the caller's would be. */
#include "http/request_copy.h"

#include "base/atomic.h"
#include "http/header.h"
#include "policy/policy.h"

#include <json-c/json.h>
#include <string.h>

struct er_request_copy {
    unsigned count;
    bool failed; /* no memory */
    errand_request request;
    struct json_object *json; /* kept for a request that is refused anyway */
    errand_policy *policy;
    errand_body_fn *body_fn;
    void *body_arg;
    errand_free_fn *body_free;
    void **kept;
    size_t n;
};

static void *keep(er_request_copy *copy, void *at)
{
    void **kept = at ? er_resize(copy->kept, (copy->n + 1) * sizeof *kept) : NULL;
    if (!kept) {
        er_free(at);
        copy->failed = true;
        return NULL;
    }
    copy->kept = kept;
    return kept[copy->n++] = at;
}

static const char *text(er_request_copy *copy, const char *from)
{
    return from ? keep(copy, er_copy_text(from)) : NULL;
}

static const void *bytes(er_request_copy *copy, const void *from, size_t size)
{
    return from ? keep(copy, er_copy_bytes(from, size)) : NULL;
}

/* A list that ends with NULL, with `more` behind it. */
static const char *const *list(er_request_copy *copy, const char *const *from, const char *more)
{
    size_t n = 0;
    while (from && from[n]) n++;
    if (!from && !more) return NULL;
    const char **to = keep(copy, er_alloc_zero((n + 2) * sizeof *to));
    for (size_t i = 0; to && i < n; i++) to[i] = text(copy, from[i]);
    if (to && more) to[n] = more;
    return to;
}

static const errand_form_field *form(er_request_copy *copy, const errand_form_field *from)
{
    size_t n = 0;
    while (from && from[n].name) n++;
    if (!from) return NULL;
    errand_form_field *to = keep(copy, er_alloc_zero((n + 1) * sizeof *to));
    for (size_t i = 0; to && i < n; i++) {
        to[i] = (errand_form_field){
            .name = text(copy, from[i].name),
            .value = text(copy, from[i].value),
            .bytes = { bytes(copy, from[i].bytes.at, from[i].bytes.size), from[i].bytes.size },
            .file = text(copy, from[i].file),
            .filename = text(copy, from[i].filename),
            .type = text(copy, from[i].type),
        };
    }
    return to;
}

static bool has_type(const char *const *headers)
{
    for (; headers && *headers; headers++) {
        if (er_header_named(*headers, "Content-Type", 12)) return true;
    }
    return false;
}

static void copy_body(er_request_copy *copy, const errand_request *given)
{
    errand_request *r = &copy->request;
    bool other = given->body.at || given->body.size || given->form || given->body_file ||
                 given->body_fn;
    r->body.at = bytes(copy, given->body.at, given->body.size);
    r->form = form(copy, given->form);
    r->body_file = text(copy, given->body_file);
    const char *type = NULL;
    if (given->json && other) {
        r->json = copy->json = json_object_get(given->json);
    } else if (given->json) {
        size_t size = 0;
        const char *at =
            json_object_to_json_string_length(given->json, JSON_C_TO_STRING_PLAIN, &size);
        r->json = NULL;
        r->body = (errand_bytes){ at ? bytes(copy, at, size) : NULL, size };
        copy->failed |= !at;
        if (!has_type(given->headers)) type = "Content-Type: application/json";
    }
    r->headers = list(copy, given->headers, type);
}

static int call_through(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got)
{
    const er_request_copy *copy = arg;
    return copy->body_fn(copy->body_arg, offset, buffer, size, got);
}

void er_request_copy_drop(er_request_copy *copy)
{
    if (!copy || er_sub(&copy->count, 1) != 1) return;
    if (copy->body_free) copy->body_free(copy->body_arg);
    for (size_t i = 0; i < copy->n; i++) er_free(copy->kept[i]);
    er_free(copy->kept);
    errand_policy_free(copy->policy);
    json_object_put(copy->json);
    er_free(copy);
}

static void drop_body(void *copy) { er_request_copy_drop(copy); }

er_request_copy *er_request_copy_new(const errand_request *given)
{
    er_request_copy *copy = er_alloc_zero(sizeof *copy);
    if (!copy) {
        if (given->body_free) given->body_free(given->body_arg);
        return NULL;
    }
    errand_request *r = &copy->request;
    copy->count = 1;
    copy->body_fn = given->body_fn;
    copy->body_arg = given->body_arg;
    copy->body_free = given->body_free;
    *r = *given;
    r->body_arg = NULL;
    r->body_free = NULL;
    r->method = text(copy, given->method);
    r->url = text(copy, given->url);
    r->save_to = text(copy, given->save_to);
    r->idempotency_key = text(copy, given->idempotency_key);
    r->bearer = text(copy, given->bearer);
    r->user = text(copy, given->user);
    r->password = text(copy, given->password);
    r->secrets = list(copy, given->secrets, NULL);
    copy_body(copy, given);
    if (given->policy) r->policy = copy->policy = er_policy_keep(given->policy);
    if (!copy->failed) return copy;
    er_request_copy_drop(copy);
    return NULL;
}

errand_request er_request_copy_use(er_request_copy *copy)
{
    errand_request r = copy->request;
    if (!copy->body_fn) return r;
    er_add(&copy->count, 1);
    r.body_fn = call_through;
    r.body_arg = copy;
    r.body_free = drop_body;
    return r;
}
