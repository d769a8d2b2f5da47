/* core/park.h -- how a thread waits inside the library. */
#ifndef ER_PARK_H
#define ER_PARK_H

#include "core/current.h"

/* Around every wait inside the library: if this thread is a worker, its pool may run another thread meanwhile. */
ER_SHARED void er_lend(void);
ER_SHARED void er_lend_end(void);

/* Waits until a bit of mask is set, lending. Ends early with ER_TOLD if the calling code is told to end, without a bit of mask at
 * deadline_ns, which is on the clock of `clock` (NULL: the machine's), or at the caller's own deadline; with ER_CIRCLE if it is known
 * what it waits for, this is a worker, and it would last for ever. */
ER_SHARED uint32_t er_pool_park(er_wait *wait, uint32_t mask, errand_pool *clock, int64_t deadline_ns);

#endif
