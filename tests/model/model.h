/* tests/model/model.h -- runs the library's own code under every interleaving of its atomic steps.
 *
 * A scenario is a few threads over a world. They are fibers on one thread of the system; each atomic step of the library
 * (words.h), each lock, park, join and relax (machine.c) is a point where any other may go on. model_run goes through all
 * schedules depth first. The whole state at a point (memory, stacks, registers, what each waits for) is looked up in a table:
 * what was reached before on another way is not gone through again, so all schedules are covered, far more than are run (those that come
 * back to a state of their own are counted up to there).
 *
 * Failures, each told with the schedule that led there: a check that does not hold, nobody who can run, a state from which no
 * schedule leads to the end (so also threads that only chase each other), an atomic step on memory that was freed or on a
 * stack that was left, memory freed twice, written to after it was freed, or left over, a crash.
 *
 * Covered: interleavings of sequentially consistent steps, spurious futex wake-ups, time that passes or does not at any wait
 * with a deadline. Not covered: weaker memory orders, data races and torn accesses (the thread sanitizer is for these),
 * compare-and-swaps that fail for nothing, more threads and operations than a scenario has, lack of memory. */
#ifndef MODEL_H
#define MODEL_H

#include "base/atomic.h"
#include "base/os.h"

#include <check.h>
#include <errand.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_NOW (INT64_C(3600) * 1000000000) /* the machine's clock stands still */

typedef struct model_thread {
    const char *name;
    void      (*run)(void *world);
} model_thread;

typedef struct model_scenario {
    const char  *name;
    size_t       world;                /* bytes, zeroed */
    void       (*begin)(void *world);  /* before the threads; what it starts may run with them */
    model_thread threads[5];
    void       (*end)(void *world);    /* after all have ended and what is left only waits: checks, gives back */
    unsigned     preemptions;          /* at most, at ERRAND_TEST_SCALE below 100 (2 below 1); 0: any number */
    bool         time;                 /* deadlines may pass */
    bool         gives;                /* others may run when a lock has just been given */
} model_scenario;

void model_run(const model_scenario *scenario);
bool model_gives(void); /* the scenario's */
void model_run_until_all_wait(void); /* in begin: what it has started so far, in one schedule */

/* In a scenario: what must be so. */
#define holds(condition) ((condition) ? (void)0 : model_fail(__FILE__, __LINE__, #condition))
__attribute__((noreturn)) void model_fail(const char *file, int line, const char *what);

/* A result whose value counts how often it was freed. */
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
