/* The logger's suites, one per file. */
#include "logs.h"

#include <stdlib.h>

int main(void)
{
    SRunner *runner = srunner_create(ring_suite());
    srunner_add_suite(runner, lines_suite());
    srunner_add_suite(runner, sinks_suite());
    srunner_add_suite(runner, full_suite());
    srunner_add_suite(runner, ends_suite());
    srunner_add_suite(runner, fork_suite());
    srunner_add_suite(runner, formats_suite());
    srunner_add_suite(runner, layouts_suite());
    srunner_add_suite(runner, results_suite());
    srunner_add_suite(runner, sink_kinds_suite());
    srunner_add_suite(runner, rotation_suite());
    srunner_add_suite(runner, rings_suite());
    srunner_add_suite(runner, late_lines_suite());
    srunner_add_suite(runner, storms_suite());
    srunner_add_suite(runner, exits_suite());
    srunner_add_suite(runner, named_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
