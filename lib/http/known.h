/* http/known.h -- the addresses that a lane's curl has been told, and no more of them than are of use. */
#ifndef ER_KNOWN_H
#define ER_KNOWN_H

#include "http/exchange.h"

typedef struct er_known {
    er_slots *slots;
    er_list   spots; /* whose addresses curl may have, the one that was used longest ago first */
    unsigned  n;
} er_known;

void er_known_init(er_known *known, er_slots *slots);

/* Before x goes to curl: puts into *lines (CURLOPT_RESOLVE's) what curl has to be told for it, and what it is to forget. Until it
 * is released its addresses stay. 0 or ENOMEM. */
int  er_known_use(er_known *known, const er_exchange *x, struct curl_slist **lines);
void er_known_taken(const er_exchange *x); /* curl has read the lines */
void er_known_release(er_spot *spot);
void er_known_forget(er_known *known); /* all: curl's multi handle is gone */

#endif
