/* policy/backoff.c -- makes backoffs, and says how long. Computed in double, which
 * saturates where integers would wrap, so any attempt number is fine; random numbers come
 * from (seed, attempt) alone. */
#include "policy/backoff.h"

/* ---- making ---- */

static er_spec *spec_of(errand_backoff *b) { return b ? &b->spec : NULL; }
static errand_backoff *backoff_of(er_spec *spec) { return (errand_backoff *)spec; }
#define BACKOFF(...) backoff_of(er_spec_new(&(er_spec){ __VA_ARGS__ }))

static errand_backoff *over(const er_spec *op, errand_backoff *b)
{
    return backoff_of(er_spec_add(er_spec_new(op), spec_of(b)));
}

errand_backoff *errand_backoff_none(void) { return BACKOFF(.op = ER_BACKOFF_NONE); }

errand_backoff *errand_backoff_fixed(int64_t ms)
{
    return BACKOFF(.op = ER_BACKOFF_FIXED, .a = ms,
                   .wrong = ms < 0 ? "backoff: fixed: ms is negative" : NULL);
}

errand_backoff *errand_backoff_random(int64_t min, int64_t max)
{
    const char *wrong = NULL;
    if (max < min) wrong = "backoff: random: max is less than min";
    if (min < 0) wrong = "backoff: random: min is negative";
    return BACKOFF(.op = ER_BACKOFF_RANDOM, .b = max, .c = min, .wrong = wrong);
}

errand_backoff *errand_backoff_incrementing(int64_t start, int64_t step, int64_t max)
{
    const char *wrong = NULL;
    if (max < start) wrong = "backoff: incrementing: max is less than start";
    if (start < 0) wrong = "backoff: incrementing: start is negative";
    return BACKOFF(.op = ER_BACKOFF_INCREMENTING, .a = start, .b = max, .c = step, .wrong = wrong);
}

static errand_backoff *exponential(er_op op, int64_t initial, int64_t max, double multiplier,
                                   int64_t min)
{
    const char *wrong = NULL;
    if (!(multiplier >= 1 && multiplier <= 1e9))
        wrong = "backoff: exponential: multiplier is not a number from 1 to 1e9";
    if (max < min) wrong = "backoff: exponential: max is less than min";
    if (min < 0) wrong = "backoff: exponential: min is negative";
    if (max < initial) wrong = "backoff: exponential: max is less than initial";
    if (initial < 0) wrong = "backoff: exponential: initial is negative";
    return BACKOFF(.op = op, .a = initial, .b = max, .c = min, .f = multiplier, .wrong = wrong);
}

errand_backoff *errand_backoff_exponential(int64_t initial, int64_t max, double multiplier,
                                           int64_t min)
{
    return exponential(ER_BACKOFF_EXPONENTIAL, initial, max, multiplier, min);
}

errand_backoff *errand_backoff_random_exponential(int64_t initial, int64_t max, double multiplier,
                                                  int64_t min)
{
    return exponential(ER_BACKOFF_RANDOM_EXPONENTIAL, initial, max, multiplier, min);
}

errand_backoff *errand_backoff_exponential_jitter(int64_t initial, int64_t max, double multiplier,
                                                  int64_t jitter)
{
    errand_backoff *grows = errand_backoff_exponential(initial, ERRAND_FOREVER, multiplier, 0);
    er_spec added = { .op = ER_BACKOFF_ADDED, .a = jitter };
    if (jitter < 0) added.wrong = "backoff: exponential_jitter: jitter is negative";
    return errand_backoff_capped(over(&added, grows), max);
}

errand_backoff *errand_backoff_fibonacci(int64_t initial, int64_t max)
{
    const char *wrong = NULL;
    if (max < initial) wrong = "backoff: fibonacci: max is less than initial";
    if (initial < 0) wrong = "backoff: fibonacci: initial is negative";
    return BACKOFF(.op = ER_BACKOFF_FIBONACCI, .a = initial, .b = max, .wrong = wrong);
}

