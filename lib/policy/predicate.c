/* policy/predicate.c -- makes stops and retry_ifs, and asks them: stop? try again? A part that
 * cannot change the answer any more is not evaluated. */
#include "policy/predicate.h"

#include <string.h>

/* ---- making: stop ---- */

static er_spec *of_stop(errand_stop *s) { return s ? &s->spec : NULL; }
static errand_stop *stop_of(er_spec *spec) { return (errand_stop *)spec; }
#define STOP(...) stop_of(er_spec_new(&(er_spec){ __VA_ARGS__ }))

errand_stop *errand_stop_never(void) { return STOP(.op = ER_STOP_NEVER); }

errand_stop *errand_stop_after_attempt(unsigned n)
{
    return STOP(.op = ER_STOP_AFTER_ATTEMPT, .a = n,
                .wrong = n ? NULL : "stop: after_attempt: n is 0");
}

errand_stop *errand_stop_after_delay(int64_t ms)
{
    return STOP(.op = ER_STOP_AFTER_DELAY, .a = ms,
                .wrong = ms < 0 ? "stop: after_delay: ms is negative" : NULL);
}

errand_stop *errand_stop_before_delay(int64_t ms)
{
    return STOP(.op = ER_STOP_BEFORE_DELAY, .a = ms,
                .wrong = ms < 0 ? "stop: before_delay: ms is negative" : NULL);
}

errand_stop *errand_stop_custom(errand_predicate_fn *fn, void *arg)
{
    return STOP(.op = ER_STOP_CUSTOM, .fn = (void (*)(void))fn, .arg = arg,
                .wrong = fn ? NULL : "stop: custom: fn is NULL");
}

static errand_stop *both_stops(er_op op, errand_stop *a, errand_stop *b)
{
    er_spec *both = er_spec_add(er_spec_new(&(er_spec){ .op = op }), of_stop(a));
    return stop_of(er_spec_add(both, of_stop(b)));
}

errand_stop *errand_stop_any(errand_stop *a, errand_stop *b)
{
    return both_stops(ER_STOP_ANY, a, b);
}
errand_stop *errand_stop_all(errand_stop *a, errand_stop *b)
{
    return both_stops(ER_STOP_ALL, a, b);
}

void errand_stop_free(errand_stop *stop) { er_spec_free(of_stop(stop)); }

/* ---- making: retry_if ---- */

static er_spec *of_retry_if(errand_retry_if *r) { return r ? &r->spec : NULL; }
static errand_retry_if *retry_if_of(er_spec *spec) { return (errand_retry_if *)spec; }
#define RETRY_IF(...) retry_if_of(er_spec_new(&(er_spec){ __VA_ARGS__ }))

errand_retry_if *errand_retry_if_transient(void) { return RETRY_IF(.op = ER_RETRY_IF_TRANSIENT); }
errand_retry_if *errand_retry_if_failed(void) { return RETRY_IF(.op = ER_RETRY_IF_FAILED); }

errand_retry_if *errand_retry_if_kind(unsigned kinds)
{
    const unsigned known = (2u << ERRAND_KIND_UNKNOWN) - 1,
                   useless = 1u << ERRAND_KIND_OK | 1u << ERRAND_KIND_CANCELLED;
    const char *wrong = NULL;
    if (kinds & useless) wrong = "retry_if: kind: OK and CANCELLED never match";
    if (kinds & ~known) wrong = "retry_if: kind: unknown";
    if (!kinds) wrong = "retry_if: kind: none";
    return RETRY_IF(.op = ER_RETRY_IF_KIND, .a = kinds, .wrong = wrong);
}

/* data: a copy of what was given; NULL: nothing was, so `wrong` says that, or there
 * was no memory for it. */
static errand_retry_if *with_data(er_op op, void *data, int64_t n, int64_t base, const char *wrong)
{
    er_spec spec = { .op = op, .a = n, .b = base, .data = data, .wrong = wrong };
    return retry_if_of(data || wrong ? er_spec_new(&spec) : er_spec_no_memory());
}

static errand_retry_if *among(size_t n, const int *codes, int64_t base, const char *wrong)
{
    bool given = n && n <= INT32_MAX && codes;
    void *copy = given ? er_copy_bytes(codes, n * sizeof *codes) : NULL;
    return with_data(ER_RETRY_IF_ERROR, copy, (int64_t)n, base, given ? NULL : wrong);
}

errand_retry_if *errand_retry_if_error_of(size_t n, const int *errors)
{
    return among(n, errors, 0, "retry_if: error: none");
}

errand_retry_if *errand_retry_if_status_of(size_t n, const int *statuses)
{
    return among(n, statuses, ERRAND_HTTP, "retry_if: status: none");
}

errand_retry_if *errand_retry_if_status_range(int from, int to)
{
    const char *wrong = NULL;
    if (to < from) wrong = "retry_if: status_range: to is less than from";
    if (from < 100 || to > 999) wrong = "retry_if: status_range: not from 100 to 999";
    return RETRY_IF(.op = ER_RETRY_IF_STATUS_RANGE, .a = from, .b = to, .wrong = wrong);
}

static errand_retry_if *text(er_op op, const char *given, const char *wrong)
{
    bool is_text = given && *given;
    return with_data(op, is_text ? er_copy_text(given) : NULL, 0, 0, is_text ? NULL : wrong);
}

errand_retry_if *errand_retry_if_message(const char *part)
{
    return text(ER_RETRY_IF_MESSAGE, part, "retry_if: message: no text");
}

errand_retry_if *errand_retry_if_message_like(const char *pattern)
{
    return text(ER_RETRY_IF_MESSAGE_LIKE, pattern, "retry_if: message_like: no text");
}

