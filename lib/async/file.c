/* async/file.c -- files read and written by tasks.
 *
 *     call: path made absolute, data copied or taken over --task--> run: open, look, then
 *         read       read to the end, into one piece of memory that is the value
 *         append     one write; a part of it is taken back
 *         replace    base/save.h: written beside the file, synced, put in its place
 *         copy to    read a piece, wait for room, write it ...       into the descriptor
 *         copy from  wait for bytes, read a piece, write it ...      into base/save.h
 *
 * An operation is made by the call, read by its task alone, and freed with the task's arg. Nothing
 * is opened before the task runs, so a cancel before that leaves nothing to undo.
 *
 * Only a file is opened here, never a FIFO: opening is O_NONBLOCK, and what is no regular file is
 * refused. A descriptor of the caller's may block without limit, so a copy waits for it with poll,
 * beside a pipe of its own that a cancel hook writes to; the worker is lent meanwhile. Pipe and
 * hook are made when a copy has to wait for the first time.
 *
 * Appenders share a lock on the file, which says nothing to others; one whose write came in part
 * (a full disk) takes it back only if it gets the lock alone: then no other is at work. */
#include "async/park.h"
#include "async/submit.h"

#include "base/options.h"
#include "base/save.h"

#include <errand/file.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#define READ_MOST  ((uint64_t)64 << 20)
#define PIECE      ((size_t)1 << 20)
#define COPY_PIECE ((size_t)64 << 10)

typedef struct file_op {
    char *path;       /* absolute */
    const char *name; /* the path as it was given: the end of `path` */
    const char *data;
    size_t size;
    int fd; /* the caller's */
    errand_file_opts opts;
} file_op;

/* ---- failures ---- */

static errand_result op_failed(const file_op *op, const char *step, int error)
{
    return errand_failf(error, "%s: %s: %s", op->name, step,
                        error == ENXIO ? "it is not a regular file" : errand_strerror(error));
}

/* The same, after `done` bytes. */
static errand_result op_failed_after(const file_op *op, const char *step, int error, uint64_t done)
{
    if (!done) return op_failed(op, step, error);
    errand_result r = errand_failf(error, "%s: %s: %s, after %" PRIu64 " bytes", op->name, step,
                                   errand_strerror(error), done);
    er_result_may_have_run(&r);
    return r;
}

static errand_result op_too_large(const file_op *op, uint64_t size, uint64_t max, uint64_t done)
{
    errand_result r =
        errand_failf(EFBIG, "%s: it has %s%" PRIu64 " bytes, and the limit is %" PRIu64, op->name,
                     size > max + 1 ? "" : "at least ", size, max);
    if (done) er_result_may_have_run(&r);
    return r;
}

/* Success: the task is not cancelled, and its deadline has not passed. */
static errand_result op_stopped(const file_op *op, uint64_t done)
{
    errand_reason reason = errand_cancelled();
    if (!reason) return errand_ok(NULL, NULL);
    if (!done) return er_cancel_result(reason);
    errand_result r = op_failed_after(op, "copy", er_cancel_error(reason), done);
    if (r.detail && !r.detail->fixed) r.detail->reason = reason;
    return r;
}

/* ---- opening ---- */

static errand_result op_open(const file_op *op, int flags, int *fd, er_file_about *about)
{
    unsigned mode = op->opts.mode ? op->opts.mode : 0644;
    int error = er_file_open_as(op->path, flags | O_NONBLOCK | O_NOCTTY, mode, fd);
    if (error) return op_failed(op, "open", error);
    error = er_file_look(*fd, about);
    if (!error && !about->regular) error = about->folder ? EISDIR : ENXIO;
    if (!error) return errand_ok(NULL, NULL);
    er_file_close(*fd);
    return op_failed(op, "open", error);
}

static bool op_syncs(const file_op *op, bool by_default)
{
    if (op->opts.sync == ERRAND_FILE_SYNC_DEFAULT) return by_default;
    return op->opts.sync == ERRAND_FILE_SYNC;
}

/* ---- reading ---- */

