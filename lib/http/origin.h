/* http/origin.h -- the origin of a url (RFC 6454, 4). */
#ifndef ER_ORIGIN_H
#define ER_ORIGIN_H

#include "base/os.h"

typedef struct er_origin {
    char *key;  /* "https://example.org:443": lower case, always with the port */
    char *host; /* within key's memory: the name to look up. NULL: it is an address */
    unsigned port;
    bool lent; /* key's memory is not its own */
} er_origin;

/* Returns the length of "scheme://authority" of an absolute http(s) url, if it has nothing that
 * curl would read in another way or write differently; 0: it may have, use curl. */
size_t er_origin_plain(const char *url);
bool er_origin_plain_path(const char *path); /* the same of what follows: "/a/b?c" */

/* Makes the origin of a url with er_origin_plain(url) == plain, in memory that is lent: at `to`,
 * which has er_origin_room(plain) bytes. */
void er_origin_put(er_origin *origin, const char *url, size_t plain, char *to);
static inline size_t er_origin_room(size_t plain) { return 2 * plain + sizeof ":443"; }

int er_origin_of(er_origin *origin, const char *url); /* of an absolute url. 0, EINVAL or ENOMEM */
void er_origin_free(er_origin *origin);

#endif
