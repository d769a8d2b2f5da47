/* tests/model/model.h -- runs the library's own code under every interleaving of its atomic steps.
 *
 * A scenario is a few threads over a world. They are fibers on one thread of the system. Each
 * atomic step of the library (words.h), each lock, park, join and relax (machine.c) is a point
 * where any other fiber may run. model_run explores all schedules depth first. The whole state at a
 * point (memory, stacks, registers, each fiber's condition) is looked up in a table: a state that
 * was reached before is not explored again. So all schedules are covered, far more than are run
 * (those that return to one of their own states are counted up to there).
 *
 * Failures, each reported with its schedule: a check that does not hold, no thread that can run, a
 * state from which no schedule reaches an end (also threads that only spin for each other), an
 * atomic step on freed memory or on a stack no longer in use, memory freed twice, written to after
 * it was freed, or left over, a crash.
 *
 * Covered: interleavings of sequentially consistent steps, spurious futex wake-ups, time that
 * passes or does not at any wait with a deadline. Not covered: weaker memory orders, data races and
 * torn accesses (the thread sanitizer is for these), spurious failures of compare-and-swap, more
 * threads and operations than a scenario has, lack of memory. */
#ifndef MODEL_H
#define MODEL_H

#include "base/atomic.h"
#include "base/os.h"

#include <check.h>
#include <errand.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_NOW (INT64_C(3600) * 1000000000) /* the system clock stands still */

typedef struct model_thread {
    const char *name;
    void (*run)(void *world);
} model_thread;

typedef struct model_scenario {
    const char *name;
    size_t world;               /* bytes, zeroed */
    void (*begin)(void *world); /* before the threads; threads it starts run with them */
    model_thread threads[5];
    void (*end)(void *world); /* after all have ended or only wait: checks, releases */
    /* at most, at ERRAND_TEST_SCALE below 100 (2 below 1); 0: any number */
    unsigned preemptions;
    bool time;  /* deadlines may pass */
    bool gives; /* unlocking is a step, too */
} model_scenario;

void model_run(const model_scenario *scenario);
bool model_gives(void);              /* of the scenario */
void model_run_until_all_wait(void); /* in begin: runs started threads, in one schedule */

/* An assertion in a scenario. */
#define holds(condition) ((condition) ? (void)0 : model_fail(__FILE__, __LINE__, #condition))
__attribute__((noreturn)) void model_fail(const char *file, int line, const char *what);

/* A result with a value that counts its frees. */
typedef struct model_value {
    unsigned freed;
} model_value;
errand_result model_result(model_value *value);

Suite *cells_suite(void);
Suite *promises_suite(void);
Suite *combined_suite(void);
Suite *parking_suite(void);
Suite *pools_suite(void);
Suite *waits_suite(void);
Suite *laters_suite(void);

#endif
