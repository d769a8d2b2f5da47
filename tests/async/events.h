/* Events, counts, held workers, checks of results, and a check that a test
 * leaves no pool behind. */
#ifndef EVENTS_H
#define EVENTS_H

#include "test_clock.h"

#include "base/sanitizers.h"

#include <check.h>
#include <errand.h>
#include <stdbool.h>
#include <stdint.h>

enum { LONG_MS = 30000 }; /* far more than anything here takes */

unsigned scaled(unsigned n); /* n times ERRAND_TEST_SCALE, at least 1 */

/* Closes a pool that has no stuck task. */
void close_pool(errand_pool *pool);
/* Closes a pool of tasks that end when cancelled. Returns 0, or ETIMEDOUT on a busy machine; both
 * are fine. */
int close_and_cancel(errand_pool *pool);

/* After every test (tcase_add_checked_fixture): no pool's memory, so no cell, limit
 * or session, is alive. */
void nothing_is_left(void);
/* A case whose tests end with nothing_is_left. */
TCase *case_of(Suite *suite, const char *name);

/* A one-shot event; zeroed it has not happened. */
typedef struct event {
    uint32_t set;
} event;
void happen(event *e);
bool happened(const event *e);
void await_event(event *e); /* fails the test after LONG_MS; any thread; no library call */

/* A task that holds its worker until `go` happens and ignores cancels. arg: the hold. */
typedef struct hold {
    event began, go;
    errand_result result; /* the task's result */
    unsigned runs;
} hold;
errand_result hold_worker(void *arg);

/* Counts; atomic. */
static inline unsigned count_up(unsigned *n) { return __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }
static inline unsigned count_of(const unsigned *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }
void await_count(const unsigned *n, unsigned at_least); /* fails the test after LONG_MS */
void free_counts(void *n);                              /* a free function: counts up */

/* Awaits, checks the code and frees. */
#define ENDS(f, code)                                                                              \
    do {                                                                                           \
        errand_result ended_ = errand_await(f);                                                    \
        ck_assert_msg(ended_.error == (code), "%s: %d (%s), not %d", #f, ended_.error,             \
                      errand_result_message(&ended_), (code));                                     \
        errand_result_free(&ended_);                                                               \
    } while (0)

int code_of(errand_future *f);    /* awaits and frees: how it ended */
void *value_of(errand_future *f); /* as above, of a success; its value needs no free */

/* A value without memory, and back. */
static inline void *as_value(intptr_t n) { return (void *)n; }
static inline intptr_t as_number(const void *value) { return (intptr_t)value; }

#endif
