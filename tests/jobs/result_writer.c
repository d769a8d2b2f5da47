/* The contents of a result line. */
#include "jobs/fetching.h"
#include "jobs/files.h"
#include "jobs/suites.h"
#include "locales.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_up(void) { fetching_start(2); }

static const struct {
    const char *name, *key, *text; /* how a body is given */
} given[] = {
    { "pretty", "body", "{\"a\":[1,2.50],\"s\":\"x y\"}" },
    { "digits", "body", "{\"n\":123456789012345678901234567890,\"f\":1.00}" },
    { "problem", "body", "{\"title\":\"gone\"}" },
    { "scalar", "body", "12" },
    { "plain_scalar", "body", "\"12\"" },
    { "mistyped", "body", "{\"a\":1}" },
    { "broken", "body", "\"{\\\"a\\\":\"" },
    { "nan", "body", "\"{\\\"a\\\":NaN}\"" },
    { "control", "body", "\"{\\\"a\\\":\\\"x\\ny\\\"}\"" },
    { "text", "body", "\"caf\xc3\xa9 \\\"quoted\\\"\\n\\u0001\"" },
    { "latin", "body_base64", "\"Y2Fm6Q==\"" },
    { "nul", "body_base64", "\"YQBi\"" },
    { "empty", "body", "\"\"" },
    { "untyped", "body", "[1]" },
};

START_TEST(a_body_is_json_or_text_or_base64)
{
    char line[128];
    snprintf(line, sizeof line, "{\"url\":\"/body/%s\"}\n", given[_i].name);
    fetching_run(line, NULL);
    ck_assert_uint_eq(came.n, 1);
    ck_assert_ptr_nonnull(came_with(1, given[_i].key));
    ck_assert_str_eq(came_with(1, given[_i].key), given[_i].text);
    ck_assert_ptr_null(came_with(1, given[_i].key[4] ? "body" : "body_base64"));
}
END_TEST

static void expect(const char **at, const char *text) /* there, and steps behind it */
{
    const char *found = strstr(*at, text);
    ck_assert_msg(found, "no %s behind here: %s", text, *at);
    *at = found + strlen(text);
}

START_TEST(a_result_line_has_all_its_keys_in_order)
{
    fetching_run("{\"url\":\"/ok\",\"id\":\"a\\u0062\",\"meta\":{\"k\": [1, 2]}}\n", NULL);
    const char *line = came.lines[0], *at = line;
    char head[200];
    snprintf(head, sizeof head,
             "{\"seq\":1,\"id\":\"a\\u0062\",\"method\":\"GET\",\"url\":\"%s/ok\",\"began\":\"2",
             fetching_url());
    ck_assert_msg(!strncmp(line, head, strlen(head)), "%s", line);
    expect(
        &at,
        "Z\",\"ok\":true,\"status\":200,\"error\":null,\"attempts\":1,\"timing_ms\":{\"queue\":");
    expect(&at, "},\"bytes\":{\"sent\":");
    expect(&at, ",\"body\":12},\"reused\":false,\"http\":\"1.1\",\"headers\":{\"content-type\":"
                "\"application/json\",\"content-length\":\"12\"},\"body\":");
    const char *tail = ",\"body\":{\"ok\":true},\"saved_to\":null,\"meta\":{\"k\":[1,2]}}";
    ck_assert_str_eq(line + strlen(line) - strlen(tail), tail);
    double first_byte = strtod(came_with(1, "timing_ms.first_byte"), NULL),
           total = strtod(came_with(1, "timing_ms.total"), NULL);
    ck_assert(first_byte > 0 && total >= first_byte);
    ck_assert_str_eq(came_with(1, "timing_ms.tls"), "null");
    ck_assert_uint_ge(strtoul(came_with(1, "bytes.received"), NULL, 10), 12);
    ck_assert_uint_gt(strtoul(came_with(1, "bytes.sent"), NULL, 10), 0);
}
END_TEST

