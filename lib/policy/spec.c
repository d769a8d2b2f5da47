/* policy/spec.c -- makes specs, checks them, copies what they point to. Making never fails: what does not fit or is empty is noted in
 * `bad`, and told when a policy is made of it. So there is one place where errors come out, and specs can be nested in expressions. */
#include "policy/spec.h"

#include <string.h>

/* ---- making ---- */

static errand_spec leaf(errand_op op)
{
    op.n = 1;
    return (errand_spec){ .n = 1, .op = { op } };
}

static void append(errand_spec *s, const errand_spec *child)
{
    if (!s->bad) s->bad = child->bad;
    if (!s->bad && !child->n) s->bad = ER_SPEC_EMPTY;
    if (s->bad) return;
    if (child->n > ERRAND_SPEC_OPS - s->n) {
        s->bad = ER_SPEC_LONG;
        return;
    }
    memcpy(&s->op[s->n], child->op, child->n * sizeof *child->op);
    s->n += child->n;
    s->op[0].n = s->n;
}

static errand_spec over(errand_op op, const errand_spec *a, const errand_spec *b)
{
    errand_spec s = leaf(op);
    append(&s, a);
    if (b) append(&s, b);
    return s;
}

#define WAIT(...)                                                                                                      \
    return (errand_wait_spec) { leaf((errand_op){ __VA_ARGS__ }) }
#define STOP(...)                                                                                                      \
    return (errand_stop_spec) { leaf((errand_op){ __VA_ARGS__ }) }
#define WHEN(...)                                                                                                      \
    return (errand_when_spec) { leaf((errand_op){ __VA_ARGS__ }) }

errand_wait_spec errand_wait_none(void) { WAIT(.op = ER_WAIT_NONE); }
errand_wait_spec errand_wait_fixed(int64_t ms) { WAIT(.op = ER_WAIT_FIXED, .a = ms); }
errand_wait_spec errand_wait_random(int64_t least, int64_t most) { WAIT(.op = ER_WAIT_RANDOM, .b = most, .c = least); }
errand_wait_spec errand_wait_incrementing(int64_t start, int64_t step, int64_t most)
{
    WAIT(.op = ER_WAIT_INCREMENTING, .a = start, .b = most, .c = step);
}
errand_wait_spec errand_wait_exponential(int64_t first, int64_t most, double factor, int64_t least)
{
    WAIT(.op = ER_WAIT_EXPONENTIAL, .a = first, .b = most, .c = least, .f = factor);
}
errand_wait_spec errand_wait_random_exponential(int64_t first, int64_t most, double factor, int64_t least)
{
    WAIT(.op = ER_WAIT_RANDOM_EXPONENTIAL, .a = first, .b = most, .c = least, .f = factor);
}
errand_wait_spec errand_wait_exponential_jitter(int64_t first, int64_t most, double factor, int64_t jitter)
{
    return errand_wait_capped(errand_wait_added(errand_wait_exponential(first, ERRAND_FOREVER, factor, 0), jitter),
                              most);
}
errand_wait_spec errand_wait_fibonacci(int64_t first, int64_t most)
{
    WAIT(.op = ER_WAIT_FIBONACCI, .a = first, .b = most);
}
errand_wait_spec errand_wait_decay(int64_t first, double rate, int64_t least)
{
    WAIT(.op = ER_WAIT_DECAY, .a = first, .c = least, .f = rate);
}
errand_wait_spec errand_wait_decorrelated(int64_t first, int64_t most)
{
    WAIT(.op = ER_WAIT_DECORRELATED, .a = first, .b = most);
}
errand_wait_spec errand_wait_by(errand_wait_fn *fn, void *arg)
{
    WAIT(.op = ER_WAIT_BY, .fn = (void (*)(void))fn, .arg = arg);
}
errand_wait_spec errand_wait_jitter(errand_wait_spec w, errand_jitter jitter)
{
    return (errand_wait_spec){ over((errand_op){ .op = ER_WAIT_JITTER, .a = jitter }, &w.spec, NULL) };
}
errand_wait_spec errand_wait_added(errand_wait_spec w, int64_t jitter)
{
    return (errand_wait_spec){ over((errand_op){ .op = ER_WAIT_ADDED, .a = jitter }, &w.spec, NULL) };
}
errand_wait_spec errand_wait_capped(errand_wait_spec w, int64_t most)
{
    return (errand_wait_spec){ over((errand_op){ .op = ER_WAIT_CAPPED, .b = most }, &w.spec, NULL) };
}
errand_wait_spec errand_wait_sum(errand_wait_spec a, errand_wait_spec b)
{
    return (errand_wait_spec){ over((errand_op){ .op = ER_WAIT_SUM }, &a.spec, &b.spec) };
}
errand_wait_spec errand_wait_max(errand_wait_spec a, errand_wait_spec b)
{
    return (errand_wait_spec){ over((errand_op){ .op = ER_WAIT_MAX }, &a.spec, &b.spec) };
}
errand_wait_spec errand_wait_poll(errand_wait_spec polled, errand_wait_spec failed)
{
    return (errand_wait_spec){ over((errand_op){ .op = ER_WAIT_POLL }, &polled.spec, &failed.spec) };
}
errand_wait_spec errand_wait_chain(size_t n, const errand_wait_spec *waits)
{
    errand_spec s = leaf((errand_op){ .op = ER_WAIT_CHAIN, .a = (int64_t)n });
    if (!n || !waits) s.bad = ER_SPEC_EMPTY;
    for (size_t i = 0; i < n && !s.bad; i++) append(&s, &waits[i].spec);
    return (errand_wait_spec){ s };
}

