/* http/dns_cache.h -- the addresses in the cache of a lane's curl, limited to those in use and a
 * few. */
#ifndef ER_DNS_CACHE_H
#define ER_DNS_CACHE_H

#include "http/handle.h"

typedef struct er_dns_cache {
    er_scheduler *scheduler;
    er_list spots; /* curl may have their addresses; the least recently used first */
    unsigned n;
} er_dns_cache;

void er_dns_cache_init(er_dns_cache *known, er_scheduler *scheduler);

/* Before x goes to curl: adds to *lines (for CURLOPT_RESOLVE) the addresses curl lacks for x, and
 * those to remove. x's addresses stay until it is released. 0 or ENOMEM. */
int er_dns_cache_use(er_dns_cache *known, const er_exchange *x, struct curl_slist **lines);
void er_dns_cache_taken(const er_exchange *x); /* curl has read the lines */
void er_dns_cache_release(er_spot *spot);
void er_dns_cache_forget(er_dns_cache *known); /* all: curl's multi handle is gone */

#endif
