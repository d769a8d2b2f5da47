/* log/layout.c -- lines laid out.
 *
 * A pattern becomes a row of steps once. Breaking a time down costs more than all the rest, so
 * it is done once a second and only the fraction is put in by hand; the zone's offset is read
 * once a quarter of an hour, which is where changes of daylight time fall, and with each pass of
 * the backend, for a program may change its zone. Days become dates by counting from 1 March of
 * year 0 in eras of 400 years (Howard Hinnant, chrono-compatible low-level date algorithms).
 *
 * What stands between time and message is the same for all lines of a call site: such a run of
 * steps is kept as text, in a table of the latest. */
#include "log/layout.h"
#include "base/clock.h"
#include "base/number.h"
#include "log/escape.h"
#include "log/value.h"

#include <errno.h>
#include <unistd.h>

#define STEPS 32
#define RUNS  64 /* a power of two */

typedef enum what {
    LITERAL,
    NAME,
    LEVEL,
    FUNCTION,
    FILE_NAME,
    LINE,
    TIME,
    THREAD,
    PID,
    MESSAGE,
    FIELDS
} what;
static const char *const words[] = { NULL,   "name",   "level", "function", "file",  "line",
                                     "time", "thread", "pid",   "message",  "fields" };

typedef struct step {
    uint8_t what;
    uint8_t run;       /* how many steps from here on are the same for all lines of a place */
    uint16_t at, size; /* of LITERAL, in pattern */
} step;

typedef struct run { /* what such steps made of a place */
    const void *place, *name;
    const step *first;
    size_t size;
    char text[128 + ER_TEXT_PAD];
} run;

struct er_layout {
    errand_log_form form;
    bool colour;
    size_t steps;
    step step[STEPS];
    int64_t second;         /* of the text below */
    int64_t quarter;        /* of an hour; the offset is its */
    int64_t offset;         /* 0 in JSON: UTC */
    int64_t part;           /* ms, or us in JSON; of the text */
    char time[ER_TEXT_PAD]; /* "2026-11-22 14:03:07.120" */
    run runs[RUNS];
    size_t pattern_size;
    char pattern[];
};

static const char *const level_names[] = {
    "INFO", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "OFF"
};
static const char *const colours[] = { "32", "90", "36", "32", "33", "31", "0" };

const char *er_level_name(int level) { return level_names[level]; }

/* ---- patterns ---- */

static bool literal(er_layout *l, const char **at) /* up to the next word */
{
    step *s = &l->step[l->steps++];
    *s = (step){ .what = LITERAL, .at = (uint16_t)l->pattern_size };
    for (; **at && (**at != '{' || (*at)[1] == '{'); ++*at) {
        *at += **at == '{';
        l->pattern[l->pattern_size++] = **at;
        s->size++;
    }
    return true;
}

static bool word(er_layout *l, const char **at)
{
    const char *begin = *at + 1, *end = strchr(begin, '}');
    for (size_t i = NAME; end && i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i]) != (size_t)(end - begin) ||
            strncmp(words[i], begin, (size_t)(end - begin)) != 0)
            continue;
        l->step[l->steps++] = (step){ .what = (uint8_t)i };
        *at = end + 1;
        return true;
    }
    return false;
}

int er_layout_new(er_layout **layout, errand_log_form form, const char *pattern, bool colour)
{
    if (!pattern) pattern = "{time} - {name} - {level} - [{function}:{line}] - {message}{fields}";
    size_t size = strlen(pattern);
    if (size > 4096 || (int)form < 0 || form > ERRAND_LOG_JSON) return EINVAL;
    er_layout *l = er_alloc_zero(sizeof *l + size);
    if (!l) return ENOMEM;
    l->form = form;
    l->colour = colour && form == ERRAND_LOG_TEXT;
    l->second = l->quarter = INT64_MIN;
    bool good = true;
    while (good && *pattern && l->steps < STEPS)
        good = *pattern == '{' && pattern[1] != '{' ? word(l, &pattern) : literal(l, &pattern);
    if (!good || *pattern) {
        er_free(l);
        return EINVAL;
    }
    for (size_t i = l->steps; i-- > 0;) {
        if (l->step[i].what > LINE) continue;
        l->step[i].run = (uint8_t)(1 + (i + 1 < l->steps ? l->step[i + 1].run : 0));
    }
    *layout = l;
    return 0;
}

