/* jobs/job_options.h -- what the options of jobs say of all of them, for a run and for a preview.
 */
#ifndef ER_JOB_OPTIONS_H
#define ER_JOB_OPTIONS_H

#include "jobs/input.h"
#include "jobs/next_page.h"

/* An option is wrong by itself. */
bool er_job_options_wrong(const errand_jobs_opts *opts);

/* What a job gets where it lacks a key; *defaults NULL: nothing. 0, ENOMEM, or EINVAL with *why. */
int er_job_options_defaults(er_job_defaults **defaults, const errand_jobs_opts *opts,
                            er_bytes *why);

/* The input of these options. base_url: the session's, may be NULL. 0 or ENOMEM. */
int er_job_options_input(er_input *input, const errand_jobs_opts *opts,
                         const er_job_defaults *defaults, const char *base_url, int wake_fd);

/* How pages lead to the next; next->form ER_NEXT_NONE: a job has one reply. 0, ENOMEM, or EINVAL
 * with *why. */
int er_job_options_next(er_next_page *next, const errand_jobs_opts *opts, er_bytes *why);

/* A job whose replies are pages. */
bool er_job_options_paged(const er_line_job *job, const errand_jobs_opts *opts);

/* Completes a job that was read well: its times, its repeats, its key. 0 or ENOMEM. */
int er_job_options_apply(er_line_job *job, const errand_jobs_opts *opts);

/* How often it is tried again. */
static inline unsigned er_job_options_retries(const er_line_job *job, const errand_jobs_opts *opts)
{
    return job->retries_given ? job->retries : opts->retries;
}

/* Where it is sent, the key of limits: "api.example.com:443", yours to er_free. *host NULL: its url
 * is wrong, and the session says what is wrong with it. 0 or ENOMEM. */
int er_job_options_host(char **host, const er_line_job *job, const char *base_url);

#endif
