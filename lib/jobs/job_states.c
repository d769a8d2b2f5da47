/* jobs/job_states.c -- a hash table with open addressing and slots of 16 bytes.
 *
 *     hash: 64 | seq: 40, run: 16, kind: 4, flags: 3, used: 1         by place
 *     hash: 64 | run: 16, fate: 4, used: 1                            by content, of an id
 *     hash: 64 | counts of fates: 22, 19, 11, 11, used: 1             by content, without an id
 *
 * By place a slot is one job: hash and seq. A job in a changed input has another seq, so
 * er_job_states_match_content() makes a second table of it, with one slot for each hash. Of an id
 * that has the fate that its last run left. Without an id it counts how many of the equal jobs have
 * which fate, and each job of the new input takes one; a job that was reported as unknown is no
 * longer under way. A count that does not fit stays at its largest value, so jobs are skipped
 * rather than sent twice.
 *
 * At most 7 of 10 slots are used when the number of jobs was known: 22.9 bytes a job. Beyond that
 * the table grows by half. A slot that was forgotten stays, as one that was left by no run. */
#include "jobs/job_states.h"

#include <errno.h>
#include <string.h>

typedef struct er_job_slot {
    uint64_t hash, rest;
} slot;

#define USED       1u
#define UNDER_WAY  2u
#define MAY_HAVE   4u
#define HAS_NEXT   8u
#define KIND_SHIFT 4
#define RUN_SHIFT  8
#define SEQ_SHIFT  24
#define ROOM_LEAST 64

static uint64_t mixed(uint64_t hash, uint64_t seq)
{
    uint64_t state = hash ^ seq * UINT64_C(0x9e3779b97f4a7c15);
    return er_random_next(&state);
}

/* The slot of this job, or the free one where it would go. */
static slot *find(const slot *slots, size_t room, er_job_ref ref, bool by_content)
{
    uint64_t at = mixed(ref.hash, by_content ? 0 : ref.seq);
    size_t i = (size_t)(((unsigned __int128)at * room) >> 64);
    for (;; i = i + 1 < room ? i + 1 : 0) {
        const slot *s = &slots[i];
        bool same = s->hash == ref.hash && (by_content || s->rest >> SEQ_SHIFT == ref.seq);
        if (!s->rest || same) return (slot *)(uintptr_t)s;
    }
}

static int make(er_job_states *states, size_t room)
{
    if (room > SIZE_MAX / sizeof(slot)) return ENOMEM;
    slot *slots = er_alloc_zero(room * sizeof *slots);
    if (!slots) return ENOMEM;
    for (size_t i = 0; i < states->room; i++) {
        const slot *old = &states->slots[i];
        const er_job_ref ref = { old->hash, old->rest >> SEQ_SHIFT };
        if (old->rest) *find(slots, room, ref, states->by_content) = *old;
    }
    er_free(states->slots);
    states->slots = slots;
    states->room = room;
    return 0;
}

int er_job_states_init(er_job_states *states, size_t jobs)
{
    *states = (er_job_states){ 0 };
    return make(states, jobs / 7 * 10 + ROOM_LEAST);
}

void er_job_states_free(er_job_states *states)
{
    er_free(states->slots);
    *states = (er_job_states){ 0 };
}

/* The slot of this job or hash, a new one if need be. NULL: no memory. */
static slot *claim(er_job_states *states, er_job_ref ref)
{
    slot *s = find(states->slots, states->room, ref, states->by_content);
    if (s->rest) return s;
    if (states->used + 1 > states->room / 5 * 4) {
        if (make(states, states->room + states->room / 2)) return NULL;
        s = find(states->slots, states->room, ref, states->by_content);
    }
    states->used++;
    s->hash = ref.hash;
    return s;
}

static uint64_t packed(uint64_t seq, const er_job_state *state)
{
    return seq << SEQ_SHIFT | (uint64_t)state->run << RUN_SHIFT |
           (uint64_t)state->kind << KIND_SHIFT | (state->under_way ? UNDER_WAY : 0) |
           (state->may_have_run ? MAY_HAVE : 0) | (state->has_next ? HAS_NEXT : 0) | USED;
}

static er_job_state unpacked(uint64_t rest)
{
    return (er_job_state){ .run = (unsigned)(rest >> RUN_SHIFT & ER_JOB_RUNS_MOST),
                           .kind = (errand_kind)(rest >> KIND_SHIFT & 15),
                           .under_way = rest & UNDER_WAY,
                           .may_have_run = rest & MAY_HAVE,
                           .has_next = rest & HAS_NEXT };
}

int er_job_states_set(er_job_states *states, er_job_ref ref, const er_job_state *state)
{
    slot *s = claim(states, ref);
    if (s) s->rest = packed(ref.seq, state);
    return s ? 0 : ENOMEM;
}

