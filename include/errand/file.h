/** errand/file.h -- files read and written by tasks, as futures.
 *
 *     errand_future *f = errand_file_read(pool, "data.json", NULL);
 *     errand_result  r = errand_await(f);
 *     const errand_file_content *c = r.value;              c->data, c->size
 *     if (r.error) puts(errand_result_message(&r));         data.json: open: No such file or
 * directory errand_result_free(&r);
 *
 * Each call is one task of the pool: it inherits as errand_submit() says, holds a worker while it
 * runs, and can be cancelled. Paths are copied; relative ones mean the working directory at the
 * call. Failures name the path as it was given, the step and the system's error.
 *
 * A path names a regular file, or a link to one; folders are EISDIR, FIFOs, sockets and devices
 * ENXIO. Files of /proc and /sys, whose size is said to be 0, are read to their end.
 *
 * A cancel or deadline ends a call between two pieces of at most 1 MiB; a copy also while it waits
 * for its descriptor. A single call of the system is never interrupted: a file system that hangs
 * holds its worker.
 */
#ifndef ERRAND_FILE_H
#define ERRAND_FILE_H

#include <errand/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Whether a write ends only when the disk has it. */
typedef enum errand_file_sync {
    /* errand_file_replace() and errand_file_copy_from() sync, errand_file_append() does not */
    ERRAND_FILE_SYNC_DEFAULT,
    ERRAND_FILE_SYNC, /* fsync; where a file is new or replaced, its folder, too */
    ERRAND_FILE_NO_SYNC
} errand_file_sync;

/** Options of the functions below; each uses those that it has a use for. */
typedef struct errand_file_opts {
    /* bytes that are read or copied at most; more are EFBIG. 0: 64 MiB for errand_file_read(), no
     * limit for copies */
    uint64_t max;
    unsigned mode; /* permissions of a file that is made, less umask; 0: 0644 */
    errand_file_sync sync;
    /* errand_file_append(), errand_file_replace(): `data` is not copied, and free(owner) is called
     * once when it is not needed any more, also if the call fails. NULL: `data` is copied */
    errand_free_fn *free;
    void *owner; /* NULL: `data` */
} errand_file_opts;

/** What a file held. */
typedef struct errand_file_content {
    const char *data; /* a NUL stands behind it */
    size_t size;      /* without that NUL */
} errand_file_content;

/** What was copied. */
typedef struct errand_file_copied {
    uint64_t size; /* bytes */
} errand_file_copied;

/**
 * Reads a whole file.
 *
 * The value is an errand_file_content; freeing the result frees it. A file that grows or shrinks
 * meanwhile is read up to the end that it has then. `opts` may be NULL.
 *
 * Returns a future, never NULL, which fails as one of errand_submit() does, or with
 *   EFBIG     the file has more bytes than `max`
 *   EISDIR    it is a folder
 *   ENXIO     it is a FIFO, a socket or a device
 *   ENOENT    there is no such file; other errors of open(2) and read(2) are passed on likewise
 *   EINVAL    `path` is NULL, or an option is out of range
 *   ENOTSUP   `opts` has fields that this library does not know
 */
static inline errand_future *errand_file_read(errand_pool *pool, const char *path,
                                              const errand_file_opts *opts);

/**
 * Appends `size` bytes to a file, which is made if it is not there.
 *
 * They are written in one call of the system (up to 2 GiB, on a local file system), so that they
 * are never mixed with what others append. If the disk becomes full in the middle of them, the part
 * that was written is taken back, unless others have appended since: then the message has its size,
 * and errand_result_may_have_run() is true. It has no value. `opts` may be NULL.
 *
 * Returns a future, never NULL, which fails as one of errand_submit() does, or with
 *   ENOSPC    the disk is full; EDQUOT, EFBIG: a quota or a limit of the system is reached
 *   EISDIR    it is a folder
 *   ENXIO     it is a FIFO, a socket or a device
 *   EACCES    not allowed; other errors of open(2), write(2) and fsync(2) are passed on likewise
 *   EINVAL    `path` is NULL, `data` is NULL and `size` is not 0, or an option is out of range
 *   ENOTSUP   `opts` has fields that this library does not know
 */
static inline errand_future *errand_file_append(
    errand_pool *pool, const char *path, const void *data, size_t size,
    const errand_file_opts *opts);

/**
 * Replaces a file's content by `size` bytes, as a whole or not at all; makes it if it is not there.
 *
 * They are written to a file in the same folder that has no name yet, or a temporary one, which is
 * synced and then takes the place of the old one; then the folder is synced (a file system that
 * cannot do that is no failure). On any error the old file is unchanged and the new one is gone.
 * Owner, group and permissions of an old file stay, and links to it still lead to it, but other
 * hard links keep the old content. It has no value. `opts` may be NULL.
 *
 * Returns a future, never NULL, which fails as one of errand_submit() does, or with
 *   ENOSPC    the disk is full; EDQUOT, EFBIG: a quota or a limit of the system is reached
 *   EISDIR    it is a folder
 *   ENXIO     it is a FIFO, a socket or a device
 *   EPERM     the old file's owner cannot be kept
 *   ENOENT    its folder is not there; other errors of open(2), write(2), fsync(2) and rename(2)
 *             are passed on likewise
 *   EINVAL    `path` is NULL, `data` is NULL and `size` is not 0, or an option is out of range
 *   ENOTSUP   `opts` has fields that this library does not know
 */
