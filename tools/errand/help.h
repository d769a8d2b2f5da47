/* help.h -- what --help shows, on standard output. */
#ifndef HELP_H
#define HELP_H

void help_overview(void); /* errand --help */
void help_run(void);      /* errand run --help */

#endif
