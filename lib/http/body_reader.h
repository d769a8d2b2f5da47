/* http/body_reader.h -- a reply's body on its way from a lane to its reader. */
#ifndef ER_BODY_READER_H
#define ER_BODY_READER_H

#include "base/bytes.h"
#include "async/job.h"
#include "http/decoder.h"

#include <errand/http.h>

#define ER_BODY_READER_ROOM ((size_t)256 << 10) /* bytes unread; beyond, the transfer is paused */

struct er_valve;
struct er_request;

typedef struct er_body_reader er_body_reader;

/* Count 2: the response's and the exchange's. The valve is counted, and called until
 * er_body_reader_end. The reading thread decodes; an error it finds becomes a failure of this
 * request. NULL: no memory. */
er_body_reader *er_body_reader_new(errand_pool *pool, struct er_valve *valve,
                                   struct er_request *request, const er_codings *codings);

/* The lane's side. False: full; valve->resume is called when there is room. */
bool er_body_reader_put(er_body_reader *reader, const char *at, size_t size);

/* The exchange is over as `how`, which is taken over. Drops the exchange's count. */
void er_body_reader_end(er_body_reader *reader, errand_result how);

/* The response's side: bytes, 0 at the end, -ETIMEDOUT, -ECANCELED, or minus the error the
 * exchange ended with. */
int64_t er_body_reader_read(er_body_reader *reader, void *buffer, size_t size, int64_t ms);
const errand_result *er_body_reader_failure(er_body_reader *reader); /* NULL: none so far */
void er_body_reader_leave(er_body_reader *reader);

#endif
