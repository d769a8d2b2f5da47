/* core/pool.h -- what the rest of the library asks of a pool: to run tasks, to bear with waiting, to house residents. */
#ifndef ER_POOL_H
#define ER_POOL_H

#include "core/cell.h"
#include "core/timer.h"

/* What waits in the pool's queue and runs on its workers; task.c is its owner. */
typedef struct er_task {
    er_cell cell;
    union {
        er_node   link;        /* while it is queued; under the pool's lock */
        er_waiter waiter;      /* before or after that: it waits for its input */
    };
    er_cell    *input;         /* what it awaits or follows; under the cell's lock bit */
    er_parker  *parked;        /* what its thread waits on; under the cell's lock bit */
    const char *name;
    int64_t     deadline_ns;   /* on its pool's clock; INT64_MAX: none */
    uint32_t    queued;        /* one of those below; under the pool's lock */
} er_task;
enum { ER_NOT_QUEUED, ER_ORDINARY, ER_URGENT };

/* The bits that wake a thread that waits inside the library. */
enum { ER_WAKE = 1, ER_TOLD = 2, ER_LATE = 4 };

/* Queues a task; the queue takes over one count. urgent: continuations and the like, never held up or refused while the pool
 * has threads. Else from outside it waits for room. Errors leave the count with the caller: EINVAL (closed), ECANCELED
 * (shut down, or the calling task was told to end), ETIMEDOUT (the calling task's deadline), EAGAIN (no thread could be
 * started), ERRAND_EFORKED. */
int er_pool_queue(errand_pool *pool, er_task *task, bool urgent);

/* Takes a task out again. True: it was there, and the queue's count is the caller's. */
bool er_pool_unqueue(errand_pool *pool, er_task *task);

/* The task this thread runs, and the pool it is a worker of. NULL: none. */
ER_SHARED er_task *er_task_here(void);
errand_pool       *er_pool_here(void);
er_task           *er_task_change(er_task *task); /* by who runs one on his own stack; returns the one before, to be put back */

/* Around every wait inside the library: if this thread is a worker, its pool may run another thread meanwhile. */
ER_SHARED void er_lend(void);
ER_SHARED void er_lend_end(void);

/* Waits until a bit of mask is set or deadline_ns (of the machine's clock) has come, lending, and listening to the calling
 * task's being told (adds ER_TOLD) if it is not too late for that already. */
ER_SHARED uint32_t er_pool_park(er_parker *parker, uint32_t mask, int64_t deadline_ns);

/* Counts a task that ended. */
typedef enum er_outcome { ER_DONE, ER_FAILED, ER_CANCELLED } er_outcome;
void er_pool_count(errand_pool *pool, er_outcome outcome);

/* A resident: a part of the library that lives on a thread of the pool's for long (a lane). It comes with a thread of its
 * own: for as long as it runs the pool has one worker more. It lives in what it belongs to.
 *   run   on that thread, until it is to end. Then `gone` is called.
 *   stop  from errand_pool_close, any thread, no lock held; short. now false: end when idle; true: end at once. May be
 *         called more than once, never after gone has been called.
 *   gone  the last word, on the same thread: *self may be freed or started again from then on. */
typedef struct er_resident {
    const char *name;
    void      (*run)(struct er_resident *self);
    void      (*stop)(struct er_resident *self, bool now);
    void      (*gone)(struct er_resident *self);
    er_node     node;    /* the rest is the pool's */
    unsigned    stopping; /* stop is being called: gone waits for that */
} er_resident;

/* Starts it. EAGAIN: no thread; EINVAL: the pool is closed; ECANCELED: it has shut down; ENOMEM; ERRAND_EFORKED. While the pool
 * closes it is started for the pool's own threads' sake, and stop(false) is called at once. */
ER_SHARED int er_pool_reside(errand_pool *pool, er_resident *resident);

/* Something that has waiters which only the pool's shutting down will end (a semaphore): shut is called then, once, no lock
 * held. */
typedef struct er_closer {
    er_node node;
    void  (*shut)(struct er_closer *self);
} er_closer;
int  er_pool_add_closer(errand_pool *pool, er_closer *closer); /* EINVAL, ECANCELED: the pool is closed, has shut down */
void er_pool_remove_closer(errand_pool *pool, er_closer *closer); /* shut is not running any more when this returns */

#endif
