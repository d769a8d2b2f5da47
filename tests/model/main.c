/* The runtime's protocols under every interleaving. See model.h. */
#include "model.h"

#include "base/os.h"

#include <stdlib.h>

#ifdef __has_feature
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
enum { NO_USE = 1 }; /* one thread only, which switches stacks */
#else
enum { NO_USE = 0 };
#endif

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
