/* async/cell.h -- the cell: the inside of a future. Every asynchronous operation ends in
 * er_cell_end. See cell.c. */
#ifndef ER_CELL_H
#define ER_CELL_H

#include "base/atomic.h"
#include "base/os.h"
#include "base/result.h"
#include "async/live.h"

#include <errand/future.h>

#include <errno.h>

typedef errand_future er_cell;

/* A call at a cell's end; lives in what waits. fn runs on the ending thread, with no lock held,
 * once the result is set; short, and no user code. Once fn is called the waiter's memory is the
 * caller's again. */
typedef struct er_waiter {
    struct er_waiter *next;
    struct er_waiter **at; /* the link that leads here; NULL: it has been taken back */
    er_cell *cell;         /* what it waits for */
    void (*fn)(struct er_waiter *self);
} er_waiter;

typedef struct er_label {
    const char *name; /* NULL: none */
    const void *site; /* where it was submitted; NULL: unknown */
} er_label;

typedef struct er_cell_kind {
    /* The first cancel of the cell. No lock is held. It cancels what it waits for by
     * er_cell_pass_on, so that a cancel of inputs of inputs of any depth takes the same stack.
     * NULL: nothing to do. */
    void (*cancel)(er_cell *cell, errand_reason reason);
    /* The last count is gone: frees what the kind added (not the result) and the memory. */
    void (*free)(er_cell *cell);
    /* Tasks only: on a worker. The caller keeps its count. */
    void (*run)(er_cell *cell);
    /* Tasks only: ends a claimed one unrun. */
    void (*refuse)(er_cell *cell, errand_result why);
    /* What must end before this one can: the i-th of them, counted, or NULL if it has ended.
     * False past the end. NULL: what it waits for is not known, or it may end without it. */
    bool (*input)(er_cell *cell, size_t i, er_cell **input);
    /* it goes on before all of its inputs have ended: as soon as one has, or as
     * many as `wanted` returns */
    bool any;
    /* How many more of its inputs must end, in the best case. Called after `input`: what that
     * has left out is not wanted any more. */
    size_t (*wanted)(er_cell *cell);
    /* Its name and where it was submitted, for reports. Takes no lock. NULL in
     * kinds that have neither. */
    er_label (*label)(const er_cell *cell);
    /* The pool that must have a free thread, or room in its queue, before this cell
     * goes on; kept by the cell. Returns NULL where there is none, and is NULL in kinds
     * that never need one. */
    errand_pool *(*needs)(er_cell *cell);
    bool service;     /* tasks only: it keeps its thread for long */
    const char *what; /* the word for it in a dump */
    /* Adds its key, what it does and what it waits for, and its name if it has no label; the rest
     * is set already. For a dump: the caller has a count and holds no lock. It may end meanwhile.
     * NULL: nothing to add. */
    void (*describe)(er_cell *cell, er_description *d);
} er_cell_kind;

typedef struct er_begun { /* of a cell that is listed as alive, or asleep */
    er_live live;
    int64_t since_ns; /* er_coarse_ns */
} er_begun;

struct errand_future {
    uint32_t state; /* see cell.c */
    uint32_t count;
    const er_cell_kind *kind;
    errand_pool *pool;    /* kept alive by the cell; NULL: it never had one */
    er_waiter *waiters;   /* under the cell's lock bit */
    er_cell *cancel_next; /* cancelled, its kind's cancel still to be called; cell.c */
    union {
        errand_result result; /* the claimer's until ENDED, then the owner's */
        er_begun begun;       /* before the end, of what is LISTED */
    };
};
_Static_assert(sizeof(er_begun) <= sizeof(errand_result), "being listed takes no memory");

enum {
    ER_CLAIMED = 1,     /* one caller alone may end it */
    ER_ENDED = 2,       /* the result is set, and stays */
    ER_LOCKED = 4,      /* waiters and the kind's links are being changed */
    ER_WATCHED = 8,     /* waiters is not empty */
    ER_FIXED = 16,      /* static: not counted */
    ER_ABANDONED = 32,  /* left behind: counted as abandoned until it ends */
    ER_MARKED = 64,     /* for finding a future that is in an array twice */
    ER_DROPPED = 128,   /* its owner discards the result */
    ER_CONSUMED = 2048, /* debug builds: it has been consumed */
    ER_UNDONE = 4096,   /* it has ended, and nothing was done that a repeat could do twice */
    ER_LISTED = 8192,   /* until it ends it is listed as alive; `begun` holds, not result */
    ER_REASON = 8       /* from this bit on: the reason of its cancel */
};

/* A new cell counts 1 for its owner. pool may be NULL. */
void er_cell_init(er_cell *cell, const er_cell_kind *kind, errand_pool *pool);
static inline er_cell *er_cell_keep(er_cell *cell)
{
    /* relaxed: the caller has a count already */
    if (!(er_load_relaxed(&cell->state) & ER_FIXED)) er_add_relaxed(&cell->count, 1);
    return cell;
}
void er_cell_release(er_cell *cell);

/* Lists a new cell, which no other thread knows, for the dump until it ends. Not for kinds that
 * use its result before. */
