/* core/pool.c -- workers and their queue.
 *
 *     queue: urgent | tasks --next_job--> worker --job->run--> worker ...          busy <= limit = workers + residents
 *
 * One lock guards the queue and all counts. Nothing is called under it: who has to be woken or started is decided under the
 * lock (an er_call) and done after it.
 *
 * At most one worker is searching: it has been woken, or started, or spins for 10 us before it parks. Adding a job summons
 * nobody while one searches; a searcher that finds a job hands the search on, if more wait, before it runs its own. So a
 * burst of n jobs wakes a chain of workers, each by the one before, and a steady stream wakes nobody at all. Parked workers
 * are a stack: the last one is warm. A searcher that finds others enough and brisk does not join them but naps, and looks again
 * 100 us later: tiny tasks do not wake 256 threads for two processors, and should the brisk ones block, it is there.
 *
 * Submitting takes no lock: a task is pushed to the inbox, and who takes the lock for any reason moves what is there to the list
 * first. The gate tells the submitter whether he may (else he goes by the lock), and whether somebody must be summoned. He looks
 * at it after pushing; who changes it (er_pool_unlock) looks into the inbox after that. So one of the two sees the other, and
 * nothing lies there unheard: either a searcher is looking, or all who may run are busy and will, or the gate calls.
 *
 * A worker that is lent (waiting.c) does not count as busy, so there may be more threads than the limit; when waits end there
 * may be more busy ones: then those that finish park instead of taking a job. Threads beyond the limit retire after some idle
 * seconds. A worker that leaves puts itself on `exited`, where the next starter or the closer joins it.
 *
 * A worker's count on its task is given back only after w->task is reset under the lock: so the closer can tell it to end. */
#include "core/pool_state.h"

#include "base/options.h"

#include <errno.h>

#define SEARCH_NS 10000
#define NAP_NS    100000
#define BRISK     16
#define RETIRE_MS 5000

/* ---- the queue; the lock is held ---- */

static void set_waiting(errand_pool *pool, int by) { er_store_relaxed(&pool->waiting, pool->waiting + (uint32_t)by); }

static void make_room(errand_pool *pool)
{
    if (er_list_empty(&pool->submitters) || pool->n_tasks >= pool->queue_max) return;
    er_unpark(&er_of(er_list_pop(&pool->submitters), er_watcher, node)->wait.parker, ER_WAKE);
}

static void run_task_job(er_job *job)
{
    er_task *task = er_of(job, er_task, job);
    task->cell.kind->run(&task->cell);
}

er_task *er_job_task(er_job *job) { return job->run == run_task_job ? er_of(job, er_task, job) : NULL; }

void er_unlink_job(errand_pool *pool, er_job *job)
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

static er_job *next_job(errand_pool *pool)
{
    if (!pool->waiting || pool->busy >= er_limit(pool)) return NULL;
    bool ordinary = er_list_empty(&pool->urgent) || (++pool->turn % 64 == 0 && !er_list_empty(&pool->tasks));
    er_job *job = er_of(er_list_first(ordinary ? &pool->tasks : &pool->urgent), er_job, link);
    er_unlink_job(pool, job);
    pool->busy++;
    pool->taken++;
    return job;
}

/* Submitters come through the inbox for so long, before one of them takes the lock: the list is not to grow all at once. */
#define INBOX 1024

static void set_room(errand_pool *pool)
{
    int64_t room = pool->n_tasks < pool->queue_max ? (int64_t)(pool->queue_max - pool->n_tasks) : 0;
    er_store(&pool->room, room < INBOX ? room : INBOX);
}

static void empty_inbox(errand_pool *pool)
{
    if (!er_load(&pool->inbox)) return;
    er_node *oldest = NULL,
            *n = (er_node *)(void *)er_swap(&pool->inbox, (er_job *)NULL); /* link is what a job begins with */
    while (n) {
        er_node *older = n->next;
        n->next = oldest;
        oldest = n;
        n = older;
    }
    while ((n = oldest)) {
        oldest = n->next;
        er_job_task(er_of(n, er_job, link))->queued = ER_ORDINARY;
        er_list_push(&pool->tasks, n);
        pool->n_tasks++;
        set_waiting(pool, 1);
    }
    set_room(pool);
}

