/** errand/backoff.h -- how long to wait between two attempts.
 *
 * A backoff gives the wait after attempt `n`, counted from 1, in milliseconds. Backoffs nest:
 *
 *     .backoff = errand_backoff_sum(errand_backoff_exponential(100, 10000, 2, 0),
 *                                   errand_backoff_random(0, 50))
 *
 * A backoff has one owner. errand_policy_new() and every function here that takes backoffs consume
 * them, also when they fail. No function here returns NULL or reports an error: a wrong argument, a
 * part that is NULL or given twice, more than 64 operations and a lack of memory are kept in the
 * backoff, and errand_policy_new() refuses it and says why.
 *
 * Ranges include both ends. Sums and powers saturate at any `n`. A wait of ERRAND_FOREVER or more
 * never ends; under a deadline a run ends instead of beginning it. Random waits follow the policy's
 * seed.
 *
 * The names are those of tenacity's wait functions; the formulas of FULL, EQUAL and DECORRELATED
 * jitter are Marc Brooker's ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 */
#ifndef ERRAND_BACKOFF_H
#define ERRAND_BACKOFF_H

#include <errand/attempt.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How long to wait; made by the functions below. */
typedef struct errand_backoff errand_backoff;

/** How a wait w is spread, so that clients which failed together do not come back together. */
typedef enum errand_jitter {
    ERRAND_JITTER_FULL,        /* U(0, w) */
    ERRAND_JITTER_NONE,        /* w */
    ERRAND_JITTER_EQUAL,       /* w/2 + U(0, w/2) */
    ERRAND_JITTER_DECORRELATED /* min(max, U(initial, 3 * the wait before)), first `initial` */
} errand_jitter;

/** Returns a backoff of 0 ms. */
ERRAND_API errand_backoff *errand_backoff_none(void);

/** Returns a backoff of `ms` milliseconds, at least 0. */
ERRAND_API errand_backoff *errand_backoff_fixed(int64_t ms);

/** Returns a backoff of U(min, max) whole milliseconds, each equally likely. 0 <= min <= max. */
ERRAND_API errand_backoff *errand_backoff_random(int64_t min, int64_t max);

/**
 * Returns a backoff of max(0, min(start + (n-1) * step, max)) milliseconds. 0 <= start <= max;
 * `step` may be negative.
 */
ERRAND_API errand_backoff *errand_backoff_incrementing(int64_t start, int64_t step, int64_t max);

/**
 * Returns a backoff of max(min, min(initial * multiplier^(n-1), max)) milliseconds.
 *
 * 0 <= initial <= max; 0 <= min <= max; `multiplier` is from 1 to 1e9.
 */
ERRAND_API errand_backoff *errand_backoff_exponential(int64_t initial, int64_t max,
                                                      double multiplier, int64_t min);

/**
 * Returns a backoff of U(min, min(initial * multiplier^(n-1), max)) milliseconds; arguments as
 * errand_backoff_exponential().
 */
ERRAND_API errand_backoff *errand_backoff_random_exponential(int64_t initial, int64_t max,
                                                             double multiplier, int64_t min);

/**
 * Returns a backoff of min(initial * multiplier^(n-1) + U(0, jitter), max) milliseconds.
 *
 * `initial`, `max` and `jitter` are at least 0; `multiplier` is from 1 to 1e9.
 */
ERRAND_API errand_backoff *errand_backoff_exponential_jitter(int64_t initial, int64_t max,
                                                             double multiplier, int64_t jitter);

/**
 * Returns a backoff of min(initial * F(n), max) milliseconds, F being 1, 1, 2, 3, 5 ... 0 <=
 * initial <= max.
 */
ERRAND_API errand_backoff *errand_backoff_fibonacci(int64_t initial, int64_t max);

/**
 * Returns a backoff of max(min, initial * e^(-rate * (n-1))) milliseconds. 0 <= min <= initial;
 * `rate` is from 0 to 1e9.
 */
ERRAND_API errand_backoff *errand_backoff_decay(int64_t initial, double rate, int64_t min);

/**
 * Returns a backoff with decorrelated jitter: min(max, U(initial, 3 * the wait before))
 * milliseconds.
 *
 * 0 <= initial <= max. The wait before is that of the whole backoff, and `initial` before the
 * first.
 */
ERRAND_API errand_backoff *errand_backoff_decorrelated(int64_t initial, int64_t max);

/**
 * Returns a backoff that calls `fn(info, arg)` after each attempt.
 *
 * `fn` runs on a thread of the pool, or in an errand_loop on the caller's; `arg` must live as long
 * as the policy.
 */
ERRAND_API errand_backoff *errand_backoff_custom(errand_backoff_fn *fn, void *arg);

/** Returns `backoff` with jitter FULL, NONE or EQUAL. */
ERRAND_API errand_backoff *errand_backoff_jitter(errand_backoff *backoff, errand_jitter jitter);

/**
 * Returns `backoff` with proportional jitter: U(w * (1 - ratio), w * (1 + ratio)) for a wait w.
 *
 * `ratio` is from 0 to 1: 0.1 spreads a wait of 1,000 ms over 900 to 1,100 ms. Google's HTTP client
 * libraries call it the randomization factor.
 */
ERRAND_API errand_backoff *errand_backoff_randomized(errand_backoff *backoff, double ratio);

/** Returns min(backoff, max). `max` is at least 0. */
ERRAND_API errand_backoff *errand_backoff_capped(errand_backoff *backoff, int64_t max);

/** Returns a + b. */
ERRAND_API errand_backoff *errand_backoff_sum(errand_backoff *a, errand_backoff *b);

/** Returns the longer of `a` and `b`. */
ERRAND_API errand_backoff *errand_backoff_max(errand_backoff *a, errand_backoff *b);

/**
 * Returns a backoff that waits as parts[0] after the first attempt, parts[1] after the second ...;
 * the last of the `n` parts repeats.
 */
ERRAND_API errand_backoff *errand_backoff_chain(size_t n, errand_backoff *const parts[]);

/**
 * Returns a backoff that waits as `polled` after a success that is not the end yet, and as `failed`
 * after a failure.
 */
ERRAND_API errand_backoff *errand_backoff_poll(errand_backoff *polled, errand_backoff *failed);

/** Frees a backoff that no function has consumed. NULL is harmless. */
ERRAND_API void errand_backoff_free(errand_backoff *backoff);

#ifdef __cplusplus
}
#endif
#endif
