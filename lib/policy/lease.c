/* policy/lease.c -- a lease pool: lines of waiters, and the resources that serve them.
 *
 * Each member (a key) has a line, the idle resources (last returned first) and the lent ones. All
 * of it, and each resource's state, is under one lock. Whatever changes is followed by `serve`,
 * which lends idle resources to the line in order, then begins as many opens as waiters lack, so
 * none waits beside a resource that is idle, or below max without an open or a check under way,
 * but in a backoff. Whether a place waits is decided under the lock, so a loan and a cancel cannot
 * both happen. A resource counts against max until its close has returned.
 *
 * What the lock does not allow waits in an er_after until it is given: waiters to call, tasks to
 * start, the timer. A resource pins its member and counts as one owner of the lease pool from the
 * decision to open it until it is freed; so what an er_after points at stays.
 *
 * One timer for all: it is armed for the earliest time that matters, and only ever moved to an
 * earlier one; when it rings everything is looked at and it is armed again. Where none can be
 * armed (no thread) the next operation tries again. It counts as one owner while it is armed.
 *
 * SHUT, by the pool's shutdown: no loans any more; resources are kept. OVER, by close: they are
 * closed. */
#include "policy/lease.h"

#include "policy/backoff.h"

#include "base/options.h"
#include "async/current.h"
#include "async/park.h"
#include "async/service.h"
#include "async/task.h"
#include "log/producer.h"

#include <errno.h>
#include <limits.h>

static int64_t now_of(const errand_lease_pool *leases) /* coarsely: for stamps */
{
    errand_pool *pool = leases->keyed.pool;
    return er_pool_ref_of(pool)->clock ? er_pool_now(pool) : er_coarse_ns();
}

int64_t er_lease_span_end(int64_t since_ns, int64_t ms) /* ms 0: never */
{
    return ms ? er_deadline(since_ns, ms) : INT64_MAX;
}

/* ---- under the lock ---- */

static void collect_place(er_after *a, er_lease_place *p)
{
    p->waiter.next = NULL;
    if (a->first) *a->last = &p->waiter;
    else a->first = &p->waiter;
    a->last = &p->waiter.next;
}

void er_lease_note_time(errand_lease_pool *leases, int64_t at_ns, er_after *a)
{
    if (at_ns >= leases->rings_at || leases->shut) return;
    if (leases->rings_at == INT64_MAX) {
        a->arms = true;
        er_keyed_keep(&leases->keyed); /* the timer's */
    }
    if (a->at_ns == 0) er_keyed_keep(&leases->keyed); /* until it is set */
    leases->rings_at = a->at_ns = at_ns;
}

void er_lease_work(er_resource *r, er_resource_state state, er_after *a)
{
    r->state = state;
    if (state == ER_RESOURCE_CHECKING) r->member->checking++;
    else r->member->closing++;
    r->next = a->work;
    a->work = r;
}

bool er_lease_worn(const errand_lease_pool *leases, const er_resource *r, int64_t now)
{
    unsigned most = leases->how.max_uses;
    return now >= r->expires_ns || (most && r->uses >= most) || leases->over;
}

/* When the timer is to ring for a resource that is idle from now on. */
static int64_t due_of(const errand_lease_pool *leases, const er_resource *r, int64_t now)
{
    int64_t idle_until = er_lease_span_end(now, leases->how.max_idle_ms);
    return idle_until < r->expires_ns ? idle_until : r->expires_ns;
}

static void list_idle(er_lease_member *m, er_resource *r, int64_t now)
{
    r->state = ER_RESOURCE_IDLE;
    r->since_ns = now;
    m->n_idle++;
    er_list_push_front(&m->idle, &r->node);
}

static void put_idle(er_lease_member *m, er_resource *r, int64_t now, er_after *a)
{
    if (er_lease_worn(m->leases, r, now)) {
        er_lease_work(r, ER_RESOURCE_CLOSING, a);
        return;
    }
    list_idle(m, r, now);
    er_lease_note_time(m->leases, due_of(m->leases, r, now), a);
}

