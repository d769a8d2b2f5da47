/* log/threads.c -- which thread logs in which hub, and how both end.
 *
 *     voice:  in use --thread ends--> ended --drained--> freed by the backend
 *               |  ^------another thread begins---+
 *               |hub is buried
 *               +--> its thread's alone --thread ends, or looks for a voice--> freed
 *
 * The voice of an ended thread goes to the next thread that begins to log in the hub, with what is
 * still in its ring: so there are never more voices than threads that logged at the same time,
 * however slow the sinks are. The lock orders what the two threads write; the backend sees `ended`
 * under the lock before it frees.
 *
 * A thread writes into its voice without a lock, so no other thread frees it while the thread
 * lives: closing a log is safe beside a thread in the middle of a call. What such a call puts after
 * the end is never read; when the voice is freed, or the stats are read, it counts as lost.
 *
 * Buried hubs and their loggers are kept for a while: their names may still be in use. The
 * oldest are freed when there are too many.
 *
 * One lock for all of that: it is taken when a thread first logs in a hub, when it ends, and when a
 * hub ends. It is held across fork, so a child finds everything whole. */
#include "log/threads.h"
#include "base/atomic.h"

#include <errno.h>

#define GRAVES    1000
#define HEIRLOOMS 8

__thread er_speaker er_speaker_of_thread;

static er_lock lock;
static er_list graves = { { &graves.head, &graves.head } };
static size_t n_graves;

static void before_fork(void) { er_lock_take(&lock); }
static void after_fork(void) { er_lock_give(&lock); }
static void in_child(void)
{
    er_speaker_of_thread.id = 0; /* so that the next call looks, and sees that it is in a child */
    er_lock_give(&lock);
}
__attribute__((constructor)) static void watch_forks(void)
{
    er_fork_hooks(before_fork, after_fork, in_child);
}

/* ---- voices ---- */

static er_voice *voice_new(er_hub *hub)
{
    size_t head = (sizeof(er_voice) + ER_LINE - 1) & ~(size_t)(ER_LINE - 1);
    er_voice *v = er_alloc_aligned(ER_LINE, head + hub->ring);
    if (!v) return NULL;
    *v = (er_voice){ .hub = hub, .id = hub->id, .thread = er_thread_number() };
    v->thread_shown = v->speaks = v->thread;
    er_ring_init(&v->ring, (char *)v + head, hub->ring);
    return v;
}

static void voice_free(er_voice *v)
{
    if (!v->hub || !er_hub_forked(v->hub)) { /* what was never read gives its fields back */
        while (v->ring.read != er_ring_look(&v->ring)) {
            const er_record *r = er_ring_front(&v->ring);
            const char *behind = (const char *)(r + 1) + sizeof(er_saying);
            if (r->tag & ER_SAID_FIELDS)
                er_fields_release(*(errand_log_fields *const *)(const void *)behind);
            er_ring_pass(&v->ring, r);
        }
    }
    er_free(v);
}

static uint64_t lost_of(const er_voice *v)
{
    uint64_t n = 0;
    for (size_t i = 0; i < ER_LOG_LEVELS; i++)
        n += er_load_acquire(&v->lost[i]); /* acquire: then said is at least that */
    return n;
}

static void take_out(er_voice *v) /* under the lock */
{
    er_hub *hub = v->hub;
    if (!hub) return;
    hub->gone_lost += lost_of(v);
    hub->gone_said += er_load_relaxed(&v->said); /* relaxed: no thread writes any more */
    er_list_remove(&v->node);
    if (er_load_relaxed(&v->ended)) er_list_remove(&v->heir); /* relaxed: written under the lock */
    hub->n_voices--;
}

static void sweep(er_speaker *me) /* under the lock: voices that no hub needs any more */
{
    er_voice **at = &me->all;
    while (*at) {
        er_voice *v = *at;
        if (v->hub && !v->hub->buried) {
            at = &v->next_of_thread;
            continue;
        }
        *at = v->next_of_thread;
        take_out(v);
        voice_free(v);
    }
    me->id = 0;
}

static void thread_ends(void *arg)
{
    er_speaker *me = arg;
    er_lock_take(&lock);
    sweep(me);
    er_lock_give(&lock);
    for (er_voice *v; (v = me->all);) {
        me->all = v->next_of_thread;
        er_lock_take(&lock);
        er_hub *hub = v->hub;
        bool mine = !hub || hub->buried || er_hub_forked(hub);
        if (mine) {
            take_out(v);
        } else {
            er_list_push(&hub->ended, &v->heir);
            /* release: what the thread put is seen; v is its heir's or the backend's */
            er_store_release(&v->ended, true);
        }
        er_lock_give(&lock);
        if (mine) voice_free(v);
        else er_hub_rouse(hub, ER_HUB_ASLEEP);
    }
}

static er_voice *find(er_speaker *me, uint64_t id)
{
    er_voice *v = me->all;
    while (v && v->id != id) v = v->next_of_thread;
    return v;
}

/* Of the first few the one with the most room. */
static er_voice *inherit(er_hub *hub) /* under the lock */
{
    er_voice *best = NULL;
    unsigned seen = 0;
    for (er_node *n = hub->ended.head.next; n != &hub->ended.head && seen++ < HEIRLOOMS;
         n = n->next) {
        er_voice *v = er_of(n, er_voice, heir);
        if (!best || er_ring_used(&v->ring) < er_ring_used(&best->ring)) best = v;
    }
    if (!best) return NULL;
    er_list_remove(&best->heir);
    er_store_relaxed(&best->ended, false); /* relaxed: the backend looks again under the lock */
    best->thread = er_thread_number();
    best->ring.limit = best->ring.next; /* the next call takes the long way, and puts its thread */
    return best;
}

