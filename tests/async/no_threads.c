/* Threads that cannot be started: an error value, never a hang. Each test has
 * a process of its own. */
#include "events.h"

#include "async/job.h"
#include "async/service.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static errand_result nothing(void *arg) { return errand_ok(arg, NULL); }

/* From here on no thread can be started: the address-space limit leaves no room for a stack. */
static struct rlimit room;
static void no_more_threads(void)
{
    void *volatile some = malloc(1 << 16); /* memory is still available */
    free(some);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &room), 0);
    struct rlimit none = { 1, room.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
}
static void threads_again(void) { ck_assert_int_eq(setrlimit(RLIMIT_AS, &room), 0); }

static errand_pool *pool;
static void open_pool(void) { pool = errand_pool_new(&(errand_pool_opts){ .workers = 4 }); }

START_TEST(a_pool_that_cannot_start_a_thread_gives_a_failed_future)
{
    unsigned freed = 0;
    open_pool();
    no_more_threads();
    errand_future *f = errand_submit_task(
        pool, &(errand_task){ .fn = nothing, .arg = &freed, .free = free_counts });
    threads_again();
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, EAGAIN);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_RESOURCE);
    ck_assert(errand_result_transient(&r));
    ck_assert_uint_eq(freed, 1);
    errand_result_free(&r);
    ENDS(errand_submit(pool, nothing, NULL), 0); /* now it can */
    close_pool(pool);
}
END_TEST

START_TEST(tasks_run_once_one_thread_starts)
{
    open_pool();
    hold h = { 0 };
    errand_future *held = errand_submit(pool, hold_worker, &h), *fs[20];
    await_event(&h.began);
    no_more_threads();
    for (int i = 0; i < 20; i++) fs[i] = errand_submit(pool, nothing, NULL);
    threads_again();
    happen(&h.go);
    ENDS(held, 0);
    for (int i = 0; i < 20; i++) ENDS(fs[i], 0);
    close_pool(pool);
}
END_TEST

START_TEST(without_a_timer_thread_timed_operations_fail)
{
    unsigned freed = 0;
    open_pool();
    ENDS(errand_submit(pool, nothing, NULL), 0);
    errand_future *inner;
    errand_promise *p = errand_promise_new(pool, &inner);
    no_more_threads();
    errand_future *slept = errand_sleep(pool, 10), *timed = errand_timeout(inner, 10);
    errand_task task = { .fn = nothing, .arg = &freed, .free = free_counts, .within_ms = LONG_MS };
    errand_future *late = errand_submit_task(pool, &task);
    threads_again();
    ENDS(slept, EAGAIN);
    ENDS(timed, EAGAIN);
    ENDS(late, EAGAIN);
    ck_assert_uint_eq(freed, 1);
    errand_promise_abandon(p);
    ENDS(errand_sleep(pool, 1), 0);
    close_pool(pool);
}
END_TEST

static unsigned thens;
static errand_result count_then(errand_result in, void *arg)
{
    (void)arg;
    count_up(&thens);
    return in;
}

START_TEST(a_then_is_called_if_no_thread_can_be_started)
{
    errand_future *f;
    open_pool();
    errand_promise *p = errand_promise_new(pool, &f);
    f = errand_then(f, count_then, NULL);
    no_more_threads();
    errand_promise_resolve(p, errand_ok(as_value(2), NULL));
    threads_again();
    ck_assert_int_eq(as_number(errand_await(f).value), 2);
    ck_assert_uint_eq(thens, 1);
    close_pool(pool);
}
END_TEST

/* Several threads submit at once, and one of them tries to start the first worker: the others must
 * not hang. */
static unsigned ready;
static void *submit_one(void *out)
{
    count_up(&ready);
    while (count_of(&ready) < 4) sched_yield();
    errand_future *f = errand_submit(pool, nothing, NULL);
    errand_result r = errand_await(f);
    *(int *)out = r.error;
    errand_result_free(&r);
    return NULL;
}

