/* Loads of leases: beside a pool of connections as it is written with POSIX's own, a semaphore that
 * counts and a mutex over an array; and how evenly threads wait. */
#include "figures.h"
#include "loads.h"

#include <errand.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WARM_UPS = 2, STOCK = 8 };

static void need(bool well, const char *what)
{
    if (well) return;
    fprintf(stderr, "bench: leases: %s\n", what);
    exit(1);
}

/* ---- POSIX's ---- */

typedef struct posix_stock {
    sem_t free;
    pthread_mutex_t lock;
    unsigned n;
    void *items[STOCK];
} posix_stock;

static void *idle(void *arg)
{
    sem_t *never = arg;
    while (sem_wait(never) != 0) continue;
    return NULL;
}

/* With a second thread, as errand has: a process with one alone locks without atomic steps. */
void *bench_open_posix_stock(void)
{
    static sem_t never;
    pthread_t other;
    sem_init(&never, 0, 0);
    need(pthread_create(&other, NULL, idle, &never) == 0, "no thread");
    posix_stock *s = calloc(1, sizeof *s);
    if (s == NULL || sem_init(&s->free, 0, STOCK) != 0) return NULL;
    pthread_mutex_init(&s->lock, NULL);
    for (s->n = 0; s->n < STOCK; s->n++) s->items[s->n] = s;
    return s;
}

size_t bench_borrow_posix(void *stock, size_t n)
{
    posix_stock *s = stock;
    size_t borrowed = 0;
    for (size_t i = 0; i < n; i++) {
        while (sem_wait(&s->free) != 0) continue;
        pthread_mutex_lock(&s->lock);
        void *item = s->items[--s->n];
        pthread_mutex_unlock(&s->lock);
        borrowed += item != NULL;
        pthread_mutex_lock(&s->lock);
        s->items[s->n++] = item;
        pthread_mutex_unlock(&s->lock);
        sem_post(&s->free);
    }
    return borrowed;
}

/* ---- errand's ---- */

static errand_result open_item(const char *key, void *arg)
{
    (void)key;
    return errand_ok(arg, NULL);
}
static void close_item(void *item, void *arg) { (void)item, (void)arg; }

void *bench_open_stock(void)
{
    static int item;
    errand_pool *pool = errand_pool_new(NULL);
    need(pool != NULL, "no pool");
    return errand_lease_pool_new(
        pool, &(errand_resource_ops){ .open = open_item, .close = close_item, .arg = &item },
        &(errand_lease_opts){ .max = STOCK });
}

size_t bench_borrow(void *stock, size_t n)
{
    size_t borrowed = 0;
    for (size_t i = 0; i < n; i++) {
        errand_lease *lease;
        if (errand_lease_wait(stock, NULL, ERRAND_FOREVER, &lease) != 0) continue;
        borrowed += errand_lease_resource(lease) != NULL;
        errand_lease_release(lease);
    }
    return borrowed;
}

bool load_lease(const bench_side *side, const load_size *size, load_run *run)
{
    if (side->open_stock == NULL) return false;
    void *stock = side->open_stock();
    for (int i = 0; stock != NULL && i <= WARM_UPS; i++) {
        const int64_t began = figures_now(), cpu = figures_cpu();
        need(side->borrow(stock, size->n) == size->n, "nothing is lent");
        run->cost = (double)(figures_now() - began) / (double)size->n;
        run->cpu = (double)(figures_cpu() - cpu) / 1e6;
    }
    return stock != NULL;
}

/* The pair of calls that lends a permit with a holder, for comparison. */
bool load_permit(const bench_side *side, const load_size *size, load_run *run)
{
    (void)side;
    errand_sem *sem = errand_sem_new(errand_pool_new(NULL), &(errand_sem_opts){ .permits = STOCK });
    need(sem != NULL, "no semaphore");
    for (int turn = 0; turn <= WARM_UPS; turn++) {
        const int64_t began = figures_now(), cpu = figures_cpu();
        for (size_t i = 0; i < size->n; i++) {
            errand_permit *permit;
            need(errand_sem_wait(sem, NULL, 1, ERRAND_FOREVER, &permit) == 0, "no permit");
            errand_permit_release(permit);
        }
        run->cost = (double)(figures_now() - began) / (double)size->n;
        run->cpu = (double)(figures_cpu() - cpu) / 1e6;
    }
    return true;
}

/* ---- how evenly ---- */

typedef struct borrower {
    errand_lease_pool *leases;
    pthread_barrier_t *start;
    double *waited;
    size_t n;
} borrower;

static void *borrow_evenly(void *arg)
{
    borrower *b = arg;
    pthread_barrier_wait(b->start);
    for (size_t i = 0; i < b->n; i++) {
        errand_lease *lease;
        const int64_t began = figures_now();
        need(errand_lease_wait(b->leases, NULL, ERRAND_FOREVER, &lease) == 0, "nothing is lent");
        b->waited[i] = (double)(figures_now() - began);
        nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
        errand_lease_release(lease);
    }
    return NULL;
}

/* The first loan of each thread, when all begin at once, is a warm-up. */
bool load_fair(const bench_side *side, const load_size *size, load_run *run)
{
    const unsigned threads = size->producers;
    const size_t each = size->n / threads;
    pthread_t *at = calloc(threads, sizeof *at);
    borrower *b = calloc(threads, sizeof *b);
    double *waited = calloc(threads * each, sizeof *waited);
    pthread_barrier_t start;
    need(at != NULL && b != NULL && waited != NULL, "no memory");
    pthread_barrier_init(&start, NULL, threads);
    errand_lease_pool *leases = side->open_stock();
    for (unsigned i = 0; i < threads; i++) {
        b[i] = (borrower){ leases, &start, waited + i * each, each };
        need(pthread_create(&at[i], NULL, borrow_evenly, &b[i]) == 0, "no thread");
    }
    for (unsigned i = 0; i < threads; i++) pthread_join(at[i], NULL);
    size_t n = 0;
    for (unsigned i = 0; i < threads; i++) {
        for (size_t j = 1; j < each; j++) waited[n++] = b[i].waited[j];
    }
    const double most = figures_at(waited, n, 1), median = figures_at(waited, n, 0.5);
    run->cost = most / median;
    free(waited);
    free(b);
    free(at);
    return true;
}
