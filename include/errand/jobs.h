/** errand/jobs.h -- requests of files in, results as JSON Lines out: what `errand run` does
 * (library errand-http).
 *
 * Jobs. A job is one line, an object in JSON; a key that is not in this list is an error that names
 * line and key:
 *
 *     url               http or https, or relative to the session's base_url; must be there
 *     id                string or number, echoed
 *     method            default GET, or POST with a body
 *     headers, params   objects of strings (numbers, true, false as they are written). With
 *                       `expand` "${NAME}" in headers is the variable of the environment
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
 * Results. Every line that is not blank gets exactly one result line, bad ones too, or with `next`
 * one for each page:
 *
 *     {"seq","id","method","url","began","ok","status",
 *      "error":{"kind","code","phase","message","retry_after","may_have_run"}|null,
 *      "attempts","attempt_log",
 *      "timing_ms":{"queue","resolve","connect","tls","first_byte","total"},
 *      "bytes":{"sent","received","body"}|null,"reused","http","tokens","headers",
 *      "body"|"body_base64"|"selected","saved_to","meta"}
 *
 *     seq           counts the lines, or records, over all files from 1
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
 *     tokens        that all attempts have used, as their replies say; null: one does not say, or
 *                   nothing was sent. The key is there with one of the options for tokens
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
 *
 * With `openai_results` a line is as in the output of OpenAI's batch API instead:
 *
 *     {"id":"batch_req_SEQ","custom_id","response":{"status_code","request_id","body"}|null,
 *      "error":{"code","message"}|null}
 *
 * Any answer of the server is a response there, of an error as well; error is for jobs that got
 * none. request_id is the reply's x-request-id, or "". A body that is no text is null, with a
 * "body_base64" behind it. With `results` a line ends with "seq", "kind", "may_have_run", "job" and
 * "run".
 *
 * Pages. With `next` a job without a method, with GET or with HEAD is followed by the next page of
 * what it asks for, until there is none:
 *
 *     link                  the header Link of the reply with rel="next"
 *     /paging/next          JSON pointer (RFC 6901): a url in the body
 *     cursor=/after,start   JSON pointer and parameter: the value in the body is put into the query
 *                           of the url, as ?start=VALUE
 *
 * Urls may be relative to that of the reply. The last page has no such link or value, or null, ""
 * or false. Each page has a result line as soon as it is there, with the seq and id of the job, and
 * behind saved_to
 *
 *     page   from 1
 *     next   the url of the page that follows, shown as url is; null: none follows; "": the
 *          reply does not say which
 *
 * Both urls keep a position whose name sounds like a secret, so that a later run finds its page:
 * the parameter of "cursor=", and pageToken, nextToken, nextPageToken, continuationToken,
 * syncToken, deltaToken, skipToken, paginationToken, startingToken, nextPageKey, cursor, marker and
 * such, in any case, also with "-", "_" or "$".
 *
 * Pages are asked for one after the other, with the job's method and headers, each with attempts
 * of its own; an idempotency_key goes with the first alone. With `ordered` the second page of a job
 * waits for the last pages of the jobs before it. The last line of a job is one with next null; or
 * a failure, which ends the job; or that of page max_pages, or of the page that was in flight when
 * the jobs were stopped, halted or cancelled: its next says that there are more. Such a job counts
 * as failed and cancelled, and on_notice says at the end how many there are: "8 jobs stopped before
 * their last page". errand_jobs_stats, halting and `take` count jobs. save_to is an error in such a
 * job; in output_dir page N is NAME-pN.
 *
 * A page is not asked for, and fails with kind protocol and no attempts, if it has another scheme,
 * host or port than the job, which would get the job's credentials, or was there before. So does
 * the page behind one whose reply does not say whether a page follows: its body is no JSON, or has
 * something else than a text at the pointer, or than a text or a number for a cursor. The next of
 * that one is "", and a later run that tries the job again asks for it again.
 *
 * With `results` a run that resumes goes on at the page behind the last that has a line, also if
 * that page has failed and is tried again by retry_kinds. But if the url of that page has a
 * parameter that sounds like a secret, which no file keeps, or is of another host, the job begins
 * at page 1 again, and on_notice says so: of lines with the same id and page the last counts.
 *
 * Pauses. A 429, or a 503 with Retry-After, holds back all jobs for that host and port until then,
 * at most 5 minutes, also where no rate is given; a 429 without Retry-After for a second. They wait
 * without a connection or a worker, and before the time of their attempt begins; a cancel,
 * job_within_ms and run_within_ms end the wait at once. Jobs for other hosts go on, but those that
 * wait are among the `concurrency`.
 *
 * Tokens. Services that run language models count tokens, of the request and of the reply. An
 * attempt reserves what it may use before it is sent, and settles it when it has ended:
 *
 *     reserved   a token for 4 bytes of its body, rounded up, and the number that the body has at
 *                one of `tokens_asked`; of a body_file the size counts alone
 *     settled    the number that the reply has at one of `tokens_used`. If it has none: nothing,
 *                if the attempt was answered 4xx or not sent; else what was reserved, also of a
 *                body that was saved to a file
 *
 * token_rate limits them by time: an attempt waits until its tokens are there, and what is
 * settled below or above its estimate brings others forward or puts them off. It waits without a
 * connection or a worker, behind its turns of host_rate and `rate`, and before the time of its
 * attempt begins. If its host is paused meanwhile, it gives its tokens back and waits for both
 * again. With host_sem it holds its permit while it waits, and the wait is part of the time from
 * which the semaphore learns: a run that its tokens limit has few permits, and needs no more.
 *
 * token_budget limits them in all, of this run alone: one that resumes begins with all of it. An
 * attempt that does not fit beside what is used and reserved waits until others have settled, as
 * estimates are mostly too high. If it does not fit beside what is used, it is not sent, and no
 * more jobs are begun. Its error is ERRAND_EBUDGET, of kind rejected; with `results` it has no
 * result line, and the next run sends it. Replies that use more than was estimated can exceed the
 * budget.
 *
 * The places are JSON pointers, "POINTER[+POINTER]...[,...]": the first place counts that has a
 * whole number from 0 to 10^12, 1e3 too; of a sum all terms that have one. A pointer in such a list
 * begins with a slash, and has no comma or plus sign. The usual places are
 *
 *     tokens_asked   /max_tokens,/max_completion_tokens,/max_output_tokens,
 *                    /generationConfig/maxOutputTokens
 *     tokens_used    /usage/total_tokens,/usage/input_tokens+/usage/output_tokens,
 *                    /usageMetadata/totalTokenCount
 *
 * Halting. Jobs that will fail alike are not begun: see halt_fatal, halt_failed, halt_failed_share,
 * token_budget. Lines that were not begun have no result line.
 *
 * Nothing twice. With `results` the lines are appended to a file, and end with "job" and "run":
 * what identifies the job, and the number of the run that wrote the line. Beside the file is its
 * journal, FILE.journal. Whenever the process ends, by SIGKILL or with the machine, a run with
 * ERRAND_RESULTS_RESUME goes on:
 *
 *     the job                                              what happens to it
 *     has a result                                         skipped; also a failure, see retry_kinds
 *     was cancelled, or refused by a limit, and not sent   sent; it has no result
 *     was under way, and is harmless to repeat             sent
 *     was under way, with an idempotency key               sent, with the same key, also if errand
 *                                                          made it
 *     was under way, and neither                           its result is EINPROGRESS, kind unknown;
 *                                                          with repeat_unknown it is sent
 *
 * Before a request that is neither harmless nor keyed is sent, and before the first use of a key
 * that was made here, a line of the journal is on disk; many requests share one sync, and all
 * others need none. A 429 or another failure after which the server has not begun the work takes
 * that line back. A job is known by its id; without one by what it requests, and its place among
 * the lines: method, url, headers (of Authorization and the like only the names), body, paths. If
 * the input is another one than in the run before, or standard input, the place does not count:
 * then, and in all later runs, jobs are matched by id or by request alone, and on_error says so:
 * ids are unique, and of equal requests without an id each result counts once. A job that has
 * several results, after retry_kinds for example, has the last of them. The journal is locked
 * against a second run. It takes at most 24 bytes of memory for each job that is done.
 */
