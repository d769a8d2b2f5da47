/* log/backend.c -- the thread that takes the lines of all threads and writes them to the sinks.
 *
 *     ABSENT --first line--> AWAKE <---> NAPPING --nothing came--> ASLEEP --a writer--> AWAKE
 *
 * After a pass that found much it looks again at once; else it naps a millisecond, so that a
 * steady writer never pays for waking it and lines go out together. A nap that ends with nothing
 * new becomes sleep. A writer puts a line, then reads `sleep`, and wakes the backend from
 * ASLEEP; the backend sets ASLEEP, then reads all rings. One of the two sees the other: between
 * its two steps the backend calls er_barrier, a fence on all threads at once, so that writers
 * need none.
 *
 * A flush is a number: a pass that began after the request, and found everything, answers it. Where
 * threads log so much that no pass finds everything, it is answered by the pass that takes what was
 * stamped up to a window after it was seen: a line that was logged before the flush has no later
 * stamp.
 *
 * The end. close lets it write the rest and joins it. A close that ran out of time leaves the
 * log to it (abandoned): if the write that blocks it ever returns, it counts the remaining lines
 * as dropped and frees everything. */
#include "log/backend.h"
#include "log/emit.h"
#include "log/merge.h"
#include "log/rotate.h"
#include "log/threads.h"
#include "base/atomic.h"

#include <errno.h>

#define NAP_NS    ER_MS
#define WINDOW_NS (10 * ER_MS)
#define MUCH      16384u        /* bytes of a pass after which it does not nap */
#define AGAIN_NS  (100 * ER_MS) /* until a writer tries again to start the thread */
#define LOOK_NS   (500 * ER_MS) /* between two readings of the clocks */
#define MOST_TEXT ((size_t)4 << 20)

/* ---- its things ---- */

void er_backend_free(er_hub *hub)
{
    er_backend *b = hub->backend;
    if (!b || er_hub_forked(hub)) return; /* in a child: it may have been about to move them */
    er_text_close(&b->message);
    er_text_close(&b->laid_out);
    er_free(b->voices);
    er_free(b->heap);
    er_free(b);
    hub->backend = NULL;
}

void er_backend_end(er_hub *hub)
{
    bool forked = er_hub_forked(hub);
    size_t sinks = er_load_acquire(&hub->sinks_open); /* acquire: what their opener wrote */
    for (size_t i = 0; i < sinks; i++) {
        if (forked) hub->sinks[i].free = NULL; /* its owner's, in the parent */
        er_sink_close(&hub->sinks[i]);
    }
    er_backend_free(hub);
    er_free(hub->sinks);
    hub->sinks = NULL;
    er_hub_bury(hub);
}

/* ---- its answers ---- */

static void answer(er_hub *hub, uint64_t asked) /* wakes the waiters of flushes up to this number */
{
    er_list ready;
    er_list_init(&ready);
    er_lock_take(&hub->lock);
    er_store(&hub->flush_done, asked);
    er_node *next;
    for (er_node *node = hub->flushing.head.next; node != &hub->flushing.head; node = next) {
        next = node->next;
        er_hub_waiter *w = er_of(node, er_hub_waiter, node);
        if (w->target > asked) continue;
        er_list_remove(node);
        w->called = true;
        er_list_push(&ready, node);
    }
    er_lock_give(&hub->lock);
    /* a waiter may be gone as soon as it is woken */
    for (er_node *node; (node = er_list_pop(&ready));)
        er_unpark(&er_of(node, er_hub_waiter, node)->parker, ER_LOG_CALLED);
}

static void reopen(er_hub *hub)
{
    int error = 0;
    size_t sinks = er_load_acquire(&hub->sinks_open);
    for (size_t i = 0; i < sinks; i++) {
        int e = er_sink_reopen(&hub->sinks[i]);
        if (!error) error = e;
    }
    er_lock_take(&hub->lock);
    hub->reopen_error = error;
    er_lock_give(&hub->lock);
}

/* ---- its work ---- */

