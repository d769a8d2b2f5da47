/* A child process: inherited objects return EFORKED and never block; new ones work. */
#include "forked.h"

#include "async/pool.h"
#include "async/runq.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static errand_pool *pool;
static errand_future *running, *queued, *sleeping, *promised, *ended, *some[2];
static errand_promise *promise;
static unsigned calls, freed;

static errand_result count_then(errand_result in, void *arg)
{
    (void)arg;
    calls++;
    return in;
}
static errand_result count_run(void *arg)
{
    (void)arg;
    calls++;
    return errand_ok(as_value(1), NULL);
}

static int everything_answers(void)
{
    errand_pool_stats s;
    if (errand_wait(running, ERRAND_FOREVER) != ERRAND_EFORKED) return 1;
    if (errand_wait(running, 0) != ERRAND_EFORKED) return 2;
    errand_cancel(running);
    errand_cancel(sleeping);
    errand_cancel(promised);
    if (code_of(errand_timeout(sleeping, 10)) != ERRAND_EFORKED) return 3;
    /* called once */
    if (code_of(errand_then(queued, count_then, NULL)) != ERRAND_EFORKED || calls != 1) return 4;
    errand_drop(running);
    if (errand_pool_close(pool, ERRAND_FOREVER) != ERRAND_EFORKED) return 5;
    if (errand_pool_wait_idle(pool, ERRAND_FOREVER) != ERRAND_EFORKED) return 6;
    if (errand_pool_stats_get(pool, &s) != ERRAND_EFORKED) return 7;
    errand_pool_tick(pool);
    if (code_of(errand_submit_task(
            pool, &(errand_task){ .fn = count_run, .arg = &freed, .free = free_counts })) !=
        ERRAND_EFORKED)
        return 8;
    if (freed != 1 || calls != 1) return 9;
    if (code_of(errand_sleep(pool, 5)) != ERRAND_EFORKED) return 10;
    errand_future *f = NULL;
    if (errand_promise_new(pool, &f) || code_of(f) != ERRAND_EFORKED) return 11;
    if (errand_promise_cancelled(promise)) return 12;
    errand_promise_on_cancel(promise, free_counts, &freed);
    errand_promise_resolve(promise, errand_ok(&freed, free_counts));
    if (freed != 2) return 13;
    if (code_of(promised) != ERRAND_EFORKED) return 14;
    errand_result r = errand_await(ended); /* ended before the fork: the result is there */
    if (as_number(r.value) != 1) return 15;
    return 0;
}

/* A waiting, a queued, a sleeping, a promised and an ended future. */
static void populate(hold *h)
{
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    ended = errand_submit(pool, count_run, NULL);
    ck_assert_int_eq(errand_wait(ended, ERRAND_FOREVER), 0);
    calls = 0;
    running = errand_submit(pool, hold_worker, h);
    await_event(&h->began);
    queued = errand_submit(pool, count_run, NULL);
    sleeping = errand_sleep(pool, LONG_MS);
    promise = errand_promise_new(pool, &promised);
    for (int i = 0; i < 2; i++) some[i] = errand_submit(pool, count_run, NULL);
}

static void clear_away(hold *h)
{
    happen(&h->go);
    ENDS(running, 0);
    ENDS(queued, 0);
    errand_cancel(sleeping);
    ENDS(sleeping, ECANCELED);
    errand_promise_abandon(promise);
    ENDS(promised, ERRAND_EABANDONED);
    ENDS(ended, 0);
    for (int i = 0; i < 2; i++) ENDS(some[i], 0);
    close_pool(pool);
}

START_TEST(the_parents_objects_return_EFORKED_in_a_child)
{
    hold h = { 0 };
    populate(&h);
    in_child(everything_answers);
    clear_away(&h); /* the parent is not affected */
    ck_assert_uint_eq(calls, 3);
    ck_assert_uint_eq(freed, 0);
}
END_TEST

