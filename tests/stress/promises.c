/* tests/stress/promises.c -- each promise is resolved by its hook, or by the writer thread, which
 * takes them first in, first out. The first to take it resolves it. */
#include "stress/scarcity.h"
#include "stress/scene.h"

#include <pthread.h>

static entry *pushed; /* atomic: the last one first */
static unsigned stopping;
static pthread_t writer;

static bool take(entry *e) { return !__atomic_exchange_n(&e->hands, 1, __ATOMIC_SEQ_CST); }

static void resolve(entry *e)
{
    dice d = dice_of(e->seed, 1);
    if (dice_one_in(&d, 8)) errand_promise_abandon(e->promise);
    else errand_promise_resolve(e->promise, some_end(&d));
    /* from here on its hook is not called any more */
    __atomic_store_n(&e->freed, 1, __ATOMIC_SEQ_CST);
}

static void on_cancel(void *arg)
{
    entry *e = arg;
    ledger_enter(e);
    if (e->wanted && take(e)) {
        __atomic_sub_fetch(&e->inside, 1, __ATOMIC_SEQ_CST);
        resolve(e);
        return;
    }
    ledger_leave(e);
}

errand_future *some_promise(scene *s)
{
    entry *e = ledger_add(ENTRY_PROMISE, dice_seed(&s->d));
    errand_future *f;
    e->promise = errand_promise_new(some_place(&s->d)->pool, &f);
    bool hooked = dice_one_in(&s->d, 2);
    e->wanted = dice_one_in(&s->d, 2); /* the hook resolves it */
    if (!e->promise) return f;
    if (hooked) errand_promise_on_cancel(e->promise, on_cancel, e);
    e->queued = __atomic_load_n(&pushed, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&pushed, &e->queued, e, true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED))
        continue;
    return f;
}

static void *write_all(void *none)
{
    for (;;) {
        bool last = __atomic_load_n(&stopping, __ATOMIC_SEQ_CST);
        entry *in_order = NULL;
        for (entry *e = __atomic_exchange_n(&pushed, NULL, __ATOMIC_SEQ_CST), *next; e; e = next) {
            next = e->queued;
            e->queued = in_order;
            in_order = e;
        }
        if (!in_order && last) return none;
        if (!in_order) nap();
        for (entry *e = in_order, *next; e; e = next) {
            next = e->queued;
            dice d = dice_of(e->seed, 0);
            if (!last && dice_one_in(&d, 8)) nap();
            if (take(e)) resolve(e);
        }
    }
}

void promises_start(void)
{
    stopping = 0;
    HOLDS(pthread_create(&writer, NULL, write_all, NULL) == 0, "no thread");
}

void promises_stop(void)
{
    __atomic_store_n(&stopping, 1, __ATOMIC_SEQ_CST);
    pthread_join(writer, NULL);
}
