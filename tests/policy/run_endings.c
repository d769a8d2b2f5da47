/* Runs that are ended from outside in each stage, and what they hold meanwhile. */
#include "runs.h"

#include "base/os.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static test_clock t;
static errand_pool *pool;

static void open_turned(void) { pool = test_clock_pool(&t); }
static void open_pool(void)
{
    ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 1 }));
}
static errand_future *start(errand_policy_opts opts, script *s)
{
    return start_run(pool, opts, scripted(s));
}
static errand_future *start_task(errand_policy_opts opts, errand_task task)
{
    return start_run(pool, opts, task);
}
static bool ended(errand_future *f) { return errand_wait(f, 0) == 0; }

static const errand_policy_opts quick = { .attempts = 3, .initial_ms = ERRAND_ZERO };

/* ---- cancels and shutdowns, stage by stage ---- */

typedef enum stage { TURN, PERMIT, ATTEMPT, SLEEP, STAGES } stage;

typedef struct staged {
    errand_rate *rate;
    errand_sem *sem;
    obedient o;
    script s;
    errand_future *f;
    unsigned *freed;
} staged;

/* A run that stays in that stage. */
static void bring_to(stage where, staged *g)
{
    g->rate = errand_rate_new(pool, &(errand_rate_opts){ .per_second = 0.01 });
    g->sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1 });
    g->o = (obedient){ .pool = pool };
    g->s = (script){ .error = { ECONNRESET, ECONNRESET } };
    errand_policy_opts o = { .attempts = 3,
                             .initial_ms = 1000,
                             .jitter = ERRAND_JITTER_NONE,
                             .rate = g->rate,
                             .sem = g->sem };
    if (where == TURN) ENDS(errand_rate_acquire(g->rate, NULL), 0);
    if (where == PERMIT) ck_assert(errand_sem_try_acquire(g->sem, 1));
    g->f = start_task(o, where == ATTEMPT ? obeying(&g->o) : scripted(&g->s));
    g->freed = where == ATTEMPT ? &g->o.freed : &g->s.freed;
    if (where == ATTEMPT) await_event(&g->o.began);
    if (where == SLEEP) {
        await_count(&g->s.calls, 1);
        await_asleep(pool, 1);
    }
    ck_assert(!ended(g->f));
    ck_assert_uint_eq(count_of(g->freed), 0);
}

