/* http/lane.h -- a private curl multi handle and the thread that drives it. */
#ifndef ER_LANE_H
#define ER_LANE_H

#include "http/exchange.h"

#define ER_LANE_SPARES 32

typedef enum er_lane_state {
    ER_LANE_OFF,
    ER_LANE_ON,    /* its thread is wanted, or runs */
    ER_LANE_ENDING /* its thread takes nothing any more; what comes now waits for the next one */
} er_lane_state;

typedef struct er_lane {
    er_resident   resident;
    errand_pool  *pool;
    errand_http  *http;
    int64_t       keepalive_ms;
    long          most_connections;
    void        (*on)(struct er_lane *lane);  /* before a thread is asked for */
    void        (*off)(struct er_lane *lane); /* when it has gone, the lane's last touch: *lane may be freed */
    unsigned      load; /* exchanges that are its; under the session's lock */

    er_lock       lock; /* guards what follows, and each exchange's seat */
    er_lane_state state;
    unsigned      stop;  /* 1: when idle, 2: now */
    bool          awake; /* the thread will look here before it sleeps */
    CURLM        *multi; /* NULL: nobody to wake */
    er_list       inbox, leaving;

    er_list       seated; /* the rest is its thread's alone */
    unsigned      running;
    int64_t       idle_since_ns;
    CURL         *spares[ER_LANE_SPARES];
    unsigned      n_spares;
} er_lane;

void er_lane_init(er_lane *lane, errand_pool *pool, errand_http *http);

/* Hands x over; its place is LANE. An errno: there is no thread for the lane; then *refused holds what it had to hand
 * back (x, and others that came meanwhile), which is now the caller's to end. */
int er_lane_add(er_lane *lane, er_exchange *x, er_list *refused);

/* x has been told to end. */
void er_lane_leave(er_lane *lane, er_exchange *x);

/* Ends the lane's thread: when nothing runs, or at once. */
void er_lane_stop(er_lane *lane, bool now);

#endif
