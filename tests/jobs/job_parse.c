/* A line as a request: what each key becomes, and that each mistake is reported with its key. */
#include "jobs/files.h"
#include "jobs/job_parse.h"
#include "jobs/suites.h"

#include <errand/jobs.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static er_line_job job;

static int read_as_job(const char *text)
{
    er_line line = {
        .file = "test", .number = 1, .text = er_copy_text(text), .size = strlen(text)
    };
    er_line_job_free(&job);
    er_line_job_init(&job, &line, 1);
    return er_line_job_read(&job);
}

static void tear_down(void)
{
    er_line_job_free(&job);
    files_remove();
}

static const struct {
    const char *line, *says; /* part of the message */
} mistakes[] = {
    { "{", "not JSON" },
    { "nonsense", "not JSON" },
    { "{\"url\":\"/a\"} x", "something follows" },
    { "[\"/a\"]", "must be an object" },
    { "\"/a\"", "must be an object" },
    { "{}", "no key \"url\"" },
    { "{\"url\":null}", "no key \"url\"" },
    { "{\"url\":\"\"}", "\"url\" is empty" },
    { "{\"url\":5}", "\"url\" must be a string" },
    { "{\"url\":\"ftp://host/a\"}", "only http and https, not \"ftp\"" },
    { "{\"url\":\"file:///etc/passwd\"}", "not \"file\"" },
    { "{\"url\":\"javascript:alert(1)\"}", "not \"javascript\"" },
    { "{\"url\":\"http:///path\"}", "there is no host" },
    { "{\"url\":\"https://\"}", "there is no host" },
    { "{\"url\":\"http:host\"}", "there is no host" },
    { "{\"url\":\"/a b\"}", "a space" },
    { "{\"url\":\"/a\\nb\"}", "control character" },
    { "{\"url\":\"/a\\u0000b\"}", "NUL" },
    { "{\"urll\":\"/a\"}", "unknown key \"urll\"" },
    { "{\"url\":\"/a\",\"Method\":\"GET\"}", "unknown key \"Method\"" },
    { "{\"url\":\"/a\",\"id\":true}", "\"id\" must be a string or a number" },
    { "{\"url\":\"/a\",\"id\":[1]}", "\"id\" must be" },
    { "{\"url\":\"/a\",\"method\":\"GE T\"}", "\"method\"" },
    { "{\"url\":\"/a\",\"method\":7}", "\"method\" must be a string" },
    { "{\"url\":\"/a\",\"headers\":[]}", "\"headers\" must be an object" },
    { "{\"url\":\"/a\",\"headers\":{\"X Y\":\"1\"}}", "\"X Y\" is not a header name" },
    { "{\"url\":\"/a\",\"headers\":{\"X\":{}}}", "\"X\" must be a string, a number" },
    { "{\"url\":\"/a\",\"headers\":{\"X\":null}}", "\"X\" must be a string, a number" },
    { "{\"url\":\"/a\",\"headers\":{\"X\":\"a\\r\\nEvil: 1\"}}", "line break in \"X\"" },
    { "{\"url\":\"/a\",\"headers\":{\"X\\u0000Y\":\"1\"}}", "NUL character in the name \"X\"" },
    { "{\"url\":\"/a\",\"params\":{\"a\\u0000b\":\"1\"}}", "NUL character in the name \"a\"" },
    { "{\"url\":\"/a\",\"params\":{\"a\":\"1\\u0000\"}}", "NUL character in \"a\"" },
    { "{\"url\":\"/a\",\"params\":\"a=b\"}", "\"params\" must be an object" },
    { "{\"url\":\"/a\",\"params\":{\"a\":[1]}}", "\"a\" must be a string, a number" },
    { "{\"url\":\"/a\",\"json\":1,\"body\":\"x\"}", "at most one of json, body and body_file" },
    { "{\"url\":\"/a\",\"json\":null,\"body\":\"x\"}", "at most one of json, body and body_file" },
    { "{\"url\":\"/a\",\"body\":{\"x\":1}}", "there is \"json\"" },
    { "{\"url\":\"/a\",\"body_file\":\"/no/such/file\"}", "/no/such/file: No such file" },
    { "{\"url\":\"/a\",\"body_file\":\"/\"}", "Is a directory" },
    { "{\"url\":\"/a\",\"timeout\":0}", "\"timeout\" must be seconds above 0" },
    { "{\"url\":\"/a\",\"timeout\":-1}", "\"timeout\" must be" },
    { "{\"url\":\"/a\",\"timeout\":\"5 s\"}", "\"timeout\" must be" },
    { "{\"url\":\"/a\",\"timeout\":\"fast\"}", "\"timeout\" must be" },
    { "{\"url\":\"/a\",\"timeout\":true}", "\"timeout\" must be" },
    { "{\"url\":\"/a\",\"timeout\":1.001e9}", "\"timeout\" must be" },
    { "{\"url\":\"/a\",\"timeout\":1e400}", "\"timeout\" must be" },
    { "{\"url\":\"/a\",\"retries\":-1}", "\"retries\" must be a whole number" },
    { "{\"url\":\"/a\",\"retries\":1.5}", "\"retries\" must be a whole number" },
    { "{\"url\":\"/a\",\"retries\":\"3\"}", "\"retries\" must be a whole number" },
    { "{\"url\":\"/a\",\"retries\":1001}", "\"retries\" must be a whole number" },
    { "{\"url\":\"/a\",\"retries\":99999999999}", "\"retries\" must be a whole number" },
    { "{\"url\":\"/a\",\"idempotent\":\"yes\"}", "\"idempotent\" must be true or false" },
    { "{\"url\":\"/a\",\"idempotency_key\":false}",
      "\"idempotency_key\" must be a string, or true" },
    { "{\"url\":\"/a\",\"idempotency_key\":\"\"}", "\"idempotency_key\" is empty" },
    { "{\"url\":\"/a\",\"save_to\":\"\"}", "\"save_to\" is empty" },
    { "{\"url\":\"/a\",\"save_to\":1}", "\"save_to\" must be a string" },
};

