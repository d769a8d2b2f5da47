/* base/save.c -- written without a name, linked and renamed when it is whole.
 *
 *   open: O_TMPFILE in the target's folder --> write --> keep: fsync, linkat .errand-X.tmp,
 *                |  not supported there                        rename over the target, fsync folder
 *                +--> .errand-X.tmp from the beginning       (no target yet: linkat to its name)
 *
 * A file without a name goes with the process that has it open, however that ends. linkat cannot
 * replace, so where there is a file already the new one has a name of its own for the moment
 * between two system calls; a process that is killed just then leaves it. File systems without
 * O_TMPFILE (NFS, some FUSE), and machines without /proc, through which a descriptor is linked,
 * have a named file all the time.
 *
 * The name is short, so that a target's may be as long as the system takes; it is used relative
 * to the opened folder, so that the path may be, too. Links are followed here, step by step, so
 * that what is replaced is the file and not the link; for a dangling link the file is made. The
 * target is checked again before it is replaced. */
#include "base/save.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS = 40 }; /* as many as the kernel follows */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int open_folder(const char *path, int *fd)
{
    size_t size = (size_t)(last_part(path) - path);
    char *folder = size ? er_copy_bytes(path, size) : er_copy_text(".");
    int error = folder ? er_file_open(folder, O_PATH | O_DIRECTORY, fd) : ENOMEM;
    er_free(folder);
    return error;
}

static int check_kind(mode_t mode)
{
    if (S_ISREG(mode)) return 0;
    return S_ISDIR(mode) ? EISDIR : ENXIO;
}

/* One link of *path followed: ENOENT where there is nothing, EINVAL where there is no link. */
static int follow(char **path)
{
    char to[PATH_MAX];
    ssize_t size = readlink(*path, to, sizeof to - 1);
    if (size < 0) return errno;
    to[size] = '\0';
    size_t folder = to[0] == '/' ? 0 : (size_t)(last_part(*path) - *path),
           room = folder + (size_t)size + 1;
    char *next = er_alloc(room);
    if (!next) return ENOMEM;
    snprintf(next, room, "%.*s%s", (int)folder, *path, to);
    er_free(*path);
    *path = next;
    return 0;
}

/* Where path leads, and what is there: old->st_mode 0: nothing. */
static int resolve(const char *path, char **target, struct stat *old)
{
    *old = (struct stat){ 0 };
    if (!stat(path, old)) { /* also for /proc/self/fd, where links are no paths */
        int error = check_kind(old->st_mode);
        if (error) return error;
    } else if (errno != ENOENT) {
        return errno;
    }
    if (!*last_part(path)) return ENOENT; /* a folder that is not there */
    *target = er_copy_text(path);
    int error = *target ? 0 : ENOMEM;
    for (int links = 0; !error; links++) error = links < LINKS ? follow(target) : ELOOP;
    if (error == EINVAL || error == ENOENT) return 0;
    er_free(*target);
    *target = NULL;
    return error;
}

static void new_name(er_save *save)
{
    snprintf(save->name, sizeof save->name, ".errand-%016llx.tmp", (unsigned long long)er_random());
}

static int open_part(er_save *save, int folder, mode_t mode)
{
    if (!access("/proc/self/fd", X_OK)) {
        do save->fd = openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
        while (save->fd < 0 && errno == EINTR);
        if (save->fd >= 0) return 0;
    }
    do {
        new_name(save);
        save->fd = openat(folder, save->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    } while (save->fd < 0 && (errno == EINTR || errno == EEXIST));
    if (save->fd >= 0) return 0;
    int error = errno;
    save->name[0] = '\0';
    return error;
}

static int be_like(int fd, const struct stat *old)
{
    struct stat now;
    if (!old->st_mode) return 0;
    if (fstat(fd, &now)) return errno;
    bool given = now.st_uid != old->st_uid || now.st_gid != old->st_gid;
    if (given && fchown(fd, old->st_uid, old->st_gid)) return errno;
    mode_t mode = old->st_mode & 0777; /* set-user-ID and set-group-ID go with the old content */
    return (now.st_mode & 0777) != mode && fchmod(fd, mode) ? errno : 0;
}

int er_save_open_as(er_save *save, const char *path, unsigned mode)
{
    struct stat old;
    int folder = -1;
    *save = ER_SAVE_NONE;
    int error = resolve(path, &save->target, &old);
    if (!error) error = open_folder(save->target, &folder);
    if (!error) error = open_part(save, folder, (mode_t)mode);
    if (!error) error = be_like(save->fd, &old);
    if (folder >= 0) er_file_close(folder);
    if (error) er_save_drop(save);
    return error;
}

int er_save_open(er_save *save, const char *path) { return er_save_open_as(save, path, 0644); }

/* Gives a file without a name one: the target's, if that is free, else its own. *done: nothing
 * needs to be replaced. */
static int name_it(er_save *save, int folder, bool *done)
{
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", save->fd);
    *done = !linkat(AT_FDCWD, self, folder, last_part(save->target), AT_SYMLINK_FOLLOW);
    if (*done) return 0;
    while (errno == EEXIST) {
        new_name(save);
        if (!linkat(AT_FDCWD, self, folder, save->name, AT_SYMLINK_FOLLOW)) return 0;
    }
    save->name[0] = '\0';
    return errno;
}

static int replace(er_save *save, int folder)
{
    struct stat now;
    const char *target = last_part(save->target);
    int error = fstatat(folder, target, &now, AT_SYMLINK_NOFOLLOW) ? 0 : check_kind(now.st_mode);
    if (!error && renameat(folder, save->name, folder, target)) error = errno;
    if (!error) save->name[0] = '\0';
    return error;
}

int er_save_keep(er_save *save)
{
    int folder = -1, folder_error = 0;
    bool done = false;
    int error = save->unsynced ? 0 : er_file_sync(save->fd);
    if (!error) error = open_folder(save->target, &folder);
    if (!error && !*save->name) error = name_it(save, folder, &done);
    if (!error && !done) error = replace(save, folder);
    /* the new name is on disk only when its folder is */
    if (!error && !save->unsynced) folder_error = er_folder_sync(folder);
    if (folder >= 0) er_file_close(folder);
    er_save_drop(save);
    save->folder_error = folder_error;
    return error;
}

void er_save_drop(er_save *save)
{
    int folder;
    if (*save->name && save->target && !open_folder(save->target, &folder)) {
        unlinkat(folder, save->name, 0);
        er_file_close(folder);
    }
    if (save->fd >= 0) er_file_close(save->fd);
    er_free(save->target);
    *save = ER_SAVE_NONE;
}
