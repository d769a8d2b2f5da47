/* policy/predicate.c -- whether: to stop, to try again. A part that no longer matters is not asked. */
#include "policy/predicate.h"

#include <string.h>

static bool stop_says(const errand_op *op, const errand_view *view)
{
    const errand_op *first = op + 1;
    int64_t end;
    switch (op->op) {
    case ER_STOP_ATTEMPTS:
        return view->number >= op->a;
    case ER_STOP_AFTER:
        return view->elapsed_ms >= op->a;
    case ER_STOP_BEFORE:
        return __builtin_add_overflow(view->elapsed_ms, view->upcoming_ms, &end) || end >= op->a;
    case ER_STOP_BY:
        return ((errand_ask_fn *)op->fn)(view, op->arg);
    case ER_STOP_ANY:
        return stop_says(first, view) || stop_says(first + first->n, view);
    case ER_STOP_ALL:
        return stop_says(first, view) && stop_says(first + first->n, view);
    default:
        return false;
    }
}

bool er_stop_says(const errand_stop_spec *stop, const errand_view *view) { return stop_says(stop->spec.op, view); }

/* A star is first taken for nothing; when that leads nowhere, the last one takes one character more. */
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

static bool is_among(int64_t error, const errand_op *op)
{
    const int *codes = op->p;
    for (int64_t i = 0; i < op->a; i++) {
        if (error == op->b + codes[i]) return true;
    }
    return false;
}

static bool when_says(const errand_op *op, const errand_view *view)
{
    const errand_result *r = view->last;
    const errand_op *first = op + 1;
    switch (op->op) {
    case ER_WHEN_VALUE:
        return !r->error && ((errand_value_fn *)op->fn)(r->value, op->arg);
    case ER_WHEN_BY:
        return ((errand_ask_fn *)op->fn)(view, op->arg);
    case ER_WHEN_ANY:
        return when_says(first, view) || when_says(first + first->n, view);
    case ER_WHEN_ALL:
        return when_says(first, view) && when_says(first + first->n, view);
    default:
        break;
    }
    if (!r->error) return false;
    switch (op->op) {
    case ER_WHEN_TRANSIENT:
        return errand_result_transient(r);
    case ER_WHEN_FAILED:
        return true;
    case ER_WHEN_KINDS:
        return op->a >> errand_result_kind(r) & 1;
    case ER_WHEN_CODES:
        return is_among(r->error, op);
    case ER_WHEN_STATUS:
        return r->error >= ERRAND_HTTP + op->a && r->error <= ERRAND_HTTP + op->b;
    case ER_WHEN_MESSAGE:
        return strstr(errand_result_message(r), op->p);
    case ER_WHEN_MESSAGE_LIKE:
        return is_like(errand_result_message(r), op->p);
    case ER_WHEN_NOT:
        return !when_says(first, view);
    default:
        return false;
    }
}

bool er_when_says(const errand_when_spec *when, const errand_view *view) { return when_says(when->spec.op, view); }
