/* http/dns_cache.h -- the addresses that a lane's curl has been told, and no more of them than are of use. */
#ifndef ER_DNS_CACHE_H
#define ER_DNS_CACHE_H

#include "http/handle.h"

typedef struct er_dns_cache {
    er_scheduler *scheduler;
    er_list   spots; /* whose addresses curl may have, the one that was used longest ago first */
    unsigned  n;
} er_dns_cache;

void er_dns_cache_init(er_dns_cache *known, er_scheduler *scheduler);

/* Before x goes to curl: puts into *lines (CURLOPT_RESOLVE's) what curl has to be told for it, and what it is to forget. Until it
 * is released its addresses stay. 0 or ENOMEM. */
int  er_dns_cache_use(er_dns_cache *known, const er_exchange *x, struct curl_slist **lines);
void er_dns_cache_taken(const er_exchange *x); /* curl has read the lines */
void er_dns_cache_release(er_spot *spot);
void er_dns_cache_forget(er_dns_cache *known); /* all: curl's multi handle is gone */

#endif
