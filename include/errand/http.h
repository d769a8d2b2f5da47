/* errand/http.h -- a request goes out on a lane, a response comes back (library errand-http).
 *
 * A session has connections, limits and defaults. It adds `lanes` workers to its pool; each drives several transfers in a
 * private curl multi handle, so that a cancel reaches a transfer at once. A future of errand_send holds no worker.
 *
 * A status of 400 and more is an error ERRAND_HTTP + status that still carries the response in `value`, unless the request
 * says any_status. Other failures say kind, phase, host and port, and curl's own words; errand_result_may_have_run tells
 * whether the server may have done the work: a request that was sent is only safe to repeat if its method is idempotent
 * (RFC 9110, 9.2.2) or it has an idempotency key.
 *
 *   what went wrong                                                         tried again
 *   never sent: cannot resolve (twice at most), connect, TLS timeout        any method
 *   sent: timeout, connection lost, empty or cut reply                      idempotent, or keyed
 *   408 425 429 500 502 503 504 522 524, Retry-After honoured               idempotent, or keyed
 *   bad URL, certificate, protocol, body too large, cancelled, other 4xx    never
 *
 * Close the session before its pool.
 */
#ifndef ERRAND_HTTP_H
#define ERRAND_HTTP_H

#include <errand/log.h>
#include <errand/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct errand_http errand_http;
typedef struct errand_response errand_response;
typedef struct errand_bytes {
    const void *at;
    size_t      size;
} errand_bytes;
struct json_object;

typedef struct errand_http_opts {
    unsigned             lanes;      /* threads for transfers. 0: one a core, at least 2                              */
    unsigned             limit;      /* transfers at once; more wait their turn, holding no thread. 0: 100            */
    int64_t              keepalive_ms;       /* how long an idle connection is kept. 0: 15 s                          */
    int64_t              total_ms, connect_ms; /* of one exchange, its waiting for a turn included, 0: 300 s; of
                                                  resolve + TCP + TLS, 0: 30 s                                         */
    size_t               max_body;   /* of a decompressed reply. 0: 64 MiB                                            */
    const char          *base_url;   /* what relative urls are resolved against (RFC 3986). NULL: they are EINVAL     */
    const char          *user_agent; /* NULL: "errand/VERSION"                                                        */
    const char *const   *headers;    /* "Name: value", ..., NULL; for every request, unless it brings its own         */
    const errand_policy *policy;     /* for every request that brings none; kept alive by the session                 */
    errand_log          *log;        /* NULL: silent                                                                  */
} errand_http_opts;

/* All is copied, except json (serialised) and the policy (counted), before errand_send returns. */
typedef struct errand_request {
    const char          *method;  /* NULL: GET, or POST if there is a body                                            */
    const char          *url;     /* http or https                                                                    */
    const char *const   *headers; /* "Name: value", ..., NULL                                                         */
    errand_bytes         body;
    struct json_object  *json;    /* borrowed; instead of body; brings its Content-Type                               */
    const char          *save_to; /* a successful body goes into this file: whole or not at all                       */
    const char          *idempotency_key; /* sent as Idempotency-Key, the same with every attempt                     */
    errand_repeat        repeat;
    unsigned             any_status;      /* 4xx and 5xx are no errors                                                */
    int64_t              total_ms, connect_ms; /* 0: the session's                                                    */
    const errand_policy *policy;  /* NULL: the session's                                                              */
} errand_request;

/* A new session, or NULL with errno (EINVAL: a base_url, header or time is wrong). */
ERRAND_API errand_http *errand_http_new_sized(errand_pool *pool, const errand_http_opts *opts, size_t size);
static inline errand_http *errand_http_new(errand_pool *pool, const errand_http_opts *opts)
{
    return errand_http_new_sized(pool, opts, sizeof *opts);
}

/* Refuses new requests, lets those in flight end until half of within_ms, cancels the rest. 0, or ETIMEDOUT when a lane
 * would not end; the session is gone either way. NULL is harmless. */
ERRAND_API int errand_http_close(errand_http *http, int64_t within_ms);

/* The value is an errand_response. Never NULL: a request that cannot be sent is a failed future whose message says why. */
ERRAND_API errand_future *errand_send_sized(errand_http *http, const errand_request *request, size_t size);
static inline errand_future *errand_send(errand_http *http, const errand_request *request)
{
    return errand_send_sized(http, request, sizeof *request);
}
ERRAND_API errand_future *errand_get(errand_http *http, const char *url);
ERRAND_API errand_future *errand_post_json(errand_http *http, const char *url, struct json_object *body);

/* ---- a response: immutable, read by any thread while its result lives ---------------------------------------------------- */

ERRAND_API int          errand_response_status(const errand_response *response);
ERRAND_API const char  *errand_response_url(const errand_response *response);  /* the last one, after redirects           */
ERRAND_API errand_bytes errand_response_body(const errand_response *response); /* NUL-terminated beyond size              */
ERRAND_API const char  *errand_response_header(const errand_response *response, const char *name, size_t i); /* i-th of that
                                                                      name, in any case; NULL past the end             */
/* A new json_object of the body, yours to put. EBADMSG: it is not JSON; *why (may be NULL) says how it begins. */
ERRAND_API int errand_response_json(const errand_response *response, struct json_object **out, const char **why);

typedef struct errand_timings { /* ms from the start of the exchange; -1: not reached */
    double queue, resolve, connect, tls, first_byte, total;
} errand_timings;
ERRAND_API int errand_response_timings_sized(const errand_response *response, errand_timings *out, size_t size);
static inline int errand_response_timings(const errand_response *response, errand_timings *out)
{
    return errand_response_timings_sized(response, out, sizeof *out);
}

/* {"success","data","error_type","error_message","retry_after","metadata":{"duration","phase","status","attempts":[...]}} of any
 * result; data (may be NULL) is taken over. NULL: out of memory. The object is yours to put. */
ERRAND_API struct json_object *errand_result_json(const errand_result *r, struct json_object *data);

/* "libcurl/7.88.1 json-c/0.16" */
ERRAND_API const char *errand_http_features(void);

#ifdef __cplusplus
}
#endif
#endif
