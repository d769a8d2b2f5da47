/* policy/sem.c -- a counting semaphore: first in, first out.
 *
 *     IDLE --enter: free and no waiter--> HELD --release--> IDLE
 *          --else--> WAITING --its turn--> HELD
 *                            --leave, shut, shrunk below n--> IDLE
 *
 * A member's counts are one word: free permits, nameless ones in use, and SLOW: there are waiters,
 * or permits are owed since the semaphore has shrunk. Without SLOW the word changes by
 * compare-and-swap, so try and release take one step and no lock. With SLOW try fails, and all else
 * changes the word under the lock. The lock's holder sets SLOW by the very step in which it sees
 * that too few are free, so nothing is given back unseen in between.
 *
 * Whether a place waits, holds or has left is decided under the lock by its state, so a grant and a
 * cancel cannot both happen, and no permit is lost between them. Places are intrusive: neither
 * granting nor releasing allocates. Waiters are called after the lock.
 *
 * Adaptive, each member has a size of its own, which adapt.c moves when an end is reported; a place
 * takes no more than the least it may be, so none waits for permits that never come. */
#include "policy/sem.h"

#include "policy/adapt.h"

#include "base/options.h"
#include "async/submit.h"
#include "async/service.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>

#define SLOW        (UINT64_C(1) << 63)
#define NAMELESS    (UINT64_C(1) << 31) /* one of them; the bits below count what is free */
#define FREE(word)  ((unsigned)((word) & (NAMELESS - 1)))
#define TAKEN(word) ((unsigned)((word) >> 31) & INT_MAX)

enum { IDLE, WAITING, HELD };

typedef struct er_sem_member {
    er_member base;
    uint64_t word; /* atomic; the rest is under the lock */
    unsigned owed; /* permits that are in use and no longer exist */
    unsigned waiting;
    er_list line, holders;
    uint64_t granted, withdrawn, refused;
    int64_t longest_wait_ns;
    bool adaptive;
    er_adapt adapt; /* only if the semaphore is adaptive */
} er_sem_member;

struct errand_sem {
    er_keyed keyed;
    const char *name;
    er_close_hook closer;
    unsigned permits, max_waiters; /* permits: adaptive, how many a member begins with */
    unsigned least, most;          /* 0: not adaptive */
    bool shut;
    er_sem_member plain; /* stays last */
};

typedef struct wakeups { /* waiters to be called after the lock is given, in order */
    er_waiter *first, **last;
} wakeups;

static errand_sem *sem_of(er_keyed *keyed) { return er_of(keyed, errand_sem, keyed); }
static er_sem_member *member_of(er_member *m) { return er_of(m, er_sem_member, base); }

static unsigned size_of(const errand_sem *sem, const er_sem_member *m)
{
    return m->adaptive ? m->adapt.size : sem->permits;
}
static unsigned in_use(const errand_sem *sem, const er_sem_member *m)
{
    return size_of(sem, m) + m->owed - FREE(er_load(&m->word));
}

/* ---- under the lock ---- */

/* Before permits are given back, and after they are taken. */
static void note_full(er_sem_member *m, int64_t now)
{
    if (m->adaptive && (m->waiting || !FREE(er_load(&m->word)))) er_adapt_full(&m->adapt, now);
}

static void collect(wakeups *w, er_sem_place *p, int error)
{
    p->error = error;
    p->waiter.next = NULL;
    if (w->first) *w->last = &p->waiter;
    else w->first = &p->waiter;
    w->last = &p->waiter.next;
}

/* Takes n, or sets SLOW, in one step. */
static bool take_or_wait(er_sem_member *m, unsigned n)
{
    uint64_t seen = er_load(&m->word);
    for (;;) {
        bool can = !(seen & SLOW) && FREE(seen) >= n;
        if (er_cas(&m->word, &seen, can ? seen - n : seen | SLOW)) return can;
    }
}

static void hold(er_sem_member *m, er_sem_place *p, int64_t now)
{
    int64_t waited = now - p->since_ns;
    if (waited > m->longest_wait_ns) m->longest_wait_ns = waited;
    m->granted++;
    p->state = HELD;
    p->since_ns = now;
    er_list_push(&m->holders, &p->node);
}

