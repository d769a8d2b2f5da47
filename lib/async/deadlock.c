/* async/deadlock.c -- is this wait part of a circle?
 *
 *     the waiting task --awaits--> cell --its inputs--> ... --> the waiting task again
 *
 * The walk goes from the awaited cell to what it waits for, cell by cell, each counted, no lock
 * held between two of them. Links only appear while their owner waits, and every long wait searches
 * once after its own link is set: so the last one to close a circle finds it. Where a cell waits
 * for several (all), each is tried; where one is enough (any, race, the next of a group, a run with
 * hedges), all must lead back; where several are (a quorum), those that do not must be too few.
 * What may end without its input (a timeout) and what is ended from outside (a promise, a timer)
 * ends the walk. Its length is bounded: a giant graph counts as no circle. Its memory is on the
 * heap, because the waiting task's stack may be small and nearly used; without memory it finds
 * nothing, and searches again later.
 *
 * A second kind of circle goes through a queue: a task that has not begun, in a pool that may start
 * no more threads and in which every thread waits, directly or not, for such a task. Several pools
 * may starve each other: while the walk visits a pool it takes it to starve, and if that holds
 * wherever the walk comes to, it does. */
#include "async/deadlock.h"

#include "async/runq.h"

#include "base/bytes.h"
#include "log/producer.h"

#define DEPTH 64
#define STEPS 4000000
#define CROWD 400
#define POOLS 4

typedef struct hungry { /* pools that are being visited */
    const struct hungry *outer;
    errand_pool *pool;
    unsigned depth;
} hungry;

typedef struct walk {
    er_cell *target; /* NULL: only starving pools count */
    const struct hungry *hungry;
    unsigned steps;
    unsigned nested; /* in cells for which one input is enough */
    er_bytes path;   /* the names of the tasks on the way */
} walk;

static const char *name_of(const char *name) { return name ? name : "(no name)"; }

static void note(walk *w, er_cell *cell)
{
    if (cell->kind->label && w->path.size < 400)
        er_bytes_format(&w->path, " -> %s", name_of(er_cell_label(cell).name));
}

static bool leads_back(walk *w, er_cell *cell);

/* All threads of the pool wait for what is in its queue. */
static bool starved(errand_pool *pool, const hungry *outer)
{
    for (const hungry *h = outer; h; h = h->outer) {
        if (h->pool == pool) return true;
    }
    hungry mine = { outer, pool, outer ? outer->depth + 1 : 1 };
    er_task **tasks = mine.depth <= POOLS ? er_alloc(CROWD * sizeof *tasks) : NULL;
    size_t n = 0;
    bool all = tasks && er_runq_exhausted(pool, tasks, CROWD, &n);
    for (size_t i = 0; i < n; i++) {
        walk w = { .hungry = &mine };
        all = all && leads_back(&w, &tasks[i]->cell);
        er_bytes_free(&w.path);
        er_cell_release(&tasks[i]->cell);
    }
    er_free(tasks);
    return all;
}

static bool waits_in_vain(const walk *w, er_cell *at)
{
    errand_pool *pool = er_cell_needs(at);
    return pool && starved(pool, w->hungry);
}

static size_t wanted_by(er_cell *any) { return any->kind->wanted ? any->kind->wanted(any) : 1; }

/* Only some of its inputs must end: true if those that do not lead back are too few. One that has
 * ended is skipped, so at the end the cell is asked whether it still waits. */
static bool too_few_are_free(walk *w, er_cell *any)
{
    if (w->nested == DEPTH) return false;
    bool some = false;
    size_t freed = 0;
    er_cell *input = NULL;
    for (size_t i = 0; any->kind->input(any, i, &input); i++) {
        if (!input) continue;
        walk one = {
            .target = w->target, .hungry = w->hungry, .steps = w->steps, .nested = w->nested + 1
        };
        bool back = leads_back(&one, input);
        w->steps = one.steps;
        er_bytes_free(&one.path);
        er_cell_release(input);
        some = some || back;
        freed += !back;
        if (freed >= wanted_by(any)) return false;
    }
    if (!some || !any->kind->input(any, 0, &input)) return false;
    if (input) er_cell_release(input);
    return true;
}

/* A cell of a kind with `any` that has one input counts as a link of a chain, which
 * may be of any length. */
static bool has_choice(er_cell *cell)
{
    er_cell *second = NULL;
    bool there = cell->kind->any && cell->kind->input(cell, 1, &second);
    if (second) er_cell_release(second);
    return there;
}

static bool leads_back(walk *w, er_cell *cell)
{
    struct {
        er_cell *cell;
        size_t next, names;
    } *stack = er_alloc(DEPTH * sizeof *stack);
    unsigned depth = 0;
    bool found = false;
    if (!stack) return false;
    stack[0].cell = er_cell_keep(cell);
    stack[0].next = 0;
    stack[0].names = w->path.size;
    note(w, cell);
    for (;;) {
        er_cell *at = stack[depth].cell, *next = NULL;
        bool fresh = stack[depth].next == 0, any = has_choice(at);
        found = at == w->target ||
                (fresh && (any ? too_few_are_free(w, at) : waits_in_vain(w, at)));
        if (found || ++w->steps > STEPS) break;
        bool more = !any && at->kind->input && at->kind->input(at, stack[depth].next++, &next);
        if (more && !next) continue; /* that one has ended; the next */
        if (!more) {                 /* back to where there was a choice */
            er_cell_release(at);
            if (w->path.at && stack[depth].names < w->path.size)
                w->path.at[w->path.size = stack[depth].names] = '\0';
            if (depth-- > 0) continue;
            er_free(stack);
            return false;
        }
        er_cell *other = NULL;
        bool choice = at->kind->input(at, stack[depth].next, &other);
        if (other) er_cell_release(other);
        if (choice && depth + 1 < DEPTH) depth++;
        else er_cell_release(at); /* a chain takes one place, however long it is */
        stack[depth].cell = next;
        stack[depth].next = 0;
        if (choice) stack[depth].names = w->path.size;
        note(w, next);
    }
    for (unsigned i = 0; i <= depth; i++) er_cell_release(stack[i].cell);
    er_free(stack);
    return found;
}

bool er_deadlocked(er_cell *from, const er_wait *wait)
{
    walk w = { .target = from };
    bool found = wait->room ? starved(wait->room, NULL) : leads_back(&w, wait->input);
    if (found) {
        er_log_error(er_pool_log(from->pool), "a circle of waits: %s%s",
                     name_of(er_cell_label(from).name), w.path.at ? w.path.at : "");
    }
    er_bytes_free(&w.path);
    return found;
}
