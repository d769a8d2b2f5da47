/* errand_jobs: when no more jobs are begun. */
#include "jobs/fetching.h"
#include "jobs/files.h"
#include "jobs/halt.h"
#include "jobs/suites.h"
#include "base/bytes.h"

#include <errno.h>
#include <stdio.h>

static void set_up(void) { fetching_start(2); }

enum { MANY = 500 };

/* `first` once, then MANY jobs for `path`, one at a time where opts do not say. */
static void run_many(const char *first, const char *path, errand_jobs_opts opts)
{
    er_bytes text = { 0 };
    er_bytes_text(&text, first);
    for (int i = 0; i < MANY; i++) er_bytes_format(&text, "{\"url\":\"%s\"}\n", path);
    if (!opts.concurrency) opts.concurrency = 1;
    fetching_run(text.at, &opts);
    er_bytes_free(&text);
}

static const struct {
    const char *path;
    int error;
} refusals[] = {
    { "/status/401", ERRAND_HTTP + 401 },   { "/status/402", ERRAND_HTTP + 402 },
    { "/status/403", ERRAND_HTTP + 403 },   { "/body/quota", ERRAND_HTTP + 429 },
    { "/body/billing", ERRAND_HTTP + 400 },
};

START_TEST(three_refusals_and_no_success_are_fatal)
{
    run_many("", refusals[_i].path, (errand_jobs_opts){ .halt_fatal = 1, .concurrency = 8 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_FATAL);
    ck_assert_int_eq(came.stats.halt_error, refusals[_i].error);
    ck_assert_uint_ge(came.stats.total_processed, 3);
    ck_assert_uint_lt(came.stats.total_processed, MANY);
    ck_assert_uint_eq(came.stats.cancelled, 0); /* soon: what was under way has ended */
    ck_assert_uint_eq(came.stats.stopped, 0);
    ck_assert_uint_eq(came.n, came.stats.total_processed);
}
END_TEST

START_TEST(a_success_or_another_failure_is_not_fatal)
{
    run_many("{\"url\":\"/ok\"}\n", "/status/401", (errand_jobs_opts){ .halt_fatal = 1 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_NOT_HALTED);
    ck_assert_uint_eq(came.n, MANY + 1);
    run_many("", "/body/no_quota", (errand_jobs_opts){ .halt_fatal = 1, .concurrency = 8 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_NOT_HALTED);
    run_many("", "/status/401", (errand_jobs_opts){ .concurrency = 8 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_NOT_HALTED);
    ck_assert_uint_eq(came.stats.failed, MANY);
}
END_TEST

START_TEST(failures_halt_by_number_or_share)
{
    run_many("", "/status/404", (errand_jobs_opts){ .halt_failed = 5 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_FAILED);
    ck_assert_int_eq(came.stats.halt_error, ERRAND_HTTP + 404);
    ck_assert_uint_ge(came.stats.failed, 5);
    ck_assert_uint_lt(came.stats.failed, MANY);
    run_many("", "/status/404", (errand_jobs_opts){ .halt_failed_share = 0.1 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_FAILED);
    run_many("{", "/ok", (errand_jobs_opts){ .halt_failed = 2, .halt_failed_share = 0.1 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_NOT_HALTED);
}
END_TEST

/* The count itself, end by end. */
START_TEST(a_share_is_of_those_that_ended_and_needs_three)
{
    er_halt halt = { .failed_share_most = 0.5 };
    const errand_result good = { 0 }, bad = { .error = EPIPE }, cancelled = { .error = ECANCELED };
    ck_assert_int_eq(er_halt_count(&halt, &bad, false), ERRAND_JOBS_NOT_HALTED);
    ck_assert_int_eq(er_halt_count(&halt, &bad, false), ERRAND_JOBS_NOT_HALTED);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(er_halt_count(&halt, &good, false), ERRAND_JOBS_NOT_HALTED);
        ck_assert_int_eq(er_halt_count(&halt, &cancelled, false), ERRAND_JOBS_NOT_HALTED);
    }
    ck_assert_int_eq(er_halt_count(&halt, &bad, false), ERRAND_JOBS_NOT_HALTED); /* 3 of 8 */
    ck_assert_int_eq(er_halt_count(&halt, &bad, false), ERRAND_JOBS_NOT_HALTED);
    ck_assert_int_eq(er_halt_count(&halt, &bad, false), ERRAND_JOBS_FAILED); /* 5 of 10 */
}
END_TEST

START_TEST(halt_now_cancels_what_is_in_flight)
{
    static const char input[] = "{\"url\":\"/hang\"}\n{\"url\":\"/status/403\"}\n"
                                "{\"url\":\"/status/403\"}\n{\"url\":\"/status/403\"}\n";
    fetching_run(input, &(errand_jobs_opts){ .halt_fatal = 1, .halt_now = 1 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_FATAL);
    ck_assert_str_eq(came_with(1, "error.kind"), "\"cancelled\"");
    ck_assert_uint_eq(came.stats.cancelled, 1);
}
END_TEST

START_TEST(the_time_of_a_run_cancels_what_is_in_flight)
{
    run_many("", "/hang", (errand_jobs_opts){ .run_within_ms = 20, .concurrency = 3 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_TIME_OUT);
    ck_assert_int_eq(came.stats.halt_error, 0);
    ck_assert_uint_le(came.n, 3);
    ck_assert_uint_eq(came.stats.cancelled, came.n);
    fetching_run("{\"url\":\"/ok\"}\n", &(errand_jobs_opts){ .run_within_ms = 3600000 });
    ck_assert_int_eq(came.stats.halted, ERRAND_JOBS_NOT_HALTED);
    ck_assert_uint_eq(came.stats.successful, 1);
}
END_TEST

Suite *halts_suite(void)
{
    Suite *suite = suite_create("halts");
    TCase *tc = tcase_create("halts");
    tcase_add_checked_fixture(tc, set_up, fetching_stop);
    tcase_add_loop_test(tc, three_refusals_and_no_success_are_fatal, 0,
                        (int)(sizeof refusals / sizeof *refusals));
    tcase_add_test(tc, a_success_or_another_failure_is_not_fatal);
    tcase_add_test(tc, failures_halt_by_number_or_share);
    tcase_add_test(tc, a_share_is_of_those_that_ended_and_needs_three);
    tcase_add_test(tc, halt_now_cancels_what_is_in_flight);
    tcase_add_test(tc, the_time_of_a_run_cancels_what_is_in_flight);
    suite_add_tcase(suite, tc);
    return suite;
}
