/* base/json_escape.h -- escapes for characters that a JSON string must not contain (RFC 8259,
 * 7). */
#ifndef ER_JSON_ESCAPE_H
#define ER_JSON_ESCAPE_H

#include "base/os.h"

#define ER_JSON_ESCAPE ((size_t)6) /* bytes at most */

/* Writes what stands for it, for a code point below 256: the short form, if there is one, else
 * \u00NN. Returns its size. */
ER_SHARED size_t er_json_escape(char to[ER_JSON_ESCAPE], unsigned char c);

#endif
