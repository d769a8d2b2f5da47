/* async/stats.c -- what a pool counts: how tasks ended, how long they waited and ran.
 *
 * A worker counts its own outcomes; who reads adds them up. Times are stamped with the coarse clock, and precisely for one task in
 * 32, from which the percentiles are taken: four counters for each power of two of nanoseconds, so within 19 %. */
#include "async/stats.h"

#include "async/current.h"

static unsigned slot_of(uint64_t ns)
{
    if (ns < 4) return (unsigned)ns;
    unsigned top = 63 - (unsigned)__builtin_clzll(ns);
    unsigned slot = top * 4 + (unsigned)(ns >> (top - 2) & 3);
    return slot < ER_SPREAD ? slot : ER_SPREAD - 1;
}

static int64_t middle_of(unsigned slot)
{
    if (slot < 8) return slot;
    unsigned top = slot / 4;
    return (int64_t)(((uint64_t)1 << top) + (((uint64_t)(slot & 3) * 2 + 1) << top) / 8);
}

void er_spread_add(uint32_t *spread, int64_t ns) { er_add_relaxed(&spread[slot_of(ns > 0 ? (uint64_t)ns : 0)], 1); }

void er_spread_percentiles(const uint32_t *spread, int64_t *p50, int64_t *p99)
{
    uint32_t counts[ER_SPREAD];
    uint64_t all = 0, seen = 0;
    for (unsigned i = 0; i < ER_SPREAD; i++) all += counts[i] = er_load_relaxed(&spread[i]); /* relaxed: figures */
    *p50 = *p99 = 0;
    uint64_t half = (all + 1) / 2, most = all - all / 100;
    for (unsigned i = 0; all && i < ER_SPREAD && seen < most; i++) {
        uint64_t before = seen;
        seen += counts[i];
        if (before < half && seen >= half) *p50 = middle_of(i);
        if (seen >= most) *p99 = middle_of(i);
    }
}

void er_pool_count(errand_pool *pool, er_outcome outcome)
{
    er_worker *w = er_here_now()->worker; /* relaxed: counters; a worker's own are written by it alone */
    if (w && w->pool == pool) er_store_relaxed(&w->outcomes[outcome], w->outcomes[outcome] + 1);
    else er_add_relaxed(&pool->outcomes[outcome], 1);
}
