/* core/sem.c -- a counting semaphore: first come, first served.
 *
 *     acquire --free and nobody waits--> granted          waiting --release--> granted
 *             --else--> waiting                           waiting --cancel, shut--> ended, the line moves up
 *
 * Everything is decided under one lock: whether a waiter is still in the line is the decision, so a grant and a cancel cannot
 * both happen, and no permit is lost between them. The cell of an acquire and its permit share their memory, so neither
 * granting nor releasing allocates. The permit has no count on the cell: when the cell goes and nobody has taken its result,
 * the permit is given back. The memory stays for whichever of them lives longer. Cells are ended after the lock is given. */
#include "core/limits.h"

#include "base/options.h"

#include <errno.h>

struct errand_sem {
    uint32_t count; /* handle, waiters, holders */
    errand_pool *home;
    const char *name;
    er_closer closer;
    er_lock lock; /* guards all below */
    unsigned permits, in_use;
    unsigned nameless; /* of those in use: taken by try */
    unsigned waiting;
    er_list line;
};

struct errand_permit {
    er_cell cell;
    er_node node;    /* in the line, or on the way to being ended */
    errand_sem *sem; /* counted */
    unsigned n;
    uint32_t lives; /* the cell's, and the granted permit's */
    bool waits;     /* stands in the line; under the semaphore's lock */
};

static void keep_sem(errand_sem *sem) { er_add_relaxed(&sem->count, 1); /* relaxed: who counts up has a count */ }

static void release_sem(errand_sem *sem)
{
    if (er_sub(&sem->count, 1) != 1) return;
    er_pool_remove_closer(sem->home, &sem->closer);
    er_pool_release(sem->home);
    er_free(sem);
}

static void less_life(errand_permit *p)
{
    if (er_sub(&p->lives, 1) != 1) return;
    errand_sem *sem = p->sem;
    er_free(p);
    release_sem(sem);
}

/* Moves those whose turn it is from the line to granted; under the lock. */
static void move_up(errand_sem *sem, er_list *granted)
{
    for (er_node *n; (n = er_list_first(&sem->line));) {
        errand_permit *p = er_of(n, errand_permit, node);
        if (p->n > sem->permits - sem->in_use) return;
        er_list_remove(n);
        p->waits = false;
        er_add_relaxed(&p->lives, 1); /* relaxed: its cell lives, and is ended only after the lock */
        sem->waiting--;
        sem->in_use += p->n;
        er_list_push(granted, n);
    }
}

static void end_granted(er_list *granted)
{
    for (er_node *n; (n = er_list_pop(granted));) {
        errand_permit *p = er_of(n, errand_permit, node);
        er_cell_try_end(&p->cell, errand_ok(p, errand_permit_release));
        er_cell_release(&p->cell); /* the line's */
    }
}

void errand_permit_release(void *permit)
{
    errand_permit *p = permit;
    if (!p) return;
    if (!er_pool_dead(p->sem->home)) { /* else its lock may be held for ever */
        er_list granted;
        er_list_init(&granted);
        er_lock_take(&p->sem->lock);
        p->sem->in_use -= p->n;
        move_up(p->sem, &granted);
        er_lock_give(&p->sem->lock);
        end_granted(&granted);
    }
    less_life(p);
}

/* ---- waiting ---- */

static void leave_line(errand_permit *p, errand_reason reason)
{
    errand_sem *sem = p->sem;
    er_list granted;
    er_list_init(&granted);
    er_lock_take(&sem->lock);
    bool waited = p->waits;
    if (waited) {
        er_list_remove(&p->node);
        p->waits = false;
        sem->waiting--;
        move_up(sem, &granted); /* it may have been the big one that held up the others */
    }
    er_lock_give(&sem->lock);
    if (waited) {
        er_cell_try_end(&p->cell, er_told_result(reason));
        er_cell_release(&p->cell);
    }
    end_granted(&granted);
}

static void cancel_permit(er_cell *cell, errand_reason reason) { leave_line(er_of(cell, errand_permit, cell), reason); }

static void free_permit(er_cell *cell) { less_life(er_of(cell, errand_permit, cell)); }

static const er_cell_kind permit_kind = { .cancel = cancel_permit, .free = free_permit };

/* The whole line ends at once: nobody moves up. The last of them may take the semaphore with it. */
static void shut_sem(er_closer *closer)
{
    errand_sem *sem = er_of(closer, errand_sem, closer);
    er_list line;
    er_lock_take(&sem->lock);
    er_list_take_all(&line, &sem->line);
    for (er_node *n = line.head.next; n != &line.head; n = n->next) er_of(n, errand_permit, node)->waits = false;
    sem->waiting = 0;
    er_lock_give(&sem->lock);
    for (er_node *n; (n = er_list_pop(&line));) {
        errand_permit *p = er_of(n, errand_permit, node);
        er_cell_try_end(&p->cell, er_told_result(ERRAND_BY_SHUTDOWN));
        er_cell_release(&p->cell); /* the line's */
    }
}

