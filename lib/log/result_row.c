/* log/result_row.c -- a result as it travels through a ring, and what it looks like in a line.
 *
 * A row is bytes, so that it is measured, cut and marked as a string is: items with a NUL
 * between two of them, each a tag and its text. What a reader looks for first comes first; what
 * may be long, and is cut, comes last:
 *
 *     e code  k kind  r reason  p phase  n attempts  y may have run  m message
 *     { c code  x message } of each cause  o more causes
 *
 * Causes come depth first: those of the result, each with its own causes after it. A mark that says
 * what was cut belongs to the item it follows; where that is gone, too, it is an item of its own,
 * with the mark's first dot as its tag. No result is "(null)".
 *
 * Text has a key for each item, JSON one object, in which no key can meet one of the line's own:
 *
 *      error=ETIMEDOUT error.kind=timeout error.message="no answer" error.causes="ECONNRESET: ..."
 *     "error":{"code":"ETIMEDOUT","kind":"timeout","message":"no answer",
 *              "causes":[{"code":"ECONNRESET","message":"..."}]} */
#include "log/result_row.h"
#include "base/number.h"
#include "base/result.h"
#include "base/utf8.h"
#include "log/escape.h"

#include <errand/log.h>

#include <errno.h>

enum { CAUSES = 16, DEPTH = 4 };

/* ---- written ---- */

const char *errand_kv_result_arg(const errand_result *r) { return (const char *)(const void *)r; }

typedef struct row {
    char *at;
    size_t room, size; /* size: of the whole */
    unsigned causes;   /* written so far */
    uint64_t more;     /* ... and those that are not */
} row;

static void add(row *r, const char *at, size_t size)
{
    if (r->size < r->room)
        memcpy(r->at + r->size, at, size < r->room - r->size ? size : r->room - r->size);
    r->size += size;
}

static void add_item(row *r, char tag, const char *text)
{
    if (r->size) add(r, "", 1);
    add(r, &tag, 1);
    add(r, text, strlen(text));
}

static void add_text(row *r, char tag, const char *text) /* "": no item */
{
    if (*text) add_item(r, tag, text);
}

static void add_number(row *r, char tag, uint64_t value) /* 0: no item */
{
    char digits[ER_DECIMAL + 1];
    digits[er_decimal(digits, value)] = '\0';
    if (value) add_item(r, tag, digits);
}

static void add_code(row *r, char tag, int error)
{
    char name[40];
    add_item(r, tag, errand_error_name(error, name, sizeof name));
}

static void add_causes(row *r, const errand_result *of, int depth)
{
    const errand_detail *d = of->detail;
    for (size_t i = 0; d && i < d->n_causes; i++) {
        if (r->causes == CAUSES || depth == DEPTH) {
            r->more += d->n_causes - i;
            return;
        }
        r->causes++;
        add_code(r, 'c', d->causes[i].error);
        add_item(r, 'x', errand_result_message(&d->causes[i]));
        add_causes(r, &d->causes[i], depth + 1);
    }
}

size_t er_result_row(char *to, size_t room, const errand_result *of)
{
    int error = errno; /* a text may take memory to be kept */
    row r = { .at = to, .room = room };
    if (of) {
        add_code(&r, 'e', of->error);
        add_item(&r, 'k', errand_kind_name(errand_result_kind(of)));
        add_text(&r, 'r', errand_reason_name(errand_result_reason(of)));
        add_text(&r, 'p', errand_result_phase(of));
        add_number(&r, 'n', errand_result_attempts(of));
        if (of->error && errand_result_may_have_run(of)) add_item(&r, 'y', "");
        if (of->error) add_item(&r, 'm', errand_result_message(of));
        add_causes(&r, of, 0);
        add_number(&r, 'o', r.more);
    } else {
        add(&r, "(null)", 6);
    }
    errno = error;
    return r.size;
}

size_t er_result_row_cut(const char *at, size_t size)
{
    size = er_utf8_whole(at, size);
    if (size && !at[size - 1]) return size - 1;
    return size > 1 && !at[size - 2] ? size - 2 : size;
}

/* ---- read ---- */

typedef struct item {
    char tag;
    const char *at;
    size_t size;
} item;