void er_pool_lock(errand_pool *pool)
{
    er_lock_take(&pool->lock);
    empty_inbox(pool);
}

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
        if (!er_load(&pool->inbox)) continue;
        empty_inbox(pool);
        if (!c.wake && !c.start) c = er_summon(pool);
    }
    er_lock_give(&pool->lock);
    er_answer(pool, c);
}

void er_tell_watchers(errand_pool *pool)
{
    for (er_node *n = pool->watchers.head.next; n != &pool->watchers.head; n = n->next) {
        er_unpark(&er_of(n, er_watcher, node)->wait.parker, ER_WAKE);
    }
}

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
    } else if (pool->threads < er_most_threads(pool) && pool->phase != ER_CLOSED) {
        pool->threads++;
        pool->starting++;
        pool->searching = c.start = true;
        pool->taken_then = pool->taken;
    }
    return c;
}

void er_reap(errand_pool *pool)
{
    for (;;) {
        er_pool_lock(pool);
        er_node *n = er_list_first(&pool->exited);
        while (n && n != &pool->exited.head && !er_of(n, er_worker, node)->known) n = n->next;
        if (n == &pool->exited.head) n = NULL;
        if (n) er_list_remove(n);
        er_pool_unlock(pool);
        if (!n) return;
        er_worker *w = er_of(n, er_worker, node);
        er_thread_join(&w->thread);
        er_free(w);
        er_pool_release(pool);
    }
}

static void worker_main(void *arg);

int er_answer_start(errand_pool *pool)
{
    er_reap(pool);
    er_worker *w = er_alloc_zero(sizeof *w);
    er_thread thread;
    int error = ENOMEM;
    if (w) {
        w->pool = pool;
        w->searching = true;
        er_pool_keep(pool);
        error = er_thread_start(&thread, worker_main, w, pool->home.name, pool->stack);
        if (error) er_pool_release(pool);
    }
    er_pool_lock(pool);
    pool->starting--;
    bool none = false;
    pool->barren = error;
    if (error) {
        pool->searching = false;
        none = --pool->threads == 0;
    } else {
        w->thread = thread;
        w->known = true;
    }
    er_tell_watchers(pool);
    er_pool_unlock(pool);
    if (!error) return 0;
    er_free(w);
    errand_warn(er_pool_log(pool), "pool %s: cannot start a thread: %s", pool->home.name, errand_strerror(error));
    return none ? error : 0;
}

static void park_worker(errand_pool *pool, er_worker *w) /* the lock is held, and again on return */
{
    bool spare = pool->threads > er_limit(pool);
    w->below = pool->parked;
    pool->parked = w;
    er_pool_unlock(pool);
    uint32_t bits = er_park(&w->parker, ER_WAKE, spare ? er_deadline(er_now_ns(), RETIRE_MS) : INT64_MAX);
    er_pool_lock(pool);
    if (!(bits & ER_WAKE)) {
        er_worker **at = &pool->parked;
        while (*at && *at != w) at = &(*at)->below;
        if (*at) {
            *at = w->below;
            w->retiring = true;
            return;
        }
        er_pool_unlock(pool); /* somebody has just taken it off the stack: the wake-up is on its way */
        er_park(&w->parker, ER_WAKE, INT64_MAX);
        er_pool_lock(pool);
    }
    er_parker_clear(&w->parker, ER_WAKE);
}

static void search(errand_pool *pool) /* without the lock */
{
    int64_t until = er_now_ns() + SEARCH_NS;
    unsigned turns = 0;
    while (!er_load_relaxed(&pool->waiting) && !er_load_relaxed(&pool->inbox) && er_now_ns() < until) er_relax(&turns);
}

/* There is enough to do, but those who do it are as many as the processors, and are quick: one more would only be in their way. */
static bool brisk(const errand_pool *pool)
{
    return pool->waiting && pool->busy >= er_cores() && pool->taken - pool->taken_then >= BRISK;
}

