/* flush and close: what they guarantee on return, and that they return in time. */
#include "logs.h"

#include <errand/log.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static errand_log_stats stats_of(errand_log *log)
{
    errand_log_stats stats;
    ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    return stats;
}

static errand_log *log_to(place *to, size_t ring)
{
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = ring });
    ck_assert_ptr_nonnull(log);
    ck_assert_int_eq(errand_log_to_file(log, to->path, ERRAND_LOG_DEFAULT), 0);
    return log;
}

static void fill(errand_log *log) /* fills ring and sink; the sink must be stuck */
{
    while (!stats_of(log).dropped) errand_info(log, "fill");
}

START_TEST(flush_writes_all_lines)
{
    place to = a_file();
    errand_log *log = log_to(&to, 0);
    ck_assert_int_eq(errand_log_flush(log, 0), 0); /* no line yet */
    unsigned many = scaled(200);
    for (unsigned i = 1; i <= many; i++) {
        errand_info(log, "line");
        ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
        char *text = text_of(&to);
        ck_assert_uint_eq(count_of(text, "\n"), i);
        free(text);
    }
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

START_TEST(a_line_is_written_without_a_flush)
{
    place to = a_pipe();
    errand_log *log = log_to(&to, 0);
    for (int i = 0; i < 20; i++) {
        char part[200];
        errand_info(log, "line %d", i); /* the log's thread is asleep, napping or awake */
        struct pollfd p = { to.fd, POLLIN, 0 };
        ck_assert_int_eq(poll(&p, 1, LONG_MS), 1);
        ck_assert_int_gt(read(to.fd, part, sizeof part), 0);
        poll(NULL, 0, i % 4); /* to reach each of these states */
    }
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

static void *flush_often(void *arg)
{
    for (int i = 0; i < 50; i++) {
        errand_info(arg, "line");
        if (errand_log_flush(arg, LONG_MS) != 0) return arg;
    }
    return NULL;
}

START_TEST(several_threads_may_flush_at_once)
{
    place to = a_file();
    errand_log *log = log_to(&to, 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, flush_often, log), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
    }
    ck_assert_uint_eq(stats_of(log).written, 200);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

START_TEST(flush_ends_in_time_if_a_sink_is_stuck)
{
    place to = a_pipe();
    errand_log *log = log_to(&to, 4096);
    fill(log);
    ck_assert_int_eq(errand_log_flush(log, 0), ETIMEDOUT);
    ck_assert_int_eq(errand_log_flush(log, 20), ETIMEDOUT);
    reader *r = read_in_background(&to);
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    free(read_text(r));
}
END_TEST

START_TEST(close_writes_the_remaining_lines)
{
    place to = a_file();
    errand_log *log = log_to(&to, 0);
    for (int i = 0; i < 2000; i++) errand_info(log, "line %d", i);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to);
    ck_assert_uint_eq(count_of(text, "\n"), 2000);
    free(text);
}
END_TEST

START_TEST(close_ends_in_time_and_counts_the_rest_as_dropped)
{
    place to = a_pipe();
    errand_log *log = log_to(&to, 65536);
    char longer[5001]; /* longer than the pipe */
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    errand_info(log, "%s", longer);
    struct pollfd p = { to.fd, POLLIN, 0 };
    ck_assert_int_eq(poll(&p, 1, LONG_MS), 1); /* the thread is blocked in its write */
    for (int i = 0; i < 10; i++) errand_info(log, "line");
    ck_assert_int_eq(errand_log_close(log, 20), ETIMEDOUT);
    /* Once the write returns, the thread left behind counts the lost lines, closes and frees: the
     * pipe ends. */
    reader *r = read_in_background(&to);
    char *text = read_text(r), *at = text, *line;
    ck_assert_ptr_nonnull(line = line_of(&at));
    ck_assert(has(line, longer));
    ck_assert_str_eq(line_of(&at), "... 10 lines lost here");
    ck_assert_ptr_null(line_of(&at));
    free(text);
}
END_TEST

static void *warn_once(void *arg)
{
    errand_warn(arg, "late");
    return NULL;
}

START_TEST(close_releases_producers_waiting_for_room)
{
    place to = a_pipe();
    errand_log *log = log_to(&to, 4096);
    fill(log);
    uint64_t attempted = stats_of(log).attempted;
    pthread_t writers[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&writers[i], NULL, warn_once, log), 0);
    while (stats_of(log).attempted < attempted + 3) poll(NULL, 0, 1);
    poll(NULL, 0, 20); /* so that they wait; one that does not yet is released, too */
    ck_assert_int_eq(errand_log_close(log, 0), ETIMEDOUT);
    for (int i = 0; i < 3; i++) pthread_join(writers[i], NULL);
    reader *r = read_in_background(&to);
    char *text = read_text(r), *at = text, *line;
    uint64_t counted = 0;
    while ((line = line_of(&at))) {
        uint64_t gap = gap_of(line);
        counted += gap ? gap : 1;
    }
    ck_assert_uint_eq(counted, attempted + 3);
    free(text);
}
END_TEST

