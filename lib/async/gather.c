/* async/gather.c -- a future of many futures: all, settle, any, race, quorum.
 *
 * It owns its inputs and hangs a waiter into every one. An input's link may be read by a
 * canceller at any time, so it is reset under the lock bit before the input is given up. any and
 * race: the inputs contend for the end, so they claim, and a loser keeps its place in here until
 * it ends. all and settle are ended by the thread that takes the count of unended inputs to
 * zero.
 *
 * quorum: an input's result is put into its place, counted, and its link reset in one step under
 * the lock bit, until the one that makes the wanted successes complete, or impossible, decides
 * in the same step. From there on the results are the decider's alone; an input that ends later
 * frees its own. A place that was not counted holds a cancel from the beginning. */
#include "async/task.h"

#include <errno.h>

typedef enum way { ALL, SETTLE, ANY, RACE, QUORUM } way;
typedef struct many many;
typedef struct part {
    er_waiter waiter;
    er_cell *input;
    many *whole;
    bool counted; /* quorum: its result is in its place */
} part;
struct many {
    er_cell cell;
    way way;
    size_t n;
    size_t left; /* unended inputs, and one until it is built */
    size_t last; /* that ended */
    /* the first that failed (all), succeeded (any), ended (race); the last that was counted
     * (quorum); n: none yet */
    size_t decides;
    /* quorum: successes that are needed; counted inputs; under the lock bit */
    size_t wanted, good, bad;
    errand_results *results;
    part parts[];
};

static void cancel_many(er_cell *cell, errand_reason reason)
{
    many *m = er_of(cell, many, cell);
    for (size_t i = 0; i < m->n; i++) {
        er_cell *f = er_cell_linked(cell, &m->parts[i].input);
        if (!f) continue;
        er_cell_pass_on(f, reason);
        er_cell_release(f);
    }
}

/* Takes result i out as the answer, with its index if `which`, and makes the other failures its
 * causes; frees the rest. */
static errand_result answer_with(many *m, size_t i, bool which)
{
    errand_results *results = m->results;
    m->results = NULL;
    errand_result r = results->at[i];
    results->at[i] = (errand_result){ 0 };
    errand_detail *d = which ? er_detail(&r) : NULL;
    if (d) d->index = i;
    for (size_t j = 0; j < m->n && r.error; j++) {
        errand_result *other = &results->at[j];
        if (errand_result_may_have_run(other)) er_result_may_have_run(&r);
        if (!other->error || errand_result_reason(other) == ERRAND_BY_SIBLING) continue;
        er_result_because(&r, *other);
        *other = (errand_result){ 0 };
    }
    er_results_free(results);
    return r;
}

static void conclude(many *m) /* all inputs have ended */
{
    size_t i = er_load(&m->decides);
    errand_result r;
    if (m->way == ANY || m->way == RACE || m->way == QUORUM) {
        if (i < m->n) return; /* it is decided already */
        r = answer_with(m, er_load(&m->last), true);
    } else if (i < m->n) {
        r = answer_with(m, i, false);
    } else {
        r = errand_ok(m->results, er_results_free);
        m->results = NULL;
    }
    er_cell_try_end(&m->cell, r);
}

static void one_less(many *m)
{
    if (er_sub(&m->left, 1) == 1) conclude(m);
}

/* r is the first of them to have ended. */
static errand_result leave_losers(many *m, errand_result r)
{
    for (size_t i = 0; i < m->n; i++) {
        er_cell *f = er_cell_linked(&m->cell, &m->parts[i].input);
        if (!f) continue;
        r = er_cell_leave(f, ERRAND_BY_SIBLING, r);
        er_cell_release(f);
    }
    return r;
}

/* ---- quorum ---- */

/* Leaves the others behind; each one's result says whether it may have run, also
 * of one that has just ended. Counted ones have no
 * link any more. */
static void leave_uncounted(many *m)
{
    for (size_t i = 0; i < m->n; i++) {
        er_cell *f = m->parts[i].counted ? NULL : er_cell_linked(&m->cell, &m->parts[i].input);
        if (f) m->results->at[i] = er_cell_leave(f, ERRAND_BY_SIBLING, m->results->at[i]);
        else if (!m->parts[i].counted) er_result_may_have_run(&m->results->at[i]);
        if (f) er_cell_release(f);
    }
}

static void decide_quorum(many *m, size_t i)
{
    leave_uncounted(m);
    errand_result r;
    if (m->good == m->wanted) {
        r = errand_ok(m->results, er_results_free);
        m->results = NULL;
    } else {
        r = answer_with(m, i, true);
    }
    er_cell_try_end(&m->cell, r);
}

