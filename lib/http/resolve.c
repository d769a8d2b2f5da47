/* http/resolve.c -- a cache of names, and a few threads that fill it.
 *
 *   ask --fresh--> found                     ask --being looked up--> joins the asks that wait
 *       --else-->  queue --thread--> getaddrinfo (may hang) --> done of all asks, fresh for ttl
 *
 * One look-up of a name at a time, for any number of asks. FEW names are looked up at once; but a
 * name that has waited for HASTE_MS gets a thread of its own, as long as there are fewer than MOST:
 * so names with a silent server (getaddrinfo may take half a minute over one) delay no others, and
 * many that are answered soon do not start a thread each. The sentry does that: one idle thread
 * waits until the first of the queue is late, takes it, and summons the next sentry.
 *
 * A thread is started if none is idle, and ends after PATIENCE_MS without work. Nothing waits for
 * one that hangs: it has a count of the resolver, and the last count frees it. Failures are
 * reported, not cached. If no thread can be started, the queue is left to the running ones; without
 * any, the ask fails.
 *
 * A caller's function is called in tasks of the pool instead, one for each name: it may wait, and
 * the pool knows how to make room for that. A task that never runs answers with ECANCELED when it
 * is freed, and one that the pool refuses makes the ask fail.
 *
 * Threads wait on parkers of their own, as everywhere. The lock is held for a few instructions; no
 * callback is called under it. */
#include "http/resolve.h"

#include "base/atomic.h"
#include "base/lru.h"
#include "async/current.h"
#include "async/submit.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

enum { FEW = 8, MOST = 256, HASTE_MS = 250, NAMES = 1024, PATIENCE_MS = 2000 };

typedef struct name {
    er_lru_item item;
    er_node queued;
    er_found *found;  /* NULL: none yet */
    bool asked;       /* queued or being looked up */
    unsigned forgets; /* of the resolver, when it was asked */
    /* since when: by the time a look-up returns, the pool and its clock may be gone */
    int64_t asked_ns;
    int64_t late_ns; /* when it has waited for too long; er_now_ns */
    er_list asks;
    char text[];
} name;

typedef struct worker { /* lives on its thread's stack */
    er_node idle;
    er_parker parker;
} worker;

struct er_resolver {
    unsigned count; /* the session's handle, each thread */
    errand_pool *pool;
    int64_t ttl_ms;
    er_look_up_fn *look_up;
    void *arg;
    errand_resolver_fn *theirs; /* NULL: look_up, on threads */
    void *their_arg;
    er_lock lock; /* guards what follows */
    uint64_t serial, look_ups, hits;
    uint64_t forgotten; /* what has this serial, or a lower one, is not used any more */
    unsigned forgets;
    bool closed;
    unsigned threads, busy;
    worker *sentry; /* waits for the first of the queue to be late; NULL: none */
    er_list queue, idle;
    er_lru names;
};

er_found *er_found_keep(er_found *found)
{
    er_add_relaxed(&found->count, 1); /* relaxed: the caller has a count */
    return found;
}

void er_found_drop(er_found *found)
{
    if (found && er_sub(&found->count, 1) == 1) er_free(found);
}

static void ask_system(void *arg, const char *text, er_addresses *out)
{
    (void)arg;
    er_look_up(text, out);
}

er_resolver *er_resolver_new(errand_pool *pool, int64_t ttl_ms)
{
    er_resolver *r = er_alloc_zero(sizeof *r);
    if (!r) return NULL;
    r->count = 1;
    r->pool = pool;
    er_pool_keep(pool);
    r->ttl_ms = ttl_ms;
    r->look_up = ask_system;
    er_list_init(&r->queue);
    er_list_init(&r->idle);
    er_lru_init(&r->names, NAMES);
    return r;
}

void er_resolver_use(er_resolver *r, er_look_up_fn *fn, void *arg)
{
    r->look_up = fn;
    r->arg = arg;
}

