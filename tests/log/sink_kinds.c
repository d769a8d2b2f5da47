/* Files that rotate and are reopened, syslog, callbacks; loggers by name. */
#include "logs.h"

#include <errand/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

START_TEST(a_file_rotates_by_size_and_keeps_n)
{
    folder f = a_folder();
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(
        errand_log_add_file(
            log, f.path,
            &(errand_log_sink_opts){ .pattern = "{message}", .rotate_bytes = 10, .keep = 2 }),
        0);
    /* six bytes: one line per file */
    for (int i = 1; i <= 8; i++) errand_info(log, "line%d", i % 10);
    errand_info(log, "%s", "longer than a file may be");
    errand_info(log, "a");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    is(&f, 0, "a\n");
    is(&f, 1, "longer than a file may be\n");
    is(&f, 2, "line8\n");
    is(&f, 3, NULL);
    remove_folder(&f);
}
END_TEST

START_TEST(a_file_of_an_earlier_period_rotates)
{
    folder f = a_folder();
    int fd = open(f.path, O_WRONLY | O_CREAT, 0644);
    ck_assert_int_eq((int)write(fd, "old\n", 4), 4);
    struct timespec times[2] = { { .tv_sec = time(NULL) - 3 * 86400 },
                                 { .tv_sec = time(NULL) - 3 * 86400 } };
    ck_assert_int_eq(futimens(fd, times), 0);
    close(fd);
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_add_file(log, f.path,
                                         &(errand_log_sink_opts){ .pattern = "{message}",
                                                                  .rotate_ms = 86400000LL * 365 }),
                     0);
    errand_info(log, "same year");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = content(&f, 1); /* unless a year has ended in between */
    if (!text) is(&f, 0, "old\nsame year\n");
    free(text);
    ck_assert_int_eq(utimensat(AT_FDCWD, f.path, times, 0), 0);
    log = errand_log_new(NULL);
    ck_assert_int_eq(
        errand_log_add_file(
            log, f.path, &(errand_log_sink_opts){ .pattern = "{message}", .rotate_ms = 86400000 }),
        0);
    errand_info(log, "new");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    is(&f, 0, "new\n");
    text = content(&f, 1);
    ck_assert_ptr_nonnull(text);
    ck_assert(has(text, "old\n"));
    free(text);
    remove_folder(&f);
}
END_TEST

START_TEST(a_sink_that_cannot_rotate_keeps_writing)
{
    folder f = a_folder();
    char blocked[80];
    snprintf(blocked, sizeof blocked, "%s.1", f.path);
    ck_assert_int_eq(mkdir(blocked, 0755), 0); /* a file cannot take its name */
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(
        errand_log_add_file(
            log, f.path,
            &(errand_log_sink_opts){ .pattern = "{message}", .rotate_bytes = 4, .keep = 1 }),
        0);
    errand_info(log, "one");
    errand_info(log, "two");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), EIO);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    is(&f, 0, "one\ntwo\n");
    rmdir(blocked);
    remove_folder(&f);
}
END_TEST

START_TEST(a_file_that_was_moved_is_reopened)
{
    folder f = a_folder();
    char moved[80];
    snprintf(moved, sizeof moved, "%s.1", f.path);
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(
        errand_log_add_file(log, f.path, &(errand_log_sink_opts){ .pattern = "{message}" }), 0);
    errand_info(log, "before");
    ck_assert_int_eq(rename(f.path, moved), -errand_log_flush(log, LONG_MS));
    errand_info(log, "between");
    ck_assert_int_eq(errand_log_reopen(log, LONG_MS), 0);
    errand_info(log, "after");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    is(&f, 1, "before\nbetween\n");
    is(&f, 0, "after\n");
    unlink(f.path);
    unlink(moved);
    rmdir(f.at);
    ck_assert_int_eq(errand_log_reopen(log, LONG_MS), ENOENT); /* the folder was removed */
    errand_info(log, "into the file without a name");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    ck_assert_int_eq(errand_log_reopen(log, LONG_MS), EBADF);
}
END_TEST

START_TEST(a_duplicate_file_is_refused)
{
    folder f = a_folder();
    char again[80];
    snprintf(again, sizeof again, "%s/./log", f.at);
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_to_file(log, f.path, ERRAND_LOG_DEFAULT), 0);
    ck_assert_int_eq(errand_log_to_file(log, again, ERRAND_LOG_WARN), EEXIST);
    ck_assert_int_eq(errand_log_to_stderr(log, ERRAND_LOG_OFF), 0);
    ck_assert_int_eq(errand_log_to_stderr(log, ERRAND_LOG_OFF), EEXIST);
    errand_warn(log, "once");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = content(&f, 0);
    ck_assert_uint_eq(count_of(text, "once"), 1);
    free(text);
    remove_folder(&f);
}
END_TEST

