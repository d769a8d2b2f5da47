/* total.h -- how many jobs there will be, counted beside the run, a piece at a time. */
#ifndef TOTAL_H
#define TOTAL_H

#include "options.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct total {
    const char *const *files; /* the next one; NULL: nothing to be counted */
    const run_options *options;
    int fd;
    bool begun; /* the beginning of the open file has been looked at */
    bool list;  /* lines that begin with # are no jobs */
    bool blank; /* so far, of the line that is being read */
    bool known;
    uint64_t lines;
} total;

/* NULL: nothing is counted. The total stays unknown if one of the files is no regular file, as a
 * pipe can be read once only, is packed, or is a CSV, whose lines are not its records. */
void total_begin(total *t, const run_options *options);
void total_go_on(total *t);          /* for some milliseconds */
uint64_t total_jobs(const total *t); /* when it is known: without those that are skipped */
void total_end(total *t);

#endif
