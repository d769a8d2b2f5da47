/* tests/stress/tasks.c -- the functions that a random program hands to the library. What each
 * does is decided by its entry's seed and by how often it has been called. */
#include "stress/scene.h"

#include <errno.h>

scene scene_of(const entry *e, unsigned call)
{
    return (scene){ dice_of(e->seed, call), e->depth, e->simple, true };
}

errand_result some_end(dice *d)
{
    static const int errors[] = { EIO, ECONNRESET, ECANCELED, ERRAND_HTTP + 503, ETIMEDOUT };
    int error = errors[dice_below(d, 5)];
    switch (dice_below(d, 10)) {
    case 0: return errand_fail(error);
    case 1: return errand_failf(error, "in words of its own");
    case 2:
        return errand_fail_as(error, ERRAND_KIND_RATE_LIMITED, dice_below(d, 3), false, "not now");
    case 3: return errand_fail_as(error, ERRAND_KIND_NETWORK, -1, true, "perhaps");
    case 4: return errand_ok(NULL, NULL);
    default: return ledger_value(dice_seed(d));
    }
}

static errand_result end_or_later(scene *s, entry *e)
{
    if (!s->waits && !world_enter()) return some_end(&s->d);
    errand_future *f = e->chain ? link_of_chain(e) : NULL;
    if (!f && dice_one_in(&s->d, 3)) {
        if (!s->depth)
            f = dice_one_in(&s->d, 2) ? some_promise(s)
                                      : errand_sleep(some_place(&s->d)->pool, dice_below(&s->d, 2));
        else s->depth--, f = some_future(s);
    }
    if (!s->waits) world_leave();
    return f ? errand_later(f) : some_end(&s->d);
}

errand_result run_entry(void *arg)
{
    entry *e = arg;
    scene s = scene_of(e, ledger_enter(e));
    if (dice_one_in(&s.d, 8)) nap();
    if (s.depth && !s.simple) {
        scene inner = { dice_of(dice_seed(&s.d), 0), s.depth - 1, false, true };
        for (unsigned n = dice_below(&s.d, 3); n && !errand_cancelled(); n--) act(&inner);
    }
    errand_result r = end_or_later(&s, e);
    ledger_leave(e);
    return r;
}

static void run_into(void *arg, errand_result *out) { *out = run_entry(arg); }

errand_result then_entry(errand_result in, void *arg)
{
    entry *e = arg;
    scene s = scene_of(e, ledger_enter(e));
    ledger_look(&in);
    s.waits = on_worker();
    if (dice_one_in(&s.d, 3)) {
        ledger_leave(e);
        return in;
    }
    errand_result_free(&in);
    if (s.depth && s.waits && !s.simple && dice_one_in(&s.d, 3)) {
        s.depth--;
        use(&s, some_future(&s));
    }
    errand_result r = end_or_later(&s, e);
    ledger_leave(e);
    return r;
}

errand_result give_back(errand_result in, void *arg)
{
    ledger_enter(arg);
    errand_result_free(&in);
    ledger_leave(arg);
    return ledger_value(0);
}

errand_result beat(void *arg)
{
    entry *e = arg;
    dice d = dice_of(e->seed, ledger_enter(e));
    errand_result r = dice_one_in(&d, 40) ? errand_fail(EIO) : ledger_value(0);
    ledger_leave(e);
    return r;
}

entry *some_arg(scene *s, bool simple, bool overlaps)
{
    entry *e = ledger_add(ENTRY_ARG, dice_seed(&s->d));
    e->depth = s->depth ? s->depth - 1 : 0;
    e->simple = simple || s->simple;
    e->overlaps = overlaps;
    e->chain = dice_one_in(&s->d, 10) ? 1 + dice_below(&s->d, 20) : 0;
    return e;
}

errand_task task_of(entry *e, dice *d)
{
    errand_task task = { .fn = run_entry, .arg = e, .free = ledger_freed };
    if (dice_one_in(d, 4)) task.fn = NULL, task.into = run_into;
    if (dice_one_in(d, 3)) task.key = some_key(d);
    if (dice_one_in(d, 5)) task.within_ms = 1 + dice_below(d, 8);
    if (dice_one_in(d, 5)) task.start_within_ms = 1 + dice_below(d, 4);
    if (dice_one_in(d, 4)) task.name = "stress-task";
    task.detached = dice_one_in(d, 4);
    return task;
}

errand_future *link_of_chain(entry *e)
{
    dice d = dice_of(e->seed, 99);
    entry *next = ledger_add(ENTRY_ARG, dice_seed(&d));
    next->simple = e->simple;
    next->chain = e->chain - 1;
    errand_task task = { .fn = run_entry, .arg = next, .free = ledger_freed };
    return errand_submit_task(some_place(&d)->pool, &task);
}
