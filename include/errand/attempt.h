/** errand/attempt.h -- one attempt of a retried operation, as hooks, predicates and backoff
 * functions see it.
 */
#ifndef ERRAND_ATTEMPT_H
#define ERRAND_ATTEMPT_H

#include <errand/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What is known when a hook, a predicate or a backoff function is called. Valid during the call.
 */
typedef struct errand_attempt_info {
    unsigned number; /* of the attempt, from 1 */
    unsigned reserved;
    int64_t elapsed_ms; /* since the run began */
    int64_t idle_ms;    /* of these, asleep between attempts */
    /* the sleep that comes next; -1: there is none, or it is not known yet */
    int64_t upcoming_ms;
    /* how the attempt ended. In before_attempt: the attempt before it; NULL for the first one
     * and for a hedge */
    const errand_result *last;
    const char *name, *key; /* of the task, else of the policy; may be NULL */
    void *arg;              /* of the task; NULL in an errand_loop */
} errand_attempt_info;

/** A hook of a policy: before_attempt, after_attempt, before_sleep, on_success, on_give_up. */
typedef void errand_hook_fn(const errand_attempt_info *info, void *arg);

/** Answers a question about an attempt, for errand_stop_custom() and errand_retry_if_custom(). */
typedef bool errand_predicate_fn(const errand_attempt_info *info, void *arg);

/** Computes a wait in milliseconds, for errand_backoff_custom(). A negative wait counts as 0. */
typedef int64_t errand_backoff_fn(const errand_attempt_info *info, void *arg);

/** Says whether a success with this value is not the end yet, for errand_retry_if_value(). */
typedef bool errand_value_fn(const void *value, void *arg);

#ifdef __cplusplus
}
#endif
#endif
