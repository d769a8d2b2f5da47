/* policy/quantile.c -- the latest LATEST of them, in a ring; the quantile is chosen again after
 * every NEW of them. Exact, small, and it forgets; sorting a copy costs some microseconds each
 * time, on the thread that brought the last of the NEW. */
#include "policy/quantile.h"

#include "base/atomic.h"

#include <stdlib.h>
#include <string.h>

enum { LATEST = 256, NEW = 16, LEAST = 20 };

struct er_quantile {
    double quantile;
    unsigned generation; /* of the process that made it: in a child the lock may be held forever */
    int64_t chosen;      /* atomic, relaxed: a figure */
    er_lock lock;        /* guards the rest */
    unsigned n;          /* in all; stays above LATEST once it is */
    int64_t ns[LATEST];
};

er_quantile *er_quantile_new(double quantile)
{
    er_quantile *l = er_alloc_zero(sizeof *l);
    if (!l) return NULL;
    l->quantile = quantile;
    l->generation = er_fork_generation();
    l->chosen = -1;
    return l;
}

void er_quantile_free(er_quantile *latency) { er_free(latency); }

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void er_quantile_add(er_quantile *l, int64_t ns)
{
    int64_t sorted[LATEST];
    /* a child keeps the estimate that its parent had */
    if (l->generation != er_fork_generation()) return;
    er_lock_take(&l->lock);
    l->ns[l->n % LATEST] = ns;
    l->n = l->n + 1 < 2 * LATEST ? l->n + 1 : LATEST;
    unsigned n = l->n < LATEST ? l->n : LATEST;
    bool due = n == LEAST || (n > LEAST && l->n % NEW == 0);
    if (due) memcpy(sorted, l->ns, n * sizeof *sorted);
    er_lock_give(&l->lock);
    if (!due) return;
    qsort(sorted, n, sizeof *sorted, compare);
    unsigned at = (unsigned)(l->quantile * n); /* the smallest above that many */
    /* relaxed: of two that come at once either will do */
    er_store_relaxed(&l->chosen, sorted[at < n ? at : n - 1]);
}

int64_t er_quantile_ns(er_quantile *l)
{
    return er_load_relaxed(&l->chosen); /* relaxed: a figure */
}
