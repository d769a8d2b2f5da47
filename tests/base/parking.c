/* Locks, parkers, threads, clocks and random numbers. */
#include "bases.h"

#include "base/atomic.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4 };
#define FOREVER INT64_MAX

/* ---- lock ---- */

static struct {
    er_lock lock;
    unsigned rounds, sum, inside;
} guarded;

static void add_up(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < guarded.rounds; i++) {
        er_lock_take(&guarded.lock);
        if (guarded.inside++) guarded.sum += 1000000; /* two threads inside */
        guarded.sum++;
        guarded.inside--;
        er_lock_give(&guarded.lock);
    }
}

START_TEST(a_lock_is_held_by_one_thread_at_a_time)
{
    er_thread threads[THREADS];
    guarded.rounds = scaled(200000);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(er_thread_start(&threads[i], add_up, NULL, "adder", 0), 0);
    for (int i = 0; i < THREADS; i++) er_thread_join(&threads[i]);
    ck_assert_uint_eq(guarded.sum, THREADS * guarded.rounds);
    ck_assert_uint_eq(guarded.lock.word, 0);
}
END_TEST

/* ---- parker ---- */

typedef struct pair {
    er_parker to, fro;
    unsigned rounds;
} pair;

static void answer(void *arg)
{
    pair *p = arg;
    for (unsigned i = 0; i < p->rounds; i++) {
        er_park(&p->to, 1, FOREVER);
        er_parker_clear(&p->to, 1);
        er_unpark(&p->fro, 2);
    }
}

START_TEST(no_wake_up_is_lost)
{
    pair p = { .rounds = scaled(50000) };
    er_thread thread;
    ck_assert_int_eq(er_thread_start(&thread, answer, &p, NULL, 0), 0);
    for (unsigned i = 0; i < p.rounds; i++) {
        er_unpark(&p.to, 1);
        ck_assert_uint_eq(er_park(&p.fro, 2, FOREVER), 2);
        er_parker_clear(&p.fro, 2);
    }
    er_thread_join(&thread);
}
END_TEST

START_TEST(a_bit_set_before_parking_ends_it_at_once)
{
    er_parker p = { 0 };
    er_unpark(&p, 4);
    ck_assert_uint_eq(er_park(&p, 4, FOREVER), 4);
    ck_assert_uint_eq(er_park(&p, 6, FOREVER), 4);
    er_unpark(&p, 1);
    ck_assert_uint_eq(er_park(&p, 4, FOREVER), 5); /* all bits are returned */
    er_parker_clear(&p, 4);
    ck_assert_uint_eq(er_park(&p, 4, 0), 1);
    ck_assert_uint_eq(p.word, 1);
}
END_TEST

START_TEST(parking_never_ends_before_its_deadline)
{
    er_parker p = { 0 };
    int64_t deadline = er_now_ns() + 3 * ER_MS;
    ck_assert_uint_eq(er_park(&p, 1, deadline), 0);
    ck_assert_int_ge(er_now_ns(), deadline);
    ck_assert_uint_eq(p.word, 0);
    ck_assert_uint_eq(er_park(&p, 1, 0), 0); /* long past */
    ck_assert_uint_eq(er_park(&p, 1, -5), 0);
}
END_TEST

typedef struct ticket {
    er_parker parker;
} ticket;
static ticket *posted; /* on another thread's stack */
static unsigned posts;

static void wake_tickets(void *unused)
{
    (void)unused;
    for (unsigned done = 0; done < posts;) {
        ticket *t = er_swap(&posted, NULL);
        if (!t) continue;
        er_unpark(&t->parker, 1);
        done++;
    }
}

static unsigned wait_once(void)
{
    ticket t = { { 0 } };
    er_store(&posted, &t);
    unsigned bits = er_park(&t.parker, 1, FOREVER);
    memset(&t, 0xff, sizeof t); /* reused as soon as the bit is seen */
    return bits;
}

START_TEST(a_parker_may_be_on_its_waiters_stack)
{
    er_thread thread;
    posts = scaled(20000);
    ck_assert_int_eq(er_thread_start(&thread, wake_tickets, NULL, NULL, 0), 0);
    for (unsigned i = 0; i < posts; i++) ck_assert_uint_eq(wait_once(), 1);
    er_thread_join(&thread);
}
END_TEST

/* ---- threads ---- */

static void look_around(void *arg)
{
    char name[32] = "";
    sigset_t blocked;
    pthread_getname_np(pthread_self(), name, sizeof name);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    bool good = strcmp(name, "a-name-that-is-") == 0 && sigismember(&blocked, SIGINT) &&
                sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGCHLD) &&
                !sigismember(&blocked, SIGSEGV) && !sigismember(&blocked, SIGBUS);
    er_store((unsigned *)arg, good ? 1u : 2u);
}

