/* jobs/job_states.c -- a hash table with open addressing and slots of 16 bytes.
 *
 *     hash: 64 | seq: 40, run: 16, kind: 4, flags: 3, used: 1          by place
 *     hash: 64 | unused, skip: 21, unknown or run: 21, run if safe: 21  by content
 *
 * By place a slot is one job: hash and seq. A job in a changed input has another seq, so
 * er_job_states_match_content() makes a second table of it, with one slot for each hash, that
 * counts how many of these jobs have which fate; each job of the new input takes one of them. A
 * count that does not fit stays at its largest value, so jobs are skipped rather than sent twice.
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
#define KIND_SHIFT 4
#define RUN_SHIFT  8
#define SEQ_SHIFT  24
#define COUNT_BITS 21
#define COUNT_MOST ((UINT64_C(1) << COUNT_BITS) - 1)
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
           (state->may_have_run ? MAY_HAVE : 0) | USED;
}

static er_job_state unpacked(uint64_t rest)
{
    return (er_job_state){ .run = (unsigned)(rest >> RUN_SHIFT & ER_JOB_RUNS_MOST),
                           .kind = (errand_kind)(rest >> KIND_SHIFT & 15),
                           .under_way = rest & UNDER_WAY,
                           .may_have_run = rest & MAY_HAVE };
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

static unsigned shift_of(er_job_fate fate) { return 1 + COUNT_BITS * ((unsigned)fate - 1); }

static uint64_t count_of(const slot *s, er_job_fate fate)
{
    return s->rest >> shift_of(fate) & COUNT_MOST;
}

int er_job_states_match_content(er_job_states *states, er_job_judge *judge, void *arg)
{
    er_job_states next = { .by_content = true };
    if (make(&next, ROOM_LEAST)) return ENOMEM;
    for (size_t i = 0; i < states->room; i++) {
        const slot *old = &states->slots[i];
        er_job_state state = unpacked(old->rest);
        if (!state.run) continue;
        er_job_fate fate = judge(&state, arg);
        slot *s = fate == ER_JOB_RUN ? NULL : claim(&next, (er_job_ref){ old->hash, 0 });
        if (fate == ER_JOB_RUN) continue;
        if (!s) {
            er_job_states_free(&next);
            return ENOMEM;
        }
        s->rest |= USED;
        if (count_of(s, fate) < COUNT_MOST) s->rest += UINT64_C(1) << shift_of(fate);
    }
    er_job_states_free(states);
    *states = next;
    return 0;
}

static er_job_fate take(slot *s)
{
    for (er_job_fate fate = ER_JOB_SKIP; fate > ER_JOB_RUN; fate--) {
        uint64_t count = count_of(s, fate);
        if (!count) continue;
        if (count < COUNT_MOST) s->rest -= UINT64_C(1) << shift_of(fate);
        return fate;
    }
    return ER_JOB_RUN;
}

er_job_fate er_job_states_next(er_job_states *states, er_job_ref ref, er_job_judge *judge,
                               void *arg)
{
    if (states->by_content)
        return take(find(states->slots, states->room, (er_job_ref){ ref.hash, 0 }, true));
    er_job_state state;
    return er_job_states_get(states, ref, &state) ? judge(&state, arg) : ER_JOB_RUN;
}
