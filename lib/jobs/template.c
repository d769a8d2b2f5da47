/* jobs/template.c -- a template is read once into parts, a text and a column behind it each; a
 * record then costs no search.
 *
 * One walk reads all kinds. In JSON the walk also knows whether it is inside a string: it leaves
 * alone what is no placeholder, as braces are JSON's own, and afterwards checks the text with "" or
 * 0 in the place of its fields. So a template that cannot become JSON is refused before the first
 * record. */
#include "jobs/template.h"

#include "base/nearest.h"

#include <errno.h>
#include <string.h>

typedef struct er_template_part {
    size_t from, size; /* of the text, in front of the field */
    size_t column;     /* ER_NO_COLUMN: none, at the end */
    bool in_string;
} er_template_part;

typedef struct walk {
    er_template *t;
    er_template_about about;
    er_bytes text, sample;
    size_t begun; /* the text of the next part begins here */
    bool in_string;
} walk;

static er_span span_of(const char *text) { return (er_span){ text, strlen(text) }; }
static bool same(er_span a, er_span b) { return a.size == b.size && !memcmp(a.at, b.at, a.size); }
static int shown(er_span s) { return s.size < 60 ? (int)s.size : 60; }

static const char *nearest_column(const er_columns *columns, er_span name)
{
    er_nearest near = { .word = name.at, .size = name.size };
    for (size_t i = 0; i < columns->n; i++) er_nearest_offer(&near, columns->names[i]);
    return near.name;
}

static size_t column_of(const er_columns *columns, er_span name, size_t *count)
{
    size_t column = ER_NO_COLUMN;
    *count = 0;
    for (size_t i = 0; i < columns->n; i++) {
        if (!same(span_of(columns->names[i]), name)) continue;
        if (!(*count)++) column = i;
    }
    return column;
}

int er_column_find(const er_columns *columns, const char *what, er_span name, size_t *column,
                   er_bytes *why)
{
    size_t count;
    *column = column_of(columns, name, &count);
    if (count == 1) return 0;
    if (count) {
        er_bytes_format(why, "%s: there are %zu columns \"%.*s\"", what, count, shown(name),
                        name.at);
        return EINVAL;
    }
    er_bytes_format(why, "%s: there is no column \"%.*s\"", what, shown(name), name.at);
    const char *near = nearest_column(columns, name);
    if (near) {
        er_bytes_format(why, ": did you mean \"%.60s\"?", near);
        return EINVAL;
    }
    er_bytes_text(why, "; there is ");
    for (size_t i = 0; i < columns->n && i < 20; i++)
        er_bytes_format(why, "%s%.60s", i ? ", " : "", columns->names[i]);
    if (columns->n > 20) er_bytes_text(why, ", ...");
    return EINVAL;
}

static int add_part(walk *w, size_t column)
{
    er_template *t = w->t;
    er_template_part *parts = er_resize(t->parts, (t->n + 1) * sizeof *parts);
    if (!parts) return ENOMEM;
    t->parts = parts;
    parts[t->n++] = (er_template_part){ w->begun, w->text.size - w->begun, column, w->in_string };
    w->begun = w->text.size;
    if (column != ER_NO_COLUMN && !w->in_string) er_bytes_text(&w->sample, "0");
    return 0;
}

static void add_text(walk *w, const char *at, size_t size)
{
    er_bytes_add(&w->text, at, size);
    er_bytes_add(&w->sample, at, size);
}

/* At a brace of a url or text. Returns how many characters were read; 0: *error. */
static size_t take_brace(walk *w, const char *at, int *error)
{
    if (at[1] == at[0]) {
        add_text(w, at, 1);
        return 2;
    }
    const char *end = at[0] == '{' ? strchr(at, '}') : NULL;
    *error = EINVAL;
    if (!end) {
        er_bytes_format(w->about.why, "%s: a brace that stands for itself is written %c%c",
                        w->about.what, at[0], at[0]);
        return 0;
    }
    size_t column;
    er_span name = { at + 1, (size_t)(end - at) - 1 };
    if (er_column_find(w->about.columns, w->about.what, name, &column, w->about.why)) return 0;
    *error = add_part(w, column);
    return *error ? 0 : (size_t)(end - at) + 1;
}

static bool is_plain_name(er_span name) /* none that JSON itself could have between braces */
{
    for (size_t i = 0; i < name.size; i++) {
        if (strchr("\"{}[]:,\\ \t\r\n", name.at[i])) return false;
    }
    return name.size > 0;
}

static void note_unknown(const walk *w, er_span name)
{
    const char *near = nearest_column(w->about.columns, name);
    if (!w->about.notes || !near || !is_plain_name(name)) return;
    er_bytes_format(w->about.notes,
                    "%s%s: {%.*s} is sent as it stands, as there is no such column; did you mean "
                    "{%.60s}?",
                    w->about.notes->size ? "\n" : "", w->about.what, shown(name), name.at, near);
}

