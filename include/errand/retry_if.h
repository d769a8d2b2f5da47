/** errand/retry_if.h -- which ends of an attempt ask for another attempt.
 *
 * A retry_if is asked about every end but CANCELLED. Only errand_retry_if_value() and
 * errand_retry_if_custom() match successes: that is polling. Without one, a policy retries as
 * errand_retry_if_transient(). They nest, have one owner and keep what is wrong with them until
 * errand_policy_new() refuses it, as backoffs do (errand/backoff.h). Texts and lists are copied.
 *
 *     .retry_if = errand_retry_if_any(errand_retry_if_transient(),
 *                                     errand_retry_if_status(409, 423))
 */
#ifndef ERRAND_RETRY_IF_H
#define ERRAND_RETRY_IF_H

#include <errand/attempt.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What to try again; made by the functions below. */
typedef struct errand_retry_if errand_retry_if;

/** Matches what errand_result_transient() calls transient: the default. */
ERRAND_API errand_retry_if *errand_retry_if_transient(void);

/** Matches every failure. */
ERRAND_API errand_retry_if *errand_retry_if_failed(void);

/** The bit of a kind for errand_retry_if_kind(): ERRAND_KIND_BIT(NETWORK). */
#define ERRAND_KIND_BIT(kind) (1u << ERRAND_KIND_##kind)

/** Matches failures of these kinds: ERRAND_KIND_BIT(NETWORK) | ERRAND_KIND_BIT(TIMEOUT). */
ERRAND_API errand_retry_if *errand_retry_if_kind(unsigned kinds);

/**
 * Matches a failure with one of `n` errors. In C also errand_retry_if_error(ECONNRESET, EPIPE).
 */
ERRAND_API errand_retry_if *errand_retry_if_error_of(size_t n, const int *errors);

/**
 * Matches a failure with the error ERRAND_HTTP plus one of `n` statuses. In C also
 * errand_retry_if_status(409, 423).
 */
ERRAND_API errand_retry_if *errand_retry_if_status_of(size_t n, const int *statuses);

#ifndef __cplusplus
/** Matches one of these errors: errand_retry_if_error(ECONNRESET, EPIPE). In C only. */
#define errand_retry_if_error(...)                                                                 \
    errand_retry_if_error_of(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int), (int[]){ __VA_ARGS__ })
/** Matches one of these statuses: errand_retry_if_status(409, 423). In C only. */
#define errand_retry_if_status(...)                                                                \
    errand_retry_if_status_of(sizeof((int[]){ __VA_ARGS__ }) / sizeof(int), (int[]){ __VA_ARGS__ })
#endif

/** Matches a failure with an HTTP status from `from` to `to`, both from 100 to 999. */
ERRAND_API errand_retry_if *errand_retry_if_status_range(int from, int to);

/** Matches a failure with `text` in its message. */
ERRAND_API errand_retry_if *errand_retry_if_message(const char *text);

/**
 * Matches a failure if its whole message is like `pattern`: * stands for any characters, ? for one.
 */
ERRAND_API errand_retry_if *errand_retry_if_message_like(const char *pattern);

/**
 * Matches a failure if `a` matches one of its causes (errand_result_cause(), at any depth).
 */
ERRAND_API errand_retry_if *errand_retry_if_cause(errand_retry_if *a);

/**
 * Matches a success of which `fn(value, arg)` says that it is not the end yet. `arg` must live as
 * long as the policy.
 */
ERRAND_API errand_retry_if *errand_retry_if_value(errand_value_fn *fn, void *arg);

/** Matches any end of which `fn(info, arg)` says so. `arg` must live as long as the policy. */
ERRAND_API errand_retry_if *errand_retry_if_custom(errand_predicate_fn *fn, void *arg);

/** Matches failures that `a` does not match; never a success. */
ERRAND_API errand_retry_if *errand_retry_if_not(errand_retry_if *a);

/** Matches what `a` or `b` matches. */
ERRAND_API errand_retry_if *errand_retry_if_any(errand_retry_if *a, errand_retry_if *b);

/** Matches what both `a` and `b` match. */
ERRAND_API errand_retry_if *errand_retry_if_all(errand_retry_if *a, errand_retry_if *b);

/** Frees a retry_if that no function has consumed. NULL is harmless. */
ERRAND_API void errand_retry_if_free(errand_retry_if *retry_if);

#ifdef __cplusplus
}
#endif
#endif