static int combined_with_its_own(void)
{
    errand_pool *mine = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    errand_future *fs[] = { errand_submit(mine, count_run, NULL), running, errand_sleep(mine, 1),
                            queued };
    errand_result r = errand_await(errand_settle(fs, 4));
    errand_results *all = r.value;
    if (r.error || all->n != 4) return 1;
    if (all->at[0].error || all->at[2].error) return 2;
    if (all->at[1].error != ERRAND_EFORKED || all->at[3].error != ERRAND_EFORKED) return 3;
    errand_result_free(&r);
    errand_future *more[] = { errand_sleep(mine, 1), some[0] };
    if (code_of(errand_all(more, 2)) != ERRAND_EFORKED) return 4;
    if (code_of(errand_all(&some[1], 1)) != ERRAND_EFORKED) return 5;
    return errand_pool_close(mine, LONG_MS);
}

START_TEST(the_parents_futures_never_block_the_child)
{
    hold h = { 0 };
    populate(&h);
    in_child(combined_with_its_own);
    clear_away(&h);
}
END_TEST

static int own_pool_works(void)
{
    errand_pool *mine = errand_pool_new(NULL);
    errand_future *fs[20];
    for (int i = 0; i < 20; i++)
        fs[i] = errand_then(errand_submit(mine, count_run, NULL), count_then, NULL);
    if (code_of(errand_all(fs, 20))) return 1;
    if (code_of(errand_timeout(errand_sleep(mine, LONG_MS), 1)) != ETIMEDOUT) return 2;
    return errand_pool_close(mine, LONG_MS);
}

static unsigned stop;
static void *keep_busy(void *arg)
{
    while (!count_of(&stop)) {
        errand_future *f =
            errand_timeout(errand_then(errand_submit(arg, count_run, NULL), count_then, NULL), 1);
        errand_cancel(f);
        errand_result r = errand_await(f);
        errand_result_free(&r);
    }
    return NULL;
}

START_TEST(a_child_of_a_busy_pool_can_make_its_own_pools)
{
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    pthread_t thread;
    ENDS(errand_sleep(pool, 1), 0); /* all threads run now: a starting one holds locks of malloc */
    ck_assert_int_eq(pthread_create(&thread, NULL, keep_busy, pool), 0);
    unsigned n = scaled(200);
    for (unsigned i = 0; i < n; i++) in_child(own_pool_works);
    count_up(&stop);
    pthread_join(thread, NULL);
    close_pool(pool);
}
END_TEST

static int exit_by_exit(void) { exit(0); } /* destructors and exit handlers run */

START_TEST(a_child_with_a_live_pool_exits_cleanly)
{
    hold h = { 0 };
    populate(&h);
    in_child(exit_by_exit);
    clear_away(&h);
}
END_TEST

static errand_result fork_inside(void *arg)
{
    pid_t child = fork();
    if (!child) {
        alarm(LONG_MS / 1000);
        int step = own_pool_works();
        if (!step && errand_pool_close(pool, 0) != ERRAND_EFORKED) step = 10;
        _exit(step);
    }
    int status = -1;
    waitpid(child, &status, 0);
    (void)arg;
    return errand_ok(as_value(status), NULL);
}

START_TEST(a_child_forked_in_a_task_can_make_a_pool)
{
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    ck_assert_int_eq(as_number(errand_await(errand_submit(pool, fork_inside, NULL)).value), 0);
    close_pool(pool);
}
END_TEST

static errand_future *failed;
static unsigned made_in_child;
static errand_result go_on_later(errand_result in, void *arg)
{
    errand_result_free(&in);
    count_up(arg);
    errand_future *f;
    errand_promise_abandon(errand_promise_new(pool, &f));
    return errand_later(f);
}

static int drop_what_failed(void)
{
    if (code_of(errand_then(ended, go_on_later, &made_in_child)) != ERRAND_EFORKED ||
        made_in_child != 1)
        return 1;
    errand_drop(failed);
    return 0;
}

static errand_result fail_as(void *arg) { return errand_fail((int)as_number(arg)); }

