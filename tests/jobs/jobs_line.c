/* What a run would send, line by line: the same as the run sends, with nothing sent. */
#include "fixture/memory.h"
#include "jobs/fetching.h"
#include "jobs/files.h"
#include "jobs/suites.h"

#include <errand/jobs_line.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST = 16 };

/* Copies of the lines: "FATE METHOD URL HOST ..." */
static struct copy {
    errand_jobs_line line;
    char file[64], id[64], message[256], method[16], url[256], shown[256], host[64], body[256];
    char headers[1024]; /* "Name: value\n"; secret ones with a "!" before */
} copies[MOST];
static size_t n_copies, stop_after;
static char said[1024];

static void set_up(void)
{
    fetching_start(2);
    n_copies = 0;
    stop_after = MOST;
    said[0] = '\0';
}

static void tear_down(void) { fetching_stop(); }

static void on_error(const char *message, void *arg)
{
    (void)arg;
    size_t n = strlen(files_folder());
    if (!strncmp(message, files_folder(), n)) message += n + 1;
    size_t at = strlen(said);
    snprintf(said + at, sizeof said - at, "%s%s", at ? "\n" : "", message);
}

static void put(char *to, size_t room, const char *text)
{
    snprintf(to, room, "%s", text ? text : "-");
}

static bool copy(const errand_jobs_line *line, void *arg)
{
    (void)arg;
    struct copy *c = &copies[n_copies];
    *c = (struct copy){ .line = *line };
    put(c->file, sizeof c->file,
        strrchr(line->file, '/') ? strrchr(line->file, '/') + 1 : line->file);
    put(c->id, sizeof c->id, line->id);
    put(c->message, sizeof c->message, line->message);
    put(c->method, sizeof c->method, line->method);
    put(c->url, sizeof c->url, line->url);
    put(c->shown, sizeof c->shown, line->url_shown);
    put(c->host, sizeof c->host, line->host);
    snprintf(c->body, sizeof c->body, "%.*s", (int)line->body.size,
             line->body.at ? (const char *)line->body.at : "");
    for (const errand_jobs_header *header = line->headers; header && header->name; header++) {
        size_t at = strlen(c->headers);
        snprintf(c->headers + at, sizeof c->headers - at, "%s%s: %s\n", header->secret ? "!" : "",
                 header->name, header->value);
    }
    return ++n_copies < stop_after;
}

static int read_files(const char *const *files, errand_jobs_opts o)
{
    o.files = files;
    o.on_error = on_error;
    n_copies = 0;
    return errand_jobs_read(fetching_http(), &o, copy, NULL);
}

static int read_text(const char *text, errand_jobs_opts o)
{
    const char *files[] = { files_text("in", text), NULL };
    return read_files(files, o);
}

static const char own[] =
    "{\"url\":\"/echo?a=1\",\"id\":\"one\"}\n\n"
    "{\"url\":\"/echo\",\"json\":{\"n\":1.00},\"headers\":{\"X-Own\":\"o\",\"X-Empty\":\"\"}}\n"
    "{\"url\":\"/echo\",\"method\":\"PUT\",\"body\":\"text\",\"params\":{\"q\":\"a b\"}}\n"
    "{\"url\":\"/echo\",\"method\":\"POST\",\"idempotency_key\":\"key-1\",\"retries\":7}\n";

START_TEST(a_line_is_what_the_run_then_sends)
{
    ck_assert_int_eq(read_text(own, (errand_jobs_opts){ .retries = 2 }), 0);
    ck_assert_uint_eq(n_copies, 4);
    ck_assert_uint_eq(fetching_requests("/echo"), 0);
    fetching_run(own, NULL);
    for (size_t i = 0; i < 4; i++) {
        struct copy *c = &copies[i];
        struct json_object *echo = json_tokener_parse(came_with(i + 1, "body"));
        const char *sent = json_object_get_string(echo);
        char start[300];
        ck_assert_int_eq(c->line.fate, ERRAND_JOBS_SENT);
        ck_assert_str_eq(c->file, "in");
        ck_assert_uint_eq(c->line.seq, i + 1);
        ck_assert_uint_eq(c->line.number, i ? i + 2 : 1);
        snprintf(start, sizeof start, "%s %s HTTP/1.1\r\n", c->method,
                 c->url + strlen(fetching_url()));
        ck_assert_msg(!strncmp(sent, start, strlen(start)), "%s\n%s", start, sent);
        for (char *rest = NULL, *header = strtok_r(c->headers, "\n", &rest); header;
             header = strtok_r(NULL, "\n", &rest)) {
            size_t size = strlen(header);
            while (header[size - 1] == ' ') header[--size] = '\0'; /* of an empty value */
            ck_assert_msg(strstr(sent, header), "%s\n%s", header, sent);
        }
        const char *behind = strstr(sent, "\r\n\r\n") + 4;
        ck_assert_str_eq(behind, c->body);
        ck_assert_uint_eq(c->line.body_size, strlen(behind));
        json_object_put(echo);
    }
    ck_assert_str_eq(copies[0].id, "\"one\"");
    ck_assert_str_eq(copies[1].id, "-");
    ck_assert_uint_eq(copies[0].line.has_body, 0);
    ck_assert_uint_eq(copies[2].line.has_body, 1);
    ck_assert_str_eq(copies[0].host, fetching_url() + 7);
}
END_TEST

