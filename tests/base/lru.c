/* A table that evicts its least recently used items, against a model: an array in the order of
 * use. */
#include "bases.h"

#include "base/lru.h"
#include "fixture/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKS = 16 }; /* items checked for one that is added */

typedef struct thing {
    er_lru_item item;
    bool held;
    unsigned n;
    char key[24];
} thing;

static thing *thing_of(er_lru_item *item) { return item ? er_of(item, thing, item) : NULL; }

static bool is_idle(void *asked, er_lru_item *item)
{
    ++*(unsigned *)asked;
    return !thing_of(item)->held;
}

static uint64_t hash_of(const er_lru *lru, const char *key)
{
    return er_lru_hash(lru, key, strlen(key));
}

static thing *find(const er_lru *lru, const char *key)
{
    return thing_of(er_lru_find(lru, key, hash_of(lru, key)));
}

static void add(er_lru *lru, thing *t, unsigned n, bool held)
{
    *t = (thing){ .n = n, .held = held };
    snprintf(t->key, sizeof t->key, "key %u", n);
    ck_assert(er_lru_ready(lru));
    er_lru_add(lru, &t->item, t->key, hash_of(lru, t->key));
}

static void ck_order(const er_lru *lru, const unsigned *model, unsigned n)
{
    unsigned i = 0;
    er_list_each(node, &lru->used) {
        if (i == n || er_of(node, thing, item.used)->n != model[i++])
            ck_abort_msg("item %u of %u differs", i, n);
    }
    ck_assert_uint_eq(i, n);
    ck_assert_uint_eq(lru->count, n);
}

static void empty(er_lru *lru)
{
    while (er_lru_pop(lru)) continue;
    ck_assert_uint_eq(lru->count, 0);
    er_lru_free(lru);
}

START_TEST(the_least_recently_used_item_is_evicted_first)
{
    er_lru lru;
    thing t[6];
    unsigned asked = 0;
    er_lru_init(&lru, 4);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_ptr_null(er_lru_make_room(&lru, is_idle, &asked));
        add(&lru, &t[i], i, false);
    }
    ck_assert_uint_eq(asked, 0);
    er_lru_use(&lru, &find(&lru, "key 0")->item);
    ck_assert_ptr_eq(find(&lru, "key 1"), &t[1]); /* a lookup does not count as a use */
    er_lru_item *out = er_lru_make_room(&lru, is_idle, &asked);
    ck_assert_ptr_eq(thing_of(out), &t[1]);
    ck_assert_ptr_null(out->chain);
    ck_assert_ptr_null(find(&lru, "key 1"));
    add(&lru, &t[4], 4, false);
    ck_order(&lru, (unsigned[]){ 2, 3, 0, 4 }, 4);
    empty(&lru);
}
END_TEST

START_TEST(held_items_are_kept_and_move_to_the_end)
{
    er_lru lru;
    thing t[4];
    unsigned asked = 0;
    er_lru_init(&lru, 3);
    for (unsigned i = 0; i < 3; i++) add(&lru, &t[i], i, i < 2);
    ck_assert_ptr_eq(thing_of(er_lru_make_room(&lru, is_idle, &asked)), &t[2]);
    ck_assert_uint_eq(asked, 3);
    ck_order(&lru, (unsigned[]){ 0, 1 }, 2);
    add(&lru, &t[2], 2, true);
    ck_assert_ptr_null(er_lru_make_room(&lru, is_idle,
                                        &asked)); /* all are held: the table exceeds its limit */
    add(&lru, &t[3], 3, true);
    for (unsigned i = 0; i < 4; i++) ck_assert_ptr_eq(find(&lru, t[i].key), &t[i]);
    t[0].held = t[1].held = t[3].held = false;
    unsigned gone = 0;
    for (er_lru_item *item = er_lru_make_room(&lru, is_idle, &asked); item; item = item->chain)
        gone++;
    ck_assert_uint_eq(gone, 2); /* back below the limit, with room for one */
    ck_assert_ptr_nonnull(find(&lru, "key 2"));
    empty(&lru);
}
END_TEST

