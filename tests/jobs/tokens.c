/* errand_jobs: tokens that are estimated, reserved and settled, by time and in all. */
#include "async/test_clock.h"
#include "jobs/fetching.h"
#include "jobs/files.h"
#include "jobs/suites.h"
#include "jobs/tokens.h"
#include "memory.h"
#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- estimates and replies ---- */

static const struct {
    const char *line;
    uint64_t tokens;
} estimates[] = {
    { "{\"url\":\"/a\"}", 0 },
    { "{\"url\":\"/a\",\"json\":[1,2]}", 2 }, /* of 5 bytes */
    { "{\"url\":\"/a\",\"body\":\"1234\"}", 1 },
    { "{\"url\":\"/a\",\"body\":\"\"}", 0 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":100}}", 5 + 100 }, /* 18 bytes */
    { "{\"url\":\"/a\",\"body\":\"{\\\"max_tokens\\\":100}\"}", 5 + 100 },
    { "{\"url\":\"/a\",\"body\":\"{\\\"max_tokens\\\":100\"}", 5 }, /* it is no JSON */
    { "{\"url\":\"/a\",\"json\":{\"max_completion_tokens\":7}}", 7 + 7 },
    { "{\"url\":\"/a\",\"json\":{\"max_output_tokens\":7}}", 6 + 7 },
    { "{\"url\":\"/a\",\"json\":{\"generationConfig\":{\"maxOutputTokens\":7}}}", 11 + 7 },
    /* the first one counts, a repeated key the last time */
    { "{\"url\":\"/a\",\"json\":{\"max_output_tokens\":9,\"max_tokens\":1}}", 10 + 1 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":9,\"max_tokens\":1}}", 8 + 1 },
    { "{\"url\":\"/a\",\"json\":{\"x\":{\"max_tokens\":9}}}", 6 },
    /* what is no number of tokens is passed over */
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":-1,\"max_output_tokens\":3}}", 10 + 3 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":\"9\"}}", 5 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":null}}", 5 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":1.5}}", 5 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":1e300}}", 5 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":1e-1}}", 5 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":10000000000001}}", 8 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":99999999999999999999999999}}", 11 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":0}}", 4 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":5.00}}", 5 + 5 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":2E+3}}", 5 + 2000 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":0e99}}", 5 },
    { "{\"url\":\"/a\",\"json\":{\"max_tokens\":1000000000000}}", ER_TOKENS_MOST },
};

static int estimate(const char *asked, const char *text, uint64_t *n)
{
    er_line line = {
        .file = "test", .number = 1, .text = er_copy_text(text), .size = strlen(text)
    };
    er_line_job job;
    er_tokens tokens;
    er_bytes why = { 0 };
    ck_assert_int_eq(er_tokens_init(&tokens, asked, NULL, &why), 0);
    er_line_job_init(&job, &line, 1);
    ck_assert_int_eq(er_line_job_read(&job), 0);
    int error = er_tokens_estimate(&tokens, &job, n);
    er_line_job_free(&job);
    er_tokens_free(&tokens);
    er_bytes_free(&why);
    return error;
}

START_TEST(an_estimate_is_a_quarter_of_the_bytes_and_what_is_asked_for)
{
    uint64_t n = 1;
    ck_assert_int_eq(estimate(NULL, estimates[_i].line, &n), 0);
    ck_assert_uint_eq(n, estimates[_i].tokens);
}
END_TEST

START_TEST(an_estimate_of_a_file_is_by_its_size)
{
    er_bytes line = { 0 };
    uint64_t n = 0;
    er_bytes_format(&line, "{\"url\":\"/a\",\"body_file\":\"%s\"}",
                    files_text("body", "{\"max_tokens\":100}"));
    ck_assert_int_eq(estimate(NULL, line.at, &n), 0);
    ck_assert_uint_eq(n, 5);
    er_bytes_free(&line);
}
END_TEST

