/* Usual faults of concurrent operations and their clean-up. */
#include "patterns.h"

#include <errno.h>

static errand_pool *open_pool(void)
{
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 4 });
    ck_assert_ptr_nonnull(pool);
    return pool;
}

typedef struct shielded {
    errand_pool *pool;
    errand_future *inside;
    event began;
    int first, second;
} shielded;

static errand_result await_shielded(void *arg)
{
    shielded *s = arg;
    happen(&s->began);
    errand_result r = errand_await(errand_shield(s->inside));
    s->first = r.error;
    errand_result_free(&r);
    r = errand_await(errand_sleep(s->pool, ERRAND_FOREVER));
    s->second = r.error;
    return r;
}

/* Elsewhere: shielding an operation loses the cancel: the operation continues, and so does its
 * cancelled caller. */
START_TEST(a_shield_keeps_the_operation_and_the_cancel)
{
    errand_pool *pool = open_pool();
    shielded s = { .pool = pool };
    unsigned freed = 0;
    errand_promise *p = errand_promise_new(pool, &s.inside);
    errand_future *f = errand_submit(pool, await_shielded, &s);
    await_event(&s.began);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    ck_assert_int_eq(s.first, ECANCELED);
    ck_assert_int_eq(s.second, ECANCELED); /* the cancel lasts */
    ck_assert_int_eq(errand_promise_cancelled(p), ERRAND_BY_NONE);
    /* and the operation ended normally */
    errand_promise_resolve(p, errand_ok(&freed, free_counts));
    ck_assert_uint_eq(freed, 1);
    close_pool(pool);
}
END_TEST

typedef struct tidy {
    errand_pool *pool;
    event began;
    int ends; /* its error; 0: it waits until it is cancelled */
    int tidied;
} tidy;

static errand_result works_and_tidies(void *arg)
{
    tidy *t = arg;
    errand_frame frame;
    happen(&t->began);
    errand_result r = t->ends ? errand_fail(t->ends)
                              : errand_await(errand_sleep(t->pool, ERRAND_FOREVER));
    errand_enter(&frame, LONG_MS, true);
    errand_result tidied = errand_await(errand_sleep(t->pool, 1));
    t->tidied = tidied.error ? tidied.error : -1;
    errand_result_free(&tidied);
    errand_leave(&frame);
    return r;
}

/* Elsewhere: there is a clean-up hook for the timeout, but none for a cancel or a failure. */
START_TEST(clean_up_runs_after_every_end)
{
    errand_pool *pool = open_pool();
    for (int i = 0; i < 3; i++) {
        tidy t = { .pool = pool, .ends = i == 0 ? EIO : 0 };
        errand_future *f = errand_submit_task(
            pool, &(errand_task){ .fn = works_and_tidies, .arg = &t, .within_ms = i == 1 ? 5 : 0 });
        if (i == 1) {
            errand_result r = errand_await(f);
            ck_assert_int_eq(r.error, ETIMEDOUT);
            errand_result_free(&r);
            if (!happened(&t.began)) continue; /* not begun: nothing to clean up */
        } else {
            await_event(&t.began);
            if (i == 2) errand_cancel(f);
            ENDS(f, i == 0 ? EIO : ECANCELED);
        }
        ck_assert_int_eq(t.tidied, -1);
    }
    close_pool(pool);
}
END_TEST

typedef struct closing { /* what is closed, in order, and what fails */
    char seen[8];
    unsigned n;
} closing;

static errand_result close_one(closing *c, char what, int error)
{
    if (c->n < sizeof c->seen - 1) c->seen[c->n++] = what;
    return error ? errand_failf(error, "%c is stuck to its shelf", what) : errand_ok(NULL, NULL);
}
static errand_result close_a(void *c) { return close_one(c, 'a', 0); }
static errand_result close_b(void *c) { return close_one(c, 'b', EIO); }
static errand_result close_c(void *c) { return close_one(c, 'c', EBUSY); }

static void free_never(void *arg)
{
    hold *h = arg;
    happen(&h->began);
    await_event(&h->go);
    count_up(&h->runs);
}

/* Elsewhere: the first clean-up that fails skips the rest, or all run at once in no order and
 * their errors are dropped. */
START_TEST(a_clean_up_that_fails_skips_no_other)
{
    closing c = { .n = 0 };
    errand_scope *scope = errand_scope_new(&(errand_scope_opts){ .name = "app" });
    ck_assert_int_eq(errand_scope_defer(scope, "a", close_a, &c), 0);
    ck_assert_int_eq(errand_scope_defer(scope, "b", close_b, &c), 0);
    ck_assert_int_eq(errand_scope_defer(scope, "c", close_c, &c), 0);
    errand_result r = errand_scope_close(scope, errand_ok(NULL, NULL));
    ck_assert_str_eq(c.seen, "cba");
    ck_assert_str_eq(errand_result_message(&r), "app: c: c is stuck to its shelf");
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, EIO);
    errand_result_free(&r);
    errand_scope_free(scope);
}
END_TEST

