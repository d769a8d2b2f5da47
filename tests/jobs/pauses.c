/* errand_jobs: hosts that ask for a wait, rates and permits of hosts, and what is tried again. */
#include "jobs/fetching.h"
#include "jobs/files.h"
#include "jobs/suites.h"
#include "base/bytes.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void set_up(void) { fetching_start(2); }

enum { HOUR = 3600000 };

static const char *port(void) { return strrchr(fetching_url(), ':') + 1; }

static const char *host(const char *name) /* the same server, by its address or its name */
{
    static char kept[2][64];
    char *key = kept[name[0] == 'l'];
    snprintf(key, sizeof kept[0], "%s:%s", name, port());
    return key;
}

/* Waits until n jobs have succeeded. */
static void await_successful(errand_jobs *jobs, uint64_t n)
{
    for (errand_jobs_stats s = { 0 }; s.successful < n;)
        ck_assert_int_eq(errand_jobs_stats_get(jobs, &s), 0);
}

static errand_rate *paused_for_an_hour(void)
{
    const errand_rate_opts no_pace = { .per_second = ERRAND_NO_PACE };
    errand_rate *rate = errand_rate_new(fetching_pool(), &no_pace);
    ck_assert_int_eq(errand_rate_pause(rate, host("127.0.0.1"), HOUR), 0);
    return rate;
}

/* Three jobs for the paused host, whose attempts have a millisecond, and n for the other name. */
static const char *two_hosts(unsigned n)
{
    er_bytes text = { 0 };
    for (int i = 0; i < 3; i++) er_bytes_text(&text, "{\"url\":\"/held\",\"timeout\":\"1ms\"}\n");
    for (unsigned i = 0; i < n; i++)
        er_bytes_format(&text, "{\"url\":\"http://%s/free\"}\n", host("localhost"));
    const char *path = files_text("two_hosts", text.at);
    er_bytes_free(&text);
    return path;
}

START_TEST(jobs_of_a_paused_host_wait_and_others_go_on)
{
    errand_rate *rate = paused_for_an_hour();
    const char *files[] = { two_hosts(20), NULL };
    errand_jobs *jobs = fetching_begin(files, &(errand_jobs_opts){ .host_rate = rate });
    await_successful(jobs, 20);
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, host("127.0.0.1"), &s), 0);
    ck_assert_uint_eq(s.waiting, 3);
    errand_http_stats http;
    ck_assert_int_eq(errand_http_stats_get(fetching_http(), &http), 0);
    ck_assert_uint_eq(http.in_flight + http.queued, 0);
    errand_jobs_cancel(jobs);
    fetching_collect(jobs);
    ck_assert_uint_eq(fetching_requests("/held"), 0);
    for (size_t i = 1; i <= 3; i++) { /* their millisecond had not begun */
        ck_assert_str_eq(came_with(i, "error.kind"), "\"cancelled\"");
        ck_assert_str_eq(came_with(i, "attempts"), "0");
    }
    errand_rate_free(rate);
}
END_TEST

START_TEST(a_job_that_cannot_end_in_its_time_does_not_wait_for_its_host)
{
    errand_rate *rate = paused_for_an_hour();
    fetching_run("{\"url\":\"/held\"}\n",
                 &(errand_jobs_opts){ .host_rate = rate, .job_within_ms = HOUR / 2 });
    ck_assert_str_eq(came_with(1, "error.code"), "\"ELATE\"");
    ck_assert_str_eq(came_with(1, "attempts"), "0");
    errand_rate_free(rate);
}
END_TEST

/* Whether its time was over after it was sent; on a busy machine it may be before. */
static bool ended_under_way(size_t seq)
{
    const char *code = came_with(seq, "error.code");
    if (!strcmp(code, "\"ETIMEDOUT\"")) return true;
    ck_assert_str_eq(code, "\"ELATE\"");
    ck_assert_str_eq(came_with(seq, "error.may_have_run"), "false");
    return false;
}

