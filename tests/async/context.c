/* What a task inherits from the task that submits it; start deadlines and deadlines; task.into. */
#include "logged.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static test_clock now;
static errand_pool *pool, *other; /* other: on the system clock */
static void open_pools(void)
{
    test_clock_start(&now);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &now.clock });
    other = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
}
static void shut_pools(void)
{
    close_pool(pool);
    close_pool(other);
}

/* ---- log fields ---- */

static errand_result fields_here(void *arg)
{
    return (void)arg, errand_ok(errand_log_fields_current(), NULL);
}
static errand_result fields_then(errand_result in, void *arg)
{
    errand_result_free(&in);
    return fields_here(arg);
}

/* The log fields found by each way of submitting work. */
static void all_find(errand_log_fields *fields)
{
    errand_task task = { .fn = fields_here, .key = "own key" };
    ck_assert_ptr_eq(value_of(errand_submit(other, fields_here, NULL)), fields);
    ck_assert_ptr_eq(value_of(errand_submit_task(other, &task)), fields);
    ck_assert_ptr_eq(value_of(errand_then(errand_sleep(other, 0), fields_then, NULL)), fields);
    task.detached = 1;
    ck_assert_ptr_null(value_of(errand_submit_task(other, &task)));
}

static errand_result puts_its_own(void *outer)
{
    ck_assert_ptr_eq(errand_log_fields_current(), outer);
    errand_log_fields *mine = errand_log_fields_new(outer, errand_kv("part", "%d"), 2);
    errand_log_fields_free(errand_log_fields_swap(errand_log_fields_keep(mine)));
    all_find(mine);
    errand_log_fields_free(mine);
    return errand_ok(NULL, NULL);
}

START_TEST(a_task_inherits_log_fields)
{
    errand_log_fields *fields = errand_log_fields_new(NULL, errand_kv("request", "%d"), 7);
    ck_assert_ptr_null(errand_log_fields_swap(errand_log_fields_keep(fields)));
    all_find(fields);
    ENDS(errand_submit(pool, puts_its_own, fields), 0);
    ck_assert_ptr_eq(errand_log_fields_current(), fields);
    errand_log_fields_free(errand_log_fields_swap(NULL));
    ck_assert_ptr_null(value_of(errand_submit(pool, fields_here, NULL))); /* on the same worker */
    all_find(NULL);
    errand_log_fields_free(fields);
}
END_TEST

/* ---- key, name, deadline ---- */

typedef struct context {
    char key[32], name[4096]; /* name: as a dump shows it */
    int64_t left;
} context;

static errand_result look(void *arg)
{
    context *c = arg;
    snprintf(c->key, sizeof c->key, "%s", errand_key() ? errand_key() : "(none)");
    c->left = errand_time_left();
    FILE *to = fmemopen(c->name, sizeof c->name, "w");
    errand_pool_dump(pool, to);
    fclose(to);
    return errand_ok(NULL, NULL);
}

typedef struct heirs {
    context plain, own, detached, next;
} heirs;

static errand_result look_after(errand_result in, void *arg)
{
    errand_result_free(&in);
    return look(arg);
}

static errand_result bequeaths(void *arg)
{
    heirs *h = arg;
    errand_task task = { .fn = look, .arg = &h->plain };
    /* A frame's deadline is inherited too. With one, no task runs in place; a dump shows where each
     * task runs. */
    errand_frame frame;
    errand_enter(&frame, 400, false);
    ENDS(errand_submit_task(pool, &task), 0);
    errand_leave(&frame);
    errand_enter(&frame, 800, false);
    task = (errand_task){
        .fn = look, .arg = &h->own, .name = "own name", .key = "own key", .within_ms = 100
    };
    ENDS(errand_submit_task(pool, &task), 0);
    task = (errand_task){ .fn = look, .arg = &h->detached, .detached = 1 };
    ENDS(errand_submit_task(pool, &task), 0);
    ENDS(errand_then(errand_sleep(pool, 0), look_after, &h->next), 0);
    errand_leave(&frame);
    return errand_ok(NULL, NULL);
}

START_TEST(a_task_inherits_key_name_and_deadline_unless_detached)
{
    static heirs h;
    char key[] = "the key"; /* the pool copies it */
    errand_task task = {
        .fn = bequeaths, .arg = &h, .name = "ancestor", .key = key, .within_ms = 1000
    };
    hold held = { .runs = 0 };
    errand_future *first = errand_submit(pool, hold_worker, &held);
    errand_future *f = errand_submit_task(pool, &task);
    memset(key, '?', strlen(key));
    happen(&held.go);
    ENDS(first, 0);
    ENDS(f, 0);
    ck_assert_str_eq(h.plain.key, "the key");
    ck_assert_int_eq(h.plain.left, 400);
    ck_assert_msg(times_in(h.plain.name, " ancestor  ") == 2 &&
                      times_in(h.plain.name, ", key the key") == 2,
                  "%s", h.plain.name);
    ck_assert_str_eq(h.own.key, "own key");
    ck_assert_int_eq(h.own.left, 100);
    ck_assert_msg(strstr(h.own.name, " own name  ") != NULL, "%s", h.own.name);
    ck_assert_str_eq(h.detached.key, "(none)");
    ck_assert_int_eq(h.detached.left, ERRAND_FOREVER);
    ck_assert_msg(times_in(h.detached.name, " ancestor  ") == 1, "%s", h.detached.name);
    ck_assert_str_eq(h.next.key, "the key");
    ck_assert_ptr_null(errand_key());
}
END_TEST

