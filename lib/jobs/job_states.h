/* jobs/job_states.h -- how far the jobs of earlier runs have come: at most 24 bytes for each. Used
 * by one thread at a time. */
#ifndef ER_JOB_STATES_H
#define ER_JOB_STATES_H

#include "base/os.h"

#include <errand/result.h>

/* Which job: a hash of its id, with ER_JOB_HAS_ID, or of its request if it has none, without it;
 * and its place in the input. */
typedef struct er_job_ref {
    uint64_t hash, seq;
} er_job_ref;
#define ER_JOB_HAS_ID UINT64_C(1)

#define ER_JOB_SEQ_MOST  ((UINT64_C(1) << 40) - 1)
#define ER_JOB_RUNS_MOST ((1u << 16) - 1)

typedef struct er_job_state {
    unsigned run;     /* the run, from 1, that left it so */
    errand_kind kind; /* of its result */
    bool under_way;   /* it may have been sent, and has no result */
    bool may_have_run;
    bool has_next; /* its result is a page that another one follows */
} er_job_state;

/* What a resumed run does with a job. */
typedef enum er_job_fate {
    ER_JOB_RUN,            /* it is sent */
    ER_JOB_RUN_IF_SAFE,    /* sent if that is harmless, else it keeps the result that it has */
    ER_JOB_UNKNOWN_OR_RUN, /* sent if that is harmless, else its result is "unknown" */
    ER_JOB_SKIP_FAILED,    /* it keeps the result that it has, a failure, */
    ER_JOB_SKIP            /* or a success */
} er_job_fate;
#define ER_JOB_FATES (ER_JOB_SKIP + 1)

typedef er_job_fate er_job_judge(const er_job_state *state, void *arg);

typedef struct er_job_states {
    struct er_job_slot *slots;
    size_t room, used;
    bool by_content; /* a slot is a hash, not a job */
} er_job_states;

/* Makes room for this many. 0 or ENOMEM. */
int er_job_states_init(er_job_states *states, size_t jobs);
void er_job_states_free(er_job_states *states);

/* ENOMEM */
int er_job_states_set(er_job_states *states, er_job_ref ref, const er_job_state *state);
/* false: nothing is known of it */
bool er_job_states_get(const er_job_states *states, er_job_ref ref, er_job_state *state);
void er_job_states_forget(er_job_states *states, er_job_ref ref);

/* For an input that has changed, in which places no longer identify jobs: from here on jobs are
 * matched by their hash alone. Those without an id are matched once each; all with one id are one
 * job, of which the last run counts. ENOMEM: nothing has changed. */
int er_job_states_match_content(er_job_states *states, er_job_judge *judge, void *arg);

/* The fate of the next job of the input. After er_job_states_match_content() each call uses one of
 * the jobs with this hash up, unless it has an id; those that are done first. */
er_job_fate er_job_states_next(er_job_states *states, er_job_ref ref, er_job_judge *judge,
                               void *arg);

#endif
