/* core/pool.c -- workers, their queue, and how it all ends.
 *
 *     queue: urgent | tasks --next_task--> worker --task->run--> worker ...          busy <= limit = workers + residents
 *
 * One lock guards the queue and all counts. Nothing is called under it: who has to be woken or started is decided under the
 * lock (a `call`) and done after it.
 *
 * At most one worker is searching: it has been woken, or started, or spins for 10 us before it parks. Adding a task summons
 * nobody while one searches; a searcher that finds a task hands the search on, if more wait, before it runs its own. So a
 * burst of n tasks wakes a chain of workers, each by the one before, and a steady stream wakes nobody at all. Parked workers
 * are a stack: the last one is warm.
 *
 * Lending. A worker that waits inside the library is lent: it does not count as busy, so the pool may run another thread,
 * parked or new, up to `spares` more in all. When waits end there may be more busy ones than the limit; then those that
 * finish park instead of taking a task. Threads beyond the fixed number retire after some idle seconds.
 *
 * Closing: open -> draining (no more from outside) -> shut (nothing new at all; everything is told to end) -> closed. A worker
 * that leaves puts itself on `exited`, where the next starter or the closer joins it. What is stuck at the end is detached and
 * keeps the memory until it returns.
 *
 * A worker's count on its task is given back only after w->task is reset under the lock: so the closer can tell it to end. */
#include "core/pool.h"

#include "base/options.h"

#include <errno.h>

#define SEARCH_NS 10000
#define RETIRE_MS 5000
#define SPARES    256

typedef enum phase { OPEN, DRAINING, SHUT, CLOSED } phase;

typedef struct er_worker {
    er_node           node;  /* in pool->all, later in pool->exited */
    struct er_worker *below; /* in the stack of parked ones */
    errand_pool      *pool;
    er_thread         thread;
    er_parker         parker;
    bool              known;     /* thread is set */
    bool              retiring;  /* a spare that has been idle for long */
    bool              left;      /* detached by the closer: frees itself */
    bool              searching;
    er_task          *task;      /* counted */
    uint64_t          outcomes[3]; /* written by its own thread alone */
} er_worker;

typedef struct watcher { /* somebody who waits for the pool to come to rest */
    er_node   node;
    er_parker parker;
} watcher;

struct errand_pool {
    er_home  home;
    unsigned workers;
    size_t   queue_max;
    uint32_t waiting;  /* tasks in both lists; written under the lock, read by the searcher without (relaxed: a hint) */
    uint64_t outcomes[3]; /* of threads that are not workers, and of workers that left: atomic, relaxed */

    er_lock    lock; /* guards all below */
    phase      phase;
    er_list    urgent, tasks;
    size_t     n_tasks;
    unsigned   turn;
    er_list    submitters; /* watchers: wait for room */
    er_list    all, exited;
    er_worker *parked;
    bool       searching;
    unsigned   threads, starting;
    unsigned   busy, lent;
    unsigned   residents, housed; /* accepted; running */
    er_list    resident_list, closers, watchers;
    er_closer *shutting;
};

static _Thread_local struct {
    er_worker *worker;
    er_task   *task;
    bool       resident;
    er_closer *shutting; /* this thread is inside its shut */
} here;

er_task *er_task_here(void) { return here.task; }

er_task *er_task_change(er_task *task)
{
    er_task *before = here.task;
    here.task = task;
    return before;
}

errand_pool *er_pool_here(void) { return here.worker ? here.worker->pool : NULL; }

/* ---- the queue; the lock is held ---- */

static unsigned limit(const errand_pool *pool) { return pool->workers + pool->residents; }

static void set_waiting(errand_pool *pool, int by) { er_store_relaxed(&pool->waiting, pool->waiting + (uint32_t)by); }

static void make_room(errand_pool *pool)
{
    if (er_list_empty(&pool->submitters) || pool->n_tasks >= pool->queue_max) return;
    watcher *w = er_of(er_list_pop(&pool->submitters), watcher, node);
    er_unpark(&w->parker, ER_WAKE);
}

static void unlink_task(errand_pool *pool, er_task *task)
{
    er_list_remove(&task->link);
    set_waiting(pool, -1);
    bool ordinary = task->queued == ER_ORDINARY;
    task->queued = ER_NOT_QUEUED;
    if (!ordinary) return;
    pool->n_tasks--;
    make_room(pool);
}