START_TEST(a_job_whose_time_is_over_leaves_nothing_behind)
{
    unsigned under_way = 0;
    for (int i = 0; i < 50; i++) {
        fetching_run("{\"url\":\"/hang\"}\n{\"url\":\"/hang\"}\n",
                     &(errand_jobs_opts){ .job_within_ms = 5 });
        for (size_t seq = 1; seq <= 2; seq++) under_way += ended_under_way(seq);
    }
    ck_assert_uint_gt(under_way, 0);
}
END_TEST

static struct {
    er_lock lock;
    unsigned n;
    int errors[8];
    int64_t ms[8];
    uint64_t numbers[8];
    char hosts[8][64];
} paused;

static void note_pause(const errand_jobs_pause *pause, void *arg)
{
    (void)arg;
    er_lock_take(&paused.lock);
    unsigned i = paused.n++;
    ck_assert_uint_lt(i, 8);
    paused.errors[i] = pause->error;
    paused.ms[i] = pause->ms;
    paused.numbers[i] = pause->number;
    snprintf(paused.hosts[i], sizeof paused.hosts[i], "%s", pause->host);
    er_lock_give(&paused.lock);
}

START_TEST(a_429_or_a_503_with_a_wait_pauses_its_host)
{
    static const int statuses[] = { 429, 503 };
    char input[300];
    memset(&paused, 0, sizeof paused);
    snprintf(input, sizeof input,
             "{\"url\":\"/busy/%d/150/1\",\"retries\":0}\n{\"url\":\"/ok\"}\n"
             "{\"url\":\"/busy/%d/150/1?again\",\"retries\":1}\n",
             statuses[_i], statuses[_i]);
    int64_t began = er_now_ns();
    fetching_run(input, &(errand_jobs_opts){ .concurrency = 1, .on_pause = note_pause });
    ck_assert_int_ge(er_now_ns() - began, INT64_C(150000000));
    ck_assert_str_eq(came_with(1, "ok"), "false");
    ck_assert_str_eq(came_with(2, "ok"), "true");
    ck_assert_str_eq(came_with(3, "attempts"), "1");
    ck_assert_uint_eq(paused.n, 1);
    ck_assert_uint_eq(came.stats.pauses, 1);
    ck_assert_int_eq(paused.errors[0], ERRAND_HTTP + statuses[_i]);
    ck_assert_int_eq(paused.ms[0], 150);
    ck_assert_uint_eq(paused.numbers[0], 1);
    ck_assert_str_eq(paused.hosts[0], host("127.0.0.1"));
}
END_TEST

START_TEST(each_pause_of_a_host_is_numbered)
{
    memset(&paused, 0, sizeof paused);
    fetching_run("{\"url\":\"/busy/503/5/3\"}\n",
                 &(errand_jobs_opts){ .retries = 3, .on_pause = note_pause });
    ck_assert_str_eq(came_with(1, "ok"), "true");
    ck_assert_str_eq(came_with(1, "attempts"), "4");
    ck_assert_uint_eq(paused.n, 3);
    for (unsigned i = 0; i < 3; i++) ck_assert_uint_eq(paused.numbers[i], i + 1);
}
END_TEST

START_TEST(a_429_without_a_wait_pauses_its_host_for_a_second)
{
    const errand_rate_opts no_pace = { .per_second = ERRAND_NO_PACE };
    errand_rate *rate = errand_rate_new(fetching_pool(), &no_pace);
    memset(&paused, 0, sizeof paused);
    fetching_run("{\"url\":\"/body/quota\"}\n",
                 &(errand_jobs_opts){ .host_rate = rate, .on_pause = note_pause });
    ck_assert_uint_eq(paused.n, 1);
    ck_assert_int_eq(paused.ms[0], -1);
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, host("127.0.0.1"), &s), 0);
    ck_assert_uint_eq(s.pauses, 1);
    ck_assert_int_le(s.paused_ms, 1000);
    fetching_run("{\"url\":\"/status/429\"}\n{\"url\":\"/status/503\"}\n", /* Retry-After: 0 */
                 &(errand_jobs_opts){ .host_rate = rate, .on_pause = note_pause });
    ck_assert_uint_eq(paused.n, 1);
    errand_rate_free(rate);
}
END_TEST

