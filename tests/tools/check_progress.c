/* What errand run shows of a run: rows, the block, its drawing, and the summary. */
#include "errand/progress.h"
#include "errand/summary.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

static const struct {
    int most;
    const char *text, *shown;
    int columns;
} texts[] = {
    { 10, "0123456789", "0123456789", 10 },
    { 10, "0123456789a", "0123456...", 10 },
    { 10, "", "", 0 },
    { 8, "\xe4\xbd\x9c\xe4\xb8\x9a\xe4\xbd\x9c\xe4\xb8\x9a", /* four of two columns */
      "\xe4\xbd\x9c\xe4\xb8\x9a\xe4\xbd\x9c\xe4\xb8\x9a", 8 },
    { 7, "\xe4\xbd\x9c\xe4\xb8\x9a\xe4\xbd\x9c\xe4\xb8\x9a", "\xe4\xbd\x9c\xe4\xb8\x9a...", 7 },
    { 6, "\xe4\xbd\x9c\xe4\xb8\x9a\xe4\xbd\x9c\xe4\xb8\x9a", "\xe4\xbd\x9c...", 5 },
    { 5,
      "e\xcc\x81"
      "e\xcc\x81"
      "e\xcc\x81"
      "e\xcc\x81"
      "e\xcc\x81", /* an accent takes no column */
      "e\xcc\x81"
      "e\xcc\x81"
      "e\xcc\x81"
      "e\xcc\x81"
      "e\xcc\x81",
      5 },
    { 9, "a\x1b[2Jb\xff", "a?[2Jb?", 7 },
    { 2, "abc", "ab", 2 }, /* no room for the dots */
};

START_TEST(a_text_is_cut_to_its_columns)
{
    row r;
    row_begin(&r, texts[_i].most);
    row_text(&r, texts[_i].text);
    ck_assert_str_eq(r.at, texts[_i].shown);
    ck_assert_int_eq(r.columns, texts[_i].columns);
}
END_TEST

START_TEST(a_part_is_whole_or_not_there)
{
    row r;
    row_begin(&r, 12);
    ck_assert(row_part(&r, "\033[31m", "%s", "first"));
    ck_assert(!row_part(&r, NULL, "%s", "second"));
    ck_assert(row_part(&r, NULL, "%s", "third"));
    ck_assert_str_eq(r.at, "\033[31mfirst\033[0m  third");
    ck_assert_int_eq(r.columns, 12);
}
END_TEST

/* ---- the block ---- */

static snapshot some(void)
{
    snapshot s = { .total = 300, .seconds = 3, .rate = 41.3, .n_failures = 4 };
    s.stats = (errand_jobs_stats){
        .successful = 117,
        .failed = 3,
        .total_processed = 120,
        .in_flight = 16,
        .retrying = 2,
        .retries = 5,
        .p50_ms = 210,
        .p99_ms = 1900
    };
    s.failures[0] = (errand_jobs_failure){
        .kind = ERRAND_KIND_HTTP_SERVER,
        .error = ERRAND_HTTP + 503,
        .count = 2,
        .line = 17,
        .file = "jobs.jsonl",
        .id = "a\"b",
        .message = "POST http://127.0.0.1/: HTTP 503"
    };
    for (size_t i = 1; i < 4; i++) {
        s.failures[i] = s.failures[0];
        s.failures[i].error = ERRAND_HTTP + 503 + (int)i;
        s.failures[i].id = "";
        s.failures[i].count = 1;
    }
    return s;
}

START_TEST(a_block_has_a_bar_counts_and_failures)
{
    snapshot s = some();
    row rows[BLOCK_ROWS];
    ck_assert_uint_eq(block_compose(rows, &s, 79, false), 5);
    ck_assert_str_eq(
        rows[0].at,
        "[##################---------------------------]  120/300  40%  41.3/s  ETA 0:04");
    ck_assert_str_eq(rows[1].at,
                     "16 in flight  117 ok  3 failed  2 retrying  p50 210 ms  p99 1.9 s  0:03");
    ck_assert_str_eq(rows[2].at, "    2  HTTP 503 http_server  jobs.jsonl:17: POST "
                                 "http://127.0.0.1/: HTTP 503");
    ck_assert_str_eq(rows[4].at, "    1  HTTP 505 http_server  jobs.jsonl:17: POST "
                                 "http://127.0.0.1/: HTTP 503");
}
END_TEST