static bool next_item(const char **at, size_t *left, item *next)
{
    if (!*left) return false;
    const char *end = memchr(*at, '\0', *left);
    size_t size = end ? (size_t)(end - *at) : *left;
    bool tagged = size && **at != '.';
    *next = (item){ size ? **at : '.', *at + tagged, size - tagged };
    *at += size;
    *left -= size;
    if (end) {
        ++*at;
        --*left;
    }
    return true;
}

static const char *name_of(char tag) /* NULL: a cause's */
{
    static const struct {
        char tag;
        const char *name;
    } names[] = { { 'e', "code" },    { 'k', "kind" },        { 'r', "reason" },
                  { 'p', "phase" },   { 'n', "attempts" },    { 'y', "may_have_run" },
                  { 'm', "message" }, { 'o', "more_causes" }, { '.', "cut" } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].tag == tag) return names[i].name;
    }
    return NULL;
}

static bool is_none(const char *at, size_t size) { return size == 6 && !memcmp(at, "(null)", 6); }

static bool is_whole(const item *i) /* a number or a yes that was not cut */
{
    if (i->tag == 'y') return !i->size;
    bool digits = i->size && (i->tag == 'n' || i->tag == 'o');
    for (size_t k = 0; k < i->size && digits; k++) digits = i->at[k] >= '0' && i->at[k] <= '9';
    return digits;
}

static void put_whole(er_text *out, const item *i)
{
    if (i->tag == 'y') er_text_say(out, "true");
    else er_text_add(out, i->at, i->size);
}

void er_result_row_text(er_text *out, const char *key, size_t key_size, const char *at, size_t size)
{
    bool none = is_none(at, size), causes = false;
    er_text_put(out, ' ');
    er_escape_value(out, key, key_size);
    er_text_put(out, '=');
    if (none || !size || *at != 'e') er_escape_value(out, at, none ? size : 0);
    for (item i; !none && next_item(&at, &size, &i);) {
        const char *name = name_of(i.tag);
        if (i.tag == 'e') {
            er_escape_value(out, i.at, i.size);
            continue;
        }
        if (!name && causes) {
            er_text_say(out, i.tag == 'c' ? "; " : ": ");
            er_escape_quoted(out, i.at, i.size);
            continue;
        }
        if (causes) er_text_put(out, '"');
        causes = !name;
        er_text_put(out, ' ');
        er_escape_value(out, key, key_size);
        er_text_put(out, '.');
        er_text_say(out, name ? name : "causes");
        er_text_put(out, '=');
        if (causes) {
            er_text_put(out, '"');
            er_escape_quoted(out, i.at, i.size);
        } else if (is_whole(&i)) {
            put_whole(out, &i);
        } else {
            er_escape_value(out, i.at, i.size);
        }
    }
    if (causes) er_text_put(out, '"');
}

static void put_member(er_text *out, const char *name, const item *i)
{
    er_text_put(out, '"');
    er_text_say(out, name);
    er_text_add(out, "\":", 2);
    if (is_whole(i)) {
        put_whole(out, i);
        return;
    }
    er_text_put(out, '"');
    er_escape_json(out, i->at, i->size);
    er_text_put(out, '"');
}

static void put_cause(er_text *out, bool first, const item *i)
{
    if (i->tag == 'c') {
        er_text_say(out, first ? "\"causes\":[{" : "},{");
        put_member(out, "code", i);
    } else {
        er_text_put(out, ',');
        put_member(out, "message", i);
    }
}

void er_result_row_json(er_text *out, const char *at, size_t size)
{
    bool causes = false, first = true;
    if (is_none(at, size)) {
        er_text_say(out, "null");
        return;
    }
    er_text_put(out, '{');
    for (item i; next_item(&at, &size, &i); first = false) {
        const char *name = name_of(i.tag);
        if (causes && name) er_text_add(out, "}]", 2);
        if (!first && (name || !causes)) er_text_put(out, ',');
        if (name) put_member(out, name, &i);
        else put_cause(out, !causes, &i);
        causes = !name;
    }
    if (causes) er_text_add(out, "}]", 2);
    er_text_put(out, '}');
}