void er_resolver_call(er_resolver *r, errand_resolver_fn *fn, void *arg)
{
    r->theirs = fn;
    r->their_arg = arg;
}

uint64_t er_resolver_forget(er_resolver *r)
{
    er_lock_take(&r->lock);
    uint64_t serial = r->forgotten = r->serial;
    r->forgets++;
    er_lock_give(&r->lock);
    return serial;
}

uint64_t er_resolver_serial(er_resolver *r)
{
    er_lock_take(&r->lock);
    uint64_t serial = r->serial;
    er_lock_give(&r->lock);
    return serial;
}

static void free_name(er_lru_item *item)
{
    name *n = er_of(item, name, item);
    er_found_drop(n->found);
    er_free(n);
}

static void drop(er_resolver *r)
{
    if (er_sub(&r->count, 1) != 1) return;
    for (er_lru_item *item; (item = er_lru_pop(&r->names));) free_name(item);
    er_lru_free(&r->names);
    er_pool_release(r->pool);
    er_free(r);
}

/* ---- names, under the lock ---- */

static bool is_idle(void *resolver, er_lru_item *item)
{
    (void)resolver;
    return !er_of(item, name, item)->asked;
}

static void make_room(er_resolver *r)
{
    for (er_lru_item *next, *item = er_lru_make_room(&r->names, is_idle, r); item; item = next) {
        next = item->chain;
        free_name(item);
    }
}

static name *find_or_add(er_resolver *r, const char *text)
{
    size_t size = strlen(text);
    uint64_t hash = er_lru_hash(&r->names, text, size);
    er_lru_item *item = er_lru_find(&r->names, text, hash);
    if (item) {
        er_lru_use(&r->names, item);
        return er_of(item, name, item);
    }
    make_room(r);
    name *n = er_lru_ready(&r->names) ? er_alloc_zero(sizeof *n + size + 1) : NULL;
    if (!n) return NULL;
    er_list_init(&n->asks);
    er_lru_add(&r->names, &n->item, memcpy(n->text, text, size), hash);
    return n;
}

/* ---- threads ---- */

static void work(void *resolver);

static void answer(er_resolver *r, name *n, const er_addresses *addresses)
{
    er_found *found = er_alloc(sizeof *found);
    er_list asks;
    if (found) {
        *found = (er_found){ .count = 1, .addresses = *addresses };
        found->until_ns = addresses->error ? 0 : er_deadline(n->asked_ns, r->ttl_ms);
    }
    er_lock_take(&r->lock);
    if (found) found->serial = ++r->serial;
    if (found && n->forgets != r->forgets) found->until_ns = 0;
    er_found *before = n->found;
    n->found = found ? er_found_keep(found) : NULL;
    n->asked = false;
    er_list_take_all(&asks, &n->asks);
    er_lock_give(&r->lock);
    er_found_drop(before);
    er_node *node;
    while ((node = er_list_pop(&asks))) {
        er_ask *ask = er_of(node, er_ask, node);
        ask->done(ask, found ? er_found_keep(found) : NULL);
    }
    er_found_drop(found);
}

/* Makes sure that a thread will serve the queue; under the lock. 0, or why there is none. */
static int summon(er_resolver *r)
{
    if (r->sentry && r->busy >= FEW) return 0;
    er_node *node = er_list_pop(&r->idle);
    if (node) {
        er_unpark(&er_of(node, worker, idle)->parker, 1);
        return 0;
    }
    if (r->threads >= MOST) return 0; /* one of them will serve it */
    er_thread thread;
    r->threads++;
    er_add(&r->count, 1);
    int error = er_thread_start(&thread, work, r, "errand-resolve", 0);
    if (!error) {
        er_thread_detach(&thread);
        return 0;
    }
    r->threads--;
    er_sub(&r->count, 1); /* the asker has one */
    return r->threads ? 0 : error;
}

