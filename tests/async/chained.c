#include "chained.h"

#include <errno.h>
#include <string.h>

void open_two(two_pools *two)
{
    logged_open(&two->said);
    two->pool = logged_pool(&two->said, "here", 2, 0);
    two->other = logged_pool(&two->said, "there", 1, 0);
}

void shut_two(two_pools *two)
{
    close_pool(two->pool);
    close_pool(two->other);
    logged_close(&two->said);
}

static errand_result awaits_next(void *arg)
{
    chained *c = arg;
    errand_frame frame;
    await_event(&c->go);
    if (c->later) return errand_later(c->next);
    if (c->shielded) errand_enter(&frame, ERRAND_FOREVER, true);
    errand_result r = errand_await(c->next);
    if (c->shielded) errand_leave(&frame);
    c->error = r.error;
    happen(&c->awaited);
    return r;
}

errand_task chained_as(chained *c, const char *name)
{
    return (errand_task){ .fn = awaits_next, .arg = c, .name = name };
}

errand_future *chained_task(errand_pool *at, chained *c, const char *name)
{
    errand_task task = chained_as(c, name);
    return errand_submit_task(at, &task);
}

void expect_deadlock(two_pools *two, chained *c, size_t n, const char *first, const char *second)
{
    int deadlocks = 0;
    for (size_t i = 0; i < n; i++) {
        if (!c[i].later) await_event(&c[i].awaited);
        deadlocks += !c[i].later && c[i].error == EDEADLK;
        ck_assert_int_ne(c[i].later ? EDEADLK : c[i].error, 0);
    }
    ck_assert_int_ge(deadlocks, 1);
    ck_assert_int_eq(errand_pool_wait_idle(two->pool, LONG_MS), 0);
    ck_assert_int_eq(errand_pool_wait_idle(two->other, LONG_MS), 0);
    const char *text = logged_text(&two->said);
    ck_assert_msg(strstr(text, "a circle of waits") && strstr(text, first) && strstr(text, second),
                  "%s", text);
}

void starves(two_pools *two, errand_fn *fn)
{
    unsigned before = logged_times(&two->said, "a circle of waits: starving");
    errand_pool *poor = logged_pool(&two->said, "poor", 1, ERRAND_NO_SPARES);
    ENDS(errand_submit_task(poor, &(errand_task){ .fn = fn, .arg = poor, .name = "starving" }),
         EDEADLK);
    close_pool(poor);
    ck_assert_uint_eq(logged_times(&two->said, "a circle of waits: starving"), before + 1);
}
