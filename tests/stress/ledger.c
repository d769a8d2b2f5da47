/* tests/stress/ledger.c -- see ledger.h. One list, pushed to without a lock, walked when no
 * other thread is left. */
#include "stress/ledger.h"

#include "stress/scarcity.h"

#include <stdlib.h>

static entry *all; /* atomic */

static unsigned up(unsigned *n) { return __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }
static unsigned of(const unsigned *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }

entry *ledger_add(entry_kind kind, uint64_t seed)
{
    bool before = scarcity_spare(true);
    entry *e = calloc(1, sizeof *e);
    scarcity_spare(before);
    if (!e) abort();
    e->kind = kind;
    e->seed = seed;
    e->next = __atomic_load_n(&all, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&all, &e->next, e, true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED))
        continue;
    return e;
}

unsigned ledger_enter(entry *e)
{
    HOLDS(!of(&e->freed), "an arg of seed %llx is used after it was freed",
          (unsigned long long)e->seed);
    unsigned inside = up(&e->inside), n = up(&e->calls);
    HOLDS(inside == 1 || e->overlaps, "what may not overlap is called twice at once (kind %d)",
          (int)e->kind);
    HOLDS(n == 1 || (e->kind != ENTRY_THEN && e->kind != ENTRY_WATCHER && e->kind != ENTRY_PROMISE),
          "called %u times (kind %d)", n, (int)e->kind);
    return n - 1;
}

void ledger_leave(entry *e)
{
    HOLDS(!of(&e->freed), "an arg was freed while its function ran");
    __atomic_sub_fetch(&e->inside, 1, __ATOMIC_SEQ_CST);
}

void ledger_freed(void *arg)
{
    entry *e = arg;
    HOLDS(!of(&e->inside), "an arg is freed while its function runs");
    unsigned n = up(&e->freed);
    HOLDS(n == 1, "freed %u times (kind %d)", n, (int)e->kind);
}

errand_result ledger_value(uint64_t seed)
{
    return errand_ok(ledger_add(ENTRY_VALUE, seed), ledger_freed);
}

void ledger_look(const errand_result *r)
{
    if (r->free != ledger_freed) return;
    const entry *e = r->value;
    HOLDS(e->kind == ENTRY_VALUE && !of(&e->freed), "a value that was freed is given out");
}

static void check_one(const entry *e)
{
    bool owned = e->kind == ENTRY_ARG || e->kind == ENTRY_VALUE;
    HOLDS(!e->inside, "it is still inside a call (kind %d)", (int)e->kind);
    HOLDS(!owned || e->freed == 1, "%s of seed %llx was freed %u times",
          e->kind == ENTRY_ARG ? "an arg" : "a value", (unsigned long long)e->seed, e->freed);
    HOLDS(e->kind != ENTRY_THEN || e->calls == 1, "a then-function was called %u times", e->calls);
    HOLDS(e->kind != ENTRY_WATCHER || e->calls == e->wanted,
          "a watcher was called %u times, not %u", e->calls, e->wanted);
}

void ledger_check(void)
{
    for (entry *e; (e = all);) {
        check_one(e);
        all = e->next;
        free(e);
    }
}
