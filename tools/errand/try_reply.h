/* try_reply.h -- how a request ended, for a person: the body on standard output, all else on
 * standard error. */
#ifndef TRY_REPLY_H
#define TRY_REPLY_H

#include "options.h"

#include <errand-http.h>

/* A connection that was tried. */
typedef struct try_address {
    char text[64];
    unsigned port; /* 0: there was none */
} try_address;

void try_reply(const errand_result *r, const try_address *address, bool secrets);
/* What errand run would do after this end. */
void try_outlook(const errand_result *r, const errand_jobs_line *line, const run_options *o);

#endif
