/* http/body_upload.h -- where a request's body comes from, if not from a single piece of memory. */
#ifndef ER_BODY_UPLOAD_H
#define ER_BODY_UPLOAD_H

#include "http/request.h"
#include "http/stream.h"

/* For one attempt. *out NULL: plain memory is enough. 0 or an errno. */
int er_body_upload(er_request *request, errand_pool *pool, er_body_source **out);

#endif
