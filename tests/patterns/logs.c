/* Usual faults of logs that are written in the background. */
#include "patterns.h"

#include <errand/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned long resident_kib(void)
{
    unsigned long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%lu %lu", &pages, &resident), 2);
    fclose(f);
    return resident * (unsigned long)sysconf(_SC_PAGESIZE) / 1024;
}

/* Elsewhere: the writer's queue is unbounded; if the disk is slower than the program, memory runs
 * out. */
START_TEST(a_stuck_sink_does_not_grow_memory)
{
    int fds[2];
    char path[64];
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0); /* the pipe is not read */
    snprintf(path, sizeof path, "/proc/self/fd/%d", fds[1]);
    errand_log *log = errand_log_new(&(errand_log_opts){ .ring = 65536 });
    ck_assert_int_eq(errand_log_to_file(log, path, ERRAND_LOG_DEFAULT), 0);
    errand_log_stats stats = { 0 };
    while (!stats.dropped) {
        for (int i = 0; i < 1000; i++) errand_info(log, "line %d of the flood", i);
        ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    }
    unsigned long before = resident_kib();
    enum { FLOOD = 500000 }; /* some 50 MB of lines */
    for (int i = 0; i < FLOOD; i++)
        errand_info(log, "line %d of the flood, and what else there is to say about it", i);
    unsigned long after = resident_kib();
    ck_assert_msg(after < before + 4096, "%lu KiB became %lu", before, after);
    ck_assert_int_eq(errand_log_stats_get(log, &stats), 0);
    ck_assert_uint_ge(stats.dropped, FLOOD - 2000); /* the drops are counted */
    close(fds[0]);                                  /* writes fail, so the log can end */
    ck_assert_int_eq(errand_log_close(log, 30000), 0);
    close(fds[1]);
}
END_TEST

static void set_up(errand_log *log, const char *path)
{
    int error = errand_log_to_file(log, path, ERRAND_LOG_DEFAULT);
    ck_assert(error == 0 || error == EEXIST);
    error = errand_log_to_stderr(log, ERRAND_LOG_OFF);
    ck_assert(error == 0 || error == EEXIST);
}

/* Elsewhere: a set-up that runs twice adds its handlers twice, and every line is written twice. */
START_TEST(setting_up_twice_writes_each_line_once)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    char path[64], text[4096];
    ck_assert_int_ge(fd, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    errand_log *log = errand_log_new(NULL);
    set_up(log, path);
    set_up(errand_log_named(log, "again"), path);
    errand_info(log, "said once");
    errand_info(errand_log_named(log, "again"), "said once, too");
    ck_assert_int_eq(errand_log_close(log, 30000), 0);
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    ck_assert_int_gt(n, 0);
    text[n] = '\0';
    unsigned lines = 0;
    for (const char *c = text; *c; c++) lines += *c == '\n';
    ck_assert_uint_eq(lines, 2);
    close(fd);
}
END_TEST

Suite *logs_suite(void)
{
    Suite *suite = suite_create("logs");
    TCase *tc = case_of(suite, "logs");
    tcase_add_test(tc, a_stuck_sink_does_not_grow_memory);
    tcase_add_test(tc, setting_up_twice_writes_each_line_once);
    return suite;
}
