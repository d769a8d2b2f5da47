/* Jobs against a loopback server, and their results. */
#ifndef FETCHING_H
#define FETCHING_H

#include <errand/jobs.h>
#include <stdbool.h>

/* A server that answers by path:
 *   /ok             200, JSON {"ok": true}
 *   /status/N       that status, JSON {"status": N}, Retry-After: 0
 *   /flaky/N/NAME   503 with Retry-After: 0 for the first N requests of this path, then 200
 *   /busy/N/MS/K    status N with retry-after-ms: MS for the first K requests of this path, then
 * 200 /hang           nothing, until the client is gone /half           200 and a part of its body
 *   /late/MS        /ok after MS milliseconds
 *   /body/NAME      one of the bodies of `bodies`
 *   /tokens/N       200, JSON {"usage": {"total_tokens": N}}
 *   /headers        /ok with many headers
 *   /echo           the request as it came, text/plain
 */
typedef struct body {
    const char *name, *type; /* type NULL: no Content-Type */
    int status;
    const void *at;
    size_t size;
} body;
extern const body bodies[];

/* server, pool and session; the session's base_url is the server */
void fetching_start(unsigned workers);
void fetching_stop(void);
const char *fetching_url(void);
unsigned fetching_requests(const char *path); /* received for this path */
errand_pool *fetching_pool(void);
errand_http *fetching_http(void);

/* Runs this input as the one file "jobs.jsonl" to its end. opts may be NULL and needs no files, out
 * and complain; without complain complaints are noted here. */
typedef struct outcome {
    errand_jobs_stats stats;
    size_t n;      /* result lines; each of them is whole and valid JSON */
    char **lines;  /* by seq - 1 */
    size_t *order; /* seqs as they were written */
    size_t n_complaints;
    char complaints[64][256];
} outcome;
void fetching_run(const char *input, const errand_jobs_opts *opts);
extern outcome came;

/* The text of a key of result line `seq`, verbatim: "true", "\"x\"", "{...}"; NULL: no such key.
 * `path` may be "error.kind". Kept for the next few calls. */
const char *came_with(size_t seq, const char *path);

/* The same in two steps. */
errand_jobs *fetching_begin(const char *const *files, const errand_jobs_opts *opts);
void fetching_collect(errand_jobs *jobs); /* after its end; frees it */

#endif
