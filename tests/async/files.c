/* Files as futures: whole or not at all, within limits, with clear errors; copies that a cancel
 * ends. */
#include "forked.h"

#include "fixture/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/errand-file-futures-XXXXXX";
static errand_pool *pool;

static void open_all(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    umask(022);
    pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 });
}

/* The files that a test leaves; none is a temporary one. */
static unsigned names_left(void)
{
    DIR *dir = opendir(folder);
    unsigned n = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        ck_assert_msg(!strstr(entry->d_name, ".tmp"), "%s is left", entry->d_name);
        n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    }
    closedir(dir);
    return n;
}

static void close_all(void)
{
    char command[sizeof folder + 10];
    close_pool(pool);
    names_left();
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void holds(const char *path, const char *text)
{
    char got[256] = "";
    FILE *file = fopen(path, "r");
    ck_assert_msg(file, "%s is not there", path);
    got[fread(got, 1, sizeof got - 1, file)] = '\0';
    fclose(file);
    ck_assert_str_eq(got, text);
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* Awaits a failure and checks its message. */
static void fails(errand_future *f, int error, const char *message)
{
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, error);
    ck_assert_str_eq(errand_result_message(&r), message);
    errand_result_free(&r);
}

static uint64_t bytes_copied(errand_future *f)
{
    errand_result r = errand_await(f);
    ck_assert_msg(!r.error, "%s", errand_result_message(&r));
    uint64_t size = ((const errand_file_copied *)r.value)->size;
    errand_result_free(&r);
    return size;
}

/* A file that no pipe or socket takes without a reader, made of numbered lines. */
#define LARGE ((size_t)3000000)
static char *make_large(const char *path)
{
    char *text = malloc(LARGE + 1);
    for (size_t i = 0; i < LARGE; i += 10)
        snprintf(text + i, 11, "%09u\n", (unsigned)(i / 10) % 1000000000);
    put(path, text);
    return text;
}

/* ---- reading ---- */

START_TEST(a_file_is_read_whole)
{
    char *large = make_large("large");
    errand_result r = errand_await(errand_file_read(pool, "large", NULL));
    const errand_file_content *content = r.value;
    ck_assert_int_eq(r.error, 0);
    ck_assert_uint_eq(content->size, LARGE);
    ck_assert_str_eq(content->data, large);
    errand_result_free(&r);
    free(large);

    put("empty", "");
    r = errand_await(errand_file_read(pool, "empty", &(errand_file_opts){ .max = 1 }));
    content = r.value;
    ck_assert_int_eq(r.error, 0);
    ck_assert_uint_eq(content->size, 0);
    ck_assert_str_eq(content->data, "");
    errand_result_free(&r);
}
END_TEST

START_TEST(a_file_that_hides_its_size_is_read_whole)
{
    errand_result r = errand_await(errand_file_read(pool, "/proc/self/smaps", NULL));
    const errand_file_content *content = r.value;
    ck_assert_int_eq(r.error, 0);
    ck_assert_uint_gt(content->size, 4096);
    ck_assert_ptr_nonnull(strstr(content->data, "[stack]"));
    errand_result_free(&r);
    fails(errand_file_read(pool, "/proc/self/smaps", &(errand_file_opts){ .max = 5000 }), EFBIG,
          "/proc/self/smaps: it has at least 5001 bytes, and the limit is 5000");
}
END_TEST

START_TEST(a_read_says_what_is_wrong_with_its_file)
{
    put("file", "0123456789");
    ck_assert_int_eq(mkfifo("fifo", 0600), 0);
    fails(errand_file_read(pool, "data.json", NULL), ENOENT,
          "data.json: open: No such file or directory");
    fails(errand_file_read(pool, "file/in", NULL), ENOTDIR, "file/in: open: Not a directory");
    fails(errand_file_read(pool, "..", NULL), EISDIR, "..: open: Is a directory");
    fails(errand_file_read(pool, "fifo", NULL), ENXIO, "fifo: open: it is not a regular file");
    fails(errand_file_read(pool, "/dev/zero", NULL), ENXIO,
          "/dev/zero: open: it is not a regular file");
    fails(errand_file_read(pool, "file", &(errand_file_opts){ .max = 8 }), EFBIG,
          "file: it has 10 bytes, and the limit is 8");
    ENDS(errand_file_read(pool, "file", &(errand_file_opts){ .max = 10 }), 0);
    int fd = open("sparse", O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(ftruncate(fd, (64 << 20) + 2), 0);
    close(fd);
    fails(errand_file_read(pool, "sparse", NULL), EFBIG,
          "sparse: it has 67108866 bytes, and the limit is 67108864");
}
END_TEST

START_TEST(a_relative_path_means_the_folder_of_the_call)
{
    errand_pool *one = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    hold h = { 0 };
    errand_future *held = errand_submit(one, hold_worker, &h);
    await_event(&h.began);
    put("here", "it is here");
    errand_future *f = errand_file_read(one, "here", NULL);
    ck_assert_int_eq(chdir("/"), 0);
    happen(&h.go);
    ENDS(held, 0);
    ENDS(f, 0);
    ck_assert_int_eq(chdir(folder), 0);
    close_pool(one);
}
END_TEST

START_TEST(a_call_without_sense_fails_at_once)
{
    struct {
        errand_file_opts opts;
        int more;
    } newer = { .more = 1 };
    fails(errand_file_read(NULL, "file", NULL), EINVAL, "pool is NULL");
    fails(errand_file_read(pool, NULL, NULL), EINVAL, "path is NULL");
    fails(errand_file_append(pool, "file", NULL, 1, NULL), EINVAL, "data is NULL");
    fails(errand_file_read(pool, "", NULL), ENOENT, "(no path): No such file or directory");
    fails(errand_file_replace(pool, "file", "", 0, &(errand_file_opts){ .mode = 04755 }), EINVAL,
          "mode has other bits than permissions");
    fails(errand_file_replace(pool, "file", "", 0, &(errand_file_opts){ .sync = 9 }), EINVAL,
          "sync is none of errand_file_sync");
    fails(errand_file_read_sized(pool, "file", &newer.opts, sizeof newer), ENOTSUP,
          "options of an unknown size");
    ck_assert_uint_eq(names_left(), 0);
}
END_TEST

/* ---- data ---- */

START_TEST(data_is_copied_or_freed_once)
{
    unsigned freed = 0;
    char text[] = "copied";
    errand_file_opts owned = { .free = free_counts, .owner = &freed };
    errand_pool *one = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    hold h = { 0 };
    errand_future *held = errand_submit(one, hold_worker, &h);
    await_event(&h.began);
    errand_future *f = errand_file_append(one, "file", text, strlen(text), NULL);
    errand_future *cancelled = errand_file_append(one, "none", "owned", 5, &owned);
    errand_cancel(cancelled);
    ck_assert_uint_eq(freed, 1);
    memset(text, 'x', strlen(text));
    happen(&h.go);
    ENDS(held, 0);
    ENDS(f, 0);
    holds("file", "copied");
    ENDS(cancelled, ECANCELED);
    ENDS(errand_file_replace(pool, "file", "owned", 5, &owned), 0);
    ck_assert_uint_eq(freed, 2);
    ENDS(errand_file_replace(pool, NULL, "owned", 5, &owned), EINVAL);
    ENDS(errand_file_replace(pool, "no/such", "owned", 5, &owned), ENOENT);
    ENDS(errand_file_append(NULL, "file", "owned", 5, &owned), EINVAL);
    ck_assert_uint_eq(freed, 5);
    owned.owner = NULL;
    owned.free = free;
    ENDS(errand_file_append(pool, "file", strdup("!"), 1, &owned), 0);
    holds("file", "owned!");
    close_pool(one);
    ENDS(errand_file_append(pool, "file", NULL, 0, NULL), 0);
    ck_assert_uint_eq(names_left(), 1);
}
END_TEST

/* ---- appending ---- */

START_TEST(an_append_makes_its_file_with_a_mode)
{
    umask(027);
    ENDS(errand_file_append(pool, "plain", "a\n", 2, NULL), 0);
    ENDS(errand_file_append(pool, "secret", "b\n", 2,
                            &(errand_file_opts){ .mode = 0600, .sync = ERRAND_FILE_SYNC }),
         0);
    ENDS(errand_file_append(pool, "plain", "c\n", 2, &(errand_file_opts){ .mode = 0600 }), 0);
    ck_assert_uint_eq(mode_of("plain"), 0640);
    ck_assert_uint_eq(mode_of("secret"), 0600);
    holds("plain", "a\nc\n");
    ck_assert_int_eq(mkfifo("fifo", 0600), 0);
    fails(errand_file_append(pool, "fifo", "x", 1, NULL), ENXIO,
          "fifo: open: it is not a regular file");
    fails(errand_file_append(pool, "/dev/null", "x", 1, NULL), ENXIO,
          "/dev/null: open: it is not a regular file");
    fails(errand_file_append(pool, ".", "x", 1, NULL), EISDIR, ".: open: Is a directory");
}
END_TEST

START_TEST(lines_of_several_appenders_are_never_mixed)
{
    enum { LINES = 300 };
    errand_future *fs[LINES];
    char line[2000];
    for (size_t i = 0; i < LINES; i++) {
        size_t size = 1 + i * 37 % (sizeof line - 1);
        memset(line, 'a' + (int)(i % 26), size);
        line[size] = '\n';
        fs[i] = errand_file_append(pool, "log", line, size + 1, NULL);
    }
    for (size_t i = 0; i < LINES; i++) ENDS(fs[i], 0);
    FILE *log = fopen("log", "r");
    unsigned n = 0;
    for (char got[2100]; fgets(got, sizeof got, log); n++) {
        size_t same = strspn(got, (char[]){ got[0], '\0' });
        ck_assert_str_eq(got + same, "\n");
    }
    fclose(log);
    ck_assert_uint_eq(n, LINES);
}
END_TEST

/* No file of this process may become longer; Check has files of its own. */
enum { FULL = 1 << 20 };
static void files_are_full_at(rlim_t size)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static off_t size_of(const char *path)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_size;
}

START_TEST(an_append_that_fails_in_the_middle_takes_back_its_part)
{
    put("log", "");
    ck_assert_int_eq(truncate("log", FULL - 4), 0);
    files_are_full_at(FULL);
    errand_result r = errand_await(errand_file_append(pool, "log", "too long", 8, NULL));
    ck_assert_int_eq(r.error, EFBIG);
    ck_assert_str_eq(errand_result_message(&r), "log: write: File too large");
    ck_assert(!errand_result_may_have_run(&r));
    errand_result_free(&r);
    ck_assert_int_eq(size_of("log"), FULL - 4);
    ENDS(errand_file_append(pool, "log", "fits", 4, NULL), 0);
    ck_assert_int_eq(size_of("log"), FULL);
    files_are_full_at(RLIM_INFINITY);
}
END_TEST

START_TEST(an_append_beside_others_says_which_part_stays)
{
    put("log", "");
    ck_assert_int_eq(truncate("log", FULL - 4), 0);
    int other = open("log", O_RDONLY); /* as one that appends just now */
    ck_assert_int_eq(flock(other, LOCK_SH), 0);
    files_are_full_at(FULL);
    errand_result r = errand_await(errand_file_append(pool, "log", "too long", 8, NULL));
    ck_assert_int_eq(r.error, EFBIG);
    ck_assert_str_eq(errand_result_message(&r),
                     "log: write: File too large; 4 of 8 bytes stay in the file");
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    files_are_full_at(RLIM_INFINITY);
    ck_assert_int_eq(size_of("log"), FULL);
    close(other);
}
END_TEST

/* ---- replacing ---- */

START_TEST(a_replace_is_whole_and_keeps_links_and_modes)
{
    put("old", "old");
    ck_assert_int_eq(chmod("old", 0600), 0);
    ck_assert_int_eq(symlink("old", "link"), 0);
    ENDS(errand_file_replace(pool, "link", "new", 3, &(errand_file_opts){ .mode = 0644 }), 0);
    holds("old", "new");
    ck_assert_uint_eq(mode_of("old"), 0600);
    ENDS(errand_file_replace(pool, "made", "", 0, &(errand_file_opts){ .mode = 0640 }), 0);
    ck_assert_uint_eq(mode_of("made"), 0640);
    ENDS(errand_file_replace(pool, "made", "quick", 5,
                             &(errand_file_opts){ .sync = ERRAND_FILE_NO_SYNC }),
         0);
    holds("made", "quick");
    char *large = make_large("other");
    ENDS(errand_file_replace(pool, "made", large, LARGE, NULL), 0);
    free(large);
    ck_assert_int_eq(system("cmp made other"), 0);
    ck_assert_uint_eq(names_left(), 4);
}
END_TEST

START_TEST(a_replace_that_fails_changes_nothing)
{
    char *large = make_large("large");
    put("old", "old");
    ck_assert_int_eq(mkfifo("fifo", 0600), 0);
    files_are_full_at(FULL);
    fails(errand_file_replace(pool, "old", large, LARGE, NULL), EFBIG,
          "old: write: File too large");
    files_are_full_at(RLIM_INFINITY);
    free(large);
    fails(errand_file_replace(pool, "no/such", "new", 3, NULL), ENOENT,
          "no/such: open: No such file or directory");
    fails(errand_file_replace(pool, "fifo", "new", 3, NULL), ENXIO,
          "fifo: open: it is not a regular file");
    fails(errand_file_replace(pool, ".", "new", 3, NULL), EISDIR, ".: open: Is a directory");
    holds("old", "old");
    ck_assert_uint_eq(names_left(), 3);
}
END_TEST

START_TEST(a_replace_cancelled_before_it_runs_leaves_nothing)
{
    errand_pool *one = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    hold h = { 0 };
    put("old", "old");
    errand_future *held = errand_submit(one, hold_worker, &h);
    await_event(&h.began);
    errand_future *f = errand_file_replace(one, "old", "new", 3, NULL);
    errand_cancel(f);
    happen(&h.go);
    ENDS(held, 0);
    ENDS(f, ECANCELED);
    close_pool(one);
    holds("old", "old");
    ck_assert_uint_eq(names_left(), 1);
}
END_TEST

/* ---- copying ---- */

static void read_all(int fd, char *at, size_t size)
{
    for (ssize_t n; size; at += n, size -= (size_t)n) {
        n = read(fd, at, size);
        ck_assert_int_gt(n, 0);
    }
}

static void copies_to(const int fds[2])
{
    char *large = make_large("large"), *got = malloc(LARGE + 1);
    errand_future *f = errand_file_copy_to(pool, "large", fds[1], NULL);
    read_all(fds[0], got, LARGE);
    got[LARGE] = '\0';
    ck_assert_str_eq(got, large);
    ck_assert_uint_eq(bytes_copied(f), LARGE);
    free(large);
    free(got);
    for (int i = 0; i < 2; i++) close(fds[i]);
}

START_TEST(a_file_is_copied_to_pipes_sockets_and_files)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    copies_to(fds);
    ck_assert_int_eq(pipe(fds), 0);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    copies_to(fds);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    copies_to(fds);
    int fd = open("copy", O_RDWR | O_CREAT, 0600);
    ck_assert_uint_eq(bytes_copied(errand_file_copy_to(pool, "large", fd, NULL)), LARGE);
    ck_assert_int_eq(system("cmp large copy"), 0);
    fails(errand_file_copy_to(pool, "copy", fd, NULL), EINVAL,
          "copy: it is the file of the descriptor itself");
    fails(errand_file_copy_to(pool, "large", fd, &(errand_file_opts){ .max = 10 }), EFBIG,
          "large: it has 3000000 bytes, and the limit is 10");
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), (off_t)LARGE);
    close(fd);
    fails(errand_file_copy_to(pool, "large", fd, NULL), EBADF,
          "large: descriptor: Bad file descriptor");
}
END_TEST

