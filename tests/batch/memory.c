#include "batch/memory.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t size);

static atomic_uint every, failed;
static atomic_ullong turn;
static _Thread_local bool spared;

static bool none_left(void)
{
    unsigned n = atomic_load(&every);
    if (!n || spared) return false;
    uint64_t z = atomic_fetch_add(&turn, 1) * 0x9e3779b97f4a7c15u; /* spread, but the same in every run */
    z = (z ^ (z >> 31)) * 0xbf58476d1ce4e5b9u;
    if ((z >> 32) % n) return false;
    atomic_fetch_add(&failed, 1);
    return true;
}

void *__wrap_malloc(size_t size) { return none_left() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t n, size_t size) { return none_left() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *at, size_t size) { return none_left() ? NULL : __real_realloc(at, size); }

void memory_fails(unsigned one_in)
{
    spared = true;
    atomic_store(&every, one_in);
}

unsigned memory_failed(void) { return atomic_load(&failed); }
