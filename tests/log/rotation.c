/* Files that rotate while other programs rename, remove or truncate them, while steps fail, and
 * while clocks are wrong. */
#include "log/rotate.h"
#include "logs.h"

#include <errand/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static errand_log *log_that_rotates(const folder *f, uint64_t bytes, unsigned keep)
{
    errand_log *log = errand_log_new(NULL);
    ck_assert_ptr_nonnull(log);
    ck_assert_int_eq(
        errand_log_add_file(
            log, f->path,
            &(errand_log_sink_opts){ .pattern = "{message}", .rotate_bytes = bytes, .keep = keep }),
        0);
    return log;
}

static void said(errand_log *log, const char *text)
{
    errand_info(log, "%s", text);
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
}

static const char *numbered(const folder *f, int number)
{
    static char path[80];
    snprintf(path, sizeof path, number ? "%s.%d" : "%s", f->path, number);
    return path;
}

START_TEST(a_removed_file_is_recreated_and_rotated_files_stay)
{
    folder f = a_folder();
    errand_log *log = log_that_rotates(&f, 10, 3);
    said(log, "line1");
    said(log, "line2");
    said(log, "line3");
    unlink(f.path);
    /* more than one line, so more than one check */
    for (int i = 4; i < 8; i++) said(log, i % 2 ? "b" : "a");
    is(&f, 0, "a\nb\na\nb\n");
    is(&f, 1, "line2\n");
    is(&f, 2, "line1\n");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    remove_folder(&f);
}
END_TEST

START_TEST(a_path_that_names_another_file_is_reopened)
{
    folder f = a_folder();
    errand_log *log = log_that_rotates(&f, 12, 3);
    said(log, "line1");
    ck_assert_int_eq(rename(f.path, numbered(&f, 9)), 0);
    int fd = open(f.path, O_WRONLY | O_CREAT, 0644);
    ck_assert_int_eq((int)write(fd, "other\n", 6), 6);
    close(fd);
    said(log, "line2");
    is(&f, 0, "other\nline2\n");
    said(log, "line3"); /* with the size of the other file */
    is(&f, 0, "line3\n");
    is(&f, 1, "other\nline2\n");
    is(&f, 9, "line1\n");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    remove_folder(&f);
}
END_TEST

START_TEST(a_truncated_file_counts_its_size_again)
{
    folder f = a_folder();
    errand_log *log = log_that_rotates(&f, 12, 3);
    said(log, "line1");
    said(log, "line2");
    ck_assert_int_eq(truncate(f.path, 0), 0);
    said(log, "line3");
    said(log, "line4");
    is(&f, 0, "line3\nline4\n");
    is(&f, 1, NULL);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    remove_folder(&f);
}
END_TEST

START_TEST(lines_lost_without_a_folder_are_counted)
{
    folder f = a_folder();
    errand_log *log = log_that_rotates(&f, 1000, 3);
    said(log, "before");
    unlink(f.path);
    rmdir(f.at);
    for (int i = 0; i < 2; i++) {
        errand_info(log, "nowhere");
        ck_assert_int_eq(errand_log_flush(log, LONG_MS), EIO);
    }
    errand_log_stats stats;
    ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    ck_assert_uint_eq(stats.failed, 2);
    ck_assert_int_eq(mkdir(f.at, 0755), 0);
    said(log, "after");
    is(&f, 0, "... 2 lines lost here: No such file or directory\nafter\n");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    remove_folder(&f);
}
END_TEST

START_TEST(a_pipe_in_place_of_the_file_does_not_block)
{
    folder f = a_folder();
    errand_log *log = log_that_rotates(&f, 1000, 3);
    said(log, "before");
    ck_assert_int_eq(rename(f.path, numbered(&f, 1)), 0);
    ck_assert_int_eq(mkfifo(f.path, 0644), 0);
    errand_info(log, "between");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), EIO);
    said(log, "between"); /* not retried with every line */
    is(&f, 1, "before\nbetween\nbetween\n");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    remove_folder(&f);
}
END_TEST