/* After a change: pays what is owed, then grants in order while permits are free. */
static void move_up(er_sem_member *m, int64_t now, wakeups *w)
{
    uint64_t word = er_load(&m->word);
    if (!(word & SLOW)) return;
    unsigned free = FREE(word), paid = m->owed < free ? m->owed : free;
    m->owed -= paid;
    free -= paid;
    for (er_node *n; !m->owed && (n = er_list_first(&m->line));) {
        er_sem_place *p = er_of(n, er_sem_place, node);
        if (p->n > free) break;
        free -= p->n;
        er_list_remove(n);
        m->waiting--;
        hold(m, p, now);
        collect(w, p, 0);
    }
    bool slow = m->owed || !er_list_empty(&m->line);
    /* with SLOW it is the lock's */
    er_store(&m->word, (word & ~(SLOW | (NAMELESS - 1))) | (slow ? SLOW : 0) | free);
    note_full(m, now);
}

/* move_up follows. */
static void change_size(er_sem_member *m, unsigned before, unsigned permits)
{
    er_or(&m->word, SLOW); /* from here on the word is the lock's */
    if (permits > before) er_add(&m->word, permits - before);
    else m->owed += before - permits;
    if (m->owed && permits > before) { /* what had not been paid yet exists again */
        unsigned again = m->owed < permits - before ? m->owed : permits - before;
        m->owed -= again;
        er_sub(&m->word, again);
    }
}

/* move_up follows. */
static void learn(er_sem_member *m, er_bearing how, int64_t began, int64_t now)
{
    unsigned before = m->adapt.size;
    note_full(m, now);
    er_adapt_ended(&m->adapt, how, began, now);
    if (m->adapt.size != before) change_size(m, before, m->adapt.size);
}

static void end_waiting(er_sem_member *m, er_sem_place *p)
{
    er_list_remove(&p->node);
    m->waiting--;
    p->state = IDLE;
}

/* ---- places ---- */

int er_sem_enter(errand_sem *sem, const char *key, er_sem_place *place)
{
    er_member *base;
    int error = er_keyed_enter(&sem->keyed, key, &base);
    if (error) return error;
    er_sem_member *m = member_of(base);
    place->size = m->adaptive ? sem->least : sem->permits;
    if (!place->n || place->n > place->size) error = EINVAL;
    else if (!take_or_wait(m, place->n)) error = EINPROGRESS;
    if (error == EINPROGRESS && sem->shut) error = ECANCELED;
    else if (error == EINPROGRESS && sem->max_waiters && m->waiting >= sem->max_waiters) {
        m->refused++;
        error = ERRAND_EFULL;
    }
    place->member = m;
    if (!error || error == EINPROGRESS) place->since_ns = er_pool_now(sem->keyed.pool);
    if (!error) hold(m, place, place->since_ns);
    if (error == EINPROGRESS) {
        place->state = WAITING;
        m->waiting++;
        er_list_push(&m->line, &place->node);
    } else if (error) {
        move_up(m, 0, &(wakeups){ 0 }); /* grants nothing: but SLOW may have been set in vain */
    }
    if (!error || error == EINPROGRESS) note_full(m, place->since_ns);
    er_keyed_leave(&sem->keyed);
    return error;
}

bool er_sem_leave(errand_sem *sem, er_sem_place *place)
{
    if (er_pool_dead(sem->keyed.pool)) return false; /* its lock may be held forever */
    wakeups w = { 0 };
    int64_t now = er_pool_now(sem->keyed.pool);
    er_lock_take(&sem->keyed.lock);
    bool waited = place->state == WAITING;
    if (waited) {
        er_sem_member *m = place->member;
        end_waiting(m, place);
        m->withdrawn++;
        if (now - place->since_ns > m->longest_wait_ns) m->longest_wait_ns = now - place->since_ns;
        move_up(m, now, &w); /* its larger request may have held up the others */
    }
    er_keyed_leave(&sem->keyed);
    er_endings_call(w.first);
    return waited;
}