static void comes_from(const int fds[2], const errand_file_opts *opts)
{
    char *large = make_large("large");
    errand_future *f = errand_file_copy_from(pool, "copy", fds[0], opts);
    for (size_t done = 0; done < LARGE;) {
        ssize_t n = write(fds[1], large + done, LARGE - done);
        ck_assert_int_gt(n, 0);
        done += (size_t)n;
    }
    close(fds[1]);
    ck_assert_uint_eq(bytes_copied(f), LARGE);
    close(fds[0]);
    free(large);
    ck_assert_int_eq(system("cmp large copy"), 0);
}

START_TEST(a_file_is_made_of_what_a_pipe_socket_or_file_gives)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    comes_from(fds, &(errand_file_opts){ .max = LARGE, .mode = 0600 });
    ck_assert_uint_eq(mode_of("copy"), 0600);
    ck_assert_int_eq(pipe(fds), 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    comes_from(fds, NULL);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    comes_from(fds, &(errand_file_opts){ .sync = ERRAND_FILE_NO_SYNC });
    int fd = open("large", O_RDONLY);
    ck_assert_uint_eq(bytes_copied(errand_file_copy_from(pool, "more", fd, NULL)), LARGE);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    errand_result r =
        errand_await(errand_file_copy_from(pool, "more", fd, &(errand_file_opts){ .max = 99 }));
    ck_assert_int_eq(r.error, EFBIG);
    ck_assert_str_eq(errand_result_message(&r),
                     "more: it has at least 100 bytes, and the limit is 99");
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    close(fd);
    ck_assert_int_eq(system("cmp large more"), 0);
    ENDS(errand_file_copy_from(pool, "more", fd, NULL), EBADF);
    ck_assert_uint_eq(names_left(), 3);
}
END_TEST

