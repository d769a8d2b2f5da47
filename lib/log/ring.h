/* log/ring.h -- records of bytes on their way from a writer to a reader, in the order they were put.
 *
 * One writer at a time (its owner sees to that) and one reader, each on a thread of its own; neither waits for the
 * other. */
#ifndef ER_RING_H
#define ER_RING_H

#include "base/os.h"

typedef struct er_ring {
    char    *at;
    uint64_t size;     /* a power of two                                              */
    uint64_t put;      /* how far the writer has come, in bytes since the beginning   */
    uint64_t taken;    /* how far the reader has given room back                      */
    uint64_t reserved; /* the writer's own: put, once the reserved record is committed */
    uint64_t read;     /* the reader's own: how far it has looked                     */
} er_ring;

/* size: rounded up to a power of two, at least 4 KiB. EINVAL: beyond any memory. */
int  er_ring_open(er_ring *ring, size_t size);
void er_ring_close(er_ring *ring);

size_t er_ring_longest(const er_ring *ring); /* the longest record; it fits whenever the ring is empty */

/* Room for a record, aligned to 8; NULL: none now, or longer than the longest. commit shows it to the reader. */
void *er_ring_reserve(er_ring *ring, size_t size);
void  er_ring_commit(er_ring *ring);

/* The reader's next record, or NULL. What it has looked at stays until er_ring_release gives all of it back. */
const void *er_ring_next(er_ring *ring, size_t *size);
bool        er_ring_more(const er_ring *ring); /* would next find one? */
void        er_ring_release(er_ring *ring);

uint64_t er_ring_used(const er_ring *ring); /* bytes not given back yet, as the writer sees it */

#endif
