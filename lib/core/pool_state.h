/* core/pool_state.h -- what a pool consists of; for its own files alone: queue, worker, pool, waiting, resident, close, report. */
#ifndef ER_POOL_STATE_H
#define ER_POOL_STATE_H

#include "core/inbox.h"
#include "core/pool.h"

#define ER_SPREAD 256 /* counters of a distribution: four for each power of two of nanoseconds */
#define ER_SITES  64

typedef enum er_phase { ER_OPEN, ER_DRAINING, ER_SHUT, ER_CLOSED } er_phase;

typedef struct er_worker {
    er_node           node;  /* in pool->all, later in pool->exited */
    struct er_worker *below; /* in the stack of parked ones */
    errand_pool      *pool;
    er_thread         thread;
    er_parker         parker;
    unsigned          number;
    bool              known;     /* thread is set */
    const char       *hook;      /* the one that runs, on_start or on_stop; NULL: none; under the pool's lock */
    bool              retiring;  /* a spare that has been idle for long */
    bool              left;      /* detached, by or after the closer: frees itself */
    bool              searching;
    bool              gone;      /* it is in pool->exited, or frees itself */
    bool              resident;  /* it houses one; under the pool's lock */
    er_task          *task;      /* counted */
    int64_t           began_ns;  /* of the task, coarsely; precisely if sampled */
    bool              sampled;
    uint64_t          outcomes[3]; /* written by its own thread alone */
} er_worker;

struct errand_pool {
    er_home          home;
    unsigned         workers, spares;
    size_t           queue_max, stack;
    errand_when_full when_full;
    void           (*on_start)(void *), (*on_stop)(void *);
    void            *arg;
    int64_t          longest_wait_ns;                    /* atomic, relaxed, as these */
    uint32_t         waits[ER_SPREAD], runs[ER_SPREAD];
    uint64_t         outcomes[3]; /* of threads that are not workers, and of workers that left: atomic, relaxed */
    uint32_t         gate;        /* for who submits without the lock; written under it */
    char             apart[ER_LINE];

    er_inbox inbox; /* jobs submitted without the lock; taken out under it */
    char     further_apart[ER_LINE];

    er_lock    lock; /* er_pool_lock, er_pool_unlock. Guards all below; first what every task touches */
    uint32_t   waiting; /* jobs in both lists; read by the searcher without the lock (relaxed: a hint) */
    er_phase   phase;
    unsigned   busy, residents, turn;
    unsigned   taken, taken_then; /* jobs by workers, and when the searcher last looked; they wrap */
    bool       searching;
    bool       barren; /* the last thread that was to be started could not */
    size_t     n_tasks;
    er_worker *parked;
    er_worker *napper; /* the searcher, while it naps: who runs dry meanwhile takes the search over */
    er_list    urgent, tasks, aside, idle;
    er_list    submitters, watchers; /* er_watchers: wait for room, for rest */
    unsigned   lent, housed; /* residents are accepted; housed ones have a thread */
    unsigned   hooked;       /* threads that are in on_start or on_stop */
    bool       orphaned;     /* the closer has gone: nobody joins any more */
    unsigned   threads, starting, numbers;
    er_list    all, exited;
    er_list    resident_list, closers;
    er_closer *shutting;
    const void *sites[ER_SITES]; /* of failures that were told already */
};

enum {
    ER_GATE_OPEN = 1,  /* tasks may come in through the inbox: it is open, and has a thread */
    ER_GATE_CALLS = 2, /* who brings one has to summon somebody */
};

/* Takes the lock, and all that is in the inbox into the list. */
void er_pool_lock(errand_pool *pool);
/* By a worker between two jobs: looks into the inbox when there is nothing else to do. */
void er_pool_lock_again(errand_pool *pool);
/* Sets the gate to what holds now, and gives the lock. */
void er_pool_unlock(errand_pool *pool);

/* The bound on busy ones. */
static inline unsigned er_limit(const errand_pool *pool)
{
    /* closed, what is left are continuations behind tasks that do not end: spare threads run them */
    return pool->workers + pool->residents + (pool->phase == ER_CLOSED ? pool->spares + 1 : 0);
}
/* And on threads: one that is neither busy nor lent is about to look by itself, so there is no need for another. */
static inline unsigned er_most_threads(const errand_pool *pool)
{
    return er_limit(pool) + (pool->lent < pool->spares ? pool->lent : pool->spares);
}
static inline bool er_at_rest(const errand_pool *pool) { return !pool->waiting && pool->busy + pool->lent == pool->housed; }

/* Under the lock: something that er_watchers look at has changed. */
void er_tell_watchers(errand_pool *pool);

/* Whom to wake or start: decided under the lock, done after it. EAGAIN or ENOMEM: no thread could be started, and there is none that
 * takes jobs. */
typedef struct er_call {
    er_worker *wake;
    bool       start;
} er_call;
er_call er_summon(errand_pool *pool);
int     er_start_worker(errand_pool *pool); /* errors as above: then er_pool_give_up is to follow */
/* No thread takes jobs, and none could be started: ends what waits, with that error. */
void    er_pool_give_up(errand_pool *pool, int error);
static inline void er_answer(errand_pool *pool, er_call call)
{
    if (call.wake) er_unpark(&call.wake->parker, ER_WAKE);
    int error = call.start ? er_start_worker(pool) : 0;
    if (error) er_pool_give_up(pool, error);
}

/* Joins those that have exited. Without the lock. */
void er_reap(errand_pool *pool);
/* Nobody will join it: it frees itself when it leaves. Under the lock, while it is in `all` and its thread is known. */
static inline void er_worker_leave_behind(er_worker *w)
{
    w->left = true;
    er_thread_detach(&w->thread);
}

/* The task a job is; NULL: it is another one. */
er_task *er_job_task(er_job *job);
/* What was taken out of the queue, as it was under the lock. Once the lock is given, a task may be run in place by the thread that
 * awaits it and put aside: then its memory holds a waiter where the job was and a link where the stamp was. */
typedef struct er_pick {
    er_job  *job;
    er_task *task;  /* NULL: the job is no task */
    int64_t  stamp; /* the task's */
} er_pick;
/* Takes the next one for a worker, which is busy with it from then on. False: there is none that it may take. Under the lock, as the
 * next. */
bool er_pick_next(errand_pool *pool, er_pick *pick);
void er_run_pick(const er_pick *pick); /* without the lock */
void er_run_alone(const er_pick *pick); /* the same on a thread that is no worker, as the task's own thread */
/* Takes a job that is queued out of the queue. */
void er_unlink_job(errand_pool *pool, er_job *job);

/* What this thread is; set by a worker about itself. */
typedef struct er_here {
    er_worker *worker;
    er_task   *task;
    er_frame  *frame;
    bool       working;  /* its worker is in a job, be it a task or not: it counts as busy */
    bool       resident;
    unsigned   queued;   /* tasks, by it: to take samples */
    unsigned   nested;   /* tasks that run on the stacks of others */
    bool       alone;    /* this thread is inside er_pool_give_up */
    er_closer *shutting; /* this thread is inside its shut */
} er_here;
er_here *er_here_now(void);

/* Residents and closers, for closing. */
void er_stop_residents(errand_pool *pool, bool now);
void er_shut_closers(errand_pool *pool, bool early_ones_only);

void er_spread_add(uint32_t *spread, int64_t ns);

#endif
