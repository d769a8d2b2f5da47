/* http/body_save.c -- a lane brings bytes and never waits; a task decodes them and keeps them,
 * in a file or in memory.
 *
 *   take --> fresh --writer, a task: decode--> save_to's part --finish: sync, rename--> save_to
 *                                         |        +--drop--> removed
 *                                         +--> memory       --finish--> the response's body
 *
 * A writer is started when 64 KiB have come, and goes on until it finds nothing new; beyond 256
 * KiB the transfer is paused until it has taken them. There is one at a time, and it alone
 * touches what is kept. A finish or drop while it is under way is left to it; without a writer,
 * drop removes on the lane. A few KiB can unpack to any size, so a writer decodes at most 512
 * KiB between two checks of `discarded`; what is kept ends at its limit. A body for memory that
 * has come without a writer is decoded on the lane if it unpacks to at most 512 KiB: a
 * millisecond or two, without a worker.
 *
 * The sink is counted: the exchange, and a writer under way, which also counts the valve. */
#include "http/body_save.h"
#include "http/response.h"

#include "base/atomic.h"
#include "base/save.h"
#include "async/submit.h"

#include <curl/curl.h>
#include <errno.h>

#define WRITE_FROM ((size_t)64 << 10)
#define PAUSE_FROM ((size_t)256 << 10)
#define PIECE      ((size_t)32 << 10)
enum { PIECES = 16, TOO_LARGE = ERRAND_CURL + CURLE_FILESIZE_EXCEEDED };

typedef struct keeper {
    er_body_sink sink;
    unsigned count;
    er_request *request; /* counted */
    errand_pool *pool;
    er_valve *valve;
    bool to_file;
    uint64_t most;
    er_codings codings; /* before the first take */

    er_lock lock; /* guards what follows */
    bool writing; /* a writer is under way: what is below `fresh` is its alone */
    bool paused, finishing, dropped;
    int error;
    er_bytes fresh; /* what came */

    er_bytes spare;   /* what is being written */
    const char *next; /* of it */
    size_t left;
    bool more;           /* there may be more to decode without anything new */
    er_decoder *decoder; /* NULL: not begun, or nothing to decode */
    char *piece;         /* of what it makes */
    uint64_t kept;
    er_save file;
    er_bytes memory;
    errand_response *response; /* from finish on: gets the body */
} keeper;

static keeper *keeper_of(er_body_sink *sink) { return er_of(sink, keeper, sink); }

static void discard(keeper *k)
{
    er_save_drop(&k->file);
    er_bytes_free(&k->memory);
    k->more = false;
}

static void let_go(keeper *k)
{
    if (er_sub(&k->count, 1) != 1) return;
    er_bytes_free(&k->fresh);
    er_bytes_free(&k->spare);
    er_bytes_free(&k->memory);
    er_decoder_free(k->decoder);
    er_free(k->piece);
    er_request_drop(k->request);
    er_free(k);
}

/* ---- the writer ---- */

static int keep_bytes(keeper *k, const char *at, size_t size)
{
    if (size > k->most - k->kept) return TOO_LARGE;
    k->kept += size;
    if (k->to_file) return er_file_write(k->file.fd, at, size, NULL);
    er_bytes_add(&k->memory, at, size);
    return k->memory.error;
}

static int begin_keeping(keeper *k)
{
    int error = k->to_file && k->file.fd < 0 ? er_save_open(&k->file, k->request->save_to) : 0;
    if (error || !k->codings.n || k->decoder) return error;
    k->decoder = er_decoder_new(&k->codings);
    k->piece = er_alloc(PIECE);
    return k->decoder && k->piece ? 0 : ENOMEM;
}

/* Keeps some of what is left of `spare`. */
static int keep_some(keeper *k)
{
    int error = begin_keeping(k);
    if (!error && !k->codings.n) error = keep_bytes(k, k->next, k->left);
    k->more = k->codings.n;
    for (int i = 0; i < PIECES && k->more && !error; i++) {
        size_t made = 0;
        error = er_decode(k->decoder, &k->next, &k->left, k->piece, PIECE, &made);
        if (!error && made) error = keep_bytes(k, k->piece, made);
        k->more = made;
    }
    return error;
}

