/* Jobs with pages: which page follows, when there are no more, and where a later run goes on. */
#include "base/bytes.h"
#include "fixture/memory.h"
#include "jobs/fetching.h"
#include "jobs/files.h"
#include "jobs/next_page.h"
#include "jobs/page_marks.h"
#include "jobs/suites.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- result lines ---- */

enum { LINES = 4096 };
static char *text, *lines[LINES]; /* in the order in which they were written */
static size_t n_lines;

static void read_lines(const char *path)
{
    free(text);
    text = files_read(path, NULL);
    n_lines = 0;
    for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
        ck_assert_uint_lt(n_lines, LINES);
        lines[n_lines++] = at;
        *end = '\0';
    }
}

static bool has(size_t i, const char *what)
{
    ck_assert_uint_lt(i, n_lines);
    return strstr(lines[i], what);
}
#define ck_has(i, what) ck_assert_msg(has(i, what), "line %zu: %s", (size_t)(i), lines[i])

static size_t count(const char *what)
{
    size_t n = 0;
    for (size_t i = 0; i < n_lines; i++) n += has(i, what);
    return n;
}

/* ---- runs ---- */

static _Atomic(errand_jobs *) jobs;
static char notices[400];
static const char *results; /* NULL: a plain file of lines */

static void set_up(void)
{
    fetching_start(2);
    results = NULL;
    notices[0] = '\0';
}

static void take_down(void)
{
    fetching_stop();
    free(text);
    text = NULL;
}

static void note(const char *message, void *arg)
{
    (void)arg;
    snprintf(notices, sizeof notices, "%s", message);
}

static void run_files(const char *input, errand_jobs_opts o)
{
    const char *files[] = { input, NULL };
    const char *path = results ? results : files_path("pages.jsonl");
    if (!o.next) o.next = "link";
    notices[0] = '\0';
    o.on_notice = note;
    o.results = results;
    o.out = results ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(o.out, 0);
    errand_jobs *begun = fetching_begin(files, &o);
    atomic_store(&jobs, begun);
    fetching_collect(begun);
    atomic_store(&jobs, NULL);
    if (!results) close(o.out);
    read_lines(path);
    ck_assert_uint_eq(came.stats.successful + came.stats.failed, came.stats.total_processed);
    ck_assert_uint_eq(came.stats.in_flight, 0);
    ck_assert_uint_eq(came.stats.retrying, 0);
}

static void run(const char *input, errand_jobs_opts o) { run_files(files_text("in", input), o); }

static void resume(const char *input, errand_jobs_opts o)
{
    o.begin = ERRAND_RESULTS_RESUME;
    run(input, o);
}

#define JSON      "200 OK\r\nContent-Type: application/json\r\n"
#define LINK(url) "200 OK\r\nLink: <" url ">; rel=\"next\"\r\n"

/* ---- forms ---- */

static const served forms[] = {
    { "/a", LINK("/a?p=2"), "1" },
    { "/a?p=2", LINK("?p=3"), "2" },
    { "/a?p=3", "200 OK\r\nLink: </a>; rel=first\r\n", "3" },
    { "/b", JSON, "{\"paging\":{\"next\":\"b?p=2\"}}" },
    { "/b?p=2", JSON, "{\"paging\":{\"next\":\"/b?p=3\"}}" },
    { "/b?p=3", JSON, "{\"paging\":{\"next\":null}}" },
    { "/c?k=v", JSON, "{\"next\":\"x y/1\"}" },
    { "/c?k=v&c=x%20y%2F1", JSON, "{\"next\":12345678901234567890.50}" },
    { "/c?k=v&c=12345678901234567890.50", JSON, "{\"next\":\"\"}" },
    { NULL, NULL, NULL },
};

static const struct form {
    const char *next, *url;
    const char *urls[3];
} followed[] = {
    { "link", "/a", { "/a", "/a?p=2", "/a?p=3" } },
    { "/paging/next", "/b", { "/b", "/b?p=2", "/b?p=3" } },
    { "cursor=/next,c",
      "/c?k=v",
      { "/c?k=v", "/c?k=v&c=x%20y%2F1", "/c?k=v&c=12345678901234567890.50" } },
};

START_TEST(each_form_leads_from_page_to_page)
{
    const struct form *form = &followed[_i];
    char job[200], part[400];
    set_up();
    fetching_serves(forms);
    snprintf(job, sizeof job, "{\"id\":\"x\",\"url\":\"%s\"}\n", form->url);
    run(job, (errand_jobs_opts){ .next = form->next });
    ck_assert_uint_eq(n_lines, 3);
    ck_assert_uint_eq(came.stats.total_processed, 1);
    ck_assert_uint_eq(came.stats.successful, 1);
    ck_assert_uint_eq(came.stats.known_total, 1);
    ck_assert_uint_eq(came.stats.pages, 3);
    for (size_t i = 0; i < 3; i++) {
        snprintf(part, sizeof part, "{\"seq\":1,\"id\":\"x\",\"method\":\"GET\",\"url\":\"%s%s\",",
                 fetching_url(), form->urls[i]);
        ck_has(i, part);
        snprintf(part, sizeof part, "\"page\":%zu,\"next\":\"%s%s\",", i + 1, fetching_url(),
                 i < 2 ? form->urls[i + 1] : "");
        if (i < 2) ck_has(i, part);
        else ck_has(i, "\"page\":3,\"next\":null,");
        ck_has(i, "\"attempts\":1,");
        ck_assert_uint_eq(fetching_requests(form->urls[i]), 1);
    }
    take_down();
}
END_TEST

