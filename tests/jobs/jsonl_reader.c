/* Lines of files: every form of line end, bad files among good ones, and a
 * reader that can be woken. */
#include "jobs/files.h"
#include "jobs/jsonl_reader.h"
#include "jobs/suites.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int wake[2];

static void set_up(void) { ck_assert_int_eq(er_pipe(wake), 0); }
static void tear_down(void)
{
    close(wake[0]);
    close(wake[1]);
    files_remove();
}

/* Over all files. */
static int next_line(er_lines *lines, er_line *line)
{
    for (;;) {
        int error = lines->file ? 0 : er_lines_open(lines, line);
        if (error || !lines->file) return error;
        error = er_lines_line(lines, line);
        if (error != ENODATA) return error;
        er_lines_shut(lines);
    }
}

/* Reads all of these files and compares with "number:text" or "!errno" ..., NULL. */
static void expect(const char *const *files, const char *const *wanted)
{
    er_lines lines;
    ck_assert_int_eq(er_lines_init(&lines, files, wake[0]), 0);
    er_line line;
    int error;
    while (!(error = next_line(&lines, &line))) {
        char got[256];
        if (line.error)
            snprintf(got, sizeof got, "%llu!%s", (unsigned long long)line.number,
                     strerrorname_np(line.error));
        else snprintf(got, sizeof got, "%llu:%s", (unsigned long long)line.number, line.text);
        ck_assert_msg(*wanted, "too much: %s", got);
        ck_assert_str_eq(got, *wanted);
        wanted++;
        er_free(line.text);
    }
    ck_assert_int_eq(error, ENODATA);
    ck_assert_msg(!*wanted, "missing: %s", *wanted);
    er_lines_free(&lines);
}
#define FILES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define WANT(...)  ((const char *const[]){ __VA_ARGS__, NULL })

START_TEST(blank_lines_are_counted_and_skipped)
{
    expect(FILES(files_text("a", "\n  \t\none\n\r\n\ntwo\n\n")), WANT("3:one", "6:two"));
}
END_TEST

START_TEST(crlf_byte_order_mark_and_missing_line_end_are_accepted)
{
    expect(FILES(files_text("a", "\xef\xbb\xbfone\r\ntwo\r\nthree")),
           WANT("1:one", "2:two", "3:three"));
    expect(FILES(files_text("b", "\xef\xbb\xbf")), WANT(NULL));
    expect(FILES(files_text("c", "")), WANT(NULL));
}
END_TEST

START_TEST(a_file_that_cannot_be_read_does_not_stop_the_others)
{
    const char *a = files_text("a", "one\n"), *b = files_text("b", "two");
    expect(FILES(a, files_path("missing"), files_folder(), b),
           WANT("1:one", "0!ENOENT", "0!EISDIR", "1:two"));
}
END_TEST

START_TEST(a_nul_byte_is_part_of_its_line)
{
    const char *files[] = { files_write("a", "x\0y\nz\n", 6), NULL };
    er_lines lines;
    er_line line;
    ck_assert_int_eq(er_lines_init(&lines, files, wake[0]), 0);
    ck_assert_int_eq(next_line(&lines, &line), 0);
    ck_assert_uint_eq(line.size, 3);
    ck_assert_mem_eq(line.text, "x\0y", 4);
    er_free(line.text);
    ck_assert_int_eq(next_line(&lines, &line), 0);
    ck_assert_str_eq(line.text, "z");
    er_free(line.text);
    er_lines_free(&lines);
}
END_TEST

START_TEST(a_line_over_the_limit_is_skipped_to_its_end)
{
    size_t size = 2 * ER_LINE_MOST + 16;
    char *text = malloc(size);
    memset(text, 'x', size);
    memcpy(text + size - 5, "\nend\n", 5);
    expect(FILES(files_write("over", text, size)), WANT("1!EFBIG", "2:end"));

    text[ER_LINE_MOST] = '\r'; /* the longest line, and a CR */
    text[ER_LINE_MOST + 1] = '\n';
    const char *files[] = { files_write("just", text, ER_LINE_MOST + 2),
                            files_write("one_more", text, ER_LINE_MOST + 1), NULL };
    er_lines lines;
    er_line line;
    ck_assert_int_eq(er_lines_init(&lines, files, wake[0]), 0);
    for (int i = 0; i < 2; i++) { /* a CR ends the last line, too */
        ck_assert_int_eq(next_line(&lines, &line), 0);
        ck_assert_int_eq(line.error, 0);
        ck_assert_uint_eq(line.size, ER_LINE_MOST);
        er_free(line.text);
    }
    er_lines_free(&lines);
    free(text);
}
END_TEST

