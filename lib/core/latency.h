/* core/latency.h -- how long the latest successes took, and a quantile of them. */
#ifndef ER_LATENCY_H
#define ER_LATENCY_H

#include "base/os.h"

typedef struct er_latency er_latency;

er_latency *er_latency_new(double quantile); /* above 0, below 1; NULL: no memory */
void        er_latency_free(er_latency *latency);
void        er_latency_add(er_latency *latency, int64_t ns);
int64_t     er_latency_quantile(er_latency *latency); /* ns; -1: too few so far */

#endif
