/* core/resident.c -- those who live at a pool: residents with a thread of their own, closers without.
 *
 * A resident is a job of the urgent list that raises the pool's limit by one for as long as it stays. Its place in the list is
 * kept by `stopping` while stop is being called: moving out waits for that. */
#include "core/resident.h"

#include "core/current.h"
#include "core/pool_state.h"
#include "core/queue.h"

#include <errno.h>

static void move_out(errand_pool *pool, er_resident *r) /* the lock is held, and again on return */
{
    unsigned turns = 0;
    while (r->stopping) { /* short: stop only flips flags */
        er_pool_unlock(pool);
        er_relax(&turns);
        er_pool_lock(pool);
    }
    er_list_remove(&r->node);
    pool->residents--;
    er_tell_watchers(pool);
}

typedef struct lodger {
    er_task task;
    er_resident *resident;
} lodger;

static void run_resident(er_cell *cell)
{
    er_resident *r = er_of(cell, lodger, task.cell)->resident;
    errand_pool *pool = er_pool_here();
    r->run(r);
    er_here_now()->resident = false;
    er_pool_lock(pool);
    pool->housed--;
    er_here_now()->worker->resident = false;
    move_out(pool, r);
    er_pool_unlock(pool);
    er_cell_try_end(cell, errand_ok(NULL, NULL));
    r->gone(r);
}

static void refuse_resident(er_cell *cell, errand_result why) /* no thread will come for it: it has come and gone */
{
    er_resident *r = er_of(cell, lodger, task.cell)->resident;
    er_pool_lock(cell->pool);
    move_out(cell->pool, r);
    er_pool_unlock(cell->pool);
    er_cell_end(cell, why);
    r->gone(r);
}

static void free_lodger(er_cell *cell) { er_free(er_of(cell, lodger, task.cell)); }
static const er_cell_kind lodger_kind = {
    .free = free_lodger, .run = run_resident, .refuse = refuse_resident, .resident = true
};

int er_pool_reside(errand_pool *pool, er_resident *resident)
{
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    if (er_here_now()->alone) return EAGAIN; /* a resident that has just been refused asks again */
    lodger *l = er_alloc_zero(sizeof *l);
    if (!l) return ENOMEM;
    er_task *task = &l->task;
    er_cell_init(&task->cell, &lodger_kind, pool);
    task->name = resident->name;
    task->deadline_ns = INT64_MAX;
    l->resident = resident;
    resident->stopping = 0;

    er_pool_lock(pool);
    int error = pool->phase == ER_OPEN || pool->phase == ER_DRAINING ? 0 : pool->phase == ER_SHUT ? ECANCELED : EINVAL;
    bool stop = pool->phase == ER_DRAINING;
    if (!error) {
        pool->residents++;
        resident->stopping = stop;
        er_list_push(&pool->resident_list, &resident->node);
    }
    er_pool_unlock(pool);
    if (!error) {
        if (stop) resident->stop(resident, false);
        error = er_pool_queue(pool, task, true);
        er_pool_lock(pool);
        if (stop) resident->stopping--; /* before this it cannot be gone */
        if (error) move_out(pool, resident);
        er_pool_unlock(pool);
    }
    if (error) er_cell_release(&task->cell);
    return error;
}

void er_stop_residents(errand_pool *pool, bool now)
{
    er_pool_lock(pool);
    er_node *end = &pool->resident_list.head;
    for (er_node *n = end->next; n != end;) {
        er_resident *r = er_of(n, er_resident, node);
        r->stopping++; /* keeps it, and so its place in the list */
        er_pool_unlock(pool);
        r->stop(r, now);
        er_pool_lock(pool);
        n = n->next;
        r->stopping--;
    }
    er_pool_unlock(pool);
}

int er_pool_add_closer(errand_pool *pool, er_closer *closer)
{
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    er_pool_lock(pool);
    bool open = pool->phase == ER_OPEN || (pool->phase == ER_DRAINING && !closer->early);
    int error = open ? 0 : pool->phase == ER_CLOSED ? EINVAL : ECANCELED;
    if (!error) er_list_push(&pool->closers, &closer->node);
    er_pool_unlock(pool);
    return error;
}

void er_pool_remove_closer(errand_pool *pool, er_closer *closer)
{
    if (er_pool_dead(pool)) return;
    unsigned turns = 0;
    er_pool_lock(pool);
    while (pool->shutting == closer && er_here_now()->shutting != closer) { /* shut itself may end what it belongs to */
        er_pool_unlock(pool);
        er_relax(&turns);
        er_pool_lock(pool);
    }
    if (er_listed(&closer->node)) er_list_remove(&closer->node);
    er_pool_unlock(pool);
}

void er_shut_closers(errand_pool *pool, bool early_ones_only)
{
    er_pool_lock(pool);
    for (er_node *n = pool->closers.head.next; n != &pool->closers.head;) {
        er_closer *closer = er_of(n, er_closer, node);
        n = n->next;
        if (early_ones_only && !closer->early) continue;
        er_list_remove(&closer->node);
        pool->shutting = closer;
        er_pool_unlock(pool);
        er_here_now()->shutting = closer;
        closer->shut(closer); /* may be gone after this */
        er_here_now()->shutting = NULL;
        er_pool_lock(pool);
        pool->shutting = NULL;
        n = pool->closers.head.next; /* others may have come and gone meanwhile */
    }
    er_pool_unlock(pool);
}
