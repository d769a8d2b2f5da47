/* http/exchange.h -- one attempt: a request goes out, hop by hop, and a reply or
 * a failure comes back. */
#ifndef ER_EXCHANGE_H
#define ER_EXCHANGE_H

#include "async/job.h"
#include "http/request.h"
#include "http/response.h"
#include "http/scheduler.h"
#include "http/stream.h"

#include <errand/promise.h>

struct er_lane;

typedef enum er_place { /* where it is; under the session's lock */
                        ER_PLACE_NEW,
                        ER_PLACE_LINE, /* waits for its turn */
                        ER_PLACE_LANE,
                        ER_PLACE_REST, /* its sink finishes */
                        ER_PLACE_OVER
} er_place;

typedef enum er_seat { /* where it is on its lane; under the lane's lock */
                       ER_SEAT_NONE,
                       ER_SEAT_INBOX,
                       ER_SEAT_TAKEN, /* by the lane's thread */
                       ER_SEAT_LEFT
} er_seat;

typedef enum er_progress { /* how far this hop has come on its lane */
                           ER_PROGRESS_NONE,
                           ER_PROGRESS_CONNECTS, /* curl has it */
                           ER_PROGRESS_SENT,
                           ER_PROGRESS_ANSWERED
} er_progress;

typedef enum er_limit { /* which of its times is over */
                        ER_LIMIT_NONE,
                        ER_LIMIT_TOTAL,
                        ER_LIMIT_CONNECT,
                        ER_LIMIT_SOCK_CONNECT,
                        ER_LIMIT_SOCK_READ,
                        ER_LIMIT_DRAIN /* of a followed redirect's body: the rest is skipped */
} er_limit;

#define ER_DRAIN_MS    500 /* what a redirect's body may take, so that its connection can be kept */
#define ER_DRAIN_MOST  ((uint64_t)64 << 10)
#define ER_AUTH_ROUNDS 3

typedef struct er_handle er_handle;

typedef struct er_hop {
    /* the request as it goes out now: the caller's, or what a redirect has made of it */
    char *url; /* the first: the request's */
    const char *method;
    struct curl_slist *headers;
    bool body, https;
    bool own_url, own_headers; /* freed with the hop */
    bool away;                 /* has left the caller's origin: no secrets */
    bool ran;                  /* an earlier hop may have done the work */
    unsigned n;                /* redirects so far */
} er_hop;

