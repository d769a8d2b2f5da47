/* http/body_upload.c -- a lane sends and never waits: a task reads ahead.
 *
 *   parts --filler, a task--> back --swap--> front --> curl       nothing ready: paused
 *
 * Two buffers of 64 KiB. The lane takes from `front`; when it is empty and `back` is full they are
 * swapped and the next filler is started. There is one filler at a time; it alone touches files and
 * calls the caller's function.
 *
 * curl may begin again (a kept connection was dead, and the request is repeatable): `rewind` makes
 * a filler under way discard what it has, and the next one begins at byte 0. A file that has become
 * shorter than it was is an error; of one that has grown the first length is sent.
 *
 * body_fn is the request's, and several attempts share it: a hedge beside the first, or a repeat
 * while the attempt before it, which timed out, still has a filler inside it. So its sources take
 * turns: one at a time is the body's `caller`, from its first filler until it has all of the body,
 * fails, or is dropped and its filler gone; the others wait in `callers`, their fillers not
 * submitted, and so hold no worker. A source that ends its turn submits the next one's filler. A
 * source that is dropped while it waits leaves `callers`. */
#include "http/body_upload.h"

#include "base/atomic.h"
#include "async/current.h"
#include "async/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define ROOM ((size_t)64 << 10)

typedef struct ahead {
    er_body_source source;
    unsigned count;      /* the exchange, a filler under way (which counts the valve, too) */
    er_request *request; /* counted */
    errand_pool *pool;
    er_valve *valve;

    er_lock lock; /* guards what follows */
    bool filling; /* from before a filler is started, or waits for its turn, until it is gone */
    bool paused, rewind, ended, dropped;
    int error;
    char *back;
    size_t back_size;

    char *front; /* the lane's */
    size_t front_at, front_size;

    bool ran;        /* the filler's: its function was called */
    size_t part;     /* where it is */
    uint64_t offset; /* in that part */
    int fd;
    size_t failed; /* the part that error is about */

    er_node turn;   /* in the body's callers; its lock guards it and the next */
    unsigned turns; /* how many it has asked for: end_turn may be called late */
} ahead;

static void let_go(ahead *source)
{
    if (er_sub(&source->count, 1) != 1) return;
    if (source->fd >= 0) er_file_close(source->fd);
    er_request_drop(source->request);
    er_free(source->back);
    er_free(source->front);
    er_free(source);
}

/* ---- the filler ---- */

static void next_part(ahead *source)
{
    if (source->fd >= 0) er_file_close(source->fd);
    source->fd = -1;
    source->part++;
    source->offset = 0;
}

static int from_file(ahead *source, const er_part *part, char *to, size_t room, size_t *got)
{
    uint64_t left = part->length - source->offset;
    int error = 0;
    *got = 0;
    if (left && source->fd < 0)
        error = er_file_open(part->at, O_RDONLY | O_NONBLOCK | O_NOCTTY, &source->fd);
    if (!error && left)
        error = er_file_read(source->fd, to, left < room ? (size_t)left : room, got);
    return error || *got || !left ? error : EIO; /* it was longer */
}

static int from_fn(ahead *source, char *to, size_t room, size_t *got)
{
    const er_body *body = &source->request->content;
    *got = 0;
    if (body->known && source->offset == body->length) return 0; /* its turn may have ended */
    int error = body->fn(body->fn_arg, source->offset, to, room, got);
    er_end_in_child();
    if (error) return error;
    if (*got > room) return EOVERFLOW;
    bool ends_early = !*got && body->known && source->offset < body->length;
    bool too_much = body->known && source->offset + *got > body->length;
    return ends_early || too_much ? EMSGSIZE : 0;
}