START_TEST(tokens_are_shown_if_they_are_counted)
{
    static const struct {
        uint64_t used;
        const char *shown;
    } all[] = { { 0, "  0 tokens" },
                { 9999, "  9999 tokens" },
                { 12345, "  12.3k tokens" },
                { 12345678, "  12.3M tokens" } };
    snapshot s = some();
    row line;
    char text[4096] = "";
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        s.stats.tokens_used = all[i].used;
        s.tokens = false;
        block_line(&line, &s, 200, false);
        ck_assert_ptr_null(strstr(line.at, "tokens"));
        s.tokens = true;
        block_line(&line, &s, 200, false);
        ck_assert_ptr_nonnull(strstr(line.at, all[i].shown));
        row rows[BLOCK_ROWS];
        size_t n = block_compose(rows, &s, 150, false);
        ck_assert_uint_ge(n, 2);
        ck_assert_ptr_nonnull(strstr(rows[1].at, all[i].shown));
    }
    s.stats.tokens_reserved = 7;
    FILE *to = fmemopen(text, sizeof text - 1, "w");
    summary_json(to, &s, 0);
    summary_words(to, &s);
    fclose(to);
    ck_assert_ptr_nonnull(strstr(text, ",\"tokens_used\":12345678,\"tokens_reserved\":7,"));
    ck_assert_ptr_nonnull(strstr(text, ", 12345678 tokens ("));
}
END_TEST

START_TEST(pages_are_shown_while_no_job_ends)
{
    snapshot s = some();
    row line, rows[BLOCK_ROWS];
    block_line(&line, &s, 200, false);
    ck_assert_ptr_null(strstr(line.at, "page"));
    s.stats.total_processed = 0;
    s.stats.pages = 5626;
    block_line(&line, &s, 200, false);
    ck_assert_ptr_nonnull(strstr(line.at, "0/300  5626 pages  "));
    block_compose(rows, &s, 150, false);
    ck_assert_ptr_nonnull(strstr(rows[1].at, "  5626 pages  "));
}
END_TEST

START_TEST(a_block_fits_any_width)
{
    snapshot s = some();
    row rows[BLOCK_ROWS];
    s.stats.successful = s.stats.total_processed = s.total = UINT64_MAX;
    s.failures[0].file = "\xe4\xbd\x9c\xe4\xb8\x9a.jsonl";
    for (int most = BLOCK_COLUMNS - 1; most < 250; most++) {
        size_t n = block_compose(rows, &s, most, true);
        ck_assert_uint_le(n, BLOCK_ROWS);
        for (size_t i = 0; i < n; i++) ck_assert_int_le(rows[i].columns, most);
        block_line(&rows[0], &s, most, true);
        ck_assert_int_le(rows[0].columns, most);
    }
}
END_TEST

START_TEST(without_a_total_there_is_no_bar)
{
    snapshot s = some();
    row rows[BLOCK_ROWS];
    s.total = 0;
    block_compose(rows, &s, 79, false);
    ck_assert_str_eq(rows[0].at, "120 done  41.3/s");
}
END_TEST

START_TEST(before_the_first_end_it_has_no_percentiles)
{
    snapshot s = { .total = 7, .seconds = 8, .stats = { .in_flight = 2, .pages = 24 } };
    row rows[BLOCK_ROWS];
    ck_assert_uint_eq(block_compose(rows, &s, 79, false), 2);
    ck_assert_str_eq(rows[1].at, "2 in flight  0 ok  0 failed  0 retrying  24 pages  0:08");
    block_line(&rows[0], &s, 79, false);
    ck_assert_str_eq(rows[0].at, "0/7  24 pages  0 ok  0 failed  0 retrying  0.0/s");
}
END_TEST

START_TEST(with_auto_it_has_requests_and_how_many_may_be)
{
    snapshot s = some();
    row rows[BLOCK_ROWS];
    s.stats.waiting = 9;
    s.stats.limit = 23;
    block_compose(rows, &s, 79, false);
    ck_assert_str_eq(rows[1].at, "7 of 23 in flight  117 ok  3 failed  2 retrying  p50 210 ms  "
                                 "p99 1.9 s  0:03");
}
END_TEST

/* ---- drawing ---- */

static FILE *file;

static progress begin(progress_form form, int columns, int lines)
{
    file = tmpfile();
    ck_assert_ptr_nonnull(file);
    progress p = { .command = "run",
                   .form = form,
                   .on = true,
                   .summary = form != PROGRESS_JSON,
                   .to = file,
                   .fixed_columns = columns,
                   .fixed_lines = lines };
    pthread_mutex_init(&p.lock, NULL);
    return p;
}

static const char *written(void) /* since the last call */
{
    static char text[16384];
    static long from;
    fflush(file);
    if (from > ftell(file)) from = 0;
    fseek(file, from, SEEK_SET);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    from = ftell(file);
    return text;
}

