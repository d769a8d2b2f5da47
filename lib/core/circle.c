/* core/circle.c -- is this wait part of a circle?
 *
 *     the waiting task --awaits--> cell --its inputs--> ... --> the waiting task again
 *
 * The walk goes from the awaited cell to what it waits for, cell by cell, each counted, no lock held between two of them. Links
 * only ever appear while their owner waits, and everybody who waits long looks once after his own link is there: so the last one
 * to close a circle finds it. Where a cell waits for several (all), each is tried; what may end without its inputs (any, race, a
 * timeout) and what is ended from outside (a promise, a timer) ends the walk. Its length is bounded: a giant graph counts as
 * no circle.
 *
 * A second kind of circle goes through a queue: a task that nobody has begun, in a pool all of whose threads wait, directly or
 * not, for such a task, and that may start no more. Several pools may starve each other: while one is looked at it is taken to
 * starve, and if that is so wherever the walk comes to, it does. */
#include "core/task.h"

#include "base/bytes.h"

#define DEPTH 64
#define STEPS 4000000
#define CROWD 400
#define POOLS 4

typedef struct hungry { /* pools that are being looked at */
    const struct hungry *outer;
    errand_pool *pool;
    unsigned depth;
} hungry;

typedef struct walk {
    er_cell *target; /* NULL: it looks for what starves alone */
    const struct hungry *hungry;
    unsigned steps;
    er_bytes path; /* the names of the tasks on the way */
} walk;

static bool unbegun(const er_cell *cell) { return !(er_load(&cell->state) & (ER_CLAIMED | ER_ENDED)); }

static void note(walk *w, er_cell *cell)
{
    er_task *task = er_cell_task(cell);
    if (task && w->path.size < 400) er_bytes_format(&w->path, " -> %s", task->name ? task->name : "(no name)");
}

static bool leads_back(walk *w, er_cell *cell);

/* All threads of the pool wait for what stands in its queue. */
static bool starved(errand_pool *pool, const hungry *outer)
{
    for (const hungry *h = outer; h; h = h->outer) {
        if (h->pool == pool) return true;
    }
    hungry mine = { outer, pool, outer ? outer->depth + 1 : 1 };
    er_task *tasks[CROWD];
    size_t n = 0;
    bool all = mine.depth <= POOLS && er_pool_exhausted(pool, tasks, CROWD, &n);
    for (size_t i = 0; i < n; i++) {
        walk w = { .hungry = &mine };
        all = all && leads_back(&w, &tasks[i]->cell);
        er_bytes_free(&w.path);
        er_cell_release(&tasks[i]->cell);
    }
    return all;
}

static bool waits_in_vain(const walk *w, er_cell *at)
{
    return er_cell_task(at) && unbegun(at) && at->pool && starved(at->pool, w->hungry);
}

static bool leads_back(walk *w, er_cell *cell)
{
    struct {
        er_cell *cell;
        size_t next, names;
    } stack[DEPTH];
    unsigned depth = 0;
    bool found = false;
    stack[0].cell = er_cell_keep(cell);
    stack[0].next = 0;
    stack[0].names = w->path.size;
    note(w, cell);
    for (;;) {
        er_cell *at = stack[depth].cell, *next = NULL;
        found = at == w->target || (stack[depth].next == 0 && waits_in_vain(w, at));
        if (found || ++w->steps > STEPS) break;
        bool more = at->kind->input && at->kind->input(at, stack[depth].next++, &next);
        if (more && !next) continue; /* that one has ended; the next */
        if (!more) {                 /* back to where there was a choice */
            er_cell_release(at);
            if (w->path.at && stack[depth].names < w->path.size) w->path.at[w->path.size = stack[depth].names] = '\0';
            if (depth == 0) return false;
            depth--;
            continue;
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
    return found;
}

bool er_circle(er_cell *from, er_cell *cell)
{
    walk w = { .target = from };
    bool found = leads_back(&w, cell);
    if (found) {
        er_task *task = er_cell_task(from);
        errand_error(er_pool_log(from->pool), "a circle of waits: %s%s", task && task->name ? task->name : "(no name)",
                     w.path.at ? w.path.at : "");
    }
    er_bytes_free(&w.path);
    return found;
}
