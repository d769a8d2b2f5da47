/* A file that replaces a path atomically: it follows links, keeps mode and owner, and is unnamed
 * until then. */
#include "bases.h"

#include "base/save.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/errand-saves-XXXXXX";
static char target[400];

/* Simulates a file system without O_TMPFILE, if set. */
static bool all_named;
int __real_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (all_named && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return __real_openat(at, path, flags, mode);
}

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    snprintf(target, sizeof target, "%s/target", folder);
}

static void remove_folder(void)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        ck_assert_ptr_null(strstr(entry->d_name, ".tmp"));
        if (unlink(entry->d_name)) rmdir(entry->d_name);
    }
    closedir(dir);
    ck_assert_int_eq(rmdir(folder), 0);
}

static unsigned entries(void)
{
    DIR *dir = opendir(folder);
    unsigned n = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(dir);
    return n;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void whole(const char *path, const char *text)
{
    char got[64] = "";
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fread(got, 1, sizeof got - 1, file), strlen(text));
    fclose(file);
    ck_assert_str_eq(got, text);
}

static void save(const char *path, const char *text)
{
    er_save file;
    ck_assert_int_eq(er_save_open(&file, path), 0);
    ck_assert_int_eq(fcntl(file.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(er_file_write(file.fd, text, strlen(text), NULL), 0);
    ck_assert_int_eq(er_save_keep(&file), 0);
    ck_assert_int_eq(file.fd, -1);
    ck_assert_ptr_null(file.target);
    er_save_drop(&file);
    whole(path, text);
}

START_TEST(a_save_creates_or_replaces_a_file_atomically)
{
    all_named = _i;
    save(target, "first");
    ck_assert_uint_eq(entries(), 1);
    save(target, "the second");
    save("target", "by a path without a folder");
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(a_dropped_save_leaves_no_file)
{
    all_named = _i;
    er_save files[20];
    for (int i = 0; i < 20; i++) ck_assert_int_eq(er_save_open(&files[i], target), 0);
    ck_assert_uint_eq(entries(), all_named ? 20 : 0);
    for (int i = 0; i < 20; i++) er_save_drop(&files[i]);
    ck_assert_uint_eq(entries(), 0);
}
END_TEST

START_TEST(a_name_may_have_the_longest_length)
{
    char name[256];
    all_named = _i;
    memset(name, 'x', 255);
    name[255] = '\0';
    snprintf(target, sizeof target, "%s/%s", folder, name);
    save(target, "first");
    save(target, "second");
    name[254] = '\0';
    save(name, "and shorter");
}
END_TEST

START_TEST(a_save_follows_symbolic_links)
{
    struct stat about;
    all_named = _i;
    ck_assert_int_eq(mkdir("deep", 0755), 0);
    ck_assert_int_eq(symlink("deep/second", "link"), 0);
    ck_assert_int_eq(symlink("../third", "deep/second"), 0); /* a dangling link */
    save("link", "made");
    whole("third", "made");
    save("link", "replaced");
    whole("third", "replaced");
    ck_assert(!lstat("link", &about) && S_ISLNK(about.st_mode));
    ck_assert(!lstat("deep/second", &about) && S_ISLNK(about.st_mode));
    unlink("deep/second");
    ck_assert_int_eq(symlink("../link", "deep/second"), 0);
    er_save file;
    ck_assert_int_eq(er_save_open(&file, "link"), ELOOP);
    unlink("deep/second");
}
END_TEST

START_TEST(a_save_keeps_mode_and_owner)
{
    struct stat about;
    mode_t mask = umask(027);
    all_named = _i;
    save(target, "first");
    ck_assert(!stat(target, &about) && (about.st_mode & 07777) == 0640);
    ck_assert_int_eq(chmod(target, 04611), 0);
    bool root = !geteuid();
    if (root) ck_assert(!chown(target, 4711, 4712) && !chmod(target, 04611));
    save(target, "second");
    ck_assert(!stat(target, &about) && (about.st_mode & 07777) == 0611); /* without set-user-ID */
    ck_assert_uint_eq(about.st_uid, root ? 4711 : geteuid());
    ck_assert(!root || about.st_gid == 4712);
    umask(mask);
}
END_TEST

START_TEST(a_save_refuses_other_than_regular_files)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "socket" };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(mkfifo("fifo", 0644), 0);
    ck_assert_int_eq(mkdir("inner", 0755), 0);
    put("plain", "");
    ck_assert_int_eq(symlink("fifo", "link"), 0);
    const struct {
        const char *path;
        int error;
    } refused[] = { { "fifo", ENXIO },     { "socket", ENXIO },     { "/dev/null", ENXIO },
                    { "link", ENXIO },     { "inner", EISDIR },     { "inner/", EISDIR },
                    { "inner/.", EISDIR }, { ".", EISDIR },         { "/", EISDIR },
                    { "none/", ENOENT },   { "none/file", ENOENT }, { "plain/", ENOTDIR },
                    { "", ENOENT } };
    unsigned before = entries();
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        er_save file;
        int error = er_save_open(&file, refused[i].path);
        ck_assert_msg(error == refused[i].error, "%s: %s", refused[i].path, strerror(error));
        ck_assert_ptr_null(file.target);
        ck_assert_int_eq(file.fd, -1);
    }
    ck_assert_uint_eq(entries(), before);
    close(fd);
}
END_TEST

START_TEST(a_save_keeps_an_obstacle_made_meanwhile)
{
    er_save file;
    struct stat about;
    all_named = _i;
    ck_assert_int_eq(er_save_open(&file, target), 0);
    ck_assert_int_eq(mkfifo(target, 0644), 0);
    ck_assert_int_eq(er_save_keep(&file), ENXIO);
    ck_assert(!lstat(target, &about) && S_ISFIFO(about.st_mode));
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

Suite *saves_suite(void)
{
    Suite *suite = suite_create("saves");
    TCase *tc = tcase_create("saves");
    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_loop_test(tc, a_save_creates_or_replaces_a_file_atomically, 0, 2);
    tcase_add_loop_test(tc, a_dropped_save_leaves_no_file, 0, 2);
    tcase_add_loop_test(tc, a_name_may_have_the_longest_length, 0, 2);
    tcase_add_loop_test(tc, a_save_follows_symbolic_links, 0, 2);
    tcase_add_loop_test(tc, a_save_keeps_mode_and_owner, 0, 2);
    tcase_add_test(tc, a_save_refuses_other_than_regular_files);
    tcase_add_loop_test(tc, a_save_keeps_an_obstacle_made_meanwhile, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
