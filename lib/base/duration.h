/* base/duration.h -- durations as text, in the forms of errand/duration.h. */
#ifndef ER_DURATION_H
#define ER_DURATION_H

#include "base/os.h"

#include <errand/duration.h>

/* errand_parse_duration() of the `size` bytes at `text`. */
ER_SHARED int er_duration_read(const char *text, size_t size, int64_t *ms);

#endif
