/** errand/version.h -- which errand this is. */
#ifndef ERRAND_VERSION_H
#define ERRAND_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif

#define ERRAND_API __attribute__((visibility("default")))

#define ERRAND_VERSION_MAJOR 0
#define ERRAND_VERSION_MINOR 1
#define ERRAND_VERSION_PATCH 0

/** The version of the header as one number to compare with: 0x000100 is 0.1.0. */
#define ERRAND_VERSION_NUMBER                                                                      \
    ((ERRAND_VERSION_MAJOR << 16) | (ERRAND_VERSION_MINOR << 8) | ERRAND_VERSION_PATCH)

/**
 * Returns the version of the library that runs, "0.1.0". The macros above are those of the header
 * that was compiled.
 */
ERRAND_API const char *errand_version(void);

/**
 * Returns what the running library was built with, as words separated by spaces: "futex tsc". A
 * literal.
 */
ERRAND_API const char *errand_features(void);

#ifdef __cplusplus
}
#endif
#endif
