/* log/plan.c -- printf's language, as far as it can be printed later from copies.
 *
 * Known:   % [-+ #0]* [width|*] [.precision|.*] [hh h l ll j z t] [d i u o x X]
 *          % [-+ #0]* [width|*] [.precision|.*] [e E f F g G]      (l changes nothing)
 *          % [-]* [width|*] c, p;  % [-]* [width|*] [.precision|.*] s;  %m;  %%
 * and at most ER_PLAN_ARGS arguments. Anything else (' and I among the flags, N$, %a, %Lf, %lc,
 * %ls, %n) makes the plan unknown: the whole format is then vsnprintf's, at the call (spot.c),
 * and the plan knows its fields.
 *
 * A field begins with the byte 0x1f, then key, '=', and its value up to the next field. In JSON
 * the value is a number if it is one conversion that prints one and nothing else, without flags
 * or width, and an integer without a precision: "%.8u" asks for leading zeros, which a number
 * does not have in JSON, and a field should not be a string in one line and a number in the
 * next.
 *
 * A field with the value RESULT alone (errand_kv_result) stands for an errand_result: a conversion
 * for which printf takes a pointer and does not read through it, so that passing such a format to
 * printf does no harm.
 *
 * The plan copies all it needs, so that its site may be unloaded while lines of
 * it are on their way. */
#include "log/plan.h"
#include "log/escape.h"

#include <limits.h>
#include <string.h>

#define PARTS  64
#define MARKER '\x1f'
#define RESULT "%-.0s"

_Static_assert(sizeof RESULT == sizeof ER_SPOT_RESULT, "it takes its place");

char er_spot_mark[ER_SPOT_MARK];

__attribute__((constructor)) static void draw_mark(void)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t drawn = er_random();
    er_spot_mark[0] = MARKER;
    for (size_t i = 1; i < ER_SPOT_MARK; i++, drawn >>= 4) er_spot_mark[i] = digits[drawn & 15];
}

typedef struct parser {
    const char *at;
    er_plan *plan;
    er_part parts[PARTS];
    unsigned n, fields;
    char *text;
    uint32_t size;
} parser;

static bool add_arg(parser *p, er_arg arg, int most)
{
    if (p->plan->args == ER_PLAN_ARGS) return false;
    p->plan->most[p->plan->args] = most;
    p->plan->arg[p->plan->args++] = (uint8_t)arg;
    p->plan->fixed += 8;
    p->plan->texts = (uint8_t)(p->plan->texts + (arg == ER_ARG_TEXT || arg == ER_ARG_TEXT_MOST ||
                                                 arg == ER_ARG_TEXT_STAR || arg == ER_ARG_RESULT));
    return true;
}

static bool number(parser *p, int *value) /* digits, maybe none: 0 */
{
    for (*value = 0; *p->at >= '0' && *p->at <= '9'; p->at++) {
        if (*value > (INT_MAX - 9) / 10) return false;
        *value = *value * 10 + (*p->at - '0');
    }
    return true;
}

static uint8_t flags(parser *p)
{
    static const char letters[] = "-+ #0";
    uint8_t all = 0;
    for (const char *found; *p->at && (found = strchr(letters, *p->at)); p->at++)
        all |= (uint8_t)(1 << (found - letters));
    return all;
}

static uint8_t length(parser *p) /* bytes of an integer; 0: not said */
{
    char c = *p->at;
    bool twice = (c == 'h' || c == 'l') && p->at[1] == c;
    if (!c || !strchr("hljzt", c)) return 0;
    p->at += 1 + twice;
    if (c == 'h') return twice ? sizeof(char) : sizeof(short);
    if (c == 'l') return twice ? sizeof(long long) : sizeof(long);
    if (c == 'j') return sizeof(intmax_t);
    return c == 'z' ? sizeof(size_t) : sizeof(ptrdiff_t);
}

static er_part *next_part(parser *p)
{
    if (p->n == PARTS) return NULL;
    er_part *part = &p->parts[p->n++];
    *part = (er_part){ .at = p->size, .width = -1, .precision = -1 };
    return part;
}