START_TEST(places_are_tried_in_turn_and_sums_added)
{
    static const char line[] = "{\"url\":\"/a\",\"body\":\"{\\\"a\\\":1,\\\"b\\\":[20,300]}\"}";
    static const struct {
        const char *asked;
        uint64_t tokens;
    } all[] = { { "/a", 1 },           { "/x,/b/0", 20 },    { "/b/0,/a", 20 },
                { "/a+/b/1", 301 },    { "/a+/x+/b/0", 21 }, /* of a sum those that are there */
                { "/x+/y,/b/1", 300 }, { "/b,/x", 0 } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint64_t n;
        ck_assert_int_eq(estimate(all[i].asked, line, &n), 0);
        ck_assert_uint_eq(n, 5 + all[i].tokens); /* 20 bytes */
    }
}
END_TEST

START_TEST(an_estimate_without_memory_is_an_error)
{
    uint64_t n;
    unsigned failures = 0;
    er_line line = { .file = "test", .number = 1 };
    er_line_job job;
    er_tokens tokens;
    er_bytes why = { 0 };
    line.text = er_copy_text("{\"url\":\"/a\",\"json\":{\"max_tokens\":100}}");
    line.size = strlen(line.text);
    er_line_job_init(&job, &line, 1);
    ck_assert_int_eq(er_line_job_read(&job), 0);
    for (unsigned i = 1; memory_fails_at(i) || i == 1; i++) {
        int error = er_tokens_init(&tokens, NULL, NULL, &why);
        if (!error) error = er_tokens_estimate(&tokens, &job, &n);
        if (error) ck_assert_int_eq(error, ENOMEM);
        failures += error != 0;
        er_tokens_free(&tokens);
    }
    memory_fails_at(0);
    ck_assert_uint_ge(failures, 5);
    er_line_job_free(&job);
}
END_TEST

static const struct {
    const char *body;
    int error;
    uint64_t tokens;
} replies[] = {
    { "{\"usage\":{\"total_tokens\":30,\"input_tokens\":1,\"output_tokens\":2}}", 0, 30 },
    { "{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}", 0, 3 },
    { "{\"usage\":{\"output_tokens\":2}}", 0, 2 },
    { "{\"usageMetadata\":{\"totalTokenCount\":4}}", 0, 4 },
    { "{\"usage\":{\"total_tokens\":0}}", 0, 0 },
    { "{\"usage\":{\"total_tokens\":-30}}", ENODATA, 0 },
    { "{\"usage\":{\"total_tokens\":1e300}}", ENODATA, 0 },
    { "{\"usage\":null}", ENODATA, 0 },
    { "{\"usage\":{\"total_tokens\":30}", ENODATA, 0 },
    { "total_tokens", ENODATA, 0 },
    { "", ENODATA, 0 },
};

START_TEST(a_reply_says_what_it_has_used)
{
    er_tokens tokens;
    er_bytes why = { 0 };
    uint64_t n = 0;
    ck_assert_int_eq(er_tokens_init(&tokens, NULL, NULL, &why), 0);
    errand_bytes text = { replies[_i].body, strlen(replies[_i].body) };
    ck_assert_int_eq(er_tokens_of_reply(&tokens, text, &n), replies[_i].error);
    if (!replies[_i].error) ck_assert_uint_eq(n, replies[_i].tokens);
    er_tokens_free(&tokens);
}
END_TEST

static void set_up(void) { fetching_start(2); }

static void keep_complaint(const char *message, void *arg) { snprintf(arg, 256, "%s", message); }

