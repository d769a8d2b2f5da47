/* jobs/job_parse.c -- a line is checked as JSON, then each of its keys has a function
 * that reads its value.
 *
 *     record --convert--> JSON --> a span for each key --> those of the defaults --> request
 *
 * The first error is reported with its key; id and meta are read before, so that the result line of
 * a bad job has them. null is the same as leaving a key out, but for json, which is sent as it
 * stands. Of a repeated key the last one counts. Numbers are taken as they are written, and so is
 * the JSON body: it is sent as it stands in the line, every digit of it. The session reports other
 * errors of a request. Defaults are checked once, by the same functions, as a job of their own. */
#include "jobs/job_parse.h"

#include "base/duration.h"
#include "base/nearest.h"
#include "http/classify.h"
#include "jobs/expand.h"
#include "http/sanitize.h"
#include "http/url.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

void er_line_job_init(er_line_job *job, const er_line *line, uint64_t seq)
{
    *job = (er_line_job){ .seq = seq, .line = *line };
}

void er_line_job_free(er_line_job *job)
{
    for (size_t i = 0; i < job->n_kept; i++) er_free(job->kept[i]);
    er_free(job->kept);
    er_free(job->headers);
    er_free(job->secrets);
    json_object_put(job->request.json);
    er_free(job->why);
    er_free(job->part);
    er_free(job->named);
    er_free(job->next);
    er_free(job->line.text);
    er_free(job->line.why);
    *job = (er_line_job){ 0 };
}

