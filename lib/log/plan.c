/* log/plan.c -- printf's language, as far as it can be printed later from copies.
 *
 * Known:   % [-+ #0]* [width|*] [.precision|.*] [hh h l ll j z t] [d i u o x X]
 *          % [-+ #0]* [width|*] [.precision|.*] [e E f F g G]      (l changes nothing)
 *          % [-]* [width|*] c, p;  % [-]* [width|*] [.precision|.*] s;  %m;  %%
 * and at most ER_PLAN_ARGS arguments. Anything else (' and I among the flags, N$, %a, %Lf, %lc, %ls, %n) makes the plan
 * unknown: the whole format is then vsnprintf's, at the call.
 *
 * A field begins with the byte 0x1f, then key, '=', and its value up to the next field. In an unknown format that byte
 * becomes a blank.
 *
 * The plan copies all it needs, so that its site may be unloaded while lines of it are on their way. */
#include "log/plan.h"
#include "log/escape.h"

#include <limits.h>
#include <string.h>

#define PARTS  64
#define MARKER '\x1f'

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
    p->plan->texts = (uint8_t)(p->plan->texts +
                               (arg == ER_ARG_TEXT || arg == ER_ARG_TEXT_MOST || arg == ER_ARG_TEXT_STAR));
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
    return c == 'j' ? sizeof(intmax_t) : c == 'z' ? sizeof(size_t) : sizeof(ptrdiff_t);
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
    case 'X':
        return add_arg(p, part->length > sizeof(int) ? ER_ARG_LONG : ER_ARG_INT, 0);
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        return (!said || bytes == sizeof(long)) && add_arg(p, ER_ARG_DOUBLE, 0);
    case 'c':
        return !said && !odd && !precise && add_arg(p, ER_ARG_INT, 0);
    case 'p':
        return !said && !odd && !precise && add_arg(p, ER_ARG_POINTER, 0);
    case 'm':
        return !said && part->plain && add_arg(p, ER_ARG_ERRNO, 0);
    case 's':
        if (said || odd) return false;
        if (part->flags & ER_STAR_PRECISION) return add_arg(p, ER_ARG_TEXT_STAR, 0);
        return add_arg(p, part->precision < 0 ? ER_ARG_TEXT : ER_ARG_TEXT_MOST, part->precision);
    default:
        return false;
    }
}

static bool field(parser *p)
{
    er_part *part = p->fields++ < ER_PLAN_FIELDS ? next_part(p) : NULL;
    size_t size = strcspn(p->at, "=%\x1f");
    if (!part || !size || p->at[size] != '=') return false;
    part->what = ER_KEY;
    part->key_size = (uint32_t)size;
    memcpy(p->text + p->size, p->at, size);
    p->size += (uint32_t)size;
    part->size = (uint32_t)size;
    p->at += size + 1;
    return true;
}

/* The value of a field is a number if it is one conversion that prints one, and nothing else. */
static void find_numbers(parser *p)
{
    for (unsigned i = 0; i + 1 < p->n; i++) {
        er_part *key = &p->parts[i], *value = key + 1;
        bool alone = i + 2 == p->n || value[1].what == ER_KEY;
        key->number = key->what == ER_KEY && alone && key->size == key->key_size && !value->size && value->what &&
                      strchr("dufFeEgG", value->what) && !value->flags && value->width < 0;
    }
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
    find_numbers(p);
    return true;
}

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

er_plan *er_plan_new(const errand_log_site *site, const char *format)
{
    const char *file = site && site->file ? site->file : "?", *function = site && site->function ? site->function : "?";
    size_t size = strlen(format) + 1;
    if (size > UINT32_MAX / 2) return NULL;
    er_plan *plan = er_alloc_zero(sizeof *plan + sizeof(er_part) * PARTS + size + ER_TEXT_PAD + strlen(file) +
                                  strlen(function) + 2);
    if (!plan) return NULL;
    er_part *part = (er_part *)(void *)(plan + 1);
    char *end = (char *)(part + PARTS);
    plan->given = format;
    plan->level = er_plan_level(site ? site->level : ERRAND_LOG_INFO);
    plan->line = site ? site->line : 0;
    plan->part = part;
    plan->file = copy(&end, file);
    plan->function = copy(&end, function);
    plan->text = end;
    parser p = { .at = format, .plan = plan, .text = end };
    plan->known = parse(&p);
    if (plan->known) {
        plan->parts = p.n;
        plan->clean = er_escape_none(plan->text, p.size);
        memcpy(part, p.parts, p.n * sizeof *part);
    } else {
        memcpy(end, format, size);
        for (char *c = end; *c; c++) *c = *c == MARKER ? ' ' : *c;
    }
    return plan;
}
