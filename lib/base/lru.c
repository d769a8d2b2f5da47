/* base/lru.c -- a table of chains, and a list in the order of use.
 *
 *     unknown --er_lru_add--> the most recently used --others are used--> the least
    the least --er_lru_make_room, idle--> taken out
 *
 * The array of buckets is made before the first item, as large as `most` asks for, and never
 * grows: no lock is held while items move from one array to another. Beyond 65,536 buckets, and
 * beyond `most`, chains become longer instead.
 *
 * An item that is not idle when room is made goes to the other end of the list, so that the same
 * ones are not checked each time. So room is made in constant time, also where nearly all items
 * are held; the table exceeds `most` by what it has not come to yet, and shrinks when it has. */
#include "base/lru.h"

#include "base/atomic.h"

#define BUCKETS_LEAST 16
#define BUCKETS_MOST  65536
#define LOOKS         16

void er_lru_init(er_lru *lru, unsigned most)
{
    uint32_t n = BUCKETS_LEAST;
    while (n < most && n < BUCKETS_MOST) n *= 2;
    *lru = (er_lru){ .seed = er_random(), .most = most, .mask = n - 1 };
    er_list_init(&lru->used);
}

void er_lru_free(er_lru *lru)
{
    er_free(lru->buckets);
    lru->buckets = NULL;
}

er_lru_item **er_lru_buckets(const er_lru *lru)
{
    /* relaxed: a hint, checked again under the lock */
    if (er_load_relaxed(&lru->buckets)) return NULL;
    return er_alloc_zero(((size_t)lru->mask + 1) * sizeof(er_lru_item *));
}

bool er_lru_furnish(er_lru *lru, er_lru_item ***buckets)
{
    if (!lru->buckets && *buckets) {
        er_store_relaxed(&lru->buckets, *buckets); /* relaxed: what goes through it has the lock */
        *buckets = NULL;
    }
    return lru->buckets != NULL;
}

bool er_lru_ready(er_lru *lru)
{
    er_lru_item **buckets = er_lru_buckets(lru);
    return er_lru_furnish(lru, &buckets);
}

void er_lru_add(er_lru *lru, er_lru_item *item, const char *key, uint64_t hash)
{
    er_lru_item **bucket = &lru->buckets[hash & lru->mask];
    item->key = key;
    item->hash = hash;
    item->chain = *bucket;
    *bucket = item;
    er_list_push(&lru->used, &item->used);
    lru->count++;
}

void er_lru_remove(er_lru *lru, er_lru_item *item)
{
    er_lru_item **at = &lru->buckets[item->hash & lru->mask];
    while (*at != item) at = &(*at)->chain;
    *at = item->chain;
    item->chain = NULL;
    er_list_remove(&item->used);
    lru->count--;
}

er_lru_item *er_lru_pop(er_lru *lru)
{
    er_node *node = er_list_first(&lru->used);
    er_lru_item *item = node ? er_of(node, er_lru_item, used) : NULL;
    if (item) er_lru_remove(lru, item);
    return item;
}

er_lru_item *er_lru_make_room(er_lru *lru, er_lru_idle_fn *idle, void *arg)
{
    er_lru_item *out = NULL;
    for (int looks = 0; looks < LOOKS && lru->count && lru->count >= lru->most; looks++) {
        er_lru_item *oldest = er_of(er_list_first(&lru->used), er_lru_item, used);
        if (idle(arg, oldest)) {
            er_lru_remove(lru, oldest);
            oldest->chain = out;
            out = oldest;
        } else {
            er_lru_use(lru, oldest);
        }
    }
    return out;
}
