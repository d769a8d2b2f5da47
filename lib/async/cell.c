/* async/cell.c -- how every operation ends: exactly once, in er_cell_end.
 *
 *     waiting --claim--> claimed --end--> ended        cancelled: 0 --first cancel--> its reason
 *
 * One word holds the state. Claiming is one atomic step; the winner alone may end the cell, now (a
 * cancel of something queued, a timer) or later (a worker that runs the task first). So one thread
 * writes the result, and it is read only after ENDED is seen: the release in setting it and the
 * acquire in er_cell_ended are all the ordering a result needs.
 *
 * A cancel does not end the cell: any number of threads may cancel, the first one's reason stays,
 * and only it calls the kind's cancel, which claims and ends (queued task, sleep), wakes the thread
 * that runs it, or passes the cancel on.
 *
 * Waiters hang in a list that a bit of the same word guards. Ending without waiters is a single
 * compare-and-swap; it fails if the bit or WATCHED is set, so no waiter is missed. With waiters the
 * list is taken out under the bit and ENDED is set in the step that clears it; then the waiters are
 * called, without lock. Once its fn is called, or er_cell_unwatch has returned true, a waiter's
 * memory is the caller's again. A waiter is not called from inside another: the innermost ending
 * puts it on its thread's list, and the outermost calls it; any chain takes one frame.
 *
 * Cancels likewise: a cell that a cancel is passed on to is marked at once, and the er_cell_cancel
 * around it calls the kind's cancel; only the thread that marked a cell links it. When
 * er_cell_cancel returns all cells below have been cancelled, and no waiter is called before that.
 *
 * Counts: one for the owner, one for each thread, timer, queue or link that may touch the cell. */
#include "async/cell.h"

#include "async/pool_ref.h"

#include <errno.h>

#define REASONS (7u << ER_REASON)

static _Thread_local struct {
    bool busy; /* a frame further out on this stack works the list off */
    er_waiter *first, **last;
} endings;

void er_cell_init(er_cell *cell, const er_cell_kind *kind, errand_pool *pool)
{
    cell->state = 0;
    cell->count = 1;
    cell->kind = kind;
    cell->pool = pool;
    cell->waiters = NULL;
    cell->result = (errand_result){ 0 };
    if (pool) er_pool_keep(pool);
}

void er_cell_release(er_cell *cell)
{
    if (er_load_relaxed(&cell->state) & ER_FIXED) return; /* relaxed: never changes */
    /* the last count needs no atomic step: no other thread has one. acquire: what they did comes
     * first */
    if (er_load_acquire(&cell->count) != 1 && er_sub(&cell->count, 1) != 1) return;
    errand_pool *pool = cell->pool;
    errand_result_free(&cell->result);
    cell->kind->free(cell);
    if (pool) er_pool_release(pool);
}

/* ---- for the dump ---- */

static er_cell *cell_of(er_live *live) { return er_of(live, er_cell, begun.live); }
static int64_t keep_live(er_live *live) { return er_cell_keep(cell_of(live))->begun.since_ns; }
static void describe_live(er_live *live, er_description *d) { er_cell_describe(cell_of(live), d); }
static void release_live(er_live *live) { er_cell_release(cell_of(live)); }
static const er_live_kind live_kind = {
    .keep = keep_live, .describe = describe_live, .release = release_live
};

void er_cell_list(er_cell *cell, const void *site)
{
    if (!cell->pool || !er_pool_ref_of(cell->pool)->live) return;
    cell->begun =
        (er_begun){ .live = { .kind = &live_kind, .site = site }, .since_ns = er_coarse_ns() };
    cell->state |= ER_LISTED;
    er_live_add(cell->pool, &cell->begun.live);
}

void er_cell_unlist(er_cell *cell)
{
    if (!(er_load(&cell->state) & ER_LISTED)) return;
    er_live_remove(cell->pool, &cell->begun.live);
    cell->result = (errand_result){ 0 };
}

void er_cell_describe(er_cell *cell, er_description *d)
{
    if (er_cell_ended(cell)) return;
    d->what = cell->kind->what;
    d->name = er_cell_label(cell).name;
    d->cancelled = er_cell_cancelled(cell);
    if (cell->kind->describe) cell->kind->describe(cell, d);
}

void er_describe_input(er_description *d, const char *verb, const er_cell *input)
{
    const char *name = er_cell_label(input).name,
               *what = input->kind->what ? input->kind->what : "future";
    er_describe(d, "%s%s %s%s%s", *d->state ? ", " : "", verb, what, name ? " " : "",
                name ? name : "");
}

/* ---- the lock bit ---- */

void er_cell_lock(er_cell *cell)
{
    unsigned turns = 0;
    while (er_or(&cell->state, ER_LOCKED) & ER_LOCKED) er_relax(&turns);
}

void er_cell_unlock(er_cell *cell) { er_and(&cell->state, ~(uint32_t)ER_LOCKED); }

void er_cell_link(er_cell *cell, er_cell **link, er_cell *to)
{
    er_cell_lock(cell);
    *link = to;
    er_cell_unlock(cell);
}

