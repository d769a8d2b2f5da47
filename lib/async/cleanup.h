/* async/cleanup.h -- a clean-up of a scope: what is to be done, and doing it within a time. */
#ifndef ER_CLEANUP_H
#define ER_CLEANUP_H

#include "base/list.h"
#include "async/pool_ref.h"

#include <errand/scope.h>

typedef struct er_cleanup {
    er_node node;          /* the scope's, under its lock */
    errand_cleanup what;   /* name leads to `name`, or is NULL; its functions may all be NULL */
    errand_result value;   /* a value that is to be freed */
    errand_future *f;      /* adopted: owned */
    errand_scope *scope;   /* inside: counted */
    errand_result outcome; /* of its function */
    struct er_wait *wait;  /* where the closing thread waits for it */
    int64_t within_ms;     /* of its function */
    uint32_t state;        /* see cleanup.c */
    char name[];
} er_cleanup;

/* A copy of what; NULL: no memory. */
er_cleanup *er_cleanup_new(const errand_cleanup *what);

/* Does it by `deadline_ns`, on the clock of `pool` (NULL: the machine's), and frees it; not for
 * those with a scope. failed: the scope has. Returns how it ended; *left: it was left behind. */
errand_result er_cleanup_do(er_cleanup *c, errand_pool *pool, int64_t deadline_ns, bool failed,
                            bool *left);

/* What its user gets: the resource, the value, or the future. */
void *er_cleanup_resource(const er_cleanup *c);
/* It will not be done: calls `free` if it stands beside fn. Returns what is its user's then. */
void *er_cleanup_skip(er_cleanup *c);
/* The same where its user keeps what it holds. */
void er_cleanup_free(er_cleanup *c);

#endif
