/* The form of a line, which sinks receive it, and bad input. */
#include "logs.h"

#include <errand/log.h>

#include <errno.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static errand_log *log_to(place *to, errand_log_level level, size_t ring)
{
    errand_log *log =
        errand_log_new(&(errand_log_opts){ .name = "agent", .level = level, .ring = ring });
    ck_assert_ptr_nonnull(log);
    *to = a_file();
    ck_assert_int_eq(errand_log_to_file(log, to->path, ERRAND_LOG_DEFAULT), 0);
    return log;
}

static void matches(const char *text, const char *pattern)
{
    regex_t regex;
    ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED), 0);
    ck_assert_msg(regexec(&regex, text, 0, NULL, 0) == 0, "'%s' does not match '%s'", text,
                  pattern);
    regfree(&regex);
}

START_TEST(a_line_has_time_name_level_place_and_message)
{
    place to;
    errand_log *log = log_to(&to, ERRAND_LOG_TRACE, 0);
    errand_trace(log, "t");
    errand_debug(log, "d");
    errand_info(log, "generated %s in %.1f s", "video_1", 4.25);
    errand_warn(log, "w");
    errand_error(log, "e");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);

    static const char *const expected[] = {
        "TRACE - \\[.*\\] - t",
        "DEBUG - \\[.*\\] - d",
        "INFO - \\[a_line_has_time[a-z_]*:[1-9][0-9]*\\] - generated video_1 in 4.2 s",
        "WARN - \\[.*\\] - w",
        "ERROR - \\[.*\\] - e",
    };
    static const char time[] =
        "20[0-9]{2}-[01][0-9]-[0-3][0-9] [012][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}";
    char *text = text_of(&to), *at = text;
    for (size_t i = 0; i < 5; i++) {
        char pattern[300], *line = line_of(&at);
        ck_assert_ptr_nonnull(line);
        snprintf(pattern, sizeof pattern, "^%s - agent - %s$", time, expected[i]);
        matches(line, pattern);
    }
    ck_assert_ptr_null(line_of(&at));
    free(text);
}
END_TEST

START_TEST(control_characters_are_escaped_and_utf_8_is_not)
{
    place to;
    errand_log *log = log_to(&to, ERRAND_LOG_INFO, 0);
    for (int c = 0; c < 256; c++) {
        if (c < 0x20 || c == 0x7f) errand_info(log, "<%c>", c);
    }
    errand_info(log, "<\xc2\x9b"
                     "31m>"); /* CSI as one character */
    errand_info(log, "<Zürich — 東京 🚀 \xc2\xa0|\xc2>");
    errand_info(log, "<\xc2");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);

    char *text = text_of(&to), *at = text;
    for (int c = 0; c < 256; c++) {
        if (c >= 0x20 && c != 0x7f) continue;
        char expected[16], *line = line_of(&at);
        snprintf(expected, sizeof expected, "- <\\x%02x>", (unsigned)c);
        ck_assert_msg(line && has(line, expected), "%s in %s", expected, line);
    }
    ck_assert(has(line_of(&at), "- <\\xc2\\x9b31m>"));
    ck_assert(has(line_of(&at), "- <Zürich — 東京 🚀 \xc2\xa0|\xc2>"));
    ck_assert(has(line_of(&at), "- <\xc2"));
    ck_assert_ptr_null(line_of(&at));
    free(text);
}
END_TEST

START_TEST(a_message_cannot_forge_a_line)
{
    static errand_log_site site = { ERRAND_LOG_INFO, 7, "f.c", "in\n... 3 lines lost here\nner",
                                    NULL };
    place to = a_file();
    errand_log *log = errand_log_new(&(errand_log_opts){ .name = "a\nb" });
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    errand_info(log, "%s",
                "ok\n2026-11-22 14:03:07.120 - agent - ERROR - [main:1] - the house burns\r\n"
                "... 9 lines lost here\n");
    errand_log_put(log, &site, "x");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to);
    ck_assert_uint_eq(count_of(text, "\n"), 2);
    ck_assert(has(text, "- a\\x0ab - INFO - ["));
    ck_assert(has(text, "- ok\\x0a2026-11-22"));
    ck_assert(has(text, "\\x0d\\x0a... 9 lines"));
    ck_assert(has(text, "[in\\x0a... 3 lines lost here\\x0aner:7] - x\n"));
    free(text);
}
END_TEST