er_cell *er_cell_linked(er_cell *cell, er_cell **link)
{
    er_cell_lock(cell);
    er_cell *to = *link ? er_cell_keep(*link) : NULL;
    er_cell_unlock(cell);
    return to;
}

bool er_cell_input_of(er_cell *cell, er_cell **link, size_t i, er_cell **input)
{
    if (i) return false;
    *input = er_cell_linked(cell, link);
    return true;
}

/* ---- cancelling ---- */

/* Cancelled cells, each counted; the er_cell_cancel around them is still to call their kinds'
 * cancel. */
struct cancels {
    er_cell *first, **last;
};
static _Thread_local struct cancels *cancels; /* the innermost on this stack */

/* True: it is the first cancel, and the kind has a cancel to be called. */
static bool mark_cancelled(er_cell *cell, errand_reason reason)
{
    uint32_t seen = er_load(&cell->state);
    do {
        if (seen & (ER_ENDED | REASONS)) return false;
    } while (!er_cas(&cell->state, &seen, seen | (uint32_t)reason << ER_REASON));
    return cell->kind->cancel;
}

static void call_cancels(struct cancels *t)
{
    for (er_cell *cell; (cell = t->first);) {
        t->first = cell->cancel_next;
        if (!t->first) t->last = &t->first;
        cell->kind->cancel(cell, er_cell_cancelled(cell));
        er_cell_release(cell);
    }
}

void er_cell_cancel(er_cell *cell, errand_reason reason)
{
    if (!mark_cancelled(cell, reason)) return;
    struct cancels mine = { NULL, &mine.first }, *outer = cancels;
    cancels = &mine;
    cell->kind->cancel(cell, reason);
    call_cancels(&mine);
    cancels = outer;
}

void er_cell_pass_on(er_cell *cell, errand_reason reason)
{
    if (!cancels) {
        er_cell_cancel(cell, reason);
        return;
    }
    if (!mark_cancelled(cell, reason)) return;
    cell->cancel_next = NULL;
    *cancels->last = er_cell_keep(cell);
    cancels->last = &cell->cancel_next;
}

/* ---- ending ---- */

bool er_cell_claim(er_cell *cell)
{
    return !(er_or(&cell->state, ER_CLAIMED) & ER_CLAIMED); /* claiming twice changes nothing */
}

static void call_waiters(er_waiter *waiters)
{
    er_waiter *in_order = NULL; /* the list was pushed to at its head */
    while (waiters) {
        er_waiter *next = waiters->next;
        waiters->next = in_order;
        in_order = waiters;
        waiters = next;
    }
    er_endings_call(in_order);
}

void er_endings_call(er_waiter *waiters)
{
    if (!waiters) return;
    if (endings.first) *endings.last = waiters;
    else endings.first = waiters;
    while (waiters->next) waiters = waiters->next;
    endings.last = &waiters->next;
    er_endings_work_off();
}

void er_endings_work_off(void)
{
    if (endings.busy) return;
    endings.busy = true;
    if (cancels) call_cancels(cancels);
    for (er_waiter *w; (w = endings.first);) {
        endings.first = w->next;
        w->fn(w);
        if (cancels) call_cancels(cancels);
    }
    endings.busy = false;
}

bool er_endings_let_go(void)
{
    bool held = endings.busy;
    endings.busy = false;
    return held;
}

void er_endings_hold(bool held) { endings.busy = held; }

void er_cell_end(er_cell *cell, errand_result result)
{
    uint32_t ended =
        result.error && !errand_result_may_have_run(&result) ? ER_ENDED | ER_UNDONE : ER_ENDED;
    er_waiter *waiters = NULL;
    uint32_t seen = er_load(&cell->state);
    /* it stands where the result will be */
    if (seen & ER_LISTED) er_live_remove(cell->pool, &cell->begun.live);
    cell->result = result;
    while (!(seen & (ER_LOCKED | ER_WATCHED)) && !er_cas(&cell->state, &seen, seen | ended))
        continue;
    if (seen & (ER_LOCKED | ER_WATCHED)) {
        er_cell_lock(cell);
        waiters = cell->waiters;
        cell->waiters = NULL;
        seen = er_load(&cell->state);
        while (!er_cas(&cell->state, &seen, (seen | ended) & ~(uint32_t)(ER_LOCKED | ER_WATCHED)))
            continue;
    }
    if (seen & ER_ABANDONED) er_add_relaxed(&er_pool_ref_of(cell->pool)->abandoned, -1);
    if (seen & ER_DROPPED) errand_result_free(&cell->result);
    if (waiters) call_waiters(waiters);
}

void er_cell_drop(er_cell *cell)
{
    if (er_load_relaxed(&cell->state) & ER_FIXED) return; /* relaxed: never changes */
    if (er_or(&cell->state, ER_DROPPED) & ER_ENDED) errand_result_free(&cell->result);
    er_cell_release(cell);
}

