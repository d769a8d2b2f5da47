/* http/sink.c -- save_to: a lane brings bytes and never waits, a task writes them.
 *
 *   take --> fresh --writer, a task--> FILE.tmp --finish: sync, rename--> save_to         drop before that: FILE.tmp goes
 *
 * A writer is started when 64 KiB have come, and goes on until it finds nothing new; beyond 256 KiB the transfer is paused
 * until it has taken them. There is one at a time, and it alone touches the file. Whoever finishes or drops while it is under
 * way leaves the rest to it. A part file without a writer is removed right on the lane.
 *
 * The sink is counted: the exchange, and a writer under way, which also counts the valve. */
#include "http/flow.h"

#include "base/atomic.h"
#include "core/task.h"

#include <errno.h>

#define WRITE_FROM ((size_t)64 << 10)
#define PAUSE_FROM ((size_t)256 << 10)

typedef struct file_sink {
    er_sink sink;
    unsigned count;
    er_request *request; /* counted */
    errand_pool *pool;
    er_valve *valve;

    er_lock lock; /* guards what follows */
    bool writing; /* a writer is under way: what is below `spare` is its alone */
    bool paused, finishing, dropped;
    int error;
    er_bytes fresh; /* what came */
    er_bytes spare; /* what is being written */
    char *path;     /* the part file; NULL: not begun */
    int fd;
} file_sink;

static file_sink *file_of(er_sink *sink) { return er_of(sink, file_sink, sink); }

static void let_go(file_sink *file)
{
    if (er_sub(&file->count, 1) != 1) return;
    er_bytes_free(&file->fresh);
    er_bytes_free(&file->spare);
    er_free(file->path);
    er_request_drop(file->request);
    er_free(file);
}

/* ---- the writer ---- */

static int write_spare(file_sink *file)
{
    int error = file->path ? 0 : er_file_temp(file->request->save_to, &file->path, &file->fd);
    if (!error && file->spare.size) error = er_file_write(file->fd, file->spare.at, file->spare.size, NULL);
    file->spare.size = 0;
    return error;
}

static void discard(file_sink *file)
{
    if (file->fd >= 0) er_file_close(file->fd);
    file->fd = -1;
    if (file->path) er_file_remove(file->path);
    er_free(file->path);
    file->path = NULL;
}

static int keep(file_sink *file)
{
    int error = write_spare(file); /* an empty file is made here */
    if (!error) error = er_file_sync(file->fd);
    int closed = file->fd >= 0 ? er_file_close(file->fd) : 0;
    file->fd = -1;
    if (!error) error = closed;
    if (!error) error = er_file_rename(file->path, file->request->save_to);
    if (error) {
        discard(file);
    } else {
        er_free(file->path);
        file->path = NULL;
    }
    return error;
}

/* Goes on until there is nothing to do. At last: what comes after that finds that nobody writes. */
static void write_on(file_sink *file, bool at_last)
{
    er_lock_take(&file->lock);
    for (;;) {
        int error = file->error;
        bool fails = error || file->dropped, resumes = file->paused;
        bool writes = !fails && file->fresh.size, finishes = !writes && file->finishing;
        if (!writes && !finishes && !resumes && !(fails && file->path)) break;
        if (writes) {
            er_bytes full = file->fresh;
            file->fresh = file->spare;
            file->spare = full;
        }
        if (finishes) file->finishing = false;
        file->paused = false;
        er_lock_give(&file->lock);
        if (resumes) file->valve->resume(file->valve);
        if (fails) discard(file);
        else if (writes) error = write_spare(file);
        else if (finishes) error = keep(file);
        er_lock_take(&file->lock);
        file->error = error;
        er_lock_give(&file->lock);
        if (finishes) file->valve->finished(file->valve, error);
        er_lock_take(&file->lock);
    }
    if (at_last) file->writing = false;
    er_lock_give(&file->lock);
}

static errand_result run_writer(void *arg)
{
    write_on(arg, false);
    return errand_ok(NULL, NULL);
}

/* Where the pool has shut down, or has no memory, nothing was done so far: here and now, then. */
static void writer_gone(void *arg)
{
    file_sink *file = arg;
    write_on(file, true);
    file->valve->drop(file->valve);
    let_go(file);
}

/* `writing` was set by the caller, and was not before. */
static void start_writer(file_sink *file)
{
    const errand_task task = { .fn = run_writer, .arg = file, .free = writer_gone, .name = "http file" };
    er_add(&file->count, 1);
    file->valve->keep(file->valve);
    errand_drop(er_task_submit(file->pool, &task, NULL, INT64_MAX, ERRAND_BY_NOBODY, true, NULL));
}