errand_backoff *errand_backoff_decay(int64_t initial, double rate, int64_t min)
{
    const char *wrong = NULL;
    if (!(rate >= 0 && rate <= 1e9)) wrong = "backoff: decay: rate is not a number from 0 to 1e9";
    if (initial < min) wrong = "backoff: decay: initial is less than min";
    if (min < 0) wrong = "backoff: decay: min is negative";
    return BACKOFF(.op = ER_BACKOFF_DECAY, .a = initial, .c = min, .f = rate, .wrong = wrong);
}

errand_backoff *errand_backoff_decorrelated(int64_t initial, int64_t max)
{
    const char *wrong = NULL;
    if (max < initial) wrong = "backoff: decorrelated: max is less than initial";
    if (initial < 0) wrong = "backoff: decorrelated: initial is negative";
    return BACKOFF(.op = ER_BACKOFF_DECORRELATED, .a = initial, .b = max, .wrong = wrong);
}

errand_backoff *errand_backoff_custom(errand_backoff_fn *fn, void *arg)
{
    return BACKOFF(.op = ER_BACKOFF_CUSTOM, .fn = (void (*)(void))fn, .arg = arg,
                   .wrong = fn ? NULL : "backoff: custom: fn is NULL");
}

errand_backoff *errand_backoff_jitter(errand_backoff *b, errand_jitter jitter)
{
    er_spec op = { .op = ER_BACKOFF_JITTER, .a = jitter };
    if ((unsigned)jitter > ERRAND_JITTER_EQUAL) op.wrong = "backoff: jitter: unknown";
    if (jitter == ERRAND_JITTER_DECORRELATED)
        op.wrong = "backoff: jitter: DECORRELATED has a backoff of its own";
    return over(&op, b);
}

errand_backoff *errand_backoff_randomized(errand_backoff *b, double ratio)
{
    er_spec op = { .op = ER_BACKOFF_RANDOMIZED, .f = ratio };
    if (!(ratio >= 0 && ratio <= 1))
        op.wrong = "backoff: randomized: ratio is not a number from 0 to 1";
    return over(&op, b);
}

errand_backoff *errand_backoff_capped(errand_backoff *b, int64_t max)
{
    return over(&(er_spec){ .op = ER_BACKOFF_CAPPED,
                            .b = max,
                            .wrong = max < 0 ? "backoff: capped: max is negative" : NULL },
                b);
}

static errand_backoff *of_two(er_op op, errand_backoff *a, errand_backoff *b)
{
    return backoff_of(er_spec_add(spec_of(over(&(er_spec){ .op = op }, a)), spec_of(b)));
}

errand_backoff *errand_backoff_sum(errand_backoff *a, errand_backoff *b)
{
    return of_two(ER_BACKOFF_SUM, a, b);
}
errand_backoff *errand_backoff_max(errand_backoff *a, errand_backoff *b)
{
    return of_two(ER_BACKOFF_MAX, a, b);
}
errand_backoff *errand_backoff_poll(errand_backoff *polled, errand_backoff *failed)
{
    return of_two(ER_BACKOFF_POLL, polled, failed);
}

errand_backoff *errand_backoff_chain(size_t n, errand_backoff *const parts[])
{
    er_spec *chain = er_spec_new(&(er_spec){ .op = ER_BACKOFF_CHAIN });
    if (!n || !parts) return backoff_of(er_spec_add(chain, NULL));
    for (size_t i = 0; i < n; i++) chain = er_spec_add(chain, spec_of(parts[i]));
    return backoff_of(chain);
}

void errand_backoff_free(errand_backoff *backoff) { er_spec_free(spec_of(backoff)); }

/* ---- how long ---- */

typedef struct waiting {
    unsigned n;
    double before; /* -1: none */
    uint64_t random;
    const errand_attempt_info *info;
} waiting;

static double min_of(double a, double b) { return a < b ? a : b; }
static double max_of(double a, double b) { return a > b ? a : b; }

/* A real number of [min, max]; max is not less. */
static double between(waiting *w, double min, double max)
{
    return min + (max - min) * er_random_fraction(&w->random);
}