START_TEST(a_mistake_is_reported_with_its_key)
{
    ck_assert_int_ne(read_as_job(mistakes[_i].line), 0);
    errand_result r = er_line_job_refusal(&job);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_VALIDATION);
    ck_assert_msg(strstr(errand_result_message(&r), mistakes[_i].says), "%s: %s", mistakes[_i].line,
                  errand_result_message(&r));
    ck_assert(!errand_result_transient(&r));
    errand_result_free(&r);
}
END_TEST

static int read_expanded(const char *text)
{
    er_line line = {
        .file = "test", .number = 1, .text = er_copy_text(text), .size = strlen(text)
    };
    er_line_job_free(&job);
    er_line_job_init(&job, &line, 1);
    job.expand = true;
    return er_line_job_read(&job);
}

START_TEST(variables_in_headers_are_expanded_and_secret)
{
    setenv("ERRAND_TEST_KEY", "s3same-${HOME}", 1);
    static const char line[] =
        "{\"url\":\"/a\",\"headers\":{\"X-Key\":\"a ${ERRAND_TEST_KEY}!\",\"Y\":\"$${b} $c\"}}";
    ck_assert_int_eq(read_as_job(line), 0);
    ck_assert_str_eq(job.request.headers[0], "X-Key: a ${ERRAND_TEST_KEY}!");
    ck_assert_ptr_null(job.request.secrets);
    ck_assert_int_eq(read_expanded(line), 0);
    ck_assert_str_eq(job.request.headers[0], "X-Key: a s3same-${HOME}!");
    ck_assert_str_eq(job.request.headers[1], "Y: ${b} $c");
    ck_assert_str_eq(job.request.secrets[0], "s3same-${HOME}");
    ck_assert_ptr_null(job.request.secrets[1]);
}
END_TEST

