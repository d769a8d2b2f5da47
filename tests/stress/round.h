/* tests/stress/round.h -- see round.c. */
#ifndef ROUND_H
#define ROUND_H

#include <stdint.h>

void round_play(uint64_t seed);
void round_dump(void); /* what its pools are doing, to stderr */

#endif
