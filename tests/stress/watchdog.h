/* tests/stress/watchdog.h -- how a stress program runs: round after round, each with a seed, which
 * every failure and crash prints; and a thread that ends it when a round takes far too long.
 *
 *     PROGRAM [SEED [ROUNDS]]       ERRAND_STRESS_SECONDS: how long
 */
#ifndef WATCHDOG_H
#define WATCHDOG_H

#include <stdint.h>

typedef struct stress {
    const char *name;
    unsigned rounds; /* times ERRAND_TEST_SCALE */
    void (*play)(uint64_t seed);
    void (*dump)(void); /* prints what a hanging round is doing to stderr; NULL: nothing */
} stress;

int stress_main(int argc, char **argv, const stress *program);

/* Prints the seed and aborts. */
__attribute__((noreturn, format(printf, 1, 2))) void stress_fail(const char *fmt, ...);
#define HOLDS(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) stress_fail(__VA_ARGS__);                                                \
    } while (0)

#endif