static const served lasts[] = {
    { "/null", JSON, "{\"n\":null}" },
    { "/false", JSON, "{\"n\":false}" },
    { "/empty", JSON, "{\"n\":\"\"}" },
    { "/absent", JSON, "{\"m\":1}" },
    { "/array", JSON, "[]" },
    { "/nothing", JSON, "" },
    { NULL, NULL, NULL },
};

START_TEST(the_last_page_says_nothing_null_false_or_an_empty_text)
{
    set_up();
    fetching_serves(lasts);
    er_bytes input = { 0 };
    er_bytes_text(&input, "{\"url\":\"/null\",\"method\":\"HEAD\"}\n");
    for (const served *s = lasts; s->target; s++)
        er_bytes_format(&input, "{\"url\":\"%s\"}\n", s->target);
    run(input.at, (errand_jobs_opts){ .next = _i ? "cursor=/n,c" : "/n" });
    er_bytes_free(&input);
    ck_assert_uint_eq(n_lines, 7);
    ck_assert_uint_eq(count("\"ok\":true"), 7);
    ck_assert_uint_eq(count("\"page\":1,\"next\":null,"), 7);
    take_down();
}
END_TEST

START_TEST(other_jobs_have_one_page)
{
    static const served list[] = { { "/a", LINK("/b"), "" }, { NULL, NULL, NULL } };
    set_up();
    fetching_serves(list);
    run("{\"url\":\"/a\",\"method\":\"POST\"}\n{\"url\":\"/a\",\"body\":\"x\"}\n{\"url\":1}\n"
        "{\"url\":\"/a\",\"method\":\"HEAD\"}\n",
        (errand_jobs_opts){ .ordered = 1 });
    ck_assert_uint_eq(n_lines, 5);
    for (size_t i = 0; i < 3; i++) ck_has(i, "\"page\":1,\"next\":null,");
    ck_has(3, "\"page\":1,\"next\":\"http");
    ck_has(4, "\"method\":\"HEAD\"");
    ck_has(4, "\"page\":2,\"next\":null");
    take_down();
}
END_TEST

START_TEST(without_the_option_lines_have_no_pages)
{
    set_up();
    fetching_run("{\"url\":\"/ok\"}\n", NULL);
    ck_assert_ptr_null(came_with(1, "page"));
    ck_assert_ptr_null(came_with(1, "next"));
    ck_assert_uint_eq(came.stats.pages, 0);
    take_down();
}
END_TEST

/* ---- where it does not go on ---- */

static const served wrongs[] = {
    { "/host", LINK("http://other.example/x?token=s3cret"), "" },
    { "/port", LINK("http://127.0.0.1:9/x"), "" },
    { "/tls", LINK("https://127.0.0.1/x"), "" },
    { "/ftp", LINK("ftp://me:pw@h/x?sig=1"), "" },
    { "/self", LINK("/self#again"), "" },
    { "/p", LINK("/q"), "" },
    { "/q", LINK("/p"), "" },
    { "/r", LINK("/r?2"), "" },
    { "/r?2", LINK("/r?3"), "" },
    { "/r?3", LINK("/r?4"), "" },
    { "/r?4", LINK("/r?5"), "" },
    { "/r?5", LINK("/r?6"), "" },
    { "/r?6", LINK("/r?4"), "" },
    { NULL, NULL, NULL },
};

static const struct wrong {
    const char *url;
    size_t pages; /* with a reply */
    const char *next, *message;
} wrong_ways[] = {
    { "/host", 1, "http://other.example/x?token=*",
      ", from http://127.0.0.1:%s to http://other.example:80: it is not asked" },
    { "/port", 1, "http://127.0.0.1:9/x", "page 1 leads to another host, from http" },
    { "/tls", 1, "https://127.0.0.1/x", " to https://127.0.0.1:443: " },
    { "/ftp", 1, "ftp://h/x?sig=*",
      "page 1 leads to \\\"ftp://h/x?sig=*\\\", which is no http or https url" },
    { "/self", 1, "/self", "page 1 leads to itself" },
    { "/p", 2, "/p", "page 2 leads to page 1 again" },
    { "/r", 6, "/r?4", "page 6 leads to page 4 again" },
};

START_TEST(a_page_that_is_not_asked_for_fails)
{
    const struct wrong *way = &wrong_ways[_i];
    char job[100], part[300];
    set_up();
    fetching_serves(wrongs);
    snprintf(job, sizeof job, "{\"url\":\"%s\"}\n", way->url);
    run(job, (errand_jobs_opts){ .retries = 3 });
    ck_assert_uint_eq(n_lines, way->pages + 1);
    ck_assert_uint_eq(came.stats.failed, 1);
    ck_assert_uint_eq(came.stats.bad_lines, 0);
    ck_assert_uint_eq(came.stats.pages, way->pages);
    const char *port = strrchr(fetching_url(), ':') + 1;
    snprintf(part, sizeof part, "\"page\":%zu,\"next\":\"%s%s\"", way->pages,
             *way->next == '/' ? fetching_url() : "", way->next);
    ck_has(way->pages - 1, part);
    ck_has(way->pages - 1, "\"ok\":true");
    ck_has(way->pages,
           "\"ok\":false,\"status\":null,\"error\":{\"kind\":\"protocol\",\"code\":\"EPROTO\"");
    ck_has(way->pages, "\"attempts\":0,");
    snprintf(part, sizeof part, way->message,
             port); /* NOLINT(clang-diagnostic-format-nonliteral) */
    ck_has(way->pages, part);
    snprintf(part, sizeof part, "\"page\":%zu,\"next\":null", way->pages + 1);
    ck_has(way->pages, part);
    ck_assert(!strstr(lines[0], "s3cret") && !strstr(lines[n_lines - 1], "s3cret"));
    take_down();
}
END_TEST

