/* jobs/jobs_line.c -- a run without its requests: each line goes the way that a job of a run goes,
 * up to the moment at which it would be sent.
 *
 *     input --er_line_job_read, job_options, journal: has a result?--> er_request_new --> fn(line)
 *
 * er_request_new is what errand_send() begins with, so the headers, the url and the errors that are
 * shown are the session's own, and not a second opinion of them. Its file for save_to is opened and
 * dropped again, as in a run before the first attempt. */
#include <errand/jobs_line.h>

#include "base/options.h"
#include "async/current.h"
#include "async/job.h"
#include "http/redact.h"
#include "http/request.h"
#include "http/session.h"
#include "jobs/job_hash.h"
#include "jobs/job_options.h"
#include "jobs/journal.h"
#include "jobs/tokens.h"

#include <errno.h>
#include <string.h>

typedef struct reading {
    const errand_jobs_opts *opts;
    errand_http *http;
    errand_jobs_line_fn *fn;
    void *arg;
    er_input input;
    er_job_defaults *defaults; /* NULL: none */
    er_journal *journal;       /* NULL: no results, or they do not count */
    er_tokens tokens;
    er_next_page next_page; /* only checked */
    er_bytes texts;         /* of the line: names and values of its headers, its url */
    errand_jobs_header *headers;
    size_t room; /* of headers */
} reading;

static void report(const reading *r, const er_bytes *what)
{
    if (!what->size || !r->opts->on_error) return;
    r->opts->on_error(what->error ? "out of memory" : what->at, r->opts->arg);
    er_end_in_child();
}

/* ---- headers ---- */

typedef struct listing {
    reading *r;
    const er_request *request;
    size_t n, size;
} listing;

static void measure(const char *line, size_t name, const char *value, void *arg)
{
    listing *l = arg;
    (void)line, (void)value;
    l->n++;
    l->size += name + 1;
}

static void list(const char *line, size_t name, const char *value, void *arg)
{
    listing *l = arg;
    er_bytes *texts = &l->r->texts;
    l->r->headers[l->n++] = (errand_jobs_header){ .name = texts->at + texts->size,
                                                  .value = value,
                                                  .secret = er_request_secret(l->request, line) };
    er_bytes_add(texts, line, name);
    er_bytes_add(texts, "", 1);
}

/* The names get room before, as they must not move. */
static int list_headers(reading *r, const er_request *request)
{
    listing l = { .r = r, .request = request };
    er_request_each_header(request, measure, &l);
    if (l.n >= r->room) {
        errand_jobs_header *more = er_resize(r->headers, (l.n + 1) * sizeof *more);
        if (!more) return ENOMEM;
        r->headers = more;
        r->room = l.n + 1;
    }
    r->texts.size = 0;
    int error = er_bytes_reserve(&r->texts, l.size + 1);
    if (error) return error;
    l.n = 0;
    er_request_each_header(request, list, &l);
    r->headers[l.n] = (errand_jobs_header){ .name = NULL };
    return 0;
}

/* ---- a line ---- */

static errand_jobs_fate fate_of(reading *r, er_line_job *job)
{
    er_job_verdict verdict = r->journal ? er_journal_look(r->journal, job) : ER_JOB_GO;
    if (verdict == ER_JOB_UNKNOWN) return ERRAND_JOBS_DONE_UNKNOWN;
    if (verdict == ER_JOB_GO) return job->error ? ERRAND_JOBS_BAD : ERRAND_JOBS_SENT;
    return verdict == ER_JOB_DONE ? ERRAND_JOBS_DONE : ERRAND_JOBS_DONE_FAILED;
}

static void fill_error(errand_jobs_line *line, int error, const char *why)
{
    if (line->fate == ERRAND_JOBS_SENT) line->fate = ERRAND_JOBS_BAD;
    line->error = error;
    line->message = why && *why ? why : errand_strerror(error);
}

static int fill_request(reading *r, errand_jobs_line *line, const er_line_job *job,
                        const er_request *request, er_bytes *shown)
{
    er_redact_url(shown, request->url);
    int error = list_headers(r, request);
    if (!error) error = shown->error;
    line->method = request->method;
    line->url = request->url;
    line->url_shown = shown->at;
    line->headers = r->headers;
    line->has_body = request->content.there;
    line->body_size = request->content.length;
    line->body = (errand_bytes){ request->body, request->body_size };
    line->body_file = job->request.body_file;
    line->harmless = er_request_harmless(request, request->method);
    line->retries = er_job_options_retries(job, r->opts);
    line->keyed = er_header_says(request->headers, "Idempotency-Key", 15);
    line->fresh_key = job->fresh_key;
    line->request = &job->request;
    return error ? error : er_tokens_estimate(&r->tokens, job, &line->tokens);
}

