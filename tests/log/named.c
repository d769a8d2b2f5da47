/* Loggers by name: inheritance in any order, levels given at run time, lines that do not wait for
 * room. */
#include "logs.h"

#include "log/producer.h"

#include <errand/log.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAMES = 40, DEEP = 4 };

static int level_seen(const errand_log *log) /* the lowest enabled level */
{
    for (int l = ERRAND_LOG_TRACE; l < ERRAND_LOG_OFF; l++) {
        if (errand_log_enabled(log, (errand_log_level)l)) return l;
    }
    return ERRAND_LOG_OFF;
}

typedef struct names { /* of loggers, and their levels */
    char name[NAMES][40];
    errand_log *log[NAMES];
    int own[NAMES], n;
} names;

static int level_wanted(const names *all, int of, int root)
{
    size_t longest = 0;
    int level = root;
    if (all->own[of]) return all->own[of];
    for (int i = 0; i < all->n; i++) {
        size_t size = strlen(all->name[i]);
        if (!all->own[i] || size <= longest || strncmp(all->name[i], all->name[of], size) ||
            all->name[of][size] != '.')
            continue;
        longest = size;
        level = all->own[i];
    }
    return level;
}

START_TEST(levels_are_inherited_by_name_in_any_order)
{
    static const char *const parts[] = { "a", "b", "http", "" };
    uint64_t state = 1;
    for (unsigned round = 0, many = scaled(50); round < many; round++) {
        errand_log *log = errand_log_new(NULL);
        names all = { .n = 0 };
        int root = ERRAND_LOG_INFO;
        for (int step = 0; step < 200; step++) {
            unsigned what = (unsigned)(er_random_next(&state) % 3);
            int level = (int)(er_random_next(&state) % 7),
                which = all.n ? (int)(er_random_next(&state) % (unsigned)all.n) : 0;
            if (what == 0 && all.n < NAMES) {
                char *name = all.name[all.n];
                size_t size = 0;
                for (uint64_t i = 1 + er_random_next(&state) % DEEP; i; i--)
                    size += (size_t)snprintf(name + size, 40 - size, "%s%s",
                                             parts[er_random_next(&state) % 4], i > 1 ? "." : "");
                if (!*name) continue;
                for (which = 0; strcmp(all.name[which], name) != 0; which++) {}
                errand_log *got = errand_log_named(log, name);
                ck_assert_ptr_nonnull(got);
                if (which < all.n) ck_assert_ptr_eq(got, all.log[which]);
                all.log[which] = got;
                if (which == all.n) all.own[all.n++] = ERRAND_LOG_DEFAULT;
            } else if (what == 1 && all.n) {
                errand_log_set_level(all.log[which], (errand_log_level)(all.own[which] = level));
            } else if (what == 2) {
                errand_log_set_level(log, (errand_log_level)level);
                root = level ? level : ERRAND_LOG_INFO;
            }
            for (int i = 0; i < all.n; i++)
                ck_assert_int_eq(level_seen(all.log[i]), level_wanted(&all, i, root));
        }
        ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    }
}
END_TEST

