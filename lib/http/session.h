/* http/session.h -- a session: its lanes, the lines before them, and what is in flight. */
#ifndef ER_SESSION_H
#define ER_SESSION_H

#include "http/fixed_hosts.h"
#include "http/lane.h"
#include "log/left_open.h"

#include <errno.h>

struct errand_chain { /* a place in the row of middleware */
    errand_http *http;
    unsigned i;
    errand_middleware middleware; /* of the last: none, there the request is sent */
};

/* Fields that each request writes are apart from those that all read, so that senders and lanes do
 * not wait for each other's cache lines. */
struct errand_http {
    errand_pool *pool; /* kept */
    errand_log *log;
    er_left_open left_open;
    errand_policy *policy; /* NULL: none */
    er_defaults defaults;
    errand_chain *nexts; /* n_middleware and one */
    unsigned n_middleware, n_lanes;
    er_resolver *resolver;
    bool resolves;               /* by the caller's function */
    er_fixed_hosts *fixed_hosts; /* NULL: none */

    /* the caller's handle, each exchange, run, look-up and lane that is on */
    _Alignas(ER_LINE) unsigned count;
    bool closing; /* new requests are refused; atomic, written under the lock */
    er_parker closer;
    size_t exchanges, runs, lanes_on; /* atomically; close waits for them */
    size_t look_ups;                  /* likewise, if the caller's function does them */
    uint64_t reused, resent;          /* counted, atomically */

    /* its lock guards it and what follows, and each exchange's place */
    _Alignas(ER_LINE) er_scheduler scheduler;
    bool cancelling;    /* refuses attempts of runs, too, and grants no turn any more */
    er_list all, asked; /* exchanges not over; asked: those that close has cancelled */
    er_list running;    /* runs that are not over */
    /* the caller's own handles, and the threads that carry them */
    er_list performs, performers;
    er_route *performing; /* the route of performs; NULL: there was none yet */

    er_lane lanes[];
};

void er_session_hold(errand_http *http);
void er_session_let_go(errand_http *http);
/* Adds one to *n, a field of *http, and holds http; subtracts one and lets go: *http may be gone.
 * */
void er_session_more(errand_http *http, size_t *n);
void er_session_less(errand_http *http, size_t *n);
void er_session_fewer(errand_http *http, size_t *n); /* subtracts one; the caller holds http */

/* Work that close waits for, and cancels at half time: a request with a policy, or one that waits
 * for a token. Its owner keeps it until it is both listed and ended, in any order. */
typedef struct er_session_run {
    er_node node; /* session's lock, with the rest */
    errand_canceller *stop;
    bool ended;
} er_session_run;

/* Counts a run. False: the session is closing, and it does not count. */
bool er_session_run_begin(errand_http *http);
void er_session_run_list(errand_http *http, er_session_run *run, errand_future *f);
void er_session_run_end(errand_http *http, er_session_run *run); /* still counted */
void er_session_runs_cancel(errand_http *http); /* ERRAND_BY_SHUTDOWN, also those that sleep */

static inline errand_result er_session_closed(void)
{
    return errand_failf(EINVAL, "the session is closed");
}

#endif
