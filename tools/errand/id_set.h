/* id_set.h -- which ids have been seen, and where first: 16 bytes and some room for each. */
#ifndef ID_SET_H
#define ID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_SHARDS 256

typedef struct id_slot {
    uint64_t hash, place; /* hash 0: empty */
} id_slot;

typedef struct id_set {
    struct id_shard {
        id_slot *slots;
        size_t room, used;
    } shards[ID_SHARDS];
    bool full; /* no memory: what came since is not known */
} id_set;

/* Adds the hash, not 0, of an id at this place. False: it is there, and *first is its place. */
bool id_set_add(id_set *set, uint64_t hash, uint64_t place, uint64_t *first);
void id_set_free(id_set *set);

#endif
