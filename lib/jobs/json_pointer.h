/* jobs/json_pointer.h -- JSON pointers (RFC 6901) into JSON that stays text. */
#ifndef ER_JSON_POINTER_H
#define ER_JSON_POINTER_H

#include "jobs/json_scan.h"

/* "", or parts that begin with "/"; in them only "~0" and "~1" begin with "~". UTF-8. */
bool er_json_pointer_valid(const char *pointer);

/* Finds the value in checked text; found->at NULL: there is none. Of a repeated key the last one
 * counts. The pointer is valid. 0 or ENOMEM. */
int er_json_pointer_find(er_span text, const char *pointer, er_span *found);

#endif
