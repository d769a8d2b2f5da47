/* async/promise.h -- promises of the library's own. */
#ifndef ER_PROMISE_H
#define ER_PROMISE_H

#include "async/cell.h"

#include <errand/promise.h>

/* errand_promise_new for what lists itself among what is alive: the promise is
 * not listed beside it. */
ER_SHARED errand_promise *er_promise_new(errand_pool *pool, errand_future **f);

#endif
