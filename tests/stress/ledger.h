/* tests/stress/ledger.h -- an entry for everything that must happen exactly once.
 * Entries live until the round is over, so that a second call or a second free is seen
 * and is no fault by itself. */
#ifndef LEDGER_H
#define LEDGER_H

#include "stress/dice.h"
#include "stress/watchdog.h"

#include <errand.h>

typedef enum entry_kind {
    /* freed once, after its last call; never two calls at once, unless it may overlap */
    ENTRY_ARG,
    ENTRY_VALUE,   /* freed once */
    ENTRY_THEN,    /* called once */
    ENTRY_WATCHER, /* called as often as `wanted` */
    ENTRY_PROMISE, /* its hook is called once at most, and never once it is resolved */
    ENTRY_CALL     /* without an arg to free, as a periodic task: never two calls at once */
} entry_kind;

typedef struct entry {
    struct entry *next;
    entry_kind kind;
    unsigned calls, inside, freed, hands; /* atomic */
    unsigned wanted;
    unsigned depth; /* of what it composes, at most */
    unsigned chain; /* errand_later calls in a row */
    bool simple;    /* it runs under a permit or a flight: it may wait for neither */
    bool overlaps;  /* it may be called while it is called */
    uint64_t seed;
    errand_future *future; /* of a watcher */
    errand_watcher watcher;
    errand_promise *promise;
    struct entry *queued; /* among the promises to be resolved */
} entry;

entry *ledger_add(entry_kind kind, uint64_t seed);

/* Around each call of the entry's function. Returns the number of the call, from 0. */
unsigned ledger_enter(entry *e);
void ledger_leave(entry *e);
void ledger_freed(void *e); /* an errand_free_fn */

/* A value with an entry; and a check that a result's value has not been freed yet. */
errand_result ledger_value(uint64_t seed);
void ledger_look(const errand_result *r);

/* At the end of a round: everything has happened as often as it should. Empties the ledger. */
void ledger_check(void);

#endif