bool er_layout_same(const er_layout *a, const er_layout *b)
{
    return a->form == b->form && a->colour == b->colour && a->steps == b->steps &&
           a->pattern_size == b->pattern_size &&
           memcmp(a->step, b->step, a->steps * sizeof *a->step) == 0 &&
           memcmp(a->pattern, b->pattern, a->pattern_size) == 0;
}

/* ---- time ---- */

static char *two(char *to, int64_t value, char then)
{
    to[0] = (char)('0' + value / 10);
    to[1] = (char)('0' + value % 10);
    to[2] = then;
    return to + 3;
}

static void break_down(char *text, int64_t second, char between)
{
    int64_t days = second / 86400, rest = second % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    days += 719468; /* from 0000-03-01 */
    int64_t era = days / 146097, day = days - era * 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t of_year = day - (365 * year + year / 4 - year / 100), shifted = (5 * of_year + 2) / 153;
    int64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
    year += era * 400 + (month <= 2);
    char *to = two(text, year / 100 % 100, 0) - 1;
    to = two(to, year % 100, '-');
    to = two(to, month, '-');
    to = two(to, of_year - (153 * shifted + 2) / 5 + 1, between);
    to = two(to, rest / 3600, ':');
    to = two(to, rest / 60 % 60, ':');
    two(to, rest % 60, '\0');
}

static void add_time(er_layout *l, er_text *out, int64_t wall_ns)
{
    bool json = l->form == ERRAND_LOG_JSON;
    if (wall_ns < 0) wall_ns = 0;
    int64_t second = wall_ns / 1000000000, part = wall_ns % 1000000000 / (json ? 1000 : 1000000);
    if (second != l->second) {
        if (!json && second / 900 != l->quarter) {
            l->quarter = second / 900;
            l->offset = er_wall_offset(wall_ns);
        }
        l->second = second;
        break_down(l->time, second + l->offset, json ? 'T' : ' ');
        l->time[19] = '.';
        l->time[26] = 'Z';
        l->part = -1;
    }
    if (part != l->part) {
        l->part = part;
        for (int i = json ? 6 : 3; i; i--, part /= 10) l->time[19 + i] = (char)('0' + part % 10);
    }
    er_text_add_padded(out, l->time, json ? 27 : 23);
}

void er_layout_ask_zone(er_layout *l) { l->second = l->quarter = INT64_MIN; }

/* ---- text ---- */

static void add_level(const er_layout *l, er_text *out, int level)
{
    if (l->colour) {
        er_text_add(out, "\x1b[", 2);
        er_text_say(out, colours[level]);
        er_text_put(out, 'm');
    }
    er_text_say(out, level_names[level]);
    if (l->colour) er_text_add(out, "\x1b[0m", 4);
}

static void add_fields(er_text *out, const er_line *line)
{
    for (unsigned i = 0; i < line->values->n; i++)
        er_value_text(out, &line->values->of[i], line->text->at);
    if (line->fields) er_text_add(out, er_fields_text(line->fields), line->fields->text_size);
}

static void add_string(er_text *out, const char *string)
{
    er_escape_text(out, string, strlen(string));
}

static void add_message(er_text *out, const er_line *line)
{
    if (line->values->clean && !er_escape_joins(out, line->text->at, line->values->message))
        er_text_add(out, line->text->at, line->values->message);
    else er_escape_text(out, line->text->at, line->values->message);
}

static void add_step(er_layout *l, er_text *out, const step *s, const er_line *line)
{
    switch ((what)s->what) {
    case LITERAL: er_escape_text(out, l->pattern + s->at, s->size); break;
    case TIME: add_time(l, out, line->wall_ns); break;
    case NAME: add_string(out, line->name); break;
    case LEVEL: add_level(l, out, line->level); break;
    case FUNCTION: add_string(out, line->function); break;
    case FILE_NAME: add_string(out, line->file); break;
    case LINE: er_text_decimal(out, line->line < 0 ? 0 : (uint64_t)line->line); break;
    case THREAD: er_text_decimal(out, (uint64_t)line->thread); break;
    case PID: er_text_decimal(out, (uint64_t)getpid()); break;
    case MESSAGE: add_message(out, line); break;
    case FIELDS: add_fields(out, line); break;
    }
}

