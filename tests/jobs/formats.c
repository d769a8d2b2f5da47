/* Files of every format, as curl, spreadsheets and OpenAI's batch API write them, and with each
 * fault that they can have: what is sent for them, and what is said. */
#include "base/bytes.h"
#include "fixture/memory.h"
#include "jobs/fetching.h"
#include "jobs/files.h"
#include "jobs/suites.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static errand_jobs_stats stats;
static char *results, said[16384], noted[4096];

static void set_up(void)
{
    fetching_start(2);
    results = NULL;
}

static void tear_down(void)
{
    free(results);
    fetching_stop();
}

static void add_line(char *to, size_t room, const char *line)
{
    size_t at = strlen(to);
    snprintf(to + at, room - at, "%s%s", at ? "\n" : "", line);
}

static const char *without_folder(const char *message)
{
    size_t n = strlen(files_folder());
    return strncmp(message, files_folder(), n) ? message : message + n + 1;
}

static void on_error(const char *message, void *arg)
{
    (void)arg;
    add_line(said, sizeof said, without_folder(message));
}

static void on_notice(const char *message, void *arg)
{
    (void)arg;
    add_line(noted, sizeof noted, without_folder(message));
}

/* To the end, in order; what came is in results, said, noted and stats. */
static void run_files(const char *const *files, errand_jobs_opts o)
{
    const char *path = files_path("results");
    int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(out, 0);
    said[0] = noted[0] = '\0';
    o.files = files;
    o.out = out;
    o.ordered = 1;
    o.on_error = on_error;
    o.on_notice = on_notice;
    errand_jobs *jobs = errand_jobs_new(fetching_pool(), fetching_http(), &o);
    ck_assert_ptr_nonnull(jobs);
    ck_assert_int_eq(errand_jobs_wait(jobs, ERRAND_FOREVER), 0);
    ck_assert_int_eq(errand_jobs_stats_get(jobs, &stats), 0);
    errand_jobs_free(jobs);
    close(out);
    free(results);
    results = files_read(path, NULL);
}

static void run_bytes(const void *at, size_t size, errand_jobs_opts o)
{
    const char *files[] = { files_write("in", at, size), NULL };
    run_files(files, o);
}

static void run_text(const char *text, errand_jobs_opts o) { run_bytes(text, strlen(text), o); }

/* Of each result the request line, without its method and version if it is a GET, or "!" and a
 * message. */
static const char *outcomes(void)
{
    static char all[16384];
    all[0] = '\0';
    for (char *at = results, *end; (end = strchr(at, '\n')); at = end + 1) {
        char one[1024] = "?", *message = strstr(at, "\"message\":\""),
             *text = strstr(at, "\"body\":\"");
        *end = '\0';
        if (message && message < end) snprintf(one, sizeof one, "!%.500s", message + 11);
        else if (text && text < end) snprintf(one, sizeof one, "%.500s", text + 8);
        char *stop = strstr(one, one[0] == '!' ? "\",\"retry_after\"" : " HTTP/1.1");
        if (stop) *stop = '\0';
        add_line(all, sizeof all, strncmp(one, "GET ", 4) ? one : one + 4);
        *end = '\n';
    }
    return all;
}

#define BOM          "\xef\xbb\xbf"
#define NO_QUOTE_END "is never closed; the file was not read further"

