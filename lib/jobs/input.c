/* jobs/input.c -- files are opened one after the other; a source reads each of them.
 *
 * Before the first job all regular files are opened once up to their first line, so that a wrong
 * format or a column that is not there ends it all before anything is sent. What can be read only
 * once, a pipe, is looked at when its turn comes: if it is the first, it ends it all as well, else
 * it is one more file that cannot be read.
 *
 * Jobs point to the forms of their files, which are kept to the end: one for each file. */
#include "jobs/input.h"

#include "jobs/detect.h"
#include "jobs/sources/csv.h"
#include "jobs/sources/jsonl.h"
#include "jobs/sources/openai.h"
#include "jobs/sources/urls.h"

#include <errno.h>
#include <string.h>

#define COUNTED ((uint64_t)4 << 20) /* bytes of a file that are counted in no time */

static const er_source_kind *kind_of(errand_jobs_format format)
{
    static const er_source_kind *const kinds[] = { &er_source_urls, &er_source_csv,
                                                   &er_source_openai };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i]->format == format) return kinds[i];
    }
    return &er_source_jsonl;
}

/* A source for the file that lines have open. As begin. */
static int open_source(const er_input_opts *opts, er_lines *lines, er_source *source, er_bytes *why,
                       er_bytes *notes)
{
    er_span ahead;
    errand_jobs_format format;
    ahead.at = er_lines_ahead(lines, &ahead.size);
    int error = er_detect(opts->format, ahead, &opts->source, &format, why);
    *source = (er_source){ .kind = kind_of(format), .lines = lines, .opts = &opts->source };
    if (!error && source->kind->begin) error = source->kind->begin(source, why, notes);
    return error;
}

int er_input_init(er_input *input, const er_input_opts *opts, int wake_fd)
{
    *input = (er_input){ .opts = *opts };
    return er_lines_init(&input->lines, opts->files, wake_fd);
}

void er_input_free(er_input *input)
{
    for (er_form *form = input->forms, *next; form; form = next) {
        next = form->next;
        er_form_free(form);
    }
    input->forms = NULL;
    er_free(input->why);
    input->why = NULL;
    er_lines_free(&input->lines);
}

uint64_t er_input_count(const er_input *input) { return input->seq - input->skipped; }

static void keep_form(er_input *input, er_form *form)
{
    if (!form) return;
    form->next = input->forms;
    input->forms = form;
}

/* ---- before the first job ---- */

static int refuse(er_input *input, const char *file, er_bytes *why)
{
    er_bytes text = { 0 };
    er_bytes_format(&text, "%s: %s", file, why->at ? why->at : "");
    er_free(input->why);
    input->why = er_bytes_take(&text);
    if (input->why) return EINVAL;
    er_bytes_free(&text);
    return ENOMEM;
}

/* EINVAL with input->why, or ENOMEM, ECANCELED; files that cannot be read are found later. */
static int check_file(er_input *input, const char *name)
{
    const char *const files[] = { name, NULL };
    er_lines lines;
    er_line line = { 0 };
    er_source source = { 0 };
    er_bytes why = { 0 }, notes = { 0 };
    int error = er_lines_init(&lines, files, input->lines.wake_fd);
    if (!error) error = er_lines_open(&lines, &line);
    if (!error && lines.file) error = open_source(&input->opts, &lines, &source, &why, &notes);
    if (error == EINVAL && why.size) error = refuse(input, name, &why);
    else if (error != ENOMEM && error != ECANCELED) error = 0;
    er_free(line.why);
    er_form_free(source.form);
    er_bytes_free(&why);
    er_bytes_free(&notes);
    er_lines_free(&lines);
    return error;
}

static int check_files(er_input *input)
{
    for (const char *const *file = input->opts.files; file && *file; file++) {
        er_file_about about;
        if (!strcmp(*file, "-") || er_file_look_at(*file, &about) || !about.regular) continue;
        int error = check_file(input, *file);
        if (error) return error;
    }
    return 0;
}

/* ---- what a file was taken for ---- */

static void put_count(er_bytes *out, uint64_t n) /* 7,000 */
{
    if (n >= 1000) {
        put_count(out, n / 1000);
        er_bytes_format(out, ",%03u", (unsigned)(n % 1000));
    } else {
        er_bytes_format(out, "%u", (unsigned)n);
    }
}

/* Of a regular file that is neither large nor packed. False: it is not known cheaply. */
static bool count_records(const er_input *input, uint64_t *n)
{
    const char *const files[] = { input->lines.file, NULL };
    er_file_about about;
    *n = 0;
    if (input->lines.fd <= 0 || input->lines.gunzip || er_file_look(input->lines.fd, &about) ||
        !about.regular || about.size > COUNTED)
        return false;
    er_lines lines;
    er_line line = { 0 };
    er_source source = { 0 };
    er_bytes why = { 0 }, notes = { 0 };
    int error = er_lines_init(&lines, files, input->lines.wake_fd);
    if (!error) error = er_lines_open(&lines, &line);
    if (!error && !lines.file) error = EIO;
    if (!error) error = open_source(&input->opts, &lines, &source, &why, &notes);
    while (!error && !(error = source.kind->next(&source, &line)) && line.number) {
        ++*n;
        er_free(line.text);
        er_free(line.why);
        line = (er_line){ 0 };
    }
    er_free(line.why);
    er_form_free(source.form);
    er_bytes_free(&why);
    er_bytes_free(&notes);
    er_lines_free(&lines);
    return error == ENODATA;
}