/* A job that was read well, as the session takes it. */
static int show(reading *r, errand_jobs_line *line, er_line_job *job, bool *goes_on)
{
    er_bytes why = { 0 }, shown = { 0 };
    er_request *request = NULL;
    char *host = NULL;
    int error = er_job_options_host(&host, job, r->http->defaults.base_url);
    if (!error) error = er_request_new(&request, &job->request, &r->http->defaults, &why);
    if (error != ENOMEM && why.error) error = why.error;
    if (!error) {
        line->host = host;
        error = fill_request(r, line, job, request, &shown);
    } else if (error != ENOMEM) {
        if (line->fate == ERRAND_JOBS_SENT) fill_error(line, error, why.at);
        error = 0;
    }
    if (!error) *goes_on = r->fn(line, r->arg);
    er_end_in_child();
    er_request_drop(request);
    er_free(host);
    er_bytes_free(&shown);
    er_bytes_free(&why);
    return error;
}

static int show_job(reading *r, er_line_job *job, bool *goes_on)
{
    errand_jobs_line line = { .file = job->line.file,
                              .number = job->line.number,
                              .seq = job->seq,
                              .fate = ERRAND_JOBS_UNREAD };
    if (!job->seq) {
        fill_error(&line, job->line.error, job->line.why);
        *goes_on = r->fn(&line, r->arg);
        er_end_in_child();
        return 0;
    }
    job->expand = r->opts->expand;
    int error = er_line_job_read(job) ? 0 : er_job_options_apply(job, r->opts);
    if (r->journal) er_journal_guard(r->journal, job);
    if (error || job->error == ENOMEM) return ENOMEM;
    char *id = job->id.at ? er_copy_bytes(job->id.at, job->id.size) : NULL;
    if (job->id.at && !id) return ENOMEM;
    line.id = id;
    line.fate = fate_of(r, job);
    line.identity = r->journal ? job->ref.hash : er_job_hash(job);
    if (!job->error) {
        error = show(r, &line, job, goes_on);
    } else {
        fill_error(&line, job->error, job->why);
        *goes_on = r->fn(&line, r->arg);
        er_end_in_child();
    }
    er_free(id);
    return error;
}

/* ---- the whole ---- */

static int read_all(reading *r)
{
    for (bool goes_on = true; goes_on;) {
        er_line_job job;
        int error = er_input_next(&r->input, &job);
        if (error == EINVAL) {
            er_bytes why = { 0 };
            er_bytes_text(&why, r->input.why);
            report(r, &why);
            er_bytes_free(&why);
        }
        if (error) return error == ENODATA ? 0 : error;
        error = show_job(r, &job, &goes_on);
        er_line_job_free(&job);
        if (error) return error;
    }
    return 0;
}

static int begin(reading *r)
{
    er_bytes why = { 0 };
    int error = er_job_options_defaults(&r->defaults, r->opts, &why);
    if (!error)
        error = er_tokens_init(&r->tokens, r->opts->tokens_asked, r->opts->tokens_used, &why);
    if (!error) error = er_job_options_next(&r->next_page, r->opts, &why);
    if (!error && r->opts->results) error = er_journal_peek(&r->journal, r->opts, &why);
    report(r, &why);
    er_bytes_free(&why);
    if (error) return error;
    return er_job_options_input(&r->input, r->opts, r->defaults, r->http->defaults.base_url, -1);
}

int errand_jobs_read_sized(errand_http *http, const errand_jobs_opts *opts, size_t size,
                           errand_jobs_line_fn *fn, void *arg)
{
    errand_jobs_opts o;
    int error = er_options(&o, sizeof o, opts, size);
    if (!error && (!http || !opts || !fn || er_job_options_wrong(&o))) error = EINVAL;
    errand_retry_if_free(o.retry_if);
    o.retry_if = NULL;
    if (error) return error;
    reading r = { .opts = &o, .http = http, .fn = fn, .arg = arg };
    r.input.lines.fd = -1;
    error = begin(&r);
    if (!error) error = read_all(&r);
    er_input_free(&r.input);
    er_job_defaults_free(r.defaults);
    er_journal_close(r.journal);
    er_tokens_free(&r.tokens);
    er_next_page_free(&r.next_page);
    er_bytes_free(&r.texts);
    er_free(r.headers);
    return error;
}
