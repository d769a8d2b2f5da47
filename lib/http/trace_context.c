/* http/trace_context.c -- a middleware that sends W3C Trace Context's header traceparent.
 *
 *   no traceparent, or a bad one --> a trace of its own; tracestate belongs to the bad one and goes
 *   a valid one                  --> a child of it: the same trace, a new parent-id
 *
 *   00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *   version  trace-id            parent-id        flags
 *
 * A later version may have more behind the flags, which is not read (3.2.4 there); what is sent is
 * version 00. */
#include "http/middleware.h"
#include "http/session.h"

#include <stdio.h>
#include <string.h>

enum {
    PARENT_SIZE = 55,
    TRACE_AT = 3,
    TRACE_SIZE = 32,
    SPAN_AT = 36,
    SPAN_SIZE = 16,
    FLAGS_AT = 53
};

static bool is_hex(const char *at, size_t size) { return strspn(at, "0123456789abcdef") >= size; }

static bool is_zero(const char *at, size_t size) { return strspn(at, "0") >= size; }

/* What stands behind the name of a header; NULL: it has another name. */
static const char *value_of(const char *header, const char *name)
{
    size_t size = strlen(name);
    if (!er_header_named(header, name, size)) return NULL;
    const char *colon = strchr(header, ':');
    return colon ? colon + 1 + strspn(colon + 1, " \t") : "";
}

/* Blanks may follow. */
static bool is_valid(const char *parent)
{
    size_t size = strlen(parent);
    while (size && strchr(" \t", parent[size - 1])) size--;
    if (size < PARENT_SIZE || !is_hex(parent, 2) || !strncmp(parent, "ff", 2)) return false;
    if (parent[2] != '-' || parent[SPAN_AT - 1] != '-' || parent[FLAGS_AT - 1] != '-') return false;
    bool first = !strncmp(parent, "00", 2);
    if (size > PARENT_SIZE && (first || parent[PARENT_SIZE] != '-')) return false;
    const char *trace = parent + TRACE_AT, *span = parent + SPAN_AT;
    return is_hex(trace, TRACE_SIZE) && !is_zero(trace, TRACE_SIZE) && is_hex(span, SPAN_SIZE) &&
           !is_zero(span, SPAN_SIZE) && is_hex(parent + FLAGS_AT, 2);
}

static unsigned long long random_id(void)
{
    unsigned long long id;
    do id = er_random();
    while (!id);
    return id;
}

static void write_parent(char *to, size_t size, const char *before, unsigned flags)
{
    char trace[TRACE_SIZE + 1];
    if (before) snprintf(trace, sizeof trace, "%.*s", TRACE_SIZE, before + TRACE_AT);
    else snprintf(trace, sizeof trace, "%016llx%016llx", random_id(), random_id());
    /* of the flags only `sampled` may be passed on by what knows no other */
    if (before)
        flags = (unsigned)(before[FLAGS_AT + 1] >= 'a' ? before[FLAGS_AT + 1] - 'a' + 10
                                                       : before[FLAGS_AT + 1] - '0');
    snprintf(to, size, "traceparent: 00-%s-%016llx-%02x", trace, random_id(), flags & 1);
}

errand_future *errand_middleware_trace(const errand_request *request, errand_chain *next, void *arg)
{
    size_t n = 0, parents = 0, kept = 0;
    const char *before = NULL, *parent;
    char line[80];
    for (; request->headers && request->headers[n]; n++) {
        parent = value_of(request->headers[n], "traceparent");
        if (parent) before = parent;
        parents += parent != NULL;
    }
    if (parents != 1 || !is_valid(before)) before = NULL;
    const char **headers = er_alloc((n + 2) * sizeof *headers);
    if (!headers) return er_middleware_refuse(next->http, request, errand_fail(ENOMEM));
    for (size_t i = 0; i < n; i++) {
        const char *header = request->headers[i];
        bool stale = parents && !before && value_of(header, "tracestate");
        if (!stale && !value_of(header, "traceparent")) headers[kept++] = header;
    }
    write_parent(line, sizeof line, before, arg ? *(const unsigned char *)arg : 1);
    headers[kept] = line;
    headers[kept + 1] = NULL;
    errand_request child = *request;
    child.headers = headers;
    errand_future *f = errand_chain_send(next, &child);
    er_free(headers);
    return f;
}