START_TEST(an_empty_message_is_a_line)
{
    place to;
    errand_log *log = log_to(&to, ERRAND_LOG_INFO, 0);
    errand_info(log, "%s", "");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to);
    matches(text, "\\] - \n$");
    free(text);
}
END_TEST

static char *letters(size_t n)
{
    char *text = malloc(n + 1);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < n; i++) text[i] = (char)('a' + i % 26);
    text[n] = '\0';
    return text;
}

START_TEST(lines_of_any_length_are_written_whole)
{
    static const size_t sizes[] = { 510, 511, 512, 513, 4096, 65000, 65536, 200000, 1 << 20 };
    place to;
    errand_log *log = log_to(&to, ERRAND_LOG_INFO, 4 << 20);
    size_t count = sizeof sizes / sizeof *sizes;
    for (size_t i = 0; i < count; i++) {
        char *message = letters(sizes[i]);
        errand_info(log, "%s", message);
        free(message);
    }
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to), *at = text;
    for (size_t i = 0; i < count; i++) {
        char *message = letters(sizes[i]), *line = line_of(&at);
        const char *found = strstr(line, "] - ");
        ck_assert_msg(found, "%.100s", line);
        ck_assert_msg(!strcmp(found + 4, message), "the line of %zu", sizes[i]);
        free(message);
    }
    ck_assert_ptr_null(line_of(&at));
    free(text);
}
END_TEST

START_TEST(a_line_too_long_for_the_ring_is_cut_and_reports_its_length)
{
    place to;
    errand_log *log = log_to(&to, ERRAND_LOG_INFO, 0);
    size_t whole = 1 << 20;
    char *message = letters(whole);
    errand_info(log, "%s", message);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to), *at = text, *line = line_of(&at);
    char *begin = strstr(line, "] - ") + 4, *mark = strstr(line, "...[cut ");
    ck_assert_ptr_nonnull(mark);
    size_t kept = (size_t)(mark - begin), missing;
    int end = 0;
    ck_assert_int_eq(sscanf(mark, "...[cut %zu bytes]%n", &missing, &end), 1);
    ck_assert_uint_eq(kept + missing, whole);
    ck_assert_uint_gt(kept, whole / 16);
    ck_assert_int_eq(strncmp(begin, message, kept), 0);
    ck_assert_int_eq(mark[end], '\0');
    ck_assert_ptr_null(line_of(&at));
    free(message);
    free(text);
}
END_TEST

START_TEST(a_cut_does_not_split_a_character)
{
    for (size_t shift = 0; shift < 4; shift++) {
        place to;
        errand_log *log = log_to(&to, ERRAND_LOG_INFO, 4096);
        char message[8192];
        size_t n = 0;
        while (n < shift) message[n++] = '.';
        while (n + 5 < sizeof message) n += (size_t)snprintf(message + n, sizeof message - n, "🚀");
        errand_info(log, "%s", message);
        ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
        char *text = text_of(&to);
        char *begin = strstr(text, "] - ") + 4, *mark = strstr(text, "...[cut ");
        ck_assert_ptr_nonnull(mark);
        ck_assert_uint_eq((size_t)(mark - begin - (ptrdiff_t)shift) % 4, 0);
        size_t missing = 0;
        ck_assert_int_eq(sscanf(mark, "...[cut %zu bytes]", &missing), 1);
        ck_assert_uint_eq((size_t)(mark - begin) + missing, n);
        free(text);
        close(to.fd);
    }
}
END_TEST

static int asked;
static int ask(void) { return ++asked; }