/* Elsewhere: closing waits for it without limit. */
START_TEST(a_clean_up_that_never_returns_is_left_behind)
{
    hold h = { .runs = 0 };
    closing c = { .n = 0 };
    errand_scope *scope = errand_scope_new(&(errand_scope_opts){ .within_ms = 20 });
    ck_assert_int_eq(errand_scope_defer(scope, "a", close_a, &c), 0);
    ck_assert_int_eq(errand_scope_own(scope, "connection", &h, free_never), 0);
    errand_result r = errand_scope_close(scope, errand_ok(NULL, NULL));
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(errand_result_message(&r), "connection"));
    ck_assert_str_eq(c.seen, "a");
    errand_result_free(&r);
    errand_scope_free(scope);
    happen(&h.go);
    await_count(&h.runs, 1);
}
END_TEST

/* Elsewhere: the second resource takes the name of the first, which is lost. */
START_TEST(a_name_given_twice_loses_no_resource)
{
    unsigned first = 0, second = 0;
    errand_scope *scope = errand_scope_new(NULL);
    ck_assert_int_eq(errand_scope_own(scope, "main", &first, free_counts), 0);
    ck_assert_int_eq(errand_scope_own(scope, "main", &second, free_counts), EEXIST);
    ck_assert_ptr_eq(errand_scope_get(scope, "main"), &first);
    ck_assert_uint_eq(second, 1);
    errand_scope_free(scope);
    ck_assert_uint_eq(first, 1);
}
END_TEST

typedef struct crowd {
    unsigned now, most, runs, alive;
} crowd;

static errand_result one_of_the_crowd(void *arg)
{
    crowd *c = arg;
    unsigned n = count_up(&c->now), most = count_of(&c->most);
    while (n > most && !__atomic_compare_exchange_n(&c->most, &most, n, false, __ATOMIC_SEQ_CST,
                                                    __ATOMIC_SEQ_CST))
        continue;
    count_up(&c->runs);
    __atomic_sub_fetch(&c->now, 1, __ATOMIC_SEQ_CST);
    return errand_ok(NULL, NULL);
}
static void one_less(void *arg) { __atomic_sub_fetch(&((crowd *)arg)->alive, 1, __ATOMIC_SEQ_CST); }

/* Elsewhere: a million tasks are made first, a semaphore lets ten of them run,
 * and memory runs out. */
START_TEST(ten_of_a_million_tasks_exist_at_a_time)
{
    errand_pool *pool = open_pool();
    errand_group *g = errand_group_new(pool, &(errand_group_opts){ .concurrency = 10 });
    crowd c = { 0 };
    unsigned n = scaled(20000), most_alive = 0;
    errand_result r;
    for (unsigned i = 0; i < n; i++) {
        /* one ends, one begins */
        if (i >= 10) ck_assert_int_eq(errand_group_next(g, &r, NULL, LONG_MS), 0);
        unsigned alive = count_up(&c.alive);
        if (alive > most_alive) most_alive = alive;
        errand_task task = { .fn = one_of_the_crowd, .arg = &c, .free = one_less };
        ck_assert_int_eq(errand_group_submit(g, NULL, &task), 0);
    }
    for (unsigned i = 0; i < n && i < 10; i++)
        ck_assert_int_eq(errand_group_next(g, &r, NULL, LONG_MS), 0);
    ck_assert_int_eq(errand_group_next(g, &r, NULL, LONG_MS), ENODATA);
    ck_assert_int_eq(errand_group_close(g, LONG_MS), 0);
    ck_assert_uint_eq(c.runs, n);
    ck_assert_uint_le(c.most, 10);
    ck_assert_uint_le(most_alive, 10);
    close_pool(pool);
}
END_TEST

static errand_result never(void *arg)
{
    ck_abort_msg("the task was begun");
    return errand_ok(arg, NULL);
}

/* Elsewhere: the first error ends the wait, and the other operations continue unnoticed. */
START_TEST(no_member_outlives_its_group)
{
    errand_pool *pool = open_pool();
    obedient o = { .pool = pool };
    script s = { .error = { EACCES } };
    unsigned held = 0;
    errand_group *g = errand_group_new(pool, &(errand_group_opts){ .concurrency = 2 });
    errand_task task = obeying(&o);
    ck_assert_int_eq(errand_group_submit(g, NULL, &task), 0);
    await_event(&o.began);
    ck_assert_int_eq(errand_group_submit(g, NULL, &(errand_task){ .fn = follow_script, .arg = &s }),
                     0);
    /* held, or submitted after the failure: it is not begun */
    ck_assert_int_eq(errand_group_submit(
                         g, NULL, &(errand_task){ .fn = never, .arg = &held, .free = free_counts }),
                     0);
    ENDS(errand_group_join(g), EACCES);
    ck_assert_int_eq(o.reason, ERRAND_BY_SIBLING);
    ck_assert_uint_eq(o.freed, 1);
    ck_assert_uint_eq(held, 1);
    ck_assert_int_eq(errand_group_close(g, 0), 0);
    close_pool(pool);
}
END_TEST

Suite *many_suite(void)
{
    Suite *suite = suite_create("many");
    TCase *tc = case_of(suite, "many");
    tcase_add_test(tc, a_shield_keeps_the_operation_and_the_cancel);
    tcase_add_test(tc, clean_up_runs_after_every_end);
    tcase_add_test(tc, a_clean_up_that_fails_skips_no_other);
    tcase_add_test(tc, a_clean_up_that_never_returns_is_left_behind);
    tcase_add_test(tc, a_name_given_twice_loses_no_resource);
    tcase_add_test(tc, ten_of_a_million_tasks_exist_at_a_time);
    tcase_add_test(tc, no_member_outlives_its_group);
    return suite;
}