START_TEST(a_variable_that_cannot_be_expanded_is_named)
{
    static const struct {
        const char *value, *says;
    } bad[] = { { "${ERRAND_TEST_UNSET}", "the variable ERRAND_TEST_UNSET of \"X\" is not set" },
                { "${", "\"${\" without a name and \"}\" in \"X\"" },
                { "${A B}", "without a name" },
                { "${1}", "without a name" },
                { "${ERRAND_TEST_LINES}", "a line break in \"X\"" } };
    setenv("ERRAND_TEST_LINES", "a\nb", 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[200];
        snprintf(line, sizeof line, "{\"url\":\"/a\",\"headers\":{\"X\":\"%s\"}}", bad[i].value);
        ck_assert_int_eq(read_expanded(line), EINVAL);
        ck_assert_msg(strstr(job.why, bad[i].says) != NULL, "%s", job.why);
    }
}
END_TEST

START_TEST(expand_gives_text_or_an_errno)
{
    setenv("ERRAND_TEST_KEY", "s3same", 1);
    char *text = errand_expand("<${ERRAND_TEST_KEY}>", NULL, NULL);
    ck_assert_str_eq(text, "<s3same>");
    free(text);
    ck_assert_ptr_null(errand_expand("${ERRAND_TEST_UNSET}", NULL, NULL));
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_ptr_null(errand_expand("${", NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(errand_expand(NULL, NULL, NULL));
}
END_TEST

START_TEST(a_bad_line_still_has_its_id_and_meta)
{
    ck_assert_int_ne(read_as_job("{\"wrong\":1,\"meta\":{\"k\":1},\"id\":12345678901234567890}"),
                     0);
    ck_assert_uint_eq(job.id.size, 20);
    ck_assert_mem_eq(job.id.at, "12345678901234567890", 20);
    ck_assert_mem_eq(job.meta.at, "{\"k\":1}", 7);
}
END_TEST

START_TEST(a_url_is_enough)
{
    ck_assert_int_eq(read_as_job("{\"url\":\"http://host/a?b=c#d\"}"), 0);
    ck_assert_str_eq(job.request.url, "http://host/a?b=c#d");
    ck_assert_ptr_null(job.request.method);
    ck_assert_ptr_null(job.request.headers);
    ck_assert_ptr_null(job.request.json);
    ck_assert_ptr_null(job.request.body.at);
    ck_assert_int_eq(job.request.total_ms, 0);
    ck_assert(!job.retries_given);
}
END_TEST

START_TEST(every_key_is_read)
{
    ck_assert_int_eq(
        read_as_job(
            "{\"url\":\"HTTPS://host/"
            "\\u0061\",\"id\":\"x\",\"method\":\"PATCH\",\"retries\":7,\"timeout\":\"1.5s\","
            "\"headers\":{\"X-A\":\"b\",\"X-N\":1.50,\"X-T\":true},\"body\":\"hi\",\"idempotent\":"
            "true,"
            "\"idempotency_key\":\"k1\",\"save_to\":\"/tmp/f\",\"meta\":null}"),
        0);
    ck_assert_str_eq(job.request.url, "HTTPS://host/a");
    ck_assert_str_eq(job.request.method, "PATCH");
    ck_assert_str_eq(job.request.headers[0], "X-A: b");
    ck_assert_str_eq(job.request.headers[1], "X-N: 1.50");
    ck_assert_str_eq(job.request.headers[2], "X-T: true");
    ck_assert_ptr_null(job.request.headers[3]);
    ck_assert_uint_eq(job.request.body.size, 2);
    ck_assert_mem_eq(job.request.body.at, "hi", 2);
    ck_assert_int_eq(job.request.total_ms, 1500);
    ck_assert(job.retries_given);
    ck_assert_uint_eq(job.retries, 7);
    ck_assert_int_eq(job.request.repeat, ERRAND_REPEAT_ALWAYS);
    ck_assert_str_eq(job.request.idempotency_key, "k1");
    ck_assert_str_eq(job.request.save_to, "/tmp/f");
    ck_assert_mem_eq(job.id.at, "\"x\"", 3);
    ck_assert_ptr_null(job.meta.at);
}
END_TEST

START_TEST(null_unsets_a_key_and_the_last_duplicate_wins)
{
    ck_assert_int_eq(
        read_as_job("{\"url\":\"/a\",\"url\":\"/"
                    "b\",\"body\":null,\"body_file\":null,\"timeout\":null,\"id\":null}"),
        0);
    ck_assert_str_eq(job.request.url, "/b");
    ck_assert_ptr_null(job.request.method);
    ck_assert_ptr_null(job.id.at);
}
END_TEST

START_TEST(null_is_a_json_body)
{
    ck_assert_int_eq(read_as_job("{\"url\":\"/a\",\"json\": null }"), 0);
    ck_assert_str_eq(json_object_to_json_string_ext(job.request.json, JSON_C_TO_STRING_PLAIN),
                     "null");
    ck_assert_str_eq(job.request.method, "POST");
}
END_TEST

START_TEST(a_json_body_is_sent_as_it_is_written)
{
    ck_assert_int_eq(read_as_job("{\"url\":\"/a\",\"json\":{\"n\": 123456789012345678901234567890, "
                                 "\"x\":1.0e400,\"n\":2}}"),
                     0);
    ck_assert_str_eq(json_object_to_json_string_ext(job.request.json, JSON_C_TO_STRING_PLAIN),
                     "{\"n\": 123456789012345678901234567890, \"x\":1.0e400,\"n\":2}");
    ck_assert_str_eq(job.request.method, "POST");
}
END_TEST

START_TEST(any_body_makes_a_post)
{
    ck_assert_int_eq(read_as_job("{\"url\":\"/a\",\"body\":\"\"}"), 0);
    ck_assert_str_eq(job.request.method, "POST");
    ck_assert_uint_eq(job.request.body.size, 0);
    ck_assert_int_eq(read_as_job("{\"url\":\"/a\",\"body\":\"a\\u0000b\"}"), 0);
    ck_assert_uint_eq(job.request.body.size, 3);
    ck_assert_int_eq(read_as_job("{\"url\":\"/a\",\"body\":\"x\",\"method\":\"PUT\"}"), 0);
    ck_assert_str_eq(job.request.method, "PUT");
}
END_TEST

START_TEST(a_body_file_is_passed_to_the_request)
{
    char line[1024];
    const char *path = files_text("body", "content");
    snprintf(line, sizeof line, "{\"url\":\"/a\",\"body_file\":\"%s\"}", path);
    ck_assert_int_eq(read_as_job(line), 0);
    ck_assert_str_eq(job.request.body_file, path);
    ck_assert_ptr_null(job.request.body.at);
    ck_assert_str_eq(job.request.method, "POST");
    snprintf(line, sizeof line, "{\"url\":\"/a\",\"body\":\"\",\"body_file\":\"%s\"}", path);
    ck_assert_int_eq(read_as_job(line), EINVAL);
}
END_TEST

START_TEST(a_fifo_is_refused_as_body_file)
{
    char line[1024];
    const char *path = files_text("fifo", "");
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    snprintf(line, sizeof line, "{\"url\":\"/a\",\"body_file\":\"%s\"}", path);
    ck_assert_int_eq(read_as_job(line), EINVAL);
    ck_assert_ptr_nonnull(strstr(job.why, "fifo: it is not a regular file"));
}
END_TEST

static const struct {
    const char *url, *params, *whole;
} queries[] = {
    { "/a", "{\"q\":\"x\"}", "/a?q=x" },
    { "/a?b=c", "{\"q\":\"x\"}", "/a?b=c&q=x" },
    { "/a?", "{\"q\":\"x\"}", "/a?q=x" },
    { "/a#f", "{\"q\":\"x\",\"r\":1}", "/a?q=x&r=1#f" },
    { "/a#f?g", "{\"q\":\"x\"}", "/a?q=x#f?g" },
    { "/a", "{\"q\":\"a b&c=d/\\u00e9~-._\"}", "/a?q=a%20b%26c%3Dd%2F%C3%A9~-._" },
    { "/a", "{\"n\":1.50,\"t\":true,\"e\":\"\",\"big\":12345678901234567890123}",
      "/a?n=1.50&t=true&e=&big=12345678901234567890123" },
    { "/a", "{}", "/a" },
};

START_TEST(params_go_into_the_query)
{
    char line[512];
    snprintf(line, sizeof line, "{\"params\":%s,\"url\":\"%s\"}", queries[_i].params,
             queries[_i].url);
    ck_assert_int_eq(read_as_job(line), 0);
    ck_assert_str_eq(job.request.url, queries[_i].whole);
}
END_TEST

static const struct {
    const char *written;
    int64_t ms;
} times[] = {
    { "2", 2000 },         { "0.25", 250 },      { "1e1", 10000 },         { "15E-1", 1500 },
    { "\"2\"", 2000 },     { "\"1.5s\"", 1500 }, { "\"200ms\"", 200 },     { "\"2m\"", 120000 },
    { "\"0.5m\"", 30000 }, { "0.0001", 1 },      { "0.3", 300 },           { "86400", 86400000 },
    { "\"1h\"", 3600000 }, { "\"1e1\"", 10000 }, { "1e9", 1000000000000 }, { "\".5\"", 500 },
};

START_TEST(a_timeout_is_seconds_or_has_a_unit)
{
    char line[128];
    snprintf(line, sizeof line, "{\"url\":\"/a\",\"timeout\":%s}", times[_i].written);
    ck_assert_int_eq(read_as_job(line), 0);
    ck_assert_int_eq(job.request.total_ms, times[_i].ms);
}
END_TEST

START_TEST(a_generated_key_is_a_unique_uuid)
{
    char first[64];
    ck_assert_int_eq(read_as_job("{\"url\":\"/a\",\"idempotency_key\":true}"), 0);
    const char *key = job.request.idempotency_key;
    ck_assert_uint_eq(strlen(key), 36);
    for (size_t i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) ck_assert_int_eq(key[i], '-');
        else ck_assert_ptr_nonnull(strchr("0123456789abcdef", key[i]));
    }
    ck_assert_int_eq(key[14], '4');
    ck_assert_ptr_nonnull(strchr("89ab", key[19]));
    snprintf(first, sizeof first, "%s", key);
    ck_assert_int_eq(read_as_job("{\"url\":\"/a\",\"idempotency_key\":true}"), 0);
    ck_assert_str_ne(first, job.request.idempotency_key);
}
END_TEST

START_TEST(a_line_that_is_too_long_is_reported)
{
    er_line line = { .file = "test", .number = 4, .error = EFBIG };
    er_line_job_init(&job, &line, 1);
    ck_assert_int_eq(er_line_job_read(&job), EINVAL);
    ck_assert_str_eq(job.why, "longer than 16 MiB");
}
END_TEST

Suite *job_parse_suite(void)
{
    Suite *suite = suite_create("job_parse");
    TCase *tests = tcase_create("job");
    tcase_add_checked_fixture(tests, NULL, tear_down);
    tcase_add_loop_test(tests, a_mistake_is_reported_with_its_key, 0,
                        sizeof mistakes / sizeof *mistakes);
    tcase_add_test(tests, variables_in_headers_are_expanded_and_secret);
    tcase_add_test(tests, a_variable_that_cannot_be_expanded_is_named);
    tcase_add_test(tests, expand_gives_text_or_an_errno);
    tcase_add_test(tests, a_bad_line_still_has_its_id_and_meta);
    tcase_add_test(tests, a_url_is_enough);
    tcase_add_test(tests, every_key_is_read);
    tcase_add_test(tests, null_unsets_a_key_and_the_last_duplicate_wins);
    tcase_add_test(tests, null_is_a_json_body);
    tcase_add_test(tests, a_json_body_is_sent_as_it_is_written);
    tcase_add_test(tests, any_body_makes_a_post);
    tcase_add_test(tests, a_body_file_is_passed_to_the_request);
    tcase_add_test(tests, a_fifo_is_refused_as_body_file);
    tcase_add_loop_test(tests, params_go_into_the_query, 0, sizeof queries / sizeof *queries);
    tcase_add_loop_test(tests, a_timeout_is_seconds_or_has_a_unit, 0, sizeof times / sizeof *times);
    tcase_add_test(tests, a_generated_key_is_a_unique_uuid);
    tcase_add_test(tests, a_line_that_is_too_long_is_reported);
    suite_add_tcase(suite, tests);
    return suite;
}
