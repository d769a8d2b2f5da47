/* The suites of this folder. */
#ifndef SUITES_H
#define SUITES_H

#include <check.h>

Suite *text_suite(void);
Suite *lines_suite(void);
Suite *job_suite(void);
Suite *spread_suite(void);
Suite *batch_suite(void);
Suite *jobs_suite(void);
Suite *results_suite(void);

#endif
