/* core/limits.h -- what a policy asks of the limits it names. */
#ifndef ER_LIMITS_H
#define ER_LIMITS_H

#include "core/task.h"

#include <errand/limits.h>

errand_sem  *er_sem_keep(errand_sem *sem);
errand_rate *er_rate_keep(errand_rate *rate);

/* errand_rate_acquire for somebody whose deadline is not the calling task's; it is on that pool's clock. */
errand_future *er_rate_acquire_by(errand_rate *rate, errand_pool *pool, int64_t deadline_ns);

#endif
