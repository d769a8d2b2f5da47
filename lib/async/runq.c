/* async/runq.c -- jobs in, jobs out, and the lock of the pool.
 *
 *     er_runq_push --> inbox --er_pool_lock--> tasks | urgent --er_pick_next--> a worker
 *                  \-- by the lock, when the gate is shut or the queue is full --/
 *
 * One lock guards both lists and all counts of the pool. Nothing is called under it: which thread
 * to wake or start is decided under the lock (an er_call) and done after it.
 *
 * Submitting takes no lock: a task is put into the inbox, and er_pool_lock moves what is there to
 * the list; but a worker between two jobs only does so when its list is empty, so that in a burst
 * submitters and worker meet once in many tasks. The gate says whether a submit may use the inbox
 * (else it takes the lock), and whether it must summon a worker. The submit reads the gate after
 * putting; er_pool_unlock changes the gate and reads the inbox after that. So one of the two sees
 * the other, and no task is left in the inbox: a searcher is looking, or all workers that may run
 * are busy and will look, or the gate has a worker summoned.
 *
 * Where no thread takes jobs (there is none, or services have them all) and none can be started,
 * the thread that finds this out ends what waits: tasks fail, then-functions and watchers are
 * called on the spot. So nothing waits for a thread that never comes. */
#include "async/runq.h"

#include "async/current.h"
#include "async/pool.h"

#include <errno.h>

/* ---- waking and starting ---- */

er_call er_summon(errand_pool *pool)
{
    er_call c = { NULL, false };
    if (pool->searching || !pool->waiting || pool->busy >= er_limit(pool)) return c;
    if (pool->parked) {
        c.wake = pool->parked;
        pool->parked = c.wake->below;
        c.wake->searching = pool->searching = true;
        pool->taken_then = pool->taken;
    } else if (pool->threads < er_most_threads(pool) &&
               !(pool->phase == ER_CLOSED && er_list_empty(&pool->urgent))) {
        pool->threads++;
        pool->starting++;
        pool->searching = c.start = true;
        pool->taken_then = pool->taken;
    }
    return c;
}

void er_bring(errand_pool *pool, er_call call)
{
    if (call.wake) er_unpark(&call.wake->parker, ER_WAKE);
    int error = call.start ? pool->start_worker(pool) : 0;
    if (error) er_runq_give_up(pool, error);
}

void er_notify_watchers(errand_pool *pool)
{
    er_list_each(n, &pool->watchers) {
        er_unpark(&er_of(n, er_watcher, node)->wait.parker, ER_WAKE);
    }
}

bool er_runq_exhausted(errand_pool *pool, er_task *tasks[], size_t most, size_t *n)
{
    *n = 0;
    er_pool_lock(pool);
    bool none = pool->lent && pool->busy == pool->housed && !pool->starting;
    none = none && (pool->barren || pool->threads >= er_limit(pool) + pool->spares);
    for (er_node *at = pool->all.head.next; none && at != &pool->all.head; at = at->next) {
        er_worker *w = er_of(at, er_worker, node);
        if (w->service) continue;
        if (!w->task || *n == most) none = false;
        else er_cell_keep(&(tasks[(*n)++] = w->task)->cell);
    }
    /* one that has just been started is not in the list yet */
    none = none && *n + pool->housed == pool->threads;
    er_pool_unlock(pool);
    return none;
}

/* ---- out ---- */

static void set_waiting(errand_pool *pool, int by)
{
    er_store_relaxed(&pool->waiting, pool->waiting + (uint32_t)by);
}

static void make_room(errand_pool *pool)
{
    if (er_list_empty(&pool->submitters) || pool->n_tasks >= pool->queue_max) return;
    er_unpark(&er_of(er_list_pop(&pool->submitters), er_watcher, node)->wait.parker, ER_WAKE);
}

static void run_task(er_task *task) { task->cell.kind->run(&task->cell); }
static void run_task_job(er_job *job) { run_task(er_of(job, er_task, job)); }

