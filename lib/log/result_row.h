/* log/result_row.h -- a result in a line: copied at the call as a row of items,
 * printed later as a field. */
#ifndef ER_RESULT_ROW_H
#define ER_RESULT_ROW_H

#include "log/text.h"

#include <errand/result.h>

/* Writes the row of r (NULL: of none), but at most `room` bytes, and returns the size of the whole
 * row. errno stays. */
size_t er_result_row(char *to, size_t room, const errand_result *r);

/* Where a row of that many bytes is cut at the latest: neither within a character of UTF-8 nor
 * within what separates items. */
size_t er_result_row_cut(const char *row, size_t size);

void er_result_row_text(er_text *out, const char *key, size_t key_size, const char *row,
                        size_t size);
void er_result_row_json(er_text *out, const char *row, size_t size);

#endif
