/* log/layout.h -- how a line looks: a pattern of text, or JSON. One thread uses it. */
#ifndef ER_LAYOUT_H
#define ER_LAYOUT_H

#include "log/fields.h"
#include "log/format.h"

#include <errand/log_sink.h>

typedef struct er_line { /* all parts of a line; the names are escaped when it is laid out */
    int level, line;
    long thread;
    const char *name, *file, *function;
    /* the same for two lines: file, function, line and level are the same. NULL: unknown */
    const void *place;
    int64_t wall_ns;
    const er_text *text; /* the message and the values behind it */
    const er_values *values;
    const errand_log_fields *fields; /* the thread's; NULL: none */
} er_line;

typedef struct er_layout er_layout;

/* pattern NULL: the default. EINVAL: it has an unknown word. free: er_free. */
int er_layout_new(er_layout **layout, errand_log_form form, const char *pattern, bool colour);
bool er_layout_same(const er_layout *a, const er_layout *b); /* they make the same of every line */

/* Reads the program's time zone again with the next line. */
void er_layout_ask_zone(er_layout *layout);
/* Adds the line and its newline: it has no other control character, but for colours. */
void er_layout_line(er_layout *layout, er_text *out, const er_line *line);
/* "... N lines lost here: reason"; reason may be NULL. */
void er_layout_gap(er_layout *layout, er_text *out, int64_t wall_ns, const char *name,
                   uint64_t lost, const char *reason);

const char *er_level_name(int level);

#endif