static int refuse(er_line_job *job, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
static int refuse(er_line_job *job, const char *fmt, va_list args)
{
    er_bytes text = { 0 };
    er_bytes_vformat(&text, fmt, args);
    er_free(job->why);
    job->why = er_bytes_take(&text);
    if (!job->why) er_bytes_free(&text);
    return job->error = EINVAL;
}

static int bad(er_line_job *job, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(er_line_job *job, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int error = refuse(job, fmt, args);
    va_end(args);
    return error;
}

int er_line_job_refuse(er_line_job *job, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int error = refuse(job, fmt, args);
    va_end(args);
    return error;
}

static int no_memory(er_line_job *job) { return job->error = ENOMEM; }

/* Makes text the job's own. NULL in, or no memory: NULL, and the job says so. */
static char *keep(er_line_job *job, char *text)
{
    char **kept = text ? er_resize(job->kept, (job->n_kept + 1) * sizeof *kept) : NULL;
    if (!kept) {
        er_free(text);
        no_memory(job);
        return NULL;
    }
    job->kept = kept;
    return kept[job->n_kept++] = text;
}

char *er_line_job_keep(er_line_job *job, char *text) { return keep(job, text); }

int er_line_job_replace(er_line_job *job, er_bytes *text)
{
    size_t size = text->size;
    char *at = er_bytes_take(text);
    if (!at) {
        er_bytes_free(text);
        return no_memory(job);
    }
    er_free(job->line.text);
    job->line.text = at;
    job->line.size = size;
    return 0;
}

static bool is_string(er_span v) { return v.at[0] == '"'; }
static bool is_object(er_span v) { return v.at[0] == '{'; }
static bool is_number(er_span v) { return v.at[0] == '-' || (v.at[0] >= '0' && v.at[0] <= '9'); }
static bool is_word(er_span v, const char *word)
{
    return v.size == strlen(word) && !memcmp(v.at, word, v.size);
}

/* A string of the line as C text, kept; NUL bytes are refused. */
static const char *text_of(er_line_job *job, const char *key, er_span v)
{
    if (!is_string(v)) {
        bad(job, "key \"%s\" must be a string", key);
        return NULL;
    }
    size_t size = 0;
    char *text = keep(job, er_json_decode(v, &size));
    if (text && strlen(text) < size) {
        bad(job, "key \"%s\" has a NUL character in it", key);
        return NULL;
    }
    return text;
}

static const char *word_of(er_line_job *job, const char *key, er_span v) /* the same, never empty */
{
    const char *text = text_of(job, key, v);
    if (text && !*text) {
        bad(job, "key \"%s\" is empty", key);
        return NULL;
    }
    return text;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

static bool is_token(const char *text) /* RFC 9110, 5.6.2 */
{
    for (const char *c = text; *c; c++) {
        if (!is_alnum(*c) && !strchr("!#$%&'*+-.^_`|~", *c)) return false;
    }
    return *text;
}

/* ---- the keys ---- */

static int read_url(er_line_job *job, const char *key, er_span v)
{
    const char *url = word_of(job, key, v);
    if (!url) return job->error;
    size_t scheme =
        strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    if (scheme && url[scheme] == ':') {
        bool http = (scheme == 4 && er_alike(url, "http", 4)) ||
                    (scheme == 5 && er_alike(url, "https", 5));
        int shown = scheme < 40 ? (int)scheme : 40;
        if (!http) return bad(job, "key \"url\": only http and https, not \"%.*s\"", shown, url);
        if (strncmp(url + scheme, "://", 3) || !url[scheme + 3] ||
            strchr("/?#:", url[scheme + 3])) {
            return bad(job, "key \"url\": there is no host in it");
        }
    }
    for (const unsigned char *c = (const unsigned char *)url; *c; c++) {
        if (*c <= ' ' || *c == 0x7f)
            return bad(job, "key \"url\": a space (write %%20) or control character in it");
    }
    job->request.url = url;
    return 0;
}

static int read_id(er_line_job *job, const char *key, er_span v)
{
    if (!is_string(v) && !is_number(v))
        return bad(job, "key \"%s\" must be a string or a number", key);
    return 0; /* kept before */
}

static int read_method(er_line_job *job, const char *key, er_span v)
{
    job->request.method = word_of(job, key, v);
    if (!job->request.method) return job->error;
    if (is_token(job->request.method)) return 0;
    return bad(job, "key \"method\": \"%.40s\" is not a method", job->request.method);
}

/* "name" and value of an object of plain values, as text. */
static int pair(er_line_job *job, const char *key, er_span k, er_span v, const char **name,
                const char **value)
{
    size_t size = 0;
    char *text = keep(job, er_json_decode(k, &size));
    if (!text) return job->error;
    if (strlen(text) < size)
        return bad(job, "key \"%s\": a NUL character in the name \"%.60s\"", key, text);
    *name = text;
    if (!is_string(v) && !is_number(v) && !is_word(v, "true") && !is_word(v, "false")) {
        return bad(job, "key \"%s\": \"%.60s\" must be a string, a number, true or false", key,
                   *name);
    }
    text = keep(job, is_string(v) ? er_json_decode(v, &size) : er_copy_bytes(v.at, v.size));
    if (!text) return job->error;
    *value = text;
    return is_string(v) && strlen(text) < size
               ? bad(job, "key \"%s\": a NUL character in \"%.60s\"", key, *name)
               : 0;
}

static int add_header(er_line_job *job, const char *name, const char *value)
{
    const char **headers = er_resize(job->headers, (job->n_headers + 2) * sizeof *headers);
    if (!headers) return no_memory(job);
    job->headers = headers;
    er_bytes line = { 0 };
    er_bytes_format(&line, "%s: %s", name, value);
    char *text = keep(job, er_bytes_take(&line));
    if (!text) {
        er_bytes_free(&line);
        return job->error;
    }
    headers[job->n_headers++] = text;
    headers[job->n_headers] = NULL;
    return 0;
}

static void add_secret(const char *value, void *arg)
{
    er_line_job *job = arg;
    const char **secrets = er_resize(job->secrets, (job->n_secrets + 2) * sizeof *secrets);
    if (secrets) job->secrets = secrets;
    char *text = secrets ? keep(job, er_copy_text(value)) : NULL;
    if (!text) {
        no_memory(job);
        return;
    }
    secrets[job->n_secrets++] = text;
    secrets[job->n_secrets] = NULL;
}

static int expand_header(er_line_job *job, const char *name, const char **value)
{
    er_bytes text = { 0 };
    er_span culprit = { NULL, 0 };
    int error = er_expand(&text, *value, add_secret, job, &culprit);
    int shown = culprit.size < 60 ? (int)culprit.size : 60;
    char *whole = error || job->error ? NULL : keep(job, er_bytes_take(&text));
    er_bytes_free(&text);
    if (error == ENOENT)
        return bad(job, "key \"headers\": the variable %.*s of \"%.60s\" is not set", shown,
                   culprit.at, name);
    if (error == EINVAL)
        return bad(job, "key \"headers\": \"${\" without a name and \"}\" in \"%.60s\"", name);
    if (!whole) return no_memory(job);
    *value = whole;
    return 0;
}

static int read_headers(er_line_job *job, const char *key, er_span v)
{
    if (!is_object(v)) return bad(job, "key \"%s\" must be an object", key);
    size_t cursor = 0;
    er_span k, val;
    while (er_json_member(v, &cursor, &k, &val)) {
        const char *name = NULL, *value = NULL;
        if (pair(job, key, k, val, &name, &value)) return job->error;
        if (!is_token(name))
            return bad(job, "key \"headers\": \"%.60s\" is not a header name", name);
        if (job->expand && strstr(value, "${") && expand_header(job, name, &value))
            return job->error;
        if (strpbrk(value, "\r\n"))
            return bad(job, "key \"headers\": a line break in \"%.60s\"", name);
        if (add_header(job, name, value)) return job->error;
    }
    return 0;
}

/* The pairs of an object as params, kept. NULL: no memory, or the job says what is wrong. */
static const errand_param *params_of(er_line_job *job, er_span object)
{
    errand_param *list = NULL;
    size_t n = 0, cursor = 0;
    er_span k, v;
    do {
        errand_param *longer = er_resize(list, (n + 1) * sizeof *list);
        if (!longer) {
            no_memory(job);
            break;
        }
        list = longer;
        list[n] = (errand_param){ NULL, NULL };
    } while (er_json_member(object, &cursor, &k, &v) &&
             !pair(job, "params", k, v, &list[n].name, &list[n].value) && ++n);
    if (!job->error) return (errand_param *)(void *)keep(job, (char *)list);
    er_free(list);
    return NULL;
}

/* After all keys were read: the url with the params in its query. */
static int add_params(er_line_job *job, er_span params)
{
    if (!is_object(params)) return bad(job, "key \"params\" must be an object");
    const errand_param *list = params_of(job, params);
    if (!list) return job->error;
    er_bytes out = { 0 };
    er_url_add_params(&out, job->request.url, list);
    char *whole = er_bytes_take(&out);
    if (!whole) er_bytes_free(&out);
    job->request.url = keep(job, whole);
    return job->error;
}

static int set_body(er_line_job *job, const char *key, errand_bytes body)
{
    bool second = job->request.body.at || job->request.json || job->request.body_file;
    job->request.body = body;
    return second ? bad(job, "key \"%s\": at most one of json, body and body_file", key) : 0;
}

/* An object that is written as the line has it: json-c keeps the text of numbers it
 * cannot hold the same way. */
static int read_json(er_line_job *job, const char *key, er_span v)
{
    if (set_body(job, key, (errand_bytes){ NULL, 0 })) return job->error;
    char *text = keep(job, er_copy_bytes(v.at, v.size));
    job->request.json = text ? json_object_new_object() : NULL;
    if (!job->request.json) return no_memory(job);
    json_object_set_serializer(job->request.json, json_object_userdata_to_json_string, text, NULL);
    return 0;
}

static int read_body(er_line_job *job, const char *key, er_span v)
{
    if (!is_string(v))
        return bad(job, "key \"%s\" must be a string; for JSON there is \"json\"", key);
    size_t size = 0;
    char *text = keep(job, er_json_decode(v, &size));
    return text ? set_body(job, key, (errand_bytes){ text, size }) : job->error;
}

/* Checked here, so that a file that cannot be sent is an error of the line. */
static int read_body_file(er_line_job *job, const char *key, er_span v)
{
    const char *path = word_of(job, key, v);
    uint64_t length;
    if (!path) return job->error;
    int error = er_file_length(path, &length);
    if (error) {
        bad(job, "key \"body_file\": %.200s: %s", path,
            error == ESPIPE ? "it is not a regular file" : errand_strerror(error));
        return job->error = error == ESPIPE ? EINVAL : error;
    }
    if (set_body(job, key, (errand_bytes){ NULL, 0 })) return job->error;
    job->request.body_file = path;
    return 0;
}

static int read_timeout(er_line_job *job, const char *key, er_span v)
{
    er_span text = is_string(v) ? (er_span){ v.at + 1, v.size - 2 } : v;
    int64_t ms = 0;
    bool read = (is_string(v) || is_number(v)) && !er_duration_read(text.at, text.size, &ms);
    job->request.total_ms = ms;
    if (read && ms > 0 && ms <= ER_JOB_TIMEOUT_MOST) return 0;
    return bad(job,
               "key \"%s\" must be seconds above 0, or a string like \"1.5s\", \"200ms\" or \"2m\"",
               key);
}

static int read_retries(er_line_job *job, const char *key, er_span v)
{
    unsigned n = 0;
    bool good = v.size <= 4;
    for (size_t i = 0; i < v.size && good; i++) {
        good = is_digit(v.at[i]);
        if (good) n = n * 10 + (unsigned)(v.at[i] - '0');
    }
    job->retries = n;
    job->retries_given = true;
    if (good && n <= ER_JOB_RETRIES_MOST) return 0;
    return bad(job, "key \"%s\" must be a whole number from 0 to %d", key, ER_JOB_RETRIES_MOST);
}

static int read_idempotent(er_line_job *job, const char *key, er_span v)
{
    bool yes = is_word(v, "true");
    if (!yes && !is_word(v, "false")) return bad(job, "key \"%s\" must be true or false", key);
    if (yes) job->request.repeat = ERRAND_REPEAT_ALWAYS;
    job->idempotent_given = true;
    return 0;
}

static char *fresh_uuid(void) /* RFC 9562, version 4 */
{
    uint64_t high = (er_random() & ~(uint64_t)0xf000) | 0x4000,
             low = er_random() >> 2 | (uint64_t)1 << 63;
    char text[40];
    snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
             (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
             (unsigned long long)(low & 0xffffffffffff));
    return er_copy_text(text);
}

static int read_key(er_line_job *job, const char *key, er_span v)
{
    job->fresh_key = is_word(v, "true");
    if (job->fresh_key) job->request.idempotency_key = keep(job, fresh_uuid());
    else if (is_string(v)) job->request.idempotency_key = word_of(job, key, v);
    else return bad(job, "key \"%s\" must be a string, or true for a fresh one", key);
    return job->error;
}

static int read_save_to(er_line_job *job, const char *key, er_span v)
{
    job->request.save_to = word_of(job, key, v);
    return job->error;
}

/* params: needs the url. meta: kept before */
static int read_later(er_line_job *job, const char *key, er_span v)
{
    (void)job, (void)key, (void)v;
    return 0;
}

static const struct {
    const char *name;
    int (*read)(er_line_job *job, const char *key, er_span v);
} keys[] = {
    { "url", read_url },
    { "id", read_id },
    { "method", read_method },
    { "headers", read_headers },
    { "params", read_later },
    { "json", read_json },
    { "body", read_body },
    { "body_file", read_body_file },
    { "timeout", read_timeout },
    { "retries", read_retries },
    { "idempotent", read_idempotent },
    { "idempotency_key", read_key },
    { "save_to", read_save_to },
    { "meta", read_later },
};
#define KEYS (sizeof keys / sizeof *keys)

const char *er_job_key_at(size_t i) { return i < KEYS ? keys[i].name : NULL; }

const char *er_job_key(const char *name, size_t size)
{
    size_t i = 0;
    while (i < KEYS && !is_word((er_span){ name, size }, keys[i].name)) i++;
    return er_job_key_at(i);
}

/* ---- defaults ---- */

struct er_job_defaults {
    char *json, *method;
    er_span found[KEYS];
};

static bool is_body(size_t i)
{
    return keys[i].read == read_json || keys[i].read == read_body || keys[i].read == read_body_file;
}

/* Defaults of keys that the job lacks; a body of any sort is one key. */
static void take_defaults(const er_job_defaults *defaults, er_span found[KEYS])
{
    bool body = false;
    for (size_t i = 0; i < KEYS; i++) body |= is_body(i) && found[i].at;
    for (size_t i = 0; defaults && i < KEYS; i++) {
        if (!found[i].at && !(body && is_body(i))) found[i] = defaults->found[i];
    }
}

static bool has_header(const er_line_job *job, const char *name)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): pair() sets it, or has an error */
    size_t n = strlen(name);
    for (size_t i = 0; i < job->n_headers; i++) {
        if (er_alike(job->headers[i], name, n) && job->headers[i][n] == ':') return true;
    }
    return false;
}

/* Those of the defaults that the job does not name. */
static int add_default_headers(er_line_job *job, er_span v)
{
    size_t cursor = 0;
    er_span k, val;
    while (er_json_member(v, &cursor, &k, &val)) {
        const char *name = NULL, *value = NULL;
        if (pair(job, "headers", k, val, &name, &value)) return job->error;
        if (!has_header(job, name) && add_header(job, name, value)) return job->error;
    }
    return 0;
}

/* ---- the line ---- */

/* KEYS: none of ours; written with escapes it is not ours either */
static size_t key_index(er_span key)
{
    size_t i = 0;
    while (i < KEYS && !is_word((er_span){ key.at + 1, key.size - 2 }, keys[i].name)) i++;
    return i;
}

static int unknown_key(er_line_job *job, er_span key)
{
    er_nearest near = { .word = key.at + 1, .size = key.size - 2 };
    for (size_t i = 0; i < KEYS; i++) er_nearest_offer(&near, keys[i].name);
    int shown = key.size < 80 ? (int)key.size : 80;
    if (!near.name) return bad(job, "unknown key %.*s", shown, key.at);
    return bad(job, "unknown key %.*s: did you mean \"%s\"?", shown, key.at, near.name);
}

/* The values of the line's keys, an object; id and meta are kept also where it is a bad one. */
static int find_keys(er_line_job *job, er_span text, er_span found[KEYS])
{
    er_span stranger = { NULL, 0 }, k, v;
    size_t cursor = 0;
    while (er_json_member(text, &cursor, &k, &v)) {
        size_t i = key_index(k);
        if (i < KEYS) found[i] = v;
        else if (!stranger.at) stranger = k;
    }
    for (size_t i = 0; i < KEYS; i++) {
        if (found[i].at && is_word(found[i], "null") && keys[i].read != read_json)
            found[i].at = NULL;
        bool fit = found[i].at && (is_string(found[i]) || is_number(found[i]));
        if (fit && !strcmp(keys[i].name, "id")) job->id = found[i];
        if (found[i].at && !strcmp(keys[i].name, "meta")) job->meta = found[i];
    }
    return stranger.at ? unknown_key(job, stranger) : 0;
}

static int read_keys(er_line_job *job, er_span found[KEYS])
{
    const er_job_defaults *defaults = job->defaults;
    for (size_t i = 0; i < KEYS; i++) {
        if (found[i].at && keys[i].read(job, keys[i].name, found[i])) return job->error;
        bool more = keys[i].read == read_headers && defaults && defaults->found[i].at;
        if (more && found[i].at != defaults->found[i].at &&
            add_default_headers(job, defaults->found[i]))
            return job->error;
    }
    return 0;
}

static int read_line(er_line_job *job)
{
    if (job->line.error == EFBIG) return bad(job, "longer than %zu MiB", ER_LINE_MOST >> 20);
    if (job->line.error == ENOMEM) return no_memory(job);
    if (job->line.error) return bad(job, "%s", job->line.why ? job->line.why : "not a job");
    if (job->convert && job->convert(job)) return job->error;
    er_span text = { job->line.text, job->line.size }, found[KEYS] = { { NULL, 0 } };
    size_t where;
    const char *why;
    if (er_json_check(text, &where, &why))
        return bad(job, "not JSON: %s, at byte %zu", why, where + 1);
    text = er_json_trim(text);
    if (!is_object(text)) return bad(job, "a job must be an object, {\"url\": ...}");
    if (find_keys(job, text, found)) return job->error;
    take_defaults(job->defaults, found);
    for (size_t i = 0; i < KEYS; i++) {
        if (!strcmp(keys[i].name, "meta")) job->meta = found[i];
    }
    if (read_keys(job, found)) return job->error;
    if (!job->request.url) return bad(job, "there is no key \"url\"");
    for (size_t i = 0; i < KEYS; i++) {
        if (found[i].at && !strcmp(keys[i].name, "params") && add_params(job, found[i]))
            return job->error;
    }
    return 0;
}

int er_line_job_read(er_line_job *job)
{
    if (read_line(job)) return job->error;
    bool body = job->request.body.at || job->request.json || job->request.body_file;
    if (body && !job->request.method) job->request.method = "POST";
    job->request.headers = job->headers;
    job->request.secrets = job->secrets;
    return 0;
}

int er_line_job_add_key(er_line_job *job)
{
    const char *method = job->request.method ? job->request.method : "GET";
    if (job->request.idempotency_key || er_method_idempotent(method)) return 0;
    for (size_t i = 0; i < job->n_headers; i++) {
        if (er_alike(job->headers[i], "Idempotency-Key:", 16)) return 0;
    }
    job->request.idempotency_key = keep(job, fresh_uuid());
    job->fresh_key = true;
    return job->error;
}

errand_result er_line_job_refusal(const er_line_job *job)
{
    if (job->error == ENOMEM) return errand_fail(ENOMEM);
    const char *why = job->why ? job->why : errand_strerror(job->error);
    return errand_fail_as(job->error, ERRAND_KIND_VALIDATION, -1, false, "%s", why);
}

/* ---- defaults are read ---- */

/* What would be the same for all jobs where each needs its own. */
static const char *not_for_all(const er_span found[KEYS])
{
    static const char *const names[] = { "id", "save_to" };
    for (size_t i = 0; i < KEYS; i++) {
        if (!found[i].at) continue;
        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            if (!strcmp(keys[i].name, names[n])) return names[n];
        }
        if (keys[i].read == read_key && !is_word(found[i], "true")) return "idempotency_key";
    }
    return NULL;
}

