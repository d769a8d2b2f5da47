#include "world.h"

int main(void)
{
    Suite *(*const suites[])(void) = { classify_suite, refusals_suite, replies_suite, failures_suite, endings_suite,
                                       session_suite,  retries_suite,  files_suite,   json_suite };
    SRunner *runner = srunner_create(NULL);
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        srunner_add_suite(runner, suites[i]());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
