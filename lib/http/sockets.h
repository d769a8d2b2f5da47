/* http/sockets.h -- the connections of a lane: counted, watched, closed when they have been idle for too long. */
#ifndef ER_SOCKETS_H
#define ER_SOCKETS_H

#include "http/handle.h"

typedef struct er_sockets {
    er_scheduler    *scheduler;
    er_poller    poller;
    int64_t      keepalive_ms;
    struct er_connection **by_fd;
    size_t       room;
    er_list      idle;   /* the longest idle first */
    er_list      dialling; /* handles that are to be nudged */
    bool         closed; /* some have been, so that others may have their turn: the lane looks, and clears it */
} er_sockets;

int  er_sockets_open(er_sockets *sockets); /* scheduler and keepalive_ms are set before. 0 or an errno */
void er_sockets_close(er_sockets *sockets); /* when curl has closed all of its own */

void er_sockets_serve(er_sockets *sockets, CURLM *multi); /* tells this multi to use it */
int  er_sockets_count(er_sockets *sockets, er_handle *handle); /* makes its connections count. 0 or ENOMEM */

/* An event at fd: 0, or what curl is to be told of it (CURL_CSELECT_...). */
int er_sockets_event(er_sockets *sockets, er_event event);

/* libcurl 7.88 to 8.3 gives up an address of several, makes the next ready, and forgets to go on with it: it is made to. */
void er_sockets_nudge(er_sockets *sockets);

/* That handle's transfer is over: what is left open of its connections is idle from now on. */
void er_sockets_release(er_sockets *sockets, er_handle *handle);

/* Shuts down what has been idle for too long; returns when to look again (er_now_ns). */
int64_t er_sockets_reap(er_sockets *sockets);

/* Shuts down as many idle connections as the session has asked of this lane. */
void er_sockets_give_back(er_sockets *sockets, er_berth *berth);

#endif
