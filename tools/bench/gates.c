/* Loads of limits: glibc's semaphore for the fast pair, for the rest errand alone. */
#include "figures.h"
#include "loads.h"

#include <errand.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

enum { WARM_UPS = 2, LANES = 8 };

/* ---- glibc's ---- */

static void *open_posix(unsigned permits)
{
    sem_t *sem = malloc(sizeof *sem);
    return sem != NULL && sem_init(sem, 0, permits) == 0 ? sem : NULL;
}

static size_t pass_posix(void *gate, size_t n)
{
    size_t passed = 0;
    for (size_t i = 0; i < n; i++) {
        if (sem_trywait(gate) != 0) continue;
        passed++;
        sem_post(gate);
    }
    return passed;
}

const bench_side bench_posix = { .name = "glibc",
                                 .open_gate = open_posix,
                                 .pass = pass_posix,
                                 .open_stock = bench_open_posix_stock,
                                 .borrow = bench_borrow_posix };

/* ---- errand's ---- */

static void need(bool well, const char *what)
{
    if (well) return;
    fprintf(stderr, "bench: errand: %s\n", what);
    exit(1);
}

static errand_pool *open_pool(void)
{
    errand_pool *pool = errand_pool_new(NULL);
    need(pool != NULL, "no pool");
    return pool;
}

void *bench_open_gate(unsigned permits)
{
    return errand_sem_new(open_pool(), &(errand_sem_opts){ .permits = permits });
}

size_t bench_pass(void *gate, size_t n)
{
    size_t passed = 0;
    for (size_t i = 0; i < n; i++) {
        if (!errand_sem_try_acquire(gate, 1)) continue;
        passed++;
        errand_sem_release(gate, 1);
    }
    return passed;
}

bool load_gate(const bench_side *side, const load_size *size, load_run *run)
{
    if (side->open_gate == NULL) return false;
    void *gate = side->open_gate(LANES);
    for (int i = 0; gate != NULL && i <= WARM_UPS; i++) {
        const int64_t began = figures_now(), cpu = figures_cpu();
        need(side->pass(gate, size->n) == size->n, "no permit is free");
        run->cost = (double)(figures_now() - began) / (double)size->n;
        run->cpu = (double)(figures_cpu() - cpu) / 1e6;
    }
    return gate != NULL;
}

static errand_permit *permit_of(errand_future *f)
{
    const errand_result r = errand_await(f);
    need(r.error == 0, errand_result_message(&r));
    return r.value;
}

/* The oldest holder releases, the first waiter gets the permit, and a new one is queued last. */
bool load_line(const bench_side *side, const load_size *size, load_run *run)
{
    errand_sem *sem = side->open_gate(LANES);
    errand_permit *held[LANES];
    const size_t waiters = size->workers;
    errand_future **line = calloc(waiters, sizeof(errand_future *));
    need(sem != NULL && line != NULL, "no memory");
    for (int i = 0; i < LANES; i++) held[i] = permit_of(errand_sem_acquire(sem, NULL, 1));
    for (size_t i = 0; i < waiters; i++) line[i] = errand_sem_acquire(sem, NULL, 1);
    for (int turn = 0; turn <= WARM_UPS; turn++) {
        const int64_t began = figures_now(), cpu = figures_cpu();
        size_t first = 0;
        for (size_t i = 0; i < size->n; i++) {
            errand_permit_release(held[i % LANES]);
            held[i % LANES] = permit_of(line[first]);
            line[first] = errand_sem_acquire(sem, NULL, 1);
            if (++first == waiters) first = 0;
        }
        for (; first != 0; first = (first + 1) % waiters) {
            /* the next turn begins with the first again */
            errand_permit_release(held[0]);
            held[0] = permit_of(line[first]);
            line[first] = errand_sem_acquire(sem, NULL, 1);
        }
        run->cost = (double)(figures_now() - began) / (double)size->n;
        run->cpu = (double)(figures_cpu() - cpu) / 1e6;
    }
    free(line);
    return true;
}

bool load_turns(const bench_side *side, const load_size *size, load_run *run)
{
    (void)side;
    errand_rate *rate =
        errand_rate_new(open_pool(), &(errand_rate_opts){ .per_second = 1e9, .burst = 1000000 });
    need(rate != NULL, "no rate");
    for (int turn = 0; turn <= WARM_UPS; turn++) {
        const int64_t began = figures_now(), cpu = figures_cpu();
        for (size_t i = 0; i < size->n; i++) {
            const errand_result r = errand_await(errand_rate_acquire(rate, NULL));
            need(r.error == 0, errand_result_message(&r));
        }
        run->cost = (double)(figures_now() - began) / (double)size->n;
        run->cpu = (double)(figures_cpu() - cpu) / 1e6;
    }
    return true;
}
