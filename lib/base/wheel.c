/* base/wheel.c -- hierarchical timing wheel.
 *
 * Level l has 256 slots of 256^l ticks each. A node sits at the lowest level on which its tick
 * and the wheel's `now` fall into the same turn, in the slot of its own digit there: so level 0
 * holds what is due within this turn of 256 ticks, and a slot of level l is spread over the
 * levels below when `now` enters it ("cascading"). A bit for each slot says whether it holds
 * anything, so empty stretches are skipped. Arming and disarming touch the node, its two
 * neighbours and its slot.
 *
 * What is not due for four seconds is only kept in a list: most timers are cancelled long
 * before, and a list of neighbours is cheaper to enter and to leave than a slot at random. Two
 * seconds before the first of them may be due they are put into the wheel, some at each advance,
 * so that none of these takes long.
 *
 * Invariant between calls: no armed node has at <= now, and slots at or before now's digit are
 * empty on every level. */
#include "base/wheel.h"

#define MASK    (ER_WHEEL_SLOTS - 1)
#define FAR     8192 /* ticks: 4.3 s */
#define AHEAD   4096 /* before the first of those far is due */
#define AT_ONCE 2048

static unsigned digit(int64_t tick, int level)
{
    return (unsigned)(tick >> (level * ER_WHEEL_BITS)) & MASK;
}