START_TEST(a_peer_that_is_gone_is_EPIPE_and_no_signal)
{
    struct sigaction deadly = { .sa_handler = SIG_DFL };
    sigaction(SIGPIPE, &deadly, NULL);
    /* on the calling thread, which blocks no signals */
    errand_pool *full = errand_pool_new(&(errand_pool_opts){
        .workers = 1, .queue = 1, .when_full = ERRAND_WHEN_FULL_CALLER_RUNS });
    hold h = { 0 };
    errand_future *held = errand_submit(full, hold_worker, &h);
    await_event(&h.began);
    errand_future *waits = errand_sleep(full, 0), *queued = errand_submit(full, hold_worker, &h);
    put("file", "some text");
    int fds[2];
    for (int socket = 0; socket < 2; socket++) {
        ck_assert_int_eq(socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds), 0);
        close(fds[0]);
        fails(errand_file_copy_to(pool, "file", fds[1], NULL), EPIPE, "file: write: Broken pipe");
        errand_future *f = errand_file_copy_to(full, "file", fds[1], NULL);
        ck_assert(errand_done(f));
        fails(f, EPIPE, "file: write: Broken pipe");
        close(fds[1]);
    }
    sigset_t pending;
    sigpending(&pending);
    ck_assert(!sigismember(&pending, SIGPIPE));
    happen(&h.go);
    ENDS(held, 0);
    ENDS(waits, 0);
    ENDS(queued, 0);
    close_pool(full);
}
END_TEST

