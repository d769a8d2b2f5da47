/** errand/jobs.h -- requests as JSON Lines in, results as JSON Lines out: what `errand run` does
 * (library errand-http).
 *
 * Jobs. A job is one line, an object; a key that is not in this list is an error that names line
 * and key:
 *
 *     url               http or https, or relative to the session's base_url; must be there
 *     id                string or number, echoed
 *     method            default GET, or POST with a body
 *     headers, params   objects of strings (numbers, true, false as they are written)
 *     json              any JSON, null too; at most one of json, body and body_file
 *     body              a string
 *     body_file         a regular file's path, sent as it is read by each attempt
 *     timeout           one attempt's total: seconds, or "1.5s", "200ms", "2m"; see
 *                       errand_parse_duration()
 *     retries           extra attempts
 *     idempotent        true: harmless to do twice
 *     idempotency_key   a string, or true: a fresh UUID, kept for all attempts. Such a header in
 *                       headers counts as one
 *     save_to           the body of a 2xx goes into this file, whole or not at all; nothing of HEAD
 *                       or a 204
 *     meta              anything, echoed
 *
 * Blank lines are skipped, CRLF and a byte order mark are accepted, a line over 16 MiB is a bad
 * one.
 *
 * Results. Every line that is not blank gets exactly one result line, bad ones too:
 *
 *     {"seq","id","method","url","began","ok","status",
 *      "error":{"kind","code","phase","message","retry_after","may_have_run"}|null,
 *      "attempts","attempt_log",
 *      "timing_ms":{"queue","resolve","connect","tls","first_byte","total"},
 *      "bytes":{"sent","received","body"}|null,"reused","http","headers",
 *      "body"|"body_base64"|"selected","saved_to","meta"}
 *
 *     seq           counts the lines over all files from 1
 *     method, url   of the request; null of a bad line. url is absolute, without userinfo, and
 *                   values of parameters that sound like secrets (key, api_key, token,
 *                   access_token, secret, sig, X-Amz-Signature, password ...) are "*"
 *     began         when the first attempt was begun, RFC 3339 in UTC with milliseconds,
 *                   "2026-11-28T12:00:00.123Z"; null: none was
 *     error         code is "HTTP 503", "ETIMEDOUT", "curl 28"; retry_after is in seconds;
 *                   may_have_run: the work may have been done although it failed
 *     attempts      those that were refused, or ended before it was their turn, are not counted,
 *                   so 0 of them means that nothing was sent
 *     attempt_log   [{"number","error","began_ms","took_ms","then_waited_ms","why_waited"}]; the
 *                   key is there if there was more than one attempt, and with `verbose`
 *     timing_ms     of the last attempt; null: not reached; of failures too
 *     bytes         on the wire, headers included; body: of the body, decompressed. bytes, reused,
 *                   http and headers are null if no reply came
 *     reused        true: the connection stood already
 *     http          "1.0", "1.1", "2", "3"
 *     headers       of the reply, names in lower case; one that came repeatedly is an array.
 *                   Values of headers that sound like secrets (Set-Cookie, X-Auth-Token ...) are
 *                   "*", and in urls as above. Which ones: see errand_jobs_headers; of a reply's
 *                   headers the first 200 are looked at
 *     body          JSON is JSON, text is a string, all else is body_base64. An HTTP error's body
 *                   comes too, at most 64 KiB of it. null: none came, it was saved, or
 *                   errand_jobs_body drops it
 *     selected      instead of body, of a success, with `select`: {"/a/b": value, ...}; null: the
 *                   body is no JSON
 *     saved_to      the file with the body, from save_to or `output_dir`; else null
 *
 * Values that are copied out of lines and replies keep the digits of their numbers.
 */
#ifndef ERRAND_JOBS_H
#define ERRAND_JOBS_H

#include <errand/batch.h>
#include <errand/http.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Jobs that are being read, sent and written. */
typedef struct errand_jobs errand_jobs;

