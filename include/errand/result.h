/** errand/result.h -- how anything ends.
 *
 * A result is small and travels by value: an error code, or a value together with the function that
 * frees it. What a failure has to say beyond its code (message, kind, phase, attempts, causes)
 * hangs behind `detail`. It is stored where the failure is made, never guessed later.
 *
 * A result has one owner, which frees it with errand_result_free() or passes it on. Functions that
 * take `const errand_result *` borrow it; several threads may call them at a time, as long as no
 * thread frees the result meanwhile.
 *
 * Kinds. Each errno value has a kind, and a default for whether a retry tries it again:
 *
 *     tried again    TIMEOUT     ETIMEDOUT
 *                    NETWORK     ECONNREFUSED ECONNRESET ECONNABORTED EPIPE EHOSTUNREACH
 *                                ENETUNREACH ENETDOWN
 *                    RESOURCE    EAGAIN EMFILE ENFILE ENOBUFS
 *     final          CANCELLED   ECANCELED
 *                    RESOURCE    ENOMEM ENOSPC EDQUOT
 *                    VALIDATION  EINVAL EDOM ERANGE ENOTSUP
 *                    AUTH        EACCES EPERM
 *                    PROTOCOL    EPROTO EBADMSG
 *                    REJECTED    ERRAND_ELATE ERRAND_EOPEN ERRAND_EBUDGET ERRAND_EFULL
 *                    INTERNAL    ERRAND_EABANDONED ERRAND_EFORKED
 *                    UNKNOWN     any other
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

/**
 * No time limit. Times are int64_t milliseconds on the monotonic clock; as an argument 0 means now:
 * look, and do not wait.
 */
#define ERRAND_FOREVER INT64_MAX
/**
 * An option that is really zero; a plain 0 is the option's default. Any other negative time is
 * EINVAL.
 */
#define ERRAND_ZERO    INT64_MIN

/** A result on its way; see errand/future.h. */
typedef struct errand_future errand_future;
/** Frees what it is given. It may run on any thread. */
typedef void errand_free_fn(void *);

typedef struct errand_detail errand_detail;
/** How something ended. */
typedef struct errand_result {
    int error;            /* 0: it ended well */
    void *value;          /* of a success; may be NULL. An HTTP error still carries its response */
    errand_free_fn *free; /* free(owner), once; NULL: nothing to free */
    /* usually value; else what value lives in. To take a value out: copy it, set free to NULL */
    void *owner;
    errand_detail *detail; /* message, kind, causes ...; may be NULL */
} errand_result;

/** An error is an errno value, or a code of one of these ranges. */
enum {
    ERRAND_HTTP = 0x10000,   /* + HTTP status */
    ERRAND_CURL = 0x20000,   /* + CURLcode */
    ERRAND_USER = 0x30000,   /* + a code of yours, up to 0xffff */
    ERRAND_REFUSED = 0x40000 /* + one of the refusals below */
};
/** The refusals. */
enum {
    ERRAND_ELATE = ERRAND_REFUSED + 1, /* it cannot end before its deadline, so it was not begun */
    ERRAND_EOPEN,                      /* its circuit breaker is open */
    ERRAND_EBUDGET,                    /* a budget, of retries or tokens, is spent */
    ERRAND_EFULL,                      /* a queue is full */
    ERRAND_EABANDONED,                 /* its promise was freed unresolved */
    ERRAND_EFORKED /* it belongs to a parent process: fork does not copy threads */
};

/** What sort of end it is. Set where the result is made; retries, logs and reports go by it. */
typedef enum errand_kind {
    ERRAND_KIND_OK,           /* "ok" */
    ERRAND_KIND_NETWORK,      /* "network" */
    ERRAND_KIND_TIMEOUT,      /* "timeout" */
    ERRAND_KIND_CANCELLED,    /* "cancelled" */
    ERRAND_KIND_HTTP_CLIENT,  /* "http_client": 4xx */
    ERRAND_KIND_HTTP_SERVER,  /* "http_server": 5xx */
    ERRAND_KIND_RATE_LIMITED, /* "rate_limited": 429, or the other side asked for a wait */
    ERRAND_KIND_AUTH,         /* "auth" */
    ERRAND_KIND_PROTOCOL,     /* "protocol" */
    ERRAND_KIND_VALIDATION,   /* "validation": the caller's input is at fault */
    ERRAND_KIND_RESOURCE,     /* "resource": memory, descriptors, disk */
    ERRAND_KIND_REJECTED,     /* "rejected": refused by a limit, not begun */
    ERRAND_KIND_INTERNAL,     /* "internal" */
    ERRAND_KIND_UNKNOWN       /* "unknown" */
} errand_kind;

/** What ended it early. */
typedef enum errand_reason {
    ERRAND_BY_NONE,     /* "": it ended by itself */
    ERRAND_BY_CALLER,   /* "caller": errand_cancel() */
    ERRAND_BY_TOTAL,    /* "total": the deadline of the whole */
    ERRAND_BY_ATTEMPT,  /* "attempt": the deadline of one attempt */
    ERRAND_BY_SIBLING,  /* "sibling": another one failed or won */
    ERRAND_BY_SHUTDOWN, /* "shutdown": its pool or session was closed */
    ERRAND_BY_HEDGE     /* "hedge": another attempt has won */
} errand_reason;

/* ---- making results ---- */

/** Returns a success. `free`, which may be NULL, frees `value`. */
static inline errand_result errand_ok(void *value, errand_free_fn *free)
{
    errand_result r = { 0, value, free, value, NULL };
    return r;
}

