/* A pool's dump of runs, limits, groups and flights. */
#include "runs.h"

#include "async/dumped.h"
#include "fixture/memory.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

static errand_result unreachable(void *arg) { return (void)arg, errand_fail(ENETUNREACH); }

static test_clock t;
static errand_pool *pool;

static void open_turned(void) { pool = test_clock_pool(&t); }
static void shut_turned(void) { close_pool(pool); }

/* Waits until the dump lists nothing. */
#define LISTS_NOTHING() dump_empties(pool)

START_TEST(a_dump_shows_sleeping_runs)
{
    errand_policy_opts patient = {
        .attempts = 2, .initial_ms = 5000, .jitter = ERRAND_JITTER_NONE, .name = "patient"
    };
    errand_future *f =
        start_run(pool, patient, (errand_task){ .fn = unreachable, .key = "hive:1" });
    await_asleep(pool, 1);
    dump_shows(pool, "run", "patient",
               " asleep after attempt 1, again in 5000 ms, key hive:1, submitted at ");
    turn(&t, pool, 2000);
    dump_shows(pool, "run", "patient", " again in 3000 ms, key hive:1, ");
    ck_assert_msg(strstr(dump_text, "        2000 run "), "%.3000s", dump_text);
    errand_cancel(f);
    ENDS(f, ECANCELED);
    LISTS_NOTHING();
}
END_TEST

START_TEST(a_dump_shows_runs_that_wait_for_limits)
{
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1, .name = "gate" });
    errand_rate *rate =
        errand_rate_new(pool, &(errand_rate_opts){ .per_second = 0.1, .name = "slow" });
    errand_permit *held;
    ck_assert_int_eq(errand_sem_wait(sem, "k", 1, 0, &held), 0);
    ck_assert_int_eq(errand_rate_wait(rate, "k", 0), 0);
    stuck s = { .freed = 0 };
    errand_task task = sticking(&s);
    task.name = "bee";
    task.key = "k";
    errand_policy_opts limited = { .attempts = 1, .sem = sem, .rate = rate, .name = "limited" };
    errand_future *f = start_run(pool, limited, task);
    dump_shows(pool, "run", "bee", " attempt 1 waits for rate slow, key k, submitted at ");
    turn(&t, pool, 10001);
    dump_shows(pool, "run", "bee", " attempt 1 waits for semaphore gate, key k, submitted at ");
    errand_permit_release(held);
    await_event(&s.h.began);
    dump_shows(pool, "run", "bee", " attempt 1 is under way, key k, submitted at ");
    dump_shows(pool, "task", "bee", " on worker 1, key k, submitted at ");
    happen(&s.h.go);
    ENDS(f, 0);
    LISTS_NOTHING();
    errand_sem_free(sem);
    errand_rate_free(rate);
}
END_TEST

START_TEST(a_dump_shows_waiters_for_permits_and_turns)
{
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 3, .name = "gate" });
    errand_rate *rate =
        errand_rate_new(pool, &(errand_rate_opts){ .per_second = 0.1, .name = "slow" });
    errand_permit *held;
    ck_assert_int_eq(errand_sem_wait(sem, "k", 2, 0, &held), 0);
    ck_assert_int_eq(errand_rate_wait(rate, NULL, 0), 0);
    errand_future *permit = errand_sem_acquire(sem, "k", 2),
                  *turn_of = errand_rate_acquire(rate, NULL);
    dump_shows(pool, "permit", "-", " waits for 2 of semaphore gate, key k, submitted at ");
    dump_shows(pool, "turn", "-", " waits for rate slow, its turn is in 10000 ms, submitted at ");
    errand_permit_release(held);
    ck_assert_ptr_null(dump_entry(pool, "permit", "-"));
    errand_drop(permit);
    turn(&t, pool, 10001);
    ENDS(turn_of, 0);
    LISTS_NOTHING();
    errand_sem_free(sem);
    errand_rate_free(rate);
}
END_TEST

static errand_result gets_a_permit(void *sem)
{
    errand_permit *permit;
    ck_assert_int_eq(errand_sem_wait(sem, "k", 1, LONG_MS, &permit), 0);
    errand_permit_release(permit);
    return errand_ok(NULL, NULL);
}