static er_task *next_task(errand_pool *pool)
{
    if (!pool->waiting || pool->busy >= limit(pool)) return NULL;
    bool ordinary = er_list_empty(&pool->urgent) || (++pool->turn % 64 == 0 && !er_list_empty(&pool->tasks));
    er_task *task = er_of(er_list_first(ordinary ? &pool->tasks : &pool->urgent), er_task, link);
    unlink_task(pool, task);
    pool->busy++;
    return task;
}

static bool at_rest(const errand_pool *pool) { return !pool->waiting && pool->busy + pool->lent == pool->housed; }

static void tell_watchers(errand_pool *pool)
{
    for (er_node *n = pool->watchers.head.next; n != &pool->watchers.head; n = n->next) {
        er_unpark(&er_of(n, watcher, node)->parker, ER_WAKE);
    }
}

/* ---- waking and starting ---- */

typedef struct call {
    er_worker *wake;
    bool       start;
} call;

static call summon(errand_pool *pool) /* under the lock */
{
    call c = { NULL, false };
    if (pool->searching || !pool->waiting || pool->busy >= limit(pool)) return c;
    if (pool->parked) {
        c.wake = pool->parked;
        pool->parked = c.wake->below;
        c.wake->searching = pool->searching = true;
    } else if (pool->threads < limit(pool) + SPARES) {
        pool->threads++;
        pool->starting++;
        pool->searching = c.start = true;
    }
    return c;
}

static void worker_main(void *arg);

static void reap(errand_pool *pool)
{
    for (;;) {
        er_lock_take(&pool->lock);
        er_node *n = er_list_first(&pool->exited);
        while (n && n != &pool->exited.head && !er_of(n, er_worker, node)->known) n = n->next;
        if (n == &pool->exited.head) n = NULL;
        if (n) er_list_remove(n);
        er_lock_give(&pool->lock);
        if (!n) return;
        er_worker *w = er_of(n, er_worker, node);
        er_thread_join(&w->thread);
        er_free(w);
        er_pool_release(pool);
    }
}

/* What summon decided, without the lock. EAGAIN or ENOMEM: no thread could be started, and there is none. */
static int answer(errand_pool *pool, call c)
{
    if (c.wake) er_unpark(&c.wake->parker, ER_WAKE);
    if (!c.start) return 0;
    reap(pool);
    er_worker *w = er_alloc_zero(sizeof *w);
    int error = w ? 0 : ENOMEM;
    if (w) {
        w->pool = pool;
        w->searching = true;
        er_pool_keep(pool);
        er_thread thread;
        error = er_thread_start(&thread, worker_main, w, pool->home.name, 0);
        if (!error) {
            er_lock_take(&pool->lock);
            w->thread = thread;
            w->known = true;
        } else {
            er_pool_release(pool);
            er_free(w);
        }
    }
    if (error) er_lock_take(&pool->lock);
    pool->starting--;
    bool none = false;
    if (error) {
        pool->searching = false;
        none = --pool->threads == 0;
    }
    tell_watchers(pool);
    er_lock_give(&pool->lock);
    if (error) errand_warn(er_pool_log(pool), "pool %s: cannot start a thread: %s", pool->home.name, errand_strerror(error));
    return none ? error : 0;
}

static void park_worker(errand_pool *pool, er_worker *w) /* the lock is held, and again on return */
{
    bool spare = pool->threads > limit(pool);
    w->below = pool->parked;
    pool->parked = w;
    er_lock_give(&pool->lock);
    uint32_t bits = er_park(&w->parker, ER_WAKE, spare ? er_deadline(er_now_ns(), RETIRE_MS) : INT64_MAX);
    er_lock_take(&pool->lock);
    if (!(bits & ER_WAKE)) {
        er_worker **at = &pool->parked;
        while (*at && *at != w) at = &(*at)->below;
        if (*at) {
            *at = w->below;
            w->retiring = true;
            return;
        }
        er_lock_give(&pool->lock); /* somebody has just taken it off the stack: the wake-up is on its way */
        er_park(&w->parker, ER_WAKE, INT64_MAX);
        er_lock_take(&pool->lock);
    }
    er_parker_clear(&w->parker, ER_WAKE);
}

static void search(errand_pool *pool) /* without the lock */
{
    int64_t until = er_now_ns() + SEARCH_NS;
    unsigned turns = 0;
    while (!er_load_relaxed(&pool->waiting) && er_now_ns() < until) er_relax(&turns);
}