/** Which headers of a reply its result line has. */
typedef enum errand_jobs_headers {
    /* content-type, content-length, content-encoding, content-range, date, last-modified, etag,
     * location, retry-after, retry-after-ms; request ids: what ends in request-id, requestid,
     * correlation-id or trace-id, traceparent, cf-ray, x-amz-id-2, x-amz-cf-id; rate limits: what
     * begins with ratelimit, x-ratelimit or x-rate-limit; what begins with openai- or anthropic- */
    ERRAND_JOBS_HEADERS_SOME,
    ERRAND_JOBS_HEADERS_NONE,
    ERRAND_JOBS_HEADERS_ALL
} errand_jobs_headers;

/** Of which jobs the result line has the body. */
typedef enum errand_jobs_body {
    ERRAND_JOBS_BODY_KEEP,  /* of all */
    ERRAND_JOBS_BODY_DROP,  /* of none */
    ERRAND_JOBS_BODY_FAILED /* of failures */
} errand_jobs_body;

/** Options of jobs. */
typedef struct errand_jobs_opts {
    const char *const *files; /* paths, "-" is stdin; ..., NULL. NULL: stdin alone */
    /* a descriptor for the result lines: whole lines, one writer. While 32 MiB of results wait
     * for it, no further job is begun */
    int out;
    unsigned concurrency; /* 0: 16 */
    unsigned ordered;     /* 1: result lines in the order of the input */
    unsigned verbose;     /* 1: attempt_log in every line */
    unsigned retries;     /* extra attempts, where the line does not say */
    /* one attempt's total, where the line does not say. 0: the session's */
    int64_t total_ms;
    errand_rate *rate; /* every attempt waits for its turn. NULL: none */
    errand_log *log;   /* "[job-retry]" ... NULL: none */
    /* bad lines, unreadable files: "jobs.jsonl:3: unknown key \"urll\""; on any thread, one at a
     * time. NULL: none */
    void (*on_error)(const char *message, void *arg);
    void *arg;
    errand_jobs_headers headers;
    errand_jobs_body body;
    /* JSON pointers (RFC 6901) into the bodies of successes, "/usage/total_tokens"; ..., NULL:
     * their values are in the line instead of the body, null where there is none. NULL: the body.
     * The list and its texts are not copied */
    const char *const *select;
    /* The body of each 2xx goes into a file of its own in this folder, whole or not at all, unless
     * the job has a save_to; nothing of HEAD or a 204. The folder is made if it is missing. The
     * name is the job's id, else its seq, and an extension by the Content-Type. In an id a slash,
     * control character, \ : * ? " < > |, or a leading dot becomes "_", and it is cut to 255
     * bytes less the extension. A name that another job of this run has (in any case) gets "-SEQ".
     * 8 to 16 bytes of memory for each file. What an earlier run left is replaced. Not together
     * with select. NULL: none */
    const char *output_dir;
} errand_jobs_opts;

/**
 * Starts reading and sending at once. What is named must outlive the jobs. Free them with
 * errand_jobs_free().
 *
 * A wrong `select` and an `output_dir` in which no file can be made are reported through on_error,
 * too.
 *
 * Returns the jobs, or NULL with errno
 *   EINVAL           `pool` or `http` is NULL, or an option is wrong: a select that is no JSON
 *                    pointer, or one with an output_dir
 *   EACCES           output_dir: not allowed there; also EROFS, ENOTDIR, ENAMETOOLONG, ENOSPC ...
 *   ENOTSUP          `opts` has fields that this library does not know
 *   ENOMEM           no memory
 *   ERRAND_EFORKED   the pool is a parent process's
 */
static inline errand_jobs *errand_jobs_new(errand_pool *pool, errand_http *http,
                                           const errand_jobs_opts *opts);

/**
 * Waits up to `ms` milliseconds for the end of all jobs.
 *
 * Returns 0, or
 *   ETIMEDOUT   not yet
 *   ECANCELED   the calling task was cancelled
 *   EINVAL      `jobs` is NULL, or `ms` is negative
 */
