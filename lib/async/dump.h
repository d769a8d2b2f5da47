/* async/dump.h -- failures that no caller has looked at. */
#ifndef ER_DUMP_H
#define ER_DUMP_H

#include "async/job.h"

/* A failure that nobody looked at: told to the pool's log, once for each site. */
void er_pool_unretrieved(errand_pool *pool, const errand_result *r, const char *name, const void *site);

#endif