static void quorum_part_ended(part *p, errand_result r)
{
    many *m = p->whole;
    size_t i = (size_t)(p - m->parts);
    bool decides = false;
    er_cell_lock(&m->cell);
    bool counts = er_load_relaxed(&m->decides) == m->n; /* relaxed: written under the lock bit */
    if (counts) {
        p->counted = true;
        m->results->at[i] = r;
        if (r.error) m->bad++;
        else m->good++;
        decides = m->good == m->wanted || m->bad > m->n - m->wanted;
        if (decides) er_store(&m->decides, i);
    }
    p->input = NULL; /* in the same step: see wanted_of_many */
    er_cell_unlock(&m->cell);
    if (!counts) errand_result_free(&r);
    er_cell_release(p->waiter.cell);
    if (decides) decide_quorum(m, i);
    one_less(m);
    er_cell_release(&m->cell);
}

static void part_ended(er_waiter *waiter)
{
    part *p = er_of(waiter, part, waiter);
    many *m = p->whole;
    if (m->way == QUORUM) {
        quorum_part_ended(p, er_cell_take(waiter->cell));
        return;
    }
    size_t i = (size_t)(p - m->parts), none = m->n;
    er_cell *f = waiter->cell;
    errand_result r = er_cell_take(f);
    bool decisive = m->way == RACE || (m->way == ALL && r.error) || (m->way == ANY && !r.error);
    bool decided = decisive && er_cas_strong(&m->decides, &none, i);
    er_cell_link(&m->cell, &p->input, NULL); /* after that: see input_of_many */
    er_cell_release(f);
    if (m->way == ALL || m->way == SETTLE) {
        m->results->at[i] = r;
        if (decided) cancel_many(&m->cell, ERRAND_BY_SIBLING);
    } else if (decided) {
        errand_detail *d = er_detail(&r);
        if (d) d->index = i;
        er_cell_try_end(&m->cell, leave_losers(m, r));
    } else {
        m->results->at[i] = r; /* any: another failure; else a loser's end, freed with the rest */
        er_store(&m->last, i);
    }
    one_less(m);
    er_cell_release(&m->cell);
}

static void free_many(er_cell *cell)
{
    many *m = er_of(cell, many, cell);
    if (m->results) er_results_free(m->results);
    er_cell_bury(cell);
}
static bool input_of_many(er_cell *cell, size_t i, er_cell **input)
{
    many *m = er_of(cell, many, cell);
    /* once decided it waits for none; `decides` is set before a link is reset */
    bool first = m->cell.kind->any;
    if (i >= m->n || (first && er_load(&m->decides) < m->n)) return false;
    *input = er_cell_linked(cell, &m->parts[i].input);
    return true;
}

/* How many it waits for, and the first of them. */
static void describe_many(er_cell *cell, er_description *d)
{
    many *m = er_of(cell, many, cell);
    static const char *const ways[] = {
        [ALL] = "all", [SETTLE] = "settle", [ANY] = "any", [RACE] = "race", [QUORUM] = "quorum"
    };
    er_cell *first = NULL;
    size_t left = er_load(&m->left);
    d->what = ways[m->way];
    for (size_t i = 0; i < m->n && !first; i++) first = er_cell_linked(cell, &m->parts[i].input);
    er_describe(d, "%zu of %zu are under way", left < m->n ? left : m->n, m->n);
    if (!first) return;
    er_describe_input(d, "waits for", first);
    er_cell_release(first);
}

static const er_cell_kind all_kind = {
    .cancel = cancel_many,
    .free = free_many,
    .input = input_of_many,
    .what = "all",
    .describe = describe_many
};
static const er_cell_kind first_kind = {
    .cancel = cancel_many,
    .free = free_many,
    .input = input_of_many,
    .any = true,
    .what = "any",
    .describe = describe_many
};

/* At least how many more must end before it ends. An input without a link is counted already. */
static size_t wanted_of_many(er_cell *cell)
{
    many *m = er_of(cell, many, cell);
    er_cell_lock(cell);
    size_t to_succeed = m->wanted - m->good, to_fail = m->n - m->wanted + 1 - m->bad;
    er_cell_unlock(cell);
    return to_succeed < to_fail ? to_succeed : to_fail;
}
static const er_cell_kind quorum_kind = {
    .cancel = cancel_many,
    .free = free_many,
    .input = input_of_many,
    .any = true,
    .wanted = wanted_of_many,
    .what = "quorum",
    .describe = describe_many
};

static errand_result give_up(er_cell *f, errand_result why)
{
    if (!er_cell_forked(f)) why = er_cell_leave(f, ERRAND_BY_CALLER, why);
    er_cell_drop(f);
    return why;
}

