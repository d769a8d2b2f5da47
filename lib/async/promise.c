/* async/promise.c -- a cell that its writer ends, or that has ended already.
 *
 * The writer has one count, the owner the other. Without a hook a cancel claims and ends the
 * cell; with one it only calls the hook, once for each hook, and the writer ends it. The hook is
 * called outside the lock bit with `calling` set; resolving takes the hook away and waits until
 * no call of it is left, unless it is the hook itself that resolves. */
#include "async/promise.h"

#include "async/task.h"

#include <errand/promise.h>

#include <errno.h>

struct errand_promise {
    er_cell cell;
    void (*hook)(void *); /* the rest is under the lock bit */
    void *arg;
    bool called; /* this hook has been called */
    unsigned calling;
    const void *caller; /* the thread that calls it */
};

static _Thread_local char me; /* its address is the thread */

/* Calls the hook if there is one that has not been called; true if there is one. */
static bool call_hook(errand_promise *p)
{
    er_cell_lock(&p->cell);
    void (*hook)(void *) = p->hook;
    void *arg = p->arg;
    bool call = hook && !p->called;
    const void *before = p->caller; /* this very thread, if a hook has set the next one */
    if (call) {
        p->called = true;
        p->calling++;
        p->caller = er_thread_mark(me);
    }
    er_cell_unlock(&p->cell);
    if (!call) return hook;
    er_cell_keep(&p->cell); /* the hook may resolve, which gives the writer's count back */
    hook(arg);
    /* on whichever thread: it has forked, and returned in the child */
    if (er_pool_dead(p->cell.pool)) er_exit_child();
    er_cell_lock(&p->cell);
    p->calling--;
    p->caller = before;
    er_cell_unlock(&p->cell);
    er_cell_release(&p->cell);
    return true;
}

static void cancel_promise(er_cell *cell, errand_reason reason)
{
    if (call_hook(er_of(cell, errand_promise, cell))) return;
    errand_result r = er_cancel_result(reason);
    er_result_may_have_run(&r); /* its writer is not notified, and goes on */
    er_cell_try_end(cell, r);
}

static void free_promise(er_cell *cell) { er_cell_bury(cell); }

static void describe_promise(er_cell *cell, er_description *d)
{
    er_describe(d, er_cell_claimed(cell) ? "is being resolved" : "waits to be resolved");
}

static const er_cell_kind promise_kind = {
    .cancel = cancel_promise, .free = free_promise, .what = "promise", .describe = describe_promise
};

errand_promise *er_promise_new(errand_pool *pool, errand_future **f)
{
    if (!f || !pool) {
        if (f) *f = er_failed(NULL, errand_failf(EINVAL, "pool is NULL"));
        errno = EINVAL;
        return NULL;
    }
    errand_promise *p = er_pool_dead(pool) ? NULL : er_alloc_zero(sizeof *p);
    if (!p) {
        *f = er_failed(NULL, errand_fail(er_pool_dead(pool) ? ERRAND_EFORKED : ENOMEM));
        errno = (*f)->result.error;
        return NULL;
    }
    er_cell_init(&p->cell, &promise_kind, pool);
    *f = er_cell_keep(&p->cell);
    return p;
}

errand_promise *errand_promise_new(errand_pool *pool, errand_future **f)
{
    errand_promise *p = er_promise_new(pool, f);
    if (p) er_cell_list(&p->cell, __builtin_return_address(0));
    return p;
}

errand_future *errand_ready(errand_pool *pool, errand_result r)
{
    bool dead = pool && er_pool_dead(pool);
    if (pool && !dead) return er_failed(pool, r);
    errand_result_free(&r);
    return er_failed(NULL,
                     dead ? errand_fail(ERRAND_EFORKED) : errand_failf(EINVAL, "pool is NULL"));
}

/* Until no other thread is calling the hook; the lock bit is held, and again on return. */
static void wait_for_calls(errand_promise *p)
{
    unsigned turns = 0;
    while (p->calling && p->caller != er_thread_mark(me)) {
        er_cell_unlock(&p->cell);
        er_relax(&turns);
        er_cell_lock(&p->cell);
    }
}

static void change_hook(errand_promise *p, void (*hook)(void *), void *arg)
{
    er_cell_lock(&p->cell);
    p->hook = NULL;
    wait_for_calls(p);
    p->hook = hook;
    p->arg = arg;
    p->called = false;
    er_cell_unlock(&p->cell);
}

void errand_promise_resolve(errand_promise *p, errand_result r)
{
    if (!p || er_pool_dead(p->cell.pool)) {
        errand_result_free(&r);
        return;
    }
    bool mine = er_cell_claim(&p->cell); /* first: without a hook a cancel would end it */
    change_hook(p, NULL, NULL);
    if (mine) er_cell_end(&p->cell, r);
    else errand_result_free(&r);
    er_cell_release(&p->cell);
}

void errand_promise_abandon(errand_promise *p)
{
    errand_promise_resolve(p, errand_fail(ERRAND_EABANDONED));
}

errand_reason errand_promise_cancelled(const errand_promise *p)
{
    return p ? er_cell_cancelled(&p->cell) : ERRAND_BY_NONE;
}

void errand_promise_on_cancel(errand_promise *p, void (*fn)(void *), void *arg)
{
    if (!p || er_pool_dead(p->cell.pool)) return;
    er_cell_keep(&p->cell); /* the hook may resolve, which gives the writer's count back */
    change_hook(p, fn, arg);
    if (er_cell_cancelled(&p->cell)) {
        call_hook(p);
        er_cell_lock(&p->cell);
        wait_for_calls(p); /* the canceller's thread may have been the one to call it */
        er_cell_unlock(&p->cell);
    }
    er_cell_release(&p->cell);
}
