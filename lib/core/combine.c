/* core/combine.c -- futures of futures: timeout, all, settle.
 *
 * Each owns its inputs and hangs a waiter into every one. An input's link may be read by a canceller at any time, so it is reset
 * under the lock bit before the input is given up. timeout's end is contended (its input, its timer): they claim. all and
 * settle end when a counter of unended inputs reaches zero, so nobody contends. */
#include "core/task.h"

#include <errno.h>

static void consume(er_cell *f)
{
    errand_cancel(f);
    errand_drop(f);
}

/* ---- timeout ---- */

typedef struct limit {
    er_cell   cell;
    er_cell  *input;
    er_waiter waiter;
    er_timer  timer;
} limit;

static void limited_ended(er_waiter *waiter)
{
    limit *l = er_of(waiter, limit, waiter);
    er_cell *f = waiter->cell;
    er_cell_link(&l->cell, &l->input, NULL);
    bool mine = er_cell_claim(&l->cell);
    errand_result r = er_cell_take(f);
    er_cell_release(f);
    if (er_timer_disarm(l->cell.pool, &l->timer)) er_cell_release(&l->cell);
    if (mine) er_cell_end(&l->cell, r);
    else errand_result_free(&r); /* too late: its end has been told already */
    er_cell_release(&l->cell);
}

static void cancel_limit(er_cell *cell, errand_reason reason)
{
    er_cell *f = er_cell_linked(cell, &er_of(cell, limit, cell)->input);
    if (!f) return;
    er_cell_cancel(f, reason);
    er_cell_release(f);
}

static void end_early(limit *l, errand_result r, errand_reason reason)
{
    er_cell *f = er_cell_linked(&l->cell, &l->input);
    if (er_cell_try_end(&l->cell, r) && f) {
        er_cell_cancel(f, reason);
        er_cell_abandon(f);
    }
    if (f) er_cell_release(f);
}

static void limit_passed(er_timer *timer)
{
    limit *l = er_of(timer, limit, timer);
    errand_reason reason = er_pool_shut(l->cell.pool) ? ERRAND_BY_SHUTDOWN : ERRAND_BY_TOTAL;
    end_early(l, er_told_result(reason), reason);
    er_cell_release(&l->cell);
}

static void free_limit(er_cell *cell) { er_free(er_of(cell, limit, cell)); }
static const er_cell_kind limit_kind = { cancel_limit, free_limit, NULL };

errand_future *errand_timeout(errand_future *f, int64_t ms)
{
    if (!f) return er_failed(NULL, errand_failf(EINVAL, "errand_timeout(NULL)"));
    if (ms < 0) {
        er_cell *refusal = er_failed(f->pool, errand_failf(EINVAL, "errand_timeout: ms is negative"));
        consume(f);
        return refusal;
    }
    if (ms == ERRAND_FOREVER || er_cell_ended(f) || !f->pool || er_pool_dead(f->pool)) return f;
    limit *l = er_alloc(sizeof *l);
    if (!l) {
        consume(f);
        return er_failed(NULL, errand_fail(ENOMEM));
    }
    er_cell_init(&l->cell, &limit_kind, f->pool);
    l->input = f;
    l->waiter.fn = limited_ended;
    l->timer = (er_timer){ .fn = limit_passed };
    er_cell_keep(&l->cell); /* the timer's */
    er_cell_keep(&l->cell); /* the waiter's */
    int error = ms ? er_timer_arm(f->pool, &l->timer, er_deadline(er_pool_now(f->pool), ms)) : 0;
    if (ms == 0) limit_passed(&l->timer);
    if (error) {
        bool shut = error == ECANCELED;
        end_early(l, shut ? er_told_result(ERRAND_BY_SHUTDOWN) : errand_fail(error), ERRAND_BY_SHUTDOWN);
        er_cell_release(&l->cell);
    }
    if (!er_cell_watch(f, &l->waiter)) limited_ended(&l->waiter);
    return &l->cell;
}

/* ---- all, settle ---- */

typedef struct many many;
typedef struct part {
    er_waiter waiter;
    er_cell  *input;
    many     *whole;
} part;
struct many {
    er_cell         cell;
    bool            all;
    size_t          n;
    size_t          left;   /* unended inputs, and one for who builds it */
    size_t          failed; /* the first one that did; n: none */
    errand_results *results;
    part            parts[];
};

static void free_results(void *value)
{
    errand_results *results = value;
    for (size_t i = 0; i < results->n; i++) errand_result_free(&results->at[i]);
    er_free(results);
}

