/* help.h -- what --help shows, on standard output. */
#ifndef HELP_H
#define HELP_H

#include "option_table.h"

void help_overview(void);              /* errand --help */
void help_command(command_id command); /* errand run --help ... */

#endif
