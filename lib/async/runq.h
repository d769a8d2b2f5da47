/* async/runq.h -- the queue of a pool, its lock, and which thread is woken for what is queued. */
#ifndef ER_RUNQ_H
#define ER_RUNQ_H

#include "async/job.h"

/* Takes the lock, and all that is in the inbox into the list. */
void er_pool_lock(errand_pool *pool);
/* By a worker between two jobs: looks into the inbox when there is nothing else to do. */
void er_pool_lock_again(errand_pool *pool);
/* Sets the gate to what holds now, and gives the lock. */
void er_pool_unlock(errand_pool *pool);

/* Under the lock: something that er_watchers wait for has changed. */
void er_notify_watchers(errand_pool *pool);

/* What to wake or start: decided under the lock (er_summon), done after it (er_answer). */
typedef struct er_call {
    struct er_worker *wake;
    bool start;
} er_call;
er_call er_summon(errand_pool *pool);
void er_bring(errand_pool *pool, er_call call);
static inline void er_answer(errand_pool *pool, er_call call)
{
    if (call.wake || call.start) er_bring(pool, call);
}

/* No thread takes jobs, and none could be started: ends what waits, with that error. */
void er_runq_give_up(errand_pool *pool, int error);

/* Queues a task; the queue takes over one count. urgent: continuations and the like, never held
 * up or refused while the pool has threads. Errors leave the count with the caller: ER_NO_ROOM
 * (from outside, the queue is full), EINVAL (closed), ECANCELED (shut down), EAGAIN (no thread
 * could be started), ERRAND_EFORKED. */
int er_runq_push(errand_pool *pool, er_task *task, bool urgent);
#define ER_NO_ROOM (-1)

/* What the pool's options say to do after that; one of these four is done before
 * the next er_runq_push. */
errand_when_full er_runq_when_full(const errand_pool *pool);

/* Ends the tasks that have waited longest with ERRAND_EFULL, until there is room. */
void er_runq_drop_oldest(errand_pool *pool);

/* Makes the guest's task the pool's: the pool's close waits for it and cancels it, stats and dump
 * count it. False: no need to run it here, there is room, or the pool is closing. */
bool er_runq_host(errand_pool *pool, er_guest *guest);
void er_runq_part(errand_pool *pool, er_guest *guest);

/* Puts w, with wait.room set to the pool, into the line of submitters: it is woken (ER_WAKE) when
 * its turn comes, or the pool closes. False: no need to wait, there is room, or the pool is
 * closing. */
bool er_runq_join_line(errand_pool *pool, er_watcher *w);
/* Ends that. served: w queues its task now; else its turn, if it has come, goes
 * to the next in line. */
void er_runq_leave_line(errand_pool *pool, er_watcher *w, bool served);

/* Queues a job among the urgent ones. The same errors but ER_NO_ROOM. */
int er_runq_post(errand_pool *pool, er_job *job);

/* Takes a task out again. True: it was there, and the queue's count is the caller's. */
bool er_runq_remove(errand_pool *pool, er_task *task);

/* It follows a future and holds neither a thread nor a place in the queue: lists it for the
 * dump, until it is queued or ends. */
void er_runq_put_aside(errand_pool *pool, er_task *task);
void er_runq_put_back(errand_pool *pool, er_task *task);

/* The task a job is; NULL: it is another one. */
er_task *er_job_task(er_job *job);
/* What was taken out of the queue, as it was under the lock. Once the lock is given, a task may
 * be run in place by the thread that awaits it and put aside: then its memory holds a waiter
 * where the job was and a link where the stamp was. */
typedef struct er_pick {
    er_job *job;
    er_task *task; /* NULL: the job is no task */
    int64_t stamp; /* the task's */
} er_pick;
/* Takes the next one for a worker, which is busy with it from then on. False: there is none that
 * it may take. Under the lock, as the next. */
bool er_pick_next(errand_pool *pool, er_pick *pick);
void er_run_pick(const er_pick *pick); /* without the lock */
/* the same on a thread that is no worker, as the task's own thread */
void er_run_alone(const er_pick *pick);
/* Takes a job that is queued out of the queue. */
void er_runq_unlink(errand_pool *pool, er_job *job);

/* True: no thread of the pool can run, and no more can be started. Then `tasks` are what its
 * threads run, counted, at most `most`. */
bool er_runq_exhausted(errand_pool *pool, er_task *tasks[], size_t most, size_t *n);

#endif
