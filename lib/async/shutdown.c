/* async/shutdown.c -- coming to rest, and to an end.
 *
 *     open --> draining (nothing from outside) --> shut (nothing new, all is cancelled) --> closed
 *
 * Draining lasts until nothing is queued, running or asleep and no service is left, or half of the
 * time has passed. Shutting down ends services, semaphore waiters and timers, and cancels every
 * task; then-functions still run. Closed: idle threads are joined; threads stuck in a task or in
 * the pool's hooks are logged and detached, and keep the memory until they return.
 *
 * No user code runs on the closer's thread, so none can hold it up: then-functions still queued
 * behind stuck tasks are run by spare threads (er_limit), or by the stuck ones when they return.
 * Only where no thread can be started does the closer run them itself.
 *
 * Other threads may be inside wait_idle, stats, dump or tick meanwhile: those hold a count. */
#include "async/current.h"
#include "async/park.h"
#include "async/pool.h"
#include "async/runq.h"
#include "async/service.h"
#include "async/worker.h"

#include "log/producer.h"

#include <errno.h>

typedef bool condition(const errand_pool *pool, size_t asleep);

static bool is_at_rest(const errand_pool *pool, size_t asleep)
{
    return (void)asleep, er_at_rest(pool);
}
static bool is_drained(const errand_pool *pool, size_t asleep)
{
    return !asleep && er_at_rest(pool) && !pool->services;
}
static bool is_spent(const errand_pool *pool, size_t asleep)
{
    return (void)asleep, er_at_rest(pool) && !pool->services;
}
static bool only_stuck_are_left(const errand_pool *pool, size_t asleep)
{
    (void)asleep;
    return !pool->starting && pool->threads == pool->busy + pool->lent + pool->hooked;
}
static bool is_empty(const errand_pool *pool, size_t asleep)
{
    (void)asleep;
    return !pool->starting && !pool->threads && !pool->guests;
}

/* A cancel of the calling task does not end it. */
static uint32_t wait_uncancelled(er_wait *wait, int64_t deadline_ns)
{
    er_lend();
    uint32_t bits = er_park(&wait->parker, ER_WAKE, deadline_ns);
    er_lend_end();
    return bits;
}

