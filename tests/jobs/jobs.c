/* errand_jobs: every line has a result, whatever is wrong with it, the files, the server or the
 * output. */
#include "jobs/fetching.h"
#include "jobs/files.h"
#include "fixture/memory.h"
#include "jobs/suites.h"
#include "base/bytes.h"
#include "fork_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void set_up(void) { fetching_start(2); }

static bool complained(const char *end) /* a complaint ends with this text */
{
    for (size_t i = 0; i < came.n_complaints && i < 64; i++) {
        size_t n = strlen(came.complaints[i]), m = strlen(end);
        if (n >= m && !strcmp(came.complaints[i] + n - m, end)) return true;
    }
    return false;
}

static size_t scaled(double n)
{
    const char *scale = getenv("ERRAND_TEST_SCALE");
    double f = scale ? atof(scale) : 1;
    return (size_t)(n * (f > 0 ? f : 1));
}

START_TEST(every_line_has_one_result)
{
    static const char input[] =
        "{\"url\":\"/ok\",\"id\":1}\n"
        "\n"
        "{\"urll\":\"/ok\",\"id\":2}\n"
        "nonsense\r\n"
        "{\"url\":\"ftp://host/\"}\n"
        "   \t \n"
        "{\"url\":\"/ok\",\"retries\":\"many\"}\n"
        "[]\n"
        "{\"url\":\"/ok\",\"headers\":{\"Content-Length\":\"5\"}}\n"
        "{\"url\":\"/ok\"}";
    fetching_run(input, &(errand_jobs_opts){ .ordered = (unsigned)_i });
    ck_assert_uint_eq(came.n, 8);
    ck_assert_uint_eq(came.stats.successful, 2);
    ck_assert_uint_eq(came.stats.bad_lines, 6);
    ck_assert_uint_eq(came.stats.known_total, 8);
    ck_assert_uint_eq(came.stats.stopped, 0);
    ck_assert_int_eq(came.stats.read_error, 0);
    ck_assert_uint_eq(came.n_complaints, 6);
    ck_assert(complained("/jobs.jsonl:3: unknown key \"urll\": did you mean \"url\"?"));
    ck_assert(complained("/jobs.jsonl:4: not JSON: expected a value, at byte 1"));
    ck_assert(complained("/jobs.jsonl:5: key \"url\": only http and https, not \"ftp\""));
    ck_assert(complained("/jobs.jsonl:7: key \"retries\" must be a whole number from 0 to 1000"));
    ck_assert_str_eq(came_with(1, "ok"), "true");
    ck_assert_str_eq(came_with(8, "ok"), "true");
    ck_assert_str_eq(came_with(2, "id"), "2");
    ck_assert_str_eq(came_with(2, "error.kind"), "\"validation\"");
    ck_assert_str_eq(came_with(2, "error.code"), "\"EINVAL\"");
    ck_assert_str_eq(came_with(2, "attempts"), "0");
    ck_assert_str_eq(came_with(7, "error.kind"), "\"validation\"");
    for (size_t i = 0; _i && i < came.n; i++) ck_assert_uint_eq(came.order[i], i + 1);
}
END_TEST

START_TEST(a_value_of_the_environment_is_stars_in_messages)
{
    setenv("ERRAND_TEST_KEY", "sesame-key", 1);
    fetching_run("{\"url\":\"/body/quote\",\"headers\":{\"X-Any\":\"${ERRAND_TEST_KEY}\"}}\n",
                 &(errand_jobs_opts){ .expand = 1 });
    ck_assert_uint_eq(came.n, 1);
    ck_assert_ptr_nonnull(strstr(came_with(1, "error.message"), "no **********"));
}
END_TEST