START_TEST(a_line_without_a_reply_has_all_keys_too)
{
    fetching_run("{\"nonsense\":1}\n", NULL);
    ck_assert_str_eq(
        came.lines[0],
        "{\"seq\":1,\"id\":null,\"method\":null,\"url\":null,\"began\":null,\"ok\":false,"
        "\"status\":null,\"error\":{\"kind\":\"validation\",\"code\":\"EINVAL\",\"phase\":\"\","
        "\"message\":\"unknown key \\\"nonsense\\\"\",\"retry_after\":null,\"may_have_run\":false},"
        "\"attempts\":0,\"timing_ms\":{\"queue\":null,\"resolve\":null,\"connect\":null,"
        "\"tls\":null,\"first_byte\":null,\"total\":null},\"bytes\":null,\"reused\":null,"
        "\"http\":null,\"headers\":null,\"body\":null,\"saved_to\":null,\"meta\":null}");
}
END_TEST

START_TEST(a_url_is_whole_and_has_no_secrets)
{
    char line[400], whole[200];
    const char *host = strstr(fetching_url(), "://") + 3;
    snprintf(line, sizeof line,
             "{\"url\":\"http://user:pass@%s/ok?api_key=k1&x=1#top\"}\n"
             "{\"url\":\"ok?a=caf\xc3\xa9\",\"params\":{\"token\":\"k2\"},\"method\":\"PUT\"}\n",
             host);
    fetching_run(line, NULL);
    snprintf(whole, sizeof whole, "\"http://%s/ok?api_key=*&x=1\"", host);
    ck_assert_str_eq(came_with(1, "url"), whole);
    snprintf(whole, sizeof whole, "\"http://%s/ok?a=caf%%C3%%A9&token=*\"", host);
    ck_assert_str_eq(came_with(2, "url"), whole);
    ck_assert_str_eq(came_with(2, "method"), "\"PUT\"");
    for (size_t i = 0; i < 2; i++) ck_assert_ptr_null(strstr(came.lines[i], i ? "k2" : "k1"));
}
END_TEST

START_TEST(began_is_a_time_of_day)
{
    fetching_run("{\"url\":\"/ok\"}\n{\"url\":\"http://127.0.0.1:1/\"}\n"
                 "{\"url\":\"/ok\",\"headers\":{\"Content-Length\":\"3\"}}\n",
                 NULL);
    for (size_t i = 1; i <= 2; i++) {
        int n = 0;
        unsigned year, ms;
        sscanf(came_with(i, "began"), "\"%4u-%*2u-%*2uT%*2u:%*2u:%*2u.%3uZ\"%n", &year, &ms, &n);
        ck_assert_int_eq(n, 26);
        ck_assert_uint_ge(year, 2024);
    }
    ck_assert_str_eq(came_with(3, "began"), "null"); /* nothing was begun */
}
END_TEST

START_TEST(headers_are_some_none_or_all)
{
    const char *job = "{\"url\":\"/headers\"}\n";
    fetching_run(job, NULL);
    ck_assert_str_eq(came_with(1, "headers"),
                     "{\"content-type\":\"text/plain\",\"x-request-id\":\"r-1\","
                     "\"x-ratelimit-remaining\":\"9\",\"location\":\"/next?token=*&page=2\","
                     "\"content-length\":\"2\"}");
    fetching_run(job, &(errand_jobs_opts){ .headers = ERRAND_JOBS_HEADERS_NONE });
    ck_assert_str_eq(came_with(1, "headers"), "null");
    fetching_run(job, &(errand_jobs_opts){ .headers = ERRAND_JOBS_HEADERS_ALL });
    ck_assert_str_eq(
        came_with(1, "headers"),
        "{\"content-type\":\"text/plain\",\"x-request-id\":\"r-1\","
        "\"x-ratelimit-remaining\":\"9\",\"server\":\"test\",\"set-cookie\":[\"*\","
        "\"*\"],\"vary\":[\"Accept\",\"Origin\"],\"location\":\"/next?token=*&page=2\","
        "\"x-latin\":\"caf?\",\"x-auth-token\":\"*\",\"content-length\":\"2\"}");
}
END_TEST

