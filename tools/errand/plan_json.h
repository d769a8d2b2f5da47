/* plan_json.h -- a plan as one object in JSON. */
#ifndef PLAN_JSON_H
#define PLAN_JSON_H

#include "plan_tally.h"

#include <stdio.h>

/* False: no memory. */
bool plan_json(FILE *to, plan_tally *t, const run_options *o);

#endif
