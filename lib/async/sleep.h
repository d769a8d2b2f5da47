/* async/sleep.h -- the cell that only sleeps. */
#ifndef ER_SLEEP_H
#define ER_SLEEP_H

#include "async/cell.h"
#include "async/timer.h"

/* The sleeping cell whose timer this is; NULL: it is another's. Its begun says where and when it was made while the timer is armed. */
er_cell *er_sleeper_of(er_timer *timer);

#endif
