/* http/request_run.h -- a request of the caller's, sent once or as often as its policy says. */
#ifndef ER_REQUEST_RUN_H
#define ER_REQUEST_RUN_H

#include "http/session.h"

/* What errand_send does when no middleware is left: checks, copies, sends. *given is
 * whole, the session alive. */
errand_future *er_request_send(errand_http *http, const errand_request *given, const void *site);

#endif