ERRAND_API int errand_jobs_wait(errand_jobs *jobs, int64_t ms);

/**
 * Takes no more lines; what is in flight is finished. It works at once, also while input is
 * awaited. Not from a signal handler.
 */
ERRAND_API void errand_jobs_stop(errand_jobs *jobs);

/** Takes no more lines and cancels what is in flight; their result lines are still written. */
ERRAND_API void errand_jobs_cancel(errand_jobs *jobs);

/** What jobs count. */
typedef struct errand_jobs_stats {
    /* cancelled and bad lines are among the failed */
    uint64_t successful, failed, cancelled, bad_lines, total_processed;
    uint64_t in_flight, retrying; /* now */
    uint64_t retries;             /* extra attempts so far */
    /* lines in all, when the input has been read to its end; else 0 */
    uint64_t known_total;
    int64_t p50_ms, p99_ms; /* of the whole time of a job, of those that ended */
    /* the errno of the first file that could not be opened or read; 0: none */
    int read_error;
    /* the errno with which results could not be written; nothing more was begun */
    int write_error;
    /* 1: errand_jobs_stop() or _cancel() came before the end of the input */
    unsigned stopped;
} errand_jobs_stats;

/**
 * Writes the counts to *out.
 *
 * Returns 0, or
 *   EINVAL   `jobs` or `out` is NULL
 */
static inline int errand_jobs_stats_get(errand_jobs *jobs, errand_jobs_stats *out);

/** How many classes of failures jobs keep. */
#define ERRAND_JOBS_FAILURES 32

/**
 * The failures of one class, that is, of one kind and code.
 *
 * The texts are UTF-8 without control characters, cut to 300 bytes, and live as long as the jobs.
 */
typedef struct errand_jobs_failure {
    errand_kind kind;
    int error; /* see errand_error_name() */
    uint64_t count;
    /* the first of them: its line */
    uint64_t line;
    const char *file, *id, *message; /* id "": it has none */
} errand_jobs_failure;

/**
 * Writes class `i` of the failures so far, counted from 0 in the order in which they came, to *out.
 *
 * Bad lines are among them, unreadable files are not. Class ERRAND_JOBS_FAILURES - 1 counts all
 * further ones, with kind ERRAND_KIND_UNKNOWN and error 0. A class keeps its place.
 *
 * Returns 0, or
 *   ENOENT   `i` is past the end
 *   EINVAL   `jobs` or `out` is NULL
 */
static inline int errand_jobs_failures(errand_jobs *jobs, size_t i, errand_jobs_failure *out);

/** Cancels, waits until all has ended, and frees the jobs. NULL is harmless. */
ERRAND_API void errand_jobs_free(errand_jobs *jobs);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API errand_jobs *errand_jobs_new_sized(errand_pool *pool, errand_http *http,
                                              const errand_jobs_opts *opts, size_t size);

static inline errand_jobs *errand_jobs_new(errand_pool *pool, errand_http *http,
                                           const errand_jobs_opts *opts)
{
    return errand_jobs_new_sized(pool, http, opts, sizeof *opts);
}

ERRAND_API int errand_jobs_stats_sized(errand_jobs *jobs, errand_jobs_stats *out, size_t size);

static inline int errand_jobs_stats_get(errand_jobs *jobs, errand_jobs_stats *out)
{
    return errand_jobs_stats_sized(jobs, out, sizeof *out);
}

ERRAND_API int errand_jobs_failures_sized(errand_jobs *jobs, size_t i, errand_jobs_failure *out,
                                          size_t size);

static inline int errand_jobs_failures(errand_jobs *jobs, size_t i, errand_jobs_failure *out)
{
    return errand_jobs_failures_sized(jobs, i, out, sizeof *out);
}

#ifdef __cplusplus
}
#endif
#endif
