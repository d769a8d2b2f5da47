/* tests/model/words.h -- replaces the words of base/atomic.h in the simulation: each access is one
 * step of the model, and all are sequentially consistent, whatever order they name. A
 * compare-and-swap fails only if the value differs. */
#ifndef MODEL_WORDS_H
#define MODEL_WORDS_H

#include <stdbool.h>

typedef struct model_site { /* a place in the code where a step is made */
    const char *file, *function, *text;
    int line;
} model_site;

/* Before a step at that address: here others may run. */
void model_step(const model_site *site, const volatile void *at);
/* After a step that wrote: true lets spinning fibers check again. */
void model_wrote(bool something_new);
const void *model_thread_mark(void);

/* Thread-local variables are in a section that is swapped with the fiber. */
#define _Thread_local __attribute__((section("er_locals")))
#define er_thread_mark(variable) ((void)(variable), model_thread_mark())

#ifndef MODEL_REAL_LOCK
#define ER_WORDS_LOCK 1
#endif

#define ER_WHEEL_BITS 6 /* the smaller the state, the faster */
#define ER_MPSC       8

#define MODEL_STEP(p, what)                                                                        \
    do {                                                                                           \
        static const model_site site_ = { __FILE__, __func__, (what), __LINE__ };                  \
        model_step(&site_, (p));                                                                   \
    } while (0)
#define MODEL_LOAD(p, what)                                                                        \
    __extension__({                                                                                \
        MODEL_STEP(p, what);                                                                       \
        *(const volatile __typeof__(*(p)) *)(p);                                                   \
    })
#define MODEL_CHANGE(p, v, what, then)                                                             \
    __extension__({                                                                                \
        __typeof__(p) at_ = (p);                                                                   \
        __typeof__(*at_) v_ = (__typeof__(*at_))(v);                                               \
        MODEL_STEP(at_, what);                                                                     \
        __typeof__(*at_) old_ = *at_;                                                              \
        *at_ = (__typeof__(*at_))(then);                                                           \
        model_wrote(*at_ != old_);                                                                 \
        old_;                                                                                      \
    })
#define MODEL_CAS(p, seen, v, what)                                                                \
    __extension__({                                                                                \
        __typeof__(p) at_ = (p);                                                                   \
        __typeof__(*at_) v_ = (v), *seen_ = (seen);                                                \
        MODEL_STEP(at_, what);                                                                     \
        bool same_ = *at_ == *seen_;                                                               \
        if (same_) {                                                                               \
            model_wrote(*at_ != v_);                                                               \
            *at_ = v_;                                                                             \
        } else {                                                                                   \
            *seen_ = *at_;                                                                         \
        }                                                                                          \
        same_;                                                                                     \
    })

#define er_load(p)                MODEL_LOAD(p, "er_load(" #p ")")
#define er_load_acquire(p)        MODEL_LOAD(p, "er_load_acquire(" #p ")")
#define er_load_relaxed(p)        MODEL_LOAD(p, "er_load_relaxed(" #p ")")
#define er_store(p, v)            ((void)MODEL_CHANGE(p, v, "er_store(" #p ", " #v ")", v_))
#define er_store_release(p, v)    ((void)MODEL_CHANGE(p, v, "er_store_release(" #p ", " #v ")", v_))
#define er_store_relaxed(p, v)    ((void)MODEL_CHANGE(p, v, "er_store_relaxed(" #p ", " #v ")", v_))
#define er_swap(p, v)             MODEL_CHANGE(p, v, "er_swap(" #p ", " #v ")", v_)
#define er_swap_acquire(p, v)     MODEL_CHANGE(p, v, "er_swap_acquire(" #p ", " #v ")", v_)
#define er_swap_release(p, v)     MODEL_CHANGE(p, v, "er_swap_release(" #p ", " #v ")", v_)
#define er_add(p, v)              MODEL_CHANGE(p, v, "er_add(" #p ", " #v ")", old_ + v_)
#define er_add_relaxed(p, v)      MODEL_CHANGE(p, v, "er_add_relaxed(" #p ", " #v ")", old_ + v_)
#define er_sub(p, v)              MODEL_CHANGE(p, v, "er_sub(" #p ", " #v ")", old_ - v_)
#define er_or(p, v)               MODEL_CHANGE(p, v, "er_or(" #p ", " #v ")", old_ | v_)
#define er_and(p, v)              MODEL_CHANGE(p, v, "er_and(" #p ", " #v ")", old_ &v_)
#define er_cas(p, seen, v)        MODEL_CAS(p, seen, v, "er_cas(" #p ", " #seen ", " #v ")")
#define er_cas_strong(p, seen, v) MODEL_CAS(p, seen, v, "er_cas_strong(" #p ", " #seen ", " #v ")")
#define er_cas_acquire(p, seen, v)                                                                 \
    MODEL_CAS(p, seen, v, "er_cas_acquire(" #p ", " #seen ", " #v ")")

#endif
