/* policy/singleflight.c -- single-flight: identical calls that are under way at once share one run.
 *
 *     run --no run with this key--> journey (starts and watches a run) --it ends--> its sharers end
 *         --else--> one more sharer
 *     sharer --cancel--> ended, left; the last one: the run is cancelled, the key is free
 *
 * A journey is under way as long as its key's member points at it; that, and its list of sharers,
 * is under the flight's lock. So joining, leaving and ending are decided one after the other: a
 * sharer that is in the list when the run ends gets its result, and a journey that its last sharer
 * has left is not joined again. The caller that starts a journey is its first sharer, and gets its
 * future only when the run is there, so a journey is never left before it has a run.
 *
 * The result lives in the journey, which is counted by all that hold a share of it. Each share
 * has a detail of its own: a copy, and for the last one the original. */
#include "policy/keyed.h"
#include "policy/run.h"
#include "async/submit.h"

#include "base/options.h"

#include <errno.h>

typedef struct flight_member {
    er_member base;
    struct journey *journey; /* the one under way; pinned by it */
    unsigned sharing;
    uint64_t runs, shared;
} flight_member;

struct errand_singleflight {
    er_keyed keyed;
    const char *name;
    flight_member plain;
};

typedef struct journey {
    uint32_t count;              /* the run's waiter, sharers, shares of the result */
    errand_singleflight *flight; /* kept */
    /* NULL: not under way any more. This and the next two: under the flight's lock */
    flight_member *member;
    er_cell *run; /* NULL: not yet, or not any more */
    er_list sharers;
    er_waiter waiter;
    errand_result result;
} journey;

typedef struct sharer {
    er_cell cell;
    er_node node; /* among the sharers */
    bool waits;   /* under the flight's lock: it is one of them */
    /* counted; atomic: for the dump, which finds it before it joins. NULL: it could not */
    journey *journey;
} sharer;

static flight_member *member_of(er_member *m) { return er_of(m, flight_member, base); }

static void release_journey(journey *j)
{
    if (er_sub(&j->count, 1) != 1) return;
    errand_singleflight *flight = j->flight;
    errand_result_free(&j->result);
    er_free(j);
    er_keyed_release(&flight->keyed);
}

static void give_share_back(void *owner) { release_journey(owner); }

/* No sharer joins any more; under the lock. */
static void leave_key(journey *j)
{
    flight_member *m = j->member;
    j->member = NULL; /* it may be evicted */
    if (!m) return;
    m->journey = NULL;
    m->base.pins--;
}

/* ---- the end ---- */

static errand_result share_of(journey *j, bool last)
{
    errand_result share = last ? j->result : er_result_copy(&j->result);
    if (last) j->result.detail = NULL;
    er_add_relaxed(&j->count, 1); /* relaxed: the caller has a count */
    share.value = j->result.value;
    share.owner = j;
    share.free = give_share_back;
    return share;
}

static void run_ended(er_waiter *waiter)
{
    journey *j = er_of(waiter, journey, waiter);
    er_keyed *keyed = &j->flight->keyed;
    er_list sharers;
    er_lock_take(&keyed->lock);
    er_cell *run = j->run;
    j->run = NULL;
    er_list_take_all(&sharers, &j->sharers);
    er_list_each(n, &sharers) {
        er_of(n, sharer, node)->waits = false;
        j->member->sharing--;
    }
    leave_key(j);
    er_keyed_leave(keyed);
    j->result = er_cell_take(run);
    er_cell_release(run);
    for (er_node *n; (n = er_list_pop(&sharers));) {
        sharer *s = er_of(n, sharer, node);
        er_cell_try_end(&s->cell, share_of(j, er_list_empty(&sharers)));
        er_cell_release(&s->cell); /* the list's */
    }
    release_journey(j);
}

/* ---- sharers ---- */

static void cancel_sharer(er_cell *cell, errand_reason reason)
{
    sharer *s = er_of(cell, sharer, cell);
    journey *j = s->journey;
    er_keyed *keyed = &j->flight->keyed;
    if (er_pool_dead(keyed->pool)) return;
    er_cell *run = NULL;
    er_lock_take(&keyed->lock);
    bool waited = s->waits;
    if (waited) {
        s->waits = false;
        er_list_remove(&s->node);
        j->member->sharing--;
        if (er_list_empty(&j->sharers)) {
            run = er_cell_keep(j->run);
            leave_key(j);
        }
    }
    er_keyed_leave(keyed);
    if (run) { /* no sharer is left */
        er_cell_abandon(run);
        er_cell_pass_on(run, reason);
        er_cell_release(run);
    }
    if (!waited) return;
    errand_result r = er_cancel_result(reason);
    er_result_may_have_run(&r); /* its run is under way, for others or on its way to its end */
    er_cell_try_end(cell, r);
    er_cell_release(cell); /* the list's */
}

static void free_sharer(er_cell *cell)
{
    journey *j = er_of(cell, sharer, cell)->journey;
    er_cell_bury(cell);
    if (j) release_journey(j);
}

static bool input_of_sharer(er_cell *cell, size_t i, er_cell **input)
{
    journey *j = er_of(cell, sharer, cell)->journey;
    if (i) return false;
    er_lock_take(&j->flight->keyed.lock);
    *input = j->run ? er_cell_keep(j->run) : NULL;
    er_keyed_leave(&j->flight->keyed);
    return true;
}

