/* jobs/token_budget.h -- tokens that attempts reserve before they are sent, and settle when their
 * replies are there: within a rate, and within a budget for the whole run. */
#ifndef ER_TOKEN_BUDGET_H
#define ER_TOKEN_BUDGET_H

#include "base/list.h"
#include "base/os.h"

#include <errand/promise.h>
#include <errand/rate.h>

typedef struct er_token_budget {
    errand_pool *pool;
    errand_rate *rate; /* the caller's; NULL: none */
    uint64_t most;     /* UINT64_MAX: no limit in all */
    er_lock lock;      /* guards the rest */
    uint64_t used, reserved;
    er_list line; /* of those that wait until others have settled */
} er_token_budget;

/* What one attempt at a time reserves. Zeroed at first but for what its owner gives, and used again
 * after it was settled or has failed. */
typedef struct er_token_hold {
    uint64_t n;
    int64_t deadline_ns;  /* on the pool's clock; INT64_MAX: none */
    errand_then_fn *then; /* see er_token_budget_reserve() */
    void *arg;
    /* the rest is token_budget.c's */
    er_token_budget *budget;
    bool counted, taken;     /* counted: in reserved. taken: of the rate */
    errand_promise *promise; /* in the line; NULL: not in it */
    er_node node;
} er_token_hold;

void er_token_budget_init(er_token_budget *budget, errand_pool *pool, errand_rate *rate,
                          uint64_t most); /* most 0: no limit */

/* Calls hold->then(r, hold->arg), once, as a then-function: r is good when n tokens are there. What
 * does not fit beside what others have reserved waits until they settle, first come, first served;
 * then for its turn of the rate. Else r is ERRAND_EBUDGET (it does not fit beside what is used),
 * ENOMEM, a cancel, or a failure of errand_rate_acquire_n(), and nothing is held. Returns what
 * `then` returns. */
errand_future *er_token_budget_reserve(er_token_budget *budget, er_token_hold *hold);

/* Its attempt has used that many, which may be more or fewer than n. Nothing if nothing is held. */
void er_token_budget_settle(er_token_hold *hold, uint64_t used);

void er_token_budget_look(er_token_budget *budget, uint64_t *used, uint64_t *reserved);

#endif