static const served untold[] = {
    { "/html", "200 OK\r\nContent-Type: text/html\r\n", "<p>" },
    { "/number", JSON, "{\"n\":12}" },
    { "/true", JSON, "{\"n\":true}" },
    { "/object", JSON, "{\"n\":{\"a\":1}}" },
    { "/array", JSON, "{\"n\":[1]}" },
    { "/nul", JSON, "{\"n\":\"a\\u0000b\"}" },
    { NULL, NULL, NULL },
};

START_TEST(a_reply_that_does_not_say_whether_a_page_follows_is_kept)
{
    static const char *const messages[] = { "no JSON: ",    "a number at \\\"/n\\\", not a url",
                                            "true at ",     "an object at ",
                                            "an array at ", "a text with a NUL character at " };
    char job[100], part[200];
    set_up();
    fetching_serves(untold);
    snprintf(job, sizeof job, "{\"url\":\"%s\"}\n", untold[_i].target);
    run(job, (errand_jobs_opts){ .next = "/n", .retries = 3 });
    ck_assert_uint_eq(n_lines, 2);
    ck_assert_uint_eq(came.stats.failed, 1);
    ck_has(0, "\"ok\":true,\"status\":200,");
    ck_has(0, _i ? "\"body\":{\"n\":" : "\"body\":\"<p>\"");
    ck_has(0, "\"page\":1,\"next\":\"\",");
    ck_has(1, "\"url\":null");
    ck_has(1, "\"kind\":\"protocol\",\"code\":\"EPROTO\"");
    ck_has(1, "\"attempts\":0,");
    ck_has(1, "\"page\":2,\"next\":null");
    snprintf(part, sizeof part, "page 1 does not say which page follows: the reply %s %s",
             _i ? "has" : "is", messages[_i]);
    ck_has(1, part);
    ck_assert_uint_eq(fetching_requests(untold[_i].target), 1);
    take_down();
}
END_TEST

START_TEST(a_page_that_does_not_say_what_follows_is_asked_again)
{
    static const served broken[] = {
        { "/k", JSON, "{\"n\":\"/k?2\"}" }, { "/k?2", "200 OK\r\n", "<p>" }, { NULL, NULL, NULL }
    };
    static const served repaired[] = {
        { "/k?2", JSON, "{\"n\":\"/k?3\"}" }, { "/k?3", JSON, "{}" }, { NULL, NULL, NULL }
    };
    set_up();
    results = files_path("out.jsonl");
    fetching_serves(broken);
    run("{\"url\":\"/k\"}\n", (errand_jobs_opts){ .next = "/n" });
    ck_assert_uint_eq(n_lines, 3);
    ck_has(1, "\"page\":2,\"next\":\"\"");
    ck_has(2, "\"ok\":false");
    fetching_serves(repaired);
    resume("{\"url\":\"/k\"}\n", (errand_jobs_opts){ .next = "/n", .retry_kinds = ~0u });
    ck_assert_uint_eq(n_lines, 5);
    ck_has(3, "\"page\":2,\"next\":\"http");
    ck_has(4, "\"page\":3,\"next\":null");
    ck_assert_uint_eq(fetching_requests("/k"), 1);
    ck_assert_str_eq(notices, "");
    resume("{\"url\":\"/k\"}\n", (errand_jobs_opts){ .next = "/n", .retry_kinds = ~0u });
    ck_assert_uint_eq(n_lines, 5);
    take_down();
}
END_TEST

START_TEST(a_url_that_is_too_long_is_not_asked_for)
{
    static const size_t size = 600000;
    char *reply = malloc(size + 100);
    set_up();
    snprintf(reply, 20, "{\"n\":\"/x?");
    memset(reply + 9, 'a', size);
    snprintf(reply + 9 + size, 10, "\"}");
    const served list[] = { { "/long", JSON, reply }, { NULL, NULL, NULL } };
    fetching_serves(list);
    run("{\"url\":\"/long\"}\n",
        (errand_jobs_opts){ .next = _i ? "cursor=/n,c" : "/n", .body = ERRAND_JOBS_BODY_DROP });
    ck_assert_uint_eq(n_lines, 2);
    ck_assert_uint_lt(strlen(lines[0]), 3000);
    ck_has(1, "page 1 leads to a url that is longer than 512 KiB");
    fetching_serves(NULL);
    free(reply);
    take_down();
}
END_TEST

START_TEST(a_redirect_to_another_host_does_not_lead_to_its_pages)
{
    char head[200], part[300];
    set_up();
    snprintf(head, sizeof head, "302 Found\r\nLocation: http://localhost:%s/there\r\n",
             strrchr(fetching_url(), ':') + 1);
    const served list[] = { { "/moved", head, "" },
                            { "/there", LINK("/there?2"), "" },
                            { "/near", "302 Found\r\nLocation: /sub/there\r\n", "" },
                            { "/sub/there", LINK("more"), "" },
                            { NULL, NULL, NULL } };
    fetching_serves(list);
    run("{\"url\":\"/moved\"}\n{\"url\":\"/near\"}\n", (errand_jobs_opts){ .ordered = 1 });
    ck_assert_uint_eq(n_lines, 4);
    const char *port = strrchr(fetching_url(), ':') + 1;
    snprintf(part, sizeof part,
             "page 1 was redirected from %s to http://localhost:%s and leads to http://localhost:%s"
             ", which is not asked: give the job the url",
             fetching_url(), port, port);
    ck_has(1, part);
    snprintf(part, sizeof part, "\"next\":\"%s/sub/more\"", fetching_url());
    ck_has(2, part);
    ck_assert_uint_eq(fetching_requests("/there?2"), 0);
    take_down();
}
END_TEST