START_TEST(a_cancel_ends_a_copy_that_waits_for_room)
{
    int fds[2];
    char first;
    free(make_large("large"));
    ck_assert_int_eq(pipe(fds), 0);
    errand_future *f = errand_file_copy_to(pool, "large", fds[1], NULL);
    read_all(fds[0], &first, 1); /* it runs, and cannot come to its end */
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_CALLER);
    ck_assert(errand_result_may_have_run(&r));
    ck_assert_msg(strstr(errand_result_message(&r), "large: copy: Operation canceled, after "),
                  "%s", errand_result_message(&r));
    errand_result_free(&r);
    for (int i = 0; i < 2; i++) close(fds[i]);
}
END_TEST

/* Until the other side has taken all that was written. */
static void await_taken(int fd)
{
    for (int left = 1; left; sched_yield()) ck_assert_int_eq(ioctl(fd, FIONREAD, &left), 0);
}

START_TEST(a_cancel_ends_a_copy_that_waits_for_bytes)
{
    int fds[2];
    put("old", "old");
    ck_assert_int_eq(pipe(fds), 0);
    errand_future *f = errand_file_copy_from(pool, "old", fds[0], NULL);
    ck_assert_int_eq(write(fds[1], "new", 3), 3);
    await_taken(fds[0]);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert(errand_result_may_have_run(&r));
    errand_result_free(&r);
    holds("old", "old");
    ck_assert_uint_eq(names_left(), 1);
    for (int i = 0; i < 2; i++) close(fds[i]);
}
END_TEST

