/* async/deadlock.h -- waits that can never end. */
#ifndef ER_DEADLOCK_H
#define ER_DEADLOCK_H

#include "async/job.h"

/* True: this wait of the task `from` cannot end. What it waits for leads back to `from`, or to the
 * queue of a pool in which all threads wait for such tasks. Writes the names of the tasks on the
 * way to the log of from's pool. */
bool er_deadlocked(er_cell *from, const er_wait *wait);

#endif
