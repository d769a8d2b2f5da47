/* plan_json.c -- one line; the keys are described in errand(1). */
#include "plan_json.h"

#include <inttypes.h>
#include <json-c/json.h>

static void put(struct json_object *to, const char *key, uint64_t n)
{
    json_object_object_add(to, key, json_object_new_int64((int64_t)n));
}

static void put_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, text ? json_object_new_string(text) : NULL);
}

static struct json_object *new_in(struct json_object *list)
{
    struct json_object *one = json_object_new_object();
    json_object_array_add(list, one);
    return one;
}

static struct json_object *list_in(struct json_object *to, const char *key)
{
    struct json_object *list = json_object_new_array();
    json_object_object_add(to, key, list);
    return list;
}

static void put_counts(struct json_object *to, const char *key, const char *name,
                       name_counts *counts)
{
    size_t n;
    name_count *const *all = name_counts_sorted(counts, &n);
    struct json_object *list = list_in(to, key);
    for (size_t i = 0; i <= n; i++) {
        const name_count *one = i < n ? all[i] : &counts->others;
        if (!one->n) continue;
        struct json_object *row = new_in(list);
        put_text(row, name, one->name); /* null: all others */
        put(row, "jobs", one->n);
        put(row, "not_harmless", one->marked);
    }
}

static void put_place(struct json_object *to, const plan_tally *t, uint64_t place)
{
    struct json_object *one = new_in(to);
    put_text(one, "file", plan_place_file(t, place));
    put(one, "line", plan_place_line(place));
}

static void put_twice(struct json_object *to, const plan_tally *t)
{
    struct json_object *list = list_in(to, "first_duplicate_ids");
    for (size_t i = 0; i < PLAN_TWICE && i < t->n_twice; i++) {
        struct json_object *row = new_in(list);
        const char *id = t->twice[i].id;
        json_object_object_add(row, "id", id ? json_tokener_parse(id) : NULL);
        struct json_object *lines = list_in(row, "lines");
        put_place(lines, t, t->twice[i].first);
        put_place(lines, t, t->twice[i].then);
    }
}

static void put_files(struct json_object *to, const plan_tally *t)
{
    struct json_object *list = list_in(to, "files");
    for (size_t i = 0; i < t->n_files; i++) {
        struct json_object *row = new_in(list);
        put_text(row, "file", t->files[i].name);
        put(row, "jobs", t->files[i].jobs);
        put(row, "bad_lines", t->files[i].bad);
        json_object_object_add(row, "unreadable", json_object_new_boolean(t->files[i].unread));
    }
    list = list_in(to, "first_errors");
    for (size_t i = 0; i < PLAN_ERRORS && i < t->bad + t->unread; i++) {
        struct json_object *row = new_in(list);
        put_text(row, "file", t->errors[i].file);
        if (t->errors[i].line) put(row, "line", t->errors[i].line);
        else put_text(row, "line", NULL);
        put_text(row, "message", t->errors[i].message);
    }
}

bool plan_json(FILE *to, plan_tally *t, const run_options *o)
{
    struct json_object *plan = json_object_new_object();
    double seconds = plan_time_of(t, o).seconds;
    put_text(plan, "type", "plan");
    put(plan, "jobs", t->jobs);
    put(plan, "bad_lines", t->bad);
    put(plan, "unreadable_files", t->unread);
    put(plan, "not_harmless", t->harmful);
    put(plan, "with_key", t->keyed);
    put(plan, "duplicate_ids", t->n_twice);
    put(plan, "body_bytes", t->bytes);
    put(plan, "tokens", t->tokens);
    put(plan, "done", t->done + t->done_failed + t->done_unknown);
    put(plan, "done_failed", t->done_failed);
    put(plan, "done_unknown", t->done_unknown);
    put(plan, "at_once", o->jobs);
    json_object_object_add(plan, "seconds", seconds < 0 ? NULL : json_object_new_double(seconds));
    put_counts(plan, "hosts", "host", &t->hosts);
    put_counts(plan, "methods", "method", &t->methods);
    put_twice(plan, t);
    put_files(plan, t);
    const char *text = json_object_to_json_string_ext(
        plan, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
    if (text) fprintf(to, "%s\n", text);
    json_object_put(plan);
    return text;
}