static void run_task(errand_pool *pool, er_worker *w, er_task *task)
{
    here.task = task;
    task->cell.kind->run(&task->cell);
    here.task = NULL;
    er_lock_take(&pool->lock);
    w->task = NULL;
    pool->busy--;
}

static void worker_main(void *arg)
{
    er_worker *w = arg;
    errand_pool *pool = w->pool;
    er_task *before = NULL; /* its count is given back outside the lock */
    here.worker = w;
    bool spun = false;
    er_lock_take(&pool->lock);
    er_list_push(&pool->all, &w->node);
    for (;;) {
        er_task *task = next_task(pool);
        if (task) {
            call c = { NULL, false };
            if (w->searching) {
                w->searching = pool->searching = spun = false;
                c = summon(pool);
            }
            w->task = task;
            er_lock_give(&pool->lock);
            if (before) er_cell_release(&before->cell);
            before = task;
            answer(pool, c);
            run_task(pool, w, task);
            continue;
        }
        if (at_rest(pool) && !er_list_empty(&pool->watchers)) tell_watchers(pool);
        if (before) {
            er_lock_give(&pool->lock);
            er_cell_release(&before->cell);
            before = NULL;
            er_lock_take(&pool->lock);
            continue;
        }
        if (pool->phase == CLOSED || w->retiring) break;
        if (!pool->searching && !w->searching && pool->busy < limit(pool)) {
            pool->searching = w->searching = true;
            spun = false;
        }
        if (w->searching && !spun) {
            spun = true;
            er_lock_give(&pool->lock);
            search(pool);
            er_lock_take(&pool->lock);
            continue;
        }
        if (w->searching) w->searching = pool->searching = false;
        park_worker(pool, w);
        spun = w->searching; /* just woken for something that may be gone by now: park again without spinning */
    }
    if (w->searching) pool->searching = false;
    for (int i = 0; i < 3; i++) er_add_relaxed(&pool->outcomes[i], w->outcomes[i]);
    er_list_remove(&w->node);
    bool mine = w->left;
    if (!mine) er_list_push(&pool->exited, &w->node);
    pool->threads--;
    tell_watchers(pool);
    er_lock_give(&pool->lock);
    if (!mine) return; /* who joins it gives its count back */
    er_free(w);
    er_pool_release(pool);
}

/* ---- tasks in and out ---- */

static int queue_refused(const errand_pool *pool, bool urgent) /* under the lock */
{
    switch (pool->phase) {
    case OPEN: return 0;
    case DRAINING: return urgent || er_pool_here() == pool ? 0 : EINVAL;
    case SHUT: return urgent ? 0 : ECANCELED;
    default: return EINVAL;
    }
}

/* Waits for room; the lock is held, and again on return. */
static int wait_for_room(errand_pool *pool)
{
    while (pool->n_tasks >= pool->queue_max && pool->phase == OPEN) {
        er_task *task = here.task;
        watcher w = { { NULL, NULL }, { 0 } };
        er_list_push(&pool->submitters, &w.node);
        er_lock_give(&pool->lock);
        int64_t deadline = task ? task->deadline_ns : INT64_MAX;
        uint32_t bits = er_pool_park(&w.parker, ER_WAKE, deadline);
        er_lock_take(&pool->lock);
        if (er_listed(&w.node)) er_list_remove(&w.node);
        else if ((bits & ER_TOLD) || !(bits & ER_WAKE)) make_room(pool); /* it was this one's turn: now the next one's */
        if (bits & ER_TOLD) return ECANCELED;
        if (!(bits & ER_WAKE)) return ETIMEDOUT;
    }
    return 0;
}

int er_pool_queue(errand_pool *pool, er_task *task, bool urgent)
{
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    er_lock_take(&pool->lock);
    int error = queue_refused(pool, urgent);
    if (!error && !urgent && pool->n_tasks >= pool->queue_max && er_pool_here() != pool) {
        error = wait_for_room(pool);
        if (!error) error = queue_refused(pool, urgent);
    }
    if (error) {
        er_lock_give(&pool->lock);
        return error;
    }
    task->queued = urgent ? ER_URGENT : ER_ORDINARY;
    er_list_push(urgent ? &pool->urgent : &pool->tasks, &task->link);
    pool->n_tasks += !urgent;
    set_waiting(pool, 1);
    call c = summon(pool);
    er_lock_give(&pool->lock);
    error = answer(pool, c);
    return error && er_pool_unqueue(pool, task) ? error : 0;
}

