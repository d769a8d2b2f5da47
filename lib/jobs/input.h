/* jobs/input.h -- the jobs of many files, each in the format that it has. Used by one thread. */
#ifndef ER_INPUT_H
#define ER_INPUT_H

#include "jobs/source.h"

typedef struct er_input_opts {
    const char *const *files;
    errand_jobs_format format;
    er_source_opts source;
    uint64_t skip, take; /* take 0: all */
    /* says what a file was taken for; NULL: not wanted */
    void (*on_notice)(const char *message, void *arg);
    void *arg;
} er_input_opts;

typedef struct er_input {
    er_input_opts opts;
    er_lines lines;
    er_source source;
    er_form *forms; /* of all files so far */
    bool checked;
    uint64_t seq, skipped;
    char *why; /* of EINVAL: with the file's name */
} er_input;

/* A readable wake_fd ends any waiting. 0 or ENOMEM. */
int er_input_init(er_input *input, const er_input_opts *opts, int wake_fd);
/* After all its jobs. */
void er_input_free(er_input *input);

/* The next record, or the next file that cannot be read (with seq 0), as a job: 0. ENODATA: that
 * was all. ECANCELED: woken. ENOMEM. EINVAL, before the first job: a file is not what it should be,
 * as input->why says. */
int er_input_next(er_input *input, er_line_job *job);

/* How many jobs there were. */
uint64_t er_input_count(const er_input *input);

#endif
