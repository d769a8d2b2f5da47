/* core/close.c -- coming to rest, and to an end.
 *
 *     open --> draining (nothing more from outside) --> shut (nothing new at all, all is told to end) --> closed
 *
 * Draining lasts until nothing is queued, running or asleep and no resident is left, or half of the time has passed. Shutting
 * down ends residents, semaphore waiters and timers, and tells every task; then-functions still run. Closed: idle threads are
 * joined; what is stuck in a task is named, detached, and keeps the memory until it returns. */
#include "core/pool_state.h"

#include <errno.h>

typedef bool condition(const errand_pool *pool, size_t asleep);

static bool is_at_rest(const errand_pool *pool, size_t asleep) { return (void)asleep, er_at_rest(pool); }
static bool is_drained(const errand_pool *pool, size_t asleep)
{
    return !asleep && er_at_rest(pool) && !pool->residents;
}
static bool is_spent(const errand_pool *pool, size_t asleep)
{
    return (void)asleep, er_at_rest(pool) && !pool->residents;
}
static bool only_stuck_are_left(const errand_pool *pool, size_t asleep)
{
    (void)asleep;
    return !pool->starting && pool->threads == pool->busy + pool->lent;
}

/* Not to be cut short by a cancel of the calling task. */
static int wait_for(errand_pool *pool, condition *reached, int64_t deadline_ns)
{
    er_watcher w = { .wait.input = NULL };
    int error = 0;
    er_pool_lock(pool);
    er_list_push(&pool->watchers, &w.node);
    for (;;) {
        er_parker_clear(&w.wait.parker, ER_WAKE);
        er_pool_unlock(pool);
        size_t asleep = er_timers_asleep(
            pool->home.timers); /* what wakes now is a task before it is not asleep any more */
        er_pool_lock(pool);
        if (reached(pool, asleep)) break;
        er_pool_unlock(pool);
        er_lend();
        uint32_t bits = er_park(&w.wait.parker, ER_WAKE, deadline_ns);
        er_lend_end();
        er_pool_lock(pool);
        if (bits & ER_WAKE) continue;
        if (!reached(pool, asleep)) error = ETIMEDOUT;
        break;
    }
    er_list_remove(&w.node);
    er_pool_unlock(pool);
    return error;
}

int errand_pool_wait_idle(errand_pool *pool, int64_t ms)
{
    if (!pool || ms < 0) return EINVAL;
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    if (er_pool_here() == pool) return EDEADLK;
    return wait_for(pool, is_at_rest, er_deadline(er_now_ns(), ms));
}

/* Some that have not been told yet, counted: from the queue and from the workers. */
static size_t untold(errand_pool *pool, er_cell *some[], size_t most)
{
    size_t n = 0;
    er_pool_lock(pool);
    er_list *lists[] = { &pool->urgent, &pool->tasks };
    for (int i = 0; i < 2; i++) {
        for (er_node *t = lists[i]->head.next; t != &lists[i]->head && n < most; t = t->next) {
            er_task *task = er_job_task(er_of(t, er_job, link));
            if (task && !er_cell_told(&task->cell)) some[n++] = er_cell_keep(&task->cell);
        }
    }
    for (er_node *t = pool->all.head.next; t != &pool->all.head && n < most; t = t->next) {
        er_worker *w = er_of(t, er_worker, node);
        if (w->task && !er_cell_ended(&w->task->cell) && !er_cell_told(&w->task->cell))
            some[n++] = er_cell_keep(&w->task->cell);
    }
    er_pool_unlock(pool);
    return n;
}

static void shut_down(errand_pool *pool)
{
    er_pool_lock(pool);
    pool->phase = ER_SHUT;
    er_store(&pool->home.shut, 1);
    er_pool_unlock(pool);
    er_stop_residents(pool, true);
    er_shut_closers(pool, false);
    er_timers_shut(pool->home.timers);
    er_cell *some[64];
    for (size_t n; (n = untold(pool, some, 64));) {
        for (size_t i = 0; i < n; i++) {
            er_cell_cancel(some[i], ERRAND_BY_SHUTDOWN);
            er_cell_release(some[i]);
        }
    }
}

/* Those that are still in a task are named and left to themselves. */
static void leave_stragglers(errand_pool *pool)
{
    const char *names[16];
    unsigned n = 0;
    er_pool_lock(pool);
    for (er_node *at = pool->all.head.next; at != &pool->all.head; at = at->next) {
        er_worker *w = er_of(at, er_worker, node);
        w->left = true;
        er_thread_detach(&w->thread);
        if (n++ < 16) names[n - 1] = w->task && w->task->name ? w->task->name : "(without a name)";
    }
    er_pool_unlock(pool);
    for (unsigned i = 0; i < n && i < 16; i++)
        errand_error(er_pool_log(pool), "pool %s: would not end, left behind: %s", pool->home.name, names[i]);
    if (n > 16) errand_error(er_pool_log(pool), "pool %s: and %u more", pool->home.name, n - 16);
}

/* Continuations that no worker will come for are called all the same, here. */
static void run_leftovers(errand_pool *pool)
{
    for (;;) {
        er_pool_lock(pool);
        er_node *n = er_list_first(&pool->urgent);
        er_job *job = n ? er_of(n, er_job, link) : NULL;
        er_task *task = job ? er_job_task(job) : NULL;
        if (job) er_unlink_job(pool, job);
        er_pool_unlock(pool);
        if (!job) return;
        er_frame *frame = NULL;
        er_task *before = er_task_change(NULL, &frame);
        job->run(job);
        er_task_change(before, &frame);
        if (task) er_cell_release(&task->cell);
    }
}

int errand_pool_close(errand_pool *pool, int64_t within_ms)
{
    if (!pool || within_ms < 0) return EINVAL;
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    if (er_pool_here() == pool) return EDEADLK;
    int64_t now = er_now_ns(), deadline = er_deadline(now, within_ms);
    int64_t half = deadline == INT64_MAX ? INT64_MAX : now + (deadline - now) / 2;

    er_pool_lock(pool);
    bool open = pool->phase == ER_OPEN;
    if (open) pool->phase = ER_DRAINING;
    for (er_node *n; (n = er_list_pop(&pool->submitters));)
        er_unpark(&er_of(n, er_watcher, node)->wait.parker, ER_WAKE);
    er_pool_unlock(pool);
    if (!open) return EINVAL;

    er_shut_closers(pool, true);
    er_stop_residents(pool, false);
    wait_for(pool, is_drained, half);
    shut_down(pool);
    int error;
    for (;;) {
        error = wait_for(pool, is_spent, deadline);
        er_pool_lock(pool);
        if (error || is_spent(pool, 0)) break; /* else another thread's resolve has queued something since */
        er_pool_unlock(pool);
    }
    pool->phase = ER_CLOSED;
    while (pool->parked) {
        er_worker *w = pool->parked;
        pool->parked = w->below;
        er_unpark(&w->parker, ER_WAKE);
    }
    er_pool_unlock(pool);
    wait_for(pool, only_stuck_are_left, INT64_MAX); /* soon: idle threads only have to notice */
    if (error) leave_stragglers(pool);
    er_reap(pool);
    run_leftovers(pool);
    er_timers_close(pool->home.timers);
    er_store(&pool->home.log, NULL);
    er_home_close(&pool->home);
    return error;
}
