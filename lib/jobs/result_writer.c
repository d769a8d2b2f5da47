/* jobs/result_writer.c -- a result line, in the order that jobs.h gives; every
 * line has all the keys.
 *
 * A body is given as JSON if it is JSON and either says so in its Content-Type or is an object
 * or an array; else as a string if it is UTF-8 without NUL bytes, else in base64. The line is
 * put together as text: what was JSON stays as it was written. */
#include "jobs/result_writer.h"

#include "base/utf8.h"
#include "http/classify.h"

#include <errno.h>
#include <string.h>

static void put_text(er_bytes *out, const char *key, const char *text)
{
    er_bytes_format(out, "\"%s\":", key);
    er_json_quote_any(out, text);
}

/* d with three decimals at most; whatever the locale says, JSON wants a point. */
static void put_number(er_bytes *out, double d)
{
    if (!(d >= 0 && d < 1e15)) {
        er_bytes_text(out, "null");
        return;
    }
    uint64_t thousandths = (uint64_t)(d * 1000 + 0.5);
    er_bytes_format(out, "%llu", (unsigned long long)(thousandths / 1000));
    unsigned rest = (unsigned)(thousandths % 1000), digits = 3;
    if (!rest) return;
    for (; rest % 10 == 0; rest /= 10) digits--;
    er_bytes_format(out, ".%0*u", (int)digits, rest);
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
    er_bytes_format(out, ",\"attempts\":%u", job->attempts);
    if (!verbose) return;
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
        er_bytes_format(out, "%s\"%s\":", i ? "," : "", all[i].name);
        put_number(out, all[i].ms);
    }
    er_bytes_text(out, "}");
}

static void put_body(er_bytes *out, const errand_response *response, const errand_result *r)
{
    errand_bytes body = response ? errand_response_body(response) : (errand_bytes){ NULL, 0 };
    er_span text = { body.at ? body.at : "", body.at ? body.size : 0 };
    if (!response) {
        er_bytes_text(out, ",\"body\":null");
        return;
    }
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

void er_report(er_bytes *out, const er_line_job *job, const errand_result *r, bool verbose)
{
    bool answered = r->value && (!r->error || (r->error >= ERRAND_HTTP && r->error < ERRAND_CURL));
    const errand_response *response = answered ? r->value : NULL;
    er_bytes_format(out, "{\"seq\":%llu,\"id\":", (unsigned long long)job->seq);
    if (job->id.at) er_bytes_add(out, job->id.at, job->id.size);
    else er_bytes_text(out, "null");
    er_bytes_format(out, ",\"ok\":%s,\"status\":", r->error ? "false" : "true");
    if (response) er_bytes_format(out, "%d,", errand_response_status(response));
    else er_bytes_text(out, "null,");
    put_error(out, r);
    put_attempts(out, job, r, verbose);
    put_timings(out, r);
    int status = response ? errand_response_status(response) : 0;
    const char *method = job->request.method ? job->request.method : "GET";
    bool saved = !r->error && job->request.save_to && status >= 200 && status < 300 &&
                 !er_reply_is_bare(method, status);
    if (saved) er_bytes_text(out, ",\"body\":null");
    else put_body(out, response, r);
    er_bytes_text(out, ",");
    if (saved) put_text(out, "saved_to", job->request.save_to);
    else er_bytes_text(out, "\"saved_to\":null");
    er_bytes_text(out, ",\"meta\":");
    if (job->meta.at) er_json_compact(out, job->meta);
    else er_bytes_text(out, "null");
    if (job->run) {
        er_bytes_format(out, ",\"job\":\"%016llx\",\"run\":%u", (unsigned long long)job->ref.hash,
                        job->run);
    }
    er_bytes_text(out, "}\n");
}