/* The same, if nothing else follows from it. */
static bool put_calmly(er_lease_member *m, er_resource *r, int64_t now)
{
    const errand_lease_pool *leases = m->leases;
    if (m->waiting || er_lease_worn(leases, r, now) || m->n - m->closing < leases->how.min ||
        due_of(leases, r, now) < leases->rings_at)
        return false;
    list_idle(m, r, now);
    return true;
}

void er_lease_remove_idle(er_lease_member *m, er_resource *r)
{
    er_list_remove(&r->node);
    m->n_idle--;
}

static bool is_stale(const errand_lease_pool *leases, const er_resource *r, int64_t now)
{
    int64_t check_after = leases->how.check_after_ms;
    return check_after >= 0 && now >= er_deadline(r->since_ns, check_after);
}

/* An idle resource that may be lent. Closes those that are too old on the way; begins to check, for
 * `wanted` waiters, those that were idle for long. */
static er_resource *take_idle(er_lease_member *m, unsigned wanted, int64_t now, er_after *a)
{
    for (er_node *n; (n = er_list_first(&m->idle));) {
        er_resource *r = er_of(n, er_resource, node);
        bool worn = er_lease_worn(m->leases, r, now);
        bool stale = !worn && is_stale(m->leases, r, now);
        if (stale && m->checking >= wanted) return NULL;
        er_lease_remove_idle(m, r);
        if (worn) er_lease_work(r, ER_RESOURCE_CLOSING, a);
        else if (stale) er_lease_work(r, ER_RESOURCE_CHECKING, a);
        else return r;
    }
    return NULL;
}

static void lend(er_lease_member *m, er_resource *r, er_label who, int64_t now)
{
    m->ever.granted++;
    m->n_lent++;
    r->state = ER_RESOURCE_LENT;
    r->loan = 0;
    r->is_handed = false;
    r->uses++;
    r->since_ns = now;
    r->name = who.name;
    r->site = who.site;
    er_list_push(&m->lent, &r->node);
}

static void end_waiting(er_lease_member *m, er_lease_place *p)
{
    er_list_remove(&p->node);
    m->waiting--;
    p->waits = false;
}

static er_lease_place *first_place(const er_lease_member *m)
{
    er_node *n = er_list_first(&m->line);
    return n ? er_of(n, er_lease_place, node) : NULL;
}

/* It is the first in line. */
static void lend_to_first(er_lease_member *m, er_lease_place *p, er_resource *r, int64_t now,
                          er_after *a)
{
    int64_t waited = now - p->since_ns;
    if (waited > m->ever.longest_wait_ns) m->ever.longest_wait_ns = waited;
    end_waiting(m, p);
    lend(m, r, p->who, now);
    p->resource = r;
    collect_place(a, p);
}

static void open_more(er_lease_member *m, int64_t now, er_after *a)
{
    errand_lease_pool *leases = m->leases;
    const errand_lease_opts *how = &leases->how;
    for (;;) {
        bool wanted = m->waiting > m->opening + m->checking || m->n - m->closing < how->min;
        if (!wanted || m->n >= how->max || m->opening >= how->open_at_once || leases->shut) return;
        if (now < m->again_ns || a->n_opens == ER_LEASE_OPENS) {
            er_lease_note_time(leases, now < m->again_ns ? m->again_ns : now, a);
            return;
        }
        m->n++;
        m->opening++;
        m->base.pins++;
        leases->alive++;
        er_keyed_keep(&leases->keyed);
        a->opens[a->n_opens++] = m;
    }
}

/* After every change. */
void er_lease_serve(er_lease_member *m, int64_t now, er_after *a)
{
    er_resource *r;
    for (er_lease_place *p; (p = first_place(m)) && (r = take_idle(m, m->waiting, now, a));)
        lend_to_first(m, p, r, now, a);
    open_more(m, now, a);
}

void er_lease_fail_first(er_lease_member *m, errand_result how, er_after *a)
{
    er_lease_place *p = first_place(m);
    end_waiting(m, p);
    p->failure = how;
    collect_place(a, p);
}

