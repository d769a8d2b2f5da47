/* http/metrics.h -- an exchange's times; and of one that succeeded, its final url and bytes on the
 * wire. */
#ifndef ER_METRICS_H
#define ER_METRICS_H

#include "http/exchange.h"

/* Updates x->timings. On the lane's thread as long as x has a handle. */
void er_metrics_time(er_exchange *x);

/* Adds what this hop has sent and received. On the lane's thread, the handle still there. */
void er_metrics_add(er_exchange *x);

/* Sets url, times and metrics of x's response. False: no memory. */
bool er_metrics_take(er_exchange *x, errand_response *response);

#endif
