/* Sinks that are slow, fail, recover, or have their own levels. */
#include "logs.h"

#include <errand/log.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static errand_log_stats stats_of(errand_log *log)
{
    errand_log_stats stats;
    ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    return stats;
}

static void flushes(errand_log *log) { ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0); }

START_TEST(each_sink_has_its_own_level)
{
    place all = a_file(), warnings = a_file(), nothing = a_file();
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_to_file(log, all.path, ERRAND_LOG_DEFAULT), 0);
    ck_assert_int_eq(errand_log_to_file(log, warnings.path, ERRAND_LOG_WARN), 0);
    ck_assert_int_eq(errand_log_to_file(log, nothing.path, ERRAND_LOG_OFF), 0);
    errand_info(log, "one");
    errand_warn(log, "two");
    errand_error(log, "three");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *a = text_of(&all), *w = text_of(&warnings), *n = text_of(&nothing);
    ck_assert_uint_eq(count_of(a, "\n"), 3);
    ck_assert_uint_eq(count_of(w, "\n"), 2);
    ck_assert(has(w, "- two\n") && has(w, "- three\n"));
    ck_assert_str_eq(n, "");
    free(a);
    free(w);
    free(n);
}
END_TEST

START_TEST(a_sinks_level_can_change_at_run_time)
{
    place file = a_file(), other = a_file();
    errand_log *log = errand_log_new(&(errand_log_opts){ .level = ERRAND_LOG_DEBUG });
    ck_assert_int_eq(
        errand_log_add_file(log, file.path,
                            &(errand_log_sink_opts){
                                .name = "file", .pattern = "{message}", .level = ERRAND_LOG_WARN }),
        0);
    ck_assert_int_eq(
        errand_log_add_file(log, other.path, &(errand_log_sink_opts){ .pattern = "{message}" }), 0);
    errand_info(log, "one");
    flushes(log);
    ck_assert_int_eq(errand_log_set_sink_level(log, "file", ERRAND_LOG_DEBUG), 0);
    errand_debug(log, "two");
    flushes(log);
    ck_assert_int_eq(errand_log_set_sink_level(log, "file", ERRAND_LOG_OFF), 0);
    /* its path is its name */
    ck_assert_int_eq(errand_log_set_sink_level(log, other.path, ERRAND_LOG_ERROR), 0);
    errand_warn(log, "three");
    errand_error(log, "four");
    flushes(log);
    ck_assert_int_eq(errand_log_set_sink_level(log, "file", ERRAND_LOG_DEFAULT), 0);
    errand_log_set_level(log, ERRAND_LOG_WARN); /* the log's own level is checked first */
    errand_info(log, "five");
    errand_warn(log, "six");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *f = text_of(&file), *o = text_of(&other);
    ck_assert_str_eq(f, "two\nsix\n");
    ck_assert_str_eq(o, "one\ntwo\nfour\n");
    free(f);
    free(o);
}
END_TEST

START_TEST(a_line_no_sink_accepts_is_disabled)
{
    place file = a_file(), other = a_file();
    errand_log *log = errand_log_new(NULL), *child = errand_log_named(log, "a.b");
    errand_log_set_level(child, ERRAND_LOG_DEBUG);
    /* no sinks yet */
    ck_assert(errand_log_enabled(log, ERRAND_LOG_INFO) &&
              errand_log_enabled(child, ERRAND_LOG_DEBUG));
    ck_assert_int_eq(
        errand_log_add_file(log, file.path,
                            &(errand_log_sink_opts){ .name = "file", .level = ERRAND_LOG_ERROR }),
        0);
    ck_assert(!errand_log_enabled(log, ERRAND_LOG_WARN) &&
              errand_log_enabled(log, ERRAND_LOG_ERROR));
    ck_assert(!errand_log_enabled(child, ERRAND_LOG_WARN) &&
              errand_log_enabled(child, ERRAND_LOG_ERROR));
    errand_warn(child, "to no sink");
    flushes(log);
    ck_assert_uint_eq(stats_of(log).attempted, 0);
    ck_assert_int_eq(
        errand_log_add_file(log, other.path,
                            &(errand_log_sink_opts){ .name = "other", .level = ERRAND_LOG_WARN }),
        0);
    ck_assert(errand_log_enabled(log, ERRAND_LOG_WARN) &&
              !errand_log_enabled(log, ERRAND_LOG_INFO));
    ck_assert_int_eq(errand_log_set_sink_level(log, "file", ERRAND_LOG_TRACE), 0);
    ck_assert(errand_log_enabled(log, ERRAND_LOG_INFO) &&
              !errand_log_enabled(log, ERRAND_LOG_DEBUG));
    ck_assert(errand_log_enabled(child, ERRAND_LOG_DEBUG) &&
              !errand_log_enabled(child, ERRAND_LOG_TRACE));
    /* through any logger */
    ck_assert_int_eq(errand_log_set_sink_level(child, "file", ERRAND_LOG_WARN), 0);
    errand_log *late = errand_log_named(log, "a.c"), *below = errand_log_named(log, "a.b.c");
    ck_assert(!errand_log_enabled(late, ERRAND_LOG_INFO) &&
              errand_log_enabled(late, ERRAND_LOG_WARN));
    errand_log_set_level(log, ERRAND_LOG_TRACE);
    ck_assert(!errand_log_enabled(log, ERRAND_LOG_INFO) &&
              errand_log_enabled(late, ERRAND_LOG_WARN));
    ck_assert_int_eq(errand_log_set_sink_level(log, "file", ERRAND_LOG_DEFAULT), 0);
    /* inherits its parent's level, not the sinks' */
    ck_assert(errand_log_enabled(late, ERRAND_LOG_TRACE));
    ck_assert(errand_log_enabled(below, ERRAND_LOG_DEBUG) &&
              !errand_log_enabled(below, ERRAND_LOG_TRACE));
    ck_assert_int_eq(errand_log_set_sink_level(log, "file", ERRAND_LOG_OFF), 0);
    ck_assert_int_eq(errand_log_set_sink_level(log, "other", ERRAND_LOG_OFF), 0);
    ck_assert(!errand_log_enabled(log, ERRAND_LOG_ERROR));
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    close(file.fd);
    close(other.fd);
}
END_TEST

