/* async/live.c -- lists of what is alive at a pool.
 *
 * There are several, each with a lock of its own, on a cache line of its own; where one is
 * listed follows from its address. So threads that make and end things at the same time seldom
 * meet, and each pays for one free lock at the beginning and one at the end.
 *
 * A dump walks a list under its lock and counts what it finds; what ends leaves its list before
 * it does anything else, so the dump never counts what is gone. Afterwards, without any lock,
 * what was found is described and released. */
#include "async/live.h"

#include <stdarg.h>
#include <string.h>

#define LISTS 16

struct er_live_list {
    _Alignas(ER_LINE) er_lock lock;
    er_list list;
};
typedef struct er_live_list er_live_list;

struct er_live_list *er_live_lists_new(void)
{
    er_live_list *lists = er_alloc_aligned(ER_LINE, LISTS * sizeof *lists);
    for (int i = 0; lists && i < LISTS; i++) {
        lists[i].lock = (er_lock){ 0 };
        er_list_init(&lists[i].list);
    }
    return lists;
}

void er_describe(er_description *d, const char *fmt, ...)
{
    size_t size = strlen(d->state);
    va_list args;
    va_start(args, fmt);
    er_vformat(d->state + size, sizeof d->state - size, fmt, args);
    va_end(args);
}

static er_live_list *list_of(errand_pool *pool, const er_live *live)
{
    uint64_t bits = (uint64_t)(uintptr_t)live *
                    UINT64_C(0x9e3779b97f4a7c15); /* Fibonacci hashing: the high bits are mixed */
    return &er_pool_ref_of(pool)->live[bits >> 32 & (LISTS - 1)];
}

void er_live_add(errand_pool *pool, er_live *live)
{
    if (er_pool_dead(pool)) return; /* a thread of the parent may hold the lock for good */
    er_live_list *list = list_of(pool, live);
    er_lock_take(&list->lock);
    er_list_push(&list->list, &live->node);
    er_lock_give(&list->lock);
}

void er_live_remove(errand_pool *pool, er_live *live)
{
    if (er_pool_dead(pool)) return;
    er_live_list *list = list_of(pool, live);
    er_lock_take(&list->lock);
    er_list_remove(&live->node);
    er_lock_give(&list->lock);
}

void er_live_each(errand_pool *pool, void (*fn)(er_live *live, void *arg), void *arg)
{
    for (int i = 0; i < LISTS; i++) {
        er_live_list *list = &er_pool_ref_of(pool)->live[i];
        er_lock_take(&list->lock);
        er_list_each(n, &list->list) fn(er_of(n, er_live, node), arg);
        er_lock_give(&list->lock);
    }
}
