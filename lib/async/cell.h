/* async/cell.h -- the cell: what a future is inside. All asynchronous roads meet in er_cell_end. See cell.c for the argument. */
#ifndef ER_CELL_H
#define ER_CELL_H

#include "base/atomic.h"
#include "base/os.h"
#include "base/result.h"
#include "async/live.h"

#include <errand/future.h>

#include <errno.h>

typedef errand_future er_cell;

/* Somebody who is to be told of the end. Lives in what waits. fn runs on the ending thread, with no lock held, after the
 * result is there; short, and no user code. Once fn is called the waiter's memory is the caller's again. */
typedef struct er_waiter {
    struct er_waiter  *next;
    struct er_waiter **at;   /* the link that leads here; NULL: it has been taken back */
    er_cell           *cell; /* what it waits for */
    void             (*fn)(struct er_waiter *self);
} er_waiter;

typedef struct er_label {
    const char *name; /* NULL: none */
    const void *site; /* where it was submitted; NULL: unknown */
} er_label;

typedef struct er_cell_kind {
    /* The cell has just been told to end, for the first time. No lock is held. What it waits for is told by er_cell_pass_on, so that a
     * cancel takes the same stack for inputs of inputs of any depth. NULL: nothing to do. */
    void (*cancel)(er_cell *cell, errand_reason reason);
    /* The last count is gone: frees what the kind added (not the result) and the memory. */
    void (*free)(er_cell *cell);
    /* Tasks only: on a worker. The caller keeps his count. */
    void (*run)(er_cell *cell);
    /* Tasks only: ends a claimed one unrun. */
    void (*refuse)(er_cell *cell, errand_result why);
    /* What must end before this one can: the i-th of them, counted, or NULL if it has ended. False past the end. NULL: what
     * it waits for is not known, or it may end without it. */
    bool (*input)(er_cell *cell, size_t i, er_cell **input);
    bool any; /* it goes on before all of its inputs have ended: as soon as one has, or as many as `wanted` returns */
    /* How many more of its inputs must end, in the best case. Called after `input`: what that has left out is not wanted any more. */
    size_t (*wanted)(er_cell *cell);
    /* Its name and where it was submitted, for reports. Takes no lock. NULL in kinds that have neither. */
    er_label (*label)(const er_cell *cell);
    /* The pool that must have a free thread, or room in its queue, before this cell goes on; kept by the cell. Returns NULL where
     * there is none, and is NULL in kinds that never need one. */
    errand_pool *(*needs)(er_cell *cell);
    bool service; /* tasks only: it keeps its thread for long */
    const char *what; /* the word for it in a dump */
    /* Adds its name, its key, what it does and what it waits for; what, label and told are there already. For a dump: the caller has a
     * count and holds no lock. It may end meanwhile. NULL: there is no more to say. */
    void (*describe)(er_cell *cell, er_description *d);
} er_cell_kind;

typedef struct er_begun { /* of a cell that is listed as alive, or asleep */
    er_live live;
    int64_t since_ns; /* er_coarse_ns */
} er_begun;

struct errand_future {
    uint32_t            state; /* see cell.c */
    uint32_t            count;
    const er_cell_kind *kind;
    errand_pool        *pool;    /* kept alive by the cell; NULL: it never had one */
    er_waiter          *waiters; /* under the cell's lock bit */
    er_cell            *told_next; /* told to end, its kind's cancel still to be called: the teller's */
    union {
        errand_result result; /* the claimer's until ENDED, then the owner's */
        er_begun      begun;  /* before the end, of what is LISTED */
    };
};
_Static_assert(sizeof(er_begun) <= sizeof(errand_result), "being listed takes no memory");

enum {
    ER_CLAIMED = 1,  /* somebody alone has the right to end it */
    ER_ENDED = 2,    /* the result is there, for good */
    ER_LOCKED = 4,   /* waiters and the kind's links are being changed */
    ER_WATCHED = 8,  /* waiters is not empty */
    ER_FIXED = 16,   /* static: not counted */
    ER_UNHEARD = 32, /* an outer cell has ended without it: counted as abandoned until it ends */
    ER_MARKED = 64,  /* for looking whether one stands in an array twice */
    ER_DROPPED = 128, /* its owner does not want the result */
    ER_CONSUMED = 2048, /* debug builds: its owner has given it away */
    ER_UNDONE = 4096,   /* it has ended, and says that nothing was done that a repeat could do twice */
    ER_LISTED = 8192,   /* begun stands where its result will be: until it ends, it is listed among what is alive */
    ER_REASON = 8    /* from this bit on: who told it to end */
};

/* A new cell counts 1 for its owner. pool may be NULL. */
void er_cell_init(er_cell *cell, const er_cell_kind *kind, errand_pool *pool);
static inline er_cell *er_cell_keep(er_cell *cell)
{
    /* relaxed: who counts up has a count already */
    if (!(er_load_relaxed(&cell->state) & ER_FIXED)) er_add_relaxed(&cell->count, 1);
    return cell;
}
void er_cell_release(er_cell *cell);

