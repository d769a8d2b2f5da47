#include "connections.h"

#include <errno.h>
#include <stdlib.h>

static int int_of(const int *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }

static errand_result open_connection(const char *key, void *arg)
{
    server *s = arg;
    count_up(&s->begun);
    __atomic_store_n(&s->key, key ? key[0] : '-', __ATOMIC_SEQ_CST);
    if (count_of(&s->holds)) await_event(&s->go);
    int error = int_of(&s->open_error);
    if (error) return errand_failf(error, "no server");
    connection *c = calloc(1, sizeof *c);
    c->at = s;
    c->number = count_up(&s->opened);
    return errand_ok(c, NULL);
}

static int check_connection(void *resource, void *arg)
{
    (void)resource;
    server *s = arg;
    count_up(&s->checks);
    return count_of(&s->unfit) ? -1 : 0;
}

static int reset_connection(void *resource, void *arg)
{
    (void)resource;
    server *s = arg;
    count_up(&s->resets);
    return count_of(&s->unsteady) ? -1 : 0;
}

static void interrupt_connection(void *resource, void *arg)
{
    server *s = arg;
    count_up(&s->interrupts);
    happen(&((connection *)resource)->interrupted);
}

static void close_connection(void *resource, void *arg)
{
    server *s = arg;
    count_up(&s->closed);
    free(resource);
}

errand_resource_ops served(server *s)
{
    return (errand_resource_ops){ open_connection,      check_connection, reset_connection,
                                  interrupt_connection, close_connection, s };
}

errand_lease_pool *leases_of(errand_pool *pool, server *s, errand_lease_opts opts)
{
    errand_resource_ops ops = served(s);
    if (!opts.max) opts.max = 2;
    if (!opts.name) opts.name = "db";
    errand_lease_pool *leases = errand_lease_pool_new(pool, &ops, &opts);
    ck_assert_msg(leases != NULL, "%s", errand_strerror(errno));
    return leases;
}

void close_leases(errand_lease_pool *leases, const server *s)
{
    ck_assert_int_eq(errand_lease_pool_close(leases, LONG_MS), 0);
    ck_assert_uint_eq(count_of(&s->closed), count_of(&s->opened));
}

errand_lease *lease_of(errand_future *f)
{
    errand_result r = errand_await(f);
    ck_assert_msg(!r.error, "%s", errand_result_message(&r));
    return r.value;
}

connection *connection_of(errand_lease *lease) { return errand_lease_resource(lease); }

errand_lease *borrow(errand_lease_pool *leases, const char *key)
{
    errand_lease *lease;
    ck_assert_int_eq(errand_lease_wait(leases, key, ERRAND_FOREVER, &lease), 0);
    ck_assert_ptr_nonnull(connection_of(lease));
    return lease;
}

void warm_up(errand_lease_pool *leases, unsigned n)
{
    errand_lease *at[16];
    for (unsigned i = 0; i < n; i++) at[i] = borrow(leases, NULL);
    for (unsigned i = 0; i < n; i++) errand_lease_release(at[i]);
}

errand_lease_stats lease_stats(errand_lease_pool *leases, const char *key)
{
    errand_lease_stats s;
    ck_assert_int_eq(errand_lease_pool_stats_get(leases, key, &s), 0);
    return s;
}

void await_rest(errand_pool *pool) { ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0); }
