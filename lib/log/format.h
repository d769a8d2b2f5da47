/* log/format.h -- packed arguments printed by their plan. */
#ifndef ER_FORMAT_H
#define ER_FORMAT_H

#include "log/plan.h"
#include "log/text.h"

typedef struct er_value { /* a field: its key in the plan, its value in the text */
    const char *key;
    size_t key_size, at, size;
    er_value_kind kind;
} er_value;

typedef struct er_values {
    size_t message; /* bytes of the text that are the message */
    bool clean;     /* no control characters are in it    */
    unsigned n;
    er_value of[ER_PLAN_FIELDS];
} er_values;

/* Adds the message, then the values, to an empty text. Takes no memory but what the text needs
 * to grow; may be called in a signal handler. */
void er_format(er_text *out, const er_plan *plan, const char *args, er_values *values);

#endif
