/* jobs/job_hash.h -- what identifies a job in another run. */
#ifndef ER_JOB_HASH_H
#define ER_JOB_HASH_H

#include "jobs/job_parse.h"

/* Of a job that was read, good or bad: of its id; without one of its request, of a bad line of its
 * text. 0: no memory. */
uint64_t er_job_hash(const er_line_job *job);

/* Of a fixed text: differs where the hashes of another machine or version differ. */
uint64_t er_job_hash_probe(void);

#endif
