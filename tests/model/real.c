/* tests/model/real.c -- base/os.c again, under other names: what machine.c assumes of lock and
 * parker in one step each is shown here of the real ones. */
#define MODEL_REAL_LOCK    1
#define er_alloc           real_alloc
#define er_alloc_zero      real_alloc_zero
#define er_alloc_aligned   real_alloc_aligned
#define er_resize          real_resize
#define er_free            real_free
#define er_copy_text       real_copy_text
#define er_copy_bytes      real_copy_bytes
#define er_park            real_park
#define er_unpark          real_unpark
#define er_parker_clear    real_parker_clear
#define er_relax           real_relax
#define er_thread_start    real_thread_start
#define er_thread_join     real_thread_join
#define er_thread_detach   real_thread_detach
#define er_cores           real_cores
#define er_symbol          real_symbol
#define er_fork_generation real_fork_generation
#define er_exit_child      real_exit_child
#define er_stack_is_ample  real_stack_is_ample
#define er_random          real_random
#include "base/os.c"

#include "fibers.h"
#include "real.h"

#include <stdarg.h>

void real_lock_take(er_lock *lock) { er_lock_take(lock); }
void real_lock_give(er_lock *lock) { er_lock_give(lock); }

/* Replaces the system's futex: waits only if *word is as expected, checked in the same step; a wake
 * wakes one sleeper. */
static long wait_on(const uint32_t *word, uint32_t seen, const struct timespec *until)
{
    (void)er_load(word);
    if (*word != seen) return -1;
    int64_t deadline = until ? (int64_t)until->tv_sec * 1000000000 + until->tv_nsec : INT64_MAX;
    MODEL_WAIT("futex", .waits = MODEL_SLEEPS, .word = word, .deadline_ns = deadline);
    return 0;
}

static long wake_one(const uint32_t *word) /* the address alone: its memory may be freed */
{
    static const model_site site = { __FILE__, __func__, "futex wake", __LINE__ };
    if (model_me) model_give_way(&site, (model_wait){ .waits = MODEL_STEPS });
    for (unsigned i = 1; i < model_n_fibers; i++) {
        model_fiber *f = &model_fibers[i];
        if (f->ended || f->wait.waits != MODEL_SLEEPS || f->wait.word != word || f->woken) continue;
        f->woken = true;
        break;
    }
    model_wrote(true);
    return 0;
}

long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    va_list args;
    va_start(args, number);
    const uint32_t *word = va_arg(args, uint32_t *);
    int operation = va_arg(args, int);
    long result = -1;
    if (number == SYS_futex && operation == FUTEX_WAKE_PRIVATE) {
        result = wake_one(word);
    } else if (number == SYS_futex && operation == FUTEX_WAIT_BITSET_PRIVATE) {
        uint32_t seen = va_arg(args, uint32_t);
        result = wait_on(word, seen, va_arg(args, const struct timespec *));
    } else {
        model_fail(__FILE__, __LINE__, "a system call that the model does not know");
    }
    va_end(args);
    return result;
}
