/** errand/http.h -- a session: connections, limits and defaults for HTTP requests (library
 * errand-http).
 *
 * A session adds `lanes` threads to its pool; each drives several transfers in a private curl multi
 * handle, so that a cancel reaches a transfer at once. A future of errand_send() holds no worker.
 * Close the session before its pool.
 *
 * What is tried again by a policy. A status of 400 and more is an error ERRAND_HTTP + status that
 * still carries the response in `value`, unless the request or the session sets any_status, or the
 * session's is_error() decides otherwise. Other failures say kind, phase, host and port, and curl's
 * own words. errand_result_may_have_run() says whether the server may have done the work: a request
 * that was sent is only safe to repeat if its method is idempotent (RFC 9110, 9.2.2), it has an
 * idempotency key, or the server refused it, not begun, with 425 or 429. Where a server counts
 * such a request or does its work all the same, set refused_may_have_run.
 *
 *     what went wrong                                                     tried again
 *     never sent: cannot resolve (twice at most), connect, TLS timeout    any method
 *     sent: timeout, connection lost, empty or cut reply                  idempotent, or with a key
 *     refused: 425 429, Retry-After honoured                              any method
 *     the same with refused_may_have_run                                  idempotent, or with a key
 *     408 500 502 503 504 522 524, Retry-After honoured                   idempotent, or with a key
 *     bad URL, certificate, protocol, body too large, cancelled, other    never
 *     4xx
 *
 * Redirects are followed, ten at most (`max_redirects`), to http and https: 303 with GET (HEAD
 * stays HEAD), 301 and 302 after POST with GET, all others with the same method and body. A 3xx
 * with an empty or missing Location is the final reply, and no error, as is each 3xx with
 * ERRAND_NO_REDIRECTS; two Locations that differ are a protocol error. The body of
 * a redirect is discarded: after 64 KiB or 500 ms of it the session closes the connection. If a
 * request with an Expect header is answered with 417, the session sends it once more, without that
 * header.
 *
 * HTTP/2 (`http2`). Requests to one origin share a connection, as far as a lane has room for them
 * (`per_lane`). One that is cancelled or late leaves the others alone. A stream that the server
 * refused, or that went away with it, did not run (RFC 9113, 8.7), but libcurl reports it like
 * a lost connection, so it counts as sent and is tried again only if that is harmless. libcurl
 * before 8.0 takes a stream that is reset with NO_ERROR for one that ended, so a body without
 * Content-Length may be cut there.
 *
 * Secrets do not reach messages, logs, hooks or errand_result_json(): userinfo, query and fragment
 * of urls, cookies, and the values of headers whose names sound like secrets, even if the server
 * quotes them: Proxy-*, and those with a word such as Authorization, Cookie or Session, or one that
 * ends in key, token, secret, password or signature (X-Api-Key, X-Auth-Token), but not
 * Idempotency-Key. A redirect to another scheme, host or port does not carry them on.
 *
 * Compression. A body with Content-Encoding gzip, deflate, br or zstd (the last two where the
 * library was built with them) is decompressed, up to five codings deep; the reply's headers stay
 * as they came. A body that breaks off is an error like a lost connection, although its length or
 * its chunks were right: CURLE_PARTIAL_FILE, kind network. One that is damaged or in another
 * coding, and a transfer coding other than chunked, is CURLE_BAD_CONTENT_ENCODING, kind protocol.
 * Of an error's body (a status of 400 and more) what can be decompressed is kept. An empty body is
 * whole.
 */
#ifndef ERRAND_HTTP_H
#define ERRAND_HTTP_H

#include <errand/middleware.h>
#include <errand/request.h>
#include <errand/response.h>
#include <errand/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- sessions ---- */

/** The lowest version of TLS that is spoken. */
typedef enum errand_tls_version { ERRAND_TLS_1_2, ERRAND_TLS_1_3 } errand_tls_version;

/**
 * Decides whether a reply with this status is an error: 1, or 0.
 *
 * It is called once for each status from 200 to 999, inside errand_http_new(), and must be a pure
 * function of `status`. A status below 400 that it calls an error has the kind "protocol", and is
 * not tried again by a policy's defaults. A redirect that is followed is not a reply.
 */
