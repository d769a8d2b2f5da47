/* jobs/form.h -- what the fields of a record become: the text of a job. */
#ifndef ER_FORM_H
#define ER_FORM_H

#include "jobs/job_parse.h"
#include "jobs/template.h"

typedef struct er_form_opts { /* as errand_jobs_opts has them; NULL: not given */
    const char *url_template, *json_template, *id_column;
    const char *const *params;
    const er_job_defaults *defaults;
} er_form_opts;

bool er_form_opts_any(const er_form_opts *opts); /* those that need fields */

typedef struct er_form {
    struct er_form *next; /* its owner's */
    er_columns columns;
    char delimiter;
    const char **keys; /* of the job, that each column gives; NULL: none */
    size_t id_column;  /* or ER_NO_COLUMN */
    bool has_url, has_json;
    er_template url, json;
    struct er_form_param {
        char *name;
        er_template value;
    } * params;
    size_t n_params;
} er_form;

/* Takes the columns over, also when it fails. A list of lines has one, "line", which is the url
 * unless there is a template for it. 0; ENOMEM; EINVAL with *why. *notes: what is worth to be said,
 * a line each. */
int er_form_new(er_form **form, er_columns *columns, bool list, const er_form_opts *opts,
                er_bytes *why, er_bytes *notes);
void er_form_free(er_form *form);
void er_columns_free(er_columns *columns);

/* Is the job's text UTF-8 without NUL bytes? Before it is split. 0, or job->error. */
int er_form_check(er_line_job *job);
/* Makes the fields, as many as there are columns, into the job's text. 0, or job->error. */
int er_form_fill(er_line_job *job, const er_form *form, const er_span *fields);

#endif