static errand_result child_with_more_time(void *arg)
{
    context *c = arg;
    ENDS(errand_submit_task(pool, &(errand_task){ .fn = look, .arg = c, .within_ms = 5000 }), 0);
    return errand_ok(NULL, NULL);
}

START_TEST(a_childs_deadline_is_capped_by_its_parents)
{
    static context c;
    ENDS(errand_submit_task(
             pool, &(errand_task){ .fn = child_with_more_time, .arg = &c, .within_ms = 50 }),
         0);
    ck_assert_int_eq(c.left, 50);
}
END_TEST

static errand_result key_of_grandchild(void *arg)
{
    intptr_t n = as_number(arg);
    if (n)
        return errand_await(errand_submit(n % 2 ? other : pool, key_of_grandchild,
                                          as_value(n - 1)));
    bool right = errand_key() && strcmp(errand_key(), "far") == 0;
    return right && errand_time_left() <= 60000 ? errand_ok(NULL, NULL) : errand_fail(EBADMSG);
}

START_TEST(context_crosses_pools_with_different_clocks)
{
    errand_task task = {
        .fn = key_of_grandchild, .arg = as_value(9), .key = "far", .within_ms = 60000
    };
    ENDS(errand_submit_task(pool, &task), 0);
}
END_TEST

/* ---- deadlines ---- */

static errand_result until_cancelled(void *arg)
{
    happen(arg);
    errand_result r = errand_await(errand_sleep(pool, ERRAND_FOREVER));
    errand_result_free(&r);
    return errand_cancelled() == ERRAND_BY_TOTAL ? errand_failf(EIO, "tidied up")
                                                 : errand_ok(NULL, NULL);
}

static void turn_both(errand_pool *one, int64_t ms)
{
    turn(&now, one, ms);
    errand_pool_tick(pool); /* the sleep of `h` is on this pool's clock */
}

START_TEST(a_deadline_ends_a_queued_task_and_cancels_a_running_one)
{
    event began = { 0 };
    unsigned freed = 0;
    errand_pool *one = errand_pool_new(&(errand_pool_opts){
        .workers = 1, .spares = ERRAND_NO_SPARES, .clock = &now.clock });
    errand_future *runs = errand_submit_task(
        one, &(errand_task){ .fn = until_cancelled, .arg = &began, .within_ms = 50 });
    await_event(&began);
    errand_task task = { .fn = hold_worker, .arg = &freed, .free = free_counts, .within_ms = 10 };
    errand_future *queued = errand_submit_task(one, &task);
    turn_both(one, 9);
    ck_assert_int_eq(errand_wait(queued, 0), ETIMEDOUT);
    turn_both(one, 1);
    ck_assert_uint_eq(freed, 1);
    errand_result r = errand_await(queued);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    errand_result_free(&r);
    turn_both(one, 40);
    r = errand_await(runs);
    ck_assert_int_eq(r.error, EIO);
    ck_assert_str_eq(errand_result_message(&r), "tidied up");
    errand_result_free(&r);
    close_pool(one);
}
END_TEST

START_TEST(a_task_past_its_deadline_is_not_run)
{
    unsigned freed = 0;
    errand_task task = {
        .fn = hold_worker, .arg = &freed, .free = free_counts, .within_ms = ERRAND_ZERO
    };
    for (unsigned i = 1; i <= 20; i++) { /* with a free worker and a stopped clock */
        ENDS(errand_submit_task(pool, &task), ETIMEDOUT);
        ck_assert_uint_eq(freed, i);
    }
    task.within_ms = 0;
    task.start_within_ms = ERRAND_ZERO;
    ENDS(errand_submit_task(pool, &task), ETIMEDOUT);
    ck_assert_uint_eq(freed, 21);
}
END_TEST

/* ---- start deadlines ---- */

START_TEST(a_start_deadline_ends_only_tasks_not_begun)
{
    hold h[2] = { { .runs = 0 } };
    unsigned freed = 0;
    errand_task task = { .fn = hold_worker, .arg = &h[0], .start_within_ms = 10 };
    errand_future *begun = errand_submit_task(pool, &task);
    await_event(&h[0].began);
    task = (errand_task){ .fn = hold_worker,
                          .arg = &freed,
                          .free = free_counts,
                          .start_within_ms = 10,
                          .within_ms = 1000 };
    errand_future *queued = errand_submit_task(pool, &task);
    turn(&now, pool, 9);
    ck_assert_int_eq(errand_wait(queued, 0), ETIMEDOUT);
    turn(&now, pool, 1);
    ck_assert_uint_eq(freed, 1);
    errand_result r = errand_await(queued);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    errand_result_free(&r);
    turn(&now, pool, 100000);
    ck_assert_int_eq(errand_wait(begun, 0), ETIMEDOUT);
    h[0].result = errand_fail(EIO);
    happen(&h[0].go);
    r = errand_await(begun);
    ck_assert_int_eq(r.error, EIO); /* it was not cancelled */
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_NONE);
    errand_result_free(&r);
}
END_TEST