static int take_none(void *arg, const errand_log_line *line)
{
    (void)arg;
    (void)line;
    return 0;
}

START_TEST(sinks_are_found_by_name)
{
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_set_sink_level(log, "stderr", ERRAND_LOG_WARN), ENOENT);
    ck_assert_int_eq(errand_log_to_stderr(log, ERRAND_LOG_OFF), 0);
    ck_assert_int_eq(errand_log_add_syslog(log, "me", "/nowhere",
                                           &(errand_log_sink_opts){ .level = ERRAND_LOG_OFF }),
                     0);
    ck_assert_int_eq(errand_log_add_callback(log, take_none, NULL, NULL, NULL), 0);
    ck_assert_int_eq(errand_log_add_callback(log, take_none, NULL, NULL,
                                             &(errand_log_sink_opts){ .name = "twins" }),
                     0);
    ck_assert_int_eq(errand_log_add_callback(log, take_none, NULL, NULL,
                                             &(errand_log_sink_opts){ .name = "twins" }),
                     0);
    ck_assert_int_eq(errand_log_set_sink_level(log, "stderr", ERRAND_LOG_OFF), 0);
    ck_assert_int_eq(errand_log_set_sink_level(log, "syslog", ERRAND_LOG_OFF), 0);
    ck_assert_int_eq(errand_log_set_sink_level(log, "twins", ERRAND_LOG_OFF), 0);
    ck_assert_int_eq(errand_log_set_sink_level(log, "", ERRAND_LOG_OFF), ENOENT);
    ck_assert_int_eq(errand_log_set_sink_level(log, NULL, ERRAND_LOG_OFF), EINVAL);
    ck_assert_int_eq(errand_log_set_sink_level(NULL, "stderr", ERRAND_LOG_OFF), EINVAL);
    ck_assert_int_eq(errand_log_set_sink_level(log, "stderr", (errand_log_level)7), EINVAL);
    ck_assert_int_eq(errand_log_set_sink_level(log, "stderr", (errand_log_level)-1), EINVAL);
    ck_assert(errand_log_enabled(log, ERRAND_LOG_INFO)); /* for the callback without a name */
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    ck_assert_int_eq(errand_log_set_sink_level(log, "stderr", ERRAND_LOG_WARN), EBADF);
}
END_TEST

typedef struct turning {
    errand_log *log;
    unsigned lines, stop;
} turning;

static void *turn_levels(void *arg)
{
    turning *t = arg;
    for (int i = 0; !__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE); i++) {
        if (errand_log_set_sink_level(t->log, "a", i % 2 ? ERRAND_LOG_OFF : ERRAND_LOG_INFO))
            ck_abort_msg("no sink a");
        errand_log_set_level(t->log, i % 3 ? ERRAND_LOG_INFO : ERRAND_LOG_DEBUG);
    }
    return NULL;
}

START_TEST(changing_a_level_affects_no_other_sink)
{
    place a = a_file(), b = a_file();
    errand_log *log = errand_log_new(&(errand_log_opts){ .block_from = ERRAND_LOG_TRACE });
    ck_assert_int_eq(errand_log_add_file(log, a.path, &(errand_log_sink_opts){ .name = "a" }), 0);
    ck_assert_int_eq(errand_log_add_file(log, b.path, &(errand_log_sink_opts){ .name = "b" }), 0);
    turning t = { .log = log };
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, turn_levels, &t), 0);
    unsigned many = scaled(20000);
    for (unsigned i = 0; i < many; i++) errand_info(log, "line");
    __atomic_store_n(&t.stop, 1u, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&b);
    ck_assert_uint_eq(count_of(text, "\n"), many);
    free(text);
    close(a.fd);
}
END_TEST

