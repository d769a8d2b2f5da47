/* log/format.c -- what printf prints, without printf: in the C locale, from packed
 * arguments, without locks.
 *
 * Integers and the common %.Nf go straight to digits (base/number.h). %e, %g and what is too
 * large or too small take all digits of the value and round them where printf would. */
#include "log/format.h"
#include "base/number.h"
#include "log/escape.h"
#include "log/pack.h"

#include <math.h>
#include <string.h>

typedef struct reader {
    const char *at;
    bool clean; /* so far no text had control characters */
} reader;

static int64_t next_whole(reader *r)
{
    int64_t whole;
    memcpy(&whole, r->at, 8);
    r->at += 8;
    return whole;
}

typedef struct spec { /* a conversion with its stars filled in */
    char what;
    uint8_t flags;
    uint64_t width;
    int precision; /* -1: none */
} spec;

/* [blanks] prefix [zeros] body [zeros behind] [tail] [blanks] */
typedef struct piece {
    const char *prefix, *body, *tail;
    size_t prefix_size, body_size, tail_size;
    uint64_t zeros, behind;
} piece;

static void put_piece(er_text *out, const spec *s, piece p, bool fill)
{
    uint64_t size = p.prefix_size + p.zeros + p.body_size + p.behind + p.tail_size;
    uint64_t pad = s->width > size ? s->width - size : 0;
    if (pad && fill && s->flags & ER_ZEROS && !(s->flags & ER_LEFT)) {
        p.zeros += pad;
        pad = 0;
    }
    if (!(s->flags & ER_LEFT)) er_text_pad(out, ' ', pad);
    er_text_add(out, p.prefix, p.prefix_size);
    er_text_pad(out, '0', p.zeros);
    er_text_add(out, p.body, p.body_size);
    er_text_pad(out, '0', p.behind);
    er_text_add(out, p.tail, p.tail_size);
    if (s->flags & ER_LEFT) er_text_pad(out, ' ', pad);
}

/* ---- integers ---- */

static size_t in_base(char *end, uint64_t value, unsigned shift, const char *letters)
{
    size_t n = 0;
    for (; value; value >>= shift) end[-(ptrdiff_t)++n] = letters[value & ((1u << shift) - 1)];
    return n;
}

static void put_unsigned(er_text *out, const spec *s, uint64_t value, const char *prefix)
{
    char digits[24], *body = digits;
    size_t n;
    if (s->what == 'd' || s->what == 'u') {
        n = er_decimal(digits, value);
    } else {
        n = in_base(digits + sizeof digits, value, s->what == 'o' ? 3 : 4,
                    s->what == 'X' ? "0123456789ABCDEF" : "0123456789abcdef");
        body = digits + sizeof digits - n;
    }
    if (!n) { /* no digit of zero has been met */
        body = digits;
        body[n++] = '0';
    }
    piece p = {
        .prefix = prefix, .prefix_size = strlen(prefix), .tail = "", .body = body, .body_size = n
    };
    if (s->precision == 0 && !value) p.body_size = 0;
    if (s->precision > 0 && (size_t)s->precision > p.body_size)
        p.zeros = (uint64_t)s->precision - p.body_size;
    if (s->flags & ER_OTHER && s->what == 'o' && !p.zeros && (value || !p.body_size)) p.zeros = 1;
    if (s->flags & ER_OTHER && value && (s->what == 'x' || s->what == 'X')) {
        p.prefix = s->what == 'x' ? "0x" : "0X";
        p.prefix_size = 2;
    }
    put_piece(out, s, p, s->precision < 0);
}

static const char *sign_of(bool minus, uint8_t flags)
{
    if (minus) return "-";
    if (flags & ER_SIGN) return "+";
    return flags & ER_BLANK ? " " : "";
}

static int64_t narrow(int64_t value, uint8_t length)
{
    if (length == 1) return (signed char)value;
    return length == 2 ? (short)value : value;
}

static uint64_t widen(int64_t value, uint8_t length)
{
    if (length == 1) return (unsigned char)value;
    if (length == 2) return (unsigned short)value;
    return length == 4 ? (uint32_t)value : (uint64_t)value;
}

