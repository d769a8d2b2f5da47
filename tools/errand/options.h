/* options.h -- the command line of errand run. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "failures.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum when { WHEN_AUTO, WHEN_ALWAYS, WHEN_NEVER } when;

typedef struct pace {  /* a rate */
    double per_second; /* 0: not given */
    unsigned burst;
} pace;

typedef struct run_options {
    const char *const *files; /* ..., NULL; NULL: none given */
    const char **headers;     /* ..., NULL */
    unsigned jobs, retries;
    int64_t timeout_ms, connect_ms;        /* 0: not given */
    int64_t job_ms, retry_ms, deadline_ms; /* 0: not given */
    pace rate, rate_total;
    retry_on retry_on;
    halt_on halt_on;
    const char *base_url, *log; /* NULL: not given */
    bool ordered, quiet, verbose;
    bool refused_may_have_run, idempotent, idempotency_keys;
    when progress;
} run_options;

/* argv begins with the command's name. True: go on; false: end with *status, all has been said. */
bool run_options_read(run_options *options, int argc, char **argv, int *status);
void run_options_free(run_options *options);

#endif