START_TEST(bodies_are_kept_dropped_or_kept_of_failures)
{
    const char *jobs = "{\"url\":\"/ok\"}\n{\"url\":\"/status/404\"}\n";
    fetching_run(jobs, &(errand_jobs_opts){ .body = ERRAND_JOBS_BODY_DROP });
    ck_assert_str_eq(came_with(1, "body"), "null");
    ck_assert_str_eq(came_with(1, "bytes.body"), "12");
    ck_assert_str_eq(came_with(2, "body"), "null");
    fetching_run(jobs, &(errand_jobs_opts){ .body = ERRAND_JOBS_BODY_FAILED });
    ck_assert_str_eq(came_with(1, "body"), "null");
    ck_assert_str_eq(came_with(2, "body"), "{\"status\":404}");
}
END_TEST

START_TEST(values_are_selected_with_their_digits)
{
    const char *select[] = { "/n", "/f", "/none/here", "/a/1", NULL };
    fetching_run(
        "{\"url\":\"/body/digits\"}\n{\"url\":\"/body/pretty\"}\n{\"url\":\"/body/text\"}\n"
        "{\"url\":\"/status/404\"}\n",
        &(errand_jobs_opts){ .select = select });
    ck_assert_str_eq(came_with(1, "selected"),
                     "{\"/n\":123456789012345678901234567890,\"/f\":1.00,\"/none/here\":null,"
                     "\"/a/1\":null}");
    ck_assert_ptr_null(came_with(1, "body"));
    ck_assert_str_eq(came_with(2, "selected"),
                     "{\"/n\":null,\"/f\":null,\"/none/here\":null,\"/a/1\":2.50}");
    ck_assert_str_eq(came_with(3, "selected"), "null"); /* no JSON */
    ck_assert_ptr_null(came_with(4, "selected"));
    ck_assert_str_eq(came_with(4, "body"), "{\"status\":404}");
}
END_TEST

START_TEST(wrong_options_of_results_are_refused)
{
    const char *wrong[] = { "/a", "b", NULL }, *good[] = { "/a", NULL };
    const errand_jobs_opts opts[] = {
        { .out = 1, .select = wrong },
        { .out = 1, .select = good, .output_dir = "x" },
        { .out = 1, .headers = (errand_jobs_headers)3 },
        { .out = 1, .body = (errand_jobs_body)3 },
    };
    for (size_t i = 0; i < sizeof opts / sizeof *opts; i++) {
        errno = 0;
        ck_assert_ptr_null(errand_jobs_new(fetching_pool(), fetching_http(), &opts[i]));
        ck_assert_int_eq(errno, EINVAL);
    }
}
END_TEST

START_TEST(failures_are_counted_by_class_with_the_first_of_each)
{
    const char *files[] = {
        files_text("jobs.jsonl", "{\"url\":\"/status/404\",\"id\":\"a\\u0007\"}\n{\"urll\":1}\n"
                                 "{\"url\":\"/status/404\",\"id\":2}\n{\"url\":\"/ok\"}\n"),
        NULL
    };
    errand_jobs *jobs =
        fetching_begin(files, &(errand_jobs_opts){ .ordered = 1, .concurrency = 1 });
    errand_jobs_failure f;
    ck_assert_int_eq(errand_jobs_wait(jobs, ERRAND_FOREVER), 0);
    ck_assert_int_eq(errand_jobs_failures(jobs, 0, &f), 0);
    ck_assert_int_eq(f.kind, ERRAND_KIND_HTTP_CLIENT);
    ck_assert_int_eq(f.error, ERRAND_HTTP + 404);
    ck_assert_uint_eq(f.count, 2);
    ck_assert_uint_eq(f.line, 1);
    ck_assert_str_eq(f.file, files[0]);
    ck_assert_str_eq(f.id, "a ");
    ck_assert_ptr_nonnull(strstr(f.message, "404"));
    ck_assert_int_eq(errand_jobs_failures(jobs, 1, &f), 0);
    ck_assert_int_eq(f.kind, ERRAND_KIND_VALIDATION);
    ck_assert_uint_eq(f.line, 2);
    ck_assert_str_eq(f.id, "");
    ck_assert_int_eq(errand_jobs_failures(jobs, 2, &f), ENOENT);
    ck_assert_int_eq(errand_jobs_failures(NULL, 0, &f), EINVAL);
    ck_assert_int_eq(errand_jobs_failures(jobs, 0, NULL), EINVAL);
    fetching_collect(jobs);
}
END_TEST

