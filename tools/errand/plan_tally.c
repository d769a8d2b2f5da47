/* plan_tally.c -- memory grows with the hosts, of which 65,536 are counted apart, and with the jobs
 * that have an id: about 24 bytes for each. */
#include "plan_tally.h"

#include <stdlib.h>
#include <string.h>

static plan_file *file_of(plan_tally *t, const char *name)
{
    if (t->n_files && !strcmp(t->files[t->n_files - 1].name, name))
        return &t->files[t->n_files - 1];
    plan_file *files = realloc(t->files, (t->n_files + 1) * sizeof *files);
    if (files) t->files = files;
    char *copy = files ? strdup(name) : NULL;
    if (!copy) {
        t->full = true;
        return NULL;
    }
    files[t->n_files] = (plan_file){ .name = copy };
    return &files[t->n_files++];
}

static char *copy_of(const char *text) { return text ? strdup(text) : NULL; }

static void add_error(plan_tally *t, plan_file *file, const errand_jobs_line *line)
{
    uint64_t n = t->bad + t->unread;
    if (n < PLAN_ERRORS)
        t->errors[n] = (plan_error){ copy_of(line->file), copy_of(line->message), line->number };
    if (line->fate == ERRAND_JOBS_UNREAD) {
        t->unread++;
        file->unread = true;
    } else {
        t->bad++;
        file->bad++;
    }
}

static void add_id(plan_tally *t, const errand_jobs_line *line)
{
    uint64_t place = (uint64_t)(t->n_files - 1) << 40 | plan_place_line(line->number), first;
    if (!line->id || !line->identity || id_set_add(&t->ids, line->identity, place, &first)) return;
    if (t->n_twice < PLAN_TWICE)
        t->twice[t->n_twice] = (plan_twice){ copy_of(line->id), first, place };
    t->n_twice++;
}

static void add_job(plan_tally *t, plan_file *file, const errand_jobs_line *line)
{
    bool harmful = !line->harmless;
    t->jobs++;
    file->jobs++;
    t->harmful += harmful;
    t->keyed += line->keyed;
    t->bytes += line->body_size;
    t->tokens += line->tokens;
    name_counts_add(&t->hosts, line->host ? line->host : "")->marked += harmful;
    name_counts_add(&t->methods, line->method)->marked += harmful;
}

void plan_tally_add(plan_tally *t, const errand_jobs_line *line)
{
    plan_file *file = file_of(t, line->file);
    if (!file) return;
    switch (line->fate) {
    case ERRAND_JOBS_SENT: add_job(t, file, line); break;
    case ERRAND_JOBS_DONE: t->done++; break;
    case ERRAND_JOBS_DONE_FAILED: t->done_failed++; break;
    case ERRAND_JOBS_DONE_UNKNOWN: t->done_unknown++; break;
    default: add_error(t, file, line); return;
    }
    add_id(t, line);
}

const char *plan_place_file(const plan_tally *t, uint64_t place)
{
    return t->files[place >> 40].name;
}

/* The last attempt begins after that. */
static void consider(plan_time *time, const pace *p, uint64_t n, option_id by)
{
    if (p->per_second <= 0) return; /* not given, or learned from replies */
    double seconds = n > p->burst ? (double)(n - p->burst) / p->per_second : 0;
    if (seconds <= time->seconds) return;
    time->seconds = seconds;
    time->by = by;
}

plan_time plan_time_of(plan_tally *t, const run_options *o)
{
    plan_time time = { .seconds = -1 };
    size_t n;
    name_count *const *hosts = name_counts_sorted(&t->hosts, &n);
    if (n) consider(&time, &o->rate, hosts[0]->n, OPTION_RATE);
    if (n) consider(&time, &o->rate_total, t->jobs, OPTION_RATE_TOTAL);
    if (n) consider(&time, &o->tokens, t->tokens, OPTION_TOKENS);
    if (time.seconds >= 0 && time.by == OPTION_RATE) time.host = hosts[0];
    return time;
}

void plan_tally_free(plan_tally *t)
{
    for (size_t i = 0; i < t->n_files; i++) free(t->files[i].name);
    for (size_t i = 0; i < PLAN_TWICE; i++) free(t->twice[i].id);
    for (size_t i = 0; i < PLAN_ERRORS; i++) {
        free(t->errors[i].file);
        free(t->errors[i].message);
    }
    free(t->files);
    name_counts_free(&t->hosts);
    name_counts_free(&t->methods);
    id_set_free(&t->ids);
    *t = (plan_tally){ 0 };
}