errand_future *errand_sem_acquire(errand_sem *sem, unsigned n)
{
    if (!sem) return er_failed(NULL, errand_failf(EINVAL, "semaphore is NULL"));
    if (er_pool_dead(sem->home)) return er_failed(NULL, errand_fail(ERRAND_EFORKED));
    if (!n || n > sem->permits)
        return er_failed(sem->home, errand_failf(EINVAL, "%u permits of a semaphore of %u", n, sem->permits));
    errand_permit *p = er_alloc(sizeof *p);
    if (!p) return er_failed(sem->home, errand_fail(ENOMEM));
    er_cell_init(&p->cell, &permit_kind, sem->home);
    keep_sem(sem);
    p->sem = sem;
    p->n = n;
    p->lives = 1;
    er_cell_keep(&p->cell); /* the line's */
    er_list granted;
    er_list_init(&granted);
    er_lock_take(&sem->lock);
    p->waits = true;
    er_list_push(&sem->line, &p->node);
    sem->waiting++;
    move_up(sem, &granted);
    er_lock_give(&sem->lock);
    end_granted(&granted);
    if (er_pool_shut(sem->home)) leave_line(p, ERRAND_BY_SHUTDOWN);
    return &p->cell;
}

int errand_sem_wait(errand_sem *sem, unsigned n, int64_t ms, errand_permit **permit)
{
    if (!permit || ms < 0) return EINVAL;
    *permit = NULL;
    errand_future *f = errand_sem_acquire(sem, n);
    int error = errand_wait(f, ms);
    errand_cancel(f);
    errand_result r = errand_await(f); /* it has ended, one way or the other: granted in the last moment is granted */
    if (!r.error) {
        *permit = r.value;
        return 0;
    }
    if (!error || error == EINVAL) error = r.error;
    errand_result_free(&r);
    return error;
}

/* ---- the fast pair ---- */

bool errand_sem_try(errand_sem *sem, unsigned n)
{
    if (!sem || !n || er_pool_dead(sem->home)) return false;
    er_lock_take(&sem->lock);
    bool free = er_list_empty(&sem->line) && n <= sem->permits - sem->in_use;
    if (free) {
        sem->in_use += n;
        sem->nameless += n;
    }
    er_lock_give(&sem->lock);
    return free;
}

int errand_sem_give(errand_sem *sem, unsigned n)
{
    if (!sem || !n) return EINVAL;
    if (er_pool_dead(sem->home)) return ERRAND_EFORKED;
    er_list granted;
    er_list_init(&granted);
    er_lock_take(&sem->lock);
    bool taken = n <= sem->nameless;
    if (taken) {
        sem->nameless -= n;
        sem->in_use -= n;
        move_up(sem, &granted);
    }
    er_lock_give(&sem->lock);
    end_granted(&granted);
    return taken ? 0 : EOVERFLOW;
}

/* ---- the semaphore itself ---- */

errand_sem *errand_sem_new_sized(errand_pool *home, const errand_sem_opts *opts, size_t size)
{
    errand_sem_opts o;
    int error = home && opts ? er_options(&o, sizeof o, opts, size) : EINVAL;
    if (!error && !o.permits) error = EINVAL;
    errand_sem *sem = error ? NULL : er_alloc_zero(sizeof *sem);
    if (!error && !sem) error = ENOMEM;
    if (!error) {
        sem->count = 1;
        sem->home = home;
        sem->name = o.name;
        sem->permits = o.permits;
        sem->closer.shut = shut_sem;
        er_list_init(&sem->line);
        error = er_pool_add_closer(home, &sem->closer);
    }
    if (error) {
        er_free(sem);
        errno = error;
        return NULL;
    }
    er_pool_keep(home);
    return sem;
}

void errand_sem_free(errand_sem *sem)
{
    if (sem) release_sem(sem);
}

int errand_sem_stats_sized(errand_sem *sem, errand_sem_stats *out, size_t size)
{
    if (!sem || !out) return EINVAL;
    if (er_pool_dead(sem->home)) return ERRAND_EFORKED;
    er_lock_take(&sem->lock);
    errand_sem_stats s = { sem->permits, sem->in_use, sem->waiting };
    er_lock_give(&sem->lock);
    return er_options_give(out, size, &s, sizeof s);
}

errand_sem *er_sem_keep(errand_sem *sem)
{
    keep_sem(sem);
    return sem;
}
