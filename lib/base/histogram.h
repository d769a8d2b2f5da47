/* base/histogram.h -- how values are spread: percentiles of any number of them in
 * constant memory, within 6 %.
 *
 * Each power of two has 8 counters (HdrHistogram's idea, with fewer), so values below 16 are exact.
 * Any thread adds; a concurrent reader sees part of it. Zeroed it is empty. */
#ifndef ER_HISTOGRAM_H
#define ER_HISTOGRAM_H

#include "base/atomic.h"

#include <stdint.h>

#define ER_HISTOGRAM_SLOTS (8 * 62)

typedef struct er_histogram {
    uint32_t slots[ER_HISTOGRAM_SLOTS]; /* atomic, relaxed: figures */
} er_histogram;

static inline void er_histogram_add(er_histogram *h, uint64_t value)
{
    /* how far the top 4 bits are up */
    unsigned power = value < 8 ? 0 : (unsigned)(60 - __builtin_clzll(value));
    uint64_t slot = power * 8 + (value >> power);
    er_add_relaxed(&h->slots[slot < ER_HISTOGRAM_SLOTS ? slot : ER_HISTOGRAM_SLOTS - 1], 1);
}

/* The value that `share` (0 to 1) of all do not exceed: the middle of its
 * slot. 0: there is none. */
static inline uint64_t er_histogram_at(const er_histogram *h, double share)
{
    uint64_t n = 0, seen = 0;
    for (unsigned slot = 0; slot < ER_HISTOGRAM_SLOTS; slot++)
        n += er_load_relaxed(&h->slots[slot]);
    uint64_t wanted = (uint64_t)(share * (double)n);
    if (wanted >= n) wanted = n ? n - 1 : 0;
    for (uint64_t slot = 0; n && slot < ER_HISTOGRAM_SLOTS; slot++) {
        seen += er_load_relaxed(&h->slots[slot]);
        if (seen <= wanted) continue;
        unsigned power = slot < 16 ? 0 : (unsigned)(slot / 8 - 1);
        return ((slot - power * 8) << power) + (power ? (uint64_t)1 << (power - 1) : 0);
    }
    return 0;
}

#endif