static void note_quota(const errand_jobs_quota *quota, void *arg)
{
    (void)arg;
    er_lock_take(&paused.lock);
    unsigned i = paused.n++;
    ck_assert_uint_lt(i, 8);
    paused.ms[i] = quota->reset_ms;
    paused.numbers[i] = quota->number;
    ck_assert_int_eq(quota->limit, 100);
    ck_assert_int_eq(quota->remaining, 40);
    ck_assert_str_eq(quota->host, host("127.0.0.1"));
    er_lock_give(&paused.lock);
}

START_TEST(a_quota_that_is_half_used_spreads_jobs)
{
    const errand_rate_opts opts = { .per_second = ERRAND_AUTO_PACE };
    errand_rate *rate = errand_rate_new(fetching_pool(), &opts);
    memset(&paused, 0, sizeof paused);
    fetching_run(
        "{\"url\":\"/quota/90/600\"}\n{\"url\":\"/quota/40/600\"}\n",
        &(errand_jobs_opts){ .concurrency = 1, .host_rate = rate, .on_quota = note_quota });
    ck_assert_uint_eq(paused.n, 1);
    ck_assert_uint_eq(paused.numbers[0], 1);
    ck_assert_int_eq(paused.ms[0], 600000);
    errand_rate_stats s;
    ck_assert_int_eq(errand_rate_stats_get(rate, host("127.0.0.1"), &s), 0);
    ck_assert_int_eq(s.quota_left, 40);
    ck_assert_int_gt(s.next_ms, 0);
    ck_assert_int_le(s.next_ms, 15000);
    errand_rate_free(rate);
}
END_TEST

START_TEST(rates_hold_for_each_host_and_for_all)
{
    errand_rate_opts fast = { .per_second = 10000, .burst = 100 };
    errand_rate *each = errand_rate_new(fetching_pool(), &fast),
                *all = errand_rate_new(fetching_pool(), &fast);
    const char *files[] = { files_text("here", "{\"url\":\"/a\"}\n{\"url\":\"/status/500\"}\n"),
                            two_hosts(4), NULL };
    fetching_collect(
        fetching_begin(files, &(errand_jobs_opts){ .host_rate = each, .rate = all, .retries = 1 }));
    errand_rate_stats here, there, total;
    ck_assert_int_eq(errand_rate_stats_get(each, host("127.0.0.1"), &here), 0);
    ck_assert_int_eq(errand_rate_stats_get(each, host("localhost"), &there), 0);
    ck_assert_int_eq(errand_rate_stats_get(all, NULL, &total), 0);
    ck_assert_uint_ge(here.granted, 6); /* retries count, too */
    ck_assert_uint_eq(there.granted, 4);
    ck_assert_uint_eq(total.granted, here.granted + there.granted);
    errand_rate_free(each);
    errand_rate_free(all);
}
END_TEST

/* ---- permits of hosts ---- */

/* Waits until n requests are under way. */
static errand_jobs_stats await_under_way(errand_jobs *jobs, uint64_t n)
{
    errand_jobs_stats s = { 0 };
    do ck_assert_int_eq(errand_jobs_stats_get(jobs, &s), 0);
    while (s.limit_hosts < 2 || s.in_flight < 7 || s.in_flight - s.waiting != n);
    return s;
}