START_TEST(making_room_checks_few_items)
{
    enum { MOST = 1000 };
    er_lru lru;
    thing *t = malloc((MOST + 100) * sizeof *t);
    unsigned asked = 0, n = MOST, rounds = 0;
    er_lru_init(&lru, MOST);
    for (unsigned i = 0; i < MOST; i++) add(&lru, &t[i], i, i != MOST - 1);
    ck_assert_ptr_null(er_lru_make_room(&lru, is_idle, &asked));
    ck_assert_uint_eq(asked, LOOKS);
    er_lru_item *out;
    while (!(out =
                 er_lru_make_room(&lru, is_idle, &asked))) { /* until it finds the only idle item */
        add(&lru, &t[n], n, true);
        n++;
        rounds++;
    }
    ck_assert_ptr_eq(thing_of(out), &t[MOST - 1]);
    ck_assert_uint_le(rounds, MOST / LOOKS);
    for (unsigned i = 0; i < n; i++)
        ck_assert_ptr_eq(find(&lru, t[i].key), i == MOST - 1 ? NULL : &t[i]);
    empty(&lru);
    free(t);
}
END_TEST

START_TEST(keys_of_one_bucket_or_one_hash_stay_distinct)
{
    enum { SAME = 5 };
    er_lru lru;
    thing t[SAME];
    for (unsigned first = 0; first < SAME;
         first++) { /* removed at the chain's end, middle and beginning */
        er_lru_init(&lru, 100);
        ck_assert(er_lru_ready(&lru));
        for (unsigned i = 0; i < SAME; i++) {
            t[i] = (thing){ .n = i };
            snprintf(t[i].key, sizeof t[i].key, "key %u", i);
            er_lru_add(&lru, &t[i].item, t[i].key,
                       i < 3 ? 7 : 7 + ((uint64_t)i << 32)); /* all in one bucket */
        }
        for (unsigned k = 0; k < SAME; k++) {
            unsigned gone = (first + k) % SAME;
            er_lru_remove(&lru, &t[gone].item);
            for (unsigned i = 0; i < SAME; i++) {
                bool left = (i + SAME - first) % SAME > k;
                thing *found =
                    thing_of(er_lru_find(&lru, t[i].key, i < 3 ? 7 : 7 + ((uint64_t)i << 32)));
                ck_assert_ptr_eq(found, left ? &t[i] : NULL);
            }
        }
        empty(&lru);
    }
}
END_TEST

START_TEST(buckets_differ_from_table_to_table)
{
    enum { WANTED = 40 };
    er_lru a, b;
    char key[24];
    unsigned found = 0, shared = 0;
    er_lru_init(&a, 1024);
    er_lru_init(&b, 1024);
    ck_assert_uint_ne(a.seed, b.seed);
    for (unsigned i = 0; found < WANTED; i++) { /* collisions in a are none in b */
        snprintf(key, sizeof key, "chosen %u", i);
        if (hash_of(&a, key) & a.mask) continue;
        found++;
        shared += !(hash_of(&b, key) & b.mask);
    }
    ck_assert_uint_lt(shared, WANTED / 4);
}
END_TEST

static unsigned buckets_for(unsigned most)
{
    er_lru lru;
    er_lru_init(&lru, most);
    return lru.mask + 1;
}

START_TEST(the_number_of_buckets_is_limited)
{
    ck_assert_uint_eq(buckets_for(0), 16);
    ck_assert_uint_eq(buckets_for(16), 16);
    ck_assert_uint_eq(buckets_for(17), 32);
    ck_assert_uint_eq(buckets_for(1024), 1024);
    ck_assert_uint_eq(buckets_for(65537), 65536);
    ck_assert_uint_eq(buckets_for(UINT32_MAX), 65536);
}
END_TEST

START_TEST(a_failed_allocation_of_buckets_is_repeated)
{
    er_lru lru;
    thing t;
    er_lru_init(&lru, 10);
    memory_fails_at(1);
    bool ready = er_lru_ready(&lru), failed = memory_fails_at(1);
    er_lru_item **none = er_lru_buckets(&lru);
    ck_assert(memory_fails_at(0) && failed);
    ck_assert(!ready && !none);
    ck_assert(!er_lru_furnish(&lru, &none));
    ck_assert_ptr_null(find(&lru, "key 1"));
    ck_assert_ptr_null(er_lru_pop(&lru));
    ck_assert_ptr_null(er_lru_make_room(&lru, NULL, NULL));
    add(&lru, &t, 1, false);
    ck_assert_ptr_eq(find(&lru, "key 1"), &t);
    empty(&lru);
}
END_TEST

