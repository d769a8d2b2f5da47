/* libuv: uv_queue_work, uv_timer_t. Work is queued, and its callback runs, on the thread of a loop;
 * each thread has one. */
#include "side.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static __thread uv_loop_t *own_loop;

static uv_loop_t *loop(void)
{
    if (own_loop == NULL) {
        own_loop = malloc(sizeof *own_loop);
        if (own_loop == NULL || uv_loop_init(own_loop) != 0) abort();
    }
    return own_loop;
}

/* The pool of threads is one for the whole process, and its size is read once, when the
 * first work is queued. */
static void *open_pool(unsigned workers, size_t queue)
{
    char number[16];
    (void)queue; /* endless */
    snprintf(number, sizeof number, "%u", workers);
    return setenv("UV_THREADPOOL_SIZE", number, 1) == 0 ? loop() : NULL;
}

typedef struct work {
    uv_work_t request;
    bench_task *task;
    bool done;
} work;

static void begin(uv_work_t *request) { ((work *)request)->task(); }
static void end(uv_work_t *request, int status)
{
    (void)status;
    ((work *)request)->done = true;
}

static void queue_work(uv_loop_t *at, work *w, bench_task *task)
{
    w->task = task;
    w->done = false;
    if (uv_queue_work(at, &w->request, begin, end) != 0) abort();
}

static void check(const work *w)
{
    if (!w->done) abort();
}

/* A future each: a request of its own on the heap. */
static void run(void *pool, size_t n, bench_task *task)
{
    uv_loop_t *at = loop();
    work **works = malloc(n * sizeof *works);
    (void)pool;
    if (works == NULL) abort();
    for (size_t i = 0; i < n; i++) {
        works[i] = malloc(sizeof **works);
        if (works[i] == NULL) abort();
        queue_work(at, works[i], task);
    }
    uv_run(at, UV_RUN_DEFAULT);
    for (size_t i = 0; i < n; i++) {
        check(works[i]);
        free(works[i]);
    }
    free(works);
}

/* The least that libuv can do: no futures, all requests in one array that is made at
 * once and freed at once. */
static void run_array(void *pool, size_t n, bench_task *task)
{
    uv_loop_t *at = loop();
    work *works = malloc(n * sizeof *works);
    (void)pool;
    if (works == NULL) abort();
    for (size_t i = 0; i < n; i++) queue_work(at, &works[i], task);
    uv_run(at, UV_RUN_DEFAULT);
    for (size_t i = 0; i < n; i++) check(&works[i]);
    free(works);
}

static void *open_timers(size_t n) { return malloc(n * sizeof(uv_timer_t)); }

static void rang(uv_timer_t *timer) { (void)timer; }

static void arm(void *timers, const int64_t *ms, size_t n)
{
    uv_timer_t *all = timers;
    for (size_t i = 0; i < n; i++) {
        uv_timer_init(loop(), &all[i]);
        uv_timer_start(&all[i], rang, (uint64_t)ms[i], 0);
    }
}

static void cancel(void *timers, size_t n)
{
    uv_timer_t *all = timers;
    for (size_t i = 0; i < n; i++) uv_close((uv_handle_t *)&all[i], NULL); /* stops it */
    uv_run(loop(), UV_RUN_DEFAULT);
}

static void one_sleep(void *timers, int64_t ms)
{
    uv_timer_init(loop(), timers);
    uv_update_time(loop());
    uv_timer_start(timers, rang, (uint64_t)ms, 0);
    uv_run(loop(), UV_RUN_DEFAULT);
    uv_close(timers, NULL);
    uv_run(loop(), UV_RUN_DEFAULT);
}

const bench_side bench_uv = {
    .name = "libuv",
    .open = open_pool,
    .run = run,
    .timers_open = open_timers,
    .arm = arm,
    .cancel = cancel,
    .sleep = one_sleep
};
const bench_side bench_uv_array = {
    .name = "libuv-array", .yardstick = true, .open = open_pool, .run = run_array
};
