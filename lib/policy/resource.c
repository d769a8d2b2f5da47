/* policy/resource.c -- one resource of a lease pool: its tasks, and its loan.
 *
 *     OPENING --> IDLE --> CHECKING --> IDLE        any but LENT --> CLOSING --> gone
 *                 IDLE --> LENT --> RESETTING --> IDLE or CLOSING
 *
 *     OPENING, CHECKING, CLOSING   its task alone touches it, then `ended` on the thread that ends
 *                                  the task
 *     IDLE                         the holder of the lease pool's lock
 *     LENT                         the borrower; any thread may poison it, and one may interrupt it
 *     RESETTING                    the thread that releases it, without the lock
 *
 * State and lists are the lease pool's, under its lock (lease.c). The loan's word is atomic:
 * INTERRUPTED is set once, by the thread that then calls interrupt, and not after RETURNED; the
 * thread that sets RETURNED waits while INTERRUPTING is set. So interrupt and reset never run at
 * the same time, and a resource that is being interrupted is not freed.
 *
 * open, check and close run as urgent tasks, which the queue's bound does not hold up. Where the
 * pool refuses the task of a close, it is called in place: no resource stays open. */
#include "policy/resource.h"

#include "async/submit.h"

static errand_result open_resource(void *arg)
{
    er_resource *r = arg;
    r->has_run = true;
    return r->ops->open(r->key, r->ops->arg);
}

static errand_result check_resource(void *arg)
{
    er_resource *r = arg;
    r->has_run = true;
    bool well = r->ops->check(r->value, r->ops->arg) == 0;
    return well ? errand_ok(NULL, NULL) : errand_fail(ECONNRESET);
}

static errand_result close_resource(void *arg)
{
    er_resource *r = arg;
    r->has_run = true;
    r->ops->close(r->value, r->ops->arg);
    return errand_ok(NULL, NULL);
}

static void task_ended(er_waiter *waiter)
{
    er_resource *r = er_of(waiter, er_resource, waiter);
    er_cell *task = waiter->cell;
    errand_result how = er_cell_take(task);
    er_cell_release(task);
    if (r->state == ER_RESOURCE_CLOSING && !r->has_run) {
        bool held = er_endings_let_go(); /* user code, inside an ending */
        close_resource(r);
        er_endings_hold(held);
    }
    if (!how.error) {
        if (r->state == ER_RESOURCE_OPENING) r->value = how.value;
        how.value = NULL;
        how.free = NULL;
    }
    r->ended(r, how);
}

void er_resource_work(er_resource *r, errand_pool *pool, const char *name)
{
    errand_task task = { .fn = open_resource, .arg = r, .name = name };
    if (r->state == ER_RESOURCE_CHECKING) task.fn = check_resource;
    if (r->state == ER_RESOURCE_CLOSING) task.fn = close_resource;
    er_terms terms = { .deadline_ns = INT64_MAX, .late = ERRAND_BY_TOTAL, .urgent = true };
    r->has_run = false;
    r->waiter.fn = task_ended;
    er_cell *f = er_task_submit(pool, &task, &terms);
    if (!er_cell_watch(f, &r->waiter)) task_ended(&r->waiter);
}

uint32_t er_resource_return(er_resource *r)
{
    if (!r->ops->interrupt) return er_load(&r->loan);
    uint32_t bits = er_or(&r->loan, ER_LOAN_RETURNED);
    unsigned turns = 0;
    while (er_load(&r->loan) & ER_LOAN_INTERRUPTING) er_relax(&turns);
    return bits;
}

bool er_resource_interrupt_begin(er_resource *r)
{
    if (!r->ops->interrupt) return false;
    uint32_t seen = er_load(&r->loan);
    while (!(seen & (ER_LOAN_RETURNED | ER_LOAN_INTERRUPTED))) {
        if (er_cas(&r->loan, &seen, seen | ER_LOAN_INTERRUPTED | ER_LOAN_INTERRUPTING)) return true;
    }
    return false;
}

void er_resource_interrupt_end(er_resource *r)
{
    r->ops->interrupt(r->value, r->ops->arg);
    er_and(&r->loan, ~(uint32_t)ER_LOAN_INTERRUPTING);
}
