/* async/worker.c -- a thread of the pool, from its start to its exit.
 *
 *     parked --summoned--> searching --a job--> busy --nothing left--> searching --10 us--> parked
 *                                                \--waits inside the library--> lent --> busy
 *
 * At most one worker is searching: it has been woken, or started, or spins for 10 us before it
 * parks. Adding a job wakes no worker while one searches; a searcher that finds a job hands the
 * search on, if more wait, before it runs its own. So a burst of n jobs wakes a chain of workers,
 * each by the one before, and a steady stream wakes none. Parked workers are a stack: the last one
 * is warm. A searcher that finds enough busy workers, and quick ones (brisk), naps and looks again
 * 100 us later: tiny tasks do not wake 256 threads for two processors, and if those workers block,
 * it takes over.
 *
 * A worker that is lent (park.c) does not count as busy, so there may be more threads than the
 * limit; when waits end there may be more busy ones: then those that finish park instead of taking
 * a job. Threads beyond the limit retire after some idle seconds. A worker that leaves puts itself
 * on `exited`, where the next starter or the closer joins it.
 *
 * A worker's count on its task is given back only after w->task is reset under the lock: so the
 * closer can cancel it. */
#include "async/worker.h"

#include "async/current.h"
#include "async/pool.h"
#include "async/runq.h"
#include "async/stats.h"

#include "log/producer.h"

#include <errno.h>

#define SEARCH_NS 10000
#define NAP_NS    100000
#define BRISK     16
#define RETIRE_MS 5000

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

int er_start_worker(errand_pool *pool)
{
    er_reap(pool);
    er_worker *w = er_alloc_zero(sizeof *w);
    er_thread thread;
    int error = ENOMEM;
    if (w) {
        w->pool = pool;
        w->searching = true;
        er_pool_keep(pool);
        error = er_thread_start(&thread, worker_main, w, pool->ref.name, pool->stack);
        if (error) er_pool_release(pool);
    }
    er_pool_lock(pool);
    pool->starting--;
    bool none = false;
    pool->barren = error;
    if (error) {
        pool->searching = false;
        none = --pool->threads == pool->housed;
    } else {
        w->thread = thread;
        w->known = true;
        if (pool->orphaned && !w->gone) er_worker_leave_behind(w);
    }
    bool orphaned = pool->orphaned;
    er_notify_watchers(pool);
    er_pool_unlock(pool);
    if (orphaned) er_reap(pool); /* it may have been quicker than this */
    if (!error) return 0;
    er_free(w);
    er_log_warn(er_pool_log(pool), "pool %s: cannot start a thread: %s", pool->ref.name,
                errand_strerror(error));
    return none ? error : 0;
}

static void park_worker(errand_pool *pool, er_worker *w) /* the lock is held, and again on return */
{
    bool spare = pool->threads > er_limit(pool);
    w->below = pool->parked;
    pool->parked = w;
    er_pool_unlock(pool);
    uint32_t bits =
        er_park(&w->parker, ER_WAKE, spare ? er_deadline(er_now_ns(), RETIRE_MS) : INT64_MAX);
    er_pool_lock(pool);
    if (!(bits & ER_WAKE)) {
        er_worker **at = &pool->parked;
        while (*at && *at != w) at = &(*at)->below;
        if (*at) {
            *at = w->below;
            w->retiring = true;
            return;
        }
        er_pool_unlock(pool); /* it was just taken off the stack: the wake-up is on its way */
        er_park(&w->parker, ER_WAKE, INT64_MAX);
        er_pool_lock(pool);
    }
    er_parker_clear(&w->parker, ER_WAKE);
}

static void search(errand_pool *pool) /* without the lock */
{
    int64_t until = er_now_ns() + SEARCH_NS;
    unsigned turns = 0;
    while (!er_load_relaxed(&pool->waiting) && !er_mpsc_holds(&pool->inbox) && er_now_ns() < until)
        er_relax(&turns);
}

