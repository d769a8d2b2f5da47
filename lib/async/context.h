/* async/context.h -- what travels with a submit, beside deadline and name: a key and log fields.
 * Made once, counted, never changed. */
#ifndef ER_CONTEXT_H
#define ER_CONTEXT_H

#include "async/job.h"

#include <errand/log_fields.h>

struct er_context {
    uint32_t count;
    bool keyed;                /* else key is not there */
    errand_log_fields *fields; /* counted; NULL: none   */
    char key[];
};

/* What a task submitted here gets, counted: the calling task's, or one of its own; NULL: none,
 * or *error is ENOMEM. */
er_context *er_context_for(const errand_task *task, int *error);

/* NULL is harmless, here and below */
static inline er_context *er_context_keep(er_context *context)
{
    if (context) er_add_relaxed(&context->count, 1); /* relaxed: the caller has a count */
    return context;
}
void er_context_drop(er_context *context);

static inline const char *er_context_key(const er_context *context) /* NULL: none */
{
    return context && context->keyed ? context->key : NULL;
}

#endif
