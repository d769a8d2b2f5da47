/* jobs/job_hash.c -- a job is the same in two runs if it has the same id. Without an id it is the
 * same if its request is: method, url with its params, headers, body, files by their names. Times,
 * retries and meta are not part of that, nor the order of keys and the white space of the line.
 * Of secret headers, and those with values of the environment, the names alone count, so that a job
 * is the same with a new token, and no hash of a secret is written. Of a bad line the whole text
 * counts, so that a line that was mended is a new job. */
#include "jobs/job_hash.h"

#include "base/hash.h"
#include "http/header.h"

#include <json-c/json.h>

/* A change of what goes into a hash, or of er_hash, needs another seed: er_job_hash_probe. */
#define SEED UINT64_C(0x6572726e64206a32)

static uint64_t add(uint64_t hash, char tag, const char *text, size_t size)
{
    return er_hash(hash ^ (uint64_t)(unsigned char)tag << 56, text, size);
}

static uint64_t add_text(uint64_t hash, char tag, const char *text)
{
    return text ? add(hash, tag, text, strlen(text)) : hash;
}

static bool is_secret(const er_line_job *job, const char *header)
{
    bool secret = er_header_secret(header);
    for (const char *const *value = job->secrets; !secret && value && *value; value++)
        secret = **value && strstr(header, *value);
    return secret;
}

static uint64_t of_request(const er_line_job *job)
{
    const errand_request *r = &job->request;
    uint64_t hash = add_text(SEED, 'm', r->method ? r->method : "GET");
    hash = add_text(hash, 'u', r->url);
    for (const char *const *header = r->headers; header && *header; header++) {
        bool secret = is_secret(job, *header);
        hash = add(hash, 'h', *header, secret ? strcspn(*header, ":") : strlen(*header));
    }
    if (r->body.at) hash = add(hash, 'b', r->body.at, r->body.size);
    hash = add_text(hash, 'f', r->body_file);
    hash = add_text(hash, 's', r->save_to);
    if (!job->fresh_key) hash = add_text(hash, 'k', r->idempotency_key);
    if (!r->json) return hash;
    er_bytes compact = { 0 };
    const char *text = json_object_to_json_string(r->json);
    if (text) er_json_compact(&compact, (er_span){ text, strlen(text) });
    hash = text && !compact.error ? add(hash, 'j', compact.at, compact.size) : 0;
    er_bytes_free(&compact);
    return hash;
}

uint64_t er_job_hash(const er_line_job *job)
{
    if (job->error)
        return add(SEED, 'x', job->line.text ? job->line.text : "", job->line.size) &
               ~ER_JOB_HAS_ID;
    if (job->id.at) return add(SEED, 'i', job->id.at, job->id.size) | ER_JOB_HAS_ID;
    return of_request(job) & ~ER_JOB_HAS_ID;
}

uint64_t er_job_hash_probe(void) { return add_text(SEED, 'p', "errand"); }