START_TEST(a_relative_url_without_a_base_is_a_bad_line)
{
    errand_http *bare = errand_http_new(fetching_pool(), NULL);
    const char *files[] = { files_text("a.jsonl", "{\"url\":\"/ok\"}\n"), NULL };
    int out = open("/dev/null", O_WRONLY);
    errand_jobs *jobs =
        errand_jobs_new(fetching_pool(), bare, &(errand_jobs_opts){ .files = files, .out = out });
    ck_assert_int_eq(errand_jobs_wait(jobs, ERRAND_FOREVER), 0);
    ck_assert_int_eq(errand_jobs_stats_get(jobs, &came.stats), 0);
    ck_assert_uint_eq(came.stats.bad_lines, 1);
    errand_jobs_free(jobs);
    close(out);
    ck_assert_int_eq(errand_http_close(bare, 1000), 0);
}
END_TEST

START_TEST(files_are_read_in_order_and_bad_ones_skipped)
{
    const char *files[] = { files_text("a", "{\"url\":\"/ok\",\"id\":\"a\"}\n"),
                            files_path("missing"), files_folder(),
                            files_text("b", "{\"url\":\"/ok\",\"id\":\"b\"}\nbad\n"), NULL };
    fetching_collect(fetching_begin(files, &(errand_jobs_opts){ .ordered = 1 }));
    ck_assert_uint_eq(came.n, 3);
    ck_assert_uint_eq(came.stats.successful, 2);
    ck_assert_int_eq(came.stats.read_error, ENOENT);
    ck_assert_uint_eq(came.n_complaints, 3);
    ck_assert(complained("/missing: No such file or directory"));
    ck_assert(complained(": Is a directory"));
    ck_assert(complained("/b:2: not JSON: expected a value, at byte 1"));
    ck_assert_str_eq(came_with(2, "id"), "\"b\"");
}
END_TEST

START_TEST(a_line_over_16_mib_is_a_bad_line)
{
    size_t size = (size_t)17 << 20;
    char *text = malloc(size);
    memset(text, ' ', size);
    memcpy(text, "{\"url\":\"/ok\"}\n{", 15);
    memcpy(text + size - 16, "}\n{\"url\":\"/ok\"}\n", 16);
    const char *files[] = { files_write("a", text, size), NULL };
    free(text);
    fetching_collect(fetching_begin(files, NULL));
    ck_assert_uint_eq(came.n, 3);
    ck_assert_uint_eq(came.stats.successful, 2);
    ck_assert(complained("/a:2: longer than 16 MiB"));
}
END_TEST

START_TEST(results_are_in_order_only_if_ordered_is_set)
{
    static const char input[] =
        "{\"url\":\"/late/150\"}\n{\"url\":\"/ok\"}\n{\"url\":\"/ok\"}\n{\"url\":\"/ok\"}\n";
    fetching_run(input, &(errand_jobs_opts){ .ordered = (unsigned)_i });
    ck_assert_uint_eq(came.n, 4);
    ck_assert_uint_eq(came.order[_i ? 0 : 3], 1);
}
END_TEST

START_TEST(a_single_worker_is_enough)
{
    fetching_stop();
    fetching_start(1);
    size_t n = scaled(500) + 20;
    er_bytes input = { 0 };
    for (size_t i = 0; i < n; i++)
        er_bytes_format(&input, "{%s\"id\":%zu}\n", i % 7 ? "\"url\":\"/ok\"," : "", i);
    fetching_run(input.at, &(errand_jobs_opts){ .ordered = (unsigned)_i, .concurrency = 5 });
    er_bytes_free(&input);
    ck_assert_uint_eq(came.n, n);
    ck_assert_uint_eq(came.stats.bad_lines, (n + 6) / 7);
    ck_assert_uint_eq(came.stats.successful, n - (n + 6) / 7);
}
END_TEST