static const struct {
    errand_jobs_format format;
    const char *input, *template, *wanted;
} good[] = {
    /* lists, as grep, curl -w and a spreadsheet's column write them */
    { ERRAND_JOBS_AUTO, "# from the log\n\n/echo?1\n  /echo?2 \t\n", NULL, "/echo?1\n/echo?2" },
    { ERRAND_JOBS_URLS, BOM "/echo?1\r\n\"/echo?2\"\r\n  # no\r\n/echo?3", NULL,
      "/echo?1\n/echo?2\n/echo?3" },
    { ERRAND_JOBS_URLS, "/echo?\xc3\xa9\n", NULL, "/echo?%C3%A9" },
    { ERRAND_JOBS_URLS, "/echo?1 2\nftp://host/\n\"\"\n/echo?2\n", NULL,
      "!key \\\"url\\\": a space (write %20) or control character in it\n"
      "!key \\\"url\\\": only http and https, not \\\"ftp\\\"\n!there is no url in it\n/echo?2" },
    { ERRAND_JOBS_AUTO, "two words\n50% & more\n{}\n", "/echo?q={line}",
      "/echo?q=two%20words\n/echo?q=50%25%20%26%20more\n/echo?q=%7B%7D" },
    { ERRAND_JOBS_AUTO, "/echo?1\n/echo?2", "{line}&x={line}",
      "/echo?1&x=%2Fecho%3F1\n"
      "/echo?2&x=%2Fecho%3F2" },
    { ERRAND_JOBS_URLS, "", NULL, "" },
    { ERRAND_JOBS_URLS, "\n# nothing\n", NULL, "" },
    { ERRAND_JOBS_URLS, "/echo?\xe9\n", NULL,
      "!not UTF-8; iconv -f WINDOWS-1252 -t UTF-8 may convert it" },
    /* CSV */
    { ERRAND_JOBS_AUTO, "id,url\n1,/echo?1\n2,/echo?2\n", NULL, "/echo?1\n/echo?2" },
    { ERRAND_JOBS_AUTO, "url\n/echo?1\n\n/echo?2", NULL, "/echo?1\n/echo?2" },
    { ERRAND_JOBS_AUTO, BOM "URL;Id\r\n/echo?1;a\r\n\"/echo?2\";\"b\"\r\n", NULL,
      "/echo?1\n/echo?2" },
    { ERRAND_JOBS_AUTO, "a\tb\nx y\t\"tab\tin it\"\n", "/echo?{a}&{b}",
      "/echo?x%20y&tab%09in%20it" },
    { ERRAND_JOBS_AUTO, "a,b\n\"x, \"\"y\"\"\",\"two\r\nlines\"\nlast,one", "/echo?{a}&{b}",
      "/echo?x%2C%20%22y%22&two%0D%0Alines\n/echo?last&one" },
    { ERRAND_JOBS_AUTO, "a,b\n5\" pipe,x\"y\"z\n,\n", "/echo?{a}&{b}",
      "/echo?5%22%20pipe&x%22y%22z\n/echo?&" },
    { ERRAND_JOBS_AUTO, "\"a, b\",c\n1,\"2\" \n", "/echo?{a, b}&{c}{{x}}", "/echo?1&2{x}" },
    { ERRAND_JOBS_AUTO, "\"a, b\",c\n1,\"2\" \n", "/echo?{a, b}&{c}%7B{{x", "/echo?1&2%7B{x" },
    { ERRAND_JOBS_CSV, "a,b\n\"\"\"\xc3\xa9\",\"\xc3\xa9\"\n", "/echo?{a}&{b}",
      "/echo?%22%C3%A9&%C3%A9" },
    { ERRAND_JOBS_CSV, "a\n\"\"\n", "/echo?{a}", "/echo?" },
    { ERRAND_JOBS_CSV, "a\tb\n\t\n \n1\t\n", "/echo?{a}", "/echo?\n/echo?1" },
    { ERRAND_JOBS_CSV, "a,b\n1\n1,2,3\n1,2\n", "/echo?{a}",
      "!1 field, but the header has 2\n!3 fields, but the header has 2\n/echo?1" },
    { ERRAND_JOBS_CSV, "a,b\n1,2\n3,\"torn\n4,5\n6,7\n", "/echo?{a}",
      "/echo?1\n!a quotation mark in line 3 " NO_QUOTE_END },
    { ERRAND_JOBS_CSV, "a,b\n\"x\ny\",\"torn\n4,5", "/echo?{a}",
      "!a quotation mark in line 3 " NO_QUOTE_END },
    { ERRAND_JOBS_CSV, "a,b\n1,\"x\" y\n\"z\n\"w,2\n3,4\n", "/echo?{a}",
      "!text follows the end of a field in quotation marks, which began in line 2\n"
      "!text follows the end of a field in quotation marks, which began in line 3\n/echo?3" },
    { ERRAND_JOBS_CSV, "a,b\n\xe9,1\n2,2\n", "/echo?{a}",
      "!not UTF-8; iconv -f WINDOWS-1252 -t UTF-8 may convert it\n/echo?2" },
    { ERRAND_JOBS_CSV, "", NULL, "" },
    { ERRAND_JOBS_CSV, "\n\n", NULL, "" },
    { ERRAND_JOBS_CSV, "url,id\n", NULL, "" },
    { ERRAND_JOBS_CSV, "url\n/echo?1\n/echo?\"2\n", NULL, "/echo?1\n/echo?\\\"2" },
    /* OpenAI's batch API */
    { ERRAND_JOBS_AUTO,
      "{\"custom_id\": \"request-1\", \"method\": \"POST\", \"url\": \"/echo\", \"body\": {}}\n"
      "{\"custom_id\": 5, \"url\": \"/echo\"}\n{\"custom_id\": \"a\", \"urll\": \"/echo\"}\n"
      "{\"url\": \"/echo\"}\n{\"custom_id\": \"a\"}\n{\"custom_id\": \"a\", \"url\": \"/echo\", "
      "\"body\": []}\n{\"custom_id\n[]\n",
      NULL,
      "POST /echo\n!key \\\"custom_id\\\" must be a string\n"
      "!unknown key \\\"urll\\\": did you mean \\\"url\\\"?\n!there is no key \\\"custom_id\\\"\n"
      "!there is no key \\\"url\\\"\n!key \\\"body\\\" must be an object\n"
      "!not JSON: this string is not ended, at byte 2\n"
      "!a request must be an object, {\\\"custom_id\\\": ...}" },
};

