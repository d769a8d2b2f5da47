/* A full ring: which lines wait, which are dropped, and that the counts are exact. */
#include "logs.h"

#include <errand/log.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 4 };

static errand_log_stats stats_of(errand_log *log)
{
    errand_log_stats stats;
    ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    return stats;
}

static unsigned long number_in(const char *line, const char *behind)
{
    const char *at = strstr(line, behind);
    if (!at) ck_abort_msg("no '%s' in '%s'", behind, line);
    return strtoul(at + strlen(behind), NULL, 10);
}

START_TEST(dropped_lines_are_counted_where_they_were_dropped)
{
    place to = a_pipe();
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 4096 });
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    unsigned long n = 0;
    /* the pipe is not read yet */
    while (n < 100 || !stats_of(log).dropped) errand_info(log, "line %lu", n++);
    for (int i = 0; i < 50; i++) errand_info(log, "line %lu", n++);
    reader *r = read_in_background(&to);
    for (int round = 0; round < 20; round++) {
        /* waits, so earlier dropped lines are counted before it */
        errand_warn(log, "line %lu", n++);
        for (int i = 0; i < 100; i++) errand_info(log, "line %lu", n++);
    }
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    errand_log_stats stats = stats_of(log);
    ck_assert_uint_eq(stats.attempted, n);
    ck_assert_uint_eq(stats.written + stats.dropped, n);
    ck_assert_uint_ge(stats.dropped, 50);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);

    char *text = read_text(r), *at = text, *line;
    unsigned long next = 0, written = 0, dropped = 0;
    while ((line = line_of(&at))) {
        unsigned long gap = (unsigned long)gap_of(line);
        if (gap) dropped += gap;
        else ck_assert_uint_eq(number_in(line, "] - line "), next);
        next += gap ? gap : 1;
        if (!gap) written++;
    }
    ck_assert_uint_eq(next, n);
    ck_assert_uint_eq(written, stats.written);
    ck_assert_uint_eq(dropped, stats.dropped);
    free(text);
}
END_TEST

START_TEST(a_gap_line_goes_to_the_sinks_of_the_dropped_lines)
{
    place to = a_pipe(), warnings = a_file();
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 4096 });
    ck_assert_int_eq(errand_log_to_file(log, warnings.path, ERRAND_LOG_WARN), 0);
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    errand_warn(log, "before");
    while (!stats_of(log).dropped) errand_info(log, "fill");
    reader *r = read_in_background(&to);
    errand_warn(log, "after");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = read_text(r), *few = text_of(&warnings);
    ck_assert_uint_ge(count_of(text, " lost here\n"), 1);
    ck_assert(has(few, "- before\n") && has(few, "- after\n"));
    ck_assert_uint_eq(count_of(few, "\n"), 2);
    free(text);
    free(few);
}
END_TEST

START_TEST(a_gap_line_is_written_if_no_line_follows)
{
    place to = a_pipe();
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 4096 });
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    while (stats_of(log).dropped < 17) errand_info(log, "fill");
    reader *r = read_in_background(&to);
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    errand_log_stats stats = stats_of(log);
    ck_assert_uint_eq(stats.attempted, stats.written + stats.dropped);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = read_text(r), *at = text, *line, *last = NULL;
    unsigned long long dropped = 0;
    while ((line = line_of(&at))) {
        last = line;
        dropped += gap_of(line);
    }
    ck_assert_uint_eq(dropped, stats.dropped);
    ck_assert_uint_gt(gap_of(last), 0);
    free(text);
}
END_TEST

typedef struct talker {
    errand_log *log;
    pthread_t thread;
    unsigned id, lines;
    bool warn; /* every line, else every tenth */
    size_t longest;
} talker;

static void *talk(void *arg)
{
    talker *t = arg;
    static const char filling[] =
        "................................................................................";
    for (unsigned i = 0; i < t->lines; i++) {
        int more = t->longest ? (int)(i * 7 % t->longest) : 0;
        if (t->warn || i % 10 == 0)
            errand_warn(t->log, "thread %u line %u %.*s", t->id, i, more, filling);
        else errand_info(t->log, "thread %u line %u %.*s", t->id, i, more, filling);
    }
    return NULL;
}

static void talk_all(errand_log *log, talker *talkers, unsigned lines, bool warn)
{
    for (unsigned i = 0; i < THREADS; i++) {
        talkers[i] = (talker){ .log = log, .id = i, .lines = lines, .warn = warn, .longest = 80 };
        ck_assert_int_eq(pthread_create(&talkers[i].thread, NULL, talk, &talkers[i]), 0);
    }
}

