/* Tasks that await what they are given, each other for instance, in two pools. */
#ifndef CHAINED_H
#define CHAINED_H

#include "heard.h"

typedef struct two_pools {
    heard said;                /* by both */
    errand_pool *pool, *other; /* of two workers, and of one */
} two_pools;
void open_two(two_pools *two);
void shut_two(two_pools *two);

typedef struct chained {
    event go, awaited;
    errand_future *next; /* to be there by the time of go */
    int error;           /* as the wait for it ended */
    bool shielded;
    bool later; /* it is returned instead of awaited */
} chained;
errand_task chained_as(chained *c, const char *name); /* for whatever starts it */
errand_future *chained_task(errand_pool *at, chained *c, const char *name);

/* One of them at least is told EDEADLK, the others end by it, and the log names these two. */
void expect_deadlock(two_pools *two, chained *c, size_t n, const char *first, const char *second);

/* fn, whose arg is its pool, ends EDEADLK where that has one worker and no spares, and the log names it. */
void starves(two_pools *two, errand_fn *fn);

#endif