START_TEST(a_deadline_ends_a_copy_that_waits)
{
    test_clock t;
    test_clock_start(&t);
    errand_pool *timed = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t.clock });
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    errand_frame frame;
    errand_enter(&frame, LONG_MS, false);
    errand_future *f = errand_file_copy_from(timed, "new", fds[0], NULL);
    errand_leave(&frame);
    ck_assert_int_eq(write(fds[1], "new", 3), 3);
    await_taken(fds[0]);
    turn(&t, timed, 2 * LONG_MS);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ETIMEDOUT);
    ck_assert_int_eq(errand_result_reason(&r), ERRAND_BY_TOTAL);
    errand_result_free(&r);
    close_pool(timed);
    for (int i = 0; i < 2; i++) close(fds[i]);
    ck_assert_uint_eq(names_left(), 0);
}
END_TEST

START_TEST(a_pool_that_closes_ends_its_copies)
{
    errand_pool *closing = errand_pool_new(NULL);
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    errand_future *f = errand_file_copy_from(closing, "new", fds[0], NULL);
    ck_assert_int_eq(write(fds[1], "new", 3), 3);
    await_taken(fds[0]);
    close_and_cancel(closing);
    ENDS(f, ECANCELED);
    for (int i = 0; i < 2; i++) close(fds[i]);
}
END_TEST

