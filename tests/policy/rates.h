/* Rates of one pool with a test clock. */
#ifndef RATES_H
#define RATES_H

#include "runs.h"

enum { TICK_MS = 1 }; /* a timer's lateness; it is never early */

extern test_clock rate_clock;
extern errand_pool *rate_pool; /* NULL: not open */

void open_rates(void);
void close_rates(void);
errand_rate *rate_of(double per_second, unsigned burst); /* opens the pool if it is not open */
void end_rate(errand_rate *rate);                        /* and closes the pool */

/* One round of a storm: its thread's i-th, for one of three keys. */
typedef struct storm_round {
    errand_rate *rate;
    const char *key;
    unsigned i;
    uint64_t *seed;
    uint64_t n; /* turns asked for, if begin asks for several */
} storm_round;

typedef struct rate_storm {
    double per_second;
    unsigned burst, rounds;                 /* of each of four threads */
    errand_future *(*begin)(storm_round *); /* asks for turns and disturbs; NULL: dropped it */
    void (*got)(storm_round *);             /* the turns have come; or NULL */
} rate_storm;

/* On the system clock. All that was asked for ends, with turns or cancelled. */
void run_storm(const rate_storm *s);

bool ended(errand_future *f);
/* Expects f to succeed exactly ms from now. */
void comes_after(errand_future *f, int64_t ms);

#endif