START_TEST(lines_below_the_level_are_not_counted)
{
    place to;
    errand_log_stats stats;
    errand_log *log = log_to(&to, ERRAND_LOG_WARN, 0);
    errand_info(log, "%d", ask());
    ck_assert_int_eq(asked, 0);
    errand_warn(log, "one");
    errand_log_set_level(log, ERRAND_LOG_DEBUG);
    errand_debug(log, "two");
    errand_trace(log, "no");
    errand_log_set_level(log, ERRAND_LOG_OFF);
    errand_error(log, "no");
    static errand_log_site site = { ERRAND_LOG_ERROR, 1, "f.c", "f", NULL };
    errand_log_put(log, &site, "no"); /* errand_log_put() checks the level, too */
    errand_log_set_level(log, ERRAND_LOG_DEFAULT);
    errand_debug(log, "no");
    errand_info(log, "three");
    errand_log_set_level(log, (errand_log_level)77); /* ignored */
    errand_info(log, "four");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    ck_assert_uint_eq(stats.attempted, 4);
    ck_assert_uint_eq(stats.written, 4);
    ck_assert_uint_eq(stats.dropped, 0);
    ck_assert_uint_eq(stats.failed, 0);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to), *at = text;
    ck_assert(has(line_of(&at), "- one"));
    ck_assert(has(line_of(&at), "- two"));
    ck_assert(has(line_of(&at), "- three"));
    ck_assert(has(line_of(&at), "- four"));
    ck_assert_ptr_null(line_of(&at));
    free(text);
}
END_TEST

START_TEST(errno_is_printed_and_preserved)
{
    place to;
    errand_log *log = log_to(&to, ERRAND_LOG_INFO, 0);
    char *message = letters(5000);
    errno = ENOENT;
    errand_info(log, "short %m"); /* starts the thread */
    ck_assert_int_eq(errno, ENOENT);
    errno = EACCES;
    errand_info(log, "%s %m", message);
    ck_assert_int_eq(errno, EACCES);
    errno = 0;
    errand_debug(log, "below");
    ck_assert_int_eq(errno, 0);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to);
    ck_assert(has(text, "- short No such file or directory\n"));
    ck_assert(has(text, "xyz"));
    ck_assert(has(text, " Permission denied\n"));
    free(message);
    free(text);
}
END_TEST

START_TEST(errno_is_preserved_if_no_thread_can_be_started)
{
    place to;
    errand_log *log = log_to(&to, ERRAND_LOG_INFO, 0);
    pthread_attr_t attr;
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, (size_t)1 << 50), 0);
    ck_assert_int_eq(pthread_setattr_default_np(&attr), 0);
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do { /* a line retries it every 100 ms */
        errno = 0;
        errand_info(log, "line");
        ck_assert_int_eq(errno, 0);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 300);
    pthread_attr_destroy(&attr);
}
END_TEST

START_TEST(bad_input_is_refused_or_harmless)
{
    errand_log_stats stats;
    errand_info(NULL, "no log for %d", 1);
    errand_log_put(NULL, NULL, NULL);
    errand_log_set_level(NULL, ERRAND_LOG_INFO);
    ck_assert_int_eq(errand_log_flush(NULL, 0), EINVAL);
    ck_assert_int_eq(errand_log_close(NULL, 0), 0);
    ck_assert_int_eq(errand_log_to_stderr(NULL, ERRAND_LOG_INFO), EINVAL);
    ck_assert_int_eq(errand_log_to_file(NULL, "x", ERRAND_LOG_INFO), EINVAL);
    ck_assert_int_eq(errand_log_stats_get(NULL, &stats), EINVAL);

    errno = 0;
    ck_assert_ptr_null(errand_log_new(&(errand_log_opts){ .level = (errand_log_level)7 }));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(errand_log_new(&(errand_log_opts){ .level = (errand_log_level)-1 }));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(errand_log_new(&(errand_log_opts){ .ring = SIZE_MAX }));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(errand_log_new_sized(&(errand_log_opts){ 0 }, 0));
    ck_assert_int_eq(errno, EINVAL);
    struct {
        errand_log_opts known;
        long more;
    } newer = { .more = 1 };
    errno = 0;
    ck_assert_ptr_null(errand_log_new_sized(&newer.known, sizeof newer));
    ck_assert_int_eq(errno, ENOTSUP);

    errand_log *log = errand_log_new(NULL);
    ck_assert_ptr_nonnull(log);
    ck_assert_int_eq(errand_log_to_file(log, NULL, ERRAND_LOG_INFO), EINVAL);
    ck_assert_int_eq(errand_log_to_file(log, "/nowhere/at/all", ERRAND_LOG_INFO), ENOENT);
    ck_assert_int_eq(errand_log_to_file(log, "/", ERRAND_LOG_INFO), EISDIR);
    ck_assert_int_eq(errand_log_to_file(log, "/dev/null", (errand_log_level)7), EINVAL);
    ck_assert_int_eq(errand_log_to_stderr(log, (errand_log_level)-1), EINVAL);
    ck_assert_int_eq(errand_log_stats_get(log, NULL), EINVAL);
    ck_assert_int_eq(errand_log_stats_sized(log, &stats, 0), EINVAL);
    ck_assert_int_eq(errand_log_flush(log, -1), EINVAL);
    ck_assert_int_eq(errand_log_close(log, -1), EINVAL);
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(errand_log_to_file(log, "/dev/null", ERRAND_LOG_INFO), 0);
    ck_assert_int_eq(errand_log_to_file(log, "/dev/null", ERRAND_LOG_INFO), ENOSPC);
    ck_assert_int_eq(errand_log_close(log, 0), 0); /* no line, so no wait */
}
END_TEST

