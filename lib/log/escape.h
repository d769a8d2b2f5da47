/* log/escape.h -- bytes from anywhere made harmless for a line of text, a value in it, or JSON. */
#ifndef ER_ESCAPE_H
#define ER_ESCAPE_H

#include "log/text.h"

/* er_escape_text would change nothing, whatever stands behind. */
bool er_escape_none(const char *at, size_t size);
/* The first byte of this, behind what `out` ends with, would make one control
 * character of the two. */
bool er_escape_joins(const er_text *out, const char *at, size_t size);

/* Control characters as \xNN, also one that begins with the last byte of `out`; all else as it
 * is. */
void er_escape_text(er_text *out, const char *at, size_t size);

/* The same, in quotes if it is empty or holds blanks, quotes, '=' or a backslash (these two then
 * behind a backslash). */
void er_escape_value(er_text *out, const char *at, size_t size);
/* A part of such a value, between quotes that the caller puts. */
void er_escape_quoted(er_text *out, const char *at, size_t size);

/* The inside of a JSON string (RFC 8259): valid UTF-8, whatever comes; what
 * is not becomes U+FFFD. */
void er_escape_json(er_text *out, const char *at, size_t size);

#endif
