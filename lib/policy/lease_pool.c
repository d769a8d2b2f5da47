/* policy/lease_pool.c -- a lease pool as a whole: made, tended, closed, counted.
 *
 *     open --the pool shuts down--> SHUT: lends nothing, keeps what it has
 *     open or SHUT --errand_lease_pool_close--> OVER: closes it --the last one is closed--> gone
 *
 * Tending is the timer's: it ends waiters that are out of time, closes what is too old or idle for
 * too long, fills up to `min`, and asks for the next time. It runs no user code.
 *
 * Close waits on a parker of its own, which the lock guards: the thread that forgets the last
 * resource takes it and wakes it. Those that are lent are interrupted in two steps: marked under
 * the lock, called after it; a marked one stays lent until interrupt has returned (resource.c). */
#include "policy/lease.h"

#include "base/options.h"
#include "async/park.h"
#include "async/scope.h"
#include "async/task.h"
#include "log/producer.h"

#include <errno.h>
#include <limits.h>

#define NAMED 16

static errand_lease_pool *leases_of(er_keyed *keyed)
{
    return er_of(keyed, errand_lease_pool, keyed);
}

/* ---- tending ---- */

static void end_late(er_lease_member *m, int64_t now, er_after *a)
{
    int64_t within = m->leases->how.acquire_within_ms;
    for (er_node *n; within && (n = er_list_first(&m->line));) {
        int64_t since = er_of(n, er_lease_place, node)->since_ns, by = er_deadline(since, within);
        if (by > now) {
            er_lease_note_time(m->leases, by, a);
            return;
        }
        m->ever.withdrawn++;
        if (now - since > m->ever.longest_wait_ns) m->ever.longest_wait_ns = now - since;
        er_lease_fail_first(m, errand_fail(ETIMEDOUT), a);
    }
}

/* From the one that was idle for longest. */
static void close_old(er_lease_member *m, int64_t now, er_after *a)
{
    errand_lease_pool *leases = m->leases;
    for (er_node *n = m->idle.head.prev, *next; n != &m->idle.head; n = next) {
        er_resource *r = er_of(n, er_resource, node);
        next = n->prev;
        bool spare = m->n - m->closing > leases->how.min;
        int64_t idle_until = spare ? er_lease_span_end(r->since_ns, leases->how.max_idle_ms)
                                   : INT64_MAX;
        if (er_lease_worn(leases, r, now) || idle_until <= now) {
            er_lease_remove_idle(m, r);
            er_lease_work(r, ER_RESOURCE_CLOSING, a);
            continue;
        }
        er_lease_note_time(leases, idle_until < r->expires_ns ? idle_until : r->expires_ns, a);
    }
}

static void tend(er_timer *timer)
{
    errand_lease_pool *leases = er_of(timer, errand_lease_pool, timer);
    er_after a;
    er_after_init(&a);
    int64_t now = er_pool_now(leases->keyed.pool);
    bool ends = er_pool_shut(leases->keyed.pool);
    er_lock_take(&leases->keyed.lock);
    leases->rings_at = INT64_MAX;
    for (er_member *at = NULL; !ends && (at = er_keyed_next(&leases->keyed, at));) {
        er_lease_member *m = er_lease_member_of(at);
        end_late(m, now, &a);
        close_old(m, now, &a);
        er_lease_serve(m, now, &a);
    }
    er_keyed_leave(&leases->keyed);
    er_lease_do_after(leases, &a);
    er_keyed_release(&leases->keyed); /* the timer's */
}

/* ---- made ---- */

static void init_member(er_keyed *keyed, er_member *base)
{
    er_lease_member *m = er_lease_member_of(base);
    m->leases = leases_of(keyed);
    er_list_init(&m->line);
    er_list_init(&m->idle);
    er_list_init(&m->lent);
}

static bool is_idle(er_keyed *keyed, er_member *base)
{
    (void)keyed;
    const er_lease_member *m = er_lease_member_of(base);
    return er_list_empty(&m->line) && !m->n;
}

static void free_leases(er_keyed *keyed)
{
    errand_lease_pool *leases = leases_of(keyed);
    er_close_hook_remove(keyed->pool, &leases->closer);
    er_free(leases);
}

static const er_keyed_kind lease_kind = { sizeof(er_lease_member), init_member, is_idle,
                                          free_leases };

