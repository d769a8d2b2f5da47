/* policy/lease_run.c -- a function that runs with a resource.
 *
 *     attempt (a task) --idle--> uses it there        --else--> follows: acquire, then use
 *     using: hook added --fn--> hook removed --> poisoned? --> released
 *
 * The hook interrupts the resource when the attempt is cancelled or late; once it is removed it is
 * not running, so the lease may be released. What is waited for in a line holds no worker.
 *
 * A run's argument is counted: by the run, and by each attempt that waits in a line, as its
 * then-function may be called after the run has ended. */
#include "policy/lease.h"
#include "policy/run.h"

#include "base/options.h"
#include "async/current.h"
#include "async/task.h"

#include <errno.h>
#include <string.h>

typedef struct lease_run {
    uint32_t count;
    errand_lease_pool *leases; /* kept */
    errand_lease_fn *fn;
    void *arg;
    errand_free_fn *free_arg;
    const void *site;
    bool keyed;
    char key[];
} lease_run;

static void drop_run(void *arg)
{
    lease_run *run = arg;
    if (er_sub(&run->count, 1) != 1) return;
    errand_lease_pool *leases = run->leases;
    if (run->free_arg) run->free_arg(run->arg);
    er_free(run);
    er_keyed_release(&leases->keyed);
}

static void interrupt_lease(void *arg)
{
    er_resource *r = arg;
    if (er_resource_interrupt_begin(r)) er_resource_interrupt_end(r);
    else errand_lease_poison(r);
}

static errand_result use_lease(lease_run *run, errand_lease *lease)
{
    errand_cancel_hook hook;
    int error = errand_cancel_hook_add(&hook, run->leases->keyed.pool, interrupt_lease, lease);
    if (error) {
        errand_lease_release(lease);
        errand_reason reason = er_cancelled_here();
        return reason ? er_cancel_result(reason) : errand_fail(error);
    }
    errand_result r = run->fn(errand_lease_resource(lease), run->arg);
    if (er_is_later(&r)) r = errand_await(r.owner);
    errand_cancel_hook_remove(&hook);
    bool spoiled = r.error && errand_result_kind(&r) == ERRAND_KIND_NETWORK;
    if (spoiled || er_cancelled_here()) errand_lease_poison(lease);
    errand_lease_release(lease);
    return r;
}

static errand_result lease_came(errand_result in, void *arg)
{
    lease_run *run = arg;
    errand_result r = in;
    if (!in.error) {
        errand_lease *lease = in.value;
        in.value = NULL;
        in.free = NULL;
        errand_result_free(&in);
        r = use_lease(run, lease);
    }
    drop_run(run);
    return r;
}

static errand_result attempt(void *arg)
{
    lease_run *run = arg;
    const char *key = run->keyed ? run->key : NULL;
    const er_label who = { er_task_here() ? er_task_here()->name : NULL, run->site };
    errand_lease *lease;
    int error = er_lease_try(run->leases, key, who, &lease);
    if (!error) return use_lease(run, lease);
    if (error != EAGAIN) return er_lease_refusal(error);
    er_add_relaxed(&run->count, 1); /* relaxed: the run has a count */
    return errand_later(errand_then(errand_lease_acquire(run->leases, key), lease_came, run));
}

static errand_future *start(errand_lease_pool *leases, const errand_policy *policy,
                            const errand_lease_task *task, const void *site)
{
    errand_pool *pool = leases ? leases->keyed.pool : NULL;
    size_t size = task->key ? strnlen(task->key, ERRAND_KEY_MAX + 1) : 0;
    errand_result wrong = { 0 };
    if (!leases) wrong = errand_failf(EINVAL, "lease pool is NULL");
    else if (er_pool_dead(pool)) wrong = errand_fail(ERRAND_EFORKED);
    else if (!task->fn) wrong = errand_failf(EINVAL, "task without fn");
    else if (size > ERRAND_KEY_MAX) wrong = errand_failf(EINVAL, "key: too long");
    lease_run *run = wrong.error ? NULL : er_alloc_zero(sizeof *run + size + 1);
    if (!run && !wrong.error) wrong = errand_fail(ENOMEM);
    if (wrong.error) {
        if (task->free) task->free(task->arg);
        return er_failed(pool && !er_pool_dead(pool) ? pool : NULL, wrong);
    }
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): without it something is wrong */
    run->count = 1;
    run->leases = leases;
    er_keyed_keep(&leases->keyed);
    run->fn = task->fn;
    run->arg = task->arg;
    run->free_arg = task->free;
    run->site = site;
    run->keyed = task->key;
    if (size) memcpy(run->key, task->key, size);
    const errand_task whole = {
        .fn = attempt,
        .arg = run,
        .free = drop_run,
        .name = task->name,
        .key = task->key,
        .within_ms = task->within_ms
    };
    return er_run_guarded(pool, policy, &whole, 0, site);
}

errand_future *errand_lease_run_task_sized(errand_lease_pool *leases, const errand_policy *policy,
                                           const errand_lease_task *task, size_t size)
{
    errand_lease_task own;
    int error = task ? er_options(&own, sizeof own, task, size) : EINVAL;
    if (!error) return start(leases, policy, &own, __builtin_return_address(0));
    if (error == ENOTSUP && own.free) own.free(own.arg);
    return er_failed(NULL,
                     errand_failf(error, task ? "a task of an unknown size" : "task is NULL"));
}

errand_future *errand_lease_run(errand_lease_pool *leases, const errand_policy *policy,
                                errand_lease_fn *fn, void *arg)
{
    const errand_lease_task task = { .fn = fn, .arg = arg };
    return start(leases, policy, &task, __builtin_return_address(0));
}
