/* tests/stress/watchdog.c -- see watchdog.h. The limit is no verdict on speed: a round takes
 * a tenth of a second. */
#include "stress/watchdog.h"

#include "stress/dice.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_SECONDS = 240, DUMP_SECONDS = 20 };

static const stress *running;
static uint64_t seed_now; /* atomic; 0: no round is under way */
static unsigned rounds_begun;

/* Safe in a signal handler. */
static void write_text(const char *text)
{
    if (write(2, text, strlen(text)) < 0) _exit(1);
}

static void print_seed(void)
{
    char digits[24] = "", *at = digits + sizeof digits - 1;
    uint64_t n = __atomic_load_n(&seed_now, __ATOMIC_SEQ_CST);
    *--at = '\n';
    do *--at = (char)('0' + n % 10);
    while (n /= 10);
    write_text("\n");
    write_text(running->name);
    write_text(": the seed of this round is ");
    write_text(at);
}

void __lsan_do_leak_check(void) __attribute__((weak));
void stress_fail(const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    fprintf(stderr, "%s: %s\n", running->name, text);
    print_seed();
    if (__lsan_do_leak_check) __lsan_do_leak_check(); /* leaks, and where they were allocated */
    signal(SIGABRT, SIG_DFL);                         /* the seed need not be printed again */
    abort();
}

static void on_death(int number)
{
    print_seed();
    signal(number, SIG_DFL);
    raise(number);
}

/* The sanitizers' own ends. */
void __sanitizer_set_death_callback(void (*fn)(void)) __attribute__((weak));
__attribute__((visibility("default"))) void __tsan_on_report(void *report);
void __tsan_on_report(void *report) { (void)report, print_seed(); }

static void *watch(void *none)
{
    unsigned seen = 0, seconds = 0;
    for (;; sleep(1)) {
        unsigned now = __atomic_load_n(&rounds_begun, __ATOMIC_SEQ_CST);
        seconds = now == seen ? seconds + 1 : 0;
        seen = now;
        if (seconds < LIMIT_SECONDS || !__atomic_load_n(&seed_now, __ATOMIC_SEQ_CST)) continue;
        alarm(DUMP_SECONDS); /* in case the dump blocks */
        print_seed();
        if (running->dump) running->dump();
        stress_fail("a round did not end");
    }
    return none;
}

static void start_watching(void)
{
    static const int deaths[] = { SIGABRT, SIGSEGV, SIGBUS, SIGALRM };
    static char stack[65536];
    pthread_t thread;
    if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(print_seed);
    sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof stack }, NULL);
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
        /* their reports come first */
        if (__sanitizer_set_death_callback && deaths[i] != SIGALRM) continue;
        struct sigaction action = { .sa_handler = on_death, .sa_flags = SA_ONSTACK };
        sigaction(deaths[i], &action, NULL);
    }
    HOLDS(pthread_create(&thread, NULL, watch, NULL) == 0, "no thread");
    pthread_detach(thread);
}

int stress_main(int argc, char **argv, const stress *program)
{
    const char *scale = getenv("ERRAND_TEST_SCALE"), *seconds = getenv("ERRAND_STRESS_SECONDS");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t given = argc > 1 ? strtoull(argv[1], NULL, 10) : 0,
             seed = (uint64_t)now.tv_nsec * 1000003 + (uint64_t)now.tv_sec;
    double rounds = argc > 2 ? strtod(argv[2], NULL)
                             : program->rounds * (scale ? strtod(scale, NULL) : 1);
    time_t end = seconds ? now.tv_sec + (time_t)strtoll(seconds, NULL, 10) : 0;
    unsigned n = 0;
    running = program;
    start_watching();
    for (; end ? time(NULL) < end : n < rounds || !n; n++) {
        uint64_t this = given ? given : er_random_next(&seed) >> 16;
        __atomic_add_fetch(&rounds_begun, 1, __ATOMIC_SEQ_CST);
        __atomic_store_n(&seed_now, this, __ATOMIC_SEQ_CST);
        program->play(this);
    }
    printf("%u rounds\n", n);
    return 0;
}
