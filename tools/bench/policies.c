/* What a policy costs: when it has nothing to say, and while what it repeats is asleep. */
#include "figures.h"
#include "loads.h"

#include <errand.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void lost(const char *what, int error)
{
    fprintf(stderr, "bench: policies: %s: %s\n", what, errand_strerror(error));
    exit(1);
}

static errand_result nothing(void *arg) { return errand_ok(arg, NULL); }

static double burst(errand_pool *pool, const errand_policy *policy, errand_future **f, size_t n)
{
    const int64_t began = figures_now();
    if (policy != NULL) {
        for (size_t i = 0; i < n; i++) f[i] = errand_run(pool, policy, nothing, NULL);
    } else {
        for (size_t i = 0; i < n; i++) f[i] = errand_submit(pool, nothing, NULL);
    }
    for (size_t i = 0; i < n; i++) {
        const errand_result r = errand_await(f[i]);
        if (r.error != 0) lost("a task", r.error);
    }
    return (double)(figures_now() - began);
}

/* Both in one process, by turns: differences between processes do not count. */
bool load_policy(const bench_side *side, const load_size *size, load_run *run)
{
    (void)side;
    enum { TURNS = 15 };
    errand_pool *pool =
        errand_pool_new(&(errand_pool_opts){ .workers = size->workers, .queue = size->n });
    errand_policy *empty = errand_policy_new(&(errand_policy_opts){ 0 }, NULL);
    errand_future **f = malloc(size->n * sizeof *f);
    if (pool == NULL || empty == NULL || f == NULL) return false;
    double ratio[TURNS];
    burst(pool, NULL, f, size->n);
    for (int i = 0; i < TURNS; i++) {
        const double first = burst(pool, i % 2 ? NULL : empty, f, size->n),
                     second = burst(pool, i % 2 ? empty : NULL, f, size->n);
        ratio[i] = i % 2 ? second / first : first / second;
    }
    run->cost = figures_at(ratio, TURNS, 0.5);
    return true;
}

static errand_result fail_once(void *arg)
{
    unsigned char *calls = arg;
    return ++*calls == 1 ? errand_fail(ECONNRESET) : errand_ok(NULL, NULL);
}

static size_t in_use(void)
{
    const struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static size_t resident(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%*s %zu", &pages) != 1) exit(1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

/* n runs with a failed first attempt, all asleep; a second of it; then all end. */
bool load_asleep(const bench_side *side, const load_size *size, load_run *run)
{
    (void)side;
    errand_future **f = calloc(size->n, sizeof *f); /* the program's, as what arg points to */
    unsigned char *calls = calloc(size->n, 1);
    if (f == NULL || calls == NULL) return false;
    for (size_t i = 0; i < size->n; i++) f[i] = (errand_future *)(void *)&calls[i]; /* paged in */
    for (size_t i = 0; i < size->n; i++) calls[i] = 0;
    const size_t resident_before = resident(), used_before = in_use();
    errand_pool *pool = errand_pool_new(&(errand_pool_opts){ .workers = size->workers });
    const errand_policy_opts opts = { .attempts = 2, .backoff = errand_backoff_fixed(20000) };
    errand_policy *policy = errand_policy_new(&opts, NULL);
    if (pool == NULL || policy == NULL) return false;
    for (size_t i = 0; i < size->n; i++) f[i] = errand_run(pool, policy, fail_once, &calls[i]);
    errand_policy_stats stats;
    do {
        pause_ms(10);
        errand_policy_stats_get(policy, &stats);
    } while (stats.asleep < size->n && stats.succeeded == 0);
    if (stats.asleep < size->n) lost("this machine is too slow: some no longer sleep", 0);
    pause_ms(100);
    const double paged = (double)resident() - (double)resident_before,
                 used = (double)in_use() - (double)used_before;
    run->cost = (paged > used ? paged : used) / (double)size->n;
    const int64_t cpu = figures_cpu();
    pause_ms(1000);
    run->cpu = (double)(figures_cpu() - cpu) / 1e6;
    for (size_t i = 0; i < size->n; i++) {
        const errand_result r = errand_await(f[i]);
        if (r.error != 0 || calls[i] != 2) lost("a run", r.error);
    }
    return true;
}
