/* tests/stress/dice.h -- choices that a seed makes: a program depends on its seed alone, however
 * its threads run. So each task and each thread has its own dice, split off where it is made. */
#ifndef DICE_H
#define DICE_H

#include "base/os.h"

typedef struct dice {
    uint64_t state;
} dice;

static inline dice dice_of(uint64_t seed, uint64_t n)
{
    dice d = { seed ^ (n + 1) * UINT64_C(0xd1b54a32d192ed03) };
    (void)er_random_next(&d.state);
    return d;
}
static inline uint64_t dice_seed(dice *d) { return er_random_next(&d->state); }
static inline unsigned dice_below(dice *d, unsigned n)
{
    return (unsigned)((er_random_next(&d->state) >> 32) * n >> 32);
}
static inline bool dice_one_in(dice *d, unsigned n) { return dice_below(d, n) == 0; }

#endif
