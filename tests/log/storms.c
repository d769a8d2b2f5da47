/* Every policy with every kind of sink: each line is written once, in its thread's order and
 * roughly in time order across threads, or counted as dropped. */
#include "logs.h"

#include <errand/log.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 4, WINDOW_NS = 10000000 };

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

typedef enum kind { QUICK, SLOW, FAILING, STUCK } kind;

typedef struct checker { /* a callback sink that checks every line */
    kind kind;
    int loose; /* STUCK: the callback waits for this */
    unsigned next[THREADS];
    /* the latest begin time of all lines before this thread's last line */
    long long before[THREADS];
    long long latest;
    uint64_t lines, lost, failed, warnings_missing;
    unsigned warned[THREADS];
    const char *wrong;
    char line[200];
} checker;

static int blame(checker *c, const char *what, const errand_log_line *line)
{
    if (!c->wrong) snprintf(c->line, sizeof c->line, "%s", line->text);
    if (!c->wrong) c->wrong = what;
    return 0;
}

static int check_line(void *arg, const errand_log_line *line)
{
    checker *c = arg;
    while (c->kind == STUCK && !__atomic_load_n(&c->loose, __ATOMIC_ACQUIRE)) poll(NULL, 0, 1);
    if (c->kind == SLOW && c->lines % 64 == 0) sched_yield();
    if (c->kind == FAILING && c->lines % 100 < 7 && !line->lost) {
        c->lines++;
        c->failed++;
        return EIO;
    }
    c->lost += line->lost;
    if (line->lost) return 0;
    c->lines++;
    unsigned id, n;
    long long began;
    if (sscanf(line->text, "thread %u line %u began %lld", &id, &n, &began) != 3 || id >= THREADS)
        return blame(c, "no line", line);
    if (n < c->next[id]) return blame(c, "not in its order, or there twice", line);
    if (c->next[id] && c->before[id] > began + WINDOW_NS)
        return blame(c, "behind a line that began long after it had ended", line);
    c->next[id] = n + 1;
    c->before[id] = c->latest; /* it ended before the thread's next line began */
    if (began > c->latest) c->latest = began;
    if (line->level >= ERRAND_LOG_WARN && c->kind != FAILING) {
        if (n != c->warned[id]) c->warnings_missing++;
        c->warned[id] = n + 10;
    }
    return 0;
}

typedef struct talker {
    errand_log *log;
    pthread_t thread;
    unsigned id, lines;
} talker;

static void *talk(void *arg)
{
    talker *t = arg;
    for (unsigned i = 0; i < t->lines; i++) {
        if (i % 10)
            errand_info(t->log, "thread %u line %u began %lld %.*s", t->id, i, now(), (int)(i % 50),
                        "..................................................");
        else errand_warn(t->log, "thread %u line %u began %lld", t->id, i, now());
    }
    return NULL;
}

static const errand_log_level policies[] = { ERRAND_LOG_DEFAULT, ERRAND_LOG_TRACE, ERRAND_LOG_OFF };

START_TEST(every_line_is_written_once_or_counted_as_dropped)
{
    kind kinds[] = { QUICK, SLOW, FAILING, STUCK };
    checker c = { .kind = kinds[_i % 4] };
    errand_log_level policy = policies[_i / 4];
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 16384, .block_from = policy });
    ck_assert_int_eq(errand_log_add_callback(log, check_line, &c, NULL,
                                             &(errand_log_sink_opts){ .pattern = "{message}" }),
                     0);
    if (c.kind == FAILING)
        ck_assert_int_eq(errand_log_to_file(log, "/dev/full", ERRAND_LOG_DEFAULT), 0);
    talker talkers[THREADS];
    unsigned lines = scaled(9000);
    for (unsigned i = 0; i < THREADS; i++) {
        talkers[i] = (talker){ .log = log, .id = i, .lines = lines };
        ck_assert_int_eq(pthread_create(&talkers[i].thread, NULL, talk, &talkers[i]), 0);
    }
    if (c.kind == STUCK) {
        errand_log_stats so_far = { 0 };
        while (!so_far.attempted) errand_log_stats_get(log, &so_far);
        ck_assert_int_eq(errand_log_flush(log, 20), ETIMEDOUT);
        __atomic_store_n(&c.loose, 1, __ATOMIC_RELEASE);
    }
    for (unsigned i = 0; i < THREADS; i++) pthread_join(talkers[i].thread, NULL);
    int error = errand_log_flush(log, LONG_MS);
    ck_assert_int_eq(error, c.kind == FAILING ? EIO : 0);
    errand_log_stats stats;
    ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    ck_assert_msg(!c.wrong, "%s: %s", c.wrong, c.line);
    ck_assert_uint_eq(stats.attempted, (uint64_t)lines * THREADS);
    ck_assert_uint_eq(stats.attempted, stats.written + stats.dropped);
    ck_assert_uint_eq(stats.written, c.lines);
    ck_assert_uint_eq(stats.dropped + c.failed, c.lost); /* all lost lines were counted */
    if (policy == ERRAND_LOG_TRACE) ck_assert_uint_eq(stats.dropped, 0);
    if (policy != ERRAND_LOG_OFF) ck_assert_uint_eq(c.warnings_missing, 0);
    /* /dev/full accepts no line */
    if (c.kind == FAILING) ck_assert_uint_eq(stats.failed, stats.written + c.failed);
}
END_TEST

Suite *storms_suite(void)
{
    Suite *suite = suite_create("storms");
    TCase *tests = tcase_create("storms");
    tcase_add_loop_test(tests, every_line_is_written_once_or_counted_as_dropped, 0, 12);
    suite_add_tcase(suite, tests);
    return suite;
}
