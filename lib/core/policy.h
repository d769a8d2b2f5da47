/* core/policy.h -- a recipe, checked. */
#ifndef ER_POLICY_H
#define ER_POLICY_H

#include "core/limits.h"

#include <errand/policy.h>

#define ER_HINT_DEFAULT (-1) /* hint_most_ms: what is left, else 5 min */

struct errand_policy {
    uint32_t           count;
    errand_policy_opts how; /* defaults filled in; times that were 0 for "none" are ERRAND_FOREVER */
};

ER_SHARED errand_policy *er_policy_keep(const errand_policy *policy);

/* errand_run_task of a task that er_task_check has approved; it inherits the key alone. policy NULL: once. */
er_cell *er_run(errand_pool *pool, const errand_policy *policy, const errand_task *task, int64_t deadline_ns, bool urgent,
                const void *site);

/* What the deadline of such a run is to be: the nearest of the policy's, the task's and the calling task's. */
int64_t er_run_deadline(errand_pool *pool, const errand_policy *policy, const errand_task *task);

/* The wait after failed attempt n (from 1), in ms. A pure function: the n-th wait of a seed is always the same. */
int64_t er_policy_wait(const errand_policy *policy, unsigned n, uint64_t seed, bool rate_limited);

#endif
