/* Files through base/os: complete, or an error. */
#include "bases.h"

#include "base/clock.h"
#include "base/os.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/errand-files-XXXXXX";
static char target[64];

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(target, sizeof target, "%s/target", folder);
}

static void remove_folder(void)
{
    unlink(target);
    /* only the target was left */
    ck_assert_msg(rmdir(folder) == 0, "something was left in %s", folder);
}

START_TEST(a_failed_file_operation_returns_its_error)
{
    char deep[96];
    int fd;
    size_t n;
    snprintf(deep, sizeof deep, "%s/no/such", folder);
    ck_assert_int_eq(er_file_open(deep, O_RDONLY, &fd), ENOENT);
    ck_assert_int_eq(er_file_remove(deep), ENOENT);
    ck_assert_int_eq(er_file_close(-1), EBADF);
    ck_assert_int_eq(er_file_read(-1, deep, 1, &n), EBADF);
    ck_assert_int_eq(er_file_write(-1, deep, 1, &n), EBADF);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(er_file_open("/dev/full", O_WRONLY, &fd), 0);
    ck_assert_int_eq(er_file_write(fd, "x", 1, &n), ENOSPC);
    er_file_close(fd);
}
END_TEST

static void ignore_it(int sig) { (void)sig; }

typedef struct pipe_job {
    int fd;
    size_t size;
} pipe_job;

static void drain(void *arg)
{
    pipe_job *job = arg;
    char got[1000];
    size_t n = 1, sum = 0;
    while (n && er_file_wait(job->fd, -1, INT64_MAX) == 0 &&
           er_file_read(job->fd, got, sizeof got, &n) == 0)
        sum += n;
    job->size = sum;
}

START_TEST(a_long_write_to_a_nonblocking_pipe_survives_signals)
{
    struct sigaction act = { .sa_handler = ignore_it }; /* no SA_RESTART */
    sigaction(SIGALRM, &act, NULL);
    ualarm(1000, 1000);
    int fds[2];
    size_t size = 4000000, put = 0;
    char *data = calloc(1, size);
    ck_assert_int_eq(er_pipe(fds), 0);
    pipe_job job = { fds[0], 0 };
    er_thread reader;
    ck_assert_int_eq(er_thread_start(&reader, drain, &job, NULL, 0), 0);
    ck_assert_int_eq(er_file_write(fds[1], data, size, &put), 0);
    ck_assert_uint_eq(put, size);
    ualarm(0, 0);
    er_file_close(fds[1]);
    er_thread_join(&reader);
    ck_assert_uint_eq(job.size, size);
    er_file_close(fds[0]);
    free(data);
}
END_TEST

START_TEST(a_wait_for_a_file_ends_by_data_wake_end_or_deadline)
{
    int data[2], wake[2];
    ck_assert_int_eq(er_pipe(data), 0);
    ck_assert_int_eq(er_pipe(wake), 0);
    int64_t deadline = er_now_ns() + 2 * ER_MS;
    ck_assert_int_eq(er_file_wait(data[0], wake[0], deadline), ETIMEDOUT);
    ck_assert_int_ge(er_now_ns(), deadline);
    ck_assert_int_eq(er_file_wait(data[0], -1, 0), ETIMEDOUT);
    ck_assert_int_eq(er_file_write(data[1], "x", 1, NULL), 0);
    ck_assert_int_eq(er_file_wait(data[0], wake[0], INT64_MAX), 0);
    ck_assert_int_eq(er_file_write(wake[1], "x", 1, NULL), 0);
    /* a wake takes precedence */
    ck_assert_int_eq(er_file_wait(data[0], wake[0], INT64_MAX), ECANCELED);
    char c;
    size_t n;
    ck_assert_int_eq(er_file_read(data[0], &c, 1, &n), 0);
    er_file_close(data[1]);
    ck_assert_int_eq(er_file_wait(data[0], -1, INT64_MAX), 0); /* end of file */
    er_file_close(data[0]);
    er_file_close(wake[0]);
    er_file_close(wake[1]);
}
END_TEST

START_TEST(copies_are_nul_terminated)
{
    char *a = er_copy_text("abc"), *b = er_copy_bytes("abc", 2), *c = er_copy_bytes(NULL, 0);
    ck_assert_str_eq(a, "abc");
    ck_assert_str_eq(b, "ab");
    ck_assert_str_eq(c, "");
    ck_assert_ptr_null(er_copy_bytes("abc", SIZE_MAX));
    er_free(a);
    er_free(b);
    er_free(c);
    er_free(NULL);
}
END_TEST

static void *unloaded; /* closed by another thread, once an address has been looked up */
int __real_dladdr(const void *address, Dl_info *info);
int __wrap_dladdr(const void *address, Dl_info *info);
int __wrap_dladdr(const void *address, Dl_info *info)
{
    int found = __real_dladdr(address, info);
    if (unloaded) dlclose(unloaded);
    unloaded = NULL;
    return found;
}

static bool reads_well(const char *text, const char *name)
{
    return !strncmp(text, name, strlen(name)) && strstr(text, "+0");
}

START_TEST(a_symbol_is_named_while_its_library_is_unloaded)
{
    char buffer[200];
    void *library = unloaded = dlopen("libresolv.so.2", RTLD_NOW);
    ck_assert_msg(library, "%s", dlerror());
    const void *address = dlsym(library, "ns_sprintrr");
    ck_assert_ptr_nonnull(address);
    ck_assert_msg(reads_well(er_symbol(address, buffer, sizeof buffer), "ns_sprintrr"), "%s",
                  buffer);
    ck_assert_ptr_null(unloaded);
    /* the library is unloaded */
    ck_assert_int_eq(strncmp(er_symbol(address, buffer, sizeof buffer), "0x", 2), 0);
    ck_assert_str_eq(er_symbol(NULL, buffer, sizeof buffer), "an unknown place");
}
END_TEST

Suite *files_suite(void)
{
    Suite *suite = suite_create("files");
    TCase *tc = tcase_create("files");
    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, a_failed_file_operation_returns_its_error);
    tcase_add_test(tc, a_long_write_to_a_nonblocking_pipe_survives_signals);
    tcase_add_test(tc, a_wait_for_a_file_ends_by_data_wake_end_or_deadline);
    tcase_add_test(tc, copies_are_nul_terminated);
    tcase_add_test(tc, a_symbol_is_named_while_its_library_is_unloaded);
    suite_add_tcase(suite, tc);
    return suite;
}