START_TEST(the_last_class_counts_all_further_ones)
{
    char input[4000] = "";
    for (unsigned i = 0; i < 40; i++) {
        size_t at = strlen(input);
        snprintf(input + at, sizeof input - at, "{\"url\":\"/status/%u\"}\n", 410 + i);
    }
    const char *files[] = { files_text("jobs.jsonl", input), NULL };
    errand_jobs *jobs =
        fetching_begin(files, &(errand_jobs_opts){ .ordered = 1, .concurrency = 1 });
    errand_jobs_failure f;
    ck_assert_int_eq(errand_jobs_wait(jobs, ERRAND_FOREVER), 0);
    ck_assert_int_eq(errand_jobs_failures(jobs, ERRAND_JOBS_FAILURES - 2, &f), 0);
    ck_assert_int_eq(f.error, ERRAND_HTTP + 440);
    ck_assert_int_eq(errand_jobs_failures(jobs, ERRAND_JOBS_FAILURES - 1, &f), 0);
    ck_assert_int_eq(f.error, 0);
    ck_assert_int_eq(f.kind, ERRAND_KIND_UNKNOWN);
    ck_assert_uint_eq(f.count, 9);
    ck_assert_int_eq(errand_jobs_failures(jobs, ERRAND_JOBS_FAILURES, &f), ENOENT);
    fetching_collect(jobs);
}
END_TEST

START_TEST(an_id_is_echoed_as_it_is_written)
{
    fetching_run("{\"url\":\"/ok\",\"id\":12345678901234567890123.50}\n{\"url\":\"/"
                 "ok\"}\n{\"bad\":1,\"id\":-0}\n",
                 NULL);
    ck_assert_str_eq(came_with(1, "id"), "12345678901234567890123.50");
    ck_assert_str_eq(came_with(2, "id"), "null");
    ck_assert_str_eq(came_with(3, "id"), "-0");
}
END_TEST

START_TEST(an_http_error_has_kind_code_message_and_body)
{
    fetching_run("{\"url\":\"/status/404\"}\n{\"url\":\"/status/503\"}\n{\"url\":\"/status/"
                 "429\",\"method\":\"POST\"}\n",
                 NULL);
    ck_assert_str_eq(came_with(1, "ok"), "false");
    ck_assert_str_eq(came_with(1, "status"), "404");
    ck_assert_str_eq(came_with(1, "error.kind"), "\"http_client\"");
    ck_assert_str_eq(came_with(1, "error.code"), "\"HTTP 404\"");
    ck_assert_ptr_nonnull(strstr(came_with(1, "error.message"), "404"));
    ck_assert_str_eq(came_with(1, "body"), "{\"status\":404}");
    ck_assert_str_eq(came_with(2, "error.kind"), "\"http_server\"");
    ck_assert_str_eq(came_with(2, "error.retry_after"), "0");
    ck_assert_str_eq(came_with(3, "error.kind"), "\"rate_limited\"");
    ck_assert_uint_eq(came.stats.failed, 3);
    ck_assert_uint_eq(came.stats.bad_lines, 0);
}
END_TEST