errand_stop_spec errand_stop_never(void) { STOP(.op = ER_STOP_NEVER); }
errand_stop_spec errand_stop_attempts(unsigned n) { STOP(.op = ER_STOP_ATTEMPTS, .a = n); }
errand_stop_spec errand_stop_after(int64_t ms) { STOP(.op = ER_STOP_AFTER, .a = ms); }
errand_stop_spec errand_stop_before(int64_t ms) { STOP(.op = ER_STOP_BEFORE, .a = ms); }
errand_stop_spec errand_stop_by(errand_ask_fn *fn, void *arg)
{
    STOP(.op = ER_STOP_BY, .fn = (void (*)(void))fn, .arg = arg);
}
errand_stop_spec errand_stop_any(errand_stop_spec a, errand_stop_spec b)
{
    return (errand_stop_spec){ over((errand_op){ .op = ER_STOP_ANY }, &a.spec, &b.spec) };
}
errand_stop_spec errand_stop_all(errand_stop_spec a, errand_stop_spec b)
{
    return (errand_stop_spec){ over((errand_op){ .op = ER_STOP_ALL }, &a.spec, &b.spec) };
}

errand_when_spec errand_when_transient(void) { WHEN(.op = ER_WHEN_TRANSIENT); }
errand_when_spec errand_when_failed(void) { WHEN(.op = ER_WHEN_FAILED); }
errand_when_spec errand_when_kinds(unsigned kinds) { WHEN(.op = ER_WHEN_KINDS, .a = kinds); }
errand_when_spec errand_when_codes_of(size_t n, const int *codes)
{
    WHEN(.op = ER_WHEN_CODES, .a = (int64_t)n, .p = codes);
}
errand_when_spec errand_when_statuses_of(size_t n, const int *statuses)
{
    WHEN(.op = ER_WHEN_CODES, .a = (int64_t)n, .b = ERRAND_HTTP, .p = statuses);
}
errand_when_spec errand_when_status(int from, int to) { WHEN(.op = ER_WHEN_STATUS, .a = from, .b = to); }
errand_when_spec errand_when_message(const char *text) { WHEN(.op = ER_WHEN_MESSAGE, .p = text); }
errand_when_spec errand_when_message_like(const char *pattern) { WHEN(.op = ER_WHEN_MESSAGE_LIKE, .p = pattern); }
errand_when_spec errand_when_value(errand_value_fn *fn, void *arg)
{
    WHEN(.op = ER_WHEN_VALUE, .fn = (void (*)(void))fn, .arg = arg);
}
errand_when_spec errand_when_by(errand_ask_fn *fn, void *arg)
{
    WHEN(.op = ER_WHEN_BY, .fn = (void (*)(void))fn, .arg = arg);
}
errand_when_spec errand_when_not(errand_when_spec a)
{
    return (errand_when_spec){ over((errand_op){ .op = ER_WHEN_NOT }, &a.spec, NULL) };
}
errand_when_spec errand_when_any(errand_when_spec a, errand_when_spec b)
{
    return (errand_when_spec){ over((errand_op){ .op = ER_WHEN_ANY }, &a.spec, &b.spec) };
}
errand_when_spec errand_when_all(errand_when_spec a, errand_when_spec b)
{
    return (errand_when_spec){ over((errand_op){ .op = ER_WHEN_ALL }, &a.spec, &b.spec) };
}

