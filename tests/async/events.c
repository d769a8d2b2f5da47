#include "events.h"

#include "async/pool_ref.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

unsigned scaled(unsigned n)
{
    const char *scale = getenv("ERRAND_TEST_SCALE");
    double many = n * (scale ? strtod(scale, NULL) : 1.0);
    return many < 1 ? 1 : (unsigned)many;
}

void close_pool(errand_pool *pool) { ck_assert_int_eq(errand_pool_close(pool, LONG_MS), 0); }

/* Polls every quarter of a millisecond: the condition depends on other threads. */
static bool comes_true(bool (*is)(const void *), const void *of)
{
    for (int i = 0; i < 4 * LONG_MS; i++) {
        if (is(of)) return true;
        nanosleep(&(struct timespec){ 0, 250000 }, NULL);
    }
    return is(of);
}

int close_and_cancel(errand_pool *pool)
{
    int error = errand_pool_close(pool, 100);
    ck_assert_msg(error == 0 || error == ETIMEDOUT, "close: %d", error);
    return error;
}

static bool no_pools(const void *none) { return (void)none, er_pools_alive() == 0; }

void nothing_is_left(void)
{
    ck_assert_msg(comes_true(no_pools, NULL), "%d pools are still kept alive", er_pools_alive());
}

TCase *case_of(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, NULL, nothing_is_left);
    suite_add_tcase(suite, tc);
    return tc;
}

void happen(event *e) { __atomic_store_n(&e->set, 1, __ATOMIC_SEQ_CST); }
bool happened(const event *e) { return __atomic_load_n(&e->set, __ATOMIC_SEQ_CST); }
static bool has_happened(const void *e) { return happened(e); }
void await_event(event *e)
{
    ck_assert_msg(comes_true(has_happened, e), "an event did not happen");
}

errand_result hold_worker(void *arg)
{
    hold *h = arg;
    count_up(&h->runs);
    happen(&h->began);
    await_event(&h->go);
    return h->result;
}

typedef struct goal {
    const unsigned *n;
    unsigned at_least;
} goal;
static bool reached(const void *of)
{
    const goal *g = of;
    return count_of(g->n) >= g->at_least;
}

void await_count(const unsigned *n, unsigned at_least)
{
    goal g = { n, at_least };
    ck_assert_msg(comes_true(reached, &g), "counted %u, not %u", count_of(n), at_least);
}

void free_counts(void *n) { count_up(n); }

int code_of(errand_future *f)
{
    errand_result r = errand_await(f);
    int code = r.error;
    errand_result_free(&r);
    return code;
}

void *value_of(errand_future *f)
{
    errand_result r = errand_await(f);
    void *value = r.value;
    ck_assert_int_eq(r.error, 0);
    errand_result_free(&r);
    return value;
}