START_TEST(an_errors_body_is_cut_between_characters)
{
    fetching_run("{\"url\":\"/body/big_error\"}\n{\"url\":\"/body/split_error\"}\n", NULL);
    const char *first = strstr(came.lines[0], "\"body\":\"") + 8,
               *second = strstr(came.lines[1], "\"body\":\"") + 8;
    ck_assert_uint_eq(strspn(first, "x"), 64 << 10);
    ck_assert_int_eq(first[64 << 10], '"');
    ck_assert_uint_eq(strspn(second, "y"), (64 << 10) - 1);
    ck_assert_int_eq(second[(64 << 10) - 1], '"');
}
END_TEST

START_TEST(a_job_without_a_reply_has_nulls)
{
    char line[256];
    snprintf(line, sizeof line,
             "{\"url\":\"http://127.0.0.1:1/\"}\n{\"url\":\"/hang\",\"timeout\":0.05}\n");
    fetching_run(line, NULL);
    ck_assert_str_eq(came_with(1, "status"), "null");
    ck_assert_str_eq(came_with(1, "body"), "null");
    ck_assert_str_eq(came_with(1, "error.kind"), "\"network\"");
    ck_assert_str_eq(came_with(1, "timing_ms.first_byte"), "null");
    ck_assert_str_eq(came_with(1, "attempts"), "1");
    ck_assert_str_eq(came_with(2, "error.kind"), "\"timeout\"");
    ck_assert_str_eq(came_with(2, "error.code"), "\"ETIMEDOUT\"");
}
END_TEST

START_TEST(a_failed_job_has_the_timings_it_reached)
{
    fetching_run("{\"url\":\"/half\"}\n", NULL);
    ck_assert_str_eq(came_with(1, "error.phase"), "\"body\"");
    ck_assert_str_ne(came_with(1, "timing_ms.queue"), "null");
    ck_assert_str_ne(came_with(1, "timing_ms.connect"), "null");
    ck_assert_str_ne(came_with(1, "timing_ms.first_byte"), "null");
    ck_assert_str_eq(came_with(1, "timing_ms.tls"), "null");
    ck_assert_str_ne(came_with(1, "timing_ms.total"), "null");
}
END_TEST

START_TEST(a_job_that_was_never_sent_has_no_attempts)
{
    fetching_run("{\"url\":\"/ok\",\"headers\":{\"Content-Length\":\"3\"}}\n"
                 "{\"url\":\"/ok\",\"save_to\":\"/no/such/folder/x\"}\n"
                 "{\"url\":\"/ok\",\"method\":\"CONNECT\",\"idempotency_key\":true}\n"
                 "{\"url\":\"/status/503\",\"method\":\"POST\"}\n",
                 &(errand_jobs_opts){ .verbose = 1, .retries = 2 });
    for (size_t i = 1; i <= 3; i++) {
        ck_assert_str_eq(came_with(i, "ok"), "false");
        ck_assert_str_eq(came_with(i, "attempts"), "0");
        ck_assert_str_eq(came_with(i, "attempt_log"), "[]");
    }
    ck_assert_str_eq(came_with(4, "attempts"), "1");
    ck_assert_uint_eq(fetching_requests("/ok"), 0);
}
END_TEST

START_TEST(a_saved_body_is_not_in_the_line)
{
    char line[1024];
    const char *path = files_path("saved");
    snprintf(
        line, sizeof line,
        "{\"url\":\"/ok\",\"save_to\":\"%s\"}\n{\"url\":\"/status/404\",\"save_to\":\"%s.not\"}\n"
        "{\"url\":\"/status/304\",\"save_to\":\"%s.same\"}\n{\"url\":\"/status/"
        "302\",\"save_to\":\"%s.away\"}\n",
        path, path, path, path);
    fetching_run(line, NULL);
    char quoted[800];
    snprintf(quoted, sizeof quoted, "\"%s\"", path);
    ck_assert_str_eq(came_with(1, "saved_to"), quoted);
    ck_assert_str_eq(came_with(1, "body"), "null");
    char *text = files_read(path, NULL);
    ck_assert_str_eq(text, "{\"ok\": true}");
    free(text);
    ck_assert_str_eq(came_with(2, "saved_to"), "null");
    ck_assert_str_eq(came_with(2, "body"), "{\"status\":404}");
    for (unsigned i = 3; i < 5; i++) { /* ok, but not 2xx: nothing was saved */
        ck_assert_str_eq(came_with(i, "ok"), "true");
        ck_assert_str_eq(came_with(i, "saved_to"), "null");
    }
    ck_assert_str_eq(came_with(3, "body"), "\"\"");
    ck_assert_str_eq(came_with(4, "body"), "{\"status\":302}");
}
END_TEST

