/* options.h -- the command line of errand run, and of errand retry. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <errand-http.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum when { WHEN_AUTO, WHEN_ALWAYS, WHEN_NEVER } when;

typedef struct run_options {
    const char *const *files; /* ..., NULL; NULL: none given */
    const char **headers;     /* ..., NULL */
    /* for the journal: "jobs", "64", "ordered", "", ..., NULL; options with secrets, by name */
    const char **recorded, **left_out;
    char *const *words; /* the options as they were given */
    int n_words;
    unsigned jobs, retries;
    int64_t timeout_ms, connect_ms; /* 0: not given */
    double per_second;              /* 0: not given */
    const char *base_url, *log;     /* NULL: not given */
    const char *output;             /* NULL: not given */
    errand_results_begin begin;
    unsigned retry_kinds;
    bool ordered, quiet, verbose, repeat_unknown;
    when progress;
} run_options;

/* argv begins with the command's name. True: go on; false: end with *status, all has been said. */
bool run_options_read(run_options *options, int argc, char **argv, int *status);
void run_options_free(run_options *options);

#endif
