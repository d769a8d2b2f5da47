/* http/send.h -- one attempt of a request. */
#ifndef ER_SEND_H
#define ER_SEND_H

#include "http/session.h"

/* in_run: it is an attempt of a run that began before the session was closed. Never NULL, unless there is no memory for that. */
errand_future *er_send_once(errand_http *http, er_request *request, bool in_run);

#endif
