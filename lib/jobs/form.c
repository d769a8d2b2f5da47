/* jobs/form.c -- a record becomes JSON, the text that job_parse reads, so that a job has the same
 * checks and messages whatever its file was.
 *
 * Columns give keys of the job by their names, or templates are filled with them. A template goes
 * before a column: one of the url before all columns, one of the body before those of a body. An
 * empty field is a key that is not there. The id is made first and kept apart from the text, as a
 * job that turns out to be a bad one needs it in its result. */
#include "jobs/form.h"

#include "base/utf8.h"
#include "http/sanitize.h"

#include <errno.h>
#include <string.h>

static er_span span_of(const char *text) { return (er_span){ text, strlen(text) }; }
static bool is(const char *a, const char *b) { return !strcmp(a, b); }

bool er_form_opts_any(const er_form_opts *opts)
{
    return opts->url_template || opts->json_template || opts->id_column ||
           (opts->params && *opts->params);
}

/* ---- columns ---- */

void er_columns_free(er_columns *columns)
{
    for (size_t i = 0; i < columns->n; i++) er_free(columns->names[i]);
    er_free(columns->names);
    *columns = (er_columns){ NULL, 0 };
}

static const char *key_of(const char *column)
{
    size_t n = strlen(column);
    const char *key;
    for (size_t i = 0; (key = er_job_key_at(i)); i++) {
        if (strlen(key) == n && er_alike(key, column, n)) return key;
    }
    return NULL;
}

static bool is_body(const char *key)
{
    return is(key, "json") || is(key, "body") || is(key, "body_file");
}

/* Which columns give keys, where no template makes the url. */
static int find_keys(er_form *form, const er_form_opts *opts, er_bytes *why)
{
    for (size_t i = 0; i < form->columns.n; i++) {
        const char *key = key_of(form->columns.names[i]);
        bool made = key &&
                    ((is(key, "id") && opts->id_column) || (is_body(key) && opts->json_template) ||
                     (is(key, "params") && form->n_params));
        form->keys[i] = made ? NULL : key;
        for (size_t other = 0; form->keys[i] && other < i; other++) {
            if (!form->keys[other] || !is(form->keys[other], key)) continue;
            er_bytes_format(why, "there are two columns \"%s\"", key);
            return EINVAL;
        }
        if (form->keys[i] && is(key, "id")) {
            form->id_column = i;
            form->keys[i] = NULL;
        }
    }
    return 0;
}

static bool gives_url(const er_form *form)
{
    for (size_t i = 0; i < form->columns.n; i++) {
        if (form->keys[i] && is(form->keys[i], "url")) return true;
    }
    return form->has_url;
}

static int check_url(const er_form *form, const er_form_opts *opts, er_bytes *why)
{
    if (gives_url(form) || er_job_defaults_has(opts->defaults, "url")) return 0;
    size_t none;
    er_bytes text = { 0 };
    int error =
        er_column_find(&form->columns, "this is a CSV", (er_span){ "url", 3 }, &none, &text);
    er_bytes_format(why,
                    "%s; --template URL makes urls of other columns, as in "
                    "--template 'https://host/{%.40s}'",
                    text.size ? text.at : "", form->columns.n ? form->columns.names[0] : "column");
    er_bytes_free(&text);
    return error;
}

static void note_unused(const er_form *form, er_bytes *notes)
{
    size_t n = 0;
    for (size_t i = 0; i < form->columns.n; i++) {
        if (form->keys[i] || form->id_column == i) continue;
        if (!n) er_bytes_text(notes, notes->size ? "\n" : "");
        if (n < 20) {
            er_bytes_format(notes, "%s%.60s",
                            n ? ", " : "columns that are no keys of a job are not used: ",
                            form->columns.names[i]);
        }
        n++;
    }
    if (n > 20) er_bytes_text(notes, ", ...");
}

/* ---- templates ---- */

static int read_params(er_form *form, const char *const *given, er_bytes *why)
{
    size_t n = 0;
    while (given && given[n]) n++;
    form->params = n ? er_alloc_zero(n * sizeof *form->params) : NULL;
    if (n && !form->params) return ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct er_form_param *p = &form->params[i];
        const char *value = strchr(given[i], '=');
        char what[80];
        er_format_plain(what, sizeof what, "--params %.60s", given[i]);
        if (!value || value == given[i]) {
            er_bytes_format(why, "%s: NAME=VALUE is wanted", what);
            return EINVAL;
        }
        form->n_params++;
        p->name = er_copy_bytes(given[i], (size_t)(value - given[i]));
        if (!p->name) return ENOMEM;
        const er_template_about about = { what, &form->columns, why, NULL };
        int error = er_template_read(&p->value, ER_TEMPLATE_TEXT, value + 1, &about);
        if (error) return error;
    }
    return 0;
}

static int read_templates(er_form *form, const er_form_opts *opts, er_bytes *why, er_bytes *notes)
{
    int error = read_params(form, opts->params, why);
    form->has_url = opts->url_template;
    form->has_json = opts->json_template;
    const er_template_about url = { "--template", &form->columns, why, NULL },
                            json = { "--json", &form->columns, why, notes };
    if (!error && opts->url_template)
        error = er_template_read(&form->url, ER_TEMPLATE_URL, opts->url_template, &url);
    if (!error && opts->json_template)
        error = er_template_read(&form->json, ER_TEMPLATE_JSON, opts->json_template, &json);
    if (!error && opts->id_column)
        error =
            er_column_find(&form->columns, "--id", span_of(opts->id_column), &form->id_column, why);
    return error;
}

