/* Jobs with a file of results and a journal: what is on disk when, and what a resumed run sends.
 * The command's tests have more: tests/tools/output.sh, crash.sh. */
#include "jobs/fetching.h"
#include "jobs/files.h"
#include "fixture/memory.h"
#include "jobs/suites.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *results;

static void set_up(void)
{
    fetching_start(2);
    results = files_path("out.jsonl");
}

static void set_up_alone(void)
{
    fetching_start(1);
    results = files_path("out.jsonl");
}

static errand_jobs *begin(const char *input, errand_jobs_opts o)
{
    static const char *files[2];
    files[0] = input;
    o.out = STDOUT_FILENO; /* not used */
    o.results = results;
    return fetching_begin(files, &o);
}

static void resume(const char *input, errand_jobs_opts o)
{
    o.begin = ERRAND_RESULTS_RESUME;
    fetching_collect(begin(input, o));
}

static size_t count_in(const char *path, const char *text)
{
    char *all = files_read(path, NULL);
    size_t n = 0;
    for (const char *at = all; (at = strstr(at, text)); at += strlen(text)) n++;
    free(all);
    return n;
}

static size_t results_with(const char *text) { return count_in(results, text); }
static size_t journal_with(const char *text)
{
    return count_in(files_path("out.jsonl.journal"), text);
}

/* Cancels when the server has these requests. */
static void cut_off(errand_jobs *jobs, const char *path, unsigned n)
{
    while (fetching_requests(path) < n) sched_yield();
    errand_jobs_cancel(jobs);
    fetching_collect(jobs);
}

START_TEST(an_intent_is_on_disk_before_a_post_arrives)
{
    const char *input = files_text("in", "{\"url\":\"/hang\",\"method\":\"POST\"}\n"
                                         "{\"url\":\"/ok\",\"method\":\"POST\","
                                         "\"idempotency_key\":\"mine\"}\n"
                                         "{\"url\":\"/ok\"}\n");
    errand_jobs *jobs = begin(input, (errand_jobs_opts){ 0 });
    while (fetching_requests("/hang") < 1) sched_yield();
    ck_assert_uint_eq(journal_with("{\"sent\":"), 1); /* others need none */
    errand_jobs_cancel(jobs);
    fetching_collect(jobs);
    ck_assert_uint_eq(journal_with("{\"sent\":"), 1);
}
END_TEST

START_TEST(a_cancelled_get_is_left_to_the_next_run)
{
    const char *input = files_text("in", "{\"url\":\"/hang\"}\n{\"url\":\"/ok\"}\n");
    cut_off(begin(input, (errand_jobs_opts){ .concurrency = 1 }), "/hang", 1);
    ck_assert_uint_eq(came.stats.cancelled, came.stats.failed);
    ck_assert_uint_eq(results_with("\n"), 0);
    errand_jobs *jobs =
        begin(input, (errand_jobs_opts){ .begin = ERRAND_RESULTS_RESUME, .concurrency = 2 });
    cut_off(jobs, "/hang", 2);
    ck_assert_uint_le(results_with("\n"), 1); /* of /ok */
}
END_TEST

