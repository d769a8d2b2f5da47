/* A child process and its parent's log. */
#include "fork_inside.h"
#include "logs.h"

#include "base/sanitizers.h"

#include <errand/log.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 3 };

typedef struct talker {
    errand_log *log;
    pthread_t thread;
    unsigned id, said, may_say;
    int stop;
} talker;

static void *talk(void *arg)
{
    talker *t = arg;
    for (unsigned n = 0; !__atomic_load_n(&t->stop, __ATOMIC_RELAXED);) {
        if (n >= __atomic_load_n(&t->may_say, __ATOMIC_RELAXED)) continue;
        if (n % 2) errand_warn(t->log, "thread %u line %u", t->id, n);
        else errand_info(t->log, "thread %u line %u", t->id, n);
        __atomic_store_n(&t->said, ++n, __ATOMIC_RELAXED);
    }
    return NULL;
}

static int die_in_child(errand_log *log) /* returns 0 or the failed step; an alarm ends a hang */
{
    errand_log_stats before, after;
    alarm(LONG_MS / 1000);
    if (errand_log_stats_get(log, &before)) return 1;
    for (int i = 0; i < 100; i++) errand_warn(log, "from the child");
    errand_log_site here = { ERRAND_LOG_WARN, __LINE__, __FILE__, __func__, NULL };
    errand_log_put(log, &here, "from the child");
    if (here.plan) return 8; /* it allocated, but malloc's locks may be held */
    if (errand_log_stats_get(log, &after)) return 2;
    if (after.attempted != before.attempted + 101) return 3;
    if (after.dropped != before.dropped + 101) return 4;
    if (errand_log_flush(log, LONG_MS) != ERRAND_EFORKED) return 5;
    if (errand_log_to_stderr(log, ERRAND_LOG_INFO) != ERRAND_EFORKED) return 6;
    errand_log_set_level(log, ERRAND_LOG_OFF);
    if (errand_log_close(log, LONG_MS) != 0) return 7;
    return 0;
}

START_TEST(a_parents_log_never_blocks_the_child)
{
    place to = a_file();
    talker talkers[THREADS];
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 4096 });
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        talkers[i] = (talker){ .log = log, .id = i, .may_say = 1 };
        ck_assert_int_eq(pthread_create(&talkers[i].thread, NULL, talk, &talkers[i]), 0);
    }
    /* First all threads must run: a starting thread may hold a lock of a sanitizer's malloc. */
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        while (!__atomic_load_n(&talkers[i].said, __ATOMIC_RELAXED)) poll(NULL, 0, 1);
    }
    unsigned many = scaled(300);
    for (unsigned i = 0; i < many; i++) {
        for (unsigned k = 0; k < THREADS; k++)
            __atomic_fetch_add(&talkers[k].may_say, 100, __ATOMIC_RELAXED);
        pid_t child = fork(); /* while all threads log */
        /* no call to Check: the parent's malloc may be locked */
        if (!child) _exit(die_in_child(log));
        ck_assert_int_ge(child, 0);
        int status = 0;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(WIFEXITED(status), "child %u was ended by signal %d", i, WTERMSIG(status));
        ck_assert_msg(WEXITSTATUS(status) == 0, "child %u: step %d", i, WEXITSTATUS(status));
    }
    uint64_t said = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        __atomic_store_n(&talkers[i].stop, 1, __ATOMIC_RELAXED);
        pthread_join(talkers[i].thread, NULL);
        said += talkers[i].said;
    }
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    errand_log_stats stats;
    ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    ck_assert_uint_eq(stats.attempted, said);
    ck_assert_uint_eq(stats.attempted, stats.written + stats.dropped);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);

    char *text = text_of(&to), *at = text, *line;
    unsigned long next[THREADS] = { 0 };
    uint64_t counted = 0;
    ck_assert(!has(text, "from the child"));
    while ((line = line_of(&at))) {
        uint64_t gap = gap_of(line);
        counted += gap ? gap : 1;
        unsigned id, n;
        if (gap) continue;
        if (sscanf(strstr(line, "] - "), "] - thread %u line %u", &id, &n) != 2)
            ck_abort_msg("%s", line);
        if (id >= THREADS || n < next[id]) ck_abort_msg("out of order or duplicate: %s", line);
        next[id] = n + 1ul;
    }
    ck_assert_uint_eq(counted, said);
    free(text);
}
END_TEST

#if !ER_TSAN /* which cannot start threads after a fork */
START_TEST(a_child_can_make_its_own_log)
{
    place to = a_file(), other = a_file();
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    errand_info(log, "parent");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0); /* as above */
    pid_t child = fork();
    if (!child) {
        alarm(LONG_MS / 1000);
        errand_log *own = errand_log_new(NULL);
        int error = errand_log_to_file(own, other.path, ERRAND_LOG_DEFAULT);
        errand_info(own, "child");
        if (!error) error = errand_log_close(own, LONG_MS);
        if (!error) error = errand_log_close(log, LONG_MS);
        _exit(error ? 1 : 0);
    }
    ck_assert_int_ge(child, 0);
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *ours = text_of(&to), *theirs = text_of(&other);
    ck_assert_uint_eq(count_of(ours, "\n"), 1);
    ck_assert(has(ours, "- parent\n"));
    ck_assert_uint_eq(count_of(theirs, "\n"), 1);
    ck_assert(has(theirs, "- child\n"));
    free(ours);
    free(theirs);
}
END_TEST
#endif

static int take_and_fork(void *arg, const errand_log_line *line)
{
    (void)line;
    fork_inside_now(arg);
    return 0;
}

START_TEST(a_log_callback_that_returns_in_a_child_ends_it)
{
    place to = a_file();
    fork_inside f = { 0, 0 };
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    ck_assert_int_eq(errand_log_add_callback(log, take_and_fork, &f, NULL, NULL), 0);
    for (int i = 0; i < 3; i++) errand_info(log, "line %d", i);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    ck_ended_there(&f);
    char *text = text_of(&to);
    ck_assert_uint_eq(count_of(text, "\n"), 3); /* each line once */
    free(text);
}
END_TEST

Suite *fork_suite(void)
{
    Suite *suite = suite_create("fork");
    TCase *tests = tcase_create("fork");
    tcase_add_test(tests, a_log_callback_that_returns_in_a_child_ends_it);
    tcase_add_test(tests, a_parents_log_never_blocks_the_child);
#if !ER_TSAN
    tcase_add_test(tests, a_child_can_make_its_own_log);
#endif
    suite_add_tcase(suite, tests);
    return suite;
}
