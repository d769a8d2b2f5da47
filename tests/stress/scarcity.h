/* tests/stress/scarcity.h -- memory and threads that run out now and then. The program is linked
 * with --wrap=malloc, --wrap=calloc, --wrap=realloc, --wrap=pthread_create. */
#ifndef SCARCITY_H
#define SCARCITY_H

#include <stdbool.h>
#include <stddef.h>

/* From here on about one allocation in `memory`, and one start of a thread in `threads`, fails
 * on every thread that is not spared. 0: none. */
void scarcity_begin(unsigned memory, unsigned threads);
void scarcity_end(void);

/* Whether the calling thread is spared. Returns the previous value. */
bool scarcity_spare(bool spared);

#endif
