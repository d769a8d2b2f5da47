/* tests/stress/watchdog.c -- see watchdog.h. The limit is no verdict on speed: a round takes a tenth of a second. */
#include "stress/watchdog.h"

#include "stress/scarcity.h"
#include "stress/world.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT_SECONDS = 240, DUMP_SECONDS = 20 };

static uint64_t seed_now; /* atomic */
static unsigned round_now;

void watchdog_round(uint64_t seed)
{
    __atomic_add_fetch(&round_now, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&seed_now, seed, __ATOMIC_SEQ_CST);
}

/* Safe in a signal handler. */
static void tell_seed(void)
{
    static const char before[] = "\nstress_core: the seed of this round is ", after[] = "\n";
    char digits[24], *at = digits + sizeof digits;
    uint64_t n = __atomic_load_n(&seed_now, __ATOMIC_SEQ_CST);
    do *--at = (char)('0' + n % 10);
    while (n /= 10);
    if (write(2, before, sizeof before - 1) < 0 || write(2, at, (size_t)(digits + sizeof digits - at)) < 0 ||
        write(2, after, sizeof after - 1) < 0)
        _exit(1);
}

void __lsan_do_leak_check(void) __attribute__((weak));
void stress_fail(const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    fprintf(stderr, "stress_core: %s\n", text);
    tell_seed();
    if (__lsan_do_leak_check) __lsan_do_leak_check(); /* what is lost, and where it was made */
    signal(SIGABRT, SIG_DFL); /* the seed need not be told again */
    abort();
}

static void on_death(int number)
{
    tell_seed();
    signal(number, SIG_DFL);
    raise(number);
}

/* The sanitizers' own ends. */
void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));
void __tsan_on_report(void *report);
void __tsan_on_report(void *report) { (void)report, tell_seed(); }

static void *watch(void *none)
{
    scarcity_spare(true);
    unsigned seen = 0, seconds = 0;
    for (;; sleep(1)) {
        unsigned now = __atomic_load_n(&round_now, __ATOMIC_SEQ_CST);
        seconds = now == seen ? seconds + 1 : 0;
        seen = now;
        if (seconds < LIMIT_SECONDS || !__atomic_load_n(&seed_now, __ATOMIC_SEQ_CST)) continue;
        alarm(DUMP_SECONDS); /* should a lock be lost */
        tell_seed();
        for (unsigned i = 0; i < here.n_pools; i++) {
            errand_pool *pool = __atomic_load_n(&here.places[i].alive, __ATOMIC_SEQ_CST);
            fprintf(stderr, "pool %u%s\n", i, pool ? ":" : " is closed");
            if (pool) (void)errand_pool_dump(pool, stderr);
        }
        stress_fail("a round did not end");
    }
    return none;
}

void watchdog_start(void)
{
    static const int deaths[] = { SIGABRT, SIGSEGV, SIGBUS, SIGALRM };
    static char stack[65536];
    pthread_t thread;
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(tell_seed);
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, NULL);
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
        if (__sanitizer_set_death_callback && deaths[i] != SIGALRM) continue; /* their reports come first */
        struct sigaction action = { .sa_handler = on_death, .sa_flags = SA_ONSTACK };
        sigaction(deaths[i], &action, NULL);
    }
    HOLDS(pthread_create(&thread, NULL, watch, NULL) == 0, "no thread");
    pthread_detach(thread);
}
