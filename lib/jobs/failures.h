/* jobs/failures.h -- failures by class: kind and code, how many, and the first of each. Its owner's
 * lock guards it. */
#ifndef ER_FAILURES_H
#define ER_FAILURES_H

#include "jobs/job_parse.h"

#include <errand/jobs.h>

#define ER_FAILURE_TEXT ((size_t)300) /* bytes of each text */

typedef struct er_failures {
    size_t n;
    errand_jobs_failure classes[ERRAND_JOBS_FAILURES];
} er_failures;

/* Counts how a job failed. Without memory for the texts of a first one they are "". */
void er_failures_add(er_failures *failures, const er_line_job *job, const errand_result *r);
void er_failures_free(er_failures *failures);

#endif