void er_sem_release(errand_sem *sem, er_sem_place *place, const errand_result *how)
{
    if (er_pool_dead(sem->keyed.pool)) return;
    wakeups w = { 0 };
    int64_t now = er_pool_now(sem->keyed.pool);
    er_bearing bearing = sem->most ? er_bearing_of(how) : ER_BORE_UNKNOWN;
    er_lock_take(&sem->keyed.lock);
    er_sem_member *m = place->member;
    if (m->adaptive) learn(m, bearing, place->since_ns, now);
    er_list_remove(&place->node);
    place->state = IDLE;
    er_add(&m->word, place->n);
    move_up(m, now, &w);
    er_keyed_leave(&sem->keyed);
    er_endings_call(w.first);
}

void er_sem_report(errand_sem *sem, const er_sem_place *place, const errand_result *how)
{
    if (!sem->most || er_pool_dead(sem->keyed.pool)) return;
    wakeups w = { 0 };
    int64_t now = er_pool_now(sem->keyed.pool);
    er_bearing bearing = er_bearing_of(how);
    er_lock_take(&sem->keyed.lock);
    learn(place->member, bearing, place->since_ns, now);
    move_up(place->member, now, &w);
    er_keyed_leave(&sem->keyed);
    er_endings_call(w.first);
}

int errand_sem_report(errand_sem *sem, const char *key, const errand_result *how, int64_t took_ns)
{
    er_member *base;
    if (!sem || took_ns < 0) return EINVAL;
    int error = er_keyed_find(&sem->keyed, key, &base);
    if (error) return error;
    wakeups w = { 0 };
    er_sem_member *m = member_of(base);
    int64_t now = er_pool_now(sem->keyed.pool);
    if (m->adaptive) learn(m, er_bearing_of(how), now - took_ns, now);
    move_up(m, now, &w);
    er_keyed_leave(&sem->keyed);
    er_endings_call(w.first);
    return 0;
}

void er_sem_describe(errand_sem *sem, const er_sem_place *place, er_description *d)
{
    er_lock_take(&sem->keyed.lock);
    bool waits = place->state == WAITING;
    if (waits) er_keyed_describe(&place->member->base, d);
    er_lock_give(&sem->keyed.lock);
    if (waits)
        er_describe(d, "waits for %u of semaphore %s", place->n,
                    sem->name ? sem->name : "(no name)");
}

const char *er_sem_name(const errand_sem *sem) { return sem->name; }

errand_result er_sem_refusal(const errand_sem *sem, const er_sem_place *place)
{
    if (place->error == ECANCELED) return er_cancel_result(ERRAND_BY_SHUTDOWN);
    if (place->error != EINVAL) return errand_fail(place->error);
    if (!place->size) return errand_failf(EINVAL, "key: too long");
    return errand_failf(EINVAL, "%u permits of a semaphore%s%s %s %u", place->n,
                        sem->name ? " " : "", sem->name ? sem->name : "",
                        sem->most ? "that may shrink to" : "of", place->size);
}

errand_pool *er_sem_pool(const errand_sem *sem) { return sem->keyed.pool; }

/* ---- the fast pair ---- */

bool errand_sem_try_acquire(errand_sem *sem, unsigned n)
{
    if (!sem || !n || n > INT_MAX || er_pool_dead(sem->keyed.pool)) return false;
    uint64_t seen = er_load_relaxed(&sem->plain.word); /* relaxed: the step that takes is ordered */
    while (!(seen & SLOW) && FREE(seen) >= n) {
        if (er_cas(&sem->plain.word, &seen, seen - n + n * NAMELESS)) return true;
    }
    return false;
}

int errand_sem_release(errand_sem *sem, unsigned n)
{
    if (!sem || !n) return EINVAL;
    if (er_pool_dead(sem->keyed.pool)) return ERRAND_EFORKED;
    er_sem_member *m = &sem->plain;
    uint64_t seen = er_load_relaxed(&m->word); /* relaxed: as above */
    while (!(seen & SLOW)) {
        if (TAKEN(seen) < n) return EOVERFLOW;
        if (er_cas(&m->word, &seen, seen + n - n * NAMELESS)) return 0;
    }
    wakeups w = { 0 };
    int64_t now = er_pool_now(sem->keyed.pool);
    er_lock_take(&sem->keyed.lock);
    seen = er_load(&m->word);
    while (TAKEN(seen) >= n && !er_cas(&m->word, &seen, seen + n - n * NAMELESS)) continue;
    bool taken = TAKEN(seen) >= n;
    if (taken) move_up(m, now, &w);
    er_keyed_leave(&sem->keyed);
    er_endings_call(w.first);
    return taken ? 0 : EOVERFLOW;
}

