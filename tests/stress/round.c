/* tests/stress/round.c -- a round: a random program over the whole public interface of liberrand,
 * and of its guest.
 *
 * It makes a world of pools, clocks, limits and policies (world.c) and lets a few threads act in
 * it (uses.c): they compose futures (futures.c) of tasks that act in turn (tasks.c), while
 * others turn clocks, look at counters, and close pools under them. What must happen once has an
 * entry in the ledger, and at the end all is counted. What a round does follows from its seed,
 * which every failure prints; its timing does not, so a failing seed is repeated, round after
 * round, until it fails again. */
#include "stress/round.h"

#include "stress/interrupts.h"
#include "stress/scarcity.h"
#include "stress/scene.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ACTORS = 4, ACTS = 10, DEPTH = 3, IDLERS = 2 };

static unsigned looking, turning; /* atomic: 1 while they shall */
static uint64_t round_seed;

static uint64_t number(const void *arg) { return (uint64_t)(uintptr_t)arg; }
static const void *as_arg(uint64_t n) { return (const void *)(uintptr_t)n; }
static bool goes_on(const unsigned *flag) { return __atomic_load_n(flag, __ATOMIC_SEQ_CST); }

static void start(pthread_t *thread, void *(*fn)(void *), const void *arg)
{
    HOLDS(pthread_create(thread, NULL, fn, (void *)(uintptr_t)arg) == 0, "no thread");
}

/* ---- actors ---- */

static void *act_all(void *arg)
{
    scene s = { dice_of(round_seed, 100 + number(arg)), DEPTH, false, true };
    interrupts_know();
    for (unsigned n = ACTS; n; n--) act(&s);
    return NULL;
}

static void *turn_all(void *arg)
{
    dice d = dice_of(round_seed, 1);
    while (goes_on(&turning)) {
        for (unsigned i = 0; i < here.n_pools; i++) {
            place *p = &here.places[i];
            if (!p->turned) continue;
            __atomic_add_fetch(&p->now_ns, (int64_t)(1 + dice_below(&d, 3000)) * 1000,
                               __ATOMIC_SEQ_CST);
            errand_pool_tick(p->pool);
        }
        nap();
    }
    return arg;
}

static void *look_all(void *arg)
{
    dice d = dice_of(round_seed, 2);
    scarcity_spare(true);
    FILE *nowhere = fopen("/dev/null", "w");
    scarcity_spare(false);
    while (goes_on(&looking)) {
        errand_pool_stats stats;
        errand_pool *pool = some_place(&d)->pool;
        switch (dice_below(&d, 4)) {
        case 0: (void)errand_pool_wait_idle(pool, dice_below(&d, 3)); break;
        case 1:
            if (nowhere) (void)errand_pool_dump(pool, nowhere);
            break;
        default: (void)errand_pool_stats_get(pool, &stats);
        }
        if (dice_one_in(&d, 4)) nap();
    }
    if (nowhere) fclose(nowhere);
    return arg;
}

/* Closes one of the pools while the others act. */
static void *close_one(void *arg)
{
    static const int64_t within[] = { 0, 1, 20, PATIENCE_MS };
    dice d = dice_of(round_seed, 3 + number(arg));
    for (unsigned n = dice_below(&d, 16); n; n--) nap();
    (void)world_close_pool(some_place(&d), within[dice_below(&d, 4)]);
    return NULL;
}

/* ---- the end of a pool that others wait on ---- */

typedef struct idler {
    pthread_t thread;
    errand_pool *pool;
    unsigned number; /* of the thread, atomic: from here on it is about to wait */
    unsigned back;   /* atomic */
} idler;

