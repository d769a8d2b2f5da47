/* log/fields.c -- key/values formatted once, in both forms, and then copied into each line. */
#include "log/fields.h"
#include "log/escape.h"
#include "log/format.h"
#include "log/pack.h"
#include "log/value.h"

#include <errno.h>

__thread errand_log_fields *er_fields_of_thread;

void er_fields_release(errand_log_fields *fields)
{
    if (fields && er_sub(&fields->count, 1) == 1) er_free(fields);
}

static errand_log_fields *join(const errand_log_fields *base, const er_text *text,
                               const er_text *json, unsigned keys)
{
    size_t text_size = base ? base->text_size : 0, json_size = base ? base->json_size : 0;
    errand_log_fields *all =
        er_alloc(sizeof *all + text_size + text->size + json_size + json->size);
    if (!all) return NULL;
    *all = (errand_log_fields){ 1, keys + (base ? base->keys : 0), text_size + text->size,
                                json_size + json->size };
    char *to = all->bytes;
    if (base) memcpy(to, er_fields_text(base), text_size);
    memcpy(to + text_size, text->at, text->size);
    to += all->text_size;
    if (base) memcpy(to, er_fields_json(base), json_size);
    memcpy(to + json_size, json->at, json->size);
    return all;
}

static errand_log_fields *make(const errand_log_fields *base, const er_plan *plan, const char *args)
{
    enum { ROOM = 256, MOST = 65536 };
    er_text values = { 0 }, text = { 0 }, json = { 0 };
    errand_log_fields *all = NULL;
    er_values found;
    if (!er_text_open(&values, ROOM, MOST) && !er_text_open(&text, ROOM, MOST) &&
        !er_text_open(&json, ROOM, MOST)) {
        er_format(&values, plan, args, &found);
        for (unsigned i = 0; i < found.n; i++) {
            er_value_text(&text, &found.of[i], values.at);
            er_value_json(&json, &found.of[i], values.at);
        }
        bool whole = !text.missing && !json.missing;
        all = whole ? join(base, &text, &json, found.n) : NULL;
        if (!all) errno = whole ? ENOMEM : E2BIG;
    } else {
        errno = ENOMEM;
    }
    er_text_close(&values);
    er_text_close(&text);
    er_text_close(&json);
    return all;
}

errand_log_fields *errand_log_fields_new(const errand_log_fields *base, const char *fmt, ...)
{
    er_plan *plan = fmt ? er_plan_new(NULL, fmt) : NULL;
    if (!plan || !plan->known) {
        errno = plan ? ENOTSUP : ENOMEM;
        if (!fmt) errno = EINVAL;
        er_free(plan);
        return NULL;
    }
    int error = errno;
    er_args args;
    va_start(args.list, fmt);
    size_t size = er_pack_size(plan, &args);
    va_end(args.list);
    char *packed = er_alloc(size + 8);
    errand_log_fields *all = NULL;
    if (packed) {
        errno = error;
        va_start(args.list, fmt);
        bool fits = er_pack(packed, size, plan, UINT32_MAX - 1, &args);
        va_end(args.list);
        if (fits) all = make(base, plan, packed);
        else errno = EINVAL; /* a string changed while it was copied */
    } else {
        errno = ENOMEM;
    }
    er_free(packed);
    er_free(plan);
    return all;
}

errand_log_fields *errand_log_fields_keep(errand_log_fields *fields)
{
    return er_fields_keep(fields);
}
void errand_log_fields_free(errand_log_fields *fields) { er_fields_release(fields); }
errand_log_fields *errand_log_fields_swap(errand_log_fields *fields)
{
    return er_fields_swap(fields);
}
errand_log_fields *errand_log_fields_current(void) { return er_fields_here(); }
