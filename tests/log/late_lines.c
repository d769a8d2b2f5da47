/* Late lines: to a closed log, at a thread's end, after fork, when the process dies. */
#include "base/os.h"
#include "base/sanitizers.h"
#include "logs.h"

#include <errand/log.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static errand_log_stats stats_of(errand_log *log)
{
    errand_log_stats stats;
    ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    return stats;
}

static errand_log *log_to(place *to, const errand_log_opts *opts)
{
    errand_log *log = errand_log_new(opts);
    ck_assert_ptr_nonnull(log);
    ck_assert_int_eq(
        errand_log_add_file(log, to->path, &(errand_log_sink_opts){ .pattern = "{message}" }), 0);
    return log;
}

START_TEST(a_closed_log_counts_lines_as_dropped)
{
    place to = a_file();
    errand_log *log = log_to(&to, NULL), *named = errand_log_named(log, "named");
    errand_info(log, "one");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    errand_info(log, "late");
    errand_error(named, "late %s", "too");
    errand_log_text(log, ERRAND_LOG_WARN, "f", 1, "g", "late", 4);
    errand_log_set_level(log, ERRAND_LOG_WARN);
    errand_info(named, "below");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), EBADF);
    ck_assert_int_eq(errand_log_to_stderr(log, ERRAND_LOG_INFO), EBADF);
    ck_assert_int_eq(errand_log_on_crash(log), EBADF);
    errand_log_stats stats = stats_of(log);
    ck_assert_uint_eq(stats.attempted, 4);
    ck_assert_uint_eq(stats.written, 1);
    ck_assert_uint_eq(stats.dropped, 3);
    char *text = text_of(&to);
    ck_assert_str_eq(text, "one\n");
    free(text);
}
END_TEST

START_TEST(a_closed_logs_memory_is_reused_after_1000_logs)
{
    for (int i = 0; i < 1500; i++) {
        errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 4096 });
        errand_info(log, "line");
        errand_log_named(log, "named");
        ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    }
}
END_TEST

typedef struct straggler {
    errand_log *log;
    uint64_t said;
    int stop;
} straggler;