static void set_busy(er_wheel *w, int level, unsigned slot)
{
    w->busy[level][slot / 64] |= UINT64_C(1) << (slot % 64);
}
static void clear_busy(er_wheel *w, int level, unsigned slot)
{
    w->busy[level][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

/* The first busy slot at or after from, or -1. */
static int next_busy(const er_wheel *w, int level, unsigned from)
{
    for (unsigned word = from / 64; word < ER_WHEEL_SLOTS / 64; word++) {
        uint64_t bits = w->busy[level][word];
        if (word == from / 64) bits &= ~UINT64_C(0) << (from % 64);
        if (bits) return (int)(word * 64) + __builtin_ctzll(bits);
    }
    return -1;
}

void er_wheel_init(er_wheel *w, int64_t now_ns)
{
    *w = (er_wheel){ .now = now_ns >> ER_WHEEL_SHIFT };
    er_list_init(&w->far);
    for (int l = 0; l < ER_WHEEL_LEVELS; l++) {
        for (unsigned s = 0; s < ER_WHEEL_SLOTS; s++) er_list_init(&w->slots[l][s]);
    }
}

/* The level follows from the highest bit in which at and now differ; it is found again on
 * removal only to clear its bit. */
static int level_of(const er_wheel *w, int64_t at)
{
    uint64_t differ = (uint64_t)(at ^ w->now);
    int level = differ ? (63 - __builtin_clzll(differ)) / ER_WHEEL_BITS : 0;
    return level < ER_WHEEL_LEVELS ? level : ER_WHEEL_LEVELS - 1;
}

static void put(er_wheel *w, er_wheel_node *node)
{
    int level = level_of(w, node->at);
    unsigned slot = digit(node->at, level);
    er_list_push(&w->slots[level][slot], &node->node);
    set_busy(w, level, slot);
}

void er_wheel_add(er_wheel *w, er_wheel_node *node, int64_t at_ns)
{
    /* INT64_MAX ns and above, in ticks: three centuries */
    const int64_t last = (INT64_C(1) << 44) - 1;
    int64_t at = (at_ns >> ER_WHEEL_SHIFT) + 1; /* rounded up: never early */
    if (at <= w->now) at = w->now + 1;
    node->at = at < last ? at : last;
    w->armed++;
    if (node->at - w->now <= FAR) {
        put(w, node);
        return;
    }
    if (er_list_empty(&w->far) || node->at < w->far_first) w->far_first = node->at;
    er_list_push(&w->far, &node->node);
}

/* Before the wheel is turned to that tick. */
static void bring_near(er_wheel *w, int64_t to)
{
    if (er_list_empty(&w->far) || to < w->far_first - AHEAD) return;
    bool all = to >= w->far_first;
    for (int left = AT_ONCE; !er_list_empty(&w->far) && (all || left > 0); left--)
        put(w, er_of(er_list_pop(&w->far), er_wheel_node, node));
}

void er_wheel_remove(er_wheel *w, er_wheel_node *node)
{
    bool alone = node->node.next == node->node.prev; /* then both are its slot's head */
    er_node *head = node->node.next;
    er_list_remove(&node->node);
    if (node->at < 0) return;
    w->armed--;
    if (!alone || head == &w->far.head) return;
    size_t index = (size_t)((er_list *)(void *)head - &w->slots[0][0]);
    clear_busy(w, (int)(index / ER_WHEEL_SLOTS), (unsigned)(index % ER_WHEEL_SLOTS));
}

/* The first tick after now at which a slot is to be worked off; -1: none. */
static int64_t next_tick(const er_wheel *w)
{
    for (int level = 0; level < ER_WHEEL_LEVELS; level++) {
        unsigned from = digit(w->now, level) + 1;
        int slot = from < ER_WHEEL_SLOTS ? next_busy(w, level, from) : -1;
        if (slot < 0) continue;
        int shift = level * ER_WHEEL_BITS;
        int64_t turn = level == ER_WHEEL_LEVELS - 1
                           ? 0
                           : (w->now >> (shift + ER_WHEEL_BITS)) << (shift + ER_WHEEL_BITS);
        /* a lower level is always nearer than a higher one */
        return turn + ((int64_t)slot << shift);
    }
    return -1;
}

void er_wheel_advance(er_wheel *w, int64_t now_ns, er_list *due)
{
    int64_t to = now_ns >> ER_WHEEL_SHIFT;
    bring_near(w, to);
    while (w->now < to) {
        int64_t tick = w->armed ? next_tick(w) : -1;
        if (tick < 0 || tick > to) {
            w->now = to; /* nothing lies between, so no slot on the way had to be spread */
            return;
        }
        w->now = tick;
        for (int level = ER_WHEEL_LEVELS - 1; level >= 0;
             level--) { /* spread those that begin at this tick, highest first */
            unsigned slot = digit(tick, level);
            if (tick & ((INT64_C(1) << (level * ER_WHEEL_BITS)) - 1)) continue;
            if (er_list_empty(&w->slots[level][slot])) continue;
            er_list here;
            er_list_take_all(&here, &w->slots[level][slot]);
            clear_busy(w, level, slot);
            for (er_node *n; (n = er_list_pop(&here));) {
                er_wheel_node *node = er_of(n, er_wheel_node, node);
                if (node->at <= tick) {
                    w->armed--;
                    node->at = -1;
                    er_list_push(due, n);
                } else {
                    put(w, node);
                }
            }
        }
    }
}

int64_t er_wheel_next_ns(const er_wheel *w)
{
    int64_t tick = w->armed ? next_tick(w) : -1;
    if (!er_list_empty(&w->far)) {
        int64_t bring = w->far_first - AHEAD > w->now ? w->far_first - AHEAD : w->now + 1;
        if (tick < 0 || bring < tick) tick = bring;
    }
    int64_t ns;
    return tick < 0 || __builtin_mul_overflow(tick, INT64_C(1) << ER_WHEEL_SHIFT, &ns)
               ? INT64_MAX
               : ns;
}

void er_wheel_each(er_wheel *w, void (*fn)(er_wheel_node *node, void *arg), void *arg)
{
    for (int l = 0; l < ER_WHEEL_LEVELS; l++) {
        for (int s = next_busy(w, l, 0); s >= 0;
             s = s + 1 < ER_WHEEL_SLOTS ? next_busy(w, l, (unsigned)s + 1) : -1) {
            er_list_each(n, &w->slots[l][s]) fn(er_of(n, er_wheel_node, node), arg);
        }
    }
    er_list_each(n, &w->far) fn(er_of(n, er_wheel_node, node), arg);
}
