#include "patterns.h"

#include <stdlib.h>

int main(void)
{
    SRunner *runner = srunner_create(retries_suite());
    srunner_add_suite(runner, limits_suite());
    srunner_add_suite(runner, ends_suite());
    srunner_add_suite(runner, many_suite());
    srunner_add_suite(runner, logs_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
