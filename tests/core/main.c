/* The core's suites, one per file. */
#include "cores.h"

#include <stdlib.h>

Suite *timers_suite(void);
Suite *tasks_suite(void);
Suite *promises_suite(void);
Suite *combine_suite(void);
Suite *futures_suite(void);
Suite *pool_suite(void);
Suite *close_suite(void);
Suite *fork_suite(void);
Suite *scarce_suite(void);
Suite *storms_suite(void);
Suite *sem_suite(void);
Suite *permits_suite(void);
Suite *rate_suite(void);
Suite *turns_suite(void);
Suite *families_suite(void);
Suite *breaker_suite(void);
Suite *budget_suite(void);
Suite *flights_suite(void);
Suite *limits_suite(void);
Suite *policy_suite(void);
Suite *specs_suite(void);
Suite *recipes_suite(void);
Suite *hedges_suite(void);
Suite *loops_suite(void);
Suite *outage_suite(void);
Suite *retry_suite(void);
Suite *abandoned_suite(void);
Suite *deadlines_suite(void);
Suite *stages_suite(void);
Suite *groups_suite(void);
Suite *firsts_suite(void);
Suite *watching_suite(void);
Suite *frames_suite(void);
Suite *every_suite(void);
Suite *circles_suite(void);
Suite *context_suite(void);
Suite *spares_suite(void);
Suite *reports_suite(void);

int main(void)
{
    SRunner *runner = srunner_create(timers_suite());
    srunner_add_suite(runner, tasks_suite());
    srunner_add_suite(runner, promises_suite());
    srunner_add_suite(runner, combine_suite());
    srunner_add_suite(runner, futures_suite());
    srunner_add_suite(runner, pool_suite());
    srunner_add_suite(runner, close_suite());
    srunner_add_suite(runner, fork_suite());
    srunner_add_suite(runner, scarce_suite());
    srunner_add_suite(runner, storms_suite());
    srunner_add_suite(runner, sem_suite());
    srunner_add_suite(runner, permits_suite());
    srunner_add_suite(runner, rate_suite());
    srunner_add_suite(runner, turns_suite());
    srunner_add_suite(runner, families_suite());
    srunner_add_suite(runner, breaker_suite());
    srunner_add_suite(runner, budget_suite());
    srunner_add_suite(runner, flights_suite());
    srunner_add_suite(runner, limits_suite());
    srunner_add_suite(runner, policy_suite());
    srunner_add_suite(runner, specs_suite());
    srunner_add_suite(runner, recipes_suite());
    srunner_add_suite(runner, hedges_suite());
    srunner_add_suite(runner, loops_suite());
    srunner_add_suite(runner, outage_suite());
    srunner_add_suite(runner, retry_suite());
    srunner_add_suite(runner, abandoned_suite());
    srunner_add_suite(runner, deadlines_suite());
    srunner_add_suite(runner, stages_suite());
    srunner_add_suite(runner, groups_suite());
    srunner_add_suite(runner, firsts_suite());
    srunner_add_suite(runner, watching_suite());
    srunner_add_suite(runner, frames_suite());
    srunner_add_suite(runner, every_suite());
    srunner_add_suite(runner, circles_suite());
    srunner_add_suite(runner, context_suite());
    srunner_add_suite(runner, spares_suite());
    srunner_add_suite(runner, reports_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
