/* curl_command.h -- a request as a command of curl, for sh. */
#ifndef CURL_COMMAND_H
#define CURL_COMMAND_H

#include "options.h"

#include <errand-http.h>
#include <stdio.h>

void curl_command(FILE *to, const errand_jobs_line *line, const run_options *o);

#endif
