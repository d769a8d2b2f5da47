/* base/utf8.h -- characters of UTF-8 (RFC 3629: no surrogates, nothing overlong). */
#ifndef ER_UTF8_H
#define ER_UTF8_H

#include "base/os.h"

/* How many bytes the character at `at` has; 0: it is none. at < end. */
ER_SHARED size_t er_utf8_length(const unsigned char *at, const unsigned char *end);

ER_SHARED bool er_utf8_valid(const char *at, size_t size);

/* How many of these bytes to keep so that no character is cut. */
ER_SHARED size_t er_utf8_whole(const char *at, size_t size);

#endif
