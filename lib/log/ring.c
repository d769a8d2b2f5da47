/* log/ring.c -- a ring of bytes behind ring.h.
 *
 * put and taken count bytes and never wrap in practice (64 bits), so put - taken is what is
 * used, and full cannot be mistaken for empty. A record lies in one piece: what does not fit
 * before the end of the memory begins at its start, and a header SKIP stands before the rest.
 * Everything is a multiple of 8, so a header always fits before the end.
 *
 *     | free | record | record | record | SKIP ... |          taken ---> put
 *
 * A record takes at most half of the ring: in an empty ring either the part before the
 * end or the part before the position has that much, so the longest record always
 * finds room in the end.
 *
 * The writer reads taken only every STEP bytes. When the ring is empty then, it moves the origin,
 * so that its next record stands at the start: a thread that logs little touches the first few
 * pages alone, and finds them in its cache. Empty means that the reader has given back all there
 * was; so it has nothing to read by the old origin, and sees the new one with the next put.
 *
 * The writer fills, then moves put with release; the reader loads put with acquire, so it sees
 * what was filled. The reader moves taken when it no longer reads the bytes; the writer loads it
 * with acquire before it fills them again. */
#include "log/ring.h"

#define STEP 16384u

size_t er_ring_size(size_t wanted)
{
    size_t size = 4096;
    while (size < wanted && size < (size_t)1 << 31) size *= 2;
    return size < wanted ? 0 : size; /* a record's size has 32 bits */
}

void er_ring_init(er_ring *ring, void *memory, size_t size)
{
    *ring = (er_ring){ .at = memory, .size = size };
}

size_t er_ring_longest(const er_ring *ring) { return (size_t)ring->size / 2; }

uint64_t er_ring_used(const er_ring *ring) { return ring->next - er_load_acquire(&ring->taken); }

static void skip(er_ring *ring, uint64_t bytes)
{
    size_t room;
    er_record *here = (er_record *)(void *)er_ring_here(ring, &room);
    *here = (er_record){ (uint32_t)bytes, ER_RING_SKIP };
    ring->next += bytes; /* is shown with the record that comes next */
}

char *er_ring_reserve(er_ring *ring, size_t size)
{
    if (size > er_ring_longest(ring)) return NULL;
    uint64_t taken = er_load_acquire(&ring->taken);
    uint64_t position = (ring->next - ring->origin) & (ring->size - 1);
    if (taken == ring->next && position >= STEP) {
        /* relaxed: seen with the record that comes next */
        er_store_relaxed(&ring->origin, ring->next);
        position = 0;
    }
    uint64_t free = ring->size - (ring->next - taken), before_end = ring->size - position;
    uint64_t skipped = size > before_end ? before_end : 0;
    if (skipped + size > free) return NULL;
    if (skipped) skip(ring, skipped);
    position = (ring->next - ring->origin) & (ring->size - 1);
    uint64_t step = STEP - (position & (STEP - 1)), most = ring->size - position;
    if (most > taken + ring->size - ring->next) most = taken + ring->size - ring->next;
    if (step < size) step = size;
    ring->limit = ring->next + (step < most ? step : most);
    return ring->at + position;
}

static const er_record *record_at(const er_ring *ring)
{
    return (const er_record *)(const void *)(ring->at +
                                             ((ring->read - ring->from) & (ring->size - 1)));
}

const er_record *er_ring_front(er_ring *ring)
{
    const er_record *record = record_at(ring);
    if (record->tag != ER_RING_SKIP) return record;
    /* never the last thing put: the record it makes way for is put with it */
    ring->read += record->size;
    return record_at(ring);
}