#ifndef ERRAND_JOBS_H
#define ERRAND_JOBS_H

#include <errand/batch.h>
#include <errand/http.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a run does with a file of results that is there. */
typedef enum errand_results_begin {
    ERRAND_RESULTS_NEW,   /* refuses one that has results: EEXIST */
    ERRAND_RESULTS_FRESH, /* discards them */
    ERRAND_RESULTS_RESUME /* goes on where the runs before it ended */
} errand_results_begin;

/** Jobs that are being read, sent and written. */
typedef struct errand_jobs errand_jobs;

/** A host asks for a wait. */
typedef struct errand_jobs_pause {
    const char *host; /* "api.example.com:443" */
    int error;        /* ERRAND_HTTP + 429, or 503 */
    int64_t ms;       /* the wait it asks for; -1: it does not say */
    uint64_t number;  /* from 1: which pause of this host it is */
} errand_jobs_pause;

/** Half of a host's quota is used up. */
typedef struct errand_jobs_quota {
    const char *host;  /* "api.example.com:443" */
    int64_t limit;     /* requests in a window of time; -1: not known */
    int64_t remaining; /* that are left of it */
    int64_t reset_ms;  /* until the window ends */
    uint64_t number;   /* from 1: which window of this host it is */
} errand_jobs_quota;

