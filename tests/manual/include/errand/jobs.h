/** errand/jobs.h -- requests as JSON Lines.
 *
 * A job is one line:
 *   url     http(s)
 *   method  default GET
 */
#ifndef ERRAND_JOBS_H
#define ERRAND_JOBS_H

#include <errand/sem.h>

typedef struct errand_future errand_future;

/**
 * Runs the jobs of a file.
 *
 * Returns a future, which fails with
 *   ENOENT    there is no such file
 */
ERRAND_API errand_future *errand_jobs_run(const char *path, errand_sem *sem);

#endif