START_TEST(a_child_takes_no_lock_held_in_the_parent)
{
    errand_log *log = errand_log_new(NULL);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .log = log });
    failed = errand_submit(pool, fail_as, as_value(EIO));
    ended = errand_submit(pool, count_run, NULL);
    ck_assert_int_eq(errand_wait(failed, ERRAND_FOREVER), 0);
    ck_assert_int_eq(errand_wait(ended, ERRAND_FOREVER), 0);
    er_pool_lock(pool);
    in_child(drop_what_failed);
    er_pool_unlock(pool);
    ENDS(failed, EIO);
    ENDS(ended, 0);
    close_pool(pool);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

static event all_queued;
static errand_result fork_and_return(void *arg)
{
    await_event(&all_queued);
    fork_here(NULL);
    return errand_ok(arg, NULL);
}

static errand_result await_one_that_forks(void *arg)
{
    return errand_await(errand_submit(pool, fork_and_return, arg));
}

static errand_pool *run_before_others(errand_fn *fn)
{
    errand_future *fs[3];
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    fs[0] = errand_then(errand_submit(pool, fn, NULL), note_then, NULL);
    for (int i = 1; i < 3; i++) fs[i] = errand_submit(pool, note_run, NULL);
    happen(&all_queued);
    for (int i = 0; i < 3; i++) ENDS(fs[i], 0);
    return pool;
}
static errand_pool *as_a_task(void) { return run_before_others(fork_and_return); }
static errand_pool *in_place(void) { return run_before_others(await_one_that_forks); }

START_TEST(a_task_that_returns_in_a_child_ends_it) { only_parent_runs(as_a_task, "ppp"); }
END_TEST

START_TEST(a_task_run_in_place_that_returns_in_a_child_ends_it)
{
    only_parent_runs(in_place, "ppp");
}
END_TEST

static errand_pool *as_a_thread_starts(void)
{
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .on_start = fork_here });
    ENDS(errand_submit(pool, note_run, NULL), 0);
    return pool;
}

static errand_pool *as_a_thread_stops(void)
{
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .on_stop = fork_here });
    ENDS(errand_submit(pool, note_run, NULL), 0);
    return pool;
}

static errand_result cancel_and_note(void *f)
{
    errand_cancel(f);
    return note_run(NULL);
}

static errand_pool *at_a_cancel(void)
{
    errand_future *f;
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    errand_promise *p = errand_promise_new(pool, &f);
    errand_promise_on_cancel(p, fork_here, NULL);
    ENDS(errand_submit(pool, cancel_and_note, f), 0);
    errand_promise_resolve(p, errand_ok(NULL, NULL));
    ENDS(f, 0);
    return pool;
}

static errand_pool *(*const forks_in_hooks[])(void) = { as_a_thread_starts, as_a_thread_stops,
                                                        at_a_cancel };

START_TEST(a_hook_that_returns_in_a_child_ends_it) { only_parent_runs(forks_in_hooks[_i], "p"); }
END_TEST

static errand_result blocked_in_a_child(void *arg)
{
    pid_t pid = fork();
    if (!pid) {
        sigset_t now;
        sigprocmask(SIG_SETMASK, NULL, &now);
        _exit(sigismember(&now, SIGTERM) + 2 * sigismember(&now, SIGUSR1));
    }
    int status = -1;
    waitpid(pid, &status, 0);
    (void)arg;
    return errand_ok(as_value(WEXITSTATUS(status)), NULL);
}

START_TEST(a_child_of_a_task_has_the_programs_signal_mask)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &one, NULL); /* by the program itself */
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    ck_assert_int_eq(as_number(errand_await(errand_submit(pool, blocked_in_a_child, NULL)).value),
                     2);
    close_pool(pool);
}
END_TEST

/* ---- forking under load ---- */

static errand_future *waiting, *repeated;
static errand_canceller *canceller;

static errand_result itself(void *arg) { return errand_ok(arg, NULL); }
static void watched(errand_watcher *w) { (void)w; }

