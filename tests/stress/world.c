/* tests/stress/world.c -- see world.h. Times are short, sizes small: everything is to be full,
 * late and empty often. */
#include "stress/world.h"

#include "async/pool_ref.h"
#include "stress/interrupts.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

world here;
const guest *world_guest;
const char *const world_keys[KEYS] = { NULL, "a", "b" };
static _Thread_local bool a_worker;

void nap(void) { nanosleep(&(struct timespec){ 0, 250000 }, NULL); }
bool on_worker(void) { return a_worker; }

const char *some_key(dice *d) { return world_keys[dice_below(d, KEYS)]; }
place *some_place(dice *d) { return &here.places[dice_below(d, here.n_pools)]; }

recipe some_recipe(dice *d, bool simple)
{
    unsigned i = dice_below(d, POLICIES + 1);
    recipe none = { NULL, false, false };
    if (i == POLICIES || (simple && here.recipes[i].holds)) return none;
    return here.recipes[i];
}

/* ---- threads inside ---- */

static pthread_rwlock_t ending = PTHREAD_RWLOCK_INITIALIZER;
static bool over;

bool world_enter(void)
{
    pthread_rwlock_rdlock(&ending);
    if (!over) return true;
    pthread_rwlock_unlock(&ending);
    return false;
}

void world_leave(void) { pthread_rwlock_unlock(&ending); }

static void set_over(bool now)
{
    pthread_rwlock_wrlock(&ending);
    over = now;
    pthread_rwlock_unlock(&ending);
}

void world_ends(void) { set_over(true); }

/* ---- pools ---- */

static void started(void *arg)
{
    a_worker = true;
    interrupts_know();
    __atomic_add_fetch(&((place *)arg)->started, 1, __ATOMIC_SEQ_CST);
}
static void stopped(void *arg)
{
    __atomic_add_fetch(&((place *)arg)->stopped, 1, __ATOMIC_SEQ_CST);
}
static int64_t turned_now(void *arg) { return __atomic_load_n((int64_t *)arg, __ATOMIC_SEQ_CST); }

static void open_place(place *p, dice *d)
{
    static const size_t queues[] = { 0, 2, 16 };
    errand_pool_opts o = { .workers = 1 + dice_below(d, 4),
                           .queue = queues[dice_below(d, 3)],
                           .name = "stress",
                           .on_start = started,
                           .on_stop = stopped,
                           .arg = p,
                           .log = here.log };
    p->turned = dice_one_in(d, 3);
    p->now_ns = 1000000000;
    p->clock = (errand_clock){ turned_now, &p->now_ns };
    if (p->turned) o.clock = &p->clock;
    if (here.scant) o.spares = dice_one_in(d, 2) ? ERRAND_NO_SPARES : 1 + dice_below(d, 8);
    o.when_full = here.scant || here.scarce ? 1 + dice_below(d, 3) : dice_below(d, 4);
    p->pool = p->alive = errand_pool_new(&o);
    HOLDS(p->pool, "no pool");
    p->holder = errand_promise_new(p->pool, &p->held);
    HOLDS(p->holder, "no promise");
}

bool world_close_pool(place *p, int64_t within_ms)
{
    if (world_guest) world_guest->close(p, within_ms);
    int error = errand_pool_close(p->pool, within_ms);
    HOLDS(!error || error == EINVAL || error == ETIMEDOUT, "a close ended with %d", error);
    if (error != EINVAL) p->closed = true;
    if (error != EINVAL) __atomic_store_n(&p->alive, NULL, __ATOMIC_SEQ_CST);
    return !error;
}

/* ---- policies ---- */

static void count_hook(const errand_attempt_info *view, void *arg)
{
    (void)arg;
    if (view->last) ledger_look(view->last);
    __atomic_add_fetch(&here.hooks, 1, __ATOMIC_RELAXED);
}
static errand_result fall_back(errand_result failure, void *arg)
{
    (void)arg;
    ledger_look(&failure);
    errand_result_free(&failure);
    return ledger_value(0);
}
static bool odd_seed(const void *value, void *arg)
{
    (void)arg;
    return value && ((const entry *)value)->kind == ENTRY_VALUE &&
           ((const entry *)value)->seed % 4 == 1;
}

