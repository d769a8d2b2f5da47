/* errand/result.h -- how anything ends.
 *
 * A result is small and travels by value: an error code, or a value together with the function that frees it. What is
 * to be said beyond that (message, kind, phase, attempts, causes) hangs behind `detail` and is stored where the failure
 * is made, never guessed later.
 *
 * Who has a result in hands owns it, and ends it with errand_result_free, or hands it on. All functions here that take
 * `const errand_result *` only look, and may be called from any thread as long as nobody frees the result meanwhile.
 */
#ifndef ERRAND_RESULT_H
#define ERRAND_RESULT_H

#include <errand/version.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Time is int64_t milliseconds on the monotonic clock. In options 0 means that option's default; as an argument 0 is
 * "now, only look". Any other negative value is EINVAL. */
#define ERRAND_FOREVER INT64_MAX /* no limit */
#define ERRAND_ZERO    INT64_MIN /* an option that is really zero */

typedef struct errand_future errand_future;
typedef void errand_free_fn(void *);

typedef struct errand_detail errand_detail;
typedef struct errand_result {
    int             error;  /* 0 if it went well                                                                      */
    void           *value;  /* what came of it; may be NULL. An HTTP error still carries its response                 */
    errand_free_fn *free;   /* free(owner), once; NULL: nothing to free                                               */
    void           *owner;  /* usually value; else what value lives in. To take a value out: copy it, set free to NULL */
    errand_detail  *detail; /* the rest of the story; may be NULL                                                     */
} errand_result;

/* An error is an errno value, or a code of one of these ranges. */
enum {
    ERRAND_HTTP    = 0x10000, /* + HTTP status     */
    ERRAND_CURL    = 0x20000, /* + CURLcode        */
    ERRAND_USER    = 0x30000, /* + anything of yours, up to 0xffff */
    ERRAND_REFUSED = 0x40000  /* + one of the refusals below       */
};
enum {
    ERRAND_ELATE = ERRAND_REFUSED + 1, /* cannot end before its deadline, so it was not begun     */
    ERRAND_EOPEN,                      /* its breaker is open                                    */
    ERRAND_EBUDGET,                    /* the budget of retries is spent                         */
    ERRAND_EFULL,                      /* a queue is full                                        */
    ERRAND_EABANDONED,                 /* its promise was given up unresolved                    */
    ERRAND_EFORKED                     /* belongs to a parent process; fork does not copy threads */
};

/* What sort of end it is. Decided once, where the result is made; retries, logs and reports all go by it. */
typedef enum errand_kind {
    ERRAND_KIND_OK,           /* "ok"           */
    ERRAND_KIND_NETWORK,      /* "network"      */
    ERRAND_KIND_TIMEOUT,      /* "timeout"      */
    ERRAND_KIND_CANCELLED,    /* "cancelled"    */
    ERRAND_KIND_HTTP_CLIENT,  /* "http_client": 4xx                     */
    ERRAND_KIND_HTTP_SERVER,  /* "http_server": 5xx                     */
    ERRAND_KIND_RATE_LIMITED, /* "rate_limited": 429, or a hint to wait */
    ERRAND_KIND_AUTH,         /* "auth"         */
    ERRAND_KIND_PROTOCOL,     /* "protocol"     */
    ERRAND_KIND_VALIDATION,   /* "validation": the caller's input is at fault */
    ERRAND_KIND_RESOURCE,     /* "resource": memory, descriptors, disk        */
    ERRAND_KIND_REJECTED,     /* "rejected": refused by a limit, not begun    */
    ERRAND_KIND_INTERNAL,     /* "internal"     */
    ERRAND_KIND_UNKNOWN       /* "unknown"      */
} errand_kind;

/* Who ended it early. */
typedef enum errand_reason {
    ERRAND_BY_NONE,  /* ""         it ended by itself          */
    ERRAND_BY_CALLER,  /* "caller"   errand_cancel               */
    ERRAND_BY_TOTAL,   /* "total"    the deadline of the whole   */
    ERRAND_BY_ATTEMPT, /* "attempt"  the deadline of one attempt */
    ERRAND_BY_SIBLING, /* "sibling"  another one failed or won   */
    ERRAND_BY_SHUTDOWN, /* "shutdown" its pool or session closed */
    ERRAND_BY_HEDGE    /* "hedge"    another attempt has won     */
} errand_reason;

