/* tests/stress/limits.c -- limits in the caller's own thread, and loops. What holds a
 * permit waits for nothing. */
#include "stress/scene.h"

#include <errno.h>

static void hold_permit(scene *s)
{
    errand_permit *permit = NULL;
    errand_frame frame;
    bool framed = frame_begin(s, &frame);
    int error = errand_sem_wait(here.sem, some_key(&s->d), 1 + dice_below(&s->d, 2),
                                dice_below(&s->d, 4), &permit);
    if (framed) errand_leave(&frame);
    HOLDS(!error == !!permit, "sem_wait returned %d and %s permit", error, permit ? "a" : "no");
    if (dice_one_in(&s->d, 4)) nap();
    errand_permit_release(permit);
}

static void change_sem(dice *d)
{
    errand_sem_holder holders[4];
    unsigned n = 1 + dice_below(d, 2);
    if (dice_one_in(d, 2)) (void)errand_sem_resize(here.sem, 1 + dice_below(d, here.permits + 1));
    if (errand_sem_try_acquire(here.sem, n))
        HOLDS(errand_sem_release(here.sem, n) == 0, "what try took cannot be given back");
    (void)errand_sem_holders(here.sem, some_key(d), holders, 4);
}

static void ask_breaker(dice *d)
{
    errand_breaker_call call;
    const char *key = some_key(d);
    int error = errand_breaker_allow(here.breaker, key, &call);
    if (!error) {
        errand_result r = some_end(d);
        bool cancelled = dice_one_in(d, 3);
        errand_breaker_report(&call, cancelled ? NULL : &r);
        if (dice_one_in(d, 3)) errand_breaker_report(&call, &r);
        errand_result_free(&r);
    }
    if (dice_one_in(d, 6)) (void)errand_breaker_force(here.breaker, key, dice_below(d, 2));
    if (dice_one_in(d, 3)) (void)errand_breaker_reset(here.breaker, key);
}

static void look(dice *d)
{
    errand_sem_stats s;
    errand_rate_stats r;
    errand_breaker_stats b;
    errand_budget_stats g;
    errand_singleflight_stats f;
    errand_policy_stats p;
    const char *key = some_key(d);
    if (errand_sem_stats_get(here.sem, key, &s) == 0)
        HOLDS(s.in_use <= here.permits + 1, "%u permits in use", s.in_use);
    (void)errand_rate_stats_get(here.rate, key, &r);
    (void)errand_breaker_stats_get(here.breaker, key, &b);
    if (errand_budget_stats_get(here.budget, key, &g) == 0)
        HOLDS(g.hedges <= g.in_flight && g.tokens <= 100, "a budget's counters");
    (void)errand_singleflight_stats_get(here.flight, key, &f);
    const errand_policy *policy = here.recipes[dice_below(d, POLICIES)].policy;
    if (errand_policy_stats_get(policy, &p) == 0)
        HOLDS(errand_policy_backoff_ms(policy, 1, 7) >= -1, "a wait that is no time");
}

void use_limits(scene *s)
{
    switch (dice_below(&s->d, 6)) {
    case 0:
        if (s->waits && !s->simple) hold_permit(s);
        return;
    case 1: change_sem(&s->d); return;
    case 2:
        if (s->waits) (void)errand_rate_wait(here.rate, some_key(&s->d), dice_below(&s->d, 3));
        return;
    case 3: (void)errand_rate_pause(here.rate, some_key(&s->d), dice_below(&s->d, 3)); return;
    case 4: ask_breaker(&s->d); return;
    default: look(&s->d);
    }
}

void use_loop(scene *s)
{
    recipe with = some_recipe(&s->d, s->simple);
    errand_loop loop = { 0 };
    errand_result r = { 0 };
    errand_frame frame;
    unsigned breaks_at = dice_below(&s->d, 6), n = 0;
    if (!s->waits || !with.policy) return;
    bool framed = frame_begin(s, &frame);
    while (errand_loop_next(&loop, with.policy, &r)) {
        r = some_end(&s->d);
        if (++n == breaks_at) break;
    }
    errand_loop_end(&loop);
    if (framed) errand_leave(&frame);
    ledger_look(&r);
    errand_result_free(&r);
}