/* ---- checking ---- */

static const char *wait_op_wrong(const errand_op *op)
{
    switch (op->op) {
    case ER_WAIT_NONE:
    case ER_WAIT_SUM:
    case ER_WAIT_MAX:
    case ER_WAIT_CHAIN:
    case ER_WAIT_POLL:
        return NULL;
    case ER_WAIT_FIXED:
        return op->a < 0 ? "wait: fixed: negative" : NULL;
    case ER_WAIT_RANDOM:
        if (op->c < 0) return "wait: random: least is negative";
        return op->b < op->c ? "wait: random: most is less than least" : NULL;
    case ER_WAIT_INCREMENTING:
        if (op->a < 0) return "wait: incrementing: start is negative";
        return op->b < op->a ? "wait: incrementing: most is less than start" : NULL;
    case ER_WAIT_EXPONENTIAL:
    case ER_WAIT_RANDOM_EXPONENTIAL:
        if (op->a < 0) return "wait: exponential: first is negative";
        if (op->b < op->a) return "wait: exponential: most is less than first";
        if (op->c < 0) return "wait: exponential: least is negative";
        if (op->b < op->c) return "wait: exponential: most is less than least";
        return !(op->f >= 1 && op->f <= 1e9) ? "wait: exponential: factor is not a number from 1 to 1e9" : NULL;
    case ER_WAIT_FIBONACCI:
        if (op->a < 0) return "wait: fibonacci: first is negative";
        return op->b < op->a ? "wait: fibonacci: most is less than first" : NULL;
    case ER_WAIT_DECAY:
        if (op->c < 0) return "wait: decay: least is negative";
        if (op->a < op->c) return "wait: decay: first is less than least";
        return !(op->f >= 0 && op->f <= 1e9) ? "wait: decay: rate is not a number from 0 to 1e9" : NULL;
    case ER_WAIT_DECORRELATED:
        if (op->a < 0) return "wait: decorrelated: first is negative";
        return op->b < op->a ? "wait: decorrelated: most is less than first" : NULL;
    case ER_WAIT_BY:
        return op->fn ? NULL : "wait: by: no function";
    case ER_WAIT_JITTER:
        if (op->a == ERRAND_JITTER_DECORRELATED) return "wait: jitter: decorrelated is a wait of its own";
        return op->a < 0 || op->a > ERRAND_JITTER_EQUAL ? "wait: jitter: unknown" : NULL;
    case ER_WAIT_ADDED:
        return op->a < 0 ? "wait: added: negative" : NULL;
    case ER_WAIT_CAPPED:
        return op->b < 0 ? "wait: capped: negative" : NULL;
    default:
        return "wait: not made by errand_wait_...";
    }
}

static const char *stop_op_wrong(const errand_op *op)
{
    switch (op->op) {
    case ER_STOP_NEVER:
    case ER_STOP_ANY:
    case ER_STOP_ALL:
        return NULL;
    case ER_STOP_ATTEMPTS:
        return op->a < 1 ? "stop: attempts: 0" : NULL;
    case ER_STOP_AFTER:
        return op->a < 0 ? "stop: after: negative" : NULL;
    case ER_STOP_BEFORE:
        return op->a < 0 ? "stop: before: negative" : NULL;
    case ER_STOP_BY:
        return op->fn ? NULL : "stop: by: no function";
    default:
        return "stop: not made by errand_stop_...";
    }
}