START_TEST(records_are_jobs)
{
    run_text(good[_i].input,
             (errand_jobs_opts){ .format = good[_i].format, .url_template = good[_i].template });
    ck_assert_int_eq(stats.refused, 0);
    ck_assert_str_eq(outcomes(), good[_i].wanted);
    size_t lines = 0;
    for (char *c = results; *c; c++) lines += *c == '\n';
    ck_assert_uint_eq(stats.total_processed, lines);
    ck_assert_uint_eq(stats.known_total, lines);
}
END_TEST

static const struct {
    errand_jobs_format format;
    const char *input, *template, *json, *says;
} wrong[] = {
    { ERRAND_JOBS_AUTO, "id,name\n1,x\n", NULL, NULL,
      "in: this is a CSV: there is no column \"url\"; there is id, name; --template URL makes urls "
      "of other columns, as in --template 'https://host/{id}'" },
    { ERRAND_JOBS_AUTO, "id,urll\n1,x\n", NULL, NULL, "did you mean \"urll\"?" },
    { ERRAND_JOBS_AUTO, "url,URL\n1,x\n", NULL, NULL, "in: there are two columns \"url\"" },
    { ERRAND_JOBS_AUTO, "name,b\n1,x\n", "/{nmae}", NULL,
      "in: --template: there is no column \"nmae\": did you mean \"name\"?" },
    { ERRAND_JOBS_AUTO, "a,a\n1,x\n", "/{a}", NULL, "in: --template: there are 2 columns \"a\"" },
    { ERRAND_JOBS_AUTO, "a,b\n1,x\n", "/{a}/{", NULL,
      "in: --template: a brace that stands for itself is written {{" },
    { ERRAND_JOBS_AUTO, "a,b\n1,x\n", "/a}", NULL,
      "in: --template: a brace that stands for itself is written }}" },
    { ERRAND_JOBS_AUTO, "a,b\n1,x\n", "/{a}", "{\"x\":{c}}",
      "in: --json: there is no column \"c\"; there is a, b" },
    { ERRAND_JOBS_AUTO, "a,b\n1,x\n", "/{a}", "{\"x\":}",
      "in: --json: not JSON: expected a value" },
    { ERRAND_JOBS_AUTO, "/ok\n", NULL, "{\"x\":{url}}",
      "in: --json: there is no column \"url\"; there is line" },
    { ERRAND_JOBS_AUTO, "\"a,b\n1,2\n", NULL, NULL,
      "in: a quotation mark in its header is never closed" },
    { ERRAND_JOBS_AUTO, "\"a\"x,b\n1,2\n", NULL, NULL,
      "in: text follows the end of a field in quotation marks, in its header" },
    { ERRAND_JOBS_AUTO, "caf\xe9,b\n1,2\n", NULL, NULL, "in: not UTF-8; iconv" },
    { ERRAND_JOBS_AUTO, "[\n{\"url\":\"/ok\"}]\n", NULL, NULL,
      "in: this looks like an array in JSON; jq -c '.[]' FILE" },
    { ERRAND_JOBS_JSONL, "[{\"url\":\"/ok\"}]\n", NULL, NULL, "in: this looks like an array" },
    { ERRAND_JOBS_AUTO, "{\n  \"url\": \"/ok\"\n}\n", NULL, NULL,
      "in: this looks like JSON over several lines; jq -c ." },
    { ERRAND_JOBS_AUTO, "hello\n", NULL, NULL,
      "in: its first line is neither a job in JSON, nor a url, nor a header of a CSV" },
    { ERRAND_JOBS_AUTO, "\xff\xfeu", NULL, NULL, "in: this is UTF-16; iconv -f UTF-16" },
    { ERRAND_JOBS_JSONL, "http://127.0.0.1/\n", NULL, NULL,
      "in: this looks like a list of urls: give --format urls" },
    { ERRAND_JOBS_CSV, "http://127.0.0.1/\n", NULL, NULL, "give --format urls" },
    { ERRAND_JOBS_OPENAI, "http://127.0.0.1/\n", NULL, NULL, "give --format urls" },
    { ERRAND_JOBS_JSONL, "{\"custom_id\":\"a\"}\n", NULL, NULL, "give --format openai" },
    { ERRAND_JOBS_OPENAI, "{\"url\":\"/ok\"}\n", NULL, NULL,
      "in: its first line has no custom_id" },
    { ERRAND_JOBS_CSV, "{\"url\":\"/ok\"}\n", NULL, NULL, "give --format jsonl" },
    { ERRAND_JOBS_URLS, "{\"url\":\"/ok\"}\n", NULL, NULL, "give --format jsonl" },
    { ERRAND_JOBS_AUTO, "{\"url\":\"/ok\"}\n", "/{a}", NULL,
      "in: --template, --json, --params and --id are for a CSV or a list" },
};

