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
 * Redirects are followed, ten at most, to http and https: 303 with GET (HEAD stays HEAD), 301 and 302 after POST with GET, all others
 * with the same method and body. A 3xx whose Location is empty or missing is the final reply; two Locations that differ are a protocol
 * error. The body of a redirect is thrown away: after 64 KiB or 500 ms of it the session closes the connection. If a request with an
 * Expect header is answered with 417, the session sends it once more, without that header.
 *
 * HTTP/2 (`http2`): requests to one origin share a connection, as far as a lane has room for them (`per_lane`). One that is
 * cancelled or late leaves the others alone. A stream that the server refused, or that went away with it, did not run (RFC 9113,
 * 8.7), but libcurl cannot tell it from a lost connection, so it is one here: sent, and tried again only if that is harmless.
 * libcurl before 8.0 takes a stream that is reset with NO_ERROR for one that ended, so a body without Content-Length may be cut there.
 *
 * Secrets do not reach messages, logs, hooks or errand_result_json: userinfo, query and fragment of urls, and what the headers
 * Authorization, Cookie, Proxy-*, X-Api-Key, Api-Key and X-Auth-Token say, even if the server quotes it. They are not sent on to
 * another scheme, host or port by a redirect.
 *
 * A body whose Content-Encoding is gzip, deflate, br or zstd (the last two where the library was built with them) is
 * decompressed, up to five codings deep; the reply's headers stay as they came. One that breaks off is an error like a
 * connection that is lost, although its length or its chunks were right: CURLE_PARTIAL_FILE, kind network. One that is damaged
 * or in another coding, and a transfer coding other than chunked, which is not asked for, is CURLE_BAD_CONTENT_ENCODING, kind
 * protocol. Of an error's body (a status of 400 and more) is kept what can be decompressed. An empty body is whole.
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

typedef enum errand_tls_version { ERRAND_TLS_1_2, ERRAND_TLS_1_3 } errand_tls_version;

/* ---- what a session tells, and what stands between ---------------------------------------------------------------------
 * A hook is told the stages of every exchange, each attempt being one, in order, one at a time, in tasks of the pool; not any more
 * when errand_http_close has returned 0. On a connection that stands already nothing is resolved or connected. */
typedef enum errand_stage {
    ERRAND_STAGE_QUEUED,     /* it waits for its turn                        */
    ERRAND_STAGE_RESOLVED,   /* the host's addresses are known               */
    ERRAND_STAGE_CONNECTED,  /* TCP and TLS stand                            */
    ERRAND_STAGE_SENT,       /* from here on the server may have the request */
    ERRAND_STAGE_FIRST_BYTE, /* of the reply                                 */
    ERRAND_STAGE_REDIRECT,   /* status says of what sort; it begins anew     */
    ERRAND_STAGE_DONE,       /* ended well                                   */
    ERRAND_STAGE_FAILED      /* error says how                               */
} errand_stage;
typedef struct errand_stage_info {
    errand_stage stage;
    int          status;   /* of the reply; 0: none                          */
    int          error;
    unsigned     reserved;
    uint64_t     exchange; /* the same for all stages of one, from 1         */
    double       after_ms; /* since it began                                 */
    const char  *method, *url; /* without userinfo, query and fragment       */
} errand_stage_info;
typedef void errand_stage_fn(const errand_stage_info *view, void *arg);
ERRAND_API const char *errand_stage_name(errand_stage stage); /* "queued" ... */

/* A middleware sees each request of the session before it is checked, and its future: it hands on the request, or another one, with
 * errand_chain_send, once or more often or not at all, and returns a future that it made of that (errand_then) or otherwise. It runs
 * inside errand_send, on its caller's thread, so it does not block; `next` is good as long as the session, what *request
 * points to only until it returns. Who does not hand a request on frees its body_arg. */
typedef struct errand_chain errand_chain;
typedef struct errand_request errand_request;
typedef errand_future *errand_middleware_fn(const errand_request *request, errand_chain *next, void *arg);
typedef struct errand_middleware {
    errand_middleware_fn *fn;
    void                 *arg;
} errand_middleware;