START_TEST(line_or_options_set_the_number_of_attempts)
{
    fetching_run("{\"url\":\"/status/503?a\"}\n"
                 "{\"url\":\"/flaky/1/b\"}\n"
                 "{\"url\":\"/flaky/2/c\",\"retries\":0}\n"
                 "{\"url\":\"/flaky/4/d\",\"retries\":4}\n"
                 "{\"url\":\"/status/404\",\"retries\":5}\n",
                 &(errand_jobs_opts){ .retries = 2 });
    ck_assert_str_eq(came_with(1, "attempts"), "3");
    ck_assert_str_eq(came_with(2, "attempts"), "2");
    ck_assert_str_eq(came_with(2, "ok"), "true");
    ck_assert_str_eq(came_with(3, "attempts"), "1");
    ck_assert_str_eq(came_with(4, "attempts"), "5");
    ck_assert_str_eq(came_with(4, "ok"), "true");
    ck_assert_str_eq(came_with(5, "attempts"), "1");
    ck_assert_uint_eq(came.stats.retries, 2 + 1 + 4);
    ck_assert_uint_eq(fetching_requests("/flaky/4/d"), 5);
}
END_TEST

START_TEST(a_post_is_repeated_only_with_a_key_or_idempotent_set)
{
    fetching_run(
        "{\"url\":\"/flaky/1/p1\",\"method\":\"POST\"}\n"
        "{\"url\":\"/flaky/1/p2\",\"method\":\"POST\",\"idempotency_key\":\"k\"}\n"
        "{\"url\":\"/flaky/1/p3\",\"method\":\"POST\",\"idempotent\":true}\n"
        "{\"url\":\"/flaky/1/p4\",\"method\":\"POST\",\"headers\":{\"idempotency-key\":\"k\"}}\n"
        "{\"url\":\"/flaky/1/p5\",\"method\":\"PATCH\"}\n"
        "{\"url\":\"/flaky/1/p6\",\"json\":1}\n"
        "{\"url\":\"/flaky/1/p7\",\"method\":\"DELETE\"}\n",
        &(errand_jobs_opts){ .retries = 3 });
    static const unsigned requests[] = { 1, 2, 2, 2, 1, 1, 2 };
    for (size_t i = 0; i < 7; i++) {
        char path[32];
        snprintf(path, sizeof path, "/flaky/1/p%zu", i + 1);
        ck_assert_msg(fetching_requests(path) == requests[i], "%s: %u", path,
                      fetching_requests(path));
        ck_assert_str_eq(came_with(i + 1, "ok"), requests[i] > 1 ? "true" : "false");
    }
}
END_TEST

START_TEST(a_session_with_a_policy_does_not_multiply_the_retries)
{
    errand_policy *policy =
        errand_policy_new(&(errand_policy_opts){ .attempts = 5, .initial_ms = 1 }, NULL);
    errand_http *http = errand_http_new(
        fetching_pool(), &(errand_http_opts){ .base_url = fetching_url(), .policy = policy });
    errand_policy_free(policy);
    const char *files[] = { files_text("a", "{\"url\":\"/status/500\"}\n"), NULL };
    int out = open("/dev/null", O_WRONLY);
    errand_jobs *jobs = errand_jobs_new(
        fetching_pool(), http, &(errand_jobs_opts){ .files = files, .out = out, .retries = 1 });
    ck_assert_int_eq(errand_jobs_wait(jobs, ERRAND_FOREVER), 0);
    errand_jobs_free(jobs);
    close(out);
    ck_assert_int_eq(errand_http_close(http, 1000), 0);
    ck_assert_uint_eq(fetching_requests("/status/500"), 2);
}
END_TEST

START_TEST(a_rate_holds_for_every_attempt)
{
    errand_rate *rate = errand_rate_new(fetching_pool(), &(errand_rate_opts){ .per_second = 50 });
    fetching_run("{\"url\":\"/ok\"}\n{\"url\":\"/ok\"}\n{\"url\":\"/status/503\"}\n",
                 &(errand_jobs_opts){ .rate = rate, .retries = 3 });
    errand_rate_free(rate);
    ck_assert_uint_eq(came.stats.retries, 3);
    ck_assert_int_ge(came.stats.p99_ms, 80); /* six turns: the last is 100 ms after the first */
}
END_TEST

