/* policy/group.c -- a nursery.
 *
 *     member: held (concurrency is reached) --> running --> ended --next, join or close--> gone
 *
 * All members that are not gone are in `members`, in order of index; those held and those ended are
 * in a second list too. One lock guards the lists; futures are made, watched, cancelled and results
 * freed without it. A member belongs to the group until it ends, so its waiter can live in it; the
 * group's memory is kept by its handle and by each unended member. cancel_all takes members that
 * are not cancelled yet, some at a time, until none is left. */
#include "async/current.h"
#include "async/park.h"
#include "policy/run.h"
#include "async/dump.h"
#include "async/submit.h"

#include "base/options.h"

#include <errand/group.h>

#include <errno.h>

typedef enum state { HELD, BEGINNING, RUNNING, ENDED } state;

typedef struct member {
    er_node in_order;
    er_node in_state; /* held, or ended */
    errand_group *group;
    size_t index;
    state state;
    er_cell *input;
    er_waiter waiter;
    errand_result result;
    bool counted;          /* against concurrency */
    errand_policy *policy; /* the rest is for those held */
    errand_task task;
    er_context *context;
    int64_t deadline_ns, begin_by_ns;
    const void *site;
} member;

typedef struct joint { /* the future of join */
    er_cell cell;
    errand_group *group; /* counted */
    errand_results *results;
    er_list members;       /* taken when the last one has ended */
    errand_result *failed; /* that of them which failed first */
} joint;

struct errand_group {
    er_cell cell; /* never ends: for its count, and for circles through `next` */
    errand_group_opts how;
    er_lock lock; /* guards all below */
    er_list members, held, ended, watchers;
    size_t n, unended, running;
    bool full, gone;         /* join or close was called; close has, and frees the results */
    bool beginning;          /* a thread is in begin_held, and looks again */
    bool failed;             /* one has */
    errand_reason cancelled; /* why all of them are cancelled */
    joint *join;
};

static void free_member(member *m)
{
    errand_result_free(&m->result);
    errand_policy_free(m->policy);
    er_context_drop(m->context);
    er_free(m);
}

static void wake_all(errand_group *g) /* under the lock */
{
    er_list_each(n, &g->watchers) {
        er_unpark(&er_of(n, er_watcher, node)->wait.parker, ER_WAKE);
    }
}

/* ---- ending ---- */

/* Under the lock. When all have ended the join takes them, in one step with that, so that a close
 * finds nothing left. */
static joint *take_join(errand_group *g)
{
    joint *j = g->unended ? NULL : g->join;
    if (!j) return NULL;
    g->join = NULL;
    for (er_node *n = g->ended.head.next; n != &g->ended.head && !j->failed && !g->how.keep_going;
         n = n->next) {
        member *m = er_of(n, member, in_state);
        if (m->result.error) j->failed = &m->result;
    }
    er_list_take_all(&j->members, &g->members);
    er_list_init(&g->ended);
    return j;
}

/* Ends the join's future. Without the lock. */
static void conclude(joint *j)
{
    errand_results *results = j->results;
    j->results = NULL;
    errand_result r = { 0 };
    size_t n = 0;
    for (er_node *at; (at = er_list_pop(&j->members));) {
        member *m = er_of(at, member, in_order);
        if (&m->result == j->failed) r = m->result;
        else results->at[n++] = m->result;
        m->result = (errand_result){ 0 };
        free_member(m);
    }
    results->n = n;
    for (size_t i = 0; i < n && r.error; i++) {
        if (!results->at[i].error || errand_result_reason(&results->at[i]) == ERRAND_BY_SIBLING)
            continue;
        er_result_because(&r, results->at[i]);
        results->at[i] = (errand_result){ 0 };
    }
    if (r.error) er_results_free(results);
    else r = errand_ok(results, er_results_free);
    er_cell_try_end(&j->cell, r);
    er_cell_release(&j->cell);
}

static void cancel_all(errand_group *g, errand_reason reason);
static void begin_held(errand_group *g);