static void put_columns(er_bytes *out, const er_form *form)
{
    for (size_t i = 0; i < form->columns.n && i < 12; i++)
        er_bytes_format(out, "%s%.40s", i ? ", " : " with the columns ", form->columns.names[i]);
    if (form->columns.n > 12) er_bytes_text(out, ", ...");
    if (form->delimiter == '\t') er_bytes_text(out, ", between tabs");
    else if (form->delimiter != ',') er_bytes_format(out, ", between \"%c\"", form->delimiter);
}

static void say(const er_input *input, const char *text)
{
    input->opts.on_notice(text, input->opts.arg);
}

static void say_notes(const er_input *input, er_bytes *notes)
{
    char *at = notes->at;
    while (at && *at) {
        char *end = strchr(at, '\n');
        if (end) *end = '\0';
        er_bytes text = { 0 };
        er_bytes_format(&text, "%s: %s", input->lines.file, at);
        if (text.at) say(input, text.at);
        er_bytes_free(&text);
        at = end ? end + 1 : NULL;
    }
}

static void announce(const er_input *input, er_bytes *notes)
{
    const er_source *source = &input->source;
    uint64_t n;
    if (!input->opts.on_notice) return;
    if (input->opts.format == ERRAND_JOBS_AUTO && source->kind != &er_source_jsonl) {
        bool counted = count_records(input, &n),
             list = source->kind == &er_source_urls && source->form,
             csv = source->kind == &er_source_csv;
        const char *noun = counted && n == 1 ? source->kind->one : source->kind->many;
        er_bytes text = { 0 };
        er_bytes_format(&text, "%s: ", input->lines.file);
        if (list) er_bytes_text(&text, "a list of ");
        else if (csv) er_bytes_text(&text, counted ? "a CSV of " : "a CSV");
        if (counted) put_count(&text, n);
        if (counted) er_bytes_text(&text, " ");
        if (list && source->form->has_url) noun = counted && n == 1 ? "line" : "lines";
        if (counted || !csv) er_bytes_text(&text, noun);
        if (csv && source->form) put_columns(&text, source->form);
        if (!text.error) say(input, text.at);
        er_bytes_free(&text);
    }
    say_notes(input, notes);
}

/* ---- the jobs ---- */

/* The next file: 0, and it is open, or *line says why not. */
static int open_file(er_input *input, er_line *line)
{
    int error = er_lines_open(&input->lines, line);
    if (error || !input->lines.file) return error;
    er_bytes why = { 0 }, notes = { 0 };
    error = open_source(&input->opts, &input->lines, &input->source, &why, &notes);
    keep_form(input, input->source.form);
    if (!error) announce(input, &notes);
    if (error == EINVAL && why.size && !input->seq) {
        error = refuse(input, input->lines.file, &why);
    } else if (error == EINVAL && why.size) {
        *line = (er_line){ .file = input->lines.file, .error = EINVAL, .why = er_bytes_take(&why) };
        er_lines_shut(&input->lines);
        error = 0;
    } else if (error) {
        error = er_lines_broken(&input->lines, error, line);
    }
    er_bytes_free(&why);
    er_bytes_free(&notes);
    return error;
}

/* One record, or a file that cannot be read. */
static int next_record(er_input *input, er_line *line)
{
    for (;;) {
        *line = (er_line){ 0 };
        const er_source_kind *kind = input->lines.file ? input->source.kind : NULL;
        if (!kind) {
            int error = open_file(input, line);
            if (error || !input->lines.file) return error;
            kind = input->source.kind;
        }
        int error = kind->next(&input->source, line);
        if (error != ENODATA) return error;
        er_lines_shut(&input->lines);
    }
}

int er_input_next(er_input *input, er_line_job *job)
{
    if (!input->checked) {
        int error = check_files(input);
        if (error) return error;
        input->checked = true;
    }
    for (;;) {
        er_line line;
        uint64_t most = input->opts.take;
        if (most && er_input_count(input) >= most) return ENODATA;
        int error = next_record(input, &line);
        if (error) return error;
        if (line.number) input->seq++;
        er_line_job_init(job, &line, line.number ? input->seq : 0);
        job->convert = input->source.kind ? input->source.kind->convert : NULL;
        job->form = input->source.for_convert;
        job->defaults = input->opts.source.form.defaults;
        if (!line.number || input->skipped == input->opts.skip) return 0;
        input->skipped++;
        er_line_job_free(job);
    }
}