static void cancel_many(er_cell *cell, errand_reason reason)
{
    many *m = er_of(cell, many, cell);
    for (size_t i = 0; i < m->n; i++) {
        er_cell *f = er_cell_linked(cell, &m->parts[i].input);
        if (!f) continue;
        er_cell_cancel(f, reason);
        er_cell_release(f);
    }
}

static void conclude(many *m)
{
    errand_results *results = m->results;
    m->results = NULL;
    errand_result r = errand_ok(results, free_results);
    size_t failed = er_load(&m->failed);
    if (m->all && failed < m->n) {
        r = results->at[failed];
        results->at[failed] = (errand_result){ 0 };
        for (size_t i = 0; i < m->n; i++) { /* the others that failed by themselves stand behind it */
            errand_result *other = &results->at[i];
            if (!other->error || errand_result_reason(other) == ERRAND_BY_SIBLING) continue;
            er_result_because(&r, *other);
            *other = (errand_result){ 0 };
        }
        free_results(results);
    }
    er_cell_claim(&m->cell);
    er_cell_end(&m->cell, r);
}

static void one_less(many *m)
{
    if (er_sub(&m->left, 1) == 1) conclude(m);
}

static void part_ended(er_waiter *waiter)
{
    part *p = er_of(waiter, part, waiter);
    many *m = p->whole;
    er_cell *f = waiter->cell;
    er_cell_link(&m->cell, &p->input, NULL);
    errand_result *r = &m->results->at[p - m->parts];
    *r = er_cell_take(f);
    er_cell_release(f);
    size_t none = m->n;
    if (m->all && r->error && er_cas_strong(&m->failed, &none, (size_t)(p - m->parts)))
        cancel_many(&m->cell, ERRAND_BY_SIBLING);
    one_less(m);
    er_cell_release(&m->cell);
}

static void free_many(er_cell *cell)
{
    many *m = er_of(cell, many, cell);
    if (m->results) free_results(m->results);
    er_free(m);
}
static const er_cell_kind many_kind = { cancel_many, free_many, NULL };

/* NULL if each stands in fs once, else what is wrong. */
static const char *twice(errand_future *const fs[], size_t n)
{
    const char *wrong = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!fs[i]) wrong = "one of the futures is NULL";
        else if (!(er_load(&fs[i]->state) & ER_FIXED) && (er_or(&fs[i]->state, ER_MARKED) & ER_MARKED))
            wrong = "the same future stands there twice";
    }
    if (!wrong) {
        for (size_t i = 0; i < n; i++) er_and(&fs[i]->state, ~(uint32_t)ER_MARKED);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) { /* each is consumed, once */
        bool first = true;
        for (size_t j = 0; j < i && first; j++) first = fs[j] != fs[i];
        if (fs[i] && first) consume(fs[i]);
    }
    return wrong;
}

static errand_future *gather(errand_future *const fs[], size_t n, bool all)
{
    if (n && !fs) return er_failed(NULL, errand_failf(EINVAL, "no array of futures"));
    const char *wrong = twice(fs, n);
    if (wrong) return er_failed(NULL, errand_failf(EINVAL, "%s", wrong));

    many *m = NULL;
    errand_results *results = NULL;
    if (n < SIZE_MAX / sizeof(part) / 2) {
        m = er_alloc_zero(sizeof *m + n * sizeof m->parts[0]);
        results = er_alloc_zero(sizeof *results + n * sizeof *results->at);
    }
    if (!m || !results) {
        for (size_t i = 0; i < n; i++) consume(fs[i]);
        er_free(m);
        er_free(results);
        return er_failed(NULL, errand_fail(ENOMEM));
    }
    errand_pool *home = NULL;
    for (size_t i = 0; i < n && !home; i++) home = fs[i]->pool;
    results->n = n;
    results->at = (errand_result *)(void *)(results + 1);
    er_cell_init(&m->cell, &many_kind, home);
    m->all = all;
    m->n = m->failed = n;
    m->left = n + 1;
    m->results = results;
    for (size_t i = 0; i < n; i++) {
        m->parts[i] = (part){ .waiter.fn = part_ended, .input = fs[i], .whole = m };
        er_cell_keep(&m->cell);
    }
    for (size_t i = 0; i < n; i++) {
        if (!er_cell_watch(fs[i], &m->parts[i].waiter)) {
            m->parts[i].waiter.cell = fs[i];
            part_ended(&m->parts[i].waiter);
        }
    }
    one_less(m);
    return &m->cell;
}

errand_future *errand_all(errand_future *const fs[], size_t n) { return gather(fs, n, true); }
errand_future *errand_settle(errand_future *const fs[], size_t n) { return gather(fs, n, false); }
