/* http/url.h -- urls: checked, resolved, shown. */
#ifndef ER_URL_H
#define ER_URL_H

#include "base/bytes.h"
#include "http/where.h"

#define ER_URL_MOST ((size_t)512 << 10)

/* Makes an absolute http(s) url of url and base (may be NULL), and tells where it leads, perhaps in memory of *out. */
int er_url_resolve(char **out, er_where *where, bool *https, const char *url, const char *base, er_bytes *why);

/* A url without userinfo, and if bare, without query and fragment: to be shown. NULL: no memory. */
char *er_url_shown(const char *url, bool bare);

/* Whether location, said by a reply from url `from`, leads to another scheme, host or port than url `home` has. */
bool er_url_leads_away(const char *from, const char *location, const char *home);

/* Adds text as application/x-www-form-urlencoded has it (WHATWG URL, 5.2). */
void er_url_encode(er_bytes *to, const char *text, size_t size);

/* Stars in text where it quotes what is secret in url: its userinfo, its query, and values in that whose names sound so. */
void er_url_hide(const char *url, char *text);

#endif
