/* base/options.h -- options structs with a size passed by the caller, so that both sides may
 * grow. */
#ifndef ER_OPTIONS_H
#define ER_OPTIONS_H

#include "base/os.h"

/* Copies the caller's options (given, theirs bytes; NULL: none) into ours; what the caller's
 * header did not have is zero. EINVAL: theirs is 0. ENOTSUP: the caller's tail is longer
 * than ours and not zero. */
ER_SHARED int er_options(void *ours, size_t size, const void *given, size_t theirs);

/* The other way, for structs that are filled for the caller: what the caller's header has and
 * ours has not is zeroed. */
ER_SHARED int er_options_give(void *theirs, size_t size, const void *ours, size_t our_size);

/* An option of time: 0 is the default, ERRAND_ZERO is 0; *value is replaced.
 * EINVAL: else negative. */
ER_SHARED int er_option_ms(int64_t *value, int64_t by_default);

#endif