static void has_ended(stage where, staged *g, errand_reason reason)
{
    errand_result r = errand_await(g->f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_int_eq(errand_result_kind(&r), ERRAND_KIND_CANCELLED);
    ck_assert_int_eq(errand_result_reason(&r), reason);
    const errand_result *cause = errand_result_cause(&r, 0);
    /* the earlier failure is its cause */
    ck_assert_int_eq(where == SLEEP, cause && cause->error == ECONNRESET);
    ck_assert_uint_eq(errand_result_attempts(&r), where >= ATTEMPT);
    errand_result_free(&r);
    ck_assert_uint_eq(count_of(g->freed), 1);
    if (where == ATTEMPT) ck_assert_int_eq(g->o.reason, reason);
    if (where == PERMIT) ck_assert_int_eq(errand_sem_release(g->sem, 1), 0);
    ck_assert(errand_sem_try_acquire(g->sem, 1)); /* no permit is lost */
    ck_assert_int_eq(errand_sem_release(g->sem, 1), 0);
    errand_sem_free(g->sem);
    errand_rate_free(g->rate);
}

START_TEST(a_cancel_ends_a_run_in_every_stage)
{
    open_turned();
    staged g;
    bring_to((stage)_i, &g);
    errand_cancel(g.f);
    if (_i != ATTEMPT) ck_assert(ended(g.f)); /* at once, on the calling thread */
    has_ended((stage)_i, &g, ERRAND_BY_CALLER);
    await_asleep(pool, 0);
    close_pool(pool);
}
END_TEST

START_TEST(a_shutdown_ends_a_run_in_every_stage)
{
    open_turned();
    staged g;
    bring_to((stage)_i, &g);
    int error = errand_pool_close(pool,
                                  /* close waits for half of it, as the run does not end by
                                   * itself */
                                  200);
    ck_assert(error == 0 || error == ETIMEDOUT);
    has_ended((stage)_i, &g, ERRAND_BY_SHUTDOWN);
}
END_TEST

START_TEST(a_deadline_ends_a_run_in_every_stage)
{
    open_turned();
    staged g;
    bring_to((stage)_i, &g);
    errand_future *f = errand_timeout(g.f, 500); /* its deadline cancels the run */
    turn(&t, pool, 501);
    ENDS(f, ETIMEDOUT);
    await_count(g.freed, 1);
    await_asleep(pool, 0);
    if (_i == PERMIT) errand_sem_release(g.sem, 1);
    ck_assert(errand_sem_try_acquire(g.sem, 1));
    errand_sem_free(g.sem);
    errand_rate_free(g.rate);
    close_pool(pool);
}
END_TEST

static errand_result fail_when_cancelled(void *arg)
{
    obedient *o = arg;
    errand_result r = obey(o);
    errand_result_free(&r);
    return errand_failf(ECONNRESET, "cancelled, it failed in its own way");
}

START_TEST(an_error_after_a_cancel_is_its_cause)
{
    open_pool();
    obedient o = { .pool = pool };
    errand_future *f = start_task(quick, (errand_task){ .fn = fail_when_cancelled, .arg = &o });
    await_event(&o.began);
    errand_cancel(f);
    errand_result r = errand_await(f);
    ck_assert_int_eq(r.error, ECANCELED);
    ck_assert_ptr_nonnull(errand_result_cause(&r, 0));
    ck_assert_int_eq(errand_result_cause(&r, 0)->error, ECONNRESET);
    ck_assert_uint_eq(o.calls, 1);
    errand_result_free(&r);
    /* a success after it stands */
    hold h = { .result = errand_ok(as_value(7), NULL) };
    f = start_task(quick, (errand_task){ .fn = hold_worker, .arg = &h });
    await_event(&h.began);
    errand_cancel(f);
    happen(&h.go);
    r = errand_await(f);
    ck_assert_int_eq(r.error, 0);
    ck_assert_int_eq(as_number(r.value), 7);
    close_pool(pool);
}
END_TEST

START_TEST(a_closed_pool_refuses_a_run_and_frees_arg)
{
    open_pool();
    errand_promise *keeps_memory;
    errand_future *f;
    keeps_memory = errand_promise_new(pool, &f);
    close_pool(pool);
    script s = { 0 };
    errand_result r = errand_await(start(quick, &s));
    ck_assert(r.error == EINVAL || r.error == ECANCELED);
    errand_result_free(&r);
    ck_assert_uint_eq(s.calls, 0);
    ck_assert_uint_eq(s.freed, 1);
    errand_promise_abandon(keeps_memory);
    errand_drop(f);
}
END_TEST

/* ---- workers and permits held meanwhile ---- */

enum { MANY = 200 };
typedef struct later {
    errand_promise *promise[2 * MANY];
    unsigned n;
} later;

static errand_result begin_elsewhere(void *arg)
{
    later *l = arg;
    errand_future *f;
    unsigned i = l->n; /* one worker: no race */
    l->promise[i] = errand_promise_new(pool, &f);
    count_up(&l->n);
    return errand_later(f);
}

START_TEST(attempts_that_return_a_future_hold_no_worker)
{
    open_turned();
    later l = { .n = 0 };
    /* each sleeps */
    errand_policy *policy = policy_of((errand_policy_opts){
        .attempts = 2, .initial_ms = 10, .jitter = ERRAND_JITTER_EQUAL });
    errand_future *f[MANY];
    for (int i = 0; i < MANY; i++) f[i] = errand_run(pool, policy, begin_elsewhere, &l);
    await_count(&l.n, MANY); /* all are under way, on one worker */
    await_asleep(pool, 0);
    for (int i = 0; i < MANY; i++) errand_promise_resolve(l.promise[i], errand_fail(ECONNRESET));
    await_asleep(pool, MANY);
    turn(&t, pool, 11);
    await_count(&l.n, 2 * MANY);
    await_asleep(pool, 0);
    for (int i = MANY; i < 2 * MANY; i++)
        errand_promise_resolve(l.promise[i], errand_ok(NULL, NULL));
    for (int i = 0; i < MANY; i++) ENDS(f[i], 0);
    errand_policy_free(policy);
    close_pool(pool);
}
END_TEST

START_TEST(sleeping_runs_hold_no_worker_and_no_permit)
{
    open_turned();
    enum { N = 1000 };
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 1 });
    errand_policy *policy =
        policy_of((errand_policy_opts){ .attempts = 2, .jitter = ERRAND_JITTER_EQUAL, .sem = sem });
    script *s = calloc(N, sizeof *s);
    errand_future *f[N];
    for (int i = 0; i < N; i++) {
        s[i].error[0] = ECONNRESET;
        errand_task task = scripted(&s[i]);
        f[i] = errand_run_task(pool, policy, &task);
    }
    await_asleep(pool, N);
    ck_assert(errand_sem_try_acquire(sem, 1));
    ck_assert_int_eq(errand_sem_release(sem, 1), 0);
    script other = { 0 };
    ENDS(errand_submit(pool, follow_script, &other), 0); /* the worker is free */
    turn(&t, pool, 60);
    for (int i = 0; i < N; i++) {
        ENDS(f[i], 0);
        if (s[i].calls != 2 || s[i].freed != 1)
            ck_abort_msg("%u calls, %u freed", s[i].calls, s[i].freed);
    }
    free(s);
    errand_policy_free(policy);
    errand_sem_free(sem);
    close_pool(pool);
}
END_TEST

