/* log/merge.c -- one pass: everything that all threads had logged when it began, in the order of
 * its stamps.
 *
 * First the horizon is stamped, then each ring is read once. Only what was stamped before the
 * horizon is taken: so if one call began after another had returned, its line never comes before
 * the other's, whichever ring was read first. A stamp far beyond now comes from a clock that is not
 * invariant after all; its record is taken when it is found.
 *
 * A heap has the voices with records, by the stamp of their first one; the least is taken from
 * until it is no longer the least.
 *
 * Lost lines. A thread's lost lines since its last record are logged from the record before the
 * next one, which has the sums so far, or, when the ring is empty, from the thread's own sums. The
 * thread counts after it has put all earlier records: so the sums are read first, and are in their
 * place if the ring is still empty then. */
#include "base/atomic.h"
#include "log/emit.h"
#include "log/merge.h"
#include "log/threads.h"

static const er_saying *saying(const er_record *r)
{
    return (const er_saying *)(const void *)(r + 1);
}

/* ---- the heap ---- */

static void sink_down(er_voice **heap, size_t n, size_t at)
{
    er_voice *v = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1]->stamp < heap[child]->stamp) child++;
        if (v->stamp <= heap[child]->stamp) break;
        heap[at] = heap[child];
    }
    heap[at] = v;
}

static uint64_t next_least(er_voice *const *heap, size_t n) /* but for the first */
{
    uint64_t least = n > 1 ? heap[1]->stamp : UINT64_MAX;
    return n > 2 && heap[2]->stamp < least ? heap[2]->stamp : least;
}

/* ---- lost lines ---- */

static bool log_lost(er_hub *hub, er_voice *v, const uint64_t sums[ER_LOG_LEVELS])
{
    uint64_t lost[ER_LOG_LEVELS], all = 0;
    for (size_t i = 0; i < ER_LOG_LEVELS; i++) {
        all += lost[i] = sums[i] - v->logged[i];
        v->logged[i] = sums[i];
    }
    if (all) er_emit_lost(hub, lost);
    return all;
}

static void take_news(er_hub *hub, er_voice *v, const er_said_news *news)
{
    v->speaks = (long)news->thread;
    log_lost(hub, v, news->lost);
}

static bool log_last_lost(er_hub *hub, er_voice *v)
{
    uint64_t sums[ER_LOG_LEVELS], unlogged = 0;
    for (size_t i = 0; i < ER_LOG_LEVELS; i++) {
        sums[i] = er_load_acquire(&v->lost[i]); /* acquire: see above */
        unlogged += sums[i] - v->logged[i];
    }
    return unlogged && er_ring_put(&v->ring) == v->ring.read && log_lost(hub, v, sums);
}

/* ---- a pass ---- */

static void give_back(er_voice *v)
{
    if (v->given == v->ring.read) return;
    er_ring_release(&v->ring);
    v->given = v->ring.read;
    if (er_load(&v->waiting)) er_unpark(&v->parker, ER_LOG_CALLED);
}

static bool late(const er_backend *b, uint64_t stamp)
{
    if (stamp <= b->horizon) return false;
    /* this thread may not have run for long */
    return stamp - b->horizon < b->window || stamp - b->window < er_stamp();
}

/* True: there is a record in front that this pass takes. */
static bool look_at_front(er_backend *b, er_voice *v)
{
    if (v->ring.read == v->stop) return false;
    v->stamp = saying(er_ring_front(&v->ring))->stamp;
    if (!late(b, v->stamp)) return true;
    b->left = true;
    return false;
}

static void take_while_least(er_hub *hub, er_voice *v, uint64_t others)
{
    er_backend *b = hub->backend;
    do {
        const er_record *r = er_ring_front(&v->ring);
        b->bytes += r->size;
        /* first: a callback may return from a fault after er_backend_drain has run here */
        er_ring_pass(&v->ring, r);
        if ((r->tag & ER_SAID_KIND) == ER_SAID_NEWS)
            take_news(hub, v, (const er_said_news *)(const void *)(saying(r) + 1));
        else er_emit(hub, v, r);
        if (b->drained) {
            b->heaped = 0;
            return;
        }
        if (!b->dying && v->ring.read - v->given >= v->ring.size / 4) give_back(v);
        if (!look_at_front(b, v)) {
            b->heap[0] = b->heap[--b->heaped];
            return;
        }
    } while (v->stamp <= others);
}

static void list_voices(er_hub *hub)
{
    er_backend *b = hub->backend;
    uint64_t changed = er_load(&hub->voices_changed);
    if (changed == b->voices_seen) return;
    size_t room = b->heap_room;
    if (er_voices_list(hub, &b->voices, &b->voices_room, &b->n)) {
        b->left = b->blind = true; /* for a time with more memory */
        return;
    }
    if (room < b->voices_room) {
        er_voice **heap = er_resize(b->heap, b->voices_room * sizeof *heap);
        if (!heap) {
            b->n = b->n < room ? b->n : room;
            b->left = b->blind = true;
            return;
        }
        b->heap = heap;
        b->heap_room = b->voices_room;
    }
    b->voices_seen = changed;
}

static void reap(er_hub *hub)
{
    er_backend *b = hub->backend;
    size_t kept = 0;
    for (size_t i = 0; i < b->n; i++) {
        er_voice *v = b->voices[i];
        bool ended = er_load_acquire(&v->ended); /* acquire: all it has put is seen below */
        if (ended) log_last_lost(hub, v);
        if (b->drained) {
            b->voices_seen = UINT64_MAX; /* the list is half sorted out: it is made again */
            return;
        }
        if (ended && er_voice_reap(v)) continue;
        b->voices[kept++] = v;
        b->more |= ended;
    }
    b->n = kept;
}

bool er_merge_pass(er_hub *hub)
{
    er_backend *b = hub->backend;
    size_t sinks = er_load_acquire(&hub->sinks_open); /* acquire: they are ready */
    bool logged = false;
    b->left = b->blind = b->more = b->drained = false;
    b->bytes = 0;
    list_voices(hub);
    b->horizon = er_stamp();
    b->heaped = 0;
    for (size_t i = 0; i < b->n; i++) {
        er_voice *v = b->voices[i];
        v->stop = er_ring_look(&v->ring);
        if (look_at_front(b, v)) b->heap[b->heaped++] = v;
    }
    for (size_t i = 0; i < sinks && b->heaped && !b->dying; i++)
        er_layout_ask_zone(hub->sinks[i].layout);
    for (size_t i = b->heaped / 2; i-- > 0;) sink_down(b->heap, b->heaped, i);
    while (b->heaped) {
        take_while_least(hub, b->heap[0], next_least(b->heap, b->heaped));
        if (b->heaped) sink_down(b->heap, b->heaped, 0);
    }
    for (size_t i = 0; i < b->n; i++) {
        if (!b->dying) give_back(b->voices[i]);
        er_voice *v = b->voices[i];
        if (v->ring.read == v->stop) logged |= log_last_lost(hub, v);
    }
    if (!b->dying) reap(hub);
    return logged || b->bytes;
}
