/* jobs/journal.h -- a file of results and the journal beside it: what is done is not sent again,
 * and what may have been sent is known, whenever the process ends. */
#ifndef ER_JOURNAL_H
#define ER_JOURNAL_H

#include "jobs/job_parse.h"

#include <errand/jobs.h>

typedef struct er_journal er_journal;

typedef enum er_job_verdict {
    ER_JOB_GO,     /* send it */
    ER_JOB_DONE,   /* it has a result, a success */
    ER_JOB_FAILED, /* it has a result, a failure */
    ER_JOB_UNKNOWN /* it may have run, and a repeat may do harm: report that */
} er_job_verdict;

/* Opens the files that opts->results names. *why says what is wrong with them, or, with 0, what the
 * caller should be informed of; "" if nothing. 0; EEXIST: there are results; EBUSY: another run
 * uses them; EBADMSG: they are damaged or of another kind; ENOENT: the journal is missing;
 * EOVERFLOW: too many runs; or the errno of a file. */
int er_journal_open(er_journal **journal, errand_pool *pool, const errand_jobs_opts *opts,
                    er_bytes *why);

/* For a look at what a run with these options would do: reads both files as they are; nothing is
 * made, locked or changed. Of the functions below only er_journal_guard, _look and _close may
 * follow. As above, but not EBUSY and EOVERFLOW. */
int er_journal_peek(er_journal **journal, const errand_jobs_opts *opts, er_bytes *why);

/* Writes what is left and syncs; also if it is cancelled. The last call but close; no job is under
 * way any more. */
errand_future *er_journal_finish(er_journal *journal);
void er_journal_close(er_journal *journal); /* NULL is harmless */

/* For a job that was read, good or bad: sets its run and ref, and the key of earlier attempts. Any
 * thread. */
er_job_verdict er_journal_look(er_journal *journal, er_line_job *job);

/* Of a job that goes: at which page earlier runs have left it, and the url of that as result lines
 * show it, which lives as long as the journal. 1, NULL: at the first. Any thread. */
unsigned er_journal_page(er_journal *journal, const er_line_job *job, const char **url);

/* Refuses a job that was read and would save its body into one of the two files. Any thread. */
void er_journal_guard(const er_journal *journal, er_line_job *job);

/* The next attempt of this job must be on disk before it is sent. */
bool er_journal_wants(const er_line_job *job);
/* Ends when it is, or with the error that prevents it. Any thread. */
errand_future *er_journal_before_send(er_journal *journal, er_line_job *job);
/* That attempt was not sent, or the server has not begun it. Any thread. */
void er_journal_unsent(er_journal *journal, er_line_job *job);

/* Appends a result line, whole or not at all. 0 or an errno. One thread at a time. */
int er_journal_put(er_journal *journal, const er_bytes *line);

#endif