/* Under the lock, released meanwhile. */
static void rest(er_resolver *r, worker *me, int64_t until_ns)
{
    er_lock_give(&r->lock);
    er_park(&me->parker, 1, until_ns);
    er_parker_clear(&me->parker, 1);
    er_lock_take(&r->lock);
}

/* The next to be looked up; NULL: there is nothing to do any more. Under the lock. */
static name *next_name(er_resolver *r, worker *me)
{
    for (;;) {
        er_node *node = er_list_first(&r->queue);
        name *first = node ? er_of(node, name, queued) : NULL;
        if (first && (r->busy < FEW || first->late_ns <= er_now_ns())) {
            er_list_remove(node);
            return first;
        }
        if (first && !r->sentry) {
            r->sentry = me;
            rest(r, me, first->late_ns);
            r->sentry = NULL;
            continue;
        }
        if (r->closed) return NULL;
        er_list_push_front(&r->idle, &me->idle);
        rest(r, me, er_deadline(er_now_ns(), PATIENCE_MS));
        if (!er_listed(&me->idle)) continue; /* summon took it out, for work */
        er_list_remove(&me->idle);
        if (er_list_empty(&r->queue)) return NULL;
    }
}

static void work(void *arg)
{
    er_resolver *r = arg;
    worker me = { .parker = { 0 } };
    er_addresses addresses;
    name *n;
    er_lock_take(&r->lock);
    while ((n = next_name(r, &me))) {
        r->busy++;
        r->look_ups++;
        if (r->busy >= FEW && !er_list_empty(&r->queue)) summon(r); /* the next sentry */
        er_lock_give(&r->lock);
        r->look_up(r->arg, n->text, &addresses);
        answer(r, n, &addresses);
        er_lock_take(&r->lock);
        r->busy--;
    }
    r->threads--;
    er_lock_give(&r->lock);
    drop(r);
}

/* ---- tasks, for the caller's function ---- */

typedef struct look_up { /* one call */
    unsigned count;      /* the task, the thread that submits it */
    unsigned left;       /* by one of them to the other: see end_look_up */
    bool ran;
    er_resolver *r; /* counted */
    name *n;
    errand_addresses *out;
} look_up;

struct errand_addresses {
    er_addresses list;
    size_t size;
};

static void drop_look_up(look_up *l)
{
    if (er_sub(&l->count, 1) != 1) return;
    drop(l->r);
    er_free(l->out);
    er_free(l);
}

static errand_result run_look_up(void *arg)
{
    look_up *l = arg;
    er_addresses *list = &l->out->list;
    l->ran = true;
    er_lock_take(&l->r->lock);
    l->r->look_ups++;
    er_lock_give(&l->r->lock);
    int error = l->r->theirs(l->n->text, l->out, l->r->their_arg);
    er_end_in_child();
    if (error) *list = (er_addresses){ .error = EAI_SYSTEM, .system = error };
    else if (!l->out->size) list->error = EAI_NONAME;
    return errand_ok(NULL, NULL);
}

/* The task is freed. If it was not run and its submitter has not returned yet, the pool has refused
 * it, and that is left to the submitter. */
static void end_look_up(void *arg)
{
    look_up *l = arg;
    if (!l->ran) l->out->list = (er_addresses){ .error = EAI_SYSTEM, .system = ECANCELED };
    if (l->ran || er_swap(&l->left, 1)) answer(l->r, l->n, &l->out->list);
    drop_look_up(l);
}

static look_up *new_look_up(er_resolver *r, name *n)
{
    look_up *l = er_alloc_zero(sizeof *l);
    if (!l) return NULL;
    l->out = er_alloc_zero(sizeof *l->out);
    if (!l->out) {
        er_free(l);
        return NULL;
    }
    l->count = 2;
    l->r = r;
    l->n = n;
    er_add(&r->count, 1);
    return l;
}

