/* http/middleware.h -- calls a session's middleware between errand_send and er_request_send. */
#ifndef ER_MIDDLEWARE_H
#define ER_MIDDLEWARE_H

#include "http/session.h"

/* the session's row of them. 0 or ENOMEM */
int er_middleware_make(errand_http *http, const errand_middleware *given);

#endif
