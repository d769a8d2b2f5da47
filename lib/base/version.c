/* base/version.c -- which errand runs. */
#include "base/sanitizers.h"

#include <errand/version.h>

#define TEXT(x)  TEXT_(x)
#define TEXT_(x) #x

const char *errand_version(void)
{
    return TEXT(ERRAND_VERSION_MAJOR) "." TEXT(ERRAND_VERSION_MINOR) "." TEXT(ERRAND_VERSION_PATCH);
}

const char *errand_features(void)
{
    return "pthreads futex"
#if ER_ASAN
           " asan"
#endif
#if ER_TSAN
           " tsan"
#endif
        ;
}