START_TEST(a_hundred_thousand_loggers_are_made_quickly)
{
    errand_log *log = errand_log_new(NULL);
    char name[40];
    for (unsigned turn = 0; turn < 2; turn++) { /* a quadratic algorithm would take minutes */
        for (unsigned i = 0; i < 100000; i++) {
            snprintf(name, sizeof name, "host%u.lane", i);
            errand_log *one = errand_log_named(log, name);
            ck_assert_ptr_nonnull(one);
            if (turn) ck_assert_int_eq(level_seen(one), ERRAND_LOG_ERROR);
            else errand_log_set_level(one, ERRAND_LOG_ERROR);
        }
    }
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

/* ---- levels ---- */

static errand_log *counted(errand_log *log, unsigned *n)
{
    ++*n;
    return log;
}

START_TEST(a_level_given_at_run_time_is_used)
{
    static const struct {
        int level;
        const char *name;
    } levels[] = {
        { ERRAND_LOG_INFO, "INFO" },   { ERRAND_LOG_ERROR, "ERROR" },  { ERRAND_LOG_OFF, NULL },
        { ERRAND_LOG_WARN, "WARN" },   { ERRAND_LOG_DEFAULT, "INFO" }, { 77, NULL },
        { ERRAND_LOG_TRACE, "TRACE" }, { ERRAND_LOG_DEBUG, "DEBUG" },
    };
    place to = a_file();
    errand_log *log = errand_log_new(&(errand_log_opts){ .level = ERRAND_LOG_TRACE });
    ck_assert_int_eq(errand_log_add_file(log, to.path,
                                         &(errand_log_sink_opts){ .pattern = "{level} {message}" }),
                     0);
    char expected[200] = "";
    size_t size = 0;
    unsigned asked = 0;
    for (unsigned i = 0; i < 8; i++) {
        errand_log_at(counted(log, &asked), (errand_log_level)levels[i].level, "line %u", i);
        ck_assert_uint_eq(asked, i + 1); /* evaluated once, written or not */
        if (levels[i].name)
            size += (size_t)snprintf(expected + size, sizeof expected - size, "%s line %u\n",
                                     levels[i].name, i);
    }
    asked = 0;
    errand_warn(counted(log, &asked), "once");
    ck_assert_uint_eq(asked, 1);
    static errand_log_site off = { ERRAND_LOG_OFF, 1, "f.c", "f", NULL };
    errand_log_put(log, &off, "never");
    errand_log_text(log, ERRAND_LOG_OFF, "f.c", 1, "f", "never", 5);
    errand_log_at(log, ERRAND_LOG_OFF, "never");
    errand_log_set_level(log, ERRAND_LOG_OFF);
    errand_log_at(log, ERRAND_LOG_OFF, "never");
    errand_log_put(log, &off, "never");
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    snprintf(expected + size, sizeof expected - size, "WARN once\n");
    char *text = text_of(&to);
    ck_assert_str_eq(text, expected);
    free(text);
}
END_TEST

/* ---- lines that do not wait for room ---- */

static errand_log_stats stats_of(errand_log *log)
{
    errand_log_stats stats;
    ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    return stats;
}

START_TEST(the_librarys_own_lines_never_wait_for_room)
{
    place to = a_pipe();
    errand_log *log =
        errand_log_new(&(errand_log_opts){ .ring = 4096, .block_from = ERRAND_LOG_TRACE });
    ck_assert_int_eq(errand_log_to_file(log, to.path, ERRAND_LOG_DEFAULT), 0);
    unsigned long n = 0;
    /* the pipe is not read */
    for (; stats_of(log).dropped < 10; n++) er_log_error(log, "line %lu", n);
    reader *r = read_in_background(&to);
    errand_info(log, "line %lu", n++); /* the program's own line waits for room */
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    errand_log_stats stats = stats_of(log);
    ck_assert_uint_eq(stats.attempted, n);
    ck_assert_uint_eq(stats.written + stats.dropped, n);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
    char *text = read_text(r);
    ck_assert(has(text, " lost here\n"));
    free(text);
}
END_TEST

static int speak(void *to, const errand_log_line *line)
{
    if (line->level == ERRAND_LOG_INFO && !line->lost)
        errand_warn(*(errand_log **)to, "repeated, in some more words than it had: %s", line->text);
    return 0;
}

START_TEST(callbacks_that_log_do_not_block)
{
    errand_log *logs[2];
    for (int crossed = 0; crossed < 2; crossed++) {
        for (int i = 0; i < 2; i++)
            logs[i] =
                errand_log_new(&(errand_log_opts){ .ring = 4096, .block_from = ERRAND_LOG_TRACE });
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(
                errand_log_add_callback(logs[i], speak, &logs[i ^ crossed], NULL, NULL), 0);
        for (int i = 0; i < 20000; i++) errand_info(logs[i % 2], "line %d", i);
        for (int i = 0; i < 2; i++) ck_assert_int_eq(errand_log_flush(logs[i], LONG_MS), 0);
        for (int i = 0; i < 2; i++) ck_assert_int_eq(errand_log_flush(logs[i], LONG_MS), 0);
        for (int i = 0; i < 2; i++) {
            errand_log_stats stats = stats_of(logs[i]);
            ck_assert_uint_eq(stats.attempted, 20000);
            ck_assert_uint_eq(stats.written + stats.dropped, 20000);
        }
        for (int i = 0; i < 2; i++) ck_assert_int_eq(errand_log_close(logs[i], LONG_MS), 0);
    }
}
END_TEST

static int ended[3];

static int end_here(void *log, const errand_log_line *line)
{
    (void)line;
    ended[0] = errand_log_flush(*(errand_log **)log, LONG_MS);
    ended[1] = errand_log_reopen(*(errand_log **)log, LONG_MS);
    ended[2] = errand_log_close(*(errand_log **)log, LONG_MS);
    return 0;
}

START_TEST(flush_and_close_in_a_callback_are_EDEADLK)
{
    errand_log *log = errand_log_new(NULL);
    ck_assert_int_eq(errand_log_add_callback(log, end_here, &log, NULL, NULL), 0);
    errand_info(log, "one");
    ck_assert_int_eq(errand_log_flush(log, LONG_MS), 0);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(ended[i], EDEADLK);
    ck_assert_int_eq(errand_log_close(log, LONG_MS), 0);
}
END_TEST

Suite *named_suite(void)
{
    Suite *suite = suite_create("named");
    TCase *tests = tcase_create("named");
    tcase_add_test(tests, levels_are_inherited_by_name_in_any_order);
    tcase_add_test(tests, a_hundred_thousand_loggers_are_made_quickly);
    tcase_add_test(tests, a_level_given_at_run_time_is_used);
    tcase_add_test(tests, the_librarys_own_lines_never_wait_for_room);
    tcase_add_test(tests, callbacks_that_log_do_not_block);
    tcase_add_test(tests, flush_and_close_in_a_callback_are_EDEADLK);
    suite_add_tcase(suite, tests);
    return suite;
}
