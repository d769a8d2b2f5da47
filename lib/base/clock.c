/* base/clock.c -- CLOCK_MONOTONIC, by the vDSO (some 25 ns a call), behind clock.h.
 *
 * Stamps. On x86 the time stamp counter is used if the processor calls it invariant (it runs on
 * through sleep and changes of speed, all cores alike). Its rate is measured against the
 * monotonic clock since the first look; the wall clock is read again at each look, so that a
 * change of it is followed. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/clock.h"

#include <stdio.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

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

int64_t er_wall_offset(int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm parts;
    return localtime_r(&seconds, &parts) ? parts.tm_gmtoff : 0;
}

#if defined(__x86_64__)
bool er_stamp_counts;

__attribute__((constructor)) static void ask_processor(void)
{
    unsigned a, b, c, d;
    er_stamp_counts = __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8);
}
#endif

/* The three clocks at one moment: of several tries the one that was disturbed least. */
static void read_all(uint64_t *stamp, int64_t *ns, int64_t *wall_ns)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < 3; i++) {
        int64_t before = er_now_ns(), wall = er_wall_ns();
        uint64_t now = er_stamp();
        int64_t after = er_now_ns();
        if (after - before >= least) continue;
        least = after - before;
        *stamp = now;
        *ns = before + (after - before) / 2;
        *wall_ns = wall;
    }
}

void er_stamps_look(er_stamps *s)
{
    read_all(&s->last, &s->last_ns, &s->wall_ns);
    int64_t stamps = (int64_t)(s->last - s->first), ns = s->last_ns - s->first_ns;
    if (stamps > 0 && ns > 0) s->rate = (double)ns / (double)stamps;
}

void er_stamps_init(er_stamps *s)
{
    read_all(&s->first, &s->first_ns, &s->wall_ns);
    s->rate = 1;
    do er_stamps_look(s);
    while (s->last_ns - s->first_ns < ER_MS / 2);
}

uint64_t er_stamps_of(const er_stamps *s, int64_t ns) { return (uint64_t)((double)ns / s->rate); }

int64_t er_deadline(int64_t now_ns, int64_t ms)
{
    int64_t ns;
    if (ms == INT64_MAX || __builtin_mul_overflow(ms, ER_MS, &ns) ||
        __builtin_add_overflow(now_ns, ns, &ns))
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