/* Decides under the lock, acts after it. */
static void ended(member *m, errand_result r)
{
    errand_group *g = m->group;
    bool cancel = false;
    er_lock_take(&g->lock);
    m->result = r;
    m->state = ENDED;
    g->unended--;
    g->running -= m->counted;
    if (r.error && !g->failed) {
        g->failed = true;
        cancel = !g->how.keep_going;
        if (cancel && !g->cancelled)
            g->cancelled = ERRAND_BY_SIBLING; /* before the failure is seen: nothing more begins */
    }
    bool gone = g->gone;
    if (gone) er_list_remove(&m->in_order);
    else er_list_push(&g->ended, &m->in_state);
    joint *j = take_join(g);
    wake_all(g);
    er_lock_give(&g->lock);
    if (gone) free_member(m);
    if (cancel) cancel_all(g, ERRAND_BY_SIBLING);
    begin_held(g);
    if (j) conclude(j);
    er_cell_release(&g->cell);
}

static void input_ended(er_waiter *waiter)
{
    member *m = er_of(waiter, member, waiter);
    er_cell *f = waiter->cell;
    er_lock_take(&m->group->lock);
    m->input = NULL;
    er_lock_give(&m->group->lock);
    errand_result r = er_cell_take(f);
    er_cell_release(f);
    ended(m, r);
}

static void watch(member *m, er_cell *f)
{
    errand_group *g = m->group;
    er_lock_take(&g->lock);
    m->input = f;
    m->state = RUNNING;
    errand_reason cancelled = g->cancelled;
    er_lock_give(&g->lock);
    m->waiter.fn = input_ended;
    if (cancelled) er_cell_cancel(f, cancelled); /* it was cancelled before it had its future */
    if (!er_cell_watch(f, &m->waiter)) input_ended(&m->waiter);
}

/* Never to be begun. */
static void leave_out(member *m, errand_reason reason)
{
    if (m->task.free) m->task.free(m->task.arg);
    ended(m, er_cancel_result(reason));
}

static void begin(member *m, bool urgent)
{
    errand_group *g = m->group;
    er_lock_take(&g->lock);
    errand_reason late = g->cancelled;
    er_lock_give(&g->lock);
    errand_task task = m->task;
    if (urgent && task.start_within_ms) { /* it counts from when it was given */
        int64_t left = er_ms_until(er_pool_now(g->cell.pool), m->begin_by_ns);
        if (left <= 0 && !late) late = ERRAND_BY_TOTAL;
        task.start_within_ms = left;
    }
    if (late) {
        leave_out(m, late);
        return;
    }
    er_terms terms = {
        er_context_keep(m->context), m->deadline_ns, ERRAND_BY_TOTAL, urgent, m->site, false
    };
    watch(m, er_run(g->cell.pool, m->policy, &task, &terms));
}

/* One thread at a time, not re-entrant: an end that comes at once is seen in the next round. */
static void begin_held(errand_group *g)
{
    er_lock_take(&g->lock);
    if (g->beginning) {
        er_lock_give(&g->lock);
        return;
    }
    while (g->running < g->how.concurrency && !er_list_empty(&g->held)) {
        member *m = er_of(er_list_pop(&g->held), member, in_state);
        m->state = BEGINNING;
        g->running++;
        g->beginning = true;
        er_lock_give(&g->lock);
        begin(m, true);
        er_lock_take(&g->lock);
        g->beginning = false;
    }
    er_lock_give(&g->lock);
}

static void cancel_all(errand_group *g, errand_reason reason)
{
    er_list held;
    er_lock_take(&g->lock);
    if (!g->cancelled) g->cancelled = reason;
    reason = g->cancelled;
    er_list_take_all(&held, &g->held);
    er_list_each(n, &held) er_of(n, member, in_state)->state = BEGINNING;
    er_lock_give(&g->lock);
    for (er_node *n; (n = er_list_pop(&held));) {
        member *m = er_of(n, member, in_state);
        m->counted = false;
        leave_out(m, reason);
    }
    for (;;) {
        er_cell *some[64];
        size_t n = 0;
        er_lock_take(&g->lock);
        for (er_node *at = g->members.head.next; at != &g->members.head && n < 64; at = at->next) {
            member *m = er_of(at, member, in_order);
            if (m->input && !er_cell_ended(m->input) && !er_cell_cancelled(m->input))
                some[n++] = er_cell_keep(m->input);
        }
        er_lock_give(&g->lock);
        if (!n) return;
        for (size_t i = 0; i < n; i++) {
            er_cell_pass_on(some[i], reason);
            er_cell_release(some[i]);
        }
    }
}

