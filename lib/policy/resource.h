/* policy/resource.h -- one resource of a lease pool, and the loan that lives in it. */
#ifndef ER_RESOURCE_H
#define ER_RESOURCE_H

#include "base/list.h"
#include "async/cell.h"

#include <errand/lease.h>

typedef enum er_resource_state {
    ER_RESOURCE_OPENING,
    ER_RESOURCE_IDLE,
    ER_RESOURCE_CHECKING,
    ER_RESOURCE_LENT, /* RESETTING is its end: the bit ER_LOAN_RETURNED */
    ER_RESOURCE_CLOSING
} er_resource_state;

/* A loan's word. */
enum {
    ER_LOAN_POISONED = 1,
    ER_LOAN_INTERRUPTED = 2,  /* interrupt is being called, or has been */
    ER_LOAN_INTERRUPTING = 4, /* it is being called */
    ER_LOAN_RETURNED = 8      /* it is not called any more */
};

typedef struct errand_lease er_resource;
struct errand_lease {
    er_node node; /* among the idle or the lent ones; under the pool's lock, as state */
    struct er_lease_member *member; /* pinned; keeps the lease pool */
    void *value;
    er_resource_state state;
    uint32_t loan;  /* atomic */
    bool is_handed; /* the borrower's: it has asked for the value */
    bool has_run;   /* its task's function was called */
    unsigned uses;
    int64_t since_ns, expires_ns; /* idle or lent since then */
    const char *name;             /* of the borrower */
    const void *site;
    er_resource *next; /* of those that wait for a call after the lock */
    er_waiter waiter;  /* for its task's end */
    /* the rest is resource.c's, and never changes */
    const errand_resource_ops *ops;
    const char *key;
    /* The task that its state asked for has ended; *value is set if it was opened. On the ending
     * thread, no lock held. EAGAIN, ENOMEM and the like: has_run is false, the pool has refused
     * the task; a close is done all the same. Owns how */
    void (*ended)(er_resource *r, errand_result how);
};

/* Starts the task of its state: OPENING, CHECKING or CLOSING. */
void er_resource_work(er_resource *r, errand_pool *pool, const char *name);

/* The borrower gives it back: interrupt is not running when this returns, and never will. Returns
 * the loan's bits. */
uint32_t er_resource_return(er_resource *r);

/* Interrupts the borrower, once a loan, in two steps. begin, while it surely is lent: false, there
 * is nothing to do; else it stays lent until end has returned. */
bool er_resource_interrupt_begin(er_resource *r);
void er_resource_interrupt_end(er_resource *r);

#endif