START_TEST(a_dump_shows_what_a_timed_wait_is_for)
{
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1, .name = "gate" });
    errand_permit *held;
    ck_assert_int_eq(errand_sem_wait(sem, "k", 1, 0, &held), 0);
    errand_future *f =
        errand_submit_task(pool, &(errand_task){ .fn = gets_a_permit, .arg = sem, .name = "bee" });
    dump_shows(pool, "task", "bee",
               " on worker 1, awaits permit (waits for 1 of semaphore gate, key k), submitted at ");
    dump_shows(pool, "permit", "bee", " waits for 1 of semaphore gate, key k, submitted at ");
    errand_permit_release(held);
    ENDS(f, 0);
    LISTS_NOTHING();
    errand_sem_free(sem);
}
END_TEST

START_TEST(a_dump_shows_a_group_and_its_held_tasks)
{
    stuck s = { .freed = 0 };
    errand_group *g = errand_group_new(pool, &(errand_group_opts){ .concurrency = 1 });
    dump_shows(pool, "group", "-", " 0 of 0 members have not ended, may take more, submitted at ");
    for (int i = 0; i < 3; i++) {
        errand_task task = sticking(&s);
        ck_assert_int_eq(errand_group_submit(g, NULL, &task), 0);
    }
    await_event(&s.h.began);
    dump_shows(pool, "group", "-",
               " 3 of 3 members have not ended, 2 of them held, may take more, submitted at ");
    errand_future *f = errand_group_join(g);
    dump_shows(pool, "join", "-", " 3 of 3 members have not ended, 2 of them held, submitted at ");
    happen(&s.h.go);
    ENDS(f, 0);
    ck_assert_ptr_null(dump_entry(pool, "join", "-"));
    dump_shows(pool, "group", "-", " 0 of 3 members have not ended, submitted at ");
    ck_assert_int_eq(errand_group_close(g, LONG_MS), 0);
    LISTS_NOTHING();
}
END_TEST

START_TEST(a_dump_shows_a_flight_and_its_sharers)
{
    errand_policy *patient = policy_of((errand_policy_opts){
        .attempts = 2, .initial_ms = 5000, .jitter = ERRAND_JITTER_NONE, .name = "patient" });
    errand_singleflight *flight =
        errand_singleflight_new(pool, &(errand_singleflight_opts){ .name = "swarm" });
    errand_future *fs[2];
    for (int i = 0; i < 2; i++)
        fs[i] = errand_singleflight_run(flight, patient,
                                        &(errand_task){ .fn = unreachable, .key = "hive:1" });
    await_asleep(pool, 1);
    ck_assert_uint_eq(dump_count(pool, "flight", "swarm"), 2);
    dump_shows(pool, "flight", "swarm",
               " one of 2 that share a run, waits for run, key hive:1, submitted at ");
    dump_shows(pool, "run", "swarm", " asleep after attempt 1, again in 5000 ms, key hive:1, ");
    errand_cancel(fs[0]);
    ENDS(fs[0], ECANCELED);
    dump_shows(pool, "flight", "swarm", " one of 1 that share a run, ");
    errand_cancel(fs[1]);
    ENDS(fs[1], ECANCELED);
    LISTS_NOTHING();
    errand_singleflight_free(flight);
    errand_policy_free(patient);
}
END_TEST

/* ---- races, and lack of memory ---- */

typedef struct busy {
    pthread_t thread;
    errand_pool *pool;
    errand_sem *sem;
    errand_rate *rate;
    errand_singleflight *flight;
    errand_policy *policy;
} busy;

static errand_result fails_or_not(void *arg)
{
    return as_number(arg) % 2 ? errand_fail(ENETUNREACH) : errand_ok(NULL, NULL);
}

