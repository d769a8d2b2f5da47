/* jobs/halt.h -- when no more jobs are begun because the ones before have failed. */
#ifndef ER_HALT_H
#define ER_HALT_H

#include "base/os.h"

#include <errand/jobs.h>

typedef struct er_halt { /* begins zeroed, but for these three, as errand_jobs_opts has them */
    bool fatal;
    uint64_t failed_most;
    double failed_share_most;
    /* so far */
    uint64_t ended, successful, failed, refused;
    bool let_in; /* a page of a job has come, which has more of them */
} er_halt;

/* A job has ended. is_refused: as er_halt_refused says. Returns why no more are to be begun. */
errand_jobs_halt er_halt_count(er_halt *halt, const errand_result *r, bool is_refused);

/* The server does not let this caller in, or wants to be paid first: 401, 402, 403, or a 4xx whose
 * JSON body says so. */
bool er_halt_refused(const errand_result *r);

#endif
