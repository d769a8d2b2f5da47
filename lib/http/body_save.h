/* http/body_save.h -- where a reply's body goes, if not as it is into memory: a file, a stream, a
 * decoder. */
#ifndef ER_BODY_SAVE_H
#define ER_BODY_SAVE_H

#include "http/request.h"
#include "http/stream.h"

/* For one attempt. *out NULL: plain memory is enough. 0 or an errno. */
int er_body_save(er_request *request, errand_pool *pool, er_body_sink **out);
/* for a body that is to be decoded */
int er_body_save_memory(er_request *request, errand_pool *pool, er_body_sink **out);

#endif