static int listen_at(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

START_TEST(syslog_receives_one_datagram_per_line)
{
    folder f = a_folder();
    errand_log *log = errand_log_new(&(errand_log_opts){ .name = "agent" });
    ck_assert_int_eq(errand_log_add_syslog(log, NULL, NULL, NULL), EINVAL);
    ck_assert_int_eq(errand_log_add_syslog(log, "videos", f.path, NULL), 0); /* no listener yet */
    errand_info(log, "lost");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), EIO);
    int fd = listen_at(f.path);
    errand_error(log, "hello\nyou");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    char data[1024], expected[256];
    for (int i = 0; i < 2; i++) {
        ssize_t n = recv(fd, data, sizeof data - 1, 0);
        ck_assert_int_gt(n, 0);
        data[n] = '\0';
        snprintf(expected, sizeof expected, " videos[%ld]: %s", (long)getpid(),
                 i ? "agent - ERROR - [" : "... 1 line lost here: ");
        ck_assert_msg(has(data, expected), "%s", data);
        ck_assert_int_eq(strncmp(data, i ? "<11>" : "<12>", 4), 0);
    }
    ck_assert(has(data, "] - hello\\x0ayou") && !has(data, "\n"));
    close(fd);
    unlink(f.path);
    fd = listen_at(f.path); /* a restarted syslog */
    errand_info(log, "%9000d", 1);
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    ck_assert_int_gt(recv(fd, data, sizeof data, MSG_TRUNC), 8000);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    close(fd);
    remove_folder(&f);
}
END_TEST

typedef struct logged {
    errand_log *log;
    char text[4][128];
    unsigned lines, freed, fail;
    uint64_t lost;
} logged;

static int hear(void *arg, const errand_log_line *line)
{
    logged *h = arg;
    if (line->lost) {
        h->lost += line->lost;
        return 0;
    }
    if (h->fail && h->fail--) return EPIPE;
    if (h->lines < 4) {
        snprintf(h->text[h->lines], sizeof h->text[0], "%d %s %s", (int)line->level, line->name,
                 line->text);
        ck_assert_uint_eq(line->size, strlen(line->text));
        ck_assert_int_gt(line->time_ns, 1000000000);
    }
    if (!h->lines++ && h->log) errand_info(h->log, "from within");
    return 0;
}
static void forget(void *arg) { ((logged *)arg)->freed++; }

START_TEST(a_callback_receives_each_line_and_may_log)
{
    logged h = { .fail = 2 };
    errand_log *log = h.log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_add_callback(log, NULL, &h, forget, NULL), EINVAL);
    ck_assert_int_eq(errand_log_add_callback(log, hear, &h, forget,
                                             &(errand_log_sink_opts){ .pattern = "{oh}" }),
                     EINVAL);
    ck_assert_uint_eq(h.freed, 0);
    ck_assert_int_eq(errand_log_add_callback(log, hear, &h, forget,
                                             &(errand_log_sink_opts){ .pattern = "{message}" }),
                     0);
    errand_info(log, "lost");
    errand_info(log, "lost");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), EIO);
    errand_warn(log, "one");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    ck_assert_uint_eq(h.lost, 2);
    ck_assert_uint_eq(h.lines, 2);
    ck_assert_str_eq(h.text[0], "4 errand one");
    ck_assert_str_eq(h.text[1], "3 errand from within");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    ck_assert_uint_eq(h.freed, 1);
}
END_TEST

START_TEST(loggers_inherit_by_their_names)
{
    place to = a_file();
    errand_log *log =
        errand_log_new(&(errand_log_opts){ .name = "agent", .level = ERRAND_LOG_WARN });
    ck_assert_int_eq(
        errand_log_add_file(log, to.path, &(errand_log_sink_opts){ .pattern = "{name} {message}" }),
        0);
    errand_log *lane = errand_log_named(log, "http.lane"), *http = errand_log_named(log, "http"),
               *db = errand_log_named(lane, "database");
    ck_assert_ptr_eq(errand_log_named(log, "http"), http);
    ck_assert_ptr_null(errand_log_named(log, ""));
    ck_assert_ptr_null(errand_log_named(NULL, "x"));
    errand_info(lane, "no");
    errand_warn(lane, "1");
    errand_log_set_level(http, ERRAND_LOG_DEBUG);
    errand_debug(lane, "2");
    errand_debug(errand_log_named(log, "http.lane.7"), "3");
    errand_debug(errand_log_named(log, "httpd"), "no");
    errand_info(db, "no");
    errand_log_set_level(lane, ERRAND_LOG_ERROR);
    errand_warn(lane, "no");
    errand_warn(http, "4");
    errand_log_set_level(lane, ERRAND_LOG_DEFAULT);
    errand_log_set_level(log, ERRAND_LOG_INFO);
    errand_debug(lane, "5");
    errand_info(db, "6");
    ck_assert_int_eq(errand_log_flush(lane, LONG_MS), 0);
    ck_assert_int_eq(errand_log_close(lane, LONG_MS), EINVAL);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    ck_assert_ptr_null(errand_log_named(log, "late"));
    ck_assert_int_eq(errno, EBADF);
    char *text = text_of(&to);
    ck_assert_str_eq(text,
                     "http.lane 1\nhttp.lane 2\nhttp.lane.7 3\nhttp 4\nhttp.lane 5\ndatabase 6\n");
    free(text);
}
END_TEST

Suite *sink_kinds_suite(void)
{
    Suite *suite = suite_create("sink kinds");
    TCase *tests = tcase_create("sink kinds");
    tcase_add_test(tests, a_file_rotates_by_size_and_keeps_n);
    tcase_add_test(tests, a_file_of_an_earlier_period_rotates);
    tcase_add_test(tests, a_sink_that_cannot_rotate_keeps_writing);
    tcase_add_test(tests, a_file_that_was_moved_is_reopened);
    tcase_add_test(tests, a_duplicate_file_is_refused);
    tcase_add_test(tests, syslog_receives_one_datagram_per_line);
    tcase_add_test(tests, a_callback_receives_each_line_and_may_log);
    tcase_add_test(tests, loggers_inherit_by_their_names);
    suite_add_tcase(suite, tests);
    return suite;
}