/* The same of JSON: what is no placeholder is a brace. */
static size_t take_json_brace(walk *w, const char *at, int *error)
{
    const char *end = at[0] == '{' ? strchr(at, '}') : NULL;
    er_span name = { at + 1, end ? (size_t)(end - at) - 1 : 0 };
    size_t count = 0, column = end ? column_of(w->about.columns, name, &count) : ER_NO_COLUMN;
    if (count > 1) {
        *error = er_column_find(w->about.columns, w->about.what, name, &column, w->about.why);
        return 0;
    }
    if (count == 1) {
        *error = add_part(w, column);
        return *error ? 0 : (size_t)(end - at) + 1;
    }
    if (end && !w->in_string && is_plain_name(name)) { /* JSON has no use for it there */
        *error = er_column_find(w->about.columns, w->about.what, name, &column, w->about.why);
        return 0;
    }
    if (end) note_unknown(w, name);
    add_text(w, at, 1);
    return 1;
}

static int walk_text(walk *w, const char *text)
{
    bool json = w->t->kind == ER_TEMPLATE_JSON;
    int error = 0;
    for (const char *at = text; *at && !error;) {
        size_t n = strcspn(at, json ? "{\"\\" : "{}");
        add_text(w, at, n);
        at += n;
        if (!*at) break;
        if (*at == '"') w->in_string = !w->in_string;
        if (*at == '{' || *at == '}') {
            at += json ? take_json_brace(w, at, &error) : take_brace(w, at, &error);
        } else {
            n = *at == '\\' && at[1] ? 2 : 1;
            add_text(w, at, n);
            at += n;
        }
    }
    return error ? error : add_part(w, ER_NO_COLUMN);
}

int er_template_read(er_template *t, er_template_kind kind, const char *text,
                     const er_template_about *about)
{
    *t = (er_template){ .kind = kind };
    walk w = { .t = t, .about = *about };
    int error = walk_text(&w, text);
    if (!error && (w.text.error || w.sample.error)) error = ENOMEM;
    size_t where;
    const char *wrong;
    er_span sample = { w.sample.size ? w.sample.at : "", w.sample.size };
    if (!error && kind == ER_TEMPLATE_JSON && er_json_check(sample, &where, &wrong)) {
        er_bytes_format(about->why, "%s: not JSON: %s", about->what, wrong);
        error = EINVAL;
    }
    er_bytes_free(&w.sample);
    if (!error && !w.text.size) er_bytes_text(&w.text, "");
    t->text = error ? NULL : er_bytes_take(&w.text);
    if (!error && !t->text) error = ENOMEM;
    if (!error) return 0;
    er_bytes_free(&w.text);
    er_template_free(t);
    return error;
}

void er_template_free(er_template *t)
{
    er_free(t->text);
    er_free(t->parts);
    *t = (er_template){ .kind = t->kind };
}

bool er_template_has(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = text; at && (at = strchr(at, '{')); at++) {
        if (!strncmp(at + 1, name, n) && at[n + 1] == '}') return true;
    }
    return false;
}

/* Inside a string of JSON: what quoting gives, without the quotes. */
static void put_escaped(er_bytes *out, er_span field)
{
    size_t before = out->size;
    er_json_quote(out, field);
    if (out->error) return;
    memmove(out->at + before, out->at + before + 1, out->size - before - 2);
    out->size -= 2;
    out->at[out->size] = '\0';
}

static void put_percent(er_bytes *out, er_span field) /* RFC 3986, 2.3 */
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < field.size; i++) {
        if (field.at[i] && strchr(plain, field.at[i])) er_bytes_add(out, field.at + i, 1);
        else er_bytes_percent(out, (unsigned char)field.at[i]);
    }
}

static bool put_bare(er_bytes *out, er_span field) /* outside a string of JSON */
{
    size_t where;
    const char *why;
    field = er_json_trim(field);
    if (!field.size || strchr("\"{[", field.at[0]) || er_json_check(field, &where, &why))
        return false;
    er_bytes_add(out, field.at, field.size);
    return true;
}

size_t er_template_fill(const er_template *t, const er_span *fields, er_bytes *out)
{
    for (size_t i = 0; i < t->n; i++) {
        const er_template_part *part = &t->parts[i];
        er_bytes_add(out, t->text + part->from, part->size);
        if (part->column == ER_NO_COLUMN) continue;
        er_span field = fields[part->column];
        if (t->kind == ER_TEMPLATE_TEXT || (t->kind == ER_TEMPLATE_URL && !i && !part->size)) {
            er_bytes_add(out, field.at, field.size);
        } else if (t->kind == ER_TEMPLATE_URL) {
            put_percent(out, field);
        } else if (part->in_string) {
            put_escaped(out, field);
        } else if (!put_bare(out, field)) {
            return part->column;
        }
    }
    return ER_NO_COLUMN;
}