static errand_backoff *some_wait(dice *d)
{
    switch (dice_below(d, 4)) {
    case 0: return errand_backoff_none();
    case 1: return errand_backoff_random(0, 2);
    case 2:
        return errand_backoff_sum(errand_backoff_fixed(1),
                                  errand_backoff_random_exponential(1, 3, 2, 0));
    default: return errand_backoff_poll(errand_backoff_fixed(1), errand_backoff_decorrelated(1, 3));
    }
}

static void make_recipe(recipe *to, dice *d)
{
    errand_policy_opts o = {
        .attempts = 1 + dice_below(d, 4),
        .initial_ms = 1,
        .max_ms = 3,
        .hook_arg = &here,
        .jitter = dice_below(d, 4),
        .repeat = dice_below(d, 3),
        .seed = 1 + dice_below(d, 1000)
    };
    if (dice_one_in(d, 3)) o.within_ms = 1 + dice_below(d, 8);
    if (dice_one_in(d, 3)) o.attempt_ms = 1 + dice_below(d, 3);
    if (dice_one_in(d, 3)) o.fallback = fall_back;
    if (dice_one_in(d, 3)) o.backoff = some_wait(d);
    if (dice_one_in(d, 3))
        o.stop = errand_stop_any(errand_stop_after_attempt(3), errand_stop_before_delay(6));
    if (dice_one_in(d, 4)) o.retry_if = errand_retry_if_failed();
    else if (dice_one_in(d, 3))
        o.retry_if =
            errand_retry_if_any(errand_retry_if_value(odd_seed, NULL), errand_retry_if_transient());
    if (dice_one_in(d, 2)) o.budget = here.budget;
    if (dice_one_in(d, 2)) o.breaker = here.breaker;
    if (dice_one_in(d, 3)) o.rate = here.rate;
    if (dice_one_in(d, 3)) o.sem = here.sem;
    if (dice_one_in(d, 3)) { /* with REPEAT_NEVER it would be refused */
        o.hedge_ms = 1;
        o.attempts = 2 + dice_below(d, 3);
        o.overlap = dice_below(d, 2);
        o.repeat = dice_below(d, 2);
    }
    if (dice_one_in(d, 2))
        o.before_attempt = o.after_attempt = o.before_sleep = o.on_success = o.on_give_up =
            count_hook;
    const char *why = "";
    *to = (recipe){ errand_policy_new(&o, &why), o.overlap, o.sem != NULL };
    HOLDS(to->policy, "no policy: %s", why);
}

static void on_change(const errand_breaker_change *change, void *arg)
{
    (void)change, (void)arg;
    __atomic_add_fetch(&here.hooks, 1, __ATOMIC_RELAXED);
}

void world_open(dice *d)
{
    errand_log *log = here.log;
    memset(&here, 0, sizeof here);
    here.log = log;
    set_over(false);
    here.n_pools = 1 + dice_below(d, POOLS);
    here.closes = dice_one_in(d, 2);
    here.scarce = dice_one_in(d, 4);
    here.scant = dice_one_in(d, 4);
    for (unsigned i = 0; i < here.n_pools; i++) open_place(&here.places[i], d);
    unsigned bare = here.n_pools > 1; /* nothing but its own work keeps the last one's memory */
    here.n_pools -= bare;
    here.permits = 1 + dice_below(d, 4);
    here.sem = errand_sem_new(some_place(d)->pool,
                              &(errand_sem_opts){ .permits = here.permits,
                                                  .max_keys = 1 + dice_below(d, 2),
                                                  .max_waiters = dice_below(d, 2) * 8 });
    here.rate = errand_rate_new(some_place(d)->pool,
                                &(errand_rate_opts){ .per_second = 2000 << dice_below(d, 6),
                                                     .burst = 1 + dice_below(d, 4) });
    here.breaker = errand_breaker_new(
        some_place(d)->pool,
        &(errand_breaker_opts){ .min_calls = 4,
                                .open_ms = 1,
                                .max_open_ms = 4,
                                .probe_ms = 1 + dice_below(d, 8),
                                .window_ms = 20,
                                .on_change = dice_one_in(d, 2) ? on_change : NULL });
    here.budget = errand_budget_new(some_place(d)->pool, &(errand_budget_opts){ .tokens = 100 });
    here.flight = errand_singleflight_new(some_place(d)->pool, NULL);
    here.n_pools += bare;
    HOLDS(here.sem && here.rate && here.breaker && here.budget && here.flight, "no limits");
    for (unsigned i = 0; i < POLICIES; i++) make_recipe(&here.recipes[i], d);
    if (world_guest) world_guest->open(d);
}