START_TEST(a_copy_that_waits_lends_its_worker)
{
    errand_pool *one = errand_pool_new(&(errand_pool_opts){ .workers = 1 });
    int fds[2];
    free(make_large("large"));
    ck_assert_int_eq(pipe(fds), 0);
    errand_future *from = errand_file_copy_from(one, "copy", fds[0], NULL);
    ck_assert_uint_eq(bytes_copied(errand_file_copy_to(one, "large", fds[1], NULL)), LARGE);
    close(fds[1]);
    ck_assert_uint_eq(bytes_copied(from), LARGE);
    close(fds[0]);
    close_pool(one);
    ck_assert_int_eq(system("cmp large copy"), 0);
}
END_TEST

/* ---- what is not there: a parent's pool, memory ---- */

static unsigned freed;
static int child_fails(void)
{
    errand_file_opts owned = { .free = free_counts, .owner = &freed };
    if (code_of(errand_file_read(pool, "file", NULL)) != ERRAND_EFORKED) return 1;
    if (code_of(errand_file_append(pool, "file", "x", 1, &owned)) != ERRAND_EFORKED) return 2;
    if (code_of(errand_file_replace(pool, "file", "x", 1, NULL)) != ERRAND_EFORKED) return 3;
    if (code_of(errand_file_copy_to(pool, "file", 1, NULL)) != ERRAND_EFORKED) return 4;
    if (code_of(errand_file_copy_from(pool, "file", 0, NULL)) != ERRAND_EFORKED) return 5;
    return freed != 1;
}

