/* policy/keyed.c -- a limit's members by key.
 *
 *     unknown --enter--> used, the newest --others are used--> the oldest --beyond max_keys, idle, no pins--> forgotten
 *
 * A table of chains whose size is that of max_keys, made with the first key, and a list in the order of use. Beyond max_keys each
 * new member drives out the oldest that can be; those that cannot (held, waited for, an open breaker) go to the other end of
 * the list, so that the same ones are not looked at each time; at most LOOKS of them for a new member. What is forgotten is freed
 * after the lock. The hash is seeded, so who chooses keys does not choose chains. */
#include "policy/keyed.h"

#include "base/hash.h"

#include <errno.h>
#include <string.h>

#define KEYS         1024
#define BUCKETS_MOST 65536
#define LOOKS        16

int er_keyed_init(er_keyed *keyed, const er_keyed_kind *kind, errand_pool *pool, unsigned max_keys,
                   er_member *plain)
{
    if (!pool) return EINVAL;
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    keyed->kind = kind;
    keyed->pool = pool;
    keyed->count = 1;
    keyed->seed = er_random();
    keyed->max_keys = max_keys ? max_keys : KEYS;
    keyed->plain = plain;
    er_list_init(&keyed->used);
    kind->init(keyed, plain);
    er_pool_keep(pool);
    return 0;
}

void er_keyed_keep(er_keyed *keyed) { er_add_relaxed(&keyed->count, 1); /* relaxed: who counts up has a count */ }

static void free_chain(er_member *m)
{
    while (m) {
        er_member *next = m->chain;
        er_free(m);
        m = next;
    }
}

void er_keyed_release(er_keyed *keyed)
{
    if (er_sub(&keyed->count, 1) != 1) return;
    errand_pool *pool = keyed->pool;
    for (er_node *n; (n = er_list_pop(&keyed->used));) er_free(er_of(n, er_member, node));
    free_chain(keyed->forgotten);
    er_free(keyed->buckets);
    keyed->kind->gone(keyed);
    er_pool_release(pool);
}

void er_keyed_leave(er_keyed *keyed)
{
    er_member *forgotten = keyed->forgotten;
    keyed->forgotten = NULL;
    er_lock_give(&keyed->lock);
    free_chain(forgotten);
}

void er_keyed_describe(const er_member *member, er_description *d)
{
    if (!member->key) return;
    size_t size = strlen(member->key), most = sizeof d->own - 1;
    memcpy(d->own, member->key, size < most ? size : most); /* the rest is zero */
    d->key = d->own;
}

er_member *er_keyed_next(er_keyed *keyed, er_member *member)
{
    if (!member) return keyed->plain;
    er_node *next = member == keyed->plain ? keyed->used.head.next : member->node.next;
    return next == &keyed->used.head ? NULL : er_of(next, er_member, node);
}

static er_member *look_up(er_keyed *keyed, const char *key, uint64_t hash)
{
    er_member *m = keyed->buckets ? keyed->buckets[hash & keyed->mask] : NULL;
    while (m && (m->hash != hash || strcmp(m->key, key) != 0)) m = m->chain;
    return m;
}

static void forget(er_keyed *keyed, er_member *m)
{
    er_member **at = &keyed->buckets[m->hash & keyed->mask];
    while (*at != m) at = &(*at)->chain;
    *at = m->chain;
    er_list_remove(&m->node);
    keyed->keys--;
    m->chain = keyed->forgotten;
    keyed->forgotten = m;
}

static void make_room(er_keyed *keyed)
{
    for (int looks = 0; looks < LOOKS && keyed->keys >= keyed->max_keys; looks++) {
        er_member *oldest = er_of(er_list_first(&keyed->used), er_member, node);
        if (!oldest->pins && keyed->kind->idle(keyed, oldest)) {
            forget(keyed, oldest);
        } else {
            er_list_remove(&oldest->node);
            er_list_push(&keyed->used, &oldest->node);
        }
    }
}

/* Neither table nor member is allocated under the lock: looked up again after it. */
static int add(er_keyed *keyed, const char *key, size_t size, uint64_t hash, er_member **member)
{
    er_lock_give(&keyed->lock);
    uint32_t n = 16;
    while (n < keyed->max_keys && n < BUCKETS_MOST) n *= 2;
    er_member **buckets = er_load_relaxed(&keyed->buckets) ? NULL : er_alloc_zero(n * sizeof *buckets); /* a hint */
    er_member *m = er_alloc_zero(keyed->kind->size + size + 1);
    er_lock_take(&keyed->lock);
    if (!keyed->buckets && buckets) {
        keyed->mask = n - 1;
        er_store_relaxed(&keyed->buckets, buckets); /* relaxed: whoever uses it has the lock */
        buckets = NULL;
    }
    er_member *other = look_up(keyed, key, hash);
    bool found = other != NULL, none = !found && (!m || !keyed->buckets);
    if (!found && !none) {
        make_room(keyed);
        m->hash = hash;
        m->key = (char *)m + keyed->kind->size;
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): `plain` alone has no key */
        memcpy(m->key, key, size);
        m->chain = keyed->buckets[hash & keyed->mask];
        keyed->buckets[hash & keyed->mask] = m;
        er_list_push(&keyed->used, &m->node);
        keyed->keys++;
        keyed->kind->init(keyed, m);
        other = m;
        m = NULL;
    }
    *member = other;
    if (none) er_lock_give(&keyed->lock);
    er_free(buckets);
    er_free(m);
    return none ? ENOMEM : 0;
}

static int find(er_keyed *keyed, const char *key, er_member **member, bool use)
{
    if (er_pool_dead(keyed->pool)) return ERRAND_EFORKED;
    if (keyed->max_keys == ERRAND_NO_KEYS) key = NULL;
    size_t size = key ? strnlen(key, ERRAND_KEY_MAX + 1) : 0;
    if (size > ERRAND_KEY_MAX) return EINVAL;
    uint64_t hash = key ? er_hash(keyed->seed, key, size) : 0;
    er_lock_take(&keyed->lock);
    er_member *m = key ? look_up(keyed, key, hash) : keyed->plain;
    if (!m && use) return add(keyed, key, size, hash, member);
    if (!m) {
        er_lock_give(&keyed->lock);
        return ENOENT;
    }
    if (key && use) {
        er_list_remove(&m->node);
        er_list_push(&keyed->used, &m->node);
    }
    *member = m;
    return 0;
}

int er_keyed_enter(er_keyed *keyed, const char *key, er_member **member) { return find(keyed, key, member, true); }
int er_keyed_find(er_keyed *keyed, const char *key, er_member **member) { return find(keyed, key, member, false); }