START_TEST(a_wrong_format_is_said_once_before_anything_is_sent)
{
    const char *files[] = { files_text("a", "{\"url\":\"/ok\"}\n"),
                            files_text("in", wrong[_i].input), NULL };
    errand_jobs_opts o = { .format = wrong[_i].format,
                           .url_template = wrong[_i].template,
                           .json_template = wrong[_i].json };
    bool with_another = o.format == ERRAND_JOBS_AUTO && !o.url_template && !o.json_template;
    run_files(with_another ? files : files + 1, o);
    ck_assert_msg(strstr(said, wrong[_i].says), "%s", said);
    ck_assert_ptr_null(strchr(said, '\n'));
    ck_assert_int_eq(stats.refused, EINVAL);
    ck_assert_uint_eq(stats.total_processed, 0);
    ck_assert_str_eq(results, "");
    ck_assert_uint_eq(fetching_requests("/ok"), 0);
}
END_TEST

static const struct {
    const char *input, *template, *says;
} notices[] = {
    { "{\"url\":\"/ok\"}\n", NULL, "" },
    { "", NULL, "" },
    { "# two\n/echo?1\n/echo?2\n", NULL, "in: a list of 2 urls" },
    { "/echo?1\n", NULL, "in: a list of 1 url" },
    { "x\ny\n", "/echo?{line}", "in: a list of 2 lines" },
    { "id;url;x\n1;/echo;\"a\nb\"\n", NULL,
      "in: a CSV of 1 record with the columns id, url, x, between \";\"\n"
      "in: columns that are no keys of a job are not used: x" },
    { "{\"custom_id\":\"a\",\"url\":\"/echo\"}\n", NULL, "in: 1 request for OpenAI's batch API" },
};

START_TEST(what_a_file_was_taken_for_is_said_once)
{
    run_text(notices[_i].input, (errand_jobs_opts){ .format = ERRAND_JOBS_AUTO,
                                                    .url_template = notices[_i].template });
    ck_assert_str_eq(noted, notices[_i].says);
    ck_assert_str_eq(said, "");
}
END_TEST

START_TEST(large_numbers_have_commas)
{
    char *text = malloc(4 * 1001 + 1);
    for (int i = 0; i < 1001; i++) memcpy(text + 4 * i, "/ok\n", 5);
    run_text(text, (errand_jobs_opts){ .format = ERRAND_JOBS_AUTO, .concurrency = 32 });
    free(text);
    ck_assert_str_eq(noted, "in: a list of 1,001 urls");
    ck_assert_uint_eq(stats.successful, 1001);
}
END_TEST

START_TEST(columns_with_names_of_keys_give_them)
{
    run_text("id,url,method,body,headers,retries,idempotent,timeout,meta,other\n"
             "7,/echo,PUT,\"a \"\"b\"\"\",\"{\"\"X-A\"\":1}\",0,TRUE,1.5s,m,x\n"
             ",/echo,,,,,,,,\n"
             "8,/echo,,,x,,,,,\n9,/echo,,,,many,,,,\n",
             (errand_jobs_opts){ .format = ERRAND_JOBS_CSV });
    ck_assert_str_eq(outcomes(), "PUT /echo\n/echo\n!column \\\"headers\\\": not JSON\n"
                                 "!key \\\"retries\\\" must be a whole number from 0 to 1000");
    ck_assert_ptr_nonnull(strstr(results, "\"id\":\"7\""));
    ck_assert_ptr_nonnull(strstr(results, "X-A: 1\\r\\n"));
    ck_assert_ptr_nonnull(strstr(results, "\\r\\n\\r\\na \\\"b\\\"\""));
    ck_assert_ptr_nonnull(strstr(results, "\"meta\":\"m\""));
    const char *third = strstr(results, "{\"seq\":3,\"id\":\"8\",");
    ck_assert(third && strstr(third, "\"ok\":false"));
    ck_assert_str_eq(said, "in:4: column \"headers\": not JSON\n"
                           "in:5: key \"retries\" must be a whole number from 0 to 1000");
}
END_TEST

START_TEST(templates_of_json_escape_strings_and_check_what_is_bare)
{
    const char *const params[] = { "q={name} {{1}}", "q=2", NULL };
    run_text("name,n,url\n\"a "
             "\"\"b\"\"\n\\\",1.50,x\n\xc3\xa9,true,x\nc,\"\"\"s\"\"\",x\nd,,x\ne,{},x\n",
             (errand_jobs_opts){
                 .format = ERRAND_JOBS_AUTO,
                 .url_template = "/echo",
                 .id_column = "name",
                 .params = params,
                 .json_template = "{\"{name}\":\"{{name}} {nam}\",\"n\":[{n}],\"o\":{}}" });
    ck_assert_ptr_nonnull(strstr(outcomes(), "POST /echo?q=a%20%22b%22%0A%5C%20%7B1%7D&q=2\n"
                                             "POST /echo?q=%C3%A9%20%7B1%7D&q=2\n"
                                             "!column \\\"n\\\": \\\"\\\"s\\\"\\\" is no number"));
    ck_assert_uint_eq(stats.successful, 2);
    ck_assert_uint_eq(stats.bad_lines, 3);
    ck_assert_ptr_nonnull(strstr(results, "\"id\":\"a \\\"b\\\"\\n\\\\\""));
    ck_assert_ptr_nonnull(strstr(
        results, "{\\\"\xc3\xa9\\\":\\\"{\xc3\xa9} {nam}\\\",\\\"n\\\":[true],\\\"o\\\":{}}"));
    ck_assert_ptr_nonnull(strstr(results, "\\\"n\\\":[1.50]"));
    ck_assert_ptr_nonnull(strstr(noted, "in: --json: {nam} is sent as it stands, as there is no "
                                        "such column; did you mean {name}?"));
}
END_TEST