/* multiplier^n by squaring: any n is quick, and what is too much becomes infinite. */
static double power(double multiplier, unsigned n)
{
    double p = 1;
    for (; n; n /= 2, multiplier *= multiplier) {
        if (n % 2) p *= multiplier;
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

static double grown(double first, double multiplier, unsigned n)
{
    return first > 0 ? first * power(multiplier, n - 1) : 0;
}

static double fibonacci(double first, double max, unsigned n)
{
    double a = first, b = first;
    for (; n > 1 && a < max && a > 0; n--) {
        double next = a + b;
        a = b;
        b = next;
    }
    return min_of(a, max);
}

static double jittered(waiting *w, double wait, errand_jitter jitter)
{
    if (jitter == ERRAND_JITTER_FULL) return between(w, 0, wait);
    if (jitter == ERRAND_JITTER_EQUAL) return between(w, wait / 2, wait);
    return wait;
}

static double decorrelated(waiting *w, double first, double max)
{
    double high = 3 * (w->before < 0 ? first : w->before);
    return min_of(between(w, first, max_of(first, high)), max);
}

static double eval(const er_spec *op, waiting *w)
{
    double a = (double)op->a, max = (double)op->b, min = (double)op->c;
    const er_spec *first = op->child;
    double wait;
    switch (op->op) {
    case ER_BACKOFF_FIXED: return a;
    case ER_BACKOFF_RANDOM: /* whole milliseconds, each equally likely */
        return min_of(max,
                      min + (double)(int64_t)((max - min + 1) * er_random_fraction(&w->random)));
    case ER_BACKOFF_INCREMENTING: return max_of(0, min_of(a + (w->n - 1.0) * min, max));
    case ER_BACKOFF_EXPONENTIAL: return max_of(min, min_of(grown(a, op->f, w->n), max));
    case ER_BACKOFF_RANDOM_EXPONENTIAL:
        return between(w, min, max_of(min, min_of(grown(a, op->f, w->n), max)));
    case ER_BACKOFF_FIBONACCI: return fibonacci(a, max, w->n);
    case ER_BACKOFF_DECAY: return max_of(min, a * power(exp_minus(op->f), w->n - 1));
    case ER_BACKOFF_DECORRELATED: return decorrelated(w, a, max);
    case ER_BACKOFF_CUSTOM:
        return max_of(0, (double)((errand_backoff_fn *)op->fn)(w->info, op->arg));
    case ER_BACKOFF_JITTER: return jittered(w, eval(first, w), (errand_jitter)op->a);
    case ER_BACKOFF_RANDOMIZED:
        wait = eval(first, w);
        return between(w, wait * (1 - op->f), wait * (1 + op->f));
    case ER_BACKOFF_ADDED: wait = eval(first, w); return wait + between(w, 0, a);
    case ER_BACKOFF_CAPPED: return min_of(eval(first, w), max);
    case ER_BACKOFF_SUM: wait = eval(first, w); return wait + eval(first->next, w);
    case ER_BACKOFF_MAX: wait = eval(first, w); return max_of(wait, eval(first->next, w));
    case ER_BACKOFF_CHAIN:
        for (unsigned i = 1; first->next && i < w->n; i++) first = first->next;
        return eval(first, w);
    case ER_BACKOFF_POLL:
        return eval(w->info->last && !w->info->last->error ? first : first->next, w);
    default: return 0;
    }
}

static waiting begin(const er_wait_from *from)
{
    unsigned n = from->info->number;
    return (waiting){ .n = n,
                      .before = from->before < 0 ? -1 : (double)from->before,
                      .random = from->seed + n * UINT64_C(0xd1342543de82ef95),
                      .info = from->info };
}

static int64_t whole(double wait) /* rounded: the mean stays what it is */
{
    return wait >= 9e18 ? INT64_MAX : (int64_t)(wait + 0.5);
}

int64_t er_backoff_wait(const errand_backoff *backoff, const er_wait_from *from)
{
    waiting w = begin(from);
    return whole(eval(&backoff->spec, &w));
}

int64_t er_backoff_of(const errand_policy_opts *how, int64_t initial, const er_wait_from *from)
{
    waiting w = begin(from);
    double max = (double)how->max_ms;
    if (how->jitter == ERRAND_JITTER_DECORRELATED)
        return whole(decorrelated(&w, (double)initial, max));
    return whole(jittered(&w, min_of(grown((double)initial, how->multiplier, w.n), max),
                          how->jitter));
}
