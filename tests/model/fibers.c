/* tests/model/fibers.c -- fibers, and the whole state: saved, restored and hashed.
 *
 * All that a scenario can change is in few places: for each fiber its descriptor with its
 * registers, the live part of its stack, the used part of its arena, its thread-local variables.
 * Stacks and arenas never move, so restoring the bytes restores the state. Before a fiber runs, the
 * dead part of its stack is wiped, so that equal states have equal bytes. */
#include "fibers.h"

#include "base/sanitizers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RAW __attribute__((no_sanitize_address, noinline)) /* accesses stacks as bytes */

#define SPUN (2 * MODEL_NOW) /* far beyond any limit */

extern char __start_er_locals[], __stop_er_locals[];

model_fiber model_fibers[MODEL_FIBERS];
unsigned model_n_fibers;
model_fiber *model_me;
static ucontext_t main_context;
static char *stacks, *arenas;

char *model_arena(unsigned fiber) { return arenas + (size_t)fiber * MODEL_ARENA; }
static char *stack_of(unsigned fiber) { return stacks + (size_t)fiber * MODEL_STACK; }
static unsigned number_of(const model_fiber *f) { return (unsigned)(f - model_fibers); }

/* Below this nothing is live. */
static char *live_from(const model_fiber *f)
{
    char *top = stack_of(number_of(f)) + MODEL_STACK;
#if defined(__x86_64__)
    char *at = (char *)f->context.uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    char *at = (char *)f->context.uc_mcontext.sp;
#else
    char *at = stack_of(number_of(f));
#endif
    at = (char *)((uintptr_t)at & ~(uintptr_t)15);
    return f->ended || at < top - MODEL_STACK || at > top ? top : at;
}

/* ---- bytes, in sixteens ---- */

RAW static void copy(void *to, const void *from, size_t size)
{
#if ER_ASAN /* its memcpy would report an access */
    for (size_t i = 0; i < size / 8; i++) {
        ((uint64_t *)to)[i] = ((const uint64_t *)from)[i];
        __asm__ volatile("" ::: "memory");
    }
#else
    memcpy(to, from, size);
#endif
}