START_TEST(defaults_are_for_keys_that_a_job_lacks)
{
    run_text("{\"url\":\"/echo\",\"headers\":{\"x-a\":\"own\"},\"body\":\"b\"}\n"
             "{\"url\":\"/echo\",\"method\":\"GET\",\"json\":1,\"meta\":null}\n{}\n",
             (errand_jobs_opts){
                 .method = "PATCH",
                 .defaults = "{\"headers\":{\"X-A\":\"d\",\"X-B\":\"d\"},\"json\":{},"
                             "\"url\":\"/echo?d\",\"meta\":{\"d\":1},\"method\":\"PUT\"}" });
    ck_assert_str_eq(outcomes(), "PATCH /echo\n/echo\nPATCH /echo?d");
    char *second = strchr(results, '\n'), *third = strchr(second + 1, '\n');
    char *own = strstr(results, "x-a: own");
    ck_assert(own && own < second);
    ck_assert(strstr(results, "X-A: d") > second);
    ck_assert(strstr(results, "X-B: d") < second);
    ck_assert(strstr(second + 1, "\\r\\n\\r\\n1\"") < third);
    ck_assert_ptr_nonnull(strstr(third + 1, "\\r\\n\\r\\n{}\""));
    ck_assert_ptr_nonnull(strstr(third + 1, "\"meta\":{\"d\":1}"));
}
END_TEST

static const struct {
    const char *defaults, *method, *says;
} bad_defaults[] = {
    { "{", NULL, "--defaults: not JSON" },
    { "[]", NULL, "--defaults: an object is wanted" },
    { "{\"haeders\":{}}", NULL, "--defaults: unknown key \"haeders\": did you mean \"headers\"?" },
    { "{\"retries\":-1}", NULL, "--defaults: key \"retries\" must be" },
    { "{\"params\":1}", NULL, "--defaults: key \"params\" must be an object" },
    { "{\"id\":1}", NULL, "--defaults: key \"id\" would be the same for all jobs" },
    { "{\"idempotency_key\":\"k\"}", NULL, "key \"idempotency_key\" would be the same" },
    { "{\"headers\":{\"idempotency-key\":\"k\"}}", NULL, "the header Idempotency-Key would be" },
    { NULL, "G T", "\"G T\" is not a method" },
};

START_TEST(bad_defaults_are_EINVAL)
{
    said[0] = '\0';
    errand_jobs_opts o = { .out = 1,
                           .on_error = on_error,
                           .defaults = bad_defaults[_i].defaults,
                           .method = bad_defaults[_i].method };
    ck_assert_ptr_null(errand_jobs_new(fetching_pool(), fetching_http(), &o));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_msg(strstr(said, bad_defaults[_i].says), "%s", said);
}
END_TEST

START_TEST(skip_and_take_count_jobs_over_all_files)
{
    const char *files[] = { files_text("a", "#\n/echo?1\n\n/echo?2\n"), files_path("missing"),
                            files_text("b", "/echo?3\n/echo?4\n/echo?5\n"), NULL };
    run_files(files, (errand_jobs_opts){ .format = ERRAND_JOBS_URLS, .skip = 1, .take = 3 });
    ck_assert_str_eq(outcomes(), "/echo?2\n/echo?3\n/echo?4");
    ck_assert_ptr_nonnull(strstr(results, "{\"seq\":4,"));
    ck_assert_uint_eq(stats.known_total, 3);
    ck_assert_int_eq(stats.read_error, ENOENT);
    run_text("id,url\n1,/echo?1\n2,/echo?2\n",
             (errand_jobs_opts){ .format = ERRAND_JOBS_CSV, .skip = 1 });
    ck_assert_str_eq(outcomes(), "/echo?2");
    run_text("/echo?1\n", (errand_jobs_opts){ .format = ERRAND_JOBS_URLS, .skip = 9 });
    ck_assert_str_eq(outcomes(), "");
}
END_TEST

