/* Tasks in two pools that await given futures, for instance each other. */
#ifndef CHAINED_H
#define CHAINED_H

#include "logged.h"

typedef struct two_pools {
    logged said;               /* the log of both pools */
    errand_pool *pool, *other; /* of two workers, and of one */
} two_pools;
void open_two(two_pools *two);
void shut_two(two_pools *two);

typedef struct chained {
    event go, awaited;
    errand_future *next; /* set before `go` happens */
    int error;           /* of the wait for `next` */
    bool shielded;
    bool later; /* `next` is returned as errand_later() instead of awaited */
} chained;
errand_task chained_as(chained *c, const char *name); /* to be started by the caller */
errand_future *chained_task(errand_pool *at, chained *c, const char *name);

/* Expects EDEADLK in at least one of the tasks, an error in the others, and
 * both names in the log. */
void expect_deadlock(two_pools *two, chained *c, size_t n, const char *first, const char *second);

/* Expects that fn ends with EDEADLK in a pool with one worker and no spares, and that the log names
 * it. fn's arg is the pool. */
void starves(two_pools *two, errand_fn *fn);

#endif
