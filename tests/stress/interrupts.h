/* tests/stress/interrupts.h -- stops threads for a while anywhere, as a busy machine does now and
 * then, but all the time. Uses SIGPROF, which the library's threads do not block. */
#ifndef INTERRUPTS_H
#define INTERRUPTS_H

#include <stdint.h>

void interrupts_know(void); /* the calling thread is one that may be stopped */
void interrupts_start(uint64_t seed);
void interrupts_stop(void);

#endif