static int all_is_dead(void)
{
    errand_watcher w = { .fn = watched };
    errand_pool_stats s;
    errand_task task = { .fn = itself, .arg = &freed, .free = free_counts };
    if (code_of(errand_submit_task(pool, &task)) != ERRAND_EFORKED || freed != 1) return 1;
    if (code_of(errand_sleep(pool, 0)) != ERRAND_EFORKED) return 2;
    if (errand_wait(waiting, ERRAND_FOREVER) != ERRAND_EFORKED) return 3;
    errand_cancel(waiting);
    errand_canceller_cancel(canceller);
    errand_canceller_free(canceller);
    if (code_of(errand_timeout(errand_sleep(pool, 1), 1)) != ERRAND_EFORKED) return 4;
    if (code_of(errand_every(pool, 1, itself, NULL)) != ERRAND_EFORKED) return 5;
    if (errand_watch(waiting, &w) != ERRAND_EFORKED ||
        errand_unwatch(waiting, &w) != ERRAND_EFORKED)
        return 6;
    if (errand_pool_dump(pool, stderr) != ERRAND_EFORKED) return 7;
    if (errand_pool_stats_get(pool, &s) != ERRAND_EFORKED) return 8;
    if (errand_pool_wait_idle(pool, ERRAND_FOREVER) != ERRAND_EFORKED) return 9;
    if (errand_pool_close(pool, ERRAND_FOREVER) != ERRAND_EFORKED) return 10;
    errand_pool_tick(pool);
    if (code_of(ended) != 0) return 11; /* ended before the fork */
    errand_future *both[] = { errand_sleep(pool, 1), waiting };
    if (code_of(errand_then(errand_all(both, 2), count_then, NULL)) != ERRAND_EFORKED || calls != 1)
        return 12;

    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    if (code_of(errand_submit(own, itself, NULL))) return 13;
    return errand_pool_close(own, LONG_MS);
}

static errand_result keeps_busy(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) errand_drop(errand_submit(pool, itself, NULL));
    return errand_await(errand_sleep(pool, 1));
}

START_TEST(a_child_can_use_only_its_own_pool)
{
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 3 });
    for (int round = 0; round < 20; round++) {
        errand_future *busy[20];
        waiting = errand_sleep(pool, ERRAND_FOREVER);
        canceller = errand_canceller_of(waiting);
        ended = errand_sleep(pool, 0);
        repeated = errand_every(pool, 1, itself, NULL);
        for (int i = 0; i < 20; i++) busy[i] = errand_submit(pool, keeps_busy, NULL);
        in_child(all_is_dead);
        ENDS(errand_all(busy, 20), 0); /* the parent's pool goes on */
        errand_cancel(repeated);
        ENDS(repeated, ECANCELED);
        errand_canceller_cancel(canceller);
        errand_canceller_free(canceller);
        ENDS(waiting, ECANCELED);
        ENDS(ended, 0);
    }
    close_pool(pool);
}
END_TEST

Suite *fork_suite(void)
{
    Suite *suite = suite_create("fork");
    TCase *tc = case_of(suite, "fork");
    if (ER_ASAN)
        return suite; /* its allocator's lock, if held at fork, stays locked in the child */
    tcase_add_test(tc, the_parents_objects_return_EFORKED_in_a_child);
    tcase_add_test(tc, a_child_with_a_live_pool_exits_cleanly);
    tcase_add_test(tc, a_child_takes_no_lock_held_in_the_parent);
    tcase_add_test(tc, a_task_that_returns_in_a_child_ends_it);
    tcase_add_test(tc, a_task_run_in_place_that_returns_in_a_child_ends_it);
    tcase_add_loop_test(tc, a_hook_that_returns_in_a_child_ends_it, 0, 3);
    tcase_add_test(tc, a_child_of_a_task_has_the_programs_signal_mask);
    if (ER_TSAN) return suite; /* no threads after a fork */
    tcase_add_test(tc, the_parents_futures_never_block_the_child);
    tcase_add_test(tc, a_child_of_a_busy_pool_can_make_its_own_pools);
    tcase_add_test(tc, a_child_forked_in_a_task_can_make_a_pool);
    tcase_add_test(tc, a_child_can_use_only_its_own_pool);
    return suite;
}