/* ---- the semaphore itself ---- */

static void init_member(er_keyed *keyed, er_member *base)
{
    er_sem_member *m = member_of(base);
    const errand_sem *sem = sem_of(keyed);
    m->word = sem->permits;
    er_list_init(&m->line);
    er_list_init(&m->holders);
    m->adaptive = sem->most;
    if (m->adaptive) er_adapt_init(&m->adapt, sem->least, sem->permits, sem->most);
}

static bool is_idle(er_keyed *keyed, er_member *base)
{
    (void)keyed;
    const er_sem_member *m = member_of(base);
    return er_list_empty(&m->line) && er_list_empty(&m->holders);
}

static void free_sem(er_keyed *keyed)
{
    errand_sem *sem = sem_of(keyed);
    er_close_hook_remove(keyed->pool, &sem->closer);
    er_free(sem);
}

#define FIXED_SIZE offsetof(er_sem_member, adapt)

static const er_keyed_kind fixed_kind = { FIXED_SIZE, init_member, is_idle, free_sem };
static const er_keyed_kind adaptive_kind = { sizeof(er_sem_member), init_member, is_idle,
                                             free_sem };

/* Ends all lines at once: grants nothing. The last waiter may free the semaphore. */
static void shut_sem(er_close_hook *closer)
{
    errand_sem *sem = er_of(closer, errand_sem, closer);
    wakeups w = { 0 };
    er_lock_take(&sem->keyed.lock);
    sem->shut = true;
    for (er_member *at = NULL; (at = er_keyed_next(&sem->keyed, at));) {
        er_sem_member *m = member_of(at);
        for (er_node *n; (n = er_list_first(&m->line));) {
            er_sem_place *p = er_of(n, er_sem_place, node);
            end_waiting(m, p);
            collect(&w, p, ECANCELED);
        }
        move_up(m, 0, &w);
    }
    er_keyed_leave(&sem->keyed);
    er_endings_call(w.first);
}

static bool wrong(const errand_sem_opts *o)
{
    if (!o->permits || o->permits > INT_MAX) return true;
    if (!o->max_permits) return o->min_permits;
    return o->min_permits > o->permits || o->max_permits < o->permits || o->max_permits > INT_MAX;
}

errand_sem *errand_sem_new_sized(errand_pool *pool, const errand_sem_opts *opts, size_t size)
{
    errand_sem_opts o;
    int error = opts ? er_options(&o, sizeof o, opts, size) : EINVAL;
    if (!error && wrong(&o)) error = EINVAL;
    const er_keyed_kind *kind = !error && o.max_permits ? &adaptive_kind : &fixed_kind;
    errand_sem *sem = error ? NULL : er_alloc_zero(offsetof(errand_sem, plain) + kind->size);
    if (!error && !sem) error = ENOMEM;
    if (!error) {
        sem->name = o.name;
        sem->permits = o.permits;
        sem->max_waiters = o.max_waiters;
        sem->most = o.max_permits;
        if (sem->most) sem->least = o.min_permits ? o.min_permits : 1;
        sem->closer.shut = shut_sem;
        error = er_keyed_init(&sem->keyed, kind, pool, o.max_keys, &sem->plain.base);
        if (!error && (error = er_close_hook_add(pool, &sem->closer))) er_pool_release(pool);
    }
    if (!error) return sem;
    er_free(sem);
    errno = error;
    return NULL;
}

void errand_sem_free(errand_sem *sem)
{
    if (sem) er_keyed_release(&sem->keyed);
}

errand_sem *er_sem_keep(errand_sem *sem)
{
    er_keyed_keep(&sem->keyed);
    return sem;
}

