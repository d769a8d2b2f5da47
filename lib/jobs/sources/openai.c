/* jobs/sources/openai.c -- an object with custom_id, method, url and body becomes one with id,
 * method, url and json.
 *
 * Its urls begin with /v1 and belong to the API's own host unless the session has a base. Other
 * keys are refused as they are there. */
#include "jobs/sources/openai.h"

#include "base/nearest.h"

#include <string.h>

#define HOST "https://api.openai.com"

enum { CUSTOM_ID, METHOD, URL, BODY, KEYS };
static const char *const names[KEYS] = { "custom_id", "method", "url", "body" };

static int next(er_source *source, er_line *line) { return er_lines_line(source->lines, line); }

static int begin(er_source *source, er_bytes *why, er_bytes *notes)
{
    (void)why, (void)notes;
    source->for_convert = source->opts;
    return 0;
}

static int find(er_line_job *job, er_span found[KEYS])
{
    size_t where, cursor = 0;
    const char *why;
    er_span text = { job->line.text, job->line.size }, k, v;
    if (er_json_check(text, &where, &why))
        return er_line_job_refuse(job, "not JSON: %s, at byte %zu", why, where + 1);
    text = er_json_trim(text);
    if (text.at[0] != '{')
        return er_line_job_refuse(job, "a request must be an object, {\"custom_id\": ...}");
    while (er_json_member(text, &cursor, &k, &v)) {
        size_t i = 0;
        while (i < KEYS &&
               (strlen(names[i]) != k.size - 2 || memcmp(names[i], k.at + 1, k.size - 2)))
            i++;
        if (i < KEYS) {
            found[i] = v;
            continue;
        }
        er_nearest near = { .word = k.at + 1, .size = k.size - 2 };
        for (i = 0; i < KEYS; i++) er_nearest_offer(&near, names[i]);
        int shown = k.size < 80 ? (int)k.size : 80;
        if (!near.name) er_line_job_refuse(job, "unknown key %.*s", shown, k.at);
        else
            er_line_job_refuse(job, "unknown key %.*s: did you mean \"%s\"?", shown, k.at,
                               near.name);
    }
    return job->error;
}

static int keep_id(er_line_job *job, er_span custom_id)
{
    char *text = er_line_job_keep(job, er_copy_bytes(custom_id.at, custom_id.size));
    if (!text) return job->error;
    job->id = (er_span){ text, custom_id.size };
    return 0;
}

static int check(er_line_job *job, const er_span found[KEYS])
{
    if (!found[CUSTOM_ID].at) return er_line_job_refuse(job, "there is no key \"custom_id\"");
    if (found[CUSTOM_ID].at[0] != '"')
        return er_line_job_refuse(job, "key \"custom_id\" must be a string");
    if (!found[URL].at) return er_line_job_refuse(job, "there is no key \"url\"");
    if (found[URL].at[0] != '"') return er_line_job_refuse(job, "key \"url\" must be a string");
    if (found[BODY].at && found[BODY].at[0] != '{')
        return er_line_job_refuse(job, "key \"body\" must be an object");
    return 0;
}

static bool is_of_the_api(er_span url) /* "/v1", "/v1/..." */
{
    return url.size >= 5 && !memcmp(url.at, "\"/v1", 4) && (url.at[4] == '/' || url.at[4] == '"');
}

static int convert(er_line_job *job)
{
    const er_source_opts *opts = job->form;
    er_span found[KEYS] = { { NULL, 0 } };
    find(job, found);
    if (found[CUSTOM_ID].at && found[CUSTOM_ID].at[0] == '"' && keep_id(job, found[CUSTOM_ID]))
        return job->error;
    if (job->error || check(job, found)) return job->error;
    er_bytes out = { 0 };
    er_span url = found[URL];
    er_bytes_text(&out, "{\"url\":\"");
    if (!opts->based && is_of_the_api(url)) er_bytes_text(&out, HOST);
    er_bytes_add(&out, url.at + 1, url.size - 1);
    if (found[METHOD].at) er_bytes_text(&out, ",\"method\":");
    er_bytes_add(&out, found[METHOD].at, found[METHOD].size);
    if (found[BODY].at) er_bytes_text(&out, ",\"json\":");
    er_bytes_add(&out, found[BODY].at, found[BODY].size);
    er_bytes_text(&out, "}");
    return er_line_job_replace(job, &out);
}

const er_source_kind er_source_openai = {
    .format = ERRAND_JOBS_OPENAI,
    .one = "request for OpenAI's batch API",
    .many = "requests for OpenAI's batch API",
    .begin = begin,
    .next = next,
    .convert = convert
};
