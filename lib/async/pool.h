/* async/pool.h -- what a pool consists of; for its own files alone: current, queue, worker,
 * pool, park, service, close, report. */
#ifndef ER_POOL_H
#define ER_POOL_H

#include "base/histogram.h"
#include "base/mpsc.h"
#include "log/left_open.h"
#include "async/job.h"

#define ER_SITES 64

typedef enum er_phase { ER_OPEN, ER_DRAINING, ER_SHUT, ER_CLOSED } er_phase;

typedef struct er_worker {
    er_node node;            /* in pool->all, later in pool->exited */
    struct er_worker *below; /* in the stack of parked ones */
    errand_pool *pool;
    er_thread thread;
    er_parker parker;
    unsigned number;
    bool known; /* thread is set */
    /* the one that runs, on_start or on_stop; NULL: none; under the pool's lock */
    const char *hook;
    bool retiring; /* a spare that has been idle for long */
    bool left;     /* detached, by or after the closer: frees itself */
    bool searching;
    bool gone;        /* it is in pool->exited, or frees itself */
    bool service;     /* it houses one; under the pool's lock */
    er_task *task;    /* counted */
    int64_t began_ns; /* of the task, coarsely; precisely if sampled */
    bool sampled;
    uint64_t outcomes[3]; /* written by its own thread alone */
} er_worker;

struct errand_pool {
    er_pool_ref ref;
    unsigned workers, spares;
    size_t queue_max, stack;
    errand_when_full when_full;
    void (*on_start)(void *), (*on_stop)(void *);
    void *arg;
    /* worker.c's: the queue stands below the threads that it starts */
    int (*start_worker)(errand_pool *);
    int64_t longest_wait_ns;  /* atomic, relaxed, as these */
    er_histogram waits, runs; /* ns, of one task in 32 */
    /* of threads that are not workers, and of workers that left: atomic, relaxed */
    uint64_t outcomes[3];
    uint32_t gate; /* for submits without the lock; written under it */
    char apart[ER_LINE];

    er_mpsc inbox; /* jobs submitted without the lock; taken out under it */
    char further_apart[ER_LINE];

    /* er_pool_lock, er_pool_unlock. Guards all below; first what every task touches */
    er_lock lock;
    /* jobs in both lists; read by the searcher without the lock (relaxed: a hint) */
    uint32_t waiting;
    er_phase phase;
    unsigned busy, services, turn;
    /* jobs by workers, and when the searcher last looked; they wrap */
    unsigned taken, taken_then;
    bool searching;
    bool barren; /* the last thread could not be started */
    size_t n_tasks;
    er_worker *parked;
    er_worker *napper; /* the searcher, while it naps: an idle worker takes the search over */
    er_list urgent, tasks, aside;
    er_list submitters, watchers; /* er_watchers: wait for room, for rest */
    er_list guest_list;           /* er_guests, `guests` of them */
    unsigned guests;
    unsigned lent, housed; /* services are accepted; housed ones have a thread */
    unsigned hooked;       /* threads that are in on_start or on_stop */
    bool orphaned;         /* the closer has left: no thread is joined any more */
    unsigned threads, starting, numbers;
    er_list all, exited;
    er_list service_list, closers;
    struct er_close_hook *shutting;
    er_left_open left_open;      /* its own lock's */
    const void *sites[ER_SITES]; /* of failures that were logged already */
};

enum {
    ER_GATE_OPEN = 1,  /* tasks may come in through the inbox: it is open, and has a thread */
    ER_GATE_CALLS = 2, /* a submit has to summon a worker */
};

/* The bound on busy ones. */
static inline unsigned er_limit(const errand_pool *pool)
{
    /* closed, what is left are continuations behind tasks that do not end:
     * spare threads run them */
    return pool->workers + pool->services + (pool->phase == ER_CLOSED ? pool->spares + 1 : 0);
}
/* And on threads: one that is neither busy nor lent looks for work by itself, so no other is
 * needed. */
static inline unsigned er_most_threads(const errand_pool *pool)
{
    return er_limit(pool) + (pool->lent < pool->spares ? pool->lent : pool->spares);
}
static inline bool er_at_rest(const errand_pool *pool)
{
    return !pool->waiting && !pool->guests && pool->busy + pool->lent == pool->housed;
}

#endif
