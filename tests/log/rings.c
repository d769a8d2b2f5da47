/* Threads that come and go: their rings, the lines in them, and what a flush waits for. */
#include "base/os.h"
#include "log/threads.h"
#include "logs.h"

#include <errand/log.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct gate { /* a callback that is stuck until it is opened */
    int open;
    uint64_t lines, lost, wrong;
} gate;

static int pass_gate(void *arg, const errand_log_line *line)
{
    gate *g = arg;
    while (!__atomic_load_n(&g->open, __ATOMIC_ACQUIRE)) poll(NULL, 0, 1);
    long says, is;
    g->lost += line->lost;
    g->lines += !line->lost;
    if (!line->lost && (sscanf(line->text, "%ld %ld", &says, &is) != 2 || says != is)) g->wrong++;
    return 0;
}

enum { LINES = 100 };

static void *log_thread_number(void *log)
{
    for (int i = 0; i < LINES; i++)
        errand_info((errand_log *)log, "%ld%60s", er_thread_number(), "");
    return NULL;
}

static void one_thread(errand_log *log)
{
    pthread_t t;
    if (pthread_create(&t, NULL, log_thread_number, log)) ck_abort_msg("no thread");
    pthread_join(t, NULL);
}

START_TEST(threads_behind_a_stuck_sink_share_a_ring)
{
    gate g = { 0 };
    errand_log *log =
        errand_log_new(&(errand_log_opts){ .ring = 4096, .block_from = ERRAND_LOG_OFF });
    ck_assert_int_eq(
        errand_log_add_callback(log, pass_gate, &g, NULL,
                                &(errand_log_sink_opts){ .pattern = "{thread} {message}" }),
        0);
    unsigned many = scaled(500);
    for (unsigned i = 0; i < many; i++) one_thread(log);
    size_t rings = log->hub->n_voices; /* no thread begins or ends meanwhile */
    __atomic_store_n(&g.open, 1, __ATOMIC_RELEASE);
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    errand_log_stats stats;
    ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    ck_assert_uint_le(rings, 2);
    ck_assert_uint_eq(stats.attempted, (uint64_t)many * LINES);
    ck_assert_uint_eq(stats.attempted, stats.written + stats.dropped);
    ck_assert_uint_eq(g.lines, stats.written);
    ck_assert_uint_eq(g.lost, stats.dropped);
    ck_assert_uint_eq(g.wrong, 0);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

START_TEST(a_reused_ring_keeps_each_lines_thread)
{
    gate g = { 0 };
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(
        errand_log_add_callback(log, pass_gate, &g, NULL,
                                &(errand_log_sink_opts){ .pattern = "{thread} {message}" }),
        0);
    for (unsigned i = 0; i < 10; i++) one_thread(log);
    ck_assert_uint_eq(log->hub->n_voices, 1);
    __atomic_store_n(&g.open, 1, __ATOMIC_RELEASE);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    ck_assert_uint_eq(g.lines, 10 * LINES);
    ck_assert_uint_eq(g.wrong, 0);
}
END_TEST

typedef struct maker {
    errand_log *log;
    int stop;
    uint64_t threads;
} maker;

static void *make_threads(void *arg)
{
    maker *m = arg;
    while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
        one_thread(m->log);
        __atomic_fetch_add(&m->threads, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

START_TEST(a_flush_does_not_wait_for_later_lines)
{
    enum { MAKERS = 4 };
    folder f = a_folder();
    errand_log *log = errand_log_new(&(errand_log_opts){ .block_from = ERRAND_LOG_OFF });
    ck_assert_int_eq(errand_log_add_file(
                         log, f.path, &(errand_log_sink_opts){ .rotate_bytes = 100000, .keep = 2 }),
                     0);
    maker m = { .log = log };
    pthread_t makers[MAKERS];
    for (int i = 0; i < MAKERS; i++)
        ck_assert_int_eq(pthread_create(&makers[i], NULL, make_threads, &m), 0);
    int error = 0;
    uint64_t many = scaled(2000);
    while (!error && __atomic_load_n(&m.threads, __ATOMIC_RELAXED) < many)
        error = errand_log_flush(log, LONG_MS);
    size_t most = 2 * MAKERS;
    errand_log_stats stats;
    er_voice **all = NULL;
    size_t room = 0, voices = 0;
    ck_assert_int_eq(er_voices_list(log->hub, &all, &room, &voices), 0);
    er_free(all);
    __atomic_store_n(&m.stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < MAKERS; i++) pthread_join(makers[i], NULL);
    ck_assert_int_eq(error, 0);
    ck_assert_uint_le(voices, most);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    ck_assert_uint_eq(stats.attempted, m.threads * LINES);
    ck_assert_uint_eq(stats.attempted, stats.written + stats.dropped);
    remove_folder(&f);
}
END_TEST

Suite *rings_suite(void)
{
    Suite *suite = suite_create("rings");
    TCase *tests = tcase_create("rings");
    tcase_add_test(tests, threads_behind_a_stuck_sink_share_a_ring);
    tcase_add_test(tests, a_reused_ring_keeps_each_lines_thread);
    tcase_add_test(tests, a_flush_does_not_wait_for_later_lines);
    suite_add_tcase(suite, tests);
    return suite;
}