static void nap(errand_pool *pool, er_worker *w) /* the lock is held, and again on return */
{
    pool->taken_then = pool->taken;
    pool->napper = w;
    er_pool_unlock(pool);
    er_park(&w->parker, ER_WAKE, er_now_ns() + NAP_NS);
    er_pool_lock(pool);
    if (pool->napper == w) pool->napper = NULL;
}

/* Notes down that it begins now; without the lock: relaxed, they are figures. */
static void begin(errand_pool *pool, er_worker *w, const er_task *task)
{
    w->sampled = task->stamp & 1;
    int64_t now = w->sampled ? er_now_ns() : er_coarse_ns(), waited = now - (task->stamp & ~INT64_C(1));
    er_store_relaxed(&w->began_ns, now);
    int64_t longest = er_load_relaxed(&pool->longest_wait_ns);
    while (waited > longest && !er_cas(&pool->longest_wait_ns, &longest, waited)) continue;
    if (w->sampled) er_spread_add(pool->waits, waited);
}

static void leave(errand_pool *pool, er_worker *w) /* the lock is held, and not on return; w may be gone */
{
    if (w->searching) w->searching = pool->searching = false;
    pool->threads--; /* while its on_stop ran, something may have come for which this place is needed */
    er_call c = er_summon(pool);
    pool->threads++;
    if (c.wake || c.start) {
        er_pool_unlock(pool);
        er_answer(pool, c);
        er_pool_lock(pool);
    }
    for (int i = 0; i < 3; i++) er_add_relaxed(&pool->outcomes[i], w->outcomes[i]);
    er_list_remove(&w->node);
    bool left = w->left;
    if (!left) er_list_push(&pool->exited, &w->node);
    pool->threads--;
    er_tell_watchers(pool);
    er_pool_unlock(pool);
    if (!left) return; /* who joins it gives its count back */
    er_free(w);
    er_pool_release(pool);
}

static void worker_main(void *arg)
{
    er_worker *w = arg;
    errand_pool *pool = w->pool;
    er_here *here = er_here_now();
    er_task *before = NULL; /* its count is given back outside the lock */
    bool spun = false;
    here->worker = w;
    if (pool->on_start) pool->on_start(pool->arg);
    er_pool_lock(pool);
    w->number = ++pool->numbers;
    er_list_push(&pool->all, &w->node);
    for (;;) {
        if (w->searching && brisk(pool)) {
            nap(pool, w);
            continue;
        }
        er_job *job = next_job(pool);
        if (job) {
            er_call c = { NULL, false };
            if (w->searching) {
                w->searching = pool->searching = spun = false;
                c = er_summon(pool);
            }
            er_task *task = er_job_task(job);
            w->task = task;
            er_pool_unlock(pool);
            if (task) begin(pool, w, task);
            if (before) er_cell_release(&before->cell);
            before = task;
            er_answer(pool, c);
            here->task = task;
            job->run(job);
            here->task = NULL;
            here->frame = NULL;
            if (task && w->sampled) er_spread_add(pool->runs, er_now_ns() - w->began_ns);
            er_pool_lock(pool);
            w->task = NULL;
            pool->busy--;
            continue;
        }
        if (er_at_rest(pool) && !er_list_empty(&pool->watchers)) er_tell_watchers(pool);
        if (before) {
            er_pool_unlock(pool);
            er_cell_release(&before->cell);
            before = NULL;
            er_pool_lock(pool);
            continue;
        }
        if (pool->phase == ER_CLOSED || w->retiring) break;
        if ((!pool->searching || pool->napper) && !w->searching && pool->busy < er_limit(pool)) {
            if (pool->napper) pool->napper->searching = false;
            pool->napper = NULL;
            pool->searching = w->searching = true;
            pool->taken_then = pool->taken;
            spun = false;
        }
        if (w->searching && !spun) {
            spun = true;
            er_pool_unlock(pool);
            search(pool);
            er_pool_lock(pool);
            continue;
        }
        if (w->searching) w->searching = pool->searching = false;
        park_worker(pool, w);
        spun = w->searching; /* just woken for something that may be gone by now: park again without spinning */
    }
    if (pool->on_stop) {
        er_pool_unlock(pool);
        pool->on_stop(pool->arg);
        er_pool_lock(pool);
    }
    leave(pool, w);
}

