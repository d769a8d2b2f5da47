/* core/inbox.h -- a ring that any thread puts into without a lock, and one at a time takes out of.
 *
 *     put:   a place is given out (tail, one compare-and-swap) --> filled
 *     take:  the oldest place, if it is filled --> emptied (head)
 *
 * A place that is given out and not filled yet holds up those behind it: they can be seen (er_inbox_holds), not taken. Its putter
 * is between two instructions, so who must have all waits for him. `limit` is how far the taker lets the tail go; never more than
 * the ring beyond head, so that a place that is given out is empty. All wraps.
 *
 * What a putter does after put, and what a taker has done before holds or take, are in one order for all (sequential consistency):
 * of two that first write and then look for the other, one sees the other. */
#ifndef ER_INBOX_H
#define ER_INBOX_H

#include "base/atomic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef ER_INBOX /* a simulation makes do with fewer */
#define ER_INBOX 1024
#endif

typedef struct er_inbox {
    uint32_t tail, limit; /* atomic */
    char     apart[ER_LINE];
    void    *ring[ER_INBOX]; /* atomic */
    uint32_t head;           /* the taker's; atomic for who only looks */
} er_inbox;

/* False: it is full. */
static inline bool er_inbox_put(er_inbox *inbox, void *what)
{
    uint32_t at = er_load_relaxed(&inbox->tail); /* relaxed: the exchange looks again */
    do {
        /* acquire: what the taker emptied is empty */
        if ((int32_t)(er_load_acquire(&inbox->limit) - at) <= 0) return false;
    } while (!er_cas(&inbox->tail, &at, at + 1));
    er_store(&inbox->ring[at % ER_INBOX], what);
    return true;
}

/* Something has been put, or is being put. */
static inline bool er_inbox_holds(const er_inbox *inbox)
{
    return er_load(&inbox->tail) != er_load_relaxed(&inbox->head); /* relaxed: the taker's own, or a hint */
}

/* ---- by the taker ---- */

static inline void *er_inbox_take(er_inbox *inbox) /* NULL: nothing that can be taken now */
{
    uint32_t at = inbox->head;
    void *what = er_load(&inbox->ring[at % ER_INBOX]);
    if (!what) return NULL;
    er_store_relaxed(&inbox->ring[at % ER_INBOX], NULL); /* relaxed: er_inbox_admit comes before the place is given out anew */
    er_store_relaxed(&inbox->head, at + 1);
    return what;
}

static inline uint32_t er_inbox_end(const er_inbox *inbox) { return er_load(&inbox->tail); }
static inline bool er_inbox_reached(const er_inbox *inbox, uint32_t end) { return (int32_t)(inbox->head - end) >= 0; }

static inline void *er_inbox_next(const er_inbox *inbox, uint32_t after) /* what will be taken after so many; NULL: not known */
{
    return er_load_relaxed(&inbox->ring[(inbox->head + after) % ER_INBOX]); /* relaxed: a hint, to fetch it early */
}

/* So many may come in from now on. */
static inline void er_inbox_admit(er_inbox *inbox, size_t room)
{
    /* release: with what er_inbox_take emptied */
    er_store_release(&inbox->limit, inbox->head + (uint32_t)(room < ER_INBOX ? room : ER_INBOX));
}

#endif