static errand_jobs *read_fifo(const char *line, int *writer)
{
    const char *path = files_path("fifo");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    *writer = open(path, O_RDWR);
    ck_assert_int_ge(*writer, 0);
    ck_assert_int_eq(write(*writer, line, strlen(line)), (ssize_t)strlen(line));
    static const char *files[2];
    files[0] = path;
    return fetching_begin(files, NULL);
}

static void wait_for_requests(const char *path, unsigned n)
{
    while (fetching_requests(path) < n) sched_yield();
}

START_TEST(stop_ends_the_wait_for_input_and_finishes_what_is_in_flight)
{
    int writer;
    errand_jobs *jobs = read_fifo("{\"url\":\"/late/100\"}\n", &writer);
    wait_for_requests("/late/100", 1);
    ck_assert_int_eq(errand_jobs_wait(jobs, 0), ETIMEDOUT);
    errand_jobs_stop(jobs);
    errand_jobs_stop(jobs);
    fetching_collect(jobs);
    close(writer);
    ck_assert_uint_eq(came.n, 1);
    ck_assert_str_eq(came_with(1, "ok"), "true");
    ck_assert_uint_eq(came.stats.stopped, 1);
    ck_assert_uint_eq(came.stats.known_total, 0);
}
END_TEST

START_TEST(cancel_writes_a_line_for_every_job_in_flight)
{
    int writer;
    errand_jobs *jobs = read_fifo(
        "{\"url\":\"/hang\"}\n{\"url\":\"/hang\"}\n{\"url\":\"/hang\",\"id\":9}\n", &writer);
    wait_for_requests("/hang", 3);
    errand_jobs_stats stats;
    ck_assert_int_eq(errand_jobs_stats_get(jobs, &stats), 0);
    ck_assert_uint_eq(stats.in_flight, 3);
    errand_jobs_cancel(jobs);
    fetching_collect(jobs);
    close(writer);
    ck_assert_uint_eq(came.n, 3);
    ck_assert_uint_eq(came.stats.cancelled, 3);
    ck_assert_str_eq(came_with(3, "error.kind"), "\"cancelled\"");
    ck_assert_str_eq(came_with(3, "error.code"), "\"ECANCELED\"");
    ck_assert_str_eq(came_with(3, "id"), "9");
}
END_TEST

START_TEST(free_ends_running_jobs)
{
    int writer;
    errand_jobs *jobs = read_fifo("{\"url\":\"/hang\"}\n", &writer);
    wait_for_requests("/hang", 1);
    errand_jobs_free(jobs);
    close(writer);
    errand_jobs_free(NULL);
}
END_TEST

START_TEST(a_retrying_job_is_counted_as_retrying)
{
    int writer;
    errand_rate *rate = errand_rate_new(fetching_pool(), &(errand_rate_opts){ .per_second = 0.01 });
    const char *path = files_path("fifo");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    writer = open(path, O_RDWR);
    const char *files[] = { path, NULL };
    ck_assert_int_gt(dprintf(writer, "{\"url\":\"/status/500\"}\n"), 0);
    /* the second turn is far off */
    errand_jobs *jobs = fetching_begin(files, &(errand_jobs_opts){ .retries = 1, .rate = rate });
    errand_jobs_stats stats = { 0 };
    while (!stats.retrying) ck_assert_int_eq(errand_jobs_stats_get(jobs, &stats), 0);
    ck_assert_uint_eq(stats.retrying, 1);
    errand_jobs_cancel(jobs);
    fetching_collect(jobs);
    close(writer);
    errand_rate_free(rate);
    ck_assert_uint_eq(came.n, 1);
}
END_TEST

static void many(errand_jobs_opts *opts)
{
    er_bytes input = { 0 };
    for (int i = 0; i < 5000; i++) er_bytes_text(&input, "{\"url\":\"/ok\"}\n");
    const char *files[] = { files_text("many", input.at), NULL };
    er_bytes_free(&input);
    fetching_collect(fetching_begin(files, opts));
}

