/* policy/permit.c -- permits behind futures: a cell, and a place in the semaphore's line, in
 * one piece of memory.
 *
 * The line has a count on the cell while the place waits in it. The permit has none: when the cell
 * is freed and its result was not taken, the permit is given back. The memory stays until both are
 * gone. */
#include "policy/sem.h"

#include "async/current.h"
#include "async/task.h"

#include <errno.h>

struct errand_permit {
    er_cell cell;
    er_sem_place place;
    errand_sem *sem; /* kept */
    uint32_t lives;  /* the cell's, and the granted permit's */
    bool reported;   /* the holder's */
};

static void less_life(errand_permit *p)
{
    if (er_sub(&p->lives, 1) != 1) return;
    errand_sem *sem = p->sem;
    er_free(p);
    errand_sem_free(sem);
}

void errand_permit_release(void *permit)
{
    errand_permit *p = permit;
    if (!p) return;
    er_sem_release(p->sem, &p->place, NULL);
    less_life(p);
}

void errand_permit_report(errand_permit *permit, const errand_result *how)
{
    if (!permit || permit->reported) return;
    permit->reported = true;
    er_sem_report(permit->sem, &permit->place, how);
}

static void permit_granted(er_waiter *waiter)
{
    errand_permit *p = er_of(waiter, errand_permit, place.waiter);
    er_cell *cell = &p->cell;
    if (!p->place.error) {
        er_add_relaxed(&p->lives, 1); /* relaxed: its cell lives */
        er_cell_try_end(cell, errand_ok(p, errand_permit_release));
    } else {
        er_cell_try_end(cell, er_sem_refusal(p->sem, &p->place));
    }
    er_cell_release(cell); /* the line's */
}

static void cancel_permit(er_cell *cell, errand_reason reason)
{
    errand_permit *p = er_of(cell, errand_permit, cell);
    if (!er_sem_leave(p->sem, &p->place)) return;
    er_cell_try_end(cell, er_cancel_result(reason));
    er_cell_release(cell);
}

static void free_permit(er_cell *cell) { less_life(er_of(cell, errand_permit, cell)); }

static void describe_permit(er_cell *cell, er_description *d)
{
    errand_permit *p = er_of(cell, errand_permit, cell);
    d->name = p->place.name;
    er_sem_describe(p->sem, &p->place, d);
}

static const er_cell_kind permit_kind = {
    .cancel = cancel_permit, .free = free_permit, .what = "permit", .describe = describe_permit
};

static errand_future *acquire(errand_sem *sem, const char *key, unsigned n, const void *site)
{
    if (!sem) return er_failed(NULL, errand_failf(EINVAL, "semaphore is NULL"));
    errand_pool *pool = er_sem_pool(sem);
    if (er_pool_dead(pool)) return er_failed(NULL, errand_fail(ERRAND_EFORKED));
    errand_permit *p = er_alloc_zero(sizeof *p);
    if (!p) return er_failed(pool, errand_fail(ENOMEM));
    const er_task *task = er_task_here();
    er_cell_init(&p->cell, &permit_kind, pool);
    p->place = (er_sem_place){
        .waiter.fn = permit_granted, .n = n, .name = task ? task->name : NULL, .site = site
    };
    p->sem = er_sem_keep(sem);
    p->lives = 1;
    er_cell_keep(&p->cell); /* the line's */
    er_cell_list(&p->cell, site);
    int error = er_sem_enter(sem, key, &p->place);
    if (error == EINPROGRESS) return &p->cell;
    p->place.error = error;
    permit_granted(&p->place.waiter);
    return &p->cell;
}

errand_future *errand_sem_acquire(errand_sem *sem, const char *key, unsigned n)
{
    return acquire(sem, key, n, __builtin_return_address(0));
}

int errand_sem_wait(errand_sem *sem, const char *key, unsigned n, int64_t ms,
                    errand_permit **permit)
{
    if (!permit || ms < 0) return EINVAL;
    *permit = NULL;
    errand_future *f = acquire(sem, key, n, __builtin_return_address(0));
    int error = errand_wait(f, ms);
    errand_cancel(f);
    /* it has ended, one way or the other: granted in the last moment is granted */
    errand_result r = errand_await(f);
    if (!r.error) {
        *permit = r.value;
        return 0;
    }
    if (!error || error == EINVAL) error = r.error;
    errand_result_free(&r);
    return error;
}
