/** errand/jobs_line.h -- what errand_jobs_new() would send, line by line, without sending it
 * (library errand-http).
 */
#ifndef ERRAND_JOBS_LINE_H
#define ERRAND_JOBS_LINE_H

#include <errand/jobs.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A header as it is sent. */
typedef struct errand_jobs_header {
    const char *name; /* NULL: the end of the list */
    const char *value;
    /* 1: the value is a secret, by the header's name or as one of the texts that the request and
     * the session call secrets */
    unsigned secret;
    unsigned reserved;
} errand_jobs_header;

/** What a run would do with a line. */
typedef enum errand_jobs_fate {
    ERRAND_JOBS_SENT,   /* it is sent */
    ERRAND_JOBS_BAD,    /* its result is an error, see `message` */
    ERRAND_JOBS_UNREAD, /* not a line, but a file that cannot be read, or not any further */
    /* with `results`, after earlier runs: */
    ERRAND_JOBS_DONE,        /* it keeps its result, a success, */
    ERRAND_JOBS_DONE_FAILED, /* or a failure; it may be a bad line */
    ERRAND_JOBS_DONE_UNKNOWN /* it may have been done, and is reported as unknown */
} errand_jobs_fate;

/**
 * A line of the input, read as a run reads it. All of it is valid during the call that gets it.
 *
 * Of a line that is not good, `method` and what follows it are NULL or 0.
 */
typedef struct errand_jobs_line {
    errand_jobs_fate fate;
    int error;           /* of a bad line or an unread file; else 0 */
    const char *message; /* the same in words, as a run says them behind file and line; else NULL */
    const char *file;    /* as it was named; "stdin" for "-" */
    uint64_t number;     /* of the line in its file, from 1; 0: it is about the file */
    uint64_t seq;        /* as in a result; 0: likewise */
    const char *id;      /* as the line has it, JSON: "\"a7\"", "17"; NULL: none */
    /* what a resumed run knows the job by: its id, else its request. 0 of an unread file */
    uint64_t identity;
    const char *method;
    const char *url;       /* absolute, as it is sent, with userinfo */
    const char *url_shown; /* the same without userinfo, fragment and secrets, as in a result */
    const char *host;      /* "api.example.com:443", the key of limits; NULL: it is too long */
    /* all that are sent but those that libcurl makes (Host, Content-Length, Accept), the session's
     * among them; a token that middleware adds is not */
    const errand_jobs_header *headers;
    errand_bytes body;     /* as it is sent; at NULL: there is none, or it is in a file */
    const char *body_file; /* NULL: there is none */
    uint64_t body_size;    /* of either */
    unsigned has_body;     /* 1: it has one, perhaps an empty one */
    unsigned harmless;     /* 1: to repeat, by its method, its key or "idempotent" */
    unsigned retries;      /* extra attempts */
    uint64_t tokens;       /* that an attempt would reserve; see "Tokens" in errand/jobs.h */
    unsigned keyed;        /* 1: it has an idempotency key, */
    unsigned fresh_key;    /* which was made for it just now: a run makes another one */
    unsigned reserved;
    /* for errand_send(): what a run would send, without a policy; relative to the session's
     * base_url, whose defaults errand_send() adds */
    const errand_request *request;
} errand_jobs_line;

/** Gets a line; it returns false to end the reading. It may send the line's request. */
typedef bool errand_jobs_line_fn(const errand_jobs_line *line, void *arg);

/**
 * Calls fn(line, arg) for each line that errand_jobs_new() would take from these options, in the
 * order of the input, and for each file that cannot be read; nothing is sent.
 *
 * It reads in the calling thread, in memory that does not grow with the input. Lines that `skip`
 * and `take` leave out are left out. With `results` it reads these and their journal as they are;
 * nothing is made, locked or changed, and ERRAND_RESULTS_RESUME takes the memory that a run takes.
 * on_error is called with what ends the reading, on_notice as in a run; bad lines go to `fn` alone.
 * Options about sending and writing are not used. retry_if is consumed.
 *
 * Returns 0, also if `fn` ended it, or
 *   EINVAL    `http` or `fn` is NULL, an option is wrong, or a file is not what `format` and the
 *             templates say; on_error has been called as by errand_jobs_new(), or in a run
 *   EEXIST    `results` has results, and begin is ERRAND_RESULTS_NEW
 *   ENOENT    `results` is not empty and has no journal
 *   EBADMSG   `results` or its journal is damaged, or of another kind
 *   EACCES    or another errno of `results` and its journal
 *   ENOTSUP   `opts` has fields that this library does not know
 *   ENOMEM    no memory
 */
static inline int errand_jobs_read(errand_http *http, const errand_jobs_opts *opts,
                                   errand_jobs_line_fn *fn, void *arg);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API int errand_jobs_read_sized(errand_http *http, const errand_jobs_opts *opts, size_t size,
                                      errand_jobs_line_fn *fn, void *arg);

static inline int errand_jobs_read(errand_http *http, const errand_jobs_opts *opts,
                                   errand_jobs_line_fn *fn, void *arg)
{
    return errand_jobs_read_sized(http, opts, sizeof *opts, fn, arg);
}

#ifdef __cplusplus
}
#endif
#endif
