/* http/request.h -- what is to be sent: checked, copied, counted, then never changed.
 * All attempts share one. */
#ifndef ER_REQUEST_H
#define ER_REQUEST_H

#include "http/body.h"
#include "http/header.h"
#include "http/url.h"
#include "http/origin.h"
#include "http/transport.h"

#define ER_BODY_OF_ERROR ((size_t)64 << 10) /* of a reply of 400 and more this much is kept */

/* A session's defaults for all its requests. They outlive them. */
typedef struct er_defaults {
    char *base_url; /* NULL: relative urls are refused */
    char *user_agent;
    struct curl_slist *headers;
    struct curl_slist *greeting; /* headers, User-Agent, Accept-Encoding: cheaper than options */
    int64_t total_ms, connect_ms, sock_connect_ms, sock_read_ms, keepalive_ms, dns_ttl_ms;
    size_t max_body;
    bool max_body_said; /* the caller chose it, so it holds for files too */
    /* the caller chose it, so a longer connect_ms does not change it */
    bool sock_connect_said;
    unsigned curl;                   /* the libcurl that runs: 0x080100 is 8.1.0 */
    int (*tls_end)(const void *ssl); /* of er_close_notify_find; may be NULL */
    bool strict_json;
    bool http2;
    bool refused_may_have_run; /* a 425 or 429 does not mean that nothing was begun */
    er_transport transport;
    struct er_stages *stages; /* NULL: no hook */
} er_defaults;

typedef struct er_request {
    unsigned count;
    const er_defaults *defaults;
    char method[41];
    char *url; /* absolute */
    bool https;
    er_origin origin;           /* url's */
    bool headers_lent;          /* they are just the session's */
    struct curl_slist *headers; /* the session's among them, in curl's notation */
    er_body content;
    /* where content is a single piece of memory; NULL: it is not, or there is none */
    const char *body;
    size_t body_size;
    char *save_to;
    size_t max_body;   /* in memory */
    uint64_t max_file; /* in save_to; UINT64_MAX: no limit */
    bool any_status;
    bool stream;
    void (*setup)(void *easy, void *arg);
    void *setup_arg;
    bool repeatable; /* idempotent method, a key, or ERRAND_REPEAT_ALWAYS */
    bool never_repeat;
    int64_t total_ms, connect_ms, sock_connect_ms, sock_read_ms;
} er_request;

/* A repeat is harmless, with this method: its own, or the one after a redirect. */
bool er_request_harmless(const er_request *request, const char *method);

/* 0, or EINVAL, ENOMEM, with the reason in *why. The new one has a count of 1. */
int er_request_new(er_request **out, const errand_request *given, const er_defaults *defaults,
                   er_bytes *why);
/* "POST http://host:80/path": for messages, without userinfo, query and fragment */
char *er_request_label(const er_request *request);
void er_request_keep(er_request *request);
void er_request_drop(er_request *request); /* NULL is harmless */

#endif