static void put_integer(er_text *out, const er_part *part, const spec *s, int64_t given)
{
    if (s->what != 'd') {
        put_unsigned(out, s, widen(given, part->length), "");
        return;
    }
    int64_t value = narrow(given, part->length);
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    if (!part->plain) {
        put_unsigned(out, s, size, sign_of(value < 0, s->flags));
        return;
    }
    char digits[ER_TEXT_PAD + 1] = "-";
    size_t n = er_decimal(digits + 1, size);
    er_text_add_padded(out, digits + (value >= 0), n + (value < 0));
}

/* ---- doubles ---- */

static size_t exponent(char *to, int e, bool upper)
{
    size_t n = 0;
    to[n++] = upper ? 'E' : 'e';
    to[n++] = e < 0 ? '-' : '+';
    if (e < 0) e = -e;
    if (e < 10) to[n++] = '0';
    return n + er_decimal(to + n, (uint64_t)e);
}

typedef struct decimal {
    /* n digits, `before` of them before the point; `precision` are wanted behind it */
    const char *digits;
    size_t n;
    int before, precision;
    const char *tail; /* the exponent, or "" */
    size_t tail_size;
} decimal;

/* body: digits with the point in them, at most n digits; what precision wants
 * beyond is zeros behind. */
static void put_digits(er_text *out, const spec *s, const char *sign, const decimal *d)
{
    char body[2 * ER_DIGITS];
    size_t size = 0, used = 0;
    if (d->before <= 0) body[size++] = '0';
    for (int i = 0; i < d->before; i++) body[size++] = used < d->n ? d->digits[used++] : '0';
    if (d->precision || s->flags & ER_OTHER) body[size++] = '.';
    int left = d->precision;
    /* at most 323 */
    for (int before = d->before; left && before < 0; before++, left--) body[size++] = '0';
    for (; left && used < d->n; left--) body[size++] = d->digits[used++];
    piece p = { .prefix = sign,
                .prefix_size = strlen(sign),
                .body = body,
                .body_size = size,
                .behind = (uint64_t)left,
                .tail = d->tail,
                .tail_size = d->tail_size };
    put_piece(out, s, p, true);
}

static void put_exactly(er_text *out, const spec *s, const char *sign, double size)
{
    char digits[ER_DIGITS], tail[8];
    int point, precision = s->precision < 0 ? 6 : s->precision;
    char what = (char)(s->what | 0x20);
    bool upper = s->what != what;
    size_t n = er_digits(digits, size, &point);
    if (what == 'f') {
        n = er_digits_round(digits, n, (int64_t)point + precision, &point);
        put_digits(out, s, sign, &(decimal){ digits, n, n ? point : 0, precision, "", 0 });
        return;
    }
    if (what == 'g' && !precision) precision = 1;
    int64_t keep = (int64_t)precision + (what == 'e');
    n = er_digits_round(digits, n, keep, &point);
    int e = n ? point - 1 : 0;
    if (what == 'g') {
        bool small = e >= -4 && e < precision;
        int most = small ? precision - 1 - e : precision - 1;
        while (n && digits[n - 1] == '0') n--;
        /* digits behind the point that say something */
        int there = small ? (int)n - 1 - e : (int)n - 1;
        if (!(s->flags & ER_OTHER)) {
            if (there < most) most = there;
            if (there < 0 || !n) most = 0;
        }
        if (small) {
            put_digits(out, s, sign, &(decimal){ digits, n, n ? point : 1, most, "", 0 });
            return;
        }
        precision = most;
    }
    put_digits(out, s, sign, &(decimal){ digits, n, 1, precision, tail, exponent(tail, e, upper) });
}

static void put_double(er_text *out, const er_part *part, const spec *s, double value)
{
    bool minus = signbit(value);
    const char *sign = sign_of(minus, s->flags);
    if (!isfinite(value)) {
        const char *word = isnan(value) ? "nan" : "inf";
        if (s->what < 'a') word = isnan(value) ? "NAN" : "INF";
        piece p = {
            .prefix = sign, .prefix_size = strlen(sign), .body = word, .body_size = 3, .tail = ""
        };
        put_piece(out, s, p, false);
        return;
    }
    char digits[ER_FIXED];
    int precision = s->precision < 0 ? 6 : s->precision;
    size_t n = 0;
    if ((s->what | 0x20) == 'f' && precision <= 17 && (precision || !(s->flags & ER_OTHER)))
        n = er_fixed(digits, minus ? -value : value, (unsigned)precision);
    if (!n) {
        put_exactly(out, s, sign, minus ? -value : value);
        return;
    }
    if (part->flags || s->width) {
        piece p = {
            .prefix = sign, .prefix_size = strlen(sign), .body = digits, .body_size = n, .tail = ""
        };
        put_piece(out, s, p, true);
        return;
    }
    if (minus) er_text_put(out, '-');
    er_text_add_padded(out, digits, n);
}