typedef struct file_held { /* a value of errand_file_read, in one piece */
    errand_file_content content;
    char bytes[];
} file_held;

/* With room for that many bytes and a NUL. */
static int held_resize(file_held **held, size_t room)
{
    file_held *at = room < SIZE_MAX / 2 ? er_resize(*held, sizeof *at + room + 1) : NULL;
    if (!at) return ENOMEM;
    *held = at;
    return 0;
}

static errand_result read_all(const file_op *op, int fd, uint64_t size, file_held **held)
{
    uint64_t max = op->opts.max ? op->opts.max : READ_MOST;
    if (max > SIZE_MAX / 4) max = SIZE_MAX / 4;
    if (size > max) return op_too_large(op, size, max, 0);
    size_t room = size < 4096 ? 4096 : (size_t)size + 1, got = 0, n;
    int error = held_resize(held, room);
    while (!error) {
        errand_result stop = op_stopped(op, 0);
        if (stop.error) return stop;
        if (got == room) error = held_resize(held, room *= 2);
        if (error) break;
        n = room - got < PIECE ? room - got : PIECE;
        error = er_file_read(fd, (*held)->bytes + got, n, &n);
        if (error || !n) break;
        got += n;
        if (got > max) return op_too_large(op, max + 1, max, 0);
    }
    if (error) return op_failed(op, "read", error);
    held_resize(held, got); /* it only shrinks: a failure leaves it as it is */
    (*held)->bytes[got] = '\0';
    (*held)->content = (errand_file_content){ (*held)->bytes, got };
    return errand_ok(&(*held)->content, er_free);
}

static errand_result run_read(void *arg)
{
    const file_op *op = arg;
    er_file_about about = { 0 };
    int fd;
    errand_result r = op_open(op, O_RDONLY, &fd, &about);
    if (r.error) return r;
    file_held *held = NULL;
    r = read_all(op, fd, about.size, &held);
    if (r.error) er_free(held);
    er_file_close(fd);
    return r;
}

/* ---- appending ---- */

static int sync_folder_of(const char *path)
{
    char *real;
    int folder, error = er_file_real(path, &real);
    if (error) return error;
    real[strrchr(real, '/') - real + 1] = '\0';
    error = er_file_open(real, O_PATH | O_DIRECTORY, &folder);
    er_free(real);
    if (error) return error;
    error = er_folder_sync(folder);
    er_file_close(folder);
    return error;
}

static errand_result append_write(const file_op *op, int fd)
{
    bool locked = er_file_lock_shared(fd);
    size_t done = 0, n;
    int error = 0, writes = 0;
    for (; !error && done<op->size; writes += n> 0) {
        error = er_file_put(fd, op->data + done, op->size - done, &n);
        done += n;
    }
    if (!error) return errand_ok(NULL, NULL);
    /* between two writes others may have appended */
    if (done && locked && writes == 1 && er_file_unappend(fd, done)) done = 0;
    if (!done) return op_failed(op, "write", error);
    errand_result r = errand_failf(error, "%s: write: %s; %zu of %zu bytes stay in the file",
                                   op->name, errand_strerror(error), done, op->size);
    er_result_may_have_run(&r);
    return r;
}

static errand_result run_append(void *arg)
{
    const file_op *op = arg;
    er_file_about about = { 0 };
    int fd;
    errand_result r = op_open(op, O_WRONLY | O_APPEND | O_CREAT, &fd, &about);
    if (r.error) return r;
    r = append_write(op, fd);
    int error = 0;
    const char *step = "sync";
    if (!r.error && op_syncs(op, false) && !(error = er_file_sync(fd)))
        error = sync_folder_of(op->path);
    int closed = er_file_close(fd);
    if (!error && closed) step = "close";
    if (!error) error = closed;
    if (r.error || !error) return r;
    r = op_failed(op, step, error);
    er_result_may_have_run(&r);
    return r;
}

/* ---- replacing ---- */

static errand_result replace_open(const file_op *op, er_save *save)
{
    int error = er_save_open_as(save, op->path, op->opts.mode ? op->opts.mode : 0644);
    if (error) return op_failed(op, "open", error);
    save->unsynced = !op_syncs(op, true);
    return errand_ok(NULL, NULL);
}

