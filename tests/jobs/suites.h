/* The suites of this folder. */
#ifndef SUITES_H
#define SUITES_H

#include <check.h>

Suite *json_scan_suite(void);
Suite *json_pointer_suite(void);
Suite *jsonl_reader_suite(void);
Suite *job_parse_suite(void);
Suite *batch_suite(void);
Suite *batch_rounds_suite(void);
Suite *pages_suite(void);
Suite *job_states_suite(void);
Suite *journal_suite(void);
Suite *jobs_suite(void);
Suite *jobs_line_suite(void);
Suite *pauses_suite(void);
Suite *halts_suite(void);
Suite *tokens_suite(void);
Suite *result_writer_suite(void);
Suite *formats_suite(void);
Suite *redact_suite(void);
Suite *output_dir_suite(void);

#endif