static void write_sinks(er_hub *hub)
{
    er_backend *b = hub->backend;
    uint64_t failures = 0, failed = 0;
    size_t sinks = er_load_acquire(&hub->sinks_open);
    for (size_t i = 0; i < sinks; i++) {
        er_sink_write(&hub->sinks[i]);
        failures += hub->sinks[i].failures;
        failed += hub->sinks[i].failed;
    }
    er_store(&hub->failures, failures);
    er_store(&hub->failed, failed);
    er_store(&hub->written, b->lines);
}

static void log_discarded(er_hub *hub)
{
    er_backend *b = hub->backend;
    uint64_t all = 0;
    for (size_t i = 0; i < ER_LOG_LEVELS; i++) all += b->discarded[i];
    if (!all) return;
    er_emit_lost(hub, b->discarded);
    for (size_t i = 0; i < ER_LOG_LEVELS; i++) b->discarded[i] = 0;
    er_add(&hub->discarded, all);
}

static bool abandoned(er_hub *hub)
{
    er_lock_take(&hub->lock);
    bool is = hub->abandoned;
    er_lock_give(&hub->lock);
    return is;
}

static uint64_t answered_by_pass(er_hub *hub, uint64_t asked) /* 0: none */
{
    er_backend *b = hub->backend;
    if (!b->left) return asked;
    return !b->blind && b->horizon - b->pending_stamp >= b->window ? b->pending : 0;
}

static void answer_flushes(er_hub *hub, uint64_t asked, uint64_t again)
{
    uint64_t done = er_load(&hub->flush_done), now = answered_by_pass(hub, asked);
    if (now <= done) return;
    /* again with the next answer, if it was requested after this one */
    if (again > done) reopen(hub);
    answer(hub, now);
}

static bool work(er_hub *hub) /* true: more is expected at once */
{
    er_backend *b = hub->backend;
    er_lock_take(&hub->lock);
    uint64_t asked = er_load(&hub->flush_asked), again = hub->reopen_asked;
    er_lock_give(&hub->lock);
    if (b->pending <= er_load(&hub->flush_done)) {
        b->pending = asked;
        b->pending_stamp = er_stamp();
    }
    if (er_load(&hub->closing) && !b->discard) b->discard = abandoned(hub);
    /* the longer, the more exact it is already */
    int64_t known = b->stamps.last_ns - b->stamps.first_ns;
    if (er_now_ns() - b->stamps.last_ns > (known < LOOK_NS ? known : LOOK_NS))
        er_stamps_look(&b->stamps);
    bool found = er_merge_pass(hub);
    if (b->discard) log_discarded(hub);
    if (found) write_sinks(hub);
    answer_flushes(hub, asked, again);
    return b->left || b->more || b->bytes >= MUCH;
}

static bool writers_wait(er_hub *hub)
{
    const er_backend *b = hub->backend;
    for (size_t i = 0; i < b->n; i++) {
        if (er_load(&b->voices[i]->waiting)) return true;
    }
    return false;
}

static bool urgent(er_hub *hub)
{
    return er_load(&hub->flush_asked) != er_load(&hub->flush_done) || er_load(&hub->closing) ||
           writers_wait(hub);
}

static bool anything(er_hub *hub)
{
    const er_backend *b = hub->backend;
    if (urgent(hub) || er_load(&hub->voices_changed) != b->voices_seen) return true;
    for (size_t i = 0; i < b->n; i++) {
        const er_voice *v = b->voices[i];
        if (er_ring_put(&v->ring) != v->ring.read || er_load(&v->ended)) return true;
        for (size_t l = 0; l < ER_LOG_LEVELS; l++) {
            if (er_load(&v->lost[l]) != v->logged[l]) return true;
        }
    }
    return false;
}

static void wait(er_hub *hub, er_hub_sleep how)
{
    er_store(&hub->sleep, (int)how);
    bool more = false;
    if (how == ER_HUB_NAPPING) {
        more = urgent(hub);
    } else {
        if (!hub->strict) er_barrier();
        more = anything(hub);
    }
    if (!more)
        er_park(&hub->parker, ER_LOG_CALLED,
                how == ER_HUB_NAPPING ? er_now_ns() + NAP_NS : INT64_MAX);
    er_store(&hub->sleep, (int)ER_HUB_AWAKE);
    er_parker_clear(&hub->parker, ER_LOG_CALLED);
}