static void *wait_idle(void *arg)
{
    idler *i = arg;
    errand_pool *pool = i->pool;
    __atomic_store_n(&i->number, (unsigned)gettid(), __ATOMIC_SEQ_CST);
    int error = errand_pool_wait_idle(pool, PATIENCE_MS);
    HOLDS(error == 0, "wait_idle beside close returned %d", error);
    __atomic_store_n(&i->back, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* It is back, or sleeps; between its two steps here it can sleep only inside the library. */
static bool has_begun(const idler *i)
{
    char path[64], text[128], state = 0;
    if (goes_on(&i->back)) return true;
    if (!goes_on(&i->number)) return false;
    snprintf(path, sizeof path, "/proc/self/task/%u/stat", i->number);
    FILE *f = fopen(path, "r");
    const char *end = f && fgets(text, sizeof text, f) ? strrchr(text, ')') : NULL;
    if (end) state = end[2];
    if (f) fclose(f);
    return state == 'S';
}

static errand_result hold(void *gate)
{
    while (!__atomic_load_n((unsigned *)gate, __ATOMIC_SEQ_CST)) nap();
    return errand_ok(NULL, NULL);
}

/* Nothing but the pool itself keeps its memory, and some wait in it. */
static void close_under_idlers(place *p)
{
    unsigned gate = 0, begun = 0;
    idler idlers[IDLERS] = { 0 };
    /* not errand_submit, which may run it right here: this thread opens the gate */
    errand_drop(errand_try_submit(p->pool, &(errand_task){ .fn = hold, .arg = &gate }));
    for (unsigned i = 0; i < IDLERS; i++) {
        idlers[i].pool = p->pool;
        start(&idlers[i].thread, wait_idle, &idlers[i]);
    }
    for (int tries = 0; tries < 4000 && begun < IDLERS; tries++) {
        begun = 0;
        for (unsigned i = 0; i < IDLERS; i++) begun += has_begun(&idlers[i]);
        if (begun < IDLERS) nap();
    }
    __atomic_store_n(&gate, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < IDLERS && begun < IDLERS; i++) pthread_join(idlers[i].thread, NULL);
    HOLDS(world_close_pool(p, PATIENCE_MS), "a pool does not close in time");
    for (unsigned i = 0; i < IDLERS && begun == IDLERS; i++) pthread_join(idlers[i].thread, NULL);
}

static void let_go(place *p)
{
    if (p->holder) errand_promise_resolve(p->holder, errand_ok(NULL, NULL));
    errand_drop(p->held);
    p->holder = NULL;
    p->held = NULL;
}

/* No task can use this pool any more: the other pools are closed, and their threads gone, also
 * those that a close did not wait for. */
static bool is_last(const place *p)
{
    bool last = true;
    for (const place *other = here.places; other < here.places + here.n_pools; other++) {
        unsigned stopped = __atomic_load_n(&other->stopped, __ATOMIC_SEQ_CST);
        last &= other == p ||
                (other->closed && stopped == __atomic_load_n(&other->started, __ATOMIC_SEQ_CST));
    }
    return last;
}

static void close_all(bool looked_at)
{
    free_cancellers();
    for (unsigned i = 0; i < here.n_pools; i++) {
        place *p = &here.places[i];
        if (p->closed) continue;
        if (!p->turned && !looked_at && is_last(p)) {
            world_ends();
            let_go(p);
            close_under_idlers(p);
        } else {
            HOLDS(world_close_pool(p, PATIENCE_MS), "a pool does not close in time");
        }
    }
}

/* ---- a round ---- */

void round_play(uint64_t seed)
{
    dice d = dice_of(seed, 0);
    pthread_t actors[ACTORS], closers[2], turner, looker;
    unsigned n_actors = 2 + dice_below(&d, ACTORS - 1), n_closers = 0;
    round_seed = seed;
    looking = turning = 1;
    bool interrupted = dice_one_in(&d, 2);
    if (interrupted) interrupts_start(seed);
    world_open(&d);
    if (here.closes) n_closers = 1 + dice_below(&d, 2);
    promises_start();
    start(&turner, turn_all, NULL);
    start(&looker, look_all, NULL);
    if (here.scarce) scarcity_begin(100u << dice_below(&d, 4), dice_one_in(&d, 2) ? 4 : 0);
    for (unsigned i = 0; i < n_actors; i++) start(&actors[i], act_all, as_arg(i));
    for (unsigned i = 0; i < n_closers; i++) start(&closers[i], close_one, as_arg(i));
    for (unsigned i = 0; i < n_actors; i++) pthread_join(actors[i], NULL);
    for (unsigned i = 0; i < n_closers; i++) pthread_join(closers[i], NULL);
    scarcity_end();
    bool looked_at = dice_one_in(&d, 4);
    if (looked_at) close_all(true);
    __atomic_store_n(&looking, 0, __ATOMIC_SEQ_CST);
    pthread_join(looker, NULL);
    if (!looked_at) close_all(false);
    __atomic_store_n(&turning, 0, __ATOMIC_SEQ_CST);
    pthread_join(turner, NULL);
    if (interrupted) interrupts_stop();
    world_check_counters();
    world_check_threads();
    free_cancellers();
    world_ends();
    for (unsigned i = 0; i < here.n_pools; i++) let_go(&here.places[i]);
    if (world_guest) world_guest->let_go();
    world_free_limits();
    world_check_gone();
    promises_stop();
    if (world_guest) world_guest->check();
    ledger_check();
}

void round_dump(void)
{
    scarcity_spare(true);
    for (unsigned i = 0; i < here.n_pools; i++) {
        errand_pool *pool = __atomic_load_n(&here.places[i].alive, __ATOMIC_SEQ_CST);
        fprintf(stderr, "pool %u%s\n", i, pool ? ":" : " is closed");
        if (pool) (void)errand_pool_dump(pool, stderr);
    }
}