/* ---- taking in ---- */

/* The state it has in the group: BEGINNING, and the caller begins it, or HELD; ENDED: it may
 * not come in any more. */
static state enter(errand_group *g, member *m, bool limited)
{
    er_lock_take(&g->lock);
    state in = ENDED;
    if (!g->full) {
        m->group = g;
        m->index = g->n++;
        m->counted = limited && g->how.concurrency;
        er_list_push(&g->members, &m->in_order);
        g->unended++;
        er_cell_keep(&g->cell);
        in = m->counted && !g->cancelled && g->running >= g->how.concurrency ? HELD : BEGINNING;
        m->state = in;
        if (in == HELD) er_list_push(&g->held, &m->in_state);
        else g->running += m->counted;
    }
    er_lock_give(&g->lock);
    return in;
}

int errand_group_add(errand_group *g, errand_future *f)
{
    if (!f || !er_cell_consume(f)) return EINVAL;
    member *m = g ? er_alloc_zero(sizeof *m) : NULL;
    int error = m ? 0 : ENOMEM;
    if (!g) error = EINVAL;
    else if (er_pool_dead(g->cell.pool)) error = ERRAND_EFORKED;
    if (!error) {
        er_label label = er_cell_label(f); /* for reports */
        m->task.name = label.name;
        m->site = label.site;
        if (enter(g, m, false) == ENDED) error = EINVAL;
    }
    if (!error) {
        watch(m, f);
        return 0;
    }
    er_free(m);
    errand_cancel(f);
    er_cell_drop(f);
    return error;
}

int errand_group_submit_sized(errand_group *g, const errand_policy *policy, const errand_task *task,
                              size_t size)
{
    errand_task own;
    er_cell *refusal = er_task_check(g ? g->cell.pool : NULL, &own, task, size);
    if (refusal) {
        int error = refusal->result.error;
        er_cell_drop(refusal); /* the caller has the error: it is not logged */
        return error;
    }
    int error = 0;
    member *m = er_alloc_zero(sizeof *m);
    er_context *context = er_context_for(&own, &error);
    if (!m || error) {
        error = ENOMEM;
        er_context_drop(context);
    } else {
        m->policy = policy ? er_policy_keep(policy) : NULL;
        m->task = own;
        m->context = context;
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): NULL is refused above */
        m->deadline_ns = er_run_deadline(g->cell.pool, policy, &own);
        m->begin_by_ns = er_deadline(er_pool_now(g->cell.pool),
                                     own.start_within_ms == ERRAND_ZERO ? 0 : own.start_within_ms);
        m->site = __builtin_return_address(0);
        state in = enter(g, m, true);
        if (in == BEGINNING) begin(m, false);
        if (in != ENDED) return 0; /* held, it may have been begun, have ended and be gone by now */
        error = EINVAL;
        m->task.free = NULL;
        free_member(m);
        m = NULL;
    }
    er_free(m);
    if (own.free) own.free(own.arg);
    return error;
}

/* ---- taking out ---- */

