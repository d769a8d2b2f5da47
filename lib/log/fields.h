/* log/fields.h -- the key/values a thread adds to its lines: one counted pointer.
 *
 * To carry them to another thread with a task: er_fields_keep(er_fields_here()) where the task is
 * submitted; where it runs, before = er_fields_swap(its), and afterwards er_fields_swap(before).
 * NULL is no fields, at no cost. */
#ifndef ER_FIELDS_H
#define ER_FIELDS_H

#include "base/atomic.h"
#include "log/text.h"

#include <errand/log_fields.h>

struct errand_log_fields {
    uint32_t count; /* atomic */
    uint32_t keys;
    size_t text_size, json_size;
    char bytes[]; /* " key=value" for each, then ",\"key\":value" */
};

/* The calling thread's. It holds the count; here borrows it, swap trades it. */
extern __thread errand_log_fields *er_fields_of_thread __attribute__((visibility("hidden")));

void er_fields_release(errand_log_fields *fields); /* NULL is harmless */

static inline errand_log_fields *er_fields_here(void) { return er_fields_of_thread; }
static inline errand_log_fields *er_fields_keep(errand_log_fields *fields)
{
    if (fields) er_add_relaxed(&fields->count, 1); /* relaxed: the caller has a count */
    return fields;
}
static inline errand_log_fields *er_fields_swap(errand_log_fields *fields)
{
    errand_log_fields *before = er_fields_of_thread;
    er_fields_of_thread = fields;
    return before;
}

static inline const char *er_fields_text(const errand_log_fields *fields) { return fields->bytes; }
static inline const char *er_fields_json(const errand_log_fields *fields)
{
    return fields->bytes + fields->text_size;
}

#endif
