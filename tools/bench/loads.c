/* The loads that every side can be put under. */
#include "loads.h"
#include "figures.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK_MS = 20, IDLE_MS = 1, WATCHED_MS = 2000 };
/* after one the heap has its size, after two its shape: no page is new any more */
enum { WARM_UPS = 2 };
#define SLOW_NS 3e9

static void pause_ms(int64_t ms)
{
    const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&t, NULL);
}

static void nothing(void) {}
static void block(void) { pause_ms(BLOCK_MS); }

static void *need(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "bench: no memory\n");
        exit(1);
    }
    return memory;
}

typedef struct watch {
    int64_t began, cpu;
} watch;

static watch watch_start(void) { return (watch){ figures_now(), figures_cpu() }; }

static double watch_stop(const watch *w, load_run *run) /* ns */
{
    const int64_t ended = figures_now();
    run->cpu = (double)(figures_cpu() - w->cpu) / 1e6;
    return (double)(ended - w->began);
}

/* ---- pool ---- */

typedef struct producer {
    const bench_side *side;
    void *pool;
    size_t n;
    pthread_barrier_t *ready;
    pthread_t thread;
} producer;

static void *produce(void *arg)
{
    const producer *p = arg;
    pthread_barrier_wait(p->ready);
    p->side->run(p->pool, p->n, nothing);
    return NULL;
}

static double burst(const bench_side *side, void *pool, const load_size *size, load_run *run)
{
    watch w;
    if (size->producers <= 1) {
        w = watch_start();
        side->run(pool, size->n, nothing);
        return watch_stop(&w, run) / (double)size->n;
    }
    producer *all = need(calloc(size->producers, sizeof *all));
    pthread_barrier_t ready;
    pthread_barrier_init(&ready, NULL, size->producers + 1);
    for (unsigned i = 0; i < size->producers; i++) {
        all[i] = (producer){
            .side = side, .pool = pool, .n = size->n / size->producers, .ready = &ready
        };
        if (pthread_create(&all[i].thread, NULL, produce, &all[i]) != 0) exit(1);
    }
    pause_ms(5); /* they stand at the barrier */
    w = watch_start();
    pthread_barrier_wait(&ready);
    for (unsigned i = 0; i < size->producers; i++) pthread_join(all[i].thread, NULL);
    const double ns = watch_stop(&w, run);
    free(all);
    return ns / (double)size->n;
}

bool load_burst(const bench_side *side, const load_size *size, load_run *run)
{
    void *pool = side->open(size->workers, size->n);
    if (pool == NULL) return false;
    for (int i = 0; i <= WARM_UPS; i++) {
        run->cost = burst(side, pool, size, run);
        if (run->cost * (double)size->n > SLOW_NS) break; /* then warm is no matter */
    }
    return true;
}

bool load_ramp(const bench_side *side, const load_size *size, load_run *run)
{
    void *pool = side->open(size->workers, size->workers);
    if (pool == NULL) return false;
    for (int i = 0; i < WARM_UPS; i++) {
        side->run(pool, size->workers, block);
        pause_ms(50); /* all have parked */
    }
    double ms[5], cpu = 0; /* one alone says too little */
    enum { RAMPS = sizeof ms / sizeof *ms };
    for (int i = 0; i < RAMPS; i++) {
        const watch w = watch_start();
        side->run(pool, size->workers, block);
        ms[i] = watch_stop(&w, run) / 1e6;
        cpu += run->cpu;
        pause_ms(50);
    }
    run->cost = figures_at(ms, RAMPS, 0.5);
    run->cpu = cpu / RAMPS;
    return true;
}

