/* base/lru.h -- items by a key of text, of which the least recently used can be evicted.
 * Intrusive: an item lives in what has the key, so adding one cannot fail once there are buckets.
 * Not thread-safe: the owner's lock guards it. */
#ifndef ER_LRU_H
#define ER_LRU_H

#include "base/hash.h"
#include "base/list.h"

typedef struct er_lru_item {
    er_node used;              /* in the table's list */
    struct er_lru_item *chain; /* in its bucket; or of those that er_lru_make_room took out */
    uint64_t hash;
    const char *key; /* the owner's, and stays as it is while the item is in the table */
} er_lru_item;

typedef struct er_lru {
    uint64_t seed; /* of the hash: keys come from others */
    unsigned most; /* more are kept only if they cannot be evicted */
    unsigned count;
    uint32_t mask;
    er_lru_item **buckets; /* NULL until the first item */
    er_list used;          /* all items, the least recently used first */
} er_lru;

ER_SHARED void er_lru_init(er_lru *lru, unsigned most);
ER_SHARED void er_lru_free(er_lru *lru); /* frees the buckets; no item is in it any more */

/* Before an item is added there must be buckets. Returns false if there are none and no memory
 * for them. */
ER_SHARED bool er_lru_ready(er_lru *lru);
/* The same in two steps, for an owner that does not allocate under its lock: without the lock,
 * memory for the buckets (NULL: there are some, or no memory); then, under the lock, takes
 * *buckets, which becomes NULL, unless there are some meanwhile. */
er_lru_item **er_lru_buckets(const er_lru *lru);
bool er_lru_furnish(er_lru *lru, er_lru_item ***buckets);

/* Adds an item as the most recently used; no other has its key. */
ER_SHARED void er_lru_add(er_lru *lru, er_lru_item *item, const char *key, uint64_t hash);
ER_SHARED void er_lru_remove(er_lru *lru, er_lru_item *item);
/* Takes out the least recently used item, whatever it is. NULL: there is none. */
ER_SHARED er_lru_item *er_lru_pop(er_lru *lru);

/* Returns whether the item may be evicted without loss to the owner of `arg`. */
typedef bool er_lru_idle_fn(void *arg, er_lru_item *item);
/* Makes room for one more item. Takes out the least recently used ones that are idle, for as long
 * as there are `most` or more, and returns them as a chain. Checks 16 at most; those that are
 * not idle become the most recently used, and are checked last. */
ER_SHARED er_lru_item *er_lru_make_room(er_lru *lru, er_lru_idle_fn *idle, void *arg);

static inline uint64_t er_lru_hash(const er_lru *lru, const char *key, size_t size)
{
    return er_hash(lru->seed, key, size);
}

/* A lookup does not count as a use. */
static inline er_lru_item *er_lru_find(const er_lru *lru, const char *key, uint64_t hash)
{
    er_lru_item *item = lru->buckets ? lru->buckets[hash & lru->mask] : NULL;
    while (item && (item->hash != hash || strcmp(item->key, key) != 0)) item = item->chain;
    return item;
}

static inline void er_lru_use(er_lru *lru, er_lru_item *item)
{
    er_list_remove(&item->used);
    er_list_push(&lru->used, &item->used);
}

#endif