START_TEST(wrong_places_are_reported_before_anything_is_sent)
{
    static const char *const wrong[] = { "",     "max_tokens", "/a,b", "/a,",
                                         "/a+b", "+/a",        "/a~2", "/a,,/b" };
    char said[256];
    const char *files[] = { files_text("jobs.jsonl", "{\"url\":\"/ok\"}\n"), NULL };
    for (size_t i = 0; i < 2 * sizeof wrong / sizeof *wrong; i++) {
        const char *list = wrong[i / 2];
        errand_jobs_opts o = { .files = files, .out = STDOUT_FILENO, .arg = said };
        o.on_error = keep_complaint;
        if (i % 2) o.tokens_asked = list;
        else o.tokens_used = list;
        *said = '\0';
        ck_assert_ptr_null(errand_jobs_new(fetching_pool(), fetching_http(), &o));
        ck_assert_int_eq(errno, EINVAL);
        ck_assert_ptr_nonnull(strstr(said, i % 2 ? "tokens_asked \"" : "tokens_used \""));
        ck_assert_ptr_nonnull(strstr(said, "is no JSON pointer"));
    }
    ck_assert_uint_eq(fetching_requests("/ok"), 0);
}
END_TEST

/* ---- by time ---- */

static test_clock time_of_rate;
static errand_pool *rate_pool;
static errand_rate *rate;

/* A thousand a second, a hundred at once, on a clock that stands. */
static void set_up_rate(void)
{
    set_up();
    test_clock_start(&time_of_rate);
    rate_pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &time_of_rate.clock });
    rate = errand_rate_new(rate_pool, &(errand_rate_opts){ .per_second = 1000, .burst = 100 });
    ck_assert_ptr_nonnull(rate);
}

static void tear_down_rate(void)
{
    errand_rate_free(rate);
    fetching_stop();
    ck_assert_int_eq(errand_pool_close(rate_pool, 5000), 0);
}

#define ASKS_100 "{\"max_tokens\":95}" /* 17 bytes: with them a hundred */

static const char *jobs_for(const char *path, unsigned n, const char *keys)
{
    static char text[64 << 10];
    er_bytes all = { 0 };
    for (unsigned i = 0; i < n; i++)
        er_bytes_format(&all, "{\"url\":\"%s\",\"json\":" ASKS_100 "%s}\n", path, keys);
    ck_assert_uint_lt(all.size, sizeof text);
    memcpy(text, all.at, all.size + 1);
    er_bytes_free(&all);
    return text;
}

static errand_jobs *begin(const char *input, const errand_jobs_opts *opts)
{
    static const char *files[2];
    files[0] = files_text("jobs.jsonl", input);
    return fetching_begin(files, opts);
}

static void await_waiting(errand_rate *of, const char *key, unsigned n)
{
    for (errand_rate_stats s = { 0 }; s.waiting != n;) {
        int error = errand_rate_stats_get(of, key, &s);
        ck_assert(!error || error == ENOENT);
    }
}

static errand_jobs_stats await_successful(errand_jobs *jobs, uint64_t n)
{
    errand_jobs_stats s = { 0 };
    while (s.successful < n) ck_assert_int_eq(errand_jobs_stats_get(jobs, &s), 0);
    return s;
}

START_TEST(an_attempt_waits_until_its_tokens_are_there)
{
    errand_jobs *jobs =
        begin(jobs_for("/tokens/100", 3, ""), &(errand_jobs_opts){ .token_rate = rate });
    await_successful(jobs, 1);
    await_waiting(rate, NULL, 2);
    errand_jobs_stats s;
    ck_assert_int_eq(errand_jobs_stats_get(jobs, &s), 0);
    ck_assert_uint_eq(s.in_flight, 2);
    ck_assert_uint_eq(s.tokens_used, 100);
    ck_assert_uint_eq(s.tokens_reserved, 200);
    turn(&time_of_rate, rate_pool, 98);
    ck_assert_uint_eq(fetching_requests("/tokens/100"), 1);
    turn(&time_of_rate, rate_pool, 3);
    await_successful(jobs, 2);
    turn(&time_of_rate, rate_pool, 101);
    fetching_collect(jobs);
    ck_assert_uint_eq(came.stats.successful, 3);
    ck_assert_uint_eq(came.stats.tokens_used, 300);
    ck_assert_uint_eq(came.stats.tokens_reserved, 0);
    for (size_t i = 1; i <= 3; i++) ck_assert_str_eq(came_with(i, "tokens"), "100");
}
END_TEST

