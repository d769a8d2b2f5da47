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
    tcase_add_test(tc, ten_of_a_million_tasks_exist_at_a_time);
    tcase_add_test(tc, no_member_outlives_its_group);
    return suite;
}
