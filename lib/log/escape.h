/* log/escape.h -- bytes from anywhere made harmless for a line of text, a value in it, or JSON. */
#ifndef ER_ESCAPE_H
#define ER_ESCAPE_H

#include "log/text.h"

bool er_escape_none(const char *at, size_t size); /* er_escape_text would change nothing */

/* Control characters as \xNN; everything else as it is. */
void er_escape_text(er_text *out, const char *at, size_t size);

/* The same, in quotes if it is empty or holds blanks, quotes, '=' or a backslash (these two then behind a backslash). */
void er_escape_value(er_text *out, const char *at, size_t size);

/* The inside of a JSON string (RFC 8259): valid UTF-8, whatever comes; what is not becomes U+FFFD. */
void er_escape_json(er_text *out, const char *at, size_t size);

#endif
