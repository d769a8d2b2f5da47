/* async/waitset.c -- waiting until some of several futures have ended; consumes none of them.
 *
 *     waiting --the wanted-th input ends--> ended
 *
 * The wait set is a cell for the time of one call: it hangs a waiter into each future, and ends
 * when enough of them have ended; so the caller waits for one cell, is woken once, and a circle of
 * waits is found as anywhere. It has one count for the caller and one for each waiter that still
 * hangs. Before the call returns, the links to the futures are reset and the waiters taken back: a
 * waiter of a future that is just ending is called a little later and touches the set alone. The
 * end of an input is counted, and its link reset, in one step under the lock bit. */
#include "async/task.h"

typedef struct waitset waitset;
typedef struct member {
    er_waiter waiter;
    er_cell *input; /* NULL: it has ended, or the caller has gone; under the lock bit, as is left */
    waitset *set;
} member;
struct waitset {
    er_cell cell;
    size_t n, left; /* left: how many more must end */
    member members[];
};

static void member_ended(er_waiter *waiter)
{
    member *m = er_of(waiter, member, waiter);
    waitset *set = m->set;
    er_cell_lock(&set->cell);
    bool counts = m->input && set->left;
    m->input = NULL;
    bool enough = counts && --set->left == 0;
    er_cell_unlock(&set->cell);
    if (enough) er_cell_try_end(&set->cell, errand_ok(NULL, NULL));
    er_cell_release(&set->cell);
}

static void free_set(er_cell *cell) { er_cell_bury(cell); }

static bool input_of_set(er_cell *cell, size_t i, er_cell **input)
{
    waitset *set = er_of(cell, waitset, cell);
    if (i >= set->n || er_cell_ended(cell)) return false;
    *input = er_cell_linked(cell, &set->members[i].input);
    return true;
}

static size_t wanted_of_set(er_cell *cell)
{
    waitset *set = er_of(cell, waitset, cell);
    er_cell_lock(cell);
    size_t left = set->left;
    er_cell_unlock(cell);
    return left;
}

static const er_cell_kind waitset_kind = {
    .free = free_set,
    .input = input_of_set,
    .any = true,
    .wanted = wanted_of_set,
    .what = "wait set"
};

/* How many have ended; done says which. *pool is that of the first that has not. */
static size_t look(errand_future *const fs[], size_t n, bool done[], errand_pool **pool)
{
    size_t ended = 0;
    for (size_t i = n; i-- > 0;) {
        bool is = er_cell_ended(fs[i]);
        if (done) done[i] = is;
        if (!is) *pool = fs[i]->pool;
        ended += is;
    }
    return ended;
}

static int wrong(errand_future *const fs[], size_t n, size_t wanted, int64_t ms)
{
    if (ms < 0 || wanted > n || (n && !fs)) return EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (!fs[i]) return EINVAL;
    }
    return 0;
}

/* NULL: no memory. */
static waitset *begin(errand_future *const fs[], size_t n, size_t wanted, errand_pool *pool)
{
    if (n > SIZE_MAX / sizeof(member) / 2) return NULL;
    waitset *set = er_alloc_zero(sizeof *set + n * sizeof set->members[0]);
    if (!set) return NULL;
    er_cell_init(&set->cell, &waitset_kind, pool);
    set->n = n;
    set->left = wanted;
    for (size_t i = 0; i < n; i++) {
        set->members[i] = (member){ .waiter.fn = member_ended, .input = fs[i], .set = set };
        er_cell_keep(&set->cell);
    }
    for (size_t i = 0; i < n; i++) {
        if (!er_cell_watch(fs[i], &set->members[i].waiter)) member_ended(&set->members[i].waiter);
    }
    return set;
}

/* From here on nothing of the set touches a future. */
static void end(waitset *set, errand_future *const fs[])
{
    for (size_t i = 0; i < set->n; i++) {
        er_cell_link(&set->cell, &set->members[i].input, NULL);
        if (er_cell_unwatch(fs[i], &set->members[i].waiter)) er_cell_release(&set->cell);
    }
    er_cell_release(&set->cell);
}

int errand_wait_some(errand_future *const fs[], size_t n, size_t wanted, int64_t ms, bool done[])
{
    int error = wrong(fs, n, wanted, ms);
    if (error) return error;
    errand_pool *pool = NULL;
    if (look(fs, n, done, &pool) >= wanted) return 0;
    for (size_t i = 0; i < n; i++) {
        if (er_cell_forked(fs[i])) return ERRAND_EFORKED;
    }
    if (ms == 0) return ETIMEDOUT;
    waitset *set = begin(fs, n, wanted, pool);
    if (!set) return ENOMEM;
    error = errand_wait(&set->cell, ms);
    end(set, fs);
    size_t ended = look(fs, n, done, &pool);
    return ended >= wanted ? 0 : error;
}
