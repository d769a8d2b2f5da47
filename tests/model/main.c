/* The runtime's protocols under every interleaving. See model.h. */
#include "model.h"

#include "base/os.h"
#include "base/sanitizers.h"

#include <stdlib.h>

enum { NO_USE = ER_TSAN }; /* one thread only, which switches stacks */

int main(void)
{
    if (NO_USE) return 77;
    (void)er_format_plain(NULL, 0, "%d", 0); /* makes a locale once, so that all runs are alike */
    SRunner *runner = srunner_create(cells_suite());
    srunner_add_suite(runner, parking_suite());
    srunner_add_suite(runner, promises_suite());
    srunner_add_suite(runner, combined_suite());
    srunner_add_suite(runner, pools_suite());
    srunner_add_suite(runner, waits_suite());
    srunner_add_suite(runner, laters_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