static bool trips(const bench_side *side, const load_size *size, load_run *run, int64_t idle_ms)
{
    void *pool = side->open(size->workers, 0);
    if (pool == NULL) return false;
    double *us = need(calloc(size->n, sizeof *us));
    side->run(pool, 1000, nothing);
    for (size_t i = 0; i < size->n / 10; i++) side->run(pool, 1, nothing);
    const watch w = watch_start();
    for (size_t i = 0; i < size->n; i++) {
        if (idle_ms > 0) pause_ms(idle_ms);
        const int64_t began = figures_now();
        side->run(pool, 1, nothing);
        us[i] = (double)(figures_now() - began) / 1e3;
    }
    watch_stop(&w, run);
    run->cost = figures_at(us, size->n, 0.5);
    run->p99 = figures_at(us, size->n, 0.99);
    free(us);
    return true;
}

bool load_trips(const bench_side *side, const load_size *size, load_run *run)
{
    return trips(side, size, run, 0);
}

bool load_trips_idle(const bench_side *side, const load_size *size, load_run *run)
{
    return trips(side, size, run, IDLE_MS);
}

bool load_idle(const bench_side *side, const load_size *size, load_run *run)
{
    void *pool = side->open(size->workers, size->n);
    if (pool == NULL) return false;
    side->run(pool, size->n, nothing);
    const watch w = watch_start();
    pause_ms(WATCHED_MS);
    watch_stop(&w, run);
    run->cost = run->cpu;
    return true;
}

/* ---- timers ---- */

static int64_t *deadlines(size_t n) /* 10 s to an hour, the same for every side */
{
    int64_t *ms = need(malloc(n * sizeof *ms));
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < n; i++) {
        state ^= state << 13; /* xorshift64, Marsaglia, 2003 */
        state ^= state >> 7;
        state ^= state << 17;
        ms[i] = 10000 + (int64_t)(state % 3590000);
    }
    return ms;
}

bool load_timers(const bench_side *side, const load_size *size, load_run *run)
{
    if (side->timers_open == NULL) return false;
    int64_t *ms = deadlines(size->n);
    void *timers = side->timers_open(size->n);
    if (timers == NULL) return false;
    for (int i = 0; i <= WARM_UPS; i++) {
        const watch w = watch_start();
        side->arm(timers, ms, size->n);
        run->arm = watch_stop(&w, run) / (double)size->n;
        side->cancel(timers, size->n);
        run->cost = watch_stop(&w, run) / (double)size->n;
        run->cancel = run->cost - run->arm;
    }
    free(ms);
    return true;
}

bool load_late(const bench_side *side, const load_size *size, load_run *run)
{
    if (side->timers_open == NULL) return false;
    void *timers = side->timers_open(1);
    if (timers == NULL) return false;
    double *late = need(calloc(size->n, sizeof *late));
    for (int i = 0; i < 3; i++) side->sleep(timers, 1);
    const watch w = watch_start();
    for (size_t i = 0; i < size->n; i++) {
        const int64_t ms = 1 + (int64_t)(i * 7 % 10), began = figures_now();
        side->sleep(timers, ms);
        late[i] = (double)(figures_now() - began) / 1e6 - (double)ms;
    }
    watch_stop(&w, run);
    run->cost = run->p99 = figures_at(late, size->n, 0.99);
    free(late);
    return true;
}

/* ---- memory ---- */

static size_t resident(void)
{
    size_t total = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%zu %zu", &total, &pages) != 2) pages = 0;
    if (f != NULL) fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t in_use(void)
{
    const struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

bool load_memory(const bench_side *side, const load_size *size, load_run *run)
{
    if (side->timers_open == NULL) return false;
    int64_t *ms = deadlines(size->n);
    const size_t resident_before = resident(), used_before = in_use();
    const watch w = watch_start();
    void *timers = side->timers_open(size->n);
    if (timers == NULL) return false;
    side->arm(timers, ms, size->n);
    watch_stop(&w, run);
    const double paged = (double)resident() - (double)resident_before,
                 used = (double)in_use() - (double)used_before;
    run->cost = (paged > used ? paged : used) / (double)size->n;
    free(ms);
    return true;
}