START_TEST(submits_racing_for_the_first_thread_all_end)
{
    unsigned rounds = scaled(300);
    for (unsigned i = 0; i < rounds; i++) {
        pthread_t threads[3];
        int errors[3];
        ready = 0;
        open_pool();
        for (int k = 0; k < 3; k++)
            ck_assert_int_eq(pthread_create(&threads[k], NULL, submit_one, &errors[k]), 0);
        await_count(&ready, 3);
        no_more_threads();
        count_up(&ready);
        for (int k = 0; k < 3; k++) pthread_join(threads[k], NULL);
        threads_again();
        /* memory may run out, too */
        for (int k = 0; k < 3; k++) ck_assert(errors[k] == EAGAIN || errors[k] == ENOMEM);
        close_pool(pool);
    }
}
END_TEST

/* A service holds the only thread there is. */
typedef struct tenant {
    er_service service;
    hold h;
    unsigned gone;
} tenant;
static void live(er_service *self)
{
    tenant *t = (tenant *)(void *)self;
    happen(&t->h.began);
    await_event(&t->h.go);
}
static void stop_living(er_service *self, bool now) { (void)self, (void)now; }
static void go(er_service *self) { count_up(&((tenant *)(void *)self)->gone); }
static tenant tenant_of(void)
{
    return (tenant){ .service = {
                         .name = "tenant", .run = live, .stop = stop_living, .gone = go } };
}

START_TEST(queued_tasks_fail_once_services_hold_all_threads)
{
    tenant first = tenant_of(), second = tenant_of();
    errand_future *f;
    open_pool();
    ck_assert_int_eq(er_service_start(pool, &first.service), 0);
    await_event(&first.h.began);
    errand_promise *p = errand_promise_new(pool, &f);
    f = errand_then(f, count_then, NULL);
    no_more_threads();
    errand_future *task = errand_submit(pool, nothing, NULL);
    int error = er_service_start(pool, &second.service);
    errand_promise_resolve(p, errand_ok(as_value(2), NULL));
    threads_again();
    ENDS(task, EAGAIN);
    ck_assert_int_eq(error, EAGAIN);
    ck_assert_uint_eq(second.gone, 0);
    ck_assert_int_eq(as_number(errand_await(f).value), 2);
    ck_assert_uint_eq(thens, 1);
    happen(&first.h.go);
    close_pool(pool);
    ck_assert_uint_eq(first.gone, 1);
}
END_TEST

START_TEST(a_task_queued_behind_a_service_on_the_only_thread_fails)
{
    hold h = { 0 };
    tenant first = tenant_of(), second = tenant_of();
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_future *f = errand_submit(pool, hold_worker, &h);
    await_event(&h.began);
    no_more_threads();
    /* queued for the only thread, like the others */
    ck_assert_int_eq(er_service_start(pool, &first.service), 0);
    ck_assert_int_eq(er_service_start(pool, &second.service), 0);
    errand_future *task = errand_submit(pool, nothing, NULL);
    happen(&h.go);
    await_event(&first.h.began);
    await_count(&second.gone, 1); /* it was notified that it cannot begin */
    ck_assert(!happened(&second.h.began));
    threads_again();
    ENDS(f, 0);
    ENDS(task, EAGAIN);
    happen(&first.h.go);
    close_pool(pool);
}
END_TEST

Suite *no_threads_suite(void)
{
    Suite *suite = suite_create("no threads");
    TCase *tc = case_of(suite, "no threads");
    if (ER_ASAN || ER_TSAN) return suite; /* which map memory of their own */
    tcase_add_test(tc, a_pool_that_cannot_start_a_thread_gives_a_failed_future);
    tcase_add_test(tc, tasks_run_once_one_thread_starts);
    tcase_add_test(tc, without_a_timer_thread_timed_operations_fail);
    tcase_add_test(tc, a_then_is_called_if_no_thread_can_be_started);
    tcase_add_test(tc, submits_racing_for_the_first_thread_all_end);
    tcase_add_test(tc, queued_tasks_fail_once_services_hold_all_threads);
    tcase_add_test(tc, a_task_queued_behind_a_service_on_the_only_thread_fails);
    return suite;
}
