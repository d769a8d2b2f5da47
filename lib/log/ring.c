/* log/ring.c -- a ring of bytes behind ring.h.
 *
 * put and taken count bytes and never wrap in practice (64 bits), so that put - taken is what is used and full cannot
 * be mistaken for empty. A record is a header of 8 bytes (its size) and its bytes, rounded up to 8, and lies in one
 * piece: what does not fit before the end of the memory begins at its start, and a header SKIP fills the rest.
 * Everything is a multiple of 8, so a header always fits before the end.
 *
 *     | free | record | record | record | SKIP ... |          taken ---> put
 *
 * A record takes at most half of the ring with its header: in an empty ring either the part before the end or the part
 * before the position has that much, so the longest record always finds room in the end.
 *
 * The writer fills, then moves put with release; the reader loads put with acquire, so it sees what was filled. The
 * reader moves taken with release when it looks at the bytes no more; the writer loads it with acquire before it fills
 * them anew. */
#include "log/ring.h"
#include "base/atomic.h"

#include <errno.h>

#define HEADER sizeof(uint64_t)
#define SKIP   UINT64_MAX

static uint64_t span_of(uint64_t size) { return HEADER + ((size + 7) & ~(uint64_t)7); }

static uint64_t *header_at(const er_ring *ring, uint64_t position)
{
    return (uint64_t *)(void *)(ring->at + (position & (ring->size - 1)));
}

int er_ring_open(er_ring *ring, size_t size)
{
    size_t rounded = 4096;
    while (rounded < size && rounded <= SIZE_MAX / 4) rounded *= 2;
    *ring = (er_ring){ 0 };
    if (rounded < size) return EINVAL;
    ring->at = er_alloc(rounded);
    ring->size = rounded;
    return ring->at ? 0 : ENOMEM;
}

void er_ring_close(er_ring *ring)
{
    er_free(ring->at);
    *ring = (er_ring){ 0 };
}

size_t er_ring_longest(const er_ring *ring) { return (size_t)(ring->size / 2 - HEADER); }

uint64_t er_ring_used(const er_ring *ring)
{
    return er_load_relaxed(&ring->put) - er_load_acquire(&ring->taken); /* put is the writer's own */
}

void *er_ring_reserve(er_ring *ring, size_t size)
{
    if (size > er_ring_longest(ring)) return NULL;
    uint64_t put = ring->put; /* nobody else moves it */
    uint64_t free = ring->size - (put - er_load_acquire(&ring->taken));
    uint64_t before_end = ring->size - (put & (ring->size - 1));
    uint64_t span = span_of(size);
    uint64_t skip = span > before_end ? before_end : 0;
    if (skip + span > free) return NULL;
    if (skip) *header_at(ring, put) = SKIP;
    put += skip;
    *header_at(ring, put) = size;
    ring->reserved = put + span;
    return header_at(ring, put) + 1;
}

void er_ring_commit(er_ring *ring) { er_store_release(&ring->put, ring->reserved); }

bool er_ring_more(const er_ring *ring) { return ring->read != er_load_acquire(&ring->put); }

const void *er_ring_next(er_ring *ring, size_t *size)
{
    if (!er_ring_more(ring)) return NULL;
    uint64_t *header = header_at(ring, ring->read);
    if (*header == SKIP) { /* never the last thing put: the record it makes way for is put with it */
        ring->read += ring->size - (ring->read & (ring->size - 1));
        header = header_at(ring, ring->read);
    }
    *size = (size_t)*header;
    ring->read += span_of(*header);
    return header + 1;
}

void er_ring_release(er_ring *ring) { er_store_release(&ring->taken, ring->read); }
