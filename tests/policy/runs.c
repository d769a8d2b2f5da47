#include "runs.h"

#include "async/pool_ref.h"
#include "async/timer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void look_again(void) { nanosleep(&(struct timespec){ 0, 100000 }, NULL); }

static bool all_asleep(errand_pool *pool, size_t n)
{
    errand_pool_stats stats;
    ck_assert_int_eq(errand_pool_stats_get(pool, &stats), 0);
    return er_timers_asleep(er_pool_ref_of(pool)->timers) == n && !stats.queued && !stats.running;
}

void await_asleep(errand_pool *pool, size_t n)
{
    for (int i = 0; i < 10 * LONG_MS && !all_asleep(pool, n); i++) look_again();
    ck_assert_msg(all_asleep(pool, n), "%zu are asleep, not %zu",
                  er_timers_asleep(er_pool_ref_of(pool)->timers), n);
}

void turn_to_the_end(test_clock *t, errand_pool *pool, errand_future *f)
{
    for (int i = 0; i < 10 * LONG_MS; i++) {
        if (errand_wait(f, 0) == 0) return;
        if (er_timers_asleep(er_pool_ref_of(pool)->timers)) turn(t, pool, 1000);
        else look_again();
    }
    ck_abort_msg("the future does not end");
}

errand_result follow_script(void *arg)
{
    script *s = arg;
    unsigned n = count_up(&s->calls);
    int error = n <= sizeof s->error / sizeof *s->error ? s->error[n - 1] : 0;
    if (!error) return errand_ok(as_value((intptr_t)n), NULL);
    if (s->hint_ms || s->may_have_run)
        return errand_fail_as(error, s->kind, s->hint_ms ? s->hint_ms : -1, s->may_have_run,
                              "attempt %u", n);
    return errand_failf(error, "attempt %u", n);
}

void script_freed(void *arg) { count_up(&((script *)arg)->freed); }
errand_task scripted(script *s)
{
    return (errand_task){ .fn = follow_script, .arg = s, .free = script_freed };
}

errand_result obey(void *arg)
{
    obedient *o = arg;
    count_up(&o->calls);
    happen(&o->began);
    errand_result r = errand_await(errand_sleep(o->pool, ERRAND_FOREVER));
    o->reason = errand_cancelled();
    return r;
}

void obedient_freed(void *arg) { count_up(&((obedient *)arg)->freed); }
errand_task obeying(obedient *o)
{
    return (errand_task){ .fn = obey, .arg = o, .free = obedient_freed };
}

errand_policy *policy_of(errand_policy_opts opts)
{
    const char *why;
    errand_policy *policy = errand_policy_new(&opts, &why);
    ck_assert_msg(policy != NULL, "refused: %s", why);
    return policy;
}

errand_future *start_run(errand_pool *pool, errand_policy_opts opts, errand_task task)
{
    errand_policy *policy = policy_of(opts);
    errand_future *f = errand_run_task(pool, policy, &task);
    errand_policy_free(policy);
    return f;
}

errand_pool *test_clock_pool(test_clock *t)
{
    test_clock_start(t);
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = 1, .clock = &t->clock });
    ck_assert_ptr_nonnull(pool);
    return pool;
}

static void stuck_freed(void *arg) { count_up(&((stuck *)arg)->freed); }
static errand_result get_stuck(void *arg) { return hold_worker(&((stuck *)arg)->h); }
errand_task sticking(stuck *s)
{
    return (errand_task){ .fn = get_stuck, .arg = s, .free = stuck_freed };
}
