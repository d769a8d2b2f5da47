/* base/clock.c -- CLOCK_MONOTONIC, by the vDSO (some 25 ns a call), behind clock.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t er_now_ns(void) { return read_clock(CLOCK_MONOTONIC); }
int64_t er_coarse_ns(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
    return read_clock(CLOCK_MONOTONIC_COARSE);
#else
    return er_now_ns();
#endif
}
int64_t er_wall_ns(void) { return read_clock(CLOCK_REALTIME); }
int64_t er_wall_seconds(void) { return er_wall_ns() / 1000000000; }

void er_wall_text(int64_t wall_ns, char text[24])
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    unsigned ms = (unsigned)(wall_ns / 1000000 % 1000) % 1000;
    struct tm parts;
    if (!localtime_r(&seconds, &parts)) {
        snprintf(text, 24, "%lld.%03u", (long long)seconds, ms);
        return;
    }
    size_t n = strftime(text, 24, "%Y-%m-%d %H:%M:%S", &parts);
    snprintf(text + n, 24 - n, ".%03u", ms);
}

int64_t er_deadline(int64_t now_ns, int64_t ms)
{
    int64_t ns;
    if (ms == INT64_MAX || __builtin_mul_overflow(ms, ER_MS, &ns) || __builtin_add_overflow(now_ns, ns, &ns))
        return INT64_MAX;
    return ns;
}

int64_t er_ms_until(int64_t now_ns, int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX) return INT64_MAX;
    if (deadline_ns <= now_ns) return 0;
    int64_t left = deadline_ns - now_ns;
    return left / ER_MS + (left % ER_MS != 0);
}
