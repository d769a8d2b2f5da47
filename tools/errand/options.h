/* options.h -- the command line of errand run. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <errand/jobs.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum when { WHEN_AUTO, WHEN_ALWAYS, WHEN_NEVER, WHEN_JSON } when;

typedef struct run_options {
    const char *const *files; /* ..., NULL; NULL: none given */
    const char **headers;     /* ..., NULL */
    unsigned jobs, retries;
    int64_t timeout_ms, connect_ms; /* 0: not given */
    double per_second;              /* 0: not given */
    const char *base_url, *log;     /* NULL: not given */
    bool ordered, quiet, verbose;
    when progress;
    errand_jobs_headers reply_headers;
    errand_jobs_body body;
    const char **select;    /* ..., NULL; NULL: not given */
    const char *output_dir; /* NULL: not given */
} run_options;

/* argv begins with the command's name. True: go on; false: end with *status, all has been said. */
bool run_options_read(run_options *options, int argc, char **argv, int *status);
void run_options_free(run_options *options);

#endif