/* Fills `to`; *size 0: the end. */
static int fill(ahead *source, char *to, size_t *size)
{
    const er_body *body = &source->request->content;
    *size = 0;
    while (source->part < body->n && *size < ROOM) {
        const er_part *part = &body->parts[source->part];
        size_t room = ROOM - *size, got = 0;
        int error = 0;
        if (part->kind == ER_PART_BYTES) {
            got = part->size - source->offset < room ? part->size - (size_t)source->offset : room;
            memcpy(to + *size, part->at + source->offset, got);
        } else if (part->kind == ER_PART_FILE) {
            error = from_file(source, part, to + *size, room, &got);
        } else {
            error = from_fn(source, to + *size, room, &got);
        }
        if (error) return error;
        source->offset += got;
        *size += got;
        if (!got) next_part(source);
        else if (part->kind == ER_PART_FN) break; /* what it has given goes out at once */
    }
    return 0;
}

/* Under the lock, released meanwhile. */
static void fill_back(ahead *source)
{
    do {
        if (source->rewind) {
            source->rewind = false;
            source->part = 0;
            source->offset = 0;
            if (source->fd >= 0) er_file_close(source->fd);
            source->fd = -1;
        }
        er_lock_give(&source->lock);
        size_t size;
        int error = fill(source, source->back, &size);
        er_lock_take(&source->lock);
        source->back_size = size;
        source->ended = !size;
        source->error = error;
        source->failed = source->part;
    } while (source->rewind && !source->dropped); /* what was read is discarded */
}

static errand_result run_filler(void *arg)
{
    ahead *source = arg;
    source->ran = true;
    er_lock_take(&source->lock);
    if (!source->dropped) fill_back(source);
    er_lock_give(&source->lock);
    return errand_ok(NULL, NULL);
}

static void submit_filler(ahead *source);

/* Ends this turn, and submits the filler that waits for the next. Does nothing if the turn is
 * another source's, or a later one of its own. */
static void end_turn(ahead *source, unsigned turns)
{
    er_body *body = &source->request->content;
    ahead *next = NULL;
    er_lock_take(&body->lock);
    if (body->caller == source && source->turns == turns) {
        er_node *node = er_list_pop(&body->callers);
        body->caller = next = node ? er_of(node, ahead, turn) : NULL;
    }
    er_lock_give(&body->lock);
    if (next) submit_filler(next); /* its counts are the filler's since it began to wait */
}

/* False: it has to wait. */
static bool has_turn(ahead *source)
{
    er_body *body = &source->request->content;
    if (!body->fn) return true;
    er_lock_take(&body->lock);
    bool has = !body->caller || body->caller == source;
    source->turns++;
    if (has) body->caller = source;
    else er_list_push(&body->callers, &source->turn);
    er_lock_give(&body->lock);
    return has;
}

/* Under source's lock: it needs its turn no more, unless it begins again. */
static bool is_through(const ahead *source)
{
    const er_body *body = &source->request->content;
    bool all = source->ended ||
               (body->known && source->part == 0 && source->offset == body->length);
    return body->fn && (source->dropped || source->error || all);
}

static void filler_gone(void *arg)
{
    ahead *source = arg;
    er_lock_take(&source->lock);
    if (!source->ran) { /* the pool has shut down, or has no memory */
        source->error = ECANCELED;
        source->failed = SIZE_MAX;
    } else if (source->rewind && !source->dropped) {
        fill_back(source);
    }
    unsigned turns = source->turns; /* unchanged until `filling` is false */
    source->filling = source->rewind = false;
    bool resumes = source->paused && !source->dropped, ends = is_through(source);
    source->paused = false;
    er_lock_give(&source->lock);
    if (ends) end_turn(source, turns);
    if (resumes) source->valve->resume(source->valve);
    source->valve->drop(source->valve);
    let_go(source);
}

static void submit_filler(ahead *source)
{
    const errand_task task = {
        .fn = run_filler, .arg = source, .free = filler_gone, .name = "http body"
    };
    errand_drop(er_task_submit(source->pool, &task,
                               &(er_terms){ .deadline_ns = INT64_MAX, .urgent = true }));
}

/* The caller has set `filling`, which was false. */
static void start_filler(ahead *source)
{
    source->ran = false;
    er_add(&source->count, 1);
    source->valve->keep(source->valve);
    if (has_turn(source)) submit_filler(source);
}

/* ---- the lane ---- */

static ahead *ahead_of(er_body_source *source) { return er_of(source, ahead, source); }