RAW static void wipe(char *from, char *to)
{
    for (; from < to; from += 8) {
        *(uint64_t *)(void *)from = 0;
#if ER_ASAN
        __asm__ volatile("" ::: "memory");
#endif
    }
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

RAW static uint64_t hash(uint64_t seed, const void *at, size_t size)
{
    const uint64_t *w = at;
    uint64_t a = seed ^ UINT64_C(0xa0761d6478bd642f),
             b = seed + UINT64_C(0xe7037ed1a0b428db) + size;
    size_t n = size / 8;
    for (; n >= 4; n -= 4, w += 4) {
        a = mix(w[0] ^ UINT64_C(0x8ebc6af09c88c6e3), w[1] ^ a);
        b = mix(w[2] ^ UINT64_C(0x589965cc75374cc3), w[3] ^ b);
    }
    for (; n; n--, w++) a = mix(w[0] ^ UINT64_C(0x1d8e4e27c47d124f), a);
    return mix(a ^ UINT64_C(0xeb44accab455d165), b);
}

/* ---- the whole state ---- */

typedef struct saved {
    unsigned n_fibers;
    unsigned live[MODEL_FIBERS]; /* bytes of each stack */
} saved;

static size_t rounded(size_t size) { return (size + 15) & ~(size_t)15; }

static void reserve(char **room, size_t *size, size_t needed)
{
    if (needed <= *size) return;
    *size = needed + needed / 2;
    *room = realloc(*room, *size);
    if (!*room) abort();
}

size_t model_save(char **room, size_t at, size_t *size)
{
    saved head = { .n_fibers = model_n_fibers };
    size_t end = at + rounded(sizeof head);
    for (unsigned i = 0; i < model_n_fibers; i++) {
        head.live[i] = i ? (unsigned)(stack_of(i) + MODEL_STACK - live_from(&model_fibers[i])) : 0;
        end += rounded(sizeof(model_fiber)) + head.live[i] + rounded(model_fibers[i].used);
    }
    reserve(room, size, end);
    char *to = *room + at;
    memcpy(to, &head, sizeof head);
    to += rounded(sizeof head);
    for (unsigned i = 0; i < model_n_fibers; i++) {
        memcpy(to, &model_fibers[i], sizeof model_fibers[i]);
        to += rounded(sizeof(model_fiber));
        copy(to, stack_of(i) + MODEL_STACK - head.live[i], head.live[i]);
        to += head.live[i];
        copy(to, model_arena(i), rounded(model_fibers[i].used));
        to += rounded(model_fibers[i].used);
    }
    return end;
}

void model_restore(const char *from)
{
    saved head;
    memcpy(&head, from, sizeof head);
    from += rounded(sizeof head);
    model_n_fibers = head.n_fibers;
    for (unsigned i = 0; i < model_n_fibers; i++) {
        size_t used = model_fibers[i].used;
        memcpy(&model_fibers[i], from, sizeof model_fibers[i]);
        from += rounded(sizeof(model_fiber));
        copy(stack_of(i) + MODEL_STACK - head.live[i], from, head.live[i]);
        from += head.live[i];
        copy(model_arena(i), from, rounded(model_fibers[i].used));
        from += rounded(model_fibers[i].used);
        if (used > model_fibers[i].used)
            wipe(model_arena(i) + rounded(model_fibers[i].used), model_arena(i) + rounded(used));
    }
    memcpy(__start_er_locals, model_fibers[0].locals,
           (size_t)(__stop_er_locals - __start_er_locals));
}

uint64_t model_hash(uint64_t with)
{
    uint64_t h = hash(with, model_arena(0), rounded(model_fibers[0].used));
    for (unsigned i = 1; i < model_n_fibers; i++) {
        const model_fiber *f = &model_fibers[i];
        char *live = live_from(f);
        bool looks = f->wait.waits == MODEL_SPINS, sleeps = f->wait.waits == MODEL_SLEEPS;
        uint64_t rest[] = {
            f->ended,
            f->wait.waits | (uint64_t)f->wait.mask << 32,
            (uint64_t)(uintptr_t)f->wait.word,
            (uint64_t)f->wait.deadline_ns,
            (uint64_t)(uintptr_t)f->site,
            (uint64_t)f->late_ns,
            f->used,
            (looks && f->stirred) | (uint64_t)f->asked << 1 | (uint64_t)(sleeps && f->woken) << 2
        };
        h = hash(h, rest, sizeof rest);
        h = hash(h, model_arena(i), rounded(f->used));
        if (f->ended) continue;
        h = hash(h, f->locals, rounded((size_t)(__stop_er_locals - __start_er_locals)));
        h = hash(h, live, (size_t)(stack_of(i) + MODEL_STACK - live));
#if defined(__x86_64__)
        static const int kept[] = { REG_RBX, REG_RBP, REG_R12, REG_R13,
                                    REG_R14, REG_R15, REG_RSP, REG_RIP };
        uint64_t registers[8];
        for (int r = 0; r < 8; r++) registers[r] = (uint64_t)f->context.uc_mcontext.gregs[kept[r]];
        h = hash(h, registers, sizeof registers);
#else
        h = hash(h, &f->context.uc_mcontext, sizeof f->context.uc_mcontext);
#endif
    }
    return h;
}

void model_clear(void)
{
    if (!stacks) {
        size_t size = (size_t)MODEL_FIBERS * (MODEL_STACK + MODEL_ARENA);
        stacks = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stacks == MAP_FAILED || __stop_er_locals - __start_er_locals > MODEL_LOCALS) abort();
        arenas = stacks + (size_t)MODEL_FIBERS * MODEL_STACK;
    }
    wipe(stacks, arenas);
    for (unsigned i = 0; i < MODEL_FIBERS; i++)
        wipe(model_arena(i), model_arena(i) + rounded(model_fibers[i].used));
    memset(model_fibers, 0, sizeof model_fibers);
    memset(__start_er_locals, 0, (size_t)(__stop_er_locals - __start_er_locals));
    model_n_fibers = 1;
    model_me = NULL;
}

/* ---- running ---- */

static void exchange_locals(model_fiber *out, const model_fiber *in)
{
    size_t size = (size_t)(__stop_er_locals - __start_er_locals);
    memcpy(out->locals, __start_er_locals, size);
    memcpy(__start_er_locals, in->locals, size);
}

void model_leave(void)
{
    swapcontext(&model_me->context, &main_context);
    abort();
}

static void run_fiber(void)
{
    model_me->run(model_me->arg);
    model_me->ended = true;
    model_wrote(true);
    swapcontext(&model_me->context, &main_context);
    abort();
}

unsigned model_start(const char *name, void (*run)(void *), void *arg, bool daemon)
{
    static const model_site start = { "", "", "begins", 0 };
    if (model_n_fibers == MODEL_FIBERS) return 0;
    unsigned i = model_n_fibers++;
    model_fiber *f = &model_fibers[i];
    memset(f, 0, sizeof *f);
    f->name = name;
    f->run = run;
    f->arg = arg;
    f->daemon = daemon;
    f->site = &start;
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = stack_of(i);
    f->context.uc_stack.ss_size = MODEL_STACK;
    f->context.uc_link = NULL;
    makecontext(&f->context, run_fiber, 0);
    return i;
}