START_TEST(whether_it_is_harmless_and_how_often_it_is_tried_follow_the_options)
{
    ck_assert_int_eq(read_text(own, (errand_jobs_opts){ .retries = 2 }), 0);
    const unsigned harmless[] = { 1, 0, 1, 1 }, retries[] = { 2, 2, 2, 7 };
    for (size_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(copies[i].line.harmless, harmless[i]);
        ck_assert_uint_eq(copies[i].line.retries, retries[i]);
        ck_assert_uint_eq(copies[i].line.keyed, i == 3);
    }
    ck_assert_int_eq(read_text(own, (errand_jobs_opts){ .idempotency_keys = 1 }), 0);
    ck_assert(copies[1].line.harmless && copies[1].line.keyed && copies[1].line.fresh_key);
    ck_assert(!copies[0].line.keyed && !copies[3].line.fresh_key);
    ck_assert_int_eq(read_text(own, (errand_jobs_opts){ .idempotent = 1 }), 0);
    ck_assert(copies[1].line.harmless && !copies[1].line.keyed);
    ck_assert_int_eq(read_text("{\"id\":1}\n", (errand_jobs_opts){ .defaults = "{\"url\":\"/d\"}",
                                                                   .method = "DELETE" }),
                     0);
    ck_assert_str_eq(copies[0].method, "DELETE");
    ck_assert_str_eq(copies[0].url + strlen(fetching_url()), "/d");
}
END_TEST

START_TEST(bad_lines_say_what_they_say_in_a_run)
{
    static const char bad[] = "{\"urll\":1}\n[]\n{\"url\":\"ftp://x/\"}\n{\"url\":\"/ok\","
                              "\"body_file\":\"/nowhere/x\"}\n{\"url\":\"/ok\",\"method\":"
                              "\"CONNECT\"}\n{\"url\":\"http://a b/\"}\n{\"id\":\"x\"}\n";
    ck_assert_int_eq(read_text(bad, (errand_jobs_opts){ 0 }), 0);
    ck_assert_str_eq(said, "");
    fetching_run(bad, NULL);
    ck_assert_uint_eq(came.n_complaints, 7);
    for (size_t i = 0; i < came.n_complaints; i++) {
        ck_assert_int_eq(copies[i].line.fate, ERRAND_JOBS_BAD);
        ck_assert_int_ne(copies[i].line.error, 0);
        ck_assert_ptr_null(copies[i].line.request);
        char wanted[300];
        snprintf(wanted, sizeof wanted, ":%zu: %s", i + 1, copies[i].message);
        bool found = false;
        for (size_t k = 0; k < came.n_complaints; k++)
            found = found || strstr(came.complaints[k], wanted);
        ck_assert_msg(found, "%s", wanted);
    }
    ck_assert_str_eq(copies[6].id, "\"x\"");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_a_line_of_its_own)
{
    const char *files[] = { files_path("missing"), files_text("b", "{\"url\":\"/ok\"}\n"), NULL };
    ck_assert_int_eq(read_files(files, (errand_jobs_opts){ 0 }), 0);
    ck_assert_uint_eq(n_copies, 2);
    ck_assert_int_eq(copies[0].line.fate, ERRAND_JOBS_UNREAD);
    ck_assert_int_eq(copies[0].line.error, ENOENT);
    ck_assert_uint_eq(copies[0].line.number, 0);
    ck_assert_str_eq(copies[0].file, "missing");
    ck_assert_int_eq(copies[1].line.fate, ERRAND_JOBS_SENT);
    ck_assert_uint_eq(copies[1].line.seq, 1);
}
END_TEST