START_TEST(in_a_child_process_files_fail)
{
    in_child(child_fails);
    ck_assert_uint_eq(names_left(), 0);
}
END_TEST

/* All five, the n-th allocation of this thread failing (0: none). Returns how many have failed, for
 * want of memory alone. */
static unsigned use_all(unsigned n)
{
    int fds[2], codes[5];
    unsigned failed = 0;
    errand_file_opts owned = { .free = free_counts, .owner = &freed };
    ck_assert_int_eq(pipe(fds), 0);
    put("file", "some text");
    memory_fails_at(n);
    codes[0] = code_of(errand_file_read(pool, "file", NULL));
    codes[1] = code_of(errand_file_append(pool, "file", "x", 1, &owned));
    codes[2] = code_of(errand_file_replace(pool, "file", "some text", 9, NULL));
    codes[3] = code_of(errand_file_copy_to(pool, "file", fds[1], NULL));
    close(fds[1]);
    codes[4] = code_of(errand_file_copy_from(pool, "file", fds[0], NULL));
    memory_fails_at(0);
    close(fds[0]);
    for (int i = 0; i < 5; i++) {
        ck_assert_msg(!codes[i] || codes[i] == ENOMEM, "%d: %d", i, codes[i]);
        failed += codes[i] == ENOMEM;
    }
    return failed;
}

START_TEST(without_memory_files_fail_and_leak_nothing)
{
    unsigned failed = 0, rounds = 1;
    freed = 0;
    ck_assert_uint_eq(use_all(0), 0);
    memory_fails(3); /* on the workers */
    for (; rounds < 100; rounds++) failed += use_all(0);
    memory_fails(0);
    ck_assert_uint_gt(failed, 50);
    for (unsigned n = 1; n < 60; n++, rounds++) ck_assert_uint_le(use_all(n), 1);
    ck_assert_uint_eq(freed, rounds);
    ck_assert_uint_le(names_left(), 1);
}
END_TEST

Suite *files_suite(void)
{
    Suite *suite = suite_create("files");
    TCase *tests = case_of(suite, "files");
    tcase_add_checked_fixture(tests, open_all, close_all);
    tcase_add_test(tests, a_file_is_read_whole);
    tcase_add_test(tests, a_file_that_hides_its_size_is_read_whole);
    tcase_add_test(tests, a_read_says_what_is_wrong_with_its_file);
    tcase_add_test(tests, a_relative_path_means_the_folder_of_the_call);
    tcase_add_test(tests, a_call_without_sense_fails_at_once);
    tcase_add_test(tests, data_is_copied_or_freed_once);
    tcase_add_test(tests, an_append_makes_its_file_with_a_mode);
    tcase_add_test(tests, lines_of_several_appenders_are_never_mixed);
    tcase_add_test(tests, an_append_that_fails_in_the_middle_takes_back_its_part);
    tcase_add_test(tests, an_append_beside_others_says_which_part_stays);
    tcase_add_test(tests, a_replace_is_whole_and_keeps_links_and_modes);
    tcase_add_test(tests, a_replace_that_fails_changes_nothing);
    tcase_add_test(tests, a_replace_cancelled_before_it_runs_leaves_nothing);
    tcase_add_test(tests, a_file_is_copied_to_pipes_sockets_and_files);
    tcase_add_test(tests, a_file_is_made_of_what_a_pipe_socket_or_file_gives);
    tcase_add_test(tests, a_peer_that_is_gone_is_EPIPE_and_no_signal);
    tcase_add_test(tests, a_cancel_ends_a_copy_that_waits_for_room);
    tcase_add_test(tests, a_cancel_ends_a_copy_that_waits_for_bytes);
    tcase_add_test(tests, a_deadline_ends_a_copy_that_waits);
    tcase_add_test(tests, a_pool_that_closes_ends_its_copies);
    tcase_add_test(tests, a_copy_that_waits_lends_its_worker);
    tcase_add_test(tests, in_a_child_process_files_fail);
    tcase_add_test(tests, without_memory_files_fail_and_leak_nothing);
    return suite;
}
