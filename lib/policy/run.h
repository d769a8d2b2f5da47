/* policy/run.h -- a run under a policy, as a future. */
#ifndef ER_RUN_H
#define ER_RUN_H

#include "async/submit.h"
#include "policy/policy.h"

/* errand_run_task of a task that er_task_check has approved; it inherits nothing. The deadline
 * is that of the whole, so terms->late is ERRAND_BY_TOTAL. policy NULL: once. */
er_cell *er_run(errand_pool *pool, const errand_policy *policy, const errand_task *task,
                const er_terms *terms);

/* As errand_run_task, for work that must not overlap with itself (ER_ALONE) or be done twice
 * (ER_ONCE), whatever the policy says. */
ER_SHARED errand_future *er_run_guarded(errand_pool *pool, const errand_policy *policy,
                                        const errand_task *task, unsigned how, const void *site);

/* What the deadline of such a run is to be: the nearest of the policy's, the task's
 * and the calling task's. */
int64_t er_run_deadline(errand_pool *pool, const errand_policy *policy, const errand_task *task);

#endif
