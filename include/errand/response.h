/** errand/response.h -- an HTTP response: immutable, read by any thread while its result lives
 * (library errand-http).
 */
#ifndef ERRAND_RESPONSE_H
#define ERRAND_RESPONSE_H

#include <errand/rate.h>
#include <errand/request.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A response: the value of errand_send(). */
typedef struct errand_response errand_response;

/* ---- head ---- */

/** Returns the status, 200. */
ERRAND_API int errand_response_status(const errand_response *response);

/** Returns the reason phrase, "Not Found"; may be "". Control characters are replaced. */
ERRAND_API const char *errand_response_reason(const errand_response *response);

/** Returns the last url, after redirects, without userinfo. */
ERRAND_API const char *errand_response_url(const errand_response *response);

/**
 * Returns the value of header `i`, counted from 0, of those called `name`, in any case; NULL past
 * the end.
 */
ERRAND_API const char *errand_response_header(const errand_response *response, const char *name,
                                              size_t i);

/**
 * Writes name and value of header `i` of all, counted from 0, as it came.
 *
 * Returns 0, or
 *   ENOENT   `i` is past the end
 *   EINVAL   a pointer is NULL
 */
ERRAND_API int errand_response_each_header(const errand_response *response, size_t i,
                                           const char **name, const char **value);

/**
 * Returns the status with which url `i` on the way answered, counted from 0, and the url in *url; 0
 * past the end.
 */
ERRAND_API int errand_response_redirect(const errand_response *response, size_t i,
                                        const char **url);

/**
 * Writes what the headers say of the quota of requests to *out, for errand_rate_quota().
 *
 * These are read: RateLimit with RateLimit-Policy, as the IETF's draft has them now and had them
 * before; RateLimit-, X-RateLimit- and X-Rate-Limit- with Limit, Remaining and Reset, which is in
 * seconds from now or since 1970, or in milliseconds since 1970; x-ratelimit-...-requests as
 * OpenAI's API sends them, "6m0s"; anthropic-ratelimit-requests-... A time of day counts from the
 * reply's own Date. Of several quotas it is the one with the fewest left. Values that are malformed
 * are ignored.
 *
 * Returns 0, or
 *   ENOENT   they do not say how many are left and until when
 *   EINVAL   `response` or `out` is NULL
 */
static inline int errand_response_quota(const errand_response *response, errand_quota *out);

/* ---- body ---- */

/** Returns the body; a NUL follows it. It lives as long as the response. */
ERRAND_API errand_bytes errand_response_body(const errand_response *response);

/**
 * Returns the charset of the body, in lower case: "utf-8"; NULL: it is not known to be text.
 *
 * A byte order mark says it; else the parameter charset of Content-Type, in quotes or not; else it
 * is "utf-8" for text/..., JSON, XML and the few other media types that are text. The name may be
 * one that no system knows. It lives until this thread calls again. Of a stream, whose body is not
 * here, the mark is not seen.
 */
ERRAND_API const char *errand_response_charset(const errand_response *response);

/**
 * Returns the body as UTF-8, without a byte order mark, in memory for you to free(); a NUL follows
 * it, and *size, unless `size` is NULL, is its size.
 *
 * It is converted from errand_response_charset() by the C library's iconv.
 *
 * Returns NULL with errno
 *   ENOTSUP   it is not known to be text, or iconv does not know the charset
 *   EILSEQ    it has bytes that the charset has not
 *   EINVAL    `response` is NULL
 *   ENOMEM    no memory
 */
ERRAND_API char *errand_response_text(const errand_response *response, size_t *size);

/**
 * Parses the body as JSON into *out, a new json_object for you to put.
 *
 * *why, unless `why` is NULL, says what was wrong: the type of the body and how it begins. JSON
 * under another type than application/json or +json is parsed with a warning in *why, or refused if
 * the session sets strict_json. *why is "" if there is nothing to say, and lives until this thread
 * calls again.
 *
 * Returns 0, or
 *   EBADMSG   it is not JSON, or not called JSON with strict_json
 *   EINVAL    `response` or `out` is NULL
 *   ENOMEM    no memory
 */
ERRAND_API int errand_response_json(const errand_response *response, struct json_object **out,
                                    const char **why);

