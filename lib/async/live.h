/* async/live.h -- what is alive at a pool, and how it describes itself, for the dump. Tasks are
 * found in the queue, at the workers and among those put aside, sleepers among the timers;
 * everything else is listed here. */
#ifndef ER_LIVE_H
#define ER_LIVE_H

#include "base/list.h"
#include "async/pool_ref.h"

typedef struct er_description {
    const char *what; /* a word. NULL: it has ended meanwhile */
    /* NULL: none. They stay as long as what is described is kept, or lie in own */
    const char *name, *key;
    int64_t since_ns; /* er_coarse_ns */
    errand_reason cancelled;
    char own[192];
    char state[320]; /* er_describe adds to it */
} er_description;

/* Adds to what it does, or waits for; what is too long is cut. */
ER_SHARED void er_describe(er_description *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

typedef struct er_live er_live;
typedef struct er_live_kind {
    /* Counts what is listed; returns since when it lives (er_coarse_ns; 0: describe sets it). The
     * lock of its list is held: a few instructions, which take no other lock. */
    int64_t (*keep)(er_live *live);
    /* counted, no lock is held. It need not be listed any more: of *live only the address counts */
    void (*describe)(er_live *live, er_description *d);
    void (*release)(er_live *live); /* the same */
} er_live_kind;

/* Lives in what is listed. */
struct er_live {
    er_node node;
    const er_live_kind *kind;
    const void *site; /* where it was submitted; NULL: unknown */
};

/* kind and site are set before. What is listed has a count until er_live_remove has returned.
 * Both take the lock of one of the pool's lists; in a child process they do nothing. */
ER_SHARED void er_live_add(errand_pool *pool, er_live *live);
ER_SHARED void er_live_remove(errand_pool *pool, er_live *live);

/* Calls fn for all that are listed, under the lock of their list. */
void er_live_each(errand_pool *pool, void (*fn)(er_live *live, void *arg), void *arg);

/* ---- for the pool ---- */
struct er_live_list *er_live_lists_new(void); /* NULL: no memory. Freed by er_free */

#endif
