/* pace_options.h -- readers of options; see options.c. */
#ifndef PACE_OPTIONS_H
#define PACE_OPTIONS_H

#include "options.h"

bool pace_rate(run_options *o, const char *name, const char *text);
bool pace_rate_total(run_options *o, const char *name, const char *text);
bool pace_tokens(run_options *o, const char *name, const char *text);
bool pace_budget_tokens(run_options *o, const char *name, const char *text);
bool pace_tokens_asked(run_options *o, const char *name, const char *text);
bool pace_tokens_used(run_options *o, const char *name, const char *text);
bool pace_limit_per_host(run_options *o, const char *name, const char *text);
bool pace_jobs(run_options *o, const char *name, const char *text);
bool pace_retries(run_options *o, const char *name, const char *text);
bool pace_timeout(run_options *o, const char *name, const char *text);
bool pace_connect_timeout(run_options *o, const char *name, const char *text);
bool pace_max_time(run_options *o, const char *name, const char *text);
bool pace_retry_max_time(run_options *o, const char *name, const char *text);
bool pace_deadline(run_options *o, const char *name, const char *text);
bool pace_retry_on(run_options *o, const char *name, const char *text);
bool pace_halt(run_options *o, const char *name, const char *text);
bool pace_idempotent(run_options *o, const char *name, const char *text);
bool pace_idempotency_key(run_options *o, const char *name, const char *text);
bool pace_refused_may_have_run(run_options *o, const char *name, const char *text);

#endif