static void *begins_and_ends(void *arg)
{
    const busy *b = arg;
    for (unsigned i = 0; i < scaled(300); i++) {
        errand_task task = {
            .fn = fails_or_not, .arg = as_value(i), .key = i % 2 ? "a" : "b", .name = "bee"
        };
        errand_future *fs[] = { errand_run_task(b->pool, b->policy, &task),
                                errand_singleflight_run(b->flight, b->policy, &task),
                                errand_sem_acquire(b->sem, task.key, 1),
                                errand_rate_acquire(b->rate, task.key) };
        errand_group *g =
            errand_group_new(b->pool, &(errand_group_opts){ .concurrency = 1, .keep_going = 1 });
        for (int j = 0; j < 2; j++) ck_assert_int_eq(errand_group_submit(g, b->policy, &task), 0);
        errand_future *join = errand_group_join(g);
        for (int j = 0; j < 4; j++) {
            if (i % 3 == 0 || j == 3) errand_cancel(fs[j]);
            errand_drop(fs[j]); /* this releases its permit */
        }
        errand_drop(join);
        ck_assert_int_eq(errand_group_close(g, LONG_MS), 0);
    }
    return arg;
}

START_TEST(a_dump_races_with_runs_limits_groups_and_flights)
{
    enum { THREADS = 3 };
    errand_pool *own = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
    busy b = {
        .pool = own,
        .sem = errand_sem_new(own, &(errand_sem_opts){ .permits = 2, .name = "gate" }),
        .rate = errand_rate_new(own, &(errand_rate_opts){ .per_second = 1e6, .name = "slow" }),
        .flight = errand_singleflight_new(own, NULL)
    };
    b.policy = policy_of((errand_policy_opts){
        .attempts = 2, .initial_ms = 1, .sem = b.sem, .rate = b.rate, .name = "busy" });
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, begins_and_ends, &b), 0);
    for (int i = 0; i < THREADS; i++) {
        while (pthread_tryjoin_np(threads[i], NULL) == EBUSY) dump_of(own);
    }
    dump_empties(own); /* dropped runs still retry, then end */
    errand_policy_free(b.policy);
    errand_singleflight_free(b.flight);
    errand_rate_free(b.rate);
    errand_sem_free(b.sem);
    close_pool(own);
}
END_TEST

static unsigned lines_in(const char *text)
{
    unsigned n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

START_TEST(a_dump_without_memory_counts_what_it_leaves_out)
{
    enum { N = 40 };
    errand_future *fs[N];
    errand_promise *ps[N];
    for (int i = 0; i < N; i++) ps[i] = errand_promise_new(pool, &fs[i]);
    bool failed = true;
    for (unsigned n = 1; failed; n++) {
        FILE *to = fmemopen(dump_text, sizeof dump_text, "w");
        setvbuf(to, NULL, _IONBF, 0);
        memory_fails_at(n);
        int error = errand_pool_dump(pool, to);
        failed = memory_fails_at(0);
        fclose(to);
        ck_assert_msg(strstr(dump_text, ", 40 operations\n") != NULL, "%.3000s", dump_text);
        unsigned left_out = 0, lines = lines_in(dump_text);
        const char *more = strstr(dump_text, "\nand ");
        if (more)
            ck_assert_int_eq(
                sscanf(more, "\nand %u more, for which there is no memory\n", &left_out), 1);
        ck_assert_int_eq(error, more ? ENOMEM : 0);
        ck_assert_msg(lines == 2 + N - left_out + (more ? 1 : 0), "%.3000s", dump_text);
        ck_assert_msg(failed || !left_out, "%.3000s", dump_text);
    }
    for (int i = 0; i < N; i++) {
        errand_promise_abandon(ps[i]);
        errand_drop(fs[i]);
    }
}
END_TEST

Suite *dump_suite(void)
{
    Suite *suite = suite_create("dump");
    TCase *tc = case_of(suite, "dump");
    tcase_add_checked_fixture(tc, open_turned, shut_turned);
    tcase_add_test(tc, a_dump_shows_sleeping_runs);
    tcase_add_test(tc, a_dump_shows_runs_that_wait_for_limits);
    tcase_add_test(tc, a_dump_shows_waiters_for_permits_and_turns);
    tcase_add_test(tc, a_dump_shows_what_a_timed_wait_is_for);
    tcase_add_test(tc, a_dump_shows_a_group_and_its_held_tasks);
    tcase_add_test(tc, a_dump_shows_a_flight_and_its_sharers);
    tcase_add_test(tc, a_dump_races_with_runs_limits_groups_and_flights);
    tcase_add_test(tc, a_dump_without_memory_counts_what_it_leaves_out);
    return suite;
}
