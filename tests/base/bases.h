/* Shared by the tests of lib/base. */
#ifndef BASES_H
#define BASES_H

#include <check.h>

Suite *results_suite(void);
Suite *histories_suite(void);
Suite *bytes_suite(void);
Suite *options_suite(void);
Suite *wheel_suite(void);
Suite *list_suite(void);
Suite *parking_suite(void);
Suite *files_suite(void);
Suite *saves_suite(void);
Suite *clock_suite(void);
Suite *numbers_suite(void);
Suite *durations_suite(void);
Suite *utf8_suite(void);
Suite *nearest_suite(void);
Suite *histogram_suite(void);
Suite *lru_suite(void);

unsigned scaled(unsigned n); /* n times ERRAND_TEST_SCALE, at least 1 */

#endif
