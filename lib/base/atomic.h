/* base/atomic.h -- every atomic step of a protocol goes through these few words, so that a
 * simulation build can put its own in their place: ER_WORDS is the header that has them. Without
 * a suffix a step is sequentially consistent; a suffix names a weaker order, and the caller says
 * beside it why that is enough. No stand-alone fences: thread sanitizers do not see them. */
#ifndef ER_ATOMIC_H
#define ER_ATOMIC_H

/* What different threads write often is kept this far apart. */
#define ER_LINE 64

#ifdef ER_WORDS
#include ER_WORDS
#else

#define er_load(p)             __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define er_load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define er_load_relaxed(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define er_store(p, v)         __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define er_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define er_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

/* All of these return the value from before. */
#define er_swap(p, v)          __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define er_add(p, v)           __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define er_sub(p, v)           __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST)
#define er_or(p, v)            __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define er_and(p, v)           __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define er_add_relaxed(p, v)   __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define er_swap_acquire(p, v)  __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define er_swap_release(p, v)  __atomic_exchange_n((p), (v), __ATOMIC_RELEASE)

/* Puts v where *seen is, or loads what is there into *seen. Weak: may fail spuriously, so it is
 * called in a loop. */
#define er_cas(p, seen, v)                                                                         \
    __atomic_compare_exchange_n((p), (seen), (v), 1, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
/* Fails only when something else was there. */
#define er_cas_strong(p, seen, v)                                                                  \
    __atomic_compare_exchange_n((p), (seen), (v), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define er_cas_acquire(p, seen, v)                                                                 \
    __atomic_compare_exchange_n((p), (seen), (v), 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)

/* The address of a thread-local variable: it identifies the calling thread. */
#define er_thread_mark(variable) (&(variable))

/* The compiler moves nothing across; the processor may. For the cheap side of er_barrier. */
#define er_in_order()            __asm__ volatile("" ::: "memory")

#endif
#endif
