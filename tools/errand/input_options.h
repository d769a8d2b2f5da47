/* input_options.h -- readers of options; see options.c. */
#ifndef INPUT_OPTIONS_H
#define INPUT_OPTIONS_H

#include "options.h"

bool input_method(run_options *o, const char *name, const char *text);
bool input_params(run_options *o, const char *name, const char *text);
bool input_format(run_options *o, const char *name, const char *text);
bool input_delimiter(run_options *o, const char *name, const char *text);
bool input_template(run_options *o, const char *name, const char *text);
bool input_json(run_options *o, const char *name, const char *text);
bool input_id(run_options *o, const char *name, const char *text);
bool input_skip(run_options *o, const char *name, const char *text);
bool input_take(run_options *o, const char *name, const char *text);
bool input_defaults(run_options *o, const char *name, const char *text);

#endif
