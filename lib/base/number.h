/* base/number.h -- numbers as decimal digits, exactly, without memory, locks or locale: also
 * for signal handlers. */
#ifndef ER_NUMBER_H
#define ER_NUMBER_H

#include "base/os.h"

#define ER_DECIMAL 20 /* digits of the largest uint64_t */

/* Writes the digits, returns how many. */
size_t er_decimal(char *to, uint64_t value);

/* value >= 0 with `precision` digits after the point, rounded as IEEE 754 says (half to even), if
 * that can be done in 128-bit integers: precision <= 17, below some 1e20 (less with many digits).
 * Returns the size, at most ER_FIXED, or 0: cannot. */
#define ER_FIXED 64
size_t er_fixed(char *to, double value, unsigned precision);

/* Any finite value >= 0: all its significant digits; value = 0.d1d2d3... *
 * 10^*point. 0 has no digit. */
#define ER_DIGITS 800
size_t er_digits(char digits[ER_DIGITS], double value, int *point);
/* Keeps the first `keep` of n digits, half to even; trailing zeros may stay away. Returns how
 * many are left; *point grows by one when 9.99 becomes 10. */
size_t er_digits_round(char *digits, size_t n, int64_t keep, int *point);

#endif
