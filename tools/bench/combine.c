/* Loads that only errand has a word for: trends, with no peer. */
#include "bare.h"
#include "figures.h"
#include "loads.h"

#include <errand.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 200, WARM = 20 };

static errand_result pass(errand_result in, void *arg)
{
    (void)arg;
    return in;
}

static void check(errand_result r)
{
    if (r.error != 0) {
        fprintf(stderr, "bench: errand: %s\n", errand_result_message(&r));
        exit(1);
    }
    errand_result_free(&r);
}

static void chain(errand_pool *pool, size_t n)
{
    errand_future *f;
    errand_promise *p = errand_promise_new(pool, &f);
    for (size_t i = 0; i < n; i++) f = errand_then(f, pass, NULL);
    if (p != NULL) errand_promise_resolve(p, errand_ok(NULL, NULL));
    check(errand_await(f));
}

static void all(errand_pool *pool, size_t n)
{
    errand_promise **ps = calloc(n, sizeof *ps);
    errand_future **fs = calloc(n, sizeof *fs);
    if (ps == NULL || fs == NULL) exit(1);
    for (size_t i = 0; i < n; i++) ps[i] = errand_promise_new(pool, &fs[i]);
    errand_future *f = errand_all(fs, n);
    for (size_t i = 0; i < n; i++)
        if (ps[i] != NULL) errand_promise_resolve(ps[i], errand_ok(NULL, NULL));
    check(errand_await(f));
    free(ps);
    free(fs);
}

static bool repeat(const bench_side *side, const load_size *size, load_run *run,
                   void (*once)(errand_pool *, size_t))
{
    errand_pool *pool = side->open(size->workers, 0);
    if (pool == NULL) return false;
    for (int i = 0; i < WARM; i++) once(pool, size->n);
    const int64_t began = figures_now(), cpu = figures_cpu();
    for (int i = 0; i < ROUNDS; i++) once(pool, size->n);
    run->cost = (double)(figures_now() - began) / (double)(ROUNDS * size->n);
    run->cpu = (double)(figures_cpu() - cpu) / 1e6;
    return true;
}

bool load_chain(const bench_side *side, const load_size *size, load_run *run)
{
    return repeat(side, size, run, chain);
}

bool load_all(const bench_side *side, const load_size *size, load_run *run)
{
    return repeat(side, size, run, all);
}

bool load_timer_size(const bench_side *side, const load_size *size, load_run *run)
{
    if (side != &bench_errand) return load_memory(side, size, run);
    run->cost = (double)bench_timer_size();
    return true;
}