static void finish(er_hub *hub)
{
    er_backend *b = hub->backend;
    size_t sinks = er_load_acquire(&hub->sinks_open);
    b->now.wall_ns = er_wall_ns();
    for (size_t i = 0; i < sinks; i++) er_sink_last(&hub->sinks[i], &b->now);
    write_sinks(hub);
    answer(hub, UINT64_MAX);
    er_lock_take(&hub->lock);
    hub->finished = true;
    bool left = hub->abandoned;
    er_lock_give(&hub->lock);
    if (left) er_backend_end(hub);
    else er_unpark(&hub->closer, ER_LOG_CALLED); /* the closer joins this thread before it frees */
}

void er_backend_drain(er_hub *hub)
{
    er_backend *b = hub->backend;
    size_t sinks = er_load_acquire(&hub->sinks_open);
    b->dying = true;
    for (size_t i = 0; i < sinks; i++) er_sink_write(&hub->sinks[i]);
    er_emit_rest(hub);
    b->printing = false;
    er_merge_pass(hub);
    for (size_t i = 0; i < sinks; i++) er_sink_write(&hub->sinks[i]);
    b->dying = false;
    b->drained = true; /* in case the callback returns after all */
}

static void run_backend(void *arg)
{
    er_hub *hub = arg;
    er_backend *b = hub->backend;
    er_speaker_of_thread.serves = hub;
    if (!b->window) {
        er_stamps_init(&b->stamps);
        b->window = er_stamps_of(&b->stamps, WINDOW_NS);
    }
    unsigned turns = 0;
    for (;;) {
        bool closing = er_load(&hub->closing);
        bool more = work(hub);
        if (more) continue;
        if (b->bytes) {
            wait(hub, ER_HUB_NAPPING);
        } else if (closing) {
            if (!writers_wait(hub)) break; /* they are woken, and count what they drop */
            er_relax(&turns);
        } else {
            wait(hub, ER_HUB_ASLEEP);
        }
    }
    finish(hub);
}

/* ---- its beginning ---- */

int er_backend_start(er_hub *hub)
{
    er_lock_take(&hub->lock);
    bool mine = !hub->running && !hub->starting && !hub->finished;
    if (mine) hub->starting = true;
    er_lock_give(&hub->lock);
    if (!mine) return 0; /* it runs, or is not needed any more */
    er_store(&hub->sleep, (int)ER_HUB_AWAKE);
    er_thread thread;
    int error = er_thread_start(&thread, run_backend, hub, "errand-log", 0);
    if (error) er_store(&hub->sleep, (int)ER_HUB_ABSENT);
    er_lock_take(&hub->lock);
    if (!error) hub->thread = thread;
    hub->running = !error;
    hub->start_again_ns = error ? er_now_ns() + AGAIN_NS : 0;
    hub->starting = false;
    er_lock_give(&hub->lock);
    if (error) er_voice_call_all(hub); /* the writers that wait for it */
    return error;
}

static bool start_again(er_hub *hub)
{
    er_lock_take(&hub->lock);
    bool now = !hub->starting && !hub->running && !hub->finished &&
               (!hub->start_again_ns || er_now_ns() >= hub->start_again_ns);
    bool under_way = hub->starting || hub->running;
    er_lock_give(&hub->lock);
    return now ? er_backend_start(hub) == 0 : under_way;
}

int er_backend_new(er_hub *hub)
{
    er_backend *b = er_alloc_zero(sizeof *b);
    if (!b) return ENOMEM;
    hub->backend = b;
    hub->start = start_again;
    b->line.text = b->now.text = &b->message;
    b->line.values = b->now.values = &b->values;
    b->now.level = ERRAND_LOG_WARN;
    b->now.name = hub->log->name;
    b->now.file = b->now.function = "?";
    if (er_text_open(&b->message, 4096, MOST_TEXT) ||
        er_text_open(&b->laid_out, 8192, SIZE_MAX / 4))
        return ENOMEM;
    return 0;
}
