/* Loads for logs: what a call costs its caller, what a line costs until it is in the file, and
 * what an idle log costs. */
#include "figures.h"
#include "loads.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 20, PAUSE_NS = 20000, WATCHED_MS = 2000 };

/* ---- the yardstick: a log that takes nothing ---- */

static void *open_nothing(const char *path)
{
    (void)path;
    static char nothing;
    return &nothing;
}

static void say_nothing(void *log, size_t n)
{
    for (size_t i = 0; i < n; i++) __asm__ volatile("" : : "r"(i), "r"(log));
}

static void close_nothing(void *log) { (void)log; }

const bench_side bench_loop = {
    .name = "bare-loop",
    .yardstick = true,
    .log_open = open_nothing,
    .log_say = say_nothing,
    .log_say_below = say_nothing,
    .log_close = close_nothing
};

/* ---- a file ---- */

static char path[64];

static void *open_log(const bench_side *side)
{
    if (side->log_open == NULL) return NULL;
    snprintf(path, sizeof path, "/tmp/errand-bench-XXXXXX");
    const int fd = mkstemp(path);
    if (fd >= 0) close(fd);
    return fd >= 0 ? side->log_open(path) : NULL;
}

static void close_log(const bench_side *side, void *log)
{
    side->log_close(log);
    unlink(path);
}

/* ---- callers ---- */

typedef struct caller {
    const bench_side *side;
    void *log;
    size_t n;
    pthread_barrier_t *ready;
    pthread_t thread;
    double mean, *single; /* single: n * BURST */
} caller;

static void pause_busy(void) /* a sleep would take thrice as long and cool everything down */
{
    for (const int64_t until = figures_now() + PAUSE_NS; figures_now() < until;) {}
}

static double bursts(const caller *c, const bench_side *side) /* ns of one, the median */
{
    double *ns = calloc(c->n, sizeof *ns);
    if (ns == NULL) exit(1);
    for (size_t i = 0; i < c->n; i++) {
        const int64_t began = figures_now();
        side->log_say(c->log, BURST);
        ns[i] = (double)(figures_now() - began);
        pause_busy();
    }
    const double median = figures_at(ns, c->n, 0.5);
    free(ns);
    return median;
}

static void *call_in_bursts(void *arg)
{
    caller *c = arg;
    pthread_barrier_wait(c->ready);
    bursts(c, c->side); /* warms up: plan, ring, pages */
    c->mean = (bursts(c, c->side) - bursts(c, &bench_loop)) / BURST;
    for (size_t i = 0; i < c->n; i++) {
        for (size_t k = 0; k < BURST; k++) {
            const int64_t began = figures_now();
            c->side->log_say(c->log, 1);
            c->single[i * BURST + k] = (double)(figures_now() - began);
        }
        pause_busy();
    }
    return NULL;
}

static void *call_on(void *arg)
{
    const caller *c = arg;
    pthread_barrier_wait(c->ready);
    c->side->log_say(c->log, c->n);
    return NULL;
}

static void call_all(caller *all, unsigned n, void *(*call)(void *))
{
    pthread_barrier_t ready;
    pthread_barrier_init(&ready, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        all[i].ready = &ready;
        if (pthread_create(&all[i].thread, NULL, call, &all[i]) != 0) exit(1);
    }
    for (unsigned i = 0; i < n; i++) pthread_join(all[i].thread, NULL);
    pthread_barrier_destroy(&ready);
}

bool load_log_latency(const bench_side *side, const load_size *size, load_run *run)
{
    void *log = open_log(side);
    const size_t singles = size->n * BURST;
    double *single = calloc(singles * size->producers, sizeof *single), means[16];
    if (log == NULL || single == NULL || size->producers > 16) return false;
    memset(single, 0, singles * size->producers * sizeof *single); /* its pages are there */
    caller all[16];
    for (unsigned i = 0; i < size->producers; i++)
        all[i] = (caller){ .side = side, .log = log, .n = size->n, .single = single + i * singles };
    const int64_t cpu = figures_cpu();
    call_all(all, size->producers, call_in_bursts);
    run->cpu = (double)(figures_cpu() - cpu) / 1e6;
    for (unsigned i = 0; i < size->producers; i++) means[i] = all[i].mean;
    run->cost = figures_at(means, size->producers, 0.5);
    run->p99 = figures_at(single, singles * size->producers, 0.99);
    run->p999 = figures_at(single, singles * size->producers, 0.999);
    close_log(side, log);
    free(single);
    return true;
}

bool load_log_throughput(const bench_side *side, const load_size *size, load_run *run)
{
    void *log = open_log(side);
    if (log == NULL || size->producers > 16) return false;
    side->log_say(log, 1000);
    caller all[16];
    for (unsigned i = 0; i < size->producers; i++)
        all[i] = (caller){ .side = side, .log = log, .n = size->n / size->producers };
    const int64_t began = figures_now(), cpu = figures_cpu();
    call_all(all, size->producers, call_on);
    close_log(side, log);
    run->cost = (double)(figures_now() - began) / (double)size->n;
    run->cpu = (double)(figures_cpu() - cpu) / 1e6;
    return true;
}

bool load_log_disabled(const bench_side *side, const load_size *size, load_run *run)
{
    void *log = open_log(side);
    if (log == NULL) return false;
    side->log_say_below(log, size->n / 10);
    const int64_t began = figures_now(), cpu = figures_cpu();
    side->log_say_below(log, size->n);
    run->cost = (double)(figures_now() - began) / (double)size->n;
    run->cpu = (double)(figures_cpu() - cpu) / 1e6;
    close_log(side, log);
    return true;
}

static long switches(void) /* how often this process went to sleep and came back */
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

bool load_log_idle(const bench_side *side, const load_size *size, load_run *run)
{
    void *log = open_log(side);
    if (log == NULL) return false;
    side->log_say(log, size->n);
    const struct timespec settle = { .tv_nsec = 300000000 },
                          watched = { .tv_sec = WATCHED_MS / 1000 };
    nanosleep(&settle, NULL);
    const long before = switches();
    const int64_t cpu = figures_cpu();
    nanosleep(&watched, NULL); /* is one of them */
    run->cpu = (double)(figures_cpu() - cpu) / 1e6;
    run->cost = (double)(switches() - before - 1);
    close_log(side, log);
    return true;
}