/** Why no more jobs are begun. */
typedef enum errand_jobs_halt {
    ERRAND_JOBS_NOT_HALTED,
    ERRAND_JOBS_FATAL,    /* halt_fatal */
    ERRAND_JOBS_FAILED,   /* halt_failed or halt_failed_share */
    ERRAND_JOBS_TIME_OUT, /* run_within_ms has passed */
    ERRAND_JOBS_BUDGET    /* token_budget */
} errand_jobs_halt;

/** How files are read; the page errand-jobs(5) describes the formats. */
typedef enum errand_jobs_format {
    ERRAND_JOBS_JSONL, /* JSON Lines of jobs */
    ERRAND_JOBS_AUTO,  /* by the first line of each file */
    ERRAND_JOBS_URLS,
    ERRAND_JOBS_CSV,
    ERRAND_JOBS_OPENAI
} errand_jobs_format;

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

/** How many pages a job may have, if errand_jobs_opts does not say it. */
#define ERRAND_JOBS_PAGES 1000

/** Options of jobs. */
typedef struct errand_jobs_opts {
    const char *const *files; /* paths, "-" is stdin; ..., NULL. NULL: stdin alone */
    /* a descriptor for the result lines: whole lines, one writer. While 32 MiB of results wait
     * for it, no further job is begun */
    int out;
    unsigned concurrency; /* 0: 16 */
    unsigned ordered;     /* 1: result lines in the order of the input. Not together with results */
    unsigned verbose;     /* 1: attempt_log in every line */
    unsigned retries;     /* extra attempts, where the line does not say */
    /* one attempt's total, where the line does not say. 0: the session's */
    int64_t total_ms;
    errand_rate *rate; /* over all hosts: every attempt waits for its turn. NULL: none */
    errand_log *log;   /* "[job-retry]" ... NULL: none */
    /* bad lines, unreadable files: "jobs.jsonl:3: unknown key \"urll\""; on any thread, one at a
     * time. NULL: none */
    void (*on_error)(const char *message, void *arg);
    void *arg;
    /* 1: "${NAME}" in the values of a job's headers is replaced as by errand_expand(). A variable
     * that is not set makes the line a bad one. The values are secrets of the request: messages
     * and logs show stars */
    unsigned expand;
    unsigned reserved;
    /* a file that result lines are appended to, instead of out; its journal is beside it:
     * "FILE.journal". NULL: none. See "Nothing twice" above */
    const char *results;
    errand_results_begin begin;
    /* 1: jobs that may have been done already are sent again, too */
    unsigned repeat_unknown;
    /* with ERRAND_RESULTS_RESUME: jobs that failed with one of these kinds are sent again:
     * ERRAND_KIND_BIT(NETWORK) | ... Those that may have run and are not harmless twice only with
     * repeat_unknown; one that was answered 4xx has not run. 0: none */
    unsigned retry_kinds;
    /* JSON that the journal keeps for this run, the options of a program for example; it need not
     * outlive errand_jobs_new(). NULL: none */
    const char *note;
    /* of each host, with the key "host:port": every attempt waits for its turn, then for one of
     * `rate`. Pauses hold here, and with ERRAND_AUTO_PACE what replies say of their quota. NULL:
     * one without a pace, of these jobs alone */
    errand_rate *host_rate;
    /* a pause begins; not for what prolongs it. On any thread, with `arg`. NULL: none */
    void (*on_pause)(const errand_jobs_pause *pause, void *arg);
    unsigned idempotent; /* 1: harmless to do twice, where the line does not say */
    /* 1: a job has a fresh key, kept for all attempts, if it has none and its method is not
     * idempotent */
    unsigned idempotency_keys;
    /* what is tried again, instead of errand_retry_if_transient(); never what may have run and is
     * not harmless to repeat. Its functions may be called twice about one end. Consumed, also when
     * errand_jobs_new() fails */
    errand_retry_if *retry_if;
    int64_t retry_within_ms; /* a job's last attempt begins before. 0: no limit */
    /* a job's whole time, with all its pages: waits and attempts. 0: no limit */
    int64_t job_within_ms;
    /* then no more jobs are begun, and those in flight are cancelled. 0: no limit */
    int64_t run_within_ms;
    unsigned halt_now; /* 1: halting cancels what is in flight; 0: that is finished */
    /* 1: halts if no job has succeeded, nor a page of one, and three were answered 401, 402 or 403,
     * or with a 4xx whose JSON has "quota" or "billing" in code, type or message, of itself or of
     * its "error" */
    unsigned halt_fatal;
    uint64_t halt_failed; /* halts when that many jobs have failed. 0: no limit */
    /* halts when three or more jobs have failed, and that share of those that ended: above 0, up
     * to 1. 0: no limit */
    double halt_failed_share;
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
    uint64_t take;           /* at most that many are read after them. 0: all */
    unsigned openai_results; /* 1: result lines as of OpenAI's batch API */
    /* what AUTO took a file for, columns that are not used: "urls.txt: a list of 7,000 urls"; on
     * any thread, also beside on_error. NULL: none */
    void (*on_notice)(const char *message, void *arg);
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
     * 8 to 16 bytes of memory for each file. What an earlier run left is replaced; with
     * ERRAND_RESULTS_RESUME it keeps its name. Not together with select. NULL: none */
    const char *output_dir;
    /* with a host_rate of ERRAND_AUTO_PACE: the rest of a host's quota is spread over the time that
     * is left of its window from here on. Once a window; on any thread, with `arg`. NULL: none */
    void (*on_quota)(const errand_jobs_quota *quota, void *arg);
    /* over all hosts: see "Tokens" above. A turn of it, without a key, is a token. NULL: none */
    errand_rate *token_rate;
    uint64_t token_budget;    /* 0: no limit */
    const char *tokens_asked; /* places in bodies of requests. NULL: the usual ones */
    const char *tokens_used;  /* places in replies. NULL: the usual ones */
    /* of each host, with the key "host:port": after its turns every attempt waits for a permit,
     * which it holds to its end; its job is among the `concurrency` meanwhile. NULL: none */
    errand_sem *host_sem;
    /* Where the reply to a GET or HEAD says which page follows, see "Pages" above: "link", a JSON
     * pointer, or "cursor=POINTER,PARAM". Not together with openai_results; with output_dir "link"
     * alone. NULL: a job has one reply */
    const char *next;
    unsigned max_pages; /* of a job. 0: ERRAND_JOBS_PAGES */
} errand_jobs_opts;

