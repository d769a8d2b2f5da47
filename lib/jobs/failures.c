/* jobs/failures.c -- a short table that is searched from its beginning: most failures of a run are
 * of one or two classes.
 *
 * A class is never removed and its texts never change, so they can be read without the lock as long
 * as the jobs live. The last place is for all classes that come after the others. */
#include "jobs/failures.h"

#include "http/sanitize.h"

#include <string.h>

static const char none[] = "";

static const char *harmless(const char *text, size_t size)
{
    er_bytes out = { 0 };
    er_add_harmless(&out, text, size, ER_FAILURE_TEXT);
    char *copy = out.error ? NULL : er_bytes_take(&out);
    er_bytes_free(&out);
    return copy ? copy : none;
}

static const char *id_of(const er_line_job *job)
{
    if (!job->id.at) return none;
    if (job->id.at[0] != '"') return harmless(job->id.at, job->id.size);
    size_t size = 0;
    char *decoded = er_json_decode(job->id, &size);
    const char *text = decoded ? harmless(decoded, size) : none;
    er_free(decoded);
    return text;
}

void er_failures_add(er_failures *failures, const er_line_job *job, const errand_result *r)
{
    errand_kind kind = errand_result_kind(r);
    int error = r->error;
    for (size_t i = 0; i < failures->n; i++) {
        errand_jobs_failure *class = &failures->classes[i];
        if (class->kind != kind || class->error != error) continue;
        class->count++;
        return;
    }
    if (failures->n == ERRAND_JOBS_FAILURES) {
        failures->classes[failures->n - 1].count++;
        return;
    }
    bool last = failures->n == ERRAND_JOBS_FAILURES - 1;
    const char *message = errand_result_message(r), *file = job->line.file;
    failures->classes[failures->n++] = (errand_jobs_failure){
        .kind = last ? ERRAND_KIND_UNKNOWN : kind,
        .error = last ? 0 : error,
        .count = 1,
        .line = job->line.number,
        .file = harmless(file, strlen(file)),
        .id = id_of(job),
        .message = harmless(message, strlen(message)),
    };
}

static void free_text(const char *text)
{
    if (text != none) er_free((char *)text);
}

void er_failures_free(er_failures *failures)
{
    for (size_t i = 0; i < failures->n; i++) {
        free_text(failures->classes[i].file);
        free_text(failures->classes[i].id);
        free_text(failures->classes[i].message);
    }
    failures->n = 0;
}