er_task *er_job_task(er_job *job)
{
    return job->run == run_task_job ? er_of(job, er_task, job) : NULL;
}

static er_pick pick_of(er_job *job) /* under the lock, while it is queued */
{
    er_task *task = er_job_task(job);
    return (er_pick){ job, task, task ? task->stamp : 0 };
}

void er_run_pick(const er_pick *pick)
{
    if (pick->task) run_task(pick->task);
    else pick->job->run(pick->job);
}

void er_runq_unlink(errand_pool *pool, er_job *job)
{
    er_list_remove(&job->link);
    set_waiting(pool, -1);
    er_task *task = er_job_task(job);
    if (!task) return;
    bool ordinary = task->queued == ER_ORDINARY;
    task->queued = ER_NOT_QUEUED;
    if (!ordinary) return;
    pool->n_tasks--;
    make_room(pool);
}

/* How many tasks the inbox takes before a submit must take the lock. */
static void set_room(errand_pool *pool)
{
    er_mpsc_admit(&pool->inbox,
                  pool->n_tasks < pool->queue_max ? pool->queue_max - pool->n_tasks : 0);
}

#define AHEAD 4 /* tasks prefetched: they are in the submitter's cache */

static bool take_in(errand_pool *pool) /* what can be taken now; false: nothing */
{
    size_t before = pool->n_tasks;
    for (er_job *job; (job = er_mpsc_take(&pool->inbox));) {
        const char *ahead = er_mpsc_next(&pool->inbox, AHEAD);
        for (size_t line = 0; ahead && line < sizeof(er_task); line += ER_LINE)
            __builtin_prefetch(ahead + line, 1);
        er_job_task(job)->queued = ER_ORDINARY;
        er_list_push(&pool->tasks, &job->link);
        pool->n_tasks++;
        set_waiting(pool, 1);
    }
    if (pool->n_tasks != before) set_room(pool);
    return pool->n_tasks != before;
}

static void empty_inbox(errand_pool *pool)
{
    uint32_t end = er_mpsc_end(&pool->inbox);
    for (unsigned turns = 0; !er_mpsc_reached(&pool->inbox, end);) {
        if (!take_in(pool)) er_relax(&turns);
    }
}

bool er_pick_next(errand_pool *pool, er_pick *pick)
{
    if (pool->busy >= er_limit(pool)) return false;
    if (!pool->waiting && !take_in(pool)) return false;
    bool closed = pool->phase == ER_CLOSED; /* then its submitter takes back what has slipped in */
    if (closed && er_list_empty(&pool->urgent)) return false;
    bool ordinary = er_list_empty(&pool->urgent) ||
                    (++pool->turn % 64 == 0 && !er_list_empty(&pool->tasks) && !closed);
    er_job *job = er_of(er_list_first(ordinary ? &pool->tasks : &pool->urgent), er_job, link);
    *pick = pick_of(job);
    er_runq_unlink(pool, job);
    pool->busy++;
    pool->taken++;
    return true;
}

void er_pool_lock(errand_pool *pool)
{
    er_lock_take(&pool->lock);
    empty_inbox(pool);
}

void er_pool_lock_again(errand_pool *pool) { er_lock_take(&pool->lock); }

static uint32_t gate_of(const errand_pool *pool)
{
    bool open = pool->phase == ER_OPEN && pool->threads > pool->starting;
    bool calls = !pool->searching && pool->busy < er_limit(pool) &&
                 (pool->parked || pool->threads < er_most_threads(pool));
    return (open ? ER_GATE_OPEN : 0) | (calls ? ER_GATE_CALLS : 0);
}

void er_pool_unlock(errand_pool *pool)
{
    er_call c = { NULL, false };
    for (uint32_t gate; (gate = gate_of(pool)) != pool->gate;) {
        er_store(&pool->gate, gate);
        if (!er_mpsc_holds(&pool->inbox)) continue;
        empty_inbox(pool);
        if (!c.wake && !c.start) c = er_summon(pool);
    }
    er_lock_give(&pool->lock);
    er_answer(pool, c);
}