START_TEST(results_have_the_shape_of_the_batch_api)
{
    run_text("{\"custom_id\":\"a\\\"\",\"url\":\"/body/pretty\"}\n"
             "{\"custom_id\":\"b\",\"url\":\"/status/400\"}\n"
             "{\"custom_id\":\"c\",\"url\":\"http://127.0.0.1:1/\"}\n"
             "{\"custom_id\":\"d\",\"url\":\"/body/latin\"}\n"
             "{\"custom_id\":\"e\",\"url\":\"/body/broken\"}\nx\n",
             (errand_jobs_opts){ .format = ERRAND_JOBS_OPENAI, .openai_results = 1 });
    const char *wanted =
        "{\"id\":\"batch_req_1\",\"custom_id\":\"a\\\"\",\"response\":{\"status_code\":200,"
        "\"request_id\":\"\",\"body\":{\"a\":[1,2.50],\"s\":\"x y\"}},\"error\":null}\n"
        "{\"id\":\"batch_req_2\",\"custom_id\":\"b\",\"response\":{\"status_code\":400,"
        "\"request_id\":\"\",\"body\":{\"status\":400}},\"error\":null}\n"
        "{\"id\":\"batch_req_3\",\"custom_id\":\"c\",\"response\":null,\"error\":{\"code\":\"curl "
        "7\"";
    ck_assert_msg(!strncmp(results, wanted, strlen(wanted)), "%s", results);
    ck_assert_ptr_nonnull(strstr(results, "\"body\":null,\"body_base64\":\"Y2Fm6Q==\"}"));
    ck_assert_ptr_nonnull(strstr(results, "\"body\":\"{\\\"a\\\":\"}"));
    ck_assert_ptr_nonnull(strstr(results,
                                 "{\"id\":\"batch_req_6\",\"custom_id\":null,\"response\":"
                                 "null,\"error\":{\"code\":\"EINVAL\",\"message\":\"not JSON"));
}
END_TEST

/* ---- bytes that no format has ---- */

START_TEST(nul_bytes_and_garbage_are_bad_lines)
{
    static const char list[] = "/echo?1\n/ec\0ho\n\x80\x81\xfe\n/echo?2\n";
    run_bytes(list, sizeof list - 1, (errand_jobs_opts){ .format = ERRAND_JOBS_URLS });
    ck_assert_str_eq(outcomes(), "/echo?1\n!a NUL byte in it\n!not UTF-8; iconv -f WINDOWS-1252 -t "
                                 "UTF-8 may convert it\n/echo?2");
    static const char csv[] = "a,b\n1,\0\n\"\0\",2\n3,4\n";
    run_bytes(csv, sizeof csv - 1,
              (errand_jobs_opts){ .format = ERRAND_JOBS_CSV, .url_template = "/echo?{a}" });
    ck_assert_str_eq(outcomes(), "!a NUL byte in it\n!a NUL byte in it\n/echo?3");
    static const char header[] = "a,\0\n1,2\n";
    run_bytes(header, sizeof header - 1, (errand_jobs_opts){ .format = ERRAND_JOBS_AUTO });
    ck_assert_str_eq(said, "in: this is no text");
    run_bytes(header, sizeof header - 1, (errand_jobs_opts){ .format = ERRAND_JOBS_CSV });
    ck_assert_str_eq(said, "in: this is no text");
}
END_TEST

START_TEST(random_bytes_end_the_jobs_and_add_up)
{
    uint64_t seed = 7;
    static char text[4096];
    for (int round = 0; round < 200; round++) {
        static const char some[] = "\"\",;\n\n\r{}[]ab:\\/#\0\xc3\xa9\x1f\x8b";
        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            text[i] = some[(seed >> 33) % (sizeof some - 1)];
        }
        bool headed = round % 2;
        if (headed) memcpy(text, "url,a\n", 6);
        run_bytes(text, sizeof text / (size_t)(1 + round % 50),
                  (errand_jobs_opts){
                      .format = (errand_jobs_format)(round % 5),
                      .retries = 0,
                      .url_template = round % 3 ? "http://127.0.0.1:1/{a}" : NULL });
        ck_assert_uint_eq(stats.successful + stats.failed, stats.total_processed);
        ck_assert(stats.refused || stats.known_total == stats.total_processed);
    }
}
END_TEST

