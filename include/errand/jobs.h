/** errand/jobs.h -- requests of files in, results as JSON Lines out: what `errand run` does
 * (library errand-http).
 *
 * Jobs. A job is one line, an object in JSON; a key that is not in this list is an error that names
 * line and key:
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
 * one. A file that is packed with gzip is unpacked as it is read, all its members; where it is
 * damaged or breaks off, the lines before are jobs like others, and the file is one that cannot be
 * read.
 *
 * Formats. Other files than JSON Lines are read with `format`:
 *
 *     urls      one a line. White space and a pair of quotation marks around it are no part of it;
 *               lines that begin with # are comments. With url_template a line is any text
 *     csv       as in RFC 4180, with a header. The delimiter is the one of , ; tab and | that
 *               comes first in the header, or `delimiter`. Columns with the names of keys give
 *               these, in any case of letters; json, headers and params are JSON there, an empty
 *               field is no key, and other columns are not used. A record has as many fields as
 *               the header and at most 16 MiB
 *     openai    lines as OpenAI's batch API takes them, custom_id, method, url, body: the id, the
 *               method, the url and the json of a job. A url that begins with /v1 belongs to
 *               https://api.openai.com, unless the session has a base_url
 *     auto      by the first line of each file, of these and JSON Lines
 *
 * All is UTF-8. A record is bad, and the others are done, if it has another number of fields, a NUL
 * byte, or text behind a closed quotation mark. A quotation mark that is never closed is an error
 * of the line in which it stands; what follows it in the file is not read, as it could be inside
 * it.
 *
 * A file that cannot be of the format, or lacks a column, ends the jobs before anything is sent:
 * on_error gets the one reason, errand_jobs_stats has it as `refused`. Regular files are all
 * checked before the first job, pipes when their turn comes.
 *
 * Templates are for a CSV, whose columns are {names} in them, and for a list, whose line is {line}:
 *
 *     url_template    https://host/items/{id}?city={city}    {{ and }} are braces
 *     params          city={city}
 *     json_template   {"prompt": "Draw {animal}.", "n": {count}}
 *
 * In a url and in params fields are percent-encoded, but for one at the very beginning of a url,
 * which is put there as it is. In strings of JSON they are escaped. Outside a string a field must
 * be a number, true, false or null, else the record is a bad one. Braces of JSON itself are left
 * alone: only {name} with a column of this name is a placeholder there. With url_template columns
 * give nothing by their names; with json_template none gives a body.
 *
 * Results. Every line that is not blank gets exactly one result line, bad ones too:
 *
 *     {"seq","id","ok","status",
 *      "error":{"kind","code","phase","message","retry_after"}|null,"attempts",
 *      "timing_ms":{"queue","resolve","connect","tls","first_byte","total"},
 *      "body"|"body_base64","saved_to","meta"}
 *
 * seq counts the lines, or records, over all files from 1. code is "HTTP 503", "ETIMEDOUT", "curl
 * 28". retry_after is in seconds. A timing that was not reached is null, of failures too. Attempts
 * that were refused, or ended before it was their turn, are not counted, so 0 of them means that
 * nothing was sent. JSON bodies are JSON, text is a string, all else is base64. saved_to is save_to
 * if the body was saved there, else null. With `verbose` there is
 *
 *     "attempt_log":[{"number","error","began_ms","took_ms","then_waited_ms","why_waited"}]
 *
 * With `openai_results` a line is as in the output of OpenAI's batch API instead:
 *
 *     {"id":"batch_req_SEQ","custom_id","response":{"status_code","request_id","body"}|null,
 *      "error":{"code","message"}|null}
 *
 * Any answer of the server is a response there, of an error as well; error is for jobs that got
 * none. request_id is the reply's x-request-id, or "". A body that is no text is null, with a
 * "body_base64" behind it.
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

/** How files are read; the page errand-jobs(5) describes the formats. */
typedef enum errand_jobs_format {
    ERRAND_JOBS_JSONL, /* JSON Lines of jobs */
    ERRAND_JOBS_AUTO,  /* by the first line of each file */
    ERRAND_JOBS_URLS,
    ERRAND_JOBS_CSV,
    ERRAND_JOBS_OPENAI
} errand_jobs_format;

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
    errand_jobs_format format;
    char delimiter;            /* of a CSV; 0: by its header. No quotation mark or line end */
    const char *url_template;  /* NULL: none */
    const char *json_template; /* NULL: none */
    const char *const *params; /* "NAME=TEMPLATE", ..., NULL, in the query. NULL: none */
    const char *id_column;     /* whose fields are ids; "line" of a list. NULL: the column id */
    const char *method;        /* where a job has none; before that of `defaults` */
    /* an object in JSON: keys for jobs that lack them, headers by their names; no id, save_to or
     * idempotency_key of one's own. NULL: none */
    const char *defaults;
    /* how many jobs, over all files, are left out; they have no result, and the seq of the others
     * counts them */
    uint64_t skip;
    uint64_t take;           /* at most so many are read after them. 0: all */
    unsigned openai_results; /* 1: result lines as of OpenAI's batch API */
    /* what AUTO took a file for, columns that are not used: "urls.txt: a list of 7,000 urls"; on
     * any thread, also beside on_error. NULL: none */
    void (*on_notice)(const char *message, void *arg);
} errand_jobs_opts;

/**
 * Starts reading and sending at once. What is named must outlive the jobs. Free them with
 * errand_jobs_free().
 *
 * Returns the jobs, or NULL with errno
 *   EINVAL           `pool` or `http` is NULL, or an option is wrong; on_error has been called
 *                    with what is wrong in `defaults` or `method`
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
    /* EINVAL: a file is not what `format` and the templates say, and nothing was sent; else 0 */
    int refused;
} errand_jobs_stats;

/**
 * Writes the counts to *out.
 *
 * Returns 0, or
 *   EINVAL   `jobs` or `out` is NULL
 */
static inline int errand_jobs_stats_get(errand_jobs *jobs, errand_jobs_stats *out);

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

#ifdef __cplusplus
}
#endif
#endif