/* Lends nothing any more; over: closes what is idle, too. */
static void end_lines(errand_lease_pool *leases, bool over)
{
    er_after a;
    er_after_init(&a);
    er_lock_take(&leases->keyed.lock);
    leases->shut = true;
    leases->over |= over;
    for (er_member *at = NULL; (at = er_keyed_next(&leases->keyed, at));) {
        er_lease_member *m = er_lease_member_of(at);
        while (!er_list_empty(&m->line))
            er_lease_fail_first(m, er_cancel_result(ERRAND_BY_SHUTDOWN), &a);
        if (leases->over) close_old(m, 0, &a);
    }
    er_keyed_leave(&leases->keyed);
    er_lease_do_after(leases, &a);
}

static void pool_shuts(er_close_hook *closer)
{
    end_lines(er_of(closer, errand_lease_pool, closer), false);
}

static int complete(errand_lease_opts *o)
{
    if (!o->max) o->max = 8;
    if (!o->open_at_once) o->open_at_once = 4;
    if (o->max_age_jitter == 0) o->max_age_jitter = 0.1;
    if (!o->seed) o->seed = er_random();
    if (o->check_after_ms == ERRAND_ZERO) o->check_after_ms = 0;
    else if (o->check_after_ms == 0) o->check_after_ms = -1;
    else if (o->check_after_ms < 0) return EINVAL;
    if (o->acquire_within_ms < 0 || o->max_idle_ms < 0 || o->max_age_ms < 0) return EINVAL;
    if (!(o->max_age_jitter > 0 && o->max_age_jitter <= 1)) return EINVAL;
    return o->min > o->max || o->max > INT_MAX ? EINVAL : 0;
}

errand_lease_pool *errand_lease_pool_new_sized(
    errand_pool *pool, const errand_resource_ops *ops, size_t ops_size,
    const errand_lease_opts *opts, size_t size)
{
    errand_resource_ops own;
    errand_lease_opts o;
    int error = ops ? er_options(&own, sizeof own, ops, ops_size) : EINVAL;
    if (!error) error = er_options(&o, sizeof o, opts, size);
    if (!error && (!own.open || !own.close)) error = EINVAL;
    if (!error) error = complete(&o);
    errand_lease_pool *leases = error ? NULL : er_alloc_zero(sizeof *leases);
    if (!error && !leases) error = ENOMEM;
    if (!error) {
        if (!own.check) o.check_after_ms = -1;
        leases->ops = own;
        leases->how = o;
        leases->timed = o.max_idle_ms || o.max_age_ms || o.check_after_ms >= 0;
        leases->seed = o.seed;
        leases->rings_at = INT64_MAX;
        leases->timer.fn = tend;
        leases->closer.shut = pool_shuts;
        error = er_keyed_init(&leases->keyed, &lease_kind, pool, o.max_keys, &leases->plain.base);
        if (!error && (error = er_close_hook_add(pool, &leases->closer))) er_pool_release(pool);
    }
    if (error) {
        er_free(leases);
        errno = error;
        return NULL;
    }
    er_after a;
    er_after_init(&a);
    er_lock_take(&leases->keyed.lock);
    er_lease_serve(&leases->plain, er_pool_now(pool), &a); /* up to min */
    er_keyed_leave(&leases->keyed);
    er_lease_do_after(leases, &a);
    return leases;
}

/* ---- closed ---- */

/* Whether no resource is left. */
static bool await_empty(errand_lease_pool *leases, int64_t deadline_ns)
{
    er_wait wait = { .input = NULL };
    er_lock_take(&leases->keyed.lock);
    bool empty = !leases->alive;
    if (!empty) leases->emptied = &wait;
    er_lock_give(&leases->keyed.lock);
    if (empty) return true;
    if (er_pool_park(&wait, ER_WAKE, leases->keyed.pool, deadline_ns) & ER_WAKE) return true;
    er_lock_take(&leases->keyed.lock);
    empty = !leases->emptied;
    leases->emptied = NULL;
    er_lock_give(&leases->keyed.lock);
    if (empty) er_park(&wait.parker, ER_WAKE, INT64_MAX); /* it is on its way */
    return empty;
}

static void interrupt_lent(errand_lease_pool *leases)
{
    er_resource *marked = NULL;
    er_lock_take(&leases->keyed.lock);
    for (er_member *at = NULL; (at = er_keyed_next(&leases->keyed, at));) {
        er_list_each(n, &er_lease_member_of(at)->lent) {
            er_resource *r = er_of(n, er_resource, node);
            if (!er_resource_interrupt_begin(r)) continue;
            r->next = marked;
            marked = r;
        }
    }
    er_keyed_leave(&leases->keyed);
    for (er_resource *r = marked, *next; r; r = next) {
        next = r->next;
        er_resource_interrupt_end(r);
    }
}