/* ---- in ---- */

static int refused(const errand_pool *pool, bool urgent) /* under the lock */
{
    switch (pool->phase) {
    case ER_OPEN: return 0;
    case ER_DRAINING: return urgent || er_pool_is_here(pool) ? 0 : EINVAL;
    case ER_SHUT: return urgent ? 0 : ECANCELED;
    default: return EINVAL;
    }
}

errand_when_full er_runq_when_full(const errand_pool *pool) { return pool->when_full; }

static bool is_full(const errand_pool *pool)
{
    return pool->n_tasks >= pool->queue_max && pool->phase == ER_OPEN;
}

bool er_runq_join_line(errand_pool *pool, er_watcher *w)
{
    er_pool_lock(pool);
    bool waits = is_full(pool);
    if (waits) er_list_push(&pool->submitters, &w->node);
    er_pool_unlock(pool);
    return waits;
}

void er_runq_leave_line(errand_pool *pool, er_watcher *w, bool served)
{
    er_pool_lock(pool);
    if (er_listed(&w->node)) er_list_remove(&w->node);
    else if (!served) make_room(pool);
    er_pool_unlock(pool);
}

bool er_runq_host(errand_pool *pool, er_guest *guest)
{
    er_pool_lock(pool);
    bool full = is_full(pool);
    if (full) {
        er_list_push(&pool->guest_list, &guest->node);
        pool->guests++;
    }
    er_pool_unlock(pool);
    return full;
}

void er_runq_part(errand_pool *pool, er_guest *guest)
{
    er_pool_lock(pool);
    er_list_remove(&guest->node);
    pool->guests--;
    if (er_at_rest(pool) || pool->phase == ER_CLOSED) er_notify_watchers(pool);
    er_pool_unlock(pool);
}

void er_runq_drop_oldest(errand_pool *pool)
{
    er_pool_lock(pool);
    while (is_full(pool)) {
        er_task *victim = er_job_task(er_of(er_list_first(&pool->tasks), er_job, link));
        er_runq_unlink(pool, &victim->job);
        er_pool_unlock(pool);
        if (er_cell_claim(&victim->cell))
            victim->cell.kind->refuse(&victim->cell, errand_fail(ERRAND_EFULL));
        er_cell_release(&victim->cell); /* the queue's */
        er_pool_lock(pool);
    }
    er_pool_unlock(pool);
}

static void put(errand_pool *pool, er_job *job, bool urgent)
{
    er_list_push(urgent ? &pool->urgent : &pool->tasks, &job->link);
    set_waiting(pool, 1);
}

/* Through the inbox. *error is set when that is so; false: by the lock. */
static bool slip_in(errand_pool *pool, er_task *task, int *error)
{
    /* relaxed: read again below */
    if (!(er_load_relaxed(&pool->gate) & ER_GATE_OPEN)) return false;
    if (!er_mpsc_put(&pool->inbox, &task->job)) return false;
    *error = 0;
    uint32_t gate = er_load(&pool->gate);
    if (gate == ER_GATE_OPEN) return true;
    er_pool_lock(pool);
    /* else it has begun, or is put aside already */
    bool late = task->queued == ER_ORDINARY && (*error = refused(pool, false));
    if (late) er_runq_unlink(pool, &task->job);
    else *error = 0;
    if (late && er_at_rest(pool)) er_notify_watchers(pool); /* the closer may have seen it there */
    er_call c = er_summon(pool);
    er_pool_unlock(pool);
    er_answer(pool, c);
    return true;
}

static void take_back(er_task *task)
{
    if (task->queued != ER_ASIDE) return;
    er_list_remove(&task->aside);
    task->queued = ER_NOT_QUEUED;
}

void er_runq_put_aside(errand_pool *pool, er_task *task)
{
    if (er_pool_dead(pool)) return; /* a thread of the parent may hold its lock forever */
    task->aside_ms = (uint32_t)(er_coarse_ns() / ER_MS);
    er_pool_lock(pool);
    er_list_push(&pool->aside, &task->aside);
    task->queued = ER_ASIDE;
    er_pool_unlock(pool);
}

