/* http/request.h -- what is to be sent: checked, copied, counted, then never changed. All attempts share one. */
#ifndef ER_REQUEST_H
#define ER_REQUEST_H

#include "base/bytes.h"

#include <errand/http.h>

#include <curl/curl.h>

#define ER_BODY_OF_ERROR ((size_t)64 << 10) /* of a reply of 400 and more this much is kept */

/* What a session says for all its requests. It outlives them. */
typedef struct er_defaults {
    char              *base_url; /* NULL: relative urls are wrong */
    char              *user_agent;
    struct curl_slist *headers;
    int64_t            total_ms, connect_ms, keepalive_ms;
    size_t             max_body;
} er_defaults;

typedef struct er_request {
    unsigned           count;
    const er_defaults *defaults;
    char              *method;
    char              *url;   /* absolute */
    char              *label; /* "POST http://host:80/path": for messages, without userinfo, query and fragment */
    bool               https;
    struct curl_slist *headers; /* the session's among them, in curl's notation */
    char              *body;    /* NULL: none */
    size_t             body_size;
    char              *save_to;
    bool               any_status;
    bool               repeatable;   /* its method is idempotent, it has a key, or we were told so */
    bool               never_repeat;
    int64_t            total_ms, connect_ms;
} er_request;

/* 0, or EINVAL, ENOMEM, with the reason in *why. The new one has a count of 1. */
int  er_request_new(er_request **out, const errand_request *given, const er_defaults *defaults, er_bytes *why);
void er_request_keep(er_request *request);
void er_request_drop(er_request *request); /* NULL is harmless */

/* Checks "Name: value" and adds it to a list in curl's notation. */
int er_header_add(struct curl_slist **list, const char *header, er_bytes *why);

/* Makes an absolute http(s) url of url and base (may be NULL). */
int er_url_resolve(char **out, bool *https, const char *url, const char *base, er_bytes *why);

/* A url without userinfo, and if bare, without query and fragment: to be shown. NULL: no memory. */
char *er_url_shown(const char *url, bool bare);

/* Whether location, said by a reply from url `from`, leads to another scheme, host or port than url `home` has. */
bool er_url_leads_away(const char *from, const char *location, const char *home);

/* The headers without those that are secrets: for another host. NULL: none is left, or *error is ENOMEM. */
struct curl_slist *er_headers_without_secrets(const struct curl_slist *headers, int *error);

#endif
