/* The context inherited by runs and groups. */
#include "runs.h"

#include <errno.h>
#include <stdio.h>

static test_clock now;
static errand_pool *pool, *other; /* other: on the system clock */
static void open_pools(void)
{
    pool = test_clock_pool(&now);
    other = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
}
static void shut_pools(void)
{
    close_pool(pool);
    close_pool(other);
}

static errand_result fields_here(void *arg)
{
    return (void)arg, errand_ok(errand_log_fields_current(), NULL);
}
static errand_result fails_once(void *calls)
{
    return count_up(calls) < 2 ? errand_fail(ECONNRESET) : fields_here(NULL);
}

static void all_find(errand_log_fields *fields)
{
    unsigned calls = 0;
    errand_policy *twice = policy_of((errand_policy_opts){ .attempts = 2, .initial_ms = 1 });
    ck_assert_ptr_eq(value_of(errand_run(other, NULL, fields_here, NULL)), fields);
    ck_assert_ptr_eq(value_of(errand_run(other, twice, fails_once, &calls)), fields);
    ck_assert_uint_eq(calls, 2);
    errand_policy_free(twice);
    errand_group *g = errand_group_new(other, NULL);
    errand_task task = { .fn = fields_here, .key = "own key" };
    errand_result r;
    ck_assert_int_eq(errand_group_submit(g, NULL, &task), 0);
    ck_assert_int_eq(errand_group_next(g, &r, NULL, LONG_MS), 0);
    ck_assert_ptr_eq(r.value, fields);
    errand_group_close(g, LONG_MS);
}

static errand_result puts_its_own(void *outer)
{
    errand_log_fields *mine = errand_log_fields_new(outer, errand_kv("part", "%d"), 2);
    errand_log_fields_free(errand_log_fields_swap(errand_log_fields_keep(mine)));
    all_find(mine);
    errand_log_fields_free(mine);
    return errand_ok(NULL, NULL);
}

START_TEST(runs_and_groups_inherit_log_fields)
{
    errand_log_fields *fields = errand_log_fields_new(NULL, errand_kv("request", "%d"), 7);
    ck_assert_ptr_null(errand_log_fields_swap(errand_log_fields_keep(fields)));
    all_find(fields);
    ENDS(errand_submit(pool, puts_its_own, fields), 0);
    errand_log_fields_free(errand_log_fields_swap(NULL));
    all_find(NULL);
    errand_log_fields_free(fields);
}
END_TEST

typedef struct context {
    char key[32];
    int64_t left;
} context;

static errand_result look(void *arg)
{
    context *c = arg;
    snprintf(c->key, sizeof c->key, "%s", errand_key() ? errand_key() : "(none)");
    c->left = errand_time_left();
    return errand_ok(NULL, NULL);
}

static errand_result runs_in_a_frame(void *arg)
{
    errand_frame frame;
    errand_enter(&frame, 800, false);
    ENDS(errand_run(pool, NULL, look, arg), 0);
    errand_leave(&frame);
    return errand_ok(NULL, NULL);
}

START_TEST(a_run_inherits_key_and_deadline)
{
    context c = { .left = 0 };
    errand_task task = { .fn = runs_in_a_frame, .arg = &c, .key = "the key", .within_ms = 1000 };
    ENDS(errand_submit_task(pool, &task), 0);
    ck_assert_str_eq(c.key, "the key");
    ck_assert_int_eq(c.left, 800);
}
END_TEST

Suite *context_suite(void)
{
    Suite *suite = suite_create("context");
    TCase *tc = case_of(suite, "context");
    tcase_add_checked_fixture(tc, open_pools, shut_pools);
    tcase_add_test(tc, runs_and_groups_inherit_log_fields);
    tcase_add_test(tc, a_run_inherits_key_and_deadline);
    return suite;
}
