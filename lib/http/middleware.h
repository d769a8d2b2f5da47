/* http/middleware.h -- calls a session's middleware between errand_send and er_request_send. */
#ifndef ER_MIDDLEWARE_H
#define ER_MIDDLEWARE_H

#include "http/session.h"

/* the session's row of them. 0 or ENOMEM */
int er_middleware_make(errand_http *http, const errand_middleware *given);

/* A future that has failed so; frees the body of the request (may be NULL). */
errand_future *er_middleware_refuse(errand_http *http, const errand_request *request,
                                    errand_result why);

#endif