typedef int errand_status_fn(int status, void *arg);

/** Where an errand_resolver_fn puts a host's addresses. */
typedef struct errand_addresses errand_addresses;

/**
 * Adds an address: "192.0.2.1", "2001:db8::1", "[2001:db8::1]".
 *
 * Returns 0, or
 *   EINVAL   `address` is none, or has a zone ("%eth0"); or a pointer is NULL
 *   ENOSPC   there is no room for more; for 20 of any length there is
 */
ERRAND_API int errand_addresses_add(errand_addresses *to, const char *address);

/**
 * Looks up the addresses of `host`, a name in lower case, in place of the system.
 *
 * It returns 0 after errand_addresses_add(), or an error: then the requests that wait for this host
 * fail as if it could not be resolved, and say the error. The first address that answers is used.
 * Addresses are kept for dns_ttl_ms, errors are not. It runs as a task of the pool, so it may block
 * and wait; once at a time for each host, at the same time for different ones. It is not called any
 * more when errand_http_close() has returned 0.
 *
 * It is not called for an address in a url, nor for the handles of errand_perform(). With a proxy
 * it looks up the proxy; the proxy looks up the url's host, or with socks4 and socks5 libcurl asks
 * the system.
 */
typedef int errand_resolver_fn(const char *host, errand_addresses *to, void *arg);

/** An address that a connection is about to be made to. */
typedef struct errand_peer {
    const char *host;    /* of the url, in lower case */
    const char *address; /* the host's, or its proxy's: "192.0.2.1", "2001:db8::1" */
    unsigned port;
    unsigned is_private; /* 1: refuse_private would refuse it */
} errand_peer;

/**
 * Decides whether a connection to an address may be made: 1, or 0.
 *
 * It sees each address just before the connection is made, when nothing can change it any more:
 * also behind a redirect, also one that stands in a url, and each of a host's addresses that is
 * tried. One that it refuses is passed over. If a host has no other, the request fails with EACCES
 * and kind "validation", in a message that names host and address: nothing was sent there, and a
 * policy does not try again. A connection that stands is not checked again.
 *
 * It is called on a lane, perhaps on several at the same time, so it must not block. With a proxy,
 * also one that a request's setup() names, it sees the proxy's address; where the proxy leads it
 * cannot see. It is not called for the handles of errand_perform().
 */
typedef int errand_allow_fn(const errand_peer *peer, void *arg);

/**
 * Options of a session. Times: 0 is the default, ERRAND_FOREVER no limit, ERRAND_ZERO really zero;
 * else negative: EINVAL.
 */