START_TEST(a_failed_rotation_moves_no_file_and_is_not_retried_per_line)
{
    folder f = a_folder();
    errand_log *log = log_that_rotates(&f, 4, 3);
    said(log, "one");
    said(log, "two");
    ck_assert_int_eq(mkdir(numbered(&f, 2), 0755), 0); /* no file can take its name */
    errand_info(log, "three");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), EIO);
    for (int i = 0; i < 5; i++) errand_info(log, "more");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    is(&f, 1, "one\n");
    is(&f, 0, "two\nthree\nmore\nmore\nmore\nmore\nmore\n");
    rmdir(numbered(&f, 2));
    ck_assert_int_eq(errand_log_reopen(log, LONG_MS), 0);
    said(log, "four");
    is(&f, 2, "one\n");
    is(&f, 0, "four\n");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    remove_folder(&f);
}
END_TEST

START_TEST(without_a_descriptor_lines_go_to_the_latest_rotated_file)
{
    folder f = a_folder();
    errand_log *log = log_that_rotates(&f, 4, 3);
    const char *before[] = { "one", "two", "six", "ten" };
    for (int i = 0; i < 4; i++) said(log, before[i]);
    struct rlimit limit, none;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    errand_info(log, "eleven");
    int failed = errand_log_flush(log, LONG_MS);
    errand_info(log, "twelve");
    int again = errand_log_flush(log, LONG_MS);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(failed, EIO);
    ck_assert_int_eq(again, 0);
    is(&f, 0, NULL);
    is(&f, 1, "ten\neleven\ntwelve\n");
    is(&f, 2, "six\n");
    is(&f, 3, "two\n");
    ck_assert_int_eq(errand_log_reopen(log, LONG_MS), 0);
    said(log, "end");
    is(&f, 0, "end\n");
    is(&f, 1, "ten\neleven\ntwelve\n");
    is(&f, 4, NULL);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    remove_folder(&f);
}
END_TEST

START_TEST(keeping_all_files_is_cheap)
{
    folder f = a_folder();
    errand_log *log = log_that_rotates(&f, 4, UINT32_MAX);
    const char *lines[] = { "one", "two", "six" };
    for (int i = 0; i < 3; i++) said(log, lines[i]);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    is(&f, 0, "six\n");
    is(&f, 1, "two\n");
    is(&f, 2, "one\n");
    remove_folder(&f);
}
END_TEST

START_TEST(a_new_file_has_the_mode_of_the_one_before)
{
    folder f = a_folder();
    errand_log *log = log_that_rotates(&f, 4, 3);
    struct stat about;
    ck_assert_int_eq(chmod(f.path, 0600), 0);
    said(log, "one");
    said(log, "two");
    ck_assert_int_eq(stat(f.path, &about), 0);
    ck_assert_int_eq(about.st_mode & 07777, 0600);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    remove_folder(&f);
}
END_TEST

START_TEST(a_relative_path_is_resolved_once)
{
    folder f = a_folder(), other = a_folder();
    int here = open(".", O_RDONLY | O_DIRECTORY);
    ck_assert_int_eq(chdir(f.at), 0);
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(
        errand_log_add_file(log, "log",
                            &(errand_log_sink_opts){ .pattern = "{message}", .rotate_bytes = 4 }),
        0);
    ck_assert_int_eq(chdir(other.at), 0);
    said(log, "one");
    said(log, "two");
    ck_assert_int_eq(errand_log_reopen(log, LONG_MS), 0);
    said(log, "six");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    ck_assert_int_eq(fchdir(here), 0);
    close(here);
    is(&other, 0, NULL);
    is(&f, 0, "six\n");
    is(&f, 1, "two\n");
    is(&f, 2, "one\n");
    remove_folder(&other);
    remove_folder(&f);
}
END_TEST