/**
 * Starts reading and sending at once. What is named must outlive the jobs. Free them with
 * errand_jobs_free().
 *
 * What is wrong with `results`, `select`, `next`, `output_dir`, `tokens_asked` and `tokens_used` is
 * reported through on_error, too.
 *
 * Returns the jobs, or NULL with errno
 *   EINVAL           `pool` or `http` is NULL, or an option is wrong; on_error has been called
 *                    with what is wrong in `defaults`, `method`, `select`, `next`, `tokens_asked`
 *                    or `tokens_used`; options are given that do not go together
 *   EEXIST           `results` has results, and begin is ERRAND_RESULTS_NEW
 *   EBUSY            another run uses `results`
 *   ENOENT           `results` is not empty and has no journal; or its folder is missing
 *   EBADMSG          `results` or its journal is damaged, or of another kind
 *   EOVERFLOW        `results` has been resumed 65,535 times
 *   ESPIPE           `results` is not a regular file
 *   EACCES           or another errno of `results`, its journal and `output_dir`: EROFS, ENOTDIR,
 *                    ENOSPC ...
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
 * awaited. Of a job with pages (errand_jobs_opts.next) the page in flight is finished, and is its
 * last. Not from a signal handler.
 */
ERRAND_API void errand_jobs_stop(errand_jobs *jobs);

