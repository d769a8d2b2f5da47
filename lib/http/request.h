/* http/request.h -- what is to be sent: checked, copied, counted, then never changed.
 * All attempts share one. */
#ifndef ER_REQUEST_H
#define ER_REQUEST_H

#include "http/body.h"
#include "http/cookies.h"
#include "http/header.h"
#include "http/url.h"
#include "http/origin.h"
#include "http/transport.h"

#define ER_REDIRECTS     10                 /* that are followed, by default */
#define ER_BODY_OF_ERROR ((size_t)64 << 10) /* of a reply of 400 and more this much is kept */

/* A session's defaults for all its requests. They outlive them. */
typedef struct er_defaults {
    char *base_url; /* NULL: relative urls are refused */
    char *user_agent;
    struct curl_slist *headers;
    struct curl_slist *greeting; /* headers, User-Agent, Accept-Encoding: cheaper than options */
    struct curl_slist *secrets;  /* texts that are shown as stars; NULL: none */
    int64_t total_ms, connect_ms, sock_connect_ms, sock_read_ms, keepalive_ms, dns_ttl_ms;
    int64_t connection_ms;
    unsigned max_redirects;
    unsigned char errors[125]; /* a bit for each status below 1,000: it is an error */
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
    errand_allow_fn *allow; /* NULL: all */
    void *allow_arg;
    bool refuse_private;
    er_cookies *cookies;      /* NULL: none are kept */
    char *cookie;             /* then: of headers, for requests that bring none. NULL: none */
    struct er_stages *stages; /* NULL: no hook */
    bool stage_details;
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
    char *cookie;               /* a header Cookie, if the session keeps cookies. NULL: none */
    er_body content;
    /* where content is a single piece of memory; NULL: it is not, or there is none */
    const char *body;
    size_t body_size;
    char *save_to;
    size_t max_body;        /* in memory */
    uint64_t max_file;      /* in save_to; UINT64_MAX: no limit */
    unsigned max_redirects; /* 0: none */
    bool any_status;
    bool stream;
    void (*setup)(void *easy, void *arg);
    void *setup_arg;
    struct curl_slist *secrets; /* its own, beside the session's */
    bool repeatable;            /* idempotent method, a key, or ERRAND_REPEAT_ALWAYS */
    bool never_repeat;
    int64_t total_ms, connect_ms, sock_connect_ms, sock_read_ms;
} er_request;

/* A reply with this status is an error, unless the request says otherwise. */
static inline bool er_status_is_error(const er_defaults *defaults, int status)
{
    return status >= 1000 || (status > 0 && defaults->errors[status / 8] >> status % 8 & 1);
}

/* What its header Cookie says, or the session's, if that keeps cookies; NULL: nothing. */
const char *er_request_cookie(const er_request *request);

/* A repeat is harmless, with this method: its own, or the one after a redirect. */
bool er_request_harmless(const er_request *request, const char *method);

/* An option max_redirects as a number. EINVAL: it is below ERRAND_NO_REDIRECTS. */
int er_redirects_most(unsigned *out, int given, unsigned by_default, er_bytes *why);
/* Replaces what is secret of a request by stars: values of headers, its secrets and the session's.
 * A server may quote what it was sent. */
void er_request_hide(const er_request *request, char *text);

/* This line of a request's headers is a secret, by its name or by what it has. */
bool er_request_secret(const er_request *request, const char *line);

/* Calls fn for each header that is sent but those that curl makes itself: its line, which begins
 * with `name` bytes of its name, and its value in there. */
typedef void er_request_header_fn(const char *line, size_t name, const char *value, void *arg);
void er_request_each_header(const er_request *request, er_request_header_fn *fn, void *arg);

/* 0, or EINVAL, ENOMEM, with the reason in *why. The new one has a count of 1. */
int er_request_new(er_request **out, const errand_request *given, const er_defaults *defaults,
                   er_bytes *why);
/* "POST http://host:80/path": for messages, without userinfo, query and fragment */
char *er_request_label(const er_request *request);
void er_request_keep(er_request *request);
void er_request_drop(er_request *request); /* NULL is harmless */

#endif
