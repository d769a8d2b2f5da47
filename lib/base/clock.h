/* base/clock.h -- what time it is, and sums of times that cannot overflow. */
#ifndef ER_CLOCK_H
#define ER_CLOCK_H

#include "base/os.h"

#define ER_MS 1000000LL /* nanoseconds in a millisecond */

/* Nanoseconds on the monotonic clock, never going back. */
ER_SHARED int64_t er_now_ns(void);

/* The same a few milliseconds behind, at a fifth of the price: for stamps. */
ER_SHARED int64_t er_coarse_ns(void);

/* The wall clock in nanoseconds since 1970, and broken down for people: "2026-11-22
 * 14:03:07.120" (local time). */
ER_SHARED int64_t er_wall_ns(void);
ER_SHARED int64_t er_wall_seconds(void);
void er_wall_text(int64_t wall_ns, char text[24]);
/* Seconds to add to get local time. */
int64_t er_wall_offset(int64_t wall_ns);

/* A stamp: the processor's own counter where all its cores share one that runs evenly (some 10
 * ns), else er_now_ns. */
#if defined(__x86_64__)
extern bool er_stamp_counts; /* set once, before main */
static inline uint64_t er_stamp(void)
{
    return er_stamp_counts ? __builtin_ia32_rdtsc() : (uint64_t)er_now_ns();
}
#elif defined(__aarch64__)
static inline uint64_t er_stamp(void)
{
    uint64_t now;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(now));
    return now;
}
#else
static inline uint64_t er_stamp(void) { return (uint64_t)er_now_ns(); }
#endif

/* What a stamp is on the wall clock. Begins by measuring for half a millisecond; every look
 * after that makes the rate more exact and follows the wall clock. One thread uses it. */
typedef struct er_stamps {
    uint64_t first, last;      /* stamps */
    int64_t first_ns, last_ns; /* the monotonic clock at them */
    int64_t wall_ns;           /* the wall clock at last */
    double rate;               /* nanoseconds a stamp */
} er_stamps;
void er_stamps_init(er_stamps *s);
void er_stamps_look(er_stamps *s); /* every second or so, and after a long silence */
uint64_t er_stamps_of(const er_stamps *s, int64_t ns); /* how many stamps a time takes */
static inline int64_t er_stamps_wall(const er_stamps *s, uint64_t stamp)
{
    return s->wall_ns + (int64_t)((double)(int64_t)(stamp - s->last) * s->rate);
}

/* now + ms; INT64_MAX when ms is ERRAND_FOREVER or the sum is beyond the range. ms >= 0. */
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
