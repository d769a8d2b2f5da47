/* The suites of the batch floor, one per file. */
#include "batch/suites.h"

#include <stdlib.h>

int main(void)
{
    SRunner *runner = srunner_create(text_suite());
    srunner_add_suite(runner, lines_suite());
    srunner_add_suite(runner, job_suite());
    srunner_add_suite(runner, spread_suite());
    srunner_add_suite(runner, batch_suite());
    srunner_add_suite(runner, results_suite());
    srunner_add_suite(runner, jobs_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