bool model_may_go(const model_fiber *f, model_way way, bool time)
{
    const model_wait *w = &f->wait;
    bool goes = false, late = time && w->deadline_ns != INT64_MAX;
    if (f->ended) return false;
    switch (w->waits) {
    case MODEL_STEPS: return way == MODEL_GOES;
    case MODEL_SPINS: return way == MODEL_GOES ? f->stirred : way == MODEL_IS_LATE && f->asked;
    case MODEL_LOCKS: return way == MODEL_GOES && !*w->word;
    case MODEL_PARKS:
        goes = *w->word & w->mask;
        return way == MODEL_GOES ? goes : way == MODEL_IS_LATE && !goes && late;
    case MODEL_SLEEPS:
        return way == MODEL_GOES ? f->woken : way == MODEL_IS_LATE ? late : !f->woken;
    case MODEL_JOINS: return way == MODEL_GOES && model_fibers[w->mask].ended;
    }
    return false;
}

void model_go(unsigned fiber, model_way way)
{
    model_fiber *f = &model_fibers[fiber];
    char *live = live_from(f), *dead = live - 4096;
    wipe(dead < stack_of(fiber) ? stack_of(fiber) : dead, live);
    model_note(fiber, way, f->site);
    f->way = way;
    model_me = f;
    exchange_locals(&model_fibers[0], f);
    swapcontext(&main_context, &f->context);
    exchange_locals(f, &model_fibers[0]);
    model_me = NULL;
}

void model_settle(const model_fiber *until)
{
    while (!model_failure && !(until && model_may_go(until, MODEL_GOES, false))) {
        unsigned next = 0;
        model_way way = MODEL_GOES;
        for (unsigned i = 1; i < model_n_fibers && !next; i++) {
            if (model_may_go(&model_fibers[i], MODEL_GOES, false)) next = i;
        }
        for (unsigned i = 1; i < model_n_fibers && !next; i++) {
            if (!model_may_go(&model_fibers[i], way = MODEL_IS_LATE, false)) continue;
            next = i;
        }
        if (!next && until) model_fail(until->site->file, until->site->line, "no thread can run");
        if (!next) return;
        model_go(next, way);
    }
}

void model_run_until_all_wait(void) { model_settle(NULL); }

model_way model_give_way(const model_site *site, model_wait wait)
{
    model_fiber *f = model_me ? model_me : &model_fibers[0];
    f->site = site;
    f->wait = wait;
    f->stirred = f->woken = false;
    bool lasts = wait.waits == MODEL_SPINS || wait.waits == MODEL_PARKS ||
                 wait.waits == MODEL_SLEEPS;
    if (lasts || (wait.waits == MODEL_LOCKS && f->late_ns == SPUN)) f->late_ns = 0;
    if (!model_me) {
        model_settle(f);
        return MODEL_GOES;
    }
    swapcontext(&f->context, &main_context);
    if (f->way == MODEL_IS_LATE) f->late_ns = wait.waits == MODEL_SPINS ? SPUN : wait.deadline_ns;
    if (lasts) f->asked = false;
    return f->way;
}

void model_step(const model_site *site, const volatile void *at)
{
    if (model_me) model_give_way(site, (model_wait){ .waits = MODEL_STEPS });
    model_touch(at);
}

void model_wrote(bool something_new)
{
    if (!something_new) return;
    for (unsigned i = 0; i < model_n_fibers; i++) {
        if (&model_fibers[i] != (model_me ? model_me : model_fibers))
            model_fibers[i].stirred = true;
    }
}

const void *model_thread_mark(void) { return model_me ? model_me : &model_fibers[0]; }

/* ---- memory that was freed ---- */

void model_touch(const volatile void *at)
{
    const char *p = (const char *)at;
    if (!arenas) return; /* no scenario yet */
    if (p >= stacks && p < arenas) {
        unsigned i = (unsigned)((size_t)(p - stacks) / MODEL_STACK);
        const model_fiber *f = &model_fibers[i];
        if (f != model_me && p < live_from(f))
            model_fail(__FILE__, __LINE__, "a step on a stack that is no longer in use");
        return;
    }
    if (p < arenas || p >= arenas + MODEL_FIBERS * MODEL_ARENA) return; /* a static variable */
    unsigned i = (unsigned)((size_t)(p - arenas) / MODEL_ARENA);
    bool freed = *(const volatile uint32_t *)((uintptr_t)p & ~(uintptr_t)3) == MODEL_FREED;
    if (freed || (size_t)(p - model_arena(i)) >= model_fibers[i].used)
        model_fail(__FILE__, __LINE__, "a step on memory that was freed");
}