bool er_cell_try_end(er_cell *cell, errand_result result)
{
    bool mine = er_cell_claim(cell);
    if (mine) er_cell_end(cell, result);
    else errand_result_free(&result);
    return mine;
}

bool er_cell_watch(er_cell *cell, er_waiter *waiter)
{
    waiter->cell = cell;
    if (er_cell_ended(cell)) return false;
    er_cell_lock(cell);
    bool ended = er_load(&cell->state) & ER_ENDED;
    if (!ended) {
        waiter->next = cell->waiters;
        waiter->at = &cell->waiters;
        if (waiter->next) waiter->next->at = &waiter->next;
        cell->waiters = waiter;
        er_or(&cell->state, ER_WATCHED);
    }
    er_cell_unlock(cell);
    return !ended;
}

bool er_cell_unwatch(er_cell *cell, er_waiter *waiter)
{
    er_cell_lock(cell);
    /* after the end the waiter may be something else already: the state is read first */
    bool found = !(er_load(&cell->state) & ER_ENDED) && waiter->cell == cell && waiter->at;
    if (found) {
        *waiter->at = waiter->next;
        if (waiter->next) waiter->next->at = waiter->at;
        waiter->at = NULL;
        if (!cell->waiters) er_and(&cell->state, ~(uint32_t)ER_WATCHED);
    }
    er_cell_unlock(cell);
    return found;
}

errand_result er_cell_take(er_cell *cell)
{
    errand_result r = cell->result;
    if (!(er_load_relaxed(&cell->state) & ER_FIXED)) cell->result = (errand_result){ 0 };
    return r;
}

void er_cell_abandon(er_cell *cell)
{
    /* counted up before the flag can be seen: the count is never short */
    if (!cell->pool) return;
    er_add_relaxed(&er_pool_ref_of(cell->pool)->abandoned, 1);
    if (er_or(&cell->state, ER_ABANDONED) & (ER_ENDED | ER_ABANDONED))
        er_add_relaxed(&er_pool_ref_of(cell->pool)->abandoned, -1);
}

bool er_cell_may_have_run(const er_cell *cell)
{
    return (er_load(&cell->state) & (ER_ENDED | ER_UNDONE)) != (ER_ENDED | ER_UNDONE);
}

errand_result er_cell_leave(er_cell *cell, errand_reason reason, errand_result instead)
{
    er_cell_cancel(cell, reason);
    er_cell_abandon(cell);
    if (er_cell_may_have_run(cell)) er_result_may_have_run(&instead);
    return instead;
}

/* ---- consumed twice? ---- */

#ifdef ERRAND_DEBUG
bool er_cell_consume(er_cell *cell)
{
    if (er_load_relaxed(&cell->state) & ER_FIXED) return true;
    return !(er_or(&cell->state, ER_CONSUMED) & ER_CONSUMED);
}

/* The latest ones stay readable, with their bits: a ring. */
void er_cell_bury(er_cell *cell)
{
    static er_lock lock;
    static er_cell *graves[4096];
    static unsigned next;
    er_lock_take(&lock);
    er_cell *oldest = graves[next];
    graves[next] = cell;
    next = (next + 1) % (sizeof graves / sizeof *graves);
    er_lock_give(&lock);
    er_free(oldest);
}
#endif

bool er_cell_forked(const er_cell *cell)
{
    return cell->pool && er_pool_dead(cell->pool) && !er_cell_ended(cell);
}

/* ---- what could not be started ---- */

static void free_failed(er_cell *cell) { er_cell_bury(cell); }
static const er_cell_kind failed_kind = { .free = free_failed };

static errand_detail left_behind = {
    .fixed = true, .may_have_run = true, .elapsed_ms = -1, .retry_after_ms = -1, .index = SIZE_MAX
};
static er_cell no_memory[] = {
    /* the second: for want of memory something was left behind, and may have been done */
    { .state = ER_CLAIMED | ER_ENDED | ER_FIXED | ER_UNDONE,
      .count = 1,
      .kind = &failed_kind,
      .result = { .error = ENOMEM } },
    { .state = ER_CLAIMED | ER_ENDED | ER_FIXED,
      .count = 1,
      .kind = &failed_kind,
      .result = { .error = ENOMEM, .detail = &left_behind } },
};

er_cell *er_failed(errand_pool *pool, errand_result r)
{
    er_cell *cell = r.error == ENOMEM && !r.detail ? NULL : er_alloc(sizeof *cell);
    if (!cell) {
        bool may_have_run = errand_result_may_have_run(&r);
        errand_result_free(&r);
        return &no_memory[may_have_run];
    }
    er_cell_init(cell, &failed_kind, pool);
    cell->state = ER_CLAIMED;
    er_cell_end(cell, r);
    return cell;
}

er_cell *er_cell_refuse(er_cell *cell, errand_result why)
{
    if (!er_cell_forked(cell)) why = er_cell_leave(cell, ERRAND_BY_CALLER, why);
    er_cell *refusal = er_failed(cell->pool, why); /* before the cell, which holds its pool, goes */
    er_cell_drop(cell);
    return refusal;
}
