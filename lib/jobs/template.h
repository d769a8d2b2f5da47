/* jobs/template.h -- text with {placeholders} for the fields of a record. */
#ifndef ER_TEMPLATE_H
#define ER_TEMPLATE_H

#include "base/bytes.h"
#include "jobs/json_scan.h"

typedef struct er_columns { /* what the fields of a record are called */
    char **names;
    size_t n;
} er_columns;

#define ER_NO_COLUMN ((size_t)-1)

/* The column of this name: 0; EINVAL with *why: there is none, or there are two. what: what asks
 * for it, for the message. */
int er_column_find(const er_columns *columns, const char *what, er_span name, size_t *column,
                   er_bytes *why);

typedef enum er_template_kind {
    ER_TEMPLATE_URL,  /* fields are percent-encoded, but one at the beginning stands as it is */
    ER_TEMPLATE_TEXT, /* fields stand as they are */
    ER_TEMPLATE_JSON  /* in strings, fields are escaped; elsewhere they are numbers or words of JSON
                       */
} er_template_kind;

typedef struct er_template {
    er_template_kind kind;
    char *text; /* of all parts */
    struct er_template_part *parts;
    size_t n;
} er_template;

typedef struct er_template_about {
    const char *what; /* the option that it was given with, for messages */
    const er_columns *columns;
    er_bytes *why;
    er_bytes *notes; /* NULL: not wanted */
} er_template_about;

/* Reads a template. Of a url or text: {name} is a column, {{ and }} are braces. Of JSON: {name} is
 * a placeholder where there is such a column; what looks like a mistyped one goes into *notes. 0;
 * ENOMEM; EINVAL with *why. */
int er_template_read(er_template *t, er_template_kind kind, const char *text,
                     const er_template_about *about);
void er_template_free(er_template *t);

/* Does the text have {name} in it? For the choice of a format, before there are columns. */
bool er_template_has(const char *text, const char *name);

/* Adds the text with the fields of a record. ER_NO_COLUMN, or the column whose value cannot stand
 * outside a string of JSON. */
size_t er_template_fill(const er_template *t, const er_span *fields, er_bytes *out);

#endif