/* Each of these would wait for the one before it, on a clock that stands. */
static const struct {
    const char *path, *tokens;
    unsigned jobs;
    bool good;
} unused[] = {
    { "/tokens/0", "0", 20, true },
    { "/status/404", "0", 20, false },
    { "/status/429", "0", 2, false },
    { "http://127.0.0.1:1/", "0", 20, false },
};

START_TEST(what_was_not_used_is_there_for_others)
{
    errand_jobs_opts o = { .token_rate = rate, .concurrency = 4 };
    errand_jobs *jobs = begin(jobs_for(unused[_i].path, unused[_i].jobs, ""), &o);
    while (errand_jobs_wait(jobs, 1) == ETIMEDOUT) errand_pool_tick(rate_pool);
    fetching_collect(jobs);
    ck_assert_uint_eq(came.stats.successful, unused[_i].good ? came.n : 0);
    ck_assert_uint_eq(came.stats.tokens_used, 0);
    ck_assert_uint_eq(came.stats.tokens_reserved, 0);
    ck_assert_str_eq(came_with(1, "tokens"), unused[_i].tokens);
    ck_assert_int_eq(errand_rate_wait(rate, NULL, 0), 0); /* the bucket is full */
}
END_TEST

static const struct {
    const char *path, *keys;
} kept[] = {
    { "/ok", "" },
    { "/status/500", ",\"retries\":0" },
    { "/half", ",\"retries\":0" },
    { "/body/text", "" },
};

START_TEST(what_may_have_been_used_stays_reserved)
{
    fetching_run(jobs_for(kept[_i].path, 1, kept[_i].keys),
                 &(errand_jobs_opts){ .token_rate = rate });
    ck_assert_uint_eq(came.stats.tokens_used, 100);
    ck_assert_uint_eq(came.stats.tokens_reserved, 0);
    ck_assert_str_eq(came_with(1, "tokens"), "null");
    ck_assert_int_eq(errand_rate_wait(rate, NULL, 0), ERRAND_ELATE);
}
END_TEST

static void fresh_rate(unsigned burst)
{
    errand_rate_free(rate);
    rate = errand_rate_new(rate_pool, &(errand_rate_opts){ .per_second = 1, .burst = burst });
}

START_TEST(a_timeout_keeps_tokens_of_what_was_sent)
{
    char keys[60];
    for (int ms = 20; !fetching_requests("/hang"); ms *= 2) { /* until there is time to send it */
        fresh_rate(100);
        snprintf(keys, sizeof keys, ",\"timeout\":\"%dms\",\"retries\":0", ms);
        fetching_run(jobs_for("/hang", 1, keys), &(errand_jobs_opts){ .token_rate = rate });
    }
    ck_assert_uint_eq(came.stats.tokens_used, 100);
    ck_assert_str_eq(came_with(1, "tokens"), "null");
    ck_assert_int_eq(errand_rate_wait(rate, NULL, 0), ERRAND_ELATE);
}
END_TEST

START_TEST(each_attempt_reserves_and_settles)
{
    fresh_rate(200);
    errand_jobs_opts o = { .token_rate = rate, .retries = 1 };
    fetching_run(jobs_for("/busy/429/5/1", 1, ""), &o);
    ck_assert_str_eq(came_with(1, "attempts"), "2");
    ck_assert_uint_eq(came.stats.tokens_used, 100);
    fresh_rate(200);
    o.token_rate = rate;
    fetching_run(jobs_for("/flaky/1/t", 1, ",\"idempotent\":true"), &o);
    ck_assert_str_eq(came_with(1, "attempts"), "2");
    ck_assert_uint_eq(came.stats.tokens_used, 200);
}
END_TEST