static void resize_member(er_sem_member *m, unsigned before, unsigned permits, int64_t now,
                          wakeups *w)
{
    change_size(m, before, permits);
    for (er_node *n = m->line.head.next, *next; n != &m->line.head; n = next) {
        er_sem_place *p = er_of(n, er_sem_place, node);
        next = n->next;
        if (p->n <= permits) continue;
        end_waiting(m, p);
        p->size = permits;
        collect(w, p, EINVAL);
    }
    move_up(m, now, w);
}

int errand_sem_resize(errand_sem *sem, unsigned permits)
{
    if (!sem || !permits || permits > INT_MAX || sem->most) return EINVAL;
    if (er_pool_dead(sem->keyed.pool)) return ERRAND_EFORKED;
    wakeups w = { 0 };
    int64_t now = er_pool_now(sem->keyed.pool);
    er_lock_take(&sem->keyed.lock);
    for (er_member *at = NULL; (at = er_keyed_next(&sem->keyed, at));)
        resize_member(member_of(at), sem->permits, permits, now, &w);
    sem->permits = permits;
    er_keyed_leave(&sem->keyed);
    er_endings_call(w.first);
    return 0;
}

/* ---- stats ---- */

int errand_sem_stats_sized(errand_sem *sem, const char *key, errand_sem_stats *out, size_t size)
{
    if (!sem || !out) return EINVAL;
    er_member *base;
    int error = er_keyed_find(&sem->keyed, key, &base);
    if (error) return error;
    int64_t now = er_pool_now(sem->keyed.pool);
    const er_sem_member *m = member_of(base);
    errand_sem_stats s = {
        .permits = size_of(sem, m),
        .in_use = in_use(sem, m),
        .waiting = m->waiting,
        .keys = sem->keyed.members.count,
        .granted = m->granted,
        .withdrawn = m->withdrawn,
        .refused = m->refused,
        .longest_wait_ns = m->longest_wait_ns,
        .increases = m->adaptive ? m->adapt.increases : 0,
        .decreases = m->adaptive ? m->adapt.decreases : 0
    };
    if (m->waiting) {
        int64_t waits = now - er_of(m->line.head.next, er_sem_place, node)->since_ns;
        if (waits > s.longest_wait_ns) s.longest_wait_ns = waits;
    }
    er_keyed_leave(&sem->keyed);
    return er_options_give(out, size, &s, sizeof s);
}

size_t errand_sem_holders_sized(errand_sem *sem, const char *key, errand_sem_holder *at,
                                size_t most, size_t size)
{
    er_member *base;
    if (!sem || (!at && most) || er_keyed_find(&sem->keyed, key, &base)) return 0;
    int64_t now = er_pool_now(sem->keyed.pool);
    size_t i = 0;
    const er_list *holders = &member_of(base)->holders;
    for (er_node *n = holders->head.next; n != &holders->head; n = n->next, i++) {
        const er_sem_place *p = er_of(n, er_sem_place, node);
        errand_sem_holder h = { p->name, p->site, p->n, 0, (now - p->since_ns) / ER_MS };
        if (i < most) er_options_give((char *)at + i * size, size, &h, sizeof h);
    }
    er_keyed_leave(&sem->keyed);
    return i;
}

static void add_sums(er_sem_sums *to, const er_sem_sums *one)
{
    to->permits += one->permits;
    to->in_use += one->in_use;
    to->waiting += one->waiting;
    to->keys++;
}

void er_sem_sum(errand_sem *sem, er_sem_sums *used, er_sem_sums *all)
{
    *used = *all = (er_sem_sums){ 0 };
    if (er_pool_dead(sem->keyed.pool)) return;
    er_lock_take(&sem->keyed.lock);
    for (er_member *at = NULL; (at = er_keyed_next(&sem->keyed, at));) {
        const er_sem_member *m = member_of(at);
        const er_sem_sums one = { size_of(sem, m), in_use(sem, m), m->waiting, 1 };
        if (!at->item.key && !m->granted && !one.in_use && !one.waiting) continue;
        if (one.in_use || one.waiting) add_sums(used, &one);
        add_sums(all, &one);
    }
    er_keyed_leave(&sem->keyed);
}
