/* jobs/sources/csv.c -- a header, then records of as many fields (RFC 4180), read in two passes.
 *
 *     AT_START --"--> QUOTED <--"--> CLOSED        a line break ends a record unless QUOTED
 *        |  ^             other characters:        a delimiter leads to AT_START unless QUOTED
 *        +--> PLAIN                                CLOSED --other--> an error
 *
 * The reader's thread follows the states of the lines only as far as it must to find where a record
 * ends; a worker splits it. What is not as it should be is an error of the record, which has the
 * number of its first line: a quotation mark that is never closed, a text behind one that is,
 * another number of fields. After an error reading goes on with the next line of the file. What
 * stands between quotation marks is never taken for records: a request that was never meant must
 * not be sent, so an open quotation mark costs what follows it. A quotation mark inside a plain
 * field stands for itself.
 *
 * A CSV without quotation marks is read at the speed of lines. */
#include "jobs/sources/csv.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

#define HEADER_MOST ((size_t)1 << 20)

typedef enum state { AT_START, PLAIN, QUOTED, CLOSED } state;

typedef struct record {
    er_bytes text;
    bool too_long, broken;  /* broken: a text behind a closed quotation mark */
    uint64_t number, quote; /* its first line; the line in which its last quoted field began */
} record;

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* The state behind one more character. */
static state step(state s, char c, char delimiter, bool *broken)
{
    if (s == QUOTED) return c == '"' ? CLOSED : QUOTED;
    if (c == delimiter) return AT_START;
    if (c == '"' && s == AT_START) return QUOTED;
    if (c == '"' && s == CLOSED) return QUOTED; /* a doubled one */
    if (s == CLOSED) {
        *broken |= !is_blank(c) && c != '\r';
        return CLOSED;
    }
    return PLAIN;
}

/* The state behind a piece of a line. */
static state follow(record *r, state s, er_span piece, char delimiter, uint64_t line)
{
    bool plain = s == AT_START || s == PLAIN;
    if (plain && piece.size && !memchr(piece.at, '"', piece.size))
        return piece.at[piece.size - 1] == delimiter ? AT_START : PLAIN;
    for (size_t i = 0; i < piece.size && !r->broken; i++) {
        state next = step(s, piece.at[i], delimiter, &r->broken);
        if (next == QUOTED && s == AT_START) r->quote = line;
        s = next;
    }
    return s;
}

static int add(record *r, er_span piece)
{
    if (!r->too_long && piece.size > ER_LINE_MOST + 1 - r->text.size) { /* + 1: a CR may still go */
        r->too_long = true;
        er_bytes_free(&r->text);
    }
    if (!r->too_long) er_bytes_add(&r->text, piece.at, piece.size);
    return r->text.error;
}

/* The text of a record: 0; ENODATA: there is none; EINVAL: it ends inside quotation marks; as
 * er_lines_piece. */
static int read_record(er_lines *lines, char delimiter, record *r)
{
    *r = (record){ .number = lines->number + 1 };
    state s = AT_START;
    for (bool ended = false; !ended || (s == QUOTED && !r->broken);) {
        er_span piece = { "\n", 1 };
        if (ended && add(r, piece)) return ENOMEM;
        int error = er_lines_piece(lines, &piece.at, &piece.size, &ended);
        if (error == ENODATA && s == QUOTED) return EINVAL;
        if (error) return error;
        s = follow(r, s, piece, delimiter, lines->number + !ended);
        if (add(r, piece)) return ENOMEM;
    }
    if (r->text.size && r->text.at[r->text.size - 1] == '\r') r->text.at[--r->text.size] = '\0';
    return 0;
}

static void set_error(er_line *line, er_bytes *why)
{
    line->why = er_bytes_take(why);
    line->error = line->why ? EINVAL : ENOMEM;
    if (!line->why) er_bytes_free(why);
}

/* The record as a line; what is wrong with it is the line's error. */
static void give(record *r, const er_lines *lines, int error, er_line *line)
{
    *line = (er_line){ .file = lines->file, .number = r->number };
    er_bytes why = { 0 };
    if (error == EINVAL)
        er_bytes_format(&why,
                        "a quotation mark in line %llu is never closed; the file was not read "
                        "further",
                        (unsigned long long)r->quote);
    else if (r->broken)
        er_bytes_format(&why,
                        "text follows the end of a field in quotation marks, which began in "
                        "line %llu",
                        (unsigned long long)r->quote);
    else if (r->too_long && r->quote)
        er_bytes_format(&why, "longer than %zu MiB, with a quotation mark in line %llu",
                        ER_LINE_MOST >> 20, (unsigned long long)r->quote);
    if (why.size || why.error) {
        set_error(line, &why);
        er_bytes_free(&r->text);
    } else if (r->too_long || r->text.size > ER_LINE_MOST) {
        line->error = EFBIG;
        er_bytes_free(&r->text);
    } else {
        line->size = r->text.size;
        line->text = er_bytes_take(&r->text);
    }
}

/* With tabs between its fields, a line of tabs is a record. */
static bool is_blank_record(const record *r, char delimiter)
{
    return !r->too_long && !r->broken && er_line_is_blank(r->text.at, r->text.size) &&
           !memchr(r->text.at, delimiter, r->text.size);
}

