/* tests/stress/futures.c -- random futures: leaves, and functions from futures to a future. */
#include "stress/scene.h"

static errand_future *plain(scene *s)
{
    entry *e = some_arg(s, false, false);
    e->kind = ENTRY_CALL; /* its arg is not freed */
    errand_pool *pool = some_place(&s->d)->pool;
    return dice_one_in(&s->d, 2) ? errand_submit(pool, run_entry, e)
                                 : errand_run(pool, NULL, run_entry, e);
}

static errand_future *run(scene *s)
{
    recipe r = some_recipe(&s->d, s->simple);
    entry *e = some_arg(s, r.holds, r.overlaps);
    errand_task task = task_of(e, &s->d);
    return errand_run_task(some_place(&s->d)->pool, r.policy, &task);
}

static errand_future *fly(scene *s)
{
    recipe r = some_recipe(&s->d, true);
    entry *e = some_arg(s, true, r.overlaps);
    errand_task task = task_of(e, &s->d);
    task.key = some_key(&s->d);
    return errand_singleflight_run(here.flight, r.policy, &task);
}

errand_future *some_work(scene *s)
{
    unsigned what = dice_below(&s->d, 8);
    if (what == 0 && !s->simple) return fly(s);
    if (what <= 2 && !s->simple) return run(s);
    if (what <= 4) return plain(s);
    errand_task task = task_of(some_arg(s, false, false), &s->d);
    return errand_submit_task(some_place(&s->d)->pool, &task);
}

static errand_future *after(scene *s, errand_future *f, errand_then_fn *fn)
{
    entry *e = ledger_add(ENTRY_THEN, dice_seed(&s->d));
    e->depth = s->depth ? s->depth - 1 : 0;
    e->simple = s->simple || fn == give_back;
    return errand_then(f, fn, e);
}

static errand_future *leaf(scene *s)
{
    dice *d = &s->d;
    errand_future *f = world_guest && dice_one_in(d, 2) ? world_guest->leaf(s) : NULL;
    if (f) return f;
    switch (dice_below(d, 16)) {
    case 0: return errand_sleep(some_place(d)->pool, dice_below(d, 4));
    case 1:
    case 2: return some_promise(s);
    case 3: return errand_rate_acquire(here.rate, some_key(d));
    case 4:
        return errand_timeout(
            errand_every(some_place(d)->pool, 1, beat, ledger_add(ENTRY_CALL, dice_seed(d))),
            1 + dice_below(d, 4));
    case 5: return dice_one_in(d, 2) ? errand_all(NULL, 0) : errand_submit(NULL, run_entry, NULL);
    case 6:
    case 7:
        if (!s->simple)
            return after(s, errand_sem_acquire(here.sem, some_key(d), 1 + dice_below(d, 2)),
                         give_back);
    }
    return some_work(s);
}

static errand_future *several(scene *s)
{
    errand_future *fs[3];
    unsigned n = 1 + dice_below(&s->d, 3), how = dice_below(&s->d, 4);
    for (unsigned i = 0; i < n; i++) fs[i] = some_future(s);
    switch (how) {
    case 0: return errand_all(fs, n);
    case 1: return errand_settle(fs, n);
    case 2: return errand_any(fs, n);
    default: return errand_race(fs, n);
    }
}

static errand_future *combined(scene *s)
{
    switch (dice_below(&s->d, 4)) {
    case 0: return after(s, some_future(s), then_entry);
    case 1: return errand_timeout(some_future(s), dice_below(&s->d, 4));
    case 2: return errand_shield(some_future(s));
    default: return several(s);
    }
}

errand_future *some_future(scene *s)
{
    if (!s->depth || dice_one_in(&s->d, 2)) return leaf(s);
    s->depth--;
    errand_future *f = combined(s);
    s->depth++;
    return f;
}