/* Ends the first waiter, unless another resource may serve it; else *how stays. */
static void fail_first(er_lease_member *m, errand_result *how, er_after *a)
{
    if (er_list_empty(&m->line) || m->n_lent || m->checking) return;
    er_lease_fail_first(m, *how, a);
    *how = (errand_result){ 0 };
}

/* A resource is gone, or was never there. */
static void forget(er_lease_member *m, er_after *a)
{
    errand_lease_pool *leases = m->leases;
    m->n--;
    m->base.pins--;
    if (--leases->alive) return;
    a->emptied = leases->emptied;
    leases->emptied = NULL;
}

/* ---- after the lock ---- */

static void set_timer(errand_lease_pool *leases, const er_after *a)
{
    errand_pool *pool = leases->keyed.pool;
    if (a->arms) {
        int error = er_timer_arm(pool, &leases->timer, a->at_ns);
        er_lock_take(&leases->keyed.lock);
        int64_t at_ns = leases->rings_at;
        bool over = leases->over; /* close has found it not armed */
        if (error) leases->rings_at = INT64_MAX;
        er_lock_give(&leases->keyed.lock);
        if (error || (over && er_timer_disarm(pool, &leases->timer)))
            er_keyed_release(&leases->keyed); /* the timer's */
        else if (at_ns < a->at_ns) er_timer_hasten(pool, &leases->timer, at_ns);
    } else {
        er_timer_hasten(pool, &leases->timer, a->at_ns);
    }
    er_keyed_release(&leases->keyed);
}

static void begin_open(er_lease_member *m);

/* Nothing but what *a points at is sure to be there any more. */
void er_lease_do_after(errand_lease_pool *leases, er_after *a)
{
    for (er_resource *r = a->work, *next; r; r = next) {
        next = r->next;
        er_resource_work(r, leases->keyed.pool, leases->how.name);
    }
    for (unsigned i = 0; i < a->n_opens; i++) begin_open(a->opens[i]);
    if (a->at_ns) set_timer(leases, a);
    if (a->emptied) er_unpark(&a->emptied->parker, ER_WAKE);
    er_endings_call(a->first);
}

/* ---- the ends of tasks ---- */

static void log_failure(errand_lease_pool *leases, const char *what, errand_result *how)
{
    const char *name = leases->how.name ? leases->how.name : "(no name)";
    if (how->error && !leases->over)
        er_log_warn(er_pool_log(leases->keyed.pool), "lease pool %s: %s: %s", name, what,
                    errand_result_message(how));
    errand_result_free(how);
}

/* In ms, after so many failures in a row. */
static int64_t backoff(errand_lease_pool *leases, unsigned failures)
{
    static const errand_policy_opts how = {
        .max_ms = 5000, .multiplier = 2, .jitter = ERRAND_JITTER_EQUAL
    };
    const errand_attempt_info info = { .number = failures };
    return er_backoff_of(&how, 50, &(er_wait_from){ leases->seed, -1, &info });
}

static void open_failed(er_lease_member *m, errand_result how)
{
    errand_lease_pool *leases = m->leases;
    er_after a;
    er_after_init(&a);
    int64_t now = er_pool_now(leases->keyed.pool);
    er_lock_take(&leases->keyed.lock);
    m->opening--;
    m->ever.open_failures++;
    m->again_ns = er_deadline(now, backoff(leases, ++m->failures));
    forget(m, &a);
    fail_first(m, &how, &a);
    er_lease_serve(m, now, &a);
    er_keyed_leave(&leases->keyed);
    log_failure(leases, "a resource could not be opened", &how);
    er_lease_do_after(leases, &a);
    er_keyed_release(&leases->keyed);
}

/* It is fresh: the first waiter gets it without a check. */
static void settle(er_lease_member *m, er_resource *r, int64_t now, er_after *a)
{
    er_lease_place *p = first_place(m);
    if (!p || er_lease_worn(m->leases, r, now)) {
        put_idle(m, r, now, a);
        return;
    }
    lend_to_first(m, p, r, now, a);
}

