/* http/lane.h -- a private curl multi handle and the thread that drives it. */
#ifndef ER_LANE_H
#define ER_LANE_H

#include "async/service.h"
#include "http/dns_cache.h"
#include "http/redirect.h"
#include "http/sockets.h"

/* The first libcurl that does so. */
enum {
    ER_CURL_FORGETS_HEADERS = 0x080100, /* of the transfer before */
    ER_CURL_TRIES_NEXT = 0x080400       /* of a host's addresses at once */
};

typedef enum er_lane_state {
    ER_LANE_OFF,
    ER_LANE_ON,    /* its thread is wanted, or runs */
    ER_LANE_ENDING /* its thread takes nothing any more; what comes now waits for the next thread */
} er_lane_state;

typedef struct er_lane {
    er_service service;
    errand_pool *pool;
    errand_http *http;
    const er_defaults *defaults;
    void (*on)(struct er_lane *lane);                 /* before a thread is started */
    void (*off)(struct er_lane *lane);                /* after it has gone; *lane may be freed */
    void (*go)(struct er_lane *lane, er_list *mine);  /* er_dispatch */
    void (*again)(er_exchange *x, er_origin *origin); /* a redirect: into the line */
    void (*rest)(er_exchange *x); /* x is done here, though not over: frees its slot */
    void (*refuse)(struct er_lane *lane, er_list *refused, int error); /* moves or ends them */

    /* under the session's lock; this and the next two are written by different threads */
    _Alignas(ER_LINE) er_berth berth;

    _Alignas(ER_LINE) er_lock lock; /* guards what follows, and each exchange's seat */
    er_lane_state state;
    unsigned stop; /* 1: when idle, 2: now */
    bool awake;    /* the thread will check this before it sleeps */
    bool begun;    /* the thread runs */
    bool there;    /* and has a poller to wake */
    bool look;     /* check exchanges with `look` set, and connections asked back */
    er_list inbox, leaving;

    _Alignas(ER_LINE) CURLM *multi; /* the rest is its thread's alone */
    CURLSH *tls; /* TLS sessions, if handles do not last. NULL: curl keeps them, or with cookies */
    er_sockets sockets;
    er_dns_cache known;
    er_list seated, spares;
    unsigned running;
    bool left;                     /* an exchange has ended: its slot can be granted */
    int64_t idle_since_ns, due_ns; /* due: of curl's timer; er_now_ns */
} er_lane;

void er_lane_init(er_lane *lane, errand_pool *pool, errand_http *http, er_scheduler *scheduler,
                  const er_defaults *defaults);

/* Hands x over; its place is LANE. False: it has been refused, because it was cancelled or the lane
 * got no thread; its slot can be granted. */
bool er_lane_add(er_lane *lane, er_exchange *x);

/* It has a thread. */
bool er_lane_begun(er_lane *lane);

/* x has been cancelled. True: the lane's thread has not begun, and the caller must end x. */
bool er_lane_leave(er_lane *lane, er_exchange *x);

/* The same when one of x's times may be over. Returns which; the caller must end x. Else *next_ns
 * is when to check again; INT64_MAX: the lane's thread must check. */
er_limit er_lane_late(er_lane *lane, er_exchange *x, int64_t now_ns, int64_t *next_ns);

/* Wakes the lane: one of its exchanges has `look` set, or connections are asked back. */
void er_lane_look(er_lane *lane);

/* Ends the lane's thread: when nothing runs, or at once. */
void er_lane_stop(er_lane *lane, bool now);

#endif