START_TEST(lines_that_span_chunks_are_whole)
{
    size_t size = 0;
    char *text = malloc(1 << 20);
    for (int i = 0; i < 50; i++) {
        memset(text + size, 'a' + i % 26, (size_t)i * 397);
        size += (size_t)i * 397;
        text[size++] = '\n';
    }
    const char *files[] = { files_write("a", text, size), NULL };
    er_lines lines;
    er_line line;
    ck_assert_int_eq(er_lines_init(&lines, files, wake[0]), 0);
    for (int i = 1; i < 50; i++) {
        ck_assert_int_eq(next_line(&lines, &line), 0);
        ck_assert_uint_eq(line.size, (size_t)i * 397);
        ck_assert_int_eq(line.text[0], 'a' + i % 26);
        ck_assert_int_eq(line.text[line.size - 1], 'a' + i % 26);
        er_free(line.text);
    }
    ck_assert_int_eq(next_line(&lines, &line), ENODATA);
    er_lines_free(&lines);
    free(text);
}
END_TEST

static void *wake_it(void *arg)
{
    (void)arg;
    ck_assert_int_eq(write(wake[1], "", 1), 1);
    return NULL;
}

START_TEST(a_reader_of_a_fifo_without_a_writer_is_woken)
{
    const char *path = files_path("fifo");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    er_lines lines;
    er_line line;
    const char *files[] = { path, NULL }; /* a literal in a macro would be gone too soon */
    ck_assert_int_eq(er_lines_init(&lines, files, wake[0]), 0);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wake_it, NULL), 0);
    ck_assert_int_eq(next_line(&lines, &line), ECANCELED);
    pthread_join(thread, NULL);
    er_lines_free(&lines);
}
END_TEST

START_TEST(lines_of_a_pipe_are_read_as_they_are_written)
{
    const char *path = files_path("fifo");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    er_lines lines;
    er_line line;
    const char *files[] = { path, NULL }; /* a literal in a macro would be gone too soon */
    ck_assert_int_eq(er_lines_init(&lines, files, wake[0]), 0);
    int keep = -1, in = -1;
    ck_assert_int_eq(er_file_open(path, 2 /* O_RDWR: so that it never ends */, &keep), 0);
    ck_assert_int_eq(er_file_open(path, 1 /* O_WRONLY */, &in), 0);
    ck_assert_int_eq(write(in, "one\ntw", 6), 6);
    ck_assert_int_eq(next_line(&lines, &line), 0);
    ck_assert_str_eq(line.text, "one");
    er_free(line.text);
    ck_assert_int_eq(write(in, "o\n", 2), 2);
    ck_assert_int_eq(next_line(&lines, &line), 0);
    ck_assert_str_eq(line.text, "two");
    er_free(line.text);
    close(in);
    close(keep);
    ck_assert_int_eq(next_line(&lines, &line), ENODATA);
    er_lines_free(&lines);
}
END_TEST

Suite *jsonl_reader_suite(void)
{
    Suite *suite = suite_create("jsonl_reader");
    TCase *tests = tcase_create("lines");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, blank_lines_are_counted_and_skipped);
    tcase_add_test(tests, crlf_byte_order_mark_and_missing_line_end_are_accepted);
    tcase_add_test(tests, a_file_that_cannot_be_read_does_not_stop_the_others);
    tcase_add_test(tests, a_nul_byte_is_part_of_its_line);
    tcase_add_test(tests, a_line_over_the_limit_is_skipped_to_its_end);
    tcase_add_test(tests, lines_that_span_chunks_are_whole);
    tcase_add_test(tests, a_reader_of_a_fifo_without_a_writer_is_woken);
    tcase_add_test(tests, lines_of_a_pipe_are_read_as_they_are_written);
    suite_add_tcase(suite, tests);
    return suite;
}