void er_cell_list(er_cell *cell, const void *site);
/* Takes a cell that never ends out of the list. */
void er_cell_unlist(er_cell *cell);

/* Describes it as its kind does. Leaves d->what NULL if it has ended. */
void er_cell_describe(er_cell *cell, er_description *d);
/* Adds ", waits for promise x" or the like: what it is and its name, not what it
 * waits for in its turn. */
void er_describe_input(er_description *d, const char *verb, const er_cell *input);

static inline bool er_cell_ended(const er_cell *cell)
{
    return er_load_acquire(&cell->state) & ER_ENDED; /* acquire: then its result can be read */
}
static inline errand_reason er_cell_cancelled(const er_cell *cell)
{
    return (errand_reason)(er_load(&cell->state) >> ER_REASON & 7);
}

static inline er_label er_cell_label(const er_cell *cell)
{
    return cell->kind->label ? cell->kind->label(cell) : (er_label){ NULL, NULL };
}
static inline errand_pool *er_cell_needs(er_cell *cell)
{
    return cell->kind->needs ? cell->kind->needs(cell) : NULL;
}

/* True for exactly one caller, which must end the cell. */
bool er_cell_claim(er_cell *cell);
static inline bool er_cell_claimed(const er_cell *cell)
{
    return er_load(&cell->state) & ER_CLAIMED;
}
/* By the claimer, once. Owns result; waiters are called before this returns, or, inside another
 * ending on the same thread, soon after. The caller must hold a count. */
void er_cell_end(er_cell *cell, errand_result result);
/* Claims and ends; if it was claimed before, frees the result and returns false. */
bool er_cell_try_end(er_cell *cell, errand_result result);

/* Registers a waiter; false: it has ended already, and fn will not be called. */
bool er_cell_watch(er_cell *cell, er_waiter *waiter);
/* False: fn has been or is being called. */
bool er_cell_unwatch(er_cell *cell, er_waiter *waiter);

/* User code that runs inside an ending (a then-function without a pool) lets go of the list of
 * waiters first, so that the waiters of what it ends are called at once; before this thread waits,
 * the waiters still on the list are called. */
bool er_endings_let_go(void);
/* linked by next, in order: calls them as those of a cell */
void er_endings_call(er_waiter *waiters);
void er_endings_hold(bool held);
void er_endings_work_off(void);

/* Takes the result out of an ended cell; the owner does, once. */
errand_result er_cell_take(er_cell *cell);
/* Gives the owner's count back; the result is freed as soon as it is set, even while others hold
 * the cell. */
void er_cell_drop(er_cell *cell);

/* The error of what ends for that reason. */
static inline int er_cancel_error(errand_reason reason)
{
    return reason == ERRAND_BY_TOTAL || reason == ERRAND_BY_ATTEMPT ? ETIMEDOUT : ECANCELED;
}

/* Cancels it, and all that it passes this on to. The caller must hold a count, or own it. */
ER_SHARED void er_cell_cancel(er_cell *cell, errand_reason reason);

/* The same, but from inside a kind's cancel only soon after that has returned (before
 * any waiter is called). */
void er_cell_pass_on(er_cell *cell, errand_reason reason);

/* Leaves the cell behind: nothing waits for its end any more. */
void er_cell_abandon(er_cell *cell);

/* Whether its work may have been done. A cancelled cell that has not ended counts as under way. */
bool er_cell_may_have_run(const er_cell *cell);

/* Cancels it and leaves it behind. Returns `instead`, which then says whether its work may have
 * been done. */
errand_result er_cell_leave(er_cell *cell, errand_reason reason, errand_result instead);

/* For a consumed cell that cannot be used: leaves it behind, drops it, and returns one that has
 * failed with `why`. */
er_cell *er_cell_refuse(er_cell *cell, errand_result why);

/* The lock bit: a few instructions long, never across a call. */
void er_cell_lock(er_cell *cell);
void er_cell_unlock(er_cell *cell);

/* A link to another cell that may be read by a canceller at any time: changed
 * under the lock bit only. */
void er_cell_link(er_cell *cell, er_cell **link, er_cell *to);
er_cell *er_cell_linked(er_cell *cell, er_cell **link); /* counted: release it; NULL: none */
/* a kind's input, if it has one link */
bool er_cell_input_of(er_cell *cell, er_cell **link, size_t i, er_cell **input);

/* Called first by each function that consumes a future. Debug builds (--enable-debug) return false
 * if it has been consumed before, as long as its memory is not reused; others cannot know. */
#ifdef ERRAND_DEBUG
bool er_cell_consume(er_cell *cell);
void er_cell_bury(er_cell *cell); /* frees its memory, later */
#else
static inline bool er_cell_consume(er_cell *cell) { return (void)cell, true; }
static inline void er_cell_bury(er_cell *cell) { er_free(cell); }
#endif
#define ER_TWICE "this future has been consumed already"

/* An unended cell of a parent process: it can never end, and its lock bit may be held forever. */
bool er_cell_forked(const er_cell *cell);

/* A future that has ended with r: mostly a failed one, for what could not be started. Never
 * NULL: without memory, or for plain ENOMEM, it is a static cell that has failed with that. */
ER_SHARED er_cell *er_failed(errand_pool *pool, errand_result r);

#endif