typedef struct er_exchange {
    unsigned count;     /* the thread that ends it, its timer, a walk of the session's list */
    unsigned cancelled; /* an errand_reason, set once */
    unsigned look;      /* atomic: one of its times may be over */
    unsigned resumed;   /* atomic: a paused transfer may go on */
    er_valve valve;     /* its sink and source call back through this */
    void (*wake)(struct er_exchange *x); /* makes its lane check `resumed` */
    uint64_t number;                     /* in its stages; 0: the session has no hook */
    uint64_t known;                      /* then: what had been looked up when it joined the line */
    er_request *request;
    errand_pool *pool;
    errand_http *http;
    errand_promise *promise;
    er_timer timer; /* due when the first of its times may be over */
    bool timed;     /* the timer was armed, with a count */
    int64_t total_ms, connect_ms, sock_connect_ms, sock_read_ms;
    int64_t began_ns; /* all on the pool's clock */
    int64_t asked_ns; /* this hop joined the line */
    int64_t clock_ns; /* er_now_ns when it began: beside curl's times */
    void (*over)(struct er_exchange *x, errand_result r); /* called once */
    void (*let_go)(errand_http *http);                    /* called when it is freed */
    er_live live;                                         /* until it is over */
    uint32_t progress;                                    /* er_progress: atomic, for the dump */

    er_node in_session; /* session's lock, with the next six */
    er_place place;
    bool resolving; /* it was taken out of the line while its host was looked up */
    er_slot_turn turn;
    /* addresses for this hop; counted. NULL: none needed, or a connection stands already */
    er_found *found;
    struct er_lane *lane;

    /* atomic, changed under the lock of the lane that it names: that guards
     * what follows. NULL: none */
    struct er_lane *at;
    er_node queued;  /* in the inbox (lane's lock), seated (lane's thread) */
    er_node leaving; /* lane's lock */
    er_seat seat;

    er_handle *handle; /* from here on the lane's thread alone */
    er_hop hop;
    errand_response *response;
    int64_t seated_ns;       /* this hop was handed to curl; 0: not yet */
    int64_t gap_began_ns;    /* sock_read_ms counts from here */
    int64_t handed_clock_ns; /* er_now_ns of seated_ns */
    /* the kept connection was dead, and another is being made since then; 0: no */
    int64_t redial_ns;
    bool unarmed;               /* the timer is not armed: there is nothing to wait for */
    bool sent;                  /* a byte of the request may have left */
    bool answered;              /* a byte has come back since */
    bool reused;                /* it went out on a kept connection */
    bool resent;                /* curl has sent this hop again: the kept connection was dead */
    unsigned resends;           /* of all its hops */
    bool vetoed;                /* curl's repeat was refused: the second, or harmful */
    bool stays;                 /* curl's repeat after a reply was refused: that reply is final */
    unsigned rounds;            /* of authentication, in this hop */
    bool invited;               /* to send its body: a "100 Continue" has come */
    bool follows;               /* the reply is a redirect that will be followed */
    int64_t drained_ns;         /* then: when the wait for its body ends */
    bool first_posted;          /* ERRAND_STAGE_FIRST_BYTE was posted */
    bool in_paused, out_paused; /* by its sink, by its source */
    bool needs_close_notify, close_notify; /* its body ends with TLS; it has come */
    /* the promise has been resolved with the headers; the body goes to a reader */
    bool streams;
    bool too_large;
    bool broken_off;    /* by us, while curl had it */
    er_body_sink *sink; /* NULL: memory */
    /* the sink takes the body: of a 2xx with save_to, or one that is to be decoded */
    bool keeps;
    er_body_source *source; /* NULL: memory, or no body */
    bool all_read;          /* source, of a size not known, is at its end */
    errand_result result;   /* kept while the sink finishes */
    errand_timings timings; /* as they were when the handle was last there */
    int no_socket;          /* errno of the last socket that could not be opened */
    int broken;             /* an errno of our own while the reply came in */
    uint64_t received;      /* bytes of the body, decompressed */
    size_t header_bytes;    /* of this hop: with interim replies and trailers */
} er_exchange;

/* A new one of this request, with a count of 1. NULL: no memory. */
er_exchange *er_exchange_new(er_request *request, errand_pool *pool);
void er_exchange_keep(er_exchange *x);
void er_exchange_drop(er_exchange *x);

/* Sets the reason; only the first call counts. True: this was the first. */
bool er_exchange_cancel(er_exchange *x, errand_reason reason);
errand_reason er_exchange_cancelled(er_exchange *x);

/* Returns which of its times is over (not total_ms, which cancels it); else *next_ns is when to
 * check again. On the lane's thread, or under the session's lock while it is in the line. */
er_limit er_exchange_overdue(er_exchange *x, int64_t now_ns, int64_t *next_ns);

/* Arms x->timer for at_ns, with a count of x that its callback drops. Returns 0 or an errno; a pool
 * that takes no more timers ends the session anyway. */
int er_exchange_arm(er_exchange *x, int64_t at_ns);

/* On the lane's thread, after its times have changed: arms the timer for them, unless its callback
 * is running: that checks the new times. */
void er_exchange_rearm(er_exchange *x);

/* All of the request has been handed to the system. On the lane's thread. */
bool er_exchange_is_out(er_exchange *x);

/* Drops its sink and source, with what they have not finished. */
void er_exchange_drop_flows(er_exchange *x);

/* On the lane's thread: its connection is in the making. */
static inline bool er_exchange_dials(const er_exchange *x) { return !x->sent || x->redial_ns; }
static inline bool er_exchange_is_success(const er_exchange *x)
{
    return x->response->status >= 200 && x->response->status < 300;
}
static inline bool er_exchange_is_error(const er_exchange *x)
{
    return !x->request->any_status && er_status_is_error(x->request->defaults, x->response->status);
}

#endif
