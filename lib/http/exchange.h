/* http/exchange.h -- one attempt: a request goes out, a reply or a failure comes back. */
#ifndef ER_EXCHANGE_H
#define ER_EXCHANGE_H

#include "base/list.h"
#include "core/pool.h"
#include "http/request.h"
#include "http/response.h"

#include <errand/future.h>

struct er_lane;

typedef enum er_place { /* where it is; under the session's lock */
    ER_PLACE_NEW,
    ER_PLACE_LINE, /* waits for its turn */
    ER_PLACE_LANE,
    ER_PLACE_OVER
} er_place;

typedef enum er_seat { /* where it is on its lane; under the lane's lock */
    ER_SEAT_NONE,
    ER_SEAT_INBOX,
    ER_SEAT_TAKEN, /* by the lane's thread */
    ER_SEAT_LEFT
} er_seat;

typedef struct er_exchange {
    unsigned        count; /* who ends it, its timer, who looks at it from the session's list */
    unsigned        told;  /* an errand_reason: who wants it to end. Set once */
    er_request     *request;
    errand_pool    *pool;
    errand_http    *http;
    errand_promise *promise;
    er_timer        timer; /* its deadline */
    bool            timed;
    int64_t         total_ms;           /* what the deadline was made of, to be shown */
    int64_t         began_ns;           /* er_now_ns: beside curl's times */
    int64_t         pool_began_ns;      /* er_pool_now */
    void          (*over)(struct er_exchange *x, errand_result r); /* told once, by whoever owns it then */

    er_node         in_session; /* session's lock */
    er_place        place;
    struct er_lane *lane;

    er_node         queued;  /* in the line (session's lock), in the inbox (lane's lock), seated (lane's thread) */
    er_node         leaving; /* lane's lock */
    er_seat         seat;

    CURL            *easy; /* from here on the lane's thread alone */
    errand_response *response;
    int64_t          handed_ns; /* to curl; 0: not yet */
    bool             sent;      /* a byte of the request may have left */
    bool             answered;  /* since then something came back */
    struct curl_slist *elsewhere; /* headers for another host, after a redirect; NULL: not there */
    bool             vetoed;    /* curl wanted to send it a second time */
    bool             too_large;
    int              broken;    /* an errno of our own while the reply came in */
    size_t           received;  /* bytes of the body, decompressed */
    char            *part_path; /* the file that becomes save_to */
    int              part;
    bool             has_part, part_failed; /* part_failed: broken is about the file */
    char             words[CURL_ERROR_SIZE];
} er_exchange;

/* A new one of this request, with a count of 1. NULL: no memory. */
er_exchange *er_exchange_new(er_request *request, errand_pool *pool);
void         er_exchange_keep(er_exchange *x);
void         er_exchange_drop(er_exchange *x);

/* Who wants it to end; only the first is heard. True: that was the first. */
bool          er_exchange_tell(er_exchange *x, errand_reason reason);
errand_reason er_exchange_told(er_exchange *x);

/* On the lane's thread: makes the handle ready for curl_multi_add_handle. 0 or an errno. */
int er_exchange_begin(er_exchange *x, CURL *easy);

/* The file that becomes save_to, whole or not at all. Keeping it: 0 or an errno. */
int  er_exchange_keep_part(er_exchange *x);
void er_exchange_drop_part(er_exchange *x);

static inline bool er_exchange_is_success(const er_exchange *x)
{
    return x->response->status >= 200 && x->response->status < 300;
}
static inline bool er_exchange_is_error(const er_exchange *x)
{
    return x->response->status >= 400 && !x->request->any_status;
}

#endif
