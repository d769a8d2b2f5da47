/* base/wheel.h -- a hierarchical timing wheel (Varghese and Lauck, 1987): arm and disarm in
 * constant time, intrusive.
 *
 * Time is counted in ticks of 2^19 ns (about half a millisecond), rounded up, so nothing is ever
 * early. Not thread-safe: the owner's lock guards it. */
#ifndef ER_WHEEL_H
#define ER_WHEEL_H

#include "base/list.h"
#include "base/os.h"

#define ER_WHEEL_SHIFT 19
#ifndef ER_WHEEL_BITS /* a simulation makes do with 6 */
#define ER_WHEEL_BITS 8
#endif
#define ER_WHEEL_SLOTS  (1 << ER_WHEEL_BITS)
#define ER_WHEEL_LEVELS 6 /* 2^48 ticks: four thousand years */

typedef struct er_wheel_node {
    er_node node; /* listed: armed, or in a list of due ones */
    int64_t at;   /* the tick it is due at; -1: moved to a list of due ones */
} er_wheel_node;

typedef struct er_wheel {
    int64_t now; /* the tick that has been worked off */
    size_t armed;
    uint64_t busy[ER_WHEEL_LEVELS][ER_WHEEL_SLOTS / 64]; /* a bit for each slot that is not empty */
    er_list slots[ER_WHEEL_LEVELS][ER_WHEEL_SLOTS];
    er_list far;       /* those that are not due for seconds, in no order */
    int64_t far_first; /* none of them is due before this tick */
} er_wheel;

void er_wheel_init(er_wheel *wheel, int64_t now_ns);
void er_wheel_add(er_wheel *wheel, er_wheel_node *node, int64_t at_ns);
void er_wheel_remove(er_wheel *wheel, er_wheel_node *node); /* must be listed, here or as due */
/* Moves all that is due at now_ns to the end of due, earliest first. */
void er_wheel_advance(er_wheel *wheel, int64_t now_ns, er_list *due);
/* A time before which nothing is due and at which it is worth advancing;
 * INT64_MAX: nothing is armed. */
int64_t er_wheel_next_ns(const er_wheel *wheel);
/* Calls fn for all that are armed. */
void er_wheel_each(er_wheel *wheel, void (*fn)(er_wheel_node *node, void *arg), void *arg);

#endif
