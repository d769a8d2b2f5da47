/* http/transfer.h -- an exchange in its session: one attempt of a request. */
#ifndef ER_TRANSFER_H
#define ER_TRANSFER_H

#include "http/session.h"

/* in_run: it is an attempt of a run that began before the session was closed. site: where it was
 * submitted. Never NULL, unless there is no memory for that. */
errand_future *er_transfer_start(errand_http *http, er_request *request, bool in_run,
                                 const void *site);

/* Cancels an exchange. Any thread, no lock held. */
void er_transfer_cancel(er_exchange *x, errand_reason reason);

/* Called by a lane: x's sink finishes, apart from the lane; x follows a redirect. */
void er_transfer_rest(er_exchange *x);
void er_transfer_again(er_exchange *x, er_origin *origin);

#endif
