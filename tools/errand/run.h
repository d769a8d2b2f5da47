/* run.h -- errand run, and what the commands that look at a run need of it. */
#ifndef RUN_H
#define RUN_H

#include "options.h"

#include <errand-http.h>

/* argv begins with "run". Returns the exit status; -1: --version was given. */
int run_main(int argc, char **argv);

/* The session and the jobs of a run that does not begin: no log, no results, no progress. */
typedef struct run run;

/* Takes the options over. sends: the session will send, so --token-command is run for it, and
 * `allow`, unless NULL, sees the addresses. NULL: *status, and all has been said. */
run *run_prepare(run_options *options, bool sends, errand_allow_fn *allow, void *arg, int *status);
const run_options *run_options_of(const run *r);
errand_http *run_session(const run *r);
errand_pool *run_pool(const run *r);
/* As the run has them, for errand_jobs_read(); messages go where a run's go. Of each call the
 * caller passes retry_if on, which frees it. */
errand_jobs_opts run_jobs(run *r);
void run_say(run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool run_complained(const run *r);
void run_end(run *r);

#endif
