/* http/session.h -- a session: its lanes, the line before them, and who is in flight. */
#ifndef ER_SESSION_H
#define ER_SESSION_H

#include "http/lane.h"

struct errand_http {
    unsigned       count; /* the caller's handle, each exchange, run and lane that is on */
    errand_pool   *pool;  /* kept */
    errand_log    *log;
    errand_policy *policy; /* NULL: none */
    er_defaults    defaults;
    unsigned       limit;

    er_lock        lock; /* guards what follows, each exchange's place and each lane's load */
    bool           closing;    /* new requests are refused        */
    bool           cancelling; /* and new attempts of those begun */
    bool           pumping;
    unsigned       in_use; /* of limit */
    size_t         exchanges, runs, lanes_on;
    er_list        line;
    er_list        all, asked; /* exchanges not over; asked: close has told them to end */
    er_parker      closer;

    unsigned       n_lanes;
    er_lane        lanes[];
};

void er_session_hold(errand_http *http);
void er_session_let_go(errand_http *http);
/* One less of *n, a count of http's, and what it held is let go: *http may be gone after this. */
void er_session_less(errand_http *http, size_t *n);

/* Tells an exchange to end (send.c). Any thread, no lock held. */
void er_session_tell(er_exchange *x, errand_reason reason);

#endif
