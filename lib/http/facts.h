/* http/facts.h -- what is to be told of an exchange that went well: where it ended, how long it took, what went over the wire. */
#ifndef ER_FACTS_H
#define ER_FACTS_H

#include "http/exchange.h"

/* Adds what this hop has sent and received. On the lane's thread, the handle still there. */
void er_facts_add(er_exchange *x);

/* Gives url, times and facts to a response of it. False: no memory. */
bool er_facts_take(er_exchange *x, errand_response *response);

#endif
