/* http/url.h -- urls: checked, resolved, shown. */
#ifndef ER_URL_H
#define ER_URL_H

#include "base/bytes.h"
#include "http/origin.h"

#define ER_URL_MOST ((size_t)512 << 10)

/* Makes an absolute http(s) url of url and base (may be NULL), and tells where it leads, perhaps in memory of *out. */
int er_url_resolve(char **out, er_origin *origin, bool *https, const char *url, const char *base, er_bytes *why);

/* A url without userinfo and fragment, and if bare, without query: to be shown. NULL: no memory. */
char *er_url_shown(const char *url, bool bare);

/* The url that `location` means, said by a reply from url `from`, and its origin; both are the caller's. ENOMEM, or EPROTO: it is
 * no http(s) url. */
int er_url_follow(char **out, er_origin *origin, const char *from, const char *location);

/* Adds text as application/x-www-form-urlencoded has it (WHATWG URL, 5.2). */
void er_url_encode(er_bytes *to, const char *text, size_t size);

/* Stars in text where it quotes what is secret in url: its userinfo, its query, and values in that whose names sound so. */
void er_url_hide(const char *url, char *text);

#endif