static er_cell *without_memory(errand_future *const fs[], size_t n)
{
    errand_result r = errand_fail(ENOMEM);
    for (size_t i = 0; i < n; i++) r = give_up(fs[i], r);
    return er_failed(NULL, r);
}

/* Consumes the inputs. Fails if one is NULL or in fs twice: then all are given up. */
static errand_result consume(errand_future *const fs[], size_t n)
{
    const char *wrong = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!fs[i]) wrong = "one of the futures is NULL";
        else if (!(er_load(&fs[i]->state) & ER_FIXED) &&
                 (er_or(&fs[i]->state, ER_MARKED) & ER_MARKED))
            wrong = "a future is in the array twice";
    }
    if (!wrong) {
        for (size_t i = 0; i < n; i++) {
            er_and(&fs[i]->state, ~(uint32_t)ER_MARKED);
            er_cell_consume(fs[i]);
        }
        return (errand_result){ 0 };
    }
    errand_result why = errand_failf(EINVAL, "%s", wrong);
    for (size_t i = 0; i < n; i++) { /* each is consumed, once */
        bool first = true;
        for (size_t j = 0; j < i && first; j++) first = fs[j] != fs[i];
        if (fs[i] && first && er_cell_consume(fs[i])) why = give_up(fs[i], why);
    }
    return why;
}

static const er_cell_kind *kind_of(way how)
{
    if (how == QUORUM) return &quorum_kind;
    return how == ANY || how == RACE ? &first_kind : &all_kind;
}

static errand_future *gather(errand_future *const fs[], size_t n, way how, size_t wanted,
                             const void *site)
{
    if (n && !fs) return er_failed(NULL, errand_failf(EINVAL, "no array of futures"));
    if (!n && (how == ANY || how == RACE)) return er_failed(NULL, errand_failf(EINVAL, "n is 0"));
    errand_result wrong = consume(fs, n);
    if (!wrong.error && how == QUORUM && (!wanted || wanted > n)) {
        wrong = errand_failf(EINVAL, "a quorum of %zu out of %zu", wanted, n);
        for (size_t i = 0; i < n; i++) wrong = give_up(fs[i], wrong);
    }
    if (wrong.error) return er_failed(NULL, wrong);

    many *m =
        n < SIZE_MAX / sizeof(part) / 2 ? er_alloc_zero(sizeof *m + n * sizeof m->parts[0]) : NULL;
    errand_results *results = er_results_new(n);
    if (!m || !results) {
        er_free(m);
        er_results_free(results);
        return without_memory(fs, n);
    }
    errand_pool *pool = NULL;
    for (size_t i = 0; i < n; i++) {
        m->parts[i].input =
            er_cell_forked(fs[i]) ? er_failed(NULL, errand_fail(ERRAND_EFORKED)) : fs[i];
        if (!pool) pool = m->parts[i].input->pool;
    }
    er_cell_init(&m->cell, kind_of(how), pool);
    m->way = how;
    m->n = m->decides = n;
    m->left = n + 1;
    m->wanted = wanted;
    m->results = results;
    for (size_t i = 0; i < n; i++) {
        if (how == QUORUM) results->at[i] = er_cancel_result(ERRAND_BY_SIBLING);
        m->parts[i].waiter.fn = part_ended;
        m->parts[i].whole = m;
        er_cell_keep(&m->cell);
    }
    er_cell_list(&m->cell, site);
    for (size_t i = 0; i < n; i++) {
        /* a sibling may end it, and its link, from here on: not its memory, which is ours */
        er_cell *f = m->parts[i].input;
        if (!er_cell_watch(f, &m->parts[i].waiter)) {
            m->parts[i].waiter.cell = f;
            part_ended(&m->parts[i].waiter);
        }
    }
    one_less(m);
    return &m->cell;
}

errand_future *errand_all(errand_future *const fs[], size_t n)
{
    return gather(fs, n, ALL, 0, __builtin_return_address(0));
}
errand_future *errand_settle(errand_future *const fs[], size_t n)
{
    return gather(fs, n, SETTLE, 0, __builtin_return_address(0));
}
errand_future *errand_any(errand_future *const fs[], size_t n)
{
    return gather(fs, n, ANY, 0, __builtin_return_address(0));
}
errand_future *errand_race(errand_future *const fs[], size_t n)
{
    return gather(fs, n, RACE, 0, __builtin_return_address(0));
}
errand_future *errand_quorum(errand_future *const fs[], size_t n, size_t wanted)
{
    return gather(fs, n, QUORUM, wanted, __builtin_return_address(0));
}
