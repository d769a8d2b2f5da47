/* jobs/result_writer.c -- a result line, in the order that jobs.h gives; every
 * line has all the keys, but for attempt_log, tokens and the one of three that a body has.
 *
 * A body is given as JSON if it is JSON and either says so in its Content-Type or is an object
 * or an array; else as a string if it is UTF-8 without NUL bytes, else in base64. The line is
 * put together as text: what was JSON stays as it was written. Names of headers are few and short,
 * so those that came repeatedly are found by looking through all of them. */
#include "jobs/result_writer.h"

#include "base/utf8.h"
#include "http/classify.h"
#include "http/redact.h"
#include "http/sanitize.h"
#include "http/url.h"
#include "jobs/json_pointer.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static void put_key(er_bytes *out, const char *key)
{
    er_bytes_text(out, "\"");
    er_bytes_text(out, key);
    er_bytes_text(out, "\":");
}

static void put_text(er_bytes *out, const char *key, const char *text)
{
    put_key(out, key);
    er_json_quote_any(out, text);
}

/* At least `least` digits, at most 20; a tenth of what a format takes. */
static void put_whole(er_bytes *out, uint64_t n, int least)
{
    char digits[24], *at = digits + sizeof digits;
    for (; n || least > 0; n /= 10, least--) *--at = (char)('0' + n % 10);
    er_bytes_add(out, at, (size_t)(digits + sizeof digits - at));
}

/* d with three decimals at most; whatever the locale says, JSON wants a point. */
static void put_number(er_bytes *out, double d)
{
    if (!(d >= 0 && d < 1e15)) {
        er_bytes_text(out, "null");
        return;
    }
    uint64_t thousandths = (uint64_t)(d * 1000 + 0.5);
    put_whole(out, thousandths / 1000, 1);
    unsigned rest = (unsigned)(thousandths % 1000), digits = 3;
    if (!rest) return;
    for (; rest % 10 == 0; rest /= 10) digits--;
    er_bytes_text(out, ".");
    put_whole(out, rest, (int)digits);
}

static void put_code(er_bytes *out, const char *key, int error)
{
    char name[64];
    put_text(out, key, errand_error_name(error, name, sizeof name));
}

static void put_error(er_bytes *out, const errand_result *r)
{
    if (!r->error) {
        er_bytes_text(out, "\"error\":null");
        return;
    }
    er_bytes_text(out, "\"error\":{");
    put_text(out, "kind", errand_kind_name(errand_result_kind(r)));
    er_bytes_text(out, ",");
    put_code(out, "code", r->error);
    er_bytes_text(out, ",");
    put_text(out, "phase", errand_result_phase(r));
    er_bytes_text(out, ",");
    put_text(out, "message", errand_result_message(r));
    er_bytes_text(out, ",\"retry_after\":");
    put_number(out, (double)errand_result_retry_after(r) / 1000);
    er_bytes_format(out, ",\"may_have_run\":%s}", errand_result_may_have_run(r) ? "true" : "false");
}

static void put_attempts(er_bytes *out, const er_line_job *job, const errand_result *r,
                         bool verbose)
{
    er_bytes_text(out, ",\"attempts\":");
    put_whole(out, job->attempts, 1);
    if (!verbose && job->attempts < 2) return;
    er_bytes_text(out, ",\"attempt_log\":[");
    errand_attempt a;
    for (size_t i = 0; job->attempts && !errand_result_attempt(r, i, &a); i++) {
        er_bytes_format(out, "%s{\"number\":%u,", i ? "," : "", a.number);
        if (a.error) put_code(out, "error", a.error);
        else er_bytes_text(out, "\"error\":null");
        er_bytes_format(out, ",\"began_ms\":%lld,\"took_ms\":%lld", (long long)a.began_ms,
                        (long long)a.took_ms);
        er_bytes_text(out, ",\"then_waited_ms\":");
        put_number(out, (double)a.then_waited_ms);
        er_bytes_text(out, ",");
        put_text(out, "why_waited", a.why_waited ? a.why_waited : "");
        er_bytes_text(out, "}");
    }
    er_bytes_text(out, "]");
}

