/* tests/model/machine.c -- base/os.h and base/clock.h on the model.
 *
 * A lock is one step, and so are parking and waking: real.c shows that those of base/os.c behave
 * like that. Unlocking is no step, unless the scenario wants it: it makes a difference only where a
 * non-atomic word is read after it. The clock stands still; whether a deadline passes is a choice
 * of the schedule, and the next read of the clock shows it. Freed memory is filled and never
 * reused. */
#include "fibers.h"

#include "log/fields.h"
#include "log/left_open.h"
#include "log/producer.h"

#include <errand/log.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- memory ---- */

typedef struct block {
    uint32_t size; /* of the block, in units of 16 bytes */
    uint32_t freed;
    uint64_t magic;
} block;
#define MAGIC UINT64_C(0x6d6f64656c626c6f)

void *er_alloc_zero(size_t size)
{
    model_fiber *f = model_me ? model_me : &model_fibers[0];
    size_t whole = sizeof(block) + ((size + 15) & ~(size_t)15);
    if (whole > MODEL_ARENA - f->used) return NULL;
    block *b = (block *)(void *)(model_arena((unsigned)(f - model_fibers)) + f->used);
    f->used += whole;
    b->size = (uint32_t)((whole - sizeof *b) / 16);
    b->freed = 0;
    b->magic = MAGIC;
    return memset(b + 1, 0, whole - sizeof *b);
}

void *er_alloc(size_t size)
{
    void *at = er_alloc_zero(size);
    return at ? memset(at, 0xa5, size) : NULL;
}

void *er_alloc_aligned(size_t to, size_t size) /* after a padding block */
{
    model_fiber *f = model_me ? model_me : &model_fibers[0];
    uintptr_t next = (uintptr_t)model_arena((unsigned)(f - model_fibers)) + f->used + sizeof(block);
    size_t short_of = (to - next % to) % to;
    if (short_of) er_free(er_alloc(short_of - sizeof(block)));
    return er_alloc(size);
}

void er_free(void *at)
{
    if (!at) return;
    block *b = (block *)at - 1;
    if (b->magic != MAGIC) model_fail(__FILE__, __LINE__, "freed what was never allocated");
    if (b->freed) model_fail(__FILE__, __LINE__, "freed twice");
    b->freed = 1;
    memset(at, MODEL_FREED & 0xff, (size_t)b->size * 16);
}

void *er_resize(void *at, size_t size)
{
    void *to = er_alloc(size);
    size_t before = at ? (size_t)((block *)at - 1)->size * 16 : 0;
    if (to && at) memcpy(to, at, before < size ? before : size);
    if (to) er_free(at);
    return to;
}

char *er_copy_bytes(const void *at, size_t size)
{
    char *copy = er_alloc_zero(size + 1);
    return copy && size ? memcpy(copy, at, size) : copy;
}

char *er_copy_text(const char *text) { return er_copy_bytes(text, strlen(text)); }

void model_check_memory(void)
{
    for (unsigned i = 0; i < model_n_fibers; i++) {
        for (char *at = model_arena(i), *end = at + model_fibers[i].used; at < end;) {
            block *b = (block *)(void *)at;
            if (!b->freed) model_fail(__FILE__, __LINE__, "memory is left over");
            const uint32_t *w = (const uint32_t *)(const void *)(b + 1);
            for (size_t n = (size_t)b->size * 4; n; n--, w++) {
                if (*w != MODEL_FREED)
                    model_fail(__FILE__, __LINE__, "written to after it was freed");
            }
            at += sizeof *b + (size_t)b->size * 16;
        }
    }
}

/* ---- locks and parkers ---- */

void er_lock_take(er_lock *lock)
{
    model_touch(&lock->word);
    MODEL_WAIT("er_lock_take", .waits = MODEL_LOCKS, .word = &lock->word);
    lock->word = 1;
}

void er_lock_give(er_lock *lock)
{
    model_touch(&lock->word);
    lock->word = 0;
    model_wrote(true);
    if (model_me && model_gives()) MODEL_WAIT("er_lock_give", .waits = MODEL_STEPS);
}

uint32_t er_park(er_parker *parker, uint32_t mask, int64_t deadline_ns)
{
    model_touch(&parker->word);
    if (deadline_ns <= MODEL_NOW) return er_load(&parker->word);
    MODEL_WAIT("er_park", .waits = MODEL_PARKS, .word = &parker->word, .mask = mask,
               .deadline_ns = deadline_ns);
    return parker->word;
}

void er_unpark(er_parker *parker, uint32_t bits) { (void)er_or(&parker->word, bits); }
void er_parker_clear(er_parker *parker, uint32_t bits) { (void)er_and(&parker->word, ~bits); }

void er_relax(unsigned *turns)
{
    *turns = 1;
    MODEL_WAIT("er_relax", .waits = MODEL_SPINS);
}

/* ---- threads ---- */

int er_thread_start(er_thread *thread, void (*fn)(void *), void *arg, const char *name,
                    size_t stack)
{
    (void)stack;
    thread->id = model_start(name, fn, arg, true);
    return thread->id ? 0 : EAGAIN;
}

void er_thread_join(er_thread *thread)
{
    MODEL_WAIT("er_thread_join", .waits = MODEL_JOINS, .mask = (uint32_t)thread->id);
}
void er_thread_detach(er_thread *thread) { (void)thread; }
unsigned er_cores(void) { return 1; }
unsigned er_fork_generation(void) { return 0; }
_Noreturn void er_exit_child(void) { abort(); }
bool er_stack_is_ample(void) { return true; }
uint64_t er_random(void) { return 4; }
char *er_symbol(const void *address, char *buffer, size_t size)
{
    (void)address;
    return memset(buffer, 0, size);
}

/* ---- the clock ---- */

/* In place of clock_gettime (--wrap), for base/clock.c and real.c. */
int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    int64_t now = MODEL_NOW;
    if (model_me && id == CLOCK_MONOTONIC) {
        if (model_me->late_ns) now = model_me->late_ns;
        model_me->late_ns = 0;
        model_me->asked = true;
    }
    t->tv_sec = (time_t)(now / 1000000000);
    t->tv_nsec = (long)(now % 1000000000);
    return 0;
}

/* ---- the log: none is set ---- */

void er_log_put(errand_log *log, errand_log_site *site, const char *fmt, ...)
{
    (void)log, (void)site, (void)fmt;
    model_fail(__FILE__, __LINE__, "a line for a log that was never set");
}

void er_left_open_add(er_left_open *it, errand_log *log, const char *what, const char *name)
{
    (void)it, (void)what, (void)name;
    if (log) model_fail(__FILE__, __LINE__, "a log that was never made");
}
void er_left_open_remove(er_left_open *it) { (void)it; }

__thread errand_log_fields *er_fields_of_thread;
void er_fields_release(errand_log_fields *fields)
{
    if (fields) model_fail(__FILE__, __LINE__, "log fields that were never made");
}