START_TEST(records_over_16_mib_are_bad_ones)
{
    size_t most = (size_t)16 << 20;
    char *text = malloc(most + 16);
    er_bytes csv = { 0 };
    er_bytes_text(&csv, "a,b\n1,2\n\"8,9\n8,9\n"); /* what looks like records is in a field */
    memset(text, 'x', most + 10);
    er_bytes_add(&csv, text, most + 10);
    er_bytes_text(&csv, "\n8,9\n\",2\n3,4\n");
    er_bytes_add(&csv, text, most + 10);
    er_bytes_text(&csv, "\n5,6\n");
    run_bytes(csv.at, csv.size,
              (errand_jobs_opts){ .format = ERRAND_JOBS_CSV, .url_template = "/echo?{a}" });
    er_bytes_free(&csv);
    ck_assert_str_eq(outcomes(), "/echo?1\n!longer than 16 MiB, with a quotation mark in line 3\n"
                                 "/echo?3\n!longer than 16 MiB\n/echo?5");
    memcpy(text, "a\n\"", 3);
    run_bytes(text, most + 8,
              (errand_jobs_opts){ .format = ERRAND_JOBS_CSV, .url_template = "/{a}" });
    ck_assert_str_eq(outcomes(), "!a quotation mark in line 2 " NO_QUOTE_END);
    memset(text, 'z', most + 1);
    memcpy(text + most + 1, "\n/echo?1\n", 9);
    run_bytes(text, most + 10, (errand_jobs_opts){ .format = ERRAND_JOBS_URLS });
    ck_assert_str_eq(outcomes(), "!longer than 16 MiB\n/echo?1");
    text[0] = ',';
    run_bytes(text, most + 10, (errand_jobs_opts){ .format = ERRAND_JOBS_AUTO });
    ck_assert_str_eq(said, "in: its header is longer than 1 MiB");
    free(text);
}
END_TEST

/* ---- gzip ---- */

static const char *write_gzip(const char *name, const char *mode, const char *text)
{
    const char *path = files_path(name);
    gzFile file = gzopen(path, mode);
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, text, (unsigned)strlen(text)), (int)strlen(text));
    ck_assert_int_eq(gzclose(file), Z_OK);
    return path;
}

START_TEST(gzip_is_unpacked_member_by_member)
{
    write_gzip("in.gz", "w", "id,url\n1,/ec");
    write_gzip("in.gz", "a", "");
    const char *files[] = { write_gzip("in.gz", "a", "ho?1\n2,/echo?2\n"), NULL };
    run_files(files, (errand_jobs_opts){ .format = ERRAND_JOBS_AUTO });
    ck_assert_str_eq(outcomes(), "/echo?1\n/echo?2");
    ck_assert_str_eq(said, "");
    ck_assert_str_eq(noted, "in.gz: a CSV with the columns id, url");
    files[0] = write_gzip("empty.gz", "w", "");
    run_files(files, (errand_jobs_opts){ .format = ERRAND_JOBS_AUTO });
    ck_assert_str_eq(outcomes(), "");
    ck_assert_int_eq(stats.read_error, 0);
}
END_TEST

START_TEST(damaged_gzip_is_said_and_what_came_before_is_done)
{
    size_t size;
    char *first = files_read(write_gzip("first.gz", "w", "/echo?1\n/echo?2\n"), &size);
    char bytes[512];
    for (int cut = 1; cut >= 0; cut--) {
        memcpy(bytes, first, size);
        memcpy(bytes + size, first, size);
        size_t n = cut ? 2 * size - 6 : 2 * size;
        if (!cut) bytes[2 * size - 6] ^= 1; /* the checksum of the second member */
        const char *files[] = { files_write("bad.gz", bytes, n), files_text("last", "/echo?last\n"),
                                NULL };
        run_files(files, (errand_jobs_opts){ .format = ERRAND_JOBS_URLS });
        ck_assert_str_eq(outcomes(), "/echo?1\n/echo?2\n/echo?1\n/echo?2\n/echo?last");
        ck_assert_str_eq(said,
                         cut ? "bad.gz: the gzip data breaks off; what came before was read"
                             : "bad.gz: the gzip data is damaged, or something else follows it; "
                               "what came before was read");
        ck_assert_int_eq(stats.read_error, EBADMSG);
    }
    const char *files[] = { files_write("cut.gz", first, 12),
                            NULL }; /* hardly more than its header */
    run_files(files, (errand_jobs_opts){ .format = ERRAND_JOBS_AUTO });
    ck_assert_str_eq(said, "cut.gz: the gzip data breaks off; what came before was read");
    free(first);
}
END_TEST

START_TEST(a_line_that_unpacks_to_128_mib_is_a_bad_one)
{
    const char *path = files_path("bomb.gz");
    gzFile file = gzopen(path, "w1");
    static const char zeros[1 << 20] = "/ok\n";
    for (int i = 0; i < 256; i++)
        ck_assert_int_eq(gzwrite(file, zeros + (i > 0 ? 4 : 0), 1 << 19), 1 << 19);
    ck_assert_int_eq(gzclose(file), Z_OK);
    const char *files[] = { path, NULL };
    run_files(files, (errand_jobs_opts){ .format = ERRAND_JOBS_URLS });
    ck_assert_uint_eq(stats.successful, 1);
    ck_assert_uint_eq(stats.bad_lines, 1);
    ck_assert_ptr_nonnull(strstr(said, "longer than 16 MiB"));
}
END_TEST

/* ---- pipes ---- */