/* ---- jobs in and out ---- */

static int refused(const errand_pool *pool, bool urgent) /* under the lock */
{
    switch (pool->phase) {
    case ER_OPEN:
        return 0;
    case ER_DRAINING:
        return urgent || er_pool_here() == pool ? 0 : EINVAL;
    case ER_SHUT:
        return urgent ? 0 : ECANCELED;
    default:
        return EINVAL;
    }
}

static int wait_for_room(errand_pool *pool) /* the lock is held, and again on return */
{
    while (pool->n_tasks >= pool->queue_max && pool->phase == ER_OPEN) {
        er_watcher w = { .wait.room = pool };
        er_list_push(&pool->submitters, &w.node);
        er_pool_unlock(pool);
        uint32_t bits = er_pool_park(&w.wait, ER_WAKE, pool, INT64_MAX);
        er_pool_lock(pool);
        if (er_listed(&w.node)) er_list_remove(&w.node);
        else if ((bits & ER_TOLD) || !(bits & ER_WAKE))
            make_room(pool); /* it was this one's turn: now the next one's */
        if (bits & ER_TOLD) return ECANCELED;
        if (!(bits & ER_WAKE)) return bits & ER_CIRCLE ? EDEADLK : ETIMEDOUT;
    }
    return 0;
}

/* The oldest task from outside makes room for a newer one; under the lock, which is given while it is ended. */
static void drop_oldest(errand_pool *pool)
{
    while (pool->n_tasks >= pool->queue_max) {
        er_task *victim = er_job_task(er_of(er_list_first(&pool->tasks), er_job, link));
        er_unlink_job(pool, &victim->job);
        er_pool_unlock(pool);
        if (er_cell_claim(&victim->cell)) victim->cell.kind->refuse(&victim->cell, errand_fail(ERRAND_EFULL));
        er_cell_release(&victim->cell); /* the queue's */
        er_pool_lock(pool);
    }
}

static void put(errand_pool *pool, er_job *job, bool urgent)
{
    er_list_push(urgent ? &pool->urgent : &pool->tasks, &job->link);
    set_waiting(pool, 1);
}

/* Until the first thread has been started or could not be: then this one tries. The lock is held, and again on return. */
static er_call wait_for_first(errand_pool *pool)
{
    er_call c = { NULL, false };
    er_watcher w = { .wait.input = NULL };
    er_list_push(&pool->watchers, &w.node);
    while (!c.start && pool->starting && pool->threads == pool->starting) {
        er_parker_clear(&w.wait.parker, ER_WAKE);
        er_pool_unlock(pool);
        er_park(&w.wait.parker, ER_WAKE, INT64_MAX);
        er_pool_lock(pool);
        if (!pool->threads) c = er_summon(pool);
    }
    er_list_remove(&w.node);
    return c;
}