START_TEST(a_full_disk_ends_the_jobs_and_is_reported_once)
{
    int full = open("/dev/full", O_WRONLY);
    ck_assert_int_ge(full, 0);
    many(&(errand_jobs_opts){ .out = full, .ordered = (unsigned)_i });
    close(full);
    ck_assert_int_eq(came.stats.write_error, ENOSPC);
    ck_assert_uint_eq(came.stats.successful, 0);
    ck_assert_uint_lt(came.stats.total_processed, 5000);
    ck_assert_uint_eq(came.n_complaints, 1);
    ck_assert_str_eq(came.complaints[0], "cannot write the results: No space left on device");
}
END_TEST

START_TEST(a_closed_output_ends_the_jobs)
{
    signal(SIGPIPE, SIG_IGN);
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    close(fds[0]);
    many(&(errand_jobs_opts){ .out = fds[1] });
    close(fds[1]);
    ck_assert_int_eq(came.stats.write_error, EPIPE);
    ck_assert_uint_lt(came.stats.total_processed, 5000);
    ck_assert_uint_eq(came.n_complaints, 1);
}
END_TEST

START_TEST(without_memory_the_jobs_end_and_add_up)
{
    er_bytes input = { 0 };
    for (int i = 0; i < 200; i++)
        er_bytes_text(&input, i % 5 ? "{\"url\":\"/ok\"}\n" : "{\"url\":\"/flaky/1/m\"}\n");
    const char *files[] = { files_text("a", input.at), NULL };
    er_bytes_free(&input);
    int out = open("/dev/null", O_WRONLY);
    size_t rounds = scaled(30) + 1, failed = 0;
    for (size_t i = 0; i < rounds; i++) {
        errand_jobs_opts o = { .files = files, .out = out, .retries = 1, .ordered = i % 2 };
        errand_jobs *jobs = errand_jobs_new(fetching_pool(), fetching_http(), &o);
        ck_assert_ptr_nonnull(jobs);
        memory_fails(i % 3 ? 100 : 1000);
        ck_assert_int_eq(errand_jobs_wait(jobs, ERRAND_FOREVER), 0);
        memory_fails(0);
        ck_assert_int_eq(errand_jobs_stats_get(jobs, &came.stats), 0);
        ck_assert_uint_eq(came.stats.successful + came.stats.failed, came.stats.total_processed);
        if (!came.stats.read_error && !came.stats.write_error)
            ck_assert_uint_eq(came.stats.total_processed, 200);
        failed += came.stats.failed;
        errand_jobs_free(jobs);
    }
    close(out);
    ck_assert_uint_gt(memory_failed(), 0);
    ck_assert_uint_gt(failed, 0);
}
END_TEST

START_TEST(bad_options_are_EINVAL)
{
    const errand_jobs_opts wrong[] = {
        { .out = -1 },
        { .out = 1, .total_ms = -1 },
        { .out = 1, .retries = 100000 },
        { .out = 1, .retry_within_ms = -1 },
        { .out = 1, .job_within_ms = -1 },
        { .out = 1, .run_within_ms = -1, .retry_if = errand_retry_if_failed() },
        { .out = 1, .halt_failed_share = 1.1 },
        { .out = 1, .retry_if = errand_retry_if_kind(0) },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = 0;
        ck_assert_ptr_null(errand_jobs_new(fetching_pool(), fetching_http(), &wrong[i]));
        ck_assert_int_eq(errno, EINVAL);
    }
    ck_assert_ptr_null(errand_jobs_new(NULL, fetching_http(), &(errand_jobs_opts){ .out = 1 }));
    ck_assert_ptr_null(errand_jobs_new(fetching_pool(), NULL, &(errand_jobs_opts){ .out = 1 }));
    ck_assert_ptr_null(errand_jobs_new(fetching_pool(), fetching_http(), NULL));
}
END_TEST