static int wait_for(errand_pool *pool, condition *reached, int64_t deadline_ns, bool cancellable)
{
    er_watcher w = { .wait.input = NULL };
    int error = 0;
    er_pool_lock(pool);
    er_list_push(&pool->watchers, &w.node);
    for (;;) {
        er_parker_clear(&w.wait.parker, ER_WAKE);
        er_pool_unlock(pool);
        /* what wakes now is a task before it stops counting as asleep */
        size_t asleep = er_timers_asleep(pool->ref.timers);
        er_pool_lock(pool);
        if (reached(pool, asleep)) break;
        er_pool_unlock(pool);
        uint32_t bits = cancellable ? er_pool_park(&w.wait, ER_WAKE, NULL, deadline_ns)
                                    : wait_uncancelled(&w.wait, deadline_ns);
        er_pool_lock(pool);
        if (bits & ER_WAKE) continue;
        if (!reached(pool, asleep)) error = er_park_error(bits);
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
    if (er_pool_is_here(pool)) return EDEADLK;
    er_pool_keep(pool); /* another thread may close it meanwhile */
    int error = wait_for(pool, is_at_rest, er_deadline(er_now_ns(), ms), true);
    er_pool_release(pool);
    return error;
}

/* Some tasks that are not cancelled yet, counted: from the queue, the workers and the guests. */
static size_t uncancelled(errand_pool *pool, er_cell *some[], size_t most)
{
    size_t n = 0;
    er_pool_lock(pool);
    er_list *lists[] = { &pool->urgent, &pool->tasks };
    for (int i = 0; i < 2; i++) {
        for (er_node *t = lists[i]->head.next; t != &lists[i]->head && n < most; t = t->next) {
            er_task *task = er_job_task(er_of(t, er_job, link));
            if (task && !er_cell_cancelled(&task->cell)) some[n++] = er_cell_keep(&task->cell);
        }
    }
    for (er_node *t = pool->all.head.next; t != &pool->all.head && n < most; t = t->next) {
        er_worker *w = er_of(t, er_worker, node);
        if (w->task && !er_cell_ended(&w->task->cell) && !er_cell_cancelled(&w->task->cell))
            some[n++] = er_cell_keep(&w->task->cell);
    }
    for (er_node *t = pool->guest_list.head.next; t != &pool->guest_list.head && n < most;
         t = t->next) {
        er_cell *guest = &er_of(t, er_guest, node)->task->cell;
        if (!er_cell_ended(guest) && !er_cell_cancelled(guest)) some[n++] = er_cell_keep(guest);
    }
    er_pool_unlock(pool);
    return n;
}

/* The next workers' tasks, counted; *after is the number of the worker before them. */
static size_t some_running(errand_pool *pool, er_task *some[], size_t most, unsigned *after)
{
    size_t n = 0;
    er_pool_lock(pool);
    for (er_node *at = pool->all.head.next; at != &pool->all.head && n < most; at = at->next) {
        er_worker *w = er_of(at, er_worker, node);
        if (w->number <= *after) continue;
        *after = w->number;
        if (!w->task) continue;
        some[n++] = w->task;
        er_cell_keep(&w->task->cell);
    }
    er_pool_unlock(pool);
    return n;
}

static er_task *nested_in(er_task *task) /* counted; NULL: none */
{
    er_cell_lock(&task->cell);
    bool nested = !(task->flags & ER_FOLLOWS) && task->blocked && task->blocked->nested;
    er_cell *inner = nested ? er_cell_keep(task->blocked->input) : NULL;
    er_cell_unlock(&task->cell);
    return inner ? er_of(inner, er_task, cell) : NULL;
}

/* A task that runs in place is known to the one around it alone, and a shield of that one keeps
 * cancels from it. If it begins to wait later it sees the shutdown itself (er_cancelled_here). */
static void cancel_nested(errand_pool *pool)
{
    er_task *some[64];
    unsigned after = 0;
    for (size_t n; (n = some_running(pool, some, 64, &after));) {
        for (size_t i = 0; i < n; i++) {
            for (er_task *outer = some[i], *inner; outer; outer = inner) {
                inner = nested_in(outer);
                if (inner) er_cell_cancel(&inner->cell, ERRAND_BY_SHUTDOWN);
                er_cell_release(&outer->cell);
            }
        }
    }
}

static void shut_down(errand_pool *pool)
{
    er_pool_lock(pool);
    pool->phase = ER_SHUT;
    er_store(&pool->ref.shut, 1);
    er_pool_unlock(pool);
    er_services_stop(pool, true);
    er_close_hooks_call(pool, false);
    er_timers_shut(pool->ref.timers);
    er_cell *some[64];
    for (size_t n; (n = uncancelled(pool, some, 64));) {
        for (size_t i = 0; i < n; i++) {
            er_cell_cancel(some[i], ERRAND_BY_SHUTDOWN);
            er_cell_release(some[i]);
        }
    }
    cancel_nested(pool);
}

#define NAMED 16

static void note_straggler(const char *names[NAMED], unsigned *n, const char *name)
{
    if (*n < NAMED) names[*n] = name ? name : "(no name)";
    ++*n;
}

/* Logs and detaches the threads that are still in a task. */
static void leave_stragglers(errand_pool *pool)
{
    const char *names[NAMED];
    unsigned n = 0;
    er_pool_lock(pool);
    pool->orphaned = true;
    er_list_each(at, &pool->all) {
        er_worker *w = er_of(at, er_worker, node);
        if (w->known) er_worker_leave_behind(w); /* else its starter does that */
        const char *name = w->task ? w->task->name : NULL;
        note_straggler(names, &n, w->hook ? w->hook : name);
    }
    er_list_each(at, &pool->guest_list) {
        note_straggler(names, &n, er_of(at, er_guest, node)->task->name);
    }
    er_pool_unlock(pool);
    for (unsigned i = 0; i < n && i < NAMED; i++)
        er_log_error(er_pool_log(pool), "pool %s: would not end, left behind: %s", pool->ref.name,
                     names[i]);
    if (n > NAMED)
        er_log_error(er_pool_log(pool), "pool %s: and %u more", pool->ref.name, n - NAMED);
}

int errand_pool_close(errand_pool *pool, int64_t within_ms)
{
    if (!pool || within_ms < 0) return EINVAL;
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    if (er_pool_is_here(pool)) return EDEADLK;
    int64_t now = er_now_ns(), deadline = er_deadline(now, within_ms);
    int64_t half = deadline == INT64_MAX ? INT64_MAX : now + (deadline - now) / 2;

    er_pool_lock(pool);
    bool open = pool->phase == ER_OPEN;
    if (open) pool->phase = ER_DRAINING;
    for (er_node *n; (n = er_list_pop(&pool->submitters));)
        er_unpark(&er_of(n, er_watcher, node)->wait.parker, ER_WAKE);
    er_pool_unlock(pool);
    if (!open) return EINVAL;
    er_left_open_remove(&pool->left_open);

    er_close_hooks_call(pool, true);
    er_services_stop(pool, false);
    wait_for(pool, is_drained, half, false);
    shut_down(pool);
    for (;;) {
        int error = wait_for(pool, is_spent, deadline, false);
        er_pool_lock(pool);
        /* else another thread's resolve has queued something since */
        if (error || is_spent(pool, 0)) break;
        er_pool_unlock(pool);
    }
    pool->phase = ER_CLOSED;
    while (pool->parked) {
        er_worker *w = pool->parked;
        pool->parked = w->below;
        er_unpark(&w->parker, ER_WAKE);
    }
    er_call c = er_summon(pool); /* for continuations that are left */
    er_pool_unlock(pool);
    er_answer(pool, c);
    /* soon: idle threads only have to notice */
    wait_for(pool, only_stuck_are_left, INT64_MAX, false);
    int error = wait_for(pool, is_empty, deadline, false);
    if (error) leave_stragglers(pool);
    er_reap(pool);
    er_timers_close(pool->ref.timers);
    er_store(&pool->ref.log, NULL);
    er_pool_ref_close(&pool->ref);
    return error;
}
