/* tests/model/fibers.h -- the threads of a scenario as fibers, and the whole state they are in. explore.c chooses who goes on,
 * machine.c says what each waits for. */
#ifndef MODEL_FIBERS_H
#define MODEL_FIBERS_H

#include "model.h"

#include <ucontext.h>

#define MODEL_FREED 0xdbdbdbdbu /* what freed memory is filled with */
enum { MODEL_FIBERS = 8, MODEL_STACK = 128 * 1024, MODEL_ARENA = 256 * 1024, MODEL_LOCALS = 512 };

typedef enum model_waits {
    MODEL_STEPS,  /* for nothing: it is about to make a step */
    MODEL_SPINS,  /* that somebody else writes something new; or that time passes, if it looked at the clock */
    MODEL_LOCKS,  /* that *word is 0 */
    MODEL_PARKS,  /* that *word has a bit of mask; or that time passes */
    MODEL_SLEEPS, /* on a futex, that it is woken; or that time passes; or for nothing */
    MODEL_JOINS   /* that fiber number `mask` has ended */
} model_waits;

typedef struct model_wait {
    model_waits     waits;
    uint32_t        mask;
    const uint32_t *word;
    int64_t         deadline_ns;
} model_wait;

typedef enum model_way { MODEL_GOES, MODEL_IS_LATE, MODEL_DREAMS } model_way; /* as it should; time passed; for nothing */

typedef struct model_fiber {
    ucontext_t        context;
    const char       *name;
    void            (*run)(void *);
    void             *arg;
    const model_site *site; /* where it is */
    model_wait        wait; /* for what */
    int64_t           late_ns; /* what the clock tells it next; 0: MODEL_NOW */
    size_t            used;    /* of its arena */
    bool              daemon;  /* started by the library: need not end */
    bool              ended;
    bool              stirred; /* somebody else has written something new since it began to spin */
    bool              asked;   /* it has looked at the clock since it last waited */
    bool              woken;
    model_way         way;     /* how it was let go on */
    _Alignas(16) char locals[MODEL_LOCALS];
} model_fiber;

/* Number 0 is nobody: what begins and ends a scenario, alone. */
extern model_fiber  model_fibers[MODEL_FIBERS];
extern unsigned     model_n_fibers;
extern model_fiber *model_me; /* NULL: nobody */

char    *model_arena(unsigned fiber); /* where it takes its memory from: so addresses do not depend on who is first */
unsigned model_start(const char *name, void (*run)(void *), void *arg, bool daemon); /* its number; 0: too many */

/* By a fiber: gives way; back when it may go on and was chosen. By nobody: lets the others run until it may go on. */
model_way model_give_way(const model_site *site, model_wait wait);
_Noreturn void model_leave(void); /* by a fiber that has failed */
void      model_go(unsigned fiber, model_way way); /* by nobody: lets it go on to its next point */
bool      model_may_go(const model_fiber *f, model_way way, bool time);
/* Lets the others run, each as far as it comes without time passing, until `until` may go on (NULL: until nobody can). */
void      model_settle(const model_fiber *until);

/* Fails if no live memory is there. */
void model_touch(const volatile void *at);
/* At the end: nothing is left, and nothing was written to what had been freed. */
void model_check_memory(void);

/* The whole state. */
void     model_clear(void);
uint64_t model_hash(uint64_t with);
size_t   model_save(char **room, size_t at, size_t *size); /* at room + at; *room grows as needed; returns where it ends */
void     model_restore(const char *from);

/* The schedule so far. */
void model_note(unsigned fiber, model_way way, const model_site *site);
extern const char *model_failure; /* set by model_fail, told by explore.c */

#define MODEL_WAIT(what, ...)                                                     \
    __extension__({                                                               \
        static const model_site site_ = { __FILE__, __func__, (what), __LINE__ }; \
        model_give_way(&site_, (model_wait){ __VA_ARGS__ });                      \
    })

#endif
