/* policy/keyed.h -- a limit's members by key. The limit's one lock guards the keyed and all of its
 * members; each begins with an er_member. The NULL key's member is part of the limit itself and is
 * never evicted. */
#ifndef ER_KEYED_H
#define ER_KEYED_H

#include "base/lru.h"
#include "async/job.h"

#include <errand/limits.h>

typedef struct er_member {
    er_lru_item item; /* its key lies behind the member. NULL: the NULL key's, in no table */
    uint32_t pins;    /* users beyond a call: it is not evicted. Under the lock */
} er_member;

typedef struct er_keyed er_keyed;
typedef struct er_keyed_kind {
    /* of a member, which begins with er_member */
    size_t size;
    void (*init)(er_keyed *keyed, er_member *member); /* what is zeroed so far */
    bool (*idle)(er_keyed *keyed, er_member *member); /* it may be evicted. Under the lock */
    /* the last count is given back: frees the limit */
    void (*gone)(er_keyed *keyed);
} er_keyed_kind;

struct er_keyed {
    const er_keyed_kind *kind;
    errand_pool *pool; /* kept */
    uint32_t count;    /* the handle, and what keeps the limit */
    er_lock lock;      /* guards all below */
    er_lru members;
    er_member *plain;
    er_lru_item *evicted; /* a chain */
};

/* At the beginning of a limit; plain is its embedded member. Counts 1 and keeps the pool.
 * EINVAL, ERRAND_EFORKED. */
int er_keyed_init(er_keyed *keyed, const er_keyed_kind *kind, errand_pool *pool, unsigned max_keys,
                  er_member *plain);
void er_keyed_keep(er_keyed *keyed);
void er_keyed_release(er_keyed *keyed); /* the last one frees all members, and the limit */

/* Finds key's member, or makes one, and takes the lock. EINVAL (an overlong key), ENOMEM,
 * ERRAND_EFORKED: it is not taken. */
int er_keyed_enter(er_keyed *keyed, const char *key, er_member **member);
/* The same without making one, nor is it a use: ENOENT. */
int er_keyed_find(er_keyed *keyed, const char *key, er_member **member);
/* Gives the lock. */
void er_keyed_leave(er_keyed *keyed);

/* Its key as the description's, in a copy: under the lock. */
void er_keyed_describe(const er_member *member, er_description *d);

/* All members, the NULL key's first; under the lock. NULL: past the end. */
er_member *er_keyed_next(er_keyed *keyed, er_member *member);

#endif