static bool conversion(parser *p)
{
    er_part *part = next_part(p);
    if (!part) return false;
    part->flags = flags(p);
    if (*p->at == '*') {
        part->flags |= ER_STAR_WIDTH;
        p->at++;
        if (!add_arg(p, ER_ARG_INT, 0)) return false;
    } else if (*p->at >= '1' && *p->at <= '9' && !number(p, &part->width)) {
        return false;
    }
    if (*p->at == '.') {
        if (*++p->at == '*') {
            part->flags |= ER_STAR_PRECISION;
            p->at++;
            if (!add_arg(p, ER_ARG_INT, 0)) return false;
        } else if (!number(p, &part->precision)) {
            return false;
        }
    }
    bool said = *p->at && strchr("hljzt", *p->at);
    uint8_t bytes = length(p);
    char what = *p->at++;
    bool precise = part->precision >= 0 || part->flags & ER_STAR_PRECISION;
    uint8_t odd = part->flags & (ER_SIGN | ER_BLANK | ER_OTHER | ER_ZEROS);
    part->plain = !part->flags && part->width < 0 && part->precision < 0;
    part->length = said ? bytes : (uint8_t)sizeof(int);
    part->what = (uint8_t)(what == 'i' ? 'd' : what);
    switch (what) {
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X': return add_arg(p, part->length > sizeof(int) ? ER_ARG_LONG : ER_ARG_INT, 0);
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G': return (!said || bytes == sizeof(long)) && add_arg(p, ER_ARG_DOUBLE, 0);
    case 'c': return !said && !odd && !precise && add_arg(p, ER_ARG_INT, 0);
    case 'p': return !said && !odd && !precise && add_arg(p, ER_ARG_POINTER, 0);
    case 'm': return !said && part->plain && add_arg(p, ER_ARG_ERRNO, 0);
    case 's':
        if (said || odd) return false;
        if (part->flags & ER_STAR_PRECISION) return add_arg(p, ER_ARG_TEXT_STAR, 0);
        return add_arg(p, part->precision < 0 ? ER_ARG_TEXT : ER_ARG_TEXT_MOST, part->precision);
    default: return false;
    }
}

static bool prints_number(const char *at, size_t size)
{
    if (size < 2 || *at++ != '%') return false;
    size -= 2; /* between the % and the last letter */
    size_t digits = size && *at == '.' ? 1 + strspn(at + 1, "0123456789") : 0;
    if (digits > size) return false;
    const char *letters = at + digits;
    size_t length = strspn(letters, "hlLqjzt");
    return digits + length == size && at[size] && strchr(digits ? "feEgFG" : "dufFeEgGi", at[size]);
}

static er_value_kind kind_of(const char *at, size_t size) /* of the format of a value */
{
    if (size == sizeof RESULT - 1 && !memcmp(at, RESULT, size)) return ER_VALUE_RESULT;
    return prints_number(at, size) ? ER_VALUE_NUMBER : ER_VALUE_TEXT;
}

/* A field that begins here, behind its marker: its key, and what its value is. */
static bool key_at(const char *at, er_part *part)
{
    size_t size = strcspn(at, "=%\x1f");
    if (!size || at[size] != '=') return false;
    part->what = ER_KEY;
    part->key_size = (uint32_t)size;
    part->kind = (uint8_t)kind_of(at + size + 1, strcspn(at + size + 1, "\x1f"));
    return true;
}

static bool field(parser *p)
{
    er_part *part = p->fields++ < ER_PLAN_FIELDS ? next_part(p) : NULL;
    if (!part || !key_at(p->at, part)) return false;
    memcpy(p->text + p->size, p->at, part->key_size);
    p->size += part->key_size;
    part->size = part->key_size;
    p->at += part->key_size + 1;
    if (part->kind != ER_VALUE_RESULT) return true;
    part = next_part(p);
    if (!part) return false;
    part->what = ER_RESULT;
    part->plain = true;
    p->at += sizeof RESULT - 1;
    return add_arg(p, ER_ARG_RESULT, 0);
}

static bool parse(parser *p)
{
    next_part(p);
    while (*p->at) {
        if (*p->at == MARKER) {
            p->at++;
            if (!field(p)) return false;
        } else if (*p->at == '%' && p->at[1] != '%') {
            p->at++;
            if (!conversion(p)) return false;
        } else {
            p->at += *p->at == '%';
            p->text[p->size++] = *p->at++;
            p->parts[p->n - 1].size++;
        }
    }
    return true;
}