START_TEST(secrets_are_marked)
{
    setenv("ERRAND_TEST_VALUE", "sesame-value", 1);
    ck_assert_int_eq(
        read_text(
            "{\"url\":\"http://u:p@host/x?api_key=hush&y=1#f\",\"headers\":{\"Authorization\":"
            "\"Bearer t\",\"X-Plain\":\"p\",\"X-Env\":\"a ${ERRAND_TEST_VALUE}\"}}\n",
            (errand_jobs_opts){ .expand = 1 }),
        0);
    ck_assert_str_eq(copies[0].shown, "http://host/x?api_key=*&y=1");
    ck_assert_ptr_nonnull(strstr(copies[0].url, "u:p@host/x?api_key=hush"));
    ck_assert_ptr_nonnull(strstr(copies[0].headers, "!Authorization: Bearer t\n"));
    ck_assert_ptr_nonnull(strstr(copies[0].headers, "!X-Env: a sesame-value\n"));
    ck_assert_ptr_nonnull(strstr(copies[0].headers, "\nX-Plain: p\n"));
    ck_assert(errand_header_is_secret("Set-Cookie") && errand_header_is_secret("X-Api-Key: 1"));
    ck_assert(!errand_header_is_secret("Idempotency-Key") && !errand_header_is_secret(NULL));
    char *plain = errand_redact_urls("</a?token=t>; rel=next");
    ck_assert_str_eq(plain, "</a?token=*>; rel=next");
    free(plain);
    ck_assert(!errand_redact_urls(NULL) && errno == EINVAL);
}
END_TEST

START_TEST(the_reading_ends_when_the_function_says_so)
{
    stop_after = 2;
    ck_assert_int_eq(read_text(own, (errand_jobs_opts){ 0 }), 0);
    ck_assert_uint_eq(n_copies, 2);
    stop_after = MOST;
    ck_assert_int_eq(read_text(own, (errand_jobs_opts){ .skip = 1, .take = 2 }), 0);
    ck_assert_uint_eq(n_copies, 2);
    ck_assert_uint_eq(copies[0].line.seq, 2);
}
END_TEST

START_TEST(what_a_run_refuses_is_refused)
{
    ck_assert_int_eq(read_text("id,name\n1,x\n", (errand_jobs_opts){ .format = ERRAND_JOBS_AUTO }),
                     EINVAL);
    ck_assert_ptr_nonnull(strstr(said, "in: this is a CSV: there is no column \"url\""));
    said[0] = '\0';
    ck_assert_int_eq(read_text(own, (errand_jobs_opts){ .defaults = "[]" }), EINVAL);
    ck_assert_str_eq(said, "--defaults: an object is wanted, {\"headers\": ...}");
    ck_assert_int_eq(read_text(own, (errand_jobs_opts){ .out = -1 }), EINVAL);
    const errand_jobs_opts o = { 0 };
    ck_assert_int_eq(errand_jobs_read(NULL, &o, copy, NULL), EINVAL);
    ck_assert_int_eq(errand_jobs_read(fetching_http(), &o, NULL, NULL), EINVAL);
    ck_assert_int_eq(errand_jobs_read(fetching_http(), NULL, copy, NULL), EINVAL);
    struct {
        errand_jobs_opts o;
        int more;
    } longer = { .more = 1 };
    ck_assert_int_eq(errand_jobs_read_sized(fetching_http(), &longer.o, sizeof longer, copy, NULL),
                     ENOTSUP);
    errand_retry_if *retry_if = errand_retry_if_kind(ERRAND_KIND_BIT(NETWORK)); /* consumed */
    ck_assert_int_eq(read_text(own, (errand_jobs_opts){ .retry_if = retry_if }), 0);
    ck_assert_uint_eq(n_copies, 4);
}
END_TEST

/* ---- with results ---- */

static char *with_journal(const char *results)
{
    char path[4096];
    snprintf(path, sizeof path, "%s.journal", results);
    return files_read(path, NULL);
}

