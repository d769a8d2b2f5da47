/* Options: the command line of the demo server. */
#ifndef DEMO_OPTIONS_H
#define DEMO_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "fates.h"

struct options {
    uint16_t port; /* 0: any free one */
    uint64_t seed;
    long delay_ms, delay_spread_ms; /* of POST /generate */
    long slow_ms;                   /* how long a slow body takes */
    long retry_after;               /* seconds */
    /* most polls that find an operation queued, and as many running */
    long polls;
    long operation_ms;   /* an operation is not done before */
    long quota, quota_s; /* requests in quota_s seconds; 0: no limit */
    long limit;          /* more requests in work at once are refused; 0: no limit */
    double shares[FATES];
    bool with_parent, until_eof, verbose, quiet;
};

/* True: go on. False: end with *status; its message has been printed. */
bool options_read(struct options *options, int argc, char **argv, int *status);

#endif
