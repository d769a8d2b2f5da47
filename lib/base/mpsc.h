/* base/mpsc.h -- a ring that any thread puts into without a lock, and one at a time takes out of.
 *
 *     put:   a place is given out (tail, one compare-and-swap) --> filled
 *     take:  the oldest place, if it is filled --> emptied (head)
 *
 * A place that is given out and not filled yet holds up those behind it: they can be seen
 * (er_mpsc_holds), not taken. Its putter is between two instructions, so a taker that needs all
 * items waits for it. `limit` is how far the taker lets the tail go; never more than the ring
 * beyond head, so that a place that is given out is empty. All wraps.
 *
 * What a putter does after put, and what a taker has done before holds or take, are in one
 * order for all (sequential consistency): of two that first write and then look for the
 * other, one sees the other. */
#ifndef ER_MPSC_H
#define ER_MPSC_H

#include "base/atomic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef ER_MPSC /* a simulation makes do with fewer */
#define ER_MPSC 1024
#endif

typedef struct er_mpsc {
    uint32_t tail, limit; /* atomic */
    char apart[ER_LINE];
    void *ring[ER_MPSC]; /* atomic */
    uint32_t head;       /* the taker's; atomic for other readers */
} er_mpsc;

/* False: it is full. */
static inline bool er_mpsc_put(er_mpsc *q, void *what)
{
    uint32_t at = er_load_relaxed(&q->tail); /* relaxed: the exchange looks again */
    do {
        /* acquire: what the taker emptied is empty */
        if ((int32_t)(er_load_acquire(&q->limit) - at) <= 0) return false;
    } while (!er_cas(&q->tail, &at, at + 1));
    er_store(&q->ring[at % ER_MPSC], what);
    return true;
}

/* Something has been put, or is being put. */
static inline bool er_mpsc_holds(const er_mpsc *q)
{
    return er_load(&q->tail) != er_load_relaxed(&q->head); /* relaxed: the taker's own, or a hint */
}

/* ---- by the taker ---- */

static inline void *er_mpsc_take(er_mpsc *q) /* NULL: nothing that can be taken now */
{
    uint32_t at = q->head;
    void *what = er_load(&q->ring[at % ER_MPSC]);
    if (!what) return NULL;
    /* relaxed: er_mpsc_admit precedes the place's next use */
    er_store_relaxed(&q->ring[at % ER_MPSC], NULL);
    er_store_relaxed(&q->head, at + 1);
    return what;
}

static inline uint32_t er_mpsc_end(const er_mpsc *q) { return er_load(&q->tail); }
static inline bool er_mpsc_reached(const er_mpsc *q, uint32_t end)
{
    return (int32_t)(q->head - end) >= 0;
}

/* what is taken after that many; NULL: not known */
static inline void *er_mpsc_next(const er_mpsc *q, uint32_t after)
{
    /* relaxed: a hint, to fetch it early */
    return er_load_relaxed(&q->ring[(q->head + after) % ER_MPSC]);
}

/* Up to `room` more items may be put from now on. */
static inline void er_mpsc_admit(er_mpsc *q, size_t room)
{
    /* release: with what er_mpsc_take emptied */
    er_store_release(&q->limit, q->head + (uint32_t)(room < ER_MPSC ? room : ER_MPSC));
}

#endif