START_TEST(rotation_follows_a_symbolic_link)
{
    folder f = a_folder(), other = a_folder();
    struct stat about;
    ck_assert_int_eq(symlink(other.path, f.path), 0);
    errand_log *log = log_that_rotates(&f, 4, 3);
    said(log, "one");
    said(log, "two");
    ck_assert_int_eq(lstat(f.path, &about), 0);
    ck_assert(S_ISLNK(about.st_mode));
    is(&other, 0, "two\n");
    is(&other, 1, "one\n");
    is(&f, 1, NULL);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    remove_folder(&other);
    remove_folder(&f);
}
END_TEST

START_TEST(two_logs_of_one_path_rotate_it_once)
{
    folder f = a_folder();
    errand_log *quiet = log_that_rotates(&f, 100, 19), *chatty = log_that_rotates(&f, 100, 19);
    unsigned lines = 0;
    for (int i = 0; i < 10; i++) {
        /* 10 bytes each: a file */
        for (int k = 0; k < 10; k++, lines++) errand_info(chatty, "line %04u", lines);
        ck_assert_int_eq(errand_log_flush(chatty, LONG_MS), 0);
        errand_info(quiet, "line %04u", lines++);
        ck_assert_int_eq(errand_log_flush(quiet, LONG_MS), 0);
    }
    ck_assert_int_eq(errand_log_close(quiet, LONG_MS), 0);
    ck_assert_int_eq(errand_log_close(chatty, LONG_MS), 0);
    unsigned next = 0;
    for (int i = 19; i >= 0; i--) { /* the oldest first: all lines in order, in full files */
        char *text = content(&f, i), *at = text, *line;
        ck_assert(!text || i == 0 || strlen(text) == 100);
        while (text && (line = line_of(&at)))
            ck_assert_uint_eq((unsigned)strtoul(line + 5, NULL, 10), next++);
        free(text);
    }
    ck_assert_uint_eq(next, lines);
    remove_folder(&f);
}
END_TEST

