/* Periodic tasks, on a test clock. */
#include "events.h"

#include <errno.h>
#include <pthread.h>

static test_clock now;
static errand_pool *pool;
static void open_pool(void)
{
    test_clock_start(&now);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 2, .clock = &now.clock });
}
static void shut_pool(void) { close_pool(pool); }

typedef struct beat {
    unsigned runs, inside, overlaps, fails_at, freed;
    bool held; /* it runs until `go` happens */
    event began, go;
} beat;

static errand_result beats(void *arg)
{
    beat *b = arg;
    unsigned n = count_up(&b->runs);
    if (count_up(&b->inside) != 1) count_up(&b->overlaps);
    happen(&b->began);
    if (b->held) await_event(&b->go);
    __atomic_sub_fetch(&b->inside, 1, __ATOMIC_SEQ_CST);
    return n == b->fails_at ? errand_failf(EIO, "beat %u", n) : errand_ok(&b->freed, free_counts);
}

/* After it the next timer is armed, unless the task is cancelled or shut down. */
static void rest(void) { ck_assert_int_eq(errand_pool_wait_idle(pool, LONG_MS), 0); }

/* The task's end is handled by the thread that ran it, before it counts as idle. */
static void beat_to(beat *b, unsigned n)
{
    await_count(&b->runs, n);
    rest();
    ck_assert_uint_eq(count_of(&b->runs), n);
}

static void stop(errand_future *f)
{
    errand_cancel(f);
    ENDS(f, ECANCELED);
}

START_TEST(a_periodic_task_runs_at_multiples_of_its_interval)
{
    beat b = { 0 };
    errand_future *f = errand_every(pool, 10, beats, &b);
    turn(&now, pool, 9);
    rest();
    ck_assert_uint_eq(count_of(&b.runs), 0);
    turn_ns(&now, pool, 999999);
    rest();
    ck_assert_uint_eq(count_of(&b.runs), 0); /* never early */
    turn_ns(&now, pool, 1);
    beat_to(&b, 1);
    for (unsigned i = 2; i <= 20; i++) {
        turn(&now, pool, 9);
        rest();
        ck_assert_uint_eq(count_of(&b.runs), i - 1);
        turn(&now, pool, 1);
        beat_to(&b, i);
    }
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    stop(f);
    ck_assert_uint_eq(b.freed, 20);
}
END_TEST

START_TEST(missed_beats_are_skipped)
{
    beat b = { 0 };
    errand_future *f = errand_every(pool, 10, beats, &b);
    turn(&now, pool, 57);
    beat_to(&b, 1); /* one beat, not five */
    turn(&now, pool, 2);
    rest();
    ck_assert_uint_eq(count_of(&b.runs), 1);
    turn(&now, pool, 1); /* at 60, as if no beat had been missed */
    beat_to(&b, 2);
    stop(f);
}
END_TEST

START_TEST(a_periodic_task_never_overlaps_itself)
{
    beat b = { .held = true };
    errand_future *f = errand_every(pool, 10, beats, &b);
    turn(&now, pool, 10);
    await_event(&b.began);
    for (int i = 0; i < 10; i++) turn(&now, pool, 10); /* to 110 */
    ck_assert_uint_eq(count_of(&b.runs), 1);
    happen(&b.go);
    beat_to(&b, 1); /* missed beats are not repeated */
    turn(&now, pool, 10);
    beat_to(&b, 2);
    ck_assert_uint_eq(b.overlaps, 0);
    stop(f);
}
END_TEST

START_TEST(a_periodic_task_ends_with_its_functions_failure)
{
    beat b = { .fails_at = 3 };
    errand_future *f = errand_every(pool, 10, beats, &b);
    for (unsigned i = 1; i <= 3; i++) {
        turn(&now, pool, 10);
        beat_to(&b, i);
    }
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, EIO);
    ck_assert_str_eq(errand_result_message(&r), "beat 3");
    errand_result_free(&r);
    turn(&now, pool, 100);
    rest();
    ck_assert_uint_eq(b.runs, 3);
}
END_TEST

START_TEST(a_cancel_ends_a_waiting_periodic_task_at_once)
{
    beat b = { .held = true };
    errand_future *f = errand_every(pool, 10, beats, &b);
    errand_cancel(f);
    ck_assert_int_eq(errand_wait(f, 0), 0);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    errand_result_free(&r);
    f = errand_every(pool, 10, beats, &b);
    turn(&now, pool, 10);
    await_event(&b.began);
    errand_cancel(f);
    ck_assert_int_eq(errand_wait(f, 0), ETIMEDOUT);
    happen(&b.go);
    ENDS(f, ECANCELED);
    ck_assert_uint_eq(b.freed, 1); /* of the late value */
    turn(&now, pool, 100);
    rest();
    ck_assert_uint_eq(b.runs, 1);
}
END_TEST

START_TEST(a_periodic_task_never_due_can_be_cancelled)
{
    beat b = { 0 };
    stop(errand_every(pool, ERRAND_FOREVER, beats, &b));
    stop(errand_every(pool, ERRAND_FOREVER - 1, beats, &b));
    ck_assert_uint_eq(b.runs, 0);
}
END_TEST