static er_voice *add_new(er_hub *hub)
{
    er_voice *v = voice_new(hub);
    if (!v) return NULL;
    er_lock_take(&lock);
    bool late = hub->buried;
    if (!late) {
        er_list_push(&hub->voices, &v->node);
        hub->n_voices++;
    }
    er_lock_give(&lock);
    if (late) {
        er_free(v);
        return NULL;
    }
    er_add(&hub->voices_changed, 1);
    return v;
}

er_voice *er_voice_find(errand_log *log)
{
    er_speaker *me = &er_speaker_of_thread;
    er_hub *hub = log->hub;
    uint64_t id = er_load(&log->id);
    if (id == ER_LOG_CLOSED) return NULL;
    er_voice *v = find(me, id);
    if (!v) {
        if (er_thread_at_end(thread_ends, me)) return NULL;
        er_lock_take(&lock);
        sweep(me);
        v = hub->buried ? NULL : inherit(hub);
        er_lock_give(&lock);
        if (!v && !(v = add_new(hub))) return NULL;
        v->next_of_thread = me->all;
        me->all = v;
    }
    me->voice = v;
    me->id = id;
    return v;
}

void er_voice_call_all(er_hub *hub)
{
    er_lock_take(&lock);
    er_list_each(n, &hub->voices) er_unpark(&er_of(n, er_voice, node)->parker, ER_LOG_CALLED);
    er_lock_give(&lock);
}

/* ---- for the backend ---- */

int er_voices_list(er_hub *hub, er_voice ***array, size_t *room, size_t *n)
{
    er_lock_take(&lock);
    while (hub->n_voices > *room) {
        size_t more = hub->n_voices * 2 + 16;
        er_lock_give(&lock);
        er_voice **larger = er_resize(*array, more * sizeof *larger);
        if (!larger) return ENOMEM;
        *array = larger;
        *room = more;
        er_lock_take(&lock);
    }
    *n = 0;
    er_list_each(node, &hub->voices) (*array)[(*n)++] = er_of(node, er_voice, node);
    er_lock_give(&lock);
    return 0;
}

bool er_voice_reap(er_voice *v)
{
    er_lock_take(&lock);
    bool over = er_load_relaxed(&v->ended) &&
                er_ring_put(&v->ring) == v->ring.read; /* relaxed: written under the lock */
    for (size_t i = 0; i < ER_LOG_LEVELS; i++) {
        over = over && er_load_relaxed(&v->lost[i]) == v->logged[i];
    }
    if (over) take_out(v);
    er_lock_give(&lock);
    if (over) er_free(v);
    return over;
}

/* ---- hubs ---- */

void er_hub_stats(er_hub *hub, errand_log_stats *stats)
{
    uint64_t lost = 0, said = 0;
    er_lock_take(&lock);
    stats->written = er_load(&hub->written);
    stats->failed = er_load(&hub->failed);
    lost = er_load(&hub->discarded) + hub->gone_lost;
    er_list_each(n, &hub->voices) lost += lost_of(er_of(n, er_voice, node));
    /* relaxed: read after what is counted in it */
    er_list_each(n, &hub->voices) said += er_load_relaxed(&er_of(n, er_voice, node)->said);
    uint64_t late = er_load(&hub->late);
    stats->attempted = said + hub->gone_said + late;
    stats->dropped = hub->buried ? stats->attempted - stats->written : lost + late;
    er_lock_give(&lock);
}

void er_voices_drop(er_hub *hub)
{
    er_speaker *me = &er_speaker_of_thread;
    for (er_voice **at = &me->all; *at;) {
        if ((*at)->hub == hub) *at = (*at)->next_of_thread;
        else at = &(*at)->next_of_thread;
    }
    me->id = 0;
    er_lock_take(&lock);
    for (er_node *n; (n = er_list_pop(&hub->voices));) voice_free(er_of(n, er_voice, node));
    er_list_init(&hub->ended);
    hub->n_voices = 0;
    hub->gone_said = hub->gone_lost = 0;
    er_lock_give(&lock);
}

static void hub_free(er_hub *hub)
{
    for (er_node *n; (n = er_list_pop(&hub->loggers));) er_free(er_of(n, errand_log, node));
    er_free(hub);
}

void er_hub_bury(er_hub *hub)
{
    er_hub *oldest = NULL;
    er_list gone;
    er_list_init(&gone);
    bool forked = er_hub_forked(hub);
    er_lock_take(&lock);
    hub->buried = true;
    er_node *next;
    for (er_node *n = hub->voices.head.next; n != &hub->voices.head; n = next) {
        next = n->next;
        er_voice *v = er_of(n, er_voice, node);
        bool ours = forked && find(&er_speaker_of_thread, v->id) == v;
        if (!er_load_acquire(&v->ended) && (!forked || ours)) continue; /* its thread frees it */
        take_out(v);
        er_list_push(&gone, &v->node);
    }
    er_list_push(&graves, &hub->grave);
    if (n_graves == GRAVES) {
        oldest = er_of(er_list_pop(&graves), er_hub, grave);
        for (er_node *n; (n = er_list_pop(&oldest->voices));) er_of(n, er_voice, node)->hub = NULL;
    } else {
        n_graves++;
    }
    er_lock_give(&lock);
    for (er_node *n; (n = er_list_pop(&gone));) voice_free(er_of(n, er_voice, node));
    if (oldest) hub_free(oldest);
}
