/* jobs/job_parse.h -- one line of input: the request in it, or its first error. */
#ifndef ER_JOB_PARSE_H
#define ER_JOB_PARSE_H

#include "jobs/jsonl_reader.h"
#include "jobs/json_scan.h"

#include <errand/http.h>

#define ER_JOB_RETRIES_MOST 1000
#define ER_JOB_TIMEOUT_MOST INT64_C(1000000000000) /* ms: no sum overflows with it */

typedef struct er_line_job {
    uint64_t seq; /* 0: not a line, but a file that cannot be read: line.error */
    er_line line; /* its text is the job's */
    /* why it was not begun: EINVAL, ENOMEM, an errno of body_file; 0: it is good */
    int error;
    char *why;        /* the same in words; NULL: errand_strerror */
    er_span id, meta; /* in the line; at NULL: none */
    bool retries_given;
    unsigned retries;
    /* that were made: not refused by a check, nor ended while they waited for their turn */
    unsigned attempts;
    int64_t began_wall_ns;  /* when the first attempt was begun; 0: none was */
    errand_request request; /* points to what the job owns */
    char *part;             /* request.save_to until its body has a name; NULL: its own, or none */
    char *named;            /* the file that the body got instead of the part; NULL: none */
    /* what it owns */
    char **kept;
    size_t n_kept;
    const char **headers;
    size_t n_headers;
} er_line_job;

/* Makes a job of a line; it owns the line's text from then on. */
void er_line_job_init(er_line_job *job, const er_line *line, uint64_t seq);
void er_line_job_free(er_line_job *job); /* what it owns */

/* Reads the line, checks body_file and fills request. 0, or job->error. */
int er_line_job_read(er_line_job *job);

/* The failure to read it, as a result. */
errand_result er_line_job_refusal(const er_line_job *job);

#endif