int errand_group_next(errand_group *g, errand_result *r, size_t *index, int64_t ms)
{
    if (!g || !r || ms < 0) return EINVAL;
    if (er_pool_dead(g->cell.pool)) return ERRAND_EFORKED;
    int64_t deadline =
        ms == ERRAND_FOREVER ? INT64_MAX : er_deadline(er_pool_now(g->cell.pool), ms);
    er_watcher w = { .wait = { .input = ms == ERRAND_FOREVER ? &g->cell : NULL,
                               .about = &g->cell } };
    member *m = NULL;
    int error = 0;
    er_lock_take(&g->lock);
    er_list_push(&g->watchers, &w.node);
    while (!m && !error) {
        if (!er_list_empty(&g->ended)) {
            m = er_of(er_list_pop(&g->ended), member, in_state);
            er_list_remove(&m->in_order);
        } else if (!g->unended) {
            error = ENODATA;
        } else {
            er_parker_clear(&w.wait.parker, ER_WAKE);
            er_lock_give(&g->lock);
            uint32_t bits = ms ? er_pool_park(&w.wait, ER_WAKE, g->cell.pool, deadline) : 0;
            if (!(bits & ER_WAKE) || (bits & ER_CANCEL)) error = er_park_error(bits);
            er_lock_take(&g->lock);
        }
    }
    er_list_remove(&w.node);
    er_lock_give(&g->lock);
    if (error) return error;
    *r = m->result;
    if (index) *index = m->index;
    m->result = (errand_result){ 0 };
    free_member(m);
    return 0;
}

/* ---- joining ---- */

static void cancel_join(er_cell *cell, errand_reason reason)
{
    cancel_all(er_of(cell, joint, cell)->group, reason);
}

static void free_join(er_cell *cell)
{
    joint *j = er_of(cell, joint, cell);
    if (j->results) er_results_free(j->results);
    er_cell_release(&j->group->cell);
    er_cell_bury(cell);
}

#define VISITED 256 /* a search for circles walks the list for each member: a bound */

static bool input_of(errand_group *g, size_t i, er_cell **input) /* the lock is held */
{
    *input = NULL;
    er_node *at = g->members.head.next;
    for (size_t n = 0; n < i && at != &g->members.head; n++) at = at->next;
    bool there = i < VISITED && at != &g->members.head;
    member *m = there ? er_of(at, member, in_order) : NULL;
    if (m && m->input) *input = er_cell_keep(m->input);
    return there;
}

static bool input_of_join(er_cell *cell, size_t i, er_cell **input)
{
    errand_group *g = er_of(cell, joint, cell)->group;
    er_lock_take(&g->lock);
    bool there = input_of(g, i, input);
    er_lock_give(&g->lock);
    return there;
}

/* What next waits for: any of those that run. Unknown while one begins, or has just ended,
 * or they are too many. */
static bool input_of_next(er_cell *cell, size_t i, er_cell **input)
{
    errand_group *g = er_of(cell, errand_group, cell);
    er_lock_take(&g->lock);
    bool known = er_list_empty(&g->ended);
    size_t n = 0;
    for (er_node *at = g->members.head.next; known && at != &g->members.head; at = at->next) {
        known = ++n < VISITED && er_of(at, member, in_order)->state != BEGINNING;
    }
    bool there = known && input_of(g, i, input);
    er_lock_give(&g->lock);
    return there;
}

static void free_group(er_cell *cell) { er_free(er_of(cell, errand_group, cell)); }

static void describe_members(errand_group *g, er_description *d)
{
    size_t held = 0;
    er_lock_take(&g->lock);
    size_t n = g->n, unended = g->unended;
    errand_reason cancelled = g->cancelled;
    bool full = g->full;
    er_node *at = g->held.head.next;
    for (; at != &g->held.head && held < VISITED; at = at->next) held++;
    er_lock_give(&g->lock);
    if (!d->cancelled) d->cancelled = cancelled;
    er_describe(d, "%zu of %zu members have not ended", unended, n);
    if (held) er_describe(d, ", %zu%s of them held", held, held == VISITED ? " or more" : "");
    if (!full) er_describe(d, ", may take more");
}

static void describe_group(er_cell *cell, er_description *d)
{
    describe_members(er_of(cell, errand_group, cell), d);
}
static void describe_join(er_cell *cell, er_description *d)
{
    describe_members(er_of(cell, joint, cell)->group, d);
}

static const er_cell_kind group_kind = {
    .free = free_group,
    .input = input_of_next,
    .any = true,
    .what = "group",
    .describe = describe_group
};

