/* async/park.h -- how a thread waits inside the library. */
#ifndef ER_PARK_H
#define ER_PARK_H

#include "async/current.h"

/* Around every wait inside the library: if this thread is a worker, its pool may run
 * another thread meanwhile. */
ER_SHARED void er_lend(void);
ER_SHARED void er_lend_end(void);

/* Waits until another thread sets a bit of `mask` in wait->parker; a worker is lent meanwhile.
 * Returns the bits that are set:
 *   of mask      the wait is over
 *   ER_CANCEL    the calling task was cancelled, perhaps by the pool's shutdown
 *   ER_DEADLOCK  on a worker: wait->input or wait->room leads back to this task, so no bit of mask
 *                would ever be set
 *   none         deadline_ns, on the clock of `clock` (NULL: the machine's), has passed, or the
 *                calling code's own deadline (then ER_OVERDUE is set) */
ER_SHARED uint32_t er_pool_park(er_wait *wait, uint32_t mask, errand_pool *clock,
                                int64_t deadline_ns);

/* What a call returns when its wait has ended like this, without a bit of mask: EDEADLK, ECANCELED
 * or ETIMEDOUT. If a frame's deadline has ended it, the frame has expired. */
ER_SHARED int er_park_error(uint32_t bits);

#endif
