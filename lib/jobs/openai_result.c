/* jobs/openai_result.c -- the line of the API's output and error files:
 *
 *     {"id","custom_id","response":{"status_code","request_id","body"}|null,
 *      "error":{"code","message"}|null}
 *
 * As there, any answer of the server is a response, and an error is for requests without an answer.
 * The API's bodies are JSON; of another server they may be text, a string here, or neither: then
 * body is null and there is a body_base64, which the API does not have. */
#include "jobs/openai_result.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

static void put_body(er_bytes *out, errand_bytes body)
{
    size_t where;
    const char *why;
    er_span text = { body.at ? body.at : "", body.at ? body.size : 0 };
    er_bytes_text(out, "\"body\":");
    if (!er_json_check(text, &where, &why)) {
        er_json_compact(out, text);
    } else if (!memchr(text.at, 0, text.size) && er_utf8_valid(text.at, text.size)) {
        er_json_quote(out, text);
    } else {
        er_bytes_text(out, "null,\"body_base64\":\"");
        er_bytes_base64(out, text.at, text.size);
        er_bytes_text(out, "\"");
    }
}

static void put_response(er_bytes *out, const errand_response *response)
{
    const char *id = errand_response_header(response, "x-request-id", 0);
    er_bytes_format(out, "{\"status_code\":%d,\"request_id\":", errand_response_status(response));
    er_json_quote_any(out, id ? id : "");
    er_bytes_text(out, ",");
    put_body(out, errand_response_body(response));
    er_bytes_text(out, "}");
}

static void put_error(er_bytes *out, const errand_result *r)
{
    char name[64];
    er_bytes_text(out, "{\"code\":");
    er_json_quote_any(out, errand_error_name(r->error, name, sizeof name));
    er_bytes_text(out, ",\"message\":");
    er_json_quote_any(out, errand_result_message(r));
    er_bytes_text(out, "}");
}

/* For the next run: what the API's shape does not have. */
static void put_identity(er_bytes *out, const er_line_job *job, const errand_result *r)
{
    er_bytes_format(out,
                    ",\"seq\":%llu,\"kind\":\"%s\",\"may_have_run\":%s,\"job\":\"%016llx\","
                    "\"run\":%u",
                    (unsigned long long)job->seq, errand_kind_name(errand_result_kind(r)),
                    errand_result_may_have_run(r) ? "true" : "false",
                    (unsigned long long)job->ref.hash, job->run);
}

void er_openai_result(er_bytes *out, const er_line_job *job, const errand_result *r)
{
    bool answered = r->value && (!r->error || (r->error >= ERRAND_HTTP && r->error < ERRAND_CURL));
    er_bytes_format(out, "{\"id\":\"batch_req_%llu\",\"custom_id\":", (unsigned long long)job->seq);
    if (!job->id.at) er_bytes_text(out, "null");
    else if (job->id.at[0] == '"') er_bytes_add(out, job->id.at, job->id.size);
    else er_json_quote(out, job->id); /* a number: the API has strings alone */
    er_bytes_text(out, ",\"response\":");
    if (answered) put_response(out, r->value);
    else er_bytes_text(out, "null");
    er_bytes_text(out, ",\"error\":");
    if (answered || !r->error) er_bytes_text(out, "null");
    else put_error(out, r);
    if (job->run) put_identity(out, job, r);
    er_bytes_text(out, "}\n");
}