static int next(er_source *source, er_line *line)
{
    er_lines *lines = source->lines;
    for (;;) {
        record r;
        /* a file without a header has no form, and is at its end */
        char delimiter = source->form ? source->form->delimiter : ',';
        int error = read_record(lines, delimiter, &r);
        bool blank = !error && is_blank_record(&r, delimiter);
        if (blank || (error && error != EINVAL)) er_bytes_free(&r.text);
        if (blank) continue;
        if (error && error != EINVAL) return er_lines_broken(lines, error, line);
        give(&r, lines, error, line);
        return 0;
    }
}

/* ---- fields ---- */

/* Takes the next field of a record without errors out of *at, in place, which leaves remains
 * behind it; false: that was the last.
 */
static bool take_field(char **at, char *end, char delimiter, er_span *field)
{
    char *from = *at, *to = from, *c = from;
    if (c < end && *c == '"' && delimiter != '"') {
        for (c++; c < end && (*c != '"' || (c + 1 < end && c[1] == '"')); *to++ = *c++) {
            if (*c == '"') c++; /* a doubled one */
        }
        while (c < end && *c != delimiter) c++; /* the closing one, and blanks */
    } else {
        c = memchr(from, delimiter, (size_t)(end - from));
        if (!c) c = end;
        to = c;
    }
    *field = (er_span){ from, (size_t)(to - from) };
    *at = c + 1;
    return c < end;
}

/* At most `most` fields; how many there are. */
static size_t split(char *text, size_t size, char delimiter, er_span *fields, size_t most)
{
    size_t n = 0;
    char *at = text, *end = text + size;
    for (bool more = true; more; n++) {
        er_span field;
        more = take_field(&at, end, delimiter, &field);
        if (n < most) fields[n] = field;
    }
    return n;
}

static int convert(er_line_job *job)
{
    const er_form *form = job->form;
    if (er_form_check(job)) return job->error;
    er_span *fields = er_alloc((form->columns.n + 1) * sizeof *fields);
    if (!fields) return job->error = ENOMEM;
    size_t n = split(job->line.text, job->line.size, form->delimiter, fields, form->columns.n);
    if (n == form->columns.n) er_form_fill(job, form, fields);
    else
        er_line_job_refuse(job, "%zu field%s, but the header has %zu", n, n == 1 ? "" : "s",
                           form->columns.n);
    er_free(fields);
    return job->error;
}

/* ---- the header ---- */

/* The one of , ; tab and | that stands first in it outside quotation marks. */
static char guess_delimiter(const char *text, size_t size)
{
    bool quoted = false;
    for (size_t i = 0; i < size && text[i] != '\n'; i++) {
        if (text[i] == '"') quoted = !quoted;
        else if (!quoted && text[i] && strchr(",;\t|", text[i])) return text[i];
    }
    return ',';
}

/* With names trimmed; of text that is the header's no longer. */
static int make_columns(er_bytes *text, char delimiter, er_columns *columns)
{
    size_t most = 1;
    for (size_t i = 0; i < text->size; i++) most += text->at[i] == delimiter;
    er_span *fields = er_alloc(most * sizeof *fields);
    columns->names = er_alloc_zero(most * sizeof *columns->names);
    columns->n =
        fields && columns->names ? split(text->at, text->size, delimiter, fields, most) : 0;
    bool whole = columns->n;
    for (size_t i = 0; i < columns->n; i++) {
        er_span name = er_json_trim(fields[i]);
        columns->names[i] = er_copy_bytes(name.at, name.size);
        whole &= columns->names[i] != NULL;
    }
    er_free(fields);
    if (!whole) er_columns_free(columns);
    return whole ? 0 : ENOMEM;
}

static int check_header(const record *r, int error, er_bytes *why)
{
    if (error == EINVAL) er_bytes_text(why, "a quotation mark in its header is never closed");
    else if (!error && r->broken)
        er_bytes_text(why, "text follows the end of a field in quotation marks, in its header");
    else if (!error && (r->too_long || r->text.size > HEADER_MOST))
        er_bytes_text(why, "its header is longer than 1 MiB");
    else if (!error && memchr(r->text.at, 0, r->text.size))
        er_bytes_text(why, "a NUL byte in its header");
    else if (!error && !er_utf8_valid(r->text.at, r->text.size))
        er_bytes_text(why, "not UTF-8; iconv -f WINDOWS-1252 -t UTF-8 may convert it");
    if (why->error) return ENOMEM;
    return why->size ? EINVAL : error;
}

/* A file without a header is one without records. */
static int begin(er_source *source, er_bytes *why, er_bytes *notes)
{
    er_lines *lines = source->lines;
    record r = { .number = 0 };
    char delimiter = source->opts->delimiter;
    int error;
    do {
        er_bytes_free(&r.text);
        size_t size = 0;
        const char *ahead = er_lines_ahead(lines, &size);
        if (!source->opts->delimiter) delimiter = guess_delimiter(ahead, size);
        error = read_record(lines, delimiter, &r);
    } while (!error && !r.too_long && er_line_is_blank(r.text.at, r.text.size));
    bool empty = error == ENODATA;
    if (!empty) error = check_header(&r, error, why);
    er_columns columns = { NULL, 0 };
    if (!error) error = make_columns(&r.text, delimiter, &columns);
    if (!error)
        error = er_form_new(&source->form, &columns, false, &source->opts->form, why, notes);
    er_bytes_free(&r.text);
    if (empty) return 0;
    if (!error) source->form->delimiter = delimiter;
    source->for_convert = source->form;
    return error;
}

const er_source_kind er_source_csv = {
    .format = ERRAND_JOBS_CSV,
    .one = "record",
    .many = "records",
    .begin = begin,
    .next = next,
    .convert = convert
};
