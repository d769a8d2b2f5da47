/* jobs/source.h -- the records of one file, as its format has them. */
#ifndef ER_SOURCE_H
#define ER_SOURCE_H

#include "jobs/form.h"
#include "jobs/jsonl_reader.h"

#include <errand/jobs.h>

typedef struct er_source_opts {
    er_form_opts form;
    char delimiter; /* of a CSV; 0: by its header */
    bool based;     /* the session has a base url */
} er_source_opts;

typedef struct er_source {
    const struct er_source_kind *kind;
    er_lines *lines; /* with this file open */
    const er_source_opts *opts;
    er_form *form; /* made by begin; NULL: none. The owner of the source frees it, after its jobs */
    const void *for_convert; /* the `form` of its jobs; set by begin */
} er_source;

/* A format. Each of sources/ is one. begin and next are called by one thread. */
typedef struct er_source_kind {
    errand_jobs_format format;
    const char *one, *many; /* what a record is called */
    /* Reads what stands before the first record. 0; EINVAL with *why: the file, or the options, are
     * no good; ECANCELED, ENOMEM, or an error of the file. *notes: what is worth to be said, a line
     * each. NULL: there is nothing */
    int (*begin)(er_source *source, er_bytes *why, er_bytes *notes);
    /* The next record: 0 and *line, whose error may be of the record or, with number 0, of the
     * file, which is closed then. ENODATA, ECANCELED, ENOMEM. */
    int (*next)(er_source *source, er_line *line);
    /* er_line_job's, on any thread. NULL: the record is a job already. */
    int (*convert)(er_line_job *job);
} er_source_kind;

#endif