/** Returns a failure with this error. */
static inline errand_result errand_fail(int error)
{
    errand_result r = { error, NULL, NULL, NULL, NULL };
    return r;
}

/**
 * Returns a failure with a message of yours.
 *
 * `fmt` is formatted as printf does in the C locale. Without memory the failure has no message of
 * its own. An `error` of 0 becomes EINVAL.
 */
ERRAND_API errand_result errand_failf(int error, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * Returns a failure with everything that a retry goes by.
 *
 * `retry_after_ms` is the wait that the other side asked for; -1: none. `may_have_run` says that
 * the work may have been done although it failed, so that a repeat could do it twice. Else as
 * errand_failf().
 */
ERRAND_API errand_result errand_fail_as(int error, errand_kind kind, int64_t retry_after_ms,
                                        bool may_have_run, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/**
 * Ends the calling task as `f` ends: `return errand_later(f);`.
 *
 * Consumes `f`. The task holds no worker meanwhile. Only for returning from a task's function, a
 * then-function or a fallback.
 *
 * Returns what the caller returns at once; or a failure with
 *   EINVAL   `f` is NULL or was consumed
 */
ERRAND_API errand_result errand_later(errand_future *f);

/** Frees value and detail and zeroes *r, so that a second call is harmless. NULL is harmless. */
ERRAND_API void errand_result_free(errand_result *r);

/* ---- names ---- */

/**
 * Returns the text of an error: "Connection refused", "HTTP 503", "its deadline cannot be met".
 *
 * Never NULL. The text is permanent, except that without memory the text of a code ("HTTP 503") is
 * the calling thread's and lives until its next call.
 */
ERRAND_API const char *errand_strerror(int error);

/**
 * Writes an error as a word into `buffer`, cut to `size`, and returns it: "ETIMEDOUT", "HTTP 503",
 * "curl 28", "ELATE", "user 7".
 */
ERRAND_API const char *errand_error_name(int error, char *buffer, size_t size);

/** Returns the name of a kind, "network"; "unknown" for what is no kind. A literal. */
ERRAND_API const char *errand_kind_name(errand_kind kind);

/** Returns the name of a reason, "caller"; "" for ERRAND_BY_NONE. A literal. */
ERRAND_API const char *errand_reason_name(errand_reason reason);

/* ---- reading results ---- */

/** Returns the kind of an end. */
ERRAND_API errand_kind errand_result_kind(const errand_result *r);

/** Returns what ended it early; ERRAND_BY_NONE: nothing did. */
ERRAND_API errand_reason errand_result_reason(const errand_result *r);

/** Returns the message of an end; never NULL, never empty. It lives as long as the result. */
ERRAND_API const char *errand_result_message(const errand_result *r);

/** Returns how far it came: "queue", "connect", "first byte" ..., or "". */
ERRAND_API const char *errand_result_phase(const errand_result *r);

/** Returns how long it took in milliseconds; -1: not measured. */
ERRAND_API int64_t errand_result_elapsed_ms(const errand_result *r);

/** Returns the wait in milliseconds that the other side asked for, with a success too; -1: none. */
ERRAND_API int64_t errand_result_retry_after(const errand_result *r);

/**
 * Returns whether the work may have been done, so that a repeat may do it twice. Known without
 * memory as well.
 */
ERRAND_API bool errand_result_may_have_run(const errand_result *r);

/** Returns whether a fallback made this success. */
ERRAND_API bool errand_result_degraded(const errand_result *r);

/**
 * Returns which future ended an errand_any() or errand_race(), counted from 0; SIZE_MAX: it is no
 * such result.
 */
ERRAND_API size_t errand_result_index(const errand_result *r);

/** Returns whether a retry tries this failure again by default. */
ERRAND_API bool errand_result_transient(const errand_result *r);

/**
 * Returns cause `i` of a failure, counted from 0; NULL past the end.
 *
 * A task's own error is a cause of its cancel; of several failures the others are causes of the
 * first. The cause is borrowed from `r`.
 */
ERRAND_API const errand_result *errand_result_cause(const errand_result *r, size_t i);

/** One attempt of a retried operation. */
typedef struct errand_attempt {
    unsigned number;  /* from 1 */
    int error;        /* how it ended */
    int64_t began_ms; /* since the operation began */
    int64_t took_ms;
    int64_t then_waited_ms; /* -1: no wait followed */
    /* "backoff", "retry-after", "poll"; why no attempt followed; or "". A literal */
    const char *why_waited;
} errand_attempt;

/**
 * Writes attempt `i` of a retried operation, counted from 0, to *out.
 *
 * Long histories keep the first 8 and the last 24 attempts. Where there was no memory to note an
 * attempt, only those before it are kept.
 *
 * Returns 0, or
 *   ENOENT   `i` is past the end
 *   EINVAL   `r` or `out` is NULL
 */
static inline int errand_result_attempt(const errand_result *r, size_t i, errand_attempt *out);

/** Returns how many attempts there were; 0: it was no retried operation. */
ERRAND_API unsigned errand_result_attempts(const errand_result *r);

/* ---- sized: programs that were compiled with an older header keep working ---- */

ERRAND_API int errand_result_attempt_sized(const errand_result *r, size_t i, errand_attempt *out,
                                           size_t size);

static inline int errand_result_attempt(const errand_result *r, size_t i, errand_attempt *out)
{
    return errand_result_attempt_sized(r, i, out, sizeof *out);
}

#ifdef __cplusplus
}
#endif
#endif