static void describe_sharer(er_cell *cell, er_description *d)
{
    journey *j = er_load(&er_of(cell, sharer, cell)->journey);
    if (!j) return; /* it is on its way in */
    d->name = j->flight->name;
    unsigned sharing = 0;
    er_lock_take(&j->flight->keyed.lock);
    const flight_member *m = j->member;
    if (m) {
        sharing = m->sharing;
        er_keyed_describe(&m->base, d);
    }
    er_cell *run = j->run ? er_cell_keep(j->run) : NULL;
    er_lock_give(&j->flight->keyed.lock);
    er_describe(d, "one of %u that share a run", sharing);
    if (!run) return;
    er_describe_input(d, "waits for", run);
    er_cell_release(run);
}

static const er_cell_kind sharer_kind = {
    .cancel = cancel_sharer,
    .free = free_sharer,
    .input = input_of_sharer,
    .what = "flight",
    .describe = describe_sharer
};

/* ---- the beginning ---- */

/* Under the lock. */
static void join(flight_member *m, journey *j, sharer *s)
{
    er_store(&s->journey, j);
    s->waits = true;
    er_add_relaxed(&j->count, 1); /* relaxed: under way, so its waiter has a count */
    er_cell_keep(&s->cell);       /* the list's */
    er_list_push(&j->sharers, &s->node);
    m->sharing++;
}

static void begin(errand_singleflight *flight, flight_member *m, journey *j)
{
    j->count = 1;
    j->flight = flight;
    j->member = m;
    j->waiter.fn = run_ended;
    er_list_init(&j->sharers);
    er_keyed_keep(&flight->keyed);
    m->journey = j;
    m->base.pins++;
    m->runs++;
}

static errand_future *fly(errand_singleflight *flight, const errand_policy *policy,
                          errand_task *task, const void *site)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): without it the task is refused before */
    errand_pool *pool = flight->keyed.pool;
    const char *key = task->key || task->detached ? task->key : errand_key();
    er_member *base;
    sharer *s = er_alloc_zero(sizeof *s);
    journey *fresh = er_alloc_zero(sizeof *fresh), *j = NULL;
    if (s) {
        er_cell_init(&s->cell, &sharer_kind, pool);
        er_cell_list(&s->cell, site);
    }
    int error = s && fresh ? er_keyed_enter(&flight->keyed, key, &base) : ENOMEM;
    if (!error) {
        flight_member *m = member_of(base);
        if (!m->journey) begin(flight, m, j = fresh);
        else m->shared++;
        join(m, m->journey, s);
        er_keyed_leave(&flight->keyed);
    }
    if (!j) { /* this task will never run */
        er_free(fresh);
        if (task->free) task->free(task->arg);
    }
    if (error) {
        errand_result why =
            error == EINVAL ? errand_failf(EINVAL, "key: too long") : errand_fail(error);
        if (!s) return er_failed(pool, why);
        er_cell_try_end(&s->cell, why);
        return &s->cell;
    }
    if (!j) return &s->cell;
    task->key = key;
    if (!task->name) task->name = flight->name;
    task->detached = true; /* the first sharer does not limit the others */
    er_context *context = er_context_for(task, &error);
    er_terms terms = { context, er_run_deadline(pool, policy, task), ERRAND_BY_TOTAL, false, site,
                       false };
    if (error && task->free) task->free(task->arg);
    er_cell *run = error ? er_failed(pool, errand_fail(error)) : er_run(pool, policy, task, &terms);
    er_lock_take(&flight->keyed.lock);
    j->run = run;
    er_keyed_leave(&flight->keyed);
    if (!er_cell_watch(run, &j->waiter)) run_ended(&j->waiter);
    return &s->cell;
}

errand_future *errand_singleflight_run_sized(
    errand_singleflight *flight, const errand_policy *policy, const errand_task *task, size_t size)
{
    errand_task own;
    er_cell *refusal = er_task_check(flight ? flight->keyed.pool : NULL, &own, task, size);
    return refusal ? refusal : fly(flight, policy, &own, __builtin_return_address(0));
}

/* ---- the flight itself ---- */

static void init_member(er_keyed *keyed, er_member *base)
{
    (void)keyed;
    (void)base;
}

static bool is_idle(er_keyed *keyed, er_member *base)
{
    (void)keyed;
    return !member_of(base)->journey;
}

static void free_flight(er_keyed *keyed) { er_free(er_of(keyed, errand_singleflight, keyed)); }
static const er_keyed_kind flight_kind = { sizeof(flight_member), init_member, is_idle,
                                           free_flight };

errand_singleflight *errand_singleflight_new_sized(
    errand_pool *pool, const errand_singleflight_opts *opts, size_t size)
{
    errand_singleflight_opts o;
    int error = er_options(&o, sizeof o, opts, size);
    errand_singleflight *flight = error ? NULL : er_alloc_zero(sizeof *flight);
    if (!error && !flight) error = ENOMEM;
    if (!error)
        error = er_keyed_init(&flight->keyed, &flight_kind, pool, o.max_keys, &flight->plain.base);
    if (error) {
        er_free(flight);
        errno = error;
        return NULL;
    }
    flight->name = o.name;
    return flight;
}

void errand_singleflight_free(errand_singleflight *flight)
{
    if (flight) er_keyed_release(&flight->keyed);
}

int errand_singleflight_stats_sized(errand_singleflight *flight, const char *key,
                                    errand_singleflight_stats *out, size_t size)
{
    er_member *base;
    if (!flight || !out) return EINVAL;
    int error = er_keyed_find(&flight->keyed, key, &base);
    if (error) return error;
    const flight_member *m = member_of(base);
    errand_singleflight_stats s = { m->journey != NULL, m->sharing, m->runs, m->shared };
    er_keyed_leave(&flight->keyed);
    return er_options_give(out, size, &s, sizeof s);
}