/* Lists a new cell, which no other thread knows, for the dump until it ends. Not for kinds that use its result before. */
void er_cell_list(er_cell *cell, const void *site);
/* Takes a listed cell that never ends out again. */
void er_cell_unlist(er_cell *cell);

/* Describes it as its kind does. Leaves d->what NULL if it has ended. */
void er_cell_describe(er_cell *cell, er_description *d);
/* Adds ", waits for promise x" or the like: what it is and its name, not what it waits for in its turn. */
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
static inline errand_pool *er_cell_needs(er_cell *cell) { return cell->kind->needs ? cell->kind->needs(cell) : NULL; }

/* True for exactly one caller: he ends the cell. */
bool er_cell_claim(er_cell *cell);
static inline bool er_cell_claimed(const er_cell *cell) { return er_load(&cell->state) & ER_CLAIMED; }
/* By the claimer, once. Owns result; waiters are told before this returns, or, inside another ending on the same thread, soon
 * after. The caller must hold a count. */
void er_cell_end(er_cell *cell, errand_result result);
/* Claims and ends; when somebody else has claimed it, frees the result and returns false. */
bool er_cell_try_end(er_cell *cell, errand_result result);

/* Registers a waiter; false: it has ended already, and fn will not be called. */
bool er_cell_watch(er_cell *cell, er_waiter *waiter);
/* False: fn has been or is being called. */
bool er_cell_unwatch(er_cell *cell, er_waiter *waiter);

/* User code that runs inside an ending (a sequel without a pool) lets go of the list of waiters first, so that what it ends
 * is told at once; before this thread waits, what is still on the list is worked off. */
bool er_endings_let_go(void);
void er_endings_call(er_waiter *waiters); /* linked by next, in order: calls them as those of a cell */
void er_endings_hold(bool held);
void er_endings_work_off(void);

/* Takes the result out of an ended cell; the owner does, once. */
errand_result er_cell_take(er_cell *cell);
/* The owner's count is given back; the result is freed as soon as there is one, whoever else still holds the cell. */
void er_cell_drop(er_cell *cell);

/* The error of what ends for that reason. */
static inline int er_cancel_error(errand_reason reason)
{
    return reason == ERRAND_BY_TOTAL || reason == ERRAND_BY_ATTEMPT ? ETIMEDOUT : ECANCELED;
}

/* Tells it to end, and all that it passes this on to. The caller must hold a count, or own it. */
ER_SHARED void er_cell_cancel(er_cell *cell, errand_reason reason);

/* The same, but from inside a kind's cancel only soon after that has returned (before any waiter is called). */
void er_cell_pass_on(er_cell *cell, errand_reason reason);

/* The cell is left behind: nobody waits for its end any more. */
void er_cell_abandon(er_cell *cell);

/* Whether what it stands for may have been done. One that has been told and has not ended is still under way, as far as is known. */
bool er_cell_may_have_run(const er_cell *cell);

/* Tells it to end and leaves it behind. Then a result that comes in its place: it says whether that work may have been done. */
errand_result er_cell_leave(er_cell *cell, errand_reason reason, errand_result instead);

/* What its caller has consumed and can do nothing with is left behind and dropped. A cell that has ended like this comes instead. */
er_cell *er_cell_refuse(er_cell *cell, errand_result why);

/* The lock bit: a few instructions long, never across a call. */
void er_cell_lock(er_cell *cell);
void er_cell_unlock(er_cell *cell);

/* A link to another cell that may be read by a canceller at any time: changed under the lock bit only. */
void     er_cell_link(er_cell *cell, er_cell **link, er_cell *to);
er_cell *er_cell_linked(er_cell *cell, er_cell **link); /* counted: release it; NULL: none */
bool     er_cell_input_of(er_cell *cell, er_cell **link, size_t i, er_cell **input); /* a kind's input, if it has one link */

/* By whatever consumes a future, first. Debug builds (--enable-debug) tell with false that it has been consumed before, as long as
 * its memory is kept from being used anew; others cannot know. */
#ifdef ERRAND_DEBUG
bool er_cell_consume(er_cell *cell);
void er_cell_bury(er_cell *cell); /* frees its memory, later */
#else
static inline bool er_cell_consume(er_cell *cell) { return (void)cell, true; }
static inline void er_cell_bury(er_cell *cell) { er_free(cell); }
#endif
#define ER_TWICE "this future has been consumed already"

/* An unended cell of a parent process: it can never end, and its lock bit may be held for ever. */
bool er_cell_forked(const er_cell *cell);

/* A future that has ended with r: mostly a failed one, for what could not be started. Never NULL: without memory, or for plain ENOMEM,
 * it is a static cell that has failed with that. */
ER_SHARED er_cell *er_failed(errand_pool *pool, errand_result r);

#endif