static void *write_late(void *arg)
{
    const char *const *them = arg;
    int fd = open(them[0], O_WRONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, them[1], strlen(them[1])), (ssize_t)strlen(them[1]));
    close(fd);
    return NULL;
}

static void run_with_pipe(const char *const *files, const char *pipe, const char *text)
{
    const char *them[] = { pipe, text };
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, write_late, (void *)them), 0);
    run_files(files, (errand_jobs_opts){ .format = ERRAND_JOBS_AUTO });
    pthread_join(thread, NULL);
}

START_TEST(a_pipe_of_a_wrong_format_refuses_all_only_if_it_is_the_first)
{
    const char *pipe = files_path("pipe"), *list = files_text("in", "/echo?1\n");
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    const char *first[] = { pipe, list, NULL }, *last[] = { list, pipe, list, NULL };
    run_with_pipe(first, pipe, "a,b\n1,2\n");
    ck_assert_int_eq(stats.refused, EINVAL);
    ck_assert_uint_eq(stats.total_processed, 0);
    run_with_pipe(last, pipe, "a,b\n1,2\n");
    ck_assert_int_eq(stats.refused, 0);
    ck_assert_int_eq(stats.read_error, EINVAL);
    ck_assert_str_eq(outcomes(), "/echo?1\n/echo?1");
    ck_assert_ptr_nonnull(strstr(said, "pipe: this is a CSV: there is no column \"url\""));
    run_with_pipe(last, pipe, "url,id\n/echo?2,2\n");
    ck_assert_str_eq(outcomes(), "/echo?1\n/echo?2\n/echo?1");
}
END_TEST

START_TEST(without_memory_every_format_ends)
{
    const char *files[] = { files_text("a.csv", "url,n\n/echo,1\n/echo,2\n\"/e\ncho\",3\n"),
                            write_gzip("b.gz", "w", "{\"custom_id\":\"a\",\"url\":\"/echo\"}\n"),
                            files_text("c", "/echo\n"), NULL };
    const char *const params[] = { "a={n}", NULL }, *const csv[] = { files[0], NULL };
    int out = open("/dev/null", O_WRONLY);
    for (int i = 0; i < 200; i++) {
        bool templates = i % 2;
        errand_jobs_opts o = { .files = files, .out = out, .format = ERRAND_JOBS_AUTO };
        if (templates) {
            o.params = params;
            o.json_template = "{\"n\":{n},\"m\":\"{n}\"}";
            o.files = csv;
        }
        errand_jobs *jobs = errand_jobs_new(fetching_pool(), fetching_http(), &o);
        ck_assert_ptr_nonnull(jobs);
        memory_fails(i % 4 < 2 ? 20 : 100);
        ck_assert_int_eq(errand_jobs_wait(jobs, ERRAND_FOREVER), 0);
        memory_fails(0);
        ck_assert_int_eq(errand_jobs_stats_get(jobs, &stats), 0);
        ck_assert_uint_eq(stats.successful + stats.failed, stats.total_processed);
        ck_assert_int_eq(stats.refused, 0);
        errand_jobs_free(jobs);
    }
    close(out);
}
END_TEST

Suite *formats_suite(void)
{
    Suite *suite = suite_create("formats");
    TCase *tests = tcase_create("formats");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, records_are_jobs, 0, sizeof good / sizeof *good);
    tcase_add_loop_test(tests, a_wrong_format_is_said_once_before_anything_is_sent, 0,
                        sizeof wrong / sizeof *wrong);
    tcase_add_loop_test(tests, what_a_file_was_taken_for_is_said_once, 0,
                        sizeof notices / sizeof *notices);
    tcase_add_test(tests, large_numbers_have_commas);
    tcase_add_test(tests, columns_with_names_of_keys_give_them);
    tcase_add_test(tests, templates_of_json_escape_strings_and_check_what_is_bare);
    tcase_add_test(tests, defaults_are_for_keys_that_a_job_lacks);
    tcase_add_loop_test(tests, bad_defaults_are_EINVAL, 0,
                        sizeof bad_defaults / sizeof *bad_defaults);
    tcase_add_test(tests, skip_and_take_count_jobs_over_all_files);
    tcase_add_test(tests, results_have_the_shape_of_the_batch_api);
    tcase_add_test(tests, nul_bytes_and_garbage_are_bad_lines);
    tcase_add_test(tests, random_bytes_end_the_jobs_and_add_up);
    tcase_add_test(tests, records_over_16_mib_are_bad_ones);
    tcase_add_test(tests, gzip_is_unpacked_member_by_member);
    tcase_add_test(tests, damaged_gzip_is_said_and_what_came_before_is_done);
    tcase_add_test(tests, a_line_that_unpacks_to_128_mib_is_a_bad_one);
    tcase_add_test(tests, a_pipe_of_a_wrong_format_refuses_all_only_if_it_is_the_first);
    tcase_add_test(tests, without_memory_every_format_ends);
    suite_add_tcase(suite, tests);
    return suite;
}
