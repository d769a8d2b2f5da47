/* The second half of the demo server's tests. */
#ifndef TOOLS_DEMO_PROCESS_H
#define TOOLS_DEMO_PROCESS_H

#include <check.h>

void add_process_tests(Suite *suite);

#endif
