/* tests/model/real.h -- the lock and the parker of base/os.c, on futexes of the model. */
#ifndef MODEL_REAL_H
#define MODEL_REAL_H

#include "base/os.h"

void real_lock_take(er_lock *lock);
void real_lock_give(er_lock *lock);
uint32_t real_park(er_parker *parker, uint32_t mask, int64_t deadline_ns);
void real_unpark(er_parker *parker, uint32_t bits);
void real_parker_clear(er_parker *parker, uint32_t bits);

#endif
