/* row.h -- a line of text that never takes more columns of a terminal than it may. */
#ifndef ROW_H
#define ROW_H

#include <stdbool.h>
#include <stddef.h>

typedef struct row {
    char at[2048]; /* ends with a NUL */
    size_t size;
    int columns, most; /* colour codes take none */
} row;

void row_begin(row *r, int most);

/* Adds a part that is ASCII, two blanks before it unless it is the first. False: it does not fit,
 * and nothing was added. colour: an escape sequence, or NULL. */
bool row_part(row *r, const char *colour, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds UTF-8 text behind what is there, cut to the room that is left; "..." shows that. */
void row_text(row *r, const char *text);

#endif