static int begin(er_body_source *self, er_valve *valve)
{
    ahead *source = ahead_of(self);
    source->valve = valve;
    source->filling = true;
    start_filler(source);
    return 0;
}

/* Takes what the filler has made ready. ER_FLOW_WAIT: nothing yet. */
static int swap(ahead *source)
{
    er_lock_take(&source->lock);
    int error = source->filling ? ER_FLOW_WAIT : source->error;
    bool starts = !error && !source->ended;
    if (error == ER_FLOW_WAIT) source->paused = true;
    if (starts) {
        char *front = source->front;
        source->front = source->back;
        source->back = front;
        source->front_at = 0;
        source->front_size = source->back_size;
        source->filling = true;
    }
    er_lock_give(&source->lock);
    if (starts) start_filler(source);
    return error;
}

static int give(er_body_source *self, char *to, size_t room, size_t *got)
{
    ahead *source = ahead_of(self);
    int error = source->front_at == source->front_size ? swap(source) : 0;
    *got = 0;
    if (error) return error;
    size_t left = source->front_size - source->front_at;
    *got = left < room ? left : room;
    memcpy(to, source->front + source->front_at, *got);
    source->front_at += *got;
    return 0;
}

static bool begin_again(er_body_source *self)
{
    ahead *source = ahead_of(self);
    er_lock_take(&source->lock);
    bool can = !source->error, starts = can && !source->filling;
    if (can) {
        source->rewind = source->filling = true;
        source->ended = false;
        source->front_at = source->front_size = 0;
    }
    er_lock_give(&source->lock);
    if (starts) start_filler(source);
    return can;
}

static int why(er_body_source *self, er_bytes *words)
{
    ahead *source = ahead_of(self);
    er_lock_take(&source->lock);
    int error = source->filling ? 0 : source->error;
    size_t part = source->failed;
    er_lock_give(&source->lock);
    if (!error) return 0;
    const er_body *body = &source->request->content;
    bool file = part < body->n && body->parts[part].kind == ER_PART_FILE;
    if (file) er_bytes_format(words, "the file \"%s\"", body->parts[part].at);
    else er_bytes_text(words, part < body->n ? "body_fn" : "the body could not be read");
    if (file && error == EIO) er_bytes_text(words, " has become shorter, or cannot be read");
    else if (error == EMSGSIZE)
        er_bytes_text(words, " gave another number of bytes than body_size");
    else er_bytes_format(words, ": %s", errand_strerror(error));
    return error;
}

/* Takes it out of `callers`. True: it was waiting, and its filler will not run. */
static bool leave_line(ahead *source)
{
    er_body *body = &source->request->content;
    er_lock_take(&body->lock);
    bool waits = er_listed(&source->turn);
    if (waits) er_list_remove(&source->turn);
    er_lock_give(&body->lock);
    return waits;
}

static void drop(er_body_source *self)
{
    ahead *source = ahead_of(self);
    er_lock_take(&source->lock);
    source->dropped = true;
    bool filling = source->filling;
    er_lock_give(&source->lock);
    if (!filling) {
        end_turn(source, source->turns);
    } else if (leave_line(source)) {
        source->valve->drop(source->valve);
        let_go(source);
    }
    let_go(source);
}

int er_body_upload(er_request *request, errand_pool *pool, er_body_source **out)
{
    const er_body *body = &request->content;
    *out = NULL;
    if (!body->there || er_body_in_memory(body)) return 0;
    ahead *source = er_alloc_zero(sizeof *source);
    if (!source) return ENOMEM;
    source->source = (er_body_source){
        .size = body->known ? (int64_t)body->length : -1,
        .begin = begin,
        .read = give,
        .rewind = begin_again,
        .why = why,
        .drop = drop
    };
    source->count = 1;
    source->fd = -1;
    source->pool = pool;
    source->request = request;
    er_request_keep(request);
    source->front = er_alloc(ROOM);
    source->back = er_alloc(ROOM);
    if (source->front && source->back) {
        *out = &source->source;
        return 0;
    }
    let_go(source);
    return ENOMEM;
}