/* ---- the lane ---- */

static int begin(er_sink *sink, er_valve *valve)
{
    file_of(sink)->valve = valve;
    return 0;
}

static int take(er_sink *sink, const char *at, size_t size)
{
    file_sink *file = file_of(sink);
    er_lock_take(&file->lock);
    int error = file->error;
    bool waits = !error && file->writing && file->fresh.size + size > PAUSE_FROM, starts = false;
    if (waits) {
        file->paused = true;
    } else if (!error) {
        er_bytes_add(&file->fresh, at, size);
        error = file->error = file->fresh.error;
        starts = !error && !file->writing && file->fresh.size >= WRITE_FROM;
        if (starts) file->writing = true;
    }
    er_lock_give(&file->lock);
    if (starts) start_writer(file);
    return waits ? ER_FLOW_WAIT : error;
}

static int finish(er_sink *sink)
{
    file_sink *file = file_of(sink);
    er_lock_take(&file->lock);
    int error = file->error;
    bool starts = !error && !file->writing;
    if (!error) file->finishing = file->writing = true;
    er_lock_give(&file->lock);
    if (starts) start_writer(file);
    return error ? error : ER_FLOW_WAIT;
}

static int why(er_sink *sink, er_bytes *words)
{
    file_sink *file = file_of(sink);
    er_lock_take(&file->lock);
    int error = file->error;
    er_lock_give(&file->lock);
    if (error) er_bytes_format(words, "save_to \"%s\": %s", file->request->save_to, errand_strerror(error));
    return error;
}

static void drop(er_sink *sink)
{
    file_sink *file = file_of(sink);
    er_lock_take(&file->lock);
    bool ours = !file->writing;
    file->dropped = true;
    er_lock_give(&file->lock);
    if (ours) discard(file);
    let_go(file);
}

static int new_file(er_request *request, errand_pool *pool, er_sink **out)
{
    file_sink *file = er_alloc_zero(sizeof *file);
    if (!file) return ENOMEM;
    file->sink = (er_sink){ .begin = begin, .take = take, .finish = finish, .why = why, .drop = drop };
    file->count = 1;
    file->pool = pool;
    file->request = request;
    er_request_keep(request);
    file->fd = -1;
    *out = &file->sink;
    return 0;
}

/* ---- a stream ---- */

typedef struct stream_sink {
    er_sink sink;
    errand_pool *pool;
    er_valve *valve;
    er_reader *reader; /* NULL: the headers have not come */
} stream_sink;

static stream_sink *stream_of(er_sink *sink) { return er_of(sink, stream_sink, sink); }

static int begin_stream(er_sink *sink, er_valve *valve)
{
    stream_of(sink)->valve = valve;
    return 0;
}

static int open_stream(er_sink *sink, errand_response *response)
{
    stream_sink *stream = stream_of(sink);
    stream->reader = er_reader_new(stream->pool, stream->valve);
    if (!stream->reader) return ENOMEM;
    response->reader = stream->reader;
    return 0;
}

static int take_stream(er_sink *sink, const char *at, size_t size)
{
    return er_reader_put(stream_of(sink)->reader, at, size) ? 0 : ER_FLOW_WAIT;
}

static void end_stream(er_sink *sink, errand_result how)
{
    stream_sink *stream = stream_of(sink);
    if (stream->reader) er_reader_end(stream->reader, how);
    else errand_result_free(&how);
    stream->reader = NULL;
}

static void drop_stream(er_sink *sink)
{
    stream_sink *stream = stream_of(sink);
    if (stream->reader) er_reader_end(stream->reader, errand_fail(ECANCELED));
    er_free(stream);
}

static int new_stream(errand_pool *pool, er_sink **out)
{
    stream_sink *stream = er_alloc_zero(sizeof *stream);
    if (!stream) return ENOMEM;
    stream->sink = (er_sink){
        .begin = begin_stream, .headers = open_stream, .take = take_stream, .ended = end_stream, .drop = drop_stream
    };
    stream->pool = pool;
    *out = &stream->sink;
    return 0;
}

int er_request_sink(er_request *request, errand_pool *pool, er_sink **out)
{
    *out = NULL;
    if (request->save_to) return new_file(request, pool, out);
    return request->stream ? new_stream(pool, out) : 0;
}