/* errno to kind, and what a retry makes of it when nothing else was said:
 *   again:  ETIMEDOUT TIMEOUT; ECONNREFUSED ECONNRESET ECONNABORTED EPIPE EHOSTUNREACH ENETUNREACH ENETDOWN NETWORK;
 *           EAGAIN EMFILE ENFILE ENOBUFS RESOURCE
 *   never:  ECANCELED CANCELLED; ENOMEM ENOSPC EDQUOT RESOURCE; EINVAL EDOM ERANGE ENOTSUP VALIDATION; EACCES EPERM AUTH;
 *           EPROTO EBADMSG PROTOCOL; the refusals REJECTED, but EABANDONED and EFORKED INTERNAL; any other UNKNOWN. */

static inline errand_result errand_ok(void *value, errand_free_fn *free)
{
    errand_result r = { 0, value, free, value, NULL };
    return r;
}
static inline errand_result errand_fail(int error)
{
    errand_result r = { error, NULL, NULL, NULL, NULL };
    return r;
}

/* A failure with a message of yours (printf, as in the C locale). Out of memory: the same failure without the message. error 0 is EINVAL. */
ERRAND_API errand_result errand_failf(int error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same with everything a retry goes by: retry_after_ms (-1: none), and whether the work may have been done although
 * it failed, so that a repeat could do it twice. */
ERRAND_API errand_result errand_fail_as(int error, errand_kind kind, int64_t retry_after_ms, bool may_have_run,
                                        const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* "Ask f": a task that returns this ends as f ends, and holds no worker meanwhile. Consumes f. Only for returning from a
 * task or a then-function. */
ERRAND_API errand_result errand_later(errand_future *f);

/* Frees value and detail and zeroes *r, so that twice is harmless. NULL is harmless. */
ERRAND_API void errand_result_free(errand_result *r);

/* "Connection refused", "HTTP 503", "its deadline cannot be met" ... Never NULL; the text stays for good (without memory one that is
 * made of a code, "HTTP 503", is the thread's, until the next). */
ERRAND_API const char *errand_strerror(int error);

/* "ETIMEDOUT", "HTTP 503", "curl 28", "ELATE", "user 7": the code as a word, written into a buffer of yours, which is
 * returned; cut to fit. */
ERRAND_API const char *errand_error_name(int error, char *buffer, size_t size);

ERRAND_API const char *errand_kind_name(errand_kind kind);       /* "network" ...; "unknown" for no kind */
ERRAND_API const char *errand_reason_name(errand_reason reason); /* "caller" ...; "" for nobody          */

ERRAND_API errand_kind   errand_result_kind(const errand_result *r);
ERRAND_API errand_reason errand_result_reason(const errand_result *r);
ERRAND_API const char   *errand_result_message(const errand_result *r);      /* never NULL, never empty; lives as long as r */
ERRAND_API const char   *errand_result_phase(const errand_result *r);        /* "queue", "connect", "first byte" ... or ""  */
ERRAND_API int64_t       errand_result_elapsed_ms(const errand_result *r);   /* how long it took; -1: not measured       */
ERRAND_API int64_t       errand_result_retry_after(const errand_result *r);  /* ms the other side asked for, or -1; of a success, too */
ERRAND_API bool          errand_result_may_have_run(const errand_result *r); /* may a repeat do the work twice? Known without memory too */
ERRAND_API bool          errand_result_degraded(const errand_result *r);     /* a success that a fallback made          */
ERRAND_API size_t        errand_result_index(const errand_result *r);        /* any, race: which one; SIZE_MAX: not such a one */
ERRAND_API bool          errand_result_transient(const errand_result *r);    /* would a retry by default try again?      */

/* What stands behind this failure: the task's own error behind a cancel, the others behind the first. NULL past the end. */
ERRAND_API const errand_result *errand_result_cause(const errand_result *r, size_t i);

/* One attempt of a retried operation. */
typedef struct errand_attempt {
    unsigned    number;         /* from 1                                                  */
    int         error;          /* how it ended                                            */
    int64_t     began_ms;       /* since the operation began                               */
    int64_t     took_ms;
    int64_t     then_waited_ms; /* -1: no wait followed                                    */
    const char *why_waited;     /* "backoff", "retry-after", "poll"; why there was no further one; or ""; literal */
} errand_attempt;

/* Attempt i (from 0) into *out; ENOENT past the end. Long histories keep the first 8 and the last 24 attempts;
 * where there was no memory to note one down, only those before it. */
ERRAND_API int errand_result_attempt_sized(const errand_result *r, size_t i, errand_attempt *out, size_t size);
static inline int errand_result_attempt(const errand_result *r, size_t i, errand_attempt *out)
{
    return errand_result_attempt_sized(r, i, out, sizeof *out);
}
ERRAND_API unsigned errand_result_attempts(const errand_result *r); /* how many there were; 0: it was not retried work */

#ifdef __cplusplus
}
#endif
#endif