typedef struct errand_http_opts {
    /* threads for transfers, added to the pool. 0: one for each core, at least 2 */
    unsigned lanes;
    /* transfers that one lane carries at a time, at most 1,024; 1: one blocking call a thread.
     * 0: limit / lanes, at most 65,536 */
    unsigned per_lane;
    /* connections in all, idle ones included; more requests wait for their turn, first come,
     * first served and hosts in turn, and hold no thread. 0: 100 */
    unsigned limit;
    unsigned limit_per_host; /* of them to one host and port. 0: 30 */
    int64_t keepalive_ms;    /* how long an idle connection is kept. 0: 15 s */
    int64_t dns_ttl_ms;      /* how long a host's address is used. 0: 60 s */
    int64_t total_ms;        /* one exchange: its wait, its redirects, its body. 0: 300 s */
    /* the wait for a connection, the host's address, TCP and TLS. 0: no limit */
    int64_t connect_ms;
    /* TCP and TLS of a new connection. 0: 30 s, or connect_ms if that is more. This and
     * connect_ms begin again with each connection: behind a redirect, or when a kept one was
     * dead. Of a host's addresses each gets half of the time that is left */
    int64_t sock_connect_ms;
    /* the longest gap between received bytes, once the request is sent. 0: no limit */
    int64_t sock_read_ms;
    /* bytes of a reply after decompression. 0: 64 MiB, and no limit in a file */
    size_t max_body;
    /* relative urls are resolved against it (RFC 3986). NULL: they are EINVAL */
    const char *base_url;
    const char *user_agent; /* NULL: "errand/VERSION" */
    /* "Name: value", ..., NULL; for every request, unless it brings its own */
    const char *const *headers;
    /* for every request that brings none; kept alive by the session */
    const errand_policy *policy;
    errand_log *log;    /* NULL: none */
    const char *bearer; /* for every request that brings no Authorization of its own; or */
    const char *user, *password;
    /* "http://[user:password@]host:port", or https, socks5 (names are resolved here), socks5h,
     * socks4, socks4a. NULL: none */
    const char *proxy;
    /* the path of a socket to connect to instead of the url's host */
    const char *unix_socket;
    /* PEM: the certificates that are trusted, instead of the system's */
    const char *ca_file;
    /* PEM: the client's own. key_file NULL: it is in cert_file */
    const char *cert_file, *key_file, *key_password;
    errand_tls_version min_tls;
    unsigned environment; /* 1: the proxies that the environment names are used */
    unsigned netrc;       /* 1: passwords of ~/.netrc are used */
    /* 1: replies are not asked to be compressed, and are given as they came */
    unsigned no_compression;
    /* 1: errand_response_json() refuses a body that is not called JSON */
    unsigned strict_json;
    /* 1: HTTP/2 where a server of https offers it; the limits then count requests, not
     * connections. ENOTSUP: libcurl has none */
    unsigned http2;
    /* called with the stages of each exchange; errand/middleware.h */
    errand_stage_fn *on_stage;
    void *stage_arg;
    /* outermost first; ends with one without fn. Copied */
    const errand_middleware *middleware;
    /* how many redirects of a request are followed; one more is an error. 0: 10;
     * ERRAND_NO_REDIRECTS: none */
    int max_redirects;
    unsigned any_status; /* 1: no status is an error, of any request */
    /* NULL: 400 and more are errors. A request's any_status goes before it */
    errand_status_fn *is_error;
    void *is_error_arg;
    /* how long a connection may live. An idle one is closed then, one in use when its replies have
     * ended. 0: no limit; ERRAND_ZERO: each connection carries one request, with HTTP/2 those that
     * run at the same time. Not of errand_perform() */
    int64_t connection_ms;
    /* NULL: names are looked up by the system. Not together with `environment` */
    errand_resolver_fn *resolver;
    void *resolver_arg;
    /* NULL: every address may be connected to. Not together with unix_socket */
    errand_allow_fn *allow;
    void *allow_arg;
    /* 1: addresses are refused that cannot be reached from everywhere, as `allow` would refuse
     * them: loopback, private, link-local, shared, multicast, unspecified, reserved, those for
     * documentation and tests (IANA's special-purpose registries), and IPv6 addresses that contain
     * such an IPv4 address or lead into a tunnel. For urls of others' making. Not together with
     * proxy, environment and unix_socket, which would hide the address */
    unsigned refuse_private;
    /* 1: cookies of replies are kept, in memory, and sent as RFC 6265 says, by all requests of the
     * session. Cookies in a request's header Cookie are sent behind them, and not kept. ENOTSUP:
     * libcurl has none */
    unsigned cookies;
    /* 1: on_stage is called with the finer stages too, which come behind ERRAND_STAGE_FAILED in
     * errand_stage */
    unsigned stage_details;
    /* a directory of certificates that are trusted, named by their hashes (openssl rehash), beside
     * those of ca_file and instead of the system's. ENOTSUP: libcurl's TLS reads none */
    const char *ca_path;
    /* the public key of each https server must be one of these: "sha256//BASE64;sha256//BASE64",
     * or the path of a PEM or DER file with one. Certificates are verified as well. ENOTSUP:
     * libcurl's TLS cannot */
    const char *pinned_keys;
    /* hosts that are reached without a proxy: "localhost,.internal,10.0.0.0/8", "*" for all.
     * NULL: with `environment` those of the variable no_proxy, else none */
    const char *no_proxy;
    /* "host:port:address[,address...]", ..., NULL: addresses that are used instead of a look-up,
     * tried in their order; IPv6 ones in brackets. The host "*" stands for all; of several for a
     * host the last one counts. Not for names that a proxy looks up. Copied */
    const char *const *resolve;
    /* ..., NULL: texts that messages and logs show as stars, wherever they occur. A header that
     * has one of them does not go to another origin. Those of less than 6 bytes are not replaced,
     * as they occur by chance. Copied */
    const char *const *secrets;
    /* gets in words why the session could not be made; cut to why_size. NULL: not wanted */
    char *why;
    size_t why_size;
    /* 1: a 425 or 429 does not say that the work was not begun, so a request that is not harmless
     * to repeat is not tried again after it */
    unsigned refused_may_have_run;
} errand_http_opts;