START_TEST(what_was_used_above_the_estimate_puts_others_off)
{
    fetching_run(jobs_for("/tokens/1100", 1, ""), &(errand_jobs_opts){ .token_rate = rate });
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &s), 0);
    ck_assert_int_ge(s.next_ms, 1000);
    ck_assert_str_eq(came_with(1, "tokens"), "1100");
}
END_TEST

START_TEST(a_job_without_a_body_waits_for_no_tokens)
{
    errand_future *all = errand_rate_acquire_n(rate, NULL, 100);
    ck_assert_int_eq(errand_wait(all, 5000), 0);
    errand_drop(all);
    fetching_run("{\"url\":\"/ok\"}\n", &(errand_jobs_opts){ .token_rate = rate });
    ck_assert_uint_eq(came.stats.successful, 1);
}
END_TEST

static errand_rate *hosts(void)
{
    errand_rate *made =
        errand_rate_new(fetching_pool(), &(errand_rate_opts){ .per_second = ERRAND_NO_PACE });
    ck_assert_ptr_nonnull(made);
    return made;
}

static const char *host(void) { return strstr(fetching_url(), "://") + 3; }

START_TEST(a_host_that_is_paused_meanwhile_gets_the_tokens_back)
{
    errand_rate *by_host = hosts();
    errand_future *all = errand_rate_acquire_n(rate, NULL, 100);
    ck_assert_int_eq(errand_wait(all, 5000), 0);
    errand_drop(all);
    errand_jobs *jobs = begin(jobs_for("/held", 1, ""),
                              &(errand_jobs_opts){ .token_rate = rate, .host_rate = by_host });
    await_waiting(rate, NULL, 1);
    ck_assert_int_eq(errand_rate_pause(by_host, host(), 3600000), 0);
    turn(&time_of_rate, rate_pool, 101);
    await_waiting(by_host, host(), 1);
    errand_jobs_stats s;
    ck_assert_int_eq(errand_jobs_stats_get(jobs, &s), 0);
    ck_assert_uint_eq(s.tokens_reserved, 0);
    ck_assert_int_eq(errand_rate_wait(rate, NULL, 0), 0);
    errand_jobs_cancel(jobs);
    fetching_collect(jobs);
    ck_assert_uint_eq(fetching_requests("/held"), 0);
    ck_assert_str_eq(came_with(1, "error.may_have_run"), "false");
    errand_rate_free(by_host);
}
END_TEST

START_TEST(after_the_pause_it_takes_tokens_again)
{
    errand_rate *by_host = hosts();
    errand_future *all = errand_rate_acquire_n(rate, NULL, 100);
    ck_assert_int_eq(errand_wait(all, 5000), 0);
    errand_drop(all);
    errand_jobs *jobs = begin(jobs_for("/tokens/60", 1, ""),
                              &(errand_jobs_opts){ .token_rate = rate, .host_rate = by_host });
    await_waiting(rate, NULL, 1);
    ck_assert_int_eq(errand_rate_pause(by_host, host(), 100), 0);
    turn(&time_of_rate, rate_pool, 101);
    fetching_collect(jobs);
    ck_assert_uint_eq(came.stats.successful, 1);
    ck_assert_uint_eq(came.stats.tokens_used, 60);
    errand_rate_free(by_host);
}
END_TEST

START_TEST(a_cancelled_wait_gives_the_tokens_back)
{
    errand_jobs *jobs = begin(jobs_for("/tokens/100", 2, ""),
                              &(errand_jobs_opts){ .token_rate = rate, .concurrency = 1 });
    await_waiting(rate, NULL, 1);
    errand_jobs_cancel(jobs);
    fetching_collect(jobs);
    ck_assert_str_eq(came_with(2, "error.kind"), "\"cancelled\"");
    ck_assert_str_eq(came_with(2, "error.may_have_run"), "false");
    ck_assert_str_eq(came_with(2, "attempts"), "0");
    ck_assert_str_eq(came_with(2, "tokens"), "null");
    ck_assert_uint_eq(came.stats.tokens_used, 100);
    ck_assert_uint_eq(came.stats.tokens_reserved, 0);
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, NULL, &s), 0);
    ck_assert_uint_eq(s.waiting, 0);
}
END_TEST

