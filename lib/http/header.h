/* http/header.h -- header lines that go out: checked, listed in curl's notation, and which
 * of them are secrets. */
#ifndef ER_HEADER_H
#define ER_HEADER_H

#include "http/sanitize.h"

#include <curl/curl.h>

/* bytes of url and headers of a request; curl itself stops at 1 MiB */
#define ER_HEADERS_MOST ((size_t)512 << 10)

/* Checks "Name: value" and adds it to a list in curl's notation. */
int er_header_add(struct curl_slist **list, const char *header, er_bytes *why);

/* Adds a line as it is. ENOMEM. */
int er_header_append(struct curl_slist **list, const char *line);

/* Adds Authorization for a bearer token, or for user and password (RFC 7617); all may be NULL.
 * EINVAL: both, or not sendable. */
int er_header_auth(struct curl_slist **list, const char *bearer, const char *user,
                   const char *password, er_bytes *why);

/* A line in curl's notation has this name (size bytes of it), in any case. */
bool er_header_named(const char *line, const char *name, size_t size);

/* A header of that name has a value other than blanks, which are no part of it (RFC 9110, 5.5). */
bool er_header_says(const struct curl_slist *list, const char *name, size_t size);

/* Returns the text behind the colon of the first header of this name (size bytes of it); NULL:
 * none. */
const char *er_header_find(const struct curl_slist *list, const char *name, size_t size);

/* Adds to list the headers of `more` with names that list lacks. */
int er_header_merge(struct curl_slist **list, const struct curl_slist *more);

/* The value of this line is a secret: Authorization, Cookie, Proxy-*, X-Api-Key ... */
bool er_header_secret(const char *line);

/* Copies texts: ..., NULL; empty ones are left out. 0 or ENOMEM. */
int er_texts_copy(struct curl_slist **list, const char *const *texts);
/* Replaces each of the texts wherever it occurs. */
void er_texts_hide(const struct curl_slist *texts, char *text);
/* One of the texts occurs in text. */
bool er_texts_in(const struct curl_slist *texts, const char *text);

/* Replaces values of secret headers wherever they occur in text: a server may quote what it
 * received. */
void er_headers_hide(const struct curl_slist *headers, char *text);

#endif