static void *straggle(void *arg)
{
    straggler *s = arg;
    while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
        if (s->said % 8) errand_info(s->log, "line %d of %s", 1, "a straggler");
        else errand_warn(s->log, "line %d", 2);
        __atomic_store_n(&s->said, s->said + 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

START_TEST(logging_races_with_close)
{
    enum { THREADS = 3 };
    unsigned many = scaled(100);
    for (unsigned turn = 0; turn < many; turn++) {
        place to = a_file();
        errand_log *log = log_to(&to, &(errand_log_opts){ .ring = 4096 });
        straggler all[THREADS];
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++) {
            all[i] = (straggler){ .log = log };
            ck_assert_int_eq(pthread_create(&threads[i], NULL, straggle, &all[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            while (__atomic_load_n(&all[i].said, __ATOMIC_ACQUIRE) < 50) sched_yield();
        }
        if (errand_log_close(log, LONG_MS) != 0) ck_abort_msg("close failed");
        uint64_t said = 0;
        for (int i = 0; i < THREADS; i++) {
            uint64_t seen = __atomic_load_n(&all[i].said, __ATOMIC_ACQUIRE);
            while (__atomic_load_n(&all[i].said, __ATOMIC_ACQUIRE) < seen + 50) sched_yield();
            __atomic_store_n(&all[i].stop, 1, __ATOMIC_RELEASE);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            said += all[i].said;
        }
        errand_log_stats stats = stats_of(log);
        char *text = text_of(&to), *at = text, *line;
        uint64_t written = 0;
        while ((line = line_of(&at))) written += !gap_of(line);
        if (stats.attempted != said || stats.written != written ||
            stats.attempted != stats.written + stats.dropped)
            ck_abort_msg("logged %lu, attempted %lu, written %lu (%lu there), dropped %lu",
                         (unsigned long)said, (unsigned long)stats.attempted,
                         (unsigned long)stats.written, (unsigned long)written,
                         (unsigned long)stats.dropped);
        free(text);
        close(to.fd);
    }
}
END_TEST

static void *say_once(void *log)
{
    errand_info((errand_log *)log, "from a thread");
    return NULL;
}

START_TEST(threads_that_come_and_go_lose_no_line_and_no_memory)
{
    place to = a_file();
    errand_log *log = log_to(&to, NULL);
    unsigned many = scaled(2000);
    for (unsigned i = 0; i < many; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, say_once, log)) ck_abort_msg("no thread %u", i);
        pthread_join(t, NULL);
    }
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    errand_log_stats stats = stats_of(log);
    ck_assert_uint_eq(stats.attempted, many);
    ck_assert_uint_eq(stats.written, many);
    char status[64] = "";
    unsigned long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(fgets(status, sizeof status, f));
    fclose(f);
    ck_assert_int_eq(sscanf(status, "%lu %lu", &pages, &resident), 2);
#if !ER_ASAN && !ER_TSAN
    ck_assert_uint_lt(resident, 25600); /* 100 MiB; 2,000 rings are 500 */
    ck_assert_uint_lt(pages, 262144);   /* 1 GiB */
#endif
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

/* ---- fork and death; each child is forked before this process has a second thread ---- */

static int wait_for(pid_t child)
{
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

START_TEST(reopen_revives_a_log_in_a_child)
{
    place to = a_file();
    errand_log *log = log_to(&to, NULL);
    errand_log *named = errand_log_named(log, "named");
    pid_t child = fork();
    if (!child) {
        alarm(LONG_MS / 1000);
        errand_info(log, "dead");
        if (errand_log_flush(log, LONG_MS) != ERRAND_EFORKED) _exit(1);
        if (errand_log_reopen(log, LONG_MS) != 0) _exit(2);
        errand_info(log, "child");
        errand_warn(named, "child");
        if (errand_log_flush(log, LONG_MS) != 0) _exit(3);
        errand_log_stats stats;
        if (errand_log_stats_get(log, &stats) || stats.attempted != 2 || stats.written != 2 ||
            stats.dropped)
            _exit(4);
        _exit(errand_log_close(log, LONG_MS) ? 5 : 0);
    }
    ck_assert_int_ge(child, 0);
    int status = wait_for(child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
    errand_info(log, "parent");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to);
    ck_assert_uint_eq(count_of(text, "child\n"), 2);
    ck_assert_uint_eq(count_of(text, "parent\n"), 1);
    ck_assert_uint_eq(count_of(text, "\n"), 3);
    free(text);
}
END_TEST

enum { DYING_LINES = 2000 };

static void die(void *arg)
{
    errand_log *log = arg;
    for (int i = 0; i < DYING_LINES; i++) errand_warn(log, "line %d", i);
    abort();
}

static int die_in_callback(void *arg, const errand_log_line *line)
{
    (void)arg;
    if (has(line->text, "line 9")) raise(SIGSYS); /* not handled by sanitizers */
    return 0;
}

/* 0: on the main thread; 1: on a worker; 2: on the log's own */
static void live_and_die(place *to, int where)
{
    errand_log *log = log_to(to, NULL);
    if (errand_log_on_crash(log) || errand_log_on_crash(log)) _exit(1);
    if (where == 2 && errand_log_add_callback(log, die_in_callback, NULL, NULL, NULL)) _exit(2);
    er_thread worker;
    if (where == 1 && er_thread_start(&worker, die, log, "worker", 0)) _exit(3);
    if (where == 0) die(log);
    if (where == 2) {
        for (int i = 0; i < 10; i++) errand_info(log, "line %d", i);
    }
    for (;;) pause();
}

START_TEST(the_lines_of_a_dying_process_are_written)
{
    place to = a_file();
    fflush(NULL);
    pid_t child = fork();
    if (!child) {
        alarm(LONG_MS / 1000);
        live_and_die(&to, _i);
    }
    ck_assert_int_ge(child, 0);
    int status = wait_for(child);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == (_i == 2 ? SIGSYS : SIGABRT),
                  "status %x", (unsigned)status);
    char *text = text_of(&to), *at = text, expected[32];
    for (int i = 0; i < (_i == 2 ? 10 : DYING_LINES); i++) {
        snprintf(expected, sizeof expected, "line %d", i);
        char *line = line_of(&at);
        ck_assert_str_eq(line ? line : "(nothing)", expected);
    }
    free(text);
}
END_TEST

START_TEST(a_killed_process_tears_only_its_last_line)
{
    for (unsigned turn = 0, many = scaled(20); turn < many; turn++) {
        place to = a_file();
        pid_t child = fork();
        if (!child) {
            errand_log *log = log_to(&to, &(errand_log_opts){ .block_from = ERRAND_LOG_TRACE });
            for (unsigned i = 0;; i++)
                errand_info(log, "line %u of %s ends here", i, "many that are to come");
        }
        ck_assert_int_ge(child, 0);
        char some[1];
        /* it has written this much */
        while (pread(to.fd, some, 1, (off_t)turn * 100000) != 1) poll(NULL, 0, 1);
        kill(child, SIGKILL);
        wait_for(child);
        char *text = text_of(&to), *at = text, *end;
        for (unsigned i = 0; (end = strchr(at, '\n')); i++) {
            char expected[80];
            *end = '\0';
            snprintf(expected, sizeof expected, "line %u of many that are to come ends here", i);
            if (strcmp(at, expected) != 0) ck_abort_msg("'%s' instead of '%s'", at, expected);
            at = end + 1;
        }
        free(text);
        close(to.fd);
    }
}
END_TEST

Suite *late_lines_suite(void)
{
    Suite *suite = suite_create("late lines");
    TCase *tests = tcase_create("late");
    tcase_add_test(tests, a_closed_log_counts_lines_as_dropped);
    tcase_add_test(tests, a_closed_logs_memory_is_reused_after_1000_logs);
    tcase_add_test(tests, logging_races_with_close);
    tcase_add_test(tests, threads_that_come_and_go_lose_no_line_and_no_memory);
    tcase_add_test(tests, reopen_revives_a_log_in_a_child);
    tcase_add_loop_test(tests, the_lines_of_a_dying_process_are_written, 0, 3);
    tcase_add_test(tests, a_killed_process_tears_only_its_last_line);
    suite_add_tcase(suite, tests);
    return suite;
}
