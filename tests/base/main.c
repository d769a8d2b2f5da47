/* The suites of lib/base, one or two to a file. */
#include "bases.h"

#include <stdlib.h>

unsigned scaled(unsigned n)
{
    const char *scale = getenv("ERRAND_TEST_SCALE");
    double many = n * (scale ? strtod(scale, NULL) : 1.0);
    return many < 1 ? 1 : (unsigned)many;
}

int main(void)
{
    SRunner *runner = srunner_create(results_suite());
    srunner_add_suite(runner, histories_suite());
    srunner_add_suite(runner, bytes_suite());
    srunner_add_suite(runner, options_suite());
    srunner_add_suite(runner, list_suite());
    srunner_add_suite(runner, wheel_suite());
    srunner_add_suite(runner, parking_suite());
    srunner_add_suite(runner, clock_suite());
    srunner_add_suite(runner, files_suite());
    srunner_add_suite(runner, saves_suite());
    srunner_add_suite(runner, numbers_suite());
    srunner_add_suite(runner, durations_suite());
    srunner_add_suite(runner, utf8_suite());
    srunner_add_suite(runner, nearest_suite());
    srunner_add_suite(runner, histogram_suite());
    srunner_add_suite(runner, lru_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