static inline errand_future *errand_file_replace(
    errand_pool *pool, const char *path, const void *data, size_t size,
    const errand_file_opts *opts);

/**
 * Copies a file to a descriptor: a file, a pipe, a socket, a terminal.
 *
 * `fd` stays the caller's, blocking or not as it is, and open until the future has ended; no other
 * thread writes to it meanwhile. The value is an errand_file_copied. If it fails or is cancelled in
 * the middle, the message says how far it came, and errand_result_may_have_run() is true. `opts`
 * may be NULL.
 *
 * Returns a future, never NULL, which fails as one of errand_submit() does, or with
 *   EPIPE     what `fd` leads to is closed at its other end; SIGPIPE is not sent
 *   EFBIG     the file has more bytes than `max`; if its size says so, nothing was copied
 *   EISDIR    `path` is a folder
 *   ENXIO     `path` is a FIFO, a socket or a device
 *   EBADF     `fd` is not open, or not for writing
 *   ENOENT    there is no such file; other errors of open(2), read(2) and write(2) are passed on
 *             likewise
 *   EINVAL    `path` is NULL or is the file of `fd` itself, or an option is out of range
 *   ENOTSUP   `opts` has fields that this library does not know
 */
static inline errand_future *errand_file_copy_to(errand_pool *pool, const char *path, int fd,
                                                 const errand_file_opts *opts);

/**
 * Copies all that a descriptor gives, up to its end, to a file, which appears under its path as a
 * whole or not at all, as with errand_file_replace().
 *
 * `fd` stays the caller's, blocking or not as it is, and open until the future has ended; no other
 * thread reads from it meanwhile. The value is an errand_file_copied. If it fails or is cancelled
 * when bytes have been taken from `fd`, errand_result_may_have_run() is true. `opts` may be NULL.
 *
 * Returns a future, never NULL, which fails as one of errand_submit() does, or with
 *   EFBIG     there are more bytes than `max`, or than a limit of the system
 *   ENOSPC    the disk is full; EDQUOT: a quota is reached
 *   EISDIR    `path` is a folder
 *   ENXIO     `path` is a FIFO, a socket or a device
 *   EPERM     the old file's owner cannot be kept
 *   EBADF     `fd` is not open, or not for reading
 *   ENOENT    the folder of `path` is not there; other errors of open(2), read(2), write(2),
 *             fsync(2) and rename(2) are passed on likewise
 *   EINVAL    `path` is NULL, or an option is out of range
 *   ENOTSUP   `opts` has fields that this library does not know
 */
static inline errand_future *errand_file_copy_from(errand_pool *pool, const char *path, int fd,
                                                   const errand_file_opts *opts);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_future *errand_file_read_sized(errand_pool *pool, const char *path,
                                                 const errand_file_opts *opts, size_t opts_size);

static inline errand_future *errand_file_read(errand_pool *pool, const char *path,
                                              const errand_file_opts *opts)
{
    return errand_file_read_sized(pool, path, opts, sizeof *opts);
}

ERRAND_API errand_future *errand_file_append_sized(
    errand_pool *pool, const char *path, const void *data, size_t size,
    const errand_file_opts *opts, size_t opts_size);

static inline errand_future *errand_file_append(
    errand_pool *pool, const char *path, const void *data, size_t size,
    const errand_file_opts *opts)
{
    return errand_file_append_sized(pool, path, data, size, opts, sizeof *opts);
}

ERRAND_API errand_future *errand_file_replace_sized(
    errand_pool *pool, const char *path, const void *data, size_t size,
    const errand_file_opts *opts, size_t opts_size);

static inline errand_future *errand_file_replace(
    errand_pool *pool, const char *path, const void *data, size_t size,
    const errand_file_opts *opts)
{
    return errand_file_replace_sized(pool, path, data, size, opts, sizeof *opts);
}

ERRAND_API errand_future *errand_file_copy_to_sized(errand_pool *pool, const char *path, int fd,
                                                    const errand_file_opts *opts, size_t opts_size);

static inline errand_future *errand_file_copy_to(errand_pool *pool, const char *path, int fd,
                                                 const errand_file_opts *opts)
{
    return errand_file_copy_to_sized(pool, path, fd, opts, sizeof *opts);
}

ERRAND_API errand_future *errand_file_copy_from_sized(
    errand_pool *pool, const char *path, int fd, const errand_file_opts *opts, size_t opts_size);

static inline errand_future *errand_file_copy_from(errand_pool *pool, const char *path, int fd,
                                                   const errand_file_opts *opts)
{
    return errand_file_copy_from_sized(pool, path, fd, opts, sizeof *opts);
}

#ifdef __cplusplus
}
#endif
#endif