/**
 * Reads the body of a stream (errand_request.stream) as it arrives, up to `size` bytes; waits up to
 * `ms` milliseconds for the first.
 *
 * One thread reads at a time. What had come before the stream broke off is read first. While 256
 * KiB wait to be read nothing more is received. The times of the request go on to count: for a
 * stream without end set total_ms to ERRAND_FOREVER. Freeing the response ends the transfer.
 *
 * Returns the number of bytes, 0 at a good end, or minus an error; for a broken stream
 * errand_body_failure() explains it
 *   ETIMEDOUT   no byte came within `ms`
 *   ECANCELED   the calling task was cancelled
 *   EINVAL      an argument is NULL or negative, or it is no stream
 */
ERRAND_API int64_t errand_body_read(errand_response *response, void *buffer, size_t size,
                                    int64_t ms);

/** Returns what broke a stream off; NULL: nothing. It lives as long as the response. */
ERRAND_API const errand_result *errand_body_failure(const errand_response *response);

/* ---- measures ---- */

/** When an exchange reached its phases, in milliseconds from its start; -1: not reached. */
typedef struct errand_timings {
    double queue, resolve, connect, tls, first_byte, total;
} errand_timings;

/**
 * Writes the timings of a response to *out.
 *
 * Returns 0, or
 *   EINVAL   `response` or `out` is NULL
 */
static inline int errand_response_timings(const errand_response *response, errand_timings *out);

/**
 * Writes the timings of any end of a request to *out: how far a failure came, and when; after
 * several attempts the last one's.
 *
 * Returns 0, or
 *   ENOENT   it has none
 *   EINVAL   `r` or `out` is NULL
 */
static inline int errand_result_timings(const errand_result *r, errand_timings *out);

/** What a transfer moved. */
typedef struct errand_transfer_metrics {
    /* bytes on the wire: headers, and bodies before decompression */
    uint64_t sent, received;
    uint64_t body;      /* bytes of the body, decompressed */
    unsigned redirects; /* followed */
    unsigned reused;    /* 1: the connection stood already */
    /* 1: a kept connection was dead, or a stream refused, and the request was sent again */
    unsigned resent;
    unsigned http; /* 10, 11, 20 */
} errand_transfer_metrics;

/**
 * Writes what a transfer moved to *out.
 *
 * Returns 0, or
 *   EINVAL   `response` or `out` is NULL
 */
static inline int errand_response_metrics(const errand_response *response,
                                          errand_transfer_metrics *out);

/* ---- any result as JSON ---- */

/**
 * Returns any result as a JSON object, yours to put; NULL: no memory. `data` is taken over; it may
 * be NULL.
 *
 *     success        true or false
 *     data           `data`
 *     error_type     the kind: "network", "timeout", "http_server" ...; null if it went well, as
 *                    the next two
 *     error_message  what errand_result_message() says: never empty
 *     retry_after    the seconds that the other side asked for, else null
 *     metadata       what is not known is null: duration (seconds; of all attempts), phase, status,
 *                    code ("HTTP 503", "ETIMEDOUT", "curl 7"), reason ("caller", "total" ...),
 *                    error_class, may_have_run, url (without query), causes: [messages],
 *                    attempts: [{number, error, began, took, then_waited, why_waited}],
 *                    timing_ms: {queue, resolve, connect, tls, first_byte, total}
 *
 * error_class sorts the kinds into five:
 *
 *     network_error     network, protocol, http_server
 *     timeout_error     timeout
 *     validation_error  validation, http_client, auth
 *     resource_error    resource, rate_limited, rejected
 *     unknown_error     cancelled, internal, unknown
 */
ERRAND_API struct json_object *errand_result_json(const errand_result *r, struct json_object *data);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API int errand_response_timings_sized(const errand_response *response, errand_timings *out,
                                             size_t size);

static inline int errand_response_timings(const errand_response *response, errand_timings *out)
{
    return errand_response_timings_sized(response, out, sizeof *out);
}

ERRAND_API int errand_result_timings_sized(const errand_result *r, errand_timings *out,
                                           size_t size);

static inline int errand_result_timings(const errand_result *r, errand_timings *out)
{
    return errand_result_timings_sized(r, out, sizeof *out);
}

ERRAND_API int errand_response_metrics_sized(const errand_response *response,
                                             errand_transfer_metrics *out, size_t size);

static inline int errand_response_metrics(const errand_response *response,
                                          errand_transfer_metrics *out)
{
    return errand_response_metrics_sized(response, out, sizeof *out);
}

ERRAND_API int errand_response_quota_sized(const errand_response *response, errand_quota *out,
                                           size_t size);

static inline int errand_response_quota(const errand_response *response, errand_quota *out)
{
    return errand_response_quota_sized(response, out, sizeof *out);
}

#ifdef __cplusplus
}
#endif
#endif