/* Of a name that is `asked`. EINPROGRESS: the asks will be answered. Else an errno; all of them but
 * this one have been answered. */
static int submit(er_resolver *r, name *n, er_ask *ask)
{
    look_up *l = new_look_up(r, n);
    int error = l ? 0 : ENOMEM;
    if (l) {
        const errand_task task = {
            .fn = run_look_up, .arg = l, .free = end_look_up, .name = "http resolver"
        };
        errand_future *f =
            er_task_submit(r->pool, &task, &(er_terms){ .deadline_ns = INT64_MAX, .urgent = true });
        if (er_swap(&l->left, 1)) {
            errand_result why = errand_await(f);
            error = why.error ? why.error : ECANCELED;
            errand_result_free(&why);
        } else {
            errand_drop(f);
        }
        drop_look_up(l);
    }
    if (!error) return EINPROGRESS;
    er_addresses none = { .error = EAI_SYSTEM, .system = error };
    er_lock_take(&r->lock);
    er_list_remove(&ask->node);
    er_lock_give(&r->lock);
    answer(r, n, &none);
    return error;
}

int errand_addresses_add(errand_addresses *to, const char *address)
{
    if (!to || !address || !er_is_address(address)) return EINVAL;
    bool six = strchr(address, ':'), bare = six && *address != '[';
    size_t size = strlen(address), all = size + (to->size ? 1 : 0) + (bare ? 2 : 0);
    if (all >= sizeof to->list.text - to->size) return ENOSPC;
    to->size +=
        (size_t)snprintf(to->list.text + to->size, sizeof to->list.text - to->size, "%s%s%s%s",
                         to->size ? "," : "", bare ? "[" : "", address, bare ? "]" : "");
    return 0;
}

/* ---- asking ---- */

void er_resolver_close(er_resolver *r)
{
    if (!r) return;
    er_node *node;
    er_lock_take(&r->lock);
    r->closed = true;
    while ((node = er_list_pop(&r->idle))) er_unpark(&er_of(node, worker, idle)->parker, 1);
    er_lock_give(&r->lock);
    drop(r);
}

static bool is_fresh(const er_resolver *r, const name *n, int64_t now)
{
    return !n->asked && n->found && n->found->until_ns > now && n->found->serial > r->forgotten;
}

/* The name has to be looked up: into the queue of the threads. Under the lock. 0, or an errno:
 * there is no thread. */
static int enqueue(er_resolver *r, name *n)
{
    n->late_ns = er_deadline(er_now_ns(), HASTE_MS);
    er_list_push(&r->queue, &n->queued);
    int none = summon(r);
    if (none) er_list_remove(&n->queued);
    return none;
}

int er_resolver_ask(er_resolver *r, const char *text, er_ask *ask, er_found **found)
{
    int error = EINPROGRESS;
    int64_t now = er_pool_now(r->pool);
    bool submits = false;
    er_lock_take(&r->lock);
    name *n = find_or_add(r, text);
    if (!n) {
        error = ENOMEM;
    } else if (is_fresh(r, n, now)) {
        *found = er_found_keep(n->found);
        r->hits++;
        error = 0;
    } else {
        if (n->asked) r->hits++; /* joins another ask's look-up */
        er_list_push(&n->asks, &ask->node);
        if (!n->asked) {
            n->asked_ns = now;
            n->forgets = r->forgets;
            submits = r->theirs != NULL;
            int none = submits ? 0 : enqueue(r, n);
            n->asked = !none;
            if (none) {
                er_list_remove(&ask->node);
                error = none;
            }
        }
    }
    er_lock_give(&r->lock);
    return submits ? submit(r, n, ask) : error;
}

void er_resolver_counts(er_resolver *r, uint64_t *look_ups, uint64_t *hits)
{
    er_lock_take(&r->lock);
    *look_ups = r->look_ups;
    *hits = r->hits;
    er_lock_give(&r->lock);
}