START_TEST(a_sink_added_later_receives_later_lines)
{
    place to = a_file();
    errand_log *log = errand_log_new(NULL);
    errand_info(log, "to no sink");
    flushes(log);
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    errand_info(log, "to the file");
    flushes(log);
    ck_assert_uint_eq(stats_of(log).written, 2);
    char *text = text_of(&to);
    ck_assert_uint_eq(count_of(text, "\n"), 1);
    ck_assert(has(text, "- to the file\n"));
    free(text);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

START_TEST(stderr_is_a_sink_and_stays_open)
{
    place to = a_file();
    int kept = dup(2);
    ck_assert_int_eq(dup2(to.fd, 2), 2);
    errand_log *log = errand_log_new(NULL);
    int error = errand_log_to_stderr(log, ERRAND_LOG_DEFAULT);
    errand_info(log, "hello");
    int closed = errand_log_close(log, LONG_MS);
    bool open = fcntl(2, F_GETFD) >= 0;
    dup2(kept, 2);
    ck_assert_int_eq(error, 0);
    ck_assert_int_eq(closed, 0);
    ck_assert(open);
    char *text = text_of(&to);
    ck_assert(has(text, " - errand - INFO - [stderr_is_a_sink"));
    ck_assert(has(text, "] - hello\n"));
    free(text);
}
END_TEST

START_TEST(a_log_file_is_created_or_appended_to)
{
    char made[] = "/tmp/errand-log-XXXXXX", path[64];
    ck_assert_ptr_nonnull(mkdtemp(made));
    snprintf(path, sizeof path, "%s/log", made);
    umask(022);
    for (int i = 1; i <= 2; i++) {
        errand_log *log = errand_log_new(NULL);
        ck_assert_int_eq(errand_log_to_file(log, path, ERRAND_LOG_DEFAULT), 0);
        errand_info(log, "run %d", i);
        ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    }
    place p = { .fd = open(path, O_RDONLY) };
    struct stat about;
    fstat(p.fd, &about);
    char *text = text_of(&p);
    unlink(path);
    rmdir(made);
    ck_assert_uint_eq(about.st_mode & 0777, 0644);
    ck_assert(has(text, "- run 1\n") && has(text, "- run 2\n"));
    free(text);
}
END_TEST

START_TEST(a_failing_sink_is_counted_and_does_not_affect_others)
{
    place to = a_file();
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_to_file(log, "/dev/full", ERRAND_LOG_DEFAULT), 0);
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    ck_assert_int_eq(errand_log_to_file(log, "/dev/full", ERRAND_LOG_WARN), 0);
    for (int i = 0; i < 3000; i++) {
        if (i % 3) errand_info(log, "line %d", i);
        else errand_warn(log, "line %d", i);
    }
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), EIO);
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0); /* no new failure */
    errand_log_stats stats = stats_of(log);
    ck_assert_uint_eq(stats.written, 3000);
    ck_assert_uint_eq(stats.dropped, 0);
    ck_assert_uint_eq(stats.failed, 4000); /* 3,000 in one sink, 1,000 in the other */
    errand_info(log, "again");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), EIO);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to), *at = text, *line;
    for (int i = 0; i < 3000; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "] - line %d", i);
        ck_assert_ptr_nonnull(line = line_of(&at));
        ck_assert(has(line, expected));
    }
    ck_assert(has(line_of(&at), "again"));
    ck_assert_ptr_null(line_of(&at));
    free(text);
}
END_TEST

static void limit_files(rlim_t size) /* no assertions meanwhile: Check writes a file, too */
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = size;
    if (setrlimit(RLIMIT_FSIZE, &limit)) abort();
}