static int end_keeping(keeper *k)
{
    int error = k->to_file ? begin_keeping(k) : 0; /* an empty file is made here */
    if (!error && k->decoder) error = er_decoder_end(k->decoder);
    if (!error && k->to_file) error = er_save_keep(&k->file);
    if (error) {
        discard(k);
        return error;
    }
    k->response->metrics.body = k->kept;
    if (!k->to_file) {
        er_bytes_free(&k->response->body);
        k->response->body = k->memory;
        k->memory = (er_bytes){ 0 };
    }
    return 0;
}

static void take_fresh(keeper *k) /* under the lock, or before there is a writer */
{
    er_bytes full = k->fresh;
    k->fresh = k->spare;
    k->fresh.size = 0;
    k->spare = full;
    k->next = full.at;
    k->left = full.size;
}

/* Goes on until there is nothing to do. at_last: clears `writing` then. */
static void write_on(keeper *k, bool at_last)
{
    er_lock_take(&k->lock);
    for (;;) {
        bool waits = k->more || k->fresh.size;
        if (!k->error && waits && k->finishing && k->valve->discarded(k->valve))
            k->error = ECANCELED; /* at no lane: nothing else ends it */
        int error = k->error;
        bool fails = error || k->dropped, resumes = k->paused;
        bool writes = !fails && waits, finishes = !writes && k->finishing;
        if (!writes && !finishes && !resumes && !(fails && (k->file.fd >= 0 || k->memory.at)))
            break;
        if (writes && !k->more) take_fresh(k);
        if (finishes) k->finishing = false;
        if (!k->more) k->paused = false;
        er_lock_give(&k->lock);
        if (resumes && !k->more) k->valve->resume(k->valve);
        if (fails) discard(k);
        else if (writes) error = keep_some(k);
        else if (finishes) error = end_keeping(k);
        er_lock_take(&k->lock);
        k->error = error;
        er_lock_give(&k->lock);
        if (finishes) k->valve->finished(k->valve, error);
        er_lock_take(&k->lock);
    }
    if (at_last) k->writing = false;
    er_lock_give(&k->lock);
}

static errand_result run_writer(void *arg)
{
    write_on(arg, false);
    return errand_ok(NULL, NULL);
}

/* Where the pool has shut down, or has no memory, run_writer was not called: does its work here. */
static void writer_gone(void *arg)
{
    keeper *k = arg;
    write_on(k, true);
    k->valve->drop(k->valve);
    let_go(k);
}

/* The caller has set `writing`, which was false. */
static void start_writer(keeper *k)
{
    const errand_task task = {
        .fn = run_writer, .arg = k, .free = writer_gone, .name = "http body"
    };
    er_add(&k->count, 1);
    k->valve->keep(k->valve);
    errand_drop(er_task_submit(k->pool, &task,
                               &(er_terms){ .deadline_ns = INT64_MAX, .urgent = true }));
}

/* ---- the lane ---- */

static int begin(er_body_sink *sink, er_valve *valve)
{
    keeper_of(sink)->valve = valve;
    return 0;
}

static int begin_body(er_body_sink *sink, errand_response *response)
{
    keeper_of(sink)->codings = response->codings;
    return 0;
}

static int take(er_body_sink *sink, const char *at, size_t size)
{
    keeper *k = keeper_of(sink);
    er_lock_take(&k->lock);
    int error = k->error;
    bool waits = !error && k->writing && k->fresh.size + size > PAUSE_FROM, starts = false;
    if (waits) {
        k->paused = true;
    } else if (!error) {
        er_bytes_add(&k->fresh, at, size);
        error = k->error = k->fresh.error;
        starts = !error && !k->writing && k->fresh.size >= WRITE_FROM;
        if (starts) k->writing = true;
    }
    er_lock_give(&k->lock);
    if (starts) start_writer(k);
    return waits ? ER_FLOW_WAIT : error;
}

static int finish(er_body_sink *sink, errand_response *response)
{
    keeper *k = keeper_of(sink);
    er_lock_take(&k->lock);
    int error = k->error;
    bool starts = !error && !k->writing, here = starts && !k->to_file;
    if (!error) k->response = response;
    if (!error && !here) k->finishing = k->writing = true;
    er_lock_give(&k->lock);
    if (here) { /* there is no writer */
        take_fresh(k);
        error = keep_some(k);
        if (!error && !k->more) error = end_keeping(k);
        er_lock_take(&k->lock);
        k->error = error;
        starts = !error && k->more;
        k->finishing = k->writing = starts;
        er_lock_give(&k->lock);
        if (!starts) return error;
    }
    if (starts) start_writer(k);
    return error ? error : ER_FLOW_WAIT;
}

