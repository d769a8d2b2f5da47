/* policy/keyed.c -- a limit's members by key.
 *
 *     unknown --enter--> newest --others used--> oldest --beyond max_keys, idle, no pins--> evicted
 *
 * The table is lru.c's, made with the first key. Beyond max_keys each new member evicts the oldest
 * that may go; those that may not are held, waited for, or an open breaker. What is evicted is
 * freed after the lock. */
#include "policy/keyed.h"

#include <errno.h>
#include <string.h>

#define KEYS 1024

int er_keyed_init(er_keyed *keyed, const er_keyed_kind *kind, errand_pool *pool, unsigned max_keys,
                  er_member *plain)
{
    if (!pool) return EINVAL;
    if (er_pool_dead(pool)) return ERRAND_EFORKED;
    keyed->kind = kind;
    keyed->pool = pool;
    keyed->count = 1;
    er_lru_init(&keyed->members, max_keys ? max_keys : KEYS);
    keyed->plain = plain;
    kind->init(keyed, plain);
    er_pool_keep(pool);
    return 0;
}

/* relaxed: the caller has a count */
void er_keyed_keep(er_keyed *keyed) { er_add_relaxed(&keyed->count, 1); }

static er_member *member_of(er_lru_item *item)
{
    return item ? er_of(item, er_member, item) : NULL;
}

static void free_chain(er_lru_item *item)
{
    while (item) {
        er_lru_item *next = item->chain;
        er_free(member_of(item));
        item = next;
    }
}

void er_keyed_release(er_keyed *keyed)
{
    if (er_sub(&keyed->count, 1) != 1) return;
    errand_pool *pool = keyed->pool;
    for (er_lru_item *item; (item = er_lru_pop(&keyed->members));) er_free(member_of(item));
    free_chain(keyed->evicted);
    er_lru_free(&keyed->members);
    keyed->kind->gone(keyed);
    er_pool_release(pool);
}

void er_keyed_leave(er_keyed *keyed)
{
    er_lru_item *evicted = keyed->evicted;
    keyed->evicted = NULL;
    er_lock_give(&keyed->lock);
    free_chain(evicted);
}

void er_keyed_describe(const er_member *member, er_description *d)
{
    if (!member->item.key) return;
    size_t size = strlen(member->item.key), most = sizeof d->own - 1;
    memcpy(d->own, member->item.key, size < most ? size : most); /* the rest is zero */
    d->key = d->own;
}

er_member *er_keyed_next(er_keyed *keyed, er_member *member)
{
    er_list *used = &keyed->members.used;
    if (!member) return keyed->plain;
    er_node *next = member == keyed->plain ? used->head.next : member->item.used.next;
    return next == &used->head ? NULL : er_of(next, er_member, item.used);
}

static bool is_idle(void *arg, er_lru_item *item)
{
    er_keyed *keyed = arg;
    er_member *m = member_of(item);
    return !m->pins && keyed->kind->idle(keyed, m);
}

/* Neither table nor member is allocated under the lock: looked up again after it. */
static int add(er_keyed *keyed, const char *key, size_t size, uint64_t hash, er_member **member)
{
    er_lock_give(&keyed->lock);
    er_lru_item **buckets = er_lru_buckets(&keyed->members);
    er_member *m = er_alloc_zero(keyed->kind->size + size + 1);
    er_lock_take(&keyed->lock);
    bool ready = er_lru_furnish(&keyed->members, &buckets);
    er_member *other = member_of(er_lru_find(&keyed->members, key, hash));
    bool none = !other && (!m || !ready);
    if (!other && !none) {
        keyed->evicted = er_lru_make_room(&keyed->members, is_idle, keyed);
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): `plain` alone has no key */
        key = memcpy((char *)m + keyed->kind->size, key, size);
        er_lru_add(&keyed->members, &m->item, key, hash);
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
    if (keyed->members.most == ERRAND_NO_KEYS) key = NULL;
    size_t size = key ? strnlen(key, ERRAND_KEY_MAX + 1) : 0;
    if (size > ERRAND_KEY_MAX) return EINVAL;
    uint64_t hash = key ? er_lru_hash(&keyed->members, key, size) : 0;
    er_lock_take(&keyed->lock);
    er_member *m = key ? member_of(er_lru_find(&keyed->members, key, hash)) : keyed->plain;
    if (!m && use) return add(keyed, key, size, hash, member);
    if (!m) {
        er_lock_give(&keyed->lock);
        return ENOENT;
    }
    if (key && use) er_lru_use(&keyed->members, &m->item);
    *member = m;
    return 0;
}

int er_keyed_enter(er_keyed *keyed, const char *key, er_member **member)
{
    return find(keyed, key, member, true);
}
int er_keyed_find(er_keyed *keyed, const char *key, er_member **member)
{
    return find(keyed, key, member, false);
}