/* ---- the way ---- */

static const served many[] = {
    { "/m?p=1", LINK("/m?p=2"), "1" }, { "/m?p=2", LINK("/m?p=3"), "2" },
    { "/m?p=3", LINK("/m?p=4"), "3" }, { "/m?p=4", LINK("/m?p=5"), "4" },
    { "/m?p=5", "200 OK\r\n", "5" },   { NULL, NULL, NULL },
};

START_TEST(a_job_ends_well_at_max_pages)
{
    set_up();
    fetching_serves(many);
    run("{\"url\":\"/m?p=1\"}\n", (errand_jobs_opts){ .max_pages = 2 });
    ck_assert_uint_eq(n_lines, 2);
    ck_assert_uint_eq(came.stats.successful, 1);
    ck_has(1, "\"page\":2,\"next\":\"http");
    ck_assert_uint_eq(fetching_requests("/m?p=3"), 0);
    take_down();
}
END_TEST

static void take_100_ms(const char *target)
{
    (void)target;
    nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
}

START_TEST(the_time_of_a_job_holds_for_all_its_pages)
{
    set_up();
    fetching_serves(many);
    fetching_calls(take_100_ms);
    run("{\"url\":\"/m?p=1\"}\n", (errand_jobs_opts){ .job_within_ms = 400 });
    fetching_calls(NULL);
    ck_assert_uint_ge(n_lines, 1);
    ck_has(n_lines - 1, "\"ok\":false");
    ck_has(n_lines - 1, "\"kind\":\"timeout\",\"code\":\"ETIMEDOUT\"");
    ck_assert_uint_eq(came.stats.failed, 1);
    ck_assert_uint_lt(came.stats.pages, 5);
    take_down();
}
END_TEST

