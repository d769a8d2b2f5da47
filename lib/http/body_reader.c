/* http/body_reader.c -- a ring between one lane, which puts, and one reader at a time, which takes.
 *
 *   lane --put--> [ up to 256 KiB ] --read--> the caller       full: paused; half empty: resumed
 *   exchange over --end(how)--> what is there can still be read, then the end or the failure
 *   response freed --leave--> the exchange is cancelled
 *
 * Counted twice: by the response and by the exchange. The valve is only called while the exchange
 * has not ended the reader: er_body_reader_end waits until `calls` is 0.
 *
 * A read waits as any blocking call of the library does: it lends its worker, and ends with a
 * cancel or the deadline of its task.
 *
 * Compressed bytes lie in the ring as they came, and the reader decodes them into its caller's
 * buffer, without the lock: only a reader moves `first`, and `reading` keeps a second one out, so
 * what was put stays where it is. So no lane decodes, and the reader's buffer limits what is
 * unpacked at a time. Bytes that are damaged or end too early are found here, when the exchange may
 * have succeeded long ago: `torn` is that failure. */
#include "http/body_reader.h"

#include "http/classify.h"
#include "http/request.h"
#include "http/stream.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "base/result.h"
#include "async/park.h"

#include <errno.h>
#include <string.h>

struct er_body_reader {
    unsigned count;
    errand_pool *pool; /* kept */
    er_valve *valve;

    er_lock lock; /* guards what follows */
    char *ring;   /* ER_BODY_READER_ROOM bytes, from the first put on */
    size_t first, held;
    bool paused; /* a put found no room */
    bool ended, left;
    unsigned calls; /* of the valve, under way */
    er_wait *waiting;
    er_parker *ending; /* waits for those calls */
    errand_result how;
    errand_result torn; /* what the decoder has found; set once */
    bool reading;       /* a reader decodes, and owns the next fields */
    er_codings codings;
    er_decoder *decoder; /* NULL: not begun */
    char *label;         /* of the request, for that failure; with codings alone */
    bool may_have_run;
};

er_body_reader *er_body_reader_new(errand_pool *pool, er_valve *valve, er_request *request,
                                   const er_codings *codings)
{
    er_body_reader *reader = er_alloc_zero(sizeof *reader);
    if (!reader) return NULL;
    reader->ring = er_alloc(ER_BODY_READER_ROOM);
    reader->label = codings->n ? er_request_label(request) : NULL;
    if (!reader->ring || (codings->n && !reader->label)) {
        er_free(reader->ring);
        er_free(reader->label);
        er_free(reader);
        return NULL;
    }
    reader->count = 2;
    reader->pool = pool;
    er_pool_keep(pool);
    reader->valve = valve;
    valve->keep(valve);
    reader->codings = *codings;
    reader->may_have_run = request->never_repeat || !request->repeatable;
    return reader;
}

static void drop(er_body_reader *reader)
{
    if (er_sub(&reader->count, 1) != 1) return;
    errand_result_free(&reader->how);
    errand_result_free(&reader->torn);
    er_decoder_free(reader->decoder);
    er_free(reader->label);
    er_free(reader->ring);
    er_pool_release(reader->pool);
    er_free(reader);
}

static void wake(er_body_reader *reader) /* under the lock: the waiter's stack is gone soon after */
{
    if (reader->waiting) er_unpark(&reader->waiting->parker, ER_WAKE);
    reader->waiting = NULL;
}

bool er_body_reader_put(er_body_reader *reader, const char *at, size_t size)
{
    er_lock_take(&reader->lock);
    bool fits = size <= ER_BODY_READER_ROOM - reader->held;
    if (reader->left || reader->torn.error) {
        er_lock_give(&reader->lock);
        return true; /* there is no reader: the exchange has been cancelled */
    }
    if (fits) {
        size_t end = (reader->first + reader->held) % ER_BODY_READER_ROOM;
        size_t straight = ER_BODY_READER_ROOM - end < size ? ER_BODY_READER_ROOM - end : size;
        memcpy(reader->ring + end, at, straight);
        memcpy(reader->ring, at + straight, size - straight);
        reader->held += size;
        wake(reader);
    } else {
        reader->paused = true;
    }
    er_lock_give(&reader->lock);
    return fits;
}

/* Resumes or cancels the exchange, unless it is over. Under the lock; released meanwhile. */
static void call(er_body_reader *reader, bool ends)
{
    if (reader->ended) return; /* the valve may be gone */
    reader->calls++;
    er_lock_give(&reader->lock);
    if (ends) reader->valve->end(reader->valve);
    else reader->valve->resume(reader->valve);
    er_lock_take(&reader->lock);
    if (!--reader->calls && reader->ending) er_unpark(reader->ending, 1);
}

void er_body_reader_end(er_body_reader *reader, errand_result how)
{
    er_parker parker = { 0 };
    er_lock_take(&reader->lock);
    reader->ended = true;
    reader->how = how;
    wake(reader);
    bool waits = reader->calls;
    if (waits) reader->ending = &parker;
    er_lock_give(&reader->lock);
    if (waits) {
        er_park(&parker, 1, INT64_MAX);
        er_lock_take(&reader->lock); /* the thread that woke us has released it */
        reader->ending = NULL;
        er_lock_give(&reader->lock);
    }
    reader->valve->drop(reader->valve);
    drop(reader);
}

