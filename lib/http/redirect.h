/* http/redirect.h -- follows redirects (RFC 9110, 15.4). */
#ifndef ER_REDIRECT_H
#define ER_REDIRECT_H

#include "http/handle.h"

/* The reply, with complete headers, is a redirect that is followed: its body is discarded. */
bool er_redirects(const er_exchange *x);

/* After a complete reply with er_redirects: makes x->hop the next one, and *origin its origin,
 * which the caller frees. 0; else *failure is the result. */
int er_redirect(er_exchange *x, er_origin *origin, errand_result *failure);

#endif