/** Takes no more lines and cancels what is in flight; their result lines are still written. */
ERRAND_API void errand_jobs_cancel(errand_jobs *jobs);

/** What jobs count. */
typedef struct errand_jobs_stats {
    /* cancelled and bad lines are among the failed; a job that ends before its last page, as the
     * jobs were stopped, halted or cancelled, is among the cancelled */
    uint64_t successful, failed, cancelled, bad_lines, total_processed;
    uint64_t in_flight, retrying; /* now */
    uint64_t retries;             /* extra attempts so far */
    /* lines in all, when the input has been read to its end; else 0 */
    uint64_t known_total;
    /* of the whole time of a job, of those that ended; with host_sem from its first permit on */
    int64_t p50_ms, p99_ms;
    /* the errno of the first file that could not be opened or read; 0: none */
    int read_error;
    /* the errno with which results could not be written; nothing more was begun */
    int write_error;
    /* 1: errand_jobs_stop() or _cancel() came before the end of the input, or of a job's pages */
    unsigned stopped;
    /* with `results`: jobs that have a result of an earlier run, and are not counted above; jobs
     * that were under way when an earlier run ended and may do harm twice: among the failed */
    uint64_t skipped, unknown;
    uint64_t skipped_failed; /* of the skipped: that result is a failure */
    uint64_t may_have_run;   /* of the failed: their work may have been done */
    uint64_t pauses;         /* of hosts, so far */
    errand_jobs_halt halted;
    int halt_error; /* of the job that ended last when it halted; 0 with ERRAND_JOBS_TIME_OUT */
    /* EINVAL: a file is not what `format` and the templates say, and nothing was sent; else 0 */
    int refused;
    /* by attempts that have ended, of this run; by those that are under way. 0 without one of the
     * options for tokens */
    uint64_t tokens_used, tokens_reserved;
    /* with host_sem: of those in flight, now: they have no permit, but wait for it, for a turn, a
     * pause or the time of another attempt */
    uint64_t waiting;
    /* now: how many requests host_sem lets be under way, over all hosts that are in use, or, if
     * none is, that ever were; at most `concurrency`. And of how many hosts. 0: no host_sem */
    uint64_t limit, limit_hosts;
    /* with `next`: pages that came, of all jobs; all else here counts jobs */
    uint64_t pages;
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

/**
 * Replaces each "${NAME}" in `text` by the value of that variable of the environment.
 *
 * "$${" stands for "${". A name has letters, digits and underscores. `used`, which may be NULL, is
 * called with each value that is not empty.
 *
 * Returns the new text, to be freed with free(), or NULL with errno
 *   ENOENT   a variable is not set
 *   EINVAL   `text` is NULL, or a "${" has no name or no "}"
 *   ENOMEM   no memory
 */
ERRAND_API char *errand_expand(const char *text, void (*used)(const char *value, void *arg),
                               void *arg);

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