START_TEST(permits_hold_for_each_host_and_jobs_without_one_wait)
{
    errand_sem *sem = errand_sem_new(fetching_pool(), &(errand_sem_opts){ .permits = 2 });
    er_bytes text = { 0 };
    for (int i = 0; i < 4; i++) er_bytes_text(&text, "{\"url\":\"/hang\"}\n");
    for (int i = 0; i < 3; i++)
        er_bytes_format(&text, "{\"url\":\"http://%s/hang\"}\n", host("localhost"));
    const char *files[] = { files_text("hang", text.at), NULL };
    er_bytes_free(&text);
    errand_jobs *jobs =
        fetching_begin(files, &(errand_jobs_opts){ .host_sem = sem, .concurrency = 7 });
    errand_jobs_stats s = await_under_way(jobs, 4);
    ck_assert_uint_eq(s.in_flight, 7);
    ck_assert_uint_eq(s.waiting, 3);
    ck_assert_uint_eq(s.limit, 4);
    ck_assert_uint_eq(s.limit_hosts, 2);
    ck_assert_int_eq(errand_sem_resize(sem, 5), 0); /* more than `concurrency` in all */
    ck_assert_uint_eq(await_under_way(jobs, 7).limit, 7);
    errand_jobs_cancel(jobs);
    fetching_collect(jobs);
    ck_assert_uint_eq(came.stats.waiting, 0);
    ck_assert_uint_eq(came.stats.limit_hosts, 2); /* none is in use: all that were */
    errand_sem_free(sem);
}
END_TEST

static errand_sem_stats permits_of(errand_sem *sem, const char *name)
{
    errand_sem_stats s;
    ck_assert_int_eq(errand_sem_stats_get(sem, host(name), &s), 0);
    return s;
}

START_TEST(adaptive_permits_follow_the_replies_of_each_host)
{
    const errand_sem_opts opts = { .permits = 2, .max_permits = 20 };
    errand_sem *sem = errand_sem_new(fetching_pool(), &opts);
    er_bytes text = { 0 };
    for (int i = 0; i < 30; i++) {
        er_bytes_text(&text, "{\"url\":\"/status/429\"}\n");
        er_bytes_format(&text, "{\"url\":\"http://%s/late/20\"}\n", host("localhost"));
    }
    fetching_run(text.at, &(errand_jobs_opts){ .host_sem = sem, .concurrency = 60 });
    er_bytes_free(&text);
    ck_assert_uint_eq(came.stats.successful, 30);
    ck_assert_uint_eq(came.stats.failed, 30);
    errand_sem_stats refused = permits_of(sem, "127.0.0.1"), well = permits_of(sem, "localhost");
    ck_assert_uint_eq(refused.permits, 1);
    ck_assert(refused.decreases == 1 && refused.increases == 0 && refused.in_use == 0);
    ck_assert(well.increases > 0 && well.in_use == 0);
    errand_sem_free(sem);
}
END_TEST

/* ---- what is tried again ---- */

START_TEST(idempotent_makes_all_jobs_harmless)
{
    static const char input[] =
        "{\"url\":\"/flaky/1/a\",\"method\":\"POST\"}\n"
        "{\"url\":\"/flaky/1/b\",\"method\":\"POST\",\"idempotent\":false}\n";
    fetching_run(input, &(errand_jobs_opts){ .retries = 1, .idempotent = 1 });
    ck_assert_str_eq(came_with(1, "ok"), "true");
    ck_assert_str_eq(came_with(2, "ok"), "false");
}
END_TEST

static const char *key_of(size_t seq) /* as the server received it; NULL: none */
{
    static char kept[4][64];
    const char *text = came_with(seq, "body"), *key = strstr(text, "Idempotency-Key: ");
    if (!key) return NULL;
    snprintf(kept[seq % 4], sizeof kept[0], "%.*s", (int)strcspn(key + 17, "\\"), key + 17);
    return kept[seq % 4];
}

