/* errand's side, by its public headers. */
#include "side.h"
#ifdef BENCH_WEB
#include "web.h"
#endif

#include <errand.h>
#include <stdio.h>
#include <stdlib.h>

static void lost(const char *what, int error)
{
    fprintf(stderr, "bench: errand: %s: %s\n", what, errand_strerror(error));
    exit(1);
}

static void *open_pool(unsigned workers, size_t queue)
{
    const errand_pool_opts opts = { .workers = workers, .queue = queue };
    return errand_pool_new(&opts);
}

typedef union job {
    /* not on the producer's stack: what lies beside it there is written all the time */
    bench_task *task;
    char line[64];
} job;

static errand_result call(void *arg)
{
    const job *j = arg;
    j->task();
    return errand_ok(NULL, NULL);
}

static void run(void *pool, size_t n, bench_task *task)
{
    errand_future *one, **futures = n == 1 ? &one : malloc(n * sizeof *futures);
    static __thread _Alignas(64) job j;
    j.task = task;
    if (futures == NULL) lost("no memory", 0);
    for (size_t i = 0; i < n; i++) futures[i] = errand_submit(pool, call, &j);
    for (size_t i = 0; i < n; i++) {
        const errand_result r = errand_await(futures[i]);
        if (r.error != 0) lost("a task", r.error);
    }
    if (futures != &one) free(futures);
}

typedef struct sleeps {
    errand_pool *pool;
    errand_future **futures;
} sleeps;

static void *open_timers(size_t n)
{
    sleeps *all = malloc(sizeof *all);
    if (all == NULL) return NULL;
    all->pool = open_pool(1, 0);
    all->futures = calloc(n, sizeof *all->futures);
    return all->pool != NULL && all->futures != NULL ? all : NULL;
}

static void arm(void *timers, const int64_t *ms, size_t n)
{
    const sleeps *all = timers;
    for (size_t i = 0; i < n; i++) all->futures[i] = errand_sleep(all->pool, ms[i]);
}

static void cancel(void *timers, size_t n)
{
    const sleeps *all = timers;
    for (size_t i = 0; i < n; i++) {
        errand_cancel(all->futures[i]);
        errand_drop(all->futures[i]);
    }
}

static void one_sleep(void *timers, int64_t ms)
{
    const sleeps *all = timers;
    const errand_result r = errand_await(errand_sleep(all->pool, ms));
    if (r.error != 0) lost("a sleep", r.error);
}

static void *open_log(const char *path)
{
    errand_log *log =
        errand_log_new(&(errand_log_opts){ .name = "bench", .block_from = ERRAND_LOG_TRACE });
    return log != NULL && errand_log_to_file(log, path, ERRAND_LOG_DEFAULT) == 0 ? log : NULL;
}

static void say(void *log, size_t n)
{
    for (size_t i = 0; i < n; i++)
        errand_info((errand_log *)log, "call %d took %f ms for %s with %d", (int)i, (double)i * 1.5,
                    "customer-7", (int)n);
}

static void say_below(void *log, size_t n)
{
    for (size_t i = 0; i < n; i++)
        errand_debug((errand_log *)log, "call %d took %f ms for %s with %d", (int)i,
                     (double)i * 1.5, "customer-7", (int)n);
}

static void close_log(void *log)
{
    errand_log_stats stats;
    const int error = errand_log_close(log, 60000);
    if (error != 0) lost("the log", error);
    errand_log_stats_get(log, &stats);
    if (stats.written != stats.attempted) lost("lines are missing", 0);
}

const bench_side bench_errand = {
    .name = "errand",
    .open = open_pool,
    .run = run,
#ifdef BENCH_WEB
    .web = &web_errand,
#endif
    .timers_open = open_timers,
    .arm = arm,
    .cancel = cancel,
    .sleep = one_sleep,
    .open_gate = bench_open_gate,
    .pass = bench_pass,
    .open_stock = bench_open_stock,
    .borrow = bench_borrow,
    .log_open = open_log,
    .log_say = say,
    .log_say_below = say_below,
    .log_close = close_log
};
