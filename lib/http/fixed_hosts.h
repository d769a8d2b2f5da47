/* http/fixed_hosts.h -- addresses that go before look-ups: "host:port:address,address". */
#ifndef ER_FIXED_HOSTS_H
#define ER_FIXED_HOSTS_H

#include "base/bytes.h"
#include "http/resolve.h"

typedef struct er_fixed_hosts er_fixed_hosts;

/* Checks and copies the rules: ..., NULL. *out stays NULL if there are none. 0, EINVAL or ENOMEM,
 * with the reason in *why. */
int er_fixed_hosts_make(er_fixed_hosts **out, const char *const *rules, er_bytes *why);
void er_fixed_hosts_free(er_fixed_hosts *hosts); /* NULL is harmless */

/* Returns a host's addresses, counted; NULL: they are to be looked up. hosts may be NULL. */
er_found *er_fixed_hosts_find(const er_fixed_hosts *hosts, const char *host, unsigned port);

#endif
