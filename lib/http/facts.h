/* http/facts.h -- what is to be told of an exchange: how long it took; of one that went well: where it ended, what went over the wire. */
#ifndef ER_FACTS_H
#define ER_FACTS_H

#include "http/exchange.h"

/* Brings x->timings up to date. Where it is: on the lane's thread as long as its handle is there. */
void er_facts_time(er_exchange *x);

/* Adds what this hop has sent and received. On the lane's thread, the handle still there. */
void er_facts_add(er_exchange *x);

/* Gives url, times and facts to a response of it. False: no memory. */
bool er_facts_take(er_exchange *x, errand_response *response);

#endif