START_TEST(a_block_is_redrawn_in_place_ten_times_a_second)
{
    snapshot s = some();
    progress p = begin(PROGRESS_BLOCK, 80, 24);
    progress_show(&p, &s, 0.05);
    ck_assert_str_eq(written(), "");
    progress_show(&p, &s, 0.11);
    const char *first = written();
    ck_assert_msg(!strncmp(first, "\r\033[?7l[####", 11), "%s", first);
    ck_assert_str_eq(first + strlen(first) - 9, "\033[J\033[?7h\r");
    progress_show(&p, &s, 0.2);
    ck_assert_str_eq(written(), "");
    progress_show(&p, &s, 0.22);
    ck_assert(!strncmp(written(), "\r\033[4A\033[?7l[####", 14));
    progress_say(&p, "a message \033");
    ck_assert_str_eq(written(), "\r\033[4A\033[J\r\033[Kerrand run: a message ?\n");
    progress_show(&p, &s, 0.4);
    ck_assert(!strncmp(written(), "\r\033[?7l[####", 11));
    progress_leave(&p);
    ck_assert_str_eq(written(), "\r\033[4A\033[J");
    progress_show(&p, &s, 9);
    ck_assert_str_eq(written(), "");
    progress_end(&p, NULL, 1);
    fclose(file);
}
END_TEST

START_TEST(a_terminal_that_became_narrower_has_broken_the_lines)
{
    snapshot s = some();
    progress p = begin(PROGRESS_BLOCK, 80, 24);
    progress_show(&p, &s, 1);
    written();
    p.fixed_columns = 40; /* four lines of more than 40 columns and less than 80 are above */
    progress_show(&p, &s, 2);
    ck_assert(!strncmp(written(), "\r\033[8A", 5));
    progress_end(&p, NULL, 1);
    fclose(file);
}
END_TEST

START_TEST(a_small_terminal_has_one_line)
{
    snapshot s = some();
    progress p = begin(PROGRESS_BLOCK, 80, BLOCK_LINES - 1);
    progress_show(&p, &s, 1);
    ck_assert(!strncmp(written(), "\r\033[?7l120/300  117 ok  3 failed  2 retrying", 43));
    p.fixed_lines = 24;
    p.fixed_columns = BLOCK_COLUMNS - 1;
    progress_show(&p, &s, 2);
    ck_assert_str_eq(written(), "\r\033[?7l120/300  117 ok  3 failed\033[K\033[J\033[?7h\r");
    progress_end(&p, NULL, 1);
    fclose(file);
}
END_TEST

START_TEST(elsewhere_there_is_a_line_now_and_then)
{
    snapshot s = some();
    progress p = begin(PROGRESS_RARE, 0, 0);
    progress_show(&p, &s, 9.9);
    ck_assert_str_eq(written(), "");
    progress_show(&p, &s, 10);
    ck_assert_str_eq(written(), "120/300  117 ok  3 failed  2 retrying  41.3/s  p50 210 ms  "
                                "p99 1.9 s  ETA 0:04\n");
    progress_show(&p, &s, 19.9);
    ck_assert_str_eq(written(), "");
    progress_end(&p, NULL, 1);
    fclose(file);
}
END_TEST

START_TEST(programs_get_an_object_a_second_and_a_summary)
{
    snapshot s = some();
    s.n_failures = 1;
    progress p = begin(PROGRESS_JSON, 0, 0);
    progress_show(&p, &s, 0.9);
    progress_show(&p, &s, 1);
    ck_assert_str_eq(written(),
                     "{\"type\":\"progress\",\"seconds\":3.000,\"done\":120,\"total\":300,"
                     "\"ok\":117,\"failed\":3,\"cancelled\":0,\"bad_lines\":0,\"in_flight\":16,"
                     "\"retrying\":2,\"retries\":5,\"pauses\":0,\"skipped\":0,\"unknown\":0,"
                     "\"rate\":41.300,\"p50_ms\":210,"
                     "\"p99_ms\":1900,\"eta_s\":4.4}\n");
    s.total = 0;
    s.stats.waiting = 9;
    s.stats.limit = 7;
    progress_show(&p, &s, 2);
    const char *text = written();
    ck_assert_ptr_nonnull(strstr(text, ",\"total\":null,"));
    ck_assert_ptr_nonnull(strstr(text, ",\"in_flight\":7,"));
    ck_assert_ptr_nonnull(strstr(text,
                                 "\"p99_ms\":1900,\"waiting\":9,\"limit\":7,\"eta_s\":null}\n"));
    s.stats.limit = 0;
    progress_end(&p, &s, 1);
    ck_assert_ptr_nonnull(strstr(
        written(), "\"rate\":40.000,\"p50_ms\":210,\"p99_ms\":1900,\"stopped\":false,"
                   "\"exit_status\":1,\"failures\":[{\"count\":2,\"kind\":\"http_server\","
                   "\"code\":\"HTTP 503\",\"file\":\"jobs.jsonl\",\"line\":17,"
                   "\"id\":\"a\\\"b\",\"message\":\"POST http://127.0.0.1/: HTTP 503\"}]}\n"));
    fclose(file);
}
END_TEST