START_TEST(a_recovering_sink_reports_its_lost_lines)
{
    place to = a_file(), other = a_pipe();
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    ck_assert_int_eq(errand_log_to_file(log, other.path, ERRAND_LOG_DEFAULT), 0);
    errand_info(log, "first");
    flushes(log);
    struct stat about;
    fstat(to.fd, &about);
    limit_files((rlim_t)about.st_size + 10); /* the next line is torn after ten bytes */
    int errors[3];
    for (int i = 0; i < 3; i++) {
        errand_info(log, "lost");
        errors[i] = errand_log_flush(log, LONG_MS);
    }
    limit_files(RLIM_INFINITY);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(errors[i], EIO);
    ck_assert_uint_eq(stats_of(log).failed, 3);
    errand_info(log, "back");
    flushes(log);
    errand_info(log, "last");
    flushes(log);
    errand_log_stats stats = stats_of(log);
    ck_assert_uint_eq(stats.attempted, 6);
    ck_assert_uint_eq(stats.written, 6);
    ck_assert_uint_eq(stats.failed, 3);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);

    char *text = text_of(&to), *at = text;
    ck_assert(has(line_of(&at), "] - first"));
    char *torn = line_of(&at);
    ck_assert_uint_eq(strlen(torn), 10);
    ck_assert_str_eq(line_of(&at), "... 3 lines lost here: File too large");
    ck_assert(has(line_of(&at), "] - back"));
    ck_assert(has(line_of(&at), "] - last"));
    ck_assert_ptr_null(line_of(&at));
    free(text);
    reader *r = read_in_background(&other);
    text = read_text(r);
    ck_assert_uint_eq(count_of(text, "\n"), 6); /* the other sink has all lines */
    ck_assert(!has(text, "..."));
    free(text);
}
END_TEST

START_TEST(a_sink_reports_its_last_lost_lines_at_close)
{
    place to = a_file();
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    limit_files(0);
    errand_info(log, "lost");
    int error = errand_log_flush(log, LONG_MS);
    limit_files(RLIM_INFINITY);
    ck_assert_int_eq(error, EIO);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to);
    ck_assert_str_eq(text, "... 1 line lost here: File too large\n");
    free(text);
}
END_TEST

START_TEST(a_long_line_torn_in_the_middle_is_lost_as_a_whole)
{
    place to = a_file();
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 1 << 20 });
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    char *message = malloc(300001);
    memset(message, 'x', 300000);
    message[300000] = '\0';
    limit_files(100000); /* the second write of the line fails */
    errand_info(log, "%s", message);
    int error = errand_log_flush(log, LONG_MS);
    limit_files(RLIM_INFINITY);
    ck_assert_int_eq(error, EIO);
    ck_assert_uint_eq(stats_of(log).failed, 1);
    errand_info(log, "back");
    flushes(log);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to), *at = text;
    ck_assert_uint_eq(strlen(line_of(&at)), 100000);
    ck_assert_str_eq(line_of(&at), "... 1 line lost here: File too large");
    ck_assert(has(line_of(&at), "] - back"));
    ck_assert_ptr_null(line_of(&at));
    free(text);
    free(message);
}
END_TEST

START_TEST(a_closed_pipe_is_a_failure_and_no_signal)
{
    place to = a_pipe();
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    close(to.fd);
    errand_info(log, "into the void");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), EIO);
    ck_assert_uint_eq(stats_of(log).failed, 1);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

START_TEST(a_slow_sink_receives_all_lines_of_waiting_producers)
{
    place to = a_pipe();
    unsigned many = scaled(20000);
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 4096 });
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    reader *r = read_in_background(&to); /* the pipe holds 4 KiB, so producers wait */
    for (unsigned i = 0; i < many; i++) errand_warn(log, "line %u", i);
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    ck_assert_uint_eq(stats_of(log).dropped, 0);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = read_text(r), *at = text;
    for (unsigned i = 0; i < many; i++) {
        const char *line = line_of(&at);
        if (!line || strtoul(strstr(line, "] - line ") + 9, NULL, 10) != i)
            ck_abort_msg("not line %u: %s", i, line);
    }
    ck_assert_ptr_null(line_of(&at));
    free(text);
}
END_TEST

Suite *sinks_suite(void)
{
    Suite *suite = suite_create("sinks");
    TCase *tests = tcase_create("sinks");
    tcase_add_test(tests, each_sink_has_its_own_level);
    tcase_add_test(tests, a_sinks_level_can_change_at_run_time);
    tcase_add_test(tests, a_line_no_sink_accepts_is_disabled);
    tcase_add_test(tests, sinks_are_found_by_name);
    tcase_add_test(tests, changing_a_level_affects_no_other_sink);
    tcase_add_test(tests, a_sink_added_later_receives_later_lines);
    tcase_add_test(tests, stderr_is_a_sink_and_stays_open);
    tcase_add_test(tests, a_log_file_is_created_or_appended_to);
    tcase_add_test(tests, a_failing_sink_is_counted_and_does_not_affect_others);
    tcase_add_test(tests, a_recovering_sink_reports_its_lost_lines);
    tcase_add_test(tests, a_sink_reports_its_last_lost_lines_at_close);
    tcase_add_test(tests, a_long_line_torn_in_the_middle_is_lost_as_a_whole);
    tcase_add_test(tests, a_closed_pipe_is_a_failure_and_no_signal);
    tcase_add_test(tests, a_slow_sink_receives_all_lines_of_waiting_producers);
    suite_add_tcase(suite, tests);
    return suite;
}
