/* failures.h -- the options that say what is tried again and when a run halts, as values. */
#ifndef FAILURES_H
#define FAILURES_H

#include <errand/retry_if.h>

#include <stdbool.h>
#include <stdint.h>

enum { STATUS_LEAST = 400, STATUS_MOST = 999 };

typedef struct retry_on { /* a list of kinds and statuses */
    bool given;
    unsigned kinds; /* bits, as ERRAND_KIND_BIT has them */
    bool statuses[STATUS_MOST - STATUS_LEAST + 1];
} retry_on;

/* Reads "timeout,network,500,502". False: *bad is the word that is wrong, *size its length, *near
 * what may have been meant, or NULL. */
bool retry_on_read(retry_on *r, const char *text, const char **bad, int *size, const char **near);

/* NULL: nothing was given. */
errand_retry_if *retry_on_spec(const retry_on *r);

typedef struct halt_on {
    bool now, fatal;
    uint64_t failed; /* 0: no limit, as the next */
    double share;    /* of those that ended */
} halt_on;

/* Reads "never", or "now" or "soon" followed by ",fatal", ",fail=N" or ",fail=N%". */
bool halt_on_read(halt_on *h, const char *text);

#endif
