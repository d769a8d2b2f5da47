/** errand/stop.h -- when a run makes no further attempt, besides `attempts` and `within_ms` of its
 * policy.
 *
 * A stop is asked after an attempt that is to be tried again, when the wait is known. Stops nest,
 * have one owner and keep what is wrong with them until errand_policy_new() refuses it, as backoffs
 * do (errand/backoff.h). The names are tenacity's.
 */
#ifndef ERRAND_STOP_H
#define ERRAND_STOP_H

#include <errand/attempt.h>

#ifdef __cplusplus
extern "C" {
#endif

/** When to stop; made by the functions below. */
typedef struct errand_stop errand_stop;

/**
 * Returns a stop that never stops: attempts go on until one is the end, or within_ms has passed.
 */
ERRAND_API errand_stop *errand_stop_never(void);

/** Returns a stop after attempt `n`, at least 1. */
ERRAND_API errand_stop *errand_stop_after_attempt(unsigned n);

/** Returns a stop when `ms` milliseconds or more have passed since the run began. */
ERRAND_API errand_stop *errand_stop_after_delay(int64_t ms);

/**
 * Returns a stop when the next attempt would begin `ms` milliseconds or more after the run began.
 */
ERRAND_API errand_stop *errand_stop_before_delay(int64_t ms);

/** Returns a stop when `fn(info, arg)` says so. `arg` must live as long as the policy. */
ERRAND_API errand_stop *errand_stop_custom(errand_predicate_fn *fn, void *arg);

/** Returns a stop when `a` or `b` stops. */
ERRAND_API errand_stop *errand_stop_any(errand_stop *a, errand_stop *b);

/** Returns a stop when both `a` and `b` stop. */
ERRAND_API errand_stop *errand_stop_all(errand_stop *a, errand_stop *b);

/** Frees a stop that no function has consumed. NULL is harmless. */
ERRAND_API void errand_stop_free(errand_stop *stop);

#ifdef __cplusplus
}
#endif
#endif