START_TEST(tokens_that_come_too_late_for_a_job_are_not_waited_for)
{
    fresh_rate(100); /* one a second */
    fetching_run(
        jobs_for("/tokens/100", 2, ""),
        &(errand_jobs_opts){ .token_rate = rate, .concurrency = 1, .job_within_ms = 90000 });
    ck_assert_str_eq(came_with(2, "error.code"), "\"ELATE\"");
    ck_assert_str_eq(came_with(2, "error.may_have_run"), "false");
    ck_assert_uint_eq(came.stats.tokens_reserved, 0);
}
END_TEST

/* ---- in all ---- */

/* Each reserves 100 and uses 10: eleven begin before 101 of 200 are used. */
START_TEST(a_budget_ends_when_a_job_does_not_fit_beside_what_is_used)
{
    static const unsigned at_once[] = { 1, 3, 16 };
    errand_jobs_opts o = { .token_budget = 200, .concurrency = at_once[_i] };
    fetching_run(jobs_for("/tokens/10", 500, ""), &o);
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_BUDGET);
    ck_assert_uint_eq(came.stats.successful, 11);
    ck_assert_uint_eq(fetching_requests("/tokens/10"), 11);
    ck_assert_uint_eq(came.stats.tokens_used, 110);
    ck_assert_uint_eq(came.stats.tokens_reserved, 0);
    ck_assert_uint_lt(came.stats.total_processed, 500);
    ck_assert_uint_ge(came.stats.failed, 1);
    for (size_t i = 1; i <= came.n; i++) {
        if (!strcmp(came_with(i, "ok"), "true")) continue;
        ck_assert_str_eq(came_with(i, "error.code"), "\"EBUDGET\"");
        ck_assert_str_eq(came_with(i, "error.kind"), "\"rejected\"");
        ck_assert_str_eq(came_with(i, "error.may_have_run"), "false");
        ck_assert_str_eq(came_with(i, "error.message"),
                         "\"the budget of 200 tokens does not suffice: 110 are used, and this "
                         "request is estimated at 100\"");
        ck_assert_str_eq(came_with(i, "attempts"), "0");
        ck_assert_str_eq(came_with(i, "tokens"), "null");
    }
}
END_TEST

