/* tests/stress/interrupts.c -- see interrupts.h. A separate thread signals one thread after the
 * other; the handler naps. Numbers of threads that have ended are harmless: the kernel rejects
 * them. */
#include "stress/interrupts.h"

#include "stress/ledger.h"
#include "stress/scarcity.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { KNOWN = 64 };

static unsigned known[KNOWN], n_known; /* atomic */
static unsigned going;
static pthread_t sender;
static dice order;

static void stop_here(int number)
{
    static unsigned turn; /* atomic */
    (void)number;
    int before = errno;
    unsigned n = __atomic_add_fetch(&turn, 1, __ATOMIC_RELAXED);
    nanosleep(&(struct timespec){ 0, n % 8 ? 60000 : 1000000 }, NULL);
    errno = before;
}

void interrupts_know(void)
{
    unsigned i = __atomic_fetch_add(&n_known, 1, __ATOMIC_RELAXED) % KNOWN;
    __atomic_store_n(&known[i], (unsigned)gettid(), __ATOMIC_RELAXED);
}

static void *send_all(void *none)
{
    scarcity_spare(true);
    while (__atomic_load_n(&going, __ATOMIC_SEQ_CST)) {
        unsigned n = __atomic_load_n(&n_known, __ATOMIC_RELAXED);
        unsigned thread =
            n ? __atomic_load_n(&known[dice_below(&order, n < KNOWN ? n : KNOWN)], __ATOMIC_RELAXED)
              : 0;
        if (thread) (void)syscall(SYS_tgkill, getpid(), thread, SIGPROF);
        nanosleep(&(struct timespec){ 0, 20000 }, NULL);
    }
    return none;
}

void interrupts_start(uint64_t seed)
{
    struct sigaction action = { .sa_handler = stop_here, .sa_flags = SA_RESTART };
    sigaction(SIGPROF, &action, NULL);
    order = dice_of(seed, 0);
    __atomic_store_n(&n_known, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&going, 1, __ATOMIC_SEQ_CST);
    HOLDS(pthread_create(&sender, NULL, send_all, NULL) == 0, "no thread");
}

void interrupts_stop(void)
{
    __atomic_store_n(&going, 0, __ATOMIC_SEQ_CST);
    pthread_join(sender, NULL);
}