/* There is work, but the busy workers are as many as the processors, and quick: one more would only
 * be in their way. */
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
static void begin(errand_pool *pool, er_worker *w, int64_t stamp)
{
    w->sampled = stamp & 1;
    int64_t now = w->sampled ? er_now_ns() : er_coarse_ns(), waited = now - (stamp & ~INT64_C(1));
    er_store_relaxed(&w->began_ns, now);
    int64_t longest = er_load_relaxed(&pool->longest_wait_ns);
    while (waited > longest && !er_cas(&pool->longest_wait_ns, &longest, waited)) continue;
    if (w->sampled) er_histogram_add(&pool->waits, waited > 0 ? (uint64_t)waited : 0);
}

/* the lock is held, and not on return; w may be gone */
static void leave(errand_pool *pool, er_worker *w)
{
    if (w->searching) w->searching = pool->searching = false;
    pool->threads--; /* a job that came while on_stop ran may need this place */
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
    w->gone = true;
    if (!left) er_list_push(&pool->exited, &w->node);
    pool->threads--;
    er_notify_watchers(pool);
    er_pool_unlock(pool);
    if (!left) return; /* the thread that joins it gives its count back */
    er_free(w);
    er_pool_release(pool);
}

/* The pool's own hook on this thread; the lock is held, and again on return. Closing does not
 * wait for it beyond its time. */
static void call_hook(errand_pool *pool, er_worker *w, void (*fn)(void *), const char *name)
{
    if (!fn) return;
    w->hook = name;
    pool->hooked++;
    if (pool->phase == ER_CLOSED) er_notify_watchers(pool);
    er_pool_unlock(pool);
    fn(pool->arg);
    er_end_in_child();
    er_pool_lock(pool);
    pool->hooked--;
    w->hook = NULL;
}

/* One job, from the queue to its end. The lock is held, and again on return; *before is the task
 * before it: its count is given back outside the lock. */
static void do_job(errand_pool *pool, er_worker *w, const er_pick *pick, er_task **before)
{
    er_task *task = pick->task;
    er_call c = { NULL, false };
    w->task = task;
    w->service = task && task->cell.kind->service;
    pool->housed += w->service;
    bool searched = w->searching;
    if (searched) w->searching = pool->searching = false;
    if (searched || w->service) c = er_summon(pool); /* a service takes no more jobs */
    er_pool_unlock(pool);
    if (task) begin(pool, w, pick->stamp);
    if (*before) er_cell_release(&(*before)->cell);
    *before = task;
    er_answer(pool, c);
    er_here *here = er_here_now();
    here->task = task;
    here->service = w->service;
    here->working = true;
    er_run_pick(pick);
    er_end_in_child();
    here->working = false;
    here->task = NULL;
    here->frame = NULL;
    here->service = false;
    if (task && w->sampled) er_pool_count_run(pool, er_now_ns() - w->began_ns);
    er_pool_lock_again(pool);
    w->task = NULL;
    pool->busy--;
}

static void become_searcher(errand_pool *pool, er_worker *w)
{
    if (pool->napper) pool->napper->searching = false;
    pool->napper = NULL;
    pool->searching = w->searching = true;
    pool->taken_then = pool->taken;
}

static void worker_main(void *arg)
{
    er_worker *w = arg;
    errand_pool *pool = w->pool;
    er_task *before = NULL; /* its count is given back outside the lock */
    bool spun = false;
    er_here_now()->worker = w;
    er_pool_lock(pool);
    w->number = ++pool->numbers;
    er_list_push(&pool->all, &w->node);
    call_hook(pool, w, pool->on_start, "on_start");
    for (er_pick pick;;) {
        if (w->searching && brisk(pool)) {
            nap(pool, w);
            continue;
        }
        if (er_pick_next(pool, &pick)) {
            if (w->searching) spun = false;
            do_job(pool, w, &pick, &before);
            continue;
        }
        if (er_at_rest(pool) && !er_list_empty(&pool->watchers)) er_notify_watchers(pool);
        if (before) {
            er_pool_unlock(pool);
            er_cell_release(&before->cell);
            before = NULL;
            er_pool_lock(pool);
            continue;
        }
        if (pool->phase == ER_CLOSED || w->retiring) break;
        if ((!pool->searching || pool->napper) && !w->searching && pool->busy < er_limit(pool)) {
            become_searcher(pool, w);
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
        /* just woken for something that may be gone by now: park again without spinning */
        spun = w->searching;
    }
    call_hook(pool, w, pool->on_stop, "on_stop");
    leave(pool, w);
}