START_TEST(a_thread_has_a_name_and_blocks_all_signals_but_faults)
{
    unsigned seen = 0;
    er_thread thread;
    sigset_t before, after;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    ck_assert_int_eq(
        er_thread_start(&thread, look_around, &seen, "a-name-that-is-too-long", 256 * 1024), 0);
    er_thread_join(&thread);
    ck_assert_uint_eq(seen, 1);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    ck_assert_int_eq(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
    ck_assert_uint_ge(er_cores(), 1);
}
END_TEST

START_TEST(a_thread_that_cannot_be_started_is_an_error)
{
    er_thread thread;
    /* no stack is that large */
    int error = er_thread_start(&thread, look_around, NULL, NULL, (size_t)1 << 60);
    ck_assert_int_ne(error, 0);
}
END_TEST

START_TEST(a_child_process_has_a_new_generation)
{
    unsigned before = er_fork_generation();
    pid_t child = fork();
    if (!child) _exit(er_fork_generation() == before + 1 ? 0 : 1);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_uint_eq(er_fork_generation(), before);
}
END_TEST

Suite *parking_suite(void)
{
    Suite *suite = suite_create("parking");
    TCase *tc = tcase_create("parking");
    tcase_add_test(tc, a_lock_is_held_by_one_thread_at_a_time);
    tcase_add_test(tc, no_wake_up_is_lost);
    tcase_add_test(tc, a_bit_set_before_parking_ends_it_at_once);
    tcase_add_test(tc, parking_never_ends_before_its_deadline);
    tcase_add_test(tc, a_parker_may_be_on_its_waiters_stack);
    tcase_add_test(tc, a_thread_has_a_name_and_blocks_all_signals_but_faults);
    tcase_add_test(tc, a_thread_that_cannot_be_started_is_an_error);
    tcase_add_test(tc, a_child_process_has_a_new_generation);
    suite_add_tcase(suite, tc);
    return suite;
}

/* ---- clock and random numbers ---- */

START_TEST(the_clock_never_goes_back)
{
    int64_t before = er_now_ns();
    for (int i = 0; i < 100000; i++) {
        int64_t now = er_now_ns();
        ck_assert_int_ge(now, before);
        before = now;
    }
}
END_TEST

START_TEST(sums_of_times_do_not_overflow)
{
    ck_assert_int_eq(er_deadline(5, 3), 5 + 3 * ER_MS);
    ck_assert_int_eq(er_deadline(5, 0), 5);
    ck_assert_int_eq(er_deadline(5, FOREVER), FOREVER);
    ck_assert_int_eq(er_deadline(5, FOREVER - 1), FOREVER);
    ck_assert_int_eq(er_deadline(5, FOREVER / ER_MS + 1), FOREVER);
    ck_assert_int_eq(er_deadline(FOREVER - 5, 1), FOREVER);
    ck_assert_int_eq(er_ms_until(0, FOREVER), FOREVER);
    ck_assert_int_eq(er_ms_until(10, 10), 0);
    ck_assert_int_eq(er_ms_until(11, 10), 0);
    ck_assert_int_eq(er_ms_until(0, 1), 1); /* rounded up */
    ck_assert_int_eq(er_ms_until(0, ER_MS), 1);
    ck_assert_int_eq(er_ms_until(0, ER_MS + 1), 2);
    ck_assert_int_eq(er_ms_until(0, FOREVER - 1), (FOREVER - 1) / ER_MS + 1);
}
END_TEST

START_TEST(wall_clock_times_are_formatted)
{
    char text[24];
    int64_t now = er_wall_ns();
    er_wall_text(now, text);
    int y, mo, d, h, mi, s, ms, end = 0;
    ck_assert_int_eq(
        sscanf(text, "%4d-%2d-%2d %2d:%2d:%2d.%3d%n", &y, &mo, &d, &h, &mi, &s, &ms, &end), 7);
    ck_assert_int_eq(end, 23);
    ck_assert_int_eq(ms, (int)(now / ER_MS % 1000));
    ck_assert_int_ge(er_wall_seconds(), now / 1000000000);
}
END_TEST

START_TEST(random_numbers_are_seeded_and_uniform)
{
    uint64_t a = 7, b = 7;
    unsigned tenths[10] = { 0 };
    for (int i = 0; i < 10000; i++) {
        ck_assert_uint_eq(er_random_next(&a), er_random_next(&b));
        double x = er_random_fraction(&a);
        ck_assert_double_eq(x, er_random_fraction(&b));
        ck_assert(x >= 0 && x < 1);
        tenths[(int)(x * 10)]++;
    }
    /* 1000 is expected; the seed is fixed */
    for (int i = 0; i < 10; i++) ck_assert_uint_gt(tenths[i], 800);
    ck_assert_uint_ne(er_random(), er_random());
}
END_TEST

Suite *clock_suite(void)
{
    Suite *suite = suite_create("clock");
    TCase *tc = tcase_create("clock");
    tcase_add_test(tc, the_clock_never_goes_back);
    tcase_add_test(tc, sums_of_times_do_not_overflow);
    tcase_add_test(tc, wall_clock_times_are_formatted);
    tcase_add_test(tc, random_numbers_are_seeded_and_uniform);
    suite_add_tcase(suite, tc);
    return suite;
}