START_TEST(people_get_a_summary_with_eight_classes)
{
    snapshot s = some();
    progress p = begin(PROGRESS_LINES, 0, 0);
    for (size_t i = 4; i < 11; i++) s.failures[i] = s.failures[3];
    s.n_failures = 11;
    progress_end(&p, &s, 1);
    const char *text = written();
    ck_assert_msg(!strncmp(text,
                           "120 jobs in 3.0 s: 117 ok, 3 failed, 5 attempts more (40.0/s, p50 210 "
                           "ms, p99 1.9 s)\n"
                           "      2  HTTP 503 http_server, first jobs.jsonl:17 (id a\"b):\n"
                           "         POST http://127.0.0.1/: HTTP 503\n"
                           "      1  HTTP 504 http_server, first jobs.jsonl:17:\n",
                           210),
                  "%s", text);
    size_t classes = 0;
    for (const char *at = text; (at = strstr(at, ", first ")); at++) classes++;
    ck_assert_uint_eq(classes, 8);
    ck_assert_ptr_nonnull(strstr(text, "      3  in 3 further classes\n"));
    fclose(file);
}
END_TEST

START_TEST(with_auto_the_summary_has_what_it_came_to)
{
    static const char *const said[] = { ")\n23 at once in the end (-j auto)\n",
                                        ")\n23 at once in the end, 2 hosts together (-j auto)\n" };
    snapshot s = some();
    progress p = begin(PROGRESS_LINES, 0, 0);
    s.stats.limit = 23;
    s.stats.limit_hosts = 1 + (unsigned)_i;
    progress_end(&p, &s, 0);
    ck_assert_ptr_nonnull(strstr(written(), said[_i]));
    fclose(file);
}
END_TEST

/* ---- the snapshot ---- */

START_TEST(a_snapshot_knows_rate_and_eta)
{
    snapshot s;
    snapshot_begin(&s, 100);
    ck_assert_double_lt(snapshot_eta(&s), 0);
    s.stats.total_processed = 10;
    snapshot_take(&s, NULL, 30, 101);
    ck_assert_double_eq_tol(s.rate, 10, 0.01);
    ck_assert_double_eq_tol(snapshot_eta(&s), 2, 0.01);
    ck_assert_double_eq_tol(snapshot_average(&s), 10, 0.01);
    s.stats.total_processed = 30;
    snapshot_take(&s, NULL, 30, 102);
    ck_assert_double_lt(snapshot_eta(&s), 0); /* done */
    ck_assert_double_eq_tol(snapshot_average(&s), 15, 0.01);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("progress");
    TCase *tests = tcase_create("progress");
    tcase_add_loop_test(tests, a_text_is_cut_to_its_columns, 0, sizeof texts / sizeof *texts);
    tcase_add_test(tests, a_part_is_whole_or_not_there);
    tcase_add_test(tests, a_block_has_a_bar_counts_and_failures);
    tcase_add_test(tests, tokens_are_shown_if_they_are_counted);
    tcase_add_test(tests, pages_are_shown_while_no_job_ends);
    tcase_add_test(tests, a_block_fits_any_width);
    tcase_add_test(tests, without_a_total_there_is_no_bar);
    tcase_add_test(tests, with_auto_it_has_requests_and_how_many_may_be);
    tcase_add_test(tests, before_the_first_end_it_has_no_percentiles);
    tcase_add_loop_test(tests, with_auto_the_summary_has_what_it_came_to, 0, 2);
    tcase_add_test(tests, a_block_is_redrawn_in_place_ten_times_a_second);
    tcase_add_test(tests, a_terminal_that_became_narrower_has_broken_the_lines);
    tcase_add_test(tests, a_small_terminal_has_one_line);
    tcase_add_test(tests, elsewhere_there_is_a_line_now_and_then);
    tcase_add_test(tests, programs_get_an_object_a_second_and_a_summary);
    tcase_add_test(tests, people_get_a_summary_with_eight_classes);
    tcase_add_test(tests, a_snapshot_knows_rate_and_eta);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
