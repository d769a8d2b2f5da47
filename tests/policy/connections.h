/* A server whose connections are leased, for tests of lease pools. */
#ifndef CONNECTIONS_H
#define CONNECTIONS_H

#include "runs.h"

typedef struct server {
    /* atomic, as all below */
    unsigned begun, opened, closed, checks, resets, interrupts;
    int open_error;           /* 0: it can be connected to */
    unsigned unfit, unsteady; /* checks fail; resets fail */
    unsigned holds;           /* opens wait for go */
    event go;
    int key; /* of the last open: its first letter; '-': the NULL key */
} server;

typedef struct connection {
    server *at;
    unsigned number; /* from 1 */
    unsigned used;   /* by so many at a time */
    event interrupted;
} connection;

errand_resource_ops served(server *s);
/* opts.max 0: 2 */
errand_lease_pool *leases_of(errand_pool *pool, server *s, errand_lease_opts opts);
/* Closes it; checks that every connection is closed. */
void close_leases(errand_lease_pool *leases, const server *s);

errand_lease *lease_of(errand_future *f);       /* awaits; it must be lent */
connection *connection_of(errand_lease *lease); /* uses it */
errand_lease *borrow(errand_lease_pool *leases, const char *key);
/* Borrows n, and releases them in order. */
void warm_up(errand_lease_pool *leases, unsigned n);
errand_lease_stats lease_stats(errand_lease_pool *leases, const char *key);
void await_rest(errand_pool *pool); /* no task is queued or runs */

#endif
