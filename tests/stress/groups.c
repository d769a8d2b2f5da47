/* tests/stress/groups.c -- groups: filled, taken from, joined, closed. */
#include "stress/scene.h"

#include <errno.h>

static void fill(scene *s, errand_group *g)
{
    for (unsigned n = 1 + dice_below(&s->d, 6); n; n--) {
        if (dice_one_in(&s->d, 3)) {
            (void)errand_group_add(g, some_future(s));
            continue;
        }
        recipe r = some_recipe(&s->d, s->simple);
        errand_task task = task_of(some_arg(s, r.holds, r.overlaps), &s->d);
        (void)errand_group_submit(g, r.policy, &task);
    }
}

static void take_some(scene *s, errand_group *g)
{
    for (unsigned n = dice_below(&s->d, 8); n && s->waits; n--) {
        errand_result r = { 0 };
        size_t index = 99;
        int error = errand_group_next(g, &r, &index, dice_below(&s->d, 3));
        if (error == ENODATA) return;
        if (error) continue;
        HOLDS(index < 12, "an index of %zu", index);
        ledger_look(&r);
        errand_result_free(&r);
    }
}

void use_group(scene *s)
{
    scene inner = *s;
    inner.depth = s->depth ? s->depth - 1 : 0;
    errand_group_opts opts = { .concurrency = dice_below(&inner.d, 4),
                               .keep_going = dice_below(&inner.d, 2) };
    errand_group *g = errand_group_new(some_place(&inner.d)->pool, &opts);
    if (!g) return;
    fill(&inner, g);
    take_some(&inner, g);
    if (dice_one_in(&inner.d, 3)) fill(&inner, g);
    errand_future *joined = dice_one_in(&inner.d, 3) ? errand_group_join(g) : NULL;
    if (joined && dice_one_in(&inner.d, 2)) {
        use(&inner, joined);
        joined = NULL;
    }
    bool for_long = inner.waits && !on_worker() && dice_one_in(&inner.d, 2);
    int error = errand_group_close(g, for_long ? PATIENCE_MS : dice_below(&inner.d, 3));
    HOLDS(!error || (error == ETIMEDOUT && !for_long), "a group's close ended with %d", error);
    if (joined) use(&inner, joined);
    s->d = inner.d;
}
