/* async/dump.h -- failures that were never retrieved. */
#ifndef ER_DUMP_H
#define ER_DUMP_H

#include "async/job.h"

/* Logs a failure that no caller has retrieved, once for each site. */
void er_pool_unretrieved(errand_pool *pool, const errand_result *r, const char *name,
                         const void *site);

#endif