/* ---- the end ---- */

static bool policies_at_rest(void)
{
    for (unsigned i = 0; i < POLICIES; i++) {
        errand_policy_stats s;
        (void)errand_policy_stats_get(here.recipes[i].policy, &s);
        if (s.runs != s.succeeded + s.failed + s.cancelled || s.asleep) return false;
        HOLDS(s.hedges_won <= s.hedges && s.hedges <= s.attempts && s.degraded <= s.succeeded,
              "a policy's counters: %llu attempts, %llu hedges, %llu won, %llu succeeded, %llu "
              "degraded",
              (unsigned long long)s.attempts, (unsigned long long)s.hedges,
              (unsigned long long)s.hedges_won, (unsigned long long)s.succeeded,
              (unsigned long long)s.degraded);
    }
    return true;
}

static bool limits_at_rest(void)
{
    for (unsigned i = 0; i < KEYS; i++) {
        errand_sem_stats s = { 0 };
        errand_rate_stats r = { 0 };
        errand_breaker_stats b = { 0 };
        errand_budget_stats g = { 0 };
        errand_singleflight_stats f = { 0 };
        /* ENOENT: it was evicted, so nothing holds it */
        (void)errand_sem_stats_get(here.sem, world_keys[i], &s);
        (void)errand_rate_stats_get(here.rate, world_keys[i], &r);
        (void)errand_breaker_stats_get(here.breaker, world_keys[i], &b);
        (void)errand_budget_stats_get(here.budget, world_keys[i], &g);
        (void)errand_singleflight_stats_get(here.flight, world_keys[i], &f);
        if (s.in_use || s.waiting || r.waiting || b.under_way || b.probing) return false;
        if (g.in_flight || g.hedges || f.under_way || f.sharing) return false;
    }
    return true;
}

static void await_rest(bool (*at_rest)(void), const char *what, void (*print)(void))
{
    for (int i = 0; !at_rest(); i++) {
        if (i == 4 * PATIENCE_MS && print) print();
        HOLDS(i < 4 * PATIENCE_MS, "%s are not at rest though all pools are closed", what);
        nap();
    }
}

void world_check_counters(void)
{
    await_rest(policies_at_rest, "policies", NULL);
    await_rest(limits_at_rest, "limits", NULL);
}

void world_free_limits(void)
{
    for (unsigned i = 0; i < POLICIES; i++) errand_policy_free(here.recipes[i].policy);
    errand_sem_free(here.sem);
    errand_rate_free(here.rate);
    errand_breaker_free(here.breaker);
    errand_budget_free(here.budget);
    errand_singleflight_free(here.flight);
}

static bool threads_ended(void)
{
    for (unsigned i = 0; i < here.n_pools; i++) {
        const place *p = &here.places[i];
        if (__atomic_load_n(&p->started, __ATOMIC_SEQ_CST) !=
            __atomic_load_n(&p->stopped, __ATOMIC_SEQ_CST))
            return false;
    }
    return true;
}

static void print_threads(void)
{
    for (unsigned i = 0; i < here.n_pools; i++)
        fprintf(stderr, "pool %u: %u threads were started, %u stopped\n", i, here.places[i].started,
                here.places[i].stopped);
}

void world_check_threads(void) { await_rest(threads_ended, "threads", print_threads); }

static bool none_alive(void) { return er_pools_alive() == 0; }
static void print_memories(void)
{
    fprintf(stderr, "%d pools' memories are alive\n", er_pools_alive());
}

void world_check_gone(void) { await_rest(none_alive, "pools' memories", print_memories); }