/** A session. */
typedef struct errand_http errand_http;

/**
 * Makes a session on `pool`. `opts` may be NULL. Close it with errand_http_close().
 *
 * Returns the session, or NULL with errno
 *   EINVAL           an option is wrong; `why` and the log say which
 *   ENOTSUP          `opts` has fields that this library does not know, or libcurl lacks what one
 *                    of them needs
 *   ENOMEM           no memory; or the errno of a file that cannot be read
 *   ERRAND_EFORKED   the pool is a parent process's
 */
static inline errand_http *errand_http_new(errand_pool *pool, const errand_http_opts *opts);

/** What a session counts. */
typedef struct errand_http_stats {
    /* now: requests that are under way, and that wait for their turn */
    uint64_t in_flight, queued;
    uint64_t open, idle; /* now: connections, and those of them that carry no request */
    /* so far: requests on a kept connection; requests that were sent once more because a kept
     * connection was dead */
    uint64_t reused, resent;
    /* so far: hosts that were looked up; that were known, or being looked up already */
    uint64_t look_ups, look_up_hits;
} errand_http_stats;

/**
 * Writes a session's counts to *out.
 *
 * Returns 0, or
 *   EINVAL           `http` or `out` is NULL
 *   ERRAND_EFORKED   the session is a parent process's
 */
static inline int errand_http_stats_get(errand_http *http, errand_http_stats *out);

/**
 * Forgets the addresses of all hosts, so that the next connection to each looks it up.
 *
 * A look-up that is under way serves the requests that wait for it and no others. Connections that
 * stand are kept.
 *
 * Returns 0, or
 *   EINVAL           `http` is NULL
 *   ERRAND_EFORKED   the session is a parent process's
 */
ERRAND_API int errand_http_forget_names(errand_http *http);

/**
 * Forgets all cookies of a session.
 *
 * Returns 0, or
 *   EINVAL           `http` is NULL
 *   ENOENT           it keeps none: errand_http_opts.cookies is 0
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the session is a parent process's
 */
ERRAND_API int errand_http_forget_cookies(errand_http *http);

/**
 * Closes a session: refuses new requests, lets those in flight end until half of `within_ms`, and
 * cancels the rest.
 *
 * The session is gone, except after EINVAL and ERRAND_EFORKED. NULL is harmless.
 *
 * Returns 0, or
 *   ETIMEDOUT        a lane, or a call of `resolver`, has not ended in time and was left behind
 *   EINVAL           `within_ms` is negative
 *   ERRAND_EFORKED   the session is a parent process's
 */
ERRAND_API int errand_http_close(errand_http *http, int64_t within_ms);

/**
 * Hands a session over to a scope, which closes it before its pool, whatever their order.
 *
 * It is the scope's in any case: if this fails, the session is closed at once.
 *
 * Returns 0, or fails as errand_scope_own() does.
 */
ERRAND_API int errand_scope_own_http(errand_scope *scope, const char *name, errand_http *http);

/* ---- requests ---- */