START_TEST(only_the_first_bucket_array_is_used)
{
    er_lru lru;
    thing t;
    er_lru_init(&lru, 10);
    er_lru_item **first = er_lru_buckets(&lru), **second = er_lru_buckets(&lru), **late;
    ck_assert(first && second);
    ck_assert(er_lru_furnish(&lru, &first) && !first);
    add(&lru, &t, 1, false);
    late = second;
    ck_assert(er_lru_furnish(&lru, &late) && late == second); /* the caller frees it */
    ck_assert_ptr_eq(find(&lru, "key 1"), &t);
    ck_assert_ptr_null(er_lru_buckets(&lru));
    free(second);
    empty(&lru);
}
END_TEST

/* ---- against a model ---- */

enum { KEYS = 300 };

typedef struct model {
    er_lru lru;
    thing things[KEYS];
    bool in[KEYS];
    unsigned order[KEYS], n; /* the least recently used first */
} model;

static void model_remove(model *m, unsigned k)
{
    unsigned i = 0;
    while (m->order[i] != k) i++;
    memmove(&m->order[i], &m->order[i + 1], (--m->n - i) * sizeof *m->order);
    m->in[k] = false;
}

static void model_add(model *m, unsigned k)
{
    m->order[m->n++] = k;
    m->in[k] = true;
}

static void model_make_room(model *m)
{
    unsigned asked = 0, gone[LOOKS], n = 0;
    for (unsigned looks = 0; looks < LOOKS && m->n && m->n >= m->lru.most; looks++) {
        unsigned k = m->order[0];
        model_remove(m, k);
        if (m->things[k].held) model_add(m, k);
        else gone[n++] = k;
    }
    er_lru_item *out = er_lru_make_room(&m->lru, is_idle, &asked);
    for (; out; out = out->chain) {
        ck_assert_uint_gt(n, 0);
        ck_assert_uint_eq(thing_of(out)->n, gone[--n]); /* the last one first */
    }
    ck_assert_uint_eq(n, 0);
}

static void model_step(model *m, uint64_t *seed)
{
    unsigned k = (unsigned)(er_random_next(seed) % KEYS);
    thing *t = &m->things[k];
    switch (er_random_next(seed) % 8) {
    case 0:
        if (!m->in[k]) break;
        er_lru_remove(&m->lru, &t->item);
        model_remove(m, k);
        break;
    case 1: t->held = !t->held; break;
    case 2: {
        thing *popped = thing_of(er_lru_pop(&m->lru));
        ck_assert(m->n ? popped && popped->n == m->order[0] : !popped);
        if (popped) model_remove(m, popped->n);
        break;
    }
    default: /* as owners do: find and use, or add */
        if (m->in[k]) {
            er_lru_use(&m->lru, &t->item);
            model_remove(m, k);
        } else {
            model_make_room(m);
            add(&m->lru, t, k, er_random_next(seed) % 4 == 0);
        }
        model_add(m, k);
    }
}

START_TEST(a_table_behaves_like_its_model)
{
    static const unsigned mosts[] = { 1, 2, 16, 40, 200, 1000 };
    model *m = calloc(1, sizeof *m);
    uint64_t seed = (uint64_t)_i;
    er_lru_init(&m->lru, mosts[_i]);
    for (unsigned i = 0; i < scaled(5000); i++) {
        model_step(m, &seed);
        ck_order(&m->lru, m->order, m->n);
        for (unsigned k = i % 7; k < KEYS; k += 7) {
            char key[24];
            snprintf(key, sizeof key, "key %u", k);
            if (find(&m->lru, key) != (m->in[k] ? &m->things[k] : NULL))
                ck_abort_msg("%s is%s in the table", key, m->in[k] ? "" : " not");
        }
    }
    empty(&m->lru);
    free(m);
}
END_TEST

Suite *lru_suite(void)
{
    Suite *suite = suite_create("lru");
    TCase *tc = tcase_create("lru");
    tcase_add_test(tc, the_least_recently_used_item_is_evicted_first);
    tcase_add_test(tc, held_items_are_kept_and_move_to_the_end);
    tcase_add_test(tc, making_room_checks_few_items);
    tcase_add_test(tc, keys_of_one_bucket_or_one_hash_stay_distinct);
    tcase_add_test(tc, buckets_differ_from_table_to_table);
    tcase_add_test(tc, the_number_of_buckets_is_limited);
    tcase_add_test(tc, a_failed_allocation_of_buckets_is_repeated);
    tcase_add_test(tc, only_the_first_bucket_array_is_used);
    tcase_add_loop_test(tc, a_table_behaves_like_its_model, 0, 6);
    suite_add_tcase(suite, tc);
    return suite;
}