/* As a job of its own, which gets a url if it has none. */
static int check_defaults(er_line_job *job, er_job_defaults *defaults)
{
    er_span text = { defaults->json, strlen(defaults->json) };
    size_t where;
    const char *why;
    if (er_json_check(text, &where, &why))
        return bad(job, "not JSON: %s, at byte %zu", why, where + 1);
    text = er_json_trim(text);
    if (!is_object(text)) return bad(job, "an object is wanted, {\"headers\": ...}");
    if (find_keys(job, text, defaults->found)) return job->error;
    const char *own = not_for_all(defaults->found);
    if (own) return bad(job, "key \"%s\" would be the same for all jobs", own);
    if (read_keys(job, defaults->found)) return job->error;
    if (has_header(job, "Idempotency-Key"))
        return bad(job, "the header Idempotency-Key would be the same for all jobs");
    if (!job->request.url) job->request.url = "/";
    for (size_t i = 0; i < KEYS; i++) {
        bool params = defaults->found[i].at && !strcmp(keys[i].name, "params");
        if (params && add_params(job, defaults->found[i])) return job->error;
    }
    return 0;
}

static int take_method(er_line_job *job, er_job_defaults *defaults, const char *method)
{
    if (!is_token(method)) return bad(job, "\"%.40s\" is not a method", method);
    er_bytes quoted = { 0 };
    er_json_quote(&quoted, (er_span){ method, strlen(method) });
    size_t size = quoted.size;
    defaults->method = er_bytes_take(&quoted);
    if (!defaults->method) return no_memory(job);
    for (size_t i = 0; i < KEYS; i++) {
        if (keys[i].read == read_method) defaults->found[i] = (er_span){ defaults->method, size };
    }
    return 0;
}

er_job_defaults *er_job_defaults_new(const char *json, const char *method, char **why)
{
    er_job_defaults *defaults = er_alloc_zero(sizeof *defaults);
    er_line_job job = { 0 };
    if (defaults) defaults->json = er_copy_text(json ? json : "{}");
    if (!defaults || !defaults->json) no_memory(&job);
    else if (!check_defaults(&job, defaults) && method) take_method(&job, defaults, method);
    int error = job.error;
    *why = job.why;
    job.why = NULL;
    er_line_job_free(&job);
    if (!error) return defaults;
    er_job_defaults_free(defaults);
    errno = error;
    return NULL;
}

bool er_job_defaults_has(const er_job_defaults *defaults, const char *key)
{
    for (size_t i = 0; defaults && i < KEYS; i++) {
        if (!strcmp(keys[i].name, key)) return defaults->found[i].at;
    }
    return false;
}

void er_job_defaults_free(er_job_defaults *defaults)
{
    if (!defaults) return;
    er_free(defaults->json);
    er_free(defaults->method);
    er_free(defaults);
}
