/* jobs/expand.h -- variables of the environment in a text. */
#ifndef ER_EXPAND_H
#define ER_EXPAND_H

#include "jobs/json_scan.h"

typedef void er_expand_used_fn(const char *value, void *arg);

/* Adds text to *out with each ${NAME} replaced; used (may be NULL) gets the values. 0, EINVAL or
 * ENOENT with what of text is at fault in *culprit, or ENOMEM. */
int er_expand(er_bytes *out, const char *text, er_expand_used_fn *used, void *arg,
              er_span *culprit);

#endif
