/* http/cookies.h -- a session's cookies: libcurl's engine (RFC 6265), shared by all lanes. */
#ifndef ER_COOKIES_H
#define ER_COOKIES_H

#include "http/header.h"

typedef struct er_cookies er_cookies;

/* 0, ENOMEM, or ENOTSUP: this libcurl has no cookies. */
int er_cookies_new(er_cookies **out);
void er_cookies_free(er_cookies *cookies); /* no handle uses it any more. NULL is harmless */

/* Handles with this CURLSH use the cookies. */
CURLSH *er_cookies_share(const er_cookies *cookies);

int er_cookies_forget(er_cookies *cookies); /* all. 0 or ENOMEM */

/* Takes the headers Cookie out of a list, which curl would send beside its own: *value is what they
 * say, for CURLOPT_COOKIE; NULL: there are none. 0 or ENOMEM: *list is as it was. */
int er_cookies_take(struct curl_slist **list, char **value);

/* Replaces the values of the cookies that easy knows, and of those in value (may be NULL), wherever
 * they occur in text. */
void er_cookies_hide(CURL *easy, const char *value, char *text);

#endif