/* No thread can be started while the default stack exceeds the address space. */
static void allow_threads(bool allowed)
{
    pthread_attr_t attr;
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, allowed ? (size_t)1 << 23 : (size_t)1 << 50),
                     0);
    ck_assert_int_eq(pthread_setattr_default_np(&attr), 0);
    pthread_attr_destroy(&attr);
}

START_TEST(without_a_thread_lines_wait_in_the_ring)
{
    place to = a_file();
    errand_log *log = log_to(&to, 4096);
    allow_threads(false);
    for (int i = 0; i < 1000; i++) errand_warn(log, "line %d", i);
    errand_log_stats stats = stats_of(log);
    ck_assert_uint_eq(stats.attempted, 1000);
    ck_assert_uint_gt(stats.dropped, 0);
    ck_assert_uint_lt(stats.dropped, 1000);
    int error = errand_log_flush(log, LONG_MS);
    ck_assert_msg(error == EAGAIN || error == ENOMEM, "flush: %d", error);
    allow_threads(true);
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    stats = stats_of(log);
    ck_assert_uint_eq(stats.attempted, stats.written + stats.dropped);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to), *at = text, *line;
    unsigned long next = 0;
    while ((line = line_of(&at))) {
        unsigned long long gap = gap_of(line);
        if (!gap) ck_assert_uint_eq(strtoul(strstr(line, "] - line ") + 9, NULL, 10), next);
        next += gap ? gap : 1;
    }
    ck_assert_uint_eq(next, 1000);
    free(text);
}
END_TEST

START_TEST(close_without_a_thread_returns_the_error)
{
    place to = a_file();
    errand_log *log = log_to(&to, 4096);
    allow_threads(false);
    errand_info(log, "line");
    int error = errand_log_close(log, LONG_MS);
    ck_assert_msg(error == EAGAIN || error == ENOMEM, "close: %d", error);
}
END_TEST

START_TEST(an_unused_log_closes_at_once)
{
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_to_stderr(log, ERRAND_LOG_DEFAULT), 0);
    ck_assert_int_eq(errand_log_close(log, 0), 0);
}
END_TEST

Suite *ends_suite(void)
{
    Suite *suite = suite_create("ends");
    TCase *tests = tcase_create("ends");
    tcase_add_test(tests, flush_writes_all_lines);
    tcase_add_test(tests, a_line_is_written_without_a_flush);
    tcase_add_test(tests, several_threads_may_flush_at_once);
    tcase_add_test(tests, flush_ends_in_time_if_a_sink_is_stuck);
    tcase_add_test(tests, close_writes_the_remaining_lines);
    tcase_add_test(tests, close_ends_in_time_and_counts_the_rest_as_dropped);
    tcase_add_test(tests, close_releases_producers_waiting_for_room);
    tcase_add_test(tests, without_a_thread_lines_wait_in_the_ring);
    tcase_add_test(tests, close_without_a_thread_returns_the_error);
    tcase_add_test(tests, an_unused_log_closes_at_once);
    suite_add_tcase(suite, tests);
    return suite;
}
