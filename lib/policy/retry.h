/* policy/retry.h -- how far a run or a loop has come, and what follows an attempt. Its driver alone
 * uses it; nothing in here locks. */
#ifndef ER_RETRY_H
#define ER_RETRY_H

#include "async/context.h"
#include "policy/policy.h"

typedef struct er_retry {
    errand_policy *policy;         /* er_policy_begin; its counters alone are written */
    const char *name;              /* of the task; NULL: none */
    er_context *context;           /* counted; NULL: none */
    void *arg;                     /* for hooks and predicates */
    int64_t began_ns, deadline_ns; /* on its clock; INT64_MAX: no deadline */
    int64_t idle_ms;
    uint64_t seed;    /* 0: not drawn yet */
    unsigned number;  /* attempts begun */
    unsigned failed;  /* of them, so far */
    bool nested;      /* inside another's attempt */
    bool alone, once; /* no attempt beside another; nor after another */
    er_history *history;
    er_budget_member *budget; /* NULL: none */
} er_retry;

/* One attempt that has ended, as it is judged. */
typedef struct er_ended {
    unsigned number;
    int64_t began_ns, now_ns;
    bool alone; /* no other is under way */
} er_ended;

typedef enum er_next {
    ER_NEXT_END,   /* r is how the whole ends */
    ER_NEXT_SLEEP, /* then again: *wait_ms */
    ER_NEXT_OTHERS /* the others that are under way decide */
} er_next;

static inline const char *er_retry_key(const er_retry *c) { return er_context_key(c->context); }
errand_attempt_info er_retry_view(const er_retry *c, unsigned number, int64_t now_ns,
                                  const errand_result *last);

/* An attempt is about to be called, calls the hook. last: how the one before it has
 * ended; NULL: none has. */
void er_retry_before(const er_retry *c, unsigned number, int64_t now_ns, const errand_result *last);

/* Records the attempt and returns what follows; calls the user's hooks and functions. On giving
 * up, what refused another attempt becomes a cause of r, and a success that asks for one becomes a
 * failure. */
er_next er_retry_judge(er_retry *c, errand_log *log, const er_ended *ended, errand_result *r,
                       int64_t *wait_ms);

/* Records an attempt without judging it. */
void er_retry_note(er_retry *c, const er_ended *ended, int error);

/* Asks the policy's breaker, if it has one, as er_breaker_allow does. */
int er_retry_ask_breaker(const er_retry *c, er_breaker_call *call);

/* An attempt has ended: a success counts for the time of the next hedge, a rate-limited result or
 * a 503 with a Retry-After pauses the rate. */
void er_retry_learn(const er_retry *c, const er_ended *ended, const errand_result *r);

/* `by` cut the wait for another attempt short; *last is how the last one ended. A cancel or the
 * deadline becomes the result, with the last failure as its cause; a mere refusal (no turn before
 * the deadline, no memory) becomes a cause of the last failure, which it must not hide. */
void er_retry_cut_short(errand_result *last, errand_result by);

/* The whole ends: completes the result, logs, counts. */
void er_retry_end(er_retry *c, errand_log *log, int64_t now_ns, errand_result *r);

/* When nothing of it is under way any more; does not touch the policy after this. */
void er_retry_leave(er_retry *c);

/* The log of a run with that policy at that pool (NULL: none). */
errand_log *er_retry_log(const er_retry *c, errand_pool *pool);

#endif
