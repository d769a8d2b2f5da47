/* tests/stress/scarcity.c -- the wraps. Which call fails follows from how many came before
 * it on the same thread. */
#include "stress/scarcity.h"

#include "stress/dice.h"

#include <errno.h>
#include <pthread.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t size);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg);

static unsigned memory_one_in, threads_one_in; /* atomic */
static uint64_t threads_seen;                  /* atomic: each thread's own sequence */
static _Thread_local bool is_spared;
static _Thread_local dice own;

static bool fails(const unsigned *one_in)
{
    unsigned n = __atomic_load_n(one_in, __ATOMIC_RELAXED);
    if (!n || is_spared) return false;
    if (!own.state) own = dice_of(__atomic_add_fetch(&threads_seen, 1, __ATOMIC_RELAXED), 0);
    return dice_one_in(&own, n);
}

void *__wrap_malloc(size_t size) { return fails(&memory_one_in) ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t n, size_t size)
{
    return fails(&memory_one_in) ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *at, size_t size)
{
    return fails(&memory_one_in) ? NULL : __real_realloc(at, size);
}
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
                          void *arg)
{
    return fails(&threads_one_in) ? EAGAIN : __real_pthread_create(thread, attr, fn, arg);
}

void scarcity_begin(unsigned memory, unsigned threads)
{
    __atomic_store_n(&memory_one_in, memory, __ATOMIC_RELAXED);
    __atomic_store_n(&threads_one_in, threads, __ATOMIC_RELAXED);
}

void scarcity_end(void) { scarcity_begin(0, 0); }

bool scarcity_spare(bool spared)
{
    bool before = is_spared;
    is_spared = spared;
    return before;
}