START_TEST(a_job_above_the_whole_budget_is_not_sent)
{
    fetching_run(jobs_for("/tokens/10", 1, ""), &(errand_jobs_opts){ .token_budget = 99 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_BUDGET);
    ck_assert_uint_eq(fetching_requests("/tokens/10"), 0);
    ck_assert_uint_eq(came.stats.tokens_used, 0);
    fetching_run(jobs_for("/tokens/10", 1, ""), &(errand_jobs_opts){ .token_budget = 100 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_NOT_HALTED);
    ck_assert_uint_eq(came.stats.successful, 1);
}
END_TEST

START_TEST(with_results_what_does_not_fit_is_left_to_the_next_run)
{
    const char *input = jobs_for("/tokens/100", 3, "");
    errand_jobs_opts o = { .results = files_path("kept.jsonl"),
                           .out = STDOUT_FILENO,
                           .begin = ERRAND_RESULTS_RESUME,
                           .concurrency = 1,
                           .token_budget = 100 };
    for (unsigned i = 1; i <= 4; i++) {
        errand_jobs *jobs = begin(input, &o);
        errand_jobs_stats s;
        ck_assert_int_eq(errand_jobs_wait(jobs, ERRAND_FOREVER), 0);
        ck_assert_int_eq(errand_jobs_stats_get(jobs, &s), 0);
        errand_jobs_free(jobs);
        ck_assert_uint_eq(s.successful, i < 4);
        ck_assert_int_eq(s.halted, i < 3 ? ERRAND_JOBS_BUDGET : ERRAND_JOBS_NOT_HALTED);
        ck_assert_uint_eq(s.skipped, i - 1);
    }
    ck_assert_uint_eq(fetching_requests("/tokens/100"), 3);
    size_t size, lines = 0;
    char *text = files_read(o.results, &size);
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    ck_assert_uint_eq(lines, 3);
    free(text);
}
END_TEST

/* One hangs with 100 of 150; the other waits for it to settle. */
static errand_jobs *one_waits(errand_jobs_opts o)
{
    o.token_budget = 150;
    errand_jobs *jobs = begin(jobs_for("/hang", 2, ""), &o);
    while (!fetching_requests("/hang")) continue;
    for (errand_jobs_stats s = { 0 }; s.in_flight < 2;)
        ck_assert_int_eq(errand_jobs_stats_get(jobs, &s), 0);
    return jobs;
}

static void assert_one_was_not_sent(const char *code)
{
    size_t waited = strcmp(came_with(1, "attempts"), "0") ? 2 : 1;
    ck_assert_uint_eq(fetching_requests("/hang"), 1);
    ck_assert_str_eq(came_with(waited, "error.code"), code);
    ck_assert_str_eq(came_with(waited, "error.may_have_run"), "false");
    ck_assert_str_eq(came_with(3 - waited, "error.may_have_run"), "true");
    ck_assert_uint_eq(came.stats.tokens_used, 100);
    ck_assert_uint_eq(came.stats.tokens_reserved, 0);
}

START_TEST(a_job_that_waits_for_others_to_settle_is_cancelled_at_once)
{
    errand_jobs *jobs = one_waits((errand_jobs_opts){ 0 });
    errand_jobs_cancel(jobs);
    fetching_collect(jobs);
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_NOT_HALTED);
    assert_one_was_not_sent("\"ECANCELED\"");
}
END_TEST

START_TEST(the_time_of_a_job_that_waits_for_others_ends_it_unsent)
{
    errand_jobs *jobs = one_waits((errand_jobs_opts){ .job_within_ms = 300 });
    fetching_collect(jobs);
    size_t waited = strcmp(came_with(1, "attempts"), "0") ? 2 : 1;
    bool refused = !strcmp(came_with(waited, "error.code"), "\"EBUDGET\"");
    assert_one_was_not_sent(refused ? "\"EBUDGET\"" : "\"ETIMEDOUT\"");
}
END_TEST

START_TEST(without_the_options_no_tokens_are_counted)
{
    fetching_run(jobs_for("/tokens/10", 1, ""), NULL);
    ck_assert_ptr_null(came_with(1, "tokens"));
    ck_assert_uint_eq(came.stats.tokens_used, 0);
    fetching_run(jobs_for("/tokens/10", 1, ""),
                 &(errand_jobs_opts){ .tokens_used = "/usage/total_tokens" });
    ck_assert_str_eq(came_with(1, "tokens"), "10"); /* counted, and not limited */
}
END_TEST

START_TEST(without_memory_all_tokens_are_given_back)
{
    const char *files[] = { files_text("a", jobs_for("/tokens/1", 100, "")), NULL };
    int out = open("/dev/null", O_WRONLY);
    errand_rate *fast =
        errand_rate_new(fetching_pool(), &(errand_rate_opts){ .per_second = 1e8, .burst = 100 });
    for (unsigned i = 0; i < 30; i++) {
        errand_jobs_opts o = { .files = files,
                               .out = out,
                               .concurrency = 8,
                               .retries = 1,
                               .token_rate = i % 2 ? fast : NULL,
                               .token_budget = i % 3 ? 1000 : 0 };
        errand_jobs *jobs = errand_jobs_new(fetching_pool(), fetching_http(), &o);
        ck_assert_ptr_nonnull(jobs);
        memory_fails(i % 3 ? 60 : 300);
        ck_assert_int_eq(errand_jobs_wait(jobs, ERRAND_FOREVER), 0);
        memory_fails(0);
        ck_assert_int_eq(errand_jobs_stats_get(jobs, &came.stats), 0);
        ck_assert_uint_eq(came.stats.successful + came.stats.failed, came.stats.total_processed);
        ck_assert_uint_eq(came.stats.tokens_reserved, 0);
        if (o.token_rate || o.token_budget)
            ck_assert_uint_ge(came.stats.tokens_used, came.stats.successful);
        errand_jobs_free(jobs);
    }
    ck_assert_uint_gt(memory_failed(), 0);
    errand_rate_free(fast);
    close(out);
}
END_TEST

static void add_tests_of_rates(Suite *suite)
{
    TCase *tc = tcase_create("by time");
    tcase_add_checked_fixture(tc, set_up_rate, tear_down_rate);
    tcase_add_test(tc, an_attempt_waits_until_its_tokens_are_there);
    tcase_add_loop_test(tc, what_was_not_used_is_there_for_others, 0,
                        (int)(sizeof unused / sizeof *unused));
    tcase_add_loop_test(tc, what_may_have_been_used_stays_reserved, 0,
                        (int)(sizeof kept / sizeof *kept));
    tcase_add_test(tc, a_timeout_keeps_tokens_of_what_was_sent);
    tcase_add_test(tc, each_attempt_reserves_and_settles);
    tcase_add_test(tc, what_was_used_above_the_estimate_puts_others_off);
    tcase_add_test(tc, a_job_without_a_body_waits_for_no_tokens);
    tcase_add_test(tc, a_host_that_is_paused_meanwhile_gets_the_tokens_back);
    tcase_add_test(tc, after_the_pause_it_takes_tokens_again);
    tcase_add_test(tc, a_cancelled_wait_gives_the_tokens_back);
    tcase_add_test(tc, tokens_that_come_too_late_for_a_job_are_not_waited_for);
    suite_add_tcase(suite, tc);
}

Suite *tokens_suite(void)
{
    Suite *suite = suite_create("tokens");
    TCase *tc = tcase_create("numbers");
    tcase_add_checked_fixture(tc, NULL, files_remove);
    tcase_add_loop_test(tc, an_estimate_is_a_quarter_of_the_bytes_and_what_is_asked_for, 0,
                        (int)(sizeof estimates / sizeof *estimates));
    tcase_add_test(tc, an_estimate_of_a_file_is_by_its_size);
    tcase_add_test(tc, places_are_tried_in_turn_and_sums_added);
    tcase_add_test(tc, an_estimate_without_memory_is_an_error);
    tcase_add_loop_test(tc, a_reply_says_what_it_has_used, 0,
                        (int)(sizeof replies / sizeof *replies));
    suite_add_tcase(suite, tc);
    add_tests_of_rates(suite);
    tc = tcase_create("in all");
    tcase_add_checked_fixture(tc, set_up, fetching_stop);
    tcase_add_test(tc, wrong_places_are_reported_before_anything_is_sent);
    tcase_add_loop_test(tc, a_budget_ends_when_a_job_does_not_fit_beside_what_is_used, 0, 3);
    tcase_add_test(tc, a_job_above_the_whole_budget_is_not_sent);
    tcase_add_test(tc, with_results_what_does_not_fit_is_left_to_the_next_run);
    tcase_add_test(tc, a_job_that_waits_for_others_to_settle_is_cancelled_at_once);
    tcase_add_test(tc, the_time_of_a_job_that_waits_for_others_ends_it_unsent);
    tcase_add_test(tc, without_the_options_no_tokens_are_counted);
    tcase_add_test(tc, without_memory_all_tokens_are_given_back);
    suite_add_tcase(suite, tc);
    return suite;
}