typedef struct place {
    unsigned *next, place;
} place;

static errand_result take_place(void *arg)
{
    place *p = arg;
    p->place = count_up(p->next);
    return p->place == 1 ? errand_fail(ECONNRESET) : errand_ok(NULL, NULL);
}

START_TEST(a_retry_does_not_go_to_the_back_of_the_queue)
{
    open_turned();
    unsigned next = 0;
    place retried = { &next, 0 }, others[10];
    errand_future *f = start_task(
        (errand_policy_opts){ .attempts = 2, .initial_ms = 100, .jitter = ERRAND_JITTER_EQUAL },
        (errand_task){ .fn = take_place, .arg = &retried });
    await_count(&next, 1);
    await_asleep(pool, 1);
    hold h = { .result = errand_ok(NULL, NULL) };
    errand_future *busy = errand_submit(pool, hold_worker, &h), *o[10];
    await_event(&h.began);
    for (int i = 0; i < 10; i++) {
        others[i] = (place){ &next, 0 };
        o[i] = errand_submit(pool, take_place, &others[i]);
    }
    turn(&t, pool, 101);
    happen(&h.go);
    ENDS(f, 0);
    ENDS(busy, 0);
    for (int i = 0; i < 10; i++) ENDS(o[i], 0);
    ck_assert_uint_eq(retried.place, 2);
    close_pool(pool);
}
END_TEST

/* ---- the storm ---- */

typedef struct storm {
    errand_policy *policies[8];
    uint64_t seed;
    unsigned rounds, *calls, *freed;
} storm;

typedef struct drop {
    storm *s;
    uint64_t dice; /* plain, so that a thread sanitizer sees attempts that overlap */
    bool overlap;  /* they may */
    unsigned calls;
} drop;

static bool may_overlap(uint64_t policy) { return policy == 4 || policy == 7; }

