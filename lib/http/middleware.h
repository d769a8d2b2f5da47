/* http/middleware.h -- what stands between errand_send and the sending. */
#ifndef ER_MIDDLEWARE_H
#define ER_MIDDLEWARE_H

#include "http/session.h"

int er_middleware_make(errand_http *http, const errand_middleware *given); /* the session's row of them. 0 or ENOMEM */

#endif