/* The text of an unknown plan, and behind it its keys. What is no field keeps a blank
 * in its marker's place. */
static void mark_fields(parser *p, const char *format)
{
    size_t size = 0, markers = 0;
    for (const char *at = format; (at = strchr(at, MARKER)); at++) markers++;
    char *keys = p->text + strlen(format) + markers * ER_SPOT_MARK + 1, *to = keys;
    p->n = 0;
    for (const char *at = format; *at;) {
        er_part part = { .at = (uint32_t)(to - p->text) };
        if (*at != MARKER) {
            p->text[size++] = *at++;
        } else if (p->n < ER_PLAN_FIELDS && key_at(at + 1, &part)) {
            memcpy(to, at + 1, part.key_size);
            to += part.key_size;
            at += part.key_size + 2;
            memcpy(p->text + size, er_spot_mark, ER_SPOT_MARK);
            size += ER_SPOT_MARK;
            if (part.kind == ER_VALUE_RESULT) {
                memcpy(p->text + size, ER_SPOT_RESULT, sizeof RESULT - 1);
                size += sizeof RESULT - 1;
                at += sizeof RESULT - 1;
            }
            p->parts[p->n++] = part;
            p->plan->keys += part.key_size;
        } else {
            at++;
            p->text[size++] = ' ';
        }
    }
    p->text[size] = '\0';
}

bool er_plan_has_fields(const char *format) { return strchr(format, MARKER) != NULL; }

int er_plan_level(errand_log_level level)
{
    if ((int)level <= ERRAND_LOG_DEFAULT) return ERRAND_LOG_INFO;
    return level > ERRAND_LOG_ERROR ? ERRAND_LOG_ERROR : (int)level;
}

static char *copy(char **to, const char *from)
{
    size_t size = strlen(from) + 1;
    char *at = memcpy(*to, from, size);
    *to += size;
    return at;
}

/* each piece for itself: an argument stands before the next */
static bool is_clean(const parser *p)
{
    for (unsigned i = 0; i < p->n; i++) {
        if (!er_escape_none(p->text + p->parts[i].at, p->parts[i].size)) return false;
    }
    return true;
}

size_t er_plan_size(const errand_log_site *site, const char *format)
{
    const char *file = site && site->file ? site->file : "?",
               *function = site && site->function ? site->function : "?";
    size_t size = strlen(format) + 1, markers = 0;
    for (const char *at = format; (at = strchr(at, MARKER)); at++) markers++;
    return sizeof(er_plan) + sizeof(er_part) * PARTS + 2 * size + markers * ER_SPOT_MARK +
           ER_TEXT_PAD + strlen(file) + strlen(function) + 2;
}

/* In memory of that size, zeroed. */
static er_plan *plan_in(void *memory, const errand_log_site *site, const char *format, bool known)
{
    er_plan *plan = memory;
    er_part *part = (er_part *)(void *)(plan + 1);
    char *end = (char *)(part + PARTS);
    plan->given = format;
    plan->level = er_plan_level(site ? site->level : ERRAND_LOG_INFO);
    plan->line = site ? site->line : 0;
    plan->part = part;
    plan->file = copy(&end, site && site->file ? site->file : "?");
    plan->function = copy(&end, site && site->function ? site->function : "?");
    plan->text = end;
    parser p = { .at = format, .plan = plan, .text = end };
    plan->known = known && parse(&p);
    if (plan->known) plan->clean = is_clean(&p);
    else mark_fields(&p, format);
    plan->parts = p.n;
    memcpy(part, p.parts, p.n * sizeof *part);
    return plan;
}

static bool is_too_long(const char *format) { return strlen(format) >= UINT32_MAX / 32; }

er_plan *er_plan_unknown(void *memory, size_t size, const errand_log_site *site, const char *format)
{
    if (is_too_long(format) || er_plan_size(site, format) > size) return NULL;
    memset(memory, 0, size);
    return plan_in(memory, site, format, false);
}

er_plan *er_plan_new(const errand_log_site *site, const char *format)
{
    void *memory = is_too_long(format) ? NULL : er_alloc_zero(er_plan_size(site, format));
    return memory ? plan_in(memory, site, format, true) : NULL;
}
