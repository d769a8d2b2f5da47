/* http/url.h -- urls: checked, resolved, shown. */
#ifndef ER_URL_H
#define ER_URL_H

#include "base/bytes.h"
#include "http/origin.h"

#include <errand/request.h>

#define ER_URL_MOST ((size_t)512 << 10)

/* Makes an absolute http(s) url of url and base (may be NULL), and its origin, perhaps in memory of
 * *out. */
int er_url_resolve(char **out, er_origin *origin, bool *https, const char *url, const char *base,
                   er_bytes *why);

/* A url without userinfo and fragment, and if bare, without query: to be shown. NULL: no memory. */
char *er_url_shown(const char *url, bool bare);

/* Resolves the Location of a reply from url `from`: gives the url and its origin; the caller owns
 * both. ENOMEM, or EPROTO: not an http(s) url. */
int er_url_follow(char **out, er_origin *origin, const char *from, const char *location);

/* Adds text as application/x-www-form-urlencoded has it (WHATWG URL, 5.2). */
void er_url_encode(er_bytes *to, const char *text, size_t size);

/* Adds url with the params in its query (errand_request.params), before its fragment. */
void er_url_add_params(er_bytes *to, const char *url, const errand_param *params);

/* Adds url with this one parameter in its query, in the place of those that have its name. */
void er_url_set_param(er_bytes *to, const char *url, const errand_param *param);

/* Overwrites with '*' where text quotes a secret of url: its userinfo, its query, and values in the
 * query with a name that suggests a secret. */
void er_url_hide(const char *url, char *text);

#endif
