/* errand/jobs.h -- requests as JSON Lines in, results as JSON Lines out (library errand-http); what `errand run` does.
 *
 * A job is one line, an object; a key that is not in this list is an error that names line and key:
 *   url               http(s), or relative to the session's base_url. The only one that must be there
 *   id                string or number, echoed
 *   method            default GET, or POST with a body
 *   headers, params   objects of strings (numbers, true, false as they are written)
 *   json|body|body_file   at most one: any JSON, null too; a string; a regular file's path, sent as it is read by each attempt
 *   timeout           one attempt's total: seconds, or "1.5s", "200ms", "2m"
 *   retries           extra attempts
 *   idempotent        true: harmless to do twice
 *   idempotency_key   a string, or true: a fresh UUID, kept for all attempts. Such a header in headers counts as one
 *   save_to           the body of a 2xx goes into this file, whole or not at all (http.h); nothing of HEAD or a 204
 *   meta              anything, echoed
 * Blank lines are skipped, CRLF and a byte order mark are accepted, a line over 16 MiB is a bad one.
 *
 * Every line that is not blank gets exactly one result line, bad ones too:
 *   {"seq","id","ok","status","error":{"kind","code","phase","message","retry_after"}|null,"attempts",
 *    "timing_ms":{"queue","resolve","connect","tls","first_byte","total"},"body"|"body_base64","saved_to","meta"}
 * seq counts the lines over all files from 1; code is "HTTP 503", "ETIMEDOUT", "curl 28"; retry_after is in seconds; a
 * timing that was not reached is null, of failures too; attempts that were refused, or ended before it was their turn, are not
 * counted, so 0 of them means that nothing was sent; JSON bodies are JSON, text is a string, all else is base64; saved_to is save_to
 * if the body was saved there, else null. With `verbose` there is
 * "attempt_log":[{"number","error","began_ms","took_ms","then_waited_ms","why_waited"}].
 */
#ifndef ERRAND_JOBS_H
#define ERRAND_JOBS_H

#include <errand/batch.h>
#include <errand/http.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct errand_jobs errand_jobs;

typedef struct errand_jobs_opts {
    const char *const *files;     /* paths, "-" is stdin; ..., NULL. NULL: stdin alone                                 */
    int                out;       /* a descriptor for the result lines: whole lines, one writer. While 32 MiB of results
                                     wait for it, no further job is begun                                             */
    unsigned           concurrency;   /* 0: 16                                                                             */
    unsigned           ordered;   /* result lines in the order of the input                                            */
    unsigned           verbose;   /* attempt_log in every line                                                         */
    unsigned           retries;   /* extra attempts, where the line does not say. None: 0                              */
    int64_t            total_ms;  /* one attempt's total, where the line does not say. 0: the session's                */
    errand_rate       *rate;      /* every attempt waits for its turn. NULL: none                                      */
    errand_log        *log;       /* "[job-retry]" ... NULL: silent                                                    */
    void             (*on_error)(const char *message, void *arg); /* bad lines, unreadable files: "jobs.jsonl:3: unknown key
                                                          \"urll\""; on any thread, one at a time. NULL: not told       */
    void              *arg;
} errand_jobs_opts;

/* Starts reading and running at once. Never NULL but with errno (ENOMEM, EINVAL). Everything named must outlive it. */
ERRAND_API errand_jobs *errand_jobs_new_sized(errand_pool *pool, errand_http *http, const errand_jobs_opts *opts, size_t size);
static inline errand_jobs *errand_jobs_new(errand_pool *pool, errand_http *http, const errand_jobs_opts *opts)
{
    return errand_jobs_new_sized(pool, http, opts, sizeof *opts);
}

/* Waits for the end, at most ms: 0, ETIMEDOUT. */
ERRAND_API int errand_jobs_wait(errand_jobs *jobs, int64_t ms);

/* Takes no more lines; what is in flight is finished. At once, also while it waits for input. Safe in a signal handler's
 * thread, not in the handler. */
ERRAND_API void errand_jobs_stop(errand_jobs *jobs);

/* Takes no more lines and cancels what is in flight; their result lines are still written. */
ERRAND_API void errand_jobs_cancel(errand_jobs *jobs);

typedef struct errand_jobs_stats {
    uint64_t successful, failed, cancelled, bad_lines, total_processed; /* cancelled and bad lines are among the failed   */
    uint64_t in_flight, retrying;                                      /* now                                          */
    uint64_t retries;                                                  /* extra attempts so far                        */
    uint64_t known_total;        /* lines in all, if the input has been read to its end; else 0                         */
    int64_t  p50_ms, p99_ms;     /* of the whole time of a job, over those ended                                         */
    int      read_error;         /* the first file that could not be opened or read: its errno; 0: none                 */
    int      write_error;        /* the results could not be written: its errno; nothing more was begun                 */
    unsigned stopped;            /* errand_jobs_stop or _cancel came before the end of the input                          */
} errand_jobs_stats;
ERRAND_API int errand_jobs_stats_sized(errand_jobs *jobs, errand_jobs_stats *out, size_t size);
static inline int errand_jobs_stats_get(errand_jobs *jobs, errand_jobs_stats *out)
{
    return errand_jobs_stats_sized(jobs, out, sizeof *out);
}

/* Cancels, waits until all has ended, frees. NULL is harmless. */
ERRAND_API void errand_jobs_free(errand_jobs *jobs);

#ifdef __cplusplus
}
#endif
#endif