static void name_stuck(errand_lease_pool *leases)
{
    errand_lease_holder stuck[NAMED];
    size_t n = 0;
    int64_t now = er_pool_now(leases->keyed.pool);
    er_lock_take(&leases->keyed.lock);
    for (er_member *at = NULL; (at = er_keyed_next(&leases->keyed, at));) {
        er_list_each(node, &er_lease_member_of(at)->lent) {
            const er_resource *r = er_of(node, er_resource, node);
            if (n < NAMED)
                stuck[n] = (errand_lease_holder){ r->name, r->site, r->value,
                                                  (now - r->since_ns) / ER_MS };
            n++;
        }
    }
    size_t others = leases->alive - n;
    er_keyed_leave(&leases->keyed);
    errand_log *log = er_pool_log(leases->keyed.pool);
    const char *name = leases->how.name ? leases->how.name : "(no name)";
    for (size_t i = 0; i < n && i < NAMED; i++)
        er_log_error(log, "lease pool %s: not released, left behind: %s, since %lld ms", name,
                     stuck[i].name ? stuck[i].name : "(no name)", (long long)stuck[i].held_ms);
    if (n > NAMED) er_log_error(log, "lease pool %s: and %zu more", name, n - NAMED);
    if (others)
        er_log_error(log, "lease pool %s: being opened, checked or closed, left behind: %zu", name,
                     others);
}

int errand_lease_pool_close(errand_lease_pool *leases, int64_t within_ms)
{
    if (!leases || within_ms < 0) return EINVAL;
    if (er_pool_dead(leases->keyed.pool)) return ERRAND_EFORKED;
    errand_frame shield;
    errand_enter(&shield, ERRAND_FOREVER, true);
    errand_pool *pool = leases->keyed.pool;
    int64_t now = er_pool_now(pool), deadline = er_deadline(now, within_ms);
    int64_t half = deadline == INT64_MAX ? INT64_MAX : now + (deadline - now) / 2;
    end_lines(leases, true);
    bool empty = await_empty(leases, half);
    if (!empty) {
        interrupt_lent(leases);
        empty = await_empty(leases, deadline);
    }
    if (!empty) name_stuck(leases);
    errand_leave(&shield);
    if (er_timer_disarm(pool, &leases->timer)) er_keyed_release(&leases->keyed);
    er_keyed_release(&leases->keyed);
    return empty ? 0 : ETIMEDOUT;
}

/* ---- counted ---- */

int errand_lease_pool_stats_sized(errand_lease_pool *leases, const char *key,
                                  errand_lease_stats *out, size_t size)
{
    er_member *base;
    if (!leases || !out) return EINVAL;
    int error = er_keyed_find(&leases->keyed, key, &base);
    if (error) return error;
    int64_t now = er_pool_now(leases->keyed.pool);
    const er_lease_member *m = er_lease_member_of(base);
    errand_lease_stats s = m->ever;
    s.idle = m->n_idle;
    s.lent = m->n_lent;
    s.opening = m->opening;
    s.checking = m->checking;
    s.closing = m->closing;
    s.waiting = m->waiting;
    s.keys = leases->keyed.members.count;
    er_node *first = er_list_first(&m->line);
    int64_t waits = first ? now - er_of(first, er_lease_place, node)->since_ns : 0;
    if (waits > s.longest_wait_ns) s.longest_wait_ns = waits;
    er_keyed_leave(&leases->keyed);
    return er_options_give(out, size, &s, sizeof s);
}

size_t errand_lease_holders_sized(errand_lease_pool *leases, const char *key,
                                  errand_lease_holder *at, size_t most, size_t size)
{
    er_member *base;
    if (!leases || (!at && most) || er_keyed_find(&leases->keyed, key, &base)) return 0;
    int64_t now = er_pool_now(leases->keyed.pool);
    size_t i = 0;
    er_list_each(n, &er_lease_member_of(base)->lent) {
        const er_resource *r = er_of(n, er_resource, node);
        errand_lease_holder h = { r->name, r->site, r->value, (now - r->since_ns) / ER_MS };
        if (i < most) er_options_give((char *)at + i * size, size, &h, sizeof h);
        i++;
    }
    er_keyed_leave(&leases->keyed);
    return i;
}

static int close_leases(void *leases, int64_t within_ms)
{
    return errand_lease_pool_close(leases, within_ms);
}

int errand_scope_own_leases(errand_scope *scope, const char *name, errand_lease_pool *leases)
{
    errand_cleanup what = { .name = name, .resource = leases, .close = close_leases };
    if (leases) what.needs = leases->keyed.pool;
    return er_scope_own_closed(scope, &what);
}