static void opened(er_lease_member *m, er_resource *r, er_after *a)
{
    const errand_lease_opts *how = &m->leases->how;
    int64_t now = er_pool_now(m->leases->keyed.pool);
    double part = how->max_age_jitter * er_random_fraction(&m->leases->seed);
    m->opening--;
    m->failures = 0;
    m->again_ns = 0;
    m->ever.opened++;
    r->expires_ns = er_lease_span_end(now, how->max_age_ms);
    if (r->expires_ns != INT64_MAX)
        r->expires_ns -= (int64_t)((double)(r->expires_ns - now) * part);
    settle(m, r, now, a);
}

static void checked(er_lease_member *m, er_resource *r, errand_result *how, er_after *a)
{
    int64_t now = er_pool_now(m->leases->keyed.pool);
    m->checking--;
    if (!how->error) {
        settle(m, r, now, a);
        return;
    }
    er_lease_work(r, ER_RESOURCE_CLOSING, a);
    m->ever.check_failures += r->has_run;
    if (!r->has_run) fail_first(m, how, a); /* so the next one's would not run either */
}

static void task_ended(er_resource *r, errand_result how)
{
    er_lease_member *m = r->member;
    errand_lease_pool *leases = m->leases;
    if (r->state == ER_RESOURCE_OPENING && how.error) {
        er_free(r);
        open_failed(m, how);
        return;
    }
    er_after a;
    er_after_init(&a);
    int64_t now = er_pool_now(leases->keyed.pool);
    bool gone = r->state == ER_RESOURCE_CLOSING;
    er_lock_take(&leases->keyed.lock);
    if (gone) {
        m->closing--;
        m->ever.closed++;
        forget(m, &a);
    } else if (r->state == ER_RESOURCE_OPENING) {
        opened(m, r, &a);
    } else {
        checked(m, r, &how, &a);
    }
    er_lease_serve(m, now, &a);
    er_keyed_leave(&leases->keyed);
    errand_result_free(&how);
    if (gone) er_free(r);
    er_lease_do_after(leases, &a);
    if (gone) er_keyed_release(&leases->keyed);
}

static void begin_open(er_lease_member *m)
{
    er_resource *r = er_alloc_zero(sizeof *r);
    if (!r) {
        open_failed(m, errand_fail(ENOMEM));
        return;
    }
    r->member = m;
    r->ops = &m->leases->ops;
    r->key = m->base.item.key;
    r->ended = task_ended;
    r->state = ER_RESOURCE_OPENING;
    er_resource_work(r, m->leases->keyed.pool, m->leases->how.name);
}

/* ---- borrowing ---- */

int er_lease_try(errand_lease_pool *leases, const char *key, er_label who, er_resource **lent)
{
    er_member *base;
    int error = er_keyed_enter(&leases->keyed, key, &base);
    if (error) return error;
    er_lease_member *m = er_lease_member_of(base);
    int64_t now = now_of(leases);
    er_node *n = er_list_first(&m->idle);
    er_resource *r = n ? er_of(n, er_resource, node) : NULL;
    if (leases->shut) {
        error = ECANCELED;
    } else if (!r || m->waiting || er_lease_worn(leases, r, now) || is_stale(leases, r, now)) {
        error = EAGAIN;
    } else {
        er_lease_remove_idle(m, r);
        lend(m, r, who, now);
        *lent = r;
    }
    er_keyed_leave(&leases->keyed);
    return error;
}

int er_lease_enter(errand_lease_pool *leases, const char *key, er_lease_place *place)
{
    er_member *base;
    int error = er_keyed_enter(&leases->keyed, key, &base);
    if (error) return error;
    er_after a;
    er_after_init(&a);
    er_lease_member *m = er_lease_member_of(base);
    int64_t now = now_of(leases);
    place->since_ns = now;
    place->member = m;
    if (leases->shut) error = ECANCELED;
    else if (!m->waiting) place->resource = take_idle(m, 1, now, &a);
    if (place->resource) {
        lend(m, place->resource, place->who, now);
    } else if (!error && leases->how.max_waiters && m->waiting >= leases->how.max_waiters) {
        m->ever.refused++;
        error = ERRAND_EFULL;
    } else if (!error) {
        error = EINPROGRESS;
        place->waits = true;
        m->waiting++;
        er_list_push(&m->line, &place->node);
        er_lease_note_time(leases, er_lease_span_end(now, leases->how.acquire_within_ms), &a);
        er_lease_serve(m, now, &a);
    }
    er_keyed_leave(&leases->keyed);
    er_lease_do_after(leases, &a);
    return error;
}

