/* http/redirect.h -- where a reply sends us on to (RFC 9110, 15.4). */
#ifndef ER_REDIRECT_H
#define ER_REDIRECT_H

#include "http/handle.h"

#define ER_REDIRECTS 10

/* The reply whose headers are complete is followed by another hop: its own body does not matter. */
bool er_redirects(const er_exchange *x);

/* Of an exchange whose reply is complete and follows: x->hop becomes the next one, and *origin its origin, the caller's to free.
 * 0; else *failure is how it ends. */
int er_redirect(er_exchange *x, er_origin *origin, errand_result *failure);

#endif