START_TEST(earlier_results_count_and_stay_as_they_are)
{
    static const char input[] = "{\"url\":\"/ok\",\"id\":1}\n{\"url\":\"/status/400\",\"id\":2}\n"
                                "{\"urll\":1}\n";
    const char *results = files_path("out"), *files[] = { files_text("jobs.jsonl", input), NULL };
    errand_jobs_opts o = { .results = results };
    ck_assert_int_eq(read_files(files, o), 0); /* nothing is there, and nothing is made */
    ck_assert_uint_eq(n_copies, 3);
    struct stat about;
    ck_assert_int_ne(stat(results, &about), 0);
    errand_jobs_opts run = o;
    run.files = files;
    errand_jobs *jobs = errand_jobs_new(fetching_pool(), fetching_http(), &run);
    ck_assert_int_eq(errand_jobs_wait(jobs, ERRAND_FOREVER), 0);
    errand_jobs_free(jobs);
    char *before = files_read(results, NULL), *journal = with_journal(results);
    ck_assert_int_eq(read_files(files, o), EEXIST);
    ck_assert_ptr_nonnull(strstr(said, "out: it has results already"));
    files_text("jobs.jsonl", "{\"url\":\"/ok\",\"id\":3}\n{\"url\":\"/status/400\",\"id\":2}\n"
                             "{\"urll\":1}\n{\"url\":\"/ok\",\"id\":1}\n");
    o.begin = ERRAND_RESULTS_RESUME;
    ck_assert_int_eq(read_files(files, o), 0);
    const errand_jobs_fate fates[] = { ERRAND_JOBS_SENT, ERRAND_JOBS_DONE_FAILED,
                                       ERRAND_JOBS_DONE_FAILED, ERRAND_JOBS_DONE };
    ck_assert_uint_eq(n_copies, 4);
    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(copies[i].line.fate, fates[i]);
    o.retry_kinds = ERRAND_KIND_BIT(HTTP_CLIENT);
    ck_assert_int_eq(read_files(files, o), 0);
    ck_assert_int_eq(copies[1].line.fate, ERRAND_JOBS_SENT);
    o.begin = ERRAND_RESULTS_FRESH;
    ck_assert_int_eq(read_files(files, o), 0);
    ck_assert_int_eq(copies[3].line.fate, ERRAND_JOBS_SENT);
    char *after = files_read(results, NULL), *journal_after = with_journal(results);
    ck_assert_str_eq(before, after);
    ck_assert_str_eq(journal, journal_after);
    free(before);
    free(after);
    free(journal);
    free(journal_after);
}
END_TEST

START_TEST(results_that_a_run_refuses_are_refused)
{
    const char *results = files_text("out", "x\n");
    errand_jobs_opts o = { .results = results, .begin = ERRAND_RESULTS_RESUME };
    ck_assert_int_eq(read_text(own, o), ENOENT);
    ck_assert_ptr_nonnull(strstr(said, "out: it has no journal"));
    files_text("out.journal", "x\n");
    ck_assert_int_eq(read_text(own, o), EBADMSG);
    o.results = files_folder();
    ck_assert_int_eq(read_text(own, o), ESPIPE);
}
END_TEST

START_TEST(without_memory_it_says_so)
{
    static const char input[] =
        "{\"url\":\"/ok\",\"id\":1,\"headers\":{\"X-Api-Key\":\"k\"}}\n{\"urll\":1}\n";
    const char *files[] = { files_text("in", input), NULL };
    const errand_jobs_opts o = { .files = files,
                                 .method = "PATCH",
                                 .results = files_path("out"),
                                 .begin = ERRAND_RESULTS_RESUME };
    unsigned n = 0, failed = 0;
    for (bool reached = true; reached; n++) {
        n_copies = 0;
        memory_fails_at(n + 1);
        int error = errand_jobs_read(fetching_http(), &o, copy, NULL);
        reached = memory_fails_at(0);
        failed += error == ENOMEM;
        ck_assert_msg(!error || (reached && error == ENOMEM), "%u: %s", n, strerror(error));
    }
    ck_assert_uint_gt(failed, 10);
    ck_assert_uint_eq(n_copies, 2);
}
END_TEST

Suite *jobs_line_suite(void)
{
    Suite *suite = suite_create("jobs_line");
    TCase *tests = tcase_create("jobs_line");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_line_is_what_the_run_then_sends);
    tcase_add_test(tests, whether_it_is_harmless_and_how_often_it_is_tried_follow_the_options);
    tcase_add_test(tests, bad_lines_say_what_they_say_in_a_run);
    tcase_add_test(tests, a_file_that_cannot_be_read_is_a_line_of_its_own);
    tcase_add_test(tests, secrets_are_marked);
    tcase_add_test(tests, the_reading_ends_when_the_function_says_so);
    tcase_add_test(tests, what_a_run_refuses_is_refused);
    tcase_add_test(tests, earlier_results_count_and_stay_as_they_are);
    tcase_add_test(tests, results_that_a_run_refuses_are_refused);
    tcase_add_test(tests, without_memory_it_says_so);
    return suite;
}
