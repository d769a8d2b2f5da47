/* Usual faults of programs that retry, limit and wait, each beaten by a test. The comment above
 * a test says what goes wrong elsewhere. */
#ifndef PATTERNS_H
#define PATTERNS_H

#include "policy/runs.h"

Suite *retries_suite(void);
Suite *limits_suite(void);
Suite *ends_suite(void);
Suite *many_suite(void);
Suite *logs_suite(void);

#endif
