/* log/ring.h -- records of bytes on their way from a writer to a reader, in the
 * order they were put.
 *
 * One writer and one reader, each a thread; neither waits for the other. A record is a header
 * and its body, aligned to 8. */
#ifndef ER_RING_H
#define ER_RING_H

#include "base/atomic.h"
#include "base/os.h"

typedef struct er_record {
    uint32_t size; /* with this header, a multiple of 8 */
    uint32_t tag;  /* the writer's word                 */
} er_record;
#define ER_RING_SKIP UINT32_MAX /* the one tag that is not the writer's */

typedef struct er_ring {
    char *at;
    /* a power of two */
    uint64_t size;
    /* atomic: how far the writer has come, in bytes since the beginning */
    uint64_t put;
    /* the writer's own: where its next record goes */
    uint64_t next;
    uint64_t limit; /* the writer's own: it need not read taken before it is here */
    /* atomic: the count that stands at the start of the memory; changes when all is empty */
    uint64_t origin;
    char apart[ER_LINE - 48];
    /* atomic: how far the reader has given room back */
    uint64_t taken;
    /* the reader's own: how far it has looked */
    uint64_t read;
    /* the reader's own: origin */
    uint64_t from;
} er_ring;

/* How large such a ring will be: a power of two, at least 4 KiB. 0: beyond any memory. */
size_t er_ring_size(size_t wanted);
void er_ring_init(er_ring *ring, void *memory, size_t size);
/* the longest record; it fits whenever the ring is empty */
size_t er_ring_longest(const er_ring *ring);

/* The writer. Where the next record's header may stand, and how much there is in one piece
 * without asking the reader. */
static inline char *er_ring_here(const er_ring *ring, size_t *room)
{
    *room = (size_t)(ring->limit - ring->next);
    return ring->at + ((ring->next - ring->origin) & (ring->size - 1));
}
/* Where a record of this size may stand; NULL: there is no room now, or it is
 * longer than the longest. */
char *er_ring_reserve(er_ring *ring, size_t size);
/* Shows the record that begins where `here` or `reserve` said. strict: as seen from all
 * other atomic steps, too. */
static inline void er_ring_commit(er_ring *ring, char *record, size_t size, uint32_t tag,
                                  bool strict)
{
    er_record header = { (uint32_t)size, tag };
    __builtin_memcpy(record, &header, sizeof header);
    ring->next += size;
    if (strict) er_store(&ring->put, ring->next);
    /* release: a reader that sees put sees the record */
    else er_store_release(&ring->put, ring->next);
}
uint64_t er_ring_used(const er_ring *ring); /* bytes not given back yet, as the writer sees it */

/* The reader. How far the writer has come; the same, to read up to there; the record that stands
 * at read, which is not there yet; past it; room for others. */
static inline uint64_t er_ring_put(const er_ring *ring)
{
    return er_load_acquire(&ring->put); /* acquire: the records before it are seen */
}
static inline uint64_t er_ring_look(er_ring *ring)
{
    uint64_t put = er_ring_put(ring);
    ring->from = er_load_relaxed(&ring->origin); /* relaxed: ordered by put; see ring.c */
    return put;
}
const er_record *er_ring_front(er_ring *ring);
static inline void er_ring_pass(er_ring *ring, const er_record *record)
{
    ring->read += record->size;
}
static inline void er_ring_release(er_ring *ring)
{
    er_store(&ring->taken, ring->read); /* sequentially consistent: `waiting` is read next */
}

#endif
