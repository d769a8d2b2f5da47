/* output_options.h -- readers of options; see options.c. */
#ifndef OUTPUT_OPTIONS_H
#define OUTPUT_OPTIONS_H

#include "options.h"

bool output_openai(run_options *o, const char *name, const char *text);
bool output_progress(run_options *o, const char *name, const char *text);
bool output_headers(run_options *o, const char *name, const char *text);
bool output_body(run_options *o, const char *name, const char *text);
bool output_select(run_options *o, const char *name, const char *text);
bool output_output_dir(run_options *o, const char *name, const char *text);
bool output_next(run_options *o, const char *name, const char *text);
bool output_max_pages(run_options *o, const char *name, const char *text);
bool output_log(run_options *o, const char *name, const char *text);
bool output_output(run_options *o, const char *name, const char *text);
bool output_resume(run_options *o, const char *name, const char *text);
bool output_fresh(run_options *o, const char *name, const char *text);
bool output_retry_failed(run_options *o, const char *name, const char *text);
bool output_repeat_unknown(run_options *o, const char *name, const char *text);
bool output_ordered(run_options *o, const char *name, const char *text);
bool output_verbose(run_options *o, const char *name, const char *text);
bool output_quiet(run_options *o, const char *name, const char *text);

/* When all have been read. */
bool output_complete(const run_options *o);

#endif
