/* plan_report.h -- a plan in words. */
#ifndef PLAN_REPORT_H
#define PLAN_REPORT_H

#include "plan_tally.h"

#include <stdio.h>

void plan_report(FILE *to, plan_tally *t, const run_options *o);

#endif