bool er_pool_unqueue(errand_pool *pool, er_task *task)
{
    er_lock_take(&pool->lock);
    bool there = task->queued != ER_NOT_QUEUED;
    if (there) {
        unlink_task(pool, task);
        if (at_rest(pool)) tell_watchers(pool);
    }
    er_lock_give(&pool->lock);
    return there;
}

void er_pool_count(errand_pool *pool, er_outcome outcome)
{
    er_worker *w = here.worker; /* relaxed: counters; a worker's own are written by it alone */
    if (w && w->pool == pool) er_store_relaxed(&w->outcomes[outcome], w->outcomes[outcome] + 1);
    else er_add_relaxed(&pool->outcomes[outcome], 1);
}

/* ---- waiting inside the library ---- */

static bool lends(const er_worker *w) { return w && here.task && !here.resident && !er_pool_dead(w->pool); }

void er_lend(void)
{
    er_worker *w = here.worker;
    if (!lends(w)) return;
    er_lock_take(&w->pool->lock);
    w->pool->busy--;
    w->pool->lent++;
    call c = summon(w->pool);
    er_lock_give(&w->pool->lock);
    answer(w->pool, c);
}

void er_lend_end(void)
{
    er_worker *w = here.worker;
    if (!lends(w)) return;
    er_lock_take(&w->pool->lock);
    w->pool->busy++;
    w->pool->lent--;
    er_lock_give(&w->pool->lock);
}

uint32_t er_pool_park(er_parker *parker, uint32_t mask, int64_t deadline_ns)
{
    er_task *task = here.task;
    if (!task || er_pool_dead(task->cell.pool)) return er_park(parker, mask, deadline_ns);
    er_cell_lock(&task->cell);
    bool told = er_cell_told(&task->cell) != ERRAND_BY_NOBODY;
    if (!told) task->parked = parker;
    er_cell_unlock(&task->cell);
    if (told) return er_park(parker, mask, 0) | ER_TOLD;
    er_lend();
    uint32_t bits = er_park(parker, mask | ER_TOLD, deadline_ns);
    er_lend_end();
    er_cell_lock(&task->cell);
    task->parked = NULL;
    er_cell_unlock(&task->cell);
    return bits;
}

/* ---- residents and closers ---- */

static void move_out(errand_pool *pool, er_resident *r) /* the lock is held, and again on return */
{
    unsigned turns = 0;
    while (r->stopping) { /* short: stop only flips flags */
        er_lock_give(&pool->lock);
        er_relax(&turns);
        er_lock_take(&pool->lock);
    }
    er_list_remove(&r->node);
    pool->residents--;
    tell_watchers(pool);
}

typedef struct lodger {
    er_task      task;
    er_resident *resident;
} lodger;

static void run_resident(er_cell *cell)
{
    er_resident *r = er_of(cell, lodger, task.cell)->resident;
    errand_pool *pool = here.worker->pool;
    here.resident = true;
    er_lock_take(&pool->lock);
    pool->housed++;
    er_lock_give(&pool->lock);
    r->run(r);
    here.resident = false;
    er_lock_take(&pool->lock);
    pool->housed--;
    move_out(pool, r);
    er_lock_give(&pool->lock);
    er_cell_try_end(cell, errand_ok(NULL, NULL));
    r->gone(r);
}

static void free_lodger(er_cell *cell) { er_free(er_of(cell, lodger, task.cell)); }
static const er_cell_kind lodger_kind = { NULL, free_lodger, run_resident };

int er_pool_reside(errand_pool *pool, er_resident *resident)
{
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    lodger *l = er_alloc_zero(sizeof *l);
    if (!l) return ENOMEM;
    er_task *task = &l->task;
    er_cell_init(&task->cell, &lodger_kind, pool);
    task->name = resident->name;
    task->deadline_ns = INT64_MAX;
    l->resident = resident;
    resident->stopping = 0;

    er_lock_take(&pool->lock);
    int error = pool->phase == OPEN || pool->phase == DRAINING ? 0 : pool->phase == SHUT ? ECANCELED : EINVAL;
    bool stop = pool->phase == DRAINING;
    if (!error) {
        pool->residents++;
        resident->stopping = stop;
        er_list_push(&pool->resident_list, &resident->node);
    }
    er_lock_give(&pool->lock);
    if (!error) {
        if (stop) resident->stop(resident, false);
        error = er_pool_queue(pool, task, true);
        er_lock_take(&pool->lock);
        if (stop) resident->stopping--; /* before this it cannot be gone */
        if (error) move_out(pool, resident);
        er_lock_give(&pool->lock);
    }
    if (error) er_cell_release(&task->cell);
    return error;
}

