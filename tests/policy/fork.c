/* A child process: inherited groups return EFORKED, inherited policies work. */
#include "runs.h"

#include "async/forked.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static errand_pool *pool;

static errand_result itself(void *arg) { return errand_ok(arg, NULL); }

/* ---- groups ---- */

static errand_group *group;
static errand_future *repeated;

static int group_is_dead(void)
{
    errand_result r;
    unsigned freed = 0;
    errand_task task = { .fn = itself, .arg = &freed, .free = free_counts };
    if (errand_group_submit(group, NULL, &task) != ERRAND_EFORKED || freed != 1) return 1;
    if (errand_group_next(group, &r, NULL, ERRAND_FOREVER) != ERRAND_EFORKED) return 2;
    if (errand_group_add(group, repeated) != ERRAND_EFORKED) return 3;
    if (code_of(errand_group_join(group)) != ERRAND_EFORKED) return 4;
    if (errand_group_close(group, ERRAND_FOREVER) != ERRAND_EFORKED) return 5;
    if (errand_group_new(pool, NULL) || errno != ERRAND_EFORKED) return 6;
    return 0;
}

static errand_result keeps_busy(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) errand_drop(errand_submit(pool, itself, NULL));
    return errand_await(errand_sleep(pool, 1));
}

START_TEST(the_parents_groups_return_EFORKED_in_a_child)
{
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 3 });
    for (int round = 0; round < 20; round++) {
        repeated = errand_every(pool, 1, itself, NULL);
        group = errand_group_new(pool, &(errand_group_opts){ .concurrency = 2 });
        for (int i = 0; i < 20; i++)
            errand_group_submit(group, NULL, &(errand_task){ .fn = keeps_busy });
        in_child(group_is_dead);
        ENDS(errand_group_join(group), 0); /* the parent's group goes on */
        ck_assert_int_eq(errand_group_close(group, LONG_MS), 0);
        errand_cancel(repeated);
        ENDS(repeated, ECANCELED);
    }
    close_pool(pool);
}
END_TEST

/* ---- hooks ---- */

static void fork_before(const errand_attempt_info *view, void *arg)
{
    (void)view;
    fork_here(arg);
}

static errand_pool *before_an_attempt(void)
{
    errand_policy *policy = policy_of((errand_policy_opts){ .before_attempt = fork_before });
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    ENDS(errand_run(pool, policy, note_run, NULL), 0);
    errand_policy_free(policy);
    return pool;
}

START_TEST(a_before_attempt_hook_that_returns_in_a_child_ends_it)
{
    only_parent_runs(before_an_attempt, "p");
}
END_TEST

/* ---- loops ---- */

static unsigned stop;
static errand_policy *shared_policy;
static bool loops_well(void)
{
    errand_loop loop = { { 0 } };
    errand_result r = { 0 };
    unsigned n = 0;
    while (errand_loop_next(&loop, shared_policy, &r))
        r = n++ ? errand_ok(NULL, NULL) : errand_fail(EPIPE);
    bool well = !r.error && n == 2;
    errand_result_free(&r);
    return well;
}
static int loop_in_child(void)
{
    for (int i = 0; i < 40; i++) {
        if (!loops_well()) return 1;
    }
    return 0;
}
static void *keep_looping(void *arg)
{
    while (!count_of(&stop)) ck_assert(loops_well());
    return arg;
}

START_TEST(a_child_can_loop_with_the_parents_policy)
{
    shared_policy = errand_policy_new(
        &(errand_policy_opts){ .attempts = 2, .initial_ms = ERRAND_ZERO, .hedge_percentile = 0.9 },
        NULL);
    ck_assert_ptr_nonnull(shared_policy);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_looping, NULL), 0);
    for (unsigned rounds = scaled(300); rounds; rounds--) in_child(loop_in_child);
    count_up(&stop);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    errand_policy_free(shared_policy);
}
END_TEST

static errand_result loop_in_child_of_task(void *arg)
{
    pid_t pid = fork();
    if (!pid) {
        alarm(LONG_MS / 1000);
        _exit(loop_in_child());
    }
    int status = -1;
    waitpid(pid, &status, 0);
    (void)arg;
    return errand_ok(as_value(status), NULL);
}

START_TEST(a_child_forked_in_a_task_can_loop)
{
    shared_policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 2, .initial_ms = 1 }, NULL);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    ck_assert_int_eq(
        as_number(errand_await(errand_submit(pool, loop_in_child_of_task, NULL)).value), 0);
    close_pool(pool);
    errand_policy_free(shared_policy);
}
END_TEST

Suite *fork_suite(void)
{
    Suite *suite = suite_create("fork");
    TCase *tc = case_of(suite, "fork");
    if (ER_ASAN)
        return suite; /* its allocator's lock, if held at fork, stays locked in the child */
    tcase_add_test(tc, a_before_attempt_hook_that_returns_in_a_child_ends_it);
    tcase_add_test(tc, a_child_forked_in_a_task_can_loop);
    tcase_add_test(tc, a_child_can_loop_with_the_parents_policy);
    if (ER_TSAN) return suite; /* no threads after a fork */
    tcase_add_test(tc, the_parents_groups_return_EFORKED_in_a_child);
    return suite;
}