bool er_lease_leave(errand_lease_pool *leases, er_lease_place *place)
{
    if (er_pool_dead(leases->keyed.pool)) return false; /* its lock may be held forever */
    int64_t now = now_of(leases);
    er_lock_take(&leases->keyed.lock);
    bool waited = place->waits;
    if (waited) {
        er_lease_member *m = place->member;
        end_waiting(m, place);
        m->ever.withdrawn++;
        if (now - place->since_ns > m->ever.longest_wait_ns)
            m->ever.longest_wait_ns = now - place->since_ns;
    }
    er_keyed_leave(&leases->keyed);
    return waited;
}

errand_result er_lease_refusal(int error)
{
    if (error == ECANCELED) return er_cancel_result(ERRAND_BY_SHUTDOWN);
    return error == EINVAL ? errand_failf(EINVAL, "key: too long") : errand_fail(error);
}

void *errand_lease_resource(errand_lease *lease)
{
    if (!lease) return NULL;
    lease->is_handed = true;
    return lease->value;
}

void errand_lease_poison(errand_lease *lease)
{
    if (lease) er_or(&lease->loan, ER_LOAN_POISONED);
}

void errand_lease_release(void *lease)
{
    er_resource *r = lease;
    if (!r || er_pool_dead(r->member->leases->keyed.pool)) return;
    er_lease_member *m = r->member;
    errand_lease_pool *leases = m->leases;
    bool poisoned = er_resource_return(r) & (ER_LOAN_POISONED | ER_LOAN_INTERRUPTED), unfit = false;
    if (!poisoned && r->is_handed && leases->ops.reset)
        unfit = leases->ops.reset(r->value, leases->ops.arg) != 0;
    int64_t now = leases->timed ? now_of(leases) : 0; /* a read of the clock less */
    er_lock_take(&leases->keyed.lock);
    er_list_remove(&r->node);
    m->n_lent--;
    if (!poisoned && !unfit && put_calmly(m, r, now)) {
        er_lock_give(&leases->keyed.lock);
        return;
    }
    er_after a;
    er_after_init(&a);
    if (!leases->timed) now = now_of(leases);
    m->ever.poisoned += poisoned;
    m->ever.reset_failures += unfit;
    if (poisoned || unfit) er_lease_work(r, ER_RESOURCE_CLOSING, &a);
    else put_idle(m, r, now, &a);
    er_lease_serve(m, now, &a);
    er_keyed_leave(&leases->keyed);
    er_lease_do_after(leases, &a);
}

void er_lease_describe(errand_lease_pool *leases, const er_lease_place *place, er_description *d)
{
    er_lock_take(&leases->keyed.lock);
    bool waits = place->waits;
    unsigned lent = 0, opening = 0;
    if (waits) {
        er_keyed_describe(&place->member->base, d);
        lent = place->member->n_lent;
        opening = place->member->opening;
    }
    er_lock_give(&leases->keyed.lock);
    if (!waits) return;
    const char *name = leases->how.name ? leases->how.name : "(no name)";
    er_describe(d, "waits for a resource of %s, %u lent, %u being opened", name, lent, opening);
}

bool er_lease_needs_thread(errand_lease_pool *leases, const er_lease_place *place)
{
    er_lock_take(&leases->keyed.lock);
    const er_lease_member *m = place->member;
    bool needs = place->waits && !m->n_lent && (m->opening || m->checking);
    er_lock_give(&leases->keyed.lock);
    return needs;
}
