/* base/clock.h -- what time it is, and sums of times that cannot overflow. */
#ifndef ER_CLOCK_H
#define ER_CLOCK_H

#include "base/os.h"

#define ER_MS 1000000LL /* nanoseconds in a millisecond */

/* Nanoseconds on the monotonic clock, never going back. */
ER_SHARED int64_t er_now_ns(void);

/* The same a few milliseconds behind, at a fifth of the price: for stamps. */
int64_t er_coarse_ns(void);

/* The wall clock in nanoseconds since 1970, and broken down for people: "2026-11-22 14:03:07.120" (local time). */
int64_t er_wall_ns(void);
ER_SHARED int64_t er_wall_seconds(void);
void er_wall_text(int64_t wall_ns, char text[24]);

/* now + ms; INT64_MAX when ms is for ever or the sum is beyond the range. ms >= 0. */
ER_SHARED int64_t er_deadline(int64_t now_ns, int64_t ms);
/* Two spans, neither negative; INT64_MAX when it is beyond the range. */
static inline int64_t er_ms_sum(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}
/* ms from now to a deadline, rounded up; 0 if it has passed; INT64_MAX if there is none. */
ER_SHARED int64_t er_ms_until(int64_t now_ns, int64_t deadline_ns);

#endif
