/* tests/model/fibers.h -- the threads of a scenario as fibers, and the whole state they are in.
 * explore.c chooses the one to run, machine.c defines what each waits for. */
#ifndef MODEL_FIBERS_H
#define MODEL_FIBERS_H

#include "model.h"

#include <ucontext.h>

#define MODEL_FREED 0xdbdbdbdbu /* what freed memory is filled with */
enum { MODEL_FIBERS = 8, MODEL_STACK = 128 * 1024, MODEL_ARENA = 256 * 1024, MODEL_LOCALS = 512 };

typedef enum model_waits {
    MODEL_STEPS,  /* not waiting: it is about to make a step */
    MODEL_SPINS,  /* that another fiber writes; or that time passes, if it has read the clock */
    MODEL_LOCKS,  /* that *word is 0 */
    MODEL_PARKS,  /* that *word has a bit of mask; or that time passes */
    MODEL_SLEEPS, /* on a futex: until woken, spuriously or by time */
    MODEL_JOINS   /* that fiber number `mask` has ended */
} model_waits;

typedef struct model_wait {
    model_waits waits;
    uint32_t mask;
    const uint32_t *word;
    int64_t deadline_ns;
} model_wait;

/* normally; by time; spuriously */
typedef enum model_way { MODEL_GOES, MODEL_IS_LATE, MODEL_DREAMS } model_way;

typedef struct model_fiber {
    ucontext_t context;
    const char *name;
    void (*run)(void *);
    void *arg;
    const model_site *site; /* where it is */
    model_wait wait;        /* its condition */
    int64_t late_ns;        /* the next value of its clock; 0: MODEL_NOW */
    size_t used;            /* of its arena */
    bool daemon;            /* started by the library; need not end */
    bool ended;
    bool stirred; /* another fiber has written since it began to spin */
    bool asked;   /* it has read the clock since its last wait */
    bool woken;
    model_way way; /* how it was resumed */
    _Alignas(16) char locals[MODEL_LOCALS];
} model_fiber;

/* Number 0 is no fiber: it stands for the code that begins and ends a scenario. */
extern model_fiber model_fibers[MODEL_FIBERS];
extern unsigned model_n_fibers;
extern model_fiber *model_me; /* NULL: no fiber */

/* the fiber's memory: addresses do not depend on the order of fibers */
char *model_arena(unsigned fiber);
/* returns its number; 0: too many */
unsigned model_start(const char *name, void (*run)(void *), void *arg, bool daemon);

/* In a fiber: yields until it is chosen to run. Outside: lets the fibers run until the condition
 * holds. */
model_way model_give_way(const model_site *site, model_wait wait);
_Noreturn void model_leave(void);             /* in a fiber that has failed */
void model_go(unsigned fiber, model_way way); /* outside a fiber: runs it to its next step */
bool model_may_go(const model_fiber *f, model_way way, bool time);
/* Lets the others run, each as far as it gets without time passing, until `until` can run (NULL:
 * until none can). */
void model_settle(const model_fiber *until);

/* Fails if the address is not live memory. */
void model_touch(const volatile void *at);
/* At the end: fails if memory is left over, or was written to after it was freed. */
void model_check_memory(void);

/* The whole state. */
void model_clear(void);
uint64_t model_hash(uint64_t with);
/* at room + at; *room grows as needed; returns where it ends */
size_t model_save(char **room, size_t at, size_t *size);
void model_restore(const char *from);

/* The schedule so far. */
void model_note(unsigned fiber, model_way way, const model_site *site);
extern const char *model_failure; /* set by model_fail, reported by explore.c */

#define MODEL_WAIT(what, ...)                                                                      \
    __extension__({                                                                                \
        static const model_site site_ = { __FILE__, __func__, (what), __LINE__ };                  \
        model_give_way(&site_, (model_wait){ __VA_ARGS__ });                                       \
    })

#endif