START_TEST(a_wrong_periodic_task_is_EINVAL)
{
    beat b = { 0 };
    ENDS(errand_every(NULL, 10, beats, &b), EINVAL);
    ENDS(errand_every(pool, 10, NULL, &b), EINVAL);
    ENDS(errand_every(pool, 0, beats, &b), EINVAL);
    ENDS(errand_every(pool, -5, beats, &b), EINVAL);
    ENDS(errand_every(pool, ERRAND_ZERO, beats, &b), EINVAL);
}
END_TEST

typedef struct late {
    errand_pool *pool;
    hold h;
    beat b;
    errand_future *f;
} late;

static errand_result every_while_closing(void *arg)
{
    late *l = arg;
    hold_worker(&l->h);
    l->f = errand_every(l->pool, 1, beats, &l->b);
    return errand_ok(NULL, NULL);
}

static void *close_forever(void *own)
{
    errand_pool_close(own, ERRAND_FOREVER);
    return NULL;
}

START_TEST(a_periodic_task_ends_when_its_pool_begins_to_close)
{
    beat b = { 0 };
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    late l = { .pool = own };
    errand_future *fs[3];
    for (int i = 0; i < 3; i++) fs[i] = errand_every(own, i ? ERRAND_FOREVER : 1, beats, &b);
    await_count(&b.runs, 2);
    errand_drop(errand_submit(own, every_while_closing, &l));
    await_event(&l.h.began);
    pthread_t thread;
    /* close waits for the running call and cancels nothing */
    ck_assert_int_eq(pthread_create(&thread, NULL, close_forever, own), 0);
    for (int i = 0; i < 3; i++) {
        errand_result r = errand_await(fs[i]);
        ck_assert_int_eq(r.error, ECANCELED);
        ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_SHUTDOWN);
        errand_result_free(&r);
    }
    happen(&l.h.go);
    pthread_join(thread, NULL);
    ENDS(l.f, ECANCELED); /* made during close */
}
END_TEST

START_TEST(a_closed_pool_refuses_periodic_tasks)
{
    beat b = { 0 };
    errand_pool *own = errand_pool_new(NULL);
    errand_future *keeps = errand_sleep(own, ERRAND_FOREVER); /* keeps the pool's memory only */
    close_pool(own);
    ENDS(errand_every(own, 1, beats, &b), EINVAL);
    ENDS(keeps, ECANCELED);
    ck_assert_uint_eq(b.runs, 0);
}
END_TEST

START_TEST(cancel_failure_and_close_of_a_periodic_task_race)
{
    unsigned rounds = scaled(200);
    for (unsigned i = 0; i < rounds; i++) {
        enum { N = 6 };
        beat b[N] = { { .runs = 0 } };
        errand_future *fs[N];
        errand_canceller *c[N];
        errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
        for (int k = 0; k < N; k++) {
            b[k].fails_at = k == 1 ? 1 : 0;
            fs[k] = errand_every(own, 1, beats, &b[k]);
            c[k] = errand_canceller_of(fs[k]);
        }
        errand_future *all = errand_all(fs, N); /* the first end ends the others, from inside it */
        if (i % 4 < 3) await_count(&b[1].runs, 1);
        if (i % 4 == 1) errand_canceller_cancel(c[0]);
        close_pool(own);
        errand_result r = errand_await(all);
        ck_assert(r.error == EIO || r.error == ECANCELED);
        errand_result_free(&r);
        for (int k = 0; k < N; k++) {
            errand_canceller_free(c[k]);
            ck_assert_uint_eq(b[k].overlaps, 0);
        }
    }
}
END_TEST

static errand_result nothing(void *unused) { return errand_ok(unused, NULL); }

START_TEST(dropped_periodic_tasks_end_with_their_pool)
{
    for (unsigned rounds = scaled(100); rounds; rounds--) {
        errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 4 });
        for (int i = 0; i < 500; i++) errand_drop(errand_every(own, 1, nothing, NULL));
        ENDS(errand_sleep(own, 3 + rounds % 3), 0);
        close_pool(own);
    }
}
END_TEST

Suite *periodic_suite(void)
{
    Suite *suite = suite_create("periodic");
    TCase *tc = case_of(suite, "periodic");
    tcase_add_checked_fixture(tc, open_pool, shut_pool);
    tcase_add_test(tc, a_periodic_task_runs_at_multiples_of_its_interval);
    tcase_add_test(tc, missed_beats_are_skipped);
    tcase_add_test(tc, a_periodic_task_never_overlaps_itself);
    tcase_add_test(tc, a_periodic_task_ends_with_its_functions_failure);
    tcase_add_test(tc, a_cancel_ends_a_waiting_periodic_task_at_once);
    tcase_add_test(tc, a_periodic_task_never_due_can_be_cancelled);
    tcase_add_test(tc, a_wrong_periodic_task_is_EINVAL);
    tcase_add_test(tc, a_periodic_task_ends_when_its_pool_begins_to_close);
    tcase_add_test(tc, a_closed_pool_refuses_periodic_tasks);
    tcase_add_test(tc, cancel_failure_and_close_of_a_periodic_task_race);
    tcase_add_test(tc, dropped_periodic_tasks_end_with_their_pool);
    return suite;
}