static int replace_write(const er_save *save, const char *at, size_t size)
{
    size_t n;
    int error = 0;
    for (size_t done = 0; !error && done < size; done += n)
        error = er_file_put(save->fd, at + done, size - done, &n);
    return error;
}

static errand_result replace_keep(const file_op *op, er_save *save)
{
    int error = er_save_keep(save);
    if (error) return op_failed(op, "sync and rename", error);
    if (!save->folder_error) return errand_ok(NULL, NULL);
    errand_result r =
        op_failed(op, "it is in place, but not its folder's sync", save->folder_error);
    er_result_may_have_run(&r);
    return r;
}

static errand_result run_replace(void *arg)
{
    const file_op *op = arg;
    er_save save;
    errand_result r = replace_open(op, &save);
    for (size_t done = 0, n; !r.error && done < op->size; done += n) {
        n = op->size - done < PIECE ? op->size - done : PIECE;
        int error = replace_write(&save, op->data + done, n);
        r = error ? op_failed(op, "write", error) : op_stopped(op, 0);
    }
    if (!r.error) return replace_keep(op, &save);
    er_save_drop(&save);
    return r;
}

/* ---- copying: waiting for the caller's descriptor ---- */

typedef struct file_copy {
    const file_op *op;
    bool waits;  /* the descriptor is no regular file */
    int wake[2]; /* a pipe, while it is hooked */
    bool hooked;
    errand_cancel_hook hook;
    uint64_t max;
    char *piece;                /* COPY_PIECE bytes */
    uint64_t done;              /* bytes that were copied */
    errand_file_copied *copied; /* the value */
} file_copy;

static void copy_wake(void *arg)
{
    const file_copy *copy = arg;
    er_file_write(copy->wake[1], "", 1, NULL);
}

static void copy_unhook(file_copy *copy)
{
    if (!copy->hooked) return;
    errand_cancel_hook_remove(&copy->hook);
    for (int i = 0; i < 2; i++) er_file_close(copy->wake[i]);
    copy->hooked = false;
}

static int copy_hook(file_copy *copy)
{
    int error = er_pipe(copy->wake);
    if (error) return error;
    copy->hooked = true;
    error = errand_cancel_hook_add(&copy->hook, NULL, copy_wake, copy);
    if (error) copy_unhook(copy);
    return error;
}

/* Until the descriptor has room, or bytes. */
static errand_result copy_wait(file_copy *copy, bool room)
{
    int (*wait)(int, int, int64_t) = room ? er_file_wait_room : er_file_wait;
    int error = copy->waits ? wait(copy->op->fd, -1, 0) : 0;
    if (error == ETIMEDOUT) {
        error = copy->hooked ? 0 : copy_hook(copy);
        if (!error) {
            er_lend();
            error = wait(copy->op->fd, copy->wake[0], INT64_MAX);
            er_lend_end();
        }
    }
    errand_result stop = op_stopped(copy->op, copy->done);
    if (stop.error || !error) return stop;
    return op_failed_after(copy->op, "wait", error, copy->done);
}

static errand_result copy_begin(file_copy *copy, const file_op *op, er_file_about *about)
{
    *copy = (file_copy){ .op = op, .max = op->opts.max ? op->opts.max : UINT64_MAX - 1 };
    int error = er_file_look(op->fd, about);
    if (error) return op_failed(op, "descriptor", error);
    copy->waits = !about->regular;
    copy->piece = er_alloc(COPY_PIECE);
    copy->copied = er_alloc_zero(sizeof *copy->copied);
    return copy->piece && copy->copied ? errand_ok(NULL, NULL) : errand_fail(ENOMEM);
}

static errand_result copy_end(file_copy *copy, errand_result r)
{
    copy_unhook(copy);
    er_free(copy->piece);
    if (r.error || !copy->copied) {
        er_free(copy->copied);
        return r;
    }
    copy->copied->size = copy->done;
    return errand_ok(copy->copied, er_free);
}

