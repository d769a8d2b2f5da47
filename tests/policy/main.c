/* The policies' suites, one per file. */
#include "runs.h"

#include <stdlib.h>

Suite *sem_suite(void);
Suite *permits_suite(void);
Suite *adapt_suite(void);
Suite *adaptive_suite(void);
Suite *rate_suite(void);
Suite *rate_turns_suite(void);
Suite *rate_resize_suite(void);
Suite *rate_weights_suite(void);
Suite *rate_quotas_suite(void);
Suite *keyed_suite(void);
Suite *breaker_suite(void);
Suite *budget_suite(void);
Suite *singleflight_suite(void);
Suite *leases_suite(void);
Suite *lease_runs_suite(void);
Suite *lease_storm_suite(void);
Suite *limits_suite(void);
Suite *policy_suite(void);
Suite *specs_suite(void);
Suite *policy_hooks_suite(void);
Suite *hedges_suite(void);
Suite *loops_suite(void);
Suite *outage_suite(void);
Suite *retry_suite(void);
Suite *may_have_run_suite(void);
Suite *deadlines_suite(void);
Suite *run_endings_suite(void);
Suite *groups_suite(void);
Suite *deadlocks_suite(void);
Suite *context_suite(void);
Suite *dump_suite(void);
Suite *fork_suite(void);

int main(void)
{
    SRunner *runner = srunner_create(sem_suite());
    srunner_add_suite(runner, permits_suite());
    srunner_add_suite(runner, adapt_suite());
    srunner_add_suite(runner, adaptive_suite());
    srunner_add_suite(runner, rate_suite());
    srunner_add_suite(runner, rate_turns_suite());
    srunner_add_suite(runner, rate_resize_suite());
    srunner_add_suite(runner, rate_weights_suite());
    srunner_add_suite(runner, rate_quotas_suite());
    srunner_add_suite(runner, keyed_suite());
    srunner_add_suite(runner, breaker_suite());
    srunner_add_suite(runner, budget_suite());
    srunner_add_suite(runner, singleflight_suite());
    srunner_add_suite(runner, leases_suite());
    srunner_add_suite(runner, lease_runs_suite());
    srunner_add_suite(runner, lease_storm_suite());
    srunner_add_suite(runner, limits_suite());
    srunner_add_suite(runner, policy_suite());
    srunner_add_suite(runner, specs_suite());
    srunner_add_suite(runner, policy_hooks_suite());
    srunner_add_suite(runner, hedges_suite());
    srunner_add_suite(runner, loops_suite());
    srunner_add_suite(runner, outage_suite());
    srunner_add_suite(runner, retry_suite());
    srunner_add_suite(runner, may_have_run_suite());
    srunner_add_suite(runner, deadlines_suite());
    srunner_add_suite(runner, run_endings_suite());
    srunner_add_suite(runner, groups_suite());
    srunner_add_suite(runner, deadlocks_suite());
    srunner_add_suite(runner, context_suite());
    srunner_add_suite(runner, dump_suite());
    srunner_add_suite(runner, fork_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