START_TEST(a_storm_of_mixed_jobs_adds_up)
{
    size_t n = scaled(4000) + 10, bad = 0, failing = 0;
    er_bytes input = { 0 };
    for (size_t i = 0; i < n; i++) {
        static const char *const forms[] = {
            "{\"url\":\"/ok\",",
            "{\"url\":\"/status/404\",",
            "{\"url\":\"/body/nul\",",
            "{",
            "{\"url\":\"/status/500\",\"method\":\"POST\",",
            "\n#",
        };
        er_bytes_format(&input, "%s\"id\":%zu}\n", forms[i % 6], i);
        bad += i % 6 == 3 || i % 6 == 5;
        failing += i % 6 == 1 || i % 6 == 4;
    }
    fetching_run(input.at,
                 &(errand_jobs_opts){ .concurrency = 64, .retries = 2, .ordered = (unsigned)_i });
    er_bytes_free(&input);
    ck_assert_uint_eq(came.n, n);
    ck_assert_uint_eq(came.stats.bad_lines, bad);
    ck_assert_uint_eq(came.stats.failed, bad + failing);
    for (size_t i = 0; i < n; i++) {
        if (i % 6 != 5) ck_assert_uint_eq(strtoul(came_with(i + 1, "id"), NULL, 10), i);
        if (_i) ck_assert_uint_eq(came.order[i], i + 1);
    }
}
END_TEST

static void complain_and_fork(const char *message, void *arg)
{
    (void)message;
    fork_inside_now(arg);
}

START_TEST(a_complain_that_returns_in_a_forked_child_ends_the_child)
{
    fork_inside f = { 0, 0 };
    fetching_run("bad\nworse\n", &(errand_jobs_opts){ .on_error = complain_and_fork, .arg = &f });
    ck_assert_uint_eq(came.n, 2); /* each line once */
    ck_ended_there(&f);
}
END_TEST

Suite *jobs_suite(void)
{
    Suite *suite = suite_create("jobs");
    TCase *tests = tcase_create("jobs");
    tcase_add_checked_fixture(tests, set_up, fetching_stop);
    tcase_add_loop_test(tests, every_line_has_one_result, 0, 2);
    tcase_add_test(tests, a_complain_that_returns_in_a_forked_child_ends_the_child);
    tcase_add_test(tests, a_value_of_the_environment_is_stars_in_messages);
    tcase_add_test(tests, a_relative_url_without_a_base_is_a_bad_line);
    tcase_add_test(tests, files_are_read_in_order_and_bad_ones_skipped);
    tcase_add_test(tests, a_line_over_16_mib_is_a_bad_line);
    tcase_add_loop_test(tests, results_are_in_order_only_if_ordered_is_set, 0, 2);
    tcase_add_loop_test(tests, a_single_worker_is_enough, 0, 2);
    tcase_add_test(tests, line_or_options_set_the_number_of_attempts);
    tcase_add_test(tests, a_post_is_repeated_only_with_a_key_or_idempotent_set);
    tcase_add_test(tests, a_session_with_a_policy_does_not_multiply_the_retries);
    tcase_add_test(tests, a_rate_holds_for_every_attempt);
    tcase_add_test(tests, stop_ends_the_wait_for_input_and_finishes_what_is_in_flight);
    tcase_add_test(tests, cancel_writes_a_line_for_every_job_in_flight);
    tcase_add_test(tests, free_ends_running_jobs);
    tcase_add_test(tests, a_retrying_job_is_counted_as_retrying);
    tcase_add_loop_test(tests, a_full_disk_ends_the_jobs_and_is_reported_once, 0, 2);
    tcase_add_test(tests, a_closed_output_ends_the_jobs);
    tcase_add_test(tests, without_memory_the_jobs_end_and_add_up);
    tcase_add_test(tests, bad_options_are_EINVAL);
    tcase_add_loop_test(tests, a_storm_of_mixed_jobs_adds_up, 0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}