static void stop_residents(errand_pool *pool, bool now)
{
    er_lock_take(&pool->lock);
    er_node *end = &pool->resident_list.head;
    for (er_node *n = end->next; n != end;) {
        er_resident *r = er_of(n, er_resident, node);
        r->stopping++; /* keeps it, and so its place in the list */
        er_lock_give(&pool->lock);
        r->stop(r, now);
        er_lock_take(&pool->lock);
        n = n->next;
        r->stopping--;
    }
    er_lock_give(&pool->lock);
}

int er_pool_add_closer(errand_pool *pool, er_closer *closer)
{
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    er_lock_take(&pool->lock);
    int error = pool->phase < SHUT ? 0 : pool->phase == SHUT ? ECANCELED : EINVAL;
    if (!error) er_list_push(&pool->closers, &closer->node);
    er_lock_give(&pool->lock);
    return error;
}

void er_pool_remove_closer(errand_pool *pool, er_closer *closer)
{
    if (er_pool_dead(pool)) return;
    unsigned turns = 0;
    er_lock_take(&pool->lock);
    while (pool->shutting == closer && here.shutting != closer) { /* shut itself may end what it belongs to */
        er_lock_give(&pool->lock);
        er_relax(&turns);
        er_lock_take(&pool->lock);
    }
    if (er_listed(&closer->node)) er_list_remove(&closer->node);
    er_lock_give(&pool->lock);
}

static void shut_closers(errand_pool *pool)
{
    er_lock_take(&pool->lock);
    for (er_node *n; (n = er_list_pop(&pool->closers));) {
        er_closer *closer = pool->shutting = er_of(n, er_closer, node);
        er_lock_give(&pool->lock);
        here.shutting = closer;
        closer->shut(closer); /* may be gone after this */
        here.shutting = NULL;
        er_lock_take(&pool->lock);
        pool->shutting = NULL;
    }
    er_lock_give(&pool->lock);
}

/* ---- making ---- */