void er_runq_put_back(errand_pool *pool, er_task *task)
{
    if (er_pool_dead(pool)) return;
    er_pool_lock(pool);
    take_back(task);
    er_pool_unlock(pool);
}

int er_runq_push(errand_pool *pool, er_task *task, bool urgent)
{
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    bool sampled = ++er_here_now()->queued % 32 == 0;
    int64_t stamp = sampled ? er_now_ns() | 1 : er_coarse_ns() & ~INT64_C(1);
    task->job.run = run_task_job;
    int error;
    if (!urgent) task->stamp = stamp;
    if (!urgent && slip_in(pool, task, &error)) return error;
    er_pool_lock(pool);
    if (urgent) take_back(task);
    task->stamp = stamp;
    error = refused(pool, urgent);
    if (!error && !urgent && pool->n_tasks >= pool->queue_max && !er_pool_is_here(pool))
        error = ER_NO_ROOM;
    if (error) {
        er_pool_unlock(pool);
        return error;
    }
    task->queued = urgent ? ER_URGENT : ER_ORDINARY;
    put(pool, &task->job, urgent);
    pool->n_tasks += !urgent;
    set_room(pool);
    er_call c = er_summon(pool);
    if (!c.start) {
        er_pool_unlock(pool);
        er_answer(pool, c);
        return 0;
    }
    er_cell_keep(&task->cell); /* as soon as it has run, the queue's count is gone */
    er_pool_unlock(pool);
    error = pool->start_worker(pool);
    bool refused_here = error && er_runq_remove(pool, task);
    if (error) er_runq_give_up(pool, error);
    er_cell_release(&task->cell);
    return refused_here ? error : 0;
}

int er_runq_post(errand_pool *pool, er_job *job)
{
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    er_pool_lock(pool);
    int error = refused(pool, true);
    er_call c = { NULL, false };
    if (!error) {
        put(pool, job, true);
        c = er_summon(pool);
    }
    er_pool_unlock(pool);
    er_answer(pool, c);
    return error;
}

bool er_runq_remove(errand_pool *pool, er_task *task)
{
    er_pool_lock(pool);
    bool there = task->queued == ER_ORDINARY || task->queued == ER_URGENT;
    if (there) {
        er_runq_unlink(pool, &task->job);
        if (er_at_rest(pool)) er_notify_watchers(pool);
    }
    er_pool_unlock(pool);
    return there;
}

/* false: nothing waits, or there is a thread that will come for it */
static bool take_any(errand_pool *pool, er_pick *pick)
{
    er_pool_lock(pool);
    bool alone = pool->threads == pool->housed;
    er_node *n = er_list_first(&pool->urgent);
    /* closed: its submitter is about to take it back */
    if (!n && pool->phase != ER_CLOSED) n = er_list_first(&pool->tasks);
    if (n && alone) {
        *pick = pick_of(er_of(n, er_job, link));
        er_runq_unlink(pool, pick->job);
    }
    if (er_at_rest(pool)) er_notify_watchers(pool);
    er_pool_unlock(pool);
    return n && alone;
}

void er_runq_give_up(errand_pool *pool, int error)
{
    er_here *here = er_here_now();
    if (here->alone) return; /* called from the loop below, which goes on */
    here->alone = true;
    for (er_pick pick; take_any(pool, &pick);) {
        er_task *task = pick.task;
        if (!task || !task->cell.kind->refuse) er_run_alone(&pick);
        else if (er_cell_claim(&task->cell))
            task->cell.kind->refuse(&task->cell, errand_fail(error));
        if (task) er_cell_release(&task->cell); /* the queue's */
    }
    here->alone = false;
}

void er_run_alone(const er_pick *pick)
{
    er_frame *frame = NULL;
    er_task *before = er_task_change(pick->task, &frame);
    er_run_pick(pick);
    er_task_change(before, &frame);
}