/* Times: 0 is the default, ERRAND_FOREVER none, ERRAND_ZERO none at all; else negative: EINVAL. */
typedef struct errand_http_opts {
    unsigned             lanes;      /* threads for transfers, added to the pool. 0: one a core, at least 2            */
    unsigned             per_lane;   /* transfers that one lane carries at once, at most 1,024; 1: one blocking call a
                                        thread. 0: limit / lanes, at most 65,536                                       */
    unsigned             limit;      /* connections in all, idle ones counted; more requests wait their turn, first
                                        come, first served and hosts in turn, holding no thread. 0: 100                */
    unsigned             limit_per_host; /* of them to one host and port. 0: 30                                        */
    int64_t              keepalive_ms;   /* how long an idle connection is kept. 0: 15 s                               */
    int64_t              dns_ttl_ms;     /* how long a host's address is believed. 0: 60 s                             */
    int64_t              total_ms;       /* one exchange: its waiting, its redirects, its body. 0: 300 s               */
    int64_t              connect_ms;     /* waiting for a connection's turn, its host's address, TCP and TLS. 0: none  */
    int64_t              sock_connect_ms; /* TCP and TLS of a new connection. 0: 30 s, or connect_ms if that is more.
                                        Both begin anew with each connection: behind a redirect, or when a kept one was
                                        dead. Of a host's addresses each gets half of the time that is left           */
    int64_t              sock_read_ms;   /* the longest gap between received bytes, once the request is sent. 0: none  */
    size_t               max_body;   /* bytes of a reply after decompression. 0: 64 MiB, and no limit in a file        */
    const char          *base_url;   /* what relative urls are resolved against (RFC 3986). NULL: they are EINVAL      */
    const char          *user_agent; /* NULL: "errand/VERSION"                                                         */
    const char *const   *headers;    /* "Name: value", ..., NULL; for every request, unless it brings its own          */
    const errand_policy *policy;     /* for every request that brings none; kept alive by the session                  */
    errand_log          *log;        /* NULL: silent                                                                   */
    const char          *bearer;     /* for every request that brings no Authorization of its own; or                 */
    const char          *user, *password;
    const char          *proxy;      /* "http://[user:password@]host:port", or https, socks5 (names resolved here), socks5h,
                                        socks4, socks4a. NULL: none                                                   */
    const char          *unix_socket; /* the path of a socket to connect to instead of the url's host                 */
    const char          *ca_file;    /* PEM: who is trusted, instead of the system's                                  */
    const char          *cert_file, *key_file, *key_password; /* PEM: who we are. key_file NULL: it is in cert_file   */
    errand_tls_version           min_tls;
    unsigned             environment; /* the proxies that the environment names count                                 */
    unsigned             netrc;       /* passwords of ~/.netrc count                                                  */
    unsigned             no_compression; /* replies are not asked to be compressed, and given as they came            */
    unsigned             strict_json; /* errand_response_json refuses what is not called JSON                         */
    unsigned             http2;      /* HTTP/2 where a server of https offers it; the limits then count requests, not
                                        connections. ENOTSUP: libcurl has none                                         */
    errand_stage_fn     *on_stage;   /* told how each exchange gets on                                                */
    void                *stage_arg;
    const errand_middleware *middleware; /* outermost first; ends with one without fn. Copied                         */
} errand_http_opts;

/* A field of a form, or a part of a multipart body. */
typedef struct errand_form_field {
    const char  *name;     /* NULL: the end of the list                                                                */
    const char  *value;    /* text; or                                                                                 */
    errand_bytes bytes;    /* bytes; or                                                                                */
    const char  *file;     /* the path of a file, sent as it is read                                                   */
    const char  *filename; /* as the server is told it. NULL: the last part of file, if there is one                   */
    const char  *type;     /* its Content-Type. NULL: none; of a file application/octet-stream                         */
} errand_form_field;

/* A body that is made while it is sent: up to size bytes from byte `offset` on into buffer, *got says how many; 0 of them: the
 * end. 0, or an error, which ends the exchange with that error. Runs as a task of the pool, so it may block and wait; never twice
 * at a time: attempts of one request that overlap (hedges, a repeat while the function of one that timed out is still at work) take
 * turns, the next when the one before has the whole body or is over and its function has returned. Offsets follow one another,
 * but every attempt begins at 0 again: return ESPIPE if that cannot be. */
typedef int errand_body_fn(void *arg, uint64_t offset, void *buffer, size_t size, size_t *got);

/* All is copied, except json (serialised), the policy (counted) and files (read by each attempt), before errand_send returns. At
 * most one of body, json, form, body_file and body_fn. */
