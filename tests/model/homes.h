/* tests/model/homes.h -- homes of a scenario's cells: a mere count instead of a pool; or a real
 * pool on a clock that the scenario turns. */
#ifndef MODEL_HOMES_H
#define MODEL_HOMES_H

#include "model.h"

#include "base/list.h"
#include "async/pool_ref.h"

typedef struct place {
    er_pool_ref home;
    unsigned freed;
} place;

errand_pool *place_open(place *p);
void place_close(place *p); /* fails if anything is left */

typedef struct turned {
    errand_clock clock;
    int64_t now_ns; /* atomic */
} turned;
errand_pool *turned_pool(turned *t, errand_pool_opts opts);
/* moves the clock and ticks the pool */
void turn_to(turned *t, errand_pool *pool, int64_t ms);

/* Awaits an ended future; returns its error. */
int end_of(errand_future *f);

#endif
