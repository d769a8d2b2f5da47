/* The suites of the batch floor, one per file. */
#include "jobs/suites.h"

#include <stdlib.h>

int main(void)
{
    SRunner *runner = srunner_create(json_scan_suite());
    srunner_add_suite(runner, jsonl_reader_suite());
    srunner_add_suite(runner, job_parse_suite());
    srunner_add_suite(runner, json_pointer_suite());
    srunner_add_suite(runner, redact_suite());
    srunner_add_suite(runner, batch_suite());
    srunner_add_suite(runner, batch_rounds_suite());
    srunner_add_suite(runner, result_writer_suite());
    srunner_add_suite(runner, output_dir_suite());
    srunner_add_suite(runner, jobs_suite());
    srunner_add_suite(runner, jobs_line_suite());
    srunner_add_suite(runner, job_states_suite());
    srunner_add_suite(runner, journal_suite());
    srunner_add_suite(runner, pauses_suite());
    srunner_add_suite(runner, halts_suite());
    srunner_add_suite(runner, tokens_suite());
    srunner_add_suite(runner, formats_suite());
    srunner_add_suite(runner, pages_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