/* What `make` adds for this line's place, made or remembered. */
static void add_run(er_layout *l, er_text *out, const step *first, const er_line *line,
                    void (*make)(er_layout *, er_text *, const step *, const er_line *))
{
    uint64_t hash = ((uint64_t)(uintptr_t)line->place >> 6 ^ (uint64_t)(uintptr_t)line->name >> 3) +
                    (uint64_t)(first - l->step);
    run *r = &l->runs[(hash ^ hash >> 6) & (RUNS - 1)];
    if (line->place && r->place == line->place && r->name == line->name && r->first == first &&
        !er_escape_joins(out, r->text, r->size)) {
        if (r->size <= ER_TEXT_PAD) er_text_add_padded(out, r->text, r->size);
        else er_text_add(out, r->text, r->size);
        return;
    }
    size_t before = out->size;
    make(l, out, first, line);
    size_t size = out->size - before;
    /* then it may be escaped in another way than elsewhere */
    bool joined = before && (unsigned char)out->at[before - 1] == 0xc2;
    if (!line->place || size > sizeof r->text - ER_TEXT_PAD || out->missing || joined) return;
    r->place = line->place;
    r->name = line->name;
    r->first = first;
    r->size = size;
    memcpy(r->text, out->at + before, size);
}

static void add_steps(er_layout *l, er_text *out, const step *first, const er_line *line)
{
    for (size_t i = 0; i < first->run; i++) add_step(l, out, first + i, line);
}

/* ---- JSON ---- */

static void add_json_string(er_text *out, const char *key, const char *at, size_t size)
{
    er_text_say(out, key);
    er_text_put(out, '"');
    er_escape_json(out, at, size);
    er_text_put(out, '"');
}

static void add_json_place(er_layout *l, er_text *out, const step *first, const er_line *line)
{
    (void)l;
    (void)first;
    er_text_say(out, "\",\"level\":\"");
    er_text_say(out, level_names[line->level]);
    er_text_put(out, '"');
    add_json_string(out, ",\"logger\":", line->name, strlen(line->name));
    add_json_string(out, ",\"file\":", line->file, strlen(line->file));
    er_text_say(out, ",\"line\":");
    er_text_decimal(out, line->line < 0 ? 0 : (uint64_t)line->line);
    add_json_string(out, ",\"function\":", line->function, strlen(line->function));
    er_text_say(out, ",\"thread\":");
}

static void add_json(er_layout *l, er_text *out, const er_line *line)
{
    er_text_say(out, "{\"time\":\"");
    add_time(l, out, line->wall_ns);
    add_run(l, out, l->step, line, add_json_place);
    er_text_decimal(out, (uint64_t)line->thread);
    add_json_string(out, ",\"message\":", line->text->at, line->values->message);
    for (unsigned i = 0; i < line->values->n; i++)
        er_value_json(out, &line->values->of[i], line->text->at);
    if (line->fields) er_text_add(out, er_fields_json(line->fields), line->fields->json_size);
    er_text_put(out, '}');
}

static void add_text(er_layout *l, er_text *out, const er_line *line)
{
    for (const step *s = l->step, *end = s + l->steps; s < end;) {
        if (s->run > 1) {
            add_run(l, out, s, line, add_steps);
            s += s->run;
        } else {
            add_step(l, out, s++, line);
        }
    }
}

void er_layout_line(er_layout *l, er_text *out, const er_line *line)
{
    if (l->form == ERRAND_LOG_JSON) add_json(l, out, line);
    else add_text(l, out, line);
    er_text_put(out, '\n');
}

void er_layout_gap(er_layout *l, er_text *out, int64_t wall_ns, const char *name, uint64_t lost,
                   const char *reason)
{
    bool json = l->form == ERRAND_LOG_JSON;
    if (json) {
        er_text_say(out, "{\"time\":\"");
        add_time(l, out, wall_ns);
        add_json_string(out, "\",\"level\":\"WARN\",\"logger\":", name, strlen(name));
        er_text_say(out, ",\"lost\":");
        er_text_decimal(out, lost);
        er_text_say(out, ",\"message\":\"");
    } else {
        er_text_say(out, "... ");
    }
    er_text_decimal(out, lost);
    er_text_say(out, lost == 1 ? " line lost here" : " lines lost here");
    if (reason) {
        er_text_say(out, ": ");
        if (json) er_escape_json(out, reason, strlen(reason));
        else er_escape_text(out, reason, strlen(reason));
    }
    er_text_say(out, json ? "\"}\n" : "\n");
}
