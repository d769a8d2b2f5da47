/* GLib: GThreadPool. It has no future: the least that serves is a flag, and a lock and a
 * condition variable of the pool that are touched only when a thread waits already. */
#include "side.h"

#include <glib.h>

typedef struct pool {
    GThreadPool *threads;
    GMutex lock;
    GCond ended;
} pool;

enum { RUNNING, AWAITED, DONE };

typedef struct future {
    gint state;
    bench_task *task;
} future;

static void call(gpointer data, gpointer user)
{
    future *f = data;
    pool *p = user;
    f->task();
    if (g_atomic_int_compare_and_exchange(&f->state, RUNNING, DONE)) return;
    g_mutex_lock(&p->lock);
    g_atomic_int_set(&f->state, DONE);
    g_cond_broadcast(&p->ended);
    g_mutex_unlock(&p->lock);
}

static void *open_pool(unsigned workers, size_t queue)
{
    pool *p = g_new0(pool, 1);
    (void)queue; /* endless */
    g_mutex_init(&p->lock);
    g_cond_init(&p->ended);
    p->threads = g_thread_pool_new(call, p, (gint)workers, TRUE, NULL);
    return p;
}

static void await(pool *p, future *f)
{
    if (g_atomic_int_get(&f->state) != DONE) {
        g_mutex_lock(&p->lock);
        if (g_atomic_int_compare_and_exchange(&f->state, RUNNING, AWAITED))
            while (g_atomic_int_get(&f->state) != DONE) g_cond_wait(&p->ended, &p->lock);
        g_mutex_unlock(&p->lock);
    }
    g_free(f);
}

static void run(void *at, size_t n, bench_task *task)
{
    pool *p = at;
    future **futures = g_new(future *, n);
    for (size_t i = 0; i < n; i++) {
        future *f = futures[i] = g_new(future, 1);
        f->state = RUNNING;
        f->task = task;
        g_thread_pool_push(p->threads, f, NULL);
    }
    for (size_t i = 0; i < n; i++) await(p, futures[i]);
    g_free(futures);
}

const bench_side bench_glib = { .name = "glib", .open = open_pool, .run = run };