static errand_result fall(void *arg)
{
    drop *d = arg;
    count_up(d->s->calls);
    uint64_t own = d->overlap ? d->dice + er_add(&d->calls, 1) : 0;
    uint64_t dice = er_random_next(d->overlap ? &own : &d->dice);
    switch (dice % 6) {
    case 0: return errand_ok(NULL, NULL);
    case 1: return errand_later(errand_sleep(pool, (int64_t)(dice / 8 % 2)));
    case 2: return errand_await(errand_sleep(pool, (int64_t)(dice / 8 % 2)));
    default: return errand_fail(dice / 8 % 2 ? ECONNRESET : EAGAIN);
    }
}

static void fallen(void *arg)
{
    drop *d = arg;
    count_up(d->s->freed);
    free(d);
}

static void *rage(void *arg)
{
    storm *s = arg;
    for (unsigned i = 0; i < s->rounds; i++) {
        uint64_t dice = er_random_next(&s->seed);
        drop *d = malloc(sizeof *d);
        *d = (drop){ .s = s, .dice = dice, .overlap = may_overlap(dice % 8) };
        errand_task task = { .fn = fall, .arg = d, .free = fallen };
        if (dice / 16 % 3 == 0) task.within_ms = 1;
        errand_future *f = errand_run_task(pool, s->policies[dice % 8], &task);
        if (dice / 64 % 4 == 0) f = errand_timeout(f, (int64_t)(dice / 128 % 2));
        if (dice / 256 % 2) errand_cancel(f);
        if (dice / 512 % 4 == 0) {
            errand_drop(f);
            continue;
        }
        errand_result r = errand_await(f);
        errand_result_free(&r);
    }
    return NULL;
}

static bool shrug(const errand_attempt_info *view, void *arg)
{
    (void)arg;
    return view->last->error == ECONNRESET;
}
static void watch_it(const errand_attempt_info *view, void *arg)
{
    (void)view;
    count_up(arg);
}
static errand_result stand_in(errand_result failure, void *arg)
{
    count_up(arg);
    errand_result_free(&failure);
    return errand_later(errand_sleep(pool, 0));
}

