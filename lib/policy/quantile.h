/* policy/quantile.h -- how long the latest successes took, and a quantile of them. */
#ifndef ER_QUANTILE_H
#define ER_QUANTILE_H

#include "base/os.h"

typedef struct er_quantile er_quantile;

er_quantile *er_quantile_new(double quantile); /* above 0, below 1; NULL: no memory */
void er_quantile_free(er_quantile *latency);
void er_quantile_add(er_quantile *latency, int64_t ns);
int64_t er_quantile_ns(er_quantile *latency); /* ns; -1: too few so far */

#endif
