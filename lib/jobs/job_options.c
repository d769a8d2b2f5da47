/* jobs/job_options.c -- a run and a preview of it take every option from here, so that what is
 * shown is what would be sent. */
#include "jobs/job_options.h"

#include "http/url.h"

#include <errno.h>
#include <string.h>

static bool is_json(const char *note)
{
    size_t where;
    const char *why;
    return !note || !er_json_check((er_span){ note, strlen(note) }, &where, &why);
}

bool er_job_options_wrong(const errand_jobs_opts *o)
{
    return o->out < 0 || o->total_ms < 0 || o->retries > ER_JOB_RETRIES_MOST ||
           o->retry_within_ms < 0 || o->job_within_ms < 0 || o->run_within_ms < 0 ||
           (unsigned)o->format > ERRAND_JOBS_OPENAI ||
           (unsigned)o->headers > ERRAND_JOBS_HEADERS_ALL ||
           (unsigned)o->body > ERRAND_JOBS_BODY_FAILED ||
           (o->output_dir && o->select && *o->select) || (o->next && o->openai_results) ||
           (o->ordered && o->results) || (o->delimiter && strchr("\"\r\n", o->delimiter)) ||
           (unsigned)o->begin > ERRAND_RESULTS_RESUME || !is_json(o->note) ||
           !(o->halt_failed_share >= 0 && o->halt_failed_share <= 1);
}

int er_job_options_defaults(er_job_defaults **defaults, const errand_jobs_opts *opts, er_bytes *why)
{
    *defaults = NULL;
    if (!opts->defaults && !opts->method) return 0;
    char *what = NULL;
    *defaults = er_job_defaults_new(opts->defaults, opts->method, &what);
    int error = *defaults ? 0 : errno;
    if (what) er_bytes_format(why, "--defaults: %s", what);
    er_free(what);
    return error;
}

int er_job_options_input(er_input *input, const errand_jobs_opts *opts,
                         const er_job_defaults *defaults, const char *base_url, int wake_fd)
{
    const er_input_opts made = {
        .files = opts->files,
        .format = opts->format,
        .source = { .form = { .url_template = opts->url_template,
                              .json_template = opts->json_template,
                              .id_column = opts->id_column,
                              .params = opts->params,
                              .defaults = defaults },
                    .delimiter = opts->delimiter,
                    .based = base_url },
        .skip = opts->skip,
        .take = opts->take,
        .on_notice = opts->on_notice,
        .arg = opts->arg,
    };
    return er_input_init(input, &made, wake_fd);
}

int er_job_options_next(er_next_page *next, const errand_jobs_opts *opts, er_bytes *why)
{
    er_bytes what = { 0 };
    if (!opts->next) return 0;
    int error = er_next_page_read(next, opts->next, &what);
    if (!error && opts->output_dir && next->form != ER_NEXT_LINK) {
        error = EINVAL;
        er_bytes_text(&what, "with output_dir only link: a body that is saved is not read");
    }
    if (what.size) er_bytes_format(why, "next \"%.200s\": %s", opts->next, what.at);
    er_bytes_free(&what);
    return error;
}

bool er_job_options_paged(const er_line_job *job, const errand_jobs_opts *opts)
{
    const char *method = job->request.method ? job->request.method : "GET";
    return opts->next && (!strcmp(method, "GET") || !strcmp(method, "HEAD"));
}

int er_job_options_apply(er_line_job *job, const errand_jobs_opts *opts)
{
    errand_request *request = &job->request;
    if (!request->total_ms) request->total_ms = opts->total_ms;
    if (opts->idempotent && !job->idempotent_given) request->repeat = ERRAND_REPEAT_ALWAYS;
    if (request->save_to && er_job_options_paged(job, opts))
        er_line_job_refuse(job, "key \"save_to\": the job's pages would replace each other in that "
                                "file");
    return opts->idempotency_keys ? er_line_job_add_key(job) : 0;
}

int er_job_options_host(char **host, const er_line_job *job, const char *base_url)
{
    er_bytes why = { 0 };
    er_origin origin = { 0 };
    char *absolute = NULL;
    bool https;
    int error = er_url_resolve(&absolute, &origin, &https, job->request.url, base_url, &why);
    *host = NULL;
    if (!error) {
        const char *at = strstr(origin.key, "://") + 3;
        if (strlen(at) <= ERRAND_KEY_MAX && !(*host = er_copy_text(at))) error = ENOMEM;
    }
    er_origin_free(&origin);
    er_free(absolute);
    er_bytes_free(&why);
    return error == ENOMEM ? ENOMEM : 0;
}
