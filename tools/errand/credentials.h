/* credentials.h -- how errand authenticates itself: a bearer token, or user and password. */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include "options.h"

bool credentials_bearer_env(run_options *o, const char *name, const char *text);
bool credentials_bearer_file(run_options *o, const char *name, const char *text);
bool credentials_user(run_options *o, const char *name, const char *text);
bool credentials_token_command(run_options *o, const char *name, const char *text);

/* After all options: asks for a password that is missing. */
bool credentials_complete(run_options *o);

#endif
