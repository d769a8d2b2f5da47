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

bool ended(errand_future *f);
/* Expects f to succeed exactly ms from now. */
void comes_after(errand_future *f, int64_t ms);

#endif