/* ---- copying: the two ways ---- */

static errand_result copy_out(file_copy *copy, const char *at, size_t size)
{
    for (size_t done = 0, n; done < size; done += n) {
        errand_result r = copy_wait(copy, true);
        if (r.error) return r;
        int error = er_file_put(copy->op->fd, at + done, size - done, &n);
        copy->done += n;
        if (error && error != EAGAIN) return op_failed_after(copy->op, "write", error, copy->done);
    }
    return errand_ok(NULL, NULL);
}

static errand_result copy_file(file_copy *copy, int file)
{
    for (;;) {
        size_t n;
        uint64_t done = copy->done;
        int error = er_file_read(file, copy->piece, COPY_PIECE, &n);
        if (error) return op_failed_after(copy->op, "read", error, done);
        if (!n) return errand_ok(NULL, NULL);
        if (n > copy->max - done) return op_too_large(copy->op, copy->max + 1, copy->max, done);
        errand_result r = copy_out(copy, copy->piece, n);
        if (r.error) return r;
    }
}

static errand_result run_copy_to(void *arg)
{
    const file_op *op = arg;
    file_copy copy;
    er_file_about target = { 0 }, about = { 0 };
    int file = -1;
    errand_result r = copy_begin(&copy, op, &target);
    if (!r.error) r = op_open(op, O_RDONLY, &file, &about);
    if (r.error) return copy_end(&copy, r);
    if (target.regular && target.device == about.device && target.node == about.node)
        r = errand_failf(EINVAL, "%s: it is the file of the descriptor itself", op->name);
    else if (about.size > copy.max) r = op_too_large(op, about.size, copy.max, 0);
    else r = copy_file(&copy, file);
    er_file_close(file);
    return copy_end(&copy, r);
}

static errand_result copy_in(file_copy *copy, const er_save *save)
{
    for (;;) {
        errand_result r = copy_wait(copy, false);
        if (r.error) return r;
        size_t n;
        uint64_t done = copy->done;
        int error = er_file_read(copy->op->fd, copy->piece, COPY_PIECE, &n);
        if (error == EAGAIN && copy->waits) continue;
        if (error) return op_failed_after(copy->op, "read", error, done);
        if (!n) return errand_ok(NULL, NULL);
        copy->done += n;
        if (n > copy->max - done) return op_too_large(copy->op, copy->max + 1, copy->max, done + n);
        error = replace_write(save, copy->piece, n);
        if (error) return op_failed_after(copy->op, "write", error, copy->done);
    }
}

static errand_result run_copy_from(void *arg)
{
    const file_op *op = arg;
    file_copy copy;
    er_file_about about = { 0 };
    er_save save = ER_SAVE_NONE;
    errand_result r = copy_begin(&copy, op, &about);
    if (!r.error) r = replace_open(op, &save);
    if (!r.error) r = copy_in(&copy, &save);
    if (!r.error) r = replace_keep(op, &save);
    else er_save_drop(&save);
    if (r.error && copy.done) er_result_may_have_run(&r);
    return copy_end(&copy, r);
}

/* ---- the calls ---- */

typedef struct file_call {
    errand_fn *run;
    const char *what; /* the task's name, if it inherits none */
    const void *site;
    const char *path;
    const void *data;
    size_t size;
    int fd;
} file_call;

static void op_free(void *at)
{
    file_op *op = at;
    if (op->opts.free) op->opts.free(op->opts.owner);
    er_free(op->path);
    er_free(op);
}

static int op_fill(file_op *op, const file_call *call)
{
    int error = er_file_absolute(call->path, &op->path);
    if (error) return error;
    op->name = op->path + strlen(op->path) - strlen(call->path);
    op->size = call->size;
    op->fd = call->fd;
    op->data = call->data;
    if (op->opts.free || !call->size) return 0;
    char *copy = er_copy_bytes(call->data, call->size);
    if (!copy) return ENOMEM;
    op->data = op->opts.owner = copy;
    op->opts.free = er_free;
    return 0;
}

