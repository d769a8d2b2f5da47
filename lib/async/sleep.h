/* async/sleep.h -- the cell that only sleeps. */
#ifndef ER_SLEEP_H
#define ER_SLEEP_H

#include "async/cell.h"
#include "async/timer.h"

/* The sleeping cell that owns this timer; NULL: it is another's. While the timer is armed, the
 * cell's `begun` holds where and when it was made. */
er_cell *er_sleeper_of(er_timer *timer);

#endif
