/* plan_options.h -- readers of options; see options.c. */
#ifndef PLAN_OPTIONS_H
#define PLAN_OPTIONS_H

#include "options.h"

bool plan_show(run_options *o, const char *name, const char *text);
bool plan_curl(run_options *o, const char *name, const char *text);
bool plan_show_secrets(run_options *o, const char *name, const char *text);
bool plan_form(run_options *o, const char *name, const char *text);
/* When all are read: whether they go together. */
bool plan_complete(run_options *o);

#endif
