/* tests/stress/uses.c -- how a random program uses its futures, and its other actions. */
#include "stress/scene.h"

#include <errno.h>

/* ---- cancellers ---- */

static void cancel_by(errand_canceller *c)
{
    errand_canceller_cancel(c);
    errand_canceller_free(c);
}

void hand_out_canceller(dice *d, errand_future *f)
{
    cancel_by(__atomic_exchange_n(&here.cancellers[dice_below(d, SLOTS)], errand_canceller_of(f),
                                  __ATOMIC_SEQ_CST));
}

void free_cancellers(void)
{
    for (unsigned i = 0; i < SLOTS; i++)
        errand_canceller_free(__atomic_exchange_n(&here.cancellers[i], NULL, __ATOMIC_SEQ_CST));
}

/* ---- a future ---- */

bool frame_begin(scene *s, errand_frame *frame)
{
    bool shields = dice_one_in(&s->d, 8), ends = here.scant || here.scarce || dice_one_in(&s->d, 8);
    if (!on_worker() || !(shields || ends)) return false;
    errand_enter(frame, ends ? 1 + dice_below(&s->d, 20) : ERRAND_FOREVER, shields);
    return true;
}

static void await_it(scene *s, errand_future *f)
{
    errand_frame frame;
    if (!s->waits) {
        errand_drop(f);
        return;
    }
    bool framed = frame_begin(s, &frame);
    errand_result r = errand_await(f);
    if (framed) errand_leave(&frame);
    ledger_look(&r);
    errand_result_free(&r);
}

static void consume_watched(entry *e)
{
    /* it is still in use elsewhere */
    if (__atomic_add_fetch(&e->hands, 1, __ATOMIC_SEQ_CST) < 2) return;
    errand_result r = errand_await(e->future);
    ledger_look(&r);
    errand_result_free(&r);
}

static void watched(errand_watcher *w)
{
    entry *e = w->arg;
    ledger_enter(e);
    HOLDS(errand_wait(e->future, 0) == 0, "a watcher is called before its future has ended");
    ledger_leave(e);
    consume_watched(e);
}

static void watch_it(scene *s, errand_future *f)
{
    entry *e = ledger_add(ENTRY_WATCHER, 0);
    bool takes_back = dice_one_in(&s->d, 2), waits = s->waits && dice_one_in(&s->d, 2);
    e->future = f;
    e->watcher = (errand_watcher){ .fn = watched, .arg = e };
    int error = errand_watch(f, &e->watcher);
    if (!error && waits && !on_worker()) (void)errand_wait(f, 1);
    if (!error && takes_back && errand_unwatch(f, &e->watcher) == 0) error = EALREADY;
    e->wanted = !error;
    if (error) e->hands = 1;
    errand_frame frame;
    bool framed = frame_begin(s, &frame);
    consume_watched(e);
    if (framed) errand_leave(&frame);
}

void use(scene *s, errand_future *f)
{
    if (dice_one_in(&s->d, 4)) hand_out_canceller(&s->d, f);
    switch (dice_below(&s->d, 10)) {
    case 0: errand_drop(f); return;
    case 1:
        errand_cancel(f);
        errand_drop(f);
        return;
    case 2: errand_cancel(f); break;
    case 3:
        if (s->waits && errand_wait(f, dice_below(&s->d, 3)) == 0)
            HOLDS(errand_wait(f, 0) == 0, "it has ended no more");
        break;
    case 4: watch_it(s, f); return;
    case 5:
        if (s->waits && errand_wait(f, 1)) errand_cancel(f);
        break;
    }
    await_it(s, f);
}

/* ---- much at once ---- */

static errand_future *one_of_many(scene *s, unsigned what)
{
    if (what == 0)
        return errand_every(some_place(&s->d)->pool, 1, beat,
                            ledger_add(ENTRY_CALL, dice_seed(&s->d)));
    return what < 4 ? some_work(s) : some_future(s);
}

/* The same over and over: awaited one by one, all together at the end, or dropped. */
static void burst(scene *s)
{
    enum { ONE_BY_ONE, TOGETHER, DROPPED } how = dice_below(&s->d, 3);
    errand_future *fs[48];
    unsigned what = dice_below(&s->d, 6), n = 8u << dice_below(&s->d, 5);
    scene same = { dice_of(dice_seed(&s->d), 0), s->depth ? 1 : 0, s->simple, s->waits };
    if ((what == 0 || how == TOGETHER) && n > 48) n = 48;
    for (unsigned i = 0; i < n; i++) {
        scene one = same;
        errand_future *f = one_of_many(&one, what);
        if (how == TOGETHER && what && dice_one_in(&s->d, 4)) errand_cancel(f);
        if (how == TOGETHER && what) fs[i] = f;
        else if (how == ONE_BY_ONE && what) await_it(s, f);
        else errand_drop(f);
    }
    for (unsigned i = 0; i < n && how == TOGETHER && what; i++) await_it(s, fs[i]);
}

static void act_in_frame(scene *s)
{
    errand_frame frame;
    bool shields = dice_one_in(&s->d, 2);
    errand_enter(&frame, 1 + dice_below(&s->d, 10), shields);
    use(s, some_future(s));
    HOLDS(!shields || errand_cancelled() == ERRAND_BY_NONE || errand_time_left() == 0,
          "a shielded frame is cancelled");
    errand_leave(&frame);
}

void act(scene *s)
{
    if (world_guest && dice_one_in(&s->d, 3)) {
        world_guest->act(s);
        return;
    }
    switch (dice_below(&s->d, 12)) {
    case 0: burst(s); return;
    case 1: use_group(s); return;
    case 2:
    case 3: use_limits(s); return;
    case 4: use_loop(s); return;
    case 5: act_in_frame(s); return;
    default: use(s, some_future(s));
    }
}
