/* jobs/job_parse.h -- one record of input: the request in it, or its first error. */
#ifndef ER_JOB_PARSE_H
#define ER_JOB_PARSE_H

#include "jobs/jsonl_reader.h"
#include "jobs/json_scan.h"
#include "jobs/job_states.h"

#include <errand/http.h>

#define ER_JOB_RETRIES_MOST 1000
#define ER_JOB_TIMEOUT_MOST INT64_C(1000000000000) /* ms: no sum overflows with it */

/* What a job gets where it lacks a key. */
typedef struct er_job_defaults er_job_defaults;

typedef struct er_line_job {
    uint64_t seq; /* 0: not a line, but a file that cannot be read: line.error */
    er_line line; /* its text is the job's */
    /* Makes the text of a record into that of a job, an object in JSON: 0, or job->error. NULL: it
     * is one already. `form` is what it needs for that. */
    int (*convert)(struct er_line_job *job);
    const void *form;
    const er_job_defaults *defaults; /* NULL: none */
    /* why it was not begun: EINVAL, ENOMEM, an errno of body_file; 0: it is good */
    int error;
    char *why;        /* the same in words; NULL: errand_strerror */
    er_span id, meta; /* JSON, in the line or kept; at NULL: none */
    bool retries_given, idempotent_given;
    unsigned retries;
    /* that were made: not refused by a check, nor ended while they waited for their turn */
    unsigned attempts;
    uint64_t tokens;        /* that they have used, as far as replies say; */
    bool tokens_unknown;    /* one does not */
    bool fresh_key;         /* its idempotency key was made here, and is in no journal yet */
    unsigned run;           /* with a journal: the number of this run, else 0; */
    er_job_ref ref;         /* what identifies the job, */
    bool safe;              /* a repeat does no harm, */
    bool sent;              /* and the journal says that it may have been sent */
    int64_t began_wall_ns;  /* when the first attempt was begun; 0: none was */
    errand_request request; /* points to what the job owns */
    char *part;             /* request.save_to until its body has a name; NULL: its own, or none */
    char *named;            /* the file that the body got instead of the part; NULL: none */
    /* what it owns */
    char **kept;
    size_t n_kept;
    const char **headers;
    size_t n_headers;
    bool expand;          /* "${NAME}" in headers is replaced; set before it is read */
    const char **secrets; /* values that came from the environment: ..., NULL */
    size_t n_secrets;
} er_line_job;

/* Makes a job of a line; it owns the line's text from then on. */
void er_line_job_init(er_line_job *job, const er_line *line, uint64_t seq);
void er_line_job_free(er_line_job *job); /* what it owns */

/* Reads the line, checks body_file and fills request. 0, or job->error. */
int er_line_job_read(er_line_job *job);

/* Gives it a fresh key if it has none and its method is not idempotent. 0 or ENOMEM. */
int er_line_job_add_key(er_line_job *job);
/* For `convert`: an error of the job in words, also no memory for them: job->error. */
int er_line_job_refuse(er_line_job *job, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Makes text the job's own. NULL, or no memory: NULL, and the job says so. */
char *er_line_job_keep(er_line_job *job, char *text);
/* Puts text, which is empty afterwards, in the place of the line's. 0, or job->error. */
int er_line_job_replace(er_line_job *job, er_bytes *text);
/* The name of a key that a job may have, if this is one, else NULL. */
const char *er_job_key(const char *name, size_t size);
const char *er_job_key_at(size_t i); /* NULL: there are no more */

/* Of an object in JSON with keys of jobs, and a method that goes before the one in there; both may
 * be NULL. NULL: errno, EINVAL with *why, which the caller frees, or ENOMEM. */
er_job_defaults *er_job_defaults_new(const char *json, const char *method, char **why);
bool er_job_defaults_has(const er_job_defaults *defaults, const char *key); /* NULL: no */
void er_job_defaults_free(er_job_defaults *defaults);

/* The failure to read it, as a result. */
errand_result er_line_job_refusal(const er_line_job *job);

#endif