/* Through the inbox. *error is set when that is so; false: by the lock. */
static bool slip_in(errand_pool *pool, er_task *task, int *error)
{
    if (!(er_load_relaxed(&pool->gate) & ER_GATE_OPEN)) return false; /* relaxed: looked at again below */
    if (er_sub(&pool->room, 1) <= 0) return false;
    er_job *newest = er_load_relaxed(&pool->inbox);
    do task->job.link.next = (er_node *)(void *)newest;
    while (!er_cas(&pool->inbox, &newest, &task->job));
    *error = 0;
    uint32_t gate = er_load(&pool->gate);
    if (gate == ER_GATE_OPEN) return true;
    er_pool_lock(pool);
    bool late = task->queued != ER_NOT_QUEUED && (*error = refused(pool, false));
    if (late) er_unlink_job(pool, &task->job);
    else *error = 0;
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

void er_pool_put_aside(errand_pool *pool, er_task *task)
{
    task->aside_ms = (uint32_t)(er_coarse_ns() / ER_MS);
    er_pool_lock(pool);
    er_list_push(&pool->aside, &task->aside);
    task->queued = ER_ASIDE;
    er_pool_unlock(pool);
}

void er_pool_put_back(errand_pool *pool, er_task *task)
{
    er_pool_lock(pool);
    take_back(task);
    er_pool_unlock(pool);
}

int er_pool_queue(errand_pool *pool, er_task *task, bool urgent)
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
    if (!error && !urgent && pool->n_tasks >= pool->queue_max && er_pool_here() != pool) {
        if (pool->when_full == ERRAND_WHEN_FULL_BLOCK) error = wait_for_room(pool);
        else if (pool->when_full == ERRAND_WHEN_FULL_FAIL) error = ERRAND_EFULL;
        else drop_oldest(pool);
        if (!error) error = refused(pool, urgent);
    }
    if (error) {
        er_pool_unlock(pool);
        return error;
    }
    task->queued = urgent ? ER_URGENT : ER_ORDINARY;
    put(pool, &task->job, urgent);
    pool->n_tasks += !urgent;
    set_room(pool);
    er_call c = er_summon(pool);
    if (!c.start && !c.wake && pool->starting && pool->threads == pool->starting) { /* will there be a thread at all? */
        er_cell_keep(&task->cell);
        c = wait_for_first(pool);
        er_pool_unlock(pool);
        error = er_answer(pool, c);
        if (error && !er_pool_unqueue(pool, task)) error = 0;
        er_cell_release(&task->cell);
        return error;
    }
    er_pool_unlock(pool);
    error = er_answer(pool, c);
    return error && er_pool_unqueue(pool, task) ? error : 0;
}

int er_pool_post(errand_pool *pool, er_job *job)
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
    if (!error) er_answer(pool, c); /* without a thread it waits for the next that can be started */
    return error;
}

bool er_pool_unqueue(errand_pool *pool, er_task *task)
{
    er_pool_lock(pool);
    bool there = task->queued == ER_ORDINARY || task->queued == ER_URGENT;
    if (there) {
        er_unlink_job(pool, &task->job);
        if (er_at_rest(pool)) er_tell_watchers(pool);
    }
    er_pool_unlock(pool);
    return there;
}

/* ---- making ---- */

static void woke(errand_pool *pool) /* no timer sleeps any more */
{
    er_pool_lock(pool);
    er_tell_watchers(pool);
    er_pool_unlock(pool);
}

static void free_pool(er_home *home)
{
    if (home->timers) er_timers_free(home->timers);
    er_free(home);
}

errand_pool *errand_pool_new_sized(const errand_pool_opts *opts, size_t size)
{
    errand_pool_opts o;
    int error = er_options(&o, sizeof o, opts, size);
    if (!error && (o.workers > 100000 || (o.spares > 100000 && o.spares != ERRAND_NO_SPARES) ||
                   (unsigned)o.when_full > ERRAND_WHEN_FULL_DROP_OLDEST || (o.clock && !o.clock->now_ns)))
        error = EINVAL;
    errand_pool *pool = error ? NULL : er_alloc_zero(sizeof *pool);
    if (!pool) {
        errno = error ? error : ENOMEM;
        return NULL;
    }
    pool->home.free = free_pool;
    pool->home.clock = o.clock;
    pool->home.log = o.log;
    pool->home.name = o.name ? o.name : "errand";
    pool->workers = o.workers ? o.workers : 16;
    pool->spares = o.spares == ERRAND_NO_SPARES ? 0 : o.spares ? o.spares : 256;
    pool->queue_max = o.queue ? o.queue : 65536;
    pool->stack = o.stack;
    pool->when_full = o.when_full;
    pool->on_start = o.on_start;
    pool->on_stop = o.on_stop;
    pool->arg = o.arg;
    er_list *lists[] = { &pool->urgent, &pool->tasks,         &pool->aside,   &pool->submitters, &pool->all,
                         &pool->exited, &pool->resident_list, &pool->closers, &pool->watchers };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) er_list_init(lists[i]);
    er_home_open(&pool->home);
    pool->home.timers = er_timers_new(pool, woke);
    if (!pool->home.timers) {
        er_home_close(&pool->home);
        errno = ENOMEM;
        return NULL;
    }
    return pool;
}

void errand_pool_tick(errand_pool *pool)
{
    if (pool && !er_pool_dead(pool)) er_timers_tick(pool->home.timers);
}