START_TEST(a_bodyless_reply_saves_nothing)
{
    char line[1024];
    const char *path = files_text("saved", "old");
    snprintf(line, sizeof line,
             "{\"url\":\"/ok\",\"method\":\"HEAD\",\"save_to\":\"%s\"}\n{\"url\":\"/status/"
             "204\",\"save_to\":\"%s\"}\n",
             path, path);
    fetching_run(line, NULL);
    for (unsigned i = 1; i < 3; i++) {
        ck_assert_str_eq(came_with(i, "ok"), "true");
        ck_assert_str_eq(came_with(i, "saved_to"), "null");
        ck_assert_str_eq(came_with(i, "body"), "\"\"");
    }
    char *text = files_read(path, NULL);
    ck_assert_str_eq(text, "old");
    free(text);
}
END_TEST

START_TEST(numbers_have_points_in_every_locale)
{
    if (!comma_locale()) return; /* the C library has no such locale */
    fetching_run("{\"url\":\"/flaky/1/v\",\"timeout\":29.5}\n",
                 &(errand_jobs_opts){ .verbose = 1, .retries = 1 });
    /* the line itself is valid JSON: fetching_collect */
    const char *total = came_with(1, "timing_ms.total");
    ck_assert_str_eq(came_with(1, "ok"), "true");
    ck_assert_uint_eq(strspn(total, "0123456789."), strlen(total));
}
END_TEST

START_TEST(verbose_lines_list_every_attempt)
{
    fetching_run("{\"url\":\"/flaky/2/v\"}\n{\"nonsense\":1}\n",
                 &(errand_jobs_opts){ .verbose = 1, .retries = 2 });
    ck_assert_str_eq(came_with(1, "ok"), "true");
    ck_assert_str_eq(came_with(1, "attempts"), "3");
    const char *log = came_with(1, "attempt_log");
    const char *first = strstr(log, "{\"number\":1,"), *third = strstr(log, "{\"number\":3,");
    double began = -1, took = -1, began_3 = -1;
    ck_assert(first && third);
    ck_assert_int_eq(sscanf(first,
                            "{\"number\":1,\"error\":\"HTTP 503\",\"began_ms\":%lf,\"took_ms\":%lf",
                            &began, &took),
                     2);
    ck_assert_int_eq(
        sscanf(third, "{\"number\":3,\"error\":null,\"began_ms\":%lf,\"took_ms\":", &began_3), 1);
    ck_assert(began >= 0 && took >= 0 && began + took < began_3);
    ck_assert_str_eq(came_with(2, "attempt_log"), "[]");
    fetching_run("{\"url\":\"/ok\"}\n{\"url\":\"/flaky/1/w\"}\n",
                 &(errand_jobs_opts){ .retries = 2 });
    ck_assert_ptr_null(came_with(1, "attempt_log"));
    ck_assert_ptr_nonnull(came_with(2, "attempt_log")); /* there was more than one */
}
END_TEST

