/* curl_command.h -- a request as a command of curl, for sh. */
#ifndef CURL_COMMAND_H
#define CURL_COMMAND_H

#include "options.h"
#include "secret_names.h"

#include <errand-http.h>
#include <stdio.h>

/* `names` calls the secrets of all commands that are shown. */
void curl_command(FILE *to, const errand_jobs_line *line, const run_options *o,
                  secret_names *names);

#endif
