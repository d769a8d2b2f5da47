/* http/reader.c -- a ring between one lane, which puts, and one reader at a time, who takes.
 *
 *   lane --put--> [ up to 256 KiB ] --read--> the caller            full: the transfer is paused, resumed at half
 *   exchange over --end(how)--> what is there can still be read, then the end or the failure
 *   response freed --leave--> the exchange is told to end
 *
 * Counted twice: by the response and by the exchange. The valve is only called while the exchange has not ended the
 * reader: `busy` holds end off for the few instructions of such a call.
 *
 * A read waits as any blocking call of the library does: it lends its worker, hears a cancel of its task and its deadline. */
#include "http/reader.h"

#include "http/flow.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "base/result.h"

#include <errno.h>
#include <string.h>

struct er_reader {
    unsigned count;
    errand_pool *pool; /* kept */
    er_valve *valve;

    er_lock lock; /* guards what follows */
    char *ring;   /* ER_READER_ROOM bytes, from the first put on */
    size_t first, held;
    bool paused; /* a put found no room */
    bool ended, left;
    unsigned calls; /* of the valve, under way */
    er_wait *waiting;
    er_parker *ending; /* waits for those calls */
    errand_result how;
};

er_reader *er_reader_new(errand_pool *pool, er_valve *valve)
{
    er_reader *reader = er_alloc_zero(sizeof *reader);
    if (!reader) return NULL;
    reader->ring = er_alloc(ER_READER_ROOM);
    if (!reader->ring) {
        er_free(reader);
        return NULL;
    }
    reader->count = 2;
    reader->pool = pool;
    er_pool_keep(pool);
    reader->valve = valve;
    valve->keep(valve);
    return reader;
}

static void drop(er_reader *reader)
{
    if (er_sub(&reader->count, 1) != 1) return;
    errand_result_free(&reader->how);
    er_free(reader->ring);
    er_pool_release(reader->pool);
    er_free(reader);
}

static void wake(er_reader *reader) /* under the lock: the waiter's stack is gone soon after */
{
    if (reader->waiting) er_unpark(&reader->waiting->parker, ER_WAKE);
    reader->waiting = NULL;
}

bool er_reader_put(er_reader *reader, const char *at, size_t size)
{
    er_lock_take(&reader->lock);
    bool fits = size <= ER_READER_ROOM - reader->held;
    if (reader->left) {
        er_lock_give(&reader->lock);
        return true; /* nobody is there: the exchange has been told to end */
    }
    if (fits) {
        size_t end = (reader->first + reader->held) % ER_READER_ROOM;
        size_t straight = ER_READER_ROOM - end < size ? ER_READER_ROOM - end : size;
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

/* Tells the exchange to go on, or to end, unless it is over. Under the lock; gives it meanwhile. */
static void call(er_reader *reader, bool ends)
{
    if (reader->ended) return; /* the valve may be gone */
    reader->calls++;
    er_lock_give(&reader->lock);
    if (ends) reader->valve->end(reader->valve);
    else reader->valve->resume(reader->valve);
    er_lock_take(&reader->lock);
    if (!--reader->calls && reader->ending) er_unpark(reader->ending, 1);
}

void er_reader_end(er_reader *reader, errand_result how)
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
        er_lock_take(&reader->lock); /* who woke us has left the lock */
        reader->ending = NULL;
        er_lock_give(&reader->lock);
    }
    reader->valve->drop(reader->valve);
    drop(reader);
}

static size_t take(er_reader *reader, char *to, size_t size)
{
    size_t taken = size < reader->held ? size : reader->held;
    size_t straight = ER_READER_ROOM - reader->first < taken ? ER_READER_ROOM - reader->first : taken;
    memcpy(to, reader->ring + reader->first, straight);
    memcpy(to + straight, reader->ring, taken - straight);
    reader->first = (reader->first + taken) % ER_READER_ROOM;
    reader->held -= taken;
    if (reader->paused && reader->held <= ER_READER_ROOM / 2) {
        reader->paused = false;
        call(reader, false);
    }
    return taken;
}

int64_t er_reader_read(er_reader *reader, void *buffer, size_t size, int64_t ms)
{
    if (!buffer || !size || ms < 0) return -EINVAL;
    if (er_pool_dead(reader->pool)) return -ERRAND_EFORKED;
    int64_t deadline_ns = er_deadline(er_pool_now(reader->pool), ms);
    for (;;) {
        er_wait wait = { 0 };
        er_lock_take(&reader->lock);
        int64_t got = (int64_t)take(reader, buffer, size);
        bool ended = reader->ended, taken = reader->waiting;
        int error = ended ? reader->how.error : taken ? EBUSY : 0;
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
        return bits & ER_TOLD ? -ECANCELED : -ETIMEDOUT;
    }
}

const errand_result *er_reader_failure(er_reader *reader)
{
    er_lock_take(&reader->lock);
    bool failed = reader->ended && reader->how.error;
    er_lock_give(&reader->lock);
    return failed ? &reader->how : NULL; /* set once, before `ended` */
}

void er_reader_leave(er_reader *reader)
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