static void put_timings(er_bytes *out, const errand_result *r)
{
    errand_timings t = { -1, -1, -1, -1, -1, -1 };
    if (errand_result_timings(r, &t)) t.total = (double)errand_result_elapsed_ms(r);
    const struct {
        const char *name;
        double ms;
    } all[] = { { "queue", t.queue }, { "resolve", t.resolve },       { "connect", t.connect },
                { "tls", t.tls },     { "first_byte", t.first_byte }, { "total", t.total } };
    er_bytes_text(out, ",\"timing_ms\":{");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (i) er_bytes_text(out, ",");
        put_key(out, all[i].name);
        put_number(out, all[i].ms);
    }
    er_bytes_text(out, "}");
}

/* ---- what was asked ---- */

static void show_url(er_bytes *shown, const char *url, const er_report_opts *opts)
{
    if (opts->pages) er_next_page_show(opts->pages, shown, url);
    else er_redact_url(shown, url);
}

/* Without userinfo and secrets; null: it cannot be resolved, which is its error. */
static void put_url(er_bytes *out, const er_line_job *job, const er_report_opts *opts)
{
    er_origin origin = { 0 };
    er_bytes why = { 0 }, shown = { 0 };
    char *whole = NULL;
    bool https;
    /* of a page the reply before may not say it */
    int error =
        job->page > 1 && !*job->request.url
            ? EINVAL
            : er_url_resolve(&whole, &origin, &https, job->request.url, opts->base_url, &why);
    if (!error) show_url(&shown, whole, opts);
    if (error == ENOMEM || shown.error) out->error = ENOMEM;
    if (error || shown.error) er_bytes_text(out, "\"url\":null");
    else put_text(out, "url", shown.at);
    er_origin_free(&origin);
    er_bytes_free(&why);
    er_bytes_free(&shown);
    er_free(whole);
}

static void put_request(er_bytes *out, const er_line_job *job, const er_report_opts *opts)
{
    if (job->error) {
        er_bytes_text(out, ",\"method\":null,\"url\":null");
        return;
    }
    er_bytes_text(out, ",");
    put_text(out, "method", job->request.method ? job->request.method : "GET");
    er_bytes_text(out, ",");
    put_url(out, job, opts);
}

static void put_began(er_bytes *out, const er_line_job *job)
{
    time_t seconds = (time_t)(job->began_wall_ns / 1000000000);
    struct tm t;
    if (!job->attempts || !job->began_wall_ns || !gmtime_r(&seconds, &t)) {
        er_bytes_text(out, ",\"began\":null");
        return;
    }
    const int parts[] = {
        t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec
    };
    er_bytes_text(out, ",\"began\":\"");
    for (int i = 0; i < 6; i++) {
        put_whole(out, (uint64_t)parts[i], i ? 2 : 4);
        er_bytes_add(out, &"--T::."[i], 1);
    }
    put_whole(out, (uint64_t)(job->began_wall_ns / 1000000 % 1000), 3);
    er_bytes_text(out, "Z\"");
}

/* ---- what came ---- */

static void put_metrics(er_bytes *out, const errand_response *response)
{
    errand_transfer_metrics m;
    if (!response || errand_response_metrics(response, &m)) {
        er_bytes_text(out, ",\"bytes\":null,\"reused\":null,\"http\":null");
        return;
    }
    er_bytes_text(out, ",\"bytes\":{\"sent\":");
    put_whole(out, m.sent, 1);
    er_bytes_text(out, ",\"received\":");
    put_whole(out, m.received, 1);
    er_bytes_text(out, ",\"body\":");
    put_whole(out, m.body, 1);
    er_bytes_text(out, m.reused ? "},\"reused\":true,\"http\":" : "},\"reused\":false,\"http\":");
    if (m.http == 11) er_bytes_text(out, "\"1.1\"");
    else if (m.http >= 20) er_bytes_format(out, "\"%u\"", m.http / 10);
    else if (m.http) er_bytes_format(out, "\"%u.%u\"", m.http / 10, m.http % 10);
    else er_bytes_text(out, "null");
}