static void woke(errand_pool *pool) /* no timer sleeps any more */
{
    er_lock_take(&pool->lock);
    tell_watchers(pool);
    er_lock_give(&pool->lock);
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
    if (!error && o.workers > 100000) error = EINVAL;
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
    pool->queue_max = o.queue ? o.queue : 65536;
    er_list *lists[] = { &pool->urgent, &pool->tasks,         &pool->submitters, &pool->all,
                         &pool->exited, &pool->resident_list, &pool->closers,    &pool->watchers };
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

/* ---- coming to rest, and to an end ---- */

typedef bool condition(const errand_pool *pool, size_t asleep);

static bool is_at_rest(const errand_pool *pool, size_t asleep) { return (void)asleep, at_rest(pool); }
static bool is_drained(const errand_pool *pool, size_t asleep) { return !asleep && at_rest(pool) && !pool->residents; }
static bool is_spent(const errand_pool *pool, size_t asleep) { return (void)asleep, at_rest(pool) && !pool->residents; }
static bool only_stuck_are_left(const errand_pool *pool, size_t asleep)
{
    (void)asleep;
    return !pool->starting && pool->threads == pool->busy + pool->lent;
}

/* Not to be cut short by a cancel of the calling task. */
static int wait_for(errand_pool *pool, condition *reached, int64_t deadline_ns)
{
    watcher w = { { NULL, NULL }, { 0 } };
    int error = 0;
    er_lock_take(&pool->lock);
    er_list_push(&pool->watchers, &w.node);
    for (;;) {
        er_parker_clear(&w.parker, ER_WAKE);
        er_lock_give(&pool->lock);
        size_t asleep = er_timers_asleep(pool->home.timers); /* what wakes now is a task before it is not asleep any more */
        er_lock_take(&pool->lock);
        if (reached(pool, asleep)) break;
        er_lock_give(&pool->lock);
        er_lend();
        uint32_t bits = er_park(&w.parker, ER_WAKE, deadline_ns);
        er_lend_end();
        er_lock_take(&pool->lock);
        if (bits & ER_WAKE) continue;
        if (!reached(pool, asleep)) error = ETIMEDOUT;
        break;
    }
    er_list_remove(&w.node);
    er_lock_give(&pool->lock);
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
    er_lock_take(&pool->lock);
    er_list *lists[] = { &pool->urgent, &pool->tasks };
    for (int i = 0; i < 2; i++) {
        for (er_node *t = lists[i]->head.next; t != &lists[i]->head && n < most; t = t->next) {
            er_cell *cell = &er_of(t, er_task, link)->cell;
            if (!er_cell_told(cell)) some[n++] = er_cell_keep(cell);
        }
    }
    for (er_node *t = pool->all.head.next; t != &pool->all.head && n < most; t = t->next) {
        er_worker *w = er_of(t, er_worker, node);
        if (w->task && !er_cell_ended(&w->task->cell) && !er_cell_told(&w->task->cell)) some[n++] = er_cell_keep(&w->task->cell);
    }
    er_lock_give(&pool->lock);
    return n;
}

static void shut_down(errand_pool *pool)
{
    er_lock_take(&pool->lock);
    pool->phase = SHUT;
    er_store(&pool->home.shut, 1);
    er_lock_give(&pool->lock);
    stop_residents(pool, true);
    shut_closers(pool);
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
    er_lock_take(&pool->lock);
    for (er_node *at = pool->all.head.next; at != &pool->all.head; at = at->next) {
        er_worker *w = er_of(at, er_worker, node);
        w->left = true;
        er_thread_detach(&w->thread);
        if (n++ < 16) names[n - 1] = w->task && w->task->name ? w->task->name : "(without a name)";
    }
    er_lock_give(&pool->lock);
    for (unsigned i = 0; i < n && i < 16; i++)
        errand_error(pool->home.log, "pool %s: would not end, left behind: %s", pool->home.name, names[i]);
    if (n > 16) errand_error(pool->home.log, "pool %s: and %u more", pool->home.name, n - 16);
}

int errand_pool_close(errand_pool *pool, int64_t within_ms)
{
    if (!pool || within_ms < 0) return EINVAL;
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    if (er_pool_here() == pool) return EDEADLK;
    int64_t now = er_now_ns(), deadline = er_deadline(now, within_ms);
    int64_t half = deadline == INT64_MAX ? INT64_MAX : now + (deadline - now) / 2;

    er_lock_take(&pool->lock);
    bool open = pool->phase == OPEN;
    if (open) pool->phase = DRAINING;
    for (er_node *n; (n = er_list_pop(&pool->submitters));) er_unpark(&er_of(n, watcher, node)->parker, ER_WAKE);
    er_lock_give(&pool->lock);
    if (!open) return EINVAL;

    stop_residents(pool, false);
    wait_for(pool, is_drained, half);
    shut_down(pool);
    int error = wait_for(pool, is_spent, deadline);

    er_lock_take(&pool->lock);
    pool->phase = CLOSED;
    while (pool->parked) {
        er_worker *w = pool->parked;
        pool->parked = w->below;
        er_unpark(&w->parker, ER_WAKE);
    }
    er_lock_give(&pool->lock);
    wait_for(pool, only_stuck_are_left, INT64_MAX); /* soon: idle threads only have to notice */
    if (error) leave_stragglers(pool);
    reap(pool);
    er_timers_close(pool->home.timers);
    er_store(&pool->home.log, NULL);
    er_home_close(&pool->home);
    return error;
}

void errand_pool_tick(errand_pool *pool)
{
    if (pool && !er_pool_dead(pool)) er_timers_tick(pool->home.timers);
}

int errand_pool_stats_sized(errand_pool *pool, errand_pool_stats *out, size_t size)
{
    if (!pool || !out) return EINVAL;
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    uint64_t sums[3];
    er_lock_take(&pool->lock);
    for (int i = 0; i < 3; i++) {
        sums[i] = er_load_relaxed(&pool->outcomes[i]);
        for (er_node *n = pool->all.head.next; n != &pool->all.head; n = n->next) {
            sums[i] += er_load_relaxed(&er_of(n, er_worker, node)->outcomes[i]);
        }
    }
    int64_t abandoned = er_load_relaxed(&pool->home.abandoned);
    errand_pool_stats s = { .queued = pool->waiting,
                            .running = pool->busy + pool->lent - pool->housed,
                            .done = sums[ER_DONE],
                            .failed = sums[ER_FAILED],
                            .cancelled = sums[ER_CANCELLED],
                            .abandoned = abandoned > 0 ? (uint64_t)abandoned : 0 };
    er_lock_give(&pool->lock);
    return er_options_give(out, size, &s, sizeof s);
}
