/* jobs/json_scan.h -- JSON as it is written: checked, walked and copied as text, so that
 * what is echoed or sent on keeps its every digit, and a result line is valid JSON on one
 * line whatever came in. */
#ifndef ER_JSON_SCAN_H
#define ER_JSON_SCAN_H

#include "base/bytes.h"

#define ER_JSON_DEPTH 128 /* how deep objects and arrays may nest */

typedef struct er_span { /* a piece of text that it does not own; at NULL: nothing there */
    const char *at;
    size_t size;
} er_span;

/* Is this one JSON value (RFC 8259, all of it, UTF-8 and no other), white space around it aside?
 * 0, or EBADMSG with *where, counted in bytes, and *why, a literal. */
int er_json_check(er_span text, size_t *where, const char **why);

/* All of these take checked text. */
er_span er_json_trim(er_span text); /* without the white space around it */
/* *cursor begins at 0 */
bool er_json_member(er_span object, size_t *cursor, er_span *key, er_span *value);
bool er_json_element(er_span array, size_t *cursor, er_span *value);
/* what a string says, a NUL behind it. NULL: ENOMEM */
char *er_json_decode(er_span string, size_t *size);
/* a copy without the white space between tokens */
void er_json_compact(er_bytes *out, er_span text);

/* UTF-8 as a JSON string, with its quotes. */
void er_json_quote(er_bytes *out, er_span text);
/* Text from outside, which need not be UTF-8: if it is not, "?" stands for each byte above 0x7f. */
void er_json_quote_any(er_bytes *out, const char *text);

#endif
