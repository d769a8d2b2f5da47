/* async/pool_ref.h -- what everything made at a pool needs to know of it: its clock, its log,
 * its fork generation, and how long its memory lasts. Every errand_pool begins with one. */
#ifndef ER_POOL_REF_H
#define ER_POOL_REF_H

#include "base/atomic.h"
#include "base/clock.h"
#include "base/os.h"

#include <errand/log.h>
#include <errand/pool.h>

struct er_timers;
struct er_live_list;

typedef struct er_pool_ref {
    int64_t count; /* of what keeps the memory; see pool_ref.c */
    /* cells that are left behind and have not ended: atomic, relaxed */
    int64_t abandoned;
    char apart[ER_LINE]; /* those change all the time, the rest never */
    void (*free)(struct er_pool_ref *ref);
    const errand_clock *clock; /* NULL: the machine's */
    /* er_pool_log; NULL once the pool is closed: what is left behind must not look for it */
    errand_log *log;
    const char *name;
    unsigned generation; /* of the process that made it */
    uint32_t shut;       /* er_pool_shut */
    struct er_timers *timers;
    struct er_live_list *live; /* live.h */
} er_pool_ref;

static inline er_pool_ref *er_pool_ref_of(errand_pool *pool) { return (er_pool_ref *)(void *)pool; }
static inline const er_pool_ref *er_pool_ref_seen(const errand_pool *pool)
{
    return (const er_pool_ref *)(const void *)pool;
}

/* The pool's clock, in nanoseconds: the machine's or the test's. */
ER_SHARED int64_t er_pool_now(errand_pool *pool);
/* The machine's clock at a moment that was now_ns on the pool's: the same, unless the
 * pool has a test's clock. */
static inline int64_t er_pool_machine_ns(errand_pool *pool, int64_t now_ns)
{
    return er_pool_ref_of(pool)->clock ? er_now_ns() : now_ns;
}
ER_SHARED errand_log *er_pool_log(errand_pool *pool);
ER_SHARED bool er_pool_dead(const errand_pool *pool); /* it belongs to a parent process */

/* The pool is closing and its patience is over: what ends now ends because of that. */
ER_SHARED bool er_pool_shut(const errand_pool *pool);

/* A pool's memory lives until it is closed and nothing keeps it any more. The caller of keep must
 * have a count, or the pool must be open. */
ER_SHARED void er_pool_keep(errand_pool *pool);
ER_SHARED void er_pool_release(errand_pool *pool);

/* The pool's own side of that: made with the big count, given up once when it is closed. */
void er_pool_ref_open(er_pool_ref *ref);
void er_pool_ref_close(er_pool_ref *ref);
/* How many pools' memories there are. For tests: zero at their end means that no cell, limit or
 * session is left either. */
ER_SHARED int er_pools_alive(void);

#endif