START_TEST(a_file_never_takes_a_standard_descriptor)
{
    folder f = a_folder();
    pid_t child = fork();
    if (!child) {
        close(0);
        close(1);
        close(2);
        errand_log *log = log_that_rotates(&f, 4, 3);
        errand_info(log, "one");
        errand_info(log, "two");
        errand_log_flush(log, LONG_MS);
        bool open = false;
        for (int fd = 0; fd < 3; fd++) open |= fcntl(fd, F_GETFD) >= 0;
        _exit(open);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    is(&f, 1, "one\n");
    remove_folder(&f);
}
END_TEST

/* ---- by time: lines with any time ---- */

enum { DAY = 86400 };

static void open_sink(er_sink *sink, const folder *f, int64_t period_ms, time_t changed)
{
    int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    ck_assert_int_eq((int)write(fd, "old\n", 4), 4);
    ck_assert_int_eq(
        futimens(fd, (struct timespec[2]){ { .tv_sec = changed }, { .tv_sec = changed } }), 0);
    close(fd);
    const errand_log_sink_opts opts = { .rotate_ms = period_ms, .keep = 9 };
    ck_assert_int_eq(er_sink_open_file(sink, f->path, &opts), 0);
}

static unsigned files_after(er_sink *sink, const folder *f, time_t when)
{
    char text[] = "line\n";
    const er_line line = { .level = ERRAND_LOG_INFO,
                           .name = "n",
                           .file = "f",
                           .function = "g",
                           .wall_ns = (int64_t)when * 1000000000 };
    er_sink_line(sink, &line, text, sizeof text - 1);
    er_sink_write(sink);
    unsigned n = 0;
    for (int i = 0; i < 10; i++) n += access(numbered(f, i), F_OK) == 0;
    return n;
}

static void in_zone(const char *zone)
{
    if (zone) setenv("TZ", zone, 1);
    else unsetenv("TZ");
    tzset();
}

START_TEST(a_file_dated_in_the_future_rotates_within_a_period)
{
    folder f = a_folder();
    er_sink sink;
    time_t now = time(NULL);
    open_sink(&sink, &f, 1000LL * DAY, now + 365 * DAY);
    ck_assert_uint_eq(files_after(&sink, &f, now + DAY), 2);
    er_sink_close(&sink);
    remove_folder(&f);
}
END_TEST

START_TEST(a_clock_set_back_delays_rotation_by_one_period)
{
    folder f = a_folder();
    er_sink sink;
    time_t now = time(NULL), past = now - 400 * (time_t)DAY;
    open_sink(&sink, &f, 1000LL * DAY, now - DAY);
    ck_assert_uint_eq(files_after(&sink, &f, now), 2);
    ck_assert_uint_eq(files_after(&sink, &f, past), 2);
    ck_assert_uint_eq(files_after(&sink, &f, past + DAY), 3);
    er_sink_close(&sink);
    remove_folder(&f);
}
END_TEST

START_TEST(lines_around_a_period_boundary_rotate_once)
{
    folder f = a_folder();
    er_sink sink;
    in_zone("UTC0");
    time_t midnight = 1750000000 / DAY * (time_t)DAY;
    open_sink(&sink, &f, 1000LL * DAY, midnight - 10);
    ck_assert_uint_eq(files_after(&sink, &f, midnight), 2);
    char text[] = "line\n";
    const er_line before = { .level = ERRAND_LOG_INFO,
                             .name = "n",
                             .file = "f",
                             .function = "g",
                             .wall_ns = (int64_t)midnight * 1000000000 - 1000 };
    er_sink_line(&sink, &before, text, sizeof text - 1);
    er_sink_write(&sink);
    ck_assert_uint_eq(files_after(&sink, &f, midnight), 2);
    er_sink_close(&sink);
    in_zone(NULL);
    remove_folder(&f);
}
END_TEST

static const struct {
    int64_t period_s;
    time_t begun, same, next; /* begun at `begun`; `same` is in its period; it rotates at `next` */
} turns[] = {
    /* 1743289200: 30 March 2025 00:00 CET; 1761429600: 26 October 2025 00:00 CEST */
    { DAY, 1743289200 + 60, 1743289200 + 23 * 3600 - 1, 1743289200 + 23 * 3600 },
    { DAY, 1761429600 + 60, 1761429600 + 25 * 3600 - 1, 1761429600 + 25 * 3600 },
    { DAY, 1743289200 + 23 * 3600, 1743289200 + 47 * 3600 - 1, 1743289200 + 47 * 3600 },
    /* 02:00 is skipped: 03:00 */
    { 3600, 1743289200 + 7200 - 60, 1743289200 + 7200 - 1, 1743289200 + 7200 },
    /* 02:00 repeats */
    { 3600, 1761429600 + 10800 - 60, 1761429600 + 10800 - 1, 1761429600 + 10800 },
    /* 04:00, or when 02:00 is skipped */
    { 7200, 1743289200 + 3600, 1743289200 + 7200 - 1, 1743289200 + 10800 },
    { 43200, 1761429600 + 60, 1761429600 + 13 * 3600 - 1, 1761429600 + 13 * 3600 },
};

START_TEST(periods_follow_local_time_at_clock_changes)
{
    folder f = a_folder();
    er_sink sink;
    in_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    open_sink(&sink, &f, turns[_i].period_s * 1000, turns[_i].begun);
    ck_assert_uint_eq(files_after(&sink, &f, turns[_i].same), 1);
    er_sink_close(&sink);
    open_sink(&sink, &f, turns[_i].period_s * 1000, turns[_i].begun);
    ck_assert_uint_eq(files_after(&sink, &f, turns[_i].next), 2);
    er_sink_close(&sink);
    in_zone(NULL);
    remove_folder(&f);
}
END_TEST

START_TEST(a_rotating_file_is_still_a_duplicate)
{
    folder f = a_folder();
    er_sink sink, again;
    time_t now = time(NULL);
    open_sink(&sink, &f, 1000LL * DAY, now);
    const errand_log_sink_opts opts = { .rotate_ms = 1000LL * DAY };
    ck_assert_int_eq(er_sink_open_file(&again, f.path, &opts), 0); /* the old file ... */
    ck_assert_uint_eq(files_after(&sink, &f, now + DAY), 2);       /* ... and the new one */
    ck_assert(er_sink_same(&sink, &again));
    er_sink_close(&again);
    er_sink_close(&sink);
    remove_folder(&f);
}
END_TEST

START_TEST(a_torn_line_is_ended_after_a_reopen)
{
    folder f = a_folder();
    er_sink sink;
    open_sink(&sink, &f, 1000LL * DAY, time(NULL));
    sink.torn = true; /* as if a write had failed before its newline */
    sink.lost = 1;
    sink.error = ENOSPC;
    ck_assert_int_eq(truncate(f.path, 3), 0);
    ck_assert_int_eq(er_sink_reopen(&sink), 0);
    files_after(&sink, &f, time(NULL));
    is(&f, 0, "old\n... 1 line lost here: No space left on device\nline\n");
    er_sink_close(&sink);
    remove_folder(&f);
}
END_TEST

static int keep_time(void *arg, const errand_log_line *line)
{
    snprintf(arg, 20, "%.19s", line->text);
    return 0;
}

START_TEST(a_line_has_the_time_zone_of_its_call)
{
    char seen[20], before[20], after[20];
    const char *zones[] = { "UTC0", "JST-9", "UTC0", "NPT-5:45" };
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_add_callback(log, keep_time, seen, NULL,
                                             &(errand_log_sink_opts){ .pattern = "{time}" }),
                     0);
    for (int i = 0; i < 4; i++) {
        struct tm parts;
        in_zone(zones[i]);
        time_t now = time(NULL);
        strftime(before, sizeof before, "%Y-%m-%d %H:%M", localtime_r(&now, &parts));
        said(log, "line");
        now = time(NULL);
        strftime(after, sizeof after, "%Y-%m-%d %H:%M", localtime_r(&now, &parts));
        ck_assert_msg(!strncmp(seen, before, 16) || !strncmp(seen, after, 16), "%s: %s, %s wanted",
                      zones[i], seen, after);
    }
    in_zone(NULL);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

Suite *rotation_suite(void)
{
    Suite *suite = suite_create("rotation");
    TCase *tests = tcase_create("rotation");
    tcase_add_test(tests, a_removed_file_is_recreated_and_rotated_files_stay);
    tcase_add_test(tests, a_path_that_names_another_file_is_reopened);
    tcase_add_test(tests, a_truncated_file_counts_its_size_again);
    tcase_add_test(tests, lines_lost_without_a_folder_are_counted);
    tcase_add_test(tests, a_pipe_in_place_of_the_file_does_not_block);
    tcase_add_test(tests, a_failed_rotation_moves_no_file_and_is_not_retried_per_line);
    tcase_add_test(tests, without_a_descriptor_lines_go_to_the_latest_rotated_file);
    tcase_add_test(tests, keeping_all_files_is_cheap);
    tcase_add_test(tests, a_new_file_has_the_mode_of_the_one_before);
    tcase_add_test(tests, a_relative_path_is_resolved_once);
    tcase_add_test(tests, rotation_follows_a_symbolic_link);
    tcase_add_test(tests, two_logs_of_one_path_rotate_it_once);
    tcase_add_test(tests, a_file_never_takes_a_standard_descriptor);
    tcase_add_test(tests, a_file_dated_in_the_future_rotates_within_a_period);
    tcase_add_test(tests, a_clock_set_back_delays_rotation_by_one_period);
    tcase_add_test(tests, lines_around_a_period_boundary_rotate_once);
    tcase_add_loop_test(tests, periods_follow_local_time_at_clock_changes, 0,
                        sizeof turns / sizeof *turns);
    tcase_add_test(tests, a_rotating_file_is_still_a_duplicate);
    tcase_add_test(tests, a_torn_line_is_ended_after_a_reopen);
    tcase_add_test(tests, a_line_has_the_time_zone_of_its_call);
    suite_add_tcase(suite, tests);
    return suite;
}
