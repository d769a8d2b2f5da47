/* jobs/job_run.h -- one job on its way from its line to its end, and what all jobs of a run share.
 */
#ifndef ER_JOB_RUN_H
#define ER_JOB_RUN_H

#include "base/atomic.h"
#include "base/histogram.h"
#include "jobs/failures.h"
#include "jobs/halt.h"
#include "jobs/job_options.h"
#include "jobs/journal.h"
#include "jobs/next_page.h"
#include "jobs/output_dir.h"
#include "jobs/page_trail.h"
#include "jobs/result_writer.h"
#include "jobs/token_budget.h"
#include "jobs/tokens.h"

#include <errand/promise.h>

#define ER_JOB_POLICIES 8 /* for 0 to 7 extra attempts; more get a policy of their own */

struct errand_jobs { /* jobs.c makes it and frees it */
    errand_jobs_opts opts;
    errand_pool *pool;
    errand_http *http;
    errand_policy *base;                      /* has what the policies share */
    errand_policy *policies[ER_JOB_POLICIES]; /* [extra attempts] */
    errand_policy *once;                      /* of the session's requests */
    errand_rate *host_rate;                   /* the caller's, or our own */
    errand_future *done, *deadline;           /* deadline NULL: none */
    er_journal *journal;                      /* NULL: results go to opts.out */
    er_job_defaults *defaults;                /* NULL: none */
    er_input input;                           /* the reader's */
    er_bytes line;                            /* the writer's */
    er_report_opts report;
    er_output_dir dir;
    er_tokens tokens; /* in use if report.tokens */
    er_token_budget token_budget;
    er_next_page next_page;
    unsigned max_pages;
    int wake[2];
    uint32_t stopped; /* atomic */
    er_lock lock;     /* guards the rest */
    bool input_over, over;
    er_halt halt;
    errand_jobs_stats stats;
    uint64_t cut;       /* jobs that ended before their last page */
    er_histogram times; /* us */
    er_failures failures;
};

typedef struct er_job_run {
    er_line_job job;
    errand_jobs *jobs;
    char *host; /* and port: the key of limits. NULL: its url is wrong */
    int64_t began_ns;
    int64_t deadline_ns;  /* of its attempts */
    errand_promise *over; /* its work's end */
    errand_future *run;   /* of the policy */
    errand_result end;    /* of run */
    uint32_t users;       /* atomic: until over is resolved */
    er_token_hold tokens;
    unsigned retries, tries;
    bool begun, retrying; /* counted in flight; counted as retrying */
    bool done, failed;    /* in an earlier run: there is a result, which is a failure */
    bool went;            /* an attempt has been sent */
    bool over_budget;     /* not sent, or not again: the tokens do not suffice */
    int journal_error;    /* with which it could not be sent */
    er_page_trail trail;  /* of a job with pages */
    bool more;            /* this end is that of a page, and the next one is asked for */
} er_job_run;

/* The batch's work: reads the job, sends it as often as its policy says. */
errand_result er_job_run_work(er_job_run *run);

/* When its work has ended: the next page is asked for. Notes that in run->more. */
bool er_job_run_more(er_job_run *run, const errand_result *r);
/* When that page has a result line: the job becomes one for the next. */
void er_job_run_turn(er_job_run *run);
/* It has pages, but ends before the last of them: the run was stopped, halted or cancelled. */
bool er_job_run_is_cut(const er_job_run *run, const errand_result *r);

/* Of jobs with that many extra attempts. NULL: errno. */
errand_policy *er_job_policy(const errand_jobs *jobs, unsigned retries);

#endif
