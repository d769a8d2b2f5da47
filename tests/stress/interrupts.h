/* tests/stress/interrupts.h -- threads that are stopped for a while wherever they are: what a busy machine does now and then, done all
 * the time. By SIGPROF, which the library's threads leave open. */
#ifndef INTERRUPTS_H
#define INTERRUPTS_H

#include <stdint.h>

void interrupts_know(void); /* the calling thread is one that may be stopped */
void interrupts_start(uint64_t seed);
void interrupts_stop(void);

#endif
