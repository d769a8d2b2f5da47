/* http/lane.h -- a private curl multi handle and the thread that drives it. */
#ifndef ER_LANE_H
#define ER_LANE_H

#include "async/service.h"
#include "http/dns_cache.h"
#include "http/redirect.h"
#include "http/sockets.h"

enum { /* the first libcurl that does so */
    ER_CURL_FORGETS_HEADERS = 0x080100, /* of the transfer before */
    ER_CURL_TRIES_NEXT = 0x080400       /* of a host's addresses at once */
};

typedef enum er_lane_state {
    ER_LANE_OFF,
    ER_LANE_ON,    /* its thread is wanted, or runs */
    ER_LANE_ENDING /* its thread takes nothing any more; what comes now waits for the next one */
} er_lane_state;

typedef struct er_lane {
    er_service        service;
    errand_pool       *pool;
    errand_http       *http;
    const er_defaults *defaults;
    void             (*on)(struct er_lane *lane);  /* before a thread is asked for */
    void             (*off)(struct er_lane *lane); /* when it has gone, the lane's last touch: *lane may be freed */
    void             (*go)(struct er_lane *lane, er_list *mine); /* slots may be free: gives turns; the lane's own into mine,
                                                                     or like all others if mine is NULL */
    void             (*again)(er_exchange *x, er_origin *origin);  /* a redirect: into the line */
    void             (*rest)(er_exchange *x); /* it is done here, though not over: gives its slot back */
    void (*refuse)(struct er_lane *lane, er_list *refused, int error); /* takes them elsewhere, or ends them */

    _Alignas(ER_LINE) er_berth berth; /* under the session's lock; this and the next two are written by different threads */

    _Alignas(ER_LINE) er_lock lock; /* guards what follows, and each exchange's seat */
    er_lane_state state;
    unsigned      stop;  /* 1: when idle, 2: now */
    bool          awake; /* the thread will look here before it sleeps */
    bool          begun; /* there is a thread, not only the wish for one */
    bool          there; /* and it has a poller to wake */
    bool          look;  /* at the exchanges that say so, and at what the session asks back */
    er_list       inbox, leaving;

    _Alignas(ER_LINE) CURLM *multi; /* the rest is its thread's alone */
    CURLSH       *tls;   /* TLS sessions, which would go with each handle. NULL: they stay with curl */
    er_sockets    sockets;
    er_dns_cache      known;
    er_list       seated, spares;
    unsigned      running;
    bool          left; /* an exchange has ended: others may have its slot */
    int64_t       idle_since_ns, due_ns; /* due: what curl wants to be called for; er_now_ns */
} er_lane;

void er_lane_init(er_lane *lane, errand_pool *pool, errand_http *http, er_scheduler *scheduler, const er_defaults *defaults);

/* Hands x over; its place is LANE. False: it has been refused, for it was told to end, or there is no thread for the lane; then
 * others may have its slot. */
bool er_lane_add(er_lane *lane, er_exchange *x);

/* It has a thread. */
bool er_lane_begun(er_lane *lane);

/* x has been told to end. True: the lane's thread has not begun yet (perhaps there is none to be had), and x is the caller's to end. */
bool er_lane_leave(er_lane *lane, er_exchange *x);

/* The same for one whose time may be over. *next_ns: nothing is, look again then; INT64_MAX: the lane's thread is to look. */
er_limit er_lane_late(er_lane *lane, er_exchange *x, int64_t now_ns, int64_t *next_ns);

/* One of its exchanges says `look`, or the session asks for connections back. */
void er_lane_look(er_lane *lane);

/* Ends the lane's thread: when nothing runs, or at once. */
void er_lane_stop(er_lane *lane, bool now);

#endif