START_TEST(a_put_without_site_or_format_writes_a_line)
{
    static errand_log_site odd[] = {
        { (errand_log_level)-5, 1, "f.c", NULL, NULL },
        { (errand_log_level)99, 2, "f.c", "g", NULL },
    };
    void (*volatile unchecked_put)(errand_log *, errand_log_site *, const char *, ...) =
        errand_log_put;
    place to;
    errand_log *log = log_to(&to, ERRAND_LOG_INFO, 0);
    errand_log_put(log, NULL, "placeless");
    errand_log_put(log, &odd[0], "low");
    errand_log_put(log, &odd[1], "high");
    unchecked_put(log, &odd[1], NULL);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to), *at = text;
    ck_assert(has(line_of(&at), " - INFO - [?:0] - placeless"));
    ck_assert(has(line_of(&at), " - INFO - [?:1] - low"));
    ck_assert(has(line_of(&at), " - ERROR - [g:2] - high"));
    ck_assert(has(line_of(&at), " - ERROR - [g:2] - (null)"));
    free(text);
}
END_TEST

START_TEST(endless_output_is_cut_and_reports_its_length)
{
    place to;
    errand_log *log = log_to(&to, ERRAND_LOG_INFO, 0);
    errno = EACCES;
    errand_info(log, "begin %*s", 200 << 20, "end");
    ck_assert_int_eq(errno, EACCES);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to), *mark = strstr(text, "...[cut ");
    ck_assert(has(text, "] - begin   "));
    ck_assert_ptr_nonnull(mark);
    size_t kept = (size_t)(mark - strstr(text, "begin ")), missing = 0;
    ck_assert_int_eq(sscanf(mark, "...[cut %zu bytes]\n", &missing), 1);
    ck_assert_uint_gt(kept, 100);
    ck_assert_uint_eq(kept + missing, strlen("begin ") + ((size_t)200 << 20));
    free(text);
}
END_TEST

START_TEST(a_failing_format_is_reported_in_the_line)
{
    static const wchar_t no_text[] = { (wchar_t)0xd800, 0 };
    place to;
    errand_log *log = log_to(&to, ERRAND_LOG_INFO, 0);
    errno = EACCES;
    errand_info(log, "see %ls", no_text);
    ck_assert_int_eq(errno, EACCES); /* despite errors inside */
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to);
    ck_assert(has(text, "] - (cannot be formatted: see %ls)\n"));
    free(text);
}
END_TEST

Suite *lines_suite(void)
{
    Suite *suite = suite_create("lines");
    TCase *tests = tcase_create("lines");
    tcase_add_test(tests, a_line_has_time_name_level_place_and_message);
    tcase_add_test(tests, control_characters_are_escaped_and_utf_8_is_not);
    tcase_add_test(tests, a_message_cannot_forge_a_line);
    tcase_add_test(tests, an_empty_message_is_a_line);
    tcase_add_test(tests, lines_of_any_length_are_written_whole);
    tcase_add_test(tests, a_line_too_long_for_the_ring_is_cut_and_reports_its_length);
    tcase_add_test(tests, a_cut_does_not_split_a_character);
    tcase_add_test(tests, lines_below_the_level_are_not_counted);
    tcase_add_test(tests, errno_is_printed_and_preserved);
    tcase_add_test(tests, errno_is_preserved_if_no_thread_can_be_started);
    tcase_add_test(tests, bad_input_is_refused_or_harmless);
    tcase_add_test(tests, a_put_without_site_or_format_writes_a_line);
    tcase_add_test(tests, endless_output_is_cut_and_reports_its_length);
    tcase_add_test(tests, a_failing_format_is_reported_in_the_line);
    suite_add_tcase(suite, tests);
    return suite;
}