static int why(er_body_sink *sink, er_bytes *words)
{
    keeper *k = keeper_of(sink);
    er_lock_take(&k->lock);
    int error = k->error;
    er_lock_give(&k->lock);
    const char *fault = er_decoder_fault(error);
    if (error == TOO_LARGE)
        er_bytes_format(words, "the body is larger than max_body, %llu bytes",
                        (unsigned long long)k->most);
    else if (fault) er_bytes_format(words, "body: %s (curl %d)", fault, error - ERRAND_CURL);
    else if (error && k->to_file)
        er_bytes_format(words, "save_to \"%s\": %s", k->request->save_to, errand_strerror(error));
    else if (error) er_bytes_text(words, errand_strerror(error));
    return error;
}

static void drop(er_body_sink *sink)
{
    keeper *k = keeper_of(sink);
    er_lock_take(&k->lock);
    bool ours = !k->writing;
    k->dropped = true;
    er_lock_give(&k->lock);
    if (ours) discard(k);
    let_go(k);
}

static int new_keeper(er_request *request, errand_pool *pool, bool to_file, er_body_sink **out)
{
    keeper *k = er_alloc_zero(sizeof *k);
    if (!k) return ENOMEM;
    k->sink = (er_body_sink){ .begin = begin,
                              .headers = begin_body,
                              .take = take,
                              .finish = finish,
                              .why = why,
                              .drop = drop };
    k->count = 1;
    k->pool = pool;
    k->request = request;
    er_request_keep(request);
    k->file = ER_SAVE_NONE;
    k->to_file = to_file;
    k->most = to_file ? request->max_file : request->max_body;
    *out = &k->sink;
    return 0;
}

int er_body_save_memory(er_request *request, errand_pool *pool, er_body_sink **out)
{
    return new_keeper(request, pool, false, out);
}

/* ---- a stream ---- */

typedef struct stream_sink {
    er_body_sink sink;
    errand_pool *pool;
    er_request *request; /* its exchange's */
    er_valve *valve;
    er_body_reader *reader; /* NULL: the headers have not come */
} stream_sink;

static stream_sink *stream_of(er_body_sink *sink) { return er_of(sink, stream_sink, sink); }

static int begin_stream(er_body_sink *sink, er_valve *valve)
{
    stream_of(sink)->valve = valve;
    return 0;
}

static int open_stream(er_body_sink *sink, errand_response *response)
{
    stream_sink *stream = stream_of(sink);
    stream->reader =
        er_body_reader_new(stream->pool, stream->valve, stream->request, &response->codings);
    if (!stream->reader) return ENOMEM;
    response->reader = stream->reader;
    return 0;
}

static int take_stream(er_body_sink *sink, const char *at, size_t size)
{
    return er_body_reader_put(stream_of(sink)->reader, at, size) ? 0 : ER_FLOW_WAIT;
}

static void end_stream(er_body_sink *sink, errand_result how)
{
    stream_sink *stream = stream_of(sink);
    if (stream->reader) er_body_reader_end(stream->reader, how);
    else errand_result_free(&how);
    stream->reader = NULL;
}

static void drop_stream(er_body_sink *sink)
{
    stream_sink *stream = stream_of(sink);
    if (stream->reader) er_body_reader_end(stream->reader, errand_fail(ECANCELED));
    er_free(stream);
}

static int new_stream(er_request *request, errand_pool *pool, er_body_sink **out)
{
    stream_sink *stream = er_alloc_zero(sizeof *stream);
    if (!stream) return ENOMEM;
    stream->sink = (er_body_sink){ .begin = begin_stream,
                                   .headers = open_stream,
                                   .take = take_stream,
                                   .ended = end_stream,
                                   .drop = drop_stream };
    stream->pool = pool;
    stream->request = request;
    *out = &stream->sink;
    return 0;
}

int er_body_save(er_request *request, errand_pool *pool, er_body_sink **out)
{
    *out = NULL;
    if (request->save_to) return new_keeper(request, pool, true, out);
    return request->stream ? new_stream(request, pool, out) : 0;
}
