/* jobs/result_writer.h -- one line of output: how a job ended. */
#ifndef ER_RESULT_WRITER_H
#define ER_RESULT_WRITER_H

#include "jobs/job_parse.h"

#define ER_REPORT_ERROR_BODY ((size_t)64 << 10) /* bytes of an HTTP error's body */

/* Adds the result line, its end included, to out; out->error is ENOMEM if there was no memory for
 * it. */
void er_report(er_bytes *out, const er_line_job *job, const errand_result *r, bool verbose);

#endif