errand_retry_if *errand_retry_if_value(errand_value_fn *fn, void *arg)
{
    return RETRY_IF(.op = ER_RETRY_IF_VALUE, .fn = (void (*)(void))fn, .arg = arg,
                    .wrong = fn ? NULL : "retry_if: value: fn is NULL");
}

errand_retry_if *errand_retry_if_custom(errand_predicate_fn *fn, void *arg)
{
    return RETRY_IF(.op = ER_RETRY_IF_CUSTOM, .fn = (void (*)(void))fn, .arg = arg,
                    .wrong = fn ? NULL : "retry_if: custom: fn is NULL");
}

static errand_retry_if *over(er_op op, errand_retry_if *a)
{
    return retry_if_of(er_spec_add(er_spec_new(&(er_spec){ .op = op }), of_retry_if(a)));
}

static errand_retry_if *both(er_op op, errand_retry_if *a, errand_retry_if *b)
{
    return retry_if_of(er_spec_add(of_retry_if(over(op, a)), of_retry_if(b)));
}

errand_retry_if *errand_retry_if_cause(errand_retry_if *a) { return over(ER_RETRY_IF_CAUSE, a); }
errand_retry_if *errand_retry_if_not(errand_retry_if *a) { return over(ER_RETRY_IF_NOT, a); }
errand_retry_if *errand_retry_if_any(errand_retry_if *a, errand_retry_if *b)
{
    return both(ER_RETRY_IF_ANY, a, b);
}
errand_retry_if *errand_retry_if_all(errand_retry_if *a, errand_retry_if *b)
{
    return both(ER_RETRY_IF_ALL, a, b);
}

void errand_retry_if_free(errand_retry_if *retry_if) { er_spec_free(of_retry_if(retry_if)); }

/* ---- asking ---- */

static bool stops(const er_spec *op, const errand_attempt_info *info)
{
    int64_t end;
    switch (op->op) {
    case ER_STOP_AFTER_ATTEMPT: return info->number >= op->a;
    case ER_STOP_AFTER_DELAY: return info->elapsed_ms >= op->a;
    case ER_STOP_BEFORE_DELAY:
        return __builtin_add_overflow(info->elapsed_ms, info->upcoming_ms, &end) || end >= op->a;
    case ER_STOP_CUSTOM: return ((errand_predicate_fn *)op->fn)(info, op->arg);
    case ER_STOP_ANY: return stops(op->child, info) || stops(op->child->next, info);
    case ER_STOP_ALL: return stops(op->child, info) && stops(op->child->next, info);
    default: return false;
    }
}

bool er_stop_ask(const errand_stop *stop, const errand_attempt_info *info)
{
    return stops(&stop->spec, info);
}

/* A star is first taken for nothing; when that leads nowhere, the last one
 * takes one character more. */
static bool is_like(const char *text, const char *pattern)
{
    const char *star = NULL, *taken = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            taken = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++taken;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

static bool is_among(int64_t error, const er_spec *op)
{
    const int *codes = op->data;
    for (int64_t i = 0; i < op->a; i++) {
        if (error == op->b + codes[i]) return true;
    }
    return false;
}

static bool matches(const er_spec *op, const errand_attempt_info *info);

/* The causes of *r, and theirs, deepest last. A chain of causes is as deep as calls were nested:
 * recursion is bounded by DEEP. */
#define DEEP 64
static bool a_cause_matches(const er_spec *op, const errand_attempt_info *info,
                            const errand_result *r, unsigned depth)
{
    const errand_result *cause;
    for (size_t i = 0; depth < DEEP && (cause = errand_result_cause(r, i)); i++) {
        errand_attempt_info of_cause = *info;
        of_cause.last = cause;
        if (matches(op, &of_cause) || a_cause_matches(op, info, cause, depth + 1)) return true;
    }
    return false;
}

static bool failure_matches(const er_spec *op, const errand_attempt_info *info)
{
    const errand_result *r = info->last;
    switch (op->op) {
    case ER_RETRY_IF_TRANSIENT: return errand_result_transient(r);
    case ER_RETRY_IF_FAILED: return true;
    case ER_RETRY_IF_KIND: return op->a >> errand_result_kind(r) & 1;
    case ER_RETRY_IF_ERROR: return is_among(r->error, op);
    case ER_RETRY_IF_STATUS_RANGE:
        return r->error >= ERRAND_HTTP + op->a && r->error <= ERRAND_HTTP + op->b;
    case ER_RETRY_IF_MESSAGE: return strstr(errand_result_message(r), op->data);
    case ER_RETRY_IF_MESSAGE_LIKE: return is_like(errand_result_message(r), op->data);
    case ER_RETRY_IF_CAUSE: return a_cause_matches(op->child, info, r, 0);
    case ER_RETRY_IF_NOT: return !matches(op->child, info);
    default: return false;
    }
}

static bool matches(const er_spec *op, const errand_attempt_info *info)
{
    const errand_result *r = info->last;
    switch (op->op) {
    case ER_RETRY_IF_VALUE: return !r->error && ((errand_value_fn *)op->fn)(r->value, op->arg);
    case ER_RETRY_IF_CUSTOM: return ((errand_predicate_fn *)op->fn)(info, op->arg);
    case ER_RETRY_IF_ANY: return matches(op->child, info) || matches(op->child->next, info);
    case ER_RETRY_IF_ALL: return matches(op->child, info) && matches(op->child->next, info);
    default: return r->error && failure_matches(op, info);
    }
}

bool er_retry_if_ask(const errand_retry_if *retry_if, const errand_attempt_info *info)
{
    return matches(&retry_if->spec, info);
}