typedef struct errand_request {
    const char          *method;  /* NULL: GET, or POST if there is a body                                            */
    const char          *url;     /* http or https                                                                    */
    const char *const   *headers; /* "Name: value", ..., NULL                                                         */
    errand_bytes         body;
    struct json_object  *json;    /* borrowed; instead of body; brings its Content-Type                               */
    const char          *save_to; /* the body of a 2xx goes into this file, on disk and whole, or not at all. It takes the place
                                     of a file that is there, and its owner, group and mode; symbolic links are followed.
                                     A reply that can have no body (to HEAD, or a 204) leaves the file alone.
                                     Refused before anything is sent: a folder, a device, FIFO or socket, an owner that
                                     cannot be kept. Until it is whole it has no name (.errand-*.tmp beside its place, where
                                     the file system knows no files without one)                                     */
    const char          *idempotency_key; /* sent as Idempotency-Key, the same with every attempt                     */
    errand_repeat        repeat;
    unsigned             any_status;      /* 4xx and 5xx are no errors                                                */
    int64_t              total_ms, connect_ms, sock_connect_ms, sock_read_ms; /* 0: the session's; of sock_connect_ms
                                                                  connect_ms if that is more and the session gives none */
    const errand_policy *policy;  /* NULL: the session's                                                              */
    const errand_form_field  *form;    /* sent urlencoded; as multipart/form-data if a field has file, filename or type    */
    const char          *body_file;       /* the path of a regular file                                               */
    errand_body_fn      *body_fn;
    void                *body_arg;
    errand_free_fn      *body_free;       /* body_free(body_arg), exactly once, also if nothing was ever sent          */
    int64_t              body_size;       /* of what body_fn gives. 0: not known, sent chunked                         */
    const char          *bearer;          /* Authorization: Bearer ...; or                                             */
    const char          *user, *password; /* Authorization: Basic ... (RFC 7617)                                       */
    size_t               max_body;        /* 0: the session's. In a file only what was asked for here or there counts  */
    unsigned             multipart;       /* the form is multipart in any case                                         */
    unsigned             stream;          /* ends with the headers of a good reply; then errand_body_read              */
    void               (*setup)(void *easy, void *setup_arg); /* the last touch on the CURL handle, each time it is handed to
                                             curl: on a lane, so be short. Private data, callbacks, the url and
                                             decompression are ours */
    void                *setup_arg;       /* lives until the future has ended                                          */
} errand_request;

/* A new session, or NULL with errno (EINVAL: an option is wrong, and the log says which; else why a file of it cannot be read). */
ERRAND_API errand_http *errand_http_new_sized(errand_pool *pool, const errand_http_opts *opts, size_t size);
static inline errand_http *errand_http_new(errand_pool *pool, const errand_http_opts *opts)
{
    return errand_http_new_sized(pool, opts, sizeof *opts);
}

