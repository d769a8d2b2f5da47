/* jobs/detect.h -- what a file is, by its first line. */
#ifndef ER_DETECT_H
#define ER_DETECT_H

#include "jobs/source.h"

/* The format to read a file in that begins like this: the one asked for, or with ERRAND_JOBS_AUTO
 * the one that its first line has. EINVAL with *why, the way out in it: it cannot be that. */
int er_detect(errand_jobs_format asked, er_span ahead, const er_source_opts *opts,
              errand_jobs_format *format, er_bytes *why);

#endif
