/* core/pool.h -- what the rest of the library asks of a pool: to run tasks, to bear with waiting, to house residents. */
#ifndef ER_POOL_H
#define ER_POOL_H

#include "core/cell.h"
#include "core/timer.h"

#include "base/bytes.h"

/* What waits in the pool's queue: a task, or another piece of work of the library. */
typedef struct er_job {
    er_node link; /* under the pool's lock */
    void  (*run)(struct er_job *self);
} er_job;

/* Where a thread waits inside the library. Lives on that thread's stack, and is its task's `blocked` meanwhile. */
typedef struct er_wait {
    er_parker    parker;
    bool         passes; /* a cancel of the waiting task goes on to input */
    bool         nested; /* input is a task that runs on this very stack meanwhile */
    er_cell     *input;  /* what it waits for, for who looks for circles. NULL: it only waits */
    errand_pool *room;   /* the same: room in that pool's queue */
} er_wait;

typedef struct er_context er_context; /* context.h */

/* The cell that runs a function on a worker; task.c is its owner. */
typedef struct er_task {
    er_cell cell;
    union {
        er_job    job;       /* while it is queued */
        er_waiter waiter;    /* before or after that: it waits for its input */
    };
    uint16_t        queued;  /* one of those below; under the pool's lock */
    uint16_t        flags;   /* task_state.h's, as the next three; so far goes what each task needs to run, side by side */
    uint32_t        aside_ms; /* when it was put aside, on the coarse clock; wraps */
    void          (*fn)(void);
    void           *arg;
    errand_free_fn *free_arg;
    union {
        int64_t stamp; /* when it was queued, coarsely; odd: precisely */
        er_node aside; /* in the pool's list of those put aside; under the pool's lock */
    };
    union {                  /* under the cell's lock bit */
        er_wait *blocked;    /* where its thread waits */
        er_cell *input;      /* ER_FOLLOWS: what it follows */
    };
    const char     *name;
    er_context     *context; /* counted; NULL: none */
    int64_t         deadline_ns; /* on its pool's clock; INT64_MAX: none */
    const void     *site;    /* where it was submitted; NULL: unknown */
} er_task;
enum { ER_NOT_QUEUED, ER_ORDINARY, ER_URGENT, ER_ASIDE };
enum { ER_FOLLOWS = 1 }; /* the flag that others look at, under the cell's lock bit */

/* The bits that wake a thread that waits inside the library. */
enum { ER_WAKE = 1, ER_TOLD = 2, ER_LATE = 4, ER_CIRCLE = 8, ER_RANG = 16 };

/* Queues a task; the queue takes over one count. urgent: continuations and the like, never held up or refused while the pool
 * has threads. Else from outside it waits for room, or does what the pool's when_full says. Errors leave the count with the
 * caller: EINVAL (closed), ECANCELED (shut down, or the calling task was told to end), ETIMEDOUT (the caller's deadline),
 * ERRAND_EFULL, EAGAIN (no thread could be started), ERRAND_EFORKED. */
int er_pool_queue(errand_pool *pool, er_task *task, bool urgent);

/* Queues a job among the urgent ones. The same errors but EFULL. */
int er_pool_post(errand_pool *pool, er_job *job);

/* Takes a task out again. True: it was there, and the queue's count is the caller's. */
bool er_pool_unqueue(errand_pool *pool, er_task *task);

/* It follows a future and holds neither a thread nor a place in the queue: lists it for the dump, until it is queued or ends. */
void er_pool_put_aside(errand_pool *pool, er_task *task);
void er_pool_put_back(errand_pool *pool, er_task *task);

/* The same for what is no task. tell writes its line but for the end, which says where it was submitted (site); under the pool's
 * lock, while it is listed. */
typedef struct er_idle {
    er_node     node;
    const void *site;
    void      (*tell)(const struct er_idle *self, er_bytes *to);
} er_idle;
void er_pool_idles(errand_pool *pool, er_idle *idle);
void er_pool_idles_not(errand_pool *pool, er_idle *idle);

/* What this thread is doing. */
typedef struct er_frame {
    struct er_frame *outer;
    int64_t          deadline_ns; /* of this stretch of code: on its task's pool's clock, else the machine's */
    bool             shielded;    /* the task's being told and its deadline are not heard */
} er_frame;
ER_SHARED er_task *er_task_here(void);
errand_pool       *er_pool_here(void); /* whose worker it is; NULL: none */
er_frame         **er_frame_here(void);
unsigned          *er_nested_here(void); /* how many tasks run inside others on this stack */
/* After the user's code has run on a worker: where that code forked and returns in the child, the child ends here. It has nothing to go
 * back to, and what the parent's pool has to do is the parent's. */
ER_SHARED void er_end_in_child(void);
er_task           *er_task_change(er_task *task, er_frame **frame); /* by who runs one on his own stack: swaps both; call
                                                      it again with what it returned and the same frame to put back */

/* Who wants the calling code to end, and its deadline on that pool's clock (INT64_MAX: none). */
errand_reason     er_told_here(void);
ER_SHARED int64_t er_deadline_here(errand_pool *pool);

/* Around every wait inside the library: if this thread is a worker, its pool may run another thread meanwhile. */
ER_SHARED void er_lend(void);
ER_SHARED void er_lend_end(void);

/* Waits until a bit of mask is set, lending. Ends early with ER_TOLD if the calling code is told to end, without a bit of mask at
 * deadline_ns, which is on the clock of `clock` (NULL: the machine's), or at the caller's own deadline; with ER_CIRCLE if it is known
 * what it waits for, this is a worker, and it would last for ever. */
ER_SHARED uint32_t er_pool_park(er_wait *wait, uint32_t mask, errand_pool *clock, int64_t deadline_ns);

/* Nothing will ever end this wait of the task `from`: what it waits for leads back to `from`, or to the queue of a pool all of
 * whose threads wait for such. Tells the log of from's pool. */
bool er_circle(er_cell *from, const er_wait *wait);

/* Somebody in a list of those who wait for something that is no cell: for room in a queue, for rest. */
typedef struct er_watcher {
    er_node node;
    er_wait wait;
} er_watcher;

/* Counts a task that ended. */
typedef enum er_outcome { ER_DONE, ER_FAILED, ER_CANCELLED } er_outcome;
void er_pool_count(errand_pool *pool, er_outcome outcome);

/* A failure that nobody looked at: told to the pool's log, once for each site. */
void er_pool_unheard(errand_pool *pool, const errand_result *r, const char *name, const void *site);

/* No thread of the pool can run, and no more can be lent. Then some of what its threads do, counted: at most `most`. */
bool er_pool_exhausted(errand_pool *pool, er_task *tasks[], size_t most, size_t *n);

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

/* Something that has waiters which only the pool's shutting down will end (a semaphore), or that is to end as soon as closing
 * begins (early: a repeated task): shut is called then, once, no lock held. */
typedef struct er_closer {
    er_node node;
    void  (*shut)(struct er_closer *self);
    bool    early;
} er_closer;
int  er_pool_add_closer(errand_pool *pool, er_closer *closer); /* EINVAL: the pool is closed; ECANCELED: that has been called */
void er_pool_remove_closer(errand_pool *pool, er_closer *closer); /* shut is not running any more when this returns */

#endif
