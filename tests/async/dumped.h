/* A pool's dump that a test reads. */
#ifndef DUMPED_H
#define DUMPED_H

#include "events.h"

extern char dump_text[65536]; /* the last one */

const char *dump_of(errand_pool *pool);
bool dump_has(errand_pool *pool, const char *part);
bool dump_has_soon(errand_pool *pool, const char *part); /* looks again, for LONG_MS at most */
/* From the name to the end of its line. Fails the test if it is not there. */
const char *dump_line(errand_pool *pool, const char *name);

#endif