/* ---- texts ---- */

static void put_text(er_text *out, const er_part *part, const spec *s, reader *r)
{
    uint64_t head = (uint64_t)next_whole(r);
    size_t size = (uint32_t)head;
    char mark[ER_TEXT_MARK];
    const char *text = r->at;
    if (size == ER_TEXT_NULL) {
        text = "(null)";
        size = s->precision < 0 || s->precision >= 6 ? 6 : 0;
    } else {
        r->at += er_round8(size);
    }
    if (r->clean) r->clean = er_escape_none(text, size);
    size_t marked = head >> 32 ? er_text_mark(mark, head >> 32) : 0;
    if (part->plain && !marked) {
        er_text_add(out, text, size);
        return;
    }
    piece p = {
        .prefix = text, .prefix_size = size, .body = mark, .body_size = marked, .tail = ""
    };
    put_piece(out, s, p, false);
}

static void put_pointer(er_text *out, const spec *s, uint64_t value)
{
    piece nil = { .prefix = "(nil)", .prefix_size = 5, .body = "", .tail = "" };
    spec hex = *s;
    hex.what = 'x';
    hex.flags |= ER_OTHER;
    hex.precision = -1;
    if (value) put_unsigned(out, &hex, value, "");
    else put_piece(out, s, nil, false);
}

/* ---- a line ---- */

static void put_part(er_text *out, const er_part *part, reader *r)
{
    spec s = { .what = (char)part->what,
               .flags = part->flags,
               .width = part->width < 0 ? 0 : (uint64_t)part->width,
               .precision = part->precision };
    if (part->flags & ER_STAR_WIDTH) {
        int64_t width = next_whole(r);
        if (width < 0) s.flags |= ER_LEFT;
        s.width = (uint64_t)(width < 0 ? -width : width);
    }
    if (part->flags & ER_STAR_PRECISION) {
        int64_t precision = next_whole(r);
        s.precision = precision < 0 ? -1 : (int)precision;
    }
    switch (part->what) {
    case 'd':
    case 'u':
    case 'o':
    case 'x':
    case 'X': put_integer(out, part, &s, next_whole(r)); break;
    case 's':
    case ER_RESULT: put_text(out, part, &s, r); break;
    case 'p': put_pointer(out, &s, (uint64_t)next_whole(r)); break;
    case 'c': {
        char c = (char)next_whole(r);
        /* part of a longer one, perhaps */
        if ((unsigned char)c < ' ' || (unsigned char)c >= 0x7f) r->clean = false;
        put_piece(out, &s, (piece){ .prefix = &c, .prefix_size = 1, .body = "", .tail = "" },
                  false);
        break;
    }
    case 'm': {
        const char *text = er_error_text((int)next_whole(r));
        r->clean &= er_escape_none(text, strlen(text));
        er_text_say(out, text);
        break;
    }
    default: {
        double value;
        memcpy(&value, r->at, 8);
        r->at += 8;
        put_double(out, part, &s, value);
    }
    }
}

void er_format(er_text *out, const er_plan *plan, const char *args, er_values *values)
{
    reader r = { args, plan->clean };
    values->n = 0;
    for (uint32_t i = 0; i < plan->parts; i++) {
        const er_part *part = &plan->part[i];
        const char *text = plan->text + part->at;
        size_t key = part->key_size;
        if (part->what == ER_KEY) {
            if (values->n)
                values->of[values->n - 1].size = out->size - values->of[values->n - 1].at;
            else values->message = out->size;
            values->of[values->n++] =
                (er_value){ text, key, out->size, 0, (er_value_kind)part->kind };
        } else if (part->what) {
            put_part(out, part, &r);
        }
        er_text_add_padded(out, text + key, part->size - key);
    }
    er_text_end(out);
    values->clean = r.clean;
    if (values->n) values->of[values->n - 1].size = out->size - values->of[values->n - 1].at;
    else values->message = out->size;
}
