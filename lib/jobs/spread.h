/* jobs/spread.h -- how times are spread: percentiles of any number of them in constant memory, at most 6 % off. */
#ifndef ER_SPREAD_H
#define ER_SPREAD_H

#include <stdint.h>

/* Each power of two is cut into 8 (as HdrHistogram does, with fewer). Not thread-safe; zeroed it is empty. */
#define ER_SPREAD_SLOTS (8 * 62)

typedef struct er_spread {
    uint64_t n, slots[ER_SPREAD_SLOTS];
} er_spread;

static inline void er_spread_add(er_spread *spread, uint64_t value)
{
    unsigned power = value < 8 ? 0 : (unsigned)(60 - __builtin_clzll(value)); /* how far the top 4 bits are up */
    uint64_t slot = power * 8 + (value >> power);                             /* below 16: exact */
    spread->slots[slot < ER_SPREAD_SLOTS ? slot : ER_SPREAD_SLOTS - 1]++;
    spread->n++;
}

/* The value that `share` (0 to 1) of all do not exceed: the middle of its slot. 0: there is none. */
static inline uint64_t er_spread_at(const er_spread *spread, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)spread->n), seen = 0;
    if (wanted >= spread->n) wanted = spread->n ? spread->n - 1 : 0;
    for (uint64_t slot = 0; spread->n && slot < ER_SPREAD_SLOTS; slot++) {
        seen += spread->slots[slot];
        if (seen <= wanted) continue;
        unsigned power = slot < 16 ? 0 : (unsigned)(slot / 8 - 1);
        return ((slot - power * 8) << power) + (power ? (uint64_t)1 << (power - 1) : 0);
    }
    return 0;
}

#endif
