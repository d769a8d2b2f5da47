/* base/options.c -- size-versioned structs, as options.h says. */
#include "base/options.h"

#include <errand/result.h>

#include <errno.h>
#include <string.h>

int er_options(void *ours, size_t size, const void *given, size_t theirs)
{
    memset(ours, 0, size);
    if (!given) return 0;
    if (!theirs) return EINVAL;
    /* also when the tail is unknown: it may hold what is to be freed */
    memcpy(ours, given, theirs < size ? theirs : size);
    const unsigned char *tail = given;
    for (size_t i = size; i < theirs; i++) {
        if (tail[i]) return ENOTSUP;
    }
    return 0;
}

int er_options_give(void *theirs, size_t size, const void *ours, size_t our_size)
{
    if (!theirs || !size) return EINVAL;
    memset(theirs, 0, size);
    memcpy(theirs, ours, size < our_size ? size : our_size);
    return 0;
}

int er_option_ms(int64_t *value, int64_t by_default)
{
    if (*value == ERRAND_ZERO) *value = 0;
    else if (*value < 0) return EINVAL;
    else if (*value == 0) *value = by_default;
    return 0;
}
