/* core/family.c -- a limit's members by key.
 *
 *     unknown --enter--> used, the newest --others are used--> the oldest --beyond max_keys, idle, no pins--> forgotten
 *
 * A table of chains whose size is that of max_keys, made with the first key, and a list in the order of use. Beyond max_keys each
 * new member drives out the oldest that can be; those that cannot (held, waited for, an open breaker) go to the other end of
 * the list, so that the same ones are not looked at each time; at most LOOKS of them for a new member. What is forgotten is freed
 * after the lock. The hash is seeded, so who chooses keys does not choose chains. */
#include "core/family.h"

#include <errno.h>
#include <string.h>

#define KEYS         1024
#define BUCKETS_MOST 65536
#define LOOKS        16

static uint64_t hash_of(uint64_t seed, const char *key, size_t size)
{
    uint64_t hash = seed ^ size; /* eight bytes at a time, each mixed in with splitmix64's finish */
    for (size_t i = 0; i < size; i += 8) {
        uint64_t piece = 0;
        memcpy(&piece, key + i, size - i < 8 ? size - i : 8);
        hash ^= piece;
        hash = er_random_next(&hash);
    }
    return hash;
}

int er_family_init(er_family *family, const er_family_kind *kind, errand_pool *home, unsigned max_keys,
                   er_member *plain)
{
    if (!home) return EINVAL;
    if (er_pool_dead(home)) return ERRAND_EFORKED;
    family->kind = kind;
    family->home = home;
    family->count = 1;
    family->seed = er_random();
    family->max_keys = max_keys ? max_keys : KEYS;
    family->plain = plain;
    er_list_init(&family->used);
    kind->init(family, plain);
    er_pool_keep(home);
    return 0;
}

void er_family_keep(er_family *family) { er_add_relaxed(&family->count, 1); /* relaxed: who counts up has a count */ }

static void free_chain(er_member *m)
{
    while (m) {
        er_member *next = m->chain;
        er_free(m);
        m = next;
    }
}

void er_family_release(er_family *family)
{
    if (er_sub(&family->count, 1) != 1) return;
    errand_pool *home = family->home;
    for (er_node *n; (n = er_list_pop(&family->used));) er_free(er_of(n, er_member, node));
    free_chain(family->forgotten);
    er_free(family->buckets);
    family->kind->gone(family);
    er_pool_release(home);
}

void er_family_leave(er_family *family)
{
    er_member *forgotten = family->forgotten;
    family->forgotten = NULL;
    er_lock_give(&family->lock);
    free_chain(forgotten);
}

er_member *er_family_next(er_family *family, er_member *member)
{
    if (!member) return family->plain;
    er_node *next = member == family->plain ? family->used.head.next : member->node.next;
    return next == &family->used.head ? NULL : er_of(next, er_member, node);
}

static er_member *look_up(er_family *family, const char *key, uint64_t hash)
{
    er_member *m = family->buckets ? family->buckets[hash & family->mask] : NULL;
    while (m && (m->hash != hash || strcmp(m->key, key) != 0)) m = m->chain;
    return m;
}

static void forget(er_family *family, er_member *m)
{
    er_member **at = &family->buckets[m->hash & family->mask];
    while (*at != m) at = &(*at)->chain;
    *at = m->chain;
    er_list_remove(&m->node);
    family->keys--;
    m->chain = family->forgotten;
    family->forgotten = m;
}

static void make_room(er_family *family)
{
    for (int looks = 0; looks < LOOKS && family->keys >= family->max_keys; looks++) {
        er_member *oldest = er_of(er_list_first(&family->used), er_member, node);
        if (!oldest->pins && family->kind->idle(family, oldest)) {
            forget(family, oldest);
        } else {
            er_list_remove(&oldest->node);
            er_list_push(&family->used, &oldest->node);
        }
    }
}

/* Neither table nor member is allocated under the lock: looked up again after it. */
static int add(er_family *family, const char *key, size_t size, uint64_t hash, er_member **member)
{
    er_lock_give(&family->lock);
    uint32_t n = 16;
    while (n < family->max_keys && n < BUCKETS_MOST) n *= 2;
    er_member **buckets = er_load_relaxed(&family->buckets) ? NULL : er_alloc_zero(n * sizeof *buckets); /* a hint */
    er_member *m = er_alloc_zero(family->kind->size + size + 1);
    er_lock_take(&family->lock);
    if (!family->buckets && buckets) {
        family->mask = n - 1;
        er_store_relaxed(&family->buckets, buckets); /* relaxed: whoever uses it has the lock */
        buckets = NULL;
    }
    er_member *other = look_up(family, key, hash);
    bool found = other != NULL, none = !found && (!m || !family->buckets);
    if (!found && !none) {
        make_room(family);
        m->hash = hash;
        m->key = (char *)m + family->kind->size;
        memcpy(m->key, key, size);
        m->chain = family->buckets[hash & family->mask];
        family->buckets[hash & family->mask] = m;
        er_list_push(&family->used, &m->node);
        family->keys++;
        family->kind->init(family, m);
        other = m;
        m = NULL;
    }
    *member = other;
    if (none) er_lock_give(&family->lock);
    er_free(buckets);
    er_free(m);
    return none ? ENOMEM : 0;
}

static int find(er_family *family, const char *key, er_member **member, bool use)
{
    if (er_pool_dead(family->home)) return ERRAND_EFORKED;
    if (family->max_keys == ERRAND_NO_KEYS) key = NULL;
    size_t size = key ? strnlen(key, ERRAND_KEY_MOST + 1) : 0;
    if (size > ERRAND_KEY_MOST) return EINVAL;
    uint64_t hash = key ? hash_of(family->seed, key, size) : 0;
    er_lock_take(&family->lock);
    er_member *m = key ? look_up(family, key, hash) : family->plain;
    if (!m && use) return add(family, key, size, hash, member);
    if (!m) {
        er_lock_give(&family->lock);
        return ENOENT;
    }
    if (key && use) {
        er_list_remove(&m->node);
        er_list_push(&family->used, &m->node);
    }
    *member = m;
    return 0;
}

int er_family_enter(er_family *family, const char *key, er_member **member) { return find(family, key, member, true); }
int er_family_find(er_family *family, const char *key, er_member **member) { return find(family, key, member, false); }
