/* log/spot.c -- vsnprintf at the call, and where the fields' values begin in what it made.
 *
 * Only the C library knows where it ends one conversion and begins the next. So an unknown plan has
 * a mark in its format in place of each field's key: a control character and 16 digits that this
 * process has drawn at random, so that no argument holds them. What stands between two marks is a
 * value; the marks are taken out.
 *
 * A result comes out as its address, so wide that the beginning of its row fits in its place
 * when there is no memory for more. */
#include "log/spot.h"
#include "log/escape.h"
#include "log/result_row.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Bytes of the text, with the marks in it; 0: nothing could be formatted. */
static size_t format_longer(er_spot *spot, const char *format, va_list args, size_t whole,
                            size_t longest)
{
    size_t keep = whole <= longest ? whole : longest;
    int error = errno;
    spot->longer = er_alloc(keep + 2);
    errno = error;
    if (spot->longer) { /* one more than is kept, to see where a character ends */
        int n = er_vformat(spot->longer, keep + 2, format, args);
        spot->at = spot->longer;
        /* an argument changed meanwhile */
        if (n < 0 || (size_t)n < keep) return n < 0 ? 0 : (size_t)n;
    } else {
        keep = sizeof spot->text - 2;
    }
    if (keep == whole) return whole;
    size_t kept = er_utf8_whole(spot->at, keep);
    for (size_t back = 1; back < ER_SPOT_MARK && back <= kept; back++) { /* not a part of a mark */
        if (!memcmp(spot->at + kept - back, er_spot_mark, back)) kept -= back;
    }
    spot->mark_size = er_text_mark(spot->mark, whole - kept);
    return kept;
}

static const char *next_mark(const char *at, const char *end)
{
    for (; (at = memchr(at, er_spot_mark[0], (size_t)(end - at))); at++) {
        if ((size_t)(end - at) < ER_SPOT_MARK) return NULL;
        if (!memcmp(at, er_spot_mark, ER_SPOT_MARK)) return at;
    }
    return NULL;
}

/* Takes the marks out and notes what stood between them. */
static void find_values(er_spot *spot, const er_plan *plan)
{
    char *text = spot->longer ? spot->longer : spot->text, *from = text, *to = text,
         *end = text + spot->size;
    er_values *values = &spot->values;
    for (uint32_t i = 0;; i++) {
        const char *mark = i < plan->parts ? next_mark(from, end) : NULL;
        size_t size = (size_t)((mark ? mark : end) - from);
        memmove(to, from, size);
        if (i) values->of[i - 1].size = size;
        else values->message = size;
        to += size;
        from += size + ER_SPOT_MARK;
        if (!mark) break;
        const er_part *key = &plan->part[i];
        values->of[values->n++] = (er_value){ plan->text + key->at, key->key_size,
                                              (size_t)(to - text), 0, (er_value_kind)key->kind };
        spot->keys += key->key_size;
    }
    spot->size = (size_t)(to - text);
}

static bool is_result(const er_value *v) { return v->kind == ER_VALUE_RESULT; }

/* as vsnprintf has printed it; NULL is no number */
static const errand_result *result_at(const char *address)
{
    char alone[ER_SPOT_ROW + 1] = { 0 };
    memcpy(alone, address, ER_SPOT_ROW);
    return (const errand_result *)(uintptr_t)strtoull(alone, NULL, 16); /* it was one */
}

/* The row of that result, at most `room` bytes with the mark of what is cut. Returns its size. */
static size_t put_row(char *to, size_t room, const errand_result *r)
{
    char mark[ER_TEXT_MARK];
    size_t whole = er_result_row(NULL, 0, r);
    if (whole <= room) return er_result_row(to, room, r);
    er_result_row(to, room - sizeof mark, r);
    size_t keep = er_result_row_cut(to, room - sizeof mark),
           marked = er_text_mark(mark, whole - keep);
    memcpy(to + keep, mark, marked);
    return keep + marked;
}

/* Room for each row: what `longest` leaves for it, if the whole text is moved to a place that
 * has it; else that of its address. */
static char *find_room(const er_spot *spot, size_t longest, size_t *each)
{
    size_t rows = 0, others = spot->size, needed = 0;
    for (unsigned i = 0; i < spot->values.n; i++) {
        const er_value *v = &spot->values.of[i];
        if (!is_result(v)) continue;
        size_t row = er_result_row(NULL, 0, result_at(spot->at + v->at));
        others -= v->size;
        if (row > needed) needed = row;
        rows++;
    }
    *each = rows && longest > others ? (longest - others) / rows : 0;
    if (needed < *each) *each = needed;
    char *longer = *each > ER_SPOT_ROW ? er_alloc(others + rows * *each + 1) : NULL;
    if (!longer) *each = ER_SPOT_ROW;
    return longer;
}

/* An address that was cut is none. It is the last value. */
static bool leave_whole_results(er_spot *spot)
{
    bool any = false;
    for (unsigned i = 0; i < spot->values.n; i++) {
        er_value *v = &spot->values.of[i];
        if (is_result(v) && v->size < ER_SPOT_ROW) {
            spot->size -= v->size;
            v->size = 0;
            v->kind = ER_VALUE_TEXT;
        }
        any |= is_result(v);
    }
    return any;
}

/* Puts each result's row in its address's place. */
static void put_rows(er_spot *spot, size_t longest)
{
    er_values *values = &spot->values;
    if (!leave_whole_results(spot)) return;
    int error = errno;
    size_t each;
    char *longer = find_room(spot, longest, &each),
         *text = spot->longer ? spot->longer : spot->text;
    char *begin = longer ? longer : text, *to = begin + values->message;
    if (longer) memcpy(longer, text, values->message);
    for (unsigned i = 0; i < values->n; i++) {
        er_value *v = &values->of[i];
        const char *from = text + v->at;
        v->at = (size_t)(to - begin);
        if (is_result(v)) v->size = put_row(to, each, result_at(from));
        else memmove(to, from, v->size);
        to += v->size;
    }
    spot->size = (size_t)(to - begin);
    if (longer) {
        er_free(spot->longer);
        spot->at = spot->longer = longer;
    }
    errno = error;
}

void er_spot_print(er_spot *spot, const char *format, const er_plan *plan, va_list args,
                   size_t longest)
{
    spot->at = spot->text;
    spot->longer = NULL;
    spot->mark_size = spot->keys = 0;
    spot->values.n = 0;
    spot->values.clean = false;
    if (!format) format = "(null)";
    const char *what = plan ? plan->text : format;
    va_list again;
    va_copy(again, args);
    int n = er_vformat(spot->text, sizeof spot->text, what, args);
    if (n < 0) { /* %ls with what is no text, or 2 GiB */
        n = snprintf(spot->text, sizeof spot->text, "(cannot be formatted: %.400s)", format);
        plan = NULL;
    }
    spot->size = (size_t)n;
    if (spot->size >= sizeof spot->text)
        spot->size = format_longer(spot, what, again, spot->size, longest);
    va_end(again);
    if (plan) {
        find_values(spot, plan);
        put_rows(spot, longest);
    } else {
        spot->values.message = spot->size;
    }
    if (spot->values.n) spot->values.of[spot->values.n - 1].size += spot->mark_size;
    else spot->values.message += spot->mark_size;
}

void er_spot_free(er_spot *spot) { er_free(spot->longer); }
