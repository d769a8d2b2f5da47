/* The resolver alone: which names it keeps. */
#include "harness.h"

#include "fixture/memory.h"
#include "http/resolve.h"

enum { NAMES = 1024 };

typedef struct question {
    er_ask ask;
    er_parker parker;
} question;

static void answered(er_ask *ask, er_found *found)
{
    ck_assert_ptr_nonnull(found);
    er_found_drop(found);
    er_unpark(&er_of(ask, question, ask)->parker, 1);
}

static void look_up(void *arg, const char *name, er_addresses *out)
{
    (void)arg;
    (void)name;
    *out = (er_addresses){ 0 };
}

static er_resolver *resolver_new(errand_pool *pool)
{
    er_resolver *r = er_resolver_new(pool, 60000);
    ck_assert_ptr_nonnull(r);
    er_resolver_use(r, look_up, NULL);
    return r;
}

static bool is_known(er_resolver *r, const char *name) /* else it is looked up now */
{
    question q = { .ask.done = answered };
    er_found *found = NULL;
    int error = er_resolver_ask(r, name, &q.ask, &found);
    if (error == EINPROGRESS) er_park(&q.parker, 1, INT64_MAX);
    else ck_assert_int_eq(error, 0);
    er_found_drop(found);
    return !error;
}

START_TEST(the_least_recently_used_names_are_evicted)
{
    errand_pool *pool = errand_pool_new(NULL);
    er_resolver *r = resolver_new(pool);
    char name[32];
    uint64_t look_ups, hits;
    ck_assert(!is_known(r, "first") && !is_known(r, "often"));
    for (unsigned i = 0; i < 2 * NAMES; i++) {
        snprintf(name, sizeof name, "host-%u", i);
        ck_assert(!is_known(r, name));
        if (i % 100 == 0) ck_assert(is_known(r, "often"));
    }
    er_resolver_counts(r, &look_ups, &hits);
    ck_assert_uint_eq(look_ups, 2 * NAMES + 2);
    ck_assert(is_known(r, "host-2047") && is_known(r, "host-1100") && !is_known(r, "first") &&
              !is_known(r, "host-900"));
    er_resolver_close(r);
    ck_assert_int_eq(errand_pool_close(pool, 10000), 0);
}
END_TEST

START_TEST(a_lookup_without_memory_is_ENOMEM_and_can_be_repeated)
{
    errand_pool *pool = errand_pool_new(NULL);
    er_resolver *r = resolver_new(pool);
    for (unsigned n = 1; n <= 2; n++) { /* the table's buckets, the name */
        question q = { .ask.done = answered };
        er_found *found = NULL;
        memory_fails_at(n);
        int error = er_resolver_ask(r, "a.test", &q.ask, &found);
        bool failed = memory_fails_at(0);
        ck_assert(failed);
        ck_assert_int_eq(error, ENOMEM);
    }
    ck_assert(!is_known(r, "a.test") && is_known(r, "a.test"));
    er_resolver_close(r);
    ck_assert_int_eq(errand_pool_close(pool, 10000), 0);
}
END_TEST

Suite *names_suite(void)
{
    Suite *suite = suite_create("http names");
    TCase *tc = tcase_create("names");
    tcase_add_test(tc, the_least_recently_used_names_are_evicted);
    tcase_add_test(tc, a_lookup_without_memory_is_ENOMEM_and_can_be_repeated);
    suite_add_tcase(suite, tc);
    return suite;
}
