/* policy/lease.h -- lines of waiters for resources, and borrowing without a future: the place in
 * the line lives in what waits, which keeps the lease pool. */
#ifndef ER_LEASE_H
#define ER_LEASE_H

#include "policy/keyed.h"
#include "policy/resource.h"
#include "async/service.h"
#include "async/timer.h"

#define ER_LEASE_OPENS 8 /* begun in one step */

typedef struct er_lease_member {
    er_member base;
    errand_lease_pool *leases;
    er_list line, idle, lent;
    unsigned n, opening, checking, closing, n_idle, n_lent, waiting;
    unsigned failures; /* opens, in a row */
    int64_t again_ns;  /* none is begun before */
    errand_lease_stats ever;
} er_lease_member;

struct errand_lease_pool {
    er_keyed keyed;
    errand_resource_ops ops;
    errand_lease_opts how; /* defaults filled in */
    er_close_hook closer;
    bool shut, over;
    bool timed; /* how long a resource is idle, or how old it is, counts */
    uint64_t seed;
    size_t alive;     /* resources, of all keys */
    er_wait *emptied; /* where close waits for none to be left */
    int64_t rings_at; /* INT64_MAX: the timer is not armed */
    er_timer timer;
    er_lease_member plain;
};

typedef struct er_after { /* what is done after the lock is given */
    er_waiter *first, **last;
    er_resource *work; /* whose tasks are to be started */
    er_wait *emptied;
    int64_t at_ns; /* 0: the timer stays as it is */
    unsigned n_opens;
    bool arms; /* else the timer is hastened */
    er_lease_member *opens[ER_LEASE_OPENS];
} er_after;

/* Without the array: this is on the shortest way of a loan. */
static inline void er_after_init(er_after *a)
{
    a->first = NULL;
    a->work = NULL;
    a->emptied = NULL;
    a->at_ns = 0;
    a->n_opens = 0;
    a->arms = false;
}

static inline er_lease_member *er_lease_member_of(er_member *m)
{
    return er_of(m, er_lease_member, base);
}

/* A waiter for a resource. Zeroed at first but for who and waiter.fn.
 *   waiter.fn  it no longer waits: it is lent `resource`, or that is NULL and `failure`, which
 *              waiter.fn owns, says why. Called as waiters of cells are */
typedef struct er_lease_place {
    er_waiter waiter;
    er_resource *resource;
    errand_result failure;
    er_label who; /* for reports */
    er_node node; /* the rest is lease.c's: in the line */
    struct er_lease_member *member;
    int64_t since_ns;
    bool waits;
} er_lease_place;

/* 0: *lent is lent. EAGAIN: it would have to wait. Else: EINVAL, ENOMEM, ECANCELED,
 * ERRAND_EFORKED. */
int er_lease_try(errand_lease_pool *leases, const char *key, er_label who, er_resource **lent);

/* 0: it is lent place->resource. EINPROGRESS: it waits, and waiter.fn will be called, unless
 * er_lease_leave comes first. Else as er_lease_try, or ERRAND_EFULL. */
int er_lease_enter(errand_lease_pool *leases, const char *key, er_lease_place *place);

/* Leaves the line. True: waiter.fn will not be called. False: it has been or is being called,
 * perhaps with a resource. */
bool er_lease_leave(errand_lease_pool *leases, er_lease_place *place);

/* The same as a result: the error of er_lease_enter. */
errand_result er_lease_refusal(int error);

/* Adds what place waits for, and the key. Nothing if it does not wait. */
void er_lease_describe(errand_lease_pool *leases, const er_lease_place *place, er_description *d);
/* It waits for a task of the pool alone: nothing is lent that could come back. */
bool er_lease_needs_thread(errand_lease_pool *leases, const er_lease_place *place);

/* ---- for lease_pool.c: under the lock, but for the last ---- */

/* The end of a span that began then; ms 0: INT64_MAX. */
int64_t er_lease_span_end(int64_t since_ns, int64_t ms);
/* The timer is to ring by then. */
void er_lease_note_time(errand_lease_pool *leases, int64_t at_ns, er_after *a);
/* It is not to be lent any more. */
bool er_lease_worn(const errand_lease_pool *leases, const er_resource *r, int64_t now);
void er_lease_remove_idle(er_lease_member *m, er_resource *r);
/* A resource in no list is to be checked or closed. */
void er_lease_work(er_resource *r, er_resource_state state, er_after *a);
/* The first waiter ends with how; there is one. */
void er_lease_fail_first(er_lease_member *m, errand_result how, er_after *a);
/* After every change: lends what is idle, opens what is lacking. */
void er_lease_serve(er_lease_member *m, int64_t now, er_after *a);
/* Does all that, without the lock. Of the lease pool nothing is sure to be there any more but what
 * *a points at. */
void er_lease_do_after(errand_lease_pool *leases, er_after *a);

#endif
