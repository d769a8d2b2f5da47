/* http/sockets.h -- the connections of a lane: counted, watched, closed when they have
 * been idle for too long. */
#ifndef ER_SOCKETS_H
#define ER_SOCKETS_H

#include "http/handle.h"

typedef struct er_sockets {
    er_scheduler *scheduler;
    er_poller poller;
    int64_t keepalive_ms, connection_ms;
    struct er_connection **by_fd;
    size_t room;
    er_list idle;     /* the first that is due first */
    er_list dialling; /* handles that are to be nudged */
    bool closed;      /* some have been closed: the lane clears it and grants turns */
} er_sockets;

/* scheduler and the times are set before. 0 or an errno */
int er_sockets_open(er_sockets *sockets);
void er_sockets_close(er_sockets *sockets); /* when curl has closed all of its own */

void er_sockets_serve(er_sockets *sockets, CURLM *multi); /* sets multi's socket function */
/* makes its connections count. 0 or ENOMEM */
int er_sockets_count(er_sockets *sockets, er_handle *handle);

/* An event at fd: 0, or what to pass to curl (CURL_CSELECT_...). */
int er_sockets_event(er_sockets *sockets, er_event event);

/* libcurl 7.88 to 8.3 gives up one of several addresses, prepares the next, and does not try it
 * before another event: this makes it. */
void er_sockets_nudge(er_sockets *sockets);

/* This handle's transfer is over: its connections that are still open are idle from now on. */
void er_sockets_release(er_sockets *sockets, er_handle *handle);

/* Shuts down what has been idle for too long, or is idle and too old; returns when to look again
 * (er_now_ns). */
int64_t er_sockets_reap(er_sockets *sockets);

/* Shuts down as many idle connections as the session has asked of this lane. */
void er_sockets_give_back(er_sockets *sockets, er_berth *berth);

#endif
