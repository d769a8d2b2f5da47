/** errand/log_fields.h -- key/values added to every line that a thread logs.
 *
 * Fields are counted and immutable; each set may extend another. They travel with what a task
 * submits.
 *
 *     errand_log_fields *mine =
 *         errand_log_fields_new(errand_log_fields_current(), errand_kv("request", "%d"), n);
 *     errand_log_fields *before = errand_log_fields_swap(mine);
 *     ...
 *     errand_log_fields_free(errand_log_fields_swap(before));
 */
#ifndef ERRAND_LOG_FIELDS_H
#define ERRAND_LOG_FIELDS_H

#include <errand/logger.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A set of key/values. */
typedef struct errand_log_fields errand_log_fields;

/**
 * Makes a set: what `base` has (NULL: nothing), and these: errand_log_fields_new(base,
 * errand_kv("request", "%d"), n).
 *
 * Returns it, or NULL with errno
 *   EINVAL   `fmt` is NULL or holds more than key/values
 *   ENOTSUP  a conversion cannot be copied: %n, %ls ...
 *   ENOMEM   no memory
 */
ERRAND_API errand_log_fields *errand_log_fields_new(const errand_log_fields *base, const char *fmt,
                                                    ...) __attribute__((format(printf, 2, 3)));

/** Adds an owner and returns `fields`. NULL is harmless. */
ERRAND_API errand_log_fields *errand_log_fields_keep(errand_log_fields *fields);

/** Removes an owner. NULL is harmless. */
ERRAND_API void errand_log_fields_free(errand_log_fields *fields);

/**
 * Gives the calling thread these fields from now on (NULL: none), and returns those from before.
 *
 * Takes over the caller's count of `fields`, and hands the count of the returned ones to the
 * caller.
 */
ERRAND_API errand_log_fields *errand_log_fields_swap(errand_log_fields *fields);

/** Returns the fields of the calling thread, not counted; NULL: none. */
ERRAND_API errand_log_fields *errand_log_fields_current(void);

#ifdef __cplusplus
}
#endif
#endif