static void put_tokens(er_bytes *out, const er_line_job *job)
{
    er_bytes_text(out, ",\"tokens\":");
    if (job->attempts && !job->tokens_unknown) put_whole(out, job->tokens, 1);
    else er_bytes_text(out, "null");
}

static bool is_of_some(const char *name)
{
    static const char *const names[] = {
        "content-type",  "content-length", "content-encoding", "content-range", "date",
        "last-modified", "etag",           "location",         "retry-after",   "retry-after-ms",
        "traceparent",   "cf-ray",         "x-amz-id-2",       "x-amz-cf-id"
    };
    static const char *const begins[] = { "ratelimit", "x-ratelimit", "x-rate-limit", "openai-",
                                          "anthropic-" };
    static const char *const ends[] = { "request-id", "requestid", "correlation-id", "trace-id" };
    size_t size = strlen(name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (er_alike(name, names[i], SIZE_MAX)) return true;
    }
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        if (er_alike(name, begins[i], strlen(begins[i]))) return true;
    }
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = strlen(ends[i]);
        if (size >= n && er_alike(name + size - n, ends[i], n)) return true;
    }
    return false;
}

static void put_header_value(er_bytes *out, const char *name, const char *value)
{
    if (er_alike(name, "Proxy-", 6) || er_redact_name(name, strlen(name))) {
        er_bytes_text(out, "\"*\"");
        return;
    }
    if (!strpbrk(value, "?#")) {
        er_json_quote_any(out, value);
        return;
    }
    er_bytes plain = { 0 };
    er_redact_text(&plain, value);
    if (plain.error) out->error = ENOMEM;
    else er_json_quote_any(out, plain.at);
    er_bytes_free(&plain);
}

/* All values of a name, where the first of them stands. */
static void put_header(er_bytes *out, const errand_response *response, const char *name)
{
    bool several = errand_response_header(response, name, 1);
    const char *value;
    size_t from = out->size + 1;
    er_json_quote_any(out, name);
    for (size_t i = from; i < out->size; i++) out->at[i] = er_lower(out->at[i]);
    er_bytes_text(out, several ? ":[" : ":");
    for (size_t i = 0; i < ER_REPORT_HEADERS && (value = errand_response_header(response, name, i));
         i++) {
        if (i) er_bytes_text(out, ",");
        put_header_value(out, name, value);
    }
    if (several) er_bytes_text(out, "]");
}

static void put_headers(er_bytes *out, const errand_response *response, errand_jobs_headers which)
{
    if (!response || which == ERRAND_JOBS_HEADERS_NONE) {
        er_bytes_text(out, ",\"headers\":null");
        return;
    }
    er_bytes_text(out, ",\"headers\":{");
    const char *name, *value;
    bool any = false;
    for (size_t i = 0;
         i < ER_REPORT_HEADERS && !errand_response_each_header(response, i, &name, &value); i++) {
        bool wanted = which == ERRAND_JOBS_HEADERS_ALL || is_of_some(name);
        if (!wanted || errand_response_header(response, name, 0) != value) continue;
        if (any) er_bytes_text(out, ",");
        put_header(out, response, name);
        any = true;
    }
    er_bytes_text(out, "}");
}

static void put_selected(er_bytes *out, const errand_response *response, const char *const *select)
{
    errand_bytes body = errand_response_body(response);
    er_span text = { body.at, body.size }, found;
    size_t where;
    const char *why;
    if (er_json_check(text, &where, &why)) {
        er_bytes_text(out, ",\"selected\":null");
        return;
    }
    er_bytes_text(out, ",\"selected\":{");
    for (size_t i = 0; select[i]; i++) {
        if (i) er_bytes_text(out, ",");
        er_json_quote_any(out, select[i]);
        er_bytes_text(out, ":");
        if (er_json_pointer_find(text, select[i], &found)) out->error = ENOMEM;
        if (found.at) er_json_compact(out, found);
        else er_bytes_text(out, "null");
    }
    er_bytes_text(out, "}");
}

