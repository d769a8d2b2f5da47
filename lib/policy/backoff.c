/* policy/backoff.c -- how long. Computed in double, which saturates where integers would wrap, so any attempt number is fine; random numbers
 * come from (seed, attempt) alone. */
#include "policy/backoff.h"

typedef struct waiting {
    unsigned n;
    double before; /* -1: none */
    uint64_t random;
    const errand_view *view;
} waiting;

static double least_of(double a, double b) { return a < b ? a : b; }
static double most_of(double a, double b) { return a > b ? a : b; }

/* A real number of [least, most]; most is not less. */
static double between(waiting *w, double least, double most)
{
    return least + (most - least) * er_random_fraction(&w->random);
}

/* factor^n by squaring: any n is quick, and what is too much becomes infinite. */
static double power(double factor, unsigned n)
{
    double p = 1;
    for (; n; n /= 2, factor *= factor) {
        if (n % 2) p *= factor;
    }
    return p;
}

/* e^-x, x >= 0: Taylor's series of a small part of it, squared up again; good to 1e-12. */
static double exp_minus(double x)
{
    int halved = 0;
    for (; x > 0.5; x /= 2) halved++;
    double sum = 1, term = 1;
    for (int i = 1; i < 16; i++) sum += term *= -x / i;
    for (; halved; halved--) sum *= sum;
    return sum;
}

static double grown(double first, double factor, unsigned n) { return first > 0 ? first * power(factor, n - 1) : 0; }

static double fibonacci(double first, double most, unsigned n)
{
    double a = first, b = first;
    for (; n > 1 && a < most && a > 0; n--) {
        double next = a + b;
        a = b;
        b = next;
    }
    return least_of(a, most);
}

static double jittered(waiting *w, double wait, errand_jitter jitter)
{
    if (jitter == ERRAND_JITTER_FULL) return between(w, 0, wait);
    if (jitter == ERRAND_JITTER_EQUAL) return between(w, wait / 2, wait);
    return wait;
}

static double decorrelated(waiting *w, double first, double most)
{
    double high = 3 * (w->before < 0 ? first : w->before);
    return least_of(between(w, first, most_of(first, high)), most);
}

static double eval(const errand_op *op, waiting *w)
{
    double a = (double)op->a, most = (double)op->b, least = (double)op->c;
    const errand_op *first = op + 1; /* its children */
    double wait;
    switch (op->op) {
    case ER_WAIT_FIXED:
        return a;
    case ER_WAIT_RANDOM: /* whole milliseconds, each equally likely */
        return least_of(most, least + (double)(int64_t)((most - least + 1) * er_random_fraction(&w->random)));
    case ER_WAIT_INCREMENTING:
        return most_of(0, least_of(a + (w->n - 1.0) * least, most));
    case ER_WAIT_EXPONENTIAL:
        return most_of(least, least_of(grown(a, op->f, w->n), most));
    case ER_WAIT_RANDOM_EXPONENTIAL:
        return between(w, least, most_of(least, least_of(grown(a, op->f, w->n), most)));
    case ER_WAIT_FIBONACCI:
        return fibonacci(a, most, w->n);
    case ER_WAIT_DECAY:
        return most_of(least, a * power(exp_minus(op->f), w->n - 1));
    case ER_WAIT_DECORRELATED:
        return decorrelated(w, a, most);
    case ER_WAIT_BY:
        return most_of(0, (double)((errand_wait_fn *)op->fn)(w->view, op->arg));
    case ER_WAIT_JITTER:
        return jittered(w, eval(first, w), (errand_jitter)op->a);
    case ER_WAIT_ADDED:
        wait = eval(first, w);
        return wait + between(w, 0, a);
    case ER_WAIT_CAPPED:
        return least_of(eval(first, w), most);
    case ER_WAIT_SUM:
        wait = eval(first, w);
        return wait + eval(first + first->n, w);
    case ER_WAIT_MAX:
        wait = eval(first, w);
        return most_of(wait, eval(first + first->n, w));
    case ER_WAIT_CHAIN:
        for (int64_t i = 1; i < op->a && i < w->n; i++) first += first->n;
        return eval(first, w);
    case ER_WAIT_POLL:
        return eval(w->view->last && !w->view->last->error ? first : first + first->n, w);
    default:
        return 0;
    }
}

static waiting begin(const er_wait_from *from)
{
    unsigned n = from->view->number;
    return (waiting){ .n = n,
                      .before = from->before < 0 ? -1 : (double)from->before,
                      .random = from->seed + n * UINT64_C(0xd1342543de82ef95),
                      .view = from->view };
}

static int64_t whole(double wait) /* rounded: the mean stays what it is */
{
    return wait >= 9e18 ? INT64_MAX : (int64_t)(wait + 0.5);
}

int64_t er_wait_of(const errand_wait_spec *wait, const er_wait_from *from)
{
    waiting w = begin(from);
    return whole(eval(wait->spec.op, &w));
}

int64_t er_backoff_of(int64_t first, int64_t most, double factor, errand_jitter jitter, const er_wait_from *from)
{
    waiting w = begin(from);
    if (jitter == ERRAND_JITTER_DECORRELATED) return whole(decorrelated(&w, (double)first, (double)most));
    return whole(jittered(&w, least_of(grown((double)first, factor, w.n), (double)most), jitter));
}