/* What is wrong with a call; NULL: nothing. */
static const char *call_fault(const file_call *call, const errand_file_opts *opts)
{
    if (!call->path) return "path is NULL";
    if (call->size && !call->data) return "data is NULL";
    if (opts->mode & ~0777u) return "mode has other bits than permissions";
    if ((unsigned)opts->sync > ERRAND_FILE_NO_SYNC) return "sync is none of errand_file_sync";
    return NULL;
}

static errand_future *op_submit(errand_pool *pool, file_op *op, const file_call *call)
{
    errand_task own, task = { .fn = call->run, .arg = op, .free = op_free };
    er_cell *refusal = er_task_check(pool, &own, &task, sizeof task);
    if (refusal) return refusal;
    if (!own.name) own.name = call->what;
    int error = 0;
    er_context *context = er_context_for(&own, &error);
    if (error) {
        op_free(op);
        return er_failed(pool, errand_fail(error));
    }
    er_terms terms = { context, er_deadline_here(pool), ERRAND_BY_TOTAL, false, call->site, false };
    return er_task_submit(pool, &own, &terms);
}

static errand_future *call_begin(errand_pool *pool, const file_call *call,
                                 const errand_file_opts *opts, size_t opts_size)
{
    errand_pool *alive = pool && !er_pool_dead(pool) ? pool : NULL;
    errand_file_opts own;
    int error = er_options(&own, sizeof own, opts, opts_size);
    if (!own.owner) own.owner = (void *)(uintptr_t)call->data;
    const char *fault = error ? "options of an unknown size" : call_fault(call, &own);
    if (fault && !error) error = EINVAL;
    file_op *op = error ? NULL : er_alloc_zero(sizeof *op);
    if (!op) {
        if (own.free) own.free(own.owner);
        return er_failed(alive, error ? errand_failf(error, "%s", fault) : errand_fail(ENOMEM));
    }
    op->opts = own;
    error = *call->path ? op_fill(op, call) : ENOENT;
    if (!error) return op_submit(pool, op, call);
    op_free(op);
    return er_failed(alive, errand_failf(error, "%s: %s", *call->path ? call->path : "(no path)",
                                         errand_strerror(error)));
}

errand_future *errand_file_read_sized(errand_pool *pool, const char *path,
                                      const errand_file_opts *opts, size_t opts_size)
{
    file_call call = { .run = run_read,
                       .what = "errand_file_read",
                       .site = __builtin_return_address(0),
                       .path = path };
    return call_begin(pool, &call, opts, opts_size);
}

errand_future *errand_file_append_sized(errand_pool *pool, const char *path, const void *data,
                                        size_t size, const errand_file_opts *opts, size_t opts_size)
{
    file_call call = { .run = run_append,
                       .what = "errand_file_append",
                       .site = __builtin_return_address(0),
                       .path = path,
                       .data = data,
                       .size = size };
    return call_begin(pool, &call, opts, opts_size);
}

errand_future *errand_file_replace_sized(errand_pool *pool, const char *path, const void *data,
                                         size_t size, const errand_file_opts *opts,
                                         size_t opts_size)
{
    file_call call = { .run = run_replace,
                       .what = "errand_file_replace",
                       .site = __builtin_return_address(0),
                       .path = path,
                       .data = data,
                       .size = size };
    return call_begin(pool, &call, opts, opts_size);
}

errand_future *errand_file_copy_to_sized(errand_pool *pool, const char *path, int fd,
                                         const errand_file_opts *opts, size_t opts_size)
{
    file_call call = { .run = run_copy_to,
                       .what = "errand_file_copy_to",
                       .site = __builtin_return_address(0),
                       .path = path,
                       .fd = fd };
    return call_begin(pool, &call, opts, opts_size);
}

errand_future *errand_file_copy_from_sized(errand_pool *pool, const char *path, int fd,
                                           const errand_file_opts *opts, size_t opts_size)
{
    file_call call = { .run = run_copy_from,
                       .what = "errand_file_copy_from",
                       .site = __builtin_return_address(0),
                       .path = path,
                       .fd = fd };
    return call_begin(pool, &call, opts, opts_size);
}