START_TEST(a_task_begun_in_time_keeps_its_within_ms)
{
    event began = { 0 };
    errand_task task = {
        .fn = until_cancelled, .arg = &began, .start_within_ms = 10, .within_ms = 50
    };
    errand_future *f = errand_submit_task(pool, &task);
    await_event(&began);
    turn(&now, pool, 49);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    turn(&now, pool, 1);
    ENDS(f, EIO);
}
END_TEST

typedef struct lucky {
    unsigned runs, freed, cancels;
} lucky;
static errand_result looks_whether_cancelled(void *arg)
{
    lucky *l = arg;
    count_up(&l->runs);
    for (int i = 0; i < 100; i++) {
        if (errand_cancelled()) count_up(&l->cancels);
    }
    return errand_ok(NULL, NULL);
}
static void free_lucky(void *arg) { count_up(&((lucky *)arg)->freed); }

START_TEST(at_its_start_deadline_a_task_runs_or_times_out_but_not_both)
{
    unsigned rounds = scaled(5000);
    for (unsigned i = 0; i < rounds; i++) {
        lucky l = { 0 };
        errand_task task = {
            .fn = looks_whether_cancelled, .arg = &l, .free = free_lucky, .start_within_ms = 1
        };
        errand_future *f = errand_submit_task(pool, &task);
        turn(&now, pool, 1);
        errand_result r = errand_await(f);
        ck_assert_uint_eq(l.runs, r.error ? 0 : 1);
        ck_assert_int_eq(r.error, l.runs ? 0 : ETIMEDOUT);
        ck_assert_uint_eq(l.cancels, 0);
        ck_assert_uint_eq(l.freed, 1);
        errand_result_free(&r);
    }
}
END_TEST

START_TEST(negative_task_times_are_EINVAL)
{
    ENDS(errand_submit_task(pool, &(errand_task){ .fn = look, .within_ms = -1 }), EINVAL);
    ENDS(errand_submit_task(pool, &(errand_task){ .fn = look, .start_within_ms = -1 }), EINVAL);
}
END_TEST

/* ---- into ---- */

static void doubles(void *arg, errand_result *out)
{
    ck_assert(!out->error && !out->value && !out->free && !out->owner && !out->detail);
    out->value = as_value(2 * as_number(arg));
}
static void leaves_it(void *arg, errand_result *out) { (void)arg, (void)out; }
static void fails_into(void *arg, errand_result *out)
{
    *out = errand_failf(EIO, "%s", (const char *)arg);
}

START_TEST(a_task_may_write_its_result_to_a_pointer)
{
    ck_assert_int_eq(
        as_number(errand_await(errand_submit_task(pool, &(errand_task){ .into = doubles,
                                                                        .arg = as_value(21) }))
                      .value),
        42);
    ENDS(errand_submit_task(pool, &(errand_task){ .into = leaves_it }), 0);
    errand_result r =
        errand_await(errand_submit_task(pool, &(errand_task){ .into = fails_into, .arg = "so" }));
    ck_assert_str_eq(errand_result_message(&r), "so");
    errand_result_free(&r);
    ENDS(errand_submit_task(pool, &(errand_task){ .into = leaves_it, .fn = look }), EINVAL);
    ENDS(errand_submit_task(pool, &(errand_task){ .arg = NULL }), EINVAL);
}
END_TEST

Suite *context_suite(void)
{
    Suite *suite = suite_create("context");
    TCase *tc = case_of(suite, "context");
    tcase_add_checked_fixture(tc, open_pools, shut_pools);
    tcase_add_test(tc, a_task_inherits_log_fields);
    tcase_add_test(tc, a_task_inherits_key_name_and_deadline_unless_detached);
    tcase_add_test(tc, a_childs_deadline_is_capped_by_its_parents);
    tcase_add_test(tc, context_crosses_pools_with_different_clocks);
    tcase_add_test(tc, a_deadline_ends_a_queued_task_and_cancels_a_running_one);
    tcase_add_test(tc, a_task_past_its_deadline_is_not_run);
    tcase_add_test(tc, a_start_deadline_ends_only_tasks_not_begun);
    tcase_add_test(tc, a_task_begun_in_time_keeps_its_within_ms);
    tcase_add_test(tc, at_its_start_deadline_a_task_runs_or_times_out_but_not_both);
    tcase_add_test(tc, negative_task_times_are_EINVAL);
    tcase_add_test(tc, a_task_may_write_its_result_to_a_pointer);
    return suite;
}
