/* async/service.c -- what lives at a pool: services with a thread of their own, closers without.
 *
 * A service is a job of the urgent list that raises the pool's limit by one for as long
 * as it stays. Its place in the list is kept by `stopping` while stop is being called:
 * moving out waits for that. */
#include "async/service.h"

#include "async/current.h"
#include "async/pool.h"
#include "async/runq.h"

#include <errno.h>

static void move_out(errand_pool *pool, er_service *r) /* the lock is held, and again on return */
{
    unsigned turns = 0;
    while (r->stopping) { /* short: stop only flips flags */
        er_pool_unlock(pool);
        er_relax(&turns);
        er_pool_lock(pool);
    }
    er_list_remove(&r->node);
    pool->services--;
    er_notify_watchers(pool);
}

typedef struct lodger {
    er_task task;
    er_service *service;
} lodger;

static void run_service(er_cell *cell)
{
    er_service *r = er_of(cell, lodger, task.cell)->service;
    errand_pool *pool = er_pool_here();
    r->run(r);
    er_here_now()->service = false;
    er_pool_lock(pool);
    pool->housed--;
    er_here_now()->worker->service = false;
    move_out(pool, r);
    er_pool_unlock(pool);
    er_cell_try_end(cell, errand_ok(NULL, NULL));
    r->gone(r);
}

/* No thread will run it: it ends at once. */
static void refuse_service(er_cell *cell, errand_result why)
{
    er_service *r = er_of(cell, lodger, task.cell)->service;
    er_pool_lock(cell->pool);
    move_out(cell->pool, r);
    er_pool_unlock(cell->pool);
    er_cell_end(cell, why);
    r->gone(r);
}

static void free_lodger(er_cell *cell) { er_free(er_of(cell, lodger, task.cell)); }

static er_label lodger_label(const er_cell *cell)
{
    return (er_label){ er_of(cell, const lodger, task.cell)->task.name, NULL };
}

static const er_cell_kind lodger_kind = {
    .free = free_lodger,
    .run = run_service,
    .refuse = refuse_service,
    .label = lodger_label,
    .service = true,
    .what = "service"
};

/* The error of a pool that takes no more of them. */
static int refusal(const errand_pool *pool)
{
    return pool->phase == ER_CLOSED ? EINVAL : ECANCELED;
}

int er_service_start(errand_pool *pool, er_service *service)
{
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    if (er_here_now()->alone) return EAGAIN; /* a service that was just refused starts again */
    lodger *l = er_alloc_zero(sizeof *l);
    if (!l) return ENOMEM;
    er_task *task = &l->task;
    er_cell_init(&task->cell, &lodger_kind, pool);
    task->name = service->name;
    task->deadline_ns = INT64_MAX;
    l->service = service;
    service->stopping = 0;

    er_pool_lock(pool);
    int error = pool->phase == ER_OPEN || pool->phase == ER_DRAINING ? 0 : refusal(pool);
    bool stop = pool->phase == ER_DRAINING;
    if (!error) {
        pool->services++;
        service->stopping = stop;
        er_list_push(&pool->service_list, &service->node);
    }
    er_pool_unlock(pool);
    if (!error) {
        if (stop) service->stop(service, false);
        error = er_runq_push(pool, task, true);
        er_pool_lock(pool);
        if (stop) service->stopping--; /* before this it cannot be gone */
        if (error) move_out(pool, service);
        er_pool_unlock(pool);
    }
    if (error) er_cell_release(&task->cell);
    return error;
}

void er_services_stop(errand_pool *pool, bool now)
{
    er_pool_lock(pool);
    er_node *end = &pool->service_list.head;
    for (er_node *n = end->next; n != end;) {
        er_service *r = er_of(n, er_service, node);
        r->stopping++; /* keeps it, and so its place in the list */
        er_pool_unlock(pool);
        r->stop(r, now);
        er_pool_lock(pool);
        n = n->next;
        r->stopping--;
    }
    er_pool_unlock(pool);
}

int er_close_hook_add(errand_pool *pool, er_close_hook *closer)
{
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    er_pool_lock(pool);
    bool open = pool->phase == ER_OPEN || (pool->phase == ER_DRAINING && !closer->early);
    int error = open ? 0 : refusal(pool);
    if (!error) er_list_push(&pool->closers, &closer->node);
    er_pool_unlock(pool);
    return error;
}

void er_close_hook_remove(errand_pool *pool, er_close_hook *closer)
{
    if (er_pool_dead(pool)) return;
    unsigned turns = 0;
    er_pool_lock(pool);
    while (pool->shutting == closer && er_here_now()->shutting != closer) {
        /* shut itself may end what it belongs to */
        er_pool_unlock(pool);
        er_relax(&turns);
        er_pool_lock(pool);
    }
    if (er_listed(&closer->node)) er_list_remove(&closer->node);
    er_pool_unlock(pool);
}

void er_close_hooks_call(errand_pool *pool, bool early_ones_only)
{
    er_pool_lock(pool);
    for (er_node *n = pool->closers.head.next; n != &pool->closers.head;) {
        er_close_hook *closer = er_of(n, er_close_hook, node);
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