START_TEST(cancels_and_deadlines_race_and_each_run_ends_once)
{
    ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 }));
    errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 3 });
    errand_rate *rate =
        errand_rate_new(pool, &(errand_rate_opts){ .per_second = 20000, .burst = 4 });
    errand_breaker *breaker =
        errand_breaker_new(pool, &(errand_breaker_opts){ .open_ms = 1, .max_open_ms = 2 });
    errand_budget *budget = errand_budget_new(pool, &(errand_budget_opts){ .tokens = 100 });
    ck_assert(breaker && budget);
    unsigned calls = 0, freed = 0, hooks = 0;
    pthread_t threads[4];
    storm storms[4];
    for (unsigned i = 0; i < 4; i++) {
        storms[i] =
            (storm){ .seed = i + 1, .rounds = scaled(1000), .calls = &calls, .freed = &freed };
        for (unsigned p = 0; p < 8; p++)
            storms[i].policies[p] = policy_of((errand_policy_opts){
                .attempts = 4,
                .initial_ms = p ? ERRAND_ZERO : 1,
                .sem = p & 1 ? sem : NULL,
                .rate = p & 2 ? rate : NULL,
                .attempt_ms = p == 3 ? 1 : 0,
                .within_ms = p == 2 || p == 6 ? 2 : 0,
                .hedge_ms = p >= 4 && p != 5 ? 1 : 0,
                .overlap = may_overlap(p),
                .retry_if = p == 5 ? errand_retry_if_custom(shrug, NULL)
                                   : errand_retry_if_transient(),
                .before_attempt = p >= 5 ? watch_it : NULL,
                .before_sleep = p == 7 ? watch_it : NULL,
                .on_give_up = p >= 5 ? watch_it : NULL,
                .fallback = p >= 6 ? stand_in : NULL,
                .hook_arg = &hooks,
                .breaker = p >= 6 ? breaker : NULL,
                .budget = p >= 6 ? budget : NULL });
        ck_assert_int_eq(pthread_create(&threads[i], NULL, rage, &storms[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    await_count(&freed, 4 * storms[0].rounds);
    await_asleep(pool, 0);
    ck_assert(errand_sem_try_acquire(sem, 3));
    errand_breaker_stats lent;
    errand_budget_stats spent;
    ck_assert_int_eq(errand_breaker_stats_get(breaker, NULL, &lent), 0);
    ck_assert_int_eq(errand_budget_stats_get(budget, NULL, &spent), 0);
    /* every outcome was reported */
    ck_assert(lent.under_way == 0 && spent.in_flight == 0 && spent.hedges == 0);
    for (int i = 0; i < 4; i++) {
        for (int p = 0; p < 8; p++) {
            errand_policy_stats ends;
            errand_policy_stats_get(storms[i].policies[p], &ends);
            ck_assert_uint_eq(ends.runs, ends.succeeded + ends.failed + ends.cancelled);
            ck_assert_uint_eq(ends.asleep, 0);
            errand_policy_free(storms[i].policies[p]);
        }
    }
    errand_breaker_free(breaker);
    errand_budget_free(budget);
    ck_assert_uint_gt(hooks, 0);
    errand_sem_free(sem);
    errand_rate_free(rate);
    close_pool(pool);
    ck_assert_uint_eq(freed, 4 * storms[0].rounds);
    ck_assert_uint_gt(calls, 0);
}
END_TEST

START_TEST(closing_the_pool_ends_and_frees_every_run)
{
    for (unsigned round = 0; round < scaled(20); round++) {
        ck_assert_ptr_nonnull(pool = errand_pool_new(&(errand_pool_opts){ .workers = 2 }));
        errand_sem *sem = errand_sem_new(pool, &(errand_sem_opts){ .permits = 2 });
        unsigned calls = 0, freed = 0;
        storm s = { .seed = round + 1, .calls = &calls, .freed = &freed };
        errand_policy *policy = policy_of((errand_policy_opts){
            .attempts = 1000000,
            .initial_ms = round % 2 ? 1 + round % 3 : 10000,
            .multiplier = 1,
            .sem = round % 4 < 2 ? sem : NULL });
        errand_future *f[50];
        for (int i = 0; i < 50; i++) {
            drop *d = malloc(sizeof *d);
            *d = (drop){ .s = &s, .dice = er_random_next(&s.seed) };
            errand_task task = { .fn = fall, .arg = d, .free = fallen };
            f[i] = errand_run_task(pool, policy, &task);
        }
        errand_policy_free(policy);
        errand_sem_free(sem);
        int error = errand_pool_close(pool,
                                      /* in 1 ms a run may be left behind */
                                      round % 2 ? LONG_MS : 1);
        ck_assert_msg(!error || (error == ETIMEDOUT && round % 2 == 0), "close: %d", error);
        for (int i = 0; i < 50; i++) {
            errand_result r = errand_await(f[i]);
            errand_result_free(&r);
        }
        await_count(&freed, 50);
    }
}
END_TEST

Suite *run_endings_suite(void)
{
    Suite *suite = suite_create("run endings");
    TCase *tc = case_of(suite, "ends");
    tcase_add_loop_test(tc, a_cancel_ends_a_run_in_every_stage, TURN, STAGES);
    tcase_add_loop_test(tc, a_shutdown_ends_a_run_in_every_stage, TURN, STAGES);
    tcase_add_loop_test(tc, a_deadline_ends_a_run_in_every_stage, TURN, STAGES);
    tcase_add_test(tc, an_error_after_a_cancel_is_its_cause);
    tcase_add_test(tc, a_closed_pool_refuses_a_run_and_frees_arg);
    tc = case_of(suite, "held");
    tcase_add_test(tc, attempts_that_return_a_future_hold_no_worker);
    tcase_add_test(tc, sleeping_runs_hold_no_worker_and_no_permit);
    tcase_add_test(tc, a_retry_does_not_go_to_the_back_of_the_queue);
    tc = case_of(suite, "storm");
    tcase_add_test(tc, cancels_and_deadlines_race_and_each_run_ends_once);
    tcase_add_test(tc, closing_the_pool_ends_and_frees_every_run);
    return suite;
}