typedef struct errand_http_stats {
    uint64_t in_flight, queued;      /* now: requests that are out, and that wait for their turn                       */
    uint64_t open, idle;             /* now: connections, and those of them that nobody uses                           */
    uint64_t reused, resent;         /* so far: requests that went out on a kept connection; that were sent once more, for
                                        it was dead                                                                    */
    uint64_t look_ups, look_up_hits; /* so far: hosts that were looked up; that were known, or asked for already       */
} errand_http_stats;
ERRAND_API int errand_http_stats_sized(errand_http *http, errand_http_stats *out, size_t size);
static inline int errand_http_stats_get(errand_http *http, errand_http_stats *out)
{
    return errand_http_stats_sized(http, out, sizeof *out);
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
ERRAND_API errand_future *errand_chain_send_sized(errand_chain *next, const errand_request *request, size_t size);
static inline errand_future *errand_chain_send(errand_chain *next, const errand_request *request)
{
    return errand_chain_send_sized(next, request, sizeof *request);
}

/* Runs a CURL easy handle of your own, of any protocol, on a thread made for such: its callbacks may take their time. Its options are
 * yours; only CURLOPT_NOSIGNAL and CURLOPT_QUICK_EXIT are set. It counts as one connection of the session's limit and ends at the
 * session's total_ms. The value is easy, also of a failure; free (curl_easy_cleanup; may be NULL) is its free function. Until this has
 * ended nobody else may touch the handle. A callback that blocks, and what curl does in one go (file: urls), hears of a cancel when
 * it is done; one that forks and returns in the child ends the child (pool.h), but only when libcurl returns, so leave the child with
 * exec or _exit. A status is no error unless CURLOPT_FAILONERROR makes it one. If the server refuses an Expect header of your own with
 * 417, libcurl repeats the same request without end; errand ends the transfer when it sees the second 417 (ERRAND_HTTP + 417). If the
 * server answers before libcurl returns from sending, libcurl sends more of them: set no Expect header. Before libcurl 8.1 give a
 * handle that has been used already as its curl_easy_duphandle: there a reply whose first header line begins with a blank is written to
 * memory that the transfer before has freed. (Requests of errand_send are safe.) */
ERRAND_API errand_future *errand_perform(errand_http *http, void *easy, errand_free_fn *free);

ERRAND_API errand_future *errand_get(errand_http *http, const char *url);
ERRAND_API errand_future *errand_post_json(errand_http *http, const char *url, struct json_object *body);

/* ---- a response: immutable, read by any thread while its result lives ---------------------------------------------------- */

ERRAND_API int          errand_response_status(const errand_response *response);
ERRAND_API const char  *errand_response_reason(const errand_response *response); /* "Not Found"; harmless to show, may be "" */
ERRAND_API const char  *errand_response_url(const errand_response *response);  /* the last one, after redirects, without userinfo */
ERRAND_API errand_bytes errand_response_body(const errand_response *response); /* NUL-terminated beyond size                */
ERRAND_API const char  *errand_response_header(const errand_response *response, const char *name, size_t i); /* i-th of that
                                                                      name, in any case; NULL past the end             */
ERRAND_API int errand_response_each_header(const errand_response *response, size_t i, const char **name,
                                           const char **value); /* i-th of all, as it came; ENOENT past the end          */
ERRAND_API int errand_response_redirect(const errand_response *response, size_t i, const char **url); /* the status with which
                                                the i-th url on the way answered; 0 past the end                        */

/* A new json_object of the body, yours to put. EBADMSG: it is not JSON; *why (may be NULL) gives its type and how it begins. What is
 * JSON under another type than application/json or +json is parsed with a warning in *why, or is EBADMSG if the session says
 * strict_json. *why is "" if there is nothing to say, and lives until this thread asks again. */
ERRAND_API int errand_response_json(const errand_response *response, struct json_object **out, const char **why);

/* The body of a stream as it arrives, to one reader at a time: returns how many bytes; 0: it has ended well; -ETIMEDOUT: none came
 * within ms; -ECANCELED: the calling task is told to end; else minus the error that broke it off, of which errand_body_failure
 * tells the whole story. What had come before that is read first. While 256 KiB wait to be read nothing more is received. The
 * times of the request go on to count: for a stream without end set total_ms to ERRAND_FOREVER. Freeing the response ends the
 * transfer. */
ERRAND_API int64_t errand_body_read(errand_response *response, void *buffer, size_t size, int64_t ms);
ERRAND_API const errand_result *errand_body_failure(const errand_response *response); /* NULL: none; lives as long as the response */

typedef struct errand_timings { /* ms from the start of the exchange; -1: not reached */
    double queue, resolve, connect, tls, first_byte, total;
} errand_timings;
ERRAND_API int errand_response_timings_sized(const errand_response *response, errand_timings *out, size_t size);
static inline int errand_response_timings(const errand_response *response, errand_timings *out)
{
    return errand_response_timings_sized(response, out, sizeof *out);
}

/* The same of any end of a request: how far a failure came, and when; after several attempts the last one's. ENOENT: it has none. */
ERRAND_API int errand_result_timings_sized(const errand_result *r, errand_timings *out, size_t size);
static inline int errand_result_timings(const errand_result *r, errand_timings *out)
{
    return errand_result_timings_sized(r, out, sizeof *out);
}

typedef struct errand_transfer_metrics {
    uint64_t sent, received; /* bytes of request and reply as they went over the wire: headers, and bodies before decompression */
    uint64_t body;           /* bytes of the body, decompressed                                                        */
    unsigned redirects;      /* followed                                                                               */
    unsigned reused;         /* the connection stood already                                                           */
    unsigned resent;         /* a kept connection was found dead, or a stream refused, and the request sent again      */
    unsigned http;           /* 10, 11, 20                                                                             */
} errand_transfer_metrics;
ERRAND_API int errand_response_metrics_sized(const errand_response *response, errand_transfer_metrics *out, size_t size);
static inline int errand_response_metrics(const errand_response *response, errand_transfer_metrics *out)
{
    return errand_response_metrics_sized(response, out, sizeof *out);
}

/* Any result as JSON:
 *   success        true or false
 *   data           yours, taken over; may be NULL
 *   error_type     the kind: "network", "timeout", "http_server" ...; null if it went well, as the next two
 *   error_message  what errand_result_message says: never empty
 *   retry_after    seconds that the other side asked for, else null
 *   metadata       duration (seconds; of all attempts), phase, status, code ("HTTP 503", "ETIMEDOUT", "curl 7"),
 *                  reason ("caller", "total" ...), error_class, may_have_run, url (without query),
 *                  attempts: [{number, error, began, took, then_waited, why_waited}], causes: [messages],
 *                  timing_ms: {queue, resolve, connect, tls, first_byte, total}; what is not known is null
 * error_class sorts kinds into five for those who want no more:
 *   network_error     network, protocol, http_server           timeout_error   timeout
 *   validation_error  validation, http_client, auth            resource_error  resource, rate_limited, rejected
 *   unknown_error     cancelled, internal, unknown
 * NULL: out of memory. The object is yours to put. */
ERRAND_API struct json_object *errand_result_json(const errand_result *r, struct json_object *data);

/* "libcurl/7.88.1 json-c/0.16" */
ERRAND_API const char *errand_http_features(void);

#ifdef __cplusplus
}
#endif
#endif
