/* core/circle.h -- waits that can never end. */
#ifndef ER_CIRCLE_H
#define ER_CIRCLE_H

#include "core/pool.h"

/* True: this wait of the task `from` cannot end. What it waits for leads back to `from`, or to the queue of a pool all of whose
 * threads wait for such tasks. Writes the names of the tasks on the way to the log of from's pool. */
bool er_circle(er_cell *from, const er_wait *wait);

#endif
