/* jobs/result_writer.h -- one line of output: how a job ended. */
#ifndef ER_RESULT_WRITER_H
#define ER_RESULT_WRITER_H

#include "jobs/job_parse.h"
#include "jobs/next_page.h"

#include <errand/jobs.h>

#define ER_REPORT_ERROR_BODY ((size_t)64 << 10) /* bytes of an HTTP error's body */
#define ER_REPORT_HEADERS    ((size_t)200)      /* headers of a reply that are looked at */

typedef struct er_report_opts {
    bool verbose;
    bool tokens; /* that the job has used are in its line */
    errand_jobs_headers headers;
    errand_jobs_body body;
    const char *const *select; /* valid pointers; NULL: none */
    const char *base_url;      /* of the session */
    const er_next_page *pages; /* NULL: jobs have one reply */
} er_report_opts;

/* Adds the result line, its end included, to out; out->error is ENOMEM if there was no memory for
 * it. */
void er_report(er_bytes *out, const er_line_job *job, const errand_result *r,
               const er_report_opts *opts);

#endif
