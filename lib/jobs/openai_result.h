/* jobs/openai_result.h -- one line of output in the shape of OpenAI's batch API. */
#ifndef ER_OPENAI_RESULT_H
#define ER_OPENAI_RESULT_H

#include "jobs/job_parse.h"

/* Adds the result line, its end included, to out; out->error is ENOMEM if there was no memory for
 * it. */
void er_openai_result(er_bytes *out, const er_line_job *job, const errand_result *r);

#endif