static const er_cell_kind join_kind = {
    .cancel = cancel_join,
    .free = free_join,
    .input = input_of_join,
    .what = "join",
    .describe = describe_join
};

errand_future *errand_group_join(errand_group *g)
{
    if (!g) return er_failed(NULL, errand_failf(EINVAL, "group is NULL"));
    if (er_pool_dead(g->cell.pool)) return er_failed(NULL, errand_fail(ERRAND_EFORKED));
    er_lock_take(&g->lock);
    bool open = !g->full;
    g->full = true;
    size_t n = 0;
    er_list_each(at, &g->members) n++;
    er_lock_give(&g->lock);
    if (!open)
        return er_failed(g->cell.pool, errand_failf(EINVAL, "the group has been joined or closed"));
    joint *j = er_alloc_zero(sizeof *j);
    errand_results *results = er_results_new(n); /* ending must not allocate */
    if (!j || !results) {
        er_free(j);
        er_results_free(results);
        return er_failed(g->cell.pool, errand_fail(ENOMEM));
    }
    er_cell_init(&j->cell, &join_kind, g->cell.pool);
    j->results = results;
    j->group = g;
    er_cell_keep(&g->cell);
    er_cell_keep(&j->cell);
    er_cell_list(&j->cell, __builtin_return_address(0));
    er_lock_take(&g->lock);
    g->join = j;
    joint *over = take_join(g);
    er_lock_give(&g->lock);
    if (over) conclude(over);
    return &j->cell;
}

int errand_group_close(errand_group *g, int64_t within_ms)
{
    if (!g || within_ms < 0) return EINVAL;
    if (er_pool_dead(g->cell.pool)) return ERRAND_EFORKED;
    er_lock_take(&g->lock);
    g->full = true;
    er_lock_give(&g->lock);
    cancel_all(g, ERRAND_BY_CALLER);

    /* closing is clean-up: it is not cut short by a cancel of the calling task */
    errand_frame frame;
    errand_enter(&frame, within_ms, true);
    er_watcher w = { .wait.about = &g->cell };
    er_list left;
    er_lock_take(&g->lock);
    er_list_push(&g->watchers, &w.node);
    for (bool waiting = true; g->unended && waiting;) {
        er_parker_clear(&w.wait.parker, ER_WAKE);
        er_lock_give(&g->lock);
        waiting = er_pool_park(&w.wait, ER_WAKE, g->cell.pool, INT64_MAX) & ER_WAKE;
        er_lock_take(&g->lock);
    }
    er_list_remove(&w.node);
    int error = g->unended ? ETIMEDOUT : 0;
    er_list_init(&left);
    if (!g->join) { /* else the join takes them, when the last one has ended */
        g->gone = true;
        er_list_take_all(&left, &g->ended);
        er_list_each(n, &left) er_list_remove(&er_of(n, member, in_state)->in_order);
    }
    er_lock_give(&g->lock);
    errand_leave(&frame);
    for (er_node *n; (n = er_list_pop(&left));) {
        member *m = er_of(n, member, in_state);
        er_pool_unretrieved(g->cell.pool, &m->result, m->task.name, m->site);
        free_member(m);
    }
    er_cell_unlist(&g->cell);
    er_cell_release(&g->cell);
    return error;
}

/* ---- making ---- */

errand_group *errand_group_new_sized(errand_pool *pool, const errand_group_opts *opts, size_t size)
{
    errand_group_opts o;
    int error = pool ? er_options(&o, sizeof o, opts, size) : EINVAL;
    if (!error && er_pool_dead(pool)) error = ERRAND_EFORKED;
    errand_group *g = error ? NULL : er_alloc_zero(sizeof *g);
    if (!g) {
        errno = error ? error : ENOMEM;
        return NULL;
    }
    er_cell_init(&g->cell, &group_kind, pool);
    g->how = o;
    er_list *lists[] = { &g->members, &g->held, &g->ended, &g->watchers };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) er_list_init(lists[i]);
    er_cell_list(&g->cell, __builtin_return_address(0));
    return g;
}
