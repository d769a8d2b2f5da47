/* base/result.h -- what stands behind a result: the detail, and how it is added
 * without ever failing.
 *
 * A detail is owned by its result and never shared. Without memory a static detail takes its place,
 * which says whether it may have run, kind or reason, and nothing more. */
#ifndef ER_RESULT_H
#define ER_RESULT_H

#include "base/os.h"

#include <errand/future.h>

#define ER_TIMINGS        6
#define ER_ATTEMPTS_FIRST 8
#define ER_ATTEMPTS_LAST  24

typedef struct er_history { /* the first and the last attempts of a long run */
    unsigned n;             /* in all */
    /* of at. Less than all that are kept, and than n: memory ended there, and
     * only these are known */
    unsigned room;
    errand_attempt at[]; /* the first ones, then the last ones as a ring */
} er_history;

struct errand_detail {
    bool fixed; /* static: not to be written or freed */
    bool may_have_run;
    bool kind_known; /* else it follows from the code */
    bool degraded;
    uint8_t attempts_most; /* a retry makes at most that many; 0: no limit */
    errand_kind kind;
    errand_reason reason;
    bool timed; /* timings_ms are known */
    /* when it reached each station, as its maker counts them; -1: never */
    float timings_ms[ER_TIMINGS];
    int64_t elapsed_ms;     /* -1: not measured */
    int64_t retry_after_ms; /* -1: none         */
    size_t index;           /* SIZE_MAX: none */
    const char *phase;      /* a literal; NULL: none */
    char *message;          /* NULL: errand_strerror */
    er_history *history;
    errand_result *causes;
    size_t n_causes;
    errand_detail *next; /* while it is freed */
};

/* The detail of r, made if there was none. NULL: no memory, or a fixed one:
 * then r stays as it is. */
ER_SHARED errand_detail *er_detail(errand_result *r);

/* The server has limited the rate: a failure of that kind, or a success that says so
 * (any_status). */
static inline bool er_result_limited(const errand_result *r)
{
    bool known = r->detail && r->detail->kind_known;
    return (known ? r->detail->kind : errand_result_kind(r)) == ERRAND_KIND_RATE_LIMITED;
}

/* The server asks all callers for a wait, if there is a hint: it has limited the rate, or is
 * unavailable for a while. */
static inline bool er_result_throttled(const errand_result *r)
{
    return er_result_limited(r) || r->error == ERRAND_HTTP + 503;
}

/* A failure of cancelled work, with a reason; never fails: without memory a fixed detail has the
 * reason. */
ER_SHARED errand_result er_fail_by(int error, errand_reason reason);

/* A failure: the work may have been done. Takes no memory. Of a success: nothing. */
ER_SHARED void er_result_may_have_run(errand_result *r);

/* The same error with a copy of its detail, values left out, for another owner. Without memory a
 * static detail takes its place. */
ER_SHARED errand_result er_result_copy(const errand_result *r);

/* Puts cause behind r and owns it; without memory it is freed. What it says of having run, r
 * says from then on in any case. */
ER_SHARED void er_result_because(errand_result *r, errand_result cause);

/* The value of what ends with many results, one allocation, all zero; freeing
 * frees what is in it. */
ER_SHARED errand_results *er_results_new(size_t n); /* NULL: no memory */
ER_SHARED void er_results_free(void *results);

/* It was cancelled for a reason. An error of that kind without a reason is a failure like any
 * other. */
static inline bool er_result_cancelled(const errand_result *r)
{
    return errand_result_reason(r) != ERRAND_BY_NONE &&
           errand_result_kind(r) == ERRAND_KIND_CANCELLED;
}

/* Marks a fallback's success; never fails: without memory a fixed detail says it. */
ER_SHARED void er_result_degrade(errand_result *r);

/* Records an attempt; *history (NULL at first) grows. Without memory the attempt is counted only.
 * The last attempt can be completed later; NULL: it was not kept. */
ER_SHARED void er_history_add(er_history **history, const errand_attempt *attempt);
ER_SHARED errand_attempt *er_history_last(er_history *history);

/* Hands the history over to r. */
ER_SHARED void er_result_attempted(errand_result *r, er_history *history);

/* errno and the ranges to a kind; a kind to "again by default". */
ER_SHARED errand_kind er_kind_of(int error);

#endif
