/* json_text.h -- JSON with an indentation. */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include <stddef.h>

/* Text that is JSON, indented, in memory to be freed; its numbers and strings are as they were.
 * NULL: no memory. */
char *json_text_indent(const char *at, size_t size);

#endif
