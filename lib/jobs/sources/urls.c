/* jobs/sources/urls.c -- a line is a record with one field, called "line": a url, or what a
 * template makes of it.
 *
 * Lines that begin with # are comments. White space around a line is not part of it, nor is a pair
 * of quotation marks, which lists cut out of a CSV or JSON have. */
#include "jobs/sources/urls.h"

#include <errno.h>

static int begin(er_source *source, er_bytes *why, er_bytes *notes)
{
    er_columns columns = { er_alloc(sizeof(char *)), 0 };
    if (columns.names) columns.names[0] = er_copy_text("line");
    if (!columns.names || !columns.names[0]) {
        er_columns_free(&columns);
        return ENOMEM;
    }
    columns.n = 1;
    int error = er_form_new(&source->form, &columns, true, &source->opts->form, why, notes);
    source->for_convert = source->form;
    return error;
}

static bool is_comment(const er_line *line)
{
    size_t i = 0;
    while (i < line->size && (line->text[i] == ' ' || line->text[i] == '\t')) i++;
    return i < line->size && line->text[i] == '#';
}

static int next(er_source *source, er_line *line)
{
    for (;;) {
        int error = er_lines_line(source->lines, line);
        if (error || line->error || !is_comment(line)) return error;
        er_free(line->text);
    }
}

static int convert(er_line_job *job)
{
    if (er_form_check(job)) return job->error;
    er_span field = er_json_trim((er_span){ job->line.text, job->line.size });
    if (field.size >= 2 && field.at[0] == '"' && field.at[field.size - 1] == '"')
        field = er_json_trim((er_span){ field.at + 1, field.size - 2 });
    const er_form *form = job->form;
    if (!field.size && !form->has_url) return er_line_job_refuse(job, "there is no url in it");
    return er_form_fill(job, form, &field);
}

const er_source_kind er_source_urls = {
    .format = ERRAND_JOBS_URLS,
    .one = "url",
    .many = "urls",
    .begin = begin,
    .next = next,
    .convert = convert
};
