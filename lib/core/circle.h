/* core/circle.h -- waits that can never end. */
#ifndef ER_CIRCLE_H
#define ER_CIRCLE_H

#include "core/pool.h"

/* Nothing will ever end this wait of the task `from`: what it waits for leads back to `from`, or to the queue of a pool all of
 * whose threads wait for such. Tells the log of from's pool. */
bool er_circle(er_cell *from, const er_wait *wait);

#endif