bool er_job_states_get(const er_job_states *states, er_job_ref ref, er_job_state *state)
{
    *state = unpacked(find(states->slots, states->room, ref, false)->rest);
    return state->run;
}

void er_job_states_forget(er_job_states *states, er_job_ref ref)
{
    slot *s = find(states->slots, states->room, ref, false);
    if (s->rest) s->rest = packed(ref.seq, &(er_job_state){ 0 });
}

/* ---- by content ---- */

static const struct {
    unsigned shift, bits;
} counts[ER_JOB_FATES] = { [ER_JOB_RUN_IF_SAFE] = { 1, 11 },
                           [ER_JOB_UNKNOWN_OR_RUN] = { 12, 11 },
                           [ER_JOB_SKIP_FAILED] = { 23, 19 },
                           [ER_JOB_SKIP] = { 42, 22 } };

static uint64_t count_of(const slot *s, er_job_fate fate)
{
    return s->rest >> counts[fate].shift & ((UINT64_C(1) << counts[fate].bits) - 1);
}

static bool is_full(const slot *s, er_job_fate fate)
{
    return count_of(s, fate) == (UINT64_C(1) << counts[fate].bits) - 1;
}

static void add(slot *s, er_job_fate fate)
{
    s->rest |= USED;
    if (!is_full(s, fate)) s->rest += UINT64_C(1) << counts[fate].shift;
}

static bool take_one(slot *s, er_job_fate fate)
{
    bool any = count_of(s, fate);
    if (any && !is_full(s, fate)) s->rest -= UINT64_C(1) << counts[fate].shift;
    return any;
}

static er_job_fate take(slot *s)
{
    static const er_job_fate order[] = { ER_JOB_SKIP, ER_JOB_UNKNOWN_OR_RUN, ER_JOB_RUN_IF_SAFE,
                                         ER_JOB_SKIP_FAILED };
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (take_one(s, order[i])) return order[i];
    }
    return ER_JOB_RUN;
}

/* Of one id: the last run counts, and a result before what else that run has left. */
static void keep_last(slot *s, const er_job_state *state, er_job_fate fate)
{
    unsigned run = (unsigned)(s->rest >> RUN_SHIFT & ER_JOB_RUNS_MOST);
    if (state->run < run || (state->run == run && state->under_way)) return;
    s->rest = (uint64_t)state->run << RUN_SHIFT | (uint64_t)fate << KIND_SHIFT | USED;
}

/* ENOMEM */
static int convert(er_job_states *to, const slot *from, er_job_judge *judge, void *arg)
{
    er_job_state state = unpacked(from->rest);
    er_job_fate fate = state.run ? judge(&state, arg) : ER_JOB_RUN;
    bool id = from->hash & ER_JOB_HAS_ID;
    if (!state.run || (fate == ER_JOB_RUN && !id)) return 0;
    slot *s = claim(to, (er_job_ref){ from->hash, 0 });
    if (!s) return ENOMEM;
    if (id) keep_last(s, &state, fate);
    else add(s, fate);
    return 0;
}

/* A result "unknown" ends what was under way. */
static void settle(er_job_states *to, const slot *from)
{
    er_job_state state = unpacked(from->rest);
    bool unknown = state.run && !state.under_way && state.kind == ERRAND_KIND_UNKNOWN;
    if (!unknown || from->hash & ER_JOB_HAS_ID) return;
    take_one(find(to->slots, to->room, (er_job_ref){ from->hash, 0 }, true), ER_JOB_UNKNOWN_OR_RUN);
}

int er_job_states_match_content(er_job_states *states, er_job_judge *judge, void *arg)
{
    er_job_states next = { .by_content = true };
    int error = make(&next, ROOM_LEAST);
    for (size_t i = 0; !error && i < states->room; i++)
        error = convert(&next, &states->slots[i], judge, arg);
    for (size_t i = 0; !error && i < states->room; i++) settle(&next, &states->slots[i]);
    if (error) {
        er_job_states_free(&next);
        return error;
    }
    er_job_states_free(states);
    *states = next;
    return 0;
}

er_job_fate er_job_states_next(er_job_states *states, er_job_ref ref, er_job_judge *judge,
                               void *arg)
{
    if (states->by_content) {
        slot *s = find(states->slots, states->room, (er_job_ref){ ref.hash, 0 }, true);
        if (ref.hash & ER_JOB_HAS_ID) return (er_job_fate)(s->rest >> KIND_SHIFT & 15);
        return take(s);
    }
    er_job_state state;
    return er_job_states_get(states, ref, &state) ? judge(&state, arg) : ER_JOB_RUN;
}
