/* http/request_copy.h -- a copy of a caller's request with all that it points to, to be sent when
 * the caller's is gone, or once more. */
#ifndef ER_REQUEST_COPY_H
#define ER_REQUEST_COPY_H

#include "base/os.h"

#include <errand/request.h>

/* One holder, and what is sent of it. */
typedef struct er_request_copy er_request_copy;

/* Takes over body_arg of given, also on failure. NULL: no memory. */
er_request_copy *er_request_copy_new(const errand_request *given);
void er_request_copy_drop(er_request_copy *copy); /* NULL is harmless */

/* A request to be sent, at once: valid while the holder has the copy. */
errand_request er_request_copy_use(er_request_copy *copy);

#endif