START_TEST(the_request_matches_its_line)
{
    fetching_run(
        "{\"url\":\"/echo?a=1\",\"params\":{\"q\":\"x "
        "y\"},\"headers\":{\"X-One\":\"1\"},\"json\":{\"n\": 1.0}}\n"
        "{\"url\":\"/"
        "echo\",\"method\":\"PUT\",\"body\":\"raw\",\"headers\":{\"content-type\":\"text/csv\"}}\n"
        "{\"url\":\"/echo\",\"method\":\"POST\",\"idempotency_key\":\"key-7\"}\n"
        "{\"url\":\"/echo\",\"json\": null}\n"
        "{\"url\":\"/echo?caf\xc3\xa9\",\"body\":null}\n",
        NULL);
    const char *first = came_with(1, "body"), *second = came_with(2, "body"),
               *third = came_with(3, "body");
    ck_assert_msg(!strncmp(first, "\"POST /echo?a=1&q=x%20y HTTP/1.1\\r\\n", 35), "%s", first);
    ck_assert_ptr_nonnull(strstr(first, "X-One: 1\\r\\n"));
    ck_assert_ptr_nonnull(strstr(first, "Content-Type: application/json\\r\\n"));
    ck_assert_ptr_nonnull(strstr(first, "\\r\\n\\r\\n{\\\"n\\\": 1.0}\""));
    ck_assert_msg(!strncmp(second, "\"PUT /echo ", 11), "%s", second);
    ck_assert_ptr_nonnull(strstr(second, "text/csv\\r\\n"));
    ck_assert_ptr_nonnull(strstr(second, "\\r\\n\\r\\nraw\""));
    ck_assert_ptr_nonnull(strstr(third, "Idempotency-Key: key-7\\r\\n"));
    const char *fourth = came_with(4, "body"), *fifth = came_with(5, "body");
    ck_assert_msg(!strncmp(fourth, "\"POST /echo ", 12), "%s", fourth);
    ck_assert_ptr_nonnull(strstr(fourth, "Content-Type: application/json\\r\\n"));
    ck_assert_ptr_nonnull(strstr(fourth, "\\r\\n\\r\\nnull\""));
    ck_assert_msg(!strncmp(fifth, "\"GET /echo?caf%C3%A9 ", 20), "%s", fifth);
}
END_TEST

Suite *result_writer_suite(void)
{
    Suite *suite = suite_create("result_writer");
    TCase *tests = tcase_create("results");
    tcase_add_checked_fixture(tests, set_up, fetching_stop);
    tcase_add_loop_test(tests, a_body_is_json_or_text_or_base64, 0, sizeof given / sizeof *given);
    tcase_add_test(tests, a_result_line_has_all_its_keys_in_order);
    tcase_add_test(tests, a_line_without_a_reply_has_all_keys_too);
    tcase_add_test(tests, a_url_is_whole_and_has_no_secrets);
    tcase_add_test(tests, began_is_a_time_of_day);
    tcase_add_test(tests, headers_are_some_none_or_all);
    tcase_add_test(tests, bodies_are_kept_dropped_or_kept_of_failures);
    tcase_add_test(tests, values_are_selected_with_their_digits);
    tcase_add_test(tests, wrong_options_of_results_are_refused);
    tcase_add_test(tests, failures_are_counted_by_class_with_the_first_of_each);
    tcase_add_test(tests, the_last_class_counts_all_further_ones);
    tcase_add_test(tests, an_id_is_echoed_as_it_is_written);
    tcase_add_test(tests, an_http_error_has_kind_code_message_and_body);
    tcase_add_test(tests, an_errors_body_is_cut_between_characters);
    tcase_add_test(tests, a_job_without_a_reply_has_nulls);
    tcase_add_test(tests, a_failed_job_has_the_timings_it_reached);
    tcase_add_test(tests, a_job_that_was_never_sent_has_no_attempts);
    tcase_add_test(tests, a_saved_body_is_not_in_the_line);
    tcase_add_test(tests, a_bodyless_reply_saves_nothing);
    tcase_add_test(tests, numbers_have_points_in_every_locale);
    tcase_add_test(tests, verbose_lines_list_every_attempt);
    tcase_add_test(tests, the_request_matches_its_line);
    suite_add_tcase(suite, tests);
    return suite;
}