static const char *when_op_wrong(const errand_op *op)
{
    const int64_t kinds = (INT64_C(2) << ERRAND_KIND_UNKNOWN) - 1,
                  useless = 1 << ERRAND_KIND_OK | 1 << ERRAND_KIND_CANCELLED;
    switch (op->op) {
    case ER_WHEN_TRANSIENT:
    case ER_WHEN_FAILED:
    case ER_WHEN_NOT:
    case ER_WHEN_ANY:
    case ER_WHEN_ALL:
        return NULL;
    case ER_WHEN_KINDS:
        if (!op->a) return "when: kinds: none";
        if (op->a & ~kinds) return "when: kinds: unknown";
        return op->a & useless ? "when: kinds: OK and CANCELLED never match" : NULL;
    case ER_WHEN_CODES:
        return op->a < 1 || op->a > INT32_MAX || !op->p ? "when: codes: none" : NULL;
    case ER_WHEN_STATUS:
        if (op->a < 100 || op->b > 999) return "when: status: not from 100 to 999";
        return op->b < op->a ? "when: status: to is less than from" : NULL;
    case ER_WHEN_MESSAGE:
    case ER_WHEN_MESSAGE_LIKE:
        return !op->p || !*(const char *)op->p ? "when: message: no text" : NULL;
    case ER_WHEN_VALUE:
        return op->fn ? NULL : "when: value: no function";
    case ER_WHEN_BY:
        return op->fn ? NULL : "when: by: no function";
    default:
        return "when: not made by errand_when_...";
    }
}

/* Sizes of the parts add up; what the doors make always does. */
static bool is_whole(const errand_op *op, uint32_t room)
{
    if (!room || !op->n || op->n > room) return false;
    for (uint32_t at = 1; at < op->n; at += op[at].n) {
        if (!is_whole(op + at, op->n - at)) return false;
    }
    return true;
}

static bool has_shape(const errand_spec *s)
{
    return s->n <= ERRAND_SPEC_OPS && is_whole(s->op, s->n) && s->op[0].n == s->n;
}

const char *er_wait_wrong(const errand_wait_spec *wait)
{
    const errand_spec *s = &wait->spec;
    if (s->bad == ER_SPEC_LONG) return "wait: more than 16 operations";
    if (s->bad) return "wait: an empty part";
    if (!has_shape(s)) return "wait: not made by errand_wait_...";
    const char *wrong = NULL;
    for (uint32_t i = 0; i < s->n && !wrong; i++) wrong = wait_op_wrong(&s->op[i]);
    return wrong;
}

const char *er_stop_wrong(const errand_stop_spec *stop)
{
    const errand_spec *s = &stop->spec;
    if (s->bad == ER_SPEC_LONG) return "stop: more than 16 operations";
    if (s->bad) return "stop: an empty part";
    if (!has_shape(s)) return "stop: not made by errand_stop_...";
    const char *wrong = NULL;
    for (uint32_t i = 0; i < s->n && !wrong; i++) wrong = stop_op_wrong(&s->op[i]);
    return wrong;
}

const char *er_when_wrong(const errand_when_spec *when)
{
    const errand_spec *s = &when->spec;
    if (s->bad == ER_SPEC_LONG) return "when: more than 16 operations";
    if (s->bad) return "when: an empty part";
    if (!has_shape(s)) return "when: not made by errand_when_...";
    const char *wrong = NULL;
    for (uint32_t i = 0; i < s->n && !wrong; i++) wrong = when_op_wrong(&s->op[i]);
    return wrong;
}

bool er_spec_has(const errand_spec *spec, uint32_t op)
{
    for (uint32_t i = 0; i < spec->n; i++) {
        if (spec->op[i].op == op) return true;
    }
    return false;
}

/* ---- what they point to ---- */

bool er_when_copy(errand_when_spec *when)
{
    for (uint32_t i = 0; i < when->spec.n; i++) {
        errand_op *op = &when->spec.op[i];
        if (!op->p) continue;
        size_t size = op->op == ER_WHEN_CODES ? (size_t)op->a * sizeof(int) : strlen(op->p);
        op->p = er_copy_bytes(op->p, size);
        if (op->p) continue;
        when->spec.n = i; /* what is copied so far */
        er_when_free(when);
        return false;
    }
    return true;
}

void er_when_free(errand_when_spec *when)
{
    for (uint32_t i = 0; i < when->spec.n; i++) er_free((void *)(uintptr_t)when->spec.op[i].p);
}