START_TEST(warnings_wait_for_room_and_are_never_dropped)
{
    place to = a_pipe();
    unsigned many = scaled(5000);
    talker talkers[THREADS];
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 4096 });
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    talk_all(log, talkers, many, true);
    reader *r = read_in_background(&to);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(talkers[i].thread, NULL);
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    errand_log_stats stats = stats_of(log);
    ck_assert_uint_eq(stats.dropped, 0);
    ck_assert_uint_eq(stats.written, (uint64_t)many * THREADS);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = read_text(r), *at = text, *line;
    unsigned long next[THREADS] = { 0 };
    while ((line = line_of(&at))) {
        unsigned long id = number_in(line, "] - thread ");
        if (id >= THREADS || number_in(line, " line ") != next[id])
            ck_abort_msg("out of order: %s", line);
        next[id]++;
    }
    for (unsigned i = 0; i < THREADS; i++) ck_assert_uint_eq(next[i], many);
    free(text);
}
END_TEST

START_TEST(written_and_dropped_lines_add_up)
{
    place to = a_file();
    unsigned many = scaled(10000);
    talker talkers[THREADS];
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 4096 });
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    talk_all(log, talkers, many, false);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(talkers[i].thread, NULL);
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    errand_log_stats stats = stats_of(log);
    ck_assert_uint_eq(stats.attempted, (uint64_t)many * THREADS);
    ck_assert_uint_eq(stats.attempted, stats.written + stats.dropped);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);

    char *text = text_of(&to), *at = text, *line;
    unsigned long next[THREADS] = { 0 }, warnings[THREADS] = { 0 };
    uint64_t written = 0, dropped = 0;
    while ((line = line_of(&at))) {
        uint64_t gap = gap_of(line);
        dropped += gap;
        if (gap) continue;
        written++;
        unsigned long id = number_in(line, "] - thread "), n = number_in(line, " line ");
        if (id >= THREADS || n < next[id]) ck_abort_msg("out of order: %s", line);
        next[id] = n + 1;
        if (n % 10 == 0) {
            if (n != warnings[id]) ck_abort_msg("a warning is missing before: %s", line);
            warnings[id] += 10;
        }
    }
    ck_assert_uint_eq(written, stats.written);
    ck_assert_uint_eq(dropped, stats.dropped);
    for (unsigned i = 0; i < THREADS; i++) ck_assert_uint_eq(warnings[i], (many + 9) / 10 * 10);
    free(text);
}
END_TEST

static void *talk_until(void *arg)
{
    talker *t = arg;
    while (!__atomic_load_n(&t->longest, __ATOMIC_ACQUIRE)) {
        errand_info(t->log, "small");
        errand_warn(t->log, "small");
    }
    return NULL;
}

START_TEST(a_large_warning_finds_room_among_small_lines)
{
    place to = a_file();
    talker talkers[THREADS];
    char large[1500];
    memset(large, 'L', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 4096 });
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        talkers[i] = (talker){ .log = log };
        ck_assert_int_eq(pthread_create(&talkers[i].thread, NULL, talk_until, &talkers[i]), 0);
    }
    unsigned many = scaled(200);
    for (unsigned i = 0; i < many; i++) errand_warn(log, "%s", large);
    for (unsigned i = 0; i < THREADS; i++)
        __atomic_store_n(&talkers[i].longest, 1, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(talkers[i].thread, NULL);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = text_of(&to);
    char expected[sizeof large + 8];
    snprintf(expected, sizeof expected, "] - %s\n", large);
    ck_assert_uint_eq(count_of(text, expected), many);
    free(text);
}
END_TEST

Suite *full_suite(void)
{
    Suite *suite = suite_create("full");
    TCase *tests = tcase_create("full");
    tcase_add_test(tests, dropped_lines_are_counted_where_they_were_dropped);
    tcase_add_test(tests, a_gap_line_goes_to_the_sinks_of_the_dropped_lines);
    tcase_add_test(tests, a_gap_line_is_written_if_no_line_follows);
    tcase_add_test(tests, warnings_wait_for_room_and_are_never_dropped);
    tcase_add_test(tests, written_and_dropped_lines_add_up);
    tcase_add_test(tests, a_large_warning_finds_room_among_small_lines);
    suite_add_tcase(suite, tests);
    return suite;
}
