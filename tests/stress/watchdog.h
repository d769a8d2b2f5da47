/* tests/stress/watchdog.h -- a thread that ends a program whose round takes far too long, with its seed and what its pools are doing; and
 * the seed of whatever else ends it. */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include <stdint.h>

void watchdog_start(void);
void watchdog_round(uint64_t seed); /* a new round begins. 0: none is under way */

#endif
