/* async/pool_ref.c -- a pool's clock and count.
 *
 * The count begins at OPEN, so it cannot reach zero while the pool is open whatever is kept and
 * released in between; closing takes OPEN away. The thread that brings it to zero frees the
 * memory; no thread touches the pool after giving up its count. */
#include "async/pool_ref.h"

#define OPEN (INT64_C(1) << 60)

static int alive; /* relaxed: read when all is quiet */

int64_t er_pool_now(errand_pool *pool)
{
    const errand_clock *clock = er_pool_ref_of(pool)->clock;
    return clock ? clock->now_ns(clock->arg) : er_now_ns();
}

errand_log *er_pool_log(errand_pool *pool) { return er_load(&er_pool_ref_of(pool)->log); }
bool er_pool_dead(const errand_pool *pool)
{
    return er_pool_ref_seen(pool)->generation != er_fork_generation();
}
bool er_pool_shut(const errand_pool *pool) { return er_load(&er_pool_ref_seen(pool)->shut); }

/* relaxed: the caller has a count, or an open pool */
void er_pool_keep(errand_pool *pool) { er_add_relaxed(&er_pool_ref_of(pool)->count, 1); }

static void less(er_pool_ref *ref, int64_t by)
{
    if (er_sub(&ref->count, by) != by) return;
    er_add_relaxed(&alive, -1);
    ref->free(ref);
}

void er_pool_release(errand_pool *pool) { less(er_pool_ref_of(pool), 1); }

void er_pool_ref_open(er_pool_ref *ref)
{
    ref->count = OPEN;
    ref->generation = er_fork_generation();
    er_add_relaxed(&alive, 1);
}

void er_pool_ref_close(er_pool_ref *ref) { less(ref, OPEN); }
int er_pools_alive(void) { return er_load_relaxed(&alive); }