static void move_on(er_body_reader *reader, size_t taken) /* under the lock, released by call() */
{
    reader->first = (reader->first + taken) % ER_BODY_READER_ROOM;
    reader->held -= taken;
    if (reader->paused && reader->held <= ER_BODY_READER_ROOM / 2) {
        reader->paused = false;
        call(reader, false);
    }
}

static size_t take(er_body_reader *reader, char *to, size_t size)
{
    size_t taken = size < reader->held ? size : reader->held;
    size_t straight =
        ER_BODY_READER_ROOM - reader->first < taken ? ER_BODY_READER_ROOM - reader->first : taken;
    memcpy(to, reader->ring + reader->first, straight);
    memcpy(to + straight, reader->ring, taken - straight);
    move_on(reader, taken);
    return taken;
}

/* ---- what is decoded ---- */

static errand_result torn(const er_body_reader *reader, int error)
{
    const char *fault = er_decoder_fault(error);
    errand_result r;
    if (fault) {
        int code = error - ERRAND_CURL;
        r = errand_fail_as(error, er_curl_fault(code, "").kind, -1, reader->may_have_run,
                           "%s: body: %s (curl %d)", reader->label, fault, code);
    } else {
        r = errand_fail_as(error, er_kind_of(error), -1, reader->may_have_run, "%s: body: %s",
                           reader->label, errand_strerror(error));
    }
    errand_detail *detail = er_detail(&r);
    if (detail) detail->phase = "body";
    return r;
}

/* Ends reading. Under the lock, released meanwhile. */
static void tear(er_body_reader *reader, int error)
{
    er_lock_give(&reader->lock);
    errand_result r = torn(reader, error);
    er_lock_take(&reader->lock);
    reader->torn = r;
    reader->held = 0;
    bool paused = reader->paused;
    reader->paused = false;
    call(reader, true);
    if (paused) call(reader, false);
}

/* Under the lock, released meanwhile. 0: what is there decodes to nothing more. */
static size_t decode(er_body_reader *reader, char *to, size_t size)
{
    size_t made = 0, before;
    int error = 0;
    if (reader->torn.error) return 0;
    reader->reading = true;
    do {
        size_t straight = ER_BODY_READER_ROOM - reader->first,
               left = before = reader->held < straight ? reader->held : straight;
        const char *at = reader->ring + reader->first;
        er_lock_give(&reader->lock);
        if (!reader->decoder && !(reader->decoder = er_decoder_new(&reader->codings)))
            error = ENOMEM;
        if (!error) error = er_decode(reader->decoder, &at, &left, to, size, &made);
        er_lock_take(&reader->lock);
        move_on(reader, before - left);
    } while (!error && !made && (before || reader->held));
    if (!error && !made && reader->ended && !reader->how.error && !reader->held)
        error = er_decoder_end(reader->decoder);
    if (error) tear(reader, error);
    reader->reading = false;
    return error ? 0 : made;
}

int64_t er_body_reader_read(er_body_reader *reader, void *buffer, size_t size, int64_t ms)
{
    if (!buffer || !size || ms < 0) return -EINVAL;
    if (er_pool_dead(reader->pool)) return -ERRAND_EFORKED;
    int64_t deadline_ns = er_deadline(er_pool_now(reader->pool), ms);
    for (;;) {
        er_wait wait = { 0 };
        er_lock_take(&reader->lock);
        bool taken = reader->waiting || reader->reading, coded = reader->codings.n;
        int64_t got = 0;
        if (!coded) got = (int64_t)take(reader, buffer, size);
        else if (!taken) got = (int64_t)decode(reader, buffer, size);
        bool torn = reader->torn.error, ended = torn || (reader->ended && !(coded && taken));
        int error = taken ? EBUSY : 0;
        if (ended) error = torn ? reader->torn.error : reader->how.error;
        bool waits = !got && !ended && !taken && ms;
        if (waits) reader->waiting = &wait;
        er_lock_give(&reader->lock);
        if (got) return got;
        if (ended || error) return -(int64_t)error;
        if (!waits) return -ETIMEDOUT;
        uint32_t bits = er_pool_park(&wait, ER_WAKE, reader->pool, deadline_ns);
        er_lock_take(&reader->lock);
        if (reader->waiting == &wait) reader->waiting = NULL;
        er_lock_give(&reader->lock);
        if (bits & ER_WAKE) continue;
        return bits & ER_CANCEL ? -ECANCELED : -(int64_t)er_park_error(bits);
    }
}

const errand_result *er_body_reader_failure(er_body_reader *reader)
{
    er_lock_take(&reader->lock);
    const errand_result *failure = NULL; /* each is set once */
    if (reader->torn.error) failure = &reader->torn;
    else if (reader->ended && reader->how.error) failure = &reader->how;
    er_lock_give(&reader->lock);
    return failure;
}

void er_body_reader_leave(er_body_reader *reader)
{
    if (!er_pool_dead(reader->pool)) {
        er_lock_take(&reader->lock);
        reader->left = true;
        reader->held = 0;
        bool paused = reader->paused;
        reader->paused = false;
        call(reader, true);
        if (paused) call(reader, false);
        er_lock_give(&reader->lock);
    }
    drop(reader);
}