START_TEST(a_failure_has_attempts_of_its_own_and_ends_the_job)
{
    static const served list[] = { { "/a", LINK("/flaky/2/x"), "" }, { NULL, NULL, NULL } };
    set_up();
    fetching_serves(list);
    run("{\"url\":\"/a\",\"retries\":2}\n{\"url\":\"/a\",\"retries\":0}\n",
        (errand_jobs_opts){ .ordered = 1, .concurrency = 1 });
    ck_assert_uint_eq(n_lines, 4);
    ck_has(0, "\"attempts\":1,");
    ck_has(1, "\"attempts\":3,");
    ck_has(1, "\"page\":2,\"next\":null");
    ck_assert_uint_eq(came.stats.retries, 2);
    static const served worse[] = { { "/a", LINK("/status/500"), "" }, { NULL, NULL, NULL } };
    fetching_serves(worse);
    run("{\"url\":\"/a\",\"retries\":1}\n", (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 2);
    ck_has(1, "\"attempts\":2,");
    ck_has(1, "\"status\":500");
    ck_has(1, "\"page\":2,\"next\":null");
    ck_assert_uint_eq(came.stats.failed, 1);
    ck_assert_uint_eq(came.stats.successful, 0);
    take_down();
}
END_TEST

START_TEST(pages_stand_together_in_order)
{
    er_bytes input = { 0 };
    char part[40];
    set_up();
    fetching_serves(many);
    for (int i = 0; i < 200; i++) er_bytes_text(&input, "{\"url\":\"/m?p=1\"}\n");
    run(input.at, (errand_jobs_opts){ .ordered = (unsigned)_i, .concurrency = 10 });
    ck_assert_uint_eq(n_lines, 1000);
    ck_assert_uint_eq(came.stats.pages, 1000);
    ck_assert_uint_eq(came.stats.successful, 200);
    for (size_t i = 0; _i && i < n_lines; i++) {
        snprintf(part, sizeof part, "{\"seq\":%zu,", i / 5 + 1);
        ck_has(i, part);
        snprintf(part, sizeof part, "\"page\":%zu,", i % 5 + 1);
        ck_has(i, part);
    }
    for (size_t p = 1; p <= 5; p++) {
        snprintf(part, sizeof part, "\"page\":%zu,", p);
        ck_assert_uint_eq(count(part), 200);
    }
    er_bytes_free(&input);
    take_down();
}
END_TEST

START_TEST(credentials_go_with_each_page_and_keys_with_the_first)
{
    set_up();
    char url[200], job[400];
    static const served list[] = { { "/a", LINK("/echo"), "" }, { NULL, NULL, NULL } };
    fetching_serves(list);
    snprintf(url, sizeof url, "http://me:pw@%s/a", strstr(fetching_url(), "://") + 3);
    snprintf(job, sizeof job,
             "{\"url\":\"%s\",\"headers\":{\"X-Own\":\"1\"},\"idempotency_key\":true}\n", url);
    run(job, (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 2);
    ck_has(1, "Authorization: Basic bWU6cHc=");
    ck_has(1, "X-Own: 1");
    ck_assert(!has(1, "dempotency"));
    ck_assert(!has(0, "me:pw") && !has(1, "me:pw"));
    take_down();
}
END_TEST

START_TEST(a_file_is_for_one_page)
{
    const char *dir;
    struct stat st;
    char path[1000];
    set_up();
    fetching_serves(many);
    dir = files_path("results");
    snprintf(path, sizeof path,
             "{\"url\":\"/m?p=4\",\"id\":\"x\"}\n{\"url\":\"/m?p=5\",\"save_to\":"
             "\"%s\"}\n",
             files_path("y"));
    run(path, (errand_jobs_opts){ .output_dir = dir, .ordered = 1 });
    ck_assert_uint_eq(n_lines, 3);
    snprintf(path, sizeof path, "\"saved_to\":\"%s/x\",\"page\":1,", dir);
    ck_has(0, path);
    snprintf(path, sizeof path, "\"saved_to\":\"%s/x-p2\",\"page\":2,", dir);
    ck_has(1, path);
    ck_has(2, "key \\\"save_to\\\": the job's pages would replace each other");
    ck_assert_uint_eq(came.stats.bad_lines, 1);
    snprintf(path, sizeof path, "%s/x-p2", dir);
    ck_assert(!stat(path, &st) && st.st_size == 1);
    remove(path);
    snprintf(path, sizeof path, "%s/x", dir);
    remove(path);
    take_down();
}
END_TEST

/* The refusals come behind page 1, and page 2 behind them. */
static void refuse_between_pages(const char *target)
{
    errand_jobs_stats stats = { 0 };
    if (!strcmp(target, "/no")) {
        while (!fetching_requests("/a2")) sched_yield();
    } else if (!strcmp(target, "/a2")) {
        while (!atomic_load(&jobs)) sched_yield();
        while (stats.failed < 3) errand_jobs_stats_get(atomic_load(&jobs), &stats);
    }
}

START_TEST(a_page_that_came_shows_that_not_all_jobs_are_refused)
{
    static const served list[] = { { "/a", LINK("/a2"), "" },
                                   { "/a2", "200 OK\r\n", "" },
                                   { "/no", "401 No\r\n", "" },
                                   { NULL, NULL, NULL } };
    set_up();
    fetching_serves(list);
    fetching_calls(refuse_between_pages);
    run("{\"url\":\"/a\"}\n{\"url\":\"/no\"}\n{\"url\":\"/no\"}\n{\"url\":\"/no\"}\n",
        (errand_jobs_opts){ .halt_fatal = 1, .concurrency = 4 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_NOT_HALTED);
    ck_assert_uint_eq(n_lines, 5);
    ck_assert_uint_eq(came.stats.failed, 3);
    take_down();
}
END_TEST

static void keep_message(const char *message, void *arg) { snprintf(arg, 500, "%s", message); }

START_TEST(wrong_options_are_refused)
{
    static const struct {
        errand_jobs_opts o;
        const char *message;
    } rows[] = {
        { { .next = "" },
          "next \"\": link, a JSON pointer such as /paging/next, or cursor=POINTER,"
          "PARAM is wanted" },
        { { .next = "next" }, "next \"next\": link, " },
        { { .next = "/a~2" }, "next \"/a~2\": \"/a~2\" is no JSON pointer" },
        { { .next = "cursor=/a" }, "a parameter are wanted" },
        { { .next = "cursor=/a," }, "a parameter are wanted" },
        { { .next = "cursor=a,b" }, "\"a\" is no JSON pointer" },
        { { .next = "/a", .output_dir = "." }, "with output_dir only link" },
        { { .next = "link", .openai_results = 1 }, "" },
    };
    set_up();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char said[500] = "";
        errand_jobs_opts o = rows[i].o;
        o.on_error = keep_message;
        o.arg = said;
        o.out = STDOUT_FILENO;
        ck_assert(!errand_jobs_new(fetching_pool(), fetching_http(), &o) && errno == EINVAL);
        ck_assert_msg(strstr(said, rows[i].message), "%s", said);
    }
    take_down();
}
END_TEST

/* ---- stopping and going on ---- */

static const char *awaited; /* the target with which this run is stopped */
static bool cancels;

static void stop_there(const char *target)
{
    if (!awaited || strcmp(target, awaited) != 0) return;
    while (!atomic_load(&jobs)) sched_yield();
    if (cancels) errand_jobs_cancel(atomic_load(&jobs));
    else errand_jobs_stop(atomic_load(&jobs));
    awaited = NULL;
}

static void stopped_at(const char *target, bool cancel)
{
    awaited = target;
    cancels = cancel;
    fetching_calls(stop_there);
}

static void ck_cut(uint64_t n)
{
    ck_assert_uint_eq(came.stats.successful, 0);
    ck_assert_uint_eq(came.stats.failed, n);
    ck_assert_uint_eq(came.stats.cancelled, n);
    ck_assert_str_eq(notices, n == 1 ? "1 job stopped before its last page"
                                     : "2 jobs stopped before their last page");
}

START_TEST(a_stop_lets_the_page_in_flight_end)
{
    set_up();
    fetching_serves(many);
    stopped_at("/m?p=3", false);
    run("{\"url\":\"/m?p=1\"}\n", (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 3);
    ck_has(2, "\"ok\":true");
    ck_has(2, "\"page\":3,\"next\":\"http");
    ck_assert_uint_eq(came.stats.stopped, 1);
    ck_assert_uint_eq(fetching_requests("/m?p=4"), 0);
    ck_cut(1);
    take_down();
}
END_TEST

START_TEST(a_cancel_ends_the_page_in_flight)
{
    set_up();
    static const served list[] = { { "/m?p=1", LINK("/hang"), "1" }, { NULL, NULL, NULL } };
    fetching_serves(list);
    const char *path = files_path("pages.jsonl");
    const char *files[] = { files_text("in", "{\"url\":\"/m?p=1\"}\n"), NULL };
    int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    errand_jobs *begun = fetching_begin(files, &(errand_jobs_opts){ .next = "link", .out = out });
    while (!fetching_requests("/hang")) sched_yield();
    errand_jobs_cancel(begun);
    fetching_collect(begun);
    close(out);
    read_lines(path);
    ck_assert_uint_eq(n_lines, 2);
    ck_has(1, "\"kind\":\"cancelled\"");
    ck_has(1, "\"page\":2,\"next\":null");
    ck_assert_uint_eq(came.stats.cancelled, 1);
    take_down();
}
END_TEST

START_TEST(a_cancelled_or_halted_run_counts_jobs_between_pages_as_cancelled)
{
    static const served list[] = {
        { "/m?p=1", JSON "Link: </m?p=2>; rel=next\r\n", "{\"usage\":{\"total_tokens\":9}}" },
        { "/m?p=2", JSON "Link: </m?p=3>; rel=next\r\n", "{\"usage\":{\"total_tokens\":9}}" },
        { "/m?p=3", JSON, "" },
        { NULL, NULL, NULL }
    };
    set_up();
    fetching_serves(list);
    results = files_path("out.jsonl");
    if (_i) stopped_at("/m?p=2", true);
    run("{\"url\":\"/m?p=1\"}\n", (errand_jobs_opts){ .token_budget = _i ? 0 : 17 });
    ck_assert_int_eq(came.stats.halted, _i ? ERRAND_JOBS_NOT_HALTED : ERRAND_JOBS_BUDGET);
    ck_assert_uint_eq(fetching_requests("/m?p=3"), 0);
    ck_cut(1);
    take_down();
}
END_TEST

static void ck_once_each(unsigned first_pages)
{
    for (unsigned p = 1; p <= 5; p++) {
        char target[20];
        snprintf(target, sizeof target, "/m?p=%u", p);
        ck_assert_msg(fetching_requests(target) == (p == 1 ? first_pages : 1), "%s", target);
    }
}

START_TEST(a_resumed_run_goes_on_behind_the_last_page)
{
    const char *job = "{\"id\":\"x\",\"url\":\"/m?p=1\"}\n{\"url\":\"/ok\"}\n";
    set_up();
    results = files_path("out.jsonl");
    fetching_serves(many);
    stopped_at("/m?p=3", false);
    run(job, (errand_jobs_opts){ .concurrency = 1 });
    ck_assert_uint_eq(n_lines, 3);
    resume(job, (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 6);
    ck_assert_uint_eq(came.stats.skipped, 0);
    ck_assert_uint_eq(came.stats.pages, 3);
    ck_assert_uint_eq(count("\"page\":4,"), 1);
    ck_assert_uint_eq(count("\"next\":null"), 2);
    ck_once_each(1);
    ck_assert_str_eq(notices, "");
    resume(job, (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 6);
    ck_assert_uint_eq(came.stats.skipped, 2);
    take_down();
}
END_TEST

START_TEST(also_with_another_input)
{
    set_up();
    results = files_path("out.jsonl");
    fetching_serves(many);
    stopped_at("/m?p=3", false);
    run(_i ? "{\"url\":\"/m?p=1\"}\n" : "{\"id\":7,\"url\":\"/m?p=1\"}\n", (errand_jobs_opts){ 0 });
    resume(_i ? "{\"url\":\"/ok\"}\n{\"url\":\"/m?p=1\"}\n"
              : "{\"url\":\"/ok\"}\n{\"id\":7,\"url\":\"/m?p=1\"}\n",
           (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 6);
    ck_once_each(1);
    resume(_i ? "{\"url\":\"/m?p=1\"}\n" : "{\"id\":7,\"url\":\"/m?p=1\"}\n",
           (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 6);
    ck_assert_uint_eq(came.stats.skipped, 1);
    take_down();
}
END_TEST

static const served positions[] = {
    { "/g", JSON, "{\"t\":\"a/1\"}" },
    { "/g?pageToken=a%2F1", JSON, "{\"t\":\"b2\"}" },
    { "/g?pageToken=b2", JSON, "{}" },
    { "/l", LINK("/l?continuation-token=a&access_token="), "" },
    { "/l?continuation-token=a&access_token=", LINK("/l?%24skiptoken=b"), "" },
    { "/l?%24skiptoken=b", "200 OK\r\n", "" },
    { NULL, NULL, NULL },
};

START_TEST(a_token_that_is_a_position_is_kept_and_gone_to)
{
    static const struct {
        const char *next, *url, *second, *third;
    } rows[] = { { "cursor=/t,pageToken", "/g", "/g?pageToken=a%2F1", "/g?pageToken=b2" },
                 { "link", "/l", "/l?continuation-token=a&access_token=", "/l?%24skiptoken=b" } };
    char job[100], part[200];
    set_up();
    results = files_path("out.jsonl");
    fetching_serves(positions);
    snprintf(job, sizeof job, "{\"url\":\"%s\"}\n", rows[_i].url);
    stopped_at(rows[_i].second, false);
    run(job, (errand_jobs_opts){ .next = rows[_i].next });
    ck_assert_uint_eq(n_lines, 2);
    snprintf(part, sizeof part, "\"next\":\"%s%s\"", fetching_url(), rows[_i].third);
    ck_has(1, part);
    resume(job, (errand_jobs_opts){ .next = rows[_i].next });
    ck_assert_uint_eq(n_lines, 3);
    snprintf(part, sizeof part, "\"url\":\"%s%s\"", fetching_url(), rows[_i].third);
    ck_has(2, part);
    ck_has(2, "\"page\":3,\"next\":null");
    ck_assert_str_eq(notices, "");
    ck_assert_uint_eq(fetching_requests(rows[_i].url), 1);
    take_down();
}
END_TEST

static void ck_shown(const char *how, const char *url, const char *wanted)
{
    er_next_page next;
    er_bytes why = { 0 }, shown = { 0 };
    ck_assert_int_eq(er_next_page_read(&next, how, &why), 0);
    er_next_page_show(&next, &shown, url);
    ck_assert_str_eq(shown.at, wanted);
    er_bytes_free(&shown);
    for (unsigned n = 1; n < 10; n++) {
        memory_fails_at(n);
        er_next_page_show(&next, &shown, url);
        memory_fails_at(0);
        ck_assert(shown.error || !strcmp(shown.at, wanted));
        er_bytes_free(&shown);
    }
    er_next_page_free(&next);
}

START_TEST(what_is_no_position_stays_secret)
{
    ck_shown("link", "http://me:pw@h/a?token=1&page_token=2&api_key=3&b#c",
             "http://h/a?token=*&page_token=2&api_key=*&b");
    ck_shown("cursor=/n,the key", "https://h/?k=v&the+key=x&the%20key=y&other+key=z",
             "https://h/?k=v&the+key=x&the%20key=y&other+key=*");
    ck_shown("/n", "http://h/?nextPageToken=1&my_page_token=2&Marker=3&sig=4",
             "http://h/?nextPageToken=1&my_page_token=*&Marker=3&sig=*");
    ck_shown("/n", "http://h/a#pageToken=1", "http://h/a");
}
END_TEST

START_TEST(a_page_whose_url_has_a_secret_is_reached_from_the_first)
{
    static const served list[] = {
        { "/s", LINK("/s?access_token=s3cret"), "1" },
        { "/s?access_token=s3cret", LINK("/s?access_token=hidden"), "2" },
        { "/s?access_token=hidden", "200 OK\r\n", "3" },
        { NULL, NULL, NULL },
    };
    set_up();
    results = files_path("out.jsonl");
    fetching_serves(list);
    stopped_at("/s?access_token=s3cret", false);
    run("{\"url\":\"/s\"}\n", (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 2);
    ck_has(1, "/s?access_token=*\",\"meta\"");
    resume("{\"url\":\"/s\"}\n", (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 5);
    ck_has(2, "\"page\":1,");
    ck_assert_msg(strstr(notices, "in:1: begins at page 1 again: the url of page 3 has a parameter "
                                  "that sounds like a secret"),
                  "%s", notices);
    ck_assert_uint_eq(count("\"next\":null"), 1);
    for (size_t i = 0; i < n_lines; i++) ck_assert(!has(i, "s3cret") && !has(i, "hidden"));
    char *journal = files_read(files_path("out.jsonl.journal"), NULL);
    ck_assert(!strstr(journal, "s3cret") && !strstr(journal, "hidden"));
    free(journal);
    resume("{\"url\":\"/s\"}\n", (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 5);
    take_down();
}
END_TEST

START_TEST(a_failed_page_is_tried_again_at_its_place)
{
    static const served list[] = {
        { "/f", LINK("/flaky/1/x"), "1" },
        { NULL, NULL, NULL },
    };
    set_up();
    results = files_path("out.jsonl");
    fetching_serves(list);
    run("{\"url\":\"/f\",\"retries\":0}\n", (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 2);
    ck_has(1, "\"ok\":false");
    resume("{\"url\":\"/f\",\"retries\":0}\n", (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 2);
    ck_assert_uint_eq(came.stats.skipped_failed, 1);
    resume("{\"url\":\"/f\",\"retries\":0}\n", (errand_jobs_opts){ .retry_kinds = ~0u });
    ck_assert_uint_eq(n_lines, 3);
    ck_has(2, "\"page\":2,\"next\":null");
    ck_has(2, "\"ok\":true");
    ck_assert_uint_eq(fetching_requests("/f"), 1);
    take_down();
}
END_TEST

START_TEST(more_pages_are_allowed_by_a_later_run)
{
    set_up();
    results = files_path("out.jsonl");
    fetching_serves(many);
    run("{\"url\":\"/m?p=1\"}\n", (errand_jobs_opts){ .max_pages = 2 });
    resume("{\"url\":\"/m?p=1\"}\n", (errand_jobs_opts){ .max_pages = 2 });
    ck_assert_uint_eq(n_lines, 2);
    ck_assert_uint_eq(came.stats.skipped, 1);
    resume("{\"url\":\"/m?p=1\"}\n", (errand_jobs_opts){ .max_pages = 4 });
    ck_assert_uint_eq(n_lines, 4);
    resume("{\"url\":\"/m?p=1\"}\n", (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(n_lines, 5);
    ck_once_each(1);
    take_down();
}
END_TEST

START_TEST(without_memory_a_job_has_one_last_line)
{
    unsigned failures = 0;
    set_up();
    fetching_serves(forms);
    for (unsigned round = 0; round < 40; round++) {
        static const char input[] = "{\"url\":\"/b\"}\n{\"url\":\"/b\"}\n{\"url\":\"/b\"}\n";
        const char *files[] = { files_text("in", input), NULL };
        const char *path = files_path("pages.jsonl");
        int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        errand_jobs *begun = fetching_begin(
            files, &(errand_jobs_opts){ .next = "/paging/next", .out = out, .ordered = 1 });
        memory_fails(60);
        int error = errand_jobs_wait(begun, ERRAND_FOREVER);
        memory_fails(0);
        ck_assert_int_eq(error, 0);
        fetching_collect(begun);
        close(out);
        failures += came.stats.failed > 0;
        if (came.stats.read_error || came.stats.write_error) continue;
        read_lines(path);
        size_t last = count("\"ok\":false") + count("\"ok\":true,\"status\":200,") -
                      count("\"next\":\"http");
        ck_assert_uint_eq(last, came.stats.total_processed);
    }
    ck_assert_uint_gt(failures, 0);
    take_down();
}
END_TEST

START_TEST(marks_are_kept_between_the_first_page_and_the_last)
{
    enum { N = 5000 };
    er_page_marks marks = { 0 };
    ck_assert_ptr_null(er_page_marks_use(&marks, (er_job_ref){ 1, 1 }, false));
    er_page_marks_end(&marks, (er_job_ref){ 1, 1 }, 1, 0);
    for (unsigned page = 2; page < 4; page++) {
        for (uint64_t i = 1; i <= N; i++) /* pairs with one hash */
            ck_assert_int_eq(
                er_page_marks_set(&marks, (er_job_ref){ i / 2, i }, 1, page, er_copy_text("u")), 0);
    }
    ck_assert_uint_eq(marks.n, N);
    for (uint64_t i = 1; i <= N; i += 2) er_page_marks_end(&marks, (er_job_ref){ i / 2, i }, 1, 0);
    ck_assert_uint_eq(marks.n, N / 2);
    er_page_marks_end(&marks, (er_job_ref){ 1, 2 }, 1, 3); /* that page failed */
    ck_assert_uint_eq(marks.n, N / 2);
    const er_page_mark *mark = er_page_marks_use(&marks, (er_job_ref){ 1, 2 }, false);
    ck_assert(mark && mark->page == 3);
    ck_assert_ptr_null(er_page_marks_use(&marks, (er_job_ref){ 1, 3 }, false));
    ck_assert_ptr_null(er_page_marks_use(&marks, (er_job_ref){ 1, 9 }, true)); /* used */
    ck_assert_ptr_nonnull(er_page_marks_use(&marks, (er_job_ref){ 2, 9 }, true));
    er_page_marks_end(&marks, (er_job_ref){ 3, 99 }, 1, 0); /* an equal job of the same run */
    ck_assert_uint_eq(marks.n, N / 2);
    er_page_marks_end(&marks, (er_job_ref){ 3, 99 }, 2, 0); /* elsewhere in another input */
    ck_assert_ptr_null(er_page_marks_use(&marks, (er_job_ref){ 3, 6 }, false));
    er_page_marks_free(&marks);
    unsigned n = 0;
    int error = ENOMEM;
    while (error && n++ < 10) {
        memory_fails_at(n + 1);
        error = er_page_marks_set(&marks, (er_job_ref){ 1, 1 }, 1, 2, er_copy_text("u"));
        memory_fails_at(0);
    }
    ck_assert_uint_eq(n, 3);
    er_page_marks_free(&marks);
}
END_TEST

#define COUNT(list) (int)(sizeof(list) / sizeof *(list))

static void add_resuming(TCase *tests)
{
    tcase_add_test(tests, a_stop_lets_the_page_in_flight_end);
    tcase_add_test(tests, a_cancel_ends_the_page_in_flight);
    tcase_add_loop_test(tests, a_cancelled_or_halted_run_counts_jobs_between_pages_as_cancelled, 0,
                        2);
    tcase_add_test(tests, a_resumed_run_goes_on_behind_the_last_page);
    tcase_add_loop_test(tests, also_with_another_input, 0, 2);
    tcase_add_loop_test(tests, a_token_that_is_a_position_is_kept_and_gone_to, 0, 2);
    tcase_add_test(tests, what_is_no_position_stays_secret);
    tcase_add_test(tests, a_page_whose_url_has_a_secret_is_reached_from_the_first);
    tcase_add_test(tests, a_failed_page_is_tried_again_at_its_place);
    tcase_add_test(tests, more_pages_are_allowed_by_a_later_run);
}

Suite *pages_suite(void)
{
    Suite *suite = suite_create("pages");
    TCase *tests = tcase_create("pages");
    tcase_add_loop_test(tests, each_form_leads_from_page_to_page, 0, COUNT(followed));
    tcase_add_loop_test(tests, the_last_page_says_nothing_null_false_or_an_empty_text, 0, 2);
    tcase_add_test(tests, other_jobs_have_one_page);
    tcase_add_test(tests, without_the_option_lines_have_no_pages);
    tcase_add_loop_test(tests, a_page_that_is_not_asked_for_fails, 0, COUNT(wrong_ways));
    tcase_add_loop_test(tests, a_reply_that_does_not_say_whether_a_page_follows_is_kept, 0,
                        COUNT(untold) - 1);
    tcase_add_test(tests, a_page_that_does_not_say_what_follows_is_asked_again);
    tcase_add_loop_test(tests, a_url_that_is_too_long_is_not_asked_for, 0, 2);
    tcase_add_test(tests, a_redirect_to_another_host_does_not_lead_to_its_pages);
    tcase_add_test(tests, a_job_ends_well_at_max_pages);
    tcase_add_test(tests, the_time_of_a_job_holds_for_all_its_pages);
    tcase_add_test(tests, a_failure_has_attempts_of_its_own_and_ends_the_job);
    tcase_add_loop_test(tests, pages_stand_together_in_order, 0, 2);
    tcase_add_test(tests, credentials_go_with_each_page_and_keys_with_the_first);
    tcase_add_test(tests, a_file_is_for_one_page);
    tcase_add_test(tests, a_page_that_came_shows_that_not_all_jobs_are_refused);
    tcase_add_test(tests, wrong_options_are_refused);
    add_resuming(tests);
    tcase_add_test(tests, marks_are_kept_between_the_first_page_and_the_last);
    tcase_add_test(tests, without_memory_a_job_has_one_last_line);
    suite_add_tcase(suite, tests);
    return suite;
}
