/* Replies: what goes back to the client, and how well it gets there. */
#ifndef DEMO_REPLIES_H
#define DEMO_REPLIES_H

#include <json-c/json.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reply {
    unsigned status;
    char *body; /* owned; NULL: there was no memory for one */
    size_t length;
    const char *type;            /* static */
    const char *allow;           /* static, or NULL: no Allow */
    char operation_location[80]; /* empty: none */
    char quota[80], policy[80];  /* empty: no RateLimit and RateLimit-Policy */
    enum { RETRY_UNSAID, RETRY_SECONDS, RETRY_DATE } retry_after;
};

/* Fills the reply with a JSON document, which is consumed. */
void reply_json(struct reply *reply, unsigned status, struct json_object *document);

/* Fills it with a problem document (RFC 9457) that names the field, unless that is NULL. */
void reply_problem(struct reply *reply, unsigned status, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Fills it with n server-sent events, each with the share that is done. */
void reply_events(struct reply *reply, unsigned n);

/* Fills it with an HTML page, as a proxy or a captive portal would. */
void reply_page(struct reply *reply);

void reply_free(struct reply *reply);

/* How a body goes out. Slow: pause(arg, until) suspends the connection until then, or returns
 * false: it could not. */
struct manner {
    bool cut;        /* half of it, then the connection is closed */
    int64_t slow_ns; /* spread over this time */
    bool (*pause)(void *arg, int64_t until);
    void *arg;
};

/* Takes the body out of the reply. NULL: no memory. */
struct MHD_Response *reply_response(struct reply *reply, const struct manner *manner,
                                    long retry_after);

#endif