static void put_body(er_bytes *out, const errand_response *response, const errand_result *r)
{
    errand_bytes body = errand_response_body(response);
    er_span text = { body.at, body.size };
    if (r->error && text.size >= ER_REPORT_ERROR_BODY) /* the session may have cut it there */
        text.size = er_utf8_whole(text.at, ER_REPORT_ERROR_BODY);
    size_t where;
    const char *why;
    er_span core = er_json_trim(text);
    bool json = core.size && (core.at[0] == '{' || core.at[0] == '[' ||
                              er_is_json_type(errand_response_header(response, "Content-Type", 0)));
    if (json && !er_json_check(core, &where, &why)) {
        er_bytes_text(out, ",\"body\":");
        er_json_compact(out, core);
    } else if (!memchr(text.at, 0, text.size) && er_utf8_valid(text.at, text.size)) {
        er_bytes_text(out, ",\"body\":");
        er_json_quote(out, text);
    } else {
        er_bytes_text(out, ",\"body_base64\":\"");
        er_bytes_base64(out, text.at, text.size);
        er_bytes_text(out, "\"");
    }
}

static bool is_saved(const er_line_job *job, const errand_response *response,
                     const errand_result *r)
{
    if (r->error || !job->request.save_to) return false;
    int status = errand_response_status(response);
    const char *method = job->request.method ? job->request.method : "GET";
    return status >= 200 && status < 300 && !er_reply_is_bare(method, status);
}

static void put_content(er_bytes *out, const er_line_job *job, const errand_response *response,
                        const errand_result *r, const er_report_opts *opts)
{
    bool saved = is_saved(job, response, r),
         drops = opts->body == ERRAND_JOBS_BODY_DROP ||
                 (opts->body == ERRAND_JOBS_BODY_FAILED && !r->error);
    if (opts->select && response && !r->error && !saved) put_selected(out, response, opts->select);
    else if (!response || saved || drops) er_bytes_text(out, ",\"body\":null");
    else put_body(out, response, r);
    er_bytes_text(out, ",");
    if (saved) put_text(out, "saved_to", job->named ? job->named : job->request.save_to);
    else er_bytes_text(out, "\"saved_to\":null");
}

static void put_page(er_bytes *out, const er_line_job *job, const er_report_opts *opts)
{
    er_bytes shown = { 0 };
    if (!job->page) return;
    er_bytes_text(out, ",\"page\":");
    put_whole(out, job->page, 1);
    er_bytes_text(out, ",");
    if (job->next) show_url(&shown, job->next, opts);
    if (shown.error) out->error = ENOMEM;
    else if (job->next) put_text(out, "next", shown.size ? shown.at : "");
    else er_bytes_text(out, "\"next\":null");
    er_bytes_free(&shown);
}

void er_report(er_bytes *out, const er_line_job *job, const errand_result *r,
               const er_report_opts *opts)
{
    bool answered = r->value && (!r->error || (r->error >= ERRAND_HTTP && r->error < ERRAND_CURL));
    const errand_response *response = answered ? r->value : NULL;
    er_bytes_text(out, "{\"seq\":");
    put_whole(out, job->seq, 1);
    er_bytes_text(out, ",\"id\":");
    if (job->id.at) er_bytes_add(out, job->id.at, job->id.size);
    else er_bytes_text(out, "null");
    put_request(out, job, opts);
    put_began(out, job);
    er_bytes_text(out, r->error ? ",\"ok\":false,\"status\":" : ",\"ok\":true,\"status\":");
    if (response) put_whole(out, (uint64_t)errand_response_status(response), 1);
    else er_bytes_text(out, "null");
    er_bytes_text(out, ",");
    put_error(out, r);
    put_attempts(out, job, r, opts->verbose);
    put_timings(out, r);
    put_metrics(out, response);
    if (opts->tokens) put_tokens(out, job);
    put_headers(out, response, opts->headers);
    put_content(out, job, response, r, opts);
    put_page(out, job, opts);
    er_bytes_text(out, ",\"meta\":");
    if (job->meta.at) er_json_compact(out, job->meta);
    else er_bytes_text(out, "null");
    if (job->run) {
        er_bytes_format(out, ",\"job\":\"%016llx\",\"run\":%u", (unsigned long long)job->ref.hash,
                        job->run);
    }
    er_bytes_text(out, "}\n");
}
