/* command_line.h -- the words of a command line as options, in a list, and files. */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include "options.h"

/* Fills in files, words and given. False: end with *status, all has been said. */
bool command_line_read(run_options *o, int argc, char **argv, int *status);

#endif
