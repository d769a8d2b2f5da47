/* async/job.h -- what the parts of a pool hand to each other: jobs, tasks, waits. */
#ifndef ER_JOB_H
#define ER_JOB_H

#include "async/cell.h"
#include "async/timer.h"

/* What waits in the pool's queue: a task, or another piece of work of the library. */
typedef struct er_job {
    er_node link; /* under the pool's lock */
    void (*run)(struct er_job *self);
} er_job;

/* Where a thread waits inside the library. Lives on that thread's stack, and is its task's
 * `blocked` meanwhile. */
typedef struct er_wait {
    er_parker parker;
    bool passes;       /* a cancel of the waiting task goes on to input */
    bool nested;       /* input is a task that runs on this very stack meanwhile */
    er_cell *input;    /* what it waits for, for the search for circles. NULL: none */
    errand_pool *room; /* the same: room in that pool's queue */
    er_cell *about;    /* the same, for the dump alone; it lives as long as the wait */
    er_cell *hook;     /* it does not wait: a cancel goes on to this one (cancel_hook.c) */
} er_wait;

typedef struct er_context er_context; /* context.h */

/* The cell that runs a function on a worker; task.c is its owner. */
typedef struct er_task {
    er_cell cell;
    union {
        er_job job;       /* while it is queued */
        er_waiter waiter; /* before or after that: it waits for its input */
    };
    uint16_t queued;   /* one of those below; under the pool's lock */
    uint16_t flags;    /* task.h's, as the next three; running needs what lies up to here */
    uint32_t aside_ms; /* when it was put aside, on the coarse clock; wraps */
    void (*fn)(void);
    void *arg;
    errand_free_fn *free_arg;
    union {
        int64_t stamp; /* when it was queued, coarsely; odd: precisely */
        er_node aside; /* in the pool's list of those put aside; under the pool's lock */
    };
    union {               /* under the cell's lock bit */
        er_wait *blocked; /* where its thread waits, or its cancel hook */
        er_cell *input;   /* ER_FOLLOWS: what it follows */
    };
    const char *name;
    er_context *context; /* counted; NULL: none */
    int64_t deadline_ns; /* on its pool's clock; INT64_MAX: none */
    const void *site;    /* where it was submitted; NULL: unknown */
} er_task;
enum { ER_NOT_QUEUED, ER_ORDINARY, ER_URGENT, ER_ASIDE };
enum { ER_FOLLOWS = 1 }; /* other threads read this flag, under the cell's lock bit */

/* A task that runs in the thread that submitted it, since the queue was full. Lives on
 * that thread's stack. */
typedef struct er_guest {
    er_node node; /* in pool->guest_list */
    er_task *task;
    struct er_guest *outer; /* further out on this stack, of another pool */
    int64_t began_ns;
} er_guest;

/* The bits that wake a thread that waits inside the library. */
enum { ER_WAKE = 1, ER_CANCEL = 2, ER_LATE = 4, ER_DEADLOCK = 8, ER_RANG = 16, ER_OVERDUE = 32 };

/* A thread in a list of those that wait for something that is no cell: room in a queue, an idle
 * pool. */
typedef struct er_watcher {
    er_node node;
    er_wait wait;
    struct er_task *task; /* that is to be queued, for the dump; NULL: none */
} er_watcher;

/* How a task ended. */
typedef enum er_outcome { ER_DONE, ER_FAILED, ER_CANCELLED } er_outcome;

#endif
