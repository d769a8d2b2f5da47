/* core/limits.h -- the limits that a policy may name. */
#ifndef ER_LIMITS_H
#define ER_LIMITS_H

#include "core/breaker.h"
#include "core/budget.h"
#include "core/rate.h"
#include "core/sem.h"
#include "core/task.h"

#endif