START_TEST(idempotency_keys_are_made_where_they_are_needed)
{
    static const char input[] =
        "{\"url\":\"/echo\",\"method\":\"POST\"}\n{\"url\":\"/echo\",\"json\":{}}\n"
        "{\"url\":\"/echo\"}\n{\"url\":\"/echo\",\"body\":\"x\",\"idempotency_key\":\"mine\"}\n"
        "{\"url\":\"/echo\",\"body\":\"x\",\"headers\":{\"idempotency-key\":\"own\"}}\n"
        "{\"url\":\"/flaky/1/keyed\",\"method\":\"POST\"}\n";
    fetching_run(input, &(errand_jobs_opts){ .idempotency_keys = 1, .retries = 1 });
    ck_assert_uint_eq(came.stats.successful, 6);
    ck_assert_uint_eq(strlen(key_of(1)), 36);
    ck_assert_uint_eq(strlen(key_of(2)), 36);
    ck_assert_str_ne(key_of(1), key_of(2));
    ck_assert_ptr_null(key_of(3));
    ck_assert_str_eq(key_of(4), "mine");
    ck_assert_ptr_null(key_of(5)); /* its own is spelt in lower case */
    ck_assert_str_eq(came_with(6, "attempts"), "2");
}
END_TEST

START_TEST(retry_if_replaces_what_is_transient)
{
    static const char input[] = "{\"url\":\"/status/409\"}\n{\"url\":\"/status/503\"}\n"
                                "{\"url\":\"/status/409\",\"method\":\"POST\"}\n"
                                "{\"url\":\"/status/409\",\"retries\":3}\n";
    const int conflict = 409;
    fetching_run(input, &(errand_jobs_opts){ .retries = 1,
                                             .retry_if = errand_retry_if_status_of(1, &conflict) });
    ck_assert_str_eq(came_with(1, "attempts"), "2");
    ck_assert_str_eq(came_with(2, "attempts"), "1");
    ck_assert_str_eq(came_with(3, "attempts"), "1"); /* it may have run */
    ck_assert_str_eq(came_with(4, "attempts"), "4");
    ck_assert_uint_eq(came.stats.retries, 4);
}
END_TEST

START_TEST(retry_within_ends_the_attempts)
{
    fetching_run("{\"url\":\"/busy/503/60000/9\"}\n",
                 &(errand_jobs_opts){ .retries = 9, .retry_within_ms = 30000 });
    ck_assert_str_eq(came_with(1, "attempts"), "1");
    ck_assert_str_eq(came_with(1, "error.code"), "\"HTTP 503\"");
}
END_TEST

Suite *pauses_suite(void)
{
    Suite *suite = suite_create("pauses");
    TCase *tc = tcase_create("pauses");
    tcase_add_checked_fixture(tc, set_up, fetching_stop);
    tcase_add_test(tc, jobs_of_a_paused_host_wait_and_others_go_on);
    tcase_add_test(tc, a_job_whose_time_is_over_leaves_nothing_behind);
    tcase_add_test(tc, a_job_that_cannot_end_in_its_time_does_not_wait_for_its_host);
    tcase_add_loop_test(tc, a_429_or_a_503_with_a_wait_pauses_its_host, 0, 2);
    tcase_add_test(tc, each_pause_of_a_host_is_numbered);
    tcase_add_test(tc, a_quota_that_is_half_used_spreads_jobs);
    tcase_add_test(tc, a_429_without_a_wait_pauses_its_host_for_a_second);
    tcase_add_test(tc, rates_hold_for_each_host_and_for_all);
    tcase_add_test(tc, permits_hold_for_each_host_and_jobs_without_one_wait);
    tcase_add_test(tc, adaptive_permits_follow_the_replies_of_each_host);
    suite_add_tcase(suite, tc);
    tc = tcase_create("tried again");
    tcase_add_checked_fixture(tc, set_up, fetching_stop);
    tcase_add_test(tc, idempotent_makes_all_jobs_harmless);
    tcase_add_test(tc, idempotency_keys_are_made_where_they_are_needed);
    tcase_add_test(tc, retry_if_replaces_what_is_transient);
    tcase_add_test(tc, retry_within_ends_the_attempts);
    suite_add_tcase(suite, tc);
    return suite;
}