int er_form_new(er_form **out, er_columns *columns, bool list, const er_form_opts *opts,
                er_bytes *why, er_bytes *notes)
{
    er_form *form = er_alloc_zero(sizeof *form);
    *out = NULL;
    if (!form) {
        er_columns_free(columns);
        return ENOMEM;
    }
    form->columns = *columns;
    *columns = (er_columns){ NULL, 0 };
    form->id_column = ER_NO_COLUMN;
    form->keys = er_alloc_zero((form->columns.n + 1) * sizeof *form->keys);
    int error = form->keys ? read_templates(form, opts, why, notes) : ENOMEM;
    if (!error && list && !form->has_url) form->keys[0] = "url";
    if (!error && !list && !form->has_url) {
        error = find_keys(form, opts, why);
        if (!error) error = check_url(form, opts, why);
        if (!error && !er_form_opts_any(opts)) note_unused(form, notes);
    }
    if (why->error || notes->error) error = ENOMEM;
    if (error) er_form_free(form);
    else *out = form;
    return error;
}

void er_form_free(er_form *form)
{
    if (!form) return;
    er_template_free(&form->url);
    er_template_free(&form->json);
    for (size_t i = 0; i < form->n_params; i++) {
        er_free(form->params[i].name);
        er_template_free(&form->params[i].value);
    }
    er_free(form->params);
    er_free(form->keys);
    er_columns_free(&form->columns);
    er_free(form);
}

/* ---- a record ---- */

static void put_key(er_bytes *out, const char *key)
{
    er_bytes_format(out, "%s\"%s\":", out->size > 1 ? "," : "", key);
}

static bool is_truth(er_span field, const char *word) /* spreadsheets write TRUE */
{
    return field.size == strlen(word) && er_alike(field.at, word, field.size);
}

/* Is it JSON that the key takes as it stands? A string otherwise, and job_parse refuses it. */
static bool is_bare(const char *key, er_span field)
{
    size_t where;
    const char *why;
    if (is(key, "idempotency_key")) return is_truth(field, "true");
    if (is(key, "idempotent")) return is_truth(field, "true") || is_truth(field, "false");
    bool json = is(key, "json") || is(key, "headers") || is(key, "params") || is(key, "retries");
    return json && !er_json_check(field, &where, &why);
}

static int put_field(er_line_job *job, er_bytes *out, const char *key, er_span field)
{
    put_key(out, key);
    if (!is_bare(key, field)) {
        if (is(key, "json") || is(key, "headers") || is(key, "params"))
            return er_line_job_refuse(job, "column \"%s\": not JSON", key);
        er_json_quote(out, field);
    } else if (key[0] == 'i') {
        er_bytes_text(out, is_truth(field, "true") ? "true" : "false");
    } else {
        er_bytes_add(out, field.at, field.size);
    }
    return 0;
}

static int put_templates(er_line_job *job, const er_form *form, const er_span *fields,
                         er_bytes *out)
{
    er_bytes text = { 0 };
    if (form->has_url) {
        er_template_fill(&form->url, fields, &text);
        put_key(out, "url");
        er_json_quote(out, (er_span){ text.size ? text.at : "", text.size });
    }
    if (form->n_params) put_key(out, "params");
    for (size_t i = 0; i < form->n_params; i++) {
        er_bytes_text(out, i ? "," : "{");
        er_json_quote(out, span_of(form->params[i].name));
        er_bytes_text(out, ":");
        text.size = 0;
        er_template_fill(&form->params[i].value, fields, &text);
        er_json_quote(out, (er_span){ text.size ? text.at : "", text.size });
    }
    if (form->n_params) er_bytes_text(out, "}");
    if (text.error) out->error = text.error;
    er_bytes_free(&text);
    if (!form->has_json) return 0;
    put_key(out, "json");
    size_t wrong = er_template_fill(&form->json, fields, out);
    if (wrong == ER_NO_COLUMN) return 0;
    int shown = fields[wrong].size < 40 ? (int)fields[wrong].size : 40;
    return er_line_job_refuse(job,
                              "column \"%.60s\": \"%.*s\" is no number, true, false or null, "
                              "and --json has it outside quotes",
                              form->columns.names[wrong], shown, fields[wrong].at);
}

static int keep_id(er_line_job *job, er_span field)
{
    er_bytes id = { 0 };
    er_json_quote(&id, field);
    size_t size = id.size;
    char *text = id.error ? NULL : er_bytes_take(&id);
    if (!text) er_bytes_free(&id);
    text = er_line_job_keep(job, text);
    if (!text) return job->error;
    job->id = (er_span){ text, size };
    return 0;
}

int er_form_check(er_line_job *job)
{
    const er_line *line = &job->line;
    if (memchr(line->text, 0, line->size)) return er_line_job_refuse(job, "a NUL byte in it");
    if (er_utf8_valid(line->text, line->size)) return 0;
    return er_line_job_refuse(job, "not UTF-8; iconv -f WINDOWS-1252 -t UTF-8 may convert it");
}

int er_form_fill(er_line_job *job, const er_form *form, const er_span *fields)
{
    if (form->id_column != ER_NO_COLUMN && fields[form->id_column].size &&
        keep_id(job, fields[form->id_column]))
        return job->error;
    er_bytes out = { 0 };
    er_bytes_text(&out, "{");
    for (size_t i = 0; i < form->columns.n && !job->error; i++) {
        if (form->keys[i] && fields[i].size) put_field(job, &out, form->keys[i], fields[i]);
    }
    if (!job->error) put_templates(job, form, fields, &out);
    er_bytes_text(&out, "}");
    if (!job->error) return er_line_job_replace(job, &out);
    er_bytes_free(&out);
    return job->error;
}
