/** errand/version.h -- which errand this is. */
#ifndef ERRAND_VERSION_H
#define ERRAND_VERSION_H

#define ERRAND_API __attribute__((visibility("default")))

/** The version of this header. */
#define ERRAND_VERSION_MAJOR 1
#define ERRAND_VERSION_MINOR 2
#define ERRAND_VERSION_PATCH 3

/** Refusals. */
enum {
    ERRAND_EFULL = 7 /* a line is full */
};

/** Returns the version of the library that runs, "1.2.3". */
ERRAND_API const char *errand_version(void);

#endif
