#include "harness.h"

#ifdef WITH_TLS
#include "shared.h"
#endif

int main(void)
{
    Suite *(*const suites[])(void) = {
        classify_suite, quotas_suite,  refusals_suite, replies_suite,    redirects_suite,
        failures_suite, cancels_suite, session_suite,  lines_suite,      limits_suite,
        retries_suite,  files_suite,   json_suite,     table_suite,      hostile_suite,
        flows_suite,    decoder_suite, bodies_suite,   middleware_suite, storms_suite,
        phases_suite,   lanes_suite,   forks_suite,    urls_suite,       dump_suite,
        url_fuzz_suite, names_suite,   params_suite,   statuses_suite,   resolver_suite,
        peers_suite,    cookies_suite, charsets_suite, links_suite,      ready_suite,
        routes_suite,   bearer_suite
    };
    SRunner *runner = srunner_create(NULL);
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        srunner_add_suite(runner, suites[i]());
#ifdef WITH_TLS
    srunner_add_suite(runner, tls_suite());
    if (shared_can()) {
        srunner_add_suite(runner, http2_suite());
        srunner_add_suite(runner, streams_suite());
    } else {
        puts("SKIPPED: the tests of HTTP/2, for this libcurl has none");
    }
#else
    puts("SKIPPED: the tests of TLS and HTTP/2, for want of the OpenSSL library (libssl-dev)");
#endif
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
