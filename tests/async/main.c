/* The runtime's suites, one per file. */
#include "events.h"

#include <stdlib.h>

Suite *timers_suite(void);
Suite *tasks_suite(void);
Suite *promises_suite(void);
Suite *combine_suite(void);
Suite *futures_suite(void);
Suite *pool_suite(void);
Suite *shutdown_suite(void);
Suite *fork_suite(void);
Suite *no_threads_suite(void);
Suite *storms_suite(void);
Suite *races_suite(void);
Suite *watchers_suite(void);
Suite *cancel_hooks_suite(void);
Suite *scopes_suite(void);
Suite *enter_leave_suite(void);
Suite *periodic_suite(void);
Suite *deadlocks_suite(void);
Suite *context_suite(void);
Suite *spares_suite(void);
Suite *dump_suite(void);
Suite *quorum_suite(void);
Suite *waitset_suite(void);
Suite *guests_suite(void);
Suite *files_suite(void);

int main(void)
{
    SRunner *runner = srunner_create(timers_suite());
    srunner_add_suite(runner, tasks_suite());
    srunner_add_suite(runner, promises_suite());
    srunner_add_suite(runner, combine_suite());
    srunner_add_suite(runner, futures_suite());
    srunner_add_suite(runner, pool_suite());
    srunner_add_suite(runner, shutdown_suite());
    srunner_add_suite(runner, fork_suite());
    srunner_add_suite(runner, no_threads_suite());
    srunner_add_suite(runner, storms_suite());
    srunner_add_suite(runner, races_suite());
    srunner_add_suite(runner, watchers_suite());
    srunner_add_suite(runner, cancel_hooks_suite());
    srunner_add_suite(runner, scopes_suite());
    srunner_add_suite(runner, enter_leave_suite());
    srunner_add_suite(runner, periodic_suite());
    srunner_add_suite(runner, deadlocks_suite());
    srunner_add_suite(runner, context_suite());
    srunner_add_suite(runner, spares_suite());
    srunner_add_suite(runner, dump_suite());
    srunner_add_suite(runner, quorum_suite());
    srunner_add_suite(runner, waitset_suite());
    srunner_add_suite(runner, guests_suite());
    srunner_add_suite(runner, files_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
