/* jobs/history.h -- what a file of results and its journal say about earlier runs. */
#ifndef ER_HISTORY_H
#define ER_HISTORY_H

#include "jobs/job_states.h"
#include "jobs/json_scan.h"
#include "jobs/page_marks.h"

typedef struct er_kept_key { /* an idempotency key that was made for a job */
    er_job_ref job;
    char *key;
    bool used;
} er_kept_key;

typedef struct er_run_history {
    er_job_states states;
    er_page_marks marks;
    unsigned max_pages; /* that a job may have; 0: jobs have no pages */
    er_kept_key *keys;  /* of jobs that did not succeed; sorted by their jobs */
    size_t n_keys;
    unsigned runs;
    uint64_t probe;                    /* er_job_hash_probe() of the first run */
    uint64_t results_end, journal_end; /* behind the last whole line */
    er_bytes inputs;                   /* of the first run: an object, as it was written */
    bool inputs_differ;                /* another run had others */
} er_run_history;

/* Reads both files from their beginning; max_pages was set before. *why says which line of which
 * file is wrong. 0; EBADMSG: a line that errand did not write; ENOMEM, EIO, ... */
int er_run_history_read(er_run_history *history, int results, int journal, er_bytes *why);
void er_run_history_free(er_run_history *history);

/* All runs had these inputs. */
bool er_run_history_same(const er_run_history *history, er_span inputs);

/* The key that was made for this job; NULL: none. By content a key is given to one
 * job without an id only. It lives as long as the history. */
const char *er_run_history_key(er_run_history *history, er_job_ref job);

#endif
