/* policy/loan.c -- leases behind futures: a cell, and a place in a lease pool's line.
 *
 * The line has a count on the cell while the place waits in it. The lease itself lives in its
 * resource, so what the cell ends with outlives it; a cell that was cancelled at the moment of the
 * loan frees its result, and that releases the lease. */
#include "policy/lease.h"

#include "async/current.h"
#include "async/task.h"

#include <errno.h>

typedef struct loan {
    er_cell cell;
    er_lease_place place;
    errand_lease_pool *leases; /* kept */
} loan;

static void loan_made(er_waiter *waiter)
{
    loan *l = er_of(waiter, loan, place.waiter);
    er_resource *r = l->place.resource;
    er_cell_try_end(&l->cell, r ? errand_ok(r, errand_lease_release) : l->place.failure);
    er_cell_release(&l->cell); /* the line's */
}

static void cancel_loan(er_cell *cell, errand_reason reason)
{
    loan *l = er_of(cell, loan, cell);
    if (!er_lease_leave(l->leases, &l->place)) return;
    er_cell_try_end(cell, er_cancel_result(reason));
    er_cell_release(cell);
}

static void free_loan(er_cell *cell)
{
    errand_lease_pool *leases = er_of(cell, loan, cell)->leases;
    er_cell_bury(cell);
    er_keyed_release(&leases->keyed);
}

static errand_pool *needs_of_loan(er_cell *cell)
{
    loan *l = er_of(cell, loan, cell);
    return er_lease_needs_thread(l->leases, &l->place) ? cell->pool : NULL;
}

static void describe_loan(er_cell *cell, er_description *d)
{
    loan *l = er_of(cell, loan, cell);
    d->name = l->place.who.name;
    er_lease_describe(l->leases, &l->place, d);
}

static const er_cell_kind loan_kind = {
    .cancel = cancel_loan,
    .free = free_loan,
    .needs = needs_of_loan,
    .what = "lease",
    .describe = describe_loan
};

static const char *name_here(void)
{
    const er_task *task = er_task_here();
    return task ? task->name : NULL;
}

static errand_future *acquire(errand_lease_pool *leases, const char *key, const void *site)
{
    if (!leases) return er_failed(NULL, errand_failf(EINVAL, "lease pool is NULL"));
    errand_pool *pool = leases->keyed.pool;
    if (er_pool_dead(pool)) return er_failed(NULL, errand_fail(ERRAND_EFORKED));
    loan *l = er_alloc_zero(sizeof *l);
    if (!l) return er_failed(pool, errand_fail(ENOMEM));
    er_cell_init(&l->cell, &loan_kind, pool);
    l->place = (er_lease_place){ .waiter.fn = loan_made, .who = { name_here(), site } };
    l->leases = leases;
    er_keyed_keep(&leases->keyed);
    er_cell_keep(&l->cell); /* the line's */
    er_cell_list(&l->cell, site);
    int error = er_lease_enter(leases, key, &l->place);
    if (error == EINPROGRESS) return &l->cell;
    if (error) l->place.failure = er_lease_refusal(error);
    loan_made(&l->place.waiter);
    return &l->cell;
}

errand_future *errand_lease_acquire(errand_lease_pool *leases, const char *key)
{
    return acquire(leases, key, __builtin_return_address(0));
}

int errand_lease_wait(errand_lease_pool *leases, const char *key, int64_t ms, errand_lease **lease)
{
    if (!leases || !lease || ms < 0) return EINVAL;
    const void *site = __builtin_return_address(0);
    *lease = NULL;
    int error = er_lease_try(leases, key, (er_label){ name_here(), site }, lease);
    if (error != EAGAIN) return error; /* it took no memory */
    errand_future *f = acquire(leases, key, site);
    error = errand_wait(f, ms);
    errand_cancel(f);
    /* it has ended, one way or the other: lent in the last moment is lent */
    errand_result r = errand_await(f);
    if (!r.error) {
        *lease = r.value;
        return 0;
    }
    if (!error || error == EINVAL) error = r.error;
    errand_result_free(&r);
    return error;
}