/**
 * Sends a request. The value is an errand_response, of an HTTP error as well.
 *
 * Returns a future, never NULL; a request that cannot be sent has failed with a message that says
 * why. Besides ERRAND_HTTP + status and ERRAND_CURL + CURLcode it fails with
 *   EINVAL           the request is wrong, or the session is closed
 *   ETIMEDOUT        total_ms, connect_ms, sock_connect_ms or sock_read_ms has passed; the phase
 *                    says where
 *   ECANCELED        it was cancelled, or the session was closed
 *   ECONNREFUSED     or another errno of the connection
 *   EACCES           `allow` or refuse_private refuses the host's addresses
 *   EMSGSIZE         the reply is larger than max_body
 *   EPROTO           the reply breaks HTTP's framing (RFC 9112)
 *   ENOTSUP          the request has fields that this library does not know
 *   ENOMEM           no memory
 *   EAGAIN           no thread could be started for it
 *   ERRAND_ELATE     it cannot end before its deadline
 *   ERRAND_EFORKED   the session is a parent process's
 */
static inline errand_future *errand_send(errand_http *http, const errand_request *request);

/** Sends a GET request. Returns as errand_send() does. */
ERRAND_API errand_future *errand_get(errand_http *http, const char *url);

/** Sends `body` as JSON, serialised at once, by POST. Returns as errand_send() does. */
ERRAND_API errand_future *errand_post_json(errand_http *http, const char *url,
                                           struct json_object *body);

/**
 * Runs a CURL easy handle of your own, of any protocol, on a thread made for that: its callbacks
 * may take their time.
 *
 * Its options are yours; only CURLOPT_NOSIGNAL and CURLOPT_QUICK_EXIT are set. It counts as one
 * connection of the session's limit and ends at the session's total_ms. The value is `easy`, also
 * of a failure; `free` (curl_easy_cleanup; may be NULL) is its free function. Until this has ended
 * nothing else may touch the handle.
 *
 * A callback that blocks, and what curl does in one go (file: urls), sees a cancel when it is done.
 * A callback that forks and returns in the child ends the child (errand/pool.h), but only when
 * libcurl returns, so leave the child with exec or _exit. A status is no error unless
 * CURLOPT_FAILONERROR makes it one. If the server refuses an Expect header of your own with 417,
 * libcurl repeats the same request without end; the session ends the transfer at the second 417
 * (ERRAND_HTTP + 417). If the server answers before libcurl returns from sending, libcurl sends
 * more of them: set no Expect header. Before libcurl 8.1 give a handle that was used already as its
 * curl_easy_duphandle(): there a reply with a first header line that begins with a blank is written
 * to memory that the transfer before has freed. (Requests of errand_send() are safe.)
 *
 * Returns a future, never NULL, which also fails with ERRAND_CURL + CURLcode, or
 *   EINVAL           `http` or `easy` is NULL, or the session is closed
 *   ETIMEDOUT        total_ms has passed
 *   ECANCELED        it was cancelled, or the session was closed
 *   ENOMEM           no memory
 *   EAGAIN           no thread could be started for it
 *   ERRAND_EFORKED   the session is a parent process's
 */
ERRAND_API errand_future *errand_perform(errand_http *http, void *easy, errand_free_fn *free);

/** Returns the libraries that this one runs with: "libcurl/7.88.1 json-c/0.16". */
ERRAND_API const char *errand_http_features(void);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_http *errand_http_new_sized(errand_pool *pool, const errand_http_opts *opts,
                                              size_t size);

static inline errand_http *errand_http_new(errand_pool *pool, const errand_http_opts *opts)
{
    return errand_http_new_sized(pool, opts, sizeof *opts);
}

ERRAND_API int errand_http_stats_sized(errand_http *http, errand_http_stats *out, size_t size);

static inline int errand_http_stats_get(errand_http *http, errand_http_stats *out)
{
    return errand_http_stats_sized(http, out, sizeof *out);
}

ERRAND_API errand_future *errand_send_sized(errand_http *http, const errand_request *request,
                                            size_t size);

static inline errand_future *errand_send(errand_http *http, const errand_request *request)
{
    return errand_send_sized(http, request, sizeof *request);
}

#ifdef __cplusplus
}
#endif
#endif
