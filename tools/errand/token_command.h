/* token_command.h -- runs a command for a bearer token. */
#ifndef TOKEN_COMMAND_H
#define TOKEN_COMMAND_H

#include <errand-http.h>

#define TOKEN_COMMAND_MS 30000

/* An errand_fn: arg is the command, text. The value is the first line that it prints. A cancel ends
 * it, and all that it has started. */
errand_result token_command_run(void *command);

#endif
