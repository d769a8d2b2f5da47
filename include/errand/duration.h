/** errand/duration.h -- durations as text.
 *
 * A job's "timeout" and the options of the command errand are read by this function. A program can
 * read its own settings with it. */
#ifndef ERRAND_DURATION_H
#define ERRAND_DURATION_H

#include <errand/version.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Reads a duration and stores it in *ms, in milliseconds.
 *
 * The text is a decimal number and a unit without a space between them: "200ms", "1.5s", "2m",
 * "1h". Without a unit the number is seconds: "90". The number has digits, at most one point among,
 * before or behind them ("0.5", ".5", "5."), and possibly an exponent ("1e3"), so every JSON number
 * that is not negative is a duration. It has no sign. Units are written in small letters.
 *
 * The first 30 significant digits count. The value is rounded to the nearest millisecond, a half
 * up; what is above 0 becomes at least 1. The locale plays no role. The function takes no memory
 * and may be called from any thread.
 *
 * Returns 0, or
 *   EINVAL    the text is not of this form, or is NULL, or `ms` is NULL
 *   ERANGE    the duration is ERRAND_FOREVER milliseconds or more
 * After an error *ms is as it was.
 */
ERRAND_API int errand_parse_duration(const char *text, int64_t *ms);

#ifdef __cplusplus
}
#endif
#endif
