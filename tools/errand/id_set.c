/* id_set.c -- open addressing in many small tables, so that growing one of them takes no memory
 * worth counting beside the others. */
#include "id_set.h"

#include <stdlib.h>

#define ROOM_LEAST 16

static id_slot *find(id_slot *slots, size_t room, uint64_t hash)
{
    size_t i =
        (size_t)((unsigned __int128)(hash << 8) * room >> 64); /* the shard's bits are gone */
    while (slots[i].hash && slots[i].hash != hash) i = i + 1 < room ? i + 1 : 0;
    return &slots[i];
}

static bool grow(struct id_shard *shard)
{
    size_t room = shard->room ? shard->room + shard->room / 4 : ROOM_LEAST;
    id_slot *slots = calloc(room, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < shard->room; i++) {
        if (shard->slots[i].hash) *find(slots, room, shard->slots[i].hash) = shard->slots[i];
    }
    free(shard->slots);
    shard->slots = slots;
    shard->room = room;
    return true;
}

bool id_set_add(id_set *set, uint64_t hash, uint64_t place, uint64_t *first)
{
    struct id_shard *shard = &set->shards[hash >> 56];
    if (shard->used + 1 > shard->room / 5 * 4 && !grow(shard)) {
        set->full = true;
        return true;
    }
    id_slot *slot = find(shard->slots, shard->room, hash);
    if (slot->hash) {
        *first = slot->place;
        return false;
    }
    *slot = (id_slot){ hash, place };
    shard->used++;
    return true;
}

void id_set_free(id_set *set)
{
    for (size_t i = 0; i < ID_SHARDS; i++) free(set->shards[i].slots);
    *set = (id_set){ 0 };
}