START_TEST(a_cancelled_post_has_a_result_and_is_not_sent_again)
{
    const char *input = files_text("in", "{\"url\":\"/hang\",\"method\":\"POST\"}\n");
    cut_off(begin(input, (errand_jobs_opts){ 0 }), "/hang", 1);
    ck_assert_uint_eq(results_with("\"kind\":\"cancelled\""), 1);
    ck_assert_uint_eq(results_with("\"may_have_run\":true"), 1);
    resume(input, (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(came.stats.skipped, 1);
    ck_assert_uint_eq(fetching_requests("/hang"), 1);
    errand_jobs *jobs =
        begin(input, (errand_jobs_opts){ .begin = ERRAND_RESULTS_RESUME, .repeat_unknown = 1 });
    cut_off(jobs, "/hang", 2);
}
END_TEST

START_TEST(an_attempt_that_was_not_sent_takes_its_intent_back)
{
    /* nothing listens there */
    const char *input =
        files_text("in", "{\"url\":\"http://127.0.0.1:1/\",\"method\":\"POST\",\"retries\":2}\n");
    fetching_collect(begin(input, (errand_jobs_opts){ 0 }));
    ck_assert_uint_eq(journal_with("{\"sent\":"), 3);
    ck_assert_uint_eq(journal_with("{\"unsent\":"), 3);
    ck_assert_uint_eq(results_with("\"kind\":\"network\""), 1);
}
END_TEST

START_TEST(retry_kinds_sends_failures_again_where_that_is_safe)
{
    const char *input = files_text("in", "{\"url\":\"/status/503\",\"retries\":0}\n"
                                         "{\"url\":\"/status/404\"}\n"
                                         "{\"url\":\"/status/500\",\"method\":\"POST\"}\n"
                                         "{\"url\":\"/ok\"}\n"
                                         "nonsense\n");
    fetching_collect(begin(input, (errand_jobs_opts){ 0 }));
    ck_assert_uint_eq(came.stats.failed, 4);
    resume(input, (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(came.stats.skipped, 5);
    resume(input, (errand_jobs_opts){ .retry_kinds = ERRAND_KIND_BIT(HTTP_SERVER) });
    ck_assert_uint_eq(came.stats.skipped, 4);
    ck_assert_uint_eq(fetching_requests("/status/503"), 2);
    ck_assert_uint_eq(fetching_requests("/status/500"), 1); /* it may have run */
    resume(input, (errand_jobs_opts){ .retry_kinds = ~0u });
    ck_assert_uint_eq(came.stats.skipped, 2);
    ck_assert_uint_eq(fetching_requests("/status/404"), 2);
    ck_assert_uint_eq(fetching_requests("/status/500"), 1);
    resume(input, (errand_jobs_opts){ .retry_kinds = ~0u, .repeat_unknown = 1 });
    ck_assert_uint_eq(fetching_requests("/status/500"), 2);
    ck_assert_uint_eq(fetching_requests("/ok"), 1);
}
END_TEST

/* The journal may grow by `more` bytes from what it is. */
static void limit_files(off_t more)
{
    struct stat about;
    ck_assert_int_eq(stat(files_path("out.jsonl.journal"), &about), 0);
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = more < 0 ? limit.rlim_max : (rlim_t)(about.st_size + more);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(a_journal_that_cannot_be_written_stops_what_needs_it)
{
    signal(SIGXFSZ, SIG_IGN);
    const char *fifo = files_path("fifo");
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    int writer = open(fifo, O_RDWR);
    errand_jobs *jobs = begin(fifo, (errand_jobs_opts){ 0 });
    limit_files(20);
    ck_assert_int_gt(dprintf(writer, "{\"url\":\"/ok\",\"method\":\"POST\"}\n"), 0);
    ck_assert_int_eq(errand_jobs_wait(jobs, ERRAND_FOREVER), 0);
    limit_files(-1);
    fetching_collect(jobs);
    close(writer);
    ck_assert_int_eq(came.stats.write_error, EFBIG);
    ck_assert_uint_eq(came.n_complaints, 1);
    ck_assert_ptr_nonnull(strstr(came.complaints[0], "out.jsonl.journal: File too large"));
    ck_assert_uint_eq(fetching_requests("/ok"), 0);
    ck_assert_uint_eq(results_with("\n"), 0);
    resume(files_text("in", "{\"url\":\"/ok\",\"method\":\"POST\"}\n"), (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(came.stats.successful, 1);
}
END_TEST

START_TEST(many_posts_share_a_sync)
{
    FILE *in = fopen(files_path("in"), "w");
    for (int i = 0; i < 400; i++)
        fprintf(in, "{\"url\":\"/ok\",\"method\":\"POST\",\"id\":%d}\n", i);
    fclose(in);
    fetching_collect(begin(files_path("in"), (errand_jobs_opts){ .concurrency = 64 }));
    ck_assert_uint_eq(came.stats.successful, 400);
    ck_assert_uint_eq(journal_with("{\"sent\":"), 400);
    resume(files_path("in"), (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(came.stats.skipped, 400);
}
END_TEST

/* Without memory a run may not begin, and a job may fail; but what it says has been done has been,
 * and nothing is done twice. */
START_TEST(without_memory_nothing_is_done_twice)
{
    const char *input = files_path("in");
    FILE *in = fopen(input, "w");
    for (int i = 0; i < 30; i++)
        fprintf(in, "{\"url\":\"/echo?%d\",\"method\":\"POST\",\"body\":\"%d\",\"retries\":1}\n", i,
                i);
    fclose(in);
    const char *files[] = { input, NULL };
    memory_fails(60);
    for (int round = 0; round < 6; round++) {
        errand_jobs *jobs = errand_jobs_new(
            fetching_pool(), fetching_http(),
            &(errand_jobs_opts){ .files = files,
                                 .results = results,
                                 .begin = ERRAND_RESULTS_RESUME,
                                 .retry_kinds = ~0u });
        if (jobs) errand_jobs_wait(jobs, ERRAND_FOREVER);
        errand_jobs_free(jobs);
    }
    memory_fails(0);
    resume(input, (errand_jobs_opts){ .retry_kinds = ~0u });
    for (int i = 0; i < 30; i++) {
        char path[32];
        snprintf(path, sizeof path, "/echo?%d", i);
        ck_assert_uint_le(fetching_requests(path), 1);
    }
    resume(input, (errand_jobs_opts){ 0 });
    ck_assert_uint_eq(came.stats.skipped, 30);
}
END_TEST

START_TEST(wrong_options_are_refused)
{
    const char *files[] = { files_text("in", ""), NULL };
    errand_jobs_opts o = { .files = files, .results = results, .note = "{\"no" };
    ck_assert_ptr_null(errand_jobs_new(fetching_pool(), fetching_http(), &o));
    ck_assert_int_eq(errno, EINVAL);
    o.note = NULL;
    o.begin = (errand_results_begin)3;
    ck_assert_ptr_null(errand_jobs_new(fetching_pool(), fetching_http(), &o));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_ne(access(results, F_OK), 0);
}
END_TEST

Suite *journal_suite(void)
{
    Suite *suite = suite_create("journal");
    for (int alone = 0; alone < 2; alone++) { /* with one worker, too */
        TCase *tc = tcase_create(alone ? "one worker" : "two workers");
        tcase_add_checked_fixture(tc, alone ? set_up_alone : set_up, fetching_stop);
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, an_intent_is_on_disk_before_a_post_arrives);
        tcase_add_test(tc, a_cancelled_get_is_left_to_the_next_run);
        tcase_add_test(tc, a_cancelled_post_has_a_result_and_is_not_sent_again);
        tcase_add_test(tc, an_attempt_that_was_not_sent_takes_its_intent_back);
        tcase_add_test(tc, retry_kinds_sends_failures_again_where_that_is_safe);
        tcase_add_test(tc, a_journal_that_cannot_be_written_stops_what_needs_it);
        tcase_add_test(tc, many_posts_share_a_sync);
        tcase_add_test(tc, without_memory_nothing_is_done_twice);
        tcase_add_test(tc, wrong_options_are_refused);
        suite_add_tcase(suite, tc);
    }
    return suite;
}
