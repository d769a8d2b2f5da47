/* http/resolve.h -- looks up names on threads of their own, so that one that hangs delays no
 * others. */
#ifndef ER_RESOLVE_H
#define ER_RESOLVE_H

#include "base/list.h"
#include "base/net.h"
#include "async/pool_ref.h"

#include <errand/http.h>

typedef struct er_resolver er_resolver;

/* The result of a look-up: counted, never changed. */
typedef struct er_found {
    unsigned count;
    uint64_t serial;  /* no two are the same; not 0 */
    int64_t until_ns; /* er_pool_now; when it expires */
    er_addresses addresses;
} er_found;
er_found *er_found_keep(er_found *found);
void er_found_drop(er_found *found); /* NULL is harmless */

/* A question; part of the asking object. done is called once, on a thread of the resolver's or in
 * a task, no lock held, with a count of found; NULL: no memory. */
typedef struct er_ask {
    er_node node;
    void (*done)(struct er_ask *self, er_found *found);
} er_ask;

typedef void er_look_up_fn(void *arg, const char *name, er_addresses *out); /* blocks */

/* pool: its clock. NULL: no memory. */
er_resolver *er_resolver_new(errand_pool *pool, int64_t ttl_ms);
void er_resolver_close(er_resolver *resolver); /* threads may hang on. NULL is harmless */
/* instead of the system's; before the first ask */
void er_resolver_use(er_resolver *resolver, er_look_up_fn *fn, void *arg);

/* A caller's function instead, called in tasks of the pool; before the first ask. */
void er_resolver_call(er_resolver *resolver, errand_resolver_fn *fn, void *arg);

/* What has been found, or is being looked up, answers no later ask. Returns the last serial of
 * what has been found so far. */
uint64_t er_resolver_forget(er_resolver *resolver);

/* Returns the last serial of what has been found so far. */
uint64_t er_resolver_serial(er_resolver *resolver);

/* 0: *found, counted, is fresh. EINPROGRESS: ask->done will be called. Else an errno: it will not.
 * */
int er_resolver_ask(er_resolver *resolver, const char *name, er_ask *ask, er_found **found);

void er_resolver_counts(er_resolver *resolver, uint64_t *look_ups, uint64_t *hits);

#endif
